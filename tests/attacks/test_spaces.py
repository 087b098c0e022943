from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.spaces import Pixels, outward, tangent

steady = settings(derandomize=True, deadline=None, max_examples=80)
seeds = st.integers(0, 10**6)


def space_of(dice: np.random.Generator, count: int, radius: int = 255) -> Pixels:
    picture = torch.from_numpy(dice.choice([0, 1, 7, 128, 254, 255], (1, 1, 1, count))).float().div(255)
    mask = torch.from_numpy(dice.random((1, 1, 1, count)) < 0.8)
    return Pixels(picture, mask, radius)


def change_in(dice: np.random.Generator, space: Pixels) -> Tensor:
    """A change whose subpixels stand at a bound half of the time."""
    inner = torch.from_numpy(dice.integers(-9, 10, tuple(space.low.shape))).float().clamp(space.low, space.high)
    where = torch.from_numpy(dice.integers(0, 4, tuple(space.low.shape)))
    return torch.where(where == 0, space.low, torch.where(where == 1, space.high, inner))


def normal(dice: np.random.Generator, like: Tensor) -> Tensor:
    return torch.from_numpy(dice.normal(size=tuple(like.shape))).float()


@steady
@given(seed=seeds, radius=st.integers(0, 255))
def test_pixels_decode_to_whole_levels_in_the_box(seed: int, radius: int) -> None:
    dice = np.random.default_rng(seed)
    levels = torch.from_numpy(dice.integers(0, 256, (1, 3, 4, 5))).float()
    mask = torch.from_numpy(dice.random((1, 1, 4, 5)) < 0.5)
    space = Pixels(levels / 255, mask, radius)
    assert torch.equal(space.decode(torch.zeros_like(levels)), levels / 255)
    for change in (space.low, space.high, normal(dice, levels).mul(90).round().clamp(space.low, space.high)):
        picture = space.decode(change)
        whole = (picture * 255).round()
        assert torch.equal(picture, whole / 255)  # exactly k/255
        assert float(picture.min()) >= 0 and float(picture.max()) <= 1
        moved = whole - levels
        assert float(moved.abs().max()) <= radius
        assert not moved[~mask.expand_as(moved)].any()
    assert torch.equal(space.high[mask.expand_as(levels)], (255 - levels).clamp(max=radius)[mask.expand_as(levels)])


@steady
@given(seed=seeds)
def test_outward_is_where_a_step_along_the_gradient_would_leave_the_bounds(seed: int) -> None:
    dice = np.random.default_rng(seed)
    space = space_of(dice, 12)
    change, gradient = change_in(dice, space), normal(dice, space.low)
    after = change + gradient.sign()
    assert torch.equal(outward(gradient, change, space), (after > space.high) | (after < space.low))


@steady
@given(seed=seeds)
def test_without_a_ball_the_gradient_goes_where_nothing_hinders_it(seed: int) -> None:
    dice = np.random.default_rng(seed)
    space = space_of(dice, 12)
    change, gradient = change_in(dice, space), normal(dice, space.low)
    free = tangent(gradient, change, space)
    assert torch.equal(free, torch.where(outward(gradient, change, space), 0.0, gradient))
    assert float((gradient * free).sum()) == pytest.approx(float(free.square().sum()), rel=1e-5)


@steady
@given(seed=seeds)
def test_on_the_face_of_a_ball_the_gradient_is_projected_on_the_cone(seed: int) -> None:
    dice = np.random.default_rng(seed)
    space = space_of(dice, int(dice.integers(2, 6)))
    change, gradient = change_in(dice, space), normal(dice, space.low)
    radius = float(torch.linalg.vector_norm(change)) / 255
    free = tangent(gradient, change, space, radius)
    scale = float(gradient.square().sum())
    assert float((gradient * free).sum()) == pytest.approx(float(free.square().sum()), abs=1e-4 * scale)
    assert float((free * change).sum()) <= 1e-4 * scale * (1 + radius * 255)
    assert not outward(free, change, space).any()
    if radius > 0:
        assert np.allclose(free.flatten(), nearest_in_cone(gradient, change, space), atol=1e-3)


def nearest_in_cone(gradient: Tensor, change: Tensor, space: Pixels) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The projection by trying every set of subpixels held, with and without the ball's face: the nearest that is allowed."""
    g, c = gradient.flatten().double().numpy(), change.flatten().double().numpy()
    low, high = space.low.flatten().numpy(), space.high.flatten().numpy()
    best, distance = np.zeros_like(g), float(g @ g)
    for held in product((False, True), repeat=len(g)):
        kept = ~np.array(held)
        for face in (False, True):
            v = np.where(kept, g, 0.0)
            if face and (kept * c) @ c > 0:
                v -= kept * c * (v @ c) / ((kept * c) @ c)
            allowed = v @ c <= 1e-9 and not ((c >= high) & (v > 1e-9)).any() and not ((c <= low) & (v < -1e-9)).any()
            if allowed and (v - g) @ (v - g) < distance:
                best, distance = v, float((v - g) @ (v - g))
    return best


def test_inside_the_ball_its_face_does_not_count() -> None:
    space = Pixels(torch.full((1, 1, 1, 2), 100 / 255))
    gradient, change = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[3.0, 4.0]]]])
    assert torch.equal(tangent(gradient, change, space, 6 / 255), gradient)
    assert torch.equal(tangent(-gradient, change, space, 5 / 255), -gradient)  # inwards
    along = tangent(gradient, change, space, 5 / 255)
    assert torch.allclose(along, torch.tensor([[[[1 - 33 / 25, 2 - 44 / 25]]]]), atol=1e-5)
