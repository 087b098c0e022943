from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import misleading
import small_audits as small
from hoodwink.auditing import audit as audits
from hoodwink.auditing import sentinels, trust
from hoodwink.auditing.records import AuditResult, Case, Sign
from hoodwink.auditing.trust import PROBED, Probe, far_left, probe, scale, signs
from hoodwink.auditing.work import Work

EPS = 29 / 255
SIGNS = (
    "zero or non-finite gradients",
    "a gradient that misleads",
    "random outputs",
    "softmax outputs",
    "saturated logits",
    "queries beat gradients",
    "transfer beats the network's own gradient",
    "a large ball does not fell",
    "larger eps does not fell more",
    "budget unspent",
    "the prepared copy disputed",
)


def audited(network: nn.Module, eps: Any = EPS) -> AuditResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentinels, "QUERIES", 150)
        patch.setattr(sentinels, "_STEPS", 15)
        return audits.audit(misleading.model(network), *misleading.draw(20, 2), eps=eps, budget="quick", sentinels=5)


def found(result: AuditResult) -> set[str]:
    return {sign.name for sign in result.signs if sign.found}


@cache
def misled(name: str) -> AuditResult:
    torch.manual_seed(0)
    return audited(misleading.honest() if name == "plain" else misleading.MISLEADING[name][0]())


def work_of(network: nn.Module) -> Work:
    model = misleading.model(network)
    return small.work(model, *misleading.draw(40, 2))


# networks built to mislead


def test_an_honest_network_shows_no_sign() -> None:
    result = audited(misleading.honest(), [EPS / 2, EPS])
    assert found(result) == set() and result.vouched and 2 < result.last.felled < 18


@pytest.mark.parametrize("name", misleading.MISLEADING)
def test_a_network_that_misleads_is_called_by_name_and_felled_or_not_vouched_for(name: str) -> None:
    result = misled(name)
    assert set(misleading.MISLEADING[name][1]) <= found(result)
    assert result.last.robust <= misled("plain").last.robust + 1 or not result.vouched


@pytest.mark.parametrize("name", ["quantised", "saturated", "tiny", "softmax", "saturated softmax"])
def test_what_can_be_repaired_is_felled_as_the_honest_network_is(name: str) -> None:
    assert abs(misled(name).last.robust - misled("plain").last.robust) <= 2


@pytest.mark.parametrize("name", ["hidden", "turned"])
def test_where_the_gradient_leads_nowhere_queries_are_sent_to_all(name: str) -> None:
    torch.manual_seed(0)
    result = audited(misleading.MISLEADING[name][0](), 60 / 255)
    stages = {stage.name: stage for stage in result.last.stages}
    assert stages["queries"].met >= 15 and stages["queries"].felled > 5


@cache
def digits() -> tuple[nn.Sequential, Any, Any]:
    """A network that learned handwritten digits, and sixty that it did not learn from."""
    from hoodwink.data.load import load

    learned, shown = load("digits:train"), load("digits:test")
    network = misleading.train(np.array(learned.pictures), np.array(learned.labels), epochs=40)
    return network, np.array(shown.pictures[:60]), np.array(shown.labels[:60])


@cache
def on_digits(name: str) -> AuditResult:
    network, pictures, labels = digits()
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(misleading, "honest", lambda: copy.deepcopy(network))
        module = network if name == "plain" else misleading.MISLEADING[name][0]()
    return audits.audit(misleading.model(copy.deepcopy(module)), pictures, labels, eps=32 / 255, sentinels=12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", *(name for name in misleading.MISLEADING if name not in ("not a number", "infinite"))])
def test_so_it_is_on_handwritten_digits(name: str) -> None:
    pytest.importorskip("sklearn")
    result, honest = on_digits(name), on_digits("plain")
    assert found(honest) == set() and honest.vouched and 0.1 < honest.robust_accuracy < 0.7
    wanted = () if name == "plain" else misleading.MISLEADING[name][1]
    assert set(wanted) <= found(result) and (result.robust_accuracy <= honest.robust_accuracy + 0.05 or not result.vouched)


# what is measured


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("plain", {"zero": 0, "finite": True, "moved": 0, "sums": False, "random": False, "hidden": False}),
        ("quantised", {"zero": 1, "finite": True, "random": False, "hidden": True, "misleads": False}),
        ("random", {"random": True, "misleads": False}),
        ("softmax", {"sums": True, "random": False}),
        ("saturated softmax", {"sums": True, "hidden": True}),
        ("hidden", {"zero": 0, "misleads": True, "hidden": True, "random": False}),
        ("turned", {"zero": 0, "misleads": True, "hidden": True, "random": False}),
        ("not a number", {"finite": False, "hidden": True, "misleads": False}),
    ],
)
def test_a_probe_measures_what_is_there(name: str, wanted: dict[str, Any]) -> None:
    torch.manual_seed(0)
    found = probe(work_of(misleading.honest() if name == "plain" else misleading.MISLEADING[name][0]()))
    assert {key: getattr(found, key) for key in wanted} == wanted
    if name == "plain":
        assert 0.7 < found.kept < 1.3 and found.turned > 0.999
    if name == "turned":
        assert found.kept < -0.5 and found.turned > 0.999
    if name == "hidden":
        assert abs(found.turned) < 0.9


