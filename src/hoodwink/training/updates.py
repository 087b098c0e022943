"""What one step asks a network and how that is scored: one function for each kind of loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Ask = Callable[[Tensor], Any]
Update = Callable[[Ask, Tensor, Tensor], tuple[Tensor, Tensor]]  # network, inputs, what is wanted -> the mean loss, what is tallied
Tally = Callable[[Sequence[Tensor], Sequence[Tensor]], dict[str, float]]
Judge = Callable[[Any, Tensor, Tensor], tuple[Tensor, dict[str, float]]]
ACCURACY = "accuracy"


@dataclass(frozen=True)
class Phase:
    """One move of the weights in a step.

    trained: the weights that it moves, None for all. rounds: into how many parts the batch is cut, each of which makes a move.
    """

    update: Update
    trained: tuple[nn.Parameter, ...] | None = None
    rounds: int = 1


@dataclass(frozen=True)
class Family:
    """How networks of a kind learn and are judged.

    phases: of each step, in their order; the loss of the first is the training's. tally: what the updates gave beside the loss, of some
    steps, and what was wanted there -> sums over the examples by name. judge: a network, inputs and what is wanted -> the sum of the loss
    over the examples, and sums by name; None where examples cannot judge it.
    """

    phases: tuple[Phase, ...]
    tally: Tally
    judge: Judge | None


def weight(wanted: Tensor) -> int:
    """Over how many examples a mean goes: pictures, texts, or, where the next letter is wanted (N x T), letters."""
    return len(wanted) if wanted.dim() != 2 else int((wanted != 0).sum())


def cross_entropy(logits: Tensor, labels: Tensor, *, reduction: str = "mean", smoothing: float = 0.0) -> Tensor:
    """That of logits N x K and labels N, or, where the next letter is wanted, N x T x K and N x T, in which steps of 0 do not count."""
    if labels.dim() == 1:
        return F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smoothing)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction=reduction, label_smoothing=smoothing, ignore_index=0)


def hits(outputs: Sequence[Tensor], labels: Sequence[Tensor]) -> int:
    """How many answers of some batches are right."""
    if labels[0].dim() == 1:
        return int((torch.cat(list(outputs)).argmax(1) == torch.cat(list(labels))).sum())
    return sum(int(((logits.argmax(2) == wanted) & (wanted != 0)).sum()) for logits, wanted in zip(outputs, labels, strict=True))


def means(names: Sequence[str], outputs: Sequence[Tensor], wanted: Sequence[Tensor]) -> dict[str, float]:
    """The sums of what updates gave as a vector of means, one for each name; of a batch without examples they count as nothing."""
    if not names:
        return {}
    counts = torch.tensor([len(one) for one in wanted], dtype=torch.float64)
    sums = counts @ torch.stack(
        [(one if len(own) else torch.zeros_like(one)).double().cpu() for one, own in zip(outputs, wanted, strict=True)]
    )
    return dict(zip(names, sums.tolist(), strict=True))


def classify(smoothing: float = 0.0) -> Family:
    """Cross-entropy of the labels; smoothing: the share of each label that is spread over all classes (Szegedy 2016)."""

    def update(network: Ask, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = network(inputs)
        return cross_entropy(logits.float(), labels, smoothing=smoothing), logits

    def judge(network: Any, inputs: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, float]]:
        logits = network(inputs)
        return cross_entropy(logits, labels, reduction="sum"), {ACCURACY: hits([logits], [labels])}

    return Family((Phase(update),), lambda outputs, labels: {ACCURACY: hits(outputs, labels)}, judge)


def reconstruct() -> Family:
    """The mean squared difference of a picture from what is made of it."""

    def update(network: Ask, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        return F.mse_loss(network(inputs).float(), wanted), torch.empty(0)

    def judge(network: Any, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, float]]:
        return (network(inputs) - wanted).square().flatten(1).mean(1).sum(), {}

    return Family((Phase(update),), partial(means, ()), judge)


def penalised(family: Family, network: nn.Module, l1: float, l2: float) -> Family:
    """The same plus l1 |w| + l2 / 2 w^2, summed over all weights (not biases and norms); the family itself where both are zero."""
    if not l1 and not l2:
        return family
    weights = [value for value in network.parameters() if value.dim() > 1 and value.requires_grad]

    def more(update: Update, network: Ask, inputs: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = update(network, inputs, wanted)
        for weight in weights:
            loss = loss + l1 * weight.abs().sum() + l2 / 2 * weight.square().sum()
        return loss, outputs

    return replace(family, phases=tuple(replace(phase, update=partial(more, phase.update)) for phase in family.phases))
