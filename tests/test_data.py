"A file of one's own, with what people's files have in them."
import json
import time

import numpy as np
import pandas as pd
import pytest

from ft_course.core import CourseError
from ft_course.data import (EXAMPLE_CSV, _as_task, audit, canonical_split, clean_rows, duplicate_groups, giveaway_words,
                            label_table, load_task, near_duplicate_groups, read_rows, stratified_parts, text_key, token_lengths)

WORDS = "amber birch cedar delta ember flint grove heath inlet jetty knoll ledge marsh north ochre pearl quartz ridge shore thorn".split()


def write(tmp_path, text, name="mine.csv", encoding="utf-8"):
    (tmp_path/name).write_bytes(text.encode(encoding))
    return tmp_path/name


def messages(n=40, labels=("no", "yes"), seed=0):
    "Texts of eight random words, no two alike, and their labels in turn."
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 8, replace=False)) for _ in range(n)], [labels[i % len(labels)] for i in range(n)]


def rows_of(task):
    return {split: list(zip(rows["id"], rows[task.text], rows[task.label])) for split, rows in task.data.items()}


ROWS = "\n".join(f"\"text, number {i} {'abcdefghij'[i % 10]*3}\",{'yes' if i % 2 else 'no'}" for i in range(40))


def test_splits_are_stratified_and_disjoint(tmp_path):
    task = load_task(write(tmp_path, "text,label\n" + ROWS))
    ids = [i for split in task.data.values() for i in split["id"]]
    assert sorted(ids) == list(range(40)) and [len(task.data[s]) for s in ("train", "validation", "test")] == [24, 8, 8]
    assert sorted(task.split("test")[1]) == ["no"]*4 + ["yes"]*4


def test_repeated_and_empty_rows_are_dropped_and_accounted_for(tmp_path):
    extra = "\n\" text,  number 0 aaa\",no\n,yes\n\"   \",yes\n\"alone\",\nshort\n\"torn\",yes\n\"torn \",no\n"
    task = load_task(write(tmp_path, "text,label\n" + ROWS + extra))
    assert sum(len(s) for s in task.data.values()) == 40
    assert dict(zip(task.dropped["id"], task.dropped["reason"])) == {
        40: "repeated text", 41: "no text", 42: "empty text", 43: "no label", 44: "no label",
        45: "same text with several labels", 46: "same text with several labels"}
    assert "1 repeated text" in repr(task) and "left out" not in repr(load_task(EXAMPLE_CSV))


# ---- every format

TEXTS, LABELS = messages()
AWKWARD = ["commas, and \"quotes\"", "two\nlines", "semi;colons\tand tabs", "ünïcode 😀"]
TEXTS = [f"{t} {AWKWARD[i % 4]}" for i, t in enumerate(TEXTS)]
KINDS = {"str": LABELS, "int": [i % 2 + 3 for i in range(40)], "bool": [i % 2 == 0 for i in range(40)]}


def as_source(form, tmp_path, labels):
    import datasets
    table = pd.DataFrame({"message": TEXTS, "team": labels, "other": range(40)})
    records = table.to_dict("records")
    path = tmp_path/f"mine.{form}"
    if form == "csv": table.to_csv(path, index=False)
    elif form == "semicolons.csv": table.to_csv(path, sep=";", index=False)
    elif form == "bom.csv": table.to_csv(path, index=False, encoding="utf-8-sig")
    elif form == "tsv": table.to_csv(path, sep="\t", index=False)
    elif form == "json": path.write_text(json.dumps(records), encoding="utf-8")
    elif form in ("jsonl", "lines.json"): path.write_text("\n".join(map(json.dumps, records)) + "\n\n", encoding="utf-8")
    elif form == "parquet": table.to_parquet(path)
    elif form == "frame": return table.set_index(pd.Index(range(100, 140)))
    elif form == "dicts": return records
    elif form == "pairs": return list(zip(TEXTS, labels))
    elif form == "zip": return zip(TEXTS, labels)
    elif form == "dataset": return datasets.Dataset.from_pandas(table)
    elif form == "classlabel":
        made = datasets.Dataset.from_pandas(table)
        return made if not isinstance(labels[0], str) else made.cast_column("team", datasets.ClassLabel(names=["no", "yes"]))
    return path


