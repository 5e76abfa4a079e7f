"Checks of chapter 05: steps of a run, the loss, clipping, combined gradients, a callback, an optimiser."
import time
from types import SimpleNamespace

import torch
from torch import nn

from ft_course.classroom.exercises import exercise
from ft_course.classroom.expect import NotAttempted, Wrong, expect, expect_call, expect_cases, tried
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


@exercise("05.loss")
def check_loss(batch_loss: callable):
    "Mean cross-entropy over the rows that are asked, in natural logarithms."
    draw = torch.Generator().manual_seed(5)
    def some(*shape): return torch.randn(*shape, generator=draw, dtype=torch.double).round(decimals=1)
    cases = [(torch.zeros(2, 2), [1, 0], "Two equal scores: each class has probability one half, and ln 2 is "
                                         "the surprise."),
             (torch.tensor([[2., 0., 0.]]), [0], "Use the natural logarithm, of the probability of the right "
                                                 "class."),
             (torch.tensor([[2., 0., 0.]]), [2], "The labels say which column is right."),
             (some(6, 3), [0, 2, 1, 1, 0, 2], "It is the mean over the rows."),
             (torch.zeros(2, 2), [1, -100], "The second row is not asked."),
             (some(3, 4), [3, -100, 0], "Only the rows with a label count."),
             (torch.tensor([[1000., 998.]]), [1], "`exp` of a thousand is more than a number can hold: take the "
                                                  "row's largest score off all its scores first."),
             (torch.tensor([[0., 1000.]]), [0], "The probability is too small for a number, and its logarithm is "
                                                "not: take the logarithm of the sum, and subtract the score.")]
    def loss(logits, labels): return nn.functional.cross_entropy(logits, labels, ignore_index=-100)
    def counted_all(logits, labels):
        return {"You left the rows with -100 out of the sum, and counted them when you divided.":
                loss(logits, labels)*(labels != -100).double().mean()}
    expect_cases(batch_loss, loss, [(logits, torch.tensor(labels), why) for logits, labels, why in cases], counted_all, 1e-4)


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
    for counts, why in [([4, 4], "Batches of the same size weigh the same, and the result is a mean, not "
                                 "a sum."),
                        ([3], "With one batch there is nothing to combine."),
                        ([5, 3], "A batch of five weighs more than one of three."),
                        ([32, 32, 1], "One row in a batch of its own must not count as much as 32."),
                        ([6, 0, 2], "A batch without a label counts nothing.")]:
        x, y = torch.randn(sum(counts), 2, generator=draw), torch.randn(sum(counts), generator=draw)
        def gradient(x, y):
            return 2*((x @ torch.tensor([.5, -1.]) - y)[:, None]*x).mean(0) if len(y) else torch.zeros(2)
        parts = [gradient(a, b) for a, b in zip(x.split(counts), y.split(counts))]
        expect_call(combined, parts, counts, wanted=gradient(x, y), why=why, tolerance=1e-4)


def _nothing_written(cls) -> bool:
    "Is this a class of which nothing is written yet?"
    return isinstance(cls, type) and not any(callable(v) and (k == "__init__" or not k.startswith("__"))
                                             for k, v in vars(cls).items())


def _call_hook(hook, event: str, run):
    "Calls the learner's callback as the loop does."
    if not hasattr(hook, event): raise Wrong(f"The loop wants to call `{event}` and your callback has none: "
                                             "derive the class from `Callback`.")
    tried(f"`{event}`", getattr(hook, event), run)


def _run_begun(hook, seconds_before: float = 0.):
    "A run that has begun and waited."
    run = SimpleNamespace(stop="", step=0, epoch=0, n_steps=1000, history=[], evaluations=[], hooks=[hook],
                          interrupt=None, failed=None)
    for event in ("on_train_begin", "on_restore"): _call_hook(hook, event, run)
    time.sleep(seconds_before)
    return run


