from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import fx

from hoodwink.networks.efficientnet_lite import LITE0, ConvNorm, PadForStride2, efficientnet_lite0, our_key


def tensorflow_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """The definition of "SAME": as many outputs as size / stride, rounded up, and the odd sample at the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


@given(height=st.integers(1, 70), width=st.integers(1, 70), kernel=st.sampled_from([3, 5]))
def test_stride_2_is_padded_as_tensorflow_does(height: int, width: int, kernel: int) -> None:
    x = torch.ones(1, 1, height, width)
    wanted = F.pad(x, (*tensorflow_padding(width, kernel, 2), *tensorflow_padding(height, kernel, 2)))
    assert torch.equal(PadForStride2(kernel)(x), wanted)


@given(size=st.integers(1, 40), kernel=st.sampled_from([1, 3, 5]), stride=st.sampled_from([1, 2]))
def test_convolution_keeps_the_size_or_halves_it_upwards(size: int, kernel: int, stride: int) -> None:
    kernel = max(kernel, 2 * stride - 1)  # no convolution of this family strides over pixels without seeing them
    layer = ConvNorm(1, 1, kernel, stride).eval()
    assert layer(torch.ones(1, 1, size, size)).shape[2:] == (-(-size // stride),) * 2
    if stride == 1:
        assert layer.conv.padding == tensorflow_padding(size, kernel, 1) == (kernel // 2, kernel // 2)


def test_blocks_follow_the_published_table() -> None:
    network = efficientnet_lite0()
    assert len(network.blocks) == sum(stage.repeats for stage in LITE0) == 16
    residuals = [index for index, block in enumerate(network.blocks) if block.residual]
    assert residuals == [2, 4, 6, 7, 9, 10, 12, 13, 14]
    assert sum(p.numel() for p in network.parameters()) == 4_652_008  # 4.65 M, as published


def test_every_size_gives_logits_and_traces() -> None:
    network = efficientnet_lite0(classes=7).eval()
    traced = fx.symbolic_trace(network)
    for height, width in ((224, 224), (97, 65), (33, 34)):
        x = torch.randn(2, 3, height, width, requires_grad=True)
        logits = network(x)
        assert logits.shape == (2, 7)
        assert torch.equal(traced(x), logits)
        (gradient,) = torch.autograd.grad(logits.sum(), x)
        assert gradient.isfinite().all()


def test_keys_of_the_published_file() -> None:
    assert our_key("_conv_stem.weight") == "stem.conv.weight"
    assert our_key("_bn1.running_var") == "head.norm.running_var"
    assert our_key("_blocks.12._bn1.bias") == "blocks.12.depthwise.norm.bias"
    assert our_key("_fc.bias") == "classifier.bias"
    assert our_key("stranger.weight") == "stranger.weight"


def test_own_keys_stay() -> None:
    assert all(our_key(key) == key for key in efficientnet_lite0().state_dict())