FORMS = ["semicolons.csv", "bom.csv", "tsv", "json", "jsonl", "lines.json", "parquet", "frame", "dicts", "pairs", "zip", "dataset", "classlabel"]


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_task_as_csv(form, tmp_path):
    for kind, labels in KINDS.items():
        csv = load_task(as_source("csv", tmp_path, labels), text="message", label="team")
        other = load_task(as_source(form, tmp_path, labels), text="message", label="team")
        assert csv.labels == sorted({str(l) for l in labels}), "as written"
        assert {s: [(i, t, str(l)) for i, t, l in rows] for s, rows in rows_of(other).items()} == rows_of(csv)
        assert {type(l) for l in other.labels} == {str if "csv" in form or form == "tsv" else type(labels[0])}


def test_path_as_string_and_slash(tmp_path, monkeypatch):
    (tmp_path/"some").mkdir()
    write(tmp_path, "text,label\n" + ROWS, "some/file.csv")
    monkeypatch.chdir(tmp_path)
    assert load_task("some/file.csv").name == "file"
    with pytest.raises(ValueError, match="there is no file some/other.csv"): load_task("some/other.csv")


def test_words_that_others_take_for_nothing_are_labels(tmp_path):
    lines = [f"{t},{['None', 'NA', 'null', 'nan-ish'][i % 4]}" for i, t in enumerate(messages()[0])]
    assert load_task(write(tmp_path, "text,label\n" + "\n".join(lines))).labels == ["NA", "None", "nan-ish", "null"]


def test_integers_with_gaps_and_codes_keep_their_look(tmp_path):
    texts = messages(41)[0]
    lines = [f"{t},{'' if i == 40 else i % 2}" for i, t in enumerate(texts)]
    assert load_task(write(tmp_path, "text,label\n" + "\n".join(lines))).labels == ["0", "1"]
    lines = [f"{t},0{i % 2}" for i, t in enumerate(texts)]
    assert load_task(write(tmp_path, "text,label\n" + "\n".join(lines))).labels == ["00", "01"]
    frame = pd.DataFrame({"text": texts, "label": [np.nan if i == 40 else float(i % 2) for i in range(41)]})
    task = load_task(frame)
    assert task.labels == [0, 1] and type(task.labels[0]) is int and list(task.dropped["reason"]) == ["no label"]


def test_quotes_in_tsv_are_plain_characters_where_they_do_not_pair(tmp_path):
    lines = [f"\"{t}\t{l}" if i == 3 else f"{t}\t{l}" for i, (t, l) in enumerate(zip(*messages()))]
    rows = read_rows(write(tmp_path, "text\tlabel\n" + "\n".join(lines), "mine.tsv"))
    assert len(rows) == 40 and rows["text"][3].startswith("\"")


# ---- splits of one's own

def test_own_splits_stay_and_missing_ones_are_dealt():
    from datasets import Dataset, DatasetDict
    texts, labels = messages(60)
    part = lambda a, b: Dataset.from_dict({"text": texts[a:b], "label": labels[a:b]})
    whole = load_task(DatasetDict({"train": part(0, 40), "dev": part(40, 50), "test": part(50, 60)}))
    assert {s: len(r) for s, r in whole.data.items()} == {"train": 40, "validation": 10, "test": 10}
    assert whole.split("test")[0] == texts[50:] and list(whole.data["test"]["id"])[:2] == ["test/0", "test/1"]
    some = load_task(DatasetDict({"train": part(0, 40), "test": part(40, 60)}))
    assert some.split("test")[0] == texts[40:] and sorted(some.split("train")[0] + some.split("validation")[0]) == sorted(texts[:40])
    assert len(some.data["validation"]) == 8


