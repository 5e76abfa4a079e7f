"Vectors, their cache on disk, similarity search, and the classifier on frozen vectors."
import os
import pickle
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from ft_course import embeddings, models
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.embeddings import (embed, embedding_rows, EmbeddingClassifier,
                                  nearest_texts, pool, top_k, VectorFile)
from ft_course.training import token_batches
from ft_course.models import load_once, model_identity, unload
from ft_course.evaluation import compare

TEXTS = ["When is the library open?", "my card does not work", "Renew", "", "the book that I had reserved is not on the shelf " * 5]


@pytest.fixture(autouse=True)
def nothing_left_loaded():
    yield
    unload()


@pytest.fixture(scope="session")
def families(tmp_path_factory):
    return {name: models.tiny(name, tmp_path_factory.mktemp("families")/name) for name in models.FAMILIES}


def one_by_one(folder, texts, max_length, pooling):
    "Each text alone through the network, in a batch of one without padding."
    tokenizer, network = models.load_tokenizer(folder), models.load_encoder(folder)
    if network.config.is_encoder_decoder: network = network.get_encoder()
    rows = []
    for text in texts:
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=max_length)["input_ids"]], dtype=torch.long)
        if ids.numel() == 0: rows.append(torch.zeros(network.config.hidden_size)); continue
        with torch.inference_mode(): states = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        rows.append(states[0] if pooling == "cls" else states.mean(0))
    return torch.stack(rows).numpy()


# The vectors

@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("name", models.FAMILIES)
def test_a_text_has_the_vector_it_has_alone(families, name, pooling, monkeypatch):
    monkeypatch.setattr(embeddings, "POSITIONS", {"cpu": 100})   # several batches, and rows of several lengths in one
    if pooling == "cls" and name in ("gpt2", "llama"):
        with pytest.raises(ValueError, match="first token.*reads from left to right.*pooling='mean'"): embed(TEXTS, families[name], pooling=pooling)
        return
    wanted = one_by_one(families[name], TEXTS, 40, pooling)
    got = embed(TEXTS, families[name], max_length=40, pooling=pooling, normalize=False)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, atol=2e-5)
    lengths = np.linalg.norm(embed(TEXTS, families[name], max_length=40, pooling=pooling), axis=1)
    np.testing.assert_allclose(lengths, (np.linalg.norm(wanted, axis=1) > 0).astype(float), atol=1e-5)   # a text without a token stays zero


def test_order_repeats_and_empty_lists(tiny):
    vectors = embed(TEXTS, tiny)
    back = embed(TEXTS[::-1] + TEXTS[:1], tiny)
    np.testing.assert_allclose(back[:-1][::-1], vectors, atol=1e-5)
    assert (back[-1] == back[-2]).all() and embed([], tiny).shape == (0, 32)
    np.testing.assert_allclose(embed(np.array(TEXTS), tiny), vectors, atol=1e-6)


def test_a_repeated_text_is_computed_once(tiny, monkeypatch):
    seen = []
    monkeypatch.setattr(embeddings, "_pooled", lambda texts, *rest: seen.extend(texts) or iter([(range(len(texts)), np.ones((len(texts), 3), np.float32))]))
    assert embed(["a", "b", "a", "a"], tiny).shape == (4, 3) and seen == ["a", "b"]


def test_padding_does_not_reach_the_mean():
    states = torch.randn(2, 5, 3)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    wanted = torch.stack([states[0].mean(0), states[1, :2].mean(0)])
    states[1, 2:] = 1e6
    torch.testing.assert_close(pool(states, mask), wanted)
    torch.testing.assert_close(pool(states[:1]), wanted[:1])
    torch.testing.assert_close(pool(states, mask, "cls"), states[:, 0])


@pytest.mark.parametrize("lengths, tokens", [([], 10), ([1], 10), ([30, 2, 2, 7, 30, 1], 10), (list(range(1, 200)), 512), ([5]*100, 64), ([0, 0, 3], 1)])
def test_batches_hold_every_row_once_and_no_more_than_they_may(lengths, tokens):
    batches = token_batches(lengths, tokens)
    assert sorted(sum(batches, [])) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) == 1 or len(batch)*longest <= tokens


@pytest.mark.parametrize("call, match", [
    (lambda m: embed("one text", m), "texts has to be a list of strings, not one string"),
    (lambda m: embed(["a", None], m), r"texts\[1\] is None, a NoneType"),
    (lambda m: embed(["a"], m, pooling="max"), "pooling='max'; there are 'mean' and 'cls'"),
    (lambda m: embed(["a"], m, max_length=0), "max_length=0 has to be 1 or more"),
    (lambda m: embed(["a"], m, max_length=10_000), "max_length=10000: .* reads 512 tokens at most"),
    (lambda m: embed(["a"], "minilmm"), "no model 'minilmm'.*did you mean 'minilm'"),
])
def test_bad_input_is_named(tiny, call, match):
    with pytest.raises(ValueError, match=match): call(tiny)


