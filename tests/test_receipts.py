"What makes a notebook's receipt stale, and what does not: shown on copies of the course."
import json
import re
import shutil

import pytest
from conftest import ROOT

from tools.notebooks import execute, save_tidied, stale, tidy
from tools.receipts import KEY, Code, code_digest, imported, with_time

CODE = '''
"A module."
class Missing(KeyError): pass

def find(name, table={"a": "b"}):
    "What is found."
    # look it up
    if name not in table: raise ValueError(f"no {name!r}" + " here")
    if table[name] == "b": return Missing("it is b")
    return table[name]
'''


@pytest.mark.parametrize("old, new", [("A module.", "The module."), ("What is found.", "It."), ("# look it up", ""), ("no {name!r}", "there is no {name}"),
                                      (" here", " there"), ("it is b", "b it is"), ("    return table", "\n    return table"), ('"A module."', "")])
def test_rewording_leaves_the_digest(old, new):
    assert code_digest(CODE) == code_digest(CODE.replace(old, new)) and old in CODE


@pytest.mark.parametrize("old, new", [('"a": "b"', '"a": "c"'), ("ValueError", "TypeError"), ("not in", "in"), ("find", "seek"), ('== "b"', '== "c"'), ("KeyError", "Exception")])
def test_other_code_has_another_digest(old, new):
    assert code_digest(CODE) != code_digest(CODE.replace(old, new)) and old in CODE


def test_every_way_to_import_is_seen():
    assert imported("import os, ft_course.core.files\ndef f():\n    from ft_course.data import Task, load_task") == {
        ("ft_course.core.files", ""), ("ft_course.data", "Task"), ("ft_course.data", "load_task")}
    assert imported("from .core import CourseError\nfrom . import data", "ft_course") == {("ft_course.core", "CourseError"), ("ft_course", "data")}
    assert imported("from ..data import x", "ft_course.core") == {("ft_course.data", "x")}
    assert imported("import ft_course\nft_course.compare(1)") == {("ft_course", "compare")}


def small(folder, public='lazy_names(__name__, {"b": "score other", "core.c": "table"})'):
    "A course of four modules and one notebook that uses some of them."
    for name, text in {"__init__": public, "a": "from .core import c", "b": "x = 1", "core/__init__": "from ft_course.core.d import y",
                       "core/c": "z = 1", "core/d": "y = 1"}.items():
        (folder/"ft_course"/"core").mkdir(parents=True, exist_ok=True)
        (folder/f"ft_course/{name}.py").write_text(text)
    (folder/"constraints.txt").write_text("# pins\ntorch==1\n")
    (folder/"nbs").mkdir()
    return folder


def cells(*sources): return {"cells": [{"cell_type": "code", "source": s} for s in sources], "metadata": {}}


@pytest.mark.parametrize("source, used", [
    ("import ft_course.b", "b"), ("from ft_course.a import x", "a core core.c core.d"), ("from ft_course import score", "b"), ("%matplotlib inline\nimport ft_course as f", ""),
    ("from ft_course import table", "core core.c core.d"), ("from ft_course import core", "core core.d"), ("from ft_course import __version__", ""),
    ("import ft_course\nft_course.score", "b"), ("import os", ""), ("from ft_course import unknown", "a b core core.c core.d"), ("what this", "a b core core.c core.d")])
def test_modules_that_a_notebook_uses(tmp_path, source, used):
    assert Code(small(tmp_path)).used_by(cells(source)) == {f"ft_course.{name}" for name in used.split()}


def test_a_folder_may_load_its_names_lazily_too(tmp_path):
    small(tmp_path)
    (tmp_path/"ft_course"/"core"/"__init__.py").write_text('lazy_names(__name__, {"c": "z"})')
    assert Code(tmp_path).used_by(cells("from ft_course.core import z")) == {"ft_course.core", "ft_course.core.c"}


