"What chapter 12 builds by hand equals peft in every family; its settings are those that the stored runs chose."
import copy
import json
import math

import numpy as np
import pytest
import torch
from conftest import ROOT
from test_methods import FAMILIES, LABELS, TARGETS, TEXTS

from ft_course import LoRA
from ft_course.estimators.peft import linear_layers
from ft_course.experiments.methods import CHOSEN, GRID, test_and_pool
from ft_course.lora import RANKS, RATES, TARGETS as PLACES, nf4, nf4_levels
from ft_course.models import load_classifier, load_tokenizer
from ft_course.models import tiny as tiny_model
from ft_course.results import stored
from ft_course.training import Labels, classification_loss, collate

test_and_pool.__test__ = False


def shown(name: str):
    "A class as the chapter shows it: it is not exported, since peft has it."
    cells = json.loads((ROOT/"nbs"/"3_methods"/"12_lora.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = [s for c in cells if c["cell_type"] == "code" and any(part in (s := "".join(c["source"])) for part in ("def sizes(", f"class {name}("))]
    from torch import nn
    from transformers.pytorch_utils import Conv1D
    space = {"math": math, "torch": torch, "nn": nn, "Conv1D": Conv1D}
    for source in sources: exec(source, space)
    return space[name]


def wrapped(model, family, around):
    "The model with every target layer replaced by what `around` makes of it, and the wrapped layers by name."
    made = {}
    for name, layer in linear_layers(model).items():
        if name.rpartition(".")[2] not in TARGETS[family]: continue
        parent, _, child = name.rpartition(".")
        made[name] = around(layer)
        setattr(model.base_model.get_submodule(parent), child, made[name])
    return model, made


def ten_steps(model, batch):
    "Losses of ten steps, and the gradients of the first by their sizes."
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, losses, first = torch.optim.AdamW(trained, lr=.01), [], None
    for _ in range(10):
        loss = classification_loss(model, batch)
        loss.backward()
        first = first or sorted(p.grad.norm().item() for p in trained)
        optimizer.step(); optimizer.zero_grad()
        losses.append(loss.item())
    return losses, first


@pytest.fixture(params=FAMILIES)
def ready(request):
    "A family, its tiny classifier in double precision and a batch."
    family = request.param
    base = tiny_model(family)
    model, tokenizer = load_classifier(base, ["fruit", "rail"]).double().eval(), load_tokenizer(base)
    model.config.pad_token_id = tokenizer.pad_token_id
    rows = Labels().rows(tokenizer, TEXTS[:6], [LABELS.index(label) for label in LABELS[:6]])
    return family, model.requires_grad_(False), collate(rows, tokenizer.pad_token_id)


def test_lora_by_hand_is_peft_s(ready):
    from peft import LoraConfig, get_peft_model
    family, model, batch = ready
    ByHand = shown("LoRALinear")
    before = classification_loss(model, batch).item()
    mine, layers = wrapped(copy.deepcopy(model), family, lambda layer: ByHand(layer, r=2, alpha=3).double())
    theirs = get_peft_model(copy.deepcopy(model), LoraConfig(r=2, lora_alpha=3, target_modules=TARGETS[family]))
    found = {n.partition("base_model.model.")[2]: m for n, m in theirs.named_modules() if hasattr(m, "lora_A") and hasattr(m, "lora_B")}
    assert len(found) == len(layers) > 1
    for name, layer in layers.items():
        other = next(m for n, m in found.items() if n.endswith(name))
        other.lora_A["default"].weight.data, other.lora_B["default"].weight.data = layer.A.data.clone(), layer.B.data.clone()
    assert classification_loss(mine, batch).item() == pytest.approx(before, abs=1e-12) == classification_loss(theirs, batch).item()
    (losses, gradients), (wanted, theirs_gradients) = ten_steps(mine, batch), ten_steps(theirs, batch)
    np.testing.assert_allclose(losses, wanted, atol=1e-8)
    np.testing.assert_allclose(gradients, theirs_gradients, atol=1e-8)
    assert losses[-1] < losses[0]


def test_ia3_by_hand_is_peft_s(ready):
    from peft import IA3Config, get_peft_model
    family, model, batch = ready
    ByHand = shown("IA3Linear")
    before = classification_loss(model, batch).item()
    mine, layers = wrapped(copy.deepcopy(model), family, ByHand)
    theirs = get_peft_model(copy.deepcopy(model), IA3Config(target_modules=TARGETS[family], feedforward_modules=[]))
    assert classification_loss(mine, batch).item() == pytest.approx(before, abs=1e-12) == classification_loss(theirs, batch).item()
    (losses, gradients), (wanted, theirs_gradients) = ten_steps(mine, batch), ten_steps(theirs, batch)
    np.testing.assert_allclose(losses, wanted, atol=1e-8)
    np.testing.assert_allclose(gradients, theirs_gradients, atol=1e-8)


def test_alpha_is_twice_the_rank_unless_it_is_given():
    assert (LoRA(4).lora_alpha, LoRA(4, 4).lora_alpha, LoRA().r, LoRA().target_modules) == (8, 4, 8, "all-linear")
    assert LoRA(targets=("query", "value")).target_modules == {"query", "value"} and LoRA(use_dora=True).use_dora
    assert LoRA(targets=r".*\.query").target_modules == r".*\.query"


def test_four_bits_have_sixteen_levels_and_the_nearest_is_taken():
    levels = nf4_levels()
    assert len(levels) == 16 and levels[0] == -1 and levels[-1] == 1 and levels[7] == 0 and (levels.diff() > 0).all()
    torch.testing.assert_close(levels[[1, 6, 8, 14]], torch.tensor([-.6961928, -.0910500, .0795803, .7229568]), atol=1e-5, rtol=0)
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    rounded = nf4(weight)
    scale = weight.abs().amax(1, keepdim=True)
    nearest = (weight[..., None]/scale[..., None] - levels).abs().argmin(-1)
    torch.testing.assert_close(rounded, levels[nearest]*scale)
    torch.testing.assert_close(nf4(rounded), rounded)   # what is rounded stays
    assert (nf4(torch.zeros(2, 64)) == 0).all()


def test_nf4_is_that_of_bitsandbytes():
    functional = pytest.importorskip("bitsandbytes.functional")
    weight = torch.randn(96, 384, generator=torch.Generator().manual_seed(1))
    packed, state = functional.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    torch.testing.assert_close(nf4(weight), functional.dequantize_4bit(packed, state), atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", GRID)
def test_a_methods_rate_is_the_one_that_validation_chose(name):
    tried = stored("methods_choosing")
    scores = {rate: tried.interval(f"{name}, rate {rate:g}").value for rate in GRID[name][1]}
    assert max(scores, key=scores.get) == CHOSEN[name]


def test_targets_have_equally_many_numbers():
    from peft import LoraConfig, get_peft_model
    from ft_course.models import load_encoder
    counts = {}
    for where, (r, names) in PLACES.items():
        model = get_peft_model(load_encoder("minilm"), LoraConfig(r=r, target_modules=names))
        counts[where] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert max(counts.values()) <= 1.03*min(counts.values()) and len(counts) == 4, counts


def test_the_pool_is_scored_with_the_test_tweets():
    from ft_course.data import load_task
    task, airline = test_and_pool(), load_task("airline")
    ids = task.data["test"]["id"][:]
    assert ids == [*airline.data["test"]["id"], *airline.data["pool"]["id"]] and len(set(ids)) == 9156
    assert not {*ids} & {*airline.data["train"]["id"]} and not {*ids} & {*airline.data["validation"]["id"]}


@pytest.mark.parametrize("rule", ["alpha 16", "alpha 2r", "rsLoRA"])
def test_best_rates_are_inside_their_grids(rule):
    tried = stored("lora_ranks")
    for r in RANKS:
        scores = [tried.interval(f"{rule if r != 8 else 'alpha 16'}, rank {r}, rate {rate:g}").value for rate in RATES]
        assert 0 < int(np.argmax(scores)) < len(RATES) - 1, (rule, r, scores)
