from __future__ import annotations

from collections.abc import Sequence
from math import comb
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.auditing.baseline import check_balls, compare, pair, read_baseline
from hoodwink.auditing.records import AuditError, Case
from hoodwink.runs import RunError, write_json

BALL = Case("linf", 8 / 255)


def record(survivors: Sequence[int], hashes: Sequence[str], eps: float = BALL.eps, unfinished: int = 0) -> dict[str, Any]:
    """As much of a run.json as a comparison reads."""
    ball = {"case": {"norm": "linf", "eps": eps}, "survivors": list(survivors), "unfinished": unfinished}
    inputs = {"name": "some", "pictures": len(hashes), "hashes": list(hashes), "content_sha256": "".join(hashes)}
    return {"command": "audit", "inputs": [inputs], "result": {"by_eps": [ball]}}


def test_counts_of_a_hand_made_pair() -> None:
    names = [f"h{k}" for k in range(10)]
    (found,) = compare(record([0, 1, 2, 3, 4, 5, 6], names), record([0, 7], names))
    assert (found.case, found.pictures, found.before, found.now, found.lost, found.won) == (BALL, 10, 7, 2, 6, 1)
    assert found.p == pytest.approx((comb(7, 6) + comb(7, 7)) / 2**7)
    assert not found.real
    assert found.least < 0.5 < found.most
    assert found.words.startswith("linf 8/255: of 10 pictures 7 stood then, 2 now (6 lost, 1 won): no drop that chance does not explain")


@given(st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29)))
def test_a_drop_is_real_exactly_when_its_bound_says_so(then: set[int], now: set[int]) -> None:
    names = [str(k) for k in range(30)]
    (found,) = compare(record(sorted(then), names), record(sorted(now), names))
    (other,) = compare(record(sorted(now), names), record(sorted(then), names))
    assert found.before - found.now == found.lost - found.won
    assert found.least <= (found.lost - found.won) / 30 <= found.most
    assert found.real == (found.least > 1e-9)
    assert not (found.real and other.real)
    assert (other.lost, other.won) == (found.won, found.lost)


@pytest.mark.parametrize(("lost", "real"), [(4, False), (5, True)])
def test_five_of_five_are_enough(lost: int, real: bool) -> None:
    names = [str(k) for k in range(20)]
    (found,) = compare(record(range(20), names), record(range(lost, 20), names))
    assert found.p == pytest.approx(2.0**-lost)
    assert found.real == real
    assert ("a real drop" in found.words) == real


def test_nothing_changed() -> None:
    names = ["a", "b"]
    (found,) = compare(record([0], names), record([0], names, unfinished=1))
    assert (found.p, found.least, found.most) == (1.0, 0.0, 0.0)
    assert "no picture changed sides" in found.words
    assert found.words.endswith("1 of now are unfinished and count as standing")


def test_only_common_pictures_in_any_order_and_twice_as_often_as_both_have_them() -> None:
    then, now = {"pictures": 4, "hashes": ["a", "b", "b", "c"]}, {"pictures": 4, "hashes": ["b", "d", "a", "b"]}
    assert pair(then, now) == [(1, 0), (0, 2), (2, 3)]


def test_without_hashes_the_same_content() -> None:
    same = {"pictures": 2, "content_sha256": "x"}
    assert pair(same, dict(same)) == [(0, 0), (1, 1)]
    with pytest.raises(AuditError, match="other pictures"):
        pair(same, {"pictures": 2, "content_sha256": "y", "name": "cifar10"})
    with pytest.raises(AuditError, match="other pictures"):
        pair({"pictures": 2}, {"pictures": 2})


def test_other_balls_are_said() -> None:
    with pytest.raises(AuditError, match="linf 8/255; asked are linf 4/255"):
        check_balls(record([], ["a"]), [Case("linf", 4 / 255)])
    with pytest.raises(AuditError, match="asked are linf 4/255"):
        compare(record([], ["a"]), record([], ["a"], eps=4 / 255))


def test_a_baseline_is_a_folder_or_its_record(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", record([0], ["a"]))
    assert read_baseline(tmp_path) == read_baseline(tmp_path / "run.json") == record([0], ["a"])
    write_json(tmp_path / "other.json", {"command": "fool"})
    write_json(tmp_path / "unfinished.json", {"command": "audit"})
    write_json(tmp_path / "list.json", [])
    for name in ("other", "unfinished", "list"):
        with pytest.raises(AuditError, match="of a finished audit"):
            read_baseline(tmp_path / f"{name}.json")
    with pytest.raises(RunError, match="cannot be read"):
        read_baseline(tmp_path / "absent.json")
