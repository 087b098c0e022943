from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.trail import AT_BOUND, NO_GRADIENT, NO_STEP, SPENT
from hoodwink.studies.masked_gradient import BUILT, REACHED, Climb, Network, ascend, drawn, hoodwinks

START = torch.full((1, 1, 8, 8), 128.0)
STALLS = {"corner": AT_BOUND, "dead": NO_GRADIENT, "ridge": NO_STEP}
BEST = {"corner": 3.0, "dead": 0.0, "ridge": 0.8}  # where each climb ends, by its formula


def climb(network: Network, wanted: float = 9.0, steps: int = 60, mask: bool = True, check: bool = True) -> Climb:
    return ascend(network, START, wanted=wanted, size=0.5, steps=steps, mask=mask, check=check)


@pytest.mark.parametrize("title", BUILT)
def test_each_network_stalls_as_it_was_built_to(title: str) -> None:
    found = climb(*BUILT[title])
    assert found.end == STALLS[title] and found.fall == 0
    assert found.held[-1] == pytest.approx(BEST[title], abs=1e-3) and found.held[-1] < BUILT[title][1]


def test_without_the_mask_the_file_falls_while_memory_rises() -> None:
    found = climb(BUILT["corner"][0], mask=False)
    assert found.end == SPENT and found.fall > 0.01
    assert all(after > before for before, after in pairwise(found.within))
    assert found.held[-1] == pytest.approx(2.0), "A at its bound, B at 0"


def test_without_the_check_it_falls_at_the_ridge_alone() -> None:
    falls = {title: climb(network, check=False).fall > 0 for title, (network, _) in BUILT.items()}
    assert falls == {"corner": False, "dead": False, "ridge": True}


@settings(derandomize=True, deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_with_mask_and_check_it_never_falls_on_random_networks(seed: int) -> None:
    network = drawn(torch.Generator().manual_seed(seed))
    for found in (climb(network, 1e9, 25), hoodwinks(network, START, 1e9, 25, 0)):
        assert found.fall == 0 and found.held == sorted(found.held) and found.held == found.within
        assert found.identity <= 1e-6 and found.end in (AT_BOUND, NO_GRADIENT, NO_STEP, SPENT)


def test_the_study_and_hoodwink_give_a_stall_the_same_name() -> None:
    for title in ("corner", "ridge"):
        assert hoodwinks(*(BUILT[title][0], START, BUILT[title][1]), 200, 0).end == STALLS[title]


def test_it_ends_where_enough_is_reached() -> None:
    found = climb(lambda x: x.mean((1, 2, 3)), 0.7)
    assert found.end == REACHED and found.held[-1] >= 0.7 > found.held[-2]


def test_one_level_is_the_last_thing_tried() -> None:
    """Up by one level of the steepest subpixel alone; any more of the others does harm."""
    weights = torch.ones(64).index_fill_(0, torch.tensor(9), 2.0)

    def network(x: Tensor) -> Tensor:
        moved = (x.flatten(1) * 255 - 128).round()
        return ((x.flatten(1) * 255 - 128) * weights).sum(1) - 300 * (moved.abs().sum(1) - 1).relu()

    found = climb(network, steps=2)
    assert found.held[1] == pytest.approx(2.0, abs=1e-3)


def test_the_largest_fall() -> None:
    assert Climb([1.0, 3.0, 2.5, 2.6, 1.6]).fall == 1.0
    assert Climb([1.0, 2.0]).fall == Climb([1.0]).fall == 0
