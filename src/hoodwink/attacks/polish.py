"""The last pass of a minimal search on whole levels: what the verdict does not need is taken back, batch by batch.

The loss is taken for linear near what was found, from one gradient; every change is then looked at, and kept where it fools.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hoodwink.attacks.balls import each
from hoodwink.attacks.losses import margin
from hoodwink.attacks.nearest import Nearest
from hoodwink.attacks.objectives import MARGIN

_TRIMS = 8  # looks while levels are taken back
_CLOSER = 32  # ... while the best change of a smaller size still fools: on networks that are nearly linear
_FEW = 256  # changed subpixels up to which single levels are exchanged: of more, a level is no part worth having
_CORE = 12  # levels among which every combination is weighed


def polish(nearest: Nearest) -> None:
    """Make the changes found smaller, on whole levels."""
    if len(nearest):
        nearest.only(nearest.size[nearest.rows].isfinite())
    if not len(nearest):
        return
    change = nearest.change[nearest.rows]
    lead, _, gradient = nearest.slope(change, margin)
    slope = gradient.div_(255)  # by the level
    if nearest.ball.name != "linf":
        change, lead = _trim(nearest, change, lead, slope)
    _closer(nearest, change, lead, slope)


def _trim(nearest: Nearest, change: Tensor, lead: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Move changed subpixels back, those first that help least for what they cost, as many at a time as the slope allows."""
    norm, flat = nearest.ball.name, change.flatten(1)
    back = flat if norm == "l0" else flat.sign()  # one level, but L0 counts until all levels are back
    loss = slope.flatten(1) * back
    price = loss / (2 * flat.abs() - 1) if norm == "l2" else loss
    changed = (flat != 0).sum(1)
    order = price.masked_fill(flat == 0, torch.inf).topk(int(changed.max()), 1, largest=False).indices
    falls = loss.gather(1, order).clamp_(min=0).cumsum(1)
    falls.masked_fill_(torch.arange(order.shape[1], device=flat.device) >= changed[:, None], torch.inf)
    back = back.gather(1, order)
    done, share = torch.zeros_like(lead), torch.ones_like(lead)  # what was spent of `falls`, and how much of what is left is tried
    for _ in range(_TRIMS):
        until = done + share * (lead - MARGIN)
        taken = (falls > done[:, None]) & (falls <= until[:, None]) | (falls == 0) & (done == 0)[:, None]
        if not bool(taken.any()):
            break
        tried = flat.scatter_add(1, order, -back * taken)
        value = nearest.look(tried.view_as(change))
        good = value >= MARGIN
        flat, lead = torch.where(good[:, None], tried, flat), torch.where(good, value, lead)
        done, share = torch.where(good, until, done), torch.where(good, share, share / 2)
    return flat.view_as(change), lead


def _closer(nearest: Nearest, change: Tensor, lead: Tensor, slope: Tensor) -> None:
    """Look at the best smaller change that the slope promises to fool, and again from there."""
    for _ in range(_CLOSER):
        tried = _BEST[nearest.ball.name](change, slope, lead - MARGIN, nearest)
        gain = (slope * (tried - change)).sum((1, 2, 3))
        hope = (lead + gain >= MARGIN) & (nearest.ball.size(tried) < nearest.size[nearest.rows])
        nearest.only(hope)
        if not len(nearest):
            return
        tried, slope = tried[hope], slope[hope]
        lead = nearest.look(tried)
        good = lead >= MARGIN
        nearest.only(good)
        if not len(nearest):
            return
        change, lead, slope = tried[good], lead[good], slope[good]


def _best_linf(change: Tensor, slope: Tensor, spare: Tensor, nearest: Nearest) -> Tensor:
    radius = each(nearest.size[nearest.rows] - 1, change)
    return torch.minimum(torch.maximum(slope.sign() * radius, nearest.space.low), nearest.space.high)


def _best_l1(change: Tensor, slope: Tensor, spare: Tensor, nearest: Nearest) -> Tensor:
    """The steepest subpixels to their bounds while the levels last."""
    full = torch.where(slope > 0, nearest.space.high, nearest.space.low).flatten(1)
    order = slope.flatten(1).abs().argsort(1, descending=True)
    wanted = full.gather(1, order)
    left = (nearest.size[nearest.rows] - 1)[:, None] - (wanted.abs().cumsum(1) - wanted.abs())
    spent = wanted.sign() * torch.minimum(wanted.abs(), left.clamp(min=0))
    return torch.zeros_like(full).scatter_(1, order, spent).view_as(change)


def _best_l0(change: Tensor, slope: Tensor, spare: Tensor, nearest: Nearest) -> Tensor:
    """Those subpixels to their bounds that gain most there."""
    full = torch.where(slope > 0, nearest.space.high, nearest.space.low)
    gain = (slope * full).flatten(1)
    size = nearest.size[nearest.rows] - 1
    best = gain.topk(max(1, int(size.max())), 1).indices
    kept = full.flatten(1).gather(1, best) * (torch.arange(best.shape[1], device=gain.device) < size[:, None])
    return torch.zeros_like(gain).scatter_(1, best, kept).view_as(change)


def _best_l2(change: Tensor, slope: Tensor, spare: Tensor, nearest: Nearest) -> Tensor:
    """The change after the single levels back and forth that save most of its L2 for what is to spare.

    Every combination of the _CORE levels whose price is nearest to the going one is weighed (the core of a knapsack: Balas and
    Zemel 1980).
    """
    if int((change != 0).sum((1, 2, 3)).min()) > _FEW:
        return change
    flat, rise = change.flatten(1), slope.flatten(1)
    way = torch.where(flat == 0, rise.sign(), flat.sign())
    gain, height = rise * way, flat.abs()
    room = torch.where(way > 0, nearest.space.high.flatten(1) - flat, flat - nearest.space.low.flatten(1))
    more, less = [2 * height + 1, 2 * height + 3], [2 * height - 1, 2 * height - 3]  # what the next levels cost, and save
    allowed = torch.cat([room >= 1, room >= 2, height >= 1, height >= 2], 1)
    saved, lost = torch.cat([-more[0], -more[1], *less], 1), torch.cat([-gain, -gain, gain, gain], 1)
    bid = torch.where(room >= 1, gain / more[0], -torch.inf).amax(1).clamp(min=0)
    ask = torch.where(height >= 1, gain / less[0], torch.inf).amin(1)
    price = ((bid + ask) / 2)[:, None]
    far = torch.where(allowed, (saved * price - lost).abs(), torch.inf)
    core = far.topk(min(_CORE, far.shape[1]), 1, largest=False).indices
    taken = (torch.arange(2 ** core.shape[1], device=core.device)[:, None] >> torch.arange(core.shape[1], device=core.device)) & 1
    taken = taken.to(change.dtype)
    usable = allowed.gather(1, core)
    worth = torch.where(usable, saved.gather(1, core), -1e9) @ taken.T  # N x 2^CORE
    fits = torch.where(usable, lost.gather(1, core), 0.0) @ taken.T <= spare[:, None]
    chosen = taken[worth.masked_fill(~fits, -torch.inf).argmax(1)]
    step = torch.where(core < 2 * flat.shape[1], 1.0, -1.0) * chosen * way.gather(1, core % flat.shape[1])
    return flat.scatter_add(1, core % flat.shape[1], step).view_as(change)


_BEST = {"linf": _best_linf, "l2": _best_l2, "l1": _best_l1, "l0": _best_l0}
