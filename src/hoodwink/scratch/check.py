"""Tests a student's own layers: what each function must return is found by central differences, and what is wrong is said in words.

The file is run: whoever checks a stranger's file runs a stranger's program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from hoodwink.scratch import layers
from hoodwink.scratch.faults import as_numbers, close, differs, slope
from hoodwink.scratch.layers import Array
from hoodwink.scratch.student import FUNCTIONS, CheckError, Fault, Finding, cache_of, call, load

__all__ = ["FUNCTIONS", "CheckError", "Finding", "check"]

_SIZES = ((7, 5, 3), (1, 2, 4))  # rows N, inputs D, outputs K: primes, so that a factor tells where it comes from; then a batch of one
_STABLE = "subtract each row's largest score before exp, and take the log of the sum, not of a softmax"


def check(path_or_module: str | Path | ModuleType) -> list[Finding]:
    """Test the functions of FUNCTIONS in a file, which is run, or in a module; at least one finding for each.

    Tested against `hoodwink.scratch.layers` and its central differences in float64: N examples are rows, losses are means over N,
    softmax_loss must stand scores of 1e4, no function may change its arguments. Raises CheckError for a file that cannot be read or run.
    """
    module = path_or_module if isinstance(path_or_module, ModuleType) else load(Path(path_or_module))
    return [finding for name in FUNCTIONS for finding in _check_function(module, name)]


def _check_function(module: ModuleType, name: str) -> list[Finding]:
    if not hasattr(module, name):
        return [Finding(name, "missing", f"there is no {FUNCTIONS[name]}")]
    found: list[Finding] = []
    for sizes in _SIZES:
        try:
            faults = [Finding(name, "wrong", says) for says in _TRIALS[name](module, sizes) if says]
        except Fault as fault:
            faults = [fault.finding]
        if faults:
            batch = "for a batch of one, " if sizes != _SIZES[0] else ""
            found = [Finding(name, one.verdict, batch + one.says, one.line) for one in faults]
            break
    return found or [Finding(name, "right")]


def _try_fc_forward(module: ModuleType, sizes: tuple[int, ...]) -> Iterator[str]:
    x, w, b, _ = _fc_case(sizes)
    out, _ = call(module, "fc_forward", {"x": x, "w": w, "b": b}, 2)
    guesses = {"lacks the bias b": x @ w, "has the bias b subtracted": x @ w - b}
    yield differs("out", out, x @ w + b, _letters(sizes), guesses)


def _try_fc_backward(module: ModuleType, sizes: tuple[int, ...]) -> Iterator[str]:
    x, w, b, grad = _fc_case(sizes)
    cache = cache_of(module, "fc_backward", "fc_forward", x, w, b)
    came = call(module, "fc_backward", {"grad": grad}, 3, cache=cache, kept={"x": x, "w": w, "b": b})
    wanted = [
        slope(lambda one: _summed(layers.fc_forward(one, w, b)[0], grad), x),
        slope(lambda one: _summed(layers.fc_forward(x, one, b)[0], grad), w),
        slope(lambda one: _summed(layers.fc_forward(x, w, one)[0], grad), b),
    ]
    shapes, right = [getattr(as_numbers(one), "shape", None) for one in came], [one.shape for one in wanted]
    if shapes != right and sorted(shapes, key=str) == sorted(right, key=str):
        yield f"returns shapes {shapes}: dx, dw, db are wanted in this order, {right}"
        return
    for name, one, other in zip(("dx", "dw", "db"), came, wanted, strict=True):
        yield differs(name, one, other, _letters(sizes))


def _try_relu_forward(module: ModuleType, sizes: tuple[int, ...]) -> Iterator[str]:
    x, _ = _relu_case(sizes)
    out, _ = call(module, "relu_forward", {"x": x}, 2)
    wanted = layers.relu_forward(x)[0]
    came = as_numbers(out)
    guesses = {"is x itself: values below 0 must become 0": x, "is |x|: values below 0 must become 0": np.abs(x)}
    if came is not None and came.shape == x.shape and np.isfinite(came).all():
        top, leak = float(came.max()), float(came[x < 0].sum() / x[x < 0].sum())
        guesses[f"has an upper clip at {top:g}: relu has none"] = np.minimum(wanted, top)
        guesses[f"lets values below 0 through, times {leak:g}: they must become 0"] = np.where(x < 0, leak * x, x)
    yield differs("out", out, wanted, {}, guesses)


def _try_relu_backward(module: ModuleType, sizes: tuple[int, ...]) -> Iterator[str]:
    x, grad = _relu_case(sizes)
    cache = cache_of(module, "relu_backward", "relu_forward", x)
    dx = call(module, "relu_backward", {"grad": grad}, 0, cache=cache, kept={"x": x})
    wanted = slope(lambda one: _summed(layers.relu_forward(one)[0], grad), x)
    came = as_numbers(dx)
    guesses = {
        "is the gradient itself: it must be 0 where x is below 0": grad,
        "is 0 where the gradient is below 0: it must be 0 where x is": grad * (grad > 0),
        "is 0 where the gradient or x is below 0: x alone decides": grad * ((grad > 0) & (x > 0)),
        "is 1 and 0: it must be the gradient where x is above 0": (x > 0) * 1.0,
        "is the gradient where x is below 0: it must be so where x is above 0": grad * (x < 0),
    }
    if came is not None and came.shape == x.shape and (came[x > 1] == 0).any():
        limit = float(x[(x > 0) & (came == 0)].min())
        guesses[f"is 0 where x is {limit:g} or more: an upper clip, and relu has none"] = grad * ((x > 0) & (x < limit))
    yield differs("dx", dx, wanted, _letters(sizes), guesses)


def _try_softmax_loss(module: ModuleType, sizes: tuple[int, ...]) -> Iterator[str]:
    n, _, k = sizes
    generator = np.random.default_rng(sizes)
    scores, labels = generator.normal(0, 2, (n, k)), generator.integers(0, k, n)
    loss, dscores = call(module, "softmax_loss", {"scores": scores, "labels": labels}, 2)
    wanted = slope(lambda one: layers.softmax_loss(one, labels)[0], scores)
    hot = np.eye(k)[labels]
    guesses = {
        "lacks the 1 taken off at the right class (and 1/N)": wanted * n + hot,
        "lacks the 1 taken off at the right class": wanted + hot / n,
        "has 1/N on the softmax alone, not on the 1 that is taken off": wanted + hot / n - hot,
    }
    faults = [
        differs("loss", loss, np.array(layers.softmax_loss(scores, labels)[0]), _letters(sizes)),
        differs("dscores", dscores, wanted, _letters(sizes), guesses),
    ]
    yield from faults
    if not any(faults):
        yield _unstable(module, scores, labels)


def _unstable(module: ModuleType, scores: Array, labels: Array) -> str:
    """Scores of 1e4, and rows far apart: one row's largest score is no help to another."""
    large = 1e4 * scores + 1e4 * np.arange(len(scores))[:, None]
    wanted, slopes = layers.softmax_loss(large, labels)
    pair = call(module, "softmax_loss", {"scores": large, "labels": labels}, 2)
    for name, one, other in zip(("loss", "dscores"), pair, (np.array(wanted), slopes), strict=True):
        came = as_numbers(one)
        if came is None or not np.isfinite(came).all():
            return f"{name} is not finite on scores of 1e4: {_STABLE}"
        if not close(came, other):
            return f"{name} is wrong on scores of 1e4 (the largest is {came.max():.4g}, wanted is {other.max():.4g}): {_STABLE}"
    return ""


