"The learner's copy is never overwritten where the learner changed it."
import base64
import json
import re
import shutil

import pytest

from ft_course.classroom.copy import course_root, learners_copy
from ft_course.core import CourseError
from ft_course.core.contents import contents


@pytest.fixture
def course(tmp_path, root):
    (tmp_path/"course"/"nbs"/"1_foundations").mkdir(parents=True)
    (tmp_path/"course"/"settings.ini").write_text("")
    shutil.copy(root/"nbs"/"1_foundations"/"04_evaluation.ipynb", tmp_path/"course"/"nbs"/"1_foundations"/"04_evaluation.ipynb")
    return tmp_path/"course"


def edit(path, text):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][1]["source"] = [text]
    path.write_text(json.dumps(notebook), encoding="utf-8")


def test_outputs_are_cleared_and_untouched_ones_follow_the_course(course, tmp_path):
    source, mine = course/"nbs"/"1_foundations"/"04_evaluation.ipynb", tmp_path/"mine"/"1_foundations"/"04_evaluation.ipynb"
    assert learners_copy(course, tmp_path/"mine") == []
    assert not any(c.get("outputs") for c in json.loads(mine.read_text(encoding="utf-8"))["cells"])
    edit(source, "New text from the course.")
    assert learners_copy(course, tmp_path/"mine") == [] and "New text from the course." in mine.read_text(encoding="utf-8")


