from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.queries import Queries
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.square import HALVINGS, _bumps, _flip, _gather, _of, _paint, _side, _stripes, _tiles, _window, square
from oracles.classifiers import counted, distance, fooled, inside, is_whole, line, pictures, task

from .test_pgd import gains, optimum

steady = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 10**6)


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_squares_shrink_as_in_the_paper() -> None:
    like = torch.zeros(1, 3, 32, 32)
    areas = [0.8 / 2**k for k in range(10)]
    steps = [0.0005, 0.002, 0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.7, 0.9]  # between the paper's 10, 50, 200, ... of 10,000
    assert [_side(done, 0.8, like) for done in steps] == [max(1, round((area * 1024) ** 0.5)) for area in areas]
    assert len(HALVINGS) == 9 and _side(0.0, 5.0, torch.zeros(1, 1, 8, 20)) == 8 and _side(1.0, 1e-9, like) == 1


@steady
@given(seed=seeds, height=st.integers(1, 9), width=st.integers(1, 9), count=st.integers(1, 5), data=st.data())
def test_windows_are_squares_inside_the_picture(seed: int, height: int, width: int, count: int, data: st.DataObject) -> None:
    side = data.draw(st.integers(1, min(height, width)))
    change = torch.zeros(count, 2, height, width)
    where = _window(change, side, dice(seed))
    _paint(change, where, torch.ones(count, 2, side * side))
    assert change.flatten(1).sum(1).tolist() == [2 * side * side] * count
    for k in range(count):
        rows, columns = change[k, 0].nonzero().unbind(1)
        assert int(rows.max() - rows.min()) == int(columns.max() - columns.min()) == side - 1
    assert torch.equal(_of(change, where), torch.ones(count, 2, side * side))


def test_windows_differ_from_picture_to_picture_and_reach_everywhere() -> None:
    change = torch.zeros(400, 1, 5, 5)
    where = _window(change, 2, dice())
    assert len({tuple(row) for row in where[:, 0].tolist()}) == 16


@steady
@given(seed=seeds, side=st.integers(1, 4), radius=st.integers(1, 9))
def test_linf_proposals_go_to_the_bounds_and_always_change_something(seed: int, side: int, radius: int) -> None:
    shown = pictures(seed, 4, size=4)
    space = Pixels(shown, radius=radius)
    start = _stripes(space, dice(seed))
    assert bool(((start == space.low) | (start == space.high)).all())
    assert torch.equal(start == space.low, (start == space.low)[:, :, :1].expand_as(start)) or shown.min() < 0.1 or shown.max() > 0.9
    (window,) = _flip(start, space, side, radius / 255, False, dice(seed))
    assert torch.equal(window.before, _of(start, window.where))
    ends = _of(space.low, window.where), _of(space.high, window.where)
    assert bool(((window.after == ends[0]) | (window.after == ends[1])).all())
    assert bool((window.after != window.before).flatten(1).any(1).all())
    up = window.after == ends[1]
    assert bool((up | (ends[0] == ends[1])).flatten(2).all(2).logical_or((~up).flatten(2).all(2)).all())  # one colour a channel


@steady
@given(seed=seeds, side=st.integers(1, 6), eps=st.floats(0.02, 3), free=st.booleans())
def test_l2_proposals_stay_in_the_ball_and_spend_what_is_left(seed: int, side: int, eps: float, free: bool) -> None:
    space = Pixels(pictures(seed, 3, size=7))
    change = _tiles(space, eps, dice(seed))
    assert float(change.flatten(1).norm(dim=1).max()) <= 255 * eps * (1 + 1e-5)
    if not free:
        change = change.trunc()
    for k in range(4):
        before = change.clone()
        for window in _gather(change, space, side, eps, free, dice(seed + k)):
            _paint(change, window.where, window.after)
        size = change.double().flatten(1).norm(dim=1)
        assert float(size.max()) <= 255 * eps * (1 + 1e-5)
        assert free or torch.equal(change, change.round())
        assert bool((change >= space.low).all()) and bool((change <= space.high).all())
        assert not torch.equal(before, change) or eps < 0.1


