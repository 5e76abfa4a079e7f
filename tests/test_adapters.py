"What peft's methods are asked for and cannot do is said in one sentence; what a run cost is kept."
import json
import shutil

import numpy as np
import pytest

from ft_course.data import load_task
from ft_course.estimators import FineTunedClassifier, FineTunedGenerator
from ft_course.estimators.peft import layer_names, linear_layers
from ft_course.evaluation import compare
from ft_course.models import load_classifier, load_encoder
from ft_course.models import tiny as tiny_model
from ft_course.training import Full, HeadOnly, HParams
from test_methods import FAMILIES, HPARAMS, LABELS, TARGETS, TEXTS, lora, prefix, prompt

QUICK = HParams(learning_rate=3e-3, max_steps=2, per_device_train_batch_size=4, max_length=24)


def fit(family, method, **more):
    return FineTunedClassifier(more.pop("folder", None) or tiny_model(family), method, QUICK, **more).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    "A base in a folder of its own, and an adapter of it."
    home = tmp_path_factory.mktemp("adapters")
    base = tiny_model("bert", home/"base")
    model = fit("bert", lora("bert"), folder=base).save(home/"adapter")
    return model, home


@pytest.fixture
def copied(saved, tmp_path):
    "The adapter's folder, to be spoilt."
    return shutil.copytree(saved[1]/"adapter", tmp_path/"adapter")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_layers_to_choose_from(family):
    names = layer_names(load_classifier(tiny_model(family), ["a", "b"]))
    assert set(TARGETS[family]) <= set(names) and len(names) == len(set(names)) >= 3
    assert not any("classifier" in n or "score" in n for n in names)


def test_linear_layers_are_those_that_peft_adapts():
    from peft import LoraConfig, get_peft_model
    model = load_encoder(tiny_model("gpt2"))
    wanted = set(linear_layers(model))
    adapted = get_peft_model(model, LoraConfig(r=1, target_modules=layer_names(model)))
    assert {n.removeprefix("base_model.model.").removesuffix(".lora_A") for n, _ in adapted.named_modules() if n.endswith("lora_A")} == wanted


@pytest.mark.parametrize("settings, said", [
    ({"r": 0}, "r"), ({"r": -3}, "r"), ({"r": 8, "lora_alpha": 0}, "lora_alpha"), ({"r": 8, "lora_alpha": -1}, "lora_alpha")])
