"Guesses that stay, and quizzes, driven from Python."
import math
import subprocess
import sys

import pytest

from ft_course import widgets
from ft_course.classroom.quizzes import quiz_names, quiz_question
from ft_course.core.display import marked_up
from ft_course.classroom.progress import keep, recall
from ft_course.widgets import axes, guess_choice, guess_curve, guess_number, guesses, inline_svg, quiz
from ft_course.widgets.svg import INK


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path/".course.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_guess_is_kept_and_stays_once_the_result_is_known(mine):
    guess = guess_number("06.share", "What share?", 0, 100, unit="%")
    assert "no guess" in guess.result(64) and recall("guesses") == {}
    guess.make(70)
    again = guess_number("06.share", "What share?", 0, 100, unit="%")
    assert again.value == 70 and not again.button.disabled
    assert "Your guess: 70 %. Here: 64 [62, 66] %." == again.result(64, 62, 66)
    with pytest.raises(ValueError, match="stays what it was"): again.make(64)
    assert guess_number("06.share", "What share?", 0, 100, unit="%").button.disabled
    assert "70 %" in guesses("06") and "64 [62, 66] %" in guesses("06") and "no guesses" in guesses("07")


def test_choices_and_curves(mine):
    choice, curve = guess_choice("06.c", "Which?", ["a", "b"]), guess_curve("06.d", "How?", [0, 1, 2], 0, 2, "epoch", "loss")
    assert choice.make().value is None
    choice.make("b")
    curve.make([0, 1, 2])
    assert choice.result("a") == "Your guess: b. Here: a." and "<svg" in curve.result([2, 1, 0])._repr_html_()
    assert guess_choice("06.c", "Which?", ["a", "b"]).control.value == "b" and guess_curve("06.d", "How?", [0, 1, 2], 0, 2).value == [0, 1, 2]
    for wrong in (lambda: guess_choice("06.e", "?", ["a", "b"]).make("z"), lambda: guess_number("06.f", "?", 0, 1).make(7), lambda: guess_curve("06.g", "?", [0, 1], 0, 1).make([1])):
        with pytest.raises(ValueError): wrong()


def test_a_guess_edited_by_hand_counts_as_none(mine):
    keep("guesses", "06.share", guess="many")
    assert guess_number("06.share", "?", 0, 100).value is None


def test_pictures_take_the_pages_colour_and_say_what_they_show():
    figure, ax = axes(3, 2)
    ax.plot([0, 1])
    svg = inline_svg(figure, 'a "line"')
    assert "currentColor" in svg and 'role="img"' in svg and "a &quot;line&quot;" in svg and INK not in svg


@pytest.mark.parametrize("name", quiz_names()[:3])
def test_a_quiz_explains_each_choice_and_is_kept(mine, name):
    choices = quiz_question(name)["choices"]
    right = [bool(c.get("right")) for c in choices].index(True)
    question = quiz(name)
    for number in [i for i in range(len(choices)) if i != right] + [right]:
        question.choose(number)
        assert marked_up(choices[number]["why"]) in question.reason.value and ("✓" in question.reason.value) == (number == right)
    assert recall("quizzes", name)["right"] is True
    again = quiz(name)
    assert again.control.value == right and again.reason.value == question.reason.value, "run again, it shows choice and reason"
    assert recall("quizzes", name)["answers"] == [c["text"] for c in choices if not c.get("right")] + [choices[right]["text"]]
    quiz(name).choose(number := (right + 1) % len(choices))
    assert quiz(name).control.value == number and recall("quizzes", name)["right"] is True, "once right, right"
    with pytest.raises(ValueError, match="no chapter '99'"): quiz("99")


@pytest.mark.slow
def test_the_ends_of_a_scale_can_be_guessed_and_are_kept(mine):
    for i, (low, high, log) in enumerate([(1e-6, 3e-3, True), (0, 2/3, False), (0, 10, False), (.1, .7, True)]):
        for end in (low, high):
            guess_number(f"06.{i}", "?", low, high, log=log).make(end)
            assert guess_number(f"06.{i}", "?", low, high, log=log).value == pytest.approx(end), "a guess at an end survives a restart"
        guess_curve(f"06.c{i}", "?", [0, 1], low, high).make([low, high])
        assert guess_curve(f"06.c{i}", "?", [0, 1], low, high).value == pytest.approx([low, high])


def test_a_name_used_twice_does_not_show_the_other_questions_result(mine):
    guess_number("06.x", "?", 0, 10).make(3).result(4)
    other = guess_choice("06.x", "Which?", ["a", "b"])
    assert other.value is None and not other.button.disabled
    other.make("b")
    assert recall("guesses", "06.x").keys() == {"question", "guess", "said"}, "the old result is gone"


