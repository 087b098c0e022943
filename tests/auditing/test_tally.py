from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import small_audits as small
from hoodwink.attacks.pgd import pgd
from hoodwink.auditing import sentinels
from hoodwink.auditing.plan import Plan
from hoodwink.auditing.records import BUDGETS, Case, EpsResult, Settings
from hoodwink.auditing.tally import _kind, tally
from hoodwink.auditing.work import Work
from hoodwink.pictures.levels import distances

SMALL, LARGE, L2 = Case("linf", 4 / 255), Case("linf", 12 / 255), Case("l2", 0.3)
CASES = (SMALL, LARGE, L2)


@cache
def done() -> Work:
    """Three balls with sentinels and a search off the grid; three of 24 pictures are wrong to begin with."""
    model, pictures = small.model(), small.draw(24)
    labels = small.answers(model, pictures)
    labels[:3] = (labels[:3] + 1) % 4
    work = small.work(model, pictures, labels, batch=7)
    plan = Plan(work, BUDGETS["quick"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentinels, "QUERIES", 30)
        patch.setattr(sentinels, "_STEPS", 6)
        for case in CASES:
            work.open(case)
            plan.run(case)
            sentinels.post(work, plan, case, 5, sentinels.kinds(4), 0)
            plan.run_free(case)
    return work


def searched(free: bool = True) -> tuple[Work, dict[Case, EpsResult]]:
    return done(), {case: tally(done(), case, None, True, Settings(cases=CASES, free=free), None) for case in CASES}


def test_stages_add_up_to_all_that_was_spent() -> None:
    work, found = searched()
    stages = [stage for one in found.values() for stage in one.stages]
    for name in ("gradients", "forwards"):
        assert sum(getattr(stage, name) for stage in stages if not stage.sentinel) == getattr(work, name).sum()
        assert sum(getattr(stage, name) for stage in stages) == sum(batch[name] for batch in work.batches)
    assert sum(stage.met for stage in stages) == sum(batch["met"] for batch in work.batches)
    assert sum(stage.seconds for stage in stages) == pytest.approx(sum(batch["seconds"] for batch in work.batches))


def test_what_fell_in_a_ball_is_what_its_stages_felled_and_what_a_smaller_ball_did() -> None:
    _, found = searched()
    for case, before in ((SMALL, 0), (LARGE, found[SMALL].felled), (L2, 0)):
        assert sum(stage.felled for stage in found[case].stages if not stage.free) == found[case].felled - before


def test_counts_fit_together() -> None:
    work, found = searched()
    for one in found.values():
        assert one.all == 24 and one.wrong == 3 and one.wrong + one.felled + one.robust == 24 and one.felled > 0
        assert one.survivors == tuple(work.standing(one.case).tolist()) and not set(one.survivors) & set(one.by)
        assert one.free is not None and one.felled <= one.free <= 21
    assert found[SMALL].felled <= found[LARGE].felled and set(found[SMALL].by.items()) <= set(found[LARGE].by.items())


def test_off_the_grid_is_not_counted_where_it_was_not_asked_for() -> None:
    assert all(one.free is None and one.free_accuracy is None for one in searched(free=False)[1].values())


def test_distances_are_measured_between_the_files() -> None:
    work, found = searched()
    for one in found.values():
        assert set(one.distances) == set(one.by)
        for index, size in one.distances.items():
            after = work.journal.fetch(work.at[one.case.norm, index][1], (6, 6, 1))
            exact = distances(work.picture(index), after)
            assert size == (exact.linf / 255 if one.case.norm == "linf" else getattr(exact, one.case.norm))
            assert size <= one.case.eps * (1 + 1e-9)


def test_each_class_has_its_row() -> None:
    work, found = searched()
    for one in found.values():
        for row in one.per_class:
            members = [k for k in range(24) if str(work.labels[k]) == row["class"]]
            assert row["pictures"] == len(members) > 0 and row["right"] == sum(work.right[k] for k in members)
            assert row["standing"] == len(set(members) & set(one.survivors))
        assert len(one.per_class) == len(set(work.labels.tolist()))
        assert [sum(row[name] for row in one.per_class) for name in ("pictures", "right", "standing")] == [24, 21, one.robust]


def test_the_hardest_stood_farthest_from_falling_and_the_easiest_fell_nearest() -> None:
    work, found = searched()
    for one in found.values():
        hard, easy = [work.lead[one.case][k] for k in one.hardest], [one.distances[k] for k in one.easiest]
        assert hard == sorted(hard) and easy == sorted(easy)
        assert set(one.hardest) <= set(one.survivors) and set(one.easiest) <= set(one.by)
        assert len(one.hardest) == min(12, one.robust) and len(one.easiest) == min(12, one.felled)
        assert all(work.lead[one.case][k] >= max(hard, default=0) for k in set(one.survivors) - set(one.hardest))


def test_what_was_not_finished_stands_and_is_counted() -> None:
    work = small.work(small.model(), small.draw(10))
    work.open(SMALL)
    one = tally(work, SMALL, None, False, Settings(cases=(SMALL,)), None)
    assert (
        one.unfinished == one.robust == 10
        and one.sample is None
        and tally(work, SMALL, None, True, Settings(cases=(SMALL,)), 3).certified == 3
    )


def test_what_belongs_to_no_ball_is_counted_with_the_first() -> None:
    work = small.work(small.model(), small.draw(10))
    work.open(SMALL)
    work.open(L2)
    work.attack(L2, "search", work.standing(L2), pgd, steps=3)
    work.note("asked", np.arange(10), lambda queries, pictures, labels: {"z": queries.logits(pictures)})
    asked = Settings(cases=(SMALL, L2))
    assert [stage.name for stage in tally(work, SMALL, None, True, asked, None).stages] == ["clean", "asked"]
    assert [stage.name for stage in tally(work, L2, None, True, asked, None).stages] == ["search"]


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("search", "search"),
        ("target 3", "target"),
        ("long 3.2.1", "long"),
        ("sentinel: apgd targets 9", "sentinel: apgd targets"),
        ("all: square", "all: square"),
        ("aims linf 120", "aims linf"),
        ("large ball l2 20.0 0.5", "large ball l2"),
        ("7", ""),
    ],
)
def test_stages_of_one_kind_are_one(stage: str, kind: str) -> None:
    assert _kind(stage) == kind


def test_stages_come_in_the_order_in_which_they_were_done() -> None:
    _, found = searched()
    names: list[Any] = [(stage.name, stage.free) for stage in found[SMALL].stages]
    assert len(set(names)) == len(names) and names[:4] == [("clean", False), ("search", False), ("aims linf", False), ("target", False)]
    assert found[SMALL].stages[0].attack == "-" and found[SMALL].stages[1].attack == "pgd"
