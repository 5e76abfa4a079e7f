"Any method of the peft library as a method of ours."
import copy
import shutil
from dataclasses import dataclass
from pathlib import Path

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
        return get_peft_model(model, config)

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
        if not isinstance(model, PeftModel): return PeftModel.from_pretrained(model, folder)
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


def as_method(method) -> Method:
    "The method itself, or a `peft.PeftConfig` as one. Raises `ValueError` for anything else."
    if all(hasattr(method, n) for n in ("apply", "param_groups", "attach")) and not isinstance(method, type): return method
    if hasattr(method, "peft_type"): return Peft(method)
    raise ValueError(f"method={method!r}: it has to be a Method such as Full(), or one of peft's configs such as "
                     "LoraConfig(r=8)" + ("; write " + method.__name__ + "()" if isinstance(method, type) else ""))
