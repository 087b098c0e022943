from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from hoodwink.bounds.read import read
from hoodwink.models.load import wrap
from hoodwink.models.prepare import prepare
from hoodwink.networks.residual import Residual, residual


def trained(widths: tuple[int, ...] = (4, 6), blocks: int = 2, classes: int = 10) -> Residual:
    """A network in evaluation mode whose batch norms hold other numbers than those that they begin with."""
    torch.manual_seed(0)
    network = residual(classes, widths, blocks).train()
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

    def conv(x: Tensor, key: str, norm: str, stride: int = 1) -> Tensor:
        weight = s[f"{key}.weight"]
        mean, var, scale, shift = (s[f"{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias"))
        return (F.conv2d(x, weight, None, stride, weight.shape[2] // 2) - mean) / (var + 1e-5).sqrt() * scale + shift

    def block(x: Tensor, name: str, stride: int = 1) -> Tensor:
        y = conv(conv(x, f"{name}.conv1", f"{name}.norm1", stride).relu(), f"{name}.conv2", f"{name}.norm2")
        return (y + (conv(x, f"{name}.shortcut.0", f"{name}.shortcut.1", 2) if stride == 2 else x)).relu()

    x = torch.randn(3, 3, 32, 32)
    y = conv(x, "conv", "norm", 2).relu()
    y = block(block(y, "blocks.0"), "blocks.1")
    y = block(block(y, "blocks.2", 2), "blocks.3")
    assert y.shape == (3, 6, 8, 8)
    y = y.mean((2, 3)) @ s["linear.weight"].T + s["linear.bias"]
    torch.testing.assert_close(network(x), y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("widths", "blocks"), [((5,), 1), ((5, 5), 2), ((32, 64, 128, 256), 1)])
def test_parameters(widths: tuple[int, ...], blocks: int) -> None:
    wanted, inputs = 27 * widths[0] + 2 * widths[0] + 10 * widths[-1] + 10, widths[0]
    for stage, width in enumerate(widths):
        wanted += (inputs * width + 2 * width) * (stage > 0)  # the shortcut
        for _ in range(blocks):
            wanted += 9 * inputs * width + 9 * width * width + 4 * width
            inputs = width
    assert sum(p.numel() for p in residual(widths=widths, blocks=blocks).parameters()) == wanted


def test_every_size_gives_logits_and_traces() -> None:
    network = trained((4, 6, 8), classes=7)
    traced = fx.symbolic_trace(network)
    for height, width in ((64, 64), (16, 16), (33, 20)):
        x = torch.randn(2, 3, height, width, requires_grad=True)
        logits = network(x)
        assert logits.shape == (2, 7)
        assert torch.equal(traced(x), logits)
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), x)
        assert gradient.isfinite().all()
        assert gradient.abs().sum((1, 2, 3)).gt(0).all()


def test_every_batch_norm_is_folded_and_bounds_read_it() -> None:
    network = trained(blocks=1)
    some = torch.rand(4, 3, 16, 16)
    assert torch.allclose(read(network, (3, 16, 16)).outputs(some), network(some), atol=1e-4)
    made = prepare(wrap(network, mean=0.0, std=1.0, classes=10, size=16))
    assert made.left == ()
    assert "batch norm folded: 6" in made.steps


def test_stages_and_blocks_must_be_given() -> None:
    for widths, blocks in (((), 1), ((4,), 0)):
        with pytest.raises(ValueError, match="one stage or more and one block or more"):
            residual(widths=widths, blocks=blocks)
