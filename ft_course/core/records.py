"Records of runs: what went in, readable, and how two of them differ."
import dataclasses
import functools
import inspect
import json
import os
import platform
from pathlib import Path

LIBRARIES = ("builtins", "ft_course", "numpy", "sklearn", "torch", "transformers")   # they have a version in the record


def describe(value):
    """Settings as JSON: an object as its `class`, what is `set` (what differs from the defaults), and its `defaults`;
    code of a reader's own as `code`, which nobody can compare."""
    if inspect.isclass(value) or inspect.isroutine(value) or isinstance(value, functools.partial):
        thing = value.func if isinstance(value, functools.partial) else value
        return {"code": f"{thing.__module__}.{getattr(thing, '__qualname__', type(thing).__name__)}"}
    if value is None or isinstance(value, (bool, int, str)): return getattr(value, "value", value)   # an enum's value
    if hasattr(value, "dtype") and getattr(value, "shape", None) == (): return describe(value.item())   # NumPy's numbers
    if isinstance(value, float): return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict): return {str(k): describe(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)): return sorted(map(describe, value), key=str)
    if isinstance(value, (list, tuple, range)): return [describe(v) for v in value]
    if isinstance(value, Path): return str(value)
    if hasattr(value, "tolist"): return describe(value.tolist())
    settings, defaults = _settings(value), _defaults(type(value))
    if settings is None: return {"code": f"{type(value).__module__}.{type(value).__qualname__}"}
    kept = {name: describe(v) for name, v in settings.items()}
    usual = {name for name, v in kept.items() if name in defaults and describe(defaults[name]) == v}
    return {"class": type(value).__name__, "set": {n: v for n, v in kept.items() if n not in usual},
            "defaults": {n: v for n, v in kept.items() if n in usual}}


def _settings(value) -> dict | None:
    if hasattr(value, "get_params"): return value.get_params(deep=False)
    if dataclasses.is_dataclass(value): return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    return {} if type(value).__module__.startswith("ft_course.") else None


def _defaults(cls) -> dict:
    "Default of each argument of the constructor that has one."
    if dataclasses.is_dataclass(cls):
        found = {f.name: f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
                 for f in dataclasses.fields(cls)}
        return {n: v for n, v in found.items() if v is not dataclasses.MISSING}
    try: parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError): return {}
    return {n: p.default for n, p in parameters.items() if p.default is not p.empty}


def own_code(described) -> list[str]:
    "Names of a reader's own functions and classes among the settings: whether they changed is not checked."
    if isinstance(described, dict):
        if set(described) == {"code"}: return [] if described["code"].split(".")[0] in LIBRARIES else [described["code"]]
        return [name for v in described.values() for name in own_code(v)]
    return [name for v in described for name in own_code(v)] if isinstance(described, list) else []


def differences(before, now, name: str = "") -> list[str]:
    """What differs between two descriptions, in words ("learning_rate 0.0001, now 0.0002"); empty when nothing does.
    A setting that one side does not know yet, or any more, is no difference while it has its default."""
    if isinstance(before, dict) and isinstance(now, dict):
        if before.get("class") != now.get("class"): return [f"{name or 'estimator'} {_said(before)}, now {_said(now)}"]
        if "class" in now:
            first, second = ({**d["defaults"], **d["set"]} for d in (before, now))
            keys = [k for k in {**first, **second}
                    if not (k not in first and k in now["defaults"]) and not (k not in second and k in before["defaults"])]
        else: first, second, keys = before, now, {**before, **now}
        return [d for k in keys for d in differences(first.get(k), second.get(k), k)]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [d for a, b in zip(before, now) for d in differences(a, b, name)]
    return [] if before == now else [f"{name} {_said(before)}, now {_said(now)}"]


def _said(value) -> str:
    if isinstance(value, dict) and "class" in value:
        return f"{value['class']}({', '.join(f'{k}={_said(v)}' for k, v in value['set'].items())})"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def provenance() -> dict:
    "Date, machine and versions, as a record keeps them."
    from datetime import date
    from importlib.metadata import version

    import torch
    return {"date": date.today().isoformat(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
                       f"{torch.get_num_threads()} torch threads",
            "versions": {p: version(p) for p in ("torch", "transformers", "scikit-learn", "numpy")}
                        | {"python": platform.python_version()}}


def read_record(file) -> dict | None:
    "The record in the file, None where there is no file. Raises `ValueError` when it cannot be read."
    if not Path(file).is_file(): return None
    try: return json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as err:
        raise ValueError(f"{file} is no record that can be read ({err}); delete it, and the run is made again") from err
