"Losses over the steps of a run, as a picture."
from ft_course.widgets.svg import BLUE, GREEN, GREY, RED, axes, inline_svg, named_line


def _over_steps(rows: list[dict], name: str) -> tuple[list, list]:
    return [r["step"] for r in rows], [r[name] for r in rows]


def _loss_picture(run: dict, pinned) -> str:
    import numpy as np
    losses, points, every, n_steps = run["losses"], run["points"], run.get("every", 1), run["of"]
    figure, ax = axes(6, 2.5)
    for r in pinned: named_line(ax, *_over_steps(r["points"], "validation_loss"), GREY, f"run {r['run']}", lw=1)
    above = False   # is training the upper of the two lines at their ends?
    if len(losses):
        width = max(1, min(10, len(losses) // 4))
        running_mean = np.convolve(losses, np.ones(width)/width, "valid")
        above = not points or running_mean[-1] > points[-1]["validation_loss"]
        steps = (1 + every*np.arange(len(losses)))[width - 1:]
        named_line(ax, steps, running_mean, BLUE, "training", (4, 8 if above else -8))
    named_line(ax, *_over_steps(points, "validation_loss"), RED, "validation", (4, -8 if above else 8), marker="o", ms=3)
    ax.margins(y=.15)   # for the names at the lines' ends
    ax.set(xlabel="step", ylabel="loss (nats)", xlim=(0, 1.22*max(n_steps, 1)))
    said = f"{len(losses)*every} of {n_steps} steps"
    if points: said += f"; validation loss {points[-1]['validation_loss']:.3f}"
    return inline_svg(figure, said)


def _old_picture(run: dict, pinned) -> str:
    old = run["old"]
    figure, ax = axes(4, 2.5)
    for r in pinned: named_line(ax, *_over_steps(r["old"], "old_loss"), GREY, lw=1, marker="o", ms=3)
    named_line(ax, *_over_steps(old, "old_loss"), GREEN, marker="o", ms=4)
    ax.set(xlabel="step", ylabel="old task's loss (nats)", xlim=(0, 1.05*max(run["of"], 1)), ylim=(0, None))
    said = f"old task's loss {old[-1]['old_loss']:.3f}" if old else "the old task's loss is not measured yet"
    return inline_svg(figure, said)


def loss_curves(
    run: dict,                 # a record, or a `Watch`'s `drawn`: `losses` (one in `every` steps), `points`, `old`, `of`
    pinned: list[dict] = (),   # records of runs to show behind
    old_task: bool = False,
) -> str:
    "Training and validation loss over the steps as SVG; beside them the old task's loss, where it is measured."
    pinned = [r for r in pinned if r["run"] != run.get("run")]
    pictures = [_loss_picture(run, pinned)]
    if old_task: pictures.append(_old_picture(run, pinned))
    return f"<div style='display:flex;flex-wrap:wrap'>{''.join(pictures)}</div>"