def test_a_rank_or_an_alpha_that_cannot_be_is_named(settings, said):
    from peft import LoraConfig
    with pytest.raises(ValueError, match=f"^{said}=") as error: fit("bert", LoraConfig(**settings, target_modules=["query"]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rank_above_the_layers_size_names_the_layer(family):
    from peft import LoraConfig
    width = min(min(m.weight.shape) for n, m in linear_layers(load_classifier(tiny_model(family), ["a", "b"])).items()
                if n.rpartition(".")[2] in TARGETS[family])
    with pytest.raises(ValueError, match=rf"r={width + 1} is more than the rank that .*({'|'.join(TARGETS[family])}) can have \({width}\)"):
        fit(family, LoraConfig(r=width + 1, target_modules=TARGETS[family]))


@pytest.mark.parametrize("family", FAMILIES)
def test_targets_that_match_nothing_name_the_candidates(family):
    from peft import LoraConfig
    with pytest.raises(ValueError, match="target_modules=.*'nothing_of_this.*names no layer of") as error:
        fit(family, LoraConfig(r=2, target_modules=["nothing_of_this"]))
    assert all(name in str(error.value) for name in TARGETS[family])


@pytest.mark.parametrize("family, method, other", [("t5", prompt, "LoRA goes anywhere"), ("t5", prefix, "LoRA goes anywhere"),
                                                   ("distilbert", prefix, "BERT, RoBERTa, GPT-2 and Llama do"),
                                                   ("mpnet", prefix, "BERT, RoBERTa, GPT-2 and Llama do")])
def test_a_method_that_does_not_apply_says_where_it_does(family, method, other):
    with pytest.raises(ValueError, match=f"Config does not apply to .*{other}"): fit(family, method(family))


def test_prompts_of_no_tokens_are_refused():
    from peft import PromptTuningConfig
    with pytest.raises(ValueError, match="^num_virtual_tokens=0"): fit("bert", PromptTuningConfig(num_virtual_tokens=0))


def test_an_adapter_whose_file_is_cut_or_gone(copied):
    file = copied/"adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ValueError, match=f"the adapter in {copied} does not fit .* or its file is not whole"): FineTunedClassifier.load(copied)
    file.unlink()
    with pytest.raises(ValueError, match=f"the adapter in {copied} does not fit .* or its file is not whole"): FineTunedClassifier.load(copied)


def test_a_folder_whose_base_is_gone(copied):
    about = json.loads((copied/"ft_course.json").read_text())
    (copied/"ft_course.json").write_text(json.dumps(about | {"model": str(copied/"gone")}))
    with pytest.raises(ValueError, match=f"{copied} holds what was trained on .*gone, which is not here any more"): FineTunedClassifier.load(copied)


def test_a_folder_of_another_format(copied):
    about = json.loads((copied/"ft_course.json").read_text())
    (copied/"ft_course.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(ValueError, match="was saved in format 99 and this version reads format 2"): FineTunedClassifier.load(copied)


def test_a_head_of_other_labels(copied):
    about = json.loads((copied/"ft_course.json").read_text())
    (copied/"ft_course.json").write_text(json.dumps(about | {"classes": ["a", "b", "c"]}))
    with pytest.raises(ValueError, match="does not fit .* the labels it was trained with"): FineTunedClassifier.load(copied)


def test_a_method_that_is_not_known(copied):
    about = json.loads((copied/"ft_course.json").read_text())
    (copied/"ft_course.json").write_text(json.dumps(about | {"method": {"class": "Gone"}}))
    with pytest.raises(ValueError, match="trained by the method Gone, which is not known here"): FineTunedClassifier.load(copied)


def test_a_merged_model_is_no_adapter(saved, tmp_path):
    model, _ = saved
    model.save(tmp_path/"merged", merged=True)
    with pytest.raises(ValueError, match="holds a whole model, and base is for adapters"): FineTunedClassifier.load(tmp_path/"merged", base=model)


def test_an_adapter_is_no_base(saved):
    with pytest.raises(ValueError, match="adapter holds an adapter and no model of its own; open it with FineTunedClassifier.load"):
        fit("bert", Full(), folder=saved[1]/"adapter")


def test_the_base_is_as_it_was_when_the_adapter_is_taken_off(saved):
    import torch
    model, home = saved
    before = load_classifier(str(home/"base"), ["fruit", "rail"]).base_model.state_dict()
    plain = FineTunedClassifier.load(home/"adapter").model_.unload().base_model.state_dict()
    assert set(plain) == set(before) and all(torch.equal(plain[n], before[n]) for n in before)


@pytest.mark.parametrize("method, whole", [(Full(), True), (HeadOnly(), True), ("lora", False), ("prompt", False)])
def test_what_a_run_trained_and_its_file_are_kept(method, whole, tmp_path):
    model = fit("bert", {"lora": lora, "prompt": prompt}[method]("bert") if isinstance(method, str) else method)
    kept, parameters = model.kept_, [*model.model_.parameters()]
    assert kept["trainable"] == sum(p.numel() for p in parameters if p.requires_grad)
    model.save(tmp_path/"saved")
    file = sum(f.stat().st_size for f in (tmp_path/"saved").glob("*.safetensors"))/1e6
    assert kept["file_mb"] == pytest.approx(file, abs=.02) and (kept["file_mb"] > .1) == whole


def test_the_table_shows_costs_where_they_are_asked_for(messages):
    from sklearn.dummy import DummyClassifier
    from ft_course.data import EXAMPLE_CSV
    rows = {"majority": DummyClassifier(), "full": FineTunedClassifier(tiny_model("bert"), hparams=QUICK)}
    made = compare(rows, load_task(EXAMPLE_CSV))
    assert "file MB" not in made.table() and "seconds" in made.table()
    table = made.table(costs=True)
    trained = made.records["full"][0]["trainable"]
    assert table.loc["full", "trainable"] == f"{trained:,}" and table.loc["majority", "trainable"] == ""
    assert float(table.loc["full", "file MB"]) == pytest.approx(made.records["full"][0]["file_mb"], rel=.01)
    assert table.loc["full", "old loss"] == "" and float(table.loc["full", "peak MB"].replace(",", "")) > 0
    for run, loss in zip(made.records["full"], (1.25, 2.)): run["epochs"] = [{"epoch": 0, "old_loss": 1.}, {"epoch": 1, "old_loss": loss}]
    assert made.table(costs=True).loc["full", "old loss"] == "1.25"


def test_a_generator_keeps_its_costs_too():
    model = FineTunedGenerator(tiny_model("llama"), lora("llama"), HPARAMS).fit(TEXTS[:4], TEXTS[4:8])
    assert 0 < model.kept_["trainable"] < 5000 and np.isfinite(model.kept_["file_mb"])


@pytest.mark.parametrize("family", ["bert", "llama", "t5"])
@pytest.mark.parametrize("more", [{}, {"use_rslora": True}, {"lora_dropout": .5}, {"use_dora": True}])
def test_quick_lora_gives_peft_s_outputs_and_gradients(family, more):
    "With dropout inside the update, or another variant of it, peft's own layer computes."
    import types
    import torch
    from peft import LoraConfig
    from ft_course.estimators.peft import Peft
    from ft_course.estimators.quick_lora import QuickLoRA
    from ft_course.models import load_tokenizer
    from ft_course.training import Labels, classification_loss, collate
    base = tiny_model(family)
    tokenizer = load_tokenizer(base)
    batch = collate(Labels().rows(tokenizer, TEXTS[:2], [0, 1]), tokenizer.pad_token_id)
    def step(quick):
        torch.manual_seed(0)
        model = Peft(LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", init_lora_weights=False, **more)).apply(
            load_classifier(base, ["a", "b"])).eval()
        model.config.pad_token_id = tokenizer.pad_token_id
        hook, run = QuickLoRA(), types.SimpleNamespace(model=model)
        if quick: hook.on_train_begin(run)
        swapped = sum("forward" in vars(m) for m in model.modules() if hasattr(m, "lora_A"))
        loss = classification_loss(model, batch)
        loss.backward()
        if quick: hook.on_train_end(run)
        assert not any("forward" in vars(m) for m in model.modules() if hasattr(m, "lora_A"))
        return swapped, loss.item(), {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    (none, loss, gradients), (swapped, quick_loss, quick_gradients) = step(False), step(True)
    assert none == 0 and (swapped > 3) == ("lora_dropout" not in more and "use_dora" not in more)
    assert quick_loss == pytest.approx(loss, abs=1e-6)
    for name, gradient in gradients.items(): torch.testing.assert_close(quick_gradients[name], gradient, atol=1e-5, rtol=1e-4)


def test_quick_lora_steps_aside_where_the_adapter_is_switched_off(saved):
    import types
    import torch
    from ft_course.estimators.quick_lora import QuickLoRA
    model, hook = saved[0].model_.eval(), QuickLoRA()
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad(), model.disable_adapter(): base = model(input_ids=ids).logits
    hook.on_train_begin(types.SimpleNamespace(model=model))
    try:
        with torch.no_grad():
            on = model(input_ids=ids).logits
            with model.disable_adapter(): off = model(input_ids=ids).logits
    finally: hook.on_train_end(None)
    assert torch.equal(off, base) and not torch.allclose(on, base)
