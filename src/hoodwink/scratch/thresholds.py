"""Threshold units: which functions of bits they compute, and why depth without non-linearity adds nothing. Whole numbers throughout.

A truth table of n inputs is a tuple of 2^n bits, in the order of the inputs counted in binary: for two, (0, 0) (0, 1) (1, 0) (1, 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from hoodwink.scratch.classifier import ScratchError
from hoodwink.scratch.layers import Array

__all__ = ["TwoLayers", "Unit", "affine_map", "all_inputs", "all_tables", "collapse", "threshold_unit", "two_layers"]

Table = tuple[int, ...]


@dataclass(frozen=True)
class Unit:
    """w x + b of bits x; as a threshold unit 1 where that is above 0, else 0."""

    weights: tuple[int, ...]
    bias: int

    def value(self, bits: Sequence[int]) -> int:
        """w x + b."""
        return sum(w * bit for w, bit in zip(self.weights, bits, strict=True)) + self.bias

    def fires(self, bits: Sequence[int]) -> int:
        """1 where w x + b is above 0, else 0."""
        return int(self.value(bits) > 0)


@dataclass(frozen=True)
class TwoLayers:
    """A layer of threshold units, and one unit that takes what they say."""

    hidden: tuple[Unit, ...]
    output: Unit

    def fires(self, bits: Sequence[int]) -> int:
        """What the output unit says, 0 or 1."""
        return self.output.fires([unit.fires(bits) for unit in self.hidden])


def all_inputs(n: int) -> list[tuple[int, ...]]:
    """The 2^n inputs of n bits, counted in binary."""
    return list(product((0, 1), repeat=n))


def all_tables(n: int) -> list[Table]:
    """The 2^(2^n) truth tables of n inputs: 16 of two, 256 of three."""
    return list(product((0, 1), repeat=2**n))


def affine_map(table: Table) -> Unit | None:
    """The w x + b that equals the table exactly, None where there is none.

    The inputs of at most one 1 leave no choice: b = f(0), w_i = f(e_i) - b. The others then fit or do not.
    """
    inputs = all_inputs(_count(table))
    value = dict(zip(inputs, table, strict=True))
    n = len(inputs[0])
    bias = table[0]
    unit = Unit(tuple(value[tuple(int(i == k) for i in range(n))] - bias for k in range(n)), bias)
    return unit if all(unit.value(bits) == value[bits] for bits in inputs) else None


def threshold_unit(table: Table) -> Unit | None:
    """A threshold unit that computes the table, None where none can.

    The perceptron's rule in whole numbers: it comes to an end if any unit computes the table (Novikoff 1962), and its weights stay
    bounded in any case (Minsky and Papert 1969), so that otherwise they are the same again after some passes: then it never ends, which
    proves that there is none.
    """
    inputs = all_inputs(_count(table))
    state = (0,) * (len(inputs[0]) + 1)
    seen: set[tuple[int, ...]] = set()
    while state not in seen:
        seen.add(state)
        unit = Unit(state[1:], state[0])
        if all(unit.fires(bits) == bit for bits, bit in zip(inputs, table, strict=True)):
            return unit
        state = _pass(state, inputs, table)
    return None


def two_layers(table: Table) -> TwoLayers:
    """Two layers of threshold units that compute any table.

    Each hidden unit fires at one input alone, w = 1 where that has a 1 and -1 where it has a 0, b = 1 - its ones; the output unit says
    whether any fired, or, where the ones are more, whether none of the zeros' units did. At most 2^(n - 1) hidden units.
    """
    inputs = all_inputs(_count(table))
    rare = int(2 * sum(table) <= len(table))
    spots = [bits for bits, bit in zip(inputs, table, strict=True) if bit == rare]
    hidden = tuple(Unit(tuple(2 * bit - 1 for bit in bits), 1 - sum(bits)) for bits in spots)
    sign = 1 if rare else -1
    return TwoLayers(hidden, Unit((sign,) * len(hidden), 1 - rare))


def collapse(weights: Sequence[Array], biases: Sequence[Array] | None = None) -> tuple[Array, Array]:
    """The one layer (w, b) that a deep linear network is: w the product of the matrices, each D x M as in x w + b."""
    if not weights:
        raise ScratchError("a network of one layer or more is wanted, none came")
    w, b = weights[0], (np.zeros(weights[0].shape[1], weights[0].dtype) if biases is None else biases[0])
    for index, matrix in enumerate(weights[1:], start=1):
        w, b = w @ matrix, b @ matrix + (0 if biases is None else biases[index])
    return w, b


def _pass(state: tuple[int, ...], inputs: list[tuple[int, ...]], table: Table) -> tuple[int, ...]:
    """The weights, bias first, after a pass through all inputs."""
    for bits, wanted in zip(inputs, table, strict=True):
        whole = (1, *bits)
        miss = wanted - int(sum(w * x for w, x in zip(state, whole, strict=True)) > 0)
        state = tuple(w + miss * x for w, x in zip(state, whole, strict=True))
    return state


def _count(table: Table) -> int:
    """How many inputs a table has."""
    n = len(table).bit_length() - 1
    if n < 1 or len(table) != 2**n or not set(table) <= {0, 1}:
        raise ScratchError(f"a truth table has 2, 4, 8, ... entries, each 0 or 1; {table!r} came")
    return n