def test_a_public_name_that_moves_makes_stale(tmp_path):
    notebook = cells("from ft_course import score")
    notebook["metadata"][KEY] = Code(small(tmp_path)).receipt(notebook)
    (tmp_path/"ft_course"/"__init__.py").write_text('lazy_names(__name__, {"core.d": "score"})')
    assert Code(tmp_path).stale(notebook) == "module ft_course.b changed; module ft_course.core changed; module ft_course.core.d changed"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    "A copy of the course whose receipts are all fresh."
    folder = tmp_path_factory.mktemp("course")
    for name in ("nbs", "ft_course"): shutil.copytree(ROOT/name, folder/name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "stored", "splits"))
    for name in ("settings.ini", "constraints.txt", "pyproject.toml"): shutil.copy(ROOT/name, folder)
    code = Code(folder)
    for path in (folder/"nbs").rglob("*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["metadata"][KEY] = code.receipt(notebook)
        path.write_text(json.dumps(notebook), encoding="utf-8")
    return folder


@pytest.fixture
def edited(course):
    "A function that edits files of the copy and says what is stale then; they are put back after the test."
    before = {}
    def edit(change, *names):
        for path in (course/name for name in names):
            before.setdefault(path, path.read_text(encoding="utf-8"))
            assert (new := change(before[path])) != before[path]
            path.write_text(new, encoding="utf-8")
        return {name: why for name, why in stale(course).items() if why}
    yield edit
    for path, text in before.items(): path.write_text(text, encoding="utf-8")


def test_all_are_fresh_until_something_changes(course):
    assert not any(stale(course).values()) and len(stale(course)) >= 12


def test_a_word_in_a_chapter_makes_that_chapter_stale(edited):
    chapter = "nbs/1_foundations/04_evaluation.ipynb"
    def change(text):
        notebook = json.loads(text)
        cell = next(c for c in notebook["cells"][1:] if c["cell_type"] == "markdown")
        cell["source"] = ["Another", *cell["source"]]
        return json.dumps(notebook)
    assert edited(change, chapter) == {chapter: "cells changed"}


def test_outputs_and_other_metadata_are_not_part_of_a_receipt(edited):
    def change(text):
        notebook = json.loads(text)
        notebook["metadata"]["widgets"] = {}
        for cell in notebook["cells"]: cell.pop("outputs", None)
        return json.dumps(notebook)
    assert edited(change, "nbs/1_foundations/04_evaluation.ipynb") == {}


def test_a_line_of_code_in_core_makes_every_notebook_stale(edited, course):
    found = edited(lambda text: text + "\nlast = 1\n", "ft_course/core/files.py")
    assert found == dict.fromkeys(stale(course), "module ft_course.core.files changed")


def test_a_reworded_error_makes_none_stale(edited):
    error = re.compile(r"""(raise \w+\(f?["'])""")
    names = [p.relative_to(ROOT).as_posix() for p in (ROOT/"ft_course").rglob("*.py") if error.search(p.read_text(encoding="utf-8"))]
    assert len(names) > 10 and edited(lambda text: error.sub(r"\1Sorry: ", text), *names) == {}


def test_a_moved_pin_makes_all_stale_and_a_comment_none(edited, course):
    assert edited(lambda text: text + "# a comment\n\n", "constraints.txt") == {}
    assert set(edited(lambda text: re.sub(r"torch==.*", "torch==9", text), "constraints.txt").values()) == {"pins changed"}


def test_a_check_of_an_exercise_belongs_to_its_chapter(edited):
    assert list(edited(lambda text: text + "\nlast = 1\n", "ft_course/classroom/checks/ch04.py")) == ["nbs/1_foundations/04_evaluation.ipynb"]


def test_many_changes_are_said_in_one_line(course):
    path = course/"nbs"/"index.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"][KEY] |= {"modules": {"ft_course.a": "", "ft_course.b": "", "ft_course.c": ""}, "cells": ""}
    why = Code(course).stale(notebook)
    assert re.fullmatch(r"cells changed; module ft_course.a changed; module ft_course.b changed; \d+ more modules changed", why)


def test_seconds_stay_while_they_are_about_the_same():
    old = {"seconds": 100, "machine": "there"}
    assert with_time({}, 119.4, old) == old and with_time({}, 81, old) == old
    new = with_time({}, 121.4, old)
    assert new["seconds"] == 121 and "cores" in new["machine"] and with_time({}, 3.4, {})["seconds"] == 3


@pytest.mark.slow
def test_cleaning_keeps_a_receipt(tmp_path, monkeypatch):
    import nbformat
    shutil.copy(ROOT/"pyproject.toml", tmp_path)
    shutil.copy(ROOT/"settings.ini", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path/"nbs").mkdir()
    path = tmp_path/"nbs"/"a.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")], metadata={KEY: {"cells": "x"}, "language_info": {"name": "python"}})
    path.write_text("")
    save_tidied(notebook, path)
    assert json.loads(path.read_text(encoding="utf-8"))["metadata"] == {KEY: {"cells": "x"}} == dict(tidy(notebook).metadata)


@pytest.mark.notebook
def test_make_nb_leaves_a_receipt(tmp_path, monkeypatch):
    import nbformat
    monkeypatch.chdir(small(tmp_path))
    for name in ("settings.ini", "pyproject.toml"): shutil.copy(ROOT/name, tmp_path)
    path = tmp_path/"nbs"/"a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("if not 1: import ft_course.b\n1 + 1")]), path)
    execute(path)
    first = path.read_text(encoding="utf-8")
    notebook = json.loads(first)
    assert notebook["cells"][0]["outputs"] and notebook["metadata"][KEY]["seconds"] >= 0 and stale(tmp_path) == {"nbs/a.ipynb": ""}
    (tmp_path/"ft_course"/"b.py").write_text("x = 2")
    assert stale(tmp_path) == {"nbs/a.ipynb": "module ft_course.b changed"}
