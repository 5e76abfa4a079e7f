"Faults that were found in other people's libraries and in 0.4.0, each with the right value: scores, models, settings."
import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.dummy import DummyClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV, cross_val_score
from sklearn.utils.class_weight import compute_class_weight

from ft_course.core.inputs import check_label_kinds, row_weights
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.embeddings import EmbeddingClassifier, embed
from ft_course.estimators import Checkpoint, FineTunedClassifier
from ft_course.evaluation import METRICS, accuracy, calibration_error, compare, exact_match, interval, macro_f1, rouge_l, token_f1
from ft_course.models import best_device, context_length, load_classifier, load_tokenizer, resolve_model, tiny
from ft_course.training import Callback, HParams, Labels, LastLayers, accumulate_gradients, collate


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda v: pd.Series(v, dtype="object"), lambda v: np.array(v, dtype=object),
                                  lambda v: np.array(v)[:, None]])
@pytest.mark.parametrize("score", [accuracy, macro_f1])
def test_row_12_columns_of_any_kind_score_alike(kind, score):
    texts, answers = ["a", "b", "b"], ["a", "b", "a"]
    assert score(kind(texts), answers) == score(texts, answers) == score(texts, kind(answers)) == pytest.approx(2/3)
    numbers = [1, 0, 0], [1, 0, 1]
    assert score(kind(numbers[0]), numbers[1]) == pytest.approx(2/3)
    with pytest.raises(ValueError, match="other's type"): score(kind([1, 2, 2]), ["1", "2", "2"])


def test_row_12_a_column_of_one_is_a_column():
    right, sure = [1, 1, 0], [.9, .9, .7]
    assert calibration_error(np.array(right)[:, None], np.array(sure)[:, None], 1) == pytest.approx(calibration_error(right, sure, 1)) == pytest.approx(1/6)
    with pytest.raises(ValueError, match=r"shape \(3, 2\)"): accuracy(np.zeros((3, 2)), [0, 0, 0])


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_row_13_a_missing_answer_is_named(missing):
    with pytest.raises(ValueError, match=r"predictions\[1\] is (None|nan).*name of its own"): accuracy(["a", "b"], ["a", missing])


@pytest.mark.parametrize("text", ["今日は 良い天気です", "Сегодня хорошая погода", "आज मौसम अच्छा है", "Καλημέρα κόσμε"])
def test_row_14_equal_texts_of_any_script_are_equal(text):
    for score in (exact_match, token_f1, rouge_l): assert score([text], [text])[0] == pytest.approx(1)
    assert rouge_l(["他喜欢苹果"], ["他喜欢香蕉"])[0] == token_f1(["他喜欢苹果"], ["他喜欢香蕉"])[0] == pytest.approx(.6)
    assert rouge_l(["जाता"], ["जाती"])[0] == 0 and exact_match(["जाता"], ["जाती"])[0] == 0
    assert exact_match(["«Да»."], ["да"])[0] == 1


def shouted(texts): return [t.upper() for t in texts]


@pytest.mark.slow
def test_row_15_own_code_is_said_to_be_unchecked(tmp_path):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    own = make_pipeline(FunctionTransformer(shouted), TfidfVectorizer(), LogisticRegression())
    table = compare({"own": own, "library's": make_pipeline(TfidfVectorizer(), LogisticRegression())}, load_task(EXAMPLE_CSV), store=tmp_path).table(metrics="accuracy")
    assert table.index.tolist() == ["own (own code, not checked)", "library's"] and table.columns[1] == "accuracy"


