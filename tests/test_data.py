"A file of one's own, with what people's files have in them."
import pytest

from ft_course.data import canonical_split, load_task


def write(tmp_path, text, name="mine.csv", encoding="utf-8"):
    (tmp_path/name).write_bytes(text.encode(encoding))
    return tmp_path/name


ROWS = "\n".join(f"\"text, number {i} {'abcdefghij'[i % 10]*3}\",{'yes' if i % 2 else 'no'}" for i in range(40))


def test_splits_are_stratified_and_disjoint(tmp_path):
    task = load_task(write(tmp_path, "text,label\n" + ROWS))
    ids = [i for split in task.data.values() for i in split["id"]]
    assert sorted(ids) == list(range(40)) and [len(task.data[s]) for s in ("train", "validation", "test")] == [24, 8, 8]
    assert sorted(task.split("test")[1]) == ["no"]*4 + ["yes"]*4


def test_repeated_and_empty_rows_are_dropped(tmp_path):
    task = load_task(write(tmp_path, "text,label\n" + ROWS + "\n\"TEXT number 0 aaa!\",no\n,yes\n\"   \",yes\n\"alone\",\n"))
    assert sum(len(s) for s in task.data.values()) == 40


BAD = {
    "missing file": (None, "there is no file"),
    "misnamed column": ("texts,label\na,b\n", "did you mean 'texts'"),
    "empty file": ("", "cannot be read as a CSV file"),
    "one label": ("text,label\n" + "\n".join(f"t{i},x" for i in range(9)), "at least two"),
    "a label with one row": ("text,label\n" + "\n".join(f"t{i},{'y' if i else 'x'}" for i in range(9)), "1 row\\(s\\) with the label 'x'"),
    "nothing left": ("text,label\n,\n ,\n", "0 label"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_one_sentence(tmp_path, case):
    content, says = BAD[case]
    path = tmp_path/"gone.csv" if content is None else write(tmp_path, content)
    with pytest.raises(ValueError, match=says) as caught: load_task(path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_wrong_encoding(tmp_path):
    with pytest.raises(ValueError, match="UTF-8"): load_task(write(tmp_path, "text,label\nf\u00fcr,x\n", encoding="latin-1"))


def test_unknown_task():
    with pytest.raises(ValueError, match="did you mean 'airline'"): load_task("airlines")


def test_canonical_splits_have_their_sizes():
    sizes = canonical_split("airline")["split"].value_counts()
    assert (sizes["train"], sizes["validation"], sizes["test"]) == (4000, 1000, 2000) and canonical_split("airline")["id"].is_unique
    assert canonical_split("articles")["split"].value_counts()["test"] == 500


def test_example_file_is_what_its_card_says():
    from ft_course.data import EXAMPLE_CSV, near_duplicate_groups, read_rows, text_key
    table = read_rows(EXAMPLE_CSV)
    assert table["label"].value_counts().to_dict() == dict.fromkeys(["loans", "catalogue", "rooms", "events"], 32)
    assert len(set(near_duplicate_groups(table["text"].map(text_key).tolist(), .3))) == 128
