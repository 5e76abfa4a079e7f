"The panel that asks one text under several prompts, and text that is shown while it is written."
import pytest

from ft_course.core.writing import writing_view
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.widgets import prompt_panel


def test_the_panel_asks_and_says_what_is_wrong(capsys):
    task = load_task(EXAMPLE_CSV)
    panel = prompt_panel(task, "Where to?", {"plain": "{text}", "asked": "Where to: {text}?"}, n_examples=2)
    before = panel.ask()
    assert set(before) == set(task.labels) and sum(before.values()) == pytest.approx(1)
    after = panel.set("<b>Another</b> {text}", n_examples=2, template="asked", calibrate=True).ask()
    assert after != before and "%" in panel.picture.value
    assert panel.estimator().templates == ("Where to: {text}?",) and panel.model == "smollm2"
    with pytest.raises(ValueError): panel.set(examples=3)
    panel.instruction = "word "*9000
    assert panel.ask() is None and "longest part" in panel.picture.said
    assert "Token indices" not in capsys.readouterr().err


def test_what_is_written_is_shown_as_characters():
    show = writing_view()
    show("<script>alert(1)</script>")
    assert "<script>" not in show.box.value and "&lt;script&gt;" in show.box.value
