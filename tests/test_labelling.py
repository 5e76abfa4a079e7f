"Labelling, driven from Python: it resumes, and loses nothing."
import json

import pytest

from ft_course.core import CourseError
from ft_course.widgets import label


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_labels_resume_and_undo(mine):
    texts, labels = ["Shares fall", "Cup final", "A new phone"], ["business", "sports", "tech"]
    first = label(texts, labels, "*business*: firms", "mine.jsonl")
    assert not (mine/"mine.jsonl").exists()
    first.view.field.value = "bs"
    assert first.table["label"].tolist() == ["business", "sports"]
    first.view.field.value = "b"
    first.view.field.value = "bz"
    assert "stands for no label" in first.view.status.value and first.table["label"].tolist() == ["business"]
    again = label(texts, labels, file="mine.jsonl").answer("")
    again.undo()
    again.undo()
    assert again.table.empty and "nothing to take back" in again.undo().said
    for text in labels: again.answer(text)
    assert "All done" in again.view.text.value and again.answer("tech").table["label"].tolist() == labels
    with pytest.raises(CourseError, match="labels of other texts"): label(["Other", "texts", "here"], labels, file="mine.jsonl")
    (mine/"mine.jsonl").write_text('{"a": 1, "b": 2}\n')
    with pytest.raises(CourseError, match="no column 'number'"): label(texts, labels, file="mine.jsonl")
    with pytest.raises(ValueError, match="did you mean 'sports'"): first.answer("sport")


def test_labels_that_are_numbers_or_share_letters(mine):
    numbers = label(["x", "y", "z"], [0, 1], file="n.jsonl").answer(0).answer(1).answer("")
    assert numbers.table["label"].tolist() == ["0", "1", ""], "0 is a label, not a skip"
    alike = label(["x"], ["ab", "ba", "a", "b", "aab"], file="a.jsonl")
    assert len(alike.keys) == 5 and set(alike.keys.values()) == set(alike.labels)
    many = label(["x"], [f"a{'a'*i}" for i in range(50)], file="m.jsonl")
    assert len(many.view.buttons) == 51 and len(many.keys) == 36
    many.view.buttons["a"*50].click()
    assert many.table["label"].tolist() == ["a"*50], "a label without a key has its button"
    for labels in ([], ["a"], ["a", "a"], ["a", ""]):
        with pytest.raises(ValueError, match="two or more"): label(["x"], labels, file="z.jsonl")
    with pytest.raises(ValueError, match=r"texts\[1\]"): label(["x", 3], ["a", "b"], file="z.jsonl")
    with pytest.raises(ValueError, match="one string"): label("text", ["a", "b"], file="z.jsonl")


def test_labelling_shows_html_as_text(mine):
    board = label(["<script>x</script>"], ["<b>", "c"], "<i> & *stress*", "h.jsonl")
    side = board.view.guidelines
    assert "&lt;script&gt;" in board.view.text.value and "&lt;i&gt; &amp; <em>stress</em>" in side.value
    assert [b.description for b in board.view.buttons.values()][0].startswith("<b>"), "a button's text is never markup"


def test_keys_typed_anywhere_and_after_the_end(mine):
    board = label(["1", "2", "3"], ["business", "sports"], file="k.jsonl")
    board.view.field.value = "bxs"
    assert board.view.field.value == "bs" and board.table["label"].tolist() == ["business", "sports"] and "stands for no label" in board.view.status.value
    board.view.field.value = "ss"                      # the first key replaced
    assert board.table["label"].tolist() == ["sports", "sports"]
    board.view.field.value = "ssbbb"
    assert board.view.field.value == "ssb" and "All done" in board.view.text.value, "keys after the last text are not kept"
    board.view.field.value = "ss"
    assert len(board.table) == 2


def test_two_notebooks_label_together(mine):
    texts, labels = ["1", "2", "3"], ["a", "b"]
    first, second = label(texts, labels, file="t.jsonl"), label(texts, labels, file="t.jsonl")
    first.answer("a").answer("a")
    second.answer("b")                            # has seen neither answer
    assert second.table["label"].tolist() == ["b", "a"], "the other's answers to other texts are not lost"
    first.answer("b")
    assert label(texts, labels, file="t.jsonl").table["label"].tolist() == ["a", "a", "b"], "to the same text, the last writer's"


def row(number, text, *label): return (json.dumps({"number": number, "text": text} | dict(zip(["label"], label))) + "\n").encode()


@pytest.mark.parametrize("content, said", [(b"\xff\xfe\x00", "cannot be read"), (row(-1, "2", "a"), "other texts"), (row(0, "1", "zzz"), "'zzz'"),
                                           (row("x", "1", "a"), "other texts"), (row(0, "1"), "no column 'label'"), (row(9, "1", "a"), "other texts")])
def test_a_labelling_file_edited_by_hand_is_left_alone(mine, content, said):
    (mine/"e.jsonl").write_bytes(content)
    with pytest.raises(CourseError, match=said): label(["1", "2"], ["a", "b"], file="e.jsonl")
    assert (mine/"e.jsonl").read_bytes() == content
    (mine/"folder.jsonl").mkdir()
    with pytest.raises(CourseError, match="rename it"): label(["1"], ["a", "b"], file="folder.jsonl")
    assert (mine/"folder.jsonl").is_dir(), "a folder of this name is not replaced"


def test_labels_stay_when_they_cannot_be_written(mine, monkeypatch):
    board = label(["1", "2"], ["a", "b"], file="d.jsonl")
    (mine/"d.jsonl").mkdir()
    board.view.buttons["a"].click()
    assert "kept until this kernel ends" in board.view.status.value and len(board.table) == 1
    (mine/"d.jsonl").rmdir()
    board.view.buttons["b"].click()
    assert len(label(["1", "2"], ["a", "b"], file="d.jsonl").table) == 2, "written with the next answer"
