"""Counting: from what is known of each picture to the answer for one ball."""

from __future__ import annotations

from typing import Any

import numpy as np

from hoodwink.auditing.records import Case, EpsResult, Sample, Settings, Stage
from hoodwink.auditing.work import Work

_SHOWN = 12  # pictures that are listed as the hardest and the easiest


def tally(work: Work, case: Case, sample: Sample | None, done: bool, asked: Settings, certified: int | None) -> EpsResult:
    """The answer for one ball."""
    standing = work.standing(case)
    by = {index: stage for index, stage in work.felled[case].items() if work.right[index]}
    sizes = {index: _size(work, index, case) for index in by}
    lead = work.lead[case]
    return EpsResult(
        case=case,
        all=len(work),
        wrong=int((~work.right).sum()),
        felled=len(by),
        robust=len(standing),
        unfinished=0 if done else len(standing),
        free=len(set(work.free[case]) & set(np.flatnonzero(work.right).tolist())) if asked.free else None,
        certified=certified,
        survivors=tuple(standing.tolist()),
        by=by,
        distances=sizes,
        stages=_stages(work, case),
        sample=sample,
        hardest=tuple(standing[np.argsort(lead[standing], kind="stable")][:_SHOWN].tolist()),
        easiest=tuple(sorted(by, key=lambda index: (sizes[index], index))[:_SHOWN]),
        per_class=_per_class(work, case),
    )


def _size(work: Work, index: int, case: Case) -> float:
    """How far the felling picture of an index is from its original, in [0, 1] units."""
    before = work.picture(index).astype(np.int64)
    change = np.abs(work.journal.fetch(work.at[case.norm, index][1], before.shape) - before)
    return float({"linf": change.max(), "l2": np.sqrt((change**2).sum()), "l1": change.sum()}[case.norm]) / 255


def _stages(work: Work, case: Case) -> tuple[Stage, ...]:
    """The stages of a ball with their sums, in order."""
    merged: dict[tuple[str, bool], dict[str, Any]] = {}
    for batch in work.batches:
        if batch.get("case") not in (case, None) or (batch.get("case") is None and case != next(iter(work.felled))):
            continue
        key = (_kind(batch["stage"]), bool(batch.get("free")))
        into = merged.setdefault(
            key,
            {
                "attack": batch.get("attack", "-"),
                "met": 0,
                "felled": 0,
                "gradients": 0,
                "forwards": 0,
                "seconds": 0.0,
                "sentinel": bool(batch.get("sentinel")),
            },
        )
        for name in ("met", "felled", "gradients", "forwards", "seconds"):
            into[name] += batch[name]
    return tuple(Stage(name=name, free=free, **sums) for (name, free), sums in merged.items())


def _kind(stage: str) -> str:
    """The stage without the numbers of groups, restarts and targets: "long 3.2.1" is "long"."""
    words = stage.split()
    while words and words[-1].replace(".", "").isdecimal():
        words.pop()
    return " ".join(words)


def _per_class(work: Work, case: Case) -> tuple[dict[str, Any], ...]:
    names = work.sights.model.classes.names
    standing = set(work.standing(case).tolist())
    rows = []
    for label in np.unique(work.labels).tolist():
        members = np.flatnonzero(work.labels == label).tolist()
        rows.append(
            {
                "class": names[label],
                "pictures": len(members),
                "right": int(work.right[members].sum()),
                "standing": sum(index in standing for index in members),
            }
        )
    return tuple(rows)
