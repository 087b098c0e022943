from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import small_audits as small
from hoodwink.attacks.pgd import pgd
from hoodwink.auditing.journal import Journal
from hoodwink.auditing.records import Case
from hoodwink.auditing.sight import Sights
from hoodwink.auditing.work import OutOfTime, Work, inside

SMALL, LARGE, L2 = Case("linf", 4 / 255), Case("linf", 16 / 255), Case("l2", 0.5)


def still(queries: Any, pictures: Tensor, labels: Tensor, **asked: Any) -> Tensor:
    """An attack that does nothing."""
    return pictures


def searched(case: Case = LARGE, count: int = 16, **asked: Any) -> Work:
    work = small.work(small.model(), small.draw(count), **asked)
    work.open(case)
    work.attack(case, "search", work.standing(case), pgd, steps=12)
    return work


# what is known of each picture


def test_the_clean_verdict_is_the_original_networks() -> None:
    model, pictures = small.model(), small.draw(30)
    labels = np.where(np.arange(30) % 3 == 0, (small.answers(model, pictures) + 1) % 4, small.answers(model, pictures))
    work = small.work(model, pictures, labels, search=small.model(7).outputs)
    assert work.right.tolist() == [k % 3 != 0 for k in range(30)] and work.forwards.tolist() == [1] * 30
    work.open(SMALL)
    assert work.standing(SMALL).tolist() == [k for k in range(30) if k % 3]


def test_what_fell_in_a_ball_falls_in_larger_ones_of_its_norm_and_nowhere_else() -> None:
    work = searched(SMALL)
    assert 0 < len(work.felled[SMALL]) < 16
    for other in (LARGE, L2, Case("linf", 2 / 255)):
        work.open(other)
    assert work.felled[LARGE] == work.felled[SMALL] and work.free[LARGE] == work.free[SMALL]
    assert np.array_equal(work.lead[LARGE], work.lead[SMALL])
    assert not work.felled[L2] and not work.felled[Case("linf", 2 / 255)] and np.isneginf(work.lead[L2]).all()


def test_a_picture_that_does_not_hold_stands_again_in_its_norm_alone() -> None:
    work = searched(SMALL)
    for case in (LARGE, L2):
        work.open(case)
    work.attack(L2, "search", work.standing(L2), pgd, steps=20)
    index = next(index for index in work.felled[SMALL] if index in work.felled[L2])
    work.forget("linf", index)
    assert index in work.standing(SMALL) and index in work.standing(LARGE) and index in work.standing(SMALL, free=True)
    assert index in work.felled[L2] and ("l2", index) in work.at and ("linf", index) not in work.at


def test_each_norm_keeps_a_picture_of_its_own() -> None:
    work = searched()
    work.open(L2)
    work.attack(L2, "search", work.standing(L2), pgd, steps=20)
    both = set(work.felled[LARGE]) & set(work.felled[L2])
    assert both
    for index in both:
        for case in (LARGE, L2):
            ball, at = work.at[case.norm, index]
            assert ball == case and small.size(work.picture(index), work.journal.fetch(at, (6, 6, 1)), case.norm) <= small.most(case)


def test_leads_say_how_near_each_came() -> None:
    work = searched()
    for index in range(16):
        assert (work.lead[LARGE][index] < 0) == (index in work.standing(LARGE)) or np.isneginf(work.lead[LARGE][index])
    before = work.lead[LARGE].copy()
    again = work.attack(LARGE, "still", work.standing(LARGE), still)
    assert (again < 0).all() and np.array_equal(work.lead[LARGE], np.maximum(before, work.lead[LARGE]))


# what is sent and counted


def test_questions_are_counted_for_each_picture() -> None:
    model, pictures = small.model(), small.draw(20)
    counting = small.Counting(model, pictures)
    work = small.work(model, pictures, search=counting, batch=7)
    work.open(LARGE)
    for stage, attack in (("one", pgd), ("two", pgd)):
        work.attack(LARGE, stage, work.standing(LARGE), attack, steps=9)
    assert 0 < len(work.felled[LARGE]) < 20
    assert work.gradients.tolist() == counting.counts("gradients", 20)
    assert work.forwards.tolist() == [1 + count for count in counting.counts("forwards", 20)]  # and the clean verdict
    assert sum(batch["gradients"] for batch in work.batches) == work.gradients.sum()
    assert all(count == 18 for count in work.gradients[work.standing(LARGE)])


