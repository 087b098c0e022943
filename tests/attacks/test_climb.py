from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.climb import climb, upward
from hoodwink.attacks.norms import NORMS
from hoodwink.attacks.objectives import Goal
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.trail import AT_BOUND, NO_GRADIENT, NO_STEP, SPENT, Step, Trail
from oracles import linear
from oracles.networks import Request

steady = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 10**6)
balls = st.sampled_from(
    [("l2", 0.05), ("l2", 0.4), ("linf", 1 / 255), ("linf", 8 / 255), ("l1", 20 / 255), ("l1", 3.0), ("l0", 1.0), ("l0", 9.0)]
)
Network = Callable[[Tensor], Tensor]


def ascend(network: Network, goal: Goal, *, picture: Tensor | None = None, steps: int = 100, levels: int = 255, **ball: object) -> Trail:
    picture = torch.full((1, 3, 8, 8), 128 / 255) if picture is None else picture
    generator = torch.Generator().manual_seed(0)
    return upward(Queries(network), Pixels(picture, radius=levels), goal, steps=steps, generator=generator, **ball)  # type: ignore[arg-type]


def moved(pictures: Tensor) -> Tensor:
    """The change from mid-grey, in levels."""
    return pictures.double() * 255 - 128


def along(pictures: Tensor, sign: Tensor | None = None) -> Tensor:
    """How far, in levels, the change goes along the unit vector of equal (or alternating) entries."""
    change = moved(pictures).flatten(1)
    return (change if sign is None else change * sign).sum(1) / change.shape[1] ** 0.5


def value(network_output: Tensor) -> Tensor:
    return network_output


@steady
@given(seed=seeds, steps=st.integers(1, 60), ball=st.none() | balls)
def test_it_never_falls_and_keeps_grid_box_mask_ball_and_budget(seed: int, steps: int, ball: tuple[str, float] | None) -> None:
    norm, radius = ball or ("l2", None)
    request = Request(seed, round(255 * radius) if radius is not None and norm == "linf" else 255)
    watched: list[Step] = []
    trail = upward(
        request.queries,
        request.space,
        request.goal,
        norm=norm,
        radius=radius,
        steps=steps,
        generator=request.generator,
        watch=watched.append,
    )
    values = [step.objective for step in trail.steps]
    assert values == sorted(values) and values[-1] == trail.value
    assert [step.gradients for step in trail.steps] == sorted(step.gradients for step in trail.steps)
    asked = [step.gradients for step in watched]
    assert asked[:1] in ([], [1]) and asked == sorted(set(asked)) and {step.phase for step in watched} <= {"climb"}
    assert {(step.objective, step.distance) for step in watched} <= {(step.objective, step.distance) for step in trail.steps}
    assert request.queries.gradients <= steps
    if not watched:
        assert request.queries.gradients == 0
    request.check(trail.change)
    assert trail.value == pytest.approx(request.value(trail.change), abs=1e-5)
    assert trail.steps[-1].distance == NORMS[norm].size(trail.change)
    if radius is not None:
        assert all(step.distance <= radius + 1e-9 for step in trail.steps)
    assert (trail.stall is None) == (trail.value >= request.goal.threshold)


@steady
@given(seed=seeds)
def test_without_a_ball_it_ends_with_the_first_change_that_fools(seed: int) -> None:
    request = Request(seed)
    trail = upward(request.queries, request.space, request.goal, steps=60, generator=request.generator)
    assert all(step.objective < request.goal.threshold for step in trail.steps[:-1])


def test_the_same_seed_gives_the_same_change() -> None:
    def run(seed: int) -> Tensor:
        request = Request(3)
        generator = torch.Generator().manual_seed(seed)
        return upward(request.queries, request.space, request.goal, norm="l0", radius=4.0, steps=80, generator=generator).change

    assert torch.equal(run(0), run(0))


@pytest.mark.parametrize(("norm", "radius"), [("l2", 0.3), ("linf", 3 / 255), ("l1", 0.5), ("l0", 7.0)])
def test_on_a_linear_network_it_fills_the_ball(norm: str, radius: float) -> None:
    gains = np.random.default_rng(0).normal(size=(1, 3, 8, 8))
    levels = round(radius * 255) if norm == "linf" else 255
    trail = ascend(linear.network(gains), linear.goal(1e9), norm=norm, radius=radius, levels=levels, steps=60)
    space = Pixels(torch.full(gains.shape, 128 / 255), radius=levels)
    best = NORMS[norm].extreme(torch.from_numpy(gains), radius, space.low.double(), space.high.double()).numpy()
    assert (trail.change.numpy() * gains).sum() >= 0.999 * (best * gains).sum()


@pytest.mark.parametrize(("levels", "ball"), [(2, {"norm": "linf", "radius": 2 / 255}), (255, {})])
def test_stall_every_helpful_subpixel_is_at_its_bound(levels: int, ball: dict[str, object]) -> None:
    gains = np.random.default_rng(0).normal(size=(1, 3, 8, 8))
    trail = ascend(linear.network(gains), linear.goal(1e9), levels=levels, **ball)
    assert trail.stall == AT_BOUND
    space = Pixels(torch.full(gains.shape, 128 / 255), radius=levels)
    assert torch.equal(trail.change, torch.where(torch.from_numpy(gains) > 0, space.high, space.low))


