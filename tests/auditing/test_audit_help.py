from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import small_audits as small
from hoodwink.attacks.losses import margin
from hoodwink.auditing import sentinels
from hoodwink.auditing.audit import Help
from hoodwink.auditing.records import AuditError

EPS = small.EPS
pytestmark = pytest.mark.usefixtures("cheap")


def garbage(kind: str) -> Callable[..., Tensor]:
    def attack(queries: Any, pictures: Tensor, labels: Tensor, *, norm: str, eps: float, generator: torch.Generator) -> Tensor:
        noise = torch.randn(pictures.shape, generator=generator)
        return {
            "not a number": torch.full_like(pictures, float("nan")),
            "infinite": noise.sign() * float("inf"),
            "out of the ball": pictures + 100 * noise,
            "off the grid": pictures + 0.4 * eps * noise,
            "normalised": (pictures - 0.5) / 0.25,
            "levels": (pictures * 255).round(),
            "another type": (pictures.double() + eps * noise.sign()).to(torch.float64),
        }[kind]

    return attack


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("kind", ["not a number", "infinite", "out of the ball", "off the grid", "normalised", "levels", "another type"])
def test_ones_own_attack_may_return_anything(kind: str, norm: str) -> None:
    eps = {"linf": 3 / 255, "l2": 0.06, "l1": 0.2}[norm]
    help = Help(own=((kind, garbage(kind)),))
    result = small.checked(small.model(), small.draw(20), eps=eps, norm=norm, help=help, sentinels=0, free=kind == "off the grid")
    assert next(stage for stage in result.last.stages if stage.name == f"own: {kind}").met > 5


def test_ones_own_attack_fells_what_the_search_left() -> None:
    model, pictures = small.model(), small.draw(20)
    before = small.checked(model, pictures, sentinels=0)
    strong = small.checked(model, pictures, eps=24 / 255, sentinels=0)
    found = torch.from_numpy(np.asarray(strong.pictures)).permute(0, 3, 1, 2).float() / 255
    known = {levels.tobytes(): k for k, levels in enumerate(pictures)}

    def attack(queries: Any, shown: Tensor, labels: Tensor, **asked: Any) -> Tensor:
        rows = [known[one.tobytes()] for one in (shown * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()]
        return found[rows]

    result = small.checked(model, pictures, eps=[EPS, 24 / 255], sentinels=0, help=Help(own=(("known", attack),)))
    assert result.by_eps[0].felled >= before.last.felled
    weak = Help(own=(("known", attack),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hoodwink.auditing.plan.pgd", lambda queries, pictures, labels, **asked: pictures)
        only = small.checked(model, pictures, eps=24 / 255, sentinels=0, help=weak)
    assert set(only.last.by.values()) == {"own: known"} and only.last.felled == strong.last.felled


def test_a_kind_that_fells_a_sentinel_is_sent_to_all_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from hoodwink.attacks.pgd import pgd

    monkeypatch.setattr("hoodwink.auditing.plan.pgd", lambda queries, pictures, labels, **asked: pictures)  # a search that finds nothing
    planted = sentinels.Kind("planted", pgd, ("linf",), asked=(("steps", 20),))
    monkeypatch.setattr(sentinels, "kinds", lambda classes, transfer=None: [planted])
    result = small.checked(small.model(), small.draw(30), sentinels=10)
    stages = {stage.name: stage for stage in result.last.stages}
    assert result.last.sample is not None and stages["sentinel: planted"].felled == result.last.sample.felled > 0
    assert stages["all: planted"].met == 30 - result.last.sample.felled and not stages["all: planted"].sentinel
    assert result.last.felled == result.last.sample.felled + stages["all: planted"].felled
    assert result.last.sample.below > 0


@pytest.mark.parametrize("card", [{}, {"size": 6, "resize": 8}])
def test_others_pictures_are_judged_beside_ours(card: dict[str, Any]) -> None:
    model = small.model(**card)
    shape = (6, 6) if not card else (9, 14)
    pictures = small.draw(16, 0, *shape)
    strong = small.checked(model, pictures, sentinels=0)
    theirs = np.asarray(strong.pictures).transpose(0, 3, 1, 2) / 255  # float64, found elsewhere
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hoodwink.auditing.plan.pgd", lambda queries, pictures, labels, **asked: pictures)
        result = small.checked(model, pictures, sentinels=0, help=Help(given=(("theirs", theirs), ("again", theirs))))
        small_ball = small.checked(model, pictures, eps=1 / 255, sentinels=0, help=Help(given=(("theirs", theirs),)))
    assert set(result.last.by.values()) == {"given: theirs"} and result.last.felled == strong.last.felled > 0
    assert small_ball.last.felled <= result.last.felled


@pytest.mark.parametrize("card", [{}, {"size": 6, "resize": 8}])
def test_another_networks_pictures_are_tried(card: dict[str, Any]) -> None:
    model = small.model(**card)
    pictures = small.draw(12, 0, *((6, 6) if not card else (9, 14)))
    result = small.checked(model, pictures, eps=3 / 255, sentinels=4, help=Help(transfer=small.model(1, **card)))
    assert any(stage.name == "sentinel: transfer" for stage in result.last.stages)
    assert "fell to another network's pictures" in next(sign for sign in result.signs if sign.name.startswith("transfer")).what
    with pytest.raises(AuditError, match="transfer: pictures of one size were wanted, and a network that sees the same part"):
        small.quick(small.model(), small.draw(6, 0, 9, 14), eps=1 / 255, sentinels=4, help=Help(transfer=small.model(1, size=6, resize=9)))


def test_ones_own_objective_is_climbed() -> None:
    asked: list[int] = []

    def objective(logits: Tensor, up: Tensor | None, down: Tensor | None) -> Tensor:
        asked.append(len(logits))
        return margin(logits, up, down)

    result = small.checked(small.model(), small.draw(16), help=Help(objective=objective), sentinels=0)
    assert asked and next(stage for stage in result.last.stages if stage.name == "objective").gradients == sum(asked)


# time


def test_without_time_the_answer_is_honest() -> None:
    model, pictures = small.model(), small.draw(12)
    result = small.checked(model, pictures, eps=[4 / 255, EPS], help=Help(minutes=0))
    assert all(one.felled == 0 and one.unfinished == one.robust == 12 and one.sample is None for one in result.by_eps)
    assert len(result.notes) == 1 and "the time was up" in result.notes[0] and result.clean_accuracy == 1


def test_what_was_found_before_the_time_was_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    model, pictures = small.model(), small.draw(24)
    result = small.checked(model, pictures, eps=[4 / 255, EPS], batch=6, help=Help(minutes=7.5 / 60))
    assert sum(batch.met for batch in result.by_eps[0].stages if batch.name == "search") == 18  # four clean batches, then three
    assert result.by_eps[0].felled > 0 and result.by_eps[0].unfinished == result.by_eps[0].robust > 0
    assert result.by_eps[1].by == result.by_eps[0].by and result.by_eps[1].unfinished == result.by_eps[1].robust


def test_enough_time_leaves_nothing_unfinished() -> None:
    result = small.checked(small.model(), small.draw(8), help=Help(minutes=10))
    assert result.last.unfinished == 0 and result.notes == ()