def _try_l2_loss(module: ModuleType, sizes: tuple[int, ...]) -> Iterator[str]:
    n, _, k = sizes
    out, aim = np.random.default_rng(sizes).normal(0, 2, (2, n, k))
    loss, dout = call(module, "l2_loss", {"out": out, "wanted": aim}, 2)
    right = np.array(layers.l2_loss(out, aim)[0])
    guesses = {"is a distance: the square root must go": np.sqrt(right), "is a distance, not its mean square": np.sqrt(right * n)}
    yield differs("loss", loss, right, _letters(sizes), guesses)
    yield differs("dout", dout, slope(lambda one: layers.l2_loss(one, aim)[0], out), _letters(sizes))


_TRIALS: dict[str, Callable[[ModuleType, tuple[int, ...]], Iterator[str]]] = {
    "fc_forward": _try_fc_forward,
    "fc_backward": _try_fc_backward,
    "relu_forward": _try_relu_forward,
    "relu_backward": _try_relu_backward,
    "softmax_loss": _try_softmax_loss,
    "l2_loss": _try_l2_loss,
}


def _fc_case(sizes: tuple[int, ...]) -> tuple[Array, Array, Array, Array]:
    n, d, k = sizes
    generator = np.random.default_rng(sizes)
    return generator.normal(size=(n, d)), generator.normal(size=(d, k)), generator.normal(size=k), generator.normal(size=(n, k))


def _relu_case(sizes: tuple[int, ...]) -> tuple[Array, Array]:
    """Numbers of both signs, none near 0 (where there is no slope), some large; gradients of both signs for each."""
    n, d, _ = sizes
    generator = np.random.default_rng(sizes)
    size = np.geomspace(0.25, 2000, n * d) * np.where(np.arange(n * d) % 2, 1.0, -1.0)
    return generator.permutation(size).reshape(n, d), generator.normal(size=(n, d))


def _letters(sizes: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(("N", "D", "K"), sizes, strict=True))


def _summed(out: Array, grad: Array) -> float:
    return float((out * grad).sum())
