from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoodwink.studies import conv_shapes
from hoodwink.studies.conv_shapes import COUNTS, KERNEL, PICTURE, WANTED, WRONG, Window, asked, compare, examples, networks, size, slide
from hoodwink.studies.desk import Desk


def desk(trials: int) -> Desk:
    return Desk("line", {"trials": trials}, 0, Path())


@settings(derandomize=True, deadline=None)
@given(n=st.integers(1, 30), k=st.integers(1, 7), s=st.integers(1, 5), p=st.integers(0, 4), d=st.integers(1, 3))
def test_the_formula_counts_the_places_of_the_window(n: int, k: int, s: int, p: int, d: int) -> None:
    places = [start for start in range(-p, n + p, s) if start + d * (k - 1) <= n + p - 1]
    assert max(0, size(n, Window((k, k), (s, s), (p, p), (d, d)), 0)) == len(places)


@settings(derandomize=True, deadline=None)
@given(n=st.integers(1, 30), k=st.integers(1, 7), s=st.integers(1, 5), d=st.integers(1, 3), data=st.data())
def test_rounded_up_the_last_window_may_stand_out_but_must_begin_inside(n: int, k: int, s: int, d: int, data: st.DataObject) -> None:
    p = data.draw(st.integers(0, k // 2))
    window = Window((k, k), (s, s), (p, p), (d, d), ceil=True)
    theirs = asked(np.zeros((n, n)), window)
    count = size(n, window, 0)
    assert (theirs is None and count < 1) or (theirs is not None and theirs.shape == (count, count))


def test_a_kernel_with_a_single_1_moves_the_picture() -> None:
    one = np.zeros((3, 3))
    one[0, 2] = 1
    np.testing.assert_array_equal(slide(PICTURE, Window((3, 3)), one), PICTURE[:3, 2:])
    np.testing.assert_array_equal(slide(PICTURE, Window((3, 3), padding=(1, 1)), one)[1:, :4], PICTURE[:4, 1:])
    np.testing.assert_array_equal(slide(PICTURE, Window((1, 1), (2, 2))), PICTURE[::2, ::2])


def test_the_study_finds_no_difference_and_would(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compare(desk(300)).values
    assert found["settings"] == 300 and 0 < found["refused by both"] < 200
    assert found["sizes that differ"] == found["values that differ"] == 0
    monkeypatch.setattr(conv_shapes, "size", lambda n, window, axis: size(n, window, axis) + (n == 7))
    assert compare(desk(300)).values["sizes that differ"] > 0
    monkeypatch.setattr(conv_shapes, "size", size)
    monkeypatch.setattr(conv_shapes, "slide", lambda *given: slide(*given) + 1)
    assert compare(desk(300)).values["values that differ"] > 0


def test_the_examples_are_the_course_s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(WANTED.values()) == [16, 3, 17, 23, 7, 7, 6, 3, 5, 308_310, 224, 128]
    found = examples(desk(0)).values
    assert {name: found[name] for name in WANTED} == WANTED and found[WRONG] == 0
    assert float((PICTURE[:3, :3] * KERNEL).sum()) == 7
    monkeypatch.setattr(conv_shapes, "KERNEL", KERNEL + 1)
    assert examples(desk(0)).values[WRONG] == 2  # ours and PyTorch's


def test_the_layers_are_those_of_the_examples() -> None:
    counts = [sum(value.numel() for value in network.parameters()) for network, _ in networks()]
    assert counts[:2] == [308_310, 224] and len(COUNTS) == 4
