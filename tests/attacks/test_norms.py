from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.norms import NORMS
from hoodwink.pictures.levels import NORMS as NAMES
from hoodwink.pictures.levels import distances

steady = settings(derandomize=True, deadline=None, max_examples=80)
names = st.sampled_from(sorted(NORMS))


def small(seed: int, levels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """A direction on 2 to 4 subpixels (now and then flat in some), and bounds round zero."""
    dice = np.random.default_rng(seed)
    count = int(dice.integers(2, 5))
    direction = torch.from_numpy(dice.normal(size=(1, 1, 1, count))).float()
    direction[..., dice.integers(0, count)] *= float(dice.integers(0, 2))
    low = -torch.from_numpy(dice.integers(0, levels + 1, direction.shape)).float()
    high = torch.from_numpy(dice.integers(0, levels + 1, direction.shape)).float()
    return direction, low, high


def everything(low: Tensor, high: Tensor) -> Tensor:
    """Every whole-level change inside the bounds, one a row."""
    ranges = [range(int(a), int(b) + 1) for a, b in zip(low.flatten(), high.flatten(), strict=True)]
    return torch.tensor(list(product(*ranges)), dtype=torch.float32)


def test_the_rows_are_the_norms_of_the_grid() -> None:
    assert set(NORMS) == set(NAMES) and all(name == norm.name for name, norm in NORMS.items())


@steady
@given(seed=st.integers(0, 10**6))
def test_size_is_what_the_judge_measures(seed: int) -> None:
    dice = np.random.default_rng(seed)
    before, after = dice.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    change = torch.from_numpy(after.astype(np.float32) - before)
    measured = distances(before, after)
    assert NORMS["l2"].size(change) == measured.l2
    assert round(NORMS["linf"].size(change) * 255) == measured.linf
    assert NORMS["l1"].size(change) == measured.l1
    assert NORMS["l0"].size(change) == measured.l0


def test_a_large_change_is_measured_to_the_last_level() -> None:
    change = torch.full((1, 3, 600, 800), 100.0)
    levels = change[0, 0].numel() * 3 * 100**2 + 1
    change.view(-1)[0], change.view(-1)[1] = 101.0, 99.0  # one more in the sum of squares than 100 and 100, twice
    assert NORMS["l2"].size(change) == math.sqrt(levels + 1) / 255


@steady
@given(seed=st.integers(0, 10**6), name=st.sampled_from(["linf", "l1", "l0"]), levels=st.integers(0, 8))
def test_extreme_is_the_best_change_of_its_size(seed: int, name: str, levels: int) -> None:
    direction, low, high = small(seed)
    norm = NORMS[name]
    radius = levels * (norm.unit or 0.0)
    change = norm.extreme(direction, radius, low, high)
    allowed = [c for c in everything(low, high) if norm.size(c) <= radius + 1e-9]
    best = max(float((direction.flatten() * c).sum()) for c in allowed)
    assert norm.size(change) <= radius + 1e-9
    assert float((direction * change).sum()) == pytest.approx(best, abs=1e-5)


@steady
@given(seed=st.integers(0, 10**6), radius=st.floats(0, 0.03))
def test_extreme_of_l2_buys_each_level_where_it_gains_most(seed: int, radius: float) -> None:
    direction, low, high = small(seed)
    change = NORMS["l2"].extreme(direction, radius, low, high)
    size, gained = NORMS["l2"].size(change), float((direction * change).sum())
    assert size <= radius + 1e-9
    # no change of its size or less gains more
    allowed = everything(low, high)
    allowed = allowed[torch.linalg.vector_norm(allowed, dim=1) / 255 <= size + 1e-9]
    assert gained == pytest.approx(float((allowed @ direction.flatten()).max()), abs=1e-5)
    # and the next larger round(s g) is too large
    scales = torch.cat([(torch.arange(4) + 0.5) / abs(g) for g in direction.flatten().tolist() if g])
    larger = [torch.minimum(torch.maximum((direction * s * (1 + 1e-5)).round(), low), high) for s in sorted(scales.tolist())]
    over = [c for c in larger if NORMS["l2"].size(c) > size + 1e-9]
    assert not over or NORMS["l2"].size(over[0]) > radius - 1e-9


@steady
@given(seed=st.integers(0, 10**6), name=names, share=st.floats(0, 1.2))
def test_extreme_keeps_the_bounds_and_the_grid(seed: int, name: str, share: float) -> None:
    direction, low, high = small(seed, 200)
    radius = share * max(NORMS[name].size(low), NORMS[name].size(high))
    change = NORMS[name].extreme(direction, radius, low, high)
    assert bool((change >= low).all()) and bool((change <= high).all())
    assert torch.equal(change, change.round())
    assert bool((change * direction >= 0).all())


def test_extreme_of_l2_on_more_subpixels_than_its_sample() -> None:
    direction = torch.randn(1, 3, 300, 301, generator=torch.Generator().manual_seed(0))
    wide = torch.full_like(direction, 255.0)
    for radius in (0.5, 2.0, 20.0):
        assert NORMS["l2"].size(NORMS["l2"].extreme(direction, radius, -wide, wide)) == pytest.approx(radius, rel=0.02)


@pytest.mark.parametrize("name", sorted(NORMS))
def test_extreme_along_nothing_and_of_no_size_is_no_change(name: str) -> None:
    wide = torch.full((1, 1, 2, 2), 9.0)
    assert not NORMS[name].extreme(torch.ones_like(wide), 0.0, -wide, wide).any()
    if name != "l0" and name != "l1":
        assert not NORMS[name].extreme(torch.zeros_like(wide), 1.0, -wide, wide).any()


@steady
@given(seed=st.integers(0, 10**6), name=names, share=st.floats(0, 1.5))
def test_inside_leaves_changes_inside_alone_and_brings_others_in(seed: int, name: str, share: float) -> None:
    dice = np.random.default_rng(seed)
    change = torch.from_numpy(dice.integers(-255, 256, (1, 3, 4, 5))).float()
    norm = NORMS[name]
    radius = share * norm.size(change)
    out = norm.inside(change, radius)
    assert norm.size(out) <= radius + 1e-9
    assert torch.equal(out, out.round())
    assert bool((out.abs() <= change.abs()).all()) and bool((out * change >= 0).all())
    if norm.size(change) <= radius:
        assert torch.equal(out, change)
    assert torch.equal(norm.inside(out, radius), out)
    if norm.unit and share < 1:  # nothing of the ball is given away
        assert norm.size(out) > radius - norm.unit - 1e-9
