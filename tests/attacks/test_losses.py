from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from hoodwink.attacks.losses import LOSSES, SURE, ce, dlr, find_loss, margin, probability

steady = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 10**6)


def asked(seed: int, classes: int, scale: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels and other classes."""
    dice = np.random.default_rng(seed)
    labels = torch.from_numpy(dice.integers(0, classes, 5))
    others = (labels + torch.from_numpy(dice.integers(1, classes, 5))) % classes
    return torch.from_numpy(scale * dice.normal(size=(5, classes))), labels, others


def by_hand(z: list[float], up: int | None, down: int | None) -> float:
    top = max(v for k, v in enumerate(z) if k != down) if up is None else z[up]
    return top - (max(v for k, v in enumerate(z) if k != up) if down is None else z[down])


@steady
@given(seed=seeds, classes=st.integers(2, 7))
def test_margin_and_probability_by_hand(seed: int, classes: int) -> None:
    logits, labels, others = asked(seed, classes)
    for up, down in ((None, labels), (others, None), (others, labels)):
        for k, z in enumerate(logits.tolist()):
            ends = [None if part is None else int(part[k]) for part in (up, down)]
            assert float(margin(logits, up, down)[k]) == pytest.approx(by_hand(z, *ends))
            assert float(probability(logits, up, down)[k]) == pytest.approx(by_hand(logits[k].softmax(0).tolist(), *ends))


@steady
@given(seed=seeds, classes=st.integers(2, 7))
def test_cross_entropy(seed: int, classes: int) -> None:
    logits, labels, others = asked(seed, classes)
    assert torch.allclose(ce(logits, None, labels), cross_entropy(logits, labels, reduction="none"))
    for down in (None, labels):
        assert torch.allclose(ce(logits, others, down), -cross_entropy(logits, others, reduction="none"))


@steady
@given(seed=seeds, classes=st.integers(4, 9), scale=st.floats(0.1, 40), shift=st.floats(-50, 50))
def test_dlr_by_hand_and_whatever_the_scale(seed: int, classes: int, scale: float, shift: float) -> None:
    logits, labels, others = asked(seed, classes)
    ranked = logits.sort(1, descending=True).values
    plain = margin(logits, None, labels) / (ranked[:, 0] - ranked[:, 2])
    aimed = margin(logits, others, labels) / (ranked[:, 0] - (ranked[:, 2] + ranked[:, 3]) / 2)
    assert torch.allclose(dlr(logits, None, labels), plain) and torch.allclose(dlr(logits, others, labels), aimed)
    assert torch.allclose(dlr(scale * logits + shift, None, labels), plain)
    assert torch.allclose(dlr(scale * logits + shift, others, labels), aimed)


@steady
@given(seed=seeds, name=st.sampled_from(["margin", "probability", "dlr"]), aimed=st.booleans())
def test_losses_are_positive_exactly_where_the_picture_fools(seed: int, name: str, aimed: bool) -> None:
    logits, labels, others = asked(seed, 5)
    up, down = (others, None) if aimed else (None, labels)
    fooled = logits.argmax(1) == others if aimed else logits.argmax(1) != labels
    assert torch.equal(LOSSES[name](logits, up, down) > 0, fooled)


@steady
@given(seed=seeds, name=st.sampled_from(sorted(LOSSES)), aimed=st.booleans())
def test_gradients_push_down_what_is_to_go_and_pull_up_what_is_to_come(seed: int, name: str, aimed: bool) -> None:
    logits, labels, others = asked(seed, 5)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(LOSSES[name](logits, others if aimed else None, labels).sum(), logits)
    if name != "dlr" or not aimed:  # its scale moves, too
        assert bool((gradient.gather(1, labels[:, None]) <= 1e-9).all())
    if aimed and name != "dlr":
        assert bool((gradient.gather(1, others[:, None]) > 0).all())
    assert gradient.sum(1).abs().max() < 1e-9  # nothing is gained by all logits together


@pytest.mark.parametrize(("name", "gap"), [("ce", 60.0), ("probability", 400.0), ("margin", 1e4), ("dlr", 1e4)])
def test_sureness_makes_no_gradient_vanish(name: str, gap: float) -> None:
    """In float32 a probability rounds to one from a gap of 17 on."""
    logits = torch.tensor([[gap, 0.0, -1.0, -2.0]], requires_grad=True)
    nearer = torch.tensor([[gap - 1, 0.0, -1.0, -2.0]])
    label = torch.tensor([0])
    value = LOSSES[name](logits, None, label)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert gradient[0, 0] < 0 < gradient[0, 1]
    assert name == "dlr" or bool(LOSSES[name](nearer, None, label) > value)


def test_probability_is_one_function_across_its_seam() -> None:
    gaps = torch.linspace(SURE - 1, SURE + 1, 21, dtype=torch.float64)
    logits = torch.stack([gaps, torch.zeros_like(gaps)], 1)
    values = probability(logits, None, torch.zeros(21, dtype=torch.int64))
    assert bool((values.diff() < 0).all()) and float(values.diff().abs().max()) < 2e-4


@pytest.mark.parametrize(("classes", "wanted", "aimed"), [(2, 3, False), (3, 4, True), (2, 4, True)])
def test_dlr_says_what_to_take_with_few_classes(classes: int, wanted: int, aimed: bool) -> None:
    logits, labels, others = asked(0, classes)
    words = f"^loss: dlr needs {wanted} classes or more, there are {classes}; take margin, which is the same without scale$"
    with pytest.raises(ValueError, match=words):
        dlr(logits, others if aimed else None, labels)


def test_dlr_of_equal_logits_is_a_number() -> None:
    assert dlr(torch.zeros(1, 4), None, torch.tensor([1])).tolist() == [0.0]


@pytest.mark.parametrize("name", ["margin", "probability", "ce"])
def test_a_loss_needs_a_class(name: str) -> None:
    with pytest.raises(ValueError, match="^loss: a class to pull up or one to pull down was wanted, neither came; give labels$"):
        LOSSES[name](torch.zeros(1, 3), None, None)


def test_losses_are_found_by_name() -> None:
    assert all(find_loss(name) is loss for name, loss in LOSSES.items())
    with pytest.raises(ValueError, match="^loss: one of probability, margin, ce, dlr was wanted, not 'CE'$"):
        find_loss("CE")
