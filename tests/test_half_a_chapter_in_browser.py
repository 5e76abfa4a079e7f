"Half of chapter 01, closed, opened again, its kernel restarted, opened the next day: guesses and choices are all still there."
import json
import re
from urllib.request import Request, urlopen

import pytest
from lab_in_browser import IDLE, needs_chromium, page_of
from test_browser import Notebook, imports_only

pytestmark = [needs_chromium, pytest.mark.slow, pytest.mark.whole]
CHAPTER = "1_foundations/01_why_fine_tune.ipynb"
NEEDED = r"^my_file\b|^mine = |quick_ways\(\)|= guess_\w+\(|^panel = experiment|^check\(|^quiz\("   # and what only imports


def open_chapter(page, cells):
    page.get_by_role("heading", name="Why fine-tune?", exact=True).wait_for(timeout=120_000)
    page.wait_for_function(IDLE, timeout=120_000)
    page.wait_for_timeout(3000)   # widgets come back one by one
    return Notebook(page, cells)


def as_left(notebook, guesses, quiz_at) -> dict:
    "What the learner sees of what she did: sentences of her guesses, her choices; and what is said of lost widgets."
    page = notebook.page
    assert page.get_by_text("model not found").count() == 0 and page.get_by_text("Error displaying widget").count() == 0
    radios = notebook.show(quiz_at).get_by_role("radio")
    assert radios.first.is_visible()
    return {"kept": [notebook.show(i).get_by_text("Kept:").inner_text() for i in guesses],
            "chosen": radios.evaluate_all("all => all.flatMap((r, i) => r.checked ? [i] : [])"),
            "why": notebook.cell(quiz_at).get_by_text(re.compile("^[✓✗]")).all_inner_texts()}


def test_closed_opened_restarted_and_opened_the_next_day(lab):
    address, token, course = lab
    cells = json.loads((course/"my-course"/CHAPTER).read_text(encoding="utf-8"))["cells"]
    url = f"{address}/lab/tree/{CHAPTER}?token={token}"
    sources = ["".join(c["source"]) if c["cell_type"] == "code" else "" for c in cells]
    run = [i for i, s in enumerate(sources) if re.search(NEEDED, s, re.M) or s and imports_only(s)]
    guesses = [i for i in run if "guess_" in sources[i] and not imports_only(sources[i])]
    quiz_at, panel_at = (next(i for i in run if re.search(p, sources[i], re.M)) for p in ("^quiz", "^panel = "))
    with page_of(url) as (page, elsewhere):
        notebook = open_chapter(page, cells)
        for i in run: notebook.run(i)
        for i in guesses:
            guess = notebook.show(i)
            if guess.get_by_role("radio").count(): guess.get_by_role("radio").nth(2).check()
            else:
                guess.get_by_role("slider").focus()
                guess.get_by_role("slider").press("ArrowRight")
            guess.get_by_role("button", name="This is my guess").click()
            guess.get_by_text("Kept:").wait_for(timeout=20_000)
        for box in notebook.show(quiz_at).locator(".widget-radio-box").all():
            box.get_by_role("radio").nth(1).check()
        page.wait_for_timeout(2000)
        before = as_left(notebook, guesses, quiz_at)
        assert len(before["kept"]) == len(guesses) == 3 and len(before["chosen"]) == len(before["why"]) >= 5
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    with page_of(url) as (page, _):   # the same kernel
        notebook = open_chapter(page, cells)
        assert as_left(notebook, guesses, quiz_at) == before
        assert notebook.show(panel_at).get_by_role("button", name="Run").is_enabled()
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        page.wait_for_function(IDLE, timeout=60_000)
        page.wait_for_timeout(2000)
        assert as_left(notebook, guesses, quiz_at) == before

    with page_of(url) as (page, _):   # a restarted kernel, that knows of no widget
        assert as_left(open_chapter(page, cells), guesses, quiz_at) == before

    def ask(path, method="GET"): return urlopen(Request(f"{address}/api/{path}", method=method, headers={"Authorization": f"token {token}"}))
    for session in json.load(ask("sessions")): ask(f"sessions/{session['id']}", "DELETE")
    with page_of(url) as (page, _):   # the next day
        notebook = open_chapter(page, cells)
        assert as_left(notebook, guesses, quiz_at) == before
        for i in run: notebook.run(i)
        page.wait_for_timeout(2000)
        assert as_left(notebook, guesses, quiz_at) == before
    assert elsewhere == []
