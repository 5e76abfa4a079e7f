"Labelling, driven from Python: it resumes, and loses nothing."
import pytest

from ft_course.core import CourseError
from ft_course.widgets import label


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_labels_resume_and_undo(mine):
    texts, labels = ["Shares fall", "Cup final", "A new phone"], ["business", "sports", "tech"]
    first = label(texts, labels, "*business*: firms", "mine.csv")
    assert not (mine/"mine.csv").exists()
    first.view.field.value = "bs"
    assert first.table["label"].tolist() == ["business", "sports"]
    first.view.field.value = "b"
    first.view.field.value = "bz"
    assert "stands for no label" in first.view.status.value and first.table["label"].tolist() == ["business"]
    again = label(texts, labels, file="mine.csv").answer("")
    again.undo()
    again.undo()
    assert again.table.empty and "nothing to take back" in again.undo().said
    for text in labels: again.answer(text)
    assert "All done" in again.view.text.value and again.answer("tech").table["label"].tolist() == labels
    with pytest.raises(CourseError, match="labels of other texts"): label(["Other", "texts", "here"], labels, file="mine.csv")
    (mine/"mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CourseError, match="not a labelling file"): label(texts, labels, file="mine.csv")
    with pytest.raises(ValueError, match="did you mean 'sports'"): first.answer("sport")


def test_labels_that_are_numbers_or_share_letters(mine):
    numbers = label(["x", "y", "z"], [0, 1], file="n.csv").answer(0).answer(1).answer("")
    assert numbers.table["label"].tolist() == ["0", "1", ""], "0 is a label, not a skip"
    alike = label(["x"], ["ab", "ba", "a", "b", "aab"], file="a.csv")
    assert len(alike.keys) == 5 and set(alike.keys.values()) == set(alike.labels)
    many = label(["x"], [f"a{'a'*i}" for i in range(50)], file="m.csv")
    assert len(many.view.buttons) == 51 and len(many.keys) == 36
    many.view.buttons["a"*50].click()
    assert many.table["label"].tolist() == ["a"*50], "a label without a key has its button"
    for labels in ([], ["a"], ["a", "a"], ["a", ""]):
        with pytest.raises(ValueError, match="two or more"): label(["x"], labels, file="z.csv")
    with pytest.raises(ValueError, match=r"texts\[1\]"): label(["x", 3], ["a", "b"], file="z.csv")
    with pytest.raises(ValueError, match="one string"): label("text", ["a", "b"], file="z.csv")


def test_labelling_shows_html_as_text(mine):
    board = label(["<script>x</script>"], ["<b>", "c"], "<i> & *stress*", "h.csv")
    side = board.view.guidelines
    assert "&lt;script&gt;" in board.view.text.value and "&lt;i&gt; &amp; <em>stress</em>" in side.value
    assert [b.description for b in board.view.buttons.values()][0].startswith("<b>"), "a button's text is never markup"


def test_keys_typed_anywhere_and_after_the_end(mine):
    board = label(["1", "2", "3"], ["business", "sports"], file="k.csv")
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
    first, second = label(texts, labels, file="t.csv"), label(texts, labels, file="t.csv")
    first.answer("a").answer("a")
    second.answer("b")                            # has seen neither answer
    assert second.table["label"].tolist() == ["b", "a"], "the other's answers to other texts are not lost"
    first.answer("b")
    assert label(texts, labels, file="t.csv").table["label"].tolist() == ["a", "a", "b"], "to the same text, the last writer's"


@pytest.mark.parametrize("content, said", [(b"\xff\xfe\x00", "cannot be read"), (b"number,text,label\n-1,2,a\n", "other texts"), (b"number,text,label\n0,1,zzz\n", "'zzz'"),
                                           (b"number,text,label\nx,1,a\n", "other texts"), (b"number,text\n0,1\n", "columns"), (b"number,text,label\n9,1,a\n", "other texts")])
def test_a_labelling_file_edited_by_hand_is_left_alone(mine, content, said):
    (mine/"e.csv").write_bytes(content)
    with pytest.raises(CourseError, match=said): label(["1", "2"], ["a", "b"], file="e.csv")
    assert (mine/"e.csv").read_bytes() == content
    (mine/"folder").mkdir()
    with pytest.raises(CourseError, match="rename it"): label(["1"], ["a", "b"], file="folder")
    assert (mine/"folder").is_dir(), "a folder of this name is not replaced"


def test_labels_stay_when_they_cannot_be_written(mine, monkeypatch):
    board = label(["1", "2"], ["a", "b"], file="d.csv")
    (mine/"d.csv").mkdir()
    board.view.buttons["a"].click()
    assert "kept until this kernel ends" in board.view.status.value and len(board.table) == 1
    (mine/"d.csv").rmdir()
    board.view.buttons["b"].click()
    assert len(label(["1", "2"], ["a", "b"], file="d.csv").table) == 2, "written with the next answer"