def test_row_17_declared_pooling_is_followed_or_refused(tmp_path, tiny):
    import shutil
    folder = tmp_path/"model"
    shutil.copytree(tiny, folder)
    (folder/"1_Pooling").mkdir()
    def declare(**modes): (folder/"1_Pooling"/"config.json").write_text(json.dumps({"word_embedding_dimension": 32} | modes))
    declare(pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    with pytest.raises(ValueError, match="pooled by cls.*give pooling='cls'"): embed(["a"], str(folder))
    np.testing.assert_allclose(embed(["a"], str(folder), pooling="cls"), embed(["a"], tiny, pooling="cls"))
    declare(pooling_mode_weightedmean_tokens=True)
    with pytest.raises(ValueError, match="weightedmean_tokens.*another model"): embed(["a"], str(folder))
    declare(pooling_mode_mean_tokens=True)
    assert embed(["a"], str(folder)).shape == (1, 32)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "gpt2", "t5", "llama"])
def test_row_18_another_task_gets_a_new_head(family, tmp_path):
    folder, texts = str(tmp_path/"first"), ["good", "bad", "fine", "so"]
    hparams = HParams(max_steps=2, learning_rate=1e-3)
    first = FineTunedClassifier(tiny(family), hparams=hparams).fit(texts, ["x", "y", "x", "y"]).save(folder)
    heads = {name for name, _ in first.model_.named_parameters() if not name.startswith(first.model_.base_model_prefix + ".")}
    three, other, same = (load_classifier(folder, labels, seed=1) for labels in (["a", "b", "c"], ["a", "b"], ["x", "y"]))
    saved = dict(first.model_.named_parameters())
    assert heads and three.config.num_labels == 3
    for name, p in same.named_parameters(): assert torch.equal(p, saved[name].cpu()), name
    for name, p in other.named_parameters():
        if name not in heads: assert torch.equal(p, saved[name].cpu()), name
        elif p.ndim > 1: assert not torch.equal(p, saved[name].cpu()), name
    again = FineTunedClassifier(folder, hparams=HParams(num_train_epochs=0)).fit(texts, ["y", "x", "x", "y"])
    assert not torch.equal(dict(again.model_.named_parameters())[max(heads, key=len)], saved[max(heads, key=len)]), "fit begins with a new head"
    assert set(FineTunedClassifier(folder, hparams=hparams).fit(texts, ["a", "b", "c", "a"]).predict(texts)) <= {"a", "b", "c"}


def test_row_19_a_folder_without_a_tokenizer_is_named(tmp_path, tiny):
    import shutil
    shutil.copytree(tiny, tmp_path/"m", ignore=shutil.ignore_patterns("*token*", "vocab*"))
    with pytest.raises(ValueError, match="has no tokenizer"): load_tokenizer(str(tmp_path/"m"))


@pytest.mark.parametrize("settings, wrong", [({"learning_rate": "2e-5"}, "learning_rate='2e-5'"), ({"per_device_train_batch_size": 8.5}, "whole number"),
                                             ({"num_train_epochs": True}, "num_train_epochs=True"), ({"max_grad_norm": None}, "max_grad_norm=None"),
                                             ({"learning_rate": float("nan")}, "above 0")])
def test_row_20_what_is_no_number_is_refused_at_once(settings, wrong):
    with pytest.raises(ValueError, match=wrong): HParams(**settings)


def test_row_20_numbers_of_other_libraries_are_numbers(tmp_path, tiny):
    odd = HParams(learning_rate=np.float32(.5), per_device_train_batch_size=8.0, num_train_epochs=np.int64(1), warmup_steps=3)
    assert odd == HParams(learning_rate=.5, per_device_train_batch_size=8, num_train_epochs=1, warmup_steps=3.)
    assert {type(v) for v in vars(odd).values()} == {int, float, str}
    fitted = FineTunedClassifier(tiny, hparams=HParams(max_steps=np.int64(1), per_device_train_batch_size=np.float64(2))).fit(["a", "b"], ["x", "y"])
    assert FineTunedClassifier.load(fitted.save(tmp_path/"m") and tmp_path/"m").hparams == fitted.hparams


