"""Linear networks and the exact smallest whole-level changes that fool them, in NumPy and float64."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.objectives import Goal

Array = np.ndarray[Any, np.dtype[np.float64]]


def network(gains: Array, base: float = 0.0) -> Callable[[Tensor], Tensor]:
    """A function from pictures N x C x H x W to N: `base` at black, and gains[i] (1 x C x H x W) more for each level of subpixel i."""
    slope = torch.from_numpy(gains * 255)

    def function(pictures: Tensor) -> Tensor:
        return (pictures.double() * slope).sum((1, 2, 3)) + base

    return function


def classifier(gains: Array, base: float, classes: int = 2) -> Callable[[Tensor], Tensor]:
    """The network as a classifier: its number is class 1's logit; class 0 has none, and any others are far below."""
    value, far = network(gains, base), torch.full((max(0, classes - 2),), -1e4, dtype=torch.float64)

    def function(pictures: Tensor) -> Tensor:
        number = value(pictures)
        return torch.cat([torch.stack([torch.zeros_like(number), number], 1), far.expand(len(number), -1)], 1)

    return function


def goal(threshold: float) -> Goal:
    """The network's number itself, up to a threshold."""
    return Goal(lambda value: value, lambda value: value, threshold)


def room(gains: Array, low: Array, high: Array) -> Array:
    """How many levels each subpixel may move to where it helps."""
    return np.where(gains > 0, high, -low)


def enumerated(gains: Array, need: float, low: Array, high: Array, size: Callable[[Array], Array]) -> float:
    """The smallest size of all whole-level changes that gain `need`; infinite where none does. For a few subpixels only."""
    flat = gains.ravel()
    moves = [range(int(levels) + 1) for levels in room(gains, low, high).ravel()]  # the other way never helps
    changes = np.array(list(product(*moves)), dtype=np.float64)
    enough = changes[changes @ np.abs(flat) >= need]
    return float(size(enough).min()) if len(enough) else float("inf")


def rounded(gains: Array, need: float, low: Array, high: Array) -> Array:
    """round(s g) inside the bounds for the smallest scale s that gains `need`: levels are bought where they gain most for their cost."""
    slope, levels = np.abs(gains).ravel(), room(gains, low, high).ravel()
    many = int(levels.max())
    scales = (np.arange(many) + 0.5)[None] / np.maximum(slope, 1e-300)[:, None]
    scales[np.arange(many)[None] >= levels[:, None]] = np.inf
    order = np.sort(scales.ravel())
    gained = np.cumsum(np.repeat(slope, many)[np.argsort(scales.ravel(), kind="stable")])
    scale = order[np.searchsorted(gained, need)]
    return (np.sign(gains).ravel() * (scales <= scale).sum(1)).reshape(gains.shape)


def continuous(gains: Array, need: float) -> float:
    """The L2 size, in [0, 1] units, of the smallest change in real numbers, bounds ignored."""
    return need / float(np.linalg.norm(gains)) / 255


def real_linf(gains: Array, need: float) -> float:
    """The smallest Linf size, in [0, 1] units, of all changes in real numbers, bounds ignored."""
    return need / float(np.abs(gains).sum()) / 255


def real_l1(gains: Array, need: float) -> float:
    """The smallest L1 size, in [0, 1] units, of all changes in real numbers, bounds ignored."""
    return need / float(np.abs(gains).max()) / 255


def smallest_linf(gains: Array, need: float, low: Array, high: Array) -> int:
    """The fewest levels by which every subpixel may move so that `need` is gained."""
    levels = room(gains, low, high)
    return next(r for r in range(256) if (np.minimum(levels, r) * np.abs(gains)).sum() >= need)


def smallest_l1(gains: Array, need: float, low: Array, high: Array) -> int:
    """The fewest levels in all that gain `need`: the steepest subpixels first, each to its bound."""
    order = np.argsort(-np.abs(gains).ravel())
    each = np.repeat(np.abs(gains).ravel()[order], room(gains, low, high).ravel()[order].astype(int))
    return int(np.searchsorted(np.cumsum(each), need)) + 1


def smallest_l0(gains: Array, need: float, low: Array, high: Array) -> int:
    """The fewest subpixels that gain `need`: those first that gain most when they go to their bound."""
    full = np.sort((np.abs(gains) * room(gains, low, high)).ravel())[::-1]
    return int(np.searchsorted(np.cumsum(full), need)) + 1
