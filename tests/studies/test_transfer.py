from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hoodwink.runs import Run
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.transfer import ACCURACY, FEATURES, TRAINING, TRANSFER, ahead, numbers, overtaken, run

LINES = {line.name: line for line in TRANSFER.lines}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "cache"))


def answer(accuracy: float, curve: list[float], seconds: list[float], features: float, epochs: int = 3) -> Answer:
    times = {FEATURES: features, TRAINING: seconds[-1]}
    found = Found({ACCURACY: accuracy}, times, {"validation accuracy": curve, "seconds": seconds})
    return Answer(TRANSFER.lines[0], {"epochs": epochs}, (found,))


def test_both_ways_see_the_same_pictures_as_often() -> None:
    for one, other in (("dogs-features", "dogs-pixels"), ("cifar-features", "cifar-pixels")):
        alike = ("data", "split", "validation", "subset", "epochs")
        assert [LINES[one].settings[name] for name in alike] == [LINES[other].settings[name] for name in alike]


def desk(line: str, folder: Path, **changes: Any) -> Desk:
    return Desk(line, {**LINES[line].resolved(True, {}), **changes}, 0, folder / line)


def test_what_features_cost_is_counted_though_they_were_there(tmp_path: Path) -> None:
    first, again = (run(desk("cifar-features", tmp_path / which)) for which in ("first", "again"))
    assert first.values == again.values and first.times[FEATURES] == again.times[FEATURES] > 0
    trained = Run.open(tmp_path / "first" / "cifar-features" / "network").record
    assert first.times[FEATURES] == trained["features"]["seconds"]["train"] + trained["features"]["seconds"]["validation"]
    assert (tmp_path / "first" / "shared-0" / "backbone" / "card.json").is_file() and len(first.series["seconds"]) == 2


def test_pixels_have_no_features(tmp_path: Path) -> None:
    found = run(desk("cifar-pixels", tmp_path, epochs=1))
    assert found.times[FEATURES] == 0 and found.times[TRAINING] > 0
    record = Run.open(tmp_path / "cifar-pixels" / "network").record
    assert "features" not in record and record["settings"]["network"] == "residual"


def test_when_one_overtakes_the_other_is_read_from_the_curves() -> None:
    quick = answer(0.9, [0.4, 0.6, 0.8], [0.5, 1.0, 1.5], 30.0)
    slow = answer(0.55, [0.2, 0.58, 0.5], [20.0, 40.0, 60.0], 0.0)
    answers = {"quick": quick, "slow": slow}
    said = overtaken(answers, "quick", "slow")
    assert said == (
        "What slow reaches on the validation pictures in 60 s, 58.0 %, quick has after 1.00 s of training, or 31 s with its features."
    )
    assert overtaken(answers, "slow", "quick").startswith("slow never has the 80.0 % of the validation pictures right that quick has")
    assert ahead(answers, "quick", "slow") == "35.0 points ahead of slow" and ahead(answers, "slow", "quick") == "35.0 points behind quick"


def test_the_table_adds_up() -> None:
    (row,) = numbers({"quick": answer(0.9, [0.4], [1.5], 30.0)}).rows
    assert row == ["quick", "3", "30.0", "1.5", "31.5", "90.0 +- 0.0 %"]
