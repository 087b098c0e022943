"""A softmax classifier with any number of hidden ReLU layers, and its file."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hoodwink.scratch.layers import Array, fc_forward, relu_backward, relu_forward, softmax_loss

__all__ = ["Classifier", "Gradients", "ScratchError", "load_classifier", "make_classifier"]

SUFFIX = ".npz"
_FORMAT = "hoodwink scratch classifier 1"
_CHUNK = 2048  # pictures that are scored at once: their hidden layers stay small


class ScratchError(ValueError):
    """A classifier, its file, its pictures or a setting that cannot be used; the message is one line."""


@dataclass(frozen=True, eq=False)
class Gradients:
    """What a loss's slope is by each weight and bias; shapes as in the classifier."""

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Classifier:
    """Pictures to scores: normalised, flattened (rows, columns, channels), then x w + b for each layer, with ReLU between.

    weights: D x M for each layer; biases: M; shape: of a picture, (height, width, channels); mean, std: for each channel, of
    pictures in [0, 1]; classes: names in the order of the scores.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many numbers go into each layer, and the classes."""
        return tuple(w.shape[0] for w in self.weights) + (self.weights[-1].shape[1],)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32, or float64 for a check by differences."""
        return self.weights[0].dtype

    def copy(self) -> Classifier:
        """The same with weights of its own."""
        return replace(self, weights=tuple(w.copy() for w in self.weights), biases=tuple(b.copy() for b in self.biases))

    def normalise(self, pictures: Array) -> Array:
        """What the first layer takes, N x D: (levels / 255 - mean) / std of pictures N x H x W x C, whole levels or floats in 0..255."""
        if pictures.ndim != 4 or pictures.shape[1:] != self.shape:
            wanted = " x ".join(map(str, self.shape))
            raise ScratchError(f"pictures of N x {wanted} are wanted, {' x '.join(map(str, pictures.shape)) or 'a number'} came")
        x = pictures.reshape(-1, self.sizes[0]).astype(self.dtype)
        mean, std = (np.tile(np.array(value, self.dtype), math.prod(self.shape[:2])) for value in (self.mean, self.std))
        x /= 255
        x -= mean
        x /= std
        return x

    def scores(self, x: Array) -> Array:
        """The scores, N x K, of normalised pictures N x D."""
        return self._forward(x)[0]

    def predict(self, x: Array) -> Array:
        """The label with the largest score for each of N normalised pictures."""
        parts = [self.scores(x[start : start + _CHUNK]).argmax(axis=1) for start in range(0, len(x), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def accuracy(self, x: Array, labels: Array) -> float:
        """The share of normalised pictures whose label has the largest score."""
        return float((self.predict(x) == self._labels(labels, len(x))).mean())

    def loss(self, x: Array, labels: Array, reg: float = 0.0) -> float:
        """Mean of -log softmax, and 1/2 reg |W|^2 over all weights (biases are free)."""
        return softmax_loss(self.scores(x), self._labels(labels, len(x)))[0] + self.penalty(reg)

    def loss_and_gradients(self, x: Array, labels: Array, reg: float = 0.0) -> tuple[float, Gradients]:
        """`loss`, and its gradient by each weight and bias."""
        loss, gradients, _ = self.learn(x, labels)
        for dw, w in zip(gradients.weights, self.weights, strict=True):
            dw += reg * w
        return loss + self.penalty(reg), gradients

    def learn(self, x: Array, labels: Array, spare: Gradients | None = None) -> tuple[float, Gradients, int]:
        """What training wants of one forward pass: the loss without penalty, its gradients, and how many labels have the largest score.

        spare: gradients of an earlier step, whose arrays are written over: fresh memory for them costs a twentieth of a step.
        """
        scores, inputs, masks = self._forward(x)
        loss, grad = softmax_loss(scores, self._labels(labels, len(x)))
        return loss, self._backward(grad, inputs, masks, spare), int((scores.argmax(axis=1) == labels).sum())

    def loss_by_input(self, x: Array, labels: Array) -> tuple[float, Array]:
        """The mean loss without penalty, and its gradient by the normalised pictures, N x D."""
        scores, _, masks = self._forward(x)
        loss, grad = softmax_loss(scores, self._labels(labels, len(x)))
        return loss, self._to_input(grad, masks)

    def score_by_input(self, x: Array, label: int) -> Array:
        """The gradient of one class's score by each normalised picture, N x D."""
        scores, _, masks = self._forward(x)
        grad = np.zeros_like(scores)
        grad[:, self._labels(np.array([label]), 1)[0]] = 1
        return self._to_input(grad, masks)

    def penalty(self, reg: float) -> float:
        """1/2 reg |W|^2 over all weights."""
        return reg / 2 * sum(float(np.vdot(w, w)) for w in self.weights) if reg else 0.0

    def save(self, path: str | Path) -> Path:
        """Write one .npz file of plain arrays and a line of JSON, whole or not at all; `load_classifier` and hw.load_model take it."""
        path = Path(path)
        if path.suffix != SUFFIX:
            raise ScratchError(f"{path}: a classifier's file ends in {SUFFIX}; type {path.with_suffix(SUFFIX)}")
        about = {"format": _FORMAT, "shape": self.shape, "mean": self.mean, "std": self.std, "classes": self.classes}
        arrays = {f"w{index}": w for index, w in enumerate(self.weights)} | {f"b{index}": b for index, b in enumerate(self.biases)}
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(part, "wb") as file:
                np.savez(file, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def _forward(self, x: Array) -> tuple[Array, list[Array], list[Array]]:
        """The scores, what went into each layer, and where each hidden unit was above 0."""
        if x.ndim != 2 or x.shape[1] != self.sizes[0]:
            raise ScratchError(f"normalised pictures of N x {self.sizes[0]} are wanted, {x.shape} came; classifier.normalise makes them")
        inputs, masks = [x], []
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden, mask = relu_forward(fc_forward(inputs[-1], w, b)[0])
            inputs.append(hidden)
            masks.append(mask)
        return fc_forward(inputs[-1], self.weights[-1], self.biases[-1])[0], inputs, masks

    def _backward(self, grad: Array, inputs: list[Array], masks: list[Array], spare: Gradients | None = None) -> Gradients:
        """As `fc_backward`, but nobody needs the first layer's gradient by its input: half of the backward products."""
        weights, biases = [], []
        for index in reversed(range(len(inputs))):
            weights.append(np.matmul(inputs[index].T, grad, out=None if spare is None else spare.weights[index]))
            biases.append(grad.sum(axis=0))
            if index:
                grad = relu_backward(grad @ self.weights[index].T, masks[index - 1])
        return Gradients(tuple(weights[::-1]), tuple(biases[::-1]))

    def _to_input(self, grad: Array, masks: list[Array]) -> Array:
        for w, mask in zip(self.weights[:0:-1], masks[::-1], strict=True):
            grad = relu_backward(grad @ w.T, mask)
        first: Array = grad @ self.weights[0].T
        return first

    def _labels(self, labels: Array, count: int) -> Array:
        if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
            raise ScratchError(f"{count} whole numbers are wanted as labels, {labels.dtype} {labels.shape} came")
        if count and (labels.min() < 0 or labels.max() >= self.sizes[-1]):
            raise ScratchError(f"labels are from 0 to {self.sizes[-1] - 1}; {labels.min()} to {labels.max()} came")
        return labels


def make_classifier(
    shape: Sequence[int],
    classes: int | Iterable[str],
    *,
    hidden: Sequence[int] = (),
    scale: float | Literal["he"] = 1e-3,
    mean: float | Sequence[float] = 0.5,
    std: float | Sequence[float] = 0.25,
    seed: int = 0,
    dtype: str = "float32",
) -> Classifier:
    """Make an untrained classifier.

    shape: of a picture, (height, width, channels); classes: names, or how many; hidden: units of each hidden layer; scale: the
    standard deviation of the weights, or "he" for sqrt(2 / inputs) (He et al. 2015, arXiv:1502.01852); mean, std: a number for
    each channel, or one for all, of pictures in [0, 1]. Biases begin at 0.
    """
    height, width, channels = shape
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
    sizes = (height * width * channels, *hidden, len(names))
    generator = np.random.default_rng(seed)
    spreads = [math.sqrt(2 / size) if scale == "he" else float(scale) for size in sizes[:-1]]
    weights = [generator.normal(0, spread, pair) for spread, pair in zip(spreads, pairwise(sizes), strict=True)]
    classifier = Classifier(
        weights=tuple(w.astype(dtype) for w in weights),
        biases=tuple(np.zeros(size, dtype) for size in sizes[1:]),
        shape=(height, width, channels),
        mean=_numbers(mean, channels),
        std=_numbers(std, channels),
        classes=names,
    )
    _check(classifier, "the classifier")
    return classifier


def load_classifier(path: str | Path) -> Classifier:
    """Read what `Classifier.save` wrote; nothing in a file is run. Raises ScratchError, which names the file and what is wrong."""
    try:
        file = np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False)
        arrays = {name: file[name] for name in file.files} if isinstance(file, np.lib.npyio.NpzFile) else {}
    except OSError as error:
        raise ScratchError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a broken file makes numpy.load raise nearly anything
        reason = _first_line(error)
        raise ScratchError(f"{path}: is no file of plain arrays, or not a whole one ({reason}); Classifier.save makes one") from error
    classifier = _assemble(arrays, str(path))
    _check(classifier, str(path))
    return classifier


