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

    push(*inputs): without the bias, in the inputs' precision. spread(*inputs): the same with the matrix's absolute values. pull(rows): rows @ matrix, a part for
    each input. bias: broadcasts against the outputs. weight: the sum of the absolute values of what the network makes the bias of,
    where that is more than its own. own: how many roundings meet in one output of the network; ours: in one sum of `pull`. sums:
    whether an output is made of several inputs.
    """

    push: Callable[..., Tensor]
    spread: Callable[..., Tensor]
    pull: Callable[[Tensor], tuple[Tensor, ...]]
    bias: Tensor | None = None
    weight: Tensor | None = None
    own: int = 0
    ours: int = 0
    sums: bool = False


@dataclass(frozen=True)
class Window:
    """How a convolution slides: pairs of height and width."""

    stride: Shape = (1, 1)
    padding: Shape = (0, 0)
    dilation: Shape = (1, 1)
    groups: int = 1


def dense(weight: Tensor, bias: Tensor | None) -> Affine:
    """A linear layer, weight M x n."""
    large = weight.abs()
    return Affine(
        lambda x: x @ weight.to(x.dtype).T,
        lambda x: x @ large.T,
        lambda rows: (rows @ weight,),
        None if bias is None else bias[None],
        own=weight.shape[1] + 1,
        ours=weight.shape[0],
        sums=True,
    )


def convolution(weight: Tensor, bias: Tensor | None, window: Window, size: Shape) -> Affine:
    """A convolution, weight M x c x kh x kw, of feature maps of this height and width."""
    large = weight.abs()
    settings = (window.stride, window.padding, window.dilation, window.groups)

    def pull(rows: Tensor) -> tuple[Tensor, ...]:
        full = F.conv_transpose2d(rows, weight, None, window.stride, 0, 0, window.groups, window.dilation)
        return (_cropped(full, window.padding, size),)

    return Affine(
        lambda x: F.conv2d(x, weight.to(x.dtype), None, *settings),
        lambda x: F.conv2d(x, large, None, *settings),
        pull,
        None if bias is None else bias.view(1, -1, 1, 1),
        own=weight[0].numel() + 1,
        ours=weight.shape[0] // window.groups * math.prod(-(-k // s) for k, s in zip(weight.shape[2:], window.stride, strict=True)),
        sums=True,
    )


def strided(weight: Tensor, bias: Tensor | None, window: Window, size: Shape) -> list[Affine]:
    """A convolution as one or two maps: with a stride, first the places of each stride x stride cell become channels.

    What follows is a convolution of stride one, whose transpose is several times as fast on a CPU.
    """
    stride = window.stride[0]
    if stride == 1 or window.stride != (stride, stride) or window.dilation != (1, 1):
        return [convolution(weight, bias, window, size)]
    reach = [(s + 2 * p - k) // stride for s, p, k in zip(size, window.padding, weight.shape[2:], strict=True)]
    kernel = F.pad(weight, (0, -weight.shape[3] % stride, 0, -weight.shape[2] % stride))
    high, wide = kernel.shape[2] // stride, kernel.shape[3] // stride
    kernel = kernel.view(*kernel.shape[:2], high, stride, wide, stride).permute(0, 1, 3, 5, 2, 4).flatten(1, 3).contiguous()
    grid = (reach[0] + high, reach[1] + wide)
    after = convolution(kernel, bias, Window(groups=window.groups), grid)
    return [_cells(stride, window.padding, size, grid), after]


def _cells(stride: int, padding: Shape, size: Shape, grid: Shape) -> Affine:
    (top, left), (down, right) = padding, (stride * g - s - p for g, s, p in zip(grid, size, padding, strict=True))

    def push(x: Tensor) -> Tensor:
        return F.pixel_unshuffle(F.pad(x, (left, right, top, down)), stride)

    return Affine(push, push, lambda rows: (_cropped(F.pixel_shuffle(rows, stride), padding, size),))


def _cropped(full: Tensor, padding: Shape, size: Shape) -> Tensor:
    """What lies behind the padding, filled up with zeros where the windows did not reach the end."""
    top, left = padding
    down, right = (s + p - n for s, p, n in zip(size, padding, full.shape[2:], strict=True))
    return F.pad(full, (-left, right, -top, down)) if top or left or down or right else full


def scaling(factor: Tensor, bias: Tensor | None = None, weight: Tensor | None = None, own: int = 0) -> Affine:
    """Elementwise: factor and bias broadcast against the inputs (1 x C x 1 x 1)."""
    large = factor.abs()
    return Affine(lambda x: x * factor.to(x.dtype), lambda x: x * large, lambda rows: (rows * factor,), bias, weight, own, 1)


def reshaped(before: Shape, after: Shape) -> Affine:
    """The same numbers in another shape (without the batch dimension)."""

    def push(x: Tensor) -> Tensor:
        return x.reshape(-1, *after)

    return Affine(push, push, lambda rows: (rows.reshape(-1, *before),))


def total(own: int = 1) -> Affine:
    """The sum of two feature maps of one shape."""

    def push(one: Tensor, other: Tensor) -> Tensor:
        return one + other

    return Affine(push, push, lambda rows: (rows, rows), own=own, sums=True)


def joined(channels: Sequence[int]) -> Affine:
    """Concatenation along dimension 1."""

    def push(*inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)

    return Affine(push, push, lambda rows: torch.split(rows, list(channels), 1))


def difference() -> Affine:
    """One feature map less another; exact, as only comparisons are made of it."""
    return Affine(lambda one, other: one - other, lambda one, other: one + other, lambda rows: (rows, -rows), sums=True)


def picked(first: Shape, stride: Shape, padding: Shape, count: Shape, size: Shape) -> Affine:
    """Of each window of a pooling layer one place: `first` in the padded feature map, and so on by the stride, as often as `count`."""
    rows_at, columns_at = (slice(f, f + s * (n - 1) + 1, s) for f, s, n in zip(first, stride, count, strict=True))
    (top, left), (high, wide) = padding, (s + 2 * p for s, p in zip(size, padding, strict=True))

    def push(x: Tensor) -> Tensor:
        return F.pad(x, (left, left, top, top))[:, :, rows_at, columns_at]

    def pull(rows: Tensor) -> tuple[Tensor, ...]:
        full = rows.new_zeros((*rows.shape[:2], high, wide))
        full[:, :, rows_at, columns_at] = rows
        return (full[:, :, top : top + size[0], left : left + size[1]],)

    return Affine(push, push, pull)
