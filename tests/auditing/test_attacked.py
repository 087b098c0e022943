from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import tiny_nets
from hoodwink.attacks.apgd import apgd
from hoodwink.attacks.climb import climb
from hoodwink.attacks.fgsm import fgsm
from hoodwink.attacks.pgd import pgd
from hoodwink.attacks.shrink import shrink
from hoodwink.attacks.table import ATTACKS, Row
from hoodwink.auditing.attacked import AttackError, attack, find_attack
from hoodwink.auditing.records import AuditError
from hoodwink.evidence.judge import judge
from hoodwink.models.card import ModelError
from hoodwink.models.classes import ClassError
from hoodwink.models.model import Model
from hoodwink.pictures.levels import distances

EPS = 12 / 255


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those rows that the tests name, whatever else the table has."""
    every, most = ("linf", "l2", "l1", "l0"), ("linf", "l2", "l1")
    for function, norms in ((climb, every), (pgd, most), (fgsm, most), (apgd, most)):
        monkeypatch.setitem(ATTACKS, function.__name__, Row(function, "budget", norms, "gradient", ""))
    monkeypatch.setitem(ATTACKS, "shrink", Row(shrink, "minimal", every, "gradient", ""))


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_nets.colours()


def photos(count: int = 4, size: tuple[int, int] = (8, 8), lead: int = 10) -> Any:
    """Pictures in which red leads green by `lead` levels and blue by more."""
    noise = np.random.default_rng(0).integers(-8, 9, (count, *size, 3))
    return (np.array([120 + lead, 120, 90]) + noise - noise.mean((1, 2), keepdims=True).round().astype(int)).astype(np.uint8)


@pytest.mark.parametrize("name", ["climb", "pgd", "fgsm", "apgd"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_success_is_what_a_judge_sees_in_a_file_inside_the_ball(model: Model, name: str, norm: str) -> None:
    pictures, eps = photos(), EPS if norm == "linf" else 1.0
    found = attack(name, model, pictures, [0] * 4, eps=eps, norm=norm)
    assert found.name == name
    assert found.norm == norm
    assert found.pictures.dtype == np.uint8  # type: ignore[union-attr]
    assert found.success.all()
    assert found.gradients.shape == found.forwards.shape == (4,)
    assert (found.gradients > 0).all()
    for k, (before, after) in enumerate(zip(pictures, found.pictures, strict=True)):
        assert judge(after, model).label_index == found.answers[k] != 0
        moved = distances(before, after)
        size = moved.linf / 255 if norm == "linf" else moved.l2
        assert found.distance[k] == pytest.approx(size, abs=1e-12)
        assert size <= eps * (1 + 1e-9)


def test_what_stands_is_no_success_and_the_given_label_counts(model: Model) -> None:
    found = attack("pgd", model, photos(lead=60), None, eps=4 / 255)
    assert not found.success.any()
    assert found.labels.tolist() == found.answers.tolist() == [0] * 4
    assert attack("pgd", model, photos(lead=60), [1] * 4, eps=4 / 255).success.all()  # wrong to begin with


@pytest.mark.parametrize("target", ["blue", 2, "2", np.full(4, 2), torch.full((4,), 2)])
def test_a_target_by_name_index_or_picture_by_picture(model: Model, target: Any) -> None:
    found = attack("climb", model, photos(), eps=40 / 255, target=target, steps=20)
    assert found.success.all()
    assert (found.answers == 2).all()


def test_a_minimal_attack_finds_the_nearest_and_eps_only_judges(model: Model) -> None:
    found = attack("shrink", model, photos(), steps=40)
    assert found.norm == "l2"
    assert found.success.all()
    assert found.distance.max() < 0.7 * 2 * attack("pgd", model, photos(), eps=1.0, norm="l2").distance.max()
    limit = float(np.median(found.distance))
    judged = attack("shrink", model, photos(), steps=40, eps=limit)
    assert np.array_equal(judged.distance, found.distance)
    assert np.array_equal(judged.success, found.distance <= limit + 1e-6)


def test_a_free_search_leaves_the_grid(model: Model) -> None:
    many = photos(60, lead=3)
    logits = torch.cat([model.outputs(model.encode(one)) for one in many])
    lead = (logits[:, 0] - logits[:, 1]) / (40 / 255)  # levels that red is above green
    pictures = many[(lead > 2.3) & (lead < 3.1)]
    assert len(pictures) > 4
    found = attack("pgd", model, pictures, eps=1.7 / 255, free=True)
    on_grid = attack("pgd", model, pictures, eps=1.7 / 255)
    made: Any = found.pictures
    assert made.dtype == np.float32
    assert made.shape == pictures.shape
    assert found.success.all()  # 2 * 1.7 levels are more than the lead
    assert not on_grid.success.any()  # 2 * 1 are not
    assert np.abs(made * 255 - pictures).max() <= 1.7 + 1e-3
    assert np.abs(made * 255 - (made * 255).round()).max() > 0.1
    assert found.distance == pytest.approx(1.7 / 255, abs=1e-6)


def test_pictures_of_several_sizes_are_searched_where_the_network_looks(model: Model) -> None:
    pictures = [photos(1, (8, 8))[0], photos(1, (12, 16))[0], photos(1, (8, 12))[0], photos(1, (8, 8))[0]]
    found = attack("pgd", model, pictures, eps=EPS)
    assert isinstance(found.pictures, list)
    assert [one.shape for one in found.pictures] == [one.shape for one in pictures]
    assert found.success.all()
    assert [judge(one, model).label_index for one in found.pictures] == found.answers.tolist()
    assert (found.pictures[2] == pictures[2])[:, [0, 1, -2, -1]].all()  # cropped away
    free: Any = attack("pgd", model, pictures, eps=EPS, free=True).pictures
    assert free[2].dtype == np.float32
    assert np.allclose(free[2][:, 0] * 255, pictures[2][:, 0], atol=1e-4)


def test_nobody_is_taken_at_his_word(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def liar(queries: Any, pictures: Tensor, labels: Tensor, *, norm: str = "linf", eps: float, steps: int = 1) -> Tensor:
        return torch.full_like(pictures, torch.nan) if steps == 2 else pictures + torch.tensor([-9.0, 9.003, 0])[:, None, None]

    for norms, eps in ((("linf",), 4 / 255), (("l2",), 0.3), (("l1",), 2.0), (("l0",), 20.0)):
        monkeypatch.setitem(ATTACKS, "liar", Row(liar, "budget", norms, "gradient", ""))
        found = attack("liar", model, photos(lead=60), eps=eps, norm=norms[0])
        made: Any = found.pictures
        assert made.dtype == np.uint8
        assert (found.distance <= eps * (1 + 1e-9)).all(), norms
        assert (found.distance > 0).all()
        assert not attack("liar", model, photos(lead=60), eps=eps, norm=norms[0], steps=2).distance.any()


def test_the_same_seed_gives_the_same_pictures(model: Model) -> None:
    first, again, other = (attack("fgsm", model, photos(lead=60), eps=EPS, random_start=True, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(np.array(first.pictures), np.array(again.pictures))
    assert not np.array_equal(np.array(first.pictures), np.array(other.pictures))


@pytest.mark.parametrize(
    ("name", "asked", "part"),
    [
        ("pdg", {"eps": EPS}, "there is no attack 'pdg'; the nearest is 'pgd'"),
        ("pgd", {}, "an eps was wanted, the size of the ball; give eps=8/255"),
        ("pgd", {"norm": "l2"}, "give eps=0.5"),
        ("pgd", {"eps": EPS, "norm": "l0"}, "norm linf, l2, l1 was wanted, not 'l0'"),
        ("pgd", {"eps": 8}, "for levels type 8/255"),
        ("pgd", {"eps": -1}, "a number from 0"),
        ("pgd", {"eps": EPS, "step": 3}, "no option 'step'; its options are toward, step_size"),
        ("pgd", {"eps": EPS, "loss": "none"}, "pgd: loss: one of"),
        ("fgsm", {"eps": EPS, "steps": 3}, "fgsm takes no steps"),
        ("climb", {"eps": EPS, "free": True}, "climb takes no free"),
        ("pgd", {"eps": EPS, "target": [1, 2]}, "4 whole numbers in 0..2 were wanted"),
        ("pgd", {"eps": EPS, "target": [0, 1, 2, 3]}, "4 whole numbers in 0..2 were wanted"),
    ],
)
def test_what_makes_no_sense_is_said(model: Model, name: str, asked: dict[str, Any], part: str) -> None:
    with pytest.raises(AttackError, match=part):
        attack(name, model, photos(), **asked)


def test_what_the_network_and_the_pictures_refuse(model: Model) -> None:
    with pytest.raises(ClassError, match="purple"):
        attack("pgd", model, photos(), eps=EPS, target="purple")
    with pytest.raises(AuditError, match="labels"):
        attack("pgd", model, photos(), [0, 1, 2, 3], eps=EPS)
    with pytest.raises(AuditError, match="pictures"):
        attack("pgd", model, photos()[..., :1], eps=EPS)
    cropped = Model(model.network, replace(model.card, input=replace(model.card.input, resize=None)))
    with pytest.raises(ModelError, match="larger picture"):
        attack("pgd", cropped, photos(size=(4, 4)), [0] * 4, eps=EPS)


def test_names_with_either_dash() -> None:
    row = Row(pgd, "budget", ("linf",), "gradient", "")
    ATTACKS["sigma-test"] = row
    try:
        assert find_attack("sigma_test") is find_attack("sigma-test") is row
    finally:
        del ATTACKS["sigma-test"]


def test_it_shows_itself_in_a_notebook(model: Model) -> None:
    page = attack("pgd", model, photos(), eps=EPS)._repr_html_()
    assert "4 of 4" in page
    assert "median linf distance" in page
    assert "<td>-</td>" in attack("pgd", model, photos(lead=60), eps=1 / 255)._repr_html_()
