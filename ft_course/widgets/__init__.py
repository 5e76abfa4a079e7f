"Guesses that are kept before the result, quizzes with reasons, panels that train or ask while you watch, labelling."
from importlib import import_module

_MODULES = {"axes": "svg", "inline_svg": "svg", "named": "accessibility", "guess_choice": "guessing",
            "guess_curve": "guessing", "guess_number": "guessing", "guesses": "guessing", "quiz": "quizzes",
            "Control": "controls", "Controls": "controls", "control_of": "controls", "expected_cost": "cost",
            "experiment": "panel", "label": "labelling", "prompt_panel": "prompts"}
__all__ = list(_MODULES)


def __getattr__(name):   # each is loaded when it is asked for: labelling needs no torch
    if name not in _MODULES: raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__(): return __all__
