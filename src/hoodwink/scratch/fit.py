"""Training of a scratch classifier: mini-batch SGD, in NumPy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hoodwink.scratch.classifier import Classifier, Gradients, ScratchError
from hoodwink.scratch.layers import Array

__all__ = ["SCHEDULES", "Epoch", "Fitted", "Settings", "fit", "rate_at"]

SCHEDULES = ("constant", "step", "cosine")
_BLOCK = 1 << 15  # weights that are updated at once: they stay in the processor's cache from one operation to the next


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a classifier is trained.

    rate: of the first step; decay: what it is multiplied by after each epoch; schedule: on top of that "constant", "step" (a tenth after
    each of the parts of the training in `drops`) or "cosine" (to 0 at the end); momentum: in [0, 1); reg: the penalty is 1/2 reg |W|^2;
    flip: mirror half of the pictures; shift: move each by up to so many pixels, what comes in has the mean colour.
    """

    epochs: int = 20
    batch: int = 128
    rate: float = 5e-3
    decay: float = 0.9
    schedule: str = "constant"
    drops: tuple[float, ...] = (0.5, 0.75)
    momentum: float = 0.0
    reg: float = 0.0
    flip: bool = False
    shift: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        _need(self.epochs > 0 and self.batch > 0, "epochs and batch", "1 or more", (self.epochs, self.batch))
        _need(self.rate > 0 and self.decay > 0, "rate and decay", "above 0", (self.rate, self.decay))
        _need(self.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}", self.schedule)
        _need(0 <= self.momentum < 1, "momentum", "from 0 to under 1", self.momentum)
        _need(self.reg >= 0 and self.shift >= 0, "reg and shift", "0 or more", (self.reg, self.shift))


@dataclass(frozen=True)
class Epoch:
    """One epoch: the mean of its batches' losses, penalty included, each before its update; the share of right labels among them (as the
    pictures came: shifted and flipped); the share on the validation pictures afterwards, None without any; the rate of its first step.
    """

    number: int
    loss: float
    accuracy: float
    validation: float | None
    rate: float
    seconds: float = field(compare=False)


@dataclass(frozen=True, eq=False)
class Fitted:
    """The classifier after the last epoch, the one after the epoch that was best on the validation pictures (without any: the last), and
    all epochs.
    """

    last: Classifier
    best: Classifier
    epochs: tuple[Epoch, ...]


