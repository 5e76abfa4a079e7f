"The estimators: round trips, scikit-learn's manners, wrong use."
import json
import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from ft_course.core import CourseError
from ft_course.estimators import FineTunedClassifier, FineTunedGenerator
from ft_course.training import Full, HeadOnly, HParams, LastLayers

QUICK = HParams(learning_rate=1e-3, num_train_epochs=1, per_device_train_batch_size=16)


@pytest.fixture(scope="module")
def fitted(tiny, messages):
    return FineTunedClassifier(tiny, LastLayers(1), QUICK).fit(*messages)


def test_saved_and_loaded_it_answers_the_same(fitted, messages, tmp_path):
    from transformers import pipeline
    texts = messages[0] + ["a very long message " * 200]
    fitted.save(tmp_path/"m")
    again = FineTunedClassifier.load(tmp_path/"m")
    np.testing.assert_allclose(again.predict_proba(texts), fitted.predict_proba(texts), atol=1e-6)
    assert again.method == fitted.method and again.hparams == fitted.hparams and again.classes_.tolist() == fitted.classes_.tolist()
    opened = pipeline("text-classification", model=str(tmp_path/"m"), device="cpu", top_k=None)(texts, truncation=True)
    ours = [dict(zip(map(str, fitted.classes_), p)) for p in fitted.predict_proba(texts)]
    for theirs, p in zip(opened, ours):
        for row in theirs: assert abs(row["score"] - p[row["label"]]) < 1e-5


@pytest.mark.parametrize("labels", [[3, 7], [True, False], ["yes", "no"]])
def test_labels_come_back_as_they_were_given(tiny, tmp_path, labels):
    texts = ["good flight", "bad flight"]*4
    model = FineTunedClassifier(tiny, HeadOnly(), QUICK).fit(texts, labels*4)
    assert set(model.predict(texts).tolist()) <= set(labels) and type(model.predict(texts).tolist()[0]) is type(labels[0])
    again = FineTunedClassifier.load(model.save(tmp_path/"m") and tmp_path/"m")
    assert again.predict(texts).tolist() == model.predict(texts).tolist() and again.classes_.dtype == model.classes_.dtype


def test_batches_do_not_change_answers(fitted, messages):
    together = fitted.predict_proba(messages[0])
    np.testing.assert_allclose(np.concatenate([fitted.predict_proba([t]) for t in messages[0][:8]]), together[:8], atol=1e-5)
    assert fitted.predict([]).tolist() == []


def test_clone_pickle_and_grid_search(fitted, tiny, messages):
    texts, labels = messages
    assert repr(clone(fitted)) == repr(clone(clone(fitted))) and not hasattr(clone(fitted), "model_")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(texts), fitted.predict(texts))
    search = GridSearchCV(FineTunedClassifier(tiny, hparams=QUICK), {"method": [HeadOnly(), LastLayers(1), Full()]}, cv=2).fit(texts, labels)
    assert search.best_params_["method"] in (HeadOnly(), LastLayers(1), Full())