def test_unlabelled_test_split_of_a_benchmark_is_replaced_and_accounted_for():
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
    texts, _ = messages(60)
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    task = load_task(DatasetDict({"train": Dataset.from_dict({"text": texts[:50], "label": [i % 2 for i in range(50)]}, features),
                                  "test": Dataset.from_dict({"text": texts[50:], "label": [-1]*10}, features)}))
    assert task.labels == ["no", "yes"] and len(task.data["test"]) == 10 and len(task.dropped) == 10
    assert set(task.dropped["reason"]) == {"no label"}


def test_copies_across_own_splits_leave_the_training_rows():
    texts, labels = messages(60)
    task = load_task({"train": list(zip(texts[:50] + texts[55:57], labels[:50] + labels[55:57])), "test": list(zip(texts[50:], labels[50:]))})
    assert task.dropped["reason"].tolist() == ["also in test"]*2 and len(task.data["test"]) == 10 and audit(task).empty


def test_labels_unseen_in_training():
    texts, labels = messages(60)
    with pytest.raises(ValueError, match="test split of the dict holds the label 'maybe' .*test/3"):
        load_task({"train": list(zip(texts[:50], labels[:50])), "test": list(zip(texts[50:], labels[50:53] + ["maybe"] + labels[54:]))})


def test_columns_in_a_dict_and_splits_given_to_read_rows():
    texts, labels = messages()
    assert rows_of(load_task({"text": texts, "label": labels})) == rows_of(load_task(list(zip(texts, labels))))
    with pytest.raises(ValueError, match="the dict holds splits .train.* load_task takes"): read_rows({"train": list(zip(texts, labels))})


def test_error_names_the_split():
    with pytest.raises(ValueError, match="split 'test': .* no column 'label'"):
        load_task({"train": list(zip(*messages())), "test": [{"text": "a", "tag": "no"}]})


def test_own_splits_without_train():
    with pytest.raises(ValueError, match="has no split 'train'"): load_task({"test": list(zip(*messages()))})


# ---- written answers

def test_answers_to_be_written():
    texts, _ = messages(50)
    answers = [f"Answer number {i}: 42" for i in range(50)]
    task = load_task(list(zip(texts, answers)), metric="rouge_l")
    assert task.metric == "rouge_l" and [len(r) for r in task.data.values()] == [30, 10, 10]
    with pytest.raises(ValueError, match="pass metric='rouge_l'"): load_task(list(zip(texts, answers)))
    again = load_task(list(zip(texts + texts[:3] + texts[:2], answers + ["another"]*3 + answers[:2])), metric="rouge_l")
    assert again.dropped["reason"].tolist() == ["repeated text"]*2
    sides = {t: set() for t in texts[:3]}
    for split, rows in again.data.items():
        for t in rows["text"]: sides.get(t, set()).add(split)
    assert all(len(s) == 1 for s in sides.values())
    with pytest.raises(ValueError, match="row 1 of the list .*in column 'label' is 7, a int"):
        load_task([("a b", "c"), ("d e", 7)], metric="rouge_l")


def test_numbers_as_written_answers_of_a_file_stay_texts(tmp_path):
    lines = "\n".join(f"{t},{i}" for i, t in enumerate(messages()[0]))
    assert all(isinstance(a, str) for a in load_task(write(tmp_path, "text,label\n" + lines), metric="exact_match").split("test")[1])


# ---- bad input

