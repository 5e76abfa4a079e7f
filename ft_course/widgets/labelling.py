"Texts labelled one by one, by button or key; every answer is on disk at once."
import html
import json
import os
import string
from pathlib import Path

import ipywidgets as ipw

from ft_course.core import CourseError, atomic_path, look_up
from ft_course.core.display import marked_up
from ft_course.core.inputs import check_texts
from ft_course.tables import read_table
from ft_course.widgets.accessibility import Panel, Status, named


def _keys(labels: list[str]) -> dict[str, str]:   # key -> label
    "A key for each label: its first free letter, else a digit, else any letter; the 37th may have none."
    keys = {}
    for label in labels:
        wanted = [c for c in label.lower() if c.isalnum()] + [*"1234567890", *string.ascii_lowercase]
        key = next((c for c in wanted if c not in keys), None)
        if key: keys[key] = label
    return keys


def _read_labels(file: Path, texts: list[str], labels: list[str]) -> dict[int, str]:   # text's number -> label
    "The answers in a labelling file. Raises `CourseError` for a file of something else."
    if not file.exists() or file.is_file() and not file.stat().st_size: return {}
    def no(why): return CourseError(f"{file} {why}; rename it, or give another file.")
    try: found = read_table(file, ["number", "text", "label"]).values.tolist()
    except ValueError as err: raise no(f"cannot be read as a labelling file ({err})") from err
    for i, (number, text, label) in enumerate(found):
        if not isinstance(number, int) or not 0 <= number < len(texts) or text != texts[number]:
            raise no(f"holds labels of other texts (row {i}, counted from 0)")
        if label not in ("", *labels): raise no(f"has the label {label!r}, which is none of these")
    return {number: label for number, _, label in found}


class Answers:
    "Labels given to texts one by one, each written to a file of JSON lines at once."
    def __init__(self, texts: list[str], labels: list[str], file: Path):
        self.texts, self.labels, self.file = texts, labels, file
        self.given = _read_labels(file, texts, labels)              # text's number -> label
        self.order, self.ours = list(self.given), set(self.given)   # to take back; to leave as they are here

    def next(self) -> int | None: return next((i for i in range(len(self.texts)) if i not in self.given), None)

    def add(self, label: str):
        if (i := self.next()) is None: return
        self.given[i] = label
        self.order.append(i)
        self.ours.add(i)
        self.write()

    def take_back(self):
        self.given.pop(self.order.pop(), None)
        self.write()

    def write(self):
        "Writes the file, with what another notebook answered meanwhile."
        theirs = _read_labels(self.file, self.texts, self.labels)
        self.given |= {i: a for i, a in theirs.items() if i not in self.ours}
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in self.table().to_dict("records")]
        with atomic_path(self.file) as tmp: tmp.write_text("".join(lines), encoding="utf-8", newline="\n")

    def table(self):
        import pandas as pd
        rows = [{"number": i, "text": self.texts[i], "label": a} for i, a in sorted(self.given.items())]
        return pd.DataFrame(rows, columns=["number", "text", "label"])


class LabellingView(ipw.VBox):
    "What is seen of the labelling: text, buttons, the field for keys, guidelines, status."
    def __init__(self, labels: list[str], keys: dict[str, str], guidelines: str):
        row = {"flex_flow": "row wrap"}
        self.field = ipw.Text(description="key", placeholder="type here", layout={"width": "16em"})
        self.text, self.status = Status(), Status()
        key = {label: f" ({key})" for key, label in keys.items()}
        texts = {l: l + key.get(l, "") for l in labels} | {"": "Skip (?)"}
        self.buttons = {label: ipw.Button(description=text) for label, text in texts.items()}
        self.undo = ipw.Button(description="Undo")
        rules = marked_up(guidelines).replace("\n", "<br>")
        self.guidelines = ipw.HTML(f"<div>{rules}</div>", layout={"flex": "1 1 18em"})
        buttons = ipw.HBox([*self.buttons.values(), self.undo], layout=row)
        work = ipw.VBox([self.text, buttons, self.field, self.status], layout={"flex": "2 1 24em"})
        super().__init__([ipw.HBox([work, self.guidelines], layout=row), named()])

    def show(self, text: str | None):
        "Shows the text to label; None says that all are done."
        said = text or "All done."
        style = "" if text is None else " style='font-size:1.2em;min-height:3em'"
        self.text.value, self.text.said = f"<p{style}>{html.escape(said)}</p>", said


