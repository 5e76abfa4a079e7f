"Every family with every kind of method: fitted, saved, loaded by a new process, equal; several adapters on one base."
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from ft_course.estimators import FineTunedClassifier, FineTunedGenerator, as_method
from ft_course.models import tiny as tiny_model
from ft_course.training import Full, HeadOnly, HParams, Labels, LastLayers

FAMILIES = ("bert", "distilbert", "roberta", "gpt2", "t5", "llama")
TARGETS = {"bert": ["query", "value"], "roberta": ["query", "value"], "distilbert": ["q_lin", "v_lin"], "gpt2": ["c_attn"],
           "t5": ["q", "v"], "llama": ["q_proj", "v_proj"]}
WITHOUT_PROMPTS = {"t5"}      # its classifier takes no embeddings in place of tokens (transformers)
WITHOUT_PREFIX = {"distilbert", "t5"}   # DistilBERT takes no keys and values from outside
HPARAMS = HParams(learning_rate=3e-3, num_train_epochs=2, per_device_train_batch_size=4, max_length=24)
TEXTS = ["red apples taste good", "the train is late", "green apples", "trains and stations", "an apple a day", "late again"]*2
LABELS = ["fruit", "rail", "fruit", "rail", "fruit", "rail"]*2


def lora(family, **more):
    from peft import LoraConfig
    return LoraConfig(r=2, target_modules=TARGETS[family], **more)


def prompt(family, **more):
    from peft import PromptTuningConfig
    return PromptTuningConfig(num_virtual_tokens=3, **more)


def prefix(family, **more):
    from peft import PrefixTuningConfig
    return PrefixTuningConfig(num_virtual_tokens=3, **more)


METHODS = {"lora": lora, "prompt": prompt, "prefix": prefix, "full": lambda f: Full(), "head": lambda f: HeadOnly()}


def methods_of(family):
    skipped = set()
    if family in WITHOUT_PROMPTS: skipped |= {"prompt"}
    if family in WITHOUT_PREFIX: skipped |= {"prefix"}
    return [m for m in METHODS if m not in skipped]


def classifier(family, method, **more):
    return FineTunedClassifier(tiny_model(family, more.pop("folder", None)), method, HPARAMS, **more)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    "Name -> (estimator, folder) of every combination, fitted and saved once."
    found = {}
    for family in FAMILIES:
        base = tiny_model(family, tmp_path_factory.mktemp("base")/family)
        for name in methods_of(family):
            model = FineTunedClassifier(base, METHODS[name](family), HPARAMS).fit(TEXTS, LABELS)
            folder = tmp_path_factory.mktemp("saved")/f"{family}-{name}"
            found[f"{family}-{name}"] = model.save(folder), folder
    return found


COMBINATIONS = [f"{f}-{m}" for f in FAMILIES for m in methods_of(f)]