BAD = {
    "missing file": (None, "there is no file"),
    "misnamed column": ("texts,label\na,b\n", "did you mean 'texts'"),
    "misnamed label": ("text,labels\na,b\n", "no column 'label' .did you mean 'labels'"),
    "two columns of a name": ("text,label,text\na,b,c\n", "2 columns 'text'"),
    "empty file": ("", "is empty"),
    "white space": (" \n\n", "is empty"),
    "header only": ("text,label\n", "has no rows"),
    "one label": ("text,label\n" + "\n".join(f"word{i},x" for i in range(9)), "1 label.*'x'.*at least two"),
    "a label with one row": ("text,label\n" + "\n".join(f"word{i},{'y' if i else 'x'}" for i in range(9)), "1 row\\(s\\) with the label 'x'"),
    "nothing left": ("text,label\n,\n ,\n", "no row .* is left .*: 1 no text, 1 empty text"),
    "numbers as texts": ("text,label\n12,x\n\n3.5,y\n", "row 0 .*number 12, .*where a text was expected"),
    "an unquoted comma": ("text,label\nfine,x\nwell, no,x\n", "line 3 .*3 fields.*header 2"),
    "an open quote": ("text,label\nfine,x\n\"never closed,x\nfine,y\n", "line 3 .*cannot be read"),
}
BAD_LINES = {
    "unreadable line": ('{"text": "a", "label": "x"}\n\n{"text": "b", label: "y"}\n', "line 3 .*not JSON"),
    "no records": ('["a", "b"]\n', "has to hold records"),
    "several labels": ('{"text": "a", "label": ["x", "y"]}\n', "row 0 .*several values.*yes-or-no task"),
    "shares of labels": ('{"text": "a", "label": {"x": 0.3, "y": 0.7}}\n', "row 0 .*several values"),
    "a number as text": ('{"text": "a", "label": "x"}\n{"text": 5, "label": "y"}\n', "row 1 .*in column 'text' is 5, a int"),
    "a list as text": ('{"text": ["a"], "label": "x"}\n', "row 0 .*list"),
    "labels of two types": ('{"text": "a", "label": 1}\n{"text": "b", "label": "y"}\n', "several types .*str: row 1.* int: row 0"),
    "misnamed field": ('{"texts": "a", "label": 1}\n', "did you mean 'texts'"),
}


def refused(source, says, name, **kwargs):
    with pytest.raises(ValueError, match=says) as caught: load_task(source, **kwargs)
    assert name in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_one_sentence(tmp_path, case):
    content, says = BAD[case]
    path = tmp_path/"gone.csv" if content is None else write(tmp_path, content)
    refused(path, says, path.name)
    assert {p.name for p in tmp_path.iterdir()} <= {path.name}


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_lines_are_one_sentence(tmp_path, case):
    content, says = BAD_LINES[case]
    refused(write(tmp_path, content, "mine.jsonl"), says, "mine.jsonl")


def test_other_bad_files(tmp_path):
    refused(write(tmp_path, "text,label\nok,x\nf\u00fcr,x\n", encoding="latin-1"), "line 3 .*not UTF-8 .*0xfc", "mine.csv")
    refused(write(tmp_path, "text,label\nok,x\n", encoding="utf-16-le"), "UTF-16", "mine.csv")
    refused(write(tmp_path, "[{\"text\": 1,\n}]", "mine.json"), "line 2 .*not JSON", "mine.json")
    refused(write(tmp_path, "no parquet", "mine.parquet"), "cannot be read as a Parquet", "mine.parquet")
    refused(write(tmp_path, "x", "mine.xlsx"), "spreadsheet", "mine.xlsx")
    refused(write(tmp_path, "x", "mine.txt"), "ends in '.txt'", "mine.txt")
    refused(tmp_path, "is a folder", tmp_path.name)


