"The learner's copy of chapter 06 in a real browser: sliders, Run, Stop, an exercise, a quiz, a reload; what axe says in both themes."
import ast
import json
import os
import re
from importlib import resources

from lab_in_browser import IDLE, needs_chromium, page_of

from ft_course.classroom.exercises import find_exercise
from ft_course.classroom.quizzes import quiz_names, quiz_question
from ft_course.classroom.solutions import exercise_names

pytestmark = needs_chromium
CHAPTER = "1_foundations/06_hyperparameters.ipynb"
SOLUTIONS = json.loads((resources.files("ft_course")/"classroom"/"checks"/"solutions.json").read_text(encoding="utf-8"))
EXERCISE = next(n for n in exercise_names() if n.startswith("06."))

EXECUTE = """async code => {
    const future = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code});
    let said = '';
    future.onIOPub = m => { said += m.content.text ?? (m.header.msg_type === 'error' ? m.content.ename + ': ' + m.content.evalue : ''); };
    await future.done;
    return said;
}"""


class Notebook:
    "A chapter open in Lab, its cells run by number."
    def __init__(self, page, cells):
        self.page, self.sources = page, ["".join(c["source"]) for c in cells]

    def number(self, pattern):
        return next(i for i, source in enumerate(self.sources) if re.search(pattern, source, flags=re.M))

    def cell(self, i):
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{i}']")

    def run(self, i):
        self.page.evaluate("i => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i }", i)
        self.page.evaluate("() => Promise.race([window.jupyterapp.commands.execute('notebook:run-cell'), new Promise(r => setTimeout(r, 60000))])")
        self.page.wait_for_function(IDLE, timeout=60_000)
        return self.show(i)

    def show(self, i):
        self.page.evaluate("i => window.jupyterapp.shell.currentWidget.content.scrollToItem(i, 'start')", i)
        self.cell(i).scroll_into_view_if_needed(timeout=20_000)
        return self.cell(i)

    def execute(self, code):
        return self.page.evaluate(EXECUTE, code)


def serious(page):
    """What axe finds serious in the outputs. It wants everything that scrolls to be focusable by markup; a wide table in
    JupyterLab is not, but the browser gives it the focus all the same: that is tried, and only then no fault."""
    from axe_playwright_python.sync_playwright import Axe
    def focused(node):
        return page.evaluate("s => { const e = document.querySelector(s); e.focus(); return document.activeElement === e }", node["target"][0])
    found = []
    for v in Axe().run(page, context=".jp-OutputArea").response["violations"]:
        if v["impact"] not in ("serious", "critical"): continue
        nodes = [n for n in v["nodes"] if v["id"] != "scrollable-region-focusable" or not focused(n)]
        if nodes: found.append((v["id"], v["help"], [n["target"] for n in nodes], nodes[0]["html"][:200]))
    return found


def imports_only(source):
    return source.strip() and all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.parse(source).body)


def run_all(page):
    "All cells, as the learner finds them: nothing crashes with the solutions out."
    page.evaluate("""() => { window.ran = undefined;
        Promise.race([window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true), new Promise(r => setTimeout(() => r(false), 590000))]).then(r => { window.ran = r }) }""")
    page.wait_for_function("() => window.ran !== undefined", timeout=600_000)
    assert page.evaluate("() => window.ran")
    outputs = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells.flatMap(c => c.outputs ?? [])")
    assert [o["evalue"] for o in outputs if o["output_type"] == "error"] == []


