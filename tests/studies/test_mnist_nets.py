from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hoodwink.models.shapes import layers
from hoodwink.studies.desk import Desk
from hoodwink.studies.mnist_nets import MNIST_NETS, network, rate, run, thinned


def desk(line: int, folder: Path = Path(), **settings: Any) -> Desk:
    record = MNIST_NETS.lines[line]
    return Desk(record.name, {**record.settings, **settings}, 0, folder)


def convolved(width: int, kernel: int, padding: int, stride: int) -> int:
    """In how many places a kernel finds room, counted one by one."""
    return sum(1 for first in range(-padding, width + padding) if first + kernel <= width + padding and (first + padding) % stride == 0)


@pytest.mark.parametrize(("line", "padding"), [(1, 0), (2, 2)])
def test_shapes_are_those_that_counting_gives(line: int, padding: int) -> None:
    wanted, width = [], 28
    for _ in range(2):
        wanted.append(convolved(width, 5, padding, 1))
        width = convolved(wanted[-1], 2, 0, 2)
        wanted.append(width)
    found = [one for one in layers(network(desk(line)), (1, 28, 28)) if one.kind in ("Conv2d", "MaxPool2d")]
    assert [one.output[1] for one in found] == wanted
    assert all(f"= {one.output[1]}" in one.formula and one.formula.startswith("(W - K + 2P)/S + 1") for one in found)


def test_networks_are_the_source_s() -> None:
    def linear(line: int) -> list[tuple[int, int]]:
        return [(one.in_features, one.out_features) for one in network(desk(line)).modules() if isinstance(one, nn.Linear)]

    assert linear(0) == [(784, 50), (50, 20), (20, 10)]
    assert linear(1) == [(160, 32), (32, 10)]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=70), st.integers(1, 20))
def test_a_thinned_curve_keeps_its_mean(losses: list[float], points: int) -> None:
    found = thinned(losses, points)
    each = -(-len(losses) // points)
    assert len(found) <= points and len(found) == -(-len(losses) // each)
    sizes = [min(each, len(losses) - k * each) for k in range(len(found))]
    assert sum(n * value for n, value in zip(sizes, found, strict=True)) == pytest.approx(sum(losses), abs=1e-9)
    assert each > 1 or found == losses


def test_a_rate_falls_along_a_cosine_or_stays() -> None:
    falling = desk(2)
    assert rate(falling, 0) == 0.02 and rate(falling, 0.5) == pytest.approx(0.01) and rate(falling, 1) == pytest.approx(0)
    assert rate(desk(1), 0.7) == 0.01


def test_looks_and_epochs_are_counted(tmp_path: Path) -> None:
    found = run(desk(0, tmp_path, data="digits-28", epochs=2, every=4, looked=137))
    steps = -(-(1137 - 137) // 64)
    assert found.series["iterations"] == 2 * steps == len(found.series["loss"])
    assert len(found.series["training accuracy"]) == len(found.series["validation accuracy"]) == 1 + 2 * steps // 4
    assert len(found.series["test accuracy"]) == 2 and found.series["test accuracy"][-1] == found.values["test accuracy"]