@pytest.mark.parametrize("source,says", [
    (7, "the int cannot be read"), (["just a text"], "row 0 .*expected a pair"), ([("a", "b", "c")], "row 0 .*expected a pair"),
    ([], "has no rows"), (pd.DataFrame({"text": ["a"], "label": [[1, 0]]}), "row 0 .*several values"),
    (pd.DataFrame({"text": ["a"], "label": [np.array([.1, .9])]}), "row 0 .*several values"),
    (pd.DataFrame({"text": [1.5, 2.5], "label": ["x", "y"]}), "row 0 .*in column 'text' is 1.5"),
    (pd.DataFrame({"text": ["a", "b"], "label": [.7, .2]}), "row 0 .*is 0.7, a fraction"),
    (pd.DataFrame({"text": ["a", "b"], "label": [np.nan, None]}), "no row .*2 no label")])
def test_bad_values_are_one_sentence(source, says): refused(source, says, "the ")


def test_unknown_task():
    with pytest.raises(ValueError, match="did you mean 'airline'"): load_task("airlines")


def test_hub_without_a_network_answers_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setattr("ft_course.models.hub_answers", lambda seconds=1.5: False)
    start = time.perf_counter()
    with pytest.raises(CourseError, match="neither a file here nor in the local Hub cache") as caught: load_task("nobody/nothing")
    assert time.perf_counter() - start < 2 and "\n" not in str(caught.value)


def test_hub_data_set_is_loaded_and_its_failure_is_one_sentence(monkeypatch):
    import datasets
    texts, labels = messages(60)
    monkeypatch.setattr("ft_course.models.hub_answers", lambda seconds=1.5: True)
    monkeypatch.setattr(datasets, "load_dataset", lambda name: datasets.DatasetDict(
        {"train": datasets.Dataset.from_dict({"text": texts, "label": labels})}))
    task = load_task("owner/messages")
    assert task.name == "messages" and len(task.data["train"]) == 36
    def fail(name): raise RuntimeError("Config name is missing.\nPick one.")
    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(ValueError, match="'owner/messages' could not be loaded .Config name is missing. Pick one"): load_task("owner/messages")


def test_cached_hub_data_set_opens_without_a_network(monkeypatch, tmp_path):
    "A copy as datasets.load_dataset leaves it; no network, and nobody said so beforehand."
    import datasets
    folder = tmp_path/"here"/"messages"
    folder.mkdir(parents=True)
    pd.DataFrame(dict(zip(("text", "label"), messages()))).to_csv(folder/"train.csv", index=False)
    datasets.load_dataset(str(folder), cache_dir=str(tmp_path/"cache"))
    (tmp_path/"cache"/"messages").rename(tmp_path/"cache"/"owner___messages")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path/"cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path/"cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("ft_course.models.hub_answers", lambda seconds=1.5: False)
    start = time.perf_counter()
    assert len(load_task("owner/messages").data["train"]) == 24 and time.perf_counter() - start < 2
    assert not datasets.config.HF_HUB_OFFLINE


# ---- groups

def with_near_duplicates(seed, n=60, labels=("no", "yes", "maybe"), share=.3):
    "Messages, of which a share has a near duplicate; and which message each row comes from."
    rng = np.random.default_rng(seed)
    texts, names = messages(n, labels, seed)
    source = list(range(n))
    for i in rng.choice(n, round(share*n), replace=False):
        words = texts[i].split()
        texts.append(" ".join(words[:-1]) if rng.random() < .5 else " ".join(["truly"] + words))
        names.append(names[i]); source.append(i)
    return texts, names, np.array(source)


@pytest.mark.parametrize("seed", range(20))
def test_near_duplicates_stay_on_one_side(seed):
    texts, names, source = with_near_duplicates(seed)
    task = load_task(list(zip(texts, names)), seed=seed)
    side = {i: split for split, rows in task.data.items() for i in rows["id"]}
    assert len(side) == len(texts)
    assert all(len({side[i] for i in np.flatnonzero(source == s)}) == 1 for s in range(60))
    shares = {split: len(rows) / len(texts) for split, rows in task.data.items()}
    assert abs(shares["test"] - .2) < .05 and abs(shares["validation"] - .2) < .05
    mix = label_table(task)["share"]
    assert (mix.sub(mix["train"], axis=0).abs() < .12).all(axis=None) and audit(task).empty
    assert rows_of(task) == rows_of(load_task(list(zip(texts, names)), seed=seed))


