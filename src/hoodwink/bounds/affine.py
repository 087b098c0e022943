"""Affine maps between feature maps as data: forward, with absolute weights, and backward for many rows at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Affine:
    """out = matrix @ inputs + bias; tensors have a batch dimension first.

    push(*inputs): without the bias. spread(*inputs): the same with the matrix's absolute values. pull(rows): rows @ matrix, a part for
    each input. bias: broadcasts against the outputs. weight: what the network's own arithmetic adds up to make the bias, where that is
    more than its absolute value. own: how many roundings meet in one output of the network; ours: in one sum of `pull`.
    """

    push: Callable[..., Tensor]
    spread: Callable[..., Tensor]
    pull: Callable[[Tensor], tuple[Tensor, ...]]
    bias: Tensor | None = None
    weight: Tensor | None = None
    own: int = 0
    ours: int = 0


def dense(weight: Tensor, bias: Tensor | None) -> Affine:
    """A linear layer, weight M x n."""
    size = weight.abs()
    return Affine(
        lambda x: x @ weight.T,
        lambda x: x @ size.T,
        lambda rows: (rows @ weight,),
        None if bias is None else bias[None],
        own=weight.shape[1] + 1,
        ours=weight.shape[0],
    )


@dataclass(frozen=True)
class Window:
    """How a convolution slides: pairs of height and width."""

    stride: Shape
    padding: Shape
    dilation: Shape = (1, 1)
    groups: int = 1


def convolution(weight: Tensor, bias: Tensor | None, window: Window, size: Shape) -> Affine:
    """A convolution, weight M x c x kh x kw, of feature maps of this height and width."""
    large = weight.abs()
    settings = (window.stride, window.padding, window.dilation, window.groups)
    taps = math.prod(-(-k // s) for k, s in zip(weight.shape[2:], window.stride, strict=True))
    return Affine(
        lambda x: F.conv2d(x, weight, None, *settings),
        lambda x: F.conv2d(x, large, None, *settings),
        _transposed(weight, window, size),
        None if bias is None else bias.view(1, -1, 1, 1),
        own=weight[0].numel() + 1,
        ours=weight.shape[0] // window.groups * taps,
    )


def _transposed(weight: Tensor, window: Window, size: Shape) -> Callable[[Tensor], tuple[Tensor, ...]]:
    stride = window.stride[0]
    if stride != window.stride[1] or window.dilation != (1, 1):
        return _transposed_anyhow(weight, window, size)
    # Strided transposed convolutions are slow on CPUs. Of each stride x stride cell of inputs every place sees its own taps of the
    # kernel: one convolution of stride one makes all of a cell's places as channels, which a pixel shuffle puts where they belong.
    kernel = F.pad(weight, (0, -weight.shape[3] % stride, 0, -weight.shape[2] % stride))
    high, wide = kernel.shape[2] // stride, kernel.shape[3] // stride
    cells = kernel.view(*kernel.shape[:2], high, stride, wide, stride).permute(0, 1, 3, 5, 2, 4).flatten(1, 3).contiguous()

    def pull(rows: Tensor) -> tuple[Tensor, ...]:
        full = F.pixel_shuffle(F.conv_transpose2d(rows, cells, groups=window.groups), stride)
        top, left = window.padding
        down, right = (s + p - n for s, p, n in zip(size, window.padding, full.shape[2:], strict=True))
        return (F.pad(full, (-left, right, -top, down)),)

    return pull


def _transposed_anyhow(weight: Tensor, window: Window, size: Shape) -> Callable[[Tensor], tuple[Tensor, ...]]:
    def pull(rows: Tensor) -> tuple[Tensor, ...]:
        full = F.conv_transpose2d(rows, weight, None, window.stride, 0, 0, window.groups, window.dilation)
        top, left = window.padding
        down, right = (s + p - n for s, p, n in zip(size, window.padding, full.shape[2:], strict=True))
        return (F.pad(full, (-left, right, -top, down)),)

    return pull


def scaling(factor: Tensor, bias: Tensor | None = None, weight: Tensor | None = None, own: int = 0) -> Affine:
    """Elementwise: factor and bias broadcast against the inputs (1 x C x 1 x 1 ...)."""
    size = factor.abs()
    return Affine(lambda x: x * factor, lambda x: x * size, lambda rows: (rows * factor,), bias, weight, own, 1)


def reshaped(before: Shape, after: Shape) -> Affine:
    """The same numbers in another shape (without the batch dimension)."""

    def push(x: Tensor) -> Tensor:
        return x.reshape(-1, *after)

    return Affine(push, push, lambda rows: (rows.reshape(-1, *before),))


def total(own: int = 1) -> Affine:
    """The sum of two feature maps of one shape."""

    def push(one: Tensor, other: Tensor) -> Tensor:
        return one + other

    return Affine(push, push, lambda rows: (rows, rows), own=own)


def joined(channels: Sequence[int]) -> Affine:
    """Concatenation along dimension 1."""

    def push(*inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)

    return Affine(push, push, lambda rows: rows.split(tuple(channels), 1))
