"The package as a whole: imports, versions, drift between notebooks, package and README."
import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from importlib import metadata

import pytest

import ft_course

HEAVY = "torch transformers datasets peft evaluate sklearn pandas matplotlib ipywidgets nbdev".split()
BY_HAND = {"__init__.py"}                                             # written by hand, also in `checks`; everything else that ends in .py comes from a notebook
DATA = {"assets.txt", "splits", "examples", "results", "evaluate_metric", "quizzes", "checks", "questions", "__pycache__"}   # not code, and the script that `evaluate` loads


def test_import_is_quick_and_light():
    code = ("import sys, time; start = time.perf_counter(); import ft_course; seconds = time.perf_counter() - start; "
            f"print(seconds, [m for m in {HEAVY!r} if m in sys.modules])")
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split(maxsplit=1) for _ in range(3)]
    assert all(loaded.strip() == "[]" for _, loaded in runs)
    assert min(float(seconds) for seconds, _ in runs) < .15


def test_version_has_one_source(root):
    config = ConfigParser(delimiters=["="], interpolation=None)
    config.read(root/"settings.ini", encoding="utf-8")
    assert metadata.version("ft_course") == config["DEFAULT"]["version"] == ft_course.__version__
    assert f"## {ft_course.__version__}" in (root/"CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {ft_course.__version__}" in (root/"CITATION.cff").read_text(encoding="utf-8")


def test_constraints_pin_every_requirement(root):
    config = ConfigParser(delimiters=["="], interpolation=None)
    config.read(root/"settings.ini", encoding="utf-8")
    pinned = {re.split("==", line)[0].lower().replace("_", "-") for line in (root/"constraints.txt").read_text().splitlines() if "==" in line}
    wanted = {re.split(r"[<>=~!\[]", r)[0].lower().replace("_", "-") for key, value in config["DEFAULT"].items() if key.endswith("requirements") for r in value.split()}
    assert wanted - pinned - {"pip"} == set()


def test_package_is_what_the_notebooks_say(root, tmp_path):
    for name in ("nbs", "ft_course"): shutil.copytree(root/name, tmp_path/name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.json" if name == "ft_course" else "__none__"))
    for name in ("pyproject.toml", "settings.ini"): shutil.copy(root/name, tmp_path/name)
    modules = lambda folder: [p for p in (*(folder/"ft_course").glob("*.py"), *(folder/"ft_course"/"checks").glob("*.py"))]
    for module in modules(tmp_path):
        if module.name not in BY_HAND: module.unlink()
    (tmp_path/"ft_course"/"_modidx.py").write_text("d = {}\n")
    subprocess.run([sys.executable, "-c", "from nbdev.export import nb_export; from nbdev.doclinks import nbdev_export; nbdev_export()"], cwd=tmp_path, check=True, capture_output=True)
    made, kept = ({p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in modules(folder) if p.name != "_modidx.py"} for folder in (tmp_path, root))
    assert sorted(made) == sorted(kept)
    assert [name for name in made if made[name] != kept[name]] == []
    assert {p.name for p in (root/"ft_course").iterdir() if p.suffix != ".py"} <= DATA
    assert {p.name for p in (root/"ft_course"/"checks").iterdir() if p.suffix != ".py"} <= {"solutions.json", "__pycache__"}


def test_readme_is_the_index(root):
    from ft_course.classroom.notebooks import readme
    assert (root/"README.md").read_text(encoding="utf-8") == readme(root)


def notebooks():
    from conftest import ROOT
    return sorted(p.relative_to(ROOT).as_posix() for p in (ROOT/"nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


@pytest.mark.parametrize("name", notebooks())
def test_committed_notebook_is_tidy(root, name):
    notebook = json.loads((root/name).read_text(encoding="utf-8"))
    title = "".join(notebook["cells"][0]["source"]).strip().splitlines()
    assert len(title) == 2 and title[0].startswith("# ") and title[1].startswith("> ")
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    outputs = json.dumps([c["outputs"] for c in code])
    assert not any(o.get("output_type") == "error" or o.get("name") == "stderr" for c in code for o in c["outputs"])
    assert not re.search(r"/(?:root|work|tmp|home|Users)/\w", outputs) and len(outputs) < 1_500_000
    assert any(c["outputs"] for c in code) and not any(c["execution_count"] for c in code), "run and tidy it: make nb NB=..."


MEASURED = re.compile(r"(?<![\d.])0\.\d+(?![\d.])|\b\d+(?:\.\d+)?\s?%|\b\d+(?:\.\d+)? points\b")


@pytest.mark.parametrize("name", notebooks())
def test_text_holds_no_measured_number(root, name):
    "A number that was measured comes from a cell; a figure of others stands beside its source; 95 % names an interval."
    notebook = json.loads((root/name).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown": continue
        for paragraph in "".join(cell["source"]).split("\n\n"):
            if re.search(r"\((?:19|20)\d\d\b|, (?:19|20)\d\d[,)]", paragraph): continue
            assert not [m for m in MEASURED.findall(paragraph.replace("95 %", ""))], paragraph


def test_measured_number_would_be_found():
    assert MEASURED.findall("reaches 0.83 and gains 12 points or 4 %") == ["0.83", "12 points", "4 %"]