def test_seed_changes_the_split():
    texts, names, _ = with_near_duplicates(0)
    assert rows_of(load_task(list(zip(texts, names)), seed=0)) != rows_of(load_task(list(zip(texts, names)), seed=1))


def test_small_file_with_few_groups_still_has_every_label_everywhere():
    texts, names, _ = with_near_duplicates(3, n=12, labels=("no", "yes"), share=.5)
    task = load_task(list(zip(texts, names)))
    assert all(set(rows["label"]) == {"no", "yes"} for rows in task.data.values())


def test_one_template_cannot_be_split_and_says_so():
    texts, labels = messages(40)
    for i in range(0, 40, 2): texts[i] = f"please tell me when the next train to the north leaves today {i}"
    with pytest.raises(ValueError, match="label 'no' make 1 group.*near=None"): load_task(list(zip(texts, labels)))
    assert len(load_task(list(zip(texts, labels)), near=None).data["test"]) == 8


def test_groups_of_odd_texts():
    assert near_duplicate_groups(["one", "two", ""]).tolist() == [0, 1, 2]
    assert len(set(duplicate_groups(["😀", "😡", "!", "?"]))) == 4 and duplicate_groups([]).tolist() == []
    assert duplicate_groups(["Thanks", "thanks!"], near=None).tolist() == [0, 0]


def test_exact_shares_without_groups():
    parts = stratified_parts(["a"]*50 + ["b"]*50, np.arange(100))
    assert {p: len(r) for p, r in parts.items()} == {"train": 60, "validation": 20, "test": 20}
    parts = stratified_parts(["a"]*50 + ["b"]*50, np.arange(100), ("test",))
    assert {p: len(r) for p, r in parts.items()} == {"train": 80, "test": 20}


# ---- the audit

def clean_table(n=90):
    texts, labels = messages(n, ("no", "yes", "maybe"), seed=5)
    return pd.DataFrame({"id": range(n), "text": texts, "label": labels, "split": ["train"]*(n - 30) + ["validation"]*15 + ["test"]*15})


def put(table, split, texts, labels):
    return pd.concat([table, pd.DataFrame({"id": range(500, 500 + len(texts)), "text": texts, "label": labels, "split": split})], ignore_index=True)


def first(table, split, n=3):
    part = table[table["split"] == split].head(n)
    return part["text"].tolist(), part["label"].tolist()


def faults():
    t = clean_table()
    test, names = first(t, "test")
    train, train_names = first(t, "train")
    yield "leak", put(t, "train", [f" {x}".replace(" ", "  ") for x in test], names), 3
    yield "near leak", put(t, "train", [x.upper() for x in test], names), 3
    yield "leak", put(t, "validation", test, names), 3
    yield "near leak", put(t, "train", [x.rsplit(" ", 1)[0] for x in test], names), 3
    yield "repeated text", put(t, "train", train, train_names), 3
    yield "conflicting labels", put(t, "train", train, [{"no": "yes", "yes": "maybe", "maybe": "no"}[l] for l in train_names]), 6
    yield "label missing", t[(t["split"] != "test") | (t["label"] != "yes")], 25
    yield "label missing", t[(t["split"] != "train") | (t["label"] != "yes")], 10
    yield "imbalance", t[(t["split"] != "train") | (t["label"] != "yes") | (t["id"] < 15)], 5
    yield "other mix of labels", t.assign(label=t["label"].where((t["split"] != "test") | (t["id"] % 15 < 2), "no")), 15
    yield "one label, two spellings", t.assign(label=t["label"].where(t["id"] % 2 == 0, t["label"].str.upper())), 30
    yield "empty text", t.assign(text=t["text"].where(t["id"] != 7, " ")), 1
    yield "no letters", t.assign(text=t["text"].where(t["id"] != 7, "12 / 34")), 1
    yield "very long text", t.assign(text=t["text"].where(t["id"] != 7, "one and two " * 60)), 1
    yield "text is its label", t.assign(text=t["text"].where(t["id"] != 6, "No!")), 1
    yield "giveaway word", t.assign(text=t["text"].where(t["label"] != "yes", t["text"] + " zanzibar")), 20


