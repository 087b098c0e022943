from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hoodwink.studies.ascend_input import ascend, kept, plain, whole


def two_classes(gain: float = 4.0) -> tuple[Tensor, Tensor]:
    """The weights, 2 x 16, of a linear network, and the unit vector from class 0 to class 1."""
    way = torch.zeros(16)
    way[5] = 1.0
    return torch.stack([-gain / 2 * way, gain / 2 * way]), way


def test_the_plain_step_is_the_gradient_of_the_cross_entropy() -> None:
    # dL/dx = sum_k (p_k - y_k) w_k: the closed form for a linear network
    weights = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    x, label = torch.tensor([[0.2, 0.8, 0.5, 0.4]]), 1
    p = (x @ weights.T).softmax(1)[0]
    p[label] -= 1
    wanted = x + 0.01 * p @ weights
    path = ascend(lambda x: x.flatten(1) @ weights.T, x.view(1, 1, 2, 2), torch.tensor([label]), way="plain", size=0.01, steps=1)
    if path.steps[0]:
        torch.testing.assert_close(path.pictures.flatten(1), wanted)
    assert plain(x, p @ weights, 0.01) == pytest.approx(wanted)


def test_on_a_linear_network_steps_of_one_length_are_as_many_as_the_margin_asks() -> None:
    weights, way = two_classes()
    # Class 1 is ahead once x . way > 0.71: from 0.2, eleven steps of 0.05.
    network, start = lambda x: x.flatten(1) @ weights.T + torch.tensor([1.42, -1.42]), torch.full((1, 1, 4, 4), 51 / 255)
    path = ascend(network, start, torch.tensor([0]), way="kept", size=0.05, steps=50)
    assert path.changed.all() and path.steps.tolist() == [11] and len(path.scores) == 12
    assert float((path.pictures - start).flatten() @ way) == pytest.approx(0.55, abs=0.5 / 255)
    assert torch.equal(path.pictures, whole(path.pictures))


def test_a_picture_that_is_misread_already_takes_no_step_and_the_others_go_on() -> None:
    weights, way = two_classes()
    network = lambda x: x.flatten(1) @ weights.T + torch.tensor([1.42, -1.42])  # noqa: E731
    pictures = torch.stack([torch.full((16,), 0.2), torch.full((16,), 0.2) + 0.8 * way]).view(2, 1, 4, 4)
    path = ascend(network, pictures, torch.tensor([0, 0]), way="kept", size=0.05, steps=50)
    assert path.steps.tolist() == [11, 0] and path.changed.tolist() == [True, True]


def test_what_can_not_change_spends_all_steps() -> None:
    network = lambda x: torch.tensor([[1.0, 0.0]]).expand(len(x), 2) + 0 * x.sum((1, 2, 3))[:, None]  # noqa: E731
    path = ascend(network, torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]), way="plain", size=1.0, steps=3)
    assert not path.changed.any() and path.steps.tolist() == [3] and len(path.scores) == 4


def test_plain_steps_leave_the_range_and_kept_ones_do_not() -> None:
    weights, _ = two_classes()
    network = lambda x: x.flatten(1) @ weights.T + torch.tensor([9.0, -9.0])  # noqa: E731 # more than any picture has
    start = torch.full((1, 1, 4, 4), 0.9)
    assert ascend(network, start, torch.tensor([0]), way="plain", size=1e6, steps=20).pictures.max() > 1
    end = ascend(network, start, torch.tensor([0]), way="kept", size=0.3, steps=20).pictures
    assert end.min() >= 0 and end.max() == 1 and not ascend(network, start, torch.tensor([0]), way="kept", size=0.3, steps=20).changed.any()


def test_a_kept_step_has_its_length_however_small_the_gradient() -> None:
    x, g = torch.full((2, 1, 3, 3), 0.5), torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(0)) * 1e-15
    moved = (kept(x, g, 0.1) - x).flatten(1)
    assert torch.linalg.vector_norm(moved, dim=1) == pytest.approx([0.1, 0.1], rel=1e-5)
    at_bound = kept(torch.ones(1, 1, 1, 2), torch.tensor([1.0, -1.0]).view(1, 1, 1, 2), 0.1)
    assert at_bound.flatten().tolist() == pytest.approx([1.0, 0.9]), "what points out does not shorten the step"
