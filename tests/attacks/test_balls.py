from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.balls import BALLS, L0, Ball, find_ball

steady = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 10**6)
EVERY = BALLS | {"l0": L0}
names = st.sampled_from(sorted(BALLS))
every = st.sampled_from(sorted(EVERY))


def drawn(seed: int, shape: tuple[int, ...] = (3, 1, 2, 3), scale: float = 30.0) -> Tensor:
    """Changes, a good part of whose entries are small or none."""
    dice = np.random.default_rng(seed)
    return torch.from_numpy(scale * dice.normal(size=shape) * dice.choice([0, 0.02, 1], shape, p=[0.2, 0.3, 0.5])).float()


def exact(name: str, change: Tensor) -> list[float]:
    """The size of each change in double precision, in levels."""
    flat = change.double().flatten(1)
    return (
        (flat != 0).sum(1).tolist()
        if name == "l0"
        else torch.linalg.vector_norm(flat, {"linf": math.inf, "l2": 2, "l1": 1}[name], 1).tolist()
    )


def radii(name: str, change: Tensor, share: float) -> Tensor:
    """A radius for each change, a part of its size, in the ball's units."""
    size = torch.tensor(exact(name, change), dtype=torch.float32) * share
    return size if name == "l0" else size / 255


def in_levels(name: str, radius: Tensor) -> list[float]:
    return (radius if name == "l0" else radius * 255).tolist()


def others(seed: int, ball: Ball, change: Tensor, radius: Tensor, count: int = 200) -> list[Tensor]:
    """Random changes inside the balls: near the change given, anywhere, and on the axes."""
    dice = np.random.default_rng(seed)
    found = []
    for k in range(count):
        way = torch.from_numpy(dice.normal(size=change.shape)).float()
        if k % 3 == 1:
            way = change + 0.3 * way * change.abs().mean()
        if k % 3 == 2:
            way = way * torch.from_numpy(dice.random(change.shape) < 0.3)
        most = torch.tensor(in_levels(ball.name, radius)) * float(dice.random() ** 0.3)
        size = ball.size(way).clamp(min=1e-6)
        found.append(way * (most / size).clamp(max=1.0 if k % 3 == 1 else torch.inf)[:, None, None, None])
    return found


@steady
@given(seed=seeds, name=every)
def test_sizes(seed: int, name: str) -> None:
    change = drawn(seed)
    for laid in (change, change.contiguous(memory_format=torch.channels_last)):
        assert EVERY[name].size(laid).tolist() == pytest.approx(exact(name, change), rel=1e-6)


@steady
@given(seed=seeds, name=every, share=st.floats(1, 3))
def test_projection_leaves_changes_inside_and_on_the_face_alone(seed: int, name: str, share: float) -> None:
    change = drawn(seed)
    for radius in (radii(name, change, share), radii(name, change, 1.0)):
        assert torch.allclose(EVERY[name].project(change, radius), change, rtol=1e-5)
    assert not EVERY[name].project(torch.zeros_like(change), 0.0).any()


@steady
@given(seed=seeds, name=names, share=st.floats(0, 0.99))
def test_projection_is_the_nearest_change_inside(seed: int, name: str, share: float) -> None:
    """In a convex set p is nearest to c exactly when <c - p, q - p> <= 0 for every q in it."""
    change = drawn(seed)
    radius = radii(name, change, share)
    ball = EVERY[name]
    near = ball.project(change, radius)
    assert exact(name, near) == pytest.approx(in_levels(name, radius), rel=1e-4, abs=1e-4)
    assert exact(name, ball.project(change, float(radius[0])))[0] == pytest.approx(exact(name, near)[0], rel=1e-5, abs=1e-5)
    scale = change.flatten(1).square().sum(1)
    for other in others(seed, ball, change, radius):
        assert bool((((change - near) * (other - near)).flatten(1).sum(1) <= 2e-4 * scale + 1e-6).all())


@steady
@given(seed=seeds, name=names, share=st.floats(0, 1.3))
def test_within_is_the_nearest_change_inside_ball_and_bounds(seed: int, name: str, share: float) -> None:
    change = drawn(seed)
    dice = np.random.default_rng(seed)
    low, high = (torch.from_numpy(sign * dice.choice([0, 5, 200], change.shape)).float() for sign in (-1, 1))
    radius, ball = radii(name, change, share), EVERY[name]
    near = ball.within(change.clone(), radius, low, high)
    assert bool((near >= low).all()) and bool((near <= high).all())
    assert all(size <= most * (1 + 1e-4) + 1e-4 for size, most in zip(exact(name, near), in_levels(name, radius), strict=True))
    far = (change - near).flatten(1).square().sum(1)
    for other in others(seed, ball, change, radius):
        inside = torch.minimum(torch.maximum(other, low), high)
        assert bool((far <= (change - inside).flatten(1).square().sum(1) * 1.01 + 1e-3).all())


