"Any method of the peft library as a method of ours."
import copy
import inspect
import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from torch import nn

from ft_course.core.inputs import check_settings
from ft_course.estimators.quick_lora import QuickLoRA
from ft_course.training import Method


PROMPT_SIZES = {"token_dim": "hidden_size", "num_layers": "num_hidden_layers", "num_attention_heads": "num_attention_heads"}


@dataclass(frozen=True)
class Peft(Method):
    "What a `peft.PeftConfig` trains, and the head of a classifier with it."
    config: "peft.PeftConfig"

    def apply(self, model):
        from peft import TaskType, get_peft_model
        config, classifies = copy.deepcopy(self.config), type(model).__name__.endswith("ForSequenceClassification")
        config.task_type = config.task_type or (TaskType.SEQ_CLS if classifies else TaskType.CAUSAL_LM)
        if classifies and getattr(config, "modules_to_save", 0) is None: config.modules_to_save = head_modules(model)
        for name, known in PROMPT_SIZES.items():   # peft does not find them in every family's config
            if config.is_prompt_learning and getattr(config, name, 0) is None: setattr(config, name, getattr(model.config, known))
        check_config(config, model)
        try: adapted = get_peft_model(model, config)
        except ValueError as err:
            if "not found in the base model" not in str(err) and "No modules were targeted" not in str(err): raise
            raise ValueError(f"target_modules={_said(config.target_modules)} names no layer of {type(model).__name__}; "
                             f"it has {', '.join(layer_names(model))}") from None
        check_rank(config, adapted)
        return adapted

    def callbacks(self): return [QuickLoRA()] if hasattr(self.config, "lora_alpha") else []

    def save(self, model, folder):
        "Writes the active adapter as peft does, with the head."
        name = model.active_adapter
        model.save_pretrained(folder, selected_adapters=[name])
        if (inside := Path(folder)/name).is_dir():   # one with a name of its own gets a folder of its own
            for file in inside.iterdir(): file.rename(Path(folder)/file.name)
            shutil.rmtree(inside)

    def attach(self, model, folder):
        "The model with the adapter on it; one that has adapters already gets one more, which is switched on."
        from peft import PeftModel
        if not isinstance(model, PeftModel):
            try: return PeftModel.from_pretrained(model, folder)
            except (RuntimeError, ValueError, OSError, SafetensorError) as err:
                said = str(err).strip().splitlines()[-1].strip()
                raise ValueError(f"the adapter in {folder} does not fit this {type(model).__name__}, or its file is not whole; "
                                 f"give it the base and the labels it was trained with ({said})") from err
        name = next(f"adapter-{n}" for n in range(2, 1000) if f"adapter-{n}" not in model.peft_config)
        try: model.load_adapter(folder, name)
        except (RuntimeError, ValueError) as err:
            if name in model.peft_config: model.delete_adapter(name)
            raise ValueError(f"{folder} cannot stand beside {', '.join(model.peft_config)} on one model: both have to be "
                             f"of one kind and for as many labels ({str(err).splitlines()[0]})") from err
        model.set_adapter(name)
        return model

    def merged(self, model):
        if not hasattr(model.base_model, "merge_and_unload"):
            raise ValueError(f"{type(self.config).__name__} cannot be folded into the weights; save it without merged")
        return copy.deepcopy(model).merge_and_unload()

    def settings(self) -> dict: return {}   # they stand in the adapter's own file

    @classmethod
    def from_settings(cls, settings: dict, folder):
        from peft import PeftConfig
        config = PeftConfig.from_pretrained(folder)
        config.inference_mode = False
        return cls(config)


def head_modules(model) -> list[str]:
    "Names of the modules with weights that stand beside the pretrained network: a classifier's head."
    return [name for name, child in model.named_children()
            if name != model.base_model_prefix and child is not model.base_model and any(True for _ in child.parameters())]


def linear_layers(model) -> dict[str, nn.Module]:
    "Name -> module of every linear layer of the pretrained network (GPT-2's `Conv1D` too): what LoRA can adapt."
    from transformers.pytorch_utils import Conv1D
    body = model.base_model
    return {name: module for name, module in body.named_modules() if isinstance(module, (nn.Linear, Conv1D))}


def layer_names(model) -> list[str]:
    "Last parts of the names of its linear layers, each once: what `target_modules` may name."
    return [*dict.fromkeys(name.rpartition(".")[2] for name in linear_layers(model))]


def _said(targets) -> str: return repr(sorted(targets) if isinstance(targets, (set, frozenset)) else targets)


def check_config(config, model) -> None:
    "Raises `ValueError`, in a sentence, where peft would train nothing, or fail in the middle of a run."
    has = {name: getattr(config, name) for name in ("r", "num_virtual_tokens") if isinstance(getattr(config, name, None), int)}
    check_settings(**{name: (value, value >= 1, "1 or more") for name, value in has.items()})
    if hasattr(config, "lora_alpha"):
        check_settings(lora_alpha=(config.lora_alpha, config.lora_alpha > 0, "above 0 (with 0 the update counts nothing)"))
    if not config.is_prompt_learning: return
    family, kind = model.config.model_type, type(config).__name__
    takes = inspect.signature(model.base_model.forward).parameters
    if model.config.is_encoder_decoder and type(model).__name__.endswith("ForSequenceClassification"):
        raise ValueError(f"{kind} does not apply to a {family} classifier, which takes no trained tokens in front of a text; "
                         "BERT, DistilBERT, RoBERTa, GPT-2 and Llama do, and LoRA goes anywhere")
    if kind == "PrefixTuningConfig" and "past_key_values" not in takes:
        raise ValueError(f"{kind} does not apply to {family}, which takes no keys and values from outside; "
                         "BERT, RoBERTa, GPT-2 and Llama do, and PromptTuningConfig or LoRA goes here too")


def check_rank(config, model) -> None:
    "Raises `ValueError` for a rank above what one of the adapted layers can have."
    if not hasattr(config, "lora_alpha"): return
    sizes = {name: min(module.in_features, module.out_features) for name, module in model.named_modules()
             if hasattr(module, "lora_A") and hasattr(module, "in_features")}
    least = min(sizes, key=sizes.get, default=None)
    if least and config.r > sizes[least]:
        raise ValueError(f"r={config.r} is more than the rank that {least.removeprefix('base_model.model.')} can have "
                         f"({sizes[least]}); give a smaller r, or leave that layer out of target_modules")


def as_method(method) -> Method:
    "The method itself, or a `peft.PeftConfig` as one. Raises `ValueError` for anything else."
    if all(hasattr(method, n) for n in ("apply", "param_groups", "attach")) and not isinstance(method, type): return method
    if hasattr(method, "peft_type"): return Peft(method)
    raise ValueError(f"method={method!r}: it has to be a Method such as Full(), or one of peft's configs such as "
                     "LoraConfig(r=8)" + ("; write " + method.__name__ + "()" if isinstance(method, type) else ""))
