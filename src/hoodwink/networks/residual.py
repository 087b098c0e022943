"""A small residual network with batch norm, for colour pictures of 32 to 128 pixels a side."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm and a sum with the input, which a 1x1 convolution brings to shape where the shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        same = stride == 1 and inputs == outputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        project = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.shortcut = nn.Sequential() if same else nn.Sequential(project, nn.BatchNorm2d(outputs))
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.norm1(self.conv1(x)))
        out: Tensor = self.relu2(self.norm2(self.conv2(y)) + self.shortcut(x))
        return out


class Residual(nn.Module):
    """Pictures N x 3 x H x W, normalised, to logits N x classes (He, Zhang, Ren and Sun 2015, arXiv:1512.03385)."""

    def __init__(self, classes: int, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, widths[0], 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential()
        inputs = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                self.blocks.append(Block(inputs, width, 2 if stage and not block else 1))
                inputs = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.relu(self.norm(self.conv(x))))  # N x widths[-1] x H / 2 ** stages x W / 2 ** stages
        logits: Tensor = self.linear(self.flatten(self.pool(x)))
        return logits


def residual(classes: int = 10, widths: Sequence[int] = (32, 64, 128, 256), blocks: int = 1) -> Residual:
    """The network with random weights; widths: the channels of each stage, each half as high and wide as the one before; blocks: of a stage.

    ValueError without a stage or a block.
    """
    if not widths or blocks < 1:
        raise ValueError(f"one stage or more and one block or more in each were wanted, not widths={tuple(widths)} and blocks={blocks}")
    return Residual(classes, widths, blocks)
