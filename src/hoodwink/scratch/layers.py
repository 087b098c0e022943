"""Layers and losses as pairs of plain functions: forward, and backward by hand.

N examples are rows. A loss is the mean over the N examples, so its gradient holds the 1/N, and no layer divides again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "fc_backward", "fc_forward", "l2_loss", "relu_backward", "relu_forward", "softmax_loss"]

Array = npt.NDArray[Any]


def fc_forward(x: Array, w: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    """x w + b. x: N x D, w: D x M, b: M; returns N x M, and what `fc_backward` wants."""
    return x @ w + b, (x, w)


def fc_backward(grad: Array, cache: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """The gradients by x, w and b, where grad, N x M, is the one by `fc_forward`'s output."""
    x, w = cache
    return grad @ w.T, x.T @ grad, grad.sum(axis=0)


def relu_forward(x: Array) -> tuple[Array, Array]:
    """max(x, 0), without an upper bound; any shape. Returns it, and what `relu_backward` wants."""
    return np.maximum(x, 0), x > 0


def relu_backward(grad: Array, cache: Array) -> Array:
    """The gradient by x: grad where x was above 0, else 0 (at 0 too)."""
    return grad * cache


def softmax_loss(scores: Array, labels: Array) -> tuple[float, Array]:
    """The mean over N of -log softmax(scores)[label], and its gradient by the scores.

    scores: N x K, labels: integers N. Each row's largest score is taken off first, so no score is too large for exp.
    """
    rows = np.arange(len(scores))
    shifted = scores - scores.max(axis=1, keepdims=True)
    grad = np.exp(shifted)
    sums = grad.sum(axis=1, keepdims=True)
    loss = float((np.log(sums[:, 0]) - shifted[rows, labels]).mean())
    grad /= sums
    grad[rows, labels] -= 1
    grad /= len(scores)
    return loss, grad


def l2_loss(out: Array, wanted: Array) -> tuple[float, Array]:
    """The mean over N of the squared distances |out - wanted|^2 of the rows, N x D, and its gradient by out, 2/N (out - wanted).

    A row's squares are summed, and neither a half nor 1/D is taken: with that, gradient descent with a rate of 2e-5 goes down on
    points of some tens of units (a summed loss would need a rate N times smaller).
    """
    difference = out - wanted
    return float((difference**2).sum() / len(out)), difference * (2 / len(out))
