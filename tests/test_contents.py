"One table of contents: what it says is there, and whatever refers to a chapter refers to it by a link."
import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT

import ft_course
from ft_course.classroom import time_needed
from ft_course.classroom.quizzes import quiz_names
from ft_course.classroom.solutions import exercise_names
from ft_course.core.contents import chapter, contents, hours

NOTEBOOKS = sorted(p.relative_to(ROOT/"nbs").as_posix() for p in (ROOT/"nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+\.ipynb)[^)]*\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.S)


def cells(name: str, kind: str) -> list[str]:
    notebook = json.loads((ROOT/"nbs"/name).read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == kind]


def test_the_chapters_are_the_notebooks_in_order():
    assert [c.file for c in contents()] == [n for n in NOTEBOOKS if "/" in n]
    numbers = [c.number for c in contents()]   # one that is not written yet leaves a gap
    assert numbers == sorted(set(numbers)) and all(c.file.split("/")[-1].startswith(f"{c.number}_") for c in contents())


@pytest.mark.parametrize("c", contents(), ids=lambda c: c.number)
def test_a_chapter_is_what_its_notebook_says(c):
    assert cells(c.file, "markdown")[0].startswith(f"# {c.title}\n")
    exported = re.findall(r"^#\| default_exp (\S+)", "\n".join(cells(c.file, "code")), flags=re.M)
    assert [m for m in c.modules if "." not in m] == exported and c.question.endswith("?") and c.minutes > 0


def test_quizzes_and_exercises_belong_to_chapters():
    assert {n.split(".")[0] for n in (*quiz_names(), *exercise_names())} <= {c.number for c in contents()}


def contents_table() -> str:
    "The chapters as a Markdown table, with links from the top folder of the repository; a star marks the core path."
    rows, part = ["| | chapter | its question | hours |", "|---|---|---|---|"], ""
    for c in contents():
        if c.part != part: rows.append(f"| | **{c.part}** | | |")
        part = c.part
        rows.append(f"| {c.number}{'*' if c.core else ''} | [{c.title}](nbs/{c.file}) | {c.question} | "
                    f"{hours(c.reading)} + {hours(c.exercises)} |")
    return "\n".join(rows)


def test_the_index_shows_the_table():
    table = contents_table()
    assert table in "\n".join(cells("index.ipynb", "markdown")), f"put this into nbs/index.ipynb, then `make readme`:\n{table}"


def test_times_in_words():
    assert [hours(h) for h in (.5, 1, 1.75, 0)] == ["½", "1", "1¾", "0"]
    assert str(time_needed("04")) == "About 2½ hours of reading, ½ hour of exercises and a minute of computing on a free machine."
    with pytest.raises(ValueError, match="there is no chapter '99'"): chapter("99")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_links_lead_somewhere(name):
    start = ROOT if name == "index.ipynb" else (ROOT/"nbs"/name).parent   # the index is the README too, which stands one folder higher
    for said, address in (m.groups() for text in cells(name, "markdown") for m in LINK.finditer(text)):
        assert (start/address).resolve().is_file(), f"{name}: {address}"
        number = re.fullmatch(r"(?:[Cc]hapter )?(\d\d)", said)
        assert not number or address.endswith(chapter(number[1]).file.split("/")[-1]), f"{name}: [{said}]({address})"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_chapter_is_referred_to_by_a_link(name):
    for text in cells(name, "markdown"):
        plain = LINK.sub("", CODE.sub("", text))
        assert not re.findall(r"(?i).{0,30}\bchapters?\s+\d\d.{0,30}", plain), name
    known, everything = {c.number for c in contents()}, "\n".join(cells(name, "markdown") + cells(name, "code"))
    assert set(re.findall(r"(?i)\bchapters?\s+(\d\d)\b", everything)) <= known, "a chapter that is not written is not referred to by number"


@pytest.mark.parametrize("name", ft_course.__all__)
def test_a_public_name_resolves(name):
    assert getattr(ft_course, name) is not None and name in dir(ft_course)


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'load_tasks'"): assert ft_course.load_tasks
    with pytest.raises(ImportError): from ft_course import load_tasks  # noqa: F401


def test_asking_for_one_light_name_loads_nothing_heavy():
    heavy = "numpy torch transformers datasets peft sklearn pandas matplotlib ipywidgets".split()
    code = ("import sys, time; start = time.perf_counter(); import ft_course; seconds = time.perf_counter() - start; "
            "from ft_course import CourseError; from ft_course.core.contents import contents; contents(); "
            f"print(seconds, [m for m in {heavy!r} if m in sys.modules])")
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split(maxsplit=1) for _ in range(3)]
    assert all(loaded.strip() == "[]" for _, loaded in runs) and min(float(seconds) for seconds, _ in runs) < .15