@pytest.mark.slow
def test_row_21_home_is_home(tmp_path, monkeypatch, tiny):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    task = load_task(EXAMPLE_CSV)
    from sklearn.dummy import DummyClassifier
    from ft_course.estimators import Checkpoint
    compare({"majority": DummyClassifier()}, task, store="~/kept")
    model = FineTunedClassifier(tiny, hparams=HParams(max_steps=1), callbacks=[Checkpoint("~/states")]).fit(["a", "b"], ["x", "y"])
    model.save("~/model")
    assert (tmp_path/"kept").is_dir() and (tmp_path/"states"/"checkpoint.pt").is_file() and not (tmp_path/"~").exists()
    assert FineTunedClassifier.load("~/model").predict(["a"]) == model.predict(["a"])
    assert resolve_model("~/model")["pretrained_model_name_or_path"] == str(tmp_path/"model")


def test_row_22_old_weights_and_no_limit(tmp_path, tiny):
    from transformers import AutoConfig
    (tmp_path/"m").mkdir()
    (tmp_path/"m"/"pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="pytorch_model.bin.*save_pretrained"): resolve_model(str(tmp_path/"m"))
    config = AutoConfig.from_pretrained(tiny)
    config.max_position_embeddings = -1
    assert context_length(config) is None


def test_row_35_cut_texts_are_said(tiny):
    model = FineTunedClassifier(tiny, hparams=HParams(max_steps=1, max_length=16))
    with pytest.warns(UserWarning, match="50% of these 2 texts are longer than max_length=16.*the longest has"): model.fit(["a "*50, "b"], ["x", "y"])
    with pytest.warns(UserWarning, match="100% of these 1 texts"): model.predict(["a "*50])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(["short"])


def test_row_38_confidences_keep_their_ranks(tmp_path, tiny, messages):
    model = FineTunedClassifier(tiny, hparams=HParams(max_steps=1))
    task = load_task(EXAMPLE_CSV)
    kept = compare({"tiny": model}, task).confidences("tiny")[0]
    fitted = FineTunedClassifier(tiny, hparams=HParams(max_steps=1)).fit(*task.split("train"))
    np.testing.assert_allclose(kept, fitted.predict_proba(task.split("test")[0]).max(1), rtol=1e-6)


def test_row_40_one_metric_by_name_and_an_unknown_one_at_the_door(tmp_path):
    with pytest.raises(ValueError, match="no metric 'weighted_f1'"): load_task(EXAMPLE_CSV, metric="weighted_f1")


@pytest.mark.slow
def test_row_41_nested_settings_and_a_grid_search(tiny, messages):
    from sklearn.model_selection import GridSearchCV
    model = FineTunedClassifier(tiny, LastLayers(1), HParams(max_steps=1)).set_params(hparams__learning_rate=.5, method__k=2, random_state=3)
    assert model.hparams == HParams(max_steps=1, learning_rate=.5) and model.method == LastLayers(2) and model.random_state == 3
    with pytest.raises(ValueError, match="hparams__learning_rat: there is no setting 'learning_rat'.*did you mean 'learning_rate'"): model.set_params(hparams__learning_rat=1.)
    search = GridSearchCV(FineTunedClassifier(tiny, hparams=HParams(max_steps=1)), {"hparams__learning_rate": [1e-4, 1e-3]}, cv=2)
    texts, labels = messages
    assert search.fit(texts[:8] + texts[-8:], labels[:8] + labels[-8:]).best_params_["hparams__learning_rate"] in (1e-4, 1e-3)


def test_row_44_bars_honour_the_environment():
    import subprocess, sys
    code = "from ft_course.core import progress; import time; [time.sleep(.3) for _ in progress(range(10))]"
    import os
    def bar(**env): return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | env).stderr
    assert "%|" in bar(TQDM_DISABLE="") and bar(TQDM_DISABLE="1") == ""


def test_row_31_ends_lie_within_the_range_and_few_items_are_said():
    labels = np.repeat(np.arange(60), 2)
    found = interval(labels, labels)
    assert found.high <= 1 and not found.trusted and "too few items" in repr(found)
    three = np.repeat(np.arange(3), 20)
    right = interval(three, three)
    assert right.trusted and (right.low, right.high) == (1, 1)
    wrong = np.where(np.arange(60) < 57, three, 0)
    assert 0 <= interval(three, wrong).low < interval(three, wrong).high <= 1


