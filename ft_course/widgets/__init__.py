"Guesses that are kept before the result, quizzes with reasons, panels that train or ask while you watch, labelling."
from ft_course.core.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(__name__, {
    "accessibility": "named",
    "controls": "Control Controls control_of",
    "cost": "expected_cost",
    "guessing": "guess_choice guess_curve guess_number guesses",
    "labelling": "label",
    "lenses": "lens",
    "panel": "experiment",
    "prompts": "prompt_panel",
    "quizzes": "quiz",
    "search": "search_panel",
    "svg": "axes inline_svg",
    "tweet": "classify_panel",
    "writing": "writing_view",
})
