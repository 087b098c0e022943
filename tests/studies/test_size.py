from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data.load import load
from hoodwink.data.subset import balanced
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.record import StudyError
from hoodwink.studies.size import SIZE, run, straight, tell


@given(st.floats(-9, 9), st.floats(-9, 9), st.lists(st.integers(-50, 50), min_size=2, max_size=9, unique=True))
def test_a_straight_line_is_found_again(slope: float, start: float, xs: list[int]) -> None:
    found = straight(xs, [slope * x + start for x in xs])
    assert found == pytest.approx((slope, start), abs=1e-8)


def test_the_line_is_that_of_least_squares() -> None:
    xs, ys = (1.0, 2.0, 4.0, 7.0), (1.5, 1.0, 6.0, 6.5)
    assert straight(xs, ys) == pytest.approx(tuple(np.polyfit(xs, ys, 1)))
    with pytest.raises(StudyError, match="two different numbers of examples"):
        straight((5, 5), (1.0, 2.0))


def test_each_size_is_trained_and_all_of_them_too(tmp_path: Path) -> None:
    source, everything = SIZE.lines
    quick: dict[str, Any] = {"data": "digits-28", "epochs": 1}
    first = run(Desk("source", {**source.settings, **quick, "totals": (50, 20)}, 0, tmp_path / "a"))
    assert list(first.series) == ["loss, 50 examples", "loss, 20 examples"]
    slope, start = straight((50, 20), [first.times["seconds, 50 examples"], first.times["seconds, 20 examples"]])
    assert first.times["seconds for all, predicted"] == pytest.approx(slope * 1137 + start)
    second = run(Desk("all", {**everything.settings, **quick}, 0, tmp_path / "b"))
    assert list(second.series) == ["loss, 1137 examples"] and "seconds for all, predicted" not in second.times
    assert second.values["test accuracy, most examples"] == second.values["test accuracy, 1137 examples"]


def test_the_sets_of_the_study_are_balanced() -> None:
    labels = torch.from_numpy(load("digits-28:train").labels)
    for total in (100, 400):
        chosen = labels[balanced(labels, total, classes=10, seed=0)]
        assert torch.bincount(chosen).tolist() == [total // 10] * 10


def test_what_was_predicted_is_compared_with_what_was_measured() -> None:
    def found(totals: tuple[int, ...], second: float, **more: float) -> Found:
        values = {f"test accuracy, {n} examples": 1 - 1 / n for n in totals}
        return Found(values, {f"seconds, {n} examples": second * n for n in totals} | more, {f"loss, {n} examples": [1.0] for n in totals})

    settings = {"epochs": 100}
    source = found((500, 1000), 0.01, **{"seconds for all, predicted": 600.0})
    answers = {
        "source": Answer(SIZE.lines[0], settings, (source,)),
        "all": Answer(SIZE.lines[1], settings, (found((60_000,), 0.02),)),
    }
    findings = tell(answers).findings
    assert "predicts 10.0 minutes for 60,000 examples x 100 epochs" in findings[1] and "2.00 times the prediction" in findings[1]
    assert "100 microseconds an example and epoch" in findings[0]
    assert "60.0 times the examples of the largest set leave 0.02 times its errors" in findings[2]
