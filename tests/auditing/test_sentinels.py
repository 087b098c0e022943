from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import small_audits as small
from hoodwink.attacks.queries import Queries
from hoodwink.auditing import sentinels
from hoodwink.auditing.plan import Plan
from hoodwink.auditing.records import Budget, Case
from hoodwink.auditing.sentinels import Kind, from_network, interval, kinds, post, sizes, within
from hoodwink.auditing.work import Work

NOTHING = Budget(search=1, aims=3, short=1, targets=1)
BALL = Case("linf", 4 / 255)


def opened(case: Case = BALL, count: int = 30, classes: int = 4) -> Work:
    work = small.work(small.model(classes=classes), small.draw(count))
    work.open(case)
    return work


# the interval


@pytest.mark.parametrize(
    ("felled", "count", "low", "high"),
    [
        (0, 59, 0.0, 1 - 0.05 ** (1 / 59)),  # the rule of three: below 5 %
        (59, 59, 0.05 ** (1 / 59), 1.0),
        (0, 1, 0.0, 0.95),
        (1, 1, 0.05, 1.0),
        (1, 2, 1 - 0.95**0.5, 0.95**0.5),
    ],
)
def test_bounds_that_can_be_found_by_hand(felled: int, count: int, low: float, high: float) -> None:
    assert interval(felled, count, 10**6) == pytest.approx((low, high), abs=1e-9)


def test_none_of_59_bounds_the_share_below_five_percent_and_none_of_58_does_not() -> None:
    assert interval(0, 59, 1000)[1] < 0.05 < interval(0, 58, 1000)[1]


@pytest.mark.parametrize(("felled", "count"), [(0, 59), (1, 59), (7, 20), (20, 20), (3, 400), (700, 2500)])
def test_bounds_are_those_of_scipy(felled: int, count: int) -> None:
    beta = pytest.importorskip("scipy.stats").beta
    low = 0.0 if felled == 0 else beta.ppf(0.05, felled, count - felled + 1)
    high = 1.0 if felled == count else beta.ppf(0.95, felled + 1, count - felled)
    assert interval(felled, count, 10**9) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("count", [1, 5, 17])
def test_each_bound_holds_with_the_confidence_that_is_said(count: int) -> None:
    """The chance that a bound covers the true share, summed over all that can be drawn."""
    found = [interval(felled, count, 10**6) for felled in range(count + 1)]
    for share in np.linspace(0.001, 0.999, 97):
        chances = [comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1)]
        assert sum(chance for chance, (low, _) in zip(chances, found, strict=True) if low <= share) >= 0.95 - 1e-9
        assert sum(chance for chance, (_, high) in zip(chances, found, strict=True) if share <= high) >= 0.95 - 1e-9


def test_where_all_were_drawn_nothing_is_unknown_and_where_none_was_all_is() -> None:
    assert interval(3, 12, 12) == (0.25, 0.25) and interval(0, 12, 12) == (0, 0)
    assert interval(0, 0, 9) == (0, 1) and interval(0, 0, 0) == (0, 0)


def test_bounds_grow_with_what_fell_and_close_with_the_sample() -> None:
    lows, highs = zip(*(interval(felled, 40, 1000) for felled in range(41)), strict=True)
    assert (
        list(lows) == sorted(lows)
        and list(highs) == sorted(highs)
        and all(low <= k / 40 <= high for k, (low, high) in enumerate(zip(lows, highs, strict=True)))
    )
    assert [interval(0, count, 10**5)[1] for count in (1, 10, 100, 1000)] == sorted(
        (interval(0, n, 10**5)[1] for n in (1, 10, 100, 1000)), reverse=True
    )


# the kinds


