from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import small_audits as small
from hoodwink.attacks.queries import Queries
from hoodwink.auditing import plan as plans
from hoodwink.auditing.plan import Plan, ranked, spread, weigh
from hoodwink.auditing.records import BUDGETS, Budget, Case
from hoodwink.auditing.work import Work

TINY = Case("linf", 1 / 255)
LARGE = Case("linf", 16 / 255)
SHORT = Budget(search=3, aims=2, short=2, targets=1, long=4, far=2, rounds=3, group=5, share=0.0)


def opened(case: Case, count: int = 40, seed: int = 0, **settings: Any) -> Work:
    work = small.work(small.model(seed), small.draw(count, seed), **settings)
    work.open(case)
    return work


def stages(work: Work) -> dict[str, int]:
    """How many pictures each stage met."""
    met: dict[str, int] = defaultdict(int)
    for batch in work.batches:
        met[batch["stage"]] += batch["met"]
    return dict(met)


# aims


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_aims_of_a_linear_network_are_its_gaps_and_dual_norms(norm: str) -> None:
    dice = np.random.default_rng(1)
    weights, biases = dice.normal(size=(5, 12)), dice.normal(size=5)
    model, levels = small.linear(weights, biases, 2, 2, 3), small.draw(6, 2, 2, 2, 3)
    pictures = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(dice.integers(0, 5, 6))
    found = weigh(Queries(model.outputs), pictures, labels, count=3, norm=norm)
    logits = pictures.flatten(1).double().numpy() @ weights.T + biases
    for k, label in enumerate(labels.tolist()):
        order = [c for c in np.argsort(-logits[k]) if c != label][:3]
        assert found["classes"][k].tolist() == order
        assert np.allclose(found["gaps"][k], logits[k, label] - logits[k, order], atol=1e-4)
        ways = np.abs(weights[order] - weights[label])
        dual = {"linf": ways.sum(1), "l2": np.sqrt((ways**2).sum(1)), "l1": ways.max(1)}[norm]
        assert np.allclose(found["slopes"][k], dual, rtol=1e-4)


def test_the_class_that_the_whole_ball_brings_nearest_comes_first() -> None:
    aim: dict[str, Any] = {"classes": [7, 3, 5], "gaps": [1.0, 2.0, 3.0], "slopes": [1.0, 10.0, 100.0]}
    assert ranked(aim, Case("l2", 0.0)) == [7, 3, 5]
    assert ranked(aim, Case("l2", 0.1)) == [5, 7, 3]
    assert ranked(aim, Case("l2", 0.2)) == [5, 3, 7]
    assert ranked({**aim, "slopes": [1.0, 1.0, 1.0]}, Case("l2", 9.0)) == [7, 3, 5]


def test_aims_are_measured_once_a_norm() -> None:
    model, pictures = small.model(), small.draw(30)
    counting = small.Counting(model, pictures)
    work = small.work(model, pictures, search=counting)
    plan = Plan(work, SHORT)
    rows = np.arange(10)
    first = plan.aims("linf", rows)
    assert counting.counts("gradients", 30) == [2] * 10 + [0] * 20
    again = plan.aims("linf", np.arange(5, 15))
    assert counting.counts("gradients", 30) == [2] * 15 + [0] * 15 and all(again[k] == first[k] for k in range(10))
    plan.aims("l2", rows)
    assert counting.counts("gradients", 30) == [4] * 10 + [2] * 5 + [0] * 15


@pytest.mark.parametrize(("classes", "targets"), [(2, 1), (3, 2), (10, 9), (1000, 9)])
def test_there_are_no_more_targets_than_other_classes(classes: int, targets: int) -> None:
    work = small.work(small.model(classes=classes), small.draw(3))
    aims = Plan(work, BUDGETS["standard"]).aims("linf", np.arange(3))
    for index, aim in aims.items():
        assert len(set(aim["classes"])) == targets and work.labels[index] not in aim["classes"] and min(aim["gaps"]) >= 0


# who is asked how often


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_gradients_are_those_that_the_network_was_asked_for(norm: str) -> None:
    case = Case(norm, {"linf": 10 / 255, "l2": 0.2, "l1": 0.8}[norm])
    model, pictures = small.model(), small.draw(24)
    counting = small.Counting(model, pictures)
    work = small.work(model, pictures, search=counting, batch=10)
    work.open(case)
    Plan(work, SHORT).run(case)
    assert 0 < len(work.felled[case]) < 24
    assert work.gradients.tolist() == counting.counts("gradients", 24)
    assert work.forwards.tolist() == [1 + count for count in counting.counts("forwards", 24)]


