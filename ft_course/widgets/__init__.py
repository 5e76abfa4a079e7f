"Guesses that are kept before the result, quizzes with reasons, panels that train or ask while you watch, labelling."
from ft_course.core.lazy import lazy_names

_MODULES = {"axes": "svg", "inline_svg": "svg", "named": "accessibility", "guess_choice": "guessing",
            "guess_curve": "guessing", "guess_number": "guessing", "guesses": "guessing", "quiz": "quizzes",
            "Control": "controls", "Controls": "controls", "control_of": "controls", "expected_cost": "cost",
            "experiment": "panel", "label": "labelling", "prompt_panel": "prompts", "search_panel": "search",
            "writing_view": "writing"}
__all__ = list(_MODULES)
__getattr__, __dir__ = lazy_names(__name__, {name: f"{__name__}.{module}" for name, module in _MODULES.items()})
