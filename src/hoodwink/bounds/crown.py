"""Linear bounds carried backward through a network (CROWN: Zhang 2018, arXiv:1811.00866), for many functions of one picture at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.bounds.graph import Graph
from hoodwink.bounds.intervals import Span, step
from hoodwink.bounds.regions import Region, fall

Late = Callable[[], bool]
CHUNK = 1 << 18  # numbers of the largest feature map that are handled at a time: about what a processor's cache holds


@dataclass(frozen=True)
class Bend:
    """How a ReLU of m numbers bends over the changes of its input: of k of them the sign is open, the others pass or are cut.

    passes: m, 1 where the number is never negative. open: the k indices. slope: of the lower line, in [0, 1]; upper: of the upper
    line; gap: the upper line's change of the output at no change of the input; value: the clean inputs there; spare: what rounding
    may take there; force: what is added to the rows because of a known sign, times which the input is never above zero (all 1 x k,
    or R x k where each row has its own). drift: the input's, m.
    """

    passes: Tensor
    open: Tensor
    slope: Tensor
    upper: Tensor
    gap: Tensor
    value: Tensor
    spare: Tensor
    drift: Tensor
    force: Tensor | None = None


def bend(graph: Graph, span: Span) -> Bend:
    """The tightest lines over one picture's span of a ReLU's input; the lower one has the slope, 0 or 1, that leaves less area."""
    low, high = span.low.flatten(1), span.high.flatten(1)
    index = open_numbers(span)
    passes = (low >= 0).to(graph.dtype)
    low, high, value = low[:, index], high[:, index], span.value.flatten(1)[:, index]
    upper = (high / (high - low)).clamp(max=1)
    # The line's height goes with the slope as it was rounded, and products of two floats are exact in double precision.
    exact = upper.double()
    height = torch.maximum(-exact * low.double(), (1 - exact) * high.double())
    spare = graph.slack * torch.maximum(-low, high)
    gap = (exact * value + height - value.relu()).to(graph.dtype) + spare
    drift = span.drift.flatten() + graph.slack * span.change.flatten()
    return Bend(passes, index, (high >= -low).to(graph.dtype), upper, gap, value.to(graph.dtype), spare, drift)


def open_numbers(span: Span) -> Tensor:
    """The indices, in one picture's span, of the numbers whose sign is open, k."""
    return (~((span.low >= 0) | (span.high <= 0))).flatten().nonzero().flatten()  # what is not a number stays open


def never() -> bool:
    """No limit of time."""
    return False


