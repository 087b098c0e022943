"""Lines fitted to what is bounded: slopes and multipliers by gradient ascent.

alpha-CROWN (Xu 2021, arXiv:2011.13824) and beta-CROWN (Wang 2021, arXiv:2103.06624).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hoodwink.bounds.crown import Bend, Fall, Problem, descend, improved, open_numbers, rounded, units
from hoodwink.bounds.intervals import Span
from hoodwink.bounds.regions import lowest

RATE, DECAY = 0.5, 0.9  # of the steps of Adam, and how they shrink; slopes are in [0, 1], multipliers in sizes of a typical row
MEAN, SQUARE = 0.9, 0.99  # of Adam's averages
STEPS = 3  # for the span of a hidden number: more gains little


@dataclass(frozen=True)
class Lines:
    """Rows' own lines over all open numbers, R x K each.

    slope: in [0, 1]. sign: 1 or -1 where the input's is known, else 0; force: the multipliers of the known signs, not negative.
    """

    slope: Tensor
    force: Tensor
    sign: Tensor

    def only(self, keep: Tensor) -> Lines:
        """Of some rows."""
        return Lines(self.slope[keep], self.force[keep], self.sign[keep])


@dataclass(frozen=True)
class Climbed:
    """bound: of each row's fall, R. lines: where the ascent ended; turned: the rows at the open numbers there, R x K."""

    bound: Tensor
    lines: Lines
    turned: Tensor

    def only(self, keep: Tensor) -> Climbed:
        """Of some rows."""
        return Climbed(self.bound[keep], self.lines.only(keep), self.turned[keep])


def first(problem: Problem, count: int) -> Lines:
    """The lines to start from, for so many rows."""
    slope = together(problem, {index: over.slope for index, over in problem.bends.items()}, 1).expand(count, -1)
    return Lines(slope, torch.zeros_like(slope), torch.zeros_like(slope))


def together(problem: Problem, values: dict[int, Tensor], count: int) -> Tensor:
    """Values at each ReLU's open numbers side by side, R x K; zero for those that the node does not depend on."""
    nothing = problem.spans[0].down.new_zeros
    parts = [values.get(index, nothing(count, len(over.open))) for index, over in problem.bends.items()]
    return torch.cat([nothing(count, 0), *parts], 1)


def bent(problem: Problem, lines: Lines) -> Problem:
    """The problem with rows' own lines."""
    known = bool(lines.sign.any())
    sizes = [len(over.open) for over in problem.bends.values()]
    parts = zip(*(torch.split(t, sizes, 1) for t in (lines.slope, lines.force, lines.sign)), strict=True)
    pairs = zip(problem.bends.items(), parts, strict=True)
    return replace(problem, bends={index: _own(over, Lines(*part), known) for (index, over), part in pairs})


def _own(over: Bend, lines: Lines, known: bool) -> Bend:
    if not known:
        return replace(over, slope=lines.slope)
    fixed, passes = lines.sign != 0, (lines.sign > 0).to(over.slope.dtype)
    slope, upper = torch.where(fixed, passes, lines.slope), torch.where(fixed, passes, over.upper)
    gap = torch.where(fixed, passes * over.value - over.value.relu() + over.spare, over.gap)
    return replace(over, slope=slope, upper=upper, gap=gap, force=-lines.force * lines.sign)


def climb(problem: Problem, rows: Tensor, lines: Lines, steps: int, enough: Tensor, rate: float = RATE, decay: float = DECAY) -> Climbed:
    """Raise the bound of each row's fall, rows R x shape; a row whose bound is above `enough` (R) stops."""
    best = torch.full((len(rows),), -torch.inf, dtype=torch.float64, device=rows.device)
    live = torch.arange(len(rows), device=rows.device)
    now = torch.cat([lines.slope, lines.force], 1)
    ended, turned = now.clone(), torch.zeros_like(lines.slope)
    sign, mean, square = lines.sign, torch.zeros_like(now), torch.zeros_like(now)
    for k in range(steps + 1):
        slope, force = now.chunk(2, 1)
        fitted = bent(problem, Lines(slope, force, sign))
        found = descend(fitted, rows)
        best[live] = torch.maximum(best[live], found.bound)
        ended[live], turned[live] = now, together(problem, found.turned, len(rows))
        going = best[live] <= enough[live]
        if k == steps or not bool(going.any()):
            break
        rise = _gradient(fitted, found, sign)
        if not bool(going.all()):
            live, rows, now, sign, mean, square, rise = (t[going] for t in (live, rows, now, sign, mean, square, rise))
        mean.lerp_(rise, 1 - MEAN)
        square.lerp_(rise.square(), 1 - SQUARE)
        move = mean / (1 - MEAN ** (k + 1)) / ((square / (1 - SQUARE ** (k + 1))).sqrt() + 1e-12)
        slope, force = (now + rate * decay**k * move * _units(turned[live])).chunk(2, 1)
        now = torch.cat([slope.clamp(0, 1), force.clamp(min=0) * (sign != 0)], 1)
    slope, force = ended.chunk(2, 1)
    return Climbed(best, Lines(slope, force, lines.sign), turned)


def _units(turned: Tensor) -> Tensor:
    """What a step is measured in, R x 2K: 1 for slopes, twice the mean size of the row for multipliers."""
    return torch.cat([torch.ones_like(turned), (2 * turned.abs().mean(1, keepdim=True)).expand_as(turned)], 1)


def _gradient(problem: Problem, found: Fall, sign: Tensor) -> Tensor:
    """Of each row's bound by its slopes and multipliers, R x 2K: both multiply the inputs at the point where the bound is reached."""
    inputs = together(problem, _inputs(problem, found), len(found.end))
    turned = together(problem, found.turned, len(found.end))
    return torch.cat([turned.clamp(min=0) * inputs * (sign == 0), -sign * inputs], 1)


def _inputs(problem: Problem, found: Fall) -> dict[int, Tensor]:
    """The inputs of each ReLU's open numbers, R x k, at the point where the rows' bounds are reached, by the lines that they follow."""
    end = problem.graph.root if problem.space.radius is None else 0
    values = {end: lowest(found.end, problem.spans[end], problem.space.radius)}
    out: dict[int, Tensor] = {}
    for index in range(end + 1, max(found.turned, default=end) + 1):
        node = problem.graph.nodes[index]
        if any(source not in values for source in node.inputs):
            continue
        if node.affine is not None:
            values[index] = node.affine.push(*(values[source] for source in node.inputs))
        elif index in found.turned:
            change, over = values[node.inputs[0]], problem.bends[index]
            at = change.flatten(1)[:, over.open]
            out[index] = at + over.value
            lower, upper = over.slope * out[index] - over.value.relu(), over.upper * at + over.gap
            after = (change.flatten(1) * over.passes).index_copy_(1, over.open, torch.where(found.turned[index] > 0, lower, upper))
            values[index] = after.view(change.shape)
    return out


def fit(problem: Problem, span: Span) -> Span:
    """A node's span by `climb` where the sign is open, each side of each number with lines of its own."""
    index, value = open_numbers(span), span.value.flatten()
    for some in torch.split(index, problem.most) if len(index) else ():
        if problem.late():
            break
        lines = first(problem, len(some))
        falls, rises = (
            rounded(climb(problem, units(problem, some, sign), lines, STEPS, -sign * value[some]).bound, problem.graph.dtype)
            for sign in (1.0, -1.0)
        )
        span = improved(span, some, falls, some, -rises)
    return span