def test_the_network_is_loaded_once_and_let_go(tiny, monkeypatch):
    loaded = []
    monkeypatch.setattr(embeddings, "load_encoder", lambda name: loaded.append(name) or models.load_encoder(name))
    for _ in range(3): embed(["a"], tiny)
    assert len(loaded) == 1
    unload()
    embed(["a"], tiny)
    assert len(loaded) == 2


def test_the_network_is_left_as_it_was(tiny):
    embed(["a"], tiny)
    _, network = load_once(tiny, embeddings._reading_half)
    assert not network.training and all(p.grad is None for p in network.parameters())


# The cache on disk

def never(*_): raise AssertionError("it was computed again")


def test_kept_vectors_are_the_same_and_need_no_network(tiny, tmp_path, monkeypatch):
    first = embed(TEXTS, tiny, cache=tmp_path)
    monkeypatch.setattr(embeddings, "_pooled", never)
    assert (embed(TEXTS[::-1], tiny, cache=tmp_path)[::-1] == first).all()
    raw = embed(TEXTS, tiny, cache=tmp_path, normalize=False)   # one entry serves both
    np.testing.assert_allclose(raw / np.linalg.norm(raw, axis=1, keepdims=True), first, atol=1e-6)


def test_only_what_is_missing_is_computed(tiny, tmp_path, monkeypatch):
    embed(TEXTS[:3], tiny, cache=tmp_path)
    seen, pooled = [], embeddings._pooled
    monkeypatch.setattr(embeddings, "_pooled", lambda texts, *rest: seen.extend(texts) or pooled(texts, *rest))
    np.testing.assert_allclose(embed(TEXTS, tiny, cache=tmp_path), embed(TEXTS, tiny), atol=1e-6)
    assert seen[:2] == TEXTS[3:]


@pytest.mark.parametrize("other", [{"max_length": 4}, {"pooling": "cls"}])
def test_other_settings_have_other_entries(tiny, tmp_path, other):
    embed(TEXTS, tiny, cache=tmp_path)
    np.testing.assert_allclose(embed(TEXTS, tiny, cache=tmp_path, **other), embed(TEXTS, tiny, **other), atol=1e-6)


def test_a_network_trained_again_in_its_folder_is_another_one(families, tmp_path):
    folder = models.tiny("bert", tmp_path/"model")
    before, identity = embed(TEXTS, folder, cache=tmp_path/"cache"), model_identity(folder)
    network = models.load_encoder(folder)
    torch.nn.init.normal_(network.encoder.layer[0].output.dense.weight)
    time.sleep(.01)
    network.save_pretrained(folder)
    assert model_identity(folder) != identity
    after = embed(TEXTS, folder, cache=tmp_path/"cache")
    assert np.abs(after - before).max() > .01
    np.testing.assert_allclose(after, embed(TEXTS, folder), atol=1e-6)


def test_top_k_with_ties_and_ends():
    assert top_k([1, 3, 3, 2], 3).tolist() == [1, 2, 3] and top_k([5.], 4).tolist() == [0] and top_k([], 2).tolist() == []
    assert top_k(np.array([0, 3, 1], np.uint8), 3).tolist() == [1, 2, 0] and top_k(np.array([-128, 5], np.int8), 2).tolist() == [1, 0] and top_k([1, 2], -1).tolist() == []
    scores = np.random.default_rng(0).integers(0, 9, 200)
    for k in (1, 7, 40, 200): assert top_k(scores, k).tolist() == np.argsort(-scores, kind="stable")[:k].tolist()


