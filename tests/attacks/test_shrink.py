from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hoodwink.attacks.climb import upward
from hoodwink.attacks.norms import NORMS
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import downward, shrink
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.trail import Trail
from oracles import linear
from oracles.networks import Request

Array = np.ndarray[Any, np.dtype[np.float64]]
steady = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 10**6)
norms = st.sampled_from(sorted(NORMS))
SIZES: dict[str, Callable[[Array], Array]] = {
    "l2": lambda changes: np.linalg.norm(changes, axis=1) / 255,
    "linf": lambda changes: np.abs(changes).max(1) / 255,
    "l1": lambda changes: np.abs(changes).sum(1) / 255,
    "l0": lambda changes: np.count_nonzero(changes, axis=1).astype(float),
}


def search(gains: Array, levels: Array, need: float, norm: str, radius: int = 255, steps: int = 100) -> Trail:
    """Climb and shrink on the linear network until `need` is gained."""
    space, goal = Pixels(torch.from_numpy(levels).float().div(255), radius=radius), linear.goal(need)
    queries = Queries(linear.network(gains, -float((gains * levels).sum())))
    trail = upward(queries, space, goal, norm=norm, steps=steps, generator=torch.Generator().manual_seed(0))
    assert trail.stall is None
    trail = downward(queries, space, goal, trail, norm=norm, steps=steps - queries.gradients)
    assert queries.gradients <= steps and queries.forwards < steps
    return trail


@pytest.mark.parametrize("norm", sorted(NORMS))
@steady
@given(seed=seeds)
def test_a_few_subpixels_get_the_best_change_there_is(norm: str, seed: int) -> None:
    dice = np.random.default_rng(seed)
    levels = dice.integers(0, 256, (1, 1, 1, int(dice.integers(4, 7)))).astype(float)
    gains, radius = dice.normal(size=levels.shape), int(dice.integers(2, 6))
    low, high = np.maximum(-levels, -radius), np.minimum(255 - levels, radius)
    need = dice.uniform(0.1, 0.9) * (linear.room(gains, low, high) * np.abs(gains)).sum()
    trail = search(gains, levels, need, norm, radius)
    assert NORMS[norm].size(trail.change) == pytest.approx(linear.enumerated(gains, need, low, high, SIZES[norm]))


def picture(seed: int, share: float) -> tuple[Array, Array, float]:
    """Gains, levels and a need of a 32 x 32 picture: a share of all that could be gained."""
    dice = np.random.default_rng(seed)
    levels, gains = dice.integers(0, 256, (1, 3, 32, 32)).astype(float), dice.normal(size=(1, 3, 32, 32))
    return gains, levels, share * float((linear.room(gains, -levels, 255 - levels) * np.abs(gains)).sum())


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2])
def test_l2_of_a_picture_is_that_of_the_rounded_scaled_gradient(share: float) -> None:
    for seed in range(3):
        gains, levels, need = picture(seed, share)
        size = NORMS["l2"].size(search(gains, levels, need, "l2").change)
        assert size <= 1.002 * np.linalg.norm(linear.rounded(gains, need, -levels, 255 - levels)) / 255
        assert size >= linear.continuous(gains, need)  # which no grid and no bounds hinder
        if share >= 0.01:  # a level or more
            assert size <= 1.1 * linear.continuous(gains, need)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.2])
def test_the_other_norms_of_a_picture_are_the_smallest_there_are(share: float) -> None:
    for seed in range(3):
        gains, levels, need = picture(seed, share)
        low, high = -levels, 255 - levels
        assert round(NORMS["linf"].size(search(gains, levels, need, "linf").change) * 255) == linear.smallest_linf(gains, need, low, high)
        assert round(NORMS["l1"].size(search(gains, levels, need, "l1").change) * 255) == linear.smallest_l1(gains, need, low, high)
        assert NORMS["l0"].size(search(gains, levels, need, "l0").change) == linear.smallest_l0(gains, need, low, high)