def _assemble(arrays: dict[str, Array], what: str) -> Classifier:
    try:
        about = json.loads(str(arrays["about"]))
        if about["format"] != _FORMAT:
            raise ScratchError(f"{what}: its format is {about['format']!r}, wanted is {_FORMAT!r}")
        layers = range((len(arrays) - 1) // 2)
        return Classifier(
            weights=tuple(arrays[f"w{index}"] for index in layers),
            biases=tuple(arrays[f"b{index}"] for index in layers),
            **{key: tuple(about[key]) for key in ("shape", "mean", "std", "classes")},
        )
    except (KeyError, TypeError, json.JSONDecodeError, RecursionError) as error:
        raise ScratchError(f"{what}: holds no scratch classifier ({_first_line(error)}); Classifier.save makes one") from error


def _check(classifier: Classifier, what: str) -> None:
    """Refuse what cannot be computed with, in words."""
    arrays, shape = (*classifier.weights, *classifier.biases), classifier.shape
    _need(bool(arrays) and all(isinstance(name, str) for name in classifier.classes), what, "a layer or more, and names of classes")
    _need(len(shape) == 3 and all(isinstance(side, int) and side > 0 for side in shape), what, f"(height, width, channels), not {shape}")
    _need(all(w.ndim == 2 for w in classifier.weights), what, "weights as matrices")
    wanted = list(pairwise((math.prod(shape), *(w.shape[1] for w in classifier.weights[:-1]), len(classifier.classes))))
    came = [w.shape for w in classifier.weights]
    fits = came == wanted and [b.shape for b in classifier.biases] == [(size,) for _, size in wanted]
    _need(fits and all(w.size for w in classifier.weights), what, f"weights of {wanted} and a bias for each of their columns, not {came}")
    _need(classifier.dtype in (np.float32, np.float64), what, f"weights of float32 or float64, not {classifier.dtype}")
    _need(all(array.dtype == classifier.dtype for array in arrays), what, "weights of one type")
    _need(all(bool(np.isfinite(array).all()) for array in arrays), what, "weights that are finite")
    numbers = (*classifier.mean, *classifier.std)
    fine = all(isinstance(value, float) and math.isfinite(value) for value in numbers) and all(value > 0 for value in classifier.std)
    _need(
        fine and len(classifier.mean) == len(classifier.std) == shape[2], what, f"a mean and a std above 0 for each of {shape[2]} channels"
    )


def _need(holds: bool, what: str, wanted: str) -> None:
    if not holds:
        raise ScratchError(f"{what}: a classifier needs {wanted}")


def _numbers(value: float | Sequence[float], channels: int) -> tuple[float, ...]:
    return (float(value),) * channels if isinstance(value, (int, float)) else tuple(map(float, value))


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