def test_cache_true_is_in_the_courses_home(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("FT_COURSE_HOME", str(tmp_path))
    embed(["a"], tiny, cache=True)
    assert (tmp_path/"embeddings"/"embeddings.sqlite").is_file()


def test_without_a_place_there_is_no_cache_and_no_error(tiny, tmp_path, recwarn):
    plain = embed(TEXTS, tiny)
    (tmp_path/"file").write_text("not a folder")
    (tmp_path/"taken"/"embeddings.sqlite").mkdir(parents=True)
    for place in (tmp_path/"file", tmp_path/"taken", "/proc/nowhere"):
        np.testing.assert_allclose(embed(TEXTS, tiny, cache=place), plain, atol=1e-6)
    assert not [w for w in recwarn if "cache" in str(w.message)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs another user")
def test_a_read_only_cache_is_read_and_not_written(tiny, tmp_path):
    folder = tmp_path/"cache"
    embed(TEXTS[:2], tiny, cache=folder)
    before = (folder/"embeddings.sqlite").read_bytes()
    (folder/"embeddings.sqlite").chmod(0o444); folder.chmod(0o555)
    vectors = {}
    try:
        if os.geteuid() == 0:   # the administrator may write everywhere: say so to SQLite alone
            VectorFile._open, opened = (lambda self, mode: sqlite3.connect(f"{self.file.absolute().as_uri()}?mode=ro", uri=True)), VectorFile._open
            try: vectors = embed(TEXTS, tiny, cache=folder)
            finally: VectorFile._open = opened
        else: vectors = embed(TEXTS, tiny, cache=folder)
    finally: folder.chmod(0o755)
    np.testing.assert_allclose(vectors, embed(TEXTS, tiny), atol=1e-6)
    assert (folder/"embeddings.sqlite").read_bytes() == before


def test_a_damaged_cache_is_a_warning(tiny, tmp_path):
    (tmp_path/"embeddings.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.warns(UserWarning, match="embeddings.sqlite is no cache of vectors .*delete it"): vectors = embed(TEXTS, tiny, cache=tmp_path)
    np.testing.assert_allclose(vectors, embed(TEXTS, tiny), atol=1e-6)


def test_an_interrupted_run_keeps_what_it_did(tiny, tmp_path, monkeypatch):
    pooled = embeddings._pooled
    def stops(texts, *rest):
        yield from list(pooled(texts[:2], *rest))
        raise KeyboardInterrupt
    monkeypatch.setattr(embeddings, "_pooled", stops)
    with pytest.raises(KeyboardInterrupt): embed(TEXTS, tiny, cache=tmp_path)
    monkeypatch.setattr(embeddings, "_pooled", never)
    assert embed(TEXTS[:2], tiny, cache=tmp_path).shape == (2, 32)


def test_two_processes_write_one_file(tmp_path):
    code = ("import sys, numpy as np; from ft_course.embeddings import VectorFile; file, who = VectorFile(sys.argv[1]), sys.argv[2];\n"
            "for i in range(60): file.write({f'{who}-{i}-{j}'.encode(): np.full(384, i + j/100) for j in range(20)})")
    runs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), who]) for who in "ab"]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    keys = [f"{who}-{i}-{j}".encode() for who in "ab" for i in range(60) for j in range(20)]
    found = VectorFile(tmp_path).read(keys)
    assert len(found) == len(keys) and all((found[f"{w}-59-19".encode()] == np.float32(59.19)).all() for w in "ab")


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    code = ("import sys, numpy as np; from ft_course.embeddings import VectorFile; file, i = VectorFile(sys.argv[1]), 0\n"
            "while True:\n    file.write({f'{i}-{j}'.encode(): np.full(384, j) for j in range(50)}); print(i, flush=True); i += 1")
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    done = [int(run.stdout.readline()) for _ in range(20)]
    run.kill(); run.wait(); run.stdout.close()
    found = VectorFile(tmp_path).read([f"{i}-{j}".encode() for i in done for j in range(50)])
    assert len(found) == 20*50
    VectorFile(tmp_path).write({b"more": np.zeros(3)})
    assert len(VectorFile(tmp_path).read([b"more"])) == 1


# Search, pairs, odd ones