@pytest.mark.slow
def test_odd_results_are_shown_or_refused(mine):
    import numpy as np
    import torch
    number, curve = guess_number("06.n", "?", 1e-3, 1, log=True).make(.1), guess_curve("06.c", "?", [0, 1, 2], 0, 1).make([0, 1, 1])
    for value in (np.float32(.2), torch.tensor(.3), 0, -1, float("nan"), float("inf")): assert "Here:" in number.result(value)
    assert "[0.1, 0.3]" in number.result(np.float64(.2), np.float32(.1), torch.tensor(.3))
    assert "<svg" in curve.result(torch.tensor([.1, .2, float("nan")]))._repr_html_()
    for wrong in (lambda: number.result("x"), lambda: curve.result([1, 2])):
        with pytest.raises(ValueError): wrong()


def test_choices_are_texts(mine):
    choice = guess_choice("06.c", "Is <b> bold? `a*b` costs $5 to $9", ["<b>x</b>", 7])
    assert "&lt;b&gt;" in choice.children[0].value and choice.make(7).value == "7"
    assert "&lt;b&gt;x" in choice.result("<b>x</b>")._repr_html_()
    guess_number("06.d", "?", 0, 1, unit="$x_$ <i>").make(.5).result(.5)


def test_a_guess_on_a_scale_of_powers_begins_where_its_slider_stops():
    for low, high in ((1e-6, 1e-2), (3, 700), (.5, .6)):
        guess = guess_number("06.x", "?", low, high, log=True)
        steps = (math.log10(guess.control.value) - guess.control.min)/guess.control.step
        assert low <= guess.control.value <= high and steps == pytest.approx(round(steps))


def test_guesses_show_their_whole_unit_and_no_zeros_at_the_end(mine):
    "A format with a letter has them: .4g shows 4.000."
    for more in ({"unit": "points of macro-F1"}, {"unit": "%", "log": True}):
        control = guess_number("06.x", "?", .5, 9, **more).control
        assert control.style.description_width == "initial" and not control.readout_format[-1].isalpha()
    for slider in guess_curve("06.c", "?", [.5, 1000], 0, 1).sliders: assert not slider.readout_format[-1].isalpha() and slider.layout.width == "max-content"


def test_a_name_is_loaded_when_it_is_asked_for():
    assert set(widgets.__all__) <= set(dir(widgets)) and callable(widgets.guesses) and callable(widgets.quiz)
    assert not hasattr(widgets, "dials")
    said = subprocess.run([sys.executable, "-c", "import sys; from ft_course.widgets import guesses, label, quiz; print('torch' in sys.modules)"],
                          capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_a_curve_that_was_not_guessed_is_shown_all_the_same():
    from ft_course.widgets import guess_curve
    page = guess_curve("x.none", "How does it go?", [1, 2, 3], 0, 1, "x", "y").result([.1, .2, .3])
    assert "You made no guess" in str(page) and "<svg" in page.markup


def test_signs_of_markup_do_not_stand_in_a_choice():
    choices = [text for name in quiz_names() for text, _ in quiz(name).control.options]
    assert any("are near" in text for text in choices) and not any(sign in text for text in choices for sign in "`*")


def test_a_pinned_run_is_not_drawn_behind_itself_and_the_names_take_the_pages_ink():
    from ft_course.widgets.curves import loss_curves
    from ft_course.widgets.svg import BLUE
    points = [{"step": i, "validation_loss": 1.3 - .01*i} for i in range(6)]
    run = {"run": 2, "losses": [1.2, 1.1, 1.15, 1.1, 1.05], "points": points, "old": [{"step": 5, "old_loss": .51}], "of": 5}
    other = run | {"run": 1, "points": [p | {"validation_loss": 1.4} for p in points]}
    assert loss_curves(run, [run], True) == loss_curves(run, [], True) != loss_curves(run, [run, other], True)
    assert f"fill: {BLUE.lower()}" not in loss_curves(run), "blue letters cannot be read on black"


def test_an_interval_in_the_table_of_runs_stays_on_its_line():
    import pandas as pd
    from types import SimpleNamespace
    from ft_course.widgets.run_table import runs_page
    frame = pd.DataFrame({"changed": ["learning_rate 0.001, k 2"], "macro_f1": ["0.53 [0.33, 0.74]"], "seconds": [8.2]}, index=pd.Index([1], name="run"))
    markup = runs_page(SimpleNamespace(frame=frame)).markup
    assert "0.53\xa0[0.33,\xa00.74]" in markup and "learning_rate 0.001, k 2" in markup and ">8<" in markup