def test_a_linear_network_keeps_all_that_its_gradient_foretells_at_the_ends_of_the_range_too() -> None:
    dice = np.random.default_rng(0)
    model = small.linear(dice.normal(size=(2, 36)), np.zeros(2), 6, 6, 1)

    def search(encoded: torch.Tensor) -> torch.Tensor:
        assert encoded.min() >= 0 and encoded.max() <= 1
        return model.outputs(encoded)

    for pictures in (small.draw(20), dice.choice([0, 255], (20, 6, 6, 1)).astype(np.uint8)):
        assert probe(small.work(model, pictures, search=search)).kept == pytest.approx(1, abs=1e-3)


def test_pictures_that_can_only_go_one_way_do_not_make_a_gradient_mislead() -> None:
    model = small.linear(np.stack([-np.ones(36), np.ones(36)]), np.array([0.0, 1.0]), 6, 6, 1)
    found = probe(small.work(model, np.zeros((5, 6, 6, 1), np.uint8)))  # black, and darker would be the way
    assert not found.misleads and not found.hidden


@pytest.mark.parametrize(
    ("name", "low", "high"), [("plain", 1, 1), ("saturated", 1e-5, 1e-2), ("tiny", 1e2, 1e7), ("random", 1, 1), ("infinite", 1, 1)]
)
def test_the_scale_of_the_logits(name: str, low: float, high: float) -> None:
    torch.manual_seed(0)
    assert low <= scale(work_of(misleading.honest() if name == "plain" else misleading.MISLEADING[name][0]())) <= high


def test_the_probe_does_not_depend_on_the_batch_and_takes_the_commonest_size() -> None:
    model = small.model(size=6, resize=8)
    pictures = [small.draw(1, k, *((8, 9) if k in (0, 3) else (12, 10)))[0] for k in range(9)]
    asked: list[int] = []

    def search(encoded: Any) -> Any:
        asked.append(len(encoded))
        return model.outputs(encoded)

    probes = [probe(small.work(model, pictures, search=search, batch=batch)) for batch in (None, 1, 2)]
    assert asked[0] == 7 and probes[0].zero == probes[1].zero and probes[0].kept == pytest.approx(probes[1].kept, rel=1e-4)
    asked.clear()
    probe(small.work(small.model(), small.draw(100), search=small.model().outputs))
    assert PROBED == 32


def test_a_large_ball_fells_nearly_all_and_a_network_that_cannot_be_fooled_stands_in_it() -> None:
    case, rows = Case("linf", 1 / 255), np.arange(20)
    work = small.work(small.model(), small.draw(20))
    work.open(case)
    assert far_left(work, case, rows) <= 0.1 and work.batches[-1]["sentinel"]
    stubborn = small.work(small.linear(np.zeros((2, 36)), np.array([2.0, 0.0]), 6, 6, 1), small.draw(20))
    stubborn.open(case)
    assert far_left(stubborn, case, rows) == 1.0


# what is said


def said(**changes: Any) -> dict[str, Sign]:
    known: dict[str, Any] = {
        "found": Probe(zero=0, finite=True, kept=1, turned=1, moved=0, sums=False),
        "factor": 1.0,
        "far": {Case("linf", 0.1): 0.0},
        "queries_won": 0,
        "transfer_won": None,
        "falls": [(Case("linf", 0.1), 10, 20), (Case("linf", 0.2), 20, 10)],
        "short": 0.1,
        "disputed": 0,
    }
    return {sign.name: sign for sign in signs(**{**known, **changes})}


