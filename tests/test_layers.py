"Imports run downwards, and no module takes a private name from another."
import ast
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.drift
FILES = sorted(p for p in (ROOT/"ft_course").rglob("*.py") if p.name != "_modidx.py")


def is_module(name: str) -> bool:
    place = ROOT/name.replace(".", "/")
    return place.is_dir() or place.with_suffix(".py").is_file()


def borrowed(source: str) -> list[str]:
    "Private names that the code takes from modules of the course: by an import, or as an attribute of a module it imports."
    nodes, modules, found = list(ast.walk(ast.parse(source))), {}, []
    private = lambda name: name.startswith("_") and not name.startswith("__")
    for node in nodes:
        if isinstance(node, ast.Import): modules |= {a.asname or a.name: a.name for a in node.names if a.name.startswith("ft_course")}
        elif isinstance(node, ast.ImportFrom):
            names = {a.asname or a.name: f"{node.module or 'ft_course'}.{a.name}" for a in node.names}
            if node.level and node.module: names = {k: f"ft_course.{v}" for k, v in names.items()}   # only chapters' modules import so
            names = {k: v for k, v in names.items() if v.startswith("ft_course.")}
            found += [name for name in names.values() if private(name.rpartition(".")[2])]
            modules |= {k: v for k, v in names.items() if is_module(v)}
    return found + [f"{modules[n]}.{node.attr}" for node in nodes
                    if isinstance(node, ast.Attribute) and private(node.attr) and (n := ast.unparse(node.value)) in modules]


def test_imports_run_downwards():
    run = subprocess.run([sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"], cwd=ROOT,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_private_name_of_another_module(path):
    assert borrowed(path.read_text(encoding="utf-8")) == []


def test_a_borrowed_name_would_be_found():
    assert borrowed("from ft_course.models import _kind, tiny") == ["ft_course.models._kind"]
    assert borrowed("from ft_course import models as m\nm._kind(m.tiny)") == ["ft_course.models._kind"]
    assert borrowed("from .models import _kind") == ["ft_course.models._kind"]
    assert borrowed("import ft_course.models\nft_course.models._kind") == ["ft_course.models._kind"]
    assert borrowed("import os\nfrom ft_course import __version__\nos._exit(self._kind)") == []
