"Checks of chapter 05: steps of a run, clipping, combined gradients."

import torch

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import expect_cases
from ft_course.training import HParams, step_plan


def steps(rows, size, accumulation, epochs) -> int:
    "Steps of a run, as the course's own loop plans them."
    hparams = HParams(num_train_epochs=epochs, per_device_train_batch_size=size, gradient_accumulation_steps=accumulation)
    return len(step_plan([1]*rows, hparams))


@exercise("05.steps")
def check_steps(steps_of_run: callable):
    "Batches and steps are rounded up within each epoch."
    expect_cases(steps_of_run, steps, [
            (64, 32, 1, 1, "Two batches, and each is a step."),
            (64, 32, 1, 3, "Every epoch goes through all the rows."),
            (70, 32, 1, 1, "The last rows make a smaller batch, and it is trained on too."),
            (64, 16, 2, 1, "`accumulation` batches make one step."),
            (80, 16, 2, 1, "The last batch has no partner and makes a step alone."),
            (80, 16, 2, 4, "A step does not reach into the next epoch: round up before you multiply by the "
                           "epochs."),
            (5, 32, 4, 2, "Fewer rows than a batch still make a batch, and it makes a step."),
            (100, 32, 3, 5, "This is the example of the task."),
            (4000, 32, 1, 2, "That is the run of chapter 01 with batches of 32.")])


@exercise("05.clip")
def check_clip(clipped: callable):
    "All tensors shrunk by one factor to the norm, unless theirs is small enough."
    draw = torch.Generator().manual_seed(5)
    cases = [([torch.tensor([6.]), torch.tensor([8.])], 5., "Their norm is that of one long vector, here "
                                                            "(6, 8)."),
             ([torch.tensor([3., -4.])], 1., "The direction stays: every number is shrunk by the same factor."),
             ([torch.tensor([.3, -.4])], 1., "The norm is below the limit already: nothing changes, above all "
                                             "nothing grows."),
             ([torch.randn(3, 4, generator=draw)*5, torch.randn(2, generator=draw)*.1], 1.,
              "The factor comes from all tensors together, and is the same for the small ones."),
             ([torch.randn(*shape, generator=draw) for shape in [(3, 4), (7,), (1, 1, 2)]], 2., ""),
             ([torch.zeros(2), torch.zeros(1, 2)], 1., "A gradient of zero has norm zero: do not divide "
                                                       "by it.")]
    def shrunk(gradients, limit):
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        return [g*min(1., limit/norm.item()) if norm else g for g in gradients]
    expect_cases(clipped, shrunk, cases, tolerance=1e-4)


@exercise("05.combine")
def check_combine(combined: callable):
    "The gradient of the mean over all labels, from those of the batches."
    draw = torch.Generator().manual_seed(5)
    def gradients(counts): return [torch.randn(2, generator=draw) if n else torch.zeros(2) for n in counts]
    def weighted(gradients, counts): return sum(g*n for g, n in zip(gradients, counts)) / sum(counts)
    cases = [([4, 4], "Batches of the same size weigh the same, and the result is a mean, not a sum."),
             ([3], "With one batch there is nothing to combine."),
             ([5, 3], "A batch of five weighs more than one of three."),
             ([32, 32, 1], "One row in a batch of its own must not count as much as 32."),
             ([6, 0, 2], "A batch without a label counts nothing.")]
    expect_cases(combined, weighted, [(gradients(counts), counts, why) for counts, why in cases], tolerance=1e-4)
