"""The grid of whole levels: radii on it, and how far apart two pictures are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

NORMS = ("linf", "l2", "l1", "l0")

Levels = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_WINDOW, _SIGMA = 11, 1.5  # Wang et al. 2004
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, unrounded
_STRIP = 1 << 18  # pixels measured at a time, so that the work stays in the cache and memory does not grow with the picture


@dataclass(frozen=True)
class Distances:
    """How far apart two pictures are.

    l2, l1: in [0, 1] units. linf: levels. l0: subpixels that changed; pixels: those with any change. psnr: dB over all subpixels,
    infinite for equal pictures. ssim: mean structural similarity of the lumas, in [-1, 1]. histogram: signed change in levels ->
    subpixels, those without a change too.
    """

    l2: float
    linf: int
    l1: float
    l0: int
    pixels: int
    psnr: float
    ssim: float
    histogram: dict[int, int]

    def to_json(self) -> dict[str, Any]:
        """The distances as JSON values: an infinite psnr is null, and the histogram's keys are text."""
        return {
            **asdict(self),
            "psnr": self.psnr if math.isfinite(self.psnr) else None,
            "histogram": {str(change): count for change, count in self.histogram.items()},
        }


def radius(eps: float, norm: str) -> int | float:
    """The radius of a ball on the grid: whole levels for "linf" (floor of 255 eps + 1e-6), eps itself for the other NORMS.

    eps: in [0, 1] units for "linf", "l2", "l1", subpixels for "l0". Raises ValueError, which says what to type instead.
    """
    if norm not in NORMS:
        raise ValueError(f"norm: one of {', '.join(NORMS)} was wanted, not {norm!r}")
    if not eps >= 0:  # also NaN
        raise ValueError(f"eps: a number from 0 was wanted, not {eps:g}")
    if norm != "linf":
        return eps
    if eps > 1:
        raise ValueError(f"eps: for linf a number in [0, 1] was wanted, not {eps:g}: for levels type {eps:g}/255")
    return math.floor(255 * eps + 1e-6)


def distances(before: Levels, after: Levels) -> Distances:
    """Measure two pictures of one shape, uint8 H x W x C; the sums are of whole numbers, so exact.

    SSIM (Wang et al. 2004): Gaussian window, sigma 1.5, 11 x 11, averaged over the windows inside the picture; a picture under
    11 pixels high or wide gets the largest odd window that fits. Raises ValueError for other types or two shapes.
    """
    check_pair(before, after)
    counts, pixels = _count(before, after)
    changes = np.arange(-255, 256)
    present = np.flatnonzero(counts)
    squares = int((counts * changes**2).sum())
    return Distances(
        l2=math.sqrt(squares) / 255,
        linf=int(np.abs(changes[present]).max()),
        l1=int((counts * np.abs(changes)).sum()) / 255,
        l0=int(counts.sum() - counts[255]),
        pixels=pixels,
        psnr=10 * math.log10(255**2 * before.size / squares) if squares else math.inf,
        ssim=_ssim(before, after),
        histogram={int(changes[i]): int(counts[i]) for i in present},
    )


def check_levels(levels: Levels, name: str = "levels") -> None:
    """Raise ValueError for anything but whole levels, uint8 H x W x 1 or H x W x 3."""
    if levels.dtype != np.uint8 or levels.ndim != 3 or levels.shape[2] not in (1, 3) or levels.size == 0:
        raise ValueError(f"{name}: uint8 H x W x 1 or H x W x 3 was wanted, not {levels.dtype} {shape_text(levels)}")


def check_pair(before: Levels, after: Levels) -> None:
    """Raise ValueError for anything but two pictures of whole levels and one shape."""
    check_levels(before, "before")
    check_levels(after, "after")
    if before.shape != after.shape:
        raise ValueError(f"two pictures of one shape were wanted, not {shape_text(before)} and {shape_text(after)}")


def shape_text(array: np.ndarray[Any, Any]) -> str:
    """The shape of an array in words ("300 x 451 x 3")."""
    return " x ".join(map(str, array.shape)) or "a single number"


def _strips(levels: Levels) -> Iterator[slice]:
    rows = max(_WINDOW, _STRIP // levels.shape[1])
    return (slice(top, top + rows) for top in range(0, levels.shape[0], rows))


def _count(before: Levels, after: Levels) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """How many subpixels changed by -255..255 levels, and how many pixels changed at all."""
    counts, pixels = np.zeros(511, dtype=np.int64), 0
    for rows in _strips(before):
        change = after[rows].astype(np.int64) - before[rows]
        counts += np.bincount((change + 255).ravel(), minlength=511)
        pixels += int(change.any(axis=2).sum())
    return counts, pixels


def _ssim(before: Levels, after: Levels) -> float:
    height, width = before.shape[:2]
    down, across = _window(height), _window(width)
    last = down.size - 1
    total: float = 0.0
    for rows in _strips(before[: height - last]):
        seen = slice(rows.start, min(rows.stop, height - last) + last)
        total += _ssim_sum(_luma(before[seen]), _luma(after[seen]), down, across)
    return total / float((height - last) * (width - across.size + 1))


def _window(length: int) -> Floats:
    half = (min(_WINDOW, length) - 1) // 2
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / _SIGMA) ** 2)
    return np.asarray(weights / weights.sum())


def _luma(levels: Levels) -> Floats:
    if levels.shape[2] == 1:
        return levels[..., 0].astype(np.float64)
    red, green, blue = (levels[..., i] * weight for i, weight in enumerate(_LUMA))
    return np.asarray(red + green + blue)


def _ssim_sum(x: Floats, y: Floats, down: Floats, across: Floats) -> float:
    def mean(picture: Floats) -> Floats:
        return _slide(_slide(picture, down).T, across).T

    mean_x, mean_y = mean(x), mean(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = mean(x * y) - product
    variances = mean(x**2 + y**2) - squares
    return float(((2 * product + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))).sum())


def _slide(picture: Floats, weights: Floats) -> Floats:
    """The weighted sums of the rows under a window that slides down inside the picture; the window is symmetric."""
    last, half = weights.size - 1, weights.size // 2
    inside = picture.shape[0] - last
    out: Floats = picture[half : half + inside] * weights[half]
    for i in range(half):
        out += (picture[i : i + inside] + picture[last - i : last - i + inside]) * weights[i]
    return out
