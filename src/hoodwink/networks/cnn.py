"""A plain convolutional network with batch norm and max pooling, for small pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Stage(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU, and between them the pooling that halves height and width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.norm1(self.conv1(x))))
        out: Tensor = self.relu2(self.norm2(self.conv2(x)))
        return out


class CNN(nn.Module):
    """Pictures N x 3 x H x W, normalised, to logits N x classes; height and width at least 2 ** stages pixels."""

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.stages = nn.Sequential(*(Stage(inputs, outputs) for inputs, outputs in zip((3, *widths), widths, strict=False)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.flatten(self.pool(self.stages(x)))  # N x widths[-1]
        logits: Tensor = self.linear(x)
        return logits


def cnn(classes: int = 10, widths: Sequence[int] = (32, 64, 128, 256)) -> CNN:
    """The network with random weights, for pictures of 32 x 32; widths: the channels of each stage, one stage or more."""
    if not widths:
        raise ValueError("the channels of one stage or more were wanted, widths is empty; such as widths=(32, 64, 128, 256)")
    return CNN(widths, classes)