@pytest.fixture(scope="module")
def loaded(fitted):
    "What a new process predicts from each folder."
    code = """if True:
    import json, sys
    from ft_course.estimators import FineTunedClassifier
    texts = json.loads(sys.argv[1])
    print(json.dumps({f: FineTunedClassifier.load(f).predict_proba(texts).tolist() for f in sys.argv[2:]}))"""
    run = subprocess.run([sys.executable, "-c", code, json.dumps(TEXTS[:6]), *(str(f) for _, f in fitted.values())],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", COMBINATIONS)
def test_saved_and_loaded_in_a_new_process_it_predicts_the_same(fitted, loaded, name):
    model, folder = fitted[name]
    np.testing.assert_allclose(loaded[str(folder)], model.predict_proba(TEXTS[:6]), atol=1e-5)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_it_learnt_and_the_head_with_it(fitted, name):
    model, _ = fitted[name]
    untrained = classifier(name.split("-")[0], Full()).set_params(hparams=HParams(num_train_epochs=0, max_length=24)).fit(TEXTS, LABELS)
    assert model.history_["steps"] and np.abs(model.predict_proba(TEXTS) - untrained.predict_proba(TEXTS)).max() > 1e-4
    heads = {n for n, p in model.model_.named_parameters() if p.requires_grad and any(w in n for w in ("classifier", "score", "head"))}
    assert heads


@pytest.mark.parametrize("name", [c for c in COMBINATIONS if c.split("-")[1] in ("lora", "prompt", "prefix")])
def test_adapters_are_opened_by_plain_peft(fitted, name):
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    model, folder = fitted[name]
    assert not (folder/"model.safetensors").exists()
    plain = AutoModelForSequenceClassification.from_pretrained(model.model, num_labels=2)
    plain.config.pad_token_id = model.tokenizer_.pad_token_id
    opened = PeftModel.from_pretrained(plain, folder).eval()
    batch = AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")
    with torch.no_grad(): logits = opened(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    np.testing.assert_allclose(logits.softmax(-1)[0], model.predict_proba(TEXTS[:1])[0], atol=1e-4)


@pytest.mark.parametrize("name", [c for c in COMBINATIONS if c.split("-")[1] in ("full", "head")])
def test_whole_models_are_opened_by_plain_transformers(fitted, name):
    from transformers import AutoModelForSequenceClassification
    model, folder = fitted[name]
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert plain.config.id2label == {0: "fruit", 1: "rail"}
    ids = torch.tensor([model.tokenizer_(TEXTS[0])["input_ids"]])
    with torch.no_grad(): probabilities = plain(input_ids=ids).logits.softmax(-1)[0]
    np.testing.assert_allclose(probabilities, model.predict_proba(TEXTS[:1])[0], atol=1e-4)


def test_an_adapters_first_weights_come_from_the_seed():
    def fit(seed):
        np.random.rand(); torch.rand(1)   # whatever was drawn before
        return FineTunedClassifier(folder, lora("bert"), HPARAMS, random_state=seed).fit(TEXTS, LABELS).decision_function(TEXTS)
    folder = tiny_model("bert")
    first = fit(0)
    np.testing.assert_array_equal(fit(0), first)
    assert (fit(1) != first).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_second_adapter_on_one_base_is_switched(fitted, tmp_path, family):
    first, folder = fitted[f"{family}-lora"]
    other = FineTunedClassifier(first.model, lora(family), HPARAMS, random_state=1).fit(TEXTS, LABELS[::-1]).save(tmp_path/"other")
    one = FineTunedClassifier.load(folder)
    two = FineTunedClassifier.load(tmp_path/"other", base=one)
    assert two.model_ is one.model_
    for _ in range(2):   # back and forth
        np.testing.assert_allclose(one.predict_proba(TEXTS), first.predict_proba(TEXTS), atol=1e-5)
        np.testing.assert_allclose(two.predict_proba(TEXTS), other.predict_proba(TEXTS), atol=1e-5)
    two.save(tmp_path/"again")
    np.testing.assert_allclose(FineTunedClassifier.load(tmp_path/"again").predict_proba(TEXTS), other.predict_proba(TEXTS), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_it_is_a_plain_model(fitted, tmp_path, family):
    from transformers import AutoModelForSequenceClassification
    model, _ = fitted[f"{family}-lora"]
    before = model.predict_proba(TEXTS)
    model.save(tmp_path/"merged", merged=True)
    assert not (tmp_path/"merged"/"adapter_config.json").exists()
    AutoModelForSequenceClassification.from_pretrained(tmp_path/"merged")
    np.testing.assert_allclose(FineTunedClassifier.load(tmp_path/"merged").predict_proba(TEXTS), before, atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(TEXTS), before, atol=1e-6)   # merging a copy leaves it as it was


def test_what_cannot_be_merged_or_put_beside_is_said(fitted, tmp_path):
    soft, folder = fitted["bert-prompt"]
    with pytest.raises(ValueError, match="PromptTuningConfig cannot be folded into the weights"): soft.save(tmp_path/"x", merged=True)
    assert not (tmp_path/"x").exists()
    with pytest.raises(ValueError, match="cannot stand beside"): FineTunedClassifier.load(folder, base=FineTunedClassifier.load(fitted["bert-lora"][1]))
    with pytest.raises(ValueError, match="base is for adapters"): FineTunedClassifier.load(fitted["bert-full"][1], base=soft)
    with pytest.raises(ValueError, match="base has to be an estimator with an adapter"):
        FineTunedClassifier.load(fitted["bert-lora"][1], base=fitted["bert-full"][0])
    with pytest.raises(ValueError, match="base is a FineTunedClassifier of"):
        FineTunedClassifier.load(fitted["bert-lora"][1], base=fitted["roberta-lora"][0])


def test_an_adapter_of_other_weights_is_refused(fitted, tmp_path):
    import shutil
    base = tiny_model("bert", tmp_path/"base")
    FineTunedClassifier(base, lora("bert"), HPARAMS).fit(TEXTS, LABELS).save(tmp_path/"saved")
    from safetensors.torch import load_file, save_file
    weights = load_file(tmp_path/"base"/"model.safetensors")
    shutil.copy(tmp_path/"base"/"model.safetensors", tmp_path/"copy")
    save_file({k: v + 1 for k, v in weights.items()}, tmp_path/"base"/"model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="was trained on other weights"): FineTunedClassifier.load(tmp_path/"saved")


def test_a_method_has_to_be_one():
    with pytest.raises(ValueError, match="has to be a Method such as Full"): as_method("lora")
    with pytest.raises(ValueError, match=r"write Full\(\)"): as_method(Full)
    assert as_method(Full()) == Full() and as_method(lora("bert")).config.r == 2


@pytest.mark.parametrize("method", [HeadOnly(), LastLayers(1)])
def test_what_a_method_trains_is_saved_and_attached(tmp_path, method):
    model = classifier("bert", method).fit(TEXTS, LABELS)
    method.save(model.model_, tmp_path)
    again = classifier("bert", method).set_params(hparams=HParams(num_train_epochs=0, max_length=24)).fit(TEXTS, LABELS)
    again.model_ = method.attach(again.model_, tmp_path).eval()
    np.testing.assert_allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-6)
    with pytest.raises(ValueError, match="other weights than"): Full().attach(again.model_, tmp_path)


PROMPTS, ANSWERS = ["What is red?", "What is late?", "Name a fruit."]*2, ["an apple", "the train", "apple"]*2
WRITES = HParams(learning_rate=3e-3, num_train_epochs=1, per_device_train_batch_size=2, max_length=48)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("name", METHODS)
def test_generators_with_every_method(tmp_path, family, name):
    method = LastLayers(1) if name == "head" else METHODS[name](family)
    model = FineTunedGenerator(tiny_model(family), method, WRITES, max_new_tokens=5).fit(PROMPTS, ANSWERS).save(tmp_path/"saved")
    again = FineTunedGenerator.load(tmp_path/"saved")
    assert again.generate(PROMPTS[:3]) == model.generate(PROMPTS[:3])
    np.testing.assert_allclose(again.answer_losses(PROMPTS, ANSWERS), model.answer_losses(PROMPTS, ANSWERS), atol=1e-5)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("name", ["full", "lora", "prompt", "prefix"])
def test_logits_are_those_of_the_whole_pass(family, name):
    from ft_course.training import Answers, answer_loss, collate
    model = FineTunedGenerator(tiny_model(family), METHODS[name](family), WRITES).fit(PROMPTS, ANSWERS)
    rows = Answers().rows(model.tokenizer_, PROMPTS[:3], ANSWERS[:3], 48)
    batch = collate(rows, model.tokenizer_.pad_token_id)
    with torch.no_grad():
        logits = model.model_(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, -batch["labels"].shape[1]:]
        wanted = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
        torch.testing.assert_close(answer_loss(model.model_, batch), wanted)


def test_a_seed_of_none_works_for_both():
    FineTunedGenerator(tiny_model("gpt2"), hparams=WRITES, random_state=None).fit(PROMPTS, ANSWERS)
    classifier("bert", Full(), random_state=None).fit(TEXTS, LABELS)


def test_estimators_with_peft_are_cloned_and_pickled():
    import pickle
    from sklearn.base import clone
    model = classifier("bert", lora("bert"))
    assert clone(model).method.r == 2
    model.fit(TEXTS, LABELS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-6)
    assert model.method.task_type is None   # the reader's own config is left as it was


class Pairs:
    "A made-up objective of two texts a row: the loop asks neither what its rows hold nor what its loss is."
    def rows(self, tokenizer, better, worse, max_length): return [{"better": a, "worse": b} for a, b in zip(tokenizer(better)["input_ids"], tokenizer(worse)["input_ids"])]
    def prepare(self, model, rows): self.prepared = type(model).__name__; return [row | {"margin": 1.} for row in rows]
    def length(self, row): return len(row["better"]) + len(row["worse"])
    def batch(self, model, rows, pad_id, device):
        from ft_course.training import collate
        return {side: collate([{"input_ids": r[side]} for r in rows], pad_id, device) for side in ("better", "worse")} | {"n": len(rows)}
    def weight(self, batch): return batch["n"]
    def loss(self, model, batch):
        better, worse = (model(**batch[side]).logits[:, 0] for side in ("better", "worse"))
        return -torch.nn.functional.logsigmoid(better - worse).mean()


def test_the_loop_trains_an_objective_it_has_never_seen():
    from ft_course.models import load_classifier, load_tokenizer
    from ft_course.training import train
    name, pairs = tiny_model("bert"), Pairs()
    tokenizer, model = load_tokenizer(name), load_classifier(name, ["score"])
    rows = pairs.rows(tokenizer, TEXTS[::2], TEXTS[1::2], 24)
    run = train(model, rows, HParams(learning_rate=3e-3, num_train_epochs=20, per_device_train_batch_size=4), Full(), pairs, tokenizer.pad_token_id)
    assert pairs.prepared == "BertForSequenceClassification" and run.history[-1]["loss"] < .3 < run.history[0]["loss"]


def test_micro_batches_give_the_gradient_of_the_whole_batch(monkeypatch):
    "A batch with more positions than go through at once is worked through in parts, and nothing else changes."
    from ft_course import training
    from ft_course.regularization import DropoutRate
    def losses(positions):
        monkeypatch.setattr(training, "POSITIONS", {"cpu": positions})
        model = classifier("bert", Full(), callbacks=(DropoutRate(0.),)).fit([*TEXTS, "one " * 20], [*LABELS, "rail"])
        return [s["loss"] for s in model.history_["steps"]], [s["grad_norm"] for s in model.history_["steps"]]
    whole, parts = losses(10_000), losses(24)
    np.testing.assert_allclose(whole, parts, rtol=1e-4)


@pytest.mark.parametrize("tokens, parts", [(32, [32]), (96, [6]*5 + [2]), (128, [4]*8)])
def test_long_rows_go_through_in_smaller_parts(tokens, parts):
    "Attention keeps numbers for every pair of tokens: as many positions of longer rows would take more memory."
    from ft_course.models import load_classifier
    from ft_course.training import train
    seen = []
    class Watched(Labels):
        def loss(self, model, batch):
            seen.append(tuple(batch["input_ids"].shape))
            return super().loss(model, batch)
    rows = [{"input_ids": [5]*tokens, "labels": i % 2} for i in range(32)]
    hparams = HParams(max_steps=1, per_device_train_batch_size=32, max_length=128)
    train(load_classifier(tiny_model("bert"), ["a", "b"]), rows, hparams, Full(), Watched(), device="cpu")
    assert seen[:len(parts)] == [(n, tokens) for n in parts]
