"The panels of chapters 08, 09 and 10 in a real browser: asking, dials, searching; what axe says in both themes."
import json
import os
from pathlib import Path

from lab_in_browser import IDLE, needs_chromium, page_of
from test_browser import Notebook, serious

pytestmark = needs_chromium
CELLS = ["""from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.widgets import prompt_panel
task = load_task(EXAMPLE_CSV)
prompt_panel(task, f"Who answers this message: {', '.join(task.labels)}?", {"as it is": "{text}", "quoted": 'The message: "{text}"'}, n_examples=2)""",
         """from pathlib import Path
from ft_course.widgets import search_panel
notes = Path("notes")
notes.mkdir(exist_ok=True)
(notes/"printer.md").write_text("The printer on the second floor takes A3. <b>Toner</b> is kept in room 214.", encoding="utf-8")
(notes/"leave.txt").write_text("Leave is asked for three weeks ahead.", encoding="utf-8")
search_panel(notes)"""]

CHAPTER_09 = Path(__file__).parents[1]/"nbs"/"2_alternatives"/"09_embeddings.ipynb"


def play_of_chapter_09():
    "What its play section needs to run, and the section: the chapter's own cells."
    sources = ["".join(cell["source"]) for cell in json.loads(CHAPTER_09.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    begin = "import pandas as pd\nfrom ft_course.data import load_task\nfrom ft_course.embeddings import *\nfrom ft_course.embeddings import ROWS"
    def with_(said): return next(source for source in sources if said in source)
    return ["\n".join([begin, with_("titles, sections = headlines.split"), with_("def search(query"), "import ipywidgets\nfrom ft_course.widgets import named"]),
            with_("interactive_output(look")]


def write_notebook(path: Path, cells: list):
    import nbformat   # takes seconds to import
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells],
                                        metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}})
    nbformat.write(notebook, path)


def test_prompt_and_search_panels(lab, tmp_path):
    from playwright.sync_api import expect
    address, token, course = lab
    shots = os.environ.get("SCREENSHOTS", str(tmp_path))
    write_notebook(course/"my-course"/"panels.ipynb", CELLS + play_of_chapter_09())
    with page_of(f"{address}/lab/tree/panels.ipynb?token={token}") as (page, elsewhere):
        page.wait_for_function(IDLE, timeout=60_000)
        book = Notebook(page, json.loads((course/"my-course"/"panels.ipynb").read_text(encoding="utf-8"))["cells"])

        # one text, asked twice under other settings
        prompts = book.run(0)
        prompts.get_by_role("textbox", name="text").fill("I have lost my library card.")
        prompts.get_by_role("textbox", name="text").press("Enter")
        bars = prompts.get_by_role("status").locator("table")
        expect(bars.locator("tr")).to_have_count(4, timeout=60_000)
        before = bars.inner_text()
        assert abs(sum(int(p) for p in before.replace("%", " ").split() if p.isdigit()) - 100) <= 2
        prompts.get_by_label("calibration").first.focus()
        page.keyboard.press("ArrowRight")
        expect(prompts.get_by_role("status")).to_contain_text("From before the change")
        prompts.get_by_role("combobox", name="wording").select_option("quoted")
        expect(prompts).to_contain_text('The wording: The message: "{text}"')
        prompts.get_by_role("checkbox", name="show the whole prompt").check()
        expect(prompts).to_contain_text('user: The message: "I have lost my library card."')
        prompts.get_by_role("button", name="Ask").click()
        expect(bars).not_to_have_text(before, timeout=60_000)
        assert prompts.locator(".jp-OutputArea-output .widget-vbox").first.evaluate("box => box.scrollWidth <= box.clientWidth")

        # a search by both, by words only, and with a threshold that nothing reaches
        search = book.run(1)
        search.get_by_role("textbox", name="question").fill("Where is the toner?")
        search.get_by_role("textbox", name="question").press("Enter")
        hits = search.get_by_role("status")
        expect(hits.locator("p").first).to_contain_text("printer.md", timeout=30_000)
        expect(hits.locator("mark").first).to_have_text("Toner")
        expect(hits).to_contain_text("<b>")   # what a document holds is shown as characters
        search.get_by_role("combobox", name="how").select_option("lexical")
        expect(hits.locator("p")).to_have_count(1)
        search.get_by_role("combobox", name="how").select_option("dense")
        search.get_by_role("slider", name="threshold").focus()
        page.keyboard.press("End")
        expect(hits).to_contain_text("not in the documents: nothing reaches 1.00")

        # the play section of chapter 09: a text, its neighbours, more of them; no text
        book.run(2)
        play = book.run(3)
        tables = play.locator("table")
        expect(tables).to_have_count(2, timeout=60_000)
        expect(tables.last.locator("tbody tr")).to_have_count(5)
        play.get_by_role("textbox", name="text").fill("The striker missed a penalty")
        play.get_by_role("textbox", name="text").press("Enter")
        expect(tables.last.locator("tbody tr").first).to_contain_text("sports", timeout=30_000)
        play.get_by_role("slider", name="neighbours").focus()
        page.keyboard.press("ArrowRight")
        expect(tables.last.locator("tbody tr")).to_have_count(6, timeout=30_000)
        play.get_by_role("textbox", name="text").fill(" ")
        play.get_by_role("textbox", name="text").press("Enter")
        expect(play).to_contain_text("Type a text.")
        play.get_by_role("textbox", name="text").fill("A robot wins the marathon")
        play.get_by_role("textbox", name="text").press("Enter")
        expect(tables).to_have_count(2, timeout=30_000)

        problems = {}
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            for width in (1280, 800):
                page.set_viewport_size({"width": width, "height": 1000})
                for i, name in {0: "prompt", 1: "search", 3: "play"}.items():
                    book.show(i)
                    page.wait_for_timeout(400)
                    page.screenshot(path=f"{shots}/{name}-{theme.split()[-1].lower()}-{width}.png")
                    if found := serious(page): problems[theme, width, name] = found
        assert problems == {}
        assert elsewhere == []


