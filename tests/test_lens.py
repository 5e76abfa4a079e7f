"The lens: both models' answers, and a distance after each layer, 0 where nothing has changed."
import numpy as np
import pytest
from test_methods import ANSWERS, HPARAMS, LABELS, PROMPTS, TEXTS, WRITES, lora, prompt

from ft_course.estimators import FineTunedClassifier, FineTunedGenerator
from ft_course.models import tiny as tiny_model
from ft_course.training import Full, HeadOnly, HParams
from ft_course.widgets.lenses import lens, parted

UNTRAINED = HParams(num_train_epochs=0, max_length=48)


@pytest.mark.parametrize("family, method", [("bert", lora), ("bert", prompt), ("llama", lora), ("bert", lambda f: Full()), ("distilbert", lora)])
def test_both_answers_and_the_layers(family, method):
    base = tiny_model(family)
    before = FineTunedClassifier(base, Full(), UNTRAINED).fit(TEXTS, LABELS)
    after = FineTunedClassifier(base, method(family), HPARAMS).fit(TEXTS, LABELS)
    seen = lens(before, after, "the train is late")
    for name, model in {"before": before, "after": after}.items():
        np.testing.assert_allclose(list(seen.answers[name].values()), model.predict_proba(["the train is late"])[0], atol=1e-6)
    assert len(seen.layers) == 2 and max(seen.layers) > 1e-7 and "before: " in repr(seen) and "layer 2" in seen.picture.value


def test_layers_that_stay_are_at_zero():
    base = tiny_model("bert")
    before, after = (FineTunedClassifier(base, HeadOnly(), hparams).fit(TEXTS, LABELS) for hparams in (UNTRAINED, HPARAMS))
    assert np.allclose(lens(before, after, "green apples").layers, 0, atol=1e-6)


def test_of_a_generator_the_next_tokens():
    base = tiny_model("llama")
    before, after = (FineTunedGenerator(base, lora("llama"), h).fit(PROMPTS, ANSWERS) for h in (UNTRAINED, WRITES))
    seen = lens(before, after)
    assert not seen.answers
    seen.text.value = "What is <red>?"
    seen.ask()
    assert all(len(found) == 5 and 0 < sum(found.values()) <= 1 for found in seen.answers.values()) and len(seen.layers) == 2


def test_models_of_two_bases_are_refused():
    one, two = (FineTunedClassifier(tiny_model(f), Full(), UNTRAINED).fit(TEXTS, LABELS) for f in ("bert", "roberta"))
    with pytest.raises(ValueError, match="a lens wants two models of one base"): lens(one, two)
    with pytest.raises(ValueError, match="two classifiers, or two generators"): lens(one, "minilm")


def test_the_distance_is_one_less_the_cosine():
    states = [np.array([[1., 0.], [0., 2.]]), np.array([[0., 1.], [0., 5.]])]
    assert parted(states[:1], states[1:]) == [pytest.approx(.5)]
