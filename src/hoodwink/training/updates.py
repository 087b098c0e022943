"""What one step asks a network and how that is scored: one function for each kind of loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Ask = Callable[[Tensor], Tensor]
Update = Callable[[Ask, Tensor, Tensor], tuple[Tensor, Tensor]]  # network, inputs, labels -> the mean loss, the outputs


def cross_entropy(logits: Tensor, labels: Tensor, *, reduction: str = "mean", smoothing: float = 0.0) -> Tensor:
    """That of logits N x K and labels N, or, where the next letter is wanted, N x T x K and N x T, in which steps of 0 do not count."""
    if labels.dim() == 1:
        return F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smoothing)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction=reduction, label_smoothing=smoothing, ignore_index=0)


def weight(labels: Tensor) -> int:
    """Over how many examples the mean of `cross_entropy` goes."""
    return len(labels) if labels.dim() == 1 else int((labels != 0).sum())


def hits(outputs: Sequence[Tensor], labels: Sequence[Tensor]) -> int:
    """How many answers of some batches are right."""
    if labels[0].dim() == 1:
        return int((torch.cat(list(outputs)).argmax(1) == torch.cat(list(labels))).sum())
    return sum(int(((logits.argmax(2) == wanted) & (wanted != 0)).sum()) for logits, wanted in zip(outputs, labels, strict=True))


def classify(smoothing: float = 0.0) -> Update:
    """Cross-entropy of the labels; smoothing: the share of each label that is spread over all classes (Szegedy 2016)."""

    def update(network: Ask, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = network(inputs)
        return cross_entropy(logits.float(), labels, smoothing=smoothing), logits

    return update


def penalised(update: Update, network: nn.Module, l1: float, l2: float) -> Update:
    """The same plus l1 |w| + l2 / 2 w^2, summed over all weights (not biases and norms); the update itself where both are zero."""
    if not l1 and not l2:
        return update
    weights = [value for value in network.parameters() if value.dim() > 1 and value.requires_grad]

    def more(network: Ask, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = update(network, inputs, labels)
        for weight in weights:
            loss = loss + l1 * weight.abs().sum() + l2 / 2 * weight.square().sum()
        return loss, outputs

    return more