def test_stall_the_gradient_is_zero() -> None:
    trail = ascend(lambda p: (p.sum((1, 2, 3)) - 1e4).relu(), linear.goal(1.0), steps=200)
    assert trail.stall == NO_GRADIENT and not trail.change.any() and trail.ways == ()


def test_stall_no_step_of_one_level_helps() -> None:
    trail = ascend(lambda p: 0.01 * along(p) - moved(p).abs().sum((1, 2, 3)), linear.goal(1.0), steps=300)
    assert trail.stall == NO_STEP and not trail.change.any() and trail.ways == ()


def test_stall_the_budget_is_spent() -> None:
    gains = np.random.default_rng(0).normal(size=(1, 3, 8, 8))
    trail = ascend(linear.network(gains), linear.goal(1e9), steps=3)
    assert trail.stall == SPENT and trail.value > 0


def test_no_budget_at_all() -> None:
    trail = ascend(lambda p: p.sum((1, 2, 3)), linear.goal(1e9), steps=0)
    assert trail.stall == SPENT and not trail.change.any() and len(trail.steps) == 1


def test_a_picture_that_fools_already_costs_no_gradient() -> None:
    queries = Queries(lambda p: p.sum((1, 2, 3)))
    trail = upward(queries, Pixels(torch.ones(1, 1, 2, 2)), linear.goal(1.0), steps=9, generator=torch.Generator())
    assert trail.stall is None and queries.gradients == 0 and not trail.change.any()


def dip(pictures: Tensor) -> Tensor:
    """Upwards at first sight, down for a hundred levels, then up for good."""
    way = along(pictures)
    return 0.01 * way - (way - 1).relu() + 3 * (way - 100).relu()


def bend(pictures: Tensor) -> Tensor:
    """Along the first sight only down; a little aside of it, up."""
    sign = torch.ones(192, dtype=torch.float64)
    sign[::2] = -1
    way, aside = along(pictures), along(pictures, sign)
    return 0.01 * way - (way - 1).relu() + (way - 30).clamp(0, 20) * aside


def both_ways(pictures: Tensor) -> Tensor:
    """Flat round the start, for the margin too; up on every side a few levels away."""
    return (moved(pictures).abs().sum((1, 2, 3)) - 300).relu()


def flat_until(pictures: Tensor) -> Tensor:
    return along(pictures)


@pytest.mark.parametrize(
    ("network", "goal", "way"),
    [
        (dip, linear.goal(100.0), "a larger step"),
        (bend, linear.goal(100.0), "momentum"),
        (flat_until, Goal(lambda z: (z - 5).relu(), value, 50.0), "the margin instead of the log-odds"),
        (both_ways, linear.goal(1000.0), "a random restart"),
    ],
)
def test_each_way_out_of_a_stall_helps_where_it_should(network: Network, goal: Goal, way: str) -> None:
    trail = ascend(network, goal, steps=200)
    assert trail.stall is None and trail.value >= goal.threshold
    assert trail.ways == (way,)


def test_ways_out_keep_the_ball() -> None:
    for norm, radius in (("l2", 0.7), ("linf", 9 / 255), ("l1", 12.0), ("l0", 150.0)):
        trail = ascend(both_ways, linear.goal(1e9), norm=norm, radius=radius, levels=9 if norm == "linf" else 255, steps=120)
        assert trail.value > 0 and "a random restart" in trail.ways
        assert NORMS[norm].size(trail.change) <= radius + 1e-9


def test_a_batch_is_climbed_picture_by_picture() -> None:
    requests = [Request(seed) for seed in (0, 1, 2)]
    network, pictures = requests[0].network, torch.cat([request.picture for request in requests])
    labels = network(pictures).argmax(1)
    for norm, eps in (("linf", 4 / 255), ("l2", 0.2)):
        asked = Queries(network)
        out = climb(asked, pictures, labels, norm=norm, eps=eps, steps=20)
        assert out.shape == pictures.shape and asked.gradients <= 3 * 20
        assert torch.equal((out * 255).round() / 255, out)
        assert all(NORMS[norm].size(change) <= eps + 1e-9 for change in ((out - pictures) * 255).round())
        alone = climb(network, pictures[1:2], labels[1:2], norm=norm, eps=eps, steps=20)
        assert torch.equal(alone[0], out[1])
    target = (labels + 1) % 4
    before, after = (
        network(x).gather(1, target[:, None]) - network(x).logsumexp(1, keepdim=True)
        for x in (pictures, climb(network, pictures, labels, target=target, eps=8 / 255))
    )
    assert bool((after > before).all())
    assert climb(network, pictures[:0], labels[:0], eps=0.1).shape == (0, 3, 6, 7)