def test_a_picture_that_fell_is_never_asked_again() -> None:
    model, pictures = small.model(), small.draw(30)
    counting = small.Counting(model, pictures)
    work = small.work(model, pictures, search=counting)
    plan, before = Plan(work, SHORT), 0
    fell: set[int] = set()
    for case in (TINY, LARGE, Case("linf", 40 / 255)):
        work.open(case)
        plan.run(case)
        for batch in counting.order[before:]:
            assert not fell & set(batch)  # of a smaller ball
        before, fell = len(counting.order), fell | set(work.felled[case])
    assert len(fell) > 5


def test_it_leaves_the_batch_where_it_falls() -> None:
    model, pictures = small.model(), small.draw(30)
    counting = small.Counting(model, pictures)
    work = small.work(model, pictures, search=counting)
    work.open(LARGE)
    Plan(work, BUDGETS["quick"]).run(LARGE)
    searched = [index for index, stage in work.felled[LARGE].items() if stage == "search"]
    asked = counting.counts("gradients", 30)
    assert len(searched) > 3 and all(1 <= asked[index] <= 12 for index in searched) and min(asked[index] for index in searched) < 12
    assert all(asked[index] == 12 + 3 + 8 for index in work.standing(LARGE))  # 4 classes have 3 others to aim at


def test_wrong_pictures_are_not_searched() -> None:
    model, pictures = small.model(), small.draw(12)
    labels = (small.answers(model, pictures) + np.arange(12) % 2) % 4
    counting = small.Counting(model, pictures)
    work = small.work(model, pictures, labels, search=counting)
    work.open(LARGE)
    Plan(work, SHORT).run(LARGE)
    assert all(counting.gradients[index] == 0 for index in range(1, 12, 2)) and not set(work.felled[LARGE]) & set(range(1, 12, 2))


def test_nobody_right_is_nothing_to_do() -> None:
    model, pictures = small.model(), small.draw(5)
    work = small.work(model, pictures, (small.answers(model, pictures) + 1) % 4)
    work.open(LARGE)
    Plan(work, BUDGETS["exhaustive"]).run(LARGE)
    assert not work.gradients.any()


# giving up


def scripted(
    monkeypatch: pytest.MonkeyPatch, fells: Callable[[int, str], bool], leads: dict[int, float] | None = None
) -> list[tuple[str, int]]:
    """Replace the attack: a picture falls where `fells` (its index, the kind of pass) says so. Returns who is asked in what pass."""
    asked: list[tuple[str, int]] = []
    fallen: set[int] = set()

    def kind(steps: int, random_start: bool) -> str:
        return "search" if steps == SHORT.search else "short" if steps == SHORT.short else "restart" if random_start else "long"

    def attack(queries: Any, pictures: Tensor, labels: Tensor, *, steps: int, random_start: bool = False, **rest: Any) -> Tensor:
        marks = (pictures[:, 0, 0, 0] * 255).round().int().tolist()
        for row, mark in enumerate(marks):
            asked.append((kind(steps, random_start), mark))
            if fells(mark, kind(steps, random_start)):
                fallen.add(mark)
                pictures[row, 0, 0, 1] = 1
        return pictures

    monkeypatch.setattr(plans, "pgd", attack)
    return asked


def marked(count: int) -> Work:
    """Pictures that carry their index in the first subpixel, to a network that says 0 until the second is white, and less surely the higher
    the index."""
    levels = np.zeros((count, 2, 2, 1), np.uint8)
    levels[:, 0, 0, 0] = np.arange(count)
    weights, biases = np.zeros((3, 4)), np.array([1.0, 0.0, -9.0])
    weights[1, 1], weights[1, 0] = 1.0, 0.5
    work = small.work(small.linear(weights, biases, 2, 2, 1), levels, np.zeros(count, np.int64))
    work.open(Case("linf", 1.0))
    return work


BALL = Case("linf", 1.0)


def test_a_group_of_which_nobody_falls_ends_the_long_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = scripted(monkeypatch, lambda index, kind: False)
    work = marked(60)
    Plan(work, SHORT).run(BALL)
    assert work.right.all() and len(work.standing(BALL)) == 60
    assert [index for kind, index in asked if kind == "search"] == list(range(60))
    # The first start is the picture; then the half whose gap is smaller gets twice the starts, at random.
    assert Counter(index for kind, index in asked if kind == "long") == dict.fromkeys(range(55, 60), SHORT.far)
    assert Counter(index for kind, index in asked if kind == "restart") == {57: 4, 58: 4 + 8, 59: 4 + 8}