def test_same_seed_same_model_other_seed_other_model(tiny, messages):
    import torch
    state = torch.get_rng_state()
    a, b, c = (FineTunedClassifier(tiny, Full(), QUICK, random_state=s).fit(*messages).predict_proba(messages[0][:4]) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 1e-4 and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("method, moved", [(HeadOnly(), {"pooler", "classifier"}), (LastLayers(1), {"layer.1", "pooler", "classifier"}), (Full(), {"embeddings", "layer.0", "layer.1", "pooler", "classifier"})])
def test_method_moves_what_it_says(tiny, messages, method, moved):
    from ft_course.models import load_classifier
    model = FineTunedClassifier(tiny, method, QUICK).fit(*messages)
    start = dict(load_classifier(tiny, model.classes_.tolist(), seed=0).named_parameters())
    changed = {name for name, p in model.model_.named_parameters() if not np.allclose(p.detach(), start[name].detach())}
    assert {part for part in ("embeddings", "layer.0", "layer.1", "pooler", "classifier") if any(part in name for name in changed)} == moved


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    "A folder with a random two-layer Llama and SmolLM2's tokenizer."
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from ft_course.models import load_tokenizer
    folder, tokenizer = tmp_path_factory.mktemp("writer"), load_tokenizer("smollm2")
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True, eos_token_id=2, bos_token_id=1, pad_token_id=2)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_generator_round_trip(writer, tmp_path):
    prompts, answers = ["The firm grew.", "Rain is coming to the north and to the coast."], ["Firm grows", "Rain in the north"]
    model = FineTunedGenerator(writer, Full(), HParams(learning_rate=5e-3, num_train_epochs=100, per_device_train_batch_size=2), instruction="Write a headline.").fit(prompts, answers)
    assert model.generate(prompts) == answers                      # it can learn two answers by heart, end mark included
    assert model.generate(prompts[:1]) == model.generate(prompts)[:1]   # padding on the left changes nothing
    again = FineTunedGenerator.load(model.save(tmp_path/"w") and tmp_path/"w")
    assert again.generate(prompts) == answers and again.instruction == model.instruction
    np.testing.assert_allclose(again.answer_losses(prompts, answers), model.answer_losses(prompts, answers), atol=1e-6)


def test_answer_losses_are_the_librarys(writer):
    import torch
    from ft_course.estimators import render_prompt
    prompts, answers = ["The firm grew a lot last year.", "Rain."], ["Firm grows", "Rain in the north, sun in the south"]
    model = FineTunedGenerator(writer, hparams=HParams(num_train_epochs=0)).fit(prompts, answers)
    for prompt, answer, loss in zip(prompts, answers, model.answer_losses(prompts, answers)):
        row = model.objective.rows(model.tokenizer_, [render_prompt(model.tokenizer_, "", prompt)], [answer])[0]
        with torch.no_grad(): theirs = model.model_(input_ids=torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]])).loss
        assert abs(theirs.item() - loss) < 1e-5


