from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hoodwink.runs import Run
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.names_batches import BEHIND, EPOCH, HELD, LOSS, NAMES_BATCHES, RATE, RIGHT, choose, learn, run, tell

LINES = {line.name: line for line in NAMES_BATCHES.lines}


def desk(line: str, folder: Path, **settings: Any) -> Desk:
    small = {"hidden": 4, "epochs": 1, **settings}
    return Desk(line, {**LINES[line].resolved(True, {}), **small}, 0, folder / line)


def test_the_rate_with_the_lowest_loss_on_held_out_names_is_chosen(tmp_path: Path) -> None:
    rate, losses = choose(desk("batch-10", tmp_path, once=False, validation=300), 10, (1e-6, 0.02, 1e-5), 2)
    assert rate == 0.02 and losses[1] == min(losses) and len(set(losses)) == 3
    tried = [Run.open(path).record["settings"] for path in sorted((tmp_path / "shared-0").iterdir())]
    assert {(one["validation"], one["split"], one["keep"]) for one in tried} == {(300, "", "last")}, "no test name plays a part"


def test_then_all_training_names_are_learned_and_the_test_names_give_the_curve(tmp_path: Path) -> None:
    found = run(desk("batch-30", tmp_path, beside=0, epochs=2))
    record = learn(desk("batch-30", tmp_path, epochs=2), 30, found.values[RATE]).record
    assert (record["settings"]["validation"], record["settings"]["split"], record["result"]["epochs"]) == (0, "test", 2)
    assert found.series["test loss"][-1] == found.values[LOSS] == record["result"]["last"]["test_loss"]
    assert found.series["test accuracy"][-1] == found.values[RIGHT] == 1 - found.series["test error"][-1]
    assert BEHIND not in found.values


def test_a_line_is_set_beside_the_very_network_of_batch_1(tmp_path: Path) -> None:
    rates = {"beside_rates": (0.001, 0.01)}
    one = run(desk("batch-1", tmp_path, rates=(0.001, 0.01), **rates))
    trained = sorted(path.name for path in (tmp_path / "shared-0").iterdir())
    ten = run(desk("batch-10", tmp_path, **rates))
    added = {path.name for path in (tmp_path / "shared-0").iterdir()} - set(trained)
    assert ten.values[BEHIND] == pytest.approx(100 * (one.values[RIGHT] - ten.values[RIGHT]))
    assert len(added) == 4 and all(name.startswith("batch-10-") for name in added), "nothing of batch 1 is trained again"


def test_the_lines_know_the_rates_and_epochs_of_batch_1() -> None:
    first = LINES["batch-1"].settings
    for line in LINES.values():
        assert (line.settings["beside_rates"], line.settings["beside_tried"]) == (first["rates"], first["tried"])
        assert line.settings["epochs"] == first["epochs"] and line.settings["hidden"] == 200 and line.settings["layers"] == 1
        assert line.settings["beside"] == (0 if line.name == "batch-1" else 1)


def answer(line: str, rate: float, behind: float | None) -> Answer:
    settings = {**LINES[line].settings, "epochs": 2}
    values = {RIGHT: 0.8, LOSS: 0.6, RATE: rate} | ({} if behind is None else {BEHIND: behind})
    curves = {
        "training loss": [2, 1],
        "training error": [0.5, 0.1],
        "test loss": [0.5, 0.6],
        "test error": [0.3, 0.2],
        "test accuracy": [0.7, 0.8],
    }
    return Answer(LINES[line], settings, (Found(values, {EPOCH: 12.0 / settings["batch"]}, {**curves, HELD: [1.0, 0.5, 0.7]}),))


def test_sentences_say_what_the_numbers_are() -> None:
    tried = LINES["batch-1"].settings["rates"]
    found = {
        "batch-1": answer("batch-1", tried[0], None),
        "batch-10": answer("batch-10", LINES["batch-10"].settings["rates"][1], 1.5),
        "batch-30": answer("batch-30", LINES["batch-30"].settings["rates"][2], -0.5),
    }
    told = tell(found).findings
    assert "batch-10 1.5 points behind batch-1 and batch-30 0.5 points ahead of batch-1" in told[0]
    assert f"batch-1 {tried[0]:g} of" in told[1] and told[1].count("(the smallest or largest with 1 of 1 seeds)") == 2
    assert "10.0 times as fast with batch-10 and 30.0 times as fast with batch-30" in told[2]
    assert "the test loss is lowest after epoch 1 of 2, 0.500, and ends at 0.600" in told[3]
    assert "error is lowest after epoch 2, 20.0%, and ends at 20.0%, the training error at 10.0%" in told[3]
