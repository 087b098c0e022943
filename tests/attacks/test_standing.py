from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.attacks.losses import margin
from hoodwink.attacks.objectives import MARGIN
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.standing import Standing
from oracles.classifiers import task

steady = settings(derandomize=True, deadline=None, max_examples=40)


def first_subpixels(pictures: Tensor) -> Tensor:
    """Three logits: the first three subpixels, in levels."""
    return pictures.flatten(1)[:, :3] * 255


def standing(logits: list[list[float]], labels: list[int], **more: Tensor) -> Standing:
    """Pictures that show the logits, before any change."""
    pictures = torch.tensor(logits)[:, None, None] / 255
    return Standing(Queries(first_subpixels), Pixels(pictures), torch.tensor(labels), **more)


def change(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows)[:, None, None]


def test_what_falls_leaves_and_the_rest_stays_in_order() -> None:
    stand = standing([[9, 1, 1], [9, 8, 1], [9, 1, 7], [9, 1, 1]], [0, 0, 0, 0])
    step = change([[0.0, 5, 0], [0, 5, 0], [0, 0, 5], [-3, 0, 0]])
    lead = stand.look(step)
    assert lead.tolist() == [-3, -5] and stand.rows.tolist() == [0, 3] and len(stand) == 2
    assert stand.fallen.tolist() == [False, True, True, False]
    (kept,) = stand.kept(step)
    assert torch.equal(kept, step[[0, 3]])
    assert torch.equal(stand.lead, torch.tensor([-3.0, 4.0, 3.0, -5.0]))
    assert torch.equal(stand.space.levels, stand.whole.levels[[0, 3]])
    logits, gradient = stand.slope(change([[0.0, 9, 0], [0, 0, 2]]), margin)
    assert logits.tolist() == [[9, 1, 3]] and len(gradient) == 1 and stand.rows.tolist() == [3]
    assert (gradient * 1.0).flatten().tolist() == [-255, 0, 255]
    forwards, gradients = stand.base.each(4)[1].tolist(), stand.base.each(4)[0].tolist()
    assert forwards == [1, 1, 1, 1] and gradients == [1, 0, 0, 1]
    shown = (stand.pictures * 255).round()[:, 0, 0].tolist()
    assert shown == [[9, 10, 1], [9, 13, 1], [9, 1, 12], [6, 1, 1]]  # the better of those that did not fall either


def test_the_best_change_is_kept_not_the_last() -> None:
    stand = standing([[9, 1, 1]], [0])
    for step in ([0.0, 3.0, 0.0], [0.0, 5.0, 0.0], [0.0, 4.0, 0.0]):
        stand.look(change([step]))
        assert stand.kept(None, torch.ones(1)) == (None, torch.ones(1))
    assert stand.lead.tolist() == [-3] and stand.change.flatten().tolist() == [0, 5, 0]


def test_a_target_must_itself_be_on_top() -> None:
    stand = standing([[9, 1, 1], [9, 1, 1]], [0, 0], target=torch.tensor([2, 2]))
    stand.look(change([[0.0, 20, 0], [0, 20, 30]]))
    assert stand.fallen.tolist() == [False, True] and stand.lead.tolist() == [-20, 10]


def test_toward_is_where_the_loss_pulls_while_any_other_label_fells() -> None:
    stand = standing([[9, 1, 1], [9, 1, 1]], [0, 0], toward=torch.tensor([2, 2]))
    _, gradient = stand.slope(change([[0.0, 0, 0], [0, 0, 0]]), margin)
    assert (gradient / 255).flatten(1).tolist() == [[-1, 0, 1], [-1, 0, 1]]
    stand.look(change([[0.0, 20, 0], [0, 0, 5]]))
    assert stand.fallen.tolist() == [True, False] and stand.lead.tolist() == [12, -3]
    assert stand.pull is not None and stand.pull.tolist() == [2]


def test_a_lead_below_the_margin_is_no_fall() -> None:
    stand = standing([[9, 9, 1]], [0])
    stand.look(change([[0.0, MARGIN / 2, 0]]))
    assert not stand.fallen.any() and len(stand) == 1


def test_answers_that_are_no_numbers_fell_nobody() -> None:
    stand = Standing(Queries(lambda p: p.flatten(1) * torch.nan), Pixels(torch.rand(2, 1, 1, 3)), torch.tensor([0, 1]))
    stand.look(torch.ones(2, 1, 1, 3))
    _, gradient = stand.slope(torch.ones(2, 1, 1, 3), margin)
    assert len(stand) == 2 and not stand.fallen.any() and not stand.change.any() and not gradient.any()


def test_double_precision_logits() -> None:
    stand = Standing(Queries(lambda p: first_subpixels(p).double()), Pixels(torch.full((1, 1, 1, 3), 0.2)), torch.tensor([0]))
    stand.look(change([[0.0, 9, 0]]))
    assert stand.fallen.tolist() == [True]


@steady
@given(seed=st.integers(0, 10**6), aimed=st.booleans())
def test_a_random_walk_keeps_what_was_best_of_each(seed: int, aimed: bool) -> None:
    network, shown, labels, target = task(seed, 5)
    stand = Standing(Queries(network), Pixels(shown), labels, target if aimed else None)
    dice = torch.Generator().manual_seed(seed)
    best, fallen = torch.full((5,), -torch.inf), torch.zeros(5, dtype=torch.bool)
    for _ in range(6):
        step = stand.space.clip(torch.randint(-40, 41, stand.space.low.shape, generator=dice).float())
        rows = stand.rows.clone()
        lead = margin(network(stand.space.decode(step)), *((target[rows], None) if aimed else (None, labels[rows])))
        (stand.look if seed % 2 else lambda c: stand.slope(c, margin))(step)
        best[rows] = torch.maximum(best[rows], lead)
        fallen[rows] |= lead >= MARGIN
        if not len(stand):
            break
    assert torch.equal(stand.fallen, fallen) and torch.allclose(stand.lead, best, atol=1e-4)
    again = margin(network(stand.pictures), *((target, None) if aimed else (None, labels)))
    assert torch.allclose(again, best, atol=1e-4)
    assert stand.rows.tolist() == (~fallen).nonzero()[:, 0].tolist()
