"What every text, label, pair of columns and setting is checked for where it enters."
from ft_course.core.errors import did_you_mean


def check_texts(texts, what: str = "texts") -> list[str]:
    "`texts` as a list of strings. Raises `ValueError` that names the first that is none."
    if isinstance(texts, (str, dict)) or hasattr(texts, "columns"):
        kind = "one string" if isinstance(texts, str) else f"a {type(texts).__name__}"
        raise ValueError(f"{what} has to be a list of strings, not {kind}; give a list, or one column of a table")
    texts = list(texts)
    for i, t in enumerate(texts):
        if not isinstance(t, str):
            raise ValueError(f"{what}[{i}] is {t!r}, a {type(t).__name__}; "
                             "every text has to be a string: drop or fill that row")
    return texts


def check_pairs(texts, answers, names=("texts", "labels")) -> tuple[list, list]:
    "Both as lists. Raises `ValueError` unless there is one answer for each text, and at least one text."
    texts, answers = check_texts(texts, names[0]), list(answers)
    if len(texts) != len(answers):
        raise ValueError(f"{len(texts)} {names[0]} and {len(answers)} {names[1]}: there has to be one for each")
    if not texts: raise ValueError(f"there are no {names[0]} to learn from")
    return texts, answers


def check_labels(labels: list):
    """Raises `ValueError` unless every label is one string or number, none is missing, all are of one type,
    and there are at least two different ones."""
    import numpy as np
    import pandas as pd
    labels = [label.item() if isinstance(label, np.generic) else label for label in labels]
    for i, label in enumerate(labels):
        if isinstance(label, (list, tuple, set, dict, np.ndarray)):
            raise ValueError(f"labels[{i}] is {label!r}: one label a text is what this estimator learns; "
                             "for several labels a text fit one classifier a label, "
                             "for soft labels take the most probable")
        if pd.isna(label):
            raise ValueError(f"labels[{i}] is missing ({label!r}); drop that row or give it a label")
        if not isinstance(label, (str, int, float)):
            raise ValueError(f"labels[{i}] is {label!r}, a {type(label).__name__}; labels have to be strings or numbers")
    kinds = {type(label).__name__: i for i, label in enumerate(labels)}
    if len(kinds) > 1 and not all(isinstance(label, str) for label in labels):
        raise ValueError(f"the labels are of several types ({', '.join(f'{k} in labels[{i}]' for k, i in kinds.items())}); "
                         "make them all strings or all numbers of one type")
    if len(set(labels)) < 2:
        raise ValueError(f"all {len(labels)} labels are {labels[0]!r}; a classifier needs at least two different ones")


def label_codes(labels, classes, what: str = "labels"):
    "The position of each label in `classes`, an array. Raises `ValueError` for a label that is not among them."
    import numpy as np
    position = {label: i for i, label in enumerate(np.asarray(classes).tolist())}
    for i, label in enumerate(labels):
        if label not in position:
            raise ValueError(f"{what}[{i}] is {label!r}, a label that the training rows lack "
                             f"(theirs: {', '.join(map(str, classes))}); "
                             "correct it or add such rows to the training data")
    return np.array([position[label] for label in labels])


def check_settings(
    **settings,   # name=(value, is it right?, what it has to be)
):
    "Raises `ValueError` that names the first setting that is not right, and what it has to be."
    for name, (value, right, wanted) in settings.items():
        if not right: raise ValueError(f"{name}={value!r}: it has to be {wanted}")


def check_choice(**settings):   # name=(value, what there is to choose from)
    "Raises `ValueError` that names the first setting that is none of its choices, and the closest of them."
    for name, (value, choices) in settings.items():
        check_settings(**{name: (value, value in choices, f"one of {', '.join(choices)}{did_you_mean(value, choices)}")})
