from __future__ import annotations

import math
from collections import Counter
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.data.augment import Augmentation, augment, key

LEVELS = torch.randint(1, 256, (200, 3, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
EVERY = Augmentation(shift=1, flip=True, rotation=20, noise=0.1, crop=2, cutout=2)
KINDS = [
    Augmentation(shift=2),
    Augmentation(flip=True),
    Augmentation(rotation=30),
    Augmentation(noise=0.1),
    Augmentation(crop=2),
    Augmentation(cutout=3),
    EVERY,
]


def moved(picture: Tensor, down: int, right: int, mirror: bool) -> Tensor:
    """One picture, pixel by pixel: what comes in is black, or the picture's mirror image."""
    _, height, width = picture.shape
    result = torch.zeros_like(picture)
    for row, column in product(range(height), range(width)):
        y, x = row + down, column + right
        if mirror:
            y, x = height - 1 - abs(height - 1 - abs(y)), width - 1 - abs(width - 1 - abs(x))
        if 0 <= y < height and 0 <= x < width:
            result[:, row, column] = picture[:, y, x]
    return result


def bilinear(picture: Tensor, angle: float) -> Tensor:
    """One picture turned about its centre, pixel by pixel."""
    _, height, width = picture.shape
    result = torch.zeros_like(picture)
    for row, column in product(range(height), range(width)):
        y, x = row - (height - 1) / 2, column - (width - 1) / 2
        from_y = math.sin(angle) * x + math.cos(angle) * y + (height - 1) / 2
        from_x = math.cos(angle) * x - math.sin(angle) * y + (width - 1) / 2
        for corner_y, corner_x in product((math.floor(from_y), math.floor(from_y) + 1), (math.floor(from_x), math.floor(from_x) + 1)):
            if 0 <= corner_y < height and 0 <= corner_x < width:
                weight = (1 - abs(from_y - corner_y)) * (1 - abs(from_x - corner_x))
                result[:, row, column] += weight * picture[:, corner_y, corner_x]
    return result


def outcomes(how: Augmentation, possible: dict[Any, list[Tensor]]) -> Counter[Any]:
    """How often each of the possible outcomes, name -> what becomes of each picture, came; each picture must have one of them."""
    found = augment(LEVELS, how, key(0, 0, 0))
    names = [[name for name, results in possible.items() if torch.equal(found[i], results[i])] for i in range(len(LEVELS))]
    assert all(len(name) == 1 for name in names)
    return Counter(name[0] for name in names)


def test_nothing_is_done_where_all_is_off() -> None:
    assert augment(LEVELS, Augmentation(), key(0, 0, 0)) is LEVELS


@pytest.mark.parametrize(("how", "mirror"), [(Augmentation(shift=2), False), (Augmentation(crop=2), True)], ids=["shift", "crop"])
def test_each_picture_is_moved_as_one_alone(how: Augmentation, mirror: bool) -> None:
    ways = list(product(range(-2, 3), range(-2, 3)))
    counts = outcomes(how, {way: [moved(picture, *way, mirror) for picture in LEVELS] for way in ways})
    assert counts.keys() == set(ways) and max(counts.values()) < 25  # 8 of each way are expected


@pytest.mark.parametrize("pad", [1, 3, 4])
def test_a_shift_as_far_as_the_picture(pad: int) -> None:
    ways = list(product(range(-pad, pad + 1), range(-pad, pad + 1)))
    possible = {way: moved(LEVELS[0], *way, False) for way in ways}
    for picture in augment(LEVELS[:1].expand(50, -1, -1, -1), Augmentation(shift=pad), key(0, 0, 0)):
        assert any(torch.equal(picture, other) for other in possible.values())


def test_half_of_them_are_flipped() -> None:
    counts = outcomes(Augmentation(flip=True), {"as before": list(LEVELS), "flipped": list(LEVELS.flip(3))})
    assert 70 <= counts["flipped"] <= 130


@pytest.mark.parametrize("size", [(5, 5), (4, 7), (6, 3)])
def test_a_rotation_is_that_of_one_alone(size: tuple[int, int]) -> None:
    pictures = torch.rand(20, 2, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = augment(pictures, Augmentation(rotation=90), key(1, 2, 3))
    angles = (2 * torch.rand(20, generator=key(1, 2, 3), dtype=torch.float64) - 1) * math.pi / 2
    assert angles.min() < -0.5 and angles.max() > 0.5
    for picture, turned, angle in zip(pictures, found, angles.tolist(), strict=True):
        assert torch.allclose(turned, bilinear(picture, angle), atol=1e-12)


def test_a_tiny_rotation_is_none() -> None:
    assert torch.equal(augment(LEVELS, Augmentation(rotation=1e-3), key(0, 0, 0)), LEVELS)


def test_noise_has_the_strength_that_it_says() -> None:
    grey = torch.full((50, 3, 20, 20), 0.5)
    change = augment(grey, Augmentation(noise=0.1), key(0, 0, 0)) - grey
    assert abs(change.mean()) < 2e-3 and abs(change.std() - 0.1) < 2e-3
    levels = torch.full((50, 3, 20, 20), 128, dtype=torch.uint8)
    change = augment(levels, Augmentation(noise=0.1), key(0, 0, 0)).float() - 128
    assert abs(change.mean()) < 0.5 and abs(change.std() - 25.5) < 0.5
    strong = augment(grey, Augmentation(noise=9), key(0, 0, 0))
    assert strong.min() == 0 and strong.max() == 1
    assert set(augment(levels, Augmentation(noise=99), key(0, 0, 0)).flatten().tolist()) >= {0, 255}


@pytest.mark.parametrize("side", [1, 2, 3, 9])
def test_a_square_is_cut_out(side: int) -> None:
    squares = []
    for y, x in product(range(4), range(6)):
        mask = torch.zeros(4, 6, dtype=torch.bool)
        mask[max(0, y - side // 2) : y - side // 2 + side, max(0, x - side // 2) : x - side // 2 + side] = True
        squares.append(mask)
    found = augment(LEVELS, Augmentation(cutout=side), key(0, 0, 0))
    cut = found == 0
    assert torch.equal(found[~cut], LEVELS[~cut])
    for one in cut:
        assert torch.equal(one[0], one[1]) and any(torch.equal(one[0], mask) for mask in squares)
    assert len({tuple(one.flatten().tolist()) for one in cut}) == len({tuple(mask.flatten().tolist()) for mask in squares})


@pytest.mark.parametrize("how", KINDS, ids=str)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_shapes_kinds_and_ranges_stay(how: Augmentation, dtype: torch.dtype) -> None:
    pictures = LEVELS if dtype == torch.uint8 else LEVELS.to(dtype) / 255
    before = pictures.clone()
    found = augment(pictures, how, key(0, 0, 0))
    assert found.shape == pictures.shape and found.dtype == dtype and torch.equal(pictures, before)
    assert not torch.equal(found, pictures)
    if dtype != torch.uint8:
        assert found.min() >= 0 and found.max() <= 1
        wanted = augment(LEVELS, how, key(0, 0, 0)).to(dtype) / 255
        if not how.noise and not (how.rotation and dtype == torch.float64):  # those draw in the pictures' own precision
            assert torch.allclose(found, wanted, atol=0.51 / 255)


@given(numbers=st.tuples(*[st.integers(0, 3)] * 3), size=st.sampled_from([0, 1, 7]))
def test_the_same_key_gives_the_same(numbers: tuple[int, int, int], size: int) -> None:
    found = augment(LEVELS[:size], EVERY, key(*numbers))
    assert torch.equal(found, augment(LEVELS[:size].clone(), EVERY, key(*numbers)))
    assert found.shape == LEVELS[:size].shape


@pytest.mark.parametrize("how", KINDS, ids=str)
def test_every_other_key_gives_another(how: Augmentation) -> None:
    found = [augment(LEVELS, how, key(*numbers)) for numbers in product(range(2), range(2), range(2))]
    assert not any(torch.equal(one, other) for i, one in enumerate(found) for other in found[:i])


def test_pictures_in_any_order_in_memory() -> None:
    last = LEVELS.contiguous(memory_format=torch.channels_last)
    assert torch.equal(augment(last, EVERY, key(0, 0, 0)), augment(LEVELS, EVERY, key(0, 0, 0)))
    assert torch.equal(augment(LEVELS[::2, :, :, 1:], EVERY, key(0, 0, 0)), augment(LEVELS[::2, :, :, 1:].clone(), EVERY, key(0, 0, 0)))


def test_reflection_is_that_of_torch() -> None:
    pad = F.pad(LEVELS.float(), (3, 3, 3, 3), mode="reflect")
    windows = [pad[0, :, y : y + 4, x : x + 6] for y, x in product(range(7), repeat=2)]
    for picture in augment(LEVELS[:1].float().expand(60, -1, -1, -1), Augmentation(crop=3), key(0, 0, 0)):
        assert any(torch.equal(picture, window) for window in windows)


@pytest.mark.parametrize("name", ["shift", "rotation", "noise", "crop", "cutout"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_below_nothing_is_an_error(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}: 0 or more was wanted, not {value}"):
        Augmentation(**{name: value})  # type: ignore[arg-type]


def test_moves_beyond_the_picture_are_errors() -> None:
    with pytest.raises(ValueError, match="a crop of less than the picture's 4 pixels was wanted, not 4"):
        augment(LEVELS, Augmentation(crop=4), key(0, 0, 0))
    with pytest.raises(ValueError, match="a shift of at most the picture's 4 pixels was wanted, not 5"):
        augment(LEVELS, Augmentation(shift=5), key(0, 0, 0))
