"Chapter 03's labelling cells, as a reader meets them: nothing labelled, too few, enough."
import json

import pytest

STARTS = ("guidelines =", "by_section =", "def kappa_of", "judges =", "apart =")


@pytest.fixture
def cells(root, tmp_path, monkeypatch):
    "Runs the labelling cells of the chapter in a folder of their own, and gives their last values."
    import pandas as pd
    from sklearn.metrics import cohen_kappa_score
    from ft_course.core import say
    from ft_course.data import load_task
    from ft_course.evaluation import interval
    from ft_course.widgets import label
    notebook = json.loads((root/"nbs"/"1_foundations"/"03_dataset.ipynb").read_text(encoding="utf-8"))
    sources = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    found = [next(s for s in sources if s.startswith(start)) for start in STARTS]
    space = {"pd": pd, "cohen_kappa_score": cohen_kappa_score, "say": say, "interval": interval, "label": label, "show": lambda table: table,
             "headlines": load_task("headlines"), "pairs": pd.DataFrame({"one": list("aab")*20, "other": list("abb")*20})}
    monkeypatch.chdir(tmp_path)

    def run():
        for source in found:
            exec(source, space)
        return space
    return run


def test_nothing_labelled_leaves_no_file(cells, tmp_path):
    space = cells()
    assert list(tmp_path.iterdir()) == [] and not space["enough"] and list(space["judges"]) == ["tweets, labelled twice"]
    sections = space["to_label"]["label"].value_counts()
    assert len(space["labelling"].texts) == 30 and set(sections) == {6} and list(sections.index.sort_values()) == space["headlines"].labels
    assert set(space["to_label"]["id"]) <= set(space["headlines"].data["train"]["id"])


def test_kappa_from_ten_on(cells, tmp_path):
    space = cells()
    editors = space["to_label"]["label"].tolist()
    for section in editors[:9]: space["labelling"].answer(section)
    space["labelling"].answer("")   # skipped: does not count
    assert not cells()["enough"]
    wrong = next(name for name in space["headlines"].labels if name != editors[10])
    cells()["labelling"].answer(wrong)
    space = cells()                 # goes on from the file
    assert (tmp_path/"my-labels.jsonl").is_file() and space["enough"]
    one, other = space["judges"]["headlines, you and the editors"]
    said = space["agreement"](one, other)
    assert said["texts"] == 10 and said["kappa"].startswith(f"{space['cohen_kappa_score'](one, other):.2f} [")
    assert space["apart"].tolist() == [False]*9 + [True]


def test_one_label_for_everything_is_no_crash(cells):
    space = cells()
    first = space["to_label"]["label"].iloc[0]
    for _ in range(12): space["labelling"].answer(first)
    space = cells()
    assert space["enough"] and space["agreement"](*space["judges"]["headlines, you and the editors"])["kappa"].startswith("0.00 [")
    assert space["kappa_of"](["a"]*3, ["a"]*3) == 0