def test_chapter_06_as_its_learner_uses_it(lab, tmp_path, request):
    from playwright.sync_api import expect
    address, token, course = lab
    mine = course/"my-course"
    shots = os.environ.get("SCREENSHOTS", str(tmp_path))
    cells = json.loads((mine/CHAPTER).read_text(encoding="utf-8"))["cells"]
    with page_of(f"{address}/lab/tree/{CHAPTER}?token={token}") as (page, elsewhere):
        page.get_by_role("heading", name="Hyperparameters", exact=True).wait_for(timeout=60_000)
        page.wait_for_function(IDLE, timeout=60_000)
        notebook = Notebook(page, cells)

        if request.config.getoption("all_notebooks"): run_all(page)
        else:   # what the panel, the guess, the exercise and the quiz need
            for i, cell in enumerate(cells):
                source = "".join(cell["source"])
                if cell["cell_type"] == "code" and (imports_only(source) or re.search("^(airline|CENTRE) = ", source, re.M)): notebook.run(i)
            notebook.run(notebook.number(r"= guess_number\("))
            notebook.run(notebook.number(r"^panel = experiment\("))
            notebook.run(notebook.number(r'^quiz\("06"\)'))

        # a guess
        i = notebook.number(r"= guess_number\(")
        guess = notebook.show(i)
        guess.get_by_role("slider").focus()
        guess.get_by_role("slider").press("ArrowRight")
        guess.get_by_role("button", name="This is my guess").click()
        expect(guess.get_by_text("Kept:")).to_be_visible()
        kept = guess.get_by_text("Kept:").inner_text()

        # the panel: a slider changes what is expected, Run trains and draws, Stop stops
        panel_at = notebook.number(r"^panel = experiment\(")
        panel = notebook.show(panel_at)
        before = panel.get_by_text("Expected:").inner_text()
        epochs = panel.get_by_role("slider", name="epochs")
        epochs.focus()
        epochs.press("ArrowRight")
        expect(panel.get_by_text("Expected:")).not_to_have_text(before)
        panel.get_by_role("button", name="Stop").click()
        expect(panel.get_by_text("press Run first")).to_be_visible()
        panel.get_by_role("button", name="Run").click()
        expect(panel.get_by_text(re.compile(r"Step \d+ of"))).to_be_visible(timeout=60_000)
        panel.get_by_role("button", name="Run").click()
        curve = panel.locator("svg[role=img]").first
        drawn = curve.inner_html()
        page.wait_for_timeout(3000)
        assert curve.inner_html() != drawn, "the curve moves"
        assert notebook.execute("print(6*7)").strip() == "42", "training does not freeze the notebook"
        panel.get_by_role("button", name="Stop").click()
        expect(panel.get_by_text(re.compile("the model is kept|stopped by you after"))).to_be_visible(timeout=2_000)
        expect(panel.locator("table")).to_contain_text("stopped by you", timeout=20_000)
        assert "[" in notebook.execute("print(panel.model.predict(['The crew was lovely.']))")

        # an exercise: not attempted, wrong, a hint, solved
        i = notebook.number(rf'^check\("{EXERCISE}"\)')
        exercise = notebook.run(i)
        expect(exercise.get_by_text("…", exact=False).first).to_be_visible()
        wanted = next(iter(find_exercise(EXERCISE).wants))
        notebook.execute(f"def {wanted}(*given, **named): return -12345.678")
        exercise = notebook.run(i)
        expect(exercise.get_by_text("✗")).to_be_visible()
        exercise.get_by_role("button", name="Hint").click()
        expect(exercise.get_by_text("Hint 1 of 3")).to_be_visible()
        exercise.get_by_role("button", name="Solution").click()
        expect(exercise.locator("pre code").last).to_contain_text(wanted)
        assert notebook.execute(SOLUTIONS[EXERCISE]) == ""
        exercise = notebook.run(i)
        expect(exercise.get_by_text("✓")).to_be_visible()

        # a quiz question: a wrong answer is explained
        i = notebook.number(r'^quiz\("06"\)')
        question = quiz_question(next(n for n in quiz_names() if n.startswith("06.")))
        wrong = next(n for n, c in enumerate(question["choices"]) if not c.get("right"))
        notebook.show(i).get_by_role("radio").nth(wrong).check()
        expect(notebook.cell(i).get_by_text("✗ Not so")).to_be_visible()

        # light and dark, wide and narrow
        problems = {}
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            for width in (1280, 800):
                page.set_viewport_size({"width": width, "height": 1000})
                for name, at in (("panel", panel_at), ("quiz", i), ("guess", notebook.number(r"= guess_number\("))):
                    notebook.show(at)
                    page.wait_for_timeout(400)
                    page.screenshot(path=f"{shots}/{name}-{theme.split()[-1].lower()}-{width}.png")
                    if found := serious(page): problems[theme, width, name] = found
        assert problems == {}

        # a reload keeps what the learner did
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        page.reload()
        page.wait_for_function(IDLE, timeout=60_000)
        guess = notebook.run(notebook.number(r"= guess_number\("))
        expect(guess.get_by_text(kept)).to_be_visible()
        panel = notebook.run(panel_at)
        expect(panel.locator("table")).to_contain_text("stopped by you")
    assert elsewhere == []
    progress = json.loads((mine/"progress.json").read_text(encoding="utf-8"))
    assert progress["exercises"][EXERCISE]["solved"] and progress["exercises"][EXERCISE]["hints"] == 1
