"""Linear layers with ReLU between them, on the pixels of a picture one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """Pictures N x C x H x W of `inputs` subpixels, normalised, to logits N x classes; dropout before every linear layer."""

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int, dropout: float) -> None:
        super().__init__()
        widths = (inputs, *hidden, classes)
        layers: list[nn.Module] = [nn.Flatten()]
        for k in range(len(widths) - 1):
            layers += [nn.Dropout(dropout)] if dropout else []
            layers += [nn.Linear(widths[k], widths[k + 1]), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])  # logits, no ReLU on them

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits


def mlp(classes: int = 10, inputs: int = 784, hidden: Sequence[int] = (128, 64), dropout: float = 0.0) -> MLP:
    """The network with random weights; inputs: subpixels of a picture, hidden: the widths between, dropout: the share left out."""
    return MLP(inputs, hidden, classes, dropout)
