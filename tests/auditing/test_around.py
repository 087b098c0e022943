from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hoodwink.auditing.around import around

PICTURES = torch.linspace(-2.3, 2.6, 24).view(4, 6)


def _rounded(x: Tensor) -> Tensor:
    out = x * 1
    out.floor_()
    return out


ROUNDINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "torch.round": torch.round,
    "torch.floor": torch.floor,
    "torch.ceil": torch.ceil,
    "torch.trunc": torch.trunc,
    "torch.sign": torch.sign,
    "x.round": lambda x: x.round(),
    "x.floor": lambda x: x.floor(),
    "x.ceil": lambda x: x.ceil(),
    "x.sign": lambda x: x.sign(),
    "in place": lambda x: (x * 1).round_(),
    "in place, for its effect": _rounded,
    "decimals": lambda x: torch.round(x, decimals=1),
    "by name": lambda x: torch.round(input=x),
    "decimals by name": lambda x: torch.round(decimals=1, input=x),
}


@pytest.mark.parametrize("name", ROUNDINGS)
def test_a_rounding_answers_as_it_was_and_passes_its_gradient(name: str) -> None:
    rounding = ROUNDINGS[name]
    network = around(lambda x: 2 * rounding(x) - 0.5)
    pictures = PICTURES.clone().requires_grad_()
    logits = network(pictures)
    assert torch.allclose(logits, 2 * rounding(PICTURES) - 0.5, atol=1e-6)
    (gradient,) = torch.autograd.grad(logits.sum(), pictures)
    assert torch.equal(gradient, torch.full_like(gradient, 2.0))


SOFTMAX: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.Softmax(1),
    "functional": lambda x: F.softmax(x, 1),
    "torch": lambda x: torch.softmax(x, dim=1),
    "method": lambda x: x.softmax(1),
    "by name": lambda x: F.softmax(input=x, dim=1),
    "after another": lambda x: (torch.softmax(x, 0) * 1e3 + x).softmax(1),
}


@pytest.mark.parametrize("name", SOFTMAX)
def test_a_last_softmax_is_looked_behind(name: str) -> None:
    softmax = SOFTMAX[name]
    pictures = (PICTURES * 1000).requires_grad_()  # so sure that nothing is left of the gradient
    logits = around(softmax)(pictures)
    assert torch.equal(logits.argmax(1), softmax(PICTURES * 1000).argmax(1))
    assert torch.allclose(logits.softmax(1), softmax(PICTURES * 1000), atol=1e-6)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), pictures)
    assert gradient[:, 0].abs().min() > 0.5


def test_a_softmax_that_is_not_the_last_is_left_alone() -> None:
    def attention(x: Tensor) -> Tensor:
        return x.softmax(1) @ torch.ones(6, 3) * 2 - 1

    assert torch.equal(around(attention)(PICTURES), attention(PICTURES))


def test_probabilities_of_an_unknown_origin_become_their_logarithms() -> None:
    def network(x: Tensor) -> Tensor:
        return x.exp() / x.exp().sum(1, keepdim=True)

    assert torch.allclose(around(network)(PICTURES), PICTURES.log_softmax(1), atol=1e-5)
    assert around(lambda x: (x > 2).float() + torch.tensor([1.0, 0, 0, 0, 0, 0]) * (x <= 2).all(1, keepdim=True))(PICTURES).isfinite().all()


def test_a_plain_network_answers_as_before() -> None:
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    pictures = PICTURES.clone().requires_grad_()
    plain, other = network(pictures), around(network)(pictures)
    assert torch.equal(plain, other)
    assert torch.equal(*(torch.autograd.grad(out.sum(), pictures)[0] for out in (plain, other)))


def test_whole_numbers_are_rounded_as_they_are() -> None:
    logits = around(lambda x: x * torch.sign(torch.arange(-3, 3)) + torch.floor(torch.tensor([7])))(PICTURES)
    assert torch.equal(logits, PICTURES * torch.tensor([-1, -1, -1, 0, 1, 1]) + 7)
