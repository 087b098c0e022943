from __future__ import annotations

import torch

from hoodwink.attacks.queries import Queries


def test_pictures_are_counted_by_what_was_asked() -> None:
    asked = Queries(lambda pictures: pictures.sum((1, 2, 3)))
    pictures = torch.rand(3, 1, 2, 2)
    value = asked.value(pictures, lambda z: 2 * z)
    assert (asked.gradients, asked.forwards) == (0, 3)
    again, gradient = asked.gradient(pictures, lambda z: 2 * z)
    assert (asked.gradients, asked.forwards) == (3, 3)
    assert torch.equal(value, again) and torch.equal(gradient, torch.full_like(pictures, 2.0))
    assert not value.requires_grad and not again.requires_grad and not pictures.requires_grad


def test_each_picture_gets_its_own_gradient() -> None:
    asked = Queries(lambda pictures: pictures.square().sum((1, 2, 3)))
    pictures = torch.rand(2, 1, 2, 2)
    assert torch.allclose(asked.gradient(pictures, lambda z: z)[1], 2 * pictures)


def test_a_gradient_where_nothing_leads_to_the_picture_is_zero() -> None:
    pictures = torch.rand(2, 1, 2, 2)
    deaf = Queries(lambda p: torch.ones(len(p)))
    assert not deaf.gradient(pictures, lambda z: z)[1].any()
    weight = torch.ones(2, requires_grad=True)
    elsewhere = Queries(lambda p: weight * 1)
    assert not elsewhere.gradient(pictures, lambda z: z)[1].any()


def test_gradients_are_had_inside_no_grad_too() -> None:
    with torch.no_grad():
        gradient = Queries(lambda p: p.sum((1, 2, 3))).gradient(torch.rand(1, 1, 2, 2), lambda z: z)[1]
    assert gradient.eq(1).all()
