"""A generator of pictures and the discriminator that it is trained against, in one module (Goodfellow 2014, arXiv:1406.2661)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU below zero
_SPREAD = 0.02  # of the first weights of convolutions (Radford 2016)


class GAN(nn.Module):
    """Noise N x noise to pictures in [0, 1], N x C x H x W; `judged` says of pictures in [-1, 1] how real they look, N, as logits.

    layers: "dense", or "conv" as in the DCGAN (Radford 2016, arXiv:1511.06434). kernels: of minibatch discrimination (Salimans 2016,
    arXiv:1606.03498), 0 for none: a picture is also judged by how like the others of its batch it is. norms: batch norms between the
    convolutions of the discriminator. dropout: of linear layers.
    """

    def __init__(
        self,
        channels: int = 1,
        side: int = 28,
        noise: int = 100,
        widths: Sequence[int] = (32, 64, 128),
        layers: str = "dense",
        dropout: float = 0.3,
        kernels: int = 0,
        norms: bool = True,
    ) -> None:
        super().__init__()
        if layers not in ("dense", "conv") or (layers == "conv" and (side % 4 or len(widths) != 2)):
            raise ValueError(f"layers: dense, or conv with a side that 4 divides and two widths, were wanted, not {layers}")
        self.noise, shape = noise, (channels, side, side)
        if layers == "dense":
            self.generator = _dense_generator(noise, widths, shape, dropout)
            body, seen = _dense_body(widths, shape, dropout)
        else:
            self.generator = _conv_generator(noise, widths, shape)
            body, seen = _conv_body(widths, shape, norms)
        self.body = body
        self.compared = Compared(seen, kernels) if kernels else nn.Identity()
        self.head = nn.Linear(seen + kernels, 1)
        if layers == "conv":
            self.apply(_start_small)

    def forward(self, noise: Tensor) -> Tensor:
        return (self.made(noise) + 1) / 2

    def made(self, noise: Tensor) -> Tensor:
        """The pictures of some noise in [-1, 1], as the discriminator takes them."""
        out: Tensor = self.generator(noise)
        return out

    def judged(self, pictures: Tensor) -> Tensor:
        """How real pictures in [-1, 1] look, N: logits (of Wasserstein's critic, scores)."""
        out: Tensor = self.head(self.compared(self.body(pictures)))
        return out[:, 0]

    def of_generator(self) -> tuple[nn.Parameter, ...]:
        """The weights of the generator."""
        return tuple(self.generator.parameters())

    def of_discriminator(self) -> tuple[nn.Parameter, ...]:
        """The weights of the discriminator."""
        return tuple(value for part in (self.body, self.compared, self.head) for value in part.parameters())


class Compared(nn.Module):
    """Adds to features N x D, for each of K kernels, how near the others of the batch are: the mean over them of exp(-|difference|_1).

    The paper has the sum; the mean is in [0, 1] whatever the batch.
    """

    def __init__(self, inputs: int, kernels: int, width: int = 5) -> None:
        super().__init__()
        self.kernels, self.width = kernels, width
        self.linear = nn.Linear(inputs, kernels * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        points = self.linear(x).view(len(x), self.kernels, self.width).transpose(0, 1)  # K x N x width
        near = (-torch.cdist(points, points, p=1)).exp().sum(2) - 1  # K x N, itself left out
        return torch.cat([x, near.T / max(1, len(x) - 1)], 1)


Shape = tuple[int, int, int]


def _dense_generator(noise: int, widths: Sequence[int], shape: Shape, dropout: float) -> nn.Sequential:
    steps = (noise, *widths)
    layers: list[nn.Module] = []
    for before, after in pairwise(steps):
        layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
    size = shape[0] * shape[1] * shape[2]
    return nn.Sequential(*layers, nn.Linear(steps[-1], size), nn.Tanh(), nn.Unflatten(1, shape))


def _dense_body(widths: Sequence[int], shape: Shape, dropout: float) -> tuple[nn.Sequential, int]:
    """The layers before the last, and how many numbers come of them."""
    steps = (shape[0] * shape[1] * shape[2], *reversed(widths))
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(steps):
        layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
    return nn.Sequential(*layers), steps[-1]


def _conv_generator(noise: int, widths: Sequence[int], shape: Shape) -> nn.Sequential:
    wide, narrow = widths
    side = shape[1] // 4
    return nn.Sequential(
        nn.Linear(noise, wide * side * side, bias=False),
        nn.Unflatten(1, (wide, side, side)),
        nn.BatchNorm2d(wide),
        nn.ReLU(),
        nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False),  # N x narrow x side/2 x side/2
        nn.BatchNorm2d(narrow),
        nn.ReLU(),
        nn.ConvTranspose2d(narrow, shape[0], 4, stride=2, padding=1),
        nn.Tanh(),
    )


def _conv_body(widths: Sequence[int], shape: Shape, norms: bool) -> tuple[nn.Sequential, int]:
    wide, narrow = widths
    side = shape[1] // 4
    return nn.Sequential(
        nn.Conv2d(shape[0], narrow, 4, stride=2, padding=1),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(narrow, wide, 4, stride=2, padding=1, bias=not norms),  # N x wide x side/4 x side/4
        *([nn.BatchNorm2d(wide)] if norms else []),
        nn.LeakyReLU(SLOPE),
        nn.Flatten(),
    ), wide * side * side


def _start_small(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, _SPREAD)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _SPREAD)