@pytest.mark.parametrize("number,check,table,rows", [(i, *fault) for i, fault in enumerate(faults())])
def test_audit_finds_each_planted_fault(number, check, table, rows):
    found = audit(_as_task("planted", table))
    assert check in set(found["check"]), found.to_string()
    assert found.loc[found["check"] == check, "rows"].iloc[0] == rows
    assert all(f.endswith((".", "?")) for f in found["finding"])


def test_audit_is_silent_on_clean_sets():
    assert audit(_as_task("clean", clean_table())).empty
    assert audit(load_task(EXAMPLE_CSV)).empty and audit(load_task("headlines")).empty
    assert set(audit(load_task("airline"))["check"]) == {"imbalance"}


def test_audit_of_written_answers():
    texts, _ = messages(50)
    table = pd.DataFrame({"id": range(50), "text": texts, "label": [f"answer {i} it is" for i in range(50)], "split": ["train"]*30 + ["validation"]*10 + ["test"]*10})
    assert audit(_as_task("clean", table, "rouge_l")).empty
    table.loc[4, "label"] = " ".join(texts[4].split()[2:6])
    assert set(audit(_as_task("copied", table, "rouge_l"))["check"]) == {"answer inside the text"}


def test_audit_counts_cut_texts():
    from ft_course.models import load_tokenizer
    task, tokenizer = load_task(EXAMPLE_CSV), load_tokenizer("minilm")
    assert audit(task, tokenizer=tokenizer).empty
    longest = max(token_lengths(task.split(s)[0], tokenizer).max() for s in task.data)
    found = audit(task, tokenizer=tokenizer, max_length=int(longest) - 1)
    assert found["check"].tolist() == ["cut texts"] and found["rows"].iloc[0] >= 1


def test_giveaway_words_of_no_words():
    assert giveaway_words(["", " "], ["a", "b"]).empty


# ---- tokens

def test_tokens_are_counted():
    from ft_course.models import load_tokenizer
    tokenizer = load_tokenizer("minilm")
    texts = ["one two three", "one two three four five"]
    assert token_lengths(texts, tokenizer).tolist() == [5, 7] and token_lengths([], tokenizer).tolist() == []


# ---- the course's own

def test_canonical_splits_have_their_sizes():
    sizes = canonical_split("airline")["split"].value_counts()
    assert (sizes["train"], sizes["validation"], sizes["test"]) == (4000, 1000, 2000) and canonical_split("airline")["id"].is_unique
    assert canonical_split("articles")["split"].value_counts()["test"] == 500


def test_canonical_tasks_are_what_they_were():
    "Texts, labels, identifiers and their order; stored runs and chapters rest on them."
    import hashlib
    was = {"airline": "721e38d23b2c", "headlines": "efcf6e7aa8f3", "articles": "9f0ba2378fca", "headline_writing": "241174b93b90", EXAMPLE_CSV: "a46c2548ff68"}
    for name, digest in was.items():
        rows = {s: [dict(r) for r in d] for s, d in load_task(name).data.items()}
        assert hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:12] == digest, name


def test_example_file_is_what_its_card_says():
    table = read_rows(EXAMPLE_CSV)
    assert table["label"].value_counts().to_dict() == dict.fromkeys(["loans", "catalogue", "rooms", "events"], 32)
    assert len(set(near_duplicate_groups(table["text"].map(text_key).tolist(), .3))) == 128 and clean_rows(table)[1].empty
