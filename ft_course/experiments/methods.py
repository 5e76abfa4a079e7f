"""What does each method give and cost on 4,000 tweets? Every one at its own learning rate, chosen on validation, five seeds,
scored on the test tweets and the spare ones of the pool; shown in the chapters of part 3."""
from dataclasses import replace

from ft_course.data import load_task
from ft_course.embeddings import EmbeddingClassifier
from ft_course.estimators import FineTunedClassifier
from ft_course.hyperparameters import KnownBefore
from ft_course.lora import LoRA
from ft_course.results import Part, table
from ft_course.training import Full, HParams

GRID = {"full": (Full(), (1e-5, 3e-5, 1e-4, 3e-4)), "LoRA": (LoRA(8), (3e-4, 1e-3, 3e-3))}   # method, and the rates that compete
CHOSEN = {"full": 3e-5, "LoRA": 1e-3}   # on validation; a test holds it to the stored runs
FROZEN = EmbeddingClassifier(C=10.)     # of chapter 01: chosen there


def tuned(name: str, rate: float, callbacks=()) -> FineTunedClassifier:
    "This method at this rate, two epochs, unfitted."
    return FineTunedClassifier("minilm", GRID[name][0], HParams(learning_rate=rate, num_train_epochs=2), callbacks=callbacks)


def test_and_pool():
    "The airline task whose test tweets are those of its test and its pool, 9,156."
    from datasets import concatenate_datasets
    task = load_task("airline")
    data = type(task.data)(task.data | {"test": concatenate_datasets([task.data["test"], task.data["pool"]])})
    return replace(task, name="airline_test_and_pool", data=data)


@table("methods_choosing")
def choosing():
    return (replace(load_task("airline").scored_on("validation"), name="methods_choosing"),
            {f"{name}, rate {rate:g}": tuned(name, rate) for name, (_, rates) in GRID.items() for rate in rates})


@table("methods")
def methods() -> list[Part]:
    task = test_and_pool()
    return [Part(task, {"frozen encoder": FROZEN}),
            Part(task, {name: tuned(name, rate, (KnownBefore(),)) for name, rate in CHOSEN.items()}, tuple(range(5)))]
