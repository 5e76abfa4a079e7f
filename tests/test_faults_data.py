"Faults of texts, labels and files that users met: one test for each row of the list, each with the right value."
import gzip
import inspect
import io
import json
import time
import unicodedata

import numpy as np
import pandas as pd
import pytest
from test_data import WORDS, messages, rows_of, write

from ft_course.core.inputs import check_texts
from ft_course.data import _as_task, audit, clean_rows, duplicate_groups, load_task, near_duplicate_groups, near_duplicate_pairs, read_rows, text_key

HALF = "a fine day \ud83d"   # half an emoji


def csv_of(rows, tmp_path, name="mine.csv", header="text,label", sep=",", **kw):
    return write(tmp_path, "\n".join([header, *(sep.join(row) for row in rows)]) + "\n", name, **kw)


def all_rows(task): return sorted((t, l) for split in task.data.values() for t, l in zip(split["text"], split["label"]))


@pytest.mark.parametrize("one, other", [
    ("वह घर जाता है", "वह घर जाती है"), ("great job 😀", "great job 😡"), ("well done :)", "well done :("), ("you are late?", "you are late."),
    ("see http://a.org/x", "see http://b.org/y"), ("thanks @anna", "thanks @bert"), ("a == b", "a != b"), ("US airlines", "us airlines")])
def test_row_1_texts_that_differ_in_a_sign_are_two_texts(one, other):
    texts, labels = messages(40)
    texts, labels = texts + [one, other, one], labels + ["no", "yes", "no"]
    kept, dropped = clean_rows(pd.DataFrame({"id": range(43), "text": texts, "label": labels}))
    assert kept["text"].tolist() == texts[:42] and kept["label"].tolist() == labels[:42]
    assert dropped[["id", "reason"]].values.tolist() == [[42, "repeated text"]] and "Unicode NFC and white space" in dropped["rule"].iloc[0]
    task = load_task({"text": texts, "label": labels})
    assert all_rows(task) == sorted(zip(texts[:42], labels[:42])) and "Unicode NFC and white space" in repr(task)


def test_row_1_texts_are_the_same_after_nfc_and_white_space():
    texts = ["cafe\u0301  au lait", "caf\u00e9 au\tlait", "torn", " torn ", "other"]
    kept, dropped = clean_rows(pd.DataFrame({"id": range(5), "text": texts, "label": ["a", "a", "a", "b", "b"]}))
    assert kept["id"].tolist() == [0, 4] and kept["text"].tolist() == [texts[0], "other"], "what stays is not rewritten"
    assert dropped[["id", "reason"]].values.tolist() == [[1, "repeated text"], [2, "same text with several labels"], [3, "same text with several labels"]]


def test_row_1_near_duplicates_are_reported_and_stay():
    texts, labels = messages(60)
    table = pd.DataFrame({"id": range(61), "text": texts + [texts[59].upper() + "!"], "label": labels + ["no"], "split": ["train"]*40 + ["validation"]*10 + ["test"]*10 + ["train"]})
    found = audit(_as_task("near", table)).set_index("check")
    assert found.loc["near leak", "rows"] == 1 and "leak" not in found.index and "conflicting labels" not in found.index
    assert len(clean_rows(table)[0]) == 61


@pytest.mark.parametrize("name", ["mine.csv", "mine.tsv"])
def test_row_2_identifiers_of_nineteen_digits_stay_as_written(tmp_path, name):
    ids = ["1234567890123456781", "1234567890123456782", "007"]
    texts = messages(60)[0]
    rows = [[t, ids[i % 3]] for i, t in enumerate(texts)]
    task = load_task(csv_of(rows, tmp_path, name, "text,label" if "csv" in name else "text\tlabel", "," if "csv" in name else "\t"))
    assert task.labels == sorted(ids) and all_rows(task) == sorted(map(tuple, rows))
    numbers = load_task(csv_of(rows, tmp_path), label_dtype=int)
    assert numbers.labels == [7, 1234567890123456781, 1234567890123456782]


