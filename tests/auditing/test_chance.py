from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.auditing.chance import at_least, bounds


@given(st.integers(0, 40), st.integers(-1, 41), st.floats(0, 1))
def test_a_tail_is_the_sum_of_its_terms(count: int, hits: int, share: float) -> None:
    exact = sum(comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(max(hits, 0), count + 1))
    assert at_least(hits, count, share) == pytest.approx(min(1.0, exact), abs=1e-10)


def test_large_counts_do_not_overflow() -> None:
    assert at_least(5000, 10_000, 0.5) == pytest.approx(0.5 + comb(10_000, 5000) / 2**10_001, abs=1e-9)
    assert 0 < at_least(6000, 10_000, 0.5) < 1e-80


@pytest.mark.parametrize(("count", "bound"), [(59, 0.05), (29, 0.1), (299, 0.01)])
def test_none_of_so_many(count: int, bound: float) -> None:
    low, high = bounds(0, count)
    assert low == 0
    assert high == pytest.approx(1 - 0.05 ** (1 / count), abs=1e-9)  # the closed form
    assert high < bound


@given(st.integers(1, 60), st.data())
def test_bounds_hold_the_share_seen_and_turn_over_with_it(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    low, high = bounds(hits, count)
    assert low <= hits / count <= high
    turned = bounds(count - hits, count)
    assert turned == pytest.approx((1 - high, 1 - low), abs=1e-9)
    assert low == 0 or at_least(hits, count, low) == pytest.approx(0.05, abs=1e-6)


def test_nothing_drawn_says_nothing() -> None:
    assert bounds(0, 0) == (0.0, 1.0)
