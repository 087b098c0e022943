"""Branch and bound: where lines lose most, a ReLU's two halves are looked at one by one (Bunel 2020, arXiv:1909.06588).

The sign of a half is used by a multiplier (beta-CROWN: Wang 2021, arXiv:2103.06624).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hoodwink.bounds.crown import Problem
from hoodwink.bounds.slopes import Climbed, Lines, climb, first, together

START, STEPS = 10, 3  # steps of ascent before the first split, and after each
LITTLE = 0.01  # what counts, beside leaning on the upper line, leaning on the lower one, whose slope is fitted
FINAL, FINAL_RATE, FINAL_DECAY = 300, 0.3, 0.985  # where nothing is left to split


@dataclass(frozen=True)
class Leaves:
    """Parts of the picture's region that together cover it, for each row: row: which; margin: a lower bound of its function there."""

    row: Tensor
    margin: Tensor
    found: Climbed

    def only(self, keep: Tensor) -> Leaves:
        """Some of them."""
        return Leaves(self.row[keep], self.margin[keep], self.found.only(keep))


def branch(problem: Problem, rows: Tensor, clean: Tensor, nodes: int) -> Tensor:
    """Lower bounds of the rows' functions, R, by at most so many nodes; what is above zero is bounded no better.

    rows: R x shape, functions of the problem's node; clean: their values at the clean picture, R. It also
    stops when the problem is late, and where a part without open signs stays below zero: more nodes would not help.
    """
    found = climb(problem, rows, first(problem, len(rows)), START, -clean)
    leaves = Leaves(torch.arange(len(rows), device=rows.device), clean + found.bound, found)
    margins, heights = torch.full_like(clean, torch.inf), _heights(problem)
    nodes = nodes if heights.numel() else 0
    while True:
        done = leaves.margin > 0
        margins.scatter_reduce_(0, leaves.row[done], leaves.margin[done], "amin")
        leaves = leaves.only(~done)
        if not len(leaves.row) or nodes <= 0 or problem.late():
            return margins.scatter_reduce_(0, leaves.row, leaves.margin, "amin")
        order = leaves.margin.argsort()
        few, rest = leaves.only(order[: max(1, problem.most // 2)]), leaves.only(order[max(1, problem.most // 2) :])
        score = _score(few, heights)
        last = ~(score > 0).any(1)
        whole, halves = _finished(problem, rows, clean, few.only(last)), _halves(problem, rows, clean, few.only(~last), score[~last])
        nodes = 0 if not bool((whole.margin > 0).all()) else nodes - len(halves.row)
        leaves = _joined(_joined(rest, whole), halves)


def _heights(problem: Problem) -> Tensor:
    """How high the upper lines are above the ReLUs where the input is zero, 1 x K."""
    return together(problem, {index: over.gap + over.value.relu() - over.upper * over.value for index, over in problem.bends.items()}, 1)


def _score(leaves: Leaves, heights: Tensor) -> Tensor:
    """What each open sign costs a part's bound, about: most where the row leans on the upper line; L x K."""
    turned = leaves.found.turned
    return heights * (turned.clamp(max=0).abs() + LITTLE * turned.abs()) * (leaves.found.lines.sign == 0)


def _halves(problem: Problem, rows: Tensor, clean: Tensor, leaves: Leaves, score: Tensor) -> Leaves:
    """Both halves of each part, by the sign of the number of the highest score; a half is bounded no worse than the whole."""
    count = len(leaves.row)
    if not count:
        return leaves
    twice = torch.arange(count, device=rows.device).repeat(2)
    row, lines = leaves.row[twice], leaves.found.lines.only(twice)
    signs = torch.ones(count, dtype=rows.dtype, device=rows.device)
    sign = lines.sign.scatter(1, score.argmax(1)[twice, None], torch.cat([signs, -signs])[:, None])
    found = climb(problem, rows[row], Lines(lines.slope, lines.force, sign), STEPS, -clean[row])
    return Leaves(row, torch.maximum(leaves.margin[twice], clean[row] + found.bound), found)


def _finished(problem: Problem, rows: Tensor, clean: Tensor, leaves: Leaves) -> Leaves:
    """Parts without open signs, bounded as well as can be."""
    if not len(leaves.row):
        return leaves
    row = leaves.row
    found = climb(problem, rows[row], leaves.found.lines, FINAL, -clean[row], FINAL_RATE, FINAL_DECAY)
    return Leaves(row, torch.maximum(leaves.margin, clean[row] + found.bound), found)


def _joined(some: Leaves, others: Leaves) -> Leaves:
    one, other = some.found, others.found
    lines = Lines(*(torch.cat([getattr(f.lines, name) for f in (one, other)]) for name in ("slope", "force", "sign")))
    found = Climbed(torch.cat([one.bound, other.bound]), lines, torch.cat([one.turned, other.turned]))
    return Leaves(torch.cat([some.row, others.row]), torch.cat([some.margin, others.margin]), found)
