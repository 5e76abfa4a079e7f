"Every control and page of the chapters, drawn in a real lab: both themes, wide and narrow; nothing clipped, nothing serious for axe."
import json
import os
import re
from pathlib import Path

import pytest
from lab_in_browser import IDLE, needs_chromium, page_of
from test_browser import Notebook, run_all, serious
from test_panels_in_browser import write_notebook

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.whole]
NBS = Path(__file__).parents[1]/"nbs"
CHAPTERS = {file.name[:2]: ["".join(c["source"]) for c in json.loads(file.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
            for file in sorted(NBS.glob("*/*.ipynb"))}
BEGIN = """from dataclasses import replace
from IPython.display import display
from ft_course.classroom import chapter_page, check, progress_page, time_needed
from ft_course.classroom.exercises import find_exercise
from ft_course.core.display import figures
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.estimators import FineTunedClassifier
from ft_course.hyperparameters import CENTRE
from ft_course.prompting import WORDINGS
from ft_course.regularization import FEW
from ft_course.training import Full, HParams
from ft_course.widgets import *
airline, mine = load_task("airline"), load_task(EXAMPLE_CSV)
headlines, wordings = load_task("headlines"), WORDINGS["headlines"]
figures()"""
STATES = {
    "classify": 'from ft_course.why_fine_tune import quick_ways\nclassify_panel(quick_ways(), "@user thanks a lot, my suitcase is lost again")',
    "a run": 'ran = experiment(mine, controls=("learning_rate", "num_train_epochs"), name="01.ran")\nran.set(num_train_epochs=1).run(wait=True).pin()\nran',
    "a run that watches what was known": """watched = experiment(mine, old_task=True, validation_rows=20, name="06.watched")
watched.set(num_train_epochs=1).run(wait=True)
watched""",
    "a number and its result": 'guessed = guess_number("01.done", "Which macro-F1?", .2, 1, unit="macro-F1").make(.6)\ndisplay(guessed, guessed.result(.71, .65, .76))',
    "a choice and its result": 'chosen = guess_choice("02.done", "How many?", ["one", "two"]).make("two")\ndisplay(chosen, chosen.result("one"))',
    "a curve and its result": """drawn = guess_curve("07.done", "The loss after each epoch?", x=[1, 2, 4, 6, 8], low=0, high=2, xlabel="epoch", ylabel="validation loss (nats)")
display(drawn.make([1.5, 1, .8, .7, .7]), drawn.result([1, .8, .7, .9, 1.2], low=[.9, .7, .6, .8, 1.], high=[1.1, .9, .8, 1, 1.4]))""",
    "the guesses": 'guesses("01")',
    "a check, not solved": """asked = check("06.rate_at", {name: lambda *given, **named: -12345.678 for name in find_exercise("06.rate_at").wants})
asked.ask.click(); display(asked)
told = check("04.paired", {name: lambda *given, **named: -12345.678 for name in find_exercise("04.paired").wants})
told.show.click(); display(told)""",
    "a quiz, answered": 'right, wrong = quiz("06").children[:2]\ndisplay(right.choose(0), wrong.choose(1))',
    "writing": 'show = writing_view()\nshow("business\\nentertainment\\n<b>sports</b> " + "and so on "*30)',
    "time": 'time_needed("01")',
    "cost": 'expected_cost(FineTunedClassifier(), [30]*1000, speed=240)',
    "progress": "progress_page()",
    "a chapter's progress": 'chapter_page("06")',
}


def drawn_by_the_chapters():
    "Name -> code of what the learner can touch: guesses, quizzes, panels, labelling, prompts."
    found = {}
    for number, cells in CHAPTERS.items():
        for source in cells:
            source = re.sub(r"^#\|.*\n", "", source, flags=re.M)
            if m := re.search(r'(?:guess_\w+|quiz)\("([\w.]+)"', source): found[m[1]] = source
            elif re.search(r"^(panel = experiment|labelling = label|prompt_panel)\(", source, re.M):
                found[f"panel {number}"] = re.sub(r"\bpanel\b", f"panel_{number}", source)
    guidelines = next(s for s in CHAPTERS["03"] if s.startswith("guidelines ="))
    return found | {"panel 03": f"{guidelines}\n{found['panel 03']}"}


CLIPPED = """area => [...area.querySelectorAll('*')].filter(e => e.clientWidth && getComputedStyle(e).display !== 'inline').flatMap(e => {
    const style = getComputedStyle(e), over = e.scrollWidth - e.clientWidth;
    if (over < 2 || style.overflowX === 'visible' || e.closest('svg') || e.tabIndex === 0) return [];   // the table of runs may scroll
    const what = ['auto', 'scroll'].includes(style.overflowX) ? 'scrolls' : 'is cut';
    return [`${e.className || e.tagName} ${what} by ${over}: ${(e.textContent || '').trim().slice(0, 40)}`];
})"""


DIALS = "all => all.map(row => row.querySelector('select')?.selectedOptions[0].text ?? row.querySelector('.widget-readout').innerText)"


def trains_its_own_default(book, i, panel):
    "A browser that showed the dials moved none of them, Reset moves none, and Run would train what the chapter asked for."
    cell, asked = book.show(i), f"[{panel}.settings == {panel}.controls.defaults, {panel}.unfitted().hparams == {panel}._settings.estimator.hparams]"
    defaults = json.loads(book.execute(f"import json; print(json.dumps([f'{{v:g}}' if isinstance(v, float) else str(v) for v in {panel}.controls.defaults.values()]))"))
    for _ in range(2):
        assert cell.locator(".ft-controls > .widget-hbox").evaluate_all(DIALS) == defaults and len(defaults) > 1, panel
        assert cell.get_by_text("changed", exact=True).count() == 0
        assert book.execute(f"print({asked})").strip() == "[True, True]", panel
        cell.get_by_role("button", name="Reset").click()
        book.page.wait_for_timeout(500)


def test_everything_that_the_chapters_draw(lab, tmp_path):
    address, token, course = lab
    shots = Path(os.environ.get("SCREENSHOTS", str(tmp_path)))
    drawn = drawn_by_the_chapters() | STATES
    write_notebook(course/"my-course"/"all.ipynb", [BEGIN, *drawn.values()])
    with page_of(f"{address}/lab/tree/all.ipynb?token={token}") as (page, elsewhere):
        page.wait_for_function(IDLE, timeout=60_000)
        book = Notebook(page, json.loads((course/"my-course"/"all.ipynb").read_text(encoding="utf-8"))["cells"])
        run_all(page)
        page.wait_for_timeout(2000)
        for i, name in enumerate(drawn, 1):
            if "= experiment(" in drawn[name] and name.startswith("panel"): trains_its_own_default(book, i, f"panel_{name[-2:]}")
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:hide-all-cell-code')")
        outer, problems = page.locator(".jp-Notebook .jp-WindowedPanel-outer"), {}
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
            for width in (1280, 800):
                page.set_viewport_size({"width": width, "height": 2100})
                page.wait_for_timeout(1000)
                for n, top in enumerate(range(0, outer.evaluate("e => e.scrollHeight"), 2000)):
                    outer.evaluate("(e, top) => { e.scrollTop = top }", top)
                    page.screenshot(path=shots/f"{theme.split()[-1].lower()}-{width}-{n:02}.png")
                if found := serious(page): problems[theme, width] = found
                for i, name in enumerate(drawn, 1):
                    if found := book.cell(i).locator(".jp-OutputArea").first.evaluate(CLIPPED): problems[theme, width, name] = found
        assert problems == {}, problems
    assert elsewhere == []
