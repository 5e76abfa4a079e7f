"The learner's file survives other notebooks, other versions and hand edits; pages count what is done."
import json
import subprocess
import sys

import pytest

from ft_course.classroom import chapter_page, keep, learner_folder, progress, progress_page, recall
from ft_course.classroom.quizzes import quiz_names, quiz_question
from ft_course.core import CourseError
from ft_course.core.contents import chapter


@pytest.fixture
def mine(tmp_path, monkeypatch):
    "A learner's copy; the notebook stands in one of its folders."
    (tmp_path/".course.json").write_text("{}")
    (tmp_path/"1_foundations").mkdir()
    monkeypatch.chdir(tmp_path/"1_foundations")
    return tmp_path


def test_entries_grow_and_shrink(mine):
    assert learner_folder() == mine and recall("guesses") == {} and recall("guesses", "06.rate") == {}
    keep("guesses", "06.rate", guess=1e-4)
    assert keep("guesses", "06.rate", result=3e-5) == {"guess": 1e-4, "result": 3e-5}
    keep("guesses", "06.rate", result=None)
    assert json.loads((mine/"progress.json").read_text()) == {"format": 1, "guesses": {"06.rate": {"guess": 1e-4}}}


def test_outside_a_copy_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "_memory", {})
    keep("quizzes", "06.batch", right=True)
    assert recall("quizzes", "06.batch") == {"right": True} and not list(tmp_path.iterdir())


@pytest.mark.parametrize("content, said", [('{"format": 1, "guesses": {', "cannot be read"), ("[]", "format 'list'"), ('{"format": 2}', "format 2"), ('{"guesses": {}}', "format None")])
def test_a_file_that_is_not_ours_to_read_is_left_alone(mine, content, said):
    (mine/"progress.json").write_text(content)
    with pytest.raises(CourseError, match=f"(?s)progress.json.*{said}.*nothing is kept"): keep("guesses", "06.rate", guess=1)
    with pytest.warns(UserWarning, match=said): assert recall("guesses") == {}
    assert (mine/"progress.json").read_text() == content


def test_two_notebooks_at_once_lose_nothing(mine):
    code = "import sys; from ft_course.classroom.progress import keep\nfor i in range(25): keep('guesses', f'{sys.argv[1]}.{i}', guess=i)"
    both = [subprocess.Popen([sys.executable, "-c", code, chapter], cwd=mine/"1_foundations") for chapter in ("06", "07")]
    assert [p.wait(120) for p in both] == [0, 0]
    assert len(recall("guesses")) == 50


def test_a_full_disk_keeps_the_old_file(mine, monkeypatch):
    keep("guesses", "06.rate", guess=1)
    def full(*_, **__): raise OSError(28, "No space left on device")
    monkeypatch.setattr(progress.Path, "write_text", full)
    with pytest.raises(CourseError, match="the disk is full"): keep("guesses", "06.rate", guess=2)
    assert recall("guesses", "06.rate") == {"guess": 1}


def test_pages_count_what_is_done(mine):
    asked = [n for n in quiz_names() if n.startswith("06.")]
    keep("quizzes", asked[0], right=True)
    keep("exercises", "06.rate_at", attempts=2, solved=True, hints=1)
    assert "right" in chapter_page("06") and "solved, 1 hint" in chapter_page("06") and quiz_question(asked[0])["question"][:30] in chapter_page("06")
    line = next(line for line in progress_page().splitlines() if line.startswith("06*"))
    assert f"1 of {len(asked)}" in line and "1 of 3" in line
    assert f'<a href="{chapter("06").file}">Hyperparameters</a>' in progress_page()._repr_html_()


def test_pages_name_things_as_the_chapters_do_and_lead_there(mine):
    page = chapter_page("06")
    assert "Warm-up: the rate at a step, from memory (06.rate_at)" in page and page.startswith("06 Hyperparameters")
    assert f'<a href="{chapter("06").file}">06 Hyperparameters</a></caption>' in page.markup


def test_a_progress_file_that_is_a_folder_is_left_alone(mine):
    (mine/"progress.json").mkdir()
    (mine/"progress.json"/"thesis.txt").write_text("mine")
    with pytest.raises(CourseError, match="cannot be read"): keep("guesses", "06.rate", guess=1)
    assert (mine/"progress.json"/"thesis.txt").read_text() == "mine", "a folder of this name is not replaced by a file"


def test_a_lock_that_cannot_be_made_is_a_sentence(mine):
    (mine/".progress.json.lock").mkdir()
    with pytest.raises(CourseError, match="Could not write"): keep("guesses", "06.rate", guess=1)


def test_numbers_of_numpy_and_a_mark_at_the_beginning_are_read(mine):
    import numpy as np
    assert keep("guesses", "06.rate", guess=np.float32(.5), curve=np.arange(2)) == {"guess": .5, "curve": [0, 1]}
    (mine/"progress.json").write_text((mine/"progress.json").read_text(), encoding="utf-8-sig")
    assert recall("guesses", "06.rate")["guess"] == .5, "an editor's byte order mark is no damage"


@pytest.mark.parametrize("entry, said", [({}, "open"), ({"attempts": 2}, "tried 2 times"),
                                         ({"solved": True}, "solved"), ({"solved": True, "hints": 1, "solution_seen": True}, "solved, 1 hint, solution seen")])
def test_the_state_of_an_exercise_is_said(mine, entry, said):
    keep("exercises", "06.rate_at", **entry)
    line = next(line for line in chapter_page("06").splitlines() if "06.rate_at" in line)
    assert line.split("  ")[-1].strip() == said