class Labeller(Panel):
    "Texts to label one by one; `answers` has the label of each text so far, by its number, `file` keeps them as JSON lines."
    def __init__(self, texts, labels, guidelines, file):
        self.texts, self.labels, self.file = check_texts(texts), check_texts(map(str, labels), "labels"), Path(file).expanduser()
        if len(labels) < 2 or len(set(self.labels)) < len(labels) or "" in self.labels:
            raise ValueError(f"the labels are {self.labels}; there have to be two or more, all different and none empty")
        if self.file.suffix.lower() not in (".jsonl", ".ndjson"):
            raise ValueError(f"{self.file} cannot be the labelling file; answers are kept as JSON lines, which hold any text: "
                             "give a name that ends in .jsonl")
        self.keys = _keys(self.labels)
        self._answers, self._typed = Answers(self.texts, self.labels, self.file), ""
        self.answers = self._answers.given
        self.view = LabellingView(self.labels, self.keys, guidelines)
        self.view.field.observe(lambda change: self._type(change["new"]), "value")
        for label, button in self.view.buttons.items(): button.on_click(lambda _, label=label: self.answer(label))
        self.view.undo.on_click(lambda _: self.undo())
        self._show()

    @property
    def table(self):
        "A DataFrame: `number` (of the text, from 0), `text`, `label`; skipped texts have an empty label."
        return self._answers.table()

    def answer(self, label: str) -> "Labeller":
        "Labels the present text; an empty string skips it."
        label = "" if label is None else str(label)
        if label: look_up(label, self.labels, "there is no label")
        return self._done(lambda: self._answers.add(label))

    def undo(self) -> "Labeller":
        "Takes the last answer back."
        if self._answers.order: return self._done(self._answers.take_back)
        self.view.status.say("There is nothing to take back.")
        return self

    def _done(self, action) -> "Labeller":
        problem = ""
        try: action()
        except CourseError as err: problem = f"{err} Your answers are kept until this kernel ends."
        self._show()
        if problem: self.view.status.say(problem)
        return self

    def _type(self, now: str):
        "The field holds all keys so far: what was added is answered, what was deleted is taken back."
        if now == self._typed: return
        kept, unknown = os.path.commonprefix([self._typed, now]), ""
        for _ in self._typed[len(kept):]: self.undo()
        for key in now[len(kept):]:
            if self._answers.next() is None: break
            if key != "?" and key.lower() not in self.keys: unknown = key
            else:
                self.answer("" if key == "?" else self.keys[key.lower()])
                kept += key
        self._typed = self.view.field.value = kept
        if unknown:
            there = ", ".join(f"{key} ({label})" for key, label in self.keys.items())
            self.view.status.say(f"The key {unknown!r} stands for no label; there are {there} and ?.")

    def _show(self):
        i, skipped = self._answers.next(), sum(not a for a in self.answers.values())
        self.view.show(None if i is None else self.texts[i])
        self.view.status.say(f"{len(self.answers)} of {len(self.texts)}" + (f", {skipped} skipped" if skipped else ""))

    def __repr__(self): return f"Labelling {len(self.texts)} texts: {len(self.answers)} answered"


def label(
    texts,             # what to label
    labels,            # the labels there are
    guidelines: str = "",   # what each label means, shown beside the text
    file="labels.jsonl", # where the answers go, after each one, as JSON lines; `load_task` reads it
) -> Labeller:
    """A widget that shows one text at a time and keeps its label; resumable.
    Raises `CourseError` for a file of other texts."""
    return Labeller(texts, labels, guidelines, file)
