"""What is wrong with an array, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from hoodwink.scratch.layers import Array

__all__ = ["as_numbers", "close", "differs", "slope", "times"]

_STEP = 1e-4  # of central differences: what it leaves out and what is rounded are both far below what `close` allows


def slope(function: Callable[[Array], float], x: Array) -> Array:
    """The gradient of a function of an array by central differences, in float64."""
    point, found = x.astype(np.float64), np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        at = point[index]
        point[index] = at + _STEP
        above = function(point)
        point[index] = at - _STEP
        found[index] = (above - function(point)) / (2 * _STEP)
        point[index] = at
    return found


def close(came: Array, wanted: Array) -> bool:
    """Whether two arrays are equal up to what float32 rounds."""
    return came.shape == wanted.shape and bool(np.allclose(came, wanted, rtol=1e-5, atol=1e-6))


def as_numbers(value: object) -> Array | None:
    """A value as a float64 array, None where it is none."""
    try:
        return np.asarray(value, dtype=np.float64)
    except Exception:  # noqa: BLE001  a foreign object may raise anything
        return None


def differs(name: str, value: object, wanted: Array, sizes: Mapping[str, int], guesses: Mapping[str, Array] | None = None) -> str:
    """Say how a value differs from the wanted array, "" where it does not.

    sizes: letters and the numbers that may be missing as factors; guesses: common mistakes in words, and what they would give.
    """
    came = as_numbers(value)
    if came is None:
        return f"{name} must be an array of numbers, it is {type(value).__name__}"
    if came.shape != wanted.shape:
        return f"{name} {_shape_fault(came, wanted)}"
    if not np.isfinite(came).all():
        return f"{name} is not finite"
    if close(came, wanted):
        return ""
    guess = next((words for words, array in (guesses or {}).items() if close(came, array)), "")
    return f"{name} {guess or times(came, wanted, sizes) or _where(came, wanted)}"


def times(came: Array, wanted: Array, sizes: Mapping[str, int]) -> str:
    """Say by which factor, made of -1, 2 and the sizes, an array differs; "" where it is no such factor."""
    length = float(np.vdot(wanted, wanted))
    share = float(np.vdot(came, wanted)) / length if length else 0.0
    if not share or not close(came, share * wanted):
        return ""
    letters = {"2": 2, **{letter: size for letter, size in sizes.items() if size > 1}}
    powers = sorted(product((0, 1, -1), repeat=len(letters)), key=lambda some: sum(map(abs, some)))
    for sign, some in product((1, -1), powers):
        factor = sign * float(np.prod([float(size) ** power for size, power in zip(letters.values(), some, strict=True)]))
        if abs(share - factor) < 1e-4 * abs(factor):
            return _factor_words(sign, dict(zip(letters, some, strict=True)))
    return f"is {share:.4g} times what is wanted" if wanted.ndim else ""


def _factor_words(sign: int, powers: dict[str, int]) -> str:
    parts = ["has the wrong sign"] if sign < 0 else []
    for letter, power in powers.items():
        if power and letter == "2":
            parts.append("is twice as large: a factor 2 is too much" if power > 0 else "is half as large: the factor 2 is missing")
        elif power:
            once = f"large: 1/{letter} is missing (divide by {letter})" if power > 0 else f"small: it is divided by {letter} once too often"
            parts.append(f"is {letter} times too {once}")
    return ", and ".join(parts)


def _shape_fault(came: Array, wanted: Array) -> str:
    shapes = f"it has shape {came.shape}, wanted is {wanted.shape or 'a number'}"
    if wanted.ndim == 2 and close(came, wanted.T):
        return f"is transposed: {shapes}"
    rows = came.ndim == wanted.ndim + 1 and len(came) > 1
    if rows and close(came.sum(axis=0), wanted):
        return f"must be summed over the rows: {shapes}"
    if rows and close(came.mean(axis=0), wanted):
        return f"must be the mean over the rows: {shapes}"
    return shapes.replace("it has", "has")


def _where(came: Array, wanted: Array) -> str:
    if not wanted.ndim:
        return f"is {float(came):.6g}, wanted is {float(wanted):.6g}"
    spot = np.unravel_index(int(np.abs(came - wanted).argmax()), wanted.shape)
    at = ", ".join(str(int(index)) for index in spot)
    return f"is wrong; most at [{at}], where it is {came[spot]:.6g} and {wanted[spot]:.6g} is wanted"