def test_sentinels_and_notes_on_a_ball_are_counted_apart() -> None:
    work = searched()
    gradients, forwards = work.gradients.copy(), work.forwards.copy()
    work.attack(LARGE, "sentinel: more", work.standing(LARGE), pgd, sentinel=True, steps=5)
    work.note("asked", work.standing(LARGE), lambda queries, pictures, labels: {"z": queries.logits(pictures)}, case=LARGE)
    assert np.array_equal(work.gradients, gradients) and np.array_equal(work.forwards, forwards)
    assert [batch["sentinel"] for batch in work.batches[-2:]] == [True, True]
    work.note("asked of all", work.standing(LARGE), lambda queries, pictures, labels: {"z": queries.logits(pictures)})
    assert np.array_equal(work.forwards - forwards, np.isin(np.arange(16), work.standing(LARGE)))


def test_arrays_go_picture_by_picture_whatever_the_batch() -> None:
    work = small.work(small.model(), small.draw(20), batch=3)
    work.open(LARGE)
    met: dict[int, int] = {}
    keys = {levels.tobytes(): index for index, levels in enumerate(work.pictures)}

    def attack(queries: Any, pictures: Tensor, labels: Tensor, *, toward: Tensor, **asked: Any) -> Tensor:
        assert len(toward) == len(pictures) == len(labels) <= 3
        for levels, aim in zip((pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy(), toward.tolist(), strict=True):
            met[keys[levels.tobytes()]] = aim
        return pictures

    rows = np.array([2, 3, 5, 7, 11, 13, 17])
    out = work.attack(LARGE, "aimed", rows, attack, toward=rows * 10)
    assert met == {int(row): int(row) * 10 for row in rows} and out.shape == (7,)


def test_an_attack_is_told_the_ball_and_a_generator_that_depends_on_the_seed_and_the_stage_alone() -> None:
    drawn: list[tuple[str, float, int]] = []

    def attack(queries: Any, pictures: Tensor, labels: Tensor, *, norm: str, eps: float, generator: torch.Generator) -> Tensor:
        drawn.append((norm, eps, int(torch.randint(0, 10**9, (), generator=generator))))
        return pictures

    for seed in (0, 0, 1):
        work = small.work(small.model(), small.draw(4), seed=seed)
        work.open(LARGE)
        for stage in ("one", "two"):
            work.attack(LARGE, stage, work.standing(LARGE), attack)
    assert drawn[:2] == drawn[2:4] and len({number for _, _, number in drawn}) == 4
    assert {(norm, eps) for norm, eps, _ in drawn} == {("linf", 16 / 255)}


def test_pictures_of_one_size_come_together() -> None:
    model = small.model(size=6, resize=8)
    pictures = [small.draw(1, k, *[(8, 9), (12, 8), (30, 30)][k % 3])[0] for k in range(11)]
    work = small.work(model, pictures, batch=3)
    parts = [part.tolist() for part in work.parts(np.arange(11))]
    assert sorted(index for part in parts for index in part) == list(range(11)) and max(map(len, parts)) == 3
    assert all(len({pictures[index].shape for index in part}) == 1 for part in parts)


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    work = small.work(small.model(), small.draw(10), batch=4, watch=lambda *one: told.append(one))
    work.open(SMALL)
    work.attack(SMALL, "search", np.arange(10), still)
    stages = [(done, count) for _, done, count in told]
    assert stages == [(4, 10), (8, 10), (10, 10)] * 2 and told[0][0] == "clean" and "search" in told[-1][0]


def test_when_the_time_is_up_no_batch_is_begun_but_those_done_before_count(tmp_path: Path) -> None:
    pictures = small.draw(10)
    work = small.work(small.model(), pictures, folder=tmp_path, batch=4)
    work.open(LARGE)
    work.attack(LARGE, "search", work.standing(LARGE), pgd, steps=12)
    late = small.work(small.model(), pictures, folder=tmp_path, batch=4, deadline=time.monotonic() - 1)  # clean verdicts it gives even so
    late.open(LARGE)
    late.attack(LARGE, "search", late.standing(LARGE), pgd, steps=12)
    assert late.felled == work.felled
    with pytest.raises(OutOfTime):
        late.attack(LARGE, "more", late.standing(LARGE), pgd, steps=12)


# the journal


def test_what_the_journal_holds_is_not_asked_again(tmp_path: Path) -> None:
    model, pictures = small.model(), small.draw(20)

    def run() -> tuple[Work, small.Counting]:
        counting = small.Counting(model, pictures)
        work = small.work(model, pictures, search=counting, folder=tmp_path, batch=6)
        work.open(LARGE)
        leads = work.attack(LARGE, "search", work.standing(LARGE), pgd, steps=8)
        work.attack(LARGE, "more", work.standing(LARGE), pgd, steps=8, toward=np.argsort(leads[leads < 0]) % 4)
        return work, counting

    first, asked = run()
    written = (tmp_path / "journal.jsonl").read_bytes()
    second, nothing = run()
    assert asked.order and not nothing.order and (tmp_path / "journal.jsonl").read_bytes() == written
    assert second.felled == first.felled and np.array_equal(second.lead[LARGE], first.lead[LARGE]) and second.at == first.at
    assert np.array_equal(second.gradients, first.gradients) and np.array_equal(second.forwards, first.forwards)
    assert second.batches == first.batches


def test_a_batch_that_was_of_other_pictures_is_done_again() -> None:
    model, pictures, journal = small.model(), small.draw(12), Journal()
    labels = small.answers(model, pictures)
    for rows in (np.arange(6), np.arange(3, 9)):
        work = Work(Sights(model, model.outputs), pictures, labels, journal=journal)
        work.classify()
        work.open(LARGE)
        leads = work.attack(LARGE, "search", rows, pgd, steps=3)
        assert len(leads) == 6 and np.isfinite(work.lead[LARGE][rows][leads < 0]).all()


# nobody is taken at his word


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["linf", "l2", "l1"]), st.floats(0, 1), st.booleans())
def test_whatever_is_returned_ends_in_the_box_and_the_ball(seed: int, norm: str, size: float, free: bool) -> None:
    dice = np.random.default_rng(seed)
    case = Case(norm, size if norm == "linf" else size * {"l2": 5, "l1": 60}[norm])
    levels = small.draw(3, seed, 4, 5, 3)
    pictures = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 255
    wild = pictures + torch.from_numpy(dice.choice([0.003, 0.05, 1, 1e9], (3, 1, 1, 1)) * dice.normal(size=pictures.shape)).float()
    wild[torch.from_numpy(dice.random(pictures.shape) < 0.1)] = float(dice.choice([np.nan, np.inf, -np.inf]))
    found = inside(wild, pictures, case, free)
    assert found.isfinite().all() and found.min() >= 0 and found.max() <= 1
    change = (found.double() - pictures.double()) * 255
    if free:
        sizes: dict[str, Callable[..., Tensor]] = {"linf": change.abs().amax, "l2": change.square().sum, "l1": change.abs().sum}
        most = case.eps * 255
        assert (sizes[norm]((1, 2, 3)) <= (most**2 if norm == "l2" else most) * (1 + 1e-5) + 2e-3).all()
    else:
        after = (found * 255).round().permute(0, 2, 3, 1).to(torch.uint8).numpy()
        assert torch.allclose(found * 255, (found * 255).round(), atol=1e-4)
        assert all(small.size(*pair, norm) <= small.most(case) for pair in zip(levels, after, strict=True))


