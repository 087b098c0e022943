from __future__ import annotations

import json
import math
import time
import tracemalloc
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from hoodwink.pictures.levels import NORMS, distances, radius

Levels = np.ndarray[Any, np.dtype[np.uint8]]
LUMA = np.array([0.299, 0.587, 0.114])


def pictures(shape: tuple[int, ...], amount: int = 20, seed: int = 0) -> tuple[Levels, Levels]:
    generator = np.random.default_rng(seed)
    before = generator.integers(0, 256, shape)
    after = (before + generator.integers(-amount, amount + 1, shape)).clip(0, 255)
    return before.astype(np.uint8), after.astype(np.uint8)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Levels, Levels]:
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14), st.sampled_from([1, 3])))
    return draw(hnp.arrays(np.uint8, shape)), draw(hnp.arrays(np.uint8, shape))


def luma(levels: Levels) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(levels[..., 0].astype(np.float64) if levels.shape[2] == 1 else levels @ LUMA)


# radius


@pytest.mark.parametrize("levels", range(256))
def test_k_of_255_is_k_levels_however_it_is_computed(levels: int) -> None:
    for eps in (levels / 255, float(np.float32(levels) / np.float32(255)), round(levels / 255, 9), levels * (1 / 255)):
        assert radius(eps, "linf") == levels
        assert isinstance(radius(eps, "linf"), int)


@given(st.floats(0, 1))
@settings(deadline=None)
def test_the_radius_is_the_largest_that_fits(eps: float) -> None:
    levels = radius(eps, "linf")
    assert levels / 255 <= eps + 1e-8 and (levels + 1) / 255 > eps


@pytest.mark.parametrize("norm", ["l2", "l1", "l0"])
def test_other_radii_stay(norm: str) -> None:
    assert [radius(eps, norm) for eps in (0, 0.5, 3.25, 1000)] == [0, 0.5, 3.25, 1000]


@pytest.mark.parametrize(("eps", "norm", "said"), [
    (8, "linf", r"for linf a number in \[0, 1\] was wanted, not 8: for levels type 8/255"),
    (1.5, "linf", "type 1.5/255"),
    (math.inf, "linf", "not inf"),
    (-0.1, "linf", "eps: a number from 0 was wanted, not -0.1"),
    (-1, "l2", "not -1"),
    (math.nan, "l0", "not nan"),
    (1, "l3", "norm: one of linf, l2, l1, l0 was wanted, not 'l3'"),
])  # fmt: skip
def test_other_numbers_are_refused_with_what_to_type(eps: float, norm: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        radius(eps, norm)


# distances


@given(pairs())
@settings(deadline=None, max_examples=60)
def test_distances_are_those_of_their_definitions(pair: tuple[Levels, Levels]) -> None:
    before, after = pair
    change = after.astype(int) - before
    found = distances(before, after)
    assert found.l2 == pytest.approx(float(np.linalg.norm(change.ravel() / 255)), rel=1e-12)
    assert found.l1 == pytest.approx(np.abs(change / 255).sum(), rel=1e-12)
    assert found.linf == int(np.abs(change).max()) and found.l0 == np.count_nonzero(change)
    assert found.pixels == np.count_nonzero(change.any(axis=2))
    assert found.histogram == dict(zip(*(part.tolist() for part in np.unique(change, return_counts=True)), strict=True))
    assert list(found.histogram) == sorted(found.histogram) and sum(found.histogram.values()) == before.size


@given(pairs())
@settings(deadline=None, max_examples=60)
def test_distances_are_symmetric(pair: tuple[Levels, Levels]) -> None:
    there, back = distances(*pair), distances(*pair[::-1])
    assert back.histogram == {-change: count for change, count in there.histogram.items()}
    assert back.ssim == pytest.approx(there.ssim, abs=1e-12) and -1 <= there.ssim <= 1
    assert {**asdict(there), "histogram": 0, "ssim": 0} == {**asdict(back), "histogram": 0, "ssim": 0}


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3]))))
@settings(deadline=None, max_examples=30)
def test_a_picture_is_at_no_distance_from_itself(levels: Levels) -> None:
    found = distances(levels, levels.copy())
    assert (found.l2, found.linf, found.l1, found.l0, found.pixels, found.ssim) == (0, 0, 0, 0, 0, 1)
    assert found.psnr == math.inf and found.histogram == {0: levels.size}


