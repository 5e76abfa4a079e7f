"""Every notebook whose receipt is stale, and two more, run top to bottom in a kernel of their own that can talk to this machine only.
`pytest --all-notebooks` (`make test ALL=1`) runs them all."""
import random
import subprocess
import sys

import pytest
from conftest import ROOT, blocked_env

from tools.notebooks import run_notebook, stale

N_DRAWN = 2


def drawn(fresh: list[str], commit: str) -> list[str]:
    "Some of the notebooks that need no run: others at every commit."
    return random.Random(commit).sample(fresh, min(N_DRAWN, len(fresh)))


def reasons() -> dict[str, str]:
    "Notebook -> why it is run; empty where it is not."
    found = stale(ROOT)
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return found | dict.fromkeys(drawn([name for name, why in found.items() if not why], git.stdout), "drawn by the commit")


WHY = reasons()


@pytest.mark.parametrize("name", WHY)
def test_notebook_runs(name, request):
    why = WHY[name] or request.config.getoption("all_notebooks") and "all are run"
    if not why: pytest.skip("its receipt is fresh")
    print(f"{name} is run: {why}")   # shown where it fails
    run_notebook(ROOT/name, **blocked_env())


def test_the_block_blocks():
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)"
    run = subprocess.run([sys.executable, "-c", code], env=blocked_env(), capture_output=True, text=True)
    assert run.returncode and "blocked by the tests" in run.stderr


def test_two_are_drawn_and_the_commit_says_which():
    names = [f"{n:02d}" for n in range(10)]
    assert drawn(names, "a") == drawn(names, "a") and len({*drawn(names, "a")}) == 2
    assert {name for commit in range(100) for name in drawn(names, str(commit))} == {*names}
    assert drawn(names[:1], "a") == names[:1] and drawn([], "a") == []
