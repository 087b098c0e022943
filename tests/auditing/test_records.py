from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hoodwink.auditing.records import BUDGETS, AuditError, AuditResult, Case, EpsResult, Sample, Settings, Sign, Stage, make_cases


def eps_result(**changes: Any) -> EpsResult:
    known: dict[str, Any] = {
        "case": Case("linf", 8 / 255),
        "all": 20,
        "wrong": 4,
        "felled": 6,
        "robust": 10,
        "unfinished": 0,
        "free": None,
        "certified": None,
        "survivors": tuple(range(10)),
        "by": {11: "search", 12: "target 1"},
        "distances": {11: 8 / 255, 12: 7 / 255},
        "stages": (Stage("search", "pgd", 16, 6, 160, 16, 0.5), Stage("sentinel: square", "square", 5, 0, 0, 900, 2.0, sentinel=True)),
        "sample": None,
    }
    return EpsResult(**{**known, **changes})


def result(*by_eps: EpsResult, signs: tuple[Sign, ...] = ()) -> AuditResult:
    zeros = np.zeros(20, np.int64)
    return AuditResult(by_eps, signs, zeros, zeros, np.zeros((20, 2, 2, 1), np.uint8), 1.0)


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (Case("linf", 8 / 255), "linf 8/255"),
        (Case("linf", 0.03), "linf 0.03"),
        (Case("linf", 1.0), "linf 255/255"),
        (Case("linf", 0), "linf 0/255"),
        (Case("l2", 0.5), "l2 0.5"),
        (Case("l2", 2 / 255), "l2 0.00784314"),
        (Case("l1", 12), "l1 12"),
    ],
)
def test_a_ball_is_named_as_people_write_it(case: Case, name: str) -> None:
    assert case.name == name


@pytest.mark.parametrize(
    ("eps", "norm", "cases"),
    [
        (8 / 255, "linf", [("linf", 8 / 255)]),
        (1, "l2", [("l2", 1.0)]),
        ([0.5, 0.25, 0.5], "l2", [("l2", 0.25), ("l2", 0.5)]),
        ((0.2, 0.1), ["l1", "linf", "l1"], [("l1", 0.1), ("l1", 0.2), ("linf", 0.1), ("linf", 0.2)]),
        (np.array([0.5, 0.25]), "l2", [("l2", 0.25), ("l2", 0.5)]),
        (np.float32(0.5), "l2", [("l2", 0.5)]),
        (np.float64(0.5), "l2", [("l2", 0.5)]),
    ],
)
def test_balls_go_from_small_to_large_within_each_norm_and_equal_ones_come_once(
    eps: Any, norm: Any, cases: list[tuple[str, float]]
) -> None:
    assert make_cases(eps, norm) == tuple(Case(*case) for case in cases)


GOOD = (Case("linf", 8 / 255),)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cases": ()}, "eps: one size or more was wanted"),
        ({"cases": (Case("linf", 8),)}, "for levels type 8/255"),
        ({"cases": (Case("l2", -1),)}, "a number from 0"),
        ({"cases": (Case("l2", float("nan")),)}, "a number from 0"),
        ({"cases": (Case("l2", float("inf")),)}, "a finite number"),
        ({"cases": (Case("l0", 3),)}, "linf, l2 or l1 was wanted, not 'l0'"),
        ({"cases": (Case("l7", 3),)}, "one of linf, l2, l1 was wanted, not 'l7'"),
        ({"budget": "huge"}, "one of quick, standard, exhaustive"),
        ({"precision": "float16"}, "float32 or bfloat16"),
        ({"sentinels": -1}, "a number from 0"),
        ({"batch": 0}, "a number from 1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AuditError, match=words) as caught:
        Settings(**{"cases": GOOD, **changes})
    assert "\n" not in str(caught.value)


def test_every_setting_is_in_the_record_and_reads_back_as_it_was() -> None:
    known = Settings(cases=(Case("l2", 0.1), Case("linf", 1 / 3)), attacks=("a:b",), batch=7, seed=3)
    record = json.loads(json.dumps(known.to_json(), allow_nan=False))
    assert record.keys() == vars(known).keys()
    assert record == known.to_json() and Settings(**{**record, "cases": known.cases, "attacks": known.attacks}) == known


def test_a_larger_budget_spends_no_less_anywhere() -> None:
    quick, standard, exhaustive = (BUDGETS[name] for name in ("quick", "standard", "exhaustive"))
    for pick in ("search", "aims", "short", "targets", "long", "far"):
        assert getattr(quick, pick) <= getattr(standard, pick) <= getattr(exhaustive, pick)
    spent = [one.search + one.aims + one.short * one.targets + one.long * one.far * one.rounds for one in (quick, standard, exhaustive)]
    assert spent == sorted(spent)
    assert standard.group is not None and exhaustive.group is None


def test_shares_are_of_all_pictures() -> None:
    one = eps_result(free=9, certified=5)
    assert (one.clean_accuracy, one.robust_accuracy, one.free_accuracy, one.certified_accuracy) == (0.8, 0.5, 0.35, 0.25)
    assert eps_result().free_accuracy is None and eps_result().certified_accuracy is None
    assert one.seconds == 0.5  # without the sentinels


def test_the_answer_is_that_of_the_last_ball() -> None:
    small, large = eps_result(), eps_result(case=Case("linf", 16 / 255), felled=16, robust=0, survivors=(), certified=0)
    found = result(small, large)
    assert found.last is large and found.robust_accuracy == 0 and found.clean_accuracy == 0.8 and found.survivors == ()
    assert found.certified_accuracy == 0 and result(small).certified_accuracy is None


def test_only_a_grave_sign_that_was_seen_keeps_it_from_vouching() -> None:
    sign = Sign("a sign", True, "what", "means", "do", grave=True)
    assert not result(eps_result(), signs=(sign,)).vouched
    assert result(eps_result(), signs=(replace(sign, grave=False), replace(sign, found=False))).vouched


def test_an_answer_is_strict_json() -> None:
    sample = Sample((1, 2), 0, 1, 0.0, 0.5)
    record = json.loads(json.dumps(result(eps_result(sample=sample)).to_json(), allow_nan=False))
    (ball,) = record["by_eps"]
    assert ball["name"] == "linf 8/255" and ball["case"] == {"norm": "linf", "eps": 8 / 255}
    assert ball["by"] == {"11": "search", "12": "target 1"} and ball["sample"]["count"] == 2 and ball["robust_accuracy"] == 0.5
    assert ball["stages"][1]["sentinel"] and record["vouched"] and record["gradients"] == [0] * 20
    assert vars(eps_result()).keys() <= ball.keys()


def test_a_notebook_shows_each_ball() -> None:
    shown = result(eps_result(), eps_result(case=Case("linf", 16 / 255)))._repr_html_()
    assert "linf 8/255" in shown and "linf 16/255" in shown and shown.count("50.00%") == 2