@pytest.mark.parametrize("shape", [(40, 60, 3), (11, 11, 3), (12, 300, 1), (90, 12, 3), (150, 2500, 1)])
@pytest.mark.parametrize("amount", [1, 20, 255])
def test_ssim_and_psnr_are_scikit_images(shape: tuple[int, int, int], amount: int) -> None:
    before, after = pictures(shape, amount)
    found = distances(before, after)
    x, y = luma(before), luma(after)
    similarity: Any = structural_similarity  # without types
    wanted = similarity(x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
    assert found.ssim == pytest.approx(wanted, abs=1e-10)
    ratio: Any = peak_signal_noise_ratio
    assert found.psnr == pytest.approx(ratio(before, after), rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 9, 3), (10, 40, 1), (5, 6, 3), (1, 30, 1), (30, 4, 3)])
def test_under_eleven_pixels_the_window_shrinks(shape: tuple[int, int, int]) -> None:
    before, after = pictures(shape)
    x, y = luma(before), luma(after)
    sizes = [min(11, length) - (min(11, length) + 1) % 2 for length in shape[:2]]
    down, across = (np.exp(-0.5 * ((np.arange(size) - size // 2) / 1.5) ** 2) for size in sizes)
    weights = np.outer(down, across) / np.outer(down, across).sum()
    values = []
    for top in range(shape[0] - sizes[0] + 1):
        for left in range(shape[1] - sizes[1] + 1):
            a, b = (part[top : top + sizes[0], left : left + sizes[1]] for part in (x, y))
            p, q = (weights * a).sum(), (weights * b).sum()
            var_a, var_b, cov = (weights * (a - p) ** 2).sum(), (weights * (b - q) ** 2).sum(), (weights * (a - p) * (b - q)).sum()
            values.append((2 * p * q + 6.5025) * (2 * cov + 58.5225) / ((p**2 + q**2 + 6.5025) * (var_a + var_b + 58.5225)))
    assert distances(before, after).ssim == pytest.approx(np.mean(values), abs=1e-9)


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = pictures((70, 33, 3))
    whole = distances(before, after)
    for strip in (1, 33 * 12, 33 * 30, 33 * 60):
        monkeypatch.setattr("hoodwink.pictures.levels._STRIP", strip)
        found = distances(before, after)
        assert found.ssim == pytest.approx(whole.ssim, abs=1e-12) and found.histogram == whole.histogram and found.pixels == whole.pixels


def test_distances_become_json() -> None:
    before, after = pictures((12, 12, 3))
    found = json.loads(json.dumps(distances(before, after).to_json(), allow_nan=False))
    assert found["psnr"] == distances(before, after).psnr and sum(found["histogram"].values()) == before.size
    assert json.loads(json.dumps(distances(before, before).to_json(), allow_nan=False))["psnr"] is None


@pytest.mark.parametrize(("before", "after", "said"), [
    (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8), "one shape were wanted, not 4 x 4 x 3 and 4 x 5 x 3"),
    (np.zeros((4, 4, 3)), np.zeros((4, 4, 3), np.uint8), "before: uint8 .* not float64 4 x 4 x 3"),
    (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), "after: .* not uint8 4 x 4"),
    (np.zeros((0, 4, 3), np.uint8), np.zeros((0, 4, 3), np.uint8), "before: .* 0 x 4 x 3"),
])  # fmt: skip
def test_what_is_no_pair_is_refused(before: Any, after: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        distances(before, after)


@pytest.mark.slow
def test_twelve_megapixels_take_seconds_and_little_memory() -> None:
    before, after = (np.tile(picture, (30, 40, 1)) for picture in pictures((100, 100, 3)))
    tracemalloc.start()
    start = time.perf_counter()
    found = distances(before, after)
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.l0 == 1200 * distances(before[:100, :100], after[:100, :100]).l0
    assert peak < 2**27 and seconds < 20  # without tracemalloc, on an idle core: 2 s


def test_every_norm_is_a_field_of_the_distances() -> None:
    found = distances(*pictures((4, 4, 3)))
    assert all(hasattr(found, norm) for norm in NORMS)
