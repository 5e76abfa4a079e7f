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
from ft_course.training import FineTunedClassifier, FineTunedGenerator, Full, HeadOnly, HParams, LastLayers

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
    prompts, answers = ["The firm grew a lot last year.", "Rain."], ["Firm grows", "Rain in the north, sun in the south"]
    model = FineTunedGenerator(writer, hparams=HParams(num_train_epochs=0)).fit(prompts, answers)
    for prompt, answer, loss in zip(prompts, answers, model.answer_losses(prompts, answers)):
        row = model._rows([prompt], [answer])[0]
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
    "a rate of zero": (lambda m: HParams(learning_rate=0), "learning_rate has to be above 0"),
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
        from ft_course.training import FineTunedClassifier
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
