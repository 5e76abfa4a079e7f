"The panel that asks one text under several prompts, and text that is shown while it is written."
import numpy as np
import pytest

from ft_course.widgets import writing_view
from ft_course.data import EXAMPLE_CSV, load_task
from ft_course.widgets import classify_panel, prompt_panel


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


def test_enter_asks_and_an_empty_text_is_refused():
    panel = prompt_panel(load_task(EXAMPLE_CSV), "Where to?", model="no-such-model")
    assert panel.text.layout.width == "auto" and "loads the model" in panel.picture.said
    asked = []
    panel.answer = lambda: asked.append(panel.text.value) or ("children 60%", "<p>60</p>")
    panel.set("My card is lost.").text._handle_custom_msg({"event": "submit"}, [])
    assert asked == ["My card is lost."] and panel.picture.said == "children 60%"
    panel.set("  ").ask()
    assert asked == ["My card is lost."] and panel.picture.said == "Type a text first."


def test_the_wording_and_the_prompt_are_shown_and_old_bars_are_dimmed():
    panel = prompt_panel(load_task(EXAMPLE_CSV), "Where to?", {"plain": "{text}", "a name that is longer than a slider's": "Asked <b>{text}</b>"}, n_examples=2)
    panel.answer = lambda: ("children 60%", "<p>60</p>")
    panel.ask()
    assert "opacity" not in panel.picture.value
    panel.set("My card is lost.", template="a name that is longer than a slider's", n_examples=1)
    assert "opacity" in panel.picture.value and "before the change" in panel.picture.said
    assert "Asked &lt;b&gt;{text}&lt;/b&gt;" in panel.wording.value and "lost" not in panel.prompt.value
    panel.whole.value = True
    assert [turn["role"] for turn in panel.turns()] == ["system", "user", "assistant", "user"]
    assert "Asked &lt;b&gt;My card is lost.&lt;/b&gt;" in panel.prompt.value and "Where to?" in panel.prompt.value
    panel.text.value = "Another."
    assert "Another." in panel.prompt.value and "lost" not in panel.prompt.value


class Counted:
    "A fitted classifier as scikit-learn has it; one label has marks in it."
    classes_ = np.array(["<b>", "late"])
    def predict_proba(self, texts): return np.array([[.25, .75] if "late" in t else [.9, .1] for t in texts])


def test_several_ways_answer_a_text_side_by_side():
    panel = classify_panel({"words": Counted(), "<i>": Counted()}, "My flight is late.")
    assert panel.answers["words"] == {"<b>": .25, "late": .75} and repr(panel) == "words: late 75%; <i>: late 75%"
    assert panel.picture.value.count("<table") == 2 and "<i>" not in panel.picture.value and "&lt;b&gt;" in panel.picture.value
    panel.text.value = "Lovely crew."
    assert "before the change" in panel.picture.said
    panel.text._handle_custom_msg({"event": "submit"}, [])
    assert repr(panel) == "words: <b> 90%; <i>: <b> 90%" and "opacity" not in panel.picture.value
    panel.text.value = " "
    panel.button.click()
    assert repr(panel) == "Type a text first."
    assert classify_panel({"words": Counted()}).answers == {}


def test_what_is_written_is_shown_as_characters():
    show = writing_view()
    show("<script>alert(1)</script>")
    assert "<script>" not in show.box.value and "&lt;script&gt;" in show.box.value
