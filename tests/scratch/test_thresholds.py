from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from hoodwink.scratch.classifier import ScratchError
from hoodwink.scratch.thresholds import Unit, affine_map, all_inputs, all_tables, collapse, threshold_unit, two_layers

XOR, XNOR = (0, 1, 1, 0), (1, 0, 0, 1)


def told(unit: Unit, n: int) -> tuple[int, ...]:
    return tuple(unit.fires(bits) for bits in all_inputs(n))


def reachable(n: int, most: int) -> set[tuple[int, ...]]:
    """Every table that a unit with weights of at most `most` computes; biases between the sums."""
    return {
        tuple(int(2 * sum(w * x for w, x in zip(weights, bits, strict=True)) + bias > 0) for bits in all_inputs(n))
        for weights in product(range(-most, most + 1), repeat=n)
        for bias in range(-2 * n * most - 1, 2 * n * most + 2, 2)
    }


def test_of_the_16_tables_6_are_affine_and_14_are_a_unit_and_all_are_two_layers() -> None:
    tables = all_tables(2)
    assert len(set(tables)) == 16
    affine = {table for table in tables if affine_map(table)}
    assert affine == {(0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 1, 1), (1, 1, 0, 0), (0, 1, 0, 1), (1, 0, 1, 0)}
    units = {table for table in tables if threshold_unit(table)}
    assert set(tables) - units == {XOR, XNOR}
    assert units == reachable(2, 1)
    assert affine < units


@pytest.mark.parametrize(("n", "count"), [(1, 4), (2, 14), (3, 104)])
def test_units_by_enumeration(n: int, count: int) -> None:
    found = {table: threshold_unit(table) for table in all_tables(n)}
    assert all(unit is None or told(unit, n) == table for table, unit in found.items())
    units = {table for table, unit in found.items() if unit}
    assert len(units) == count
    assert units == reachable(n, 2)  # no threshold function of three inputs needs larger weights


@pytest.mark.parametrize("n", [1, 2, 3])
def test_two_layers_compute_every_table(n: int) -> None:
    for table in all_tables(n):
        network = two_layers(table)
        assert tuple(network.fires(bits) for bits in all_inputs(n)) == table
        assert len(network.hidden) <= 2 ** (n - 1)


def test_affine_maps_are_exact() -> None:
    for table in all_tables(3):
        unit = affine_map(table)
        matrix = np.array([(1, *bits) for bits in all_inputs(3)])
        residual = np.linalg.lstsq(matrix, np.array(table), rcond=None)[1]
        assert (unit is not None) == bool((residual < 1e-9).all())
        assert unit is None or tuple(unit.value(bits) for bits in all_inputs(3)) == table


def test_larger_tables() -> None:
    majority = tuple(int(sum(bits) > 2) for bits in all_inputs(5))
    parity = tuple(sum(bits) % 2 for bits in all_inputs(5))
    unit = threshold_unit(majority)
    assert unit is not None
    assert told(unit, 5) == majority
    assert threshold_unit(parity[:16]) is None
    assert tuple(two_layers(parity).fires(bits) for bits in all_inputs(5)) == parity


def test_a_deep_linear_network_is_one_layer() -> None:
    generator = np.random.default_rng(0)
    sizes = (4, 7, 2, 5)
    weights = [generator.normal(size=pair) for pair in pairwise(sizes)]
    biases = [generator.normal(size=size) for size in sizes[1:]]
    x = generator.normal(size=(9, 4))
    deep = x
    for w, b in zip(weights, biases, strict=True):
        deep = deep @ w + b
    w, b = collapse(weights, biases)
    np.testing.assert_allclose(x @ w + b, deep)
    assert np.linalg.matrix_rank(w) == 2
    w, b = collapse(weights)
    np.testing.assert_allclose(w, weights[0] @ weights[1] @ weights[2])
    assert not b.any()


@pytest.mark.parametrize("table", [(), (0,), (0, 1, 1), (0, 2, 1, 1)])
def test_what_is_no_table(table: tuple[int, ...]) -> None:
    for function in (affine_map, threshold_unit, two_layers):
        with pytest.raises(ScratchError, match="a truth table has 2, 4, 8"):
            function(table)
    with pytest.raises(ScratchError, match="one layer or more"):
        collapse([])
