"""What a search climbs: one number for each picture, which reaches a threshold exactly when the picture fools."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

Objective = Callable[[Any], Tensor]  # logits N x K (or a tuple of them, one for each network) -> N
MARGIN = 1e-3  # asked above every threshold, in log-odds or logits: another machine's rounding of logits is 250 times smaller


def log_odds(logits: Tensor, target: int) -> Tensor:
    """The target's logit minus the log-sum-exp of all others, N: p(target) >= c exactly when it is >= log(c / (1 - c))."""
    return logits[:, target] - _without(logits, target).logsumexp(1)


def lead(logits: Tensor, target: int) -> Tensor:
    """The target's logit minus the highest other, N: positive exactly when the target is on top."""
    return logits[:, target] - _without(logits, target).amax(1)


def best_other_log_odds(logits: Tensor, label: int) -> Tensor:
    """The log-odds of the most probable class that is not `label`, N."""
    best = logits.detach().index_fill(1, torch.tensor(label, device=logits.device), -torch.inf).argmax(1, keepdim=True)
    rest = logits.scatter(1, best, -torch.inf)
    return (logits.gather(1, best) - rest.logsumexp(1, keepdim=True))[:, 0]


def odds(confidence: float) -> float:
    """log(c / (1 - c)) for a confidence strictly between 0 and 1; ValueError outside."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence:g}; type, for example, 0.9")
    return math.log(confidence / (1 - confidence))


@dataclass(frozen=True)
class Goal:
    """What is climbed and how far: a picture fools exactly when objective(logits) >= threshold (which holds MARGIN already).

    lead(logits) is the plain margin of logits, whose gradient helps where the objective's vanishes.
    """

    objective: Objective
    lead: Objective
    threshold: float


def named(target: int, confidence: float) -> Goal:
    """The target on top, with at least this confidence."""
    wanted = odds(confidence)
    over = partial(lead, target=target)
    if confidence >= 0.5:  # then it is on top
        return Goal(partial(log_odds, target=target), over, wanted + MARGIN)
    return Goal(lambda logits: torch.minimum(log_odds(logits, target), over(logits) + wanted), over, wanted + MARGIN)


def not_named(label: int, confidence: float | None = None) -> Goal:
    """Any other class than `label` on top, with at least this confidence where one is given."""

    def over(logits: Tensor) -> Tensor:
        return -lead(logits, label)

    if confidence is None:
        return Goal(over, over, MARGIN)
    wanted = odds(confidence)
    return Goal(lambda logits: torch.minimum(best_other_log_odds(logits, label), over(logits) + wanted), over, wanted + MARGIN)


def goal_of(labels: Tensor, target: Tensor | None, index: int) -> Goal:
    """The plain goal of one picture of a batch: its target on top, or any label but its own."""
    if target is None:
        return not_named(int(labels[index]))
    over = partial(lead, target=int(target[index]))
    return Goal(over, over, MARGIN)


def all_of(goals: Sequence[Goal]) -> Goal:
    """Every goal at once, one for each network: objectives take a tuple of logits, and the smallest counts."""
    first = goals[0]
    if len(goals) == 1:
        return first

    def smallest(pick: Callable[[Goal], Objective], logits: Sequence[Tensor]) -> Tensor:
        # thresholds may differ: what counts is how far each network is from its own
        return torch.stack([pick(g)(z) - g.threshold for g, z in zip(goals, logits, strict=True)]).amin(0) + first.threshold

    return Goal(partial(smallest, lambda g: g.objective), partial(smallest, lambda g: g.lead), first.threshold)


def _without(logits: Tensor, column: int) -> Tensor:
    return torch.cat([logits[:, :column], logits[:, column + 1 :]], 1)
