"""What a batch of searches raises: losses of logits that pull one class up and another down, N at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

Loss = Callable[
    [Tensor, Tensor | None, Tensor | None], Tensor
]  # logits N x K, up N, down N -> N; one of the two may be None: the best other

SURE, PART = 15.0, 1e-3  # e^-15 is all that is left of a probability's gradient


def margin(logits: Tensor, up: Tensor | None, down: Tensor | None) -> Tensor:
    """The logit of `up` minus that of `down`, N; a class not given is the highest other one."""
    return _top(logits, up, down) - _top(logits, down, up)


def probability(logits: Tensor, up: Tensor | None, down: Tensor | None) -> Tensor:
    """The margin of probabilities, N: where the label is sure of itself, it says little, and the search turns to where it is not.

    Below a margin of -SURE it says nothing at all, in float32; there a part of the margin of logits goes on.
    """
    beyond = (margin(logits, up, down) + SURE).clamp(max=0.0)
    return margin(logits.softmax(1), up, down) + PART * beyond


def ce(logits: Tensor, up: Tensor | None, down: Tensor | None) -> Tensor:
    """The cross-entropy of `down`, or where `up` is given its negative, N.

    From the log-odds: where a probability rounds to one, its gradient would vanish in float32, and this one does not.
    """
    return -_surprise(logits, up) if up is not None else _surprise(logits, _need(down))


def dlr(logits: Tensor, up: Tensor | None, down: Tensor | None) -> Tensor:
    """The difference-of-logits ratio (Croce and Hein 2020, arXiv:2003.01690), N: a margin that no scale of the logits changes.

    Needs three classes, with `up` four; ValueError says what to take with fewer.
    """
    wanted = 3 if up is None else 4
    if logits.shape[1] < wanted:
        raise ValueError(
            f"loss: dlr needs {wanted} classes or more, there are {logits.shape[1]}; take margin, which is the same without scale"
        )
    best = logits.topk(wanted, 1).values
    scale = best[:, 0] - (best[:, 2] if up is None else (best[:, 2] + best[:, 3]) / 2)
    return margin(logits, up, down) / scale.clamp(min=1e-12)


LOSSES: dict[str, Loss] = {loss.__name__: loss for loss in (probability, margin, ce, dlr)}


def find_loss(name: str | Loss) -> Loss:
    """The loss of a name, or the function given; ValueError lists the names there are."""
    if callable(name):
        return name
    if name not in LOSSES:
        raise ValueError(f"loss: one of {', '.join(LOSSES)} was wanted, not {name!r}")
    return LOSSES[name]


def _surprise(logits: Tensor, classes: Tensor) -> Tensor:
    return softplus(logits.scatter(1, classes[:, None], -torch.inf).logsumexp(1) - _of(logits, classes))


def _of(values: Tensor, classes: Tensor) -> Tensor:
    return values.gather(1, classes[:, None])[:, 0]


def _top(values: Tensor, classes: Tensor | None, other: Tensor | None) -> Tensor:
    if classes is not None:
        return _of(values, classes)
    return values.scatter(1, _need(other)[:, None], -torch.inf).amax(1)


def _need(classes: Tensor | None) -> Tensor:
    if classes is None:
        raise ValueError("loss: a class to pull up or one to pull down was wanted, neither came; give labels")
    return classes