# Row 37: rare labels

WORDS = {"rare": "refund overcharged debit", "usual": "weather sunny goal"}


def rare_rows(n=400, share=.1, clear=.8, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(n) < share, "rare", "usual").tolist()
    return [" ".join(rng.choice(WORDS[l if rng.random() < clear else "usual"].split(), 3)) + f" {i}" for i, l in enumerate(labels)], labels


def in_parts(n=500, **more):
    cut, (texts, labels) = n*3//5, rare_rows(n, **more)
    return load_task({"train": list(zip(texts[:cut], labels[:cut])), "validation": list(zip(texts[cut:cut*4//3], labels[cut:cut*4//3])),
                      "test": list(zip(texts[cut*4//3:], labels[cut*4//3:]))}, near=None)


def test_row_37_a_model_of_one_answer_is_said(tiny):
    made = compare({"one": DummyClassifier(), "two": EmbeddingClassifier(tiny)}, in_parts())
    shown = made.table(against="one")["macro_f1"]
    assert shown["one"].endswith("(one answer only)") and "only" not in shown["two"]


def test_row_37_weights_of_rows_are_scikit_learns():
    classes, codes = np.array(["a", "b", "c"]), np.array([0]*6 + [1]*3 + [2])
    assert row_weights(codes, classes) is None
    for weights, given in (("balanced", None), ({"a": 1., "c": 7.}, None), ("balanced", np.arange(1., 11))):
        wanted = compute_class_weight(weights, classes=classes, y=classes[codes], sample_weight=given)[codes]*(1 if given is None else given)
        np.testing.assert_allclose(row_weights(codes, classes, weights, given), wanted)
    assert row_weights(np.array([0, 1]), np.array(["0", "1"]), {"0": 1, "1": 5}).tolist() == [1, 5]   # texts that spell numbers


@pytest.mark.parametrize("weights, match", [({"class_weight": "even"}, "class_weight='even': it has to be one of balanced"), ({"class_weight": {"spam": 2}}, "class_weight.0. is 'spam'"),
                                            ({"sample_weight": [1]}, "for each of the 2 texts"), ({"sample_weight": [1, -1]}, "0 or more"), ({"sample_weight": [0, 0]}, "not 0 for all")])
@pytest.mark.parametrize("kind", [FineTunedClassifier, EmbeddingClassifier])
def test_row_37_weights_that_cannot_be(tiny, kind, weights, match):
    model = kind(tiny).set_params(**{k: v for k, v in weights.items() if k == "class_weight"})
    with pytest.raises(ValueError, match=match): model.fit(["x", "y"], ["a", "b"], **{k: v for k, v in weights.items() if k == "sample_weight"})


def test_row_37_the_loss_is_the_weighted_mean_over_all_rows(tiny):
    "A step over all rows has torch's weighted cross-entropy; cut into batches that each count as they have rows, the same gradient."
    model, labels = load_classifier(tiny, ["a", "b"], seed=0), np.array([0]*9 + [1]*3)
    weights = row_weights(labels, np.array(["a", "b"]), {"a": 1., "b": 6.})
    rows = Labels().rows(load_tokenizer(tiny), [f"text {i}" for i in range(12)], labels)
    for row, weight in zip(rows, weights/weights.mean()): row["weight"] = weight
    def gradient(batches):
        model.zero_grad()
        loss = accumulate_gradients(model, [collate(b, 0) for b in batches], Labels())
        return loss, model.classifier.weight.grad.clone()
    with torch.no_grad(): logits = model(**{k: v for k, v in collate(rows, 0).items() if k in ("input_ids", "attention_mask")}).logits
    whole, parts = gradient([rows]), gradient([rows[:5], rows[5:7], rows[7:]])
    assert whole[0] == pytest.approx(torch.nn.functional.cross_entropy(logits, torch.tensor(labels), weight=torch.tensor([1., 6.])).item(), rel=1e-5)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    torch.testing.assert_close(parts[1], whole[1])


def test_row_37_a_row_of_weight_three_is_three_rows(tiny):
    texts, labels = rare_rows(40, .3)
    three = [i for i in range(40) for _ in range(3 if labels[i] == "rare" else 1)]
    again = [texts[i] for i in three], [labels[i] for i in three]
    for weights in ({"class_weight": {"rare": 3}}, {}):
        given = {} if weights else {"sample_weight": [3 if l == "rare" else 1 for l in labels]}
        np.testing.assert_allclose(EmbeddingClassifier(tiny, **weights).fit(texts, labels, **given).predict_proba(texts),
                                   EmbeddingClassifier(tiny).fit(*again).predict_proba(texts), atol=1e-3)


@pytest.mark.slow
def test_row_37_the_probe_and_training_see_the_weights(tiny):
    texts, labels = rare_rows(100)
    def mean_of_rare(head, epochs, **weights):
        hparams = HParams(num_train_epochs=epochs, learning_rate=1e-3, max_length=64)
        return FineTunedClassifier(tiny, hparams=hparams, head=head, **weights).fit(texts, labels).predict_proba(texts)[:, 0].mean()
    for way in (("probe", 0), ("random", 3)):
        assert mean_of_rare(*way, class_weight="balanced") > mean_of_rare(*way) + .01, way
    with pytest.raises(ValueError, match="Labels.. where rows have weights"):
        FineTunedClassifier(tiny, objective=type("Own", (Labels,), {})(), class_weight="balanced").fit(texts, labels)


def test_row_37_metrics_of_ranks_are_scikit_learns():
    rng = np.random.default_rng(0)
    sought, sure, times = rng.random(60) < .3, rng.integers(6, size=60)/5, rng.integers(0, 3, size=(40, 60)).astype(np.float32)
    for name, theirs in (("average_precision", average_precision_score), ("roc_auc", roc_auc_score)):
        metric = METRICS[name]
        assert metric(sought, sure) == pytest.approx(theirs(sought, sure))
        np.testing.assert_allclose(metric.redrawn(times, sought, sure), [theirs(sought, sure, sample_weight=w) for w in times], atol=1e-6)
        assert np.isnan(metric(np.zeros(3, bool), np.ones(3))) and np.isnan(metric.redrawn(np.ones((1, 3)), np.zeros(3, bool), np.ones(3))[0])
        rare = interval(np.arange(60) < 3, np.r_[.9, .5, .4, rng.random(57)/2], metric)   # one draw in twenty has none of them
        assert 0 <= rare.low < rare.value < rare.high <= 1 and rare.trusted and not interval(np.arange(60) < 2, sure, metric).trusted


def test_row_37_ranks_are_of_the_rarer_label(tiny, messages):
    made = compare({"one": DummyClassifier(), "model": EmbeddingClassifier(tiny)}, task := in_parts())
    model, (texts, labels) = EmbeddingClassifier(tiny).fit(*task.split("train")), task.split("test")
    sought, rare = np.array(labels) == "rare", model.predict_proba(texts)[:, 0]
    assert model.classes_[0] == "rare" and made.interval("model", "average_precision").value == pytest.approx(average_precision_score(sought, rare), abs=1e-6)
    assert made.interval("one", "average_precision").value == pytest.approx(sought.mean()) and made.interval("one", "roc_auc").value == .5
    table = made.table(metrics=["average_precision", "roc_auc"], against="one")
    assert table.columns[1:3].tolist() == ["average_precision", "roc_auc"] and table["verdict (Holm)"]["model"] == "better"
    with pytest.raises(ValueError, match="has 3 labels; ranks are of two"):
        compare({"one": DummyClassifier()}, load_task(pd.DataFrame({"text": messages[0], "label": ["a", "b", "c"]*(len(messages[0])//3) + ["a"]*(len(messages[0]) % 3)}))).table("roc_auc")
    with pytest.raises(ValueError, match=r"'roc_auc' scores numbers.* give one of accuracy.*table\(metrics=...\)"): load_task(EXAMPLE_CSV, metric="roc_auc")


@pytest.mark.slow
@pytest.mark.parametrize("tuned", [FineTunedClassifier, EmbeddingClassifier])
def test_row_37_scikit_learn_chooses_a_threshold(tiny, tuned):
    model = FineTunedClassifier(tiny, hparams=HParams(num_train_epochs=0, max_length=64)) if tuned is FineTunedClassifier else EmbeddingClassifier(tiny, C=.1)
    texts, labels = rare_rows(300, clear=.4)
    search = TunedThresholdClassifierCV(model, scoring="balanced_accuracy", cv=.3, random_state=0).fit(texts, labels)
    fixed = FixedThresholdClassifier(search.estimator_, threshold=search.best_threshold_, pos_label="usual").fit(texts, labels)
    wanted = np.where(search.estimator_.predict_proba(texts)[:, 1] >= search.best_threshold_, "usual", "rare")
    assert (search.predict(texts) == wanted).all() and set(fixed.predict(texts)) == {"rare", "usual"}
    assert cross_val_score(model, texts, labels, cv=2, scoring="roc_auc", error_score="raise").min() > .5
    made = compare({"at half": model, "tuned": search}, in_parts(clear=.4))
    assert made.interval("tuned", "balanced_accuracy").value > made.interval("at half", "balanced_accuracy").value


# Row 40: numbers that are no labels

NUMBERS = {"fractions": ([.5, 1.25]*10, r"labels\[0\] is 0.5, a fraction.*ranges"), "prices": (list(range(100, 2500, 80)), "the 30 labels are 30 different numbers from 100 to 2420"),
           "whole floats": (np.arange(0., 900, 30).tolist(), "30 different numbers")}


@pytest.mark.parametrize("case", NUMBERS)
def test_row_40_measurements_are_no_labels(tiny, case):
    labels, match = NUMBERS[case]
    texts = [f"text number {i}" for i in range(len(labels))]
    for model in (FineTunedClassifier(tiny), EmbeddingClassifier(tiny)):
        with pytest.raises(ValueError, match=match): model.fit(texts, labels)
    with pytest.raises(ValueError, match="fraction" if case == "fractions" else match): load_task(pd.DataFrame({"text": texts, "label": labels}))


@pytest.mark.parametrize("labels", [[*range(150)]*2, [*range(150)], [*range(1000, 9000, 100)]*2, [1., 2., 3.]*5, [-1, 1, 900]],
                         ids=["codes", "codes, one row each", "numbered departments", "stars as floats", "few"])
def test_row_40_numbers_that_are_labels(labels): check_label_kinds(labels)


# Row 46: what was missing

@pytest.mark.parametrize("settings", [{"class_weight": {1: 2., 2: 1.}}, {"C": (1., 10.)}, {"classifier": "knn", "k": 3}], ids=str)
def test_row_46_a_saved_embedding_classifier_answers_the_same(tiny, tmp_path, settings):
    texts, labels = rare_rows(60, .4)
    model = EmbeddingClassifier(tiny, **settings).fit(texts, [1 if l == "rare" else 2 for l in labels])
    assert model.save(tmp_path/"m") is model and sorted(p.name for p in (tmp_path/"m").iterdir()) == ["ft_course.json", "learnt.npz"]
    np.savez(tmp_path/"here.npz", answers=model.predict(texts), p=model.predict_proba(texts))
    code = (f"import numpy as np; from ft_course.embeddings import EmbeddingClassifier; model = EmbeddingClassifier.load({str(tmp_path/'m')!r})\n"
            f"here = np.load({str(tmp_path/'here.npz')!r}); texts = {texts!r}\n"
            "assert (model.predict(texts) == here['answers']).all() and np.array_equal(model.predict_proba(texts), here['p']), model.predict(texts)\n"
            f"print(model.get_params()['class_weight'] == {settings.get('class_weight')!r}, model.classes_.tolist())")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "True [1, 2]\n", run.stdout + run.stderr


def test_row_46_a_folder_of_another_encoder_is_refused(tmp_path):
    folder, texts = tiny("bert", tmp_path/"bert"), ["a", "b", "c", "d"]
    model = EmbeddingClassifier(str(folder)).fit(texts, ["x", "y"]*2).save(tmp_path/"m")
    model.save(tmp_path/"m")   # a folder of its own is replaced
    other = load_classifier(folder, ["x", "y"], seed=5)
    torch.nn.init.normal_(other.base_model.get_input_embeddings().weight)
    other.base_model.save_pretrained(folder)
    with pytest.raises(ValueError, match="was trained on other weights than .* has here"): EmbeddingClassifier.load(tmp_path/"m")
    with pytest.raises(ValueError, match="load it with EmbeddingClassifier.load"): FineTunedClassifier.load(tmp_path/"m")
    with pytest.raises(ValueError, match="holds other files"): model.save(folder)


def test_row_46_weights_of_labels_survive_saving(tiny, tmp_path):
    model = FineTunedClassifier(tiny, hparams=HParams(num_train_epochs=0, max_length=32), class_weight={np.int64(1): 2, 0: 1}, device="cpu")
    model.fit(["a", "b"]*2, [1, 0]*2).save(tmp_path/"m")
    loaded = FineTunedClassifier.load(tmp_path/"m")
    assert loaded.class_weight == {1: 2, 0: 1} and loaded.device is None and (loaded.predict(["a"]) == model.predict(["a"])).all()


def test_row_46_a_device_that_is_not_here(tiny, tmp_path):
    saved = FineTunedClassifier(tiny, hparams=HParams(num_train_epochs=0), device="cpu").fit(["a", "b"], ["x", "y"]).save(tmp_path/"m")
    assert next(saved.model_.parameters()).device.type == best_device("cpu") == "cpu"
    for use in (lambda: saved.set_params(device="gpu").fit(["a", "b"], ["x", "y"]), lambda: FineTunedClassifier.load(tmp_path/"m", device="gpu"),
                lambda: EmbeddingClassifier(tiny, device="gpu").fit(["a", "b"], ["x", "y"]), lambda: embed(["a"], tiny, device="gpu")):
        with pytest.raises(ValueError, match="device='gpu': this machine's torch has no such device") as caught: use()
        assert "\n" not in str(caught.value)


def test_row_46_a_finished_checkpoint_is_the_weights(tiny, messages, tmp_path):
    def fit(*more): return FineTunedClassifier(tiny, hparams=HParams(num_train_epochs=1, max_length=32), callbacks=[Checkpoint(tmp_path, every=2), *more]).fit(*messages)
    class Stop(Callback):
        def on_step_end(self, run): run.stop = run.stop or ("stopped by SIGTERM" if run.step == 3 else "")
    fit(Stop())   # as a signal ends it: to be gone on with
    half, done, again = (tmp_path/"checkpoint.pt").stat().st_size, fit(), fit()
    weights = sum(4*p.numel() for p in done.model_.parameters())
    assert half > 2.9*weights and (tmp_path/"checkpoint.pt").stat().st_size < 1.1*weights
    assert again.history_ == done.history_ and (again.decision_function(messages[0]) == done.decision_function(messages[0])).all()


def test_row_46_another_split_is_scored(tmp_path):
    task = load_task(EXAMPLE_CSV)
    made = compare({"one": DummyClassifier()}, task, split="validation", store=tmp_path)
    assert made.references.tolist() == task.split("validation")[1] and made.records["one"][0]["ids"] == list(task.data["validation"]["id"])
    assert [p.name for p in tmp_path.iterdir()] == [f"{task.name.replace('_', '-')}-validation"] and task.scored_on("test") is task
    with pytest.raises(ValueError, match=r"has no split 'valid'.*give one of train, validation, test"): compare({"one": DummyClassifier()}, task, split="valid")