def test_what_is_in_the_ball_already_stays_as_it_is() -> None:
    levels = small.draw(20, 3)
    change = np.random.default_rng(0).integers(-8, 9, levels.shape)
    moved = torch.from_numpy((levels.astype(np.int64) + change).clip(0, 255)).permute(0, 3, 1, 2).float() / 255
    pictures = torch.from_numpy(levels).permute(0, 3, 1, 2).float() / 255
    for norm, eps in (("linf", 8 / 255), ("l2", 8 * 6 / 255), ("l1", 8 * 36 / 255)):
        assert torch.equal(inside(moved, pictures, Case(norm, eps), False), moved)


@pytest.mark.parametrize("free", [False, True])
def test_a_search_that_says_that_all_fell_is_believed_only_where_the_original_agrees(free: bool) -> None:
    model, pictures = small.model(), small.draw(12)
    labels = small.answers(model, pictures)

    def liar(encoded: Tensor) -> Tensor:
        return -model.outputs(encoded)

    work = small.work(model, pictures, labels, search=liar)
    work.open(LARGE)
    work.attack(LARGE, "search", work.standing(LARGE), still, free=free)
    assert not work.felled[LARGE] and not work.free[LARGE] and not work.at
    assert work.disputed == 12 and len(work.standing(LARGE, free)) == 12