def test_the_picture_of_a_check_stays_as_a_target(root, tmp_path):
    learners_copy(root, tmp_path/"mine")
    for chapter, name in (("02_base_model", "02.mask"), ("06_hyperparameters", "06.rate_at")):
        cells = json.loads((tmp_path/"mine"/"1_foundations"/f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
        at = next(i for i, c in enumerate(cells) if "".join(c["source"]).startswith(f'check("{name}")'))
        png = base64.b64decode(cells[at - 1]["attachments"]["aim.png"]["image/png"])
        assert png.startswith(b"\x89PNG") and cells[at]["outputs"] == [], name


def test_a_changed_one_stays_and_is_named(course, tmp_path):
    source, mine = course/"nbs"/"1_foundations"/"04_evaluation.ipynb", tmp_path/"mine"/"1_foundations"/"04_evaluation.ipynb"
    learners_copy(course, tmp_path/"mine")
    edit(mine, "My own words.")
    assert learners_copy(course, tmp_path/"mine") == []            # nothing newer to miss
    edit(source, "New text from the course.")
    for _ in range(2):
        assert learners_copy(course, tmp_path/"mine") == ["1_foundations/04_evaluation.ipynb"]
        assert "My own words." in mine.read_text(encoding="utf-8")
    mine.write_text("damaged", encoding="utf-8")
    learners_copy(course, tmp_path/"mine")
    assert mine.read_text(encoding="utf-8") == "damaged"


def test_a_lost_record_overwrites_nothing(course, tmp_path):
    learners_copy(course, tmp_path/"mine")
    mine = tmp_path/"mine"/"1_foundations"/"04_evaluation.ipynb"
    edit(mine, "My own words.")
    (tmp_path/"mine"/".course.json").write_text("{")
    assert learners_copy(course, tmp_path/"mine") == ["1_foundations/04_evaluation.ipynb"] and "My own words." in mine.read_text(encoding="utf-8")


def test_outside_a_clone(tmp_path, monkeypatch):
    import ft_course
    monkeypatch.setattr(ft_course, "__file__", str(tmp_path/"site-packages"/"ft_course"/"__init__.py"))
    with pytest.raises(CourseError, match="go to the folder you cloned"): course_root(tmp_path)


def test_plumbing_is_folded_and_lines_for_nbdev_are_gone(root, tmp_path):
    learners_copy(root, tmp_path/"mine")
    for file in (tmp_path/"mine").rglob("0*.ipynb"):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        assert sources and all(s.strip() for s in sources) and not any(line.startswith("#|") for s in sources for line in s.splitlines()), file
        folded = ["".join(c["source"]) for c in cells if c["metadata"].get("jupyter", {}).get("source_hidden")]
        assert any(s.startswith("import") or s.startswith("from") for s in folded) and any(s.startswith(("say(", "claim(")) for s in folded), file
        open_ones = [s for c in cells if c["cell_type"] == "code" and not c["metadata"].get("jupyter") for s in ["".join(c["source"])]]
        assert any("def " in s for s in open_ones) or "01_" in file.name, "what one is to read stays in view"
        assert "start.ipynb" in "".join(cells[-1]["source"])


@pytest.mark.parametrize(("hidden", "source"), [
    (True, 'say("Two lines.",\n    n=2)'), (True, 'gain = table.interval("a")\nclaim(gain.low > 0, "Better.")'),
    (True, 'guess = guess_number("01.x", "How much?", 0, 1)\nguess'), (True, "guess.result(found)"),
    (True, 'names = {"one": 1}\nguess = guess_choice("02.x", "How many?",\n                     names)\nguess'), (True, 'quiz("01")'),
    (False, 'a = first(step)\nb = second(step)\nc = a @ b\nsay("{c} lies between.", c=c)'), (False, "airline"), (False, "rows = load()\nrows.head()"),
    (False, 'say("Both.")\nmodel.fit(*train)\nmodel.score(*test)')])
def test_a_sentence_is_not_shown_twice_and_code_to_read_is_shown(hidden, source, tmp_path):
    (tmp_path/"nbs").mkdir()
    cell = {"cell_type": "code", "id": "x", "metadata": {}, "outputs": [], "source": [source]}
    (tmp_path/"nbs"/"x.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}}), encoding="utf-8")
    learners_copy(tmp_path, tmp_path/"mine")
    mine, = json.loads((tmp_path/"mine"/"x.ipynb").read_text(encoding="utf-8"))["cells"]
    assert mine["metadata"].get("jupyter", {}).get("source_hidden", False) == hidden


def test_no_chapter_shows_a_sentence_in_the_code_too(root, tmp_path):
    learners_copy(root, tmp_path/"mine")
    files = [*(tmp_path/"mine").rglob("[01]*.ipynb")]
    assert len(files) == len(contents())
    for file in files:
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code" and not cell["metadata"].get("jupyter"):
                assert not re.match(r"(say|claim|check|quiz|guesses|time_needed)\(|\w+ = guess_\w+\(|\w+\.result\(", "".join(cell["source"])), (file, cell["source"])


def start_page_in(folder):
    "The page's text, and what can be run on it."
    cells = json.loads((folder/"start.ipynb").read_text(encoding="utf-8"))["cells"]
    assert [c["cell_type"] for c in cells] == ["markdown", "code", "markdown"] and cells[1]["metadata"]["jupyter"]["source_hidden"]
    assert "{" not in "".join(cells[0]["source"] + cells[2]["source"])
    return "\n".join("".join(c["source"]) for c in cells)


def test_the_start_page_says_where_to_go_on(root, tmp_path, monkeypatch):
    from ft_course.classroom.progress import keep
    learners_copy(root, tmp_path/"mine")
    page = start_page_in(tmp_path/"mine")
    assert all(f"]({c.file})" in page and c.question in page and (tmp_path/"mine"/c.file).is_file() for c in contents())
    assert "**Begin with [01 " in page and "No class has tried this course yet" in page
    (tmp_path/"mine"/"feedback.md").write_text("mine")
    monkeypatch.chdir(tmp_path/"mine"/"1_foundations")
    keep("exercises", "04.paired", solved=True)
    learners_copy(root, tmp_path/"mine")
    page = start_page_in(tmp_path/"mine")
    assert "**Go on with [04 " in page and "| 1 of " in page and (tmp_path/"mine"/"feedback.md").read_text() == "mine"


@pytest.mark.parametrize("content", ['{"format": 1, "quizzes": [1], "exercises": 3}', '{"format": 1, "exercises": {"04.paired": "yes"}}', "{"])
def test_a_spoilt_progress_file_does_not_keep_the_start_page_from_opening(content, root, tmp_path):
    import warnings
    from ft_course.classroom.landing import write_landing
    (tmp_path/".course.json").write_text("{}")
    (tmp_path/"progress.json").write_text(content)
    with warnings.catch_warnings(action="ignore"): write_landing(tmp_path)
    assert "**Begin with [01 " in (tmp_path/"start.ipynb").read_text(encoding="utf-8") and (tmp_path/"progress.json").read_text() == content