@steady
@given(seed=seeds, norm=norms, steps=st.integers(0, 40))
def test_it_never_grows_and_keeps_threshold_grid_box_mask_and_budget(seed: int, norm: str, steps: int) -> None:
    request = Request(seed)
    start = upward(request.queries, request.space, request.goal, norm=norm, steps=60, generator=request.generator)
    if start.stall is not None:
        return
    spent = request.queries.gradients
    trail = downward(request.queries, request.space, request.goal, start, norm=norm, steps=steps)
    assert request.queries.gradients - spent <= steps
    assert trail.steps[: len(start.steps)] == start.steps and trail.stall is None and trail.ways == start.ways
    shrunk = trail.steps[len(start.steps) :]
    sizes = [NORMS[norm].size(start.change), *(step.distance for step in shrunk)]
    assert all(after < before for before, after in pairwise(sizes))
    assert all(step.objective >= request.goal.threshold and step.phase == "shrink" for step in shrunk)
    assert NORMS[norm].size(trail.change) == sizes[-1]
    request.check(trail.change)
    assert trail.value >= request.goal.threshold
    assert trail.value == pytest.approx(request.value(trail.change), abs=1e-5)


def test_it_is_watched_once_a_gradient_and_sees_only_the_best() -> None:
    request, seen = Request(5), []
    start = upward(request.queries, request.space, request.goal, steps=60, generator=request.generator)
    assert start.stall is None
    spent = request.queries.gradients
    trail = downward(request.queries, request.space, request.goal, start, steps=30, watch=seen.append)
    assert [step.gradients for step in seen] == list(range(spent + 1, spent + 30))
    assert all(after.distance <= before.distance for before, after in pairwise(seen))
    assert min(step.objective for step in seen) >= request.goal.threshold > 0 and trail.steps[-1].distance <= seen[-1].distance


def test_a_change_that_is_not_needed_goes_entirely() -> None:
    queries, space = Queries(lambda p: 1 + 0 * p.sum((1, 2, 3))), Pixels(torch.full((1, 1, 2, 2), 0.4))
    start = Trail(torch.ones(1, 1, 2, 2), 1.0, ())
    for norm in NORMS:
        trail = downward(queries, space, linear.goal(0.5), start, norm=norm, steps=50)
        assert not trail.change.any() and trail.steps[-1].distance == 0


def test_the_last_pass_takes_back_what_the_verdict_does_not_need() -> None:
    gains = np.array([[[[1.0, 0.01, 1.0, 0.01]]]])
    space, start = Pixels(torch.full((1, 1, 1, 4), 100 / 255)), Trail(torch.full((1, 1, 1, 4), 5.0), 10.1, ())
    for norm, rest in (("l0", [5.0, 0.0, 5.0, 0.0]), ("l1", [5.0, 4.0, 5.0, 4.0])):
        queries = Queries(linear.network(gains, -float(gains.sum()) * 100))
        trail = downward(queries, space, linear.goal(10.0), start, norm=norm, steps=1)
        assert trail.change.flatten().tolist() == rest and queries.gradients == 1


def test_a_gradient_that_turns_round_is_survived() -> None:
    def ridge(pictures: torch.Tensor) -> torch.Tensor:
        return -(pictures.double() * 255 - 110).abs().sum((1, 2, 3))

    space, start = Pixels(torch.full((1, 1, 1, 1), 100 / 255)), Trail(torch.full((1, 1, 1, 1), 14.0), -4.0, ())
    for norm in ("l2", "linf", "l1"):
        trail = downward(Queries(ridge), space, linear.goal(-4.001), start, norm=norm, steps=60)
        assert float(trail.change) == 6


def test_a_batch_is_shrunk_picture_by_picture_and_left_alone_where_nothing_fools() -> None:
    requests = [Request(seed) for seed in (0, 1, 2)]
    network, pictures = requests[0].network, torch.cat([request.picture for request in requests])
    labels = network(pictures).argmax(1)
    asked = Queries(network)
    out = shrink(asked, pictures, labels, steps=30)
    assert asked.gradients <= 3 * 30
    assert bool((network(out).argmax(1) != labels).all()) and torch.equal((out * 255).round() / 255, out)
    assert torch.equal(shrink(network, pictures[1:2], labels[1:2], steps=30)[0], out[1])
    target = (labels + 1) % 4
    assert torch.equal(network(shrink(network, pictures, labels, target=target, steps=60)).argmax(1), target)
    assert torch.equal(shrink(lambda p: p.new_tensor([[1.0, 0.0]]).expand(len(p), 2), pictures, torch.zeros(3, dtype=torch.long)), pictures)
    assert shrink(network, pictures[:0], labels[:0]).shape == (0, 3, 6, 7)