def fit(
    classifier: Classifier,
    pictures: Array,
    labels: Array,
    settings: Settings,
    *,
    validation: tuple[Array, Array] | None = None,
    after: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Train a copy of a classifier.

    pictures: uint8 N x H x W x C; labels: integers N; validation: the same of others; after: called with each finished epoch. The order
    and the augmentation of an epoch follow from (seed, epoch) alone. Raises ScratchError; also where the loss stops being finite.
    """
    classifier = best = classifier.copy()
    x = classifier.normalise(pictures)
    if not len(x) or labels.shape != (len(x),):
        raise ScratchError(f"pictures with a label each are wanted; {len(x)} pictures and labels of shape {labels.shape} came")
    judged = (classifier.normalise(validation[0]), validation[1]) if validation else None
    batches = _Batches(x, classifier.shape, settings)
    velocity = [np.zeros_like(array) for array in (*classifier.weights, *classifier.biases)] if settings.momentum else []
    epochs: list[Epoch] = []
    for number in range(settings.epochs):
        start = time.perf_counter()
        loss, accuracy = _epoch(classifier, batches, labels, velocity, settings, number)
        score = classifier.accuracy(*judged) if judged else None
        if score is not None and score > max((one.validation or 0 for one in epochs), default=-1):
            best = classifier.copy()
        epochs.append(Epoch(number, loss, accuracy, score, rate_at(settings, number), time.perf_counter() - start))
        if after is not None:
            after(epochs[-1])
    return Fitted(classifier, best if judged else classifier, tuple(epochs))


def rate_at(settings: Settings, epoch: float) -> float:
    """The rate at a time in epochs; parts of an epoch count for the cosine and the drops, not for the decay."""
    done = epoch / settings.epochs
    shape = {
        "constant": 1.0,
        "step": 0.1 ** sum(done >= drop for drop in settings.drops),
        "cosine": (1 + math.cos(math.pi * done)) / 2,
    }[settings.schedule]
    return float(settings.rate * settings.decay ** int(epoch) * shape)


def _epoch(
    classifier: Classifier, batches: _Batches, labels: Array, velocity: list[Array], settings: Settings, number: int
) -> tuple[float, float]:
    """Go once through all pictures; the mean loss and the share of right labels."""
    generator = np.random.default_rng((settings.seed, number))
    order = generator.permutation(len(labels))
    total, right = 0.0, 0
    gradients: Gradients | None = None
    for start in range(0, len(order), settings.batch):
        rows = order[start : start + settings.batch]
        loss, gradients, hits = classifier.learn(batches.take(rows, generator), labels[rows], gradients)
        loss += classifier.penalty(settings.reg)
        if not math.isfinite(loss):
            raise ScratchError(f"the loss is no longer finite in epoch {number + 1} at a rate of {settings.rate:g}; give a smaller rate")
        rate = rate_at(settings, number + start / len(order))
        arrays, layers = (*classifier.weights, *classifier.biases), len(classifier.weights)
        for index, (array, slope) in enumerate(zip(arrays, (*gradients.weights, *gradients.biases), strict=True)):
            reg = settings.reg if index < layers else 0.0
            _descend(array, slope, velocity[index] if velocity else slope, rate, settings.momentum, reg)
        total, right = total + loss * len(rows), right + hits
    return total / len(order), right / len(order)


def _descend(array: Array, slope: Array, velocity: Array, rate: float, momentum: float, reg: float) -> None:
    """array -= rate * velocity, after velocity = momentum * velocity + slope + reg * array; without momentum the slope is its velocity."""
    own, slope, speed = (one.reshape(-1) for one in (array, slope, velocity))
    spare = np.empty(min(_BLOCK, own.size), own.dtype)
    for start in range(0, own.size, _BLOCK):
        here = slice(start, start + _BLOCK)
        part, fast = spare[: own[here].size], speed[here]
        if momentum:
            fast *= momentum
            fast += slope[here]
        if reg:
            fast += np.multiply(own[here], reg, out=part)
        own[here] -= np.multiply(fast, rate, out=part)


class _Batches:
    """The normalised pictures, taken by index and augmented."""

    def __init__(self, x: Array, shape: tuple[int, int, int], settings: Settings) -> None:
        self.x, self.shape, self.flip, self.shift = x, shape, settings.flip, settings.shift
        if self.shift:
            pad = (self.shift, self.shift)
            self.x = np.pad(x.reshape(-1, *shape), ((0, 0), pad, pad, (0, 0)))

    def take(self, rows: Array, generator: np.random.Generator) -> Array:
        """N x D for the pictures at `rows`."""
        if self.shift:
            windows = np.lib.stride_tricks.sliding_window_view(self.x, self.shape[:2], axis=(1, 2))  # N x 2s+1 x 2s+1 x C x H x W
            down, right = generator.integers(0, 2 * self.shift + 1, (2, len(rows)))
            batch = windows[rows, down, right].transpose(0, 2, 3, 1)
        else:
            batch = self.x[rows].reshape(-1, *self.shape)
        if self.flip:
            mirrored = generator.random(len(rows)) < 0.5
            batch[mirrored] = batch[mirrored, :, ::-1]
        flat: Array = batch.reshape(len(rows), -1)
        return flat


def _need(holds: bool, name: str, wanted: str, came: object) -> None:
    if not holds:
        raise ScratchError(f"{name} must be {wanted}; {came} came")