@pytest.mark.parametrize(("classes", "aimed"), [(2, 1), (3, 2), (4, 3), (10, 9), (1000, 9)])
def test_every_kind_fits_the_number_of_classes(classes: int, aimed: int) -> None:
    found = {kind.name: kind for kind in kinds(classes)}
    assert set(found) == {"apgd ce", "apgd targets", "fmn", "square", "off the grid"}
    assert found["apgd targets"].aimed == found["off the grid"].aimed == aimed
    assert dict(found["apgd targets"].asked)["loss"] == ("dlr" if classes >= 4 else "margin")
    assert dict(found["square"].asked)["steps"] == 5000 and dict(found["apgd ce"].asked)["steps"] == 100
    assert [kind.free for kind in found.values()].count(True) == 1 and found["square"].norms == ("linf", "l2")
    assert kinds(classes, lambda pictures: pictures)[-1].name == "transfer"


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_every_kind_runs_in_every_norm(norm: str, classes: int) -> None:
    case = Case(norm, 0.02)
    work = opened(case, 6, classes)
    other = small.model(5, classes)
    wanted, plan = kinds(classes, lambda pictures: other.outputs((pictures - 0.5) / 0.25)), Plan(work, NOTHING)
    plan.aims(norm, np.arange(6))
    before = work.gradients.copy()
    sample, won = post(work, plan, case, 4, wanted, 0)
    assert set(won) == {kind.name for kind in wanted if norm in kind.norms} and len(sample.chosen) == 4
    assert np.array_equal(work.gradients, before) or any(name.startswith("all") for name in stages(work))


def stages(work: Work) -> dict[str, int]:
    met: dict[str, int] = {}
    for batch in work.batches:
        met[batch["stage"]] = met.get(batch["stage"], 0) + batch["met"]
    return met


def opposite(model: Any, among: Callable[[int], bool]) -> Callable[..., Tensor]:
    """An attack that knows the answer: a large search, for those pictures of a batch that `among` names by their place."""
    from hoodwink.attacks.pgd import pgd

    def attack(queries: Queries, pictures: Tensor, labels: Tensor, **asked: Any) -> Tensor:
        found = pgd(model.outputs_of, pictures, labels, steps=30, restarts=3, **asked)
        rows = torch.tensor([among(k) for k in range(len(pictures))]).view(-1, 1, 1, 1)
        return torch.where(rows, found, pictures)

    return attack


def knowing(work: Work, among: Callable[[int], bool] = lambda row: True) -> Callable[..., Tensor]:
    sight = work.sights.of(6, 6)
    return opposite(type("Known", (), {"outputs_of": staticmethod(sight.judge)}), among)


def test_the_sample_is_drawn_at_random_of_those_standing() -> None:
    work = opened()
    work.felled[BALL] = dict.fromkeys(range(0, 30, 3), "before")
    drawn = [post(work, Plan(work, NOTHING), BALL, 7, [], seed)[0].chosen for seed in (0, 0, 1, 2)]
    assert drawn[0] == drawn[1] and len(set(drawn)) == 3 and all(len(set(one)) == 7 for one in drawn)
    assert not {index for one in drawn for index in one} & set(work.felled[BALL])
    hits = np.zeros(30)
    for seed in range(300):
        hits[list(post(work, Plan(work, NOTHING), BALL, 7, [], seed)[0].chosen)] += 1
    standing = work.standing(BALL)
    assert (np.abs(hits[standing] - 300 * 7 / 20) < 5 * np.sqrt(300 * 7 / 20 * 13 / 20)).all()


def test_a_sample_of_all_is_no_sample() -> None:
    work = opened()
    sample, _ = post(work, Plan(work, NOTHING), BALL, 1000, [], 0)
    assert sample.chosen == tuple(range(30)) and (sample.below, sample.above) == (0, 0)


def test_a_kind_that_fells_a_sentinel_is_sent_to_all() -> None:
    work = opened(Case("linf", 10 / 255))
    case = Case("linf", 10 / 255)
    planted, idle = Kind("planted", knowing(work), ("linf",)), Kind("idle", knowing(work, lambda row: False), ("linf",))
    sample, won = post(work, Plan(work, NOTHING), case, 6, [idle, planted], 0)
    met = stages(work)
    assert won["planted"] == sample.felled > 0 and won["idle"] == 0
    assert met["sentinel: planted"] == met["sentinel: idle"] == 6
    assert met["all: planted"] == 30 - sample.felled and "all: idle" not in met
    assert len(work.felled[case]) > sample.felled and sample.above == interval(sample.felled, 6, 30)[1]
    assert {work.felled[case][index] for index in sample.chosen if index in work.felled[case]} == {"sentinel: planted"}


