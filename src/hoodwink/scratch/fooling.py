"""Fooling of a scratch classifier by its input gradient: the wrong way, as courses show it, and the right one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoodwink.scratch.classifier import Classifier, ScratchError
from hoodwink.scratch.layers import Array

__all__ = ["Fooled", "climb_target_loss", "fool"]


@dataclass(frozen=True, eq=False)
class Fooled:
    """One search.

    original: whole levels H x W x C; picture: what was found, levels too (uint8 if whole); before, target, after: labels; losses: the
    target's loss -log p(target) at the start and after each step; steps: how many were taken.
    """

    original: Array
    picture: Array
    before: int
    target: int
    after: int
    losses: tuple[float, ...]
    steps: int

    @property
    def fooled(self) -> bool:
        """Whether the classifier calls what was found the target."""
        return self.after == self.target

    @property
    def flipped(self) -> bool:
        """Whether it calls it anything else than before."""
        return self.after != self.before

    @property
    def in_bounds(self) -> bool:
        """Whether every value is from 0 to 255."""
        return bool(self.picture.min() >= 0 and self.picture.max() <= 255)

    @property
    def l2(self) -> float:
        """The distance from the original, for pictures in [0, 1]."""
        return float(np.linalg.norm(self._change()) / 255)

    @property
    def linf(self) -> float:
        """The largest change of a value, in levels."""
        return float(np.abs(self._change()).max())

    def _change(self) -> Array:
        change: Array = self.picture.astype(np.float64) - self.original
        return change


def fool(classifier: Classifier, picture: Array, target: int, *, rate: float = 1.0, steps: int = 100) -> Fooled:
    """Go down the target's loss inside 0..255, and stop at the first step whose picture in whole levels is called the target.

    picture: uint8 H x W x C; rate: what the gradient is multiplied by, both of normalised pictures. The picture found is uint8.
    """
    before = _start(classifier, picture, target)
    levels, losses = picture.astype(np.float64), []
    for step in range(steps + 1):
        whole = np.rint(levels).astype(np.uint8)
        after = _label(classifier, whole)
        loss, slope = _slope(classifier, levels, target)
        losses.append(loss)
        if after == target or step == steps:
            break
        levels = np.clip(levels - rate * slope, 0, 255)
    return Fooled(picture, whole, before, target, after, tuple(losses), step)


def climb_target_loss(classifier: Classifier, picture: Array, target: int, *, rate: float = 1.0, steps: int = 100) -> Fooled:
    """The same with two mistakes, to be looked at: the gradient of the target's loss is added, and values leave 0..255.

    So the target becomes less likely at every step; the search stops at the first step where the label is any other one, and what it
    finds (float64 levels) is no picture that a file could hold.
    """
    before = _start(classifier, picture, target)
    levels, losses = picture.astype(np.float64), []
    for step in range(steps + 1):
        after = _label(classifier, levels)
        loss, slope = _slope(classifier, levels, target)
        losses.append(loss)
        if after != before or step == steps:
            break
        levels = levels + rate * slope
    return Fooled(picture, levels, before, target, after, tuple(losses), step)


def _start(classifier: Classifier, picture: Array, target: int) -> int:
    """The label at the start; ScratchError for what is no picture or no other class."""
    if picture.dtype != np.uint8:
        raise ScratchError(f"a picture of whole levels, uint8, is wanted; {picture.dtype} came")
    if not 0 <= target < classifier.sizes[-1]:
        raise ScratchError(f"a target from 0 to {classifier.sizes[-1] - 1} is wanted; {target} came")
    before = _label(classifier, picture)
    if before == target:
        raise ScratchError(f"the picture is called {classifier.classes[target]} already; give another target")
    return before


def _label(classifier: Classifier, levels: Array) -> int:
    return int(classifier.predict(classifier.normalise(levels[None]))[0])


def _slope(classifier: Classifier, levels: Array, target: int) -> tuple[float, Array]:
    """The target's loss, and the change of levels that a change of the normalised picture by the gradient is."""
    loss, grad = classifier.loss_by_input(classifier.normalise(levels[None]), np.array([target]))
    return loss, grad.reshape(classifier.shape) * (255 * np.array(classifier.std))
