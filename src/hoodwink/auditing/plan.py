"""Which attack goes to which picture, in what order, and when to give up."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.losses import margin
from hoodwink.attacks.pgd import pgd
from hoodwink.attacks.queries import Queries
from hoodwink.auditing.records import Budget, Case
from hoodwink.auditing.work import Leads, Rows, Work

_DUAL = {"linf": 1, "l2": 2, "l1": torch.inf}  # the dual norm of each


class Plan:
    """The search of one ball after another; what one ball taught of a picture's targets serves the next.

    First a short search of any label. Those that stand: for the classes of the highest logits the gap and the gradient tell, to first
    order, how far each could be pulled (gap over dual norm, Moosavi-Dezfooli 2016, arXiv:1511.04599); short passes go toward the best
    of them. Then long passes, to the most hopeful first: those whose lead came nearest to zero, measured by how far it moved. Of a
    group the nearer half gets twice the starts in the next round (successive halving, Jamieson 2016, arXiv:1502.07943); a group whose
    further half stands ends them.
    """

    def __init__(self, work: Work, budget: Budget) -> None:
        self.work, self.budget = work, budget
        self._aims: dict[str, dict[int, dict[str, list[float]]]] = {}
        self._hope: dict[Case, Leads] = {}

    def run(self, case: Case) -> None:
        """Search one ball on whole levels."""
        work, budget = self.work, self.budget
        work.attack(case, "search", work.standing(case), pgd, steps=budget.search)
        aims, hope = self.aims(case.norm, work.standing(case)), np.full(len(work), np.inf)
        self._hope[case] = hope
        for k in range(self._targets(budget.targets)):
            self._pull(case, f"target {k + 1}", work.standing(case), k, aims, hope, steps=budget.short)
        if budget.long:
            self._long(case, aims, hope, free=False)

    def run_free(self, case: Case) -> None:
        """Search the same ball off the grid, after `run`: who is hopeless on whole levels is so between them."""
        work, budget = self.work, self.budget
        aims, hope = self.aims(case.norm, work.standing(case)), self._hope[case]
        if budget.long:
            self._long(case, aims, hope, free=True)
        else:
            self._pull(case, "target 1", work.standing(case, free=True), 0, aims, hope, steps=budget.short, free=True)

    def aims(self, norm: str, rows: Rows) -> dict[int, dict[str, list[float]]]:
        """For each picture the classes of the highest logits, how far each lies below the label, and the dual norm of the way there."""
        known = self._aims.setdefault(norm, {})
        new = np.array([row for row in rows if row not in known], dtype=np.int64)
        known |= self.work.note(f"aims {norm} {len(known)}", new, partial(weigh, count=self._targets(self.budget.aims), norm=norm))
        return known

    def _targets(self, wanted: int) -> int:
        return min(wanted, len(self.work.sights.model.classes) - 1)

    def _long(self, case: Case, aims: dict[int, dict[str, list[float]]], hope: Leads, free: bool) -> None:
        work, budget = self.work, self.budget
        rows = work.standing(case, free)
        rows = rows[np.argsort(hope[rows], kind="stable")]
        size = len(rows) if budget.group is None else max(budget.group, round(budget.share * len(rows)))
        for number, start in enumerate(range(0, len(rows), max(1, size))):
            group, starts = rows[start : start + size], 1
            further = group[-(-len(group) // 2) :]
            for k in range(budget.rounds):
                self._spread(case, f"long {number + 1}.{k + 1}", group, starts, aims, hope, free=free, random_start=k > 0)
                group = np.intersect1d(group, work.standing(case, free))
                if budget.group is not None:
                    group, starts = nearest(group, hope), 2 * starts
            if budget.group is not None and np.isin(further, work.standing(case, free)).all():
                return

    def _spread(
        self, case: Case, stage: str, rows: Rows, starts: int, aims: dict[int, dict[str, list[float]]], hope: Leads, **asked: Any
    ) -> None:
        """Long passes toward several of each picture's targets, from several starts, in one batch."""
        if len(rows):
            toward = np.array([ranked(aims[int(row)], case)[: self._targets(self.budget.far)] for row in rows])
            lead = self.work.attack(case, stage, rows, spread, steps=self.budget.long, toward=toward, starts=starts, **asked)
            self._hopes(rows, lead, aims, hope)

    def _pull(self, case: Case, stage: str, rows: Rows, k: int, aims: dict[int, dict[str, list[float]]], hope: Leads, **asked: Any) -> None:
        """A short pass toward each picture's k-th best target."""
        if not len(rows):
            return
        toward = np.array([ranked(aims[int(row)], case)[k] for row in rows])
        self._hopes(rows, self.work.attack(case, stage, rows, pgd, loss="margin", toward=toward, **asked), aims, hope)

    @staticmethod
    def _hopes(rows: Rows, lead: Leads, aims: dict[int, dict[str, list[float]]], hope: Leads) -> None:
        """What part of the way to zero each lead was left short of, the least so far."""
        gap = np.array([min(aims[int(row)]["gaps"]) for row in rows])
        stands = lead < 0
        hope[rows[stands]] = np.minimum(hope[rows[stands]], -lead[stands] / np.maximum(gap[stands] + lead[stands], 1e-9))


def nearest(group: Rows, hope: Leads) -> Rows:
    """The more hopeful half of a group."""
    return group[np.argsort(hope[group], kind="stable")[: -(-len(group) // 2)]]


def spread(
    queries: Queries, pictures: Tensor, labels: Tensor, *, toward: Tensor, starts: int, generator: torch.Generator, **asked: Any
) -> Tensor:
    """pgd toward each of K classes (toward: int64 N x K) from each of several starts, all in one batch; the best of each picture."""
    copies = toward.shape[1] * starts
    rows = torch.arange(len(pictures), device=labels.device).repeat_interleave(copies)
    own = queries.only(rows)
    found = pgd(own, pictures[rows], labels[rows], loss="margin", toward=toward.repeat(1, starts).flatten(), generator=generator, **asked)
    lead = margin(own.logits(found), None, labels[rows]).view(-1, copies)
    return found[rows[::copies] * copies + lead.argmax(1)]


def weigh(queries: Queries, pictures: Tensor, labels: Tensor, *, count: int, norm: str) -> dict[str, Tensor]:
    """The classes of the highest other logits, N x count, their gaps below the label, and the dual norms of the gaps' gradients.

    One gradient for each class.
    """
    logits = queries.logits(pictures)
    classes = logits.scatter(1, labels[:, None], -torch.inf).topk(count, 1).indices
    gaps = logits.gather(1, labels[:, None]) - logits.gather(1, classes)
    slopes = []
    for k in range(count):
        gradient = queries.slopes(pictures, lambda z, part, k=k: margin(z, classes[part, k], labels[part]))[1]  # type: ignore[misc]
        slopes.append(torch.linalg.vector_norm(gradient.flatten(1), _DUAL[norm], dim=1))
    return {"classes": classes, "gaps": gaps, "slopes": torch.stack(slopes, 1)}


def ranked(aim: dict[str, list[float]], case: Case) -> list[int]:
    """A picture's classes, the one that a step through the whole ball would bring nearest first."""
    reach = np.array(aim["slopes"]) * case.eps - np.array(aim["gaps"])
    return [int(aim["classes"][k]) for k in np.argsort(-reach, kind="stable")]
