from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from bad_files import photo
from hoodwink.pictures.draw import MAX_BYTES, difference, difference_abs, figure_fooled, sheet

Levels = np.ndarray[Any, np.dtype[np.uint8]]
BEFORE = [("tabby", 0.48), ("Egyptian cat", 0.31), ("tiger cat", 0.12), ("lynx", 0.03), ("plastic bag", 0.0002)]
AFTER = [("strawberry", 0.9003), ("tabby", 0.04), ("Egyptian cat", 0.02), ("tiger cat", 0.01), ("lynx", 0.004)]
HISTORY = [(1, -9.0, 0.1), (10, 1.0, 2.5), (20, 2.3, 3.1), (60, 2.25, 1.4), (100, 2.2, 1.12)]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Levels, Levels]:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3])))
    return draw(hnp.arrays(np.uint8, shape)), draw(hnp.arrays(np.uint8, shape))


def fooled(levels: Levels, amount: int = 2) -> Levels:
    change = np.random.default_rng(0).integers(-amount, amount + 1, levels.shape)
    return (levels + change).clip(0, 255).astype(np.uint8)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


# differences


@given(pairs())
@example((np.full((1, 1, 3), 255, np.uint8), np.array([[[254, 0, 255]]], np.uint8)))
@settings(max_examples=60, deadline=None)
def test_a_difference_is_grey_where_nothing_changed_and_fills_the_range(pair: tuple[Levels, Levels]) -> None:
    before, after = pair
    change = after.astype(int) - before
    drawn = difference(before, after)
    assert drawn.dtype == np.uint8 and drawn.shape == before.shape
    assert np.array_equal(np.sign(drawn.astype(int) - 128), np.sign(change))
    if change.any():
        assert np.abs(drawn.astype(int) - 128).max() == 127
        assert np.abs(drawn - 128.0 - change * 127 / np.abs(change).max()).max() < 0.51
    assert np.array_equal(drawn.astype(int) - 128, 128 - difference(after, before).astype(int))


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_an_absolute_difference_is_black_where_nothing_changed_and_white_where_most_did(pair: tuple[Levels, Levels]) -> None:
    before, after = pair
    change = np.abs(after.astype(int) - before)
    drawn = difference_abs(before, after)
    assert np.array_equal(drawn == 0, change == 0) and np.array_equal(drawn, difference_abs(after, before))
    assert drawn.max() == (255 if change.any() else 0)
    assert np.abs(drawn - change * 255 / max(1, change.max())).max() <= 0.5


def test_differences_of_two_shapes_are_refused() -> None:
    for draw in (difference, difference_abs):
        with pytest.raises(ValueError, match="two pictures of one shape"):
            draw(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8))


# sheets


def test_a_sheet_holds_each_picture_in_the_middle_of_its_cell() -> None:
    wide, high, grey = np.full((2, 6, 3), 1, np.uint8), np.full((4, 2, 3), 2, np.uint8), np.full((2, 2, 1), 3, np.uint8)
    drawn = sheet([[wide, high], [grey]], gap=1)
    assert drawn.shape == (1 + 4 + 1 + 2 + 1, 1 + 6 + 1 + 2 + 1, 3)
    assert (drawn[2:4, 1:7] == 1).all() and (drawn[1:5, 8:10] == 2).all() and (drawn[6:8, 3:5] == 3).all()
    assert (drawn == 255).sum() == drawn.size - wide.size - high.size - 3 * grey.size


def test_a_sheet_of_grey_pictures_is_grey_and_an_empty_one_is_refused() -> None:
    assert sheet([[np.zeros((2, 2, 1), np.uint8)]]).shape == (18, 18, 1)
    with pytest.raises(ValueError, match="rows of pictures were wanted, there is none"):
        sheet([[]])
    with pytest.raises(ValueError, match="row 0, picture 0: uint8"):
        sheet([[np.zeros((2, 2), np.uint8)]])


# the figure


def test_the_figure_shows_the_photos_as_they_are() -> None:
    original = np.array(photo().resize((380, 285), Image.Resampling.BICUBIC))
    data = figure_fooled(original, fooled(original), BEFORE, AFTER, HISTORY, "a photo")
    page = opened(data)
    assert page.format == "PNG" and page.info == {} and len(data) < MAX_BYTES
    drawn = np.asarray(page.convert("RGB")).astype(int)
    assert (drawn[:8] == 255).all() and (drawn[-4:] == 255).all()
    shown = drawn[82 : 82 + 285, 20:400]
    blocks = [picture[:280].reshape(28, 10, 38, 10, 3).mean(axis=(1, 3)) for picture in (shown, original)]
    assert np.abs(blocks[0] - blocks[1]).mean() < 3  # a palette, but no other colours
    assert (drawn == (0xF7, 0xBF, 0x8E)).all(axis=-1).sum() > 5000  # the bar of the new class


def test_the_figure_is_the_same_whatever_the_users_settings() -> None:
    original = np.array(photo())
    first = figure_fooled(original, fooled(original), BEFORE, AFTER, HISTORY, "a photo")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        assert figure_fooled(original, fooled(original), BEFORE, AFTER, HISTORY, "a photo") == first


@pytest.mark.parametrize("shape", [(1, 1, 3), (32, 32, 1), (20, 700, 3), (900, 60, 3), (600, 500, 3)])
def test_the_figure_stays_small_for_noise_of_every_shape(shape: tuple[int, int, int]) -> None:
    original = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert len(figure_fooled(original, fooled(original), BEFORE, AFTER, HISTORY, "noise")) < MAX_BYTES


def test_the_figure_takes_odd_words_and_no_history() -> None:
    original = np.array(photo())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for title in ("$x^{$ _ \\frac", "line\nend", "long " * 60, "\u732b \u202e"):
            data = figure_fooled(original, original, [(title, 1.0)], [], [], title)
            assert opened(data).size == (1228, 627)
    assert figure_fooled(original, original, BEFORE, BEFORE, HISTORY[:1], "one point")


def test_drawing_uses_no_window_and_a_difference_no_matplotlib() -> None:
    code = (
        "import sys, numpy as np; from hoodwink.pictures.draw import difference, figure_fooled; a = np.zeros((4, 4, 3), np.uint8); difference(a, a);"
        "assert 'matplotlib' not in sys.modules; figure_fooled(a, a, [], [], [], ''); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "TkAgg"}
    )
