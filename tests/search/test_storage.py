from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.search.storage import unit


@given(st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=3).filter(lambda row: max(map(abs, row)) > 1e-300))
def test_a_unit_vector_has_length_one_and_the_direction(row: list[float]) -> None:
    (found,), good = unit(np.array([row]))
    assert good.all() and abs(np.linalg.norm(found.astype(np.float64)) - 1) < 1e-6
    scale = max(map(abs, row))
    np.testing.assert_allclose(found * np.linalg.norm(np.array(row) / scale), np.array(row) / scale, atol=1e-6)


def test_what_has_no_direction() -> None:
    found, good = unit(np.array([[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [3.0, 4.0]]))
    assert good.tolist() == [False, False, False, True]
    np.testing.assert_allclose(found[3], [0.6, 0.8])
