"What every text, label, pair of columns and setting is checked for where it enters."
import re

from ft_course.core.errors import did_you_mean

HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def check_texts(
    texts,                # what has to be a list of strings
    what: str = "texts",  # what errors call it
    at=None,              # the number of a text -> what errors call that one; by default `texts[3]`
) -> list[str]:
    """`texts` as a list of strings. Raises `ValueError` that names the first that is none, or that holds half a
    character (a lone surrogate), which no file and no tokenizer can take."""
    if isinstance(texts, (str, dict)) or hasattr(texts, "columns"):
        kind = "one string" if isinstance(texts, str) else f"a {type(texts).__name__}"
        raise ValueError(f"{what} has to be a list of strings, not {kind}; give a list, or one column of a table")
    texts, at = list(texts), at or (lambda i: f"{what}[{i}]")
    for i, t in enumerate(texts):
        if not isinstance(t, str):
            raise ValueError(f"{at(i)} is {repr(t)[:40]}, a {type(t).__name__}; "
                             "every text has to be a string: drop or fill that row")
        if not t.isascii() and (half := HALF_CHARACTER.search(t)):
            raise ValueError(f"{at(i)} holds half a character ({ascii(half[0])}, at place {half.start()}), as half an emoji is; "
                             "mend or drop that text")
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
    check_label_kinds(labels)
    if len(set(labels)) < 2:
        raise ValueError(f"all {len(labels)} labels are {labels[0]!r}; a classifier needs at least two different ones")


def check_label_kinds(labels: list, at=None):
    """Raises `ValueError` unless every label is one string or whole number, none is missing, and all are of one type, and for
    numbers that can only be measurements; `at` says what errors call a label, by its number."""
    import numpy as np
    import pandas as pd
    at, labels = at or (lambda i: f"labels[{i}]"), [v.item() if isinstance(v, np.generic) else v for v in labels]
    for i, label in enumerate(labels):
        if isinstance(label, (list, tuple, set, dict, np.ndarray)):
            raise ValueError(f"{at(i)} is {' '.join(repr(label)[:60].split())}: several values, where one label a text "
                             "is learned; make a yes-or-no task of each, or keep the strongest one")
        if pd.isna(label): raise ValueError(f"{at(i)} is missing ({label!r}); drop that row or give it a label")
        if not isinstance(label, (str, int, float)):
            raise ValueError(f"{at(i)} is {label!r}, a {type(label).__name__}; labels have to be strings or numbers")
        if isinstance(label, float) and not label.is_integer():
            raise ValueError(f"{at(i)} is {label}, a fraction; a label is a text or a whole number: sort numbers into ranges "
                             "(pandas.cut), keep the strongest of several shares, or make texts of names with .astype(str)")
    kinds = {type(label).__name__: i for i, label in reversed([*enumerate(labels)])}
    if len(kinds) > 1:
        raise ValueError(f"there are labels of several types ({', '.join(f'{k}: {at(i)}' for k, i in kinds.items())}); "
                         "make them all strings or all numbers of one type")
    if "str" in kinds: check_texts(labels, "labels", at)
    elif (n := len(set(labels))) > max(20, len(labels)/2) and max(labels) - min(labels) >= 2*n:   # codes have fewer gaps
        raise ValueError(f"the {len(labels)} labels are {n} different numbers from {min(labels)} to {max(labels)}, most of them "
                         "on one row alone: sort them into a few ranges (pandas.cut), or make texts of names with .astype(str)")


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


def row_weights(codes, classes, class_weight=None, sample_weight=None):
    """What each row counts, as in scikit-learn: its label's `class_weight` (None, "balanced", or a dict) times its
    `sample_weight`; None where neither is given. Raises `ValueError` for what is no such weight."""
    import numpy as np
    if class_weight is None and sample_weight is None: return None
    given = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight, float)
    if given.shape != (len(codes),) or not (given >= 0).all() or not 0 < given.sum() < np.inf:
        raise ValueError(f"sample_weight has to be one number of 0 or more for each of the {len(codes)} texts, and not 0 for all")
    if isinstance(class_weight, dict):
        label_codes(class_weight, classes, "class_weight")
        by_label = np.array([class_weight.get(label, 1.) for label in np.asarray(classes).tolist()])
    elif class_weight is None: by_label = np.ones(len(classes))
    else:
        check_choice(class_weight=(class_weight, ("balanced",)))
        by_label = given.sum() / (len(classes)*np.maximum(np.bincount(codes, given, len(classes)), 1e-9))
    return by_label[codes]*given


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
