"Hints come one by one, solutions after an attempt, quizzes are whole; nothing that a learner's code does ends the kernel."
import json
from collections import defaultdict

import pytest
from check_cases import attempt
from conftest import ROOT

from ft_course.classroom import check, checking, exercises, hint, progress, recall, running, solution
from ft_course.classroom.quizzes import quiz_names, quiz_question
from ft_course.classroom.exercises import evaluate_exercise, exercise, find_exercise
from ft_course.classroom.expect import Wrong, expect, expect_cases, shown
from ft_course.classroom.solutions import BEGIN, END, exercise_names, without_solution
from ft_course.classroom.texts import exercise_title
from ft_course.core.contents import chapter, contents
from ft_course.core.display import marked_up


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path/".course.json").write_text("{}")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    "Every name in a chapter 00 has hints."
    texts = exercises.chapter_texts
    these = defaultdict(lambda: {"level": "core", "hints": ["first", "second", "third"]})
    monkeypatch.setattr(exercises, "chapter_texts", lambda kind, chapter: these if chapter == "00" else texts(kind, chapter))


def double(name, **more): exercise(name, **more)(_double)

def _double(twice: callable):
    expect_cases(twice, lambda x: 2*x, [(2, ""), (-1, "")])


@pytest.mark.parametrize("name", exercise_names())
def test_an_unwritten_exercise_is_not_attempted(name):
    "What the learner's copy starts with, with `...` in place of the solution, is neither wrong nor a crash."
    found, notebook = find_exercise(name), ROOT/"nbs"/chapter(name.split(".")[0]).file
    cells = ["".join(c["source"]) for c in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    at = next(i for i, source in enumerate(cells) if source.startswith(f'check("{name}")'))
    start = max((i for i in range(at) if cells[i].startswith("check(")), default=-1)
    blank = "\n".join(without_solution(s) for s in cells[start + 1:at] if BEGIN in s)
    assert attempt(name, blank).state == "not attempted" and evaluate_exercise(name, {}).state == "not attempted"
    assert len(found.hints) == 3 and found.wants


@pytest.mark.parametrize("name", exercise_names())
def test_an_object_of_the_wrong_type_gets_a_sentence(name):
    for value in (object(), [[]], "text", 3.5, lambda *a, **k: object(), lambda *a, **k: 1/0):
        outcome = evaluate_exercise(name, dict.fromkeys(find_exercise(name).wants, value))
        assert outcome.state in ("wrong", "not attempted") and outcome.message and "Traceback" not in outcome.message


@pytest.mark.parametrize("name", exercise_names())
def test_a_title_is_the_chapters(name):
    notebook = json.loads((ROOT/"nbs"/chapter(name.split(".")[0]).file).read_text(encoding="utf-8"))
    prose = "\n".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown")
    title = exercise_title(name).removesuffix(f" ({name})")
    assert f"### {title}\n" in prose or f"**{title}" in prose


@pytest.fixture
def shell(monkeypatch, tmp_path):
    "A notebook's kernel, its variables those of `__main__`."
    import IPython
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config
    shell = InteractiveShell(ipython_dir=str(tmp_path), config=Config({"HistoryManager": {"enabled": False}}))
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setitem(__import__("sys").modules, "__main__", shell.user_module)
    return lambda cell: shell.run_cell(cell, store_history=True)


@pytest.mark.parametrize("broken", ["def twice(x): return (2*x", "1/0\ndef twice(x): return 2*x + 1", "def twice(x): return 2*x\n1 +"])
def test_a_cell_that_ended_in_an_error_is_not_judged(mine, shell, broken):
    "0.4.0 judged the function of the cell before, and said whatever that deserved."
    double("00.twice")
    shell(broken)
    assert "ended in an error, so it was not judged" in repr(check("00.twice"))
    shell("def twice(x): return 2*x")
    assert check("00.twice").outcome.state == "solved"
    shell(broken)
    box = check("00.twice")
    assert box.outcome.state == "not attempted" and "last cell with `twice` ended in an error" in repr(box)
    assert recall("exercises", "00.twice")["attempts"] == 1
    shell("def twice(x):\n    return 3*x")
    assert check("00.twice").outcome.state == "wrong"
    shell("from functools import partial\ntwice = partial(lambda a, x: a*x, 2)")
    assert check("00.twice").outcome.state == "solved", "made by other code"


@pytest.mark.parametrize("number", [c.number for c in contents()])
def test_a_chapter_has_three_exercises_and_three_questions(number):
    levels = [find_exercise(n).level for n in exercise_names() if n.startswith(f"{number}.")]
    assert len(levels) >= 3 and {"warm-up", "core", "stretch"} <= set(levels)
    assert len([n for n in quiz_names() if n.startswith(f"{number}.")]) >= 3


@pytest.mark.parametrize("name", quiz_names())
def test_a_question_is_whole(name):
    found = quiz_question(name)
    assert found["question"] and len(found["choices"]) >= 3 and sum(bool(c.get("right")) for c in found["choices"]) == 1
    assert len({c["text"] for c in found["choices"]}) == len(found["choices"]) and all(len(c["why"]) > 30 for c in found["choices"])


def test_the_right_choice_stands_in_no_fixed_place():
    places = [[bool(c.get("right")) for c in quiz_question(n)["choices"]].index(True) for n in quiz_names()]
    assert max(map(places.count, set(places))) < .6*len(places)


def test_answers_are_not_in_the_notebooks(root):
    for path in (root/"nbs").rglob("*_*.ipynb"):
        text = path.read_text(encoding="utf-8")
        for name in quiz_names():
            assert not any(json.dumps(c["why"], ensure_ascii=False)[1:-1] in text for c in quiz_question(name)["choices"]), (path.name, name)


def test_the_gathered_solutions_are_those_of_the_chapters(root):
    from tools.notebooks import solutions
    assert (root/"ft_course"/"classroom"/"checks"/"solutions.json").read_text(encoding="utf-8") == solutions(root)


def test_hints_one_by_one_and_the_solution_after_an_attempt(mine, monkeypatch):
    double("00.twice")
    monkeypatch.setattr(checking, "model_solutions", lambda: {"00.twice": "def twice(x): return 2*x"})
    assert "after your first attempt" in solution("00.twice")
    assert check("00.twice", {}).outcome.state == "not attempted" and "after your first attempt" in solution("00.twice")
    assert [hint("00.twice").count("Hint") for _ in range(4)] == [1, 2, 3, 3]
    box = check("00.twice", {"twice": lambda x: x*x})
    assert "twice(-1)" not in repr(box) and "<lambda>(-1) is 1, and should be -2" in repr(box)
    box.show.click()
    assert "return 2*x" in box.more.value and recall("exercises", "00.twice") == {"attempts": 1, "hints": 3, "solution_seen": True}
    assert "✓" in repr(check("00.twice", {"twice": lambda x: 2*x}))
    assert recall("exercises", "00.twice")["solved"] is True
    check("00.twice", {"twice": lambda x: 3*x})
    assert recall("exercises", "00.twice")["solved"] is True, "once solved, solved"


def test_a_value_in_place_of_a_function_is_named(mine):
    double("00.twice")
    assert evaluate_exercise("00.twice", {"twice": 3}).message == "`twice` is 3, of the type int; it has to be a function."


def test_objects_are_found_in_the_notebook(mine, monkeypatch):
    import sys
    double("00.twice")
    monkeypatch.setattr(sys.modules["__main__"], "twice", lambda x: 2*x, raising=False)
    assert check("00.twice").outcome.state == "solved"


def test_the_check_gives_copies(mine):
    exercise("00.sort")(_sorted_check)
    assert evaluate_exercise("00.sort", {"ordered": lambda v: v.sort() or v}).state == "solved"

def _sorted_check(ordered: callable):
    given = [3, 1, 2]
    expect_cases(ordered, sorted, [(given, "")])
    assert given == [3, 1, 2]


def test_a_broken_progress_file_does_not_stop_a_check(mine):
    from pathlib import Path
    double("00.twice")
    Path("progress.json").write_text("{")
    with pytest.warns(UserWarning, match="cannot be read"): box = check("00.twice", {"twice": lambda x: 2*x})
    assert "✓ Right." in repr(box) and "nothing is kept" in repr(box)


def test_marks_are_taken_out_and_gathered():
    from tools.notebooks import gather_solutions
    cell = f"def f(x):\n    'doc'\n    {BEGIN}\n    return x\n    {END}\n\nother = 1"
    assert without_solution(cell) == "def f(x):\n    'doc'\n    ...  # your code\n\nother = 1"
    assert gather_solutions([cell, "f(1)", 'check("00.f")']) == {"00.f": "def f(x):\n    'doc'\n    return x\n\nother = 1"}
    with pytest.raises(ValueError, match="no solution before it"): gather_solutions(['check("00.f")'])
    with pytest.raises(ValueError, match="no check after it"): gather_solutions([cell])
    for mark in (BEGIN, END):
        with pytest.raises(ValueError, match="without the other"): without_solution(mark)


def test_unknown_names_suggest(mine):
    with pytest.raises(ValueError, match="there is no exercise"): check("06.there_is_none")
    with pytest.raises(ValueError, match="there is no quiz question"): quiz_question("06.there_is_none")


class Shy:
    def __repr__(self): raise RuntimeError("no")
    def __getattr__(self, name): raise RuntimeError("no")


class Rude(Exception):
    def __str__(self): raise RuntimeError("no")


def leaves(x): raise SystemExit(3)
def rude(x): raise Rude()
def closes(x): raise GeneratorExit
def deep(x): return deep(x)


@pytest.mark.parametrize("function, said", [(leaves, "raised SystemExit: 3"), (rude, "cannot be read"), (closes, "GeneratorExit"), (deep, "RecursionError")])
def test_whatever_a_learners_function_raises_becomes_a_sentence(mine, function, said):
    double("00.twice")
    outcome = evaluate_exercise("00.twice", {"twice": function})
    assert outcome.state == "wrong" and said in outcome.message, "no error of the learner's code ends the kernel"


def test_an_interrupt_goes_through(mine):
    double("00.twice")
    def interrupted(x): raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): evaluate_exercise("00.twice", {"twice": interrupted})


