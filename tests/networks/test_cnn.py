from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from hoodwink.networks.cnn import CNN, cnn


def trained(widths: tuple[int, ...] = (4, 6), classes: int = 10) -> CNN:
    """A network in evaluation mode whose batch norms hold other numbers than those that they begin with."""
    network = cnn(classes, widths).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(8, 3, 16, 16))
        for key, value in network.named_parameters():
            if "norm" in key:
                value.add_(torch.rand_like(value))
    return network.eval()


def test_forward_is_the_formula() -> None:
    network = trained()
    s = network.state_dict()

    def block(x: Tensor, stage: int, number: int) -> Tensor:
        norm = [s[f"stages.{stage}.norm{number}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")]
        x = F.conv2d(x, s[f"stages.{stage}.conv{number}.weight"], padding=1)
        return ((x - norm[0]) / (norm[1] + 1e-5).sqrt() * norm[2] + norm[3]).relu()

    x = torch.randn(3, 3, 32, 32)
    y = x
    for stage in range(2):
        y = block(y, stage, 1)
        y = y.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).amax((3, 5))  # the largest of every 2 x 2
        y = block(y, stage, 2)
    assert y.shape == (3, 6, 8, 8)
    y = y.mean((2, 3)) @ s["linear.weight"].T + s["linear.bias"]
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("widths", [(5,), (32, 64, 128, 256)])
def test_parameters(widths: tuple[int, ...]) -> None:
    wanted, inputs = 10 * widths[-1] + 10, 3
    for width in widths:
        wanted += 9 * inputs * width + 9 * width * width + 4 * width
        inputs = width
    assert sum(p.numel() for p in cnn(widths=widths).parameters()) == wanted
    assert widths == (5,) or wanted == 1_175_786


def test_every_size_gives_logits_and_traces() -> None:
    network = trained((4, 6, 8), classes=7)
    traced = fx.symbolic_trace(network)
    for height, width in ((32, 32), (8, 8), (33, 20)):
        x = torch.randn(2, 3, height, width, requires_grad=True)
        logits = network(x)
        assert logits.shape == (2, 7)
        assert torch.equal(traced(x), logits)
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), x)
        assert gradient.isfinite().all()
        assert gradient.abs().sum((1, 2, 3)).gt(0).all()


def test_widths_must_be_given() -> None:
    with pytest.raises(ValueError, match="one stage or more"):
        cnn(widths=())
