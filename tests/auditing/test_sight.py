from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import small_audits as small
from hoodwink.auditing.sight import DRAWS, Sights, scale_for


def part_of(sights: Sights, levels: Any) -> Tensor:
    """The seen part of one picture as a search holds it: in [0, 1], on the grid."""
    sight = sights.of(*levels.shape[:2])
    return torch.from_numpy(levels[sight.rows, sight.columns]).permute(2, 0, 1)[None].float().div_(255)


@pytest.mark.parametrize(
    ("shape", "card"),
    [
        ((6, 6, 1), {}),
        ((6, 6, 3), {}),
        ((9, 13, 1), {"size": 6, "resize": 8}),
        ((13, 9, 3), {"size": (6, 6), "resize": (7, 11), "filter": "bilinear"}),
        ((17, 30, 3), {"size": 6, "resize": 6}),
        ((9, 8, 1), {"size": 6, "resize": 24}),
    ],
)
def test_both_see_bit_for_bit_what_a_file_shows(shape: tuple[int, int, int], card: dict[str, Any]) -> None:
    model = small.model(channels=shape[2], **card)
    sights = Sights(model, model.outputs)
    for levels in small.draw(4, 1, *shape):
        part, sight = part_of(sights, levels), sights.of(*shape[:2])
        truth = model.outputs(model.encode(levels))
        assert torch.equal(sight.judge(part), truth) and torch.equal(sight.search(part), truth)
        assert torch.equal(sight.judge_free(part), truth) and torch.equal(sight.free(part), truth)


def test_what_lies_outside_the_seen_part_has_no_effect() -> None:
    model = small.model(size=6, resize=24)
    levels = small.draw(1, 0, 40, 61)[0]
    sight = Sights(model, model.outputs).of(40, 61)
    assert sight.rows.stop - sight.rows.start < 40 and sight.columns.stop - sight.columns.start < 61
    other = 255 - levels
    other[sight.rows, sight.columns] = levels[sight.rows, sight.columns]
    assert torch.equal(model.encode(levels), model.encode(other))


def test_off_the_grid_nothing_is_rounded_and_on_it_the_verdict_is() -> None:
    model = small.model()
    sight = Sights(model, model.outputs).of(6, 6)
    part = torch.full((1, 1, 6, 6), 100.4 / 255)
    exact = model.outputs((part - 0.5) / 0.25)
    assert torch.allclose(sight.free(part), exact) and torch.allclose(sight.judge_free(part), exact)
    assert torch.equal(sight.judge(part), sight.judge(torch.full_like(part, 100 / 255)))


def test_the_search_asks_its_own_network_and_the_verdict_the_original() -> None:
    model, other = small.model(0), small.model(1)
    sights = Sights(model, other.outputs)
    levels = small.draw(1)[0]
    part, sight = part_of(sights, levels), sights.of(6, 6)
    mine, its = model.outputs(model.encode(levels)), other.outputs(other.encode(levels))
    assert torch.equal(sight.judge(part), mine) and torch.equal(sight.judge_free(part), mine)
    assert torch.equal(sight.search(part), its) and torch.equal(sight.free(part), its)
    sights.scale = 4.0  # a sight that was made before follows
    assert torch.equal(sight.search(part), its * 4) and torch.equal(sight.judge(part), mine)
    sights.network = lambda encoded: -other.outputs(encoded)
    assert torch.equal(sight.search(part), its * -4)


def test_of_a_network_that_answers_at_random_the_search_takes_the_mean() -> None:
    model, calls = small.model(), iter(range(100))
    sights = Sights(model, lambda encoded: torch.full((len(encoded), 4), float(next(calls))), random=True)
    part = part_of(sights, small.draw(1)[0])
    assert torch.equal(sights.of(6, 6).search(part), torch.full((1, 4), (DRAWS - 1) / 2)) and next(calls) == DRAWS


def test_gradients_reach_the_pictures_through_a_resize() -> None:
    model = small.model(size=6, resize=8)
    sights = Sights(model, model.outputs)
    part = part_of(sights, small.draw(1, 0, 11, 12)[0]).requires_grad_()
    (gradient,) = torch.autograd.grad(sights.of(11, 12).search(part)[0, 0], part)
    assert gradient.isfinite().all() and (gradient != 0).float().mean() > 0.5


@pytest.mark.parametrize(
    ("logits", "factor"),
    [
        ([[3.0, 1.0, 0.0]], 1.0),
        ([[0.05, 0.0, 0.0]], 1.0),
        ([[50.0, 0.0, 0.0]], 1.0),
        ([[0.04, 0.0, 0.0]], 100.0),
        ([[2e-5, 0.0, -1.0]], 2e5),
        ([[8e4, 0.0, 0.0]], 5e-5),
        ([[1.0, 1.0, 0.0]], 1.0),  # a tie says nothing of the scale
        ([[1e4, 0.0, 0.0], [2.0, 1.0, 0.0], [3.0, 1.0, 0.0]], 1.0),  # the median counts
    ],
)
def test_logits_are_scaled_only_where_a_search_could_not_work_with_them(logits: list[list[float]], factor: float) -> None:
    assert scale_for(torch.tensor(logits)) == pytest.approx(factor, rel=1e-4)


def test_a_sight_is_made_once_for_each_size() -> None:
    model = small.model(size=6, resize=8)
    sights = Sights(model, model.outputs)
    assert sights.of(9, 12) is sights.of(9, 12) and sights.of(9, 12) is not sights.of(12, 9)
    assert np.prod(model.encode(small.draw(1, 0, 9, 12)[0]).shape) == 36
