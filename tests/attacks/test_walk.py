from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hoodwink.attacks.norms import NORMS
from hoodwink.attacks.objectives import Goal
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.trail import NO_GRADIENT, SPENT, Step
from hoodwink.attacks.walk import walk
from oracles import linear
from oracles.networks import Request

steady = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 10**6)
balls = st.sampled_from([("l2", 0.4), ("l2", 2.0), ("linf", 8 / 255), ("l1", 3.0), ("l0", 9.0)])


@steady
@given(seed=seeds, steps=st.integers(1, 60), ball=st.none() | balls)
def test_it_rises_until_it_fools_then_shrinks_and_keeps_grid_box_mask_ball_and_budget(
    seed: int, steps: int, ball: tuple[str, float] | None
) -> None:
    norm, radius = ball or ("l2", None)
    request = Request(seed, round(255 * radius) if radius is not None and norm == "linf" else 255)
    watched: list[Step] = []
    trail = walk(request.queries, request.space, request.goal, norm=norm, radius=radius, steps=steps, watch=watched.append)
    climbed = [step.objective for step in trail.steps if step.phase == "climb"]
    shrunk = [step.distance for step in trail.steps if step.phase == "shrink"]
    assert all(one < two for one, two in pairwise(climbed)) and all(one > two for one, two in pairwise(shrunk))
    assert request.queries.gradients <= steps
    assert torch.equal(trail.change, trail.change.round())
    assert bool((trail.change >= request.space.low).all()) and bool((trail.change <= request.space.high).all())
    if radius is not None:
        assert NORMS[norm].size(trail.change) <= radius * (1 + 1e-6) and not shrunk
    assert (trail.stall is None) == (trail.value >= request.goal.threshold)
    assert float(request.queries.value(request.space.decode(trail.change), request.goal.objective)) == pytest.approx(trail.value, abs=1e-5)


@steady
@given(seed=seeds)
def test_on_a_linear_network_it_comes_near_to_the_best_change_there_is(seed: int) -> None:
    dice = np.random.default_rng(seed)
    levels, gains = dice.integers(60, 196, (1, 3, 16, 16)).astype(float), dice.normal(size=(1, 3, 16, 16))
    need = float(np.linalg.norm(gains) * 255 * 1.0)  # a change of L2 1 along the gains
    space = Pixels(torch.from_numpy(levels).float().div(255))
    queries = Queries(linear.network(gains, -float((gains * levels).sum())))
    trail = walk(queries, space, linear.goal(need), steps=60)
    assert trail.stall is None and NORMS["l2"].size(trail.change) < 1.05


def test_where_the_gradient_is_zero_it_says_so() -> None:
    space = Pixels(torch.full((1, 3, 4, 4), 0.5))
    goal = Goal(lambda logits: logits.sum((1, 2, 3)) * 0, lambda logits: logits.sum((1, 2, 3)), 1.0)
    assert walk(Queries(lambda pictures: pictures), space, goal, steps=9).stall == NO_GRADIENT


def test_it_gives_up_in_time_and_goes_on_once_it_fools() -> None:
    space, queries = Pixels(torch.full((1, 3, 4, 4), 0.5)), Queries(lambda pictures: pictures.sum((1, 2, 3)))
    far = Goal(lambda logits: logits, lambda logits: logits, 1000.0)
    assert walk(queries, space, far, steps=41).stall == SPENT and queries.gradients == 27
    queries = Queries(lambda pictures: pictures.sum((1, 2, 3)))
    near = Goal(lambda logits: logits, lambda logits: logits, 25.5)
    trail = walk(queries, space, near, steps=41)
    assert trail.stall is None and queries.gradients == 41