WRONG = {
    "one label": (lambda m: m.fit(["a", "b"], ["x", "x"]), "at least two"),
    "unequal lengths": (lambda m: m.fit(["a", "b"], ["x"]), "2 texts and 1 labels"),
    "nothing": (lambda m: m.fit([], []), "no texts"),
    "a number among the texts": (lambda m: m.fit(["a", 3.5], ["x", "y"]), r"texts\[1\] is 3.5"),
    "a string for a list": (lambda m: m.fit("a", ["x"]), "list of strings"),
    "too many layers": (lambda m: clone(m).set_params(method=LastLayers(9)).fit(["a", "b"], ["x", "y"]), "from 1 to 2"),
    "unknown model": (lambda m: clone(m).set_params(model="minlim").fit(["a", "b"], ["x", "y"]), "did you mean 'minilm'"),
    "a rate of zero": (lambda m: HParams(learning_rate=0), "learning_rate=0.0: it has to be above 0"),
    "loading what was not saved": (lambda m: FineTunedClassifier.load("/"), "ft_course.json"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_sentence(tiny, case):
    use, says = WRONG[case]
    with pytest.raises(ValueError, match=says) as caught: use(FineTunedClassifier(tiny, hparams=QUICK))
    assert "\n" not in str(caught.value)


def test_not_fitted(tiny, tmp_path):
    with pytest.raises(NotFittedError, match="not fitted yet"): FineTunedClassifier(tiny).predict(["a"])
    with pytest.raises(NotFittedError): FineTunedClassifier(tiny).save(tmp_path/"m")
    assert not (tmp_path/"m").exists()


def test_a_rate_that_diverges(tiny, messages):
    with pytest.raises(CourseError, match="learning rate 1e\\+30 is too high"):
        FineTunedClassifier(tiny, Full(), HParams(learning_rate=1e30, num_train_epochs=3, max_grad_norm=1e9, warmup_steps=0)).fit(*messages)


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_full_disk_while_saving_keeps_the_old_model(fitted, tmp_path):
    fitted.save(tmp_path/"m")
    old = {p.name: p.stat().st_size for p in (tmp_path/"m").iterdir()}
    code = textwrap.dedent(f"""
        import resource, sys
        from ft_course.estimators import FineTunedClassifier
        model = FineTunedClassifier.load({str(tmp_path/"m")!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try: model.save({str(tmp_path/"m")!r})
        except Exception as err: print(type(err).__name__, err)
    """)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert run.stdout.startswith("CourseError Could not write") and "\n" not in run.stdout.strip(), run.stdout + run.stderr
    assert {p.name: p.stat().st_size for p in (tmp_path/"m").iterdir()} == old and [p.name for p in tmp_path.iterdir()] == ["m"]


def test_folder_says_what_it_is(fitted, tmp_path):
    fitted.save(tmp_path/"m")
    with pytest.raises(ValueError, match="load it with FineTunedClassifier.load"): FineTunedGenerator.load(tmp_path/"m")
    about = json.loads((tmp_path/"m"/"ft_course.json").read_text())
    (tmp_path/"m"/"ft_course.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(ValueError, match="format 99"): FineTunedClassifier.load(tmp_path/"m")


# the six families

@pytest.fixture(scope="module")
def families():
    from ft_course.models import FAMILIES, tiny
    return {family: tiny(family) for family in FAMILIES}


@pytest.mark.parametrize("method", [Full(), HeadOnly(), LastLayers(1)], ids=repr)
@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "gpt2", "t5", "llama"])
def test_every_family_trains_saves_and_loads(families, messages, tmp_path, family, method):
    from ft_course.models import load_classifier
    texts, labels = messages[0][:24], messages[1][:24]
    model = FineTunedClassifier(families[family], method, HParams(learning_rate=3e-3, num_train_epochs=2, per_device_train_batch_size=8, max_length=48))
    model.fit(texts, labels)
    start = dict(load_classifier(families[family], model.classes_.tolist(), seed=0).named_parameters())
    moved = {name for name, p in model.model_.named_parameters() if not np.array_equal(p.detach(), start[name].detach())}
    trainable = {name for name, p in model.model_.named_parameters() if p.requires_grad}
    assert moved and moved <= trainable and (method == Full()) == (len(trainable) == len(start))
    model.save(tmp_path/"m")
    again = FineTunedClassifier.load(tmp_path/"m")
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-6)
    alone = np.concatenate([model.predict_proba([t]) for t in texts[:4]])
    np.testing.assert_allclose(alone, model.predict_proba(texts)[:4], atol=1e-5)   # padding changes nothing


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2", "t5", "llama"])
def test_the_last_layer_for_one_token_gives_the_same_logits_and_gradients(families, family):
    import torch
    from ft_course.models import load_classifier, load_tokenizer
    from ft_course.training import classification_loss, collate, first_token_only
    tokenizer, model = load_tokenizer(families[family]), load_classifier(families[family], ["a", "b"])
    model.config.pad_token_id = tokenizer.pad_token_id
    rows = [{"input_ids": i, "labels": n % 2} for n, i in enumerate(tokenizer(["the book is late", "a room for two", "loan"])["input_ids"])]
    batch, gradients = collate(rows, tokenizer.pad_token_id), []
    for block in (first_token_only(model), __import__("contextlib").nullcontext()):
        with block:
            model.zero_grad()
            loss = classification_loss(model, batch)
            loss.backward()
        gradients.append([loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)])
    for a, b in zip(*gradients, strict=True): torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)
    assert not any("forward" in vars(m) for m in model.modules())


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "gpt2", "t5", "llama"])
def test_cheaper_dropout_gives_the_model_back_as_it_was(families, family):
    import torch
    from ft_course.models import load_classifier
    from ft_course.training import cheaper_dropout
    model = load_classifier(families[family], ["a", "b"])
    before, kind, ids = {n: type(m) for n, m in model.named_modules()}, model.config._attn_implementation, torch.tensor([[5, 6, 7, 1]])
    plain = model(input_ids=ids).logits
    with cheaper_dropout(model):
        torch.testing.assert_close(model.eval()(input_ids=ids).logits, plain)   # nothing is dropped when predicting
        assert not any(type(m) is torch.nn.Dropout for m in model.modules())
        if any(t is torch.nn.Dropout for t in before.values()):
            model.train()
            assert not torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
    assert {n: type(m) for n, m in model.named_modules()} == before and model.config._attn_implementation == kind
    torch.testing.assert_close(model.eval()(input_ids=ids).logits, plain)