def test_a_proposal_looks_at_the_change_and_leaves_it() -> None:
    space = Pixels(pictures(0, 3, size=7))
    change = _tiles(space, 0.5, dice())
    before = change.clone()
    given_up, filled = _gather(change, space, 3, 0.5, True, dice())
    assert torch.equal(change, before)
    _paint(change, given_up.where, given_up.after)
    _paint(change, filled.where, filled.after)
    _paint(change, given_up.where, given_up.before)
    _paint(change, filled.where, filled.before)
    assert torch.equal(change, before)  # what does not help is undone, where both windows meet too


def test_bumps_have_an_up_and_a_down() -> None:
    for side in (3, 5, 7):
        bump = _bumps(side)
        assert bump.shape == (side, side) and bool((bump[:, : side // 2] > 0).all()) and bool((bump[:, side // 2 :] < 0).all())
    peak = _bumps(7)[:, 3:].neg()
    assert float(peak.max()) == float(peak[3, 2]) and float(peak[0, 0]) == float(peak.min())


@pytest.mark.parametrize(("norm", "times"), [("linf", 1.25), ("l2", 2.0)])  # random squares cannot follow a slope of noise in L2
@pytest.mark.parametrize("free", [False, True])
def test_a_linear_network_falls(norm: str, times: float, free: bool) -> None:
    slope = gains(0, (1, 3, 6, 6))
    network, grey, label = line(slope, 50.0)
    eps = times * optimum(norm, slope, 50.01)
    asked = Queries(network)
    out = square(asked, grey, label, norm=norm, eps=eps, steps=1500, free=free)
    assert bool(fooled(network, out, label)) and asked.gradients == 0
    assert inside(norm, eps, grey, out) if not free else float(distance(norm, grey, out)) <= eps * (1 + 1e-5)


def test_linf_is_at_whole_levels_without_being_told() -> None:
    network, shown, labels, _ = task(0, 4)
    loose = square(network, shown, labels, eps=3 / 255, steps=60, free=True)
    assert is_whole(loose) and float(((loose - shown) * 255).round().abs().max()) == 3


def test_no_more_is_asked_than_allowed_and_who_falls_is_left_alone() -> None:
    network, shown, labels, _ = task(1, 6)
    wrong = labels.clone()
    wrong[2] = (wrong[2] + 1) % 4
    for steps in (1, 2, 3, 40):
        asked, read = counted(network, 6)
        out = square(asked, shown, wrong, eps=0.02 / 255 if steps < 3 else 1 / 255, steps=steps)
        gradients, forwards = read()
        assert not any(gradients) and forwards[2] == 1 and max(forwards) == steps
        stands = ~fooled(network, out, wrong)
        assert all(count == steps for count, stood in zip(forwards, stands.tolist(), strict=True) if stood)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_lead_never_falls_along_the_search(norm: str) -> None:
    network, shown, labels, _ = task(2, 5)
    leads = []
    for steps in (1, 5, 20, 80):
        out = square(network, shown, labels, norm=norm, eps=0.5 / 255 if norm == "linf" else 0.03, steps=steps, free=True)
        z = network(out)
        leads.append(z.scatter(1, labels[:, None], -torch.inf).amax(1) - z.gather(1, labels[:, None])[:, 0])
    assert all(bool((later >= earlier - 1e-5).all()) for earlier, later in pairwise(leads))
    assert bool((leads[-1] > leads[0]).all())


def test_targets_and_seeds() -> None:
    network, shown, labels, target = task(3, 4)

    def run(seed: int) -> Tensor:
        return square(network, shown, labels, target=target, eps=0.2, steps=300, generator=dice(seed))

    assert bool(fooled(network, run(0), labels, target).any())
    assert torch.equal(run(0), run(0)) and not torch.equal(run(0), run(1))


def test_pictures_smaller_than_the_smallest_square() -> None:
    network, grey, label = line(np.array([[[[1.0, -2.0]]]]), 20.0)
    for norm, eps in (("linf", 9 / 255), ("l2", 20 / 255)):
        out = square(network, grey, label, norm=norm, eps=eps, steps=200)
        assert bool(fooled(network, out, label))


def test_l1_is_refused() -> None:
    network, shown, labels, _ = task(4)
    with pytest.raises(ValueError, match="^norm: one of linf, l2 was wanted, not 'l1'$"):
        square(network, shown, labels, norm="l1", eps=0.1)
