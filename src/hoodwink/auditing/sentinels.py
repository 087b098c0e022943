"""Sentinels: a random sample of survivors gets the full budget of every attack, and says what the plan may have missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.apgd import apgd
from hoodwink.attacks.fmn import fmn
from hoodwink.attacks.pgd import pgd
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.square import square
from hoodwink.auditing.chance import bounds
from hoodwink.auditing.plan import Plan, ranked
from hoodwink.auditing.records import Case, Sample
from hoodwink.auditing.work import Attack, Rows, Work

QUERIES = 5000  # of Square, as AutoAttack asks (Croce and Hein 2020)
_STEPS = 100


@dataclass(frozen=True)
class Kind:
    """One attack at its full budget. aimed: it is sent toward each of so many targets, one after another."""

    name: str
    attack: Attack
    norms: tuple[str, ...]
    aimed: int = 0
    free: bool = False
    asked: tuple[tuple[str, Any], ...] = ()


def kinds(classes: int, transfer: Callable[[Tensor], Tensor] | None = None) -> list[Kind]:
    """Every row at its full budget, for a network of so many classes; `transfer`: another network to take pictures from."""
    loss = "dlr" if classes >= 4 else "margin"
    gradient = ("linf", "l2", "l1")
    found = [
        Kind("apgd ce", apgd, gradient, asked=(("loss", "ce"), ("steps", _STEPS))),
        Kind("apgd targets", apgd, gradient, aimed=min(9, classes - 1), asked=(("loss", loss), ("steps", _STEPS))),
        Kind("fmn", within(fmn), gradient, asked=(("steps", _STEPS),)),
        Kind("square", square, ("linf", "l2"), asked=(("steps", QUERIES),)),
        Kind("off the grid", pgd, gradient, aimed=min(9, classes - 1), free=True, asked=(("loss", "margin"), ("steps", 50))),
    ]
    if transfer is not None:
        found.append(Kind("transfer", from_network(transfer), gradient, asked=(("steps", 50),)))
    return found


def within(attack: Attack) -> Attack:
    """A minimal attack as one with a budget: what it finds outside the ball is no find."""

    @wraps(attack)
    def budgeted(queries: Queries, pictures: Tensor, labels: Tensor, *, norm: str, eps: float, **asked: Any) -> Tensor:
        found = attack(queries, pictures, labels, norm=norm, **asked)
        return torch.where(sizes(found - pictures, norm)[:, None, None, None] <= eps + 1e-6 / 255, found, pictures)

    return budgeted


def from_network(other: Callable[[Tensor], Tensor]) -> Attack:
    """An attack that searches another network's gradient: pictures made for it, tried here."""

    def transfer(queries: Queries, pictures: Tensor, labels: Tensor, **asked: Any) -> Tensor:
        with torch.no_grad():
            own = other(pictures).argmax(1)
        return pgd(other, pictures, torch.where(own == labels, labels, own), loss="ce", **asked)

    return transfer


def sizes(change: Tensor, norm: str) -> Tensor:
    """The size of each change, N, in [0, 1] units."""
    flat = change.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else torch.linalg.vector_norm(flat, {"l2": 2, "l1": 1}[norm], dim=1)


def post(work: Work, plan: Plan, case: Case, count: int, wanted: list[Kind], seed: int) -> tuple[Sample, dict[str, int]]:
    """Send every kind to a random sample of those standing; a kind that fells one on the grid goes to all. Returns who fell to what."""
    rows = work.standing(case)
    chosen = np.sort(np.random.default_rng([seed, len(rows)]).permutation(rows)[:count])
    won = {kind.name: _send(work, plan, case, kind, chosen, sentinel=True) for kind in wanted if case.norm in kind.norms and len(chosen)}
    standing = set(work.standing(case).tolist())
    felled = sum(index not in standing for index in chosen.tolist())
    free = sum(index in work.free[case] for index in chosen.tolist()) - felled
    for kind in wanted:
        if won.get(kind.name) and not kind.free:
            _send(work, plan, case, kind, work.standing(case), sentinel=False)
    return Sample(tuple(chosen.tolist()), felled, free, *interval(felled, len(chosen), len(rows))), won


def _send(work: Work, plan: Plan, case: Case, kind: Kind, rows: Rows, *, sentinel: bool) -> int:
    """One kind to those of the rows that stand; how many fell to it."""
    stage = f"{'sentinel' if sentinel else 'all'}: {kind.name}"
    start = np.intersect1d(rows, work.standing(case, kind.free))

    def send(stage: str, rows: Rows, **aim: Any) -> None:
        work.attack(case, stage, rows, kind.attack, free=kind.free, sentinel=sentinel, **dict(kind.asked), **aim)

    if not kind.aimed:
        send(stage, start)
    else:
        aims = plan.aims(case.norm, start)
        for k in range(min(kind.aimed, *(len(aims[int(row)]["classes"]) for row in start)) if len(start) else 0):
            left = np.intersect1d(start, work.standing(case, kind.free))
            if len(left):
                send(f"{stage} {k + 1}", left, toward=np.array([ranked(aims[int(row)], case)[k] for row in left]))
    return len(start) - len(np.intersect1d(start, work.standing(case, kind.free)))


def interval(felled: int, count: int, all: int) -> tuple[float, float]:
    """The share of all survivors that a full run would have felled, from the sample: bounds that each hold with 95 % confidence.

    Clopper and Pearson 1934; (0, 1) where nothing was sampled, exact where all were.
    """
    if not count:
        return (0.0, 1.0) if all else (0.0, 0.0)
    return (felled / count, felled / count) if count == all else bounds(felled, count)