@pytest.mark.parametrize("p", [.05, .1, .5])
def test_dropout_keeps_its_meaning(p):
    import torch
    from ft_course.training import dropout16
    torch.manual_seed(0)
    a, b = (dropout16(torch.ones(2000, 1001), p) for _ in range(2))
    kept = a != 0
    assert abs(kept.float().mean() - (1 - p)) < .005*p and a.max() == pytest.approx(1/(1 - p))
    for other in (b != 0, kept.roll(1, 0), kept.roll(1, 1), kept.roll(4, 1)):   # independent of other steps and of its neighbours
        agree = (kept == other).float().mean().item()
        assert abs(agree - ((1 - p)**2 + p**2)) < .003
    state = torch.get_rng_state()
    first = dropout16(torch.ones(999), p)
    torch.set_rng_state(state)
    assert torch.equal(first, dropout16(torch.ones(999), p))


def test_accumulated_batches_are_one_large_batch(tiny, messages):
    import torch
    from ft_course.models import load_classifier, load_tokenizer
    from ft_course.training import train
    tokenizer = load_tokenizer(tiny)
    rows = [{"input_ids": i, "labels": n % 4} for n, i in enumerate(tokenizer(messages[0][:32])["input_ids"])]
    def weights(size, k):
        model = load_classifier(tiny, list("abcd"))
        for m in model.modules():
            if isinstance(m, torch.nn.Dropout): m.p = 0.
        train(model, rows, HParams(max_steps=1, per_device_train_batch_size=size, gradient_accumulation_steps=k, warmup_steps=0), device="cpu")
        return torch.cat([p.detach().ravel() for p in model.parameters()])
    torch.testing.assert_close(weights(8, 4), weights(32, 1), atol=2e-5, rtol=0)


def test_max_steps_overrides_epochs(tiny, messages):
    model = FineTunedClassifier(tiny, HeadOnly(), HParams(max_steps=7, num_train_epochs=1, per_device_train_batch_size=32)).fit(*messages)
    assert [s["step"] for s in model.history_["steps"]] == list(range(1, 8)) and model.history_["steps"][-1]["epoch"] == 2


def test_early_stopping_brings_the_best_epoch_back(tiny, messages):
    from ft_course.training import EarlyStopping
    wrong = (messages[0][:30], messages[1][30:60])
    model = FineTunedClassifier(tiny, Full(), HParams(learning_rate=3e-3, num_train_epochs=12, per_device_train_batch_size=8), callbacks=[EarlyStopping(2)])
    model.fit(*messages, validation=wrong)
    losses = [e["validation_loss"] for e in model.history_["epochs"]]
    assert len(losses) < 12 and "was best after epoch" in model.history_["stopped"]
    assert model.scores(*wrong)["validation_loss"] == pytest.approx(min(losses), abs=1e-5) and losses[-1] > min(losses)
    with pytest.raises(ValueError, match="call fit with validation"): FineTunedClassifier(tiny, callbacks=[EarlyStopping()]).fit(*messages)
    with pytest.raises(ValueError, match="the validation scores are"): FineTunedClassifier(tiny, HeadOnly(), QUICK, callbacks=[EarlyStopping(metric="f1")]).fit(*messages, validation=messages)


def test_random_state_none_draws_a_seed(tiny, writer, messages):
    FineTunedClassifier(tiny, HeadOnly(), QUICK, random_state=None).fit(*messages)
    FineTunedGenerator(writer, HeadOnly(), QUICK, random_state=None).fit(["a b"], ["c"])
    FineTunedClassifier(tiny, HeadOnly(), QUICK, random_state=np.random.RandomState(1)).fit(*messages)