def _stop_after_step(hook, run) -> str:
    "Why the run is to stop after one more step."
    run.step += 1
    run.history.append({"step": run.step, "epoch": 0, "loss": 1., "grad_norm": 1., "learning_rate": 1e-4})
    _call_hook(hook, "on_step_end", run)
    return run.stop


@exercise("05.stop")
def check_stop(StopAfter: callable):
    "Stops at the end of a step, after so many seconds of the run, with a reason, in every run anew."
    if _nothing_written(StopAfter): raise NotAttempted()
    hook = tried("StopAfter(60)", StopAfter, 60)
    run = _run_begun(hook)
    if _stop_after_step(hook, run): raise Wrong("StopAfter(60) stopped a run at its first step, long before the minute "
                                     "was over.")
    hook = tried("StopAfter(0.3)", StopAfter, .3)
    run = _run_begun(hook, .35)
    if run.stop: raise Wrong("StopAfter(0.3) stopped the run before its first step was done; look at the "
                             "clock after a step.")
    reason = _stop_after_step(hook, run)
    if not reason: raise Wrong("StopAfter(0.3) let a run go on whose first step ended 0.35 seconds after its "
                               "beginning; "
                               "look at the clock after every *step*, and set `run.stop`.")
    if not isinstance(reason, str): raise Wrong(f"`run.stop` is {reason!r}; it has to be a reason, in words, "
                                                "for the history shows it.")
    if _stop_after_step(hook, _run_begun(hook)): raise Wrong("A second run with the same callback was stopped at its first "
                                              "step: "
                                               "the clock has to start when a run begins, every time.")


def _call_method(optimizer, name: str):
    "Calls a method of the learner's optimiser."
    if not hasattr(optimizer, name): raise Wrong(f"The optimiser has no `{name}`, which every training loop "
                                                 "calls.")
    try: return tried(f"`{name}()`", getattr(optimizer, name))
    except Wrong as err:
        if "requires grad" not in str(err): raise
        raise Wrong(f"{err} Moving weights is no part of what is differentiated: do it under `torch.no_grad()`.") from err


@exercise("05.sign")
def check_sign(SignSGD: callable):
    "Every weight moves by the rate, against the sign of its gradient."
    if _nothing_written(SignSGD): raise NotAttempted()
    start = [torch.tensor([1., -2., .5, 3.]), torch.tensor([[.5], [.25]]), torch.tensor([7.])]
    for lr in (.1, .01):
        parameters = [nn.Parameter(s.clone()) for s in start]
        optimizer = tried(f"SignSGD(parameters, {lr})", SignSGD, (p for p in parameters), lr)
        wanted = [s.clone() for s in start]
        steps = [([4., -.001, 0., 2.], [[-30.], [1e-6]]), ([-1., -1., 5., -.25], [[1.], [-1.]])]
        before = start
        for step, gradients in enumerate(steps, 1):
            for p, g in zip(parameters, gradients): p.grad = torch.tensor(g)
            for w, g in zip(wanted, gradients): w -= lr*torch.tensor(g).sign()
            _call_method(optimizer, "step")
            for i, (p, w) in enumerate(zip(parameters, wanted)):
                why = ("A weight without a gradient stays." if i == 2 else
                       "The second step moved nothing: a generator of parameters can be gone through only "
                       "once." if step == 2 and torch.equal(p.detach(), before[i]) else
                       f"The gradient of this step was {gradients[i]}, and the rate is {lr}.")
                expect(p, w, f"After step {step}, a weight that began as {start[i].tolist()}", why)
            before = [p.detach().clone() for p in parameters]
            _call_method(optimizer, "zero_grad")
            if any(p.grad is not None and p.grad.any() for p in parameters):
                raise Wrong("After `zero_grad()` a gradient is still there; the next backward pass would be "
                            "added to it. (Parameters given as a generator can be gone through only once: "
                            "keep a list.)")