def test_a_kind_whose_sentinels_all_stand_is_not_sent_to_anybody_else() -> None:
    work = opened()
    sample, won = post(work, Plan(work, NOTHING), BALL, 6, [Kind("idle", knowing(work, lambda row: False), ("linf",))], 0)
    assert won == {"idle": 0} and sample.felled == 0 and set(stages(work)) == {"clean", "sentinel: idle"}
    assert sample.above == interval(0, 6, 30)[1]


def test_what_falls_off_the_grid_alone_is_counted_apart_and_sent_to_nobody() -> None:
    work = opened(Case("linf", 10 / 255))
    case = Case("linf", 10 / 255)
    sample, won = post(work, Plan(work, NOTHING), case, 10, [Kind("floating", knowing(work), ("linf",), free=True)], 0)
    assert sample.free == won["floating"] > 0 and sample.felled == 0 and not work.felled[case]
    assert set(stages(work)) == {"clean", "sentinel: floating"}


def test_kinds_of_other_norms_are_left_out() -> None:
    case = Case("l1", 1.0)
    work = opened(case)
    assert post(work, Plan(work, NOTHING), case, 5, [Kind("square", knowing(work), ("linf", "l2"))], 0)[1] == {}


def test_an_aimed_kind_goes_toward_each_target_until_it_falls() -> None:
    work = opened()
    aims: list[list[int]] = []

    def attack(queries: Queries, pictures: Tensor, labels: Tensor, *, toward: Tensor, **asked: Any) -> Tensor:
        assert not (toward == labels).any()
        aims.append(toward.tolist())
        return pictures

    post(work, Plan(work, NOTHING), BALL, 5, [Kind("aimed", attack, ("linf",), aimed=3)], 0)
    assert len(aims) == 3 and all(len(set(column)) == 3 for column in zip(*aims, strict=True))


def test_sentinels_cost_the_search_nothing() -> None:
    work = opened(Case("linf", 10 / 255))
    case = Case("linf", 10 / 255)
    post(work, Plan(work, NOTHING), case, 6, [Kind("idle", knowing(work, lambda row: False), ("linf",))], 0)
    assert not work.gradients.any() and work.forwards.tolist() == [1] * 30


# attacks as kinds


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_what_a_minimal_attack_finds_outside_the_ball_is_no_find(norm: str) -> None:
    pictures = torch.rand(5, 1, 3, 3)
    step = {"linf": 1.0, "l2": 1 / 3, "l1": 1 / 9}[norm]  # so that every subpixel by so much has the size one
    away = torch.tensor([0.0, 0.1, 0.19, 0.21, 0.4]).view(-1, 1, 1, 1) * step

    def minimal(queries: Any, pictures: Tensor, labels: Tensor, **asked: Any) -> Tensor:
        assert asked["norm"] == norm and "eps" not in asked and asked["steps"] == 7
        return pictures + away

    found = within(minimal)(None, pictures, None, norm=norm, eps=0.2, steps=7)
    assert torch.equal(found[:3], (pictures + away)[:3]) and torch.equal(found[3:], pictures[3:])
    assert torch.allclose(sizes(away.expand_as(pictures), norm), torch.tensor([0.0, 0.1, 0.19, 0.21, 0.4]))


def test_pictures_made_for_another_network_are_tried_on_this_one() -> None:
    work = opened(Case("linf", 16 / 255), 20)
    case, other, third = (
        Case("linf", 16 / 255),
        small.model(0),
        small.model(3),
    )  # as it happens the same weights, so what fells the one fells the other
    attack = from_network(lambda pictures: other.outputs((pictures - 0.5) / 0.25))
    work.attack(case, "transfer", work.standing(case), attack, steps=20)
    assert len(work.felled[case]) > 5 and not work.gradients.any()  # its own gradient was never asked
    stranger = from_network(lambda pictures: third.outputs((pictures - 0.5) / 0.25))
    again = opened(case, 20)
    again.attack(case, "transfer", again.standing(case), stranger, steps=20)
    assert len(again.felled[case]) < len(work.felled[case])


def test_the_budget_is_the_papers() -> None:
    assert sentinels.QUERIES == 5000 and sentinels._STEPS == 100