def test_generator_validation(writer):
    model = FineTunedGenerator(writer, Full(), HParams(learning_rate=5e-3, num_train_epochs=3)).fit(["a", "b"], ["c", "d"], validation=(["a"], ["c"]))
    assert len(model.history_["epochs"]) == 3 and model.history_["epochs"][-1]["validation_loss"] == pytest.approx(model.answer_losses(["a"], ["c"])[0], abs=1e-5)


MORE_WRONG = {
    "labels unseen in training": (lambda m: m.fit(["a", "b"], ["x", "y"], validation=(["c"], ["z"])), r"validation labels\[0\] is 'z'"),
    "a length above the model's": (lambda m: clone(m).set_params(hparams=HParams(max_length=600)).fit(["a", "b"], ["x", "y"]), "max_length=600 is more than the 512 tokens"),
    "a missing label": (lambda m: m.fit(["a", "b", "c"], ["x", None, "y"]), r"labels\[1\] is missing"),
    "a label that is no number": (lambda m: m.fit(["a", "b", "c"], [1., float("nan"), 2.]), r"labels\[1\] is missing"),
    "several labels": (lambda m: m.fit(["a", "b"], [["x"], ["x", "y"]]), "one label a text"),
    "soft labels": (lambda m: m.fit(["a", "b"], [[.2, .8], [.5, .5]]), "one label a text"),
    "too many layers kept": (lambda m: clone(m).set_params(layers=9).fit(["a", "b"], ["x", "y"]), "from 1 to 2"),
    "an unknown schedule": (lambda m: clone(m).set_params(hparams=HParams(lr_scheduler_type="liner")).fit(["a", "b"], ["x", "y"]), "has to be one of linear"),
    "a batch of none": (lambda m: HParams(per_device_train_batch_size=0), "1 or more"),
    "accumulation of none": (lambda m: HParams(gradient_accumulation_steps=0), "1 or more"),
}


@pytest.mark.parametrize("case", MORE_WRONG)
def test_more_wrong_use_is_one_sentence(tiny, case):
    use, says = MORE_WRONG[case]
    with pytest.raises(ValueError, match=says) as caught: use(FineTunedClassifier(tiny, hparams=QUICK))
    assert "\n" not in str(caught.value)


def test_roberta_reads_two_tokens_less_than_its_table(families):
    from transformers import AutoConfig
    table = AutoConfig.from_pretrained(families["roberta"]).max_position_embeddings
    model = FineTunedClassifier(families["roberta"], HeadOnly(), HParams(num_train_epochs=1, max_length=table - 2))
    model.fit(["word "*table, "b"], ["x", "y"]).predict(["word "*table])
    with pytest.raises(ValueError, match=f"the {table - 2} tokens"): model.set_params(hparams=HParams(max_length=table - 1)).fit(["a", "b"], ["x", "y"])


@pytest.mark.parametrize("check", ["check_no_attributes_set_in_init", "check_get_params_invariance", "check_set_params", "check_estimator_cloneable",
                                   "check_estimator_repr", "check_mixin_order", "check_estimator_tags_renamed", "check_valid_tag_types"])
@pytest.mark.parametrize("estimator", [FineTunedClassifier(), FineTunedGenerator()], ids=lambda e: type(e).__name__)
def test_scikit_learns_own_checks(check, estimator):
    "Those of scikit-learn's checks that need no matrix of numbers; the one on default values wants only plain types, and a method is a dataclass."
    from sklearn.utils import estimator_checks
    getattr(estimator_checks, check)(type(estimator).__name__, clone(estimator))


@pytest.mark.slow
def test_grid_over_a_methods_argument(tiny, messages):
    search = GridSearchCV(FineTunedClassifier(tiny, hparams=QUICK), {"method": [LastLayers(k) for k in (1, 2)], "hparams": [QUICK]}, cv=2, scoring="f1_macro")
    search.fit(*messages)
    assert search.best_estimator_.method in (LastLayers(1), LastLayers(2)) and len(search.cv_results_["params"]) == 2


