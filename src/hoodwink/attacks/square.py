"""Random squares, kept where the scores say that they help (Andriushchenko et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hoodwink.attacks.balls import BALLS, each, find_ball, l2_size
from hoodwink.attacks.pgd import shown, space_of
from hoodwink.attacks.queries import Queries, as_queries
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.standing import Standing

HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # parts of the queries after which squares have half the area
TILES = 5  # L2: the start has so many tiles on a side
SMALLEST = 3  # L2: the side of the smallest squares


def square(
    queries: Queries | Callable[[Tensor], Any],
    pictures: Tensor,
    labels: Tensor,
    *,
    target: Tensor | None = None,
    norm: str = "linf",
    eps: float,
    steps: int = 5000,
    p_init: float = 0.8,
    free: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The Square Attack (Andriushchenko et al. 2020, arXiv:1912.00049): it asks for scores alone, and climbs the margin.

    pictures: N x C x H x W, [0, 1], on the grid k/255. labels, target: int64 N; without target any other label will do. eps: [0, 1]
    units. steps: queries a picture at most. p_init: the part of a picture that the first squares cover. free: off the grid. Pictures
    that fool leave the batch. Returns the best pictures found; MARGIN decides.
    """
    ball = find_ball(norm, {name: BALLS[name] for name in ("linf", "l2")})
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    stand = Standing(as_queries(queries), space_of(pictures.contiguous(), norm, eps, free), labels, target)
    if len(labels) and steps > 0:
        stand.look(torch.zeros_like(stand.space.low))  # what fools already, leaves
    if len(stand) and steps > 1:
        start = _stripes(stand.space, generator) if norm == "linf" else _tiles(stand.space, eps, generator)
        _search(stand, shown(start, ball, eps, free), (_flip if norm == "linf" else _gather), eps, steps - 1, p_init, free, generator)
    return stand.pictures


class Window(NamedTuple):
    """A square of each picture: its subpixels (int64 N x 1 x S, of H * W), and what they are before and after, N x C x S."""

    where: Tensor
    before: Tensor
    after: Tensor


Proposal = Callable[[Tensor, Pixels, int, float, bool, torch.Generator], list[Window]]


def _search(
    stand: Standing, change: Tensor, propose: Proposal, eps: float, steps: int, p_init: float, free: bool, generator: torch.Generator
) -> None:
    """Look at a change, then at one window's worth of another after the other; what helps, stays."""
    best = stand.look(change)
    (change,) = stand.kept(change)
    for step in range(1, steps):
        if not len(stand):
            return
        windows = propose(change, stand.space, _side(step / steps, p_init, change), eps, free, generator)
        for window in windows:
            _paint(change, window.where, window.after)
        lead = stand.look(change)
        if not len(stand):
            return
        change, best = stand.kept(change, best)
        better = lead > best
        for window in windows:
            where, before, after = stand.kept(*window)
            _paint(change, where, torch.where(each(better, after), after, before))
        best = torch.maximum(best, lead)


def _side(done: float, p_init: float, change: Tensor) -> int:
    """The side of the squares after a part of the queries."""
    height, width = change.shape[2:]
    area = p_init / 2 ** sum(done > mark for mark in HALVINGS) * height * width
    return max(1, min(round(math.sqrt(area)), height, width))