def test_every_sign_is_said_seen_or_not_with_what_it_means_and_what_to_do() -> None:
    known = said()
    assert tuple(known) == SIGNS and not any(sign.found for sign in known.values())
    assert all(sign.what and sign.means.endswith(".") and sign.do.endswith(".") for sign in known.values())


HALF = {Case("linf", 0.1): 0.5}
NOTHING: dict[str, Any] = {"kept": 1.0, "turned": 1.0, "moved": 0.0, "sums": False, "zero": 0.0, "finite": True}


@pytest.mark.parametrize(
    ("changes", "name", "grave"),
    [
        ({"found": Probe(**{**NOTHING, "zero": 0.2})}, SIGNS[0], False),
        ({"found": Probe(**{**NOTHING, "zero": 0.2}), "far": HALF}, SIGNS[0], True),
        ({"found": Probe(**{**NOTHING, "zero": 0.2}), "far": {}}, SIGNS[0], True),  # not tried, so not known
        ({"found": Probe(**{**NOTHING, "finite": False})}, SIGNS[0], True),
        ({"found": Probe(**{**NOTHING, "kept": 0.05})}, SIGNS[1], True),
        ({"found": Probe(**{**NOTHING, "turned": 0.5})}, SIGNS[1], True),
        ({"found": Probe(**{**NOTHING, "moved": 0.1})}, SIGNS[2], False),
        ({"found": Probe(**{**NOTHING, "moved": 0.1}), "far": HALF}, SIGNS[2], True),
        ({"found": Probe(**{**NOTHING, "moved": 0.1}), "lost": 2}, SIGNS[2], True),
        ({"found": Probe(**{**NOTHING, "sums": True})}, SIGNS[3], False),
        ({"found": Probe(**{**NOTHING, "sums": True}), "far": HALF}, SIGNS[3], True),
        ({"factor": 0.01}, SIGNS[4], False),
        ({"queries_won": 1}, SIGNS[5], True),
        ({"transfer_won": 1}, SIGNS[6], True),
        ({"far": HALF}, SIGNS[7], True),
        ({"falls": [(Case("linf", 0.1), 10, 20), (Case("linf", 0.2), 10, 20)]}, SIGNS[8], False),
        ({"falls": [(Case("linf", 0.1), 10, 20), (Case("linf", 0.2), 10, 20)], "far": HALF}, SIGNS[8], True),
        ({"short": 0.6}, SIGNS[9], False),
        ({"disputed": 3}, SIGNS[10], False),
    ],
)
def test_a_sign_is_found_and_is_as_grave_as_it_should_be(changes: dict[str, Any], name: str, grave: bool) -> None:
    known = said(**changes)
    assert known[name].found and known[name].grave == grave
    assert {sign.name for sign in known.values() if sign.found} <= {name, SIGNS[7]} and (
        known[SIGNS[7]].found == (changes.get("far") == HALF)
    )


@pytest.mark.parametrize(
    ("falls", "flat"),
    [
        ([(Case("linf", 0.1), 5, 9), (Case("linf", 0.2), 5, 9)], False),  # too few stand to say
        ([(Case("linf", 0.1), 5, 30), (Case("linf", 0.15), 5, 30)], False),  # hardly larger
        ([(Case("linf", 0.1), 5, 30), (Case("linf", 0.2), 6, 29)], False),
        ([(Case("linf", 0.1), 5, 30), (Case("l2", 1.0), 5, 30)], False),
        ([(Case("linf", 0.0), 0, 30), (Case("linf", 0.1), 0, 30)], False),
        ([(Case("linf", 0.1), 5, 30), (Case("l2", 0.5), 9, 26), (Case("linf", 0.3), 5, 30)], True),
        ([(Case("linf", 0.1), 0, 30), (Case("linf", 0.2), 0, 30)], True),
    ],
)
def test_a_larger_ball_should_fell_more(falls: list[tuple[Case, int, int]], flat: bool) -> None:
    assert said(falls=falls)[SIGNS[8]].found == flat


def test_a_random_network_is_not_accused_of_what_chance_explains() -> None:
    known = said(found=Probe(zero=0, finite=True, kept=0.0, turned=0.1, moved=0.3, sums=False), disputed=5)
    assert [name for name, sign in known.items() if sign.found] == ["random outputs"]


def test_the_names_are_those_that_other_modules_ask_for() -> None:
    assert trust.RANDOM in SIGNS