@pytest.mark.parametrize("accumulation", [1, 2])
def test_trainer_takes_the_same_twenty_steps(tiny, messages, tmp_path, accumulation):
    "Chapter 05 shows it on the encoder, with other settings."
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from ft_course.models import load_classifier, load_tokenizer
    from ft_course.training import collate, step_plan, train
    tokenizer = load_tokenizer(tiny)
    rows = [{"input_ids": i, "labels": n % 4} for n, i in enumerate(tokenizer(messages[0])["input_ids"])][:64]
    hparams = HParams(learning_rate=1e-3, max_steps=20, per_device_train_batch_size=4, weight_decay=.1, warmup_steps=3, lr_scheduler_type="cosine", max_grad_norm=.5,
                      gradient_accumulation_steps=accumulation)
    def fresh():
        model = load_classifier(tiny, list("abcd"))
        for m in model.modules():
            if isinstance(m, torch.nn.Dropout): m.p = 0.
        return model
    ours = [s["loss"] for s in train(fresh(), rows, hparams, pad_id=tokenizer.pad_token_id, device="cpu").history]
    class Ordered(Trainer):
        def get_train_dataloader(self):
            plan = [numbers for _, batches in step_plan([len(r["input_ids"]) for r in rows], hparams) for numbers in batches]
            return torch.utils.data.DataLoader(rows, batch_sampler=plan, collate_fn=lambda some: collate(some, tokenizer.pad_token_id))
    losses = []
    class Keep(TrainerCallback):
        def on_log(self, args, state, control, logs, **_): losses.extend([float(logs["loss"])] if "loss" in logs else [])
    arguments = TrainingArguments(str(tmp_path), max_steps=20, learning_rate=1e-3, weight_decay=.1, warmup_steps=3, lr_scheduler_type="cosine", max_grad_norm=.5, logging_steps=1,
                                  gradient_accumulation_steps=accumulation,
                                  use_cpu=True, report_to="none", save_strategy="no", disable_tqdm=True)
    trainer = Ordered(fresh(), arguments, callbacks=[Keep()])
    trainer.model_accepts_loss_kwargs = False   # otherwise it adds up accumulated batches without dividing (transformers issue 47688)
    trainer.train()
    assert len(losses) == 20
    np.testing.assert_allclose(losses, ours, atol=1e-4)


def test_saving_never_takes_other_files_with_it(fitted, tmp_path):
    (tmp_path/"mine").mkdir()
    (tmp_path/"mine"/"thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="thesis.txt"): fitted.save(tmp_path/"mine")
    assert (tmp_path/"mine"/"thesis.txt").read_text() == "years of work"
    fitted.save(tmp_path/"m").save(tmp_path/"m")
    (tmp_path/"m"/"checkpoint.pt").write_text("")
    with pytest.raises(ValueError, match="folder of its own"): fitted.save(tmp_path/"m")


def test_a_refit_that_is_refused_leaves_the_model_as_it_was(tiny, messages):
    model = FineTunedClassifier(tiny, HeadOnly(), QUICK).fit(["good", "bad"]*4, ["yes", "no"]*4)
    before = model.predict(["good"])
    with pytest.raises(ValueError, match="validation labels"): model.fit(["a", "b"], ["p", "q"], validation=(["z"], ["?"]))
    assert model.predict(["good"]) == before and set(model.classes_) == {"yes", "no"}


def test_layers_of_an_encoder_decoder(families):
    from ft_course.models import load_classifier
    from ft_course.training import layer_stack
    for family, path in {"t5": "decoder.block", "bert": "encoder.layer", "gpt2": ".h", "llama": ".layers"}.items():
        name, layers = layer_stack(load_classifier(families[family], ["a", "b"]))
        assert name.endswith(path) and len(layers) == 2


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "gpt2", "t5", "llama"])
def test_awkward_texts(families, family):
    texts = ["", " ", "[SEP] and </s> and <|endoftext|> in a text", "ok", "\U0001f600", "word " * 300]
    model = FineTunedClassifier(families[family], Full(), HParams(num_train_epochs=1, per_device_train_batch_size=1, max_length=64))
    model.fit(texts, ["x", "y"]*3)
    assert np.isfinite(model.predict_proba(texts + [""])).all() and len(model.predict([""])) == 1