def _window(change: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A random square of each picture: int64 N x 1 x S, places among H * W."""
    height, width = change.shape[2:]
    top, left = (torch.randint(0, most - side + 1, (len(change), 1), generator=generator) for most in (height, width))
    offsets = (torch.arange(side)[:, None] * width + torch.arange(side)).view(1, -1)
    return (top * width + left + offsets)[:, None].to(change.device)


def _of(change: Tensor, where: Tensor) -> Tensor:
    """What is in the windows, N x C x S."""
    return change.flatten(2).gather(2, where.expand(-1, change.shape[1], -1))


def _paint(change: Tensor, where: Tensor, colours: Tensor) -> None:
    """Put colours, N x C x S, in the windows; in place."""
    change.view(*change.shape[:2], -1).scatter_(2, where.expand(-1, change.shape[1], -1), colours)


def _signs(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator).mul_(2).sub_(1).to(like)


def _stripes(space: Pixels, generator: torch.Generator) -> Tensor:
    """Linf: every column of every channel as far up or down as it goes."""
    count, channels, _, width = space.low.shape
    return torch.where(_signs((count, channels, 1, width), space.low, generator) > 0, space.high, space.low)


def _flip(change: Tensor, space: Pixels, side: int, eps: float, free: bool, generator: torch.Generator) -> list[Window]:
    """Linf: each channel of a square as far up or down as it goes; never all as it was."""
    count, channels = change.shape[:2]
    where = _window(change, side, generator)
    low, high, before = (_of(part, where) for part in (space.low, space.high, change))
    up = _signs((count, channels, 1), change, generator)
    other = torch.randint(0, channels, (count, 1, 1), generator=generator).to(change.device)
    same = (torch.where(up > 0, high, low) == before).flatten(1).all(1)
    up = torch.where(each(same, up) & (torch.arange(channels, device=change.device)[:, None] == other), -up, up)
    return [Window(where, before, torch.where(up > 0, high, low))]


def _tiles(space: Pixels, eps: float, generator: torch.Generator) -> Tensor:
    """L2: bumps in tiles, up in one half and down in the other, this way round or that."""
    count, channels, height, width = space.low.shape
    side = max(1, min(height, width) // TILES)
    rows, columns = height // side, width // side
    signs = _signs((count, channels, rows, columns), space.low, generator)
    start = torch.zeros_like(space.low)
    tiles = signs.repeat_interleave(side, 2).repeat_interleave(side, 3) * _bumps(side).to(signs).repeat(rows, columns)
    start[:, :, : rows * side, : columns * side] = tiles
    return BALLS["l2"].within(start.mul_(255 * eps / l2_size(start)[:, None, None, None]), eps, space.low, space.high)


def _gather(change: Tensor, space: Pixels, side: int, eps: float, free: bool, generator: torch.Generator) -> list[Window]:
    """L2: what one square spends, and what nobody does, goes to another, which gets a bump more in every channel."""
    count, channels, height, width = change.shape
    side = min(max(side + 1 - side % 2, SMALLEST), height, width)
    where, other = _window(change, side, generator), _window(change, side, generator)
    before, unused = _of(change, where), (255 * eps) ** 2 - l2_size(change).square()
    _paint(change, where, torch.zeros_like(before))
    given = _of(change, other)  # less what both share
    _paint(change, where, before)
    budget = before.square().sum(2, keepdim=True) + given.square().sum(2, keepdim=True) + unused.clamp(min=0)[:, None, None] / channels
    bump = _bumps(side).to(change)
    turned = torch.randint(0, 2, (count, 1, 1), generator=generator).to(change.device) > 0
    bump = torch.where(turned, bump.T.reshape(1, 1, -1), bump.reshape(1, 1, -1)) * _signs((count, channels, 1), change, generator)
    after = before / _size(before) + bump / _size(bump)
    after = (after * (budget.sqrt() / _size(after))).clamp_(_of(space.low, where), _of(space.high, where))
    if not free:
        rounded, cut = after.round(), after.trunc()
        after = torch.where(rounded.square().sum((1, 2), keepdim=True) > budget.sum(1, keepdim=True), cut, rounded)
    return [Window(other, given, torch.zeros_like(given)), Window(where, before, after)]


def _size(window: Tensor) -> Tensor:
    size: Tensor = torch.linalg.vector_norm(window, dim=2, keepdim=True)
    return size.clamp_(min=1e-12)


def _bumps(side: int) -> Tensor:
    """Two halves of a square, one up and one down, each a pile of squares one in the other, of which the k-th has the height 1 / k^2."""
    half = side // 2
    return torch.cat([_bump(side, half), -_bump(side, side - half)], 1)


def _bump(height: int, width: int) -> Tensor:
    far = torch.maximum((torch.arange(height) - height // 2).abs()[:, None], (torch.arange(width) - width // 2).abs())
    piles = 1 / torch.arange(1, max(height, width) // 2 + 2).float().square()
    return piles.flip(0).cumsum(0).flip(0)[far]
