from __future__ import annotations

import numpy as np
import pytest
import torch

from hoodwink.attacks.norms import NORMS
from hoodwink.studies.rounding import EDGES, FREE, enlarged, free_extreme, off_the_grid, probability, rounded


def test_off_the_grid_the_best_change_is_the_gradient_scaled() -> None:
    gradient = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    wide = torch.full_like(gradient, 255.0)
    change = free_extreme(gradient, 0.3, -wide, wide)
    torch.testing.assert_close(change, gradient / gradient.norm() * 0.3 * 255, rtol=1e-4, atol=1e-4)
    assert not torch.equal(change, change.round()) and NORMS["l2"].size(change) == pytest.approx(0.3, rel=1e-4)


def test_off_the_grid_bounds_are_kept_and_the_size_is_reached_by_the_others() -> None:
    gradient = torch.ones(1, 1, 1, 2)
    change = free_extreme(gradient, 5 / 255, torch.zeros(1, 1, 1, 2), torch.tensor([3.0, 255.0]).view(1, 1, 1, 2))
    assert change.flatten().tolist() == pytest.approx([3.0, 4.0], rel=1e-4), "3, 4, 5"
    assert not free_extreme(torch.zeros(1, 1, 1, 2), 1.0, -gradient, gradient).any()


def test_the_free_norm_goes_again_also_after_an_error() -> None:
    before = dict(NORMS)
    with pytest.raises(KeyError), off_the_grid() as norm:
        assert NORMS[norm].extreme is free_extreme and NORMS[norm].size is NORMS["l2"].size
        raise KeyError
    assert before == NORMS and FREE not in NORMS


def test_rounding_takes_what_is_below_half_a_level_and_keeps_the_range() -> None:
    levels = np.array([[[10], [254], [1]], [[7], [7], [7]]], np.uint8)
    change = torch.tensor([[0.4, 3.0, -2.0], [0.6, -0.6, 1.0]]).view(1, 1, 2, 3)
    assert rounded(levels, change)[..., 0].tolist() == [[10, 255, 0], [8, 6, 8]]


def test_a_change_is_enlarged_until_its_file_holds_and_no_further() -> None:
    levels, change = np.full((1, 4, 1), 100, np.uint8), torch.full((1, 1, 1, 4), 0.4)
    factor, held = enlarged(levels, change, lambda grown: int(grown[0, 0, 0]) == 101)
    assert 1.25 <= factor < 1.25 * 1.0101 and held.tolist() == [[[101]] * 4]
    assert enlarged(levels, change, lambda grown: True)[0] == 1.0
    assert 1.9 < enlarged(levels, change, lambda grown: False, 2.0)[0] <= 2.0


def test_probability_is_the_inverse_of_the_log_odds() -> None:
    assert probability(np.log(0.9 / 0.1)) == pytest.approx(0.9) and probability(0.0) == 0.5
    assert probability(-800.0) == 0.0 and probability(800.0) == 1.0


def test_half_a_level_is_an_edge_of_the_histogram() -> None:
    assert 0.5 in EDGES and list(EDGES) == sorted(EDGES) and EDGES[-1] > 255
