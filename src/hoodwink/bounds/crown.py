"""Linear bounds carried backward through a network (CROWN: Zhang 2018, arXiv:1811.00866), for many functions of one picture at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hoodwink.bounds.graph import Graph
from hoodwink.bounds.intervals import SPARE, Span, step
from hoodwink.bounds.regions import Region, fall, stop

CHUNK = 1 << 18  # numbers of the largest feature map that are handled at a time: about what a processor's cache holds


@dataclass(frozen=True)
class Bend:
    """How a ReLU of m numbers bends over the changes of its input: of k of them the sign is open, the others pass or are cut.

    passes: m, 1 where the number is never negative. open: the k indices. slope: of the lower line, in [0, 1]; upper: of the upper
    line; gap: the upper line's change of the output at no change of the input (all 1 x k, or R x k for rows of their own). value:
    the clean inputs there; spare: what rounding may take there; drift: the input's, m.
    """

    passes: Tensor
    open: Tensor
    slope: Tensor
    upper: Tensor
    gap: Tensor
    value: Tensor
    spare: Tensor
    drift: Tensor


def bend(graph: Graph, span: Span) -> Bend:
    """The tightest lines over one picture's span of a ReLU's input; the lower one has the slope, 0 or 1, that leaves less area."""
    low, high = span.low.flatten(1), span.high.flatten(1)
    index = _open(span)
    passes = (low >= 0).to(graph.dtype)
    low, high, value = low[:, index], high[:, index], span.value.flatten(1)[:, index]
    upper = (high / (high - low)).clamp(max=1)
    # The line's height goes with the slope as it was rounded, and products of two floats are exact in double precision.
    exact = upper.double()
    height = torch.maximum(-exact * low.double(), (1 - exact) * high.double())
    spare = SPARE * graph.unit * torch.maximum(-low, high)
    gap = (exact * value + height - value.relu()).to(graph.dtype) + spare
    drift = span.drift.flatten() + SPARE * graph.unit * span.change.flatten()
    return Bend(passes, index, (high >= -low).to(graph.dtype), upper, gap, value.to(graph.dtype), spare, drift)


@dataclass(frozen=True)
class Fall:
    """bound: how far each row's function falls at most, R (<= 0). turned: the rows at each ReLU's open numbers, R x k; end: at the end."""

    bound: Tensor
    turned: dict[int, Tensor]
    end: Tensor


def descend(graph: Graph, at: int, rows: Tensor, spans: Sequence[Span], bends: dict[int, Bend], space: Region) -> Fall:
    """A lower bound of the change of each row's function sum(row * node's value), rows R x shape, over one picture's region."""
    parts, turned = {at: rows}, {}
    bound = -_weighed(rows, spans[at].drift.flatten())
    end = stop(graph, space)
    for index in range(at, end, -1):
        if index not in parts:
            continue
        node, part = graph.nodes[index], parts.pop(index)
        if node.affine is None:
            turned[index] = part.flatten(1)[:, bends[index].open]
            part, more = _through(part, turned[index], bends[index])
            bound += more
            pulled: tuple[Tensor, ...] = (part,)
        else:
            pulled = node.affine.pull(part)
        for source, piece in zip(node.inputs, pulled, strict=True):
            parts[source] = parts[source] + piece if source in parts else piece
    return Fall(bound + fall(parts[end], spans[end], space.radius), turned, parts[end])


def _through(part: Tensor, turned: Tensor, over: Bend) -> tuple[Tensor, Tensor]:
    """Rows of a ReLU's outputs as rows of its inputs, and the constants that come with them."""
    rising = turned > 0
    out = part.flatten(1) * over.passes
    constant = torch.zeros(len(part), dtype=torch.float64, device=part.device)
    if len(over.open):
        out.index_copy_(1, over.open, turned * torch.where(rising, over.slope, over.upper))
        gap = torch.where(rising, over.slope * over.value - over.value.relu() - over.spare, over.gap)
        constant += (turned * gap).sum(1, dtype=torch.float64)
    return out.view(part.shape), constant - _weighed(out, over.drift)


def _weighed(rows: Tensor, weights: Tensor) -> Tensor:
    """sum(|row| * weight), weights not negative, rounded up."""
    return 1.01 * (rows.flatten(1).abs() @ weights).double()


def tighten(graph: Graph, spans: Sequence[Span], space: Region) -> tuple[list[Span], dict[int, Bend]]:
    """Of one picture, better spans than intervals', bottom up: those of the ReLUs' inputs by `descend` where their sign is open."""
    out, bends = [spans[0]], {}
    for index, node in enumerate(graph.nodes[1:], 1):
        if node.relu:
            before = node.inputs[0]
            out[before] = _decided(graph, before, out, bends, space)
            bends[index] = bend(graph, out[before])
        out.append(step(graph, node, [out[source] for source in node.inputs]))
    return out, bends


def _decided(graph: Graph, at: int, spans: Sequence[Span], bends: dict[int, Bend], space: Region) -> Span:
    span = spans[at]
    if space.radius is None and graph.nodes[at].inputs == (graph.root,):
        return span  # intervals are exact here
    down, up = span.down.flatten().clone(), span.up.flatten().clone()
    active = span.value.flatten() >= 0
    # The side towards zero first: most are decided by it, and need no other.
    for towards in (True, False):
        index = _open(replace(span, down=down.view_as(span.down), up=up.view_as(span.up)))
        falling, rising = index[active[index] == towards], index[active[index] != towards]
        down[falling] = torch.maximum(down[falling], _changes(graph, at, falling, 1.0, spans, bends, space))
        up[rising] = torch.minimum(up[rising], -_changes(graph, at, rising, -1.0, spans, bends, space))
    return replace(span, down=down.view_as(span.down), up=up.view_as(span.up))


def _open(span: Span) -> Tensor:
    """Of one picture, where the sign is open."""
    return (~((span.low >= 0) | (span.high <= 0))).flatten().nonzero().flatten()  # what is not a number stays open


def _changes(graph: Graph, at: int, index: Tensor, sign: float, spans: Sequence[Span], bends: dict[int, Bend], space: Region) -> Tensor:
    shape = graph.nodes[at].shape
    most = max(1, CHUNK // max(node.value[0].numel() for node in spans[: at + 1]))
    found = [index.new_zeros(0, dtype=graph.dtype)]
    for some in index.split(most) if len(index) else ():
        rows = torch.zeros((len(some), spans[at].value.numel()), dtype=graph.dtype, device=graph.device)
        rows[torch.arange(len(some), device=graph.device), some] = sign
        bound = descend(graph, at, rows.view(-1, *shape), spans, bends, space).bound
        found.append(torch.nextafter(bound.to(graph.dtype), bound.new_full((), -torch.inf).to(graph.dtype)))
    return torch.cat(found)
