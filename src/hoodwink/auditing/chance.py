"""Chance: binomial tails, and what a count of hits says of the share behind it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CONFIDENCE = 0.95


def at_least(hits: int, count: int, share: float) -> float:
    """The chance of so many hits or more in `count` draws that each hit with the chance `share`."""
    if hits <= 0 or hits > count:
        return float(hits <= 0)
    if not 0 < share < 1:
        return float(share >= 1)
    logs = np.concatenate([[0.0], np.log(np.arange(1, count + 1)).cumsum()])  # of factorials: they themselves overflow from 171 on
    k = np.arange(hits, count + 1)
    terms = logs[count] - logs[k] - logs[count - k] + k * np.log(share) + (count - k) * np.log1p(-share)
    return min(1.0, float(np.exp(terms).sum()))


def bounds(hits: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Bounds of the share behind a count, each with this confidence (Clopper and Pearson 1934); (0, 1) where nothing was drawn."""
    low = 0.0 if hits == 0 else _root(lambda share: at_least(hits, count, share), 1 - confidence)
    high = 1.0 if hits == count else _root(lambda share: at_least(hits + 1, count, share), confidence)
    return low, high


def _root(rising: Callable[[float], float], wanted: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2
