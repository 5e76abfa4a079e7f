"Every notebook runs top to bottom in a kernel of its own that can talk to this machine only."
import os

import pytest
from conftest import ROOT, blocked_env
from test_project import notebooks


@pytest.mark.parametrize("name", sorted(notebooks(), key=lambda n: ("library" not in n, n)))
def test_notebook_runs(name):
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError
    for once_more in (True, False):
        notebook = nbformat.read(ROOT/name, as_version=4)
        client = NotebookClient(notebook, timeout=480, kernel_name="python3", resources={"metadata": {"path": str((ROOT/name).parent)}})
        try: return client.execute(env=blocked_env())
        except CellTimeoutError:   # now and then a reply gets lost on the way and the kernel sits idle (jupyter/nbclient issue 312)
            if not once_more: raise


def test_the_block_blocks():
    import subprocess, sys
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)"
    run = subprocess.run([sys.executable, "-c", code], env=blocked_env(), capture_output=True, text=True)
    assert run.returncode and "blocked by the tests" in run.stderr
