"""A small residual network without batch norm, as the verification competition of 2021 uses it on CIFAR-10."""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions and a sum with the input, which a 1x1 convolution brings to shape where the shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        same = stride == 1 and inputs == outputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Sequential() if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride))
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu2(self.conv2(self.relu1(self.conv1(x))) + self.shortcut(x))
        return out


class ResNet2b(nn.Module):
    """Pictures N x 3 x 32 x 32, normalised, to logits N x classes (Bak, Liu and Johnson 2021, arXiv:2109.00498)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.relu1 = nn.ReLU()
        self.layer1 = nn.Sequential(Block(8, 16, 2), Block(16, 16, 1))
        self.flatten = nn.Flatten()
        self.linear1 = nn.Linear(16 * 8 * 8, 100)
        self.relu2 = nn.ReLU()
        self.linear2 = nn.Linear(100, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.flatten(self.layer1(self.relu1(self.conv1(x))))  # N x 1024
        logits: Tensor = self.linear2(self.relu2(self.linear1(x)))
        return logits


def resnet2b(classes: int = 10) -> ResNet2b:
    """The network with random weights, for pictures of 32 x 32."""
    return ResNet2b(classes)
