"""Pillow's 8-bit resampling in PyTorch: the same bytes forward, the transposed weights backward.

Pillow resizes in two passes, each with 22-bit fixed-point weights, and rounds and clips to 8 bits after each. Products of 8 and
22 bits summed over any filter stay under 2**53, so float64 does the sums exactly, on every device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL import __version__ as pillow_version
from torch import Tensor

PRECISION = 22  # bits of Pillow's fixed-point weights
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
_SUPPORT = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}
_BLOCK = 8  # output samples a dense product: wider wastes multiplications on zeros, narrower wastes calls
_STRIP = 1 << 18  # numbers taken from the picture at a time, so that the copy in float64 stays in the cache


class ResampleError(RuntimeError):
    """The installed Pillow resizes in a way that is not reproduced here, so no verdict from a file could be trusted."""


def _kernel(name: str, x: float) -> float:
    x = abs(x)
    if x >= _SUPPORT[name]:
        return 0.0
    if name == "bilinear":
        return 1.0 - x
    if name == "bicubic":
        a = -0.5
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0 if x < 1.0 else (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return _sinc(x) * _sinc(x / 3.0)


def _sinc(x: float) -> float:
    return 1.0 if x == 0.0 else math.sin(x * math.pi) / (x * math.pi)


@lru_cache(maxsize=64)
def weights(in_size: int, out_size: int, name: str) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Return Pillow's fixed-point weights of one pass: the first input sample of each output sample, and its weights (22 bits)."""
    scale = in_size / out_size
    stretch = max(scale, 1.0)
    support = _SUPPORT[name] * stretch
    shrink = 1.0 / stretch
    firsts, rows = [], []
    for out in range(out_size):
        center = (out + 0.5) * scale
        first = max(int(center - support + 0.5), 0)
        last = min(int(center + support + 0.5), in_size)
        row = [_kernel(name, (k - center + 0.5) * shrink) for k in range(first, last)]
        total = sum(row)
        row = [w / total for w in row] if total else row
        firsts.append(first)
        rows.append(tuple(int(math.copysign(0.5, w) + w * (1 << PRECISION)) for w in row))
    return tuple(firsts), tuple(rows)


@dataclass(frozen=True)
class _Block:
    """A dense product: output samples `out` from input samples `taken` (forward), or the transpose (backward)."""

    out: slice
    taken: slice
    matrix: Tensor


class Pass:
    """One pass of a resize along one axis (2 = rows, 3 = columns), restricted to the output samples start..stop.

    `lo` and `hi` bound the input samples that the pass reads; tensors given to it hold just those.
    """

    def __init__(self, axis: int, in_size: int, out_size: int, name: str, start: int, stop: int) -> None:
        firsts, rows = weights(in_size, out_size, name)
        firsts, rows = firsts[start:stop], rows[start:stop]
        ends = [first + len(row) for first, row in zip(firsts, rows, strict=True)]
        self.axis, self.lo, self.hi, self.size = axis, min(firsts), max(ends), stop - start
        spans = [(first - self.lo, end - self.lo) for first, end in zip(firsts, ends, strict=True)]
        self._down = [self._dense(spans, rows, k, min(k + _BLOCK, self.size)) for k in range(0, self.size, _BLOCK)]
        self._up = _transposed(self._down, self.hi - self.lo)

    @staticmethod
    def _dense(spans: list[tuple[int, int]], rows: Sequence[Sequence[int]], first: int, last: int) -> _Block:
        lo, hi = min(a for a, _ in spans[first:last]), max(b for _, b in spans[first:last])
        matrix = torch.zeros(hi - lo, last - first, dtype=torch.float64)
        for column, k in enumerate(range(first, last)):
            matrix[spans[k][0] - lo : spans[k][1] - lo, column] = torch.tensor(rows[k], dtype=torch.float64)
        return _Block(slice(first, last), slice(lo, hi), matrix)

    def to(self, device: torch.device) -> Pass:
        """Move the weights to a device, in place."""
        self._down = [_Block(b.out, b.taken, b.matrix.to(device)) for b in self._down]
        self._up = [_Block(b.out, b.taken, b.matrix.to(device)) for b in self._up]
        return self

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """Resize whole levels 0..255 (N x C x H x W, any float type) to whole levels in the same type, byte for byte as Pillow.

        scale: what x must be multiplied by to give whole levels (rounded strip by strip, so that no copy of a large picture is made).
        """
        flat = self._flat(x)
        out = x.new_empty(self._shape(x, self.size))
        for source, target in zip(_strips(flat, self.axis), _strips(self._flat(out), self.axis, flat), strict=True):
            levels = source.double()
            if scale != 1:
                levels.mul_(scale).round_()
            sums = levels.new_empty(target.shape)
            for b in self._down:
                part = levels[..., b.taken] if self.axis == 3 else levels[..., b.taken, :]
                if self.axis == 3:
                    sums[..., b.out] = part @ b.matrix
                else:
                    sums[..., b.out, :] = b.matrix.T @ part
            target.copy_(sums.add_(1 << (PRECISION - 1)).mul_(2.0**-PRECISION).floor_().clamp_(0, 255))
        return out

    def backward(self, grad: Tensor, scale: float = 1.0) -> Tensor:
        """Apply the transposed weights: N x C x h x w back to the input's size (roundings pass the gradient straight through)."""
        out = grad.new_empty(self._shape(grad, self.hi - self.lo))
        flat, flat_out = self._flat(grad), self._flat(out)
        for b in self._up:
            matrix = b.matrix.to(grad.dtype)
            if self.axis == 3:
                flat_out[..., b.taken] = (flat[..., b.out] @ matrix).mul_(scale)
            else:
                flat_out[..., b.taken, :] = (matrix.T @ flat[..., b.out, :]).mul_(scale)
        return out

    def _flat(self, x: Tensor) -> Tensor:
        return x.flatten(0, 2) if self.axis == 3 else x.flatten(0, 1)  # (N*C*H, W) or (N*C, H, W)

    def _shape(self, x: Tensor, size: int) -> list[int]:
        return [size if axis == self.axis else length for axis, length in enumerate(x.shape)]