def test_a_check_that_leaves_does_not_end_the_kernel(mine):
    exercise("00.leaves")(_leaving_check)
    assert "cannot be checked (SystemExit" in evaluate_exercise("00.leaves", {"value": abs}).message

def _leaving_check(value: callable): raise SystemExit


def test_a_loop_that_never_ends_is_ended(mine, monkeypatch):
    import signal
    double("00.twice")
    monkeypatch.setattr(running, "SECONDS", .3)
    before = signal.getsignal(signal.SIGALRM)
    def forever(x):
        while True:
            try: x += 1
            except Exception: pass
    assert "a loop that never ends" in evaluate_exercise("00.twice", {"twice": forever}).message
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0, 0), "the clock is put away"


def test_what_is_printed_is_cut(mine, capsys):
    double("00.twice")
    def chatty(x):
        for _ in range(10_000): print("still here")
        return 2*x
    assert evaluate_exercise("00.twice", {"twice": chatty}).state == "solved"
    printed = capsys.readouterr().out
    assert "more was printed" in printed and len(printed) < 2500, "ten thousand lines do not bury the outcome"


def test_huge_and_odd_objects_are_shown_short(mine):
    import numpy as np
    double("00.twice")
    for value in (np.zeros((3000, 3000)), list(range(10**6)), 10**5000, "x"*10**6, Shy(), [Shy()], np.ma.masked_all(3)):
        assert len(shown(value)) < 1000
        assert evaluate_exercise("00.twice", {"twice": value}).state == "wrong", "an object is named, not printed in full"
        outcome = evaluate_exercise("00.twice", {"twice": lambda x: value})
        assert outcome.state == "wrong" and len(outcome.message) < 1200