GUESSES = ["""from ft_course.widgets import guess_curve, guess_number, quiz
guess_number("01.x", "How much?", .5, 4.5, unit="points of macro-F1")""", 'guess_curve("01.y", "How?", [50, 100, 20000], 0, 1)', 'quiz("01")']


def test_keys_stay_in_a_widget_and_radios_are_groups(lab):
    "In the notebook `dd` deletes the cell and an arrow leaves it: on a slider or a choice they are the widget's."
    address, token, course = lab
    write_notebook(course/"my-course"/"keys.ipynb", GUESSES)
    with page_of(f"{address}/lab/tree/keys.ipynb?token={token}") as (page, _):
        page.wait_for_function(IDLE, timeout=60_000)
        book = Notebook(page, json.loads((course/"my-course"/"keys.ipynb").read_text(encoding="utf-8"))["cells"])
        number, curve, questions = (book.run(i) for i in range(3))
        page.wait_for_timeout(500)
        assert number.locator(".widget-readout").inner_text() == "2.5"
        assert number.locator(".widget-label", has_text="points of macro-F1").evaluate("label => label.scrollWidth <= label.clientWidth")
        assert [curve.locator(".widget-readout").nth(i).inner_text() for i in range(3)] == ["0.5"]*3
        radios = questions.get_by_role("radio")
        names = radios.evaluate_all("radios => radios.map(r => r.name)")
        assert all(names) and len(set(names)) == questions.locator(".widget-radio-box").count() > 1
        for at, control in ((0, number.get_by_role("slider")), (1, curve.get_by_role("slider").first), (2, radios.first)):
            page.evaluate("i => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i }", at)
            control.focus()
            for key in ("d", "d", "a", "ArrowDown"): page.keyboard.press(key)
            page.wait_for_timeout(200)
            assert page.evaluate("() => [window.jupyterapp.shell.currentWidget.content.widgets.length, window.jupyterapp.shell.currentWidget.content.activeCellIndex]") == [3, at]
        assert radios.nth(1).is_checked()
        assert number.locator(".widget-readout").inner_text() != "2.5", "the arrow moved the slider"


ASLEEP = "box => getComputedStyle(box, '::after').content"


def test_a_widget_without_its_kernel_says_so_and_takes_no_answer(lab):
    "After a restart, and when it comes back from the file the next day; run again, it is awake."
    address, token, course = lab
    write_notebook(course/"my-course"/"asleep.ipynb", [GUESSES[0], 'quiz("01")'])
    with page_of(f"{address}/lab/tree/asleep.ipynb?token={token}") as (page, _):
        page.wait_for_function(IDLE, timeout=60_000)
        book = Notebook(page, json.loads((course/"my-course"/"asleep.ipynb").read_text(encoding="utf-8"))["cells"])
        def state(i):
            box = book.show(i).locator(".jp-OutputArea-output .widget-vbox").first
            box.wait_for(timeout=20_000)
            page.wait_for_timeout(500)
            inputs = box.locator("input, button")
            return "run this cell" in box.evaluate(ASLEEP), inputs.evaluate_all("all => all.every(i => i.closest('[inert]'))")
        for i in (0, 1): book.run(i)
        assert [state(0), state(1)] == [(False, False)]*2
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        page.wait_for_function(IDLE, timeout=60_000)
        assert [state(0), state(1)] == [(True, True)]*2
        page.reload()
        page.wait_for_function(IDLE, timeout=60_000)
        assert [state(0), state(1)] == [(True, True)]*2
        if shots := os.environ.get("SCREENSHOTS"): page.screenshot(path=f"{shots}/asleep.png")
        book.run(0)
        assert [state(0), state(1)] == [(False, False), (True, True)]
