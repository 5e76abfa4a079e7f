"Faults that were found in other people's libraries and in 0.4.0, each with the right value: scores, models, settings."
import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.embeddings import embed
from ft_course.estimators import FineTunedClassifier
from ft_course.evaluation import accuracy, calibration_error, compare, exact_match, interval, macro_f1, rouge_l, token_f1
from ft_course.models import context_length, load_classifier, load_tokenizer, resolve_model, tiny
from ft_course.training import HParams, LastLayers


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
    with pytest.raises(ValueError, match="hparams__learning_rat'.*did you mean 'learning_rate'"): model.set_params(hparams__learning_rat=1.)
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
