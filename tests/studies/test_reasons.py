from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import Tensor

from hoodwink.studies.reasons import backgrounds, border, dog_share, measured, rank_correlation, ranks, reason, shapes, small, strangeness


def disc(radius: float, at: tuple[float, float] = (15.5, 15.5), seed: int = 0) -> tuple[Tensor, float]:
    """A noisy red disc on noisy green, 1 x 3 x 32 x 32, and the share of it that is disc."""
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    inside = (rows - at[0]) ** 2 + (columns - at[1]) ** 2 < radius**2
    picture = torch.where(inside, torch.tensor([0.8, 0.2, 0.2])[:, None, None], torch.tensor([0.1, 0.4, 0.1])[:, None, None])
    noise = 0.05 * torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return (picture + noise)[None], float(inside.float().mean())


@pytest.mark.parametrize("radius", [6.0, 9.0, 13.0])
def test_the_share_of_a_disc_is_measured(radius: float) -> None:
    picture, share = disc(radius)
    assert float(dog_share(picture)) == pytest.approx(share, abs=0.02)


def test_a_picture_of_one_colour_shows_no_dog() -> None:
    assert dog_share(torch.full((2, 3, 32, 32), 0.4)).tolist() == [0, 0]


def test_the_border_is_two_pixels_wide() -> None:
    picture = torch.zeros(1, 3, 32, 32)
    picture[:, :, 2:-2, 2:-2] = 1
    assert border(picture).shape == (1, 3, 32**2 - 28**2)
    assert backgrounds(picture).tolist() == [[0, 0, 0]]
    assert backgrounds(1 - picture).tolist() == [[1, 1, 1]]


def test_shapes_know_neither_light_nor_contrast() -> None:
    picture, _ = disc(9)
    same = shapes(torch.cat([picture, 0.3 * picture + 0.5]))
    assert float(same[0] @ same[1]) == pytest.approx(1, abs=1e-5)
    assert same.sum(1).tolist() == pytest.approx([0, 0], abs=1e-3)


def test_the_strange_one_of_each_kind_is_ranked_first() -> None:
    usual = torch.cat([disc(11, (14, 10), seed)[0] for seed in range(20)])
    small_dog, _ = disc(6, (14, 13), 30)
    elsewhere = usual[:1].clone()
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    elsewhere[0, :, (rows - 14) ** 2 + (columns - 10) ** 2 >= 121] = 0.05
    turned, _ = disc(11, (21, 15), 31)
    mirrored = usual[3:4].flip(3)
    found = measured(torch.cat([usual[:6], small_dog, elsewhere, turned, mirrored]), usual)
    assert found[:, 0].argmax() == 6 and found[:, 1].argmax() == 7
    assert found[8, 2] > found[:6, 2].max() + 0.1
    assert found[9, 2] < found[8, 2] / 2, "a dog that looks the other way is in the same pose"


@given(st.lists(st.integers(0, 4), min_size=3, max_size=12), st.data())
def test_ranks_and_their_correlation_are_scipy_s(one: list[int], data: st.DataObject) -> None:
    other = data.draw(st.lists(st.integers(0, 4), min_size=len(one), max_size=len(one)))
    a, b = torch.tensor(one, dtype=torch.float64), torch.tensor(other, dtype=torch.float64)
    assert float(ranks(a).mean()) == pytest.approx(0.5) and 0 <= float(ranks(a).min()) <= float(ranks(a).max()) <= 1
    wanted = spearmanr(one, other).statistic if len(set(one)) > 1 and len(set(other)) > 1 else 0.0
    assert rank_correlation(a, b) == pytest.approx(wanted, abs=1e-6)


def test_ranks_stand_in_columns() -> None:
    assert ranks(torch.tensor([[3.0, 1.0], [1.0, 2.0], [2.0, 3.0]])).tolist() == [[1, 0], [0, 0.5], [0.5, 1]]


def test_a_reason_is_named_only_where_it_is_unusual() -> None:
    assert reason([0.2, 0.95, 0.91]) == "unusual background (beyond 95 %)"
    assert reason([0.89, 0.5, 0.1]) == "none of the three"


def test_small_pictures_are_means() -> None:
    picture = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    picture[0, 0, 0, 0] = 204
    assert small(picture)[0, 0, 0, 0] == pytest.approx(0.2) and small(picture).sum() == pytest.approx(0.2)


def test_pictures_are_ranked_among_those_of_their_breed() -> None:
    dice = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (9, 3, 64, 64), generator=dice, dtype=torch.uint8)
    labels = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 1])
    found = strangeness(pictures, labels, pictures, labels)
    for breed in (0, 1):
        own = pictures[labels == breed]
        assert torch.equal(found[labels == breed], ranks(measured(small(own), small(own))))
    assert float(found.mean()) == pytest.approx(0.5)
