"""EfficientNet-Lite: the EfficientNet that runs on phones (no squeeze-and-excite, ReLU6), with TensorFlow's "same" padding."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-3  # of the batch norms, as TensorFlow trained them
_STEM, _HEAD = 32, 1280
_TOP_KEYS = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv", "_bn1": "head.norm", "_fc": "classifier"}
_BLOCK_KEYS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}


@dataclass(frozen=True)
class Stage:
    """A run of blocks; its first block changes the channels and takes the stride."""

    expand: int
    channels: int
    kernel: int
    stride: int
    repeats: int


LITE0 = (
    Stage(1, 16, 3, 1, 1),
    Stage(6, 24, 3, 2, 2),
    Stage(6, 40, 5, 2, 2),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 5, 1, 3),
    Stage(6, 192, 5, 2, 4),
    Stage(6, 320, 3, 1, 1),
)


class PadForStride2(nn.Module):
    """TensorFlow's "same" padding for a convolution of stride 2: the odd row and column go to the bottom and the right."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        rows = self.kernel - 2 + x.shape[2] % 2
        columns = self.kernel - 2 + x.shape[3] % 2
        return F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


class ConvNorm(nn.Module):
    """Convolution with "same" padding, batch norm, and ReLU6 unless `act` is false."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: bool = True) -> None:
        super().__init__()
        self.pad = PadForStride2(kernel) if stride == 2 else nn.Identity()
        padding = 0 if stride == 2 else kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=_EPS)
        self.act = nn.ReLU6() if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.norm(self.conv(self.pad(x))))
        return out


class Block(nn.Module):
    """Expand the channels, filter each for itself, project back; the input is added where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expand
        self.expand = ConvNorm(inputs, wide) if expand > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = ConvNorm(wide, outputs, act=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + out if self.residual else out


class EfficientNetLite(nn.Module):
    """Pictures N x 3 x H x W, normalised, to logits N x classes (Tan and Le 2019, arXiv:1905.11946; the Lite variant of 2020)."""

    def __init__(self, stages: tuple[Stage, ...], classes: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, _STEM, 3, stride=2)
        self.blocks = nn.Sequential()
        channels = _STEM
        for stage in stages:
            for repeat in range(stage.repeats):
                stride = 1 if repeat else stage.stride
                self.blocks.append(Block(channels, stage.channels, stage.expand, stage.kernel, stride))
                channels = stage.channels
        self.head = ConvNorm(channels, _HEAD)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(_HEAD, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.blocks(self.stem(x)))  # N x 1280 x H/32 x W/32
        logits: Tensor = self.classifier(self.pool(x).flatten(1))
        return logits


def efficientnet_lite0(classes: int = 1000) -> EfficientNetLite:
    """EfficientNet-Lite0 with random weights; trained for pictures of 224 x 224."""
    return EfficientNetLite(LITE0, classes)


def our_key(key: str) -> str:
    """Translate a state-dict key of the published weights ("_blocks.3._bn0.bias") into ours; ours stay as they are."""
    parts = key.split(".")
    if parts[0] == "_blocks" and len(parts) > 3:
        return ".".join(["blocks", parts[1], _BLOCK_KEYS.get(parts[2], parts[2]), *parts[3:]])
    return ".".join([_TOP_KEYS.get(parts[0], parts[0]), *parts[1:]])
