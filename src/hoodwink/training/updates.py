"""What one step asks a network and how that is scored: one function for each kind of loss."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

Ask = Callable[[Tensor], Tensor]
Update = Callable[[Ask, Tensor, Tensor], tuple[Tensor, Tensor]]  # network, inputs, labels -> the mean loss, the outputs


def classify(smoothing: float = 0.0) -> Update:
    """Cross-entropy of the labels; smoothing: the share of each label that is spread over all classes (Szegedy 2016)."""

    def update(network: Ask, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = network(inputs)
        return F.cross_entropy(logits.float(), labels, label_smoothing=smoothing), logits

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
