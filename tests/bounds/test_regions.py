from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bounds import nets
from hoodwink.bounds import BoundsError
from hoodwink.bounds.regions import fall, lowest, region

steady = settings(derandomize=True, deadline=None, max_examples=60)
SHAPE = (1, 3, 3)


def rows(seed: int, count: int = 5) -> Tensor:
    return torch.randn((count, *SHAPE), generator=torch.Generator().manual_seed(seed))


@steady
@given(seed=st.integers(0, 10**6), eps=st.floats(0, 1.5), norm=st.sampled_from(["linf", "l2"]))
def test_nothing_falls_deeper_and_the_lowest_picture_falls_as_deep(seed: int, eps: float, norm: str) -> None:
    space = region(nets.pictures(seed, 1, SHAPE), min(eps, 1.0), norm)
    row = rows(seed)
    bound = fall(row, space.span(), space.radius, 8)
    change = nets.inside(space, 300, seed) - space.pictures
    assert bool((torch.einsum("rchw,nchw->rn", row.double(), change.double()).amin(1) >= bound - 1e-12).all())
    at = lowest(row, space.span(), space.radius)
    assert bool(((at >= space.down) & (at <= space.up)).all())
    assert torch.allclose((row * at).flatten(1).sum(1).double(), bound, rtol=2e-2, atol=1e-5)


@steady
@given(seed=st.integers(0, 10**6), eps=st.floats(0.01, 3.0))
def test_the_fall_in_a_ball_and_a_box_is_the_dual_of_its_size(seed: int, eps: float) -> None:
    """Against bisection for the multiplier, in double precision."""
    space = region(nets.pictures(seed, 1, SHAPE), eps, "l2")
    down, up = space.down.double(), space.up.double()
    for row in rows(seed).double():
        small, large = 0.0, 1e6
        for _ in range(200):
            middle = (small + large) / 2
            size = float((-row / middle).clamp(down, up).norm())
            small, large = (middle, large) if size > space.radius else (small, middle)  # type: ignore[operator]
        best = float((row * (-row / large).clamp(down, up)).sum())
        found = float(fall(row.float()[None], space.span(), space.radius, 8))
        assert best * 1.05 - 1e-5 <= found <= best + 1e-9


def test_balls_hold_whole_levels_that_floats_put_just_outside() -> None:
    levels = torch.arange(256).float().div(255)
    for reach in (1, 2, 8):
        space = region(levels.view(-1, 1, 1, 1), reach / 255, "linf")
        for change in (-reach, reach):
            other = (torch.arange(256) + change).clamp(0, 255).float().div(255)
            moved = (other - levels).double().view(-1, 1, 1, 1)
            assert bool(((moved >= space.down.double()) & (moved <= space.up.double())).all())


def test_what_is_no_region_is_said() -> None:
    some = torch.zeros(1, *SHAPE)
    for eps, norm, message in (
        (8.0, "linf", "8/255"),
        (-0.1, "l2", "not negative"),
        (math.nan, "linf", "not negative"),
        (0.1, "l1", "linf, l2"),
    ):
        with pytest.raises(BoundsError, match=message):
            region(some, eps, norm)