def unit(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_nearest_is_exact():
    rng = np.random.default_rng(0)
    vectors, queries = unit(rng, 500, 16), unit(rng, 30, 16)
    rows, cosines = nearest_texts(queries, vectors, 7)
    full = queries @ vectors.T
    wanted = np.argsort(-full, axis=1, kind="stable")[:, :7]
    assert (rows == wanted).all()
    np.testing.assert_allclose(cosines, np.take_along_axis(full, wanted, 1), atol=1e-6)
    one, _ = nearest_texts(queries[0], vectors, 7)
    assert (one[0] == wanted[0]).all() and nearest_texts(queries, vectors[:3], 7)[0].shape == (30, 3)
    assert nearest_texts(queries, vectors[:0])[0].shape == (30, 0)


def test_ties_come_in_order_of_their_number():
    vectors = np.eye(3, dtype=np.float32)[[1, 0, 0, 2, 0, 0]]
    assert nearest_texts(vectors[1], vectors, 3)[0].tolist() == [[1, 2, 4]]


@pytest.mark.parametrize("queries, vectors, k, match", [(np.ones((1, 3)), np.ones((4, 2)), 1, "same model"), (np.ones(3), np.ones((4, 3)), 0, "k=0 has to be 1 or more")])
def test_search_says_what_is_wrong(queries, vectors, k, match):
    with pytest.raises(ValueError, match=match): nearest_texts(queries, vectors, k)


def test_search_in_a_hundred_thousand_is_quick():
    rng = np.random.default_rng(0)
    vectors = unit(rng, 100_000, 384)
    nearest_texts(vectors[0], vectors)
    seconds = []
    for i in range(5):
        start = time.perf_counter()
        rows, _ = nearest_texts(vectors[i], vectors)
        seconds.append(time.perf_counter() - start)
        assert rows[0, 0] == i
    assert min(seconds) < .05


# The classifier

@pytest.fixture(scope="module")
def task():
    return load_task(EXAMPLE_CSV)


@pytest.mark.parametrize("settings", [{}, {"classifier": "knn", "k": 3}, {"classifier": "knn", "k": 500}, {"class_weight": "balanced"}, {"pooling": "cls"}])
def test_it_learns_and_survives_pickle_and_clone(tiny, messages, settings):
    model = EmbeddingClassifier(tiny, **settings)
    assert clone(model).get_params() == model.get_params()
    model.fit(*messages)
    proba = model.predict_proba(messages[0])
    assert list(model.classes_) == sorted(set(messages[1])) and np.allclose(proba.sum(1), 1)
    assert (model.predict(messages[0]) == model.classes_[proba.argmax(1)]).all()
    data = pickle.dumps(model)
    assert len(data) < 200_000   # the network is not in it
    unload()
    np.testing.assert_allclose(pickle.loads(data).predict_proba(messages[0]), proba, atol=1e-6)
    assert model.predict_proba([]).shape == (0, len(model.classes_))


def test_labels_come_back_as_they_were_given(tiny):
    texts = ["yes please", "no thanks", "yes", "no"]
    for labels in ([1, 0, 1, 0], [True, False, True, False], ["a b", "c", "a b", "c"]):
        found = EmbeddingClassifier(tiny, C=1e4).fit(texts, labels).predict(texts)
        assert found.tolist() == labels


def test_it_stands_in_a_comparison(tiny, task):
    table = compare({"logistic": EmbeddingClassifier(tiny), "neighbours": EmbeddingClassifier(tiny, "knn", k=3)}, task, seeds=(0, 1))
    assert all(len(runs) == 1 for runs in table.records.values())   # without a random_state nothing differs between seeds
    assert all(len(r["confidence"]) == len(task.data["test"]) for runs in table.records.values() for r in runs)


def test_a_grid_search_embeds_each_text_once(tiny, messages, tmp_path, monkeypatch):
    seen, pooled = [], embeddings._pooled
    monkeypatch.setattr(embeddings, "_pooled", lambda texts, *rest: seen.extend(texts) or pooled(texts, *rest))
    fold = PredefinedSplit([0 if i % 3 == 0 else -1 for i in range(len(messages[0]))])
    search = GridSearchCV(EmbeddingClassifier(tiny, cache=tmp_path), {"C": [.1, 1, 100]}, cv=fold, error_score="raise").fit(*messages)
    assert set(search.best_params_) == {"C"} and sorted(seen) == sorted(set(messages[0]))


@pytest.mark.parametrize("settings, labels, match", [
    ({"classifier": "forest"}, ["a", "b"], "classifier='forest'; there are 'logistic' and 'knn'"),
    ({"classifier": "knn", "class_weight": "balanced"}, ["a", "b"], "class_weight and sample_weight are for classifier='logistic' only"),
    ({}, ["a", "a"], "all 2 labels are 'a'"), ({}, ["a"], "2 texts and 1 labels"), ({}, ["a", None], r"labels\[1\] is missing"),
])
def test_bad_settings_and_labels_are_named(tiny, settings, labels, match):
    with pytest.raises(ValueError, match=match): EmbeddingClassifier(tiny, **settings).fit(["x", "y"], labels)


def test_unfitted_says_so(tiny):
    from sklearn.exceptions import NotFittedError
    with pytest.raises(NotFittedError): EmbeddingClassifier(tiny).predict(["a"])


@pytest.mark.parametrize("name", ["headlines", "airline"])
def test_rows_to_store(name):
    rows = embedding_rows(name)
    assert len(rows) >= 3 and all(isinstance(e, EmbeddingClassifier) for e in rows.values())
    with pytest.raises(ValueError, match="headlines"): embedding_rows("headline")


# Beside sentence-transformers

@pytest.mark.parametrize("max_length", [16, 128])
def test_same_vectors_as_sentence_transformers(max_length):
    pytest.importorskip("sentence_transformers")
    from benchmarks.embed_vs_sentence_transformers import peer
    texts = load_task("airline").split("train")[0][:40] + load_task("articles").split("train")[0][:4]
    theirs = peer(max_length, "cpu").encode(texts, show_progress_bar=False)
    np.testing.assert_allclose(embed(texts, max_length=max_length), theirs, atol=1e-4)