@steady
@given(seed=seeds, count=st.integers(0, 6))
def test_l0_keeps_the_largest(seed: int, count: int) -> None:
    change = drawn(seed)
    near = L0.project(change, float(count))
    best = change.flatten(1).square().sort(1, descending=True).values[:, :count].sum(1)
    assert torch.allclose(near.flatten(1).square().sum(1), best)
    assert bool(((near == change) | (near == 0)).all()) and max(exact("l0", near)) <= count


@steady
@given(seed=seeds, name=every, share=st.floats(0, 1.5), scale=st.sampled_from([0.7, 4.0, 80.0]))
def test_whole_levels_inside_beside_the_change(seed: int, name: str, share: float, scale: float) -> None:
    change, ball = drawn(seed, (3, 3, 5, 5), scale), EVERY[name]
    radius = radii(name, change, share)
    whole = ball.whole(change, radius)
    assert torch.equal(whole, whole.round())
    assert bool((whole.abs() <= change.abs().ceil()).all()) and bool((whole * change >= 0).all())
    for size, most in zip(exact(name, whole), in_levels(name, radius), strict=True):
        assert size <= (math.floor(most * (1 + 2e-6) + 2e-6) if name != "l2" else most * (1 + 1e-6))
    assert torch.equal(ball.whole(whole, radii(name, whole, 1.0)), whole)
    assert torch.equal(ball.whole(whole, 1e6), whole)


@pytest.mark.parametrize("share", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("name", ["linf", "l2", "l1"])
@pytest.mark.parametrize("scale", [0.2, 1.0, 20.0])
def test_whole_levels_keep_the_size(name: str, scale: float, share: float) -> None:
    """Rounding must neither grow a change nor lose most of it, as it would where entries are below half a level."""
    change = torch.randn(4, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * scale
    radius = radii(name, change, share)
    inside = BALLS[name].project(change, radius)
    wanted, found = exact(name, inside), exact(name, BALLS[name].whole(inside, radius))
    slack = 1.0 if name == "linf" else 0.07 * wanted[0]
    assert all(want - slack <= size for want, size in zip(wanted, found, strict=True))


@steady
@given(seed=seeds)
def test_whole_l2_is_nearly_the_best_for_a_linear_loss(seed: int) -> None:
    """Along a gradient, against every whole change of two subpixels in the ball."""
    change = drawn(seed, (1, 1, 1, 2), 9.0) + 0.01
    radius = float(BALLS["l2"].size(change)[0]) / 255
    found = float((BALLS["l2"].whole(change, radius) * change).sum())
    limit = (255 * radius) ** 2
    span = range(-30, 31)
    best = max(
        a * float(change[0, 0, 0, 0]) + b * float(change[0, 0, 0, 1]) for a, b in product(span, span) if a * a + b * b <= limit + 1e-4
    )
    assert found >= best - float(change.abs().sum())  # less than a level of each is lost


@steady
@given(seed=seeds, name=names)
def test_steepest_has_size_one_and_gains_most(seed: int, name: str) -> None:
    gradient = drawn(seed) + 0.001
    ball = BALLS[name]
    way = ball.steepest(gradient)
    assert exact(name, way) == pytest.approx([1.0] * 3, rel=1e-5)
    gain = (way * gradient).flatten(1).sum(1)
    for other in others(seed, ball, gradient, torch.full((3,), 1 / 255), 60):
        assert bool(((other * gradient).flatten(1).sum(1) <= gain * (1 + 1e-5)).all())
    assert not ball.steepest(torch.zeros_like(gradient)).any()


@steady
@given(seed=seeds, name=names, radius=st.floats(0, 1))
def test_random_starts_lie_in_the_ball_and_follow_the_generator(seed: int, name: str, radius: float) -> None:
    like, ball = torch.zeros(2, 3, 4, 4), BALLS[name]
    first, again = (ball.random(like, radius, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(first, again) and first.shape == like.shape
    assert max(exact(name, first)) <= radius * 255 * (1 + 1e-5) + 1e-30  # denormal numbers round coarsely
    if radius > 0.01:
        assert not torch.equal(first[0], first[1])
        assert min(exact(name, first)) >= 0.7 * radius * 255


def test_large_changes_are_softened_among_their_largest_entries() -> None:
    """The short way, which looks at a part of the entries, and the long one agree; so does the one that sorts."""
    dice = torch.Generator().manual_seed(0)
    change = torch.randn(3, 3, 60, 60, generator=dice).pow(3) * 20
    for levels in (1.0, 300.0, 30000.0, 500000.0):
        found = BALLS["l1"].project(change, levels / 255).flatten(1)
        for k in range(3):
            flat = change[k].flatten().double()
            ranked = flat.abs().sort(descending=True).values
            excess = (ranked.cumsum(0) - levels) / torch.arange(1, len(flat) + 1)
            threshold = max(0.0, float(excess[ranked > excess][-1]))
            assert torch.allclose(found[k].double(), flat.sign() * (flat.abs() - threshold).clamp(min=0), atol=2e-3)


def test_a_ball_is_found_by_name() -> None:
    assert find_ball("l2") is BALLS["l2"] and find_ball("l0", EVERY) is L0
    with pytest.raises(ValueError, match="^norm: one of linf, l2, l1 was wanted, not 'l0'$"):
        find_ball("l0")
