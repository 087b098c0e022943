"""Random changes of training pictures, a whole batch at a time: no loop over pictures, and the same key gives the same changes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hoodwink.data.keys import keyed


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a picture; all off by default.

    shift: moved by up to so many pixels each way, black comes in; flip: mirrored left to right, half of them; rotation: turned by up to so
    many degrees each way, black comes in; noise: standard deviation of normal noise, in [0, 1] units; crop: as shift, but the picture's
    mirror image comes in (padded by reflection and cropped back); cutout: a black square of so many pixels a side, its centre anywhere.
    """

    shift: int = 0
    flip: bool = False
    rotation: float = 0.0
    noise: float = 0.0
    crop: int = 0
    cutout: int = 0

    def __post_init__(self) -> None:
        for name in ("shift", "rotation", "noise", "crop", "cutout"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}: 0 or more was wanted, not {value}")


def key(seed: int, epoch: int, step: int, *, device: str | torch.device = "cpu") -> torch.Generator:
    """The generator of a step's changes, from a hash of the three: a step can be drawn anew without those before it."""
    return keyed("augment", seed, epoch, step, device=device)


def augment(pictures: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Change pictures, N x C x H x W, uint8 or floats in [0, 1], at random; with all off they are returned as they are.

    In this order: crop, shift, flip, rotation, cutout, noise. Levels are rounded and stay in 0..255, floats in [0, 1]. Raises ValueError
    for a crop that is not smaller than the picture, or a shift that is larger.
    """
    if not len(pictures):
        return pictures
    if how.crop:
        pictures = _moved(_reflected(pictures, how.crop), how.crop, generator)
    if how.shift:
        pictures = _moved(_padded(pictures, how.shift), how.shift, generator)
    if how.flip:
        pictures = _flipped(pictures, generator)
    if how.rotation:
        pictures = _as_before(_turned(_floats(pictures), how.rotation, generator), pictures)
    if how.cutout:
        pictures = _cut(pictures, how.cutout, generator)
    if how.noise:
        floats = _floats(pictures)
        drawn = torch.randn(pictures.shape, generator=generator, device=generator.device, dtype=floats.dtype)
        pictures = _as_before(floats + drawn.to(pictures.device).mul_(how.noise), pictures)
    return pictures


def _moved(padded: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    """Each picture's window, at random, of those padded by `pad` on each side.

    Windows overlap in memory, one starts at each element: taking one for each picture copies rows, which is as fast as copying gets.
    """
    count, channels, height, width = padded.shape
    by, along, row, _ = padded.stride()
    offsets = torch.randint(0, 2 * pad + 1, (2, count), generator=generator, device=generator.device).to(padded.device)
    starts = torch.arange(count, device=padded.device) * by + offsets[0] * row + offsets[1]
    shape = (channels, height - 2 * pad, width - 2 * pad)
    reach = (shape[0] - 1) * along + (shape[1] - 1) * row + shape[2] - 1
    windows = padded.as_strided((padded.numel() - reach, *shape), (1, along, row, 1))
    return windows.index_select(0, starts)


def _padded(pictures: Tensor, pad: int) -> Tensor:
    if pad > min(pictures.shape[2:]):
        raise ValueError(f"a shift of at most the picture's {min(pictures.shape[2:])} pixels was wanted, not {pad}")
    return F.pad(pictures, (pad, pad, pad, pad)).contiguous()


def _reflected(pictures: Tensor, pad: int) -> Tensor:
    """Padded by its mirror image, without the edge itself twice; torch's own has no form for bytes."""
    if pad >= min(pictures.shape[2:]):
        raise ValueError(f"a crop of less than the picture's {min(pictures.shape[2:])} pixels was wanted, not {pad}")
    padded = F.pad(pictures, (pad, pad, pad, pad)).contiguous()
    padded[:, :, :pad] = padded[:, :, pad + 1 : 2 * pad + 1].flip(2)
    padded[:, :, -pad:] = padded[:, :, -2 * pad - 1 : -pad - 1].flip(2)
    padded[..., :pad] = padded[..., pad + 1 : 2 * pad + 1].flip(3)
    padded[..., -pad:] = padded[..., -2 * pad - 1 : -pad - 1].flip(3)
    return padded


def _flipped(pictures: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.rand(len(pictures), generator=generator, device=generator.device) < 0.5
    order = torch.argsort(chosen, stable=True)  # those that stay, then those that are flipped
    stay = len(pictures) - int(chosen.sum())
    back, order = order.argsort().to(pictures.device), order.to(pictures.device)
    halves = pictures.index_select(0, order[:stay]), pictures.index_select(0, order[stay:]).flip(3)
    return torch.cat(halves).index_select(0, back)


def _turned(pictures: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Turned about the centre, bilinear; angles in pixels, so that a picture wider than high is not sheared."""
    count, _, height, width = pictures.shape
    drawn = torch.rand(count, generator=generator, device=generator.device, dtype=pictures.dtype).to(pictures.device)
    angle = (2 * drawn - 1) * math.radians(degrees)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = torch.stack([cos, -sin * (height / width), zero]), torch.stack([sin * (width / height), cos, zero])
    matrix = torch.stack(rows).permute(2, 0, 1)  # N x 2 x 3
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _cut(pictures: Tensor, side: int, generator: torch.Generator) -> Tensor:
    count, _, height, width = pictures.shape
    drawn = torch.rand((2, count, 1), generator=generator, device=generator.device).to(pictures.device)
    inside = []
    for part, length in zip(drawn, (height, width), strict=True):
        first = (part * length).long() - side // 2
        place = torch.arange(length, device=pictures.device)
        inside.append((place >= first) & (place < first + side))  # N x length
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return pictures.masked_fill(square, 0)


def _floats(pictures: Tensor) -> Tensor:
    return pictures if pictures.is_floating_point() else pictures.float().div_(255)


def _as_before(floats: Tensor, before: Tensor) -> Tensor:
    """Floats in [0, 1], or the levels nearest to them where the pictures were levels."""
    floats = floats.clamp(0, 1)
    return floats if before.is_floating_point() else floats.mul_(255).round_().to(before.dtype)