def test_a_fall_in_the_further_half_of_a_group_brings_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = scripted(monkeypatch, lambda index, kind: kind == "long" and index in (56, 54, 50))
    work = marked(60)
    Plan(work, SHORT).run(BALL)
    assert {index for kind, index in asked if kind == "long"} == set(range(45, 60)) and set(work.felled[BALL]) == {56, 54, 50}
    assert not {("restart", index) for index in (56, 54, 50)} & set(asked)  # who fell was not asked again


def test_a_fall_in_the_nearer_half_alone_brings_no_other_group(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = scripted(monkeypatch, lambda index, kind: kind == "restart" and index == 59)
    work = marked(60)
    Plan(work, SHORT).run(BALL)
    assert {index for kind, index in asked if kind == "long"} == set(range(55, 60)) and set(work.felled[BALL]) == {59}


def test_the_group_grows_with_those_who_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = scripted(monkeypatch, lambda index, kind: False)
    work = marked(60)
    Plan(work, Budget(search=3, aims=2, short=2, targets=1, long=4, far=1, rounds=1, group=5, share=0.25)).run(BALL)
    assert {index for kind, index in asked if kind == "long"} == set(range(45, 60))


def test_many_starts_toward_many_targets_are_one_batch_and_the_best_counts() -> None:
    """Of a linear network of three classes only one other can be reached in the ball."""
    weights, biases = np.zeros((3, 4)), np.array([0.02, 0.0, -9.0])
    weights[1, 0] = 1.0
    model, levels = small.linear(weights, biases, 2, 2, 1), np.full((6, 2, 2, 1), 3, np.uint8)
    levels[::2] = 0
    pictures, queries = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 255, Queries(model.outputs)
    toward = torch.tensor([[2, 1]]).repeat(6, 1)
    found = spread(
        queries,
        pictures,
        torch.zeros(6, dtype=torch.int64),
        toward=toward,
        starts=3,
        generator=torch.Generator().manual_seed(0),
        norm="linf",
        eps=3 / 255,
        steps=4,
    )
    assert found.shape == pictures.shape and bool(((found - pictures).abs() * 255 <= 3.001).all())
    fell = model.outputs(found).argmax(1) == 1
    assert fell.tolist() == [False, True] * 3  # three levels from 0 are 0.012, and from 3 they are 0.024
    gradients, forwards = queries.each(6)
    assert gradients[::2].tolist() == [2 * 3 * 4] * 3 and bool((gradients[1::2] < 2 * 3 * 4).all())
    assert forwards[::2].tolist() == [2 * 3 * 2] * 3  # a last look of each run, and one to choose


@pytest.mark.parametrize("group", [None, 60])
def test_without_a_group_everybody_gets_the_long_passes(monkeypatch: pytest.MonkeyPatch, group: int | None) -> None:
    asked = scripted(monkeypatch, lambda index, kind: False)
    Plan(marked(60), Budget(search=3, aims=2, short=2, targets=1, long=4, far=2, rounds=2, group=group)).run(BALL)
    # to a group all are one, and its nearer half gets two starts
    assert sum(kind in ("long", "restart") for kind, _ in asked) == 60 * 2 * 2


def test_exhaustive_visits_all_who_stand() -> None:
    work = opened(TINY, 4, batch=3)
    Plan(work, BUDGETS["exhaustive"]).run(TINY)
    # 4 classes have 3 others: one search, 3 aims, 3 short passes, and 3 starts toward each of the 3
    spent = 50 + 3 + 3 * 25 + 3 * 3 * 100
    rows = work.standing(TINY)
    assert len(rows) > 1 and (work.gradients[rows] == spent).all()


def test_a_quick_budget_has_no_long_passes() -> None:
    work = opened(TINY)
    Plan(work, BUDGETS["quick"]).run(TINY)
    assert set(stages(work)) == {"clean", "search", "aims linf 0", "target 1"}


@pytest.mark.parametrize(("budget", "met"), [(BUDGETS["quick"], None), (SHORT, 5)])
def test_off_the_grid_those_are_searched_who_stand_on_it_the_hopeful_first(budget: Budget, met: int | None) -> None:
    case = Case("linf", 2.9 / 255)  # two levels as a file, nearly three between them
    work = opened(case, 60)
    plan = Plan(work, budget)
    plan.run(case)
    before = set(work.standing(case).tolist())
    plan.run_free(case)
    free = [batch for batch in work.batches if batch.get("free")]
    assert free[0]["met"] == (met or len(before))
    assert set(work.felled[case]) < set(work.free[case])
    assert set(work.standing(case).tolist()) == before  # what fell off the grid stands as a file
