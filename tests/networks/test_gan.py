from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from hoodwink.networks.gan import GAN, Compared

KINDS: list[dict[str, Any]] = [
    {"side": 8, "widths": (6, 7)},
    {"side": 8, "widths": (6, 7), "kernels": 4},
    {"side": 8, "widths": (12, 5), "layers": "conv"},
    {"side": 8, "widths": (12, 5), "layers": "conv", "norms": False, "channels": 3},
]


@pytest.mark.parametrize("kind", KINDS)
def test_noise_becomes_pictures_and_pictures_are_judged(kind: dict[str, Any]) -> None:
    torch.manual_seed(0)
    gan = GAN(noise=10, **kind).eval()
    noise = torch.rand(5, 10) * 2 - 1
    made = gan(noise)
    assert made.shape == (5, kind.get("channels", 1), 8, 8) and bool(((made >= 0) & (made <= 1)).all())
    assert torch.allclose(gan.made(noise), made * 2 - 1, atol=1e-6)
    assert gan.judged(gan.made(noise)).shape == (5,)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_of_the_generator_or_of_the_discriminator(kind: dict[str, Any]) -> None:
    gan = GAN(noise=10, **kind)
    parts = [*gan.of_generator(), *gan.of_discriminator()]
    assert {id(value) for value in parts} == {id(value) for value in gan.parameters()} and len(parts) == len(list(gan.parameters()))


def test_the_courses_layers() -> None:
    """100-32-64-128-784 and 784-128-64-32-1."""
    gan = GAN()
    pairs = ((100, 32), (32, 64), (64, 128), (128, 784)), ((784, 128), (128, 64), (64, 32), (32, 1))
    generator, discriminator = (sum(a * b + b for a, b in one) for one in pairs)
    assert sum(value.numel() for value in gan.of_generator()) == generator
    assert sum(value.numel() for value in gan.of_discriminator()) == discriminator


def test_what_a_batch_has_in_common_is_the_mean_nearness_of_the_others() -> None:
    torch.manual_seed(0)
    compared, x = Compared(4, kernels=3, width=2), torch.randn(5, 4)
    points = (x @ compared.linear.weight.detach().T).view(5, 3, 2)
    for i in range(5):
        for k in range(3):
            wanted = sum(math.exp(-float((points[i, k] - points[j, k]).abs().sum())) for j in range(5) if j != i) / 4
            assert float(compared(x).detach()[i, 4 + k]) == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    assert torch.equal(compared(x)[:, :4], x)


def test_equal_pictures_in_a_batch_look_alike_and_one_alone_like_none() -> None:
    torch.manual_seed(0)
    compared = Compared(4, kernels=3)
    same = compared(torch.ones(6, 4))
    assert torch.allclose(same[:, 4:], torch.ones(6, 3))
    assert torch.equal(compared(torch.ones(1, 4))[:, 4:], torch.zeros(1, 3))


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="conv with a side that 4 divides and two widths, were wanted, not conv"):
        GAN(layers="conv", side=30, widths=(8, 4))
    with pytest.raises(ValueError, match="not round"):
        GAN(layers="round")