def _strips(flat: Tensor, axis: int, like: Tensor | None = None) -> list[Tensor]:
    """Cut into pieces of about _STRIP numbers of `like`: rows for the horizontal pass, whole planes for the vertical one."""
    like = flat if like is None else like
    count = max(1, _STRIP * len(like) // max(1, like.numel())) if axis == 3 else 1
    return [flat[k : k + count] for k in range(0, len(flat), count)]


def _transposed(blocks: list[_Block], size: int) -> list[_Block]:
    """Cut the transposed weights into blocks of input samples that do not overlap, so that each is written once."""
    width = max(1, -(-size // len(blocks)))
    out = []
    for lo in range(0, size, width):
        hi = min(lo + width, size)
        touching = [b for b in blocks if b.taken.start < hi and b.taken.stop > lo]
        if not touching:  # no output sample looks here: its gradient is zero
            out.append(_Block(slice(0, 0), slice(lo, hi), torch.zeros(0, hi - lo, dtype=torch.float64)))
            continue
        first, last = touching[0].out.start, touching[-1].out.stop
        matrix = torch.zeros(last - first, hi - lo, dtype=torch.float64)
        for b in touching:
            a, z = max(lo, b.taken.start), min(hi, b.taken.stop)
            matrix[b.out.start - first : b.out.stop - first, a - lo : z - lo] = b.matrix[a - b.taken.start : z - b.taken.start].T
        out.append(_Block(slice(first, last), slice(lo, hi), matrix / (1 << PRECISION)))
    return out


class Resize:
    """Pillow's resize of H x W pictures to `out_size`, followed by a crop, as a differentiable function of the part that the crop sees.

    `rows` and `columns` are that part: the resize is called with levels[:, :, rows, columns]. Raises ResampleError when the
    installed Pillow's bytes are not reproduced.
    """

    def __init__(
        self, in_size: tuple[int, int], out_size: tuple[int, int], name: str, crop: tuple[int, int, int, int], channels: int
    ) -> None:
        (height, width), (top, left, crop_height, crop_width) = in_size, crop
        self.rows, self.columns = slice(top, top + crop_height), slice(left, left + crop_width)
        self.passes: list[Pass] = []
        if in_size[1] != out_size[1]:
            self.passes.append(Pass(3, width, out_size[1], name, left, left + crop_width))
            self.columns = slice(self.passes[-1].lo, self.passes[-1].hi)
        if in_size[0] != out_size[0]:
            self.passes.append(Pass(2, height, out_size[0], name, top, top + crop_height))
            self.rows = slice(self.passes[-1].lo, self.passes[-1].hi)
        if len(self.passes) == 2 and vertical_first(in_size, out_size, name, channels):
            self.passes.reverse()

    def to(self, device: torch.device) -> Resize:
        """Move the weights to a device, in place."""
        for one in self.passes:
            one.to(device)
        return self

    def __call__(self, pictures: Tensor, scale: float = 1.0) -> Tensor:
        """Resize N x C x rows x columns, float, whole levels when multiplied by `scale`, to whole levels N x C x h x w.

        The gradient passes through the roundings.
        """
        for one in self.passes:
            pictures = _Resample.apply(pictures, one, scale)  # type: ignore[no-untyped-call]
            scale = 1.0
        return pictures if scale == 1 else _Round.apply(pictures, scale)  # type: ignore[no-untyped-call]


class _Resample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pictures: Tensor, one: Pass, scale: float) -> Tensor:
        ctx.one, ctx.scale = one, scale
        return one.forward(pictures, scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.one.backward(grad.contiguous(), ctx.scale), None, None


class _Round(torch.autograd.Function):
    """To whole levels where no pass does it; straight through backward."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return pictures.mul(scale).round_()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.scale, None


@lru_cache(maxsize=256)
def vertical_first(in_size: tuple[int, int], out_size: tuple[int, int], name: str, channels: int) -> bool:
    """Tell which pass the installed Pillow does first at these sizes, by resizing noise once (Pillow 12 and 13 differ).

    Raises ResampleError when neither order gives Pillow's bytes.
    """
    noise = np.random.default_rng(0).integers(0, 256, (*in_size, channels), dtype=np.uint8)
    image = Image.fromarray(noise if channels == 3 else noise[..., 0])
    wanted = np.asarray(image.resize(out_size[::-1], FILTERS[name])).reshape(*out_size, channels)
    height, width = (min(64, side) for side in out_size)  # a corner tells the order; the whole would cost as much as a search step
    across, down = Pass(3, in_size[1], out_size[1], name, 0, width), Pass(2, in_size[0], out_size[0], name, 0, height)
    seen = torch.from_numpy(noise[: down.hi, : across.hi].copy()).permute(2, 0, 1)[None, :, down.lo :, across.lo :].float()
    corner = torch.from_numpy(wanted[:height, :width].copy()).permute(2, 0, 1)[None].float()
    if torch.equal(down.forward(across.forward(seen)), corner):
        return False
    if torch.equal(across.forward(down.forward(seen)), corner):
        return True
    raise ResampleError(
        f"Pillow {pillow_version} resizes {in_size[1]} x {in_size[0]} to {out_size[1]} x {out_size[0]} ({name}) in a way that hoodwink does not "
        "know; install a tested Pillow (pip install -c constraints.txt .) or fool the picture at the network's own size (--at-model-size)"
    )