def test_a_text_is_no_number_and_small_rates_differ():
    for got, wanted in (("0.5", .5), (["1", "2"], [1, 2]), (2e-6, 1e-6), (1e-4, 1.1e-4), ([1e-6, 3e-6], [1e-6, 2e-6])):
        with pytest.raises(Wrong): expect(got, wanted, "f()")
    for got, wanted in ((1e-8, 0), (1/3, .333333333), ([1, 2], (1., 2.)), ([1e-7, 1], [0, 1])): expect(got, wanted, "f()")


def test_hints_come_although_nothing_can_be_kept(mine):
    from pathlib import Path
    double("00.twice")
    Path("progress.json").write_text("{")
    with pytest.warns(UserWarning): page = hint("00.twice")
    assert "Hint 1 of 3: first" in page and "nothing is kept" in page, "a broken file costs no help"


def test_a_picture_that_fails_is_a_sentence(mine):
    def leaves_too(twice): raise SystemExit
    double("00.twice", draw=leaves_too)
    assert "cannot be drawn: SystemExit" in repr(check("00.twice", {"twice": lambda x: x}))


def test_code_is_not_stressed_and_html_is_text():
    assert marked_up("`*a` and `b*`, *now* <b>") == "<code>*a</code> and <code>b*</code>, <em>now</em> &lt;b&gt;"


def test_a_solved_exercise_says_how_far_one_is(mine, monkeypatch):
    monkeypatch.setattr(progress, "exercise_names", lambda: ["00.twice", "00.double", "01.f"])
    for name in ("00.twice", "00.double"): double(name)
    assert "solved" not in repr(check("00.twice", {"twice": abs}))
    assert "1 of 2 solved, next: 00.double." in repr(check("00.twice", {"twice": lambda x: 2*x}))
    assert "All 2 of this chapter are solved." in repr(check("00.double", {"twice": lambda x: 2*x}))