@dataclass(frozen=True)
class Problem:
    """One picture's functions of a node: what is known of the nodes below, where the picture may be, and whether to hurry."""

    graph: Graph
    at: int
    spans: Sequence[Span]
    bends: dict[int, Bend]
    space: Region
    late: Late = never

    @property
    def most(self) -> int:
        """How many rows to handle at a time."""
        return max(1, CHUNK // max(span.value.numel() for span in self.spans[: self.at + 1]))


@dataclass(frozen=True)
class Fall:
    """bound: how far each row's function falls at most, R (<= 0). turned: the rows at each ReLU's open numbers, R x k; end: at the end."""

    bound: Tensor
    turned: dict[int, Tensor]
    end: Tensor


def descend(problem: Problem, rows: Tensor, end: int | None = None) -> Fall:
    """A lower bound of the change of each row's function sum(row * value of the node), rows R x shape.

    end: the node whose span the bound is read from, on every way to the picture; the picture itself, or the graph's root, if None.
    """
    graph, spans, radius = problem.graph, problem.spans, None
    if end is None:  # up to the root a box stays a box, but a ball no ball
        radius = problem.space.radius
        end = graph.root if radius is None else 0
    parts, turned = {problem.at: rows}, {}
    bound = -_weighed(rows, spans[problem.at].drift.flatten())
    for index in range(problem.at, end, -1):
        if index not in parts:
            continue
        node, part = graph.nodes[index], parts.pop(index)
        if node.affine is None:
            over = problem.bends[index]
            turned[index] = part.flatten(1)[:, over.open]
            part, more = _through(part, turned[index], over)
            bound += more
            pulled: tuple[Tensor, ...] = (part,)
        else:
            pulled = node.affine.pull(part)
        for source, piece in zip(node.inputs, pulled, strict=True):
            parts[source] = parts[source] + piece if source in parts else piece
    return Fall(bound + fall(parts[end], spans[end], radius, graph.spare), turned, parts[end])


def _through(part: Tensor, turned: Tensor, over: Bend) -> tuple[Tensor, Tensor]:
    """Rows of a ReLU's outputs as rows of its inputs, and the constants that come with them."""
    out = part.flatten(1) * over.passes
    constant = torch.zeros(len(part), dtype=torch.float64, device=part.device)
    if len(over.open):
        rising = turned > 0
        new = turned * torch.where(rising, over.slope, over.upper)
        gap = torch.where(rising, over.slope * over.value - over.value.relu() - over.spare, over.gap)
        constant += (turned * gap).sum(1, dtype=torch.float64)
        if over.force is not None:  # the function is never below what it is with something added that is never above zero
            new = new + over.force
            constant += (over.force * over.value - 3 * over.force.abs() * over.spare).sum(1, dtype=torch.float64)
        out.index_copy_(1, over.open, new)
    return out.view(part.shape), constant - _weighed(out, over.drift)


def _weighed(rows: Tensor, weights: Tensor) -> Tensor:
    """sum(|row| * weight), weights not negative, rounded up."""
    return 1.01 * (rows.flatten(1).abs() @ weights).double()


Known = dict[int, tuple[Tensor, Tensor]]  # of one picture, by node: the least and the largest change found
Decide = Callable[[Problem, Span], Span]  # a better span of a problem's node


def tighten(graph: Graph, space: Region, known: Known, decide: Decide | None = None, late: Late = never) -> Problem:
    """One picture's spans, bottom up: intervals, what is known already and, for the inputs of the ReLUs, what `decide` finds.

    `known` is updated. late(): from when on to do without what takes time. The problem returned is that of the logits.
    """
    spans: list[Span] = []
    bends: dict[int, Bend] = {}
    for index, node in enumerate(graph.nodes):
        if node.relu:
            before = node.inputs[0]
            if decide is not None and not _exact(graph, before, space):
                spans[before] = decide(Problem(graph, before, spans, bends, space, late), spans[before])
                known[before] = spans[before].down, spans[before].up
            bends[index] = bend(graph, spans[before])
        span = step(graph, index, spans) if index else space.span()
        spans.append(span.within(*known[index]) if index in known else span)
    return Problem(graph, graph.last, spans, bends, space, late)


def _exact(graph: Graph, index: int, space: Region) -> bool:
    """Whether nothing is tighter than a node's interval."""
    return index <= graph.root or (space.radius is None and graph.nodes[index].inputs == (graph.root,))


def decide(problem: Problem, span: Span) -> Span:
    """A node's span by `descend` where the sign is open: first the side towards zero, as most signs are decided by it."""
    active = span.value.flatten() >= 0
    for towards in (True, False):
        index = open_numbers(span)
        falling, rising = index[active[index] == towards], index[active[index] != towards]
        span = improved(span, falling, changes(problem, falling, 1.0), rising, -changes(problem, rising, -1.0))
    return span


def improved(span: Span, falling: Tensor, downs: Tensor, rising: Tensor, ups: Tensor) -> Span:
    """One picture's span with least changes `downs` of the numbers `falling`, and largest `ups` of `rising`, where they are tighter."""
    down, up = (torch.full_like(span.down.flatten(), bound) for bound in (-torch.inf, torch.inf))
    down[falling], up[rising] = downs, ups
    return span.within(down.view(span.down.shape), up.view(span.up.shape))


def changes(problem: Problem, index: Tensor, sign: float) -> Tensor:
    """The least changes of sign * numbers of the problem's node, as many as indices; no bounds, -inf, for those that come too late."""
    found = torch.full((len(index),), -torch.inf, dtype=torch.float64, device=index.device)
    for some in torch.split(torch.arange(len(index), device=index.device), problem.most):
        if len(some) and not problem.late():
            found[some] = descend(problem, units(problem, index[some], sign)).bound
    return rounded(found, problem.graph.dtype)


def units(problem: Problem, index: Tensor, sign: float) -> Tensor:
    """Rows that are sign at one number each of the problem's node, else zero."""
    span = problem.spans[problem.at]
    rows = torch.zeros((len(index), span.value.numel()), dtype=problem.graph.dtype, device=index.device)
    rows[torch.arange(len(index), device=index.device), index] = sign
    return rows.view(-1, *span.value.shape[1:])


def rounded(bound: Tensor, dtype: torch.dtype) -> Tensor:
    """Lower bounds in double precision as lower bounds in another."""
    near = bound.to(dtype)
    return torch.nextafter(near, torch.full_like(near, -torch.inf))
