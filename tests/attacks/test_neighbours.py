from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from hoodwink.attacks.climb import upward
from hoodwink.attacks.neighbours import LEAD, NOWHERE, Neighbours, among, least_of
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import downward
from hoodwink.attacks.spaces import Pixels

steady = settings(derandomize=True, deadline=None, max_examples=100)
seeds = st.integers(0, 10**6)


def draw(seed: int, count: int, dimension: int) -> Tensor:
    return normalize(torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def by_sorting(question: Tensor, wanted: Tensor, rivals: Tensor, least: int) -> bool:
    """What the lead is positive for, from its definition: every picture ranked by its cosine, the k nearest counted."""
    everything = torch.cat([wanted, rivals])
    ranked = (everything @ question / question.norm()).argsort(descending=True)[: len(wanted)].tolist()
    return bool((everything[ranked[0]] == wanted[0]).all()) and sum(rank < len(wanted) for rank in ranked) >= least


@steady
@given(seed=seeds, k=st.integers(1, 6), count=st.integers(0, 9), share=st.sampled_from([0.1, 0.5, 0.9, 1.0]), near=st.floats(0, 2))
def test_the_lead_is_positive_exactly_when_sorting_says_so(seed: int, k: int, count: int, share: float, near: float) -> None:
    wanted, rivals = draw(seed, k, 5), draw(seed + 1, count, 5)
    if k + count == 1:
        return
    least = least_of(k, share)
    questions = near * wanted[:1] + draw(seed + 2, 8, 5)
    leads = Neighbours(wanted, rivals, least).lead(questions)
    assert [lead > 0 for lead in leads.tolist()] == [by_sorting(one, wanted, rivals, least) for one in questions]


def test_the_first_wanted_one_leads_and_its_opposite_does_not() -> None:
    wanted, rivals = draw(3, 4, 5), draw(4, 9, 5)
    leads = Neighbours(wanted, rivals, 1).lead(torch.cat([wanted[:1], -wanted[:1]]))
    assert leads[0] > 0 > leads[1]


def test_embeddings_equal_to_the_first_count_as_it() -> None:
    wanted = draw(0, 3, 5)
    twice = torch.cat([wanted[:1], wanted])
    assert Neighbours(wanted, draw(1, 4, 5), 2).lead(wanted[:1]) > 0
    again = Neighbours(twice, draw(1, 4, 5), 3).lead(wanted[:1])
    assert torch.allclose(again, Neighbours(wanted, draw(1, 4, 5), 2).lead(wanted[:1]), atol=1e-12)


@steady
@given(seed=seeds)
def test_the_objective_is_the_lead_to_the_last_bit(seed: int) -> None:
    found = Neighbours(draw(seed, 4, 6).float(), draw(seed + 1, 20, 6).float(), 3)
    questions = draw(seed + 2, 5, 6).float()
    assert torch.equal(found.objective(questions), found.lead(questions))


def test_its_gradient_is_the_leads_where_nothing_else_is_near() -> None:
    wanted = torch.eye(4, dtype=torch.float64)[:2]
    found = Neighbours(wanted, torch.eye(4, dtype=torch.float64)[2:], 2)
    question = torch.tensor([[4.0, 1.0, 2.0, 0.2]], dtype=torch.float64, requires_grad=True)
    (plain,), (smooth,) = (torch.autograd.grad(value(question).sum(), question) for value in (found.lead, found.objective))
    assert torch.allclose(plain, smooth, rtol=1e-6, atol=1e-8) and plain.abs().max() > 0.1


def test_its_gradient_is_shared_where_two_are_as_near() -> None:
    rivals = torch.tensor([[0.0, 0.6, 0.8], [0.0, 0.8, 0.6]], dtype=torch.float64)
    found = Neighbours(torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64), rivals, 1)
    question = torch.tensor([[1.0, 1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(found.objective(question).sum(), question)
    assert gradient[0, 1] == pytest.approx(float(gradient[0, 2])) and gradient[0, 0] > 0 > gradient[0, 1]


def test_what_has_no_direction_is_near_to_nothing() -> None:
    found = Neighbours(draw(0, 3, 5), draw(1, 6, 5), 2)
    assert float(found.lead(torch.zeros(1, 5, dtype=torch.float64))) == NOWHERE < -1


@pytest.mark.parametrize(("count", "share", "least"), [(20, 0.9, 18), (5, 0.9, 5), (10, 0.7, 7), (10, 0.01, 1), (3, 1.0, 3)])
def test_how_many_a_share_is(count: int, share: float, least: int) -> None:
    assert least_of(count, share) == least


@settings(steady, max_examples=15)
@given(seed=seeds, norm=st.sampled_from(["l2", "linf", "l1", "l0"]))
def test_the_climb_never_falls_and_the_shrink_never_grows(seed: int, norm: str) -> None:
    """A random embedder of 8 x 8 pictures, and the k nearest of one picture among 30."""
    dice = torch.Generator().manual_seed(seed)
    first, second = torch.randn(24, 192, generator=dice), torch.randn(8, 24, generator=dice)

    def embed(pictures: Tensor) -> Tensor:
        return torch.relu((pictures.flatten(1) - 0.5) @ first.T) @ second.T

    pictures = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (31, 3, 8, 8))).float() / 255
    vectors = normalize(embed(pictures), dim=1)
    order = (vectors[1:] @ vectors[1]).argsort(descending=True) + 1
    goal = among(vectors[order[:5]], vectors[order[5:]], 0.8)
    queries, space = Queries(embed), Pixels(pictures[:1])
    trail = upward(queries, space, goal, norm=norm, steps=80, generator=torch.Generator().manual_seed(0))
    assert all(one.objective <= two.objective for one, two in pairwise(trail.steps))
    if trail.stall is None:
        small = downward(queries, space, goal, trail, norm=norm, steps=40)
        assert all(one.distance >= two.distance for one, two in pairwise(small.steps[len(trail.steps) - 1 :]))
        assert by_sorting(embed(space.decode(small.change))[0], vectors[order[:5]], vectors[order[5:]], 4)
        assert float(goal.lead(embed(space.decode(small.change)))) >= LEAD - 1e-6