def test_an_attack_that_writes_into_its_pictures_is_measured_from_the_true_ones() -> None:
    def attack(queries: Any, pictures: Tensor, labels: Tensor, **asked: Any) -> Tensor:
        labels.zero_()
        return pictures.add_(0.9).clamp_(0, 1)

    work = small.work(small.model(), small.draw(20))
    work.open(LARGE)
    work.attack(LARGE, "own", work.standing(LARGE), attack)
    assert work.felled[LARGE]
    for (norm, index), (case, at) in work.at.items():
        after = work.journal.fetch(at, (6, 6, 1))
        assert small.size(work.picture(index), after, norm) <= small.most(case)
        assert small.answers(work.sights.model, [after])[0] != work.labels[index]


class Crowd(nn.Module):
    """Near a tie its answer depends on how many are asked at once, as sums in another order do."""

    def forward(self, x: Tensor) -> Tensor:
        first = torch.full((len(x),), 5.0 + (1e-6 if len(x) > 1 else -1e-6))
        return torch.stack([first, torch.full((len(x),), 5.0), torch.zeros(len(x))], 1) + 0 * x.flatten(1).sum(1, keepdim=True)


def test_near_a_tie_each_is_asked_alone_as_a_file_is() -> None:
    model = small.named(Crowd(), classes=3)
    pictures = small.draw(5)
    assert small.answers(model, pictures).tolist() == [1] * 5
    assert small.work(model, pictures, np.ones(5, np.int64)).right.all()
    work = small.work(model, pictures, np.ones(5, np.int64))
    work.open(LARGE)
    work.attack(LARGE, "search", work.standing(LARGE), still)
    assert not work.felled[LARGE]


def test_numbers_that_are_none_are_kept_and_fell_nobody(tmp_path: Path) -> None:
    model, pictures = small.model(), small.draw(9)

    def broken(encoded: Tensor) -> Tensor:
        logits = model.outputs(encoded)
        logits[:, 0] = float("nan")
        return logits

    for _ in range(2):
        work = small.work(model, pictures, search=broken, folder=tmp_path)
        work.open(LARGE)
        work.attack(LARGE, "search", work.standing(LARGE), pgd, steps=3)
        notes = work.note("asked", np.arange(9), lambda queries, pictures, labels: {"z": queries.logits(pictures)})
        assert not work.felled[LARGE] and np.isneginf(work.lead[LARGE]).all() and np.isnan(notes[0]["z"][0])


# memory


@pytest.mark.parametrize("most", [2, 5, 8])
def test_a_batch_that_does_not_fit_is_halved_once_and_said(most: int) -> None:
    said: list[str] = []
    works = []
    for limit in (most, 1000):
        work = small.work(small.named(small.Full(small.network(), limit)), small.draw(20), say=said.append)
        work.open(LARGE)
        work.attack(LARGE, "search", work.standing(LARGE), pgd, steps=8)
        work.note("asked", work.standing(LARGE), lambda queries, pictures, labels: {"z": queries.logits(pictures)})
        works.append(work)
    assert works[0].felled == works[1].felled and np.array_equal(works[0].gradients, works[1].gradients)
    assert np.allclose(works[0].lead[LARGE], works[1].lead[LARGE], atol=1e-5)
    halvings = [20, 10, 5, 2]
    expected = [size for size in halvings if size > most]
    assert [int(line.split()[0]) for line in said] == expected and all("do not fit in memory" in line for line in said)


def test_other_errors_are_not_swallowed() -> None:
    def attack(queries: Any, pictures: Tensor, labels: Tensor, **asked: Any) -> Tensor:
        raise RuntimeError("something else")

    work = small.work(small.model(), small.draw(3))
    work.open(LARGE)
    with pytest.raises(RuntimeError, match="something else"):
        work.attack(LARGE, "own", np.arange(3), attack)
