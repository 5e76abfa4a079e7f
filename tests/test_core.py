"Files whole or absent, sentences that cannot lie."
import errno
import os

import pytest

from ft_course.core import CourseError, atomic_path, claim


@pytest.mark.parametrize("code, says", [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "may not be written")])
def test_what_the_system_says_becomes_a_sentence(tmp_path, code, says):
    (tmp_path/"old").write_text("old")
    with pytest.raises(CourseError, match=says):
        with atomic_path(tmp_path/"old") as tmp:
            tmp.write_text("half")
            raise OSError(code, os.strerror(code))
    assert [p.name for p in tmp_path.iterdir()] == ["old"] and (tmp_path/"old").read_text() == "old"


def test_a_folder_is_replaced_whole(tmp_path):
    for content in ("one", "two"):
        with atomic_path(tmp_path/"folder") as tmp:
            tmp.mkdir()
            (tmp/content).write_text(content)
    assert [p.name for p in (tmp_path/"folder").iterdir()] == ["two"] and [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_claim_that_fails_says_which():
    with pytest.raises(AssertionError, match="gains 3 points"): claim(False, "It gains {n} points.", n=3)


def test_an_interrupt_between_two_renames_keeps_the_old_folder(tmp_path, monkeypatch):
    import os
    (tmp_path/"model").mkdir()
    (tmp_path/"model"/"old").write_text("old")
    renamed, rename = [], os.replace
    def interrupted(a, b):
        renamed.append(a)
        if len(renamed) == 2: raise KeyboardInterrupt
        rename(a, b)
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path/"model") as tmp:
        tmp.mkdir()
        (tmp/"new").write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["model"] and (tmp_path/"model"/"old").read_text() == "old"


@pytest.mark.slow
def test_nothing_stays_of_a_bar_in_a_notebook(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    import nbclient
    import nbformat
    code = ["from ft_course.core import progress", "import time", "for i in progress(range(6), 'walking'): time.sleep(.5)",
            "bar = progress(['a'], 'quick')", "for i in bar: bar.set_description('renamed')"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("\n".join(code))])
    nbclient.NotebookClient(notebook).execute()
    assert [o["data"] for o in notebook.cells[0].outputs] == [{"text/plain": ""}], "one bar was drawn, and is empty now"


def test_freed_memory_goes_back_to_the_system():
    import psutil
    from ft_course.core import free_memory
    kept = [bytearray(50_000) for _ in range(6000)]   # 300 MB, in blocks too small to be mapped on their own
    last = kept[-1]
    taken = psutil.Process().memory_info().rss
    del kept
    if not free_memory(): pytest.skip("the C library is not glibc")
    assert taken - psutil.Process().memory_info().rss > 250e6 and len(last) == 50_000
