"""A network that is fast to train on small colour pictures: whitened patches, few wide stages (after Jordan 2024, arXiv:2404.00498)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

PATCH = 2  # the side of the patches that the first layer whitens
EPSILON = 5e-4  # added to their variances: directions in which patches hardly vary are noise
MOMENTUM = 0.4  # of the running statistics: a run is short


class Stage(nn.Module):
    """Two 3x3 convolutions with batch norm and GELU; the first is followed by the pooling that halves height and width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding="same", bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding="same", bias=False)
        self.norm2 = norm(outputs)
        self.act = nn.GELU()
        for conv in (self.conv1, self.conv2):  # what comes in passes through at first (Zagoruyko 2017, arXiv:1706.00388)
            nn.init.dirac_(conv.weight[: conv.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm1(self.pool(self.conv1(x))))
        out: Tensor = self.act(self.norm2(self.conv2(x)))
        return out


class Fast(nn.Module):
    """Pictures N x 3 x 32 x 32, normalised, to logits N x classes."""

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        patch = 2 * 3 * PATCH**2
        self.whiten = nn.Conv2d(3, patch, PATCH)
        self.whiten.weight.requires_grad_(False)
        self.act = nn.GELU()
        self.stages = nn.Sequential(*(Stage(inputs, outputs) for inputs, outputs in zip((patch, *widths), widths, strict=False)))
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(widths[-1], classes, bias=False)
        self.scale = 1 / 9

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.act(self.whiten(x)))
        logits: Tensor = self.linear(self.flatten(self.pool(x))) * self.scale
        return logits

    @torch.no_grad()
    def initialise(self, pictures: Tensor) -> None:
        """Set the first layer so that it whitens the patches of normalised training pictures N x 3 x H x W, with both signs."""
        patches = pictures.float().unfold(2, PATCH, 1).unfold(3, PATCH, 1).transpose(1, 3).reshape(-1, 3 * PATCH**2)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        weight = (vectors / (values + EPSILON).sqrt()).T.flip(0).reshape(-1, 3, PATCH, PATCH)
        self.whiten.weight.copy_(torch.cat([weight, -weight]))


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm whose scale stays one; its shift is learned."""
    layer = nn.BatchNorm2d(channels, eps=1e-12, momentum=MOMENTUM)
    layer.weight.requires_grad_(False)
    return layer


def fast(classes: int = 10, widths: Sequence[int] = (64, 256, 256)) -> Fast:
    """The network with random weights; `initialise` sets the first layer from pictures, in training."""
    return Fast(widths, classes)