class Slow(Full):
    "A method that somebody else wrote."


def test_settings_survive_saving(tiny, messages, tmp_path):
    model = FineTunedClassifier(tiny, Slow(np.float64(2.)), HParams(learning_rate=np.float64(1e-3), num_train_epochs=np.int64(1)), random_state=np.int64(3)).fit(*messages)
    again = FineTunedClassifier.load(model.save(tmp_path/"m") and tmp_path/"m")
    assert again.method == Slow(2.) and again.random_state == 3 and again.hparams.learning_rate == 1e-3
    same = FineTunedClassifier(tiny, Slow(2.), HParams(learning_rate=1e-3, num_train_epochs=1), random_state=3).fit(*messages)
    np.testing.assert_array_equal(same.predict_proba(messages[0]), model.predict_proba(messages[0]))
    FineTunedClassifier(tiny, HeadOnly(), QUICK, random_state=np.random.RandomState(0)).fit(*messages).save(tmp_path/"r")
    about = json.loads((tmp_path/"m"/"ft_course.json").read_text())
    (tmp_path/"m"/"ft_course.json").write_text(json.dumps(about | {"method": {"class": "Elsewhere"}}))
    with pytest.raises(ValueError, match="import the module that defines it"): FineTunedClassifier.load(tmp_path/"m")


def test_a_method_may_make_a_model_of_its_own(tiny, messages):
    import copy
    class Copied(Full):
        def apply(self, model): return copy.deepcopy(model).requires_grad_(True)
    hparams = HParams(learning_rate=1e-3, num_train_epochs=2, per_device_train_batch_size=16)
    fits = [FineTunedClassifier(tiny, method, hparams).fit(*messages, validation=messages) for method in (Full(), Copied())]
    np.testing.assert_allclose(fits[1].predict_proba(messages[0]), fits[0].predict_proba(messages[0]), atol=1e-5)
    assert fits[1].history_["epochs"][0]["validation_loss"] == pytest.approx(fits[0].history_["epochs"][0]["validation_loss"], abs=1e-5)


def test_long_answers_keep_their_end_and_use_the_room(writer):
    from ft_course.models import load_tokenizer
    from ft_course.training import Answers
    words = load_tokenizer(writer)
    rows = Answers().rows(words, ["a", "a " * 50, "a"], ["b " * 24, "b " * 12, "b " * 90], 40)
    assert all(len(r["input_ids"]) <= 40 and r["input_ids"][-1] == words.eos_token_id for r in rows)
    assert sum(l != -100 for l in rows[0]["labels"]) > 20


def test_generator_leaves_room_for_the_answer(families):
    model = FineTunedGenerator(families["gpt2"], Full(), HParams(num_train_epochs=1, max_length=128), max_new_tokens=8).fit(["a"], ["b"])
    assert len(model.generate(["word " * 400])) == 1
    with pytest.raises(ValueError, match="can read"): FineTunedGenerator(families["gpt2"], hparams=HParams(max_length=5000)).fit(["a"], ["b"])


LABELS = {"of two types": ([1, "a"], "several types"), "with a truth value among numbers": ([True, 2], "several types"), "objects": ([object(), object()], "strings or numbers"),
          "pandas' missing": (["x", __import__("pandas").NA], "is missing")}


@pytest.mark.parametrize("case", LABELS)
def test_labels_that_cannot_be(tiny, case):
    labels, says = LABELS[case]
    with pytest.raises(ValueError, match=says): FineTunedClassifier(tiny).fit(["a", "b"], labels)


def test_tables_are_refused(fitted):
    import pandas as pd
    with pytest.raises(ValueError, match="one column of a table"): fitted.predict(pd.DataFrame({"text": ["a"]}))
    assert len(fitted.predict(pd.Series(["a", "b"], index=[7, 3]))) == 2