def test_row_3_labels_with_a_point_are_texts(tmp_path):
    rows = [[t, ["250.00", "401.9", "True", "1e5"][i % 4]] for i, t in enumerate(messages(60)[0])]
    assert load_task(csv_of(rows, tmp_path)).labels == ["1e5", "250.00", "401.9", "True"]
    with pytest.raises(ValueError, match="row 0 .*'250.00', which label_dtype cannot read"): load_task(csv_of(rows, tmp_path), label_dtype=int)


def stray(sep):
    "62 rows; the text of row 20 begins with a quote, that of row 40 ends in one."
    texts, labels = messages(62)
    texts[20], texts[40] = '"' + texts[20], texts[40] + ' 13"'
    return [[t, l] for t, l in zip(texts, labels)]


def test_row_4_a_stray_quote_in_a_csv_is_an_error_that_names_the_line(tmp_path):
    with pytest.raises(ValueError, match="line 22 of .*mine.csv .*closed in line 42") as caught: load_task(csv_of(stray(","), tmp_path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="line 3 of .*mine.csv"): load_task(write(tmp_path, "label,text\nno,one\nno,\"two\nyes,a 13\"\n"))
    with pytest.raises(ValueError, match="line 2 of .*cannot be read"): read_rows(write(tmp_path, 'text,label\n"so" he said,a\n'))


def test_row_4_a_tsv_has_no_quoting_unless_it_is_consistent(tmp_path):
    rows = stray("\t")
    read = read_rows(csv_of(rows, tmp_path, "mine.tsv", "text\tlabel", "\t"))
    assert read[["text", "label"]].values.tolist() == rows
    rows[20][0] = '"Great" and "good"'
    rows[21][0] = '"a whole title"'
    assert read_rows(csv_of(rows, tmp_path, "mine.tsv", "text\tlabel", "\t"))["text"].tolist() == [t for t, _ in rows]
    awkward = pd.DataFrame({"text": ['he said "hi"', "two\nlines", "a\ttab", "plain"], "label": list("abab")})
    for quoting in (0, 1, 2):
        awkward.to_csv(tmp_path/"mine.tsv", sep="\t", index=False, quoting=quoting)
        assert read_rows(tmp_path/"mine.tsv")["text"].tolist() == awkward["text"].tolist()
    awkward.head(1).to_csv(tmp_path/"mine.tsv", sep="\t", index=False)
    assert read_rows(tmp_path/"mine.tsv")["text"].tolist() == ['he said "hi"']


def test_row_4_texts_of_several_lines_are_read(tmp_path):
    letters = ["Dear team,\nthanks, and bye\n", "Hello,\nI am well", "one\n\nthree, four\n", "costs 1,50\nor 2,50\nno more"]
    table = pd.DataFrame({"text": letters, "label": ["greeting", "news", "greeting", "news"]})
    for columns in (["text", "label"], ["label", "text"]):
        table[columns].to_csv(tmp_path/"mine.csv", index=False)
        assert read_rows(tmp_path/"mine.csv")["text"].tolist() == letters


def test_row_5_columns_with_different_indexes_are_not_paired_by_index():
    texts, labels = messages(60)
    with pytest.raises(ValueError, match="different indexes.*tolist"):
        load_task({"text": pd.Series(texts), "label": pd.Series(labels, index=np.random.default_rng(0).permutation(60))})
    same = np.arange(60) % 26
    task = load_task({"text": pd.Series(texts, index=same), "label": pd.Series(labels, index=same)})
    assert all_rows(task) == sorted(zip(texts, labels))
    assert all_rows(load_task({"text": pd.Series(texts, index=same), "label": labels})) == sorted(zip(texts, labels)), "a list goes by position"


def test_row_6_names_of_classes_come_from_the_file(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value
    texts, labels = messages(61, ("no", "yes", "maybe"))
    names = ["no", "yes", "maybe"]
    made = Dataset.from_dict({"text": texts, "label": [names.index(l) for l in labels[:60]] + [-1]}, Features({"text": Value("string"), "label": ClassLabel(names=names)}))
    made.to_parquet(tmp_path/"mine.parquet")
    for source in (made, tmp_path/"mine.parquet"):
        task = load_task(source)
        assert task.labels == sorted(names) and all_rows(task) == sorted(zip(texts[:60], labels[:60]))
        assert task.dropped[["id", "reason"]].values.tolist() == [[60, "no label"]]


@pytest.mark.parametrize("end, first", [("\r", ""), ("\r\n", ""), ("\n", "sep=;\n"), ("\r\n", "sep=;\r\n")])
def test_row_7_bare_carriage_returns_and_a_first_line_sep(tmp_path, end, first):
    sep = ";" if first else ","
    rows = list(zip(*messages()))
    read = read_rows(write(tmp_path, first + end.join([f"text{sep}label", *(sep.join(r) for r in rows)])))
    assert list(zip(read["text"], read["label"])) == rows


def test_row_8_half_a_character_is_one_sentence_that_names_the_row(tmp_path):
    texts, labels = messages(20)
    texts[3] = HALF
    lines = write(tmp_path, "\n".join(json.dumps({"text": t, "label": l}) for t, l in zip(texts, labels)), "mine.jsonl")
    for source in (lines, {"text": texts, "label": labels}, pd.DataFrame({"text": texts, "label": labels}, dtype=object)):
        with pytest.raises(ValueError, match=r"row 3 of .*text.* holds half a character \('\\ud83d', at place 11\)"): load_task(source)
    with pytest.raises(ValueError, match="row 1 of .*label.* holds half a character"): read_rows([("a", "x"), ("b", "\udc00")])
    with pytest.raises(ValueError, match=r"texts\[1\] holds half a character"): check_texts(["fine", HALF])


def test_row_8_everywhere_a_text_enters(tmp_path, monkeypatch):
    from ft_course import EmbeddingClassifier, FineTunedClassifier, PromptClassifier, embed, generate
    from ft_course.retrieval.ranking import check_search
    from ft_course.widgets import label
    monkeypatch.chdir(tmp_path)
    enters = {
        "embed": lambda: embed(["fine", HALF], "minilm"), "label": lambda: label(["fine", HALF], ["a", "b"]),
        "fit": lambda: FineTunedClassifier().fit(["fine", HALF], ["a", "b"]), "frozen": lambda: EmbeddingClassifier().fit(["fine", HALF], ["a", "b"]),
        "labels": lambda: FineTunedClassifier().fit(["fine", "too"], ["a", HALF]), "prompt": lambda: PromptClassifier("?").fit(["fine", HALF], ["a", "b"]),
        "generate": lambda: generate(["fine", HALF]), "query": lambda: check_search(["fine", HALF])}
    for where, enter in enters.items():
        with pytest.raises(ValueError, match=r"\[1\] holds half a character"): enter()
    assert not list(tmp_path.iterdir())


def test_row_9_labels_are_nfc_and_the_account_says_so(tmp_path):
    names = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    rows = [[t, "thé" if i % 2 else names[i // 2 % 2]] for i, t in enumerate(messages(60)[0])]
    task = load_task(csv_of(rows, tmp_path))
    assert task.labels == ["café", "thé"] and task.dropped.empty
    assert task.notes == ("15 label(s) changed to Unicode NFC without white space around them",) and task.notes[0] in repr(task)


OTHERS = [unicodedata.normalize("NFD", "café"), "Café", "café\u200b", "ｃａｆé", "café\u00a0"]


def test_row_9_answers_to_be_written_stay_as_they_are():
    texts, _ = messages(30)
    answers = [unicodedata.normalize("NFD", f"un café, número {i}") for i in range(30)]
    task = load_task(list(zip(texts, answers)), metric="rouge_l")
    assert all_rows(task) == sorted(zip(texts, answers)) and task.notes == ()


@pytest.mark.parametrize("other", OTHERS)
def test_row_9_the_audit_reports_labels_that_look_alike(other):
    texts = messages(90)[0]
    labels = [["thé", "café", other][i % 3] for i in range(90)]
    table = pd.DataFrame({"id": range(90), "text": texts, "label": labels, "split": ["train"]*60 + ["validation"]*15 + ["test"]*15})
    found = audit(_as_task("alike", table))
    assert found["check"].tolist() == ["one label, two spellings"] and found["rows"].tolist() == [60]
    assert ascii(other) in found["finding"][0], "written so that they can be told apart"
    table["label"] = [["C", "C++", "C#"][i % 3] for i in range(90)]
    assert audit(_as_task("other", table)).empty


@pytest.mark.parametrize("wrapped", [lambda l: [l], lambda l: (l,), lambda l: np.array([l])])
def test_row_10_a_list_of_one_label_is_that_label(wrapped):
    texts, labels = messages()
    assert all_rows(load_task(list(zip(texts, map(wrapped, labels))))) == sorted(zip(texts, labels))
    for several in (["x", "y"], []):
        with pytest.raises(ValueError, match="row 1 .*several values"): read_rows([("a", "x"), ("b", several)])


def test_row_11_a_labelling_file_holds_any_text(tmp_path, monkeypatch):
    from ft_course.widgets import label
    monkeypatch.chdir(tmp_path)
    texts = ["x" * 140_000, "a\rb", "a\r\nb\u2028c", 'quote " and, comma', "tab\t", " ", "😀", "last"]
    for i in range(7): label(texts, ["a", "b"]).answer("ab"[i % 2])   # read again each time
    again = label(texts, ["a", "b"])
    assert again.table["text"].tolist() == texts[:7] and again.table["label"].tolist() == list("abababa") and len(again.answers) == 7
    rows = read_rows("labels.jsonl")
    assert rows["text"].tolist() == texts[:7] and rows["label"].tolist() == list("abababa")
    with pytest.raises(ValueError, match="JSON lines.*ends in .jsonl"): label(texts, ["a", "b"], file="labels.csv")


def test_row_32_the_audit_counts_direct_pairs_and_splits_keep_chains():
    words = np.array(WORDS + [w + "s" for w in WORDS])
    base = list(words[:12])
    chain = [" ".join(base[i:i + 9]) for i in range(4)]   # neighbours share seven of nine pairs, the ends five of eleven
    assert [len(near_duplicate_pairs([text_key(chain[0]), text_key(other)])[0]) for other in chain[1:]] == [1, 1, 0]
    assert len(set(duplicate_groups(chain))) == 1
    texts, labels = messages(90, ("no", "yes"), seed=5)
    texts = [" ".join(w + "x" for w in t.split()) for t in texts]
    table = pd.DataFrame({"id": range(90), "text": texts, "label": labels, "split": ["train"]*60 + ["validation"]*15 + ["test"]*15})
    table.loc[[80, 0], "text"] = [chain[0], chain[3]]      # the ends, test and train
    table.loc[[60, 61], "text"] = [chain[1], chain[2]]     # what links them, in validation
    found = audit(_as_task("chain", table))
    assert found[["check", "split", "rows"]].values.tolist() == [["near leak", "test and validation", 1], ["near leak", "validation and train", 2]]


def test_row_32_the_pairs_are_all_pairs():
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS[:6], rng.integers(0, 9))) for _ in range(150)] + ["alone", ""]
    keys = [set(zip(t.split(), t.split()[1:])) for t in texts]
    for threshold in (.2, .3, .5, .8, 1):
        right = {(i, j) for i in range(152) for j in range(i + 1, 152) if keys[i] and keys[j] and len(keys[i] & keys[j]) / len(keys[i] | keys[j]) >= threshold}
        assert set(zip(*(side.tolist() for side in near_duplicate_pairs(texts, threshold)))) == right
    assert near_duplicate_groups(["one", ""]).tolist() == [0, 1]


def test_row_33_an_unknown_split_is_an_error_that_names_the_known():
    rows = list(zip(*messages(60)))
    with pytest.raises(ValueError, match="unknown split 'tst' .did you mean 'test'.*train, validation, valid, val, dev, test"): load_task({"train": rows[:40], "tst": rows[40:]})
    with pytest.raises(ValueError, match="two splits of one kind"): load_task({"train": rows[:40], "val": rows[40:50], "dev": rows[50:]})
    task = load_task({"Train": rows[:40], "Dev": rows[40:50], "TEST": rows[50:]})
    assert [len(task.data[s]) for s in ("train", "validation", "test")] == [40, 10, 10]


def test_row_33_an_unknown_split_of_a_hub_set(monkeypatch):
    import datasets
    monkeypatch.setattr("ft_course.models.hub_answers", lambda seconds=1.5: True)
    part = datasets.Dataset.from_dict(dict(zip(("text", "label"), messages(60))))
    monkeypatch.setattr(datasets, "load_dataset", lambda name: datasets.DatasetDict({"train": part, "test_matched": part}))
    with pytest.raises(ValueError, match="owner/set has an unknown split 'test_matched'"): load_task("owner/set")


def test_row_34_take_draws_by_label():
    n = [40]*19 + [10]
    labels = [f"label {i:02}" for i, k in enumerate(n) for _ in range(k)]
    table = pd.DataFrame({"id": range(770), "text": messages(770)[0], "label": labels, "split": "train"})
    task = _as_task("sorted", pd.concat([table, table.head(60).assign(split="validation"), table.head(60).assign(split="test")]))
    for rows in (20, 77, 200):
        part = task.take(train=rows)
        counts = pd.Series(part.split("train")[1]).value_counts()
        assert len(part.data["train"]) == rows and len(counts) == 20 and len(part.data["test"]) == 60
        assert (abs(counts - rows*pd.Series(labels).value_counts() / 770) < 1.5).all()
    ids = lambda t: list(t.data["train"]["id"])
    assert ids(task.take(train=200)) == ids(task.take(train=200)) != ids(task.take(train=200, seed=1))
    assert ids(part) == sorted(ids(part)) and set(ids(task.take(train=77))) < set(ids(part)), "smaller draws lie in larger ones"
    assert ids(task.head(train=50)) == list(range(50)) and task.take(train=10**6).split("train") == task.split("train")
    with pytest.raises(ValueError, match="no split 'tain' .did you mean 'train'"): task.take(tain=3)


def test_row_34_the_course_s_tables_stand_on_first_rows():
    from ft_course.results import fewer
    airline = load_task("airline")
    assert list(fewer(airline, "few", train=100, test=50).data["train"]["id"]) == list(airline.data["train"]["id"])[:100]


def test_row_39_groups_stay_on_one_side(tmp_path):
    texts, labels = messages(120)
    authors = [f"author {i % 24}" if i < 110 else "" for i in range(120)]
    path = csv_of([[t, l, a] for t, l, a in zip(texts, labels, authors)], tmp_path, header="text,label,author")
    task = load_task(path, groups="author")
    sides = {}
    for split, rows in task.data.items():
        for author in rows["group"]: sides.setdefault(author, set()).add(split)
    assert all(len(s) == 1 for author, s in sides.items() if author is not None) and len(sides) == 25
    assert all(18 <= len(task.data[s]) <= 30 for s in ("validation", "test")) and all_rows(task) == sorted(zip(texts, labels))
    with pytest.raises(ValueError, match="no column 'autor' .did you mean 'author'"): load_task(path, groups="autor")


def test_row_39_groups_and_near_duplicates_hold_together():
    texts, labels = messages(60)
    texts[1] = texts[0] + " indeed"
    rows = pd.DataFrame({"text": texts, "label": labels, "who": [f"w{i}" if i != 2 else "w1" for i in range(60)]})
    task = load_task(rows, groups="who")
    side = {i: s for s, part in task.data.items() for i in part["id"]}
    assert side[0] == side[1] == side[2]


def test_row_39_a_split_column_is_followed(tmp_path):
    texts, labels = messages(60)
    parts = ["train"]*40 + ["Dev"]*10 + ["test"]*10
    path = csv_of([[t, l, p] for t, l, p in zip(texts, labels, parts)], tmp_path, header="text,label,part")
    task = load_task(path, split="part")
    assert {s: list(r["text"]) for s, r in task.data.items()} == {"train": texts[:40], "validation": texts[40:50], "test": texts[50:]}
    assert list(task.data["test"]["id"]) == list(range(50, 60))
    two = load_task(pd.DataFrame({"text": texts, "label": labels, "part": ["train"]*50 + ["test"]*10}), split="part")
    assert [len(two.data[s]) for s in ("train", "validation", "test")] == [40, 10, 10] and two.split("test")[0] == texts[50:]
    with pytest.raises(ValueError, match="unknown split 'tset' .did you mean 'test'"): load_task(pd.DataFrame({"text": texts, "label": labels, "part": ["train"]*50 + ["tset"]*10}), split="part")


def test_row_39_the_audit_names_a_group_that_is_torn():
    texts, labels = messages(60)
    table = pd.DataFrame({"text": texts, "label": labels, "who": [f"w{i}" for i in range(60)], "part": ["train"]*40 + ["validation"]*10 + ["test"]*10})
    table.loc[59, "who"] = "w3"
    found = audit(load_task(table, groups="who", split="part"))
    assert found[["check", "split", "rows"]].values.tolist() == [["torn group", "test and train", 1]]


@pytest.mark.slow
def test_row_43_loading_and_auditing_grow_with_the_rows():
    def seconds(n):
        rng = np.random.default_rng(0)
        words = np.array([a + b for a in WORDS for b in WORDS])
        weights = 1 / np.arange(1, len(words) + 1)
        texts = [" ".join(rng.choice(words, 12, p=weights / weights.sum())) for _ in range(n)]
        texts[-n // 20:] = [t + " too" for t in texts[:n // 20]]
        frame, start = pd.DataFrame({"text": texts, "label": [f"label {i % 20}" for i in range(n - n // 20)] + [f"label {i % 20}" for i in range(n // 20)]}), time.perf_counter()
        task = load_task(frame)
        assert audit(task).query("check == 'near leak'").empty and abs(len(task.data["test"]) - n / 5) < n / 50
        return time.perf_counter() - start
    seconds(500)
    assert seconds(8000) < 25   # 100,000 rows take about 30 s for both


def test_row_45_encoding_and_packed_files(tmp_path):
    texts, labels = messages()
    texts[0] = "Wo ist der Schlüssel, bitte?".replace(",", "")
    rows = "\n".join(["text,label", *(f"{t},{l}" for t, l in zip(texts, labels))])
    right = rows_of(load_task(write(tmp_path, rows, "utf8.csv")))
    for encoding in ("latin-1", "utf-16", "utf-16-le"):
        path = write(tmp_path, rows, "mine.csv", encoding)
        assert rows_of(load_task(path, encoding=encoding)) == right
        with pytest.raises(ValueError, match="encoding="): load_task(path)
    with pytest.raises(ValueError, match="encoding='latin-99' is not known"): load_task(path, encoding="latin-99")
    packed = tmp_path/"mine.csv.gz"
    packed.write_bytes(gzip.compress(rows.encode()))
    task = load_task(packed)
    assert rows_of(task) == right and task.name == "mine" and rows_of(load_task(str(packed))) == right
    whole = packed.read_bytes()
    for broken in (b"no gzip", whole[:40], whole[:20] + b"\0"*9 + whole[29:]):
        packed.write_bytes(broken)
        with pytest.raises(ValueError, match="mine.csv.gz cannot be unpacked"): load_task(packed)
    lines = io.StringIO()
    for t, l in zip(texts, labels): lines.write(json.dumps({"text": t, "label": l}) + "\n")
    (tmp_path/"mine.jsonl.gz").write_bytes(gzip.compress(lines.getvalue().encode()))
    assert rows_of(load_task(tmp_path/"mine.jsonl.gz")) == right


def test_row_45_what_is_missing_is_said_plainly(tmp_path, monkeypatch):
    from ft_course import FineTunedClassifier, load_task
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="there is no folder missing; give one that FineTunedClassifier.save made"): FineTunedClassifier.load("missing")
    with pytest.raises(ValueError, match="there is no task 'missing'"): load_task("missing")
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "text,label\n" + "\n".join(map(",".join, zip(*messages()))))
    assert len(load_task("~/mine.csv").data["train"]) == 24
    said = inspect.getdoc(load_task)
    assert all(name in said for name in inspect.signature(load_task).parameters), "help() says what each parameter is"
