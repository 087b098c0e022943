"""Slopes chosen by gradient ascent instead of once and for all (alpha-CROWN: Xu 2021, arXiv:2011.13824)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from hoodwink.bounds.crown import Bend, Fall, descend
from hoodwink.bounds.graph import Graph
from hoodwink.bounds.intervals import Span
from hoodwink.bounds.regions import Region, lowest, stop


def climb(graph, at, rows, spans, bends, space, steps, rate=0.3, decay=0.9, enough=None):
    used = [k for k in bends if k < at]
    slopes = {k: bends[k].slope.expand(len(rows), -1).clone() for k in used}
    m = {k: torch.zeros_like(v) for k, v in slopes.items()}
    v2 = {k: torch.zeros_like(v) for k, v in slopes.items()}
    best = None
    for t in range(steps + 1):
        now = {k: replace(bends[k], slope=slopes[k]) for k in used}
        f = descend(graph, at, rows, spans, now, space)
        best = f.bound if best is None else torch.maximum(best, f.bound)
        if TRACE is not None: TRACE.append(f.bound)
        if t == steps:
            break
        inner = trace(graph, at, f, spans, now, space)
        for k in used:
            g = f.turned[k].clamp(min=0) * (inner[k] + now[k].value)
            m[k].mul_(0.9).add_(g, alpha=0.1)
            v2[k].mul_(0.999).addcmul_(g, g, value=0.001)
            mh = m[k] / (1 - 0.9 ** (t + 1)); vh = v2[k] / (1 - 0.999 ** (t + 1))
            slopes[k] = (slopes[k] + rate * decay**t * mh / (vh.sqrt() + 1e-12)).clamp(0, 1)
    return best

TRACE=None

def trace(graph, at, f, spans, bends, space):
    """The changes of the ReLUs' inputs, where open, at the point where the bound is reached."""
    end = stop(graph, space)
    values = {end: lowest(f.end, spans[end], space.radius)}
    out = {}
    for index in range(end + 1, max(f.turned, default=end) + 1):
        node = graph.nodes[index]
        if any(i not in values for i in node.inputs): continue
        if node.affine is not None:
            values[index] = node.affine.push(*(values[i] for i in node.inputs))
            continue
        z = values[node.inputs[0]]
        b = bends[index]
        zo = z.flatten(1)[:, b.open]
        out[index] = zo
        h = z.flatten(1) * b.passes
        h.index_copy_(1, b.open, torch.where(f.turned[index] > 0, b.slope * (zo + b.value) - b.value.relu(), b.upper * zo + b.gap))
        values[index] = h.view(z.shape)
    return out
