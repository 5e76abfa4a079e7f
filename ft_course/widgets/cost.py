"What a run is expected to take: seconds and memory, from shapes alone."
import functools
from dataclasses import dataclass, replace
from types import SimpleNamespace

from ft_course.core import CourseError
from ft_course.estimators import FineTunedClassifier, as_method
from ft_course.training import epochs_of, gflops, layer_stack, step_plan


@dataclass(frozen=True)
class Cost:
    "What a run is expected to take: `seconds`, and `mb` of memory beyond what the process holds."
    seconds: float
    mb: float
    def __str__(self):
        time_said = f"{self.seconds:.0f} s" if self.seconds < 90 else f"{self.seconds/60:.1f} minutes"
        return f"about {time_said} and {self.mb/1000:.1f} GB of memory"


def sketch(
    estimator,
    n_labels: int = 2,
):
    "The estimator's network after its method, without weights: shapes and what trains."
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification
    from ft_course.models import keep_layers, quiet_transformers, resolve_model
    where = resolve_model(estimator.model)
    # a network without weights draws no random numbers: a run that trains meanwhile stays as it is
    with torch.device("meta"), quiet_transformers():
        if isinstance(estimator, FineTunedClassifier):
            config = AutoConfig.from_pretrained(**where, num_labels=n_labels)
            if estimator.layers is not None: keep_layers(config, estimator.layers, estimator.model)
            model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        else: model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(**where), dtype=torch.float32)
        return as_method(estimator.method).apply(model)


def own_dropout(estimator) -> float:
    "The share that the estimator's own model drops; 0 where it drops nothing or cannot be sketched."
    from torch import nn
    try: network = sketch(estimator)
    except Exception: return 0.   # `experiment` or the run says what is wrong with it
    return next((m.p for m in network.modules() if isinstance(m, nn.Dropout)), 0.)


def _sizes(estimator, n_labels: int = 2) -> SimpleNamespace:
    "Numbers of weights in the network, and how its layers look."
    network = sketch(estimator, n_labels)
    layers = layer_stack(network)[1]
    def count(parameters): return sum(p.numel() for p in parameters)
    def trained(module): return (p for p in module.parameters() if p.requires_grad)
    learning = [i for i, layer in enumerate(layers) if count(trained(layer))]
    return SimpleNamespace(
        weights=count(network.parameters()), trained=count(trained(network)), in_layers=count(layers.parameters()),
        trained_in_layers=count(trained(layers)), layers=len(layers),
        layers_back=len(layers) - min(learning, default=len(layers)),   # from the lowest layer that trains to the last
        hidden=network.config.hidden_size, heads=network.config.num_attention_heads)


machine_speed = functools.cache(gflops)   # GFLOP/s, measured once a session


def _cost(sizes, hparams, lengths: list[int], scored: list[int], scorings: int, speed: float) -> Cost:
    plan = step_plan(list(lengths), hparams)
    padded = [max(lengths[i] for i in batch)*len(batch) for _, batches in plan for batch in batches]
    forward = 2*sizes.in_layers
    back = 2*sizes.in_layers*sizes.layers_back/sizes.layers + 2*sizes.trained_in_layers
    operations = sum(padded)*(forward + back) + scorings*sum(scored)*forward
    # matrix products are about three quarters of a step;
    # AdamW reads and writes every trained weight's four numbers
    seconds = operations/(.75*speed*1e9) + len(plan)*sizes.trained*16/8e9 + 2 + .3*scorings
    a_token = 68*sizes.hidden + 10*sizes.heads*max(lengths, default=0)
    activations = max(padded, default=0)*sizes.layers_back*a_token
    return Cost(seconds, (4*sizes.weights + 12*sizes.trained + activations)/1e6)


def expected_cost(
    estimator,             # unfitted
    lengths: list[int],    # tokens in each training row
    speed: float = None,   # GFLOP/s of matrix products; measured by default
) -> Cost:
    "Seconds and memory that `fit` is expected to take on this machine, from shapes alone."
    return _cost(_sizes(estimator), estimator.hparams, lengths, [], 0, speed or machine_speed())


class Forecast:
    "Expected cost of runs on a task; `factor` is measured seconds per expected second."
    def __init__(self, task):
        self.task, self.factor = task, 1.
        self.lengths, self.sizes = {}, {}   # tokens by split, network by method: looked up once

    def __call__(self, estimator, rows: int) -> Cost:
        "Raises `CourseError` for a method whose network cannot be sketched."
        train, scored = (self._tokens(estimator, split) for split in ("train", "validation"))
        scorings = 1 + max(8, epochs_of(estimator.hparams, rows))
        cost = _cost(self._sizes(estimator), estimator.hparams, train[:rows], scored, scorings, machine_speed())
        return replace(cost, seconds=cost.seconds*self.factor)

    def _sizes(self, estimator) -> SimpleNamespace:
        key = repr(estimator.method)
        if key not in self.sizes:
            try: self.sizes[key] = _sizes(estimator, len(set(self.task.split("train")[1])))
            except (ValueError, CourseError): raise
            except Exception as err:
                raise CourseError(f"What a run costs is not known for {key} before it has run.") from err
        return self.sizes[key]

    def _tokens(self, estimator, split: str) -> list[int]:
        from ft_course.models import load_tokenizer
        if split not in self.lengths:
            texts, answers = self.task.split(split)
            if not isinstance(estimator, FineTunedClassifier):
                texts = [f"{text} {answer}" for text, answer in zip(texts, answers)]
            self.lengths[split] = [len(ids) for ids in load_tokenizer(estimator.model)(texts)["input_ids"]]
        return [min(n, estimator.hparams.max_length) for n in self.lengths[split]]
