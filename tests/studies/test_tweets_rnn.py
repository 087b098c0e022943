from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hoodwink.models.build import build
from hoodwink.networks.sequences import SequenceClassifier
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.tweets_bag import HAND, TEST, TWEETS_BAG
from hoodwink.studies.tweets_rnn import FLOOR, RECIPES, TWEETS_RNN, run, tell

LINES = {line.name: line for line in TWEETS_RNN.lines}
CELL = {"rnn": 1, "lstm": 4, "gru": 3}  # matrices of weights for the word, and as many for the state


@pytest.mark.parametrize("line", [line for line, record in LINES.items() if record.settings["network"] == "sequence"])
def test_networks_are_those_that_are_told(line: str) -> None:
    recipe = RECIPES["sequence"].changed(LINES[line].settings)
    network = build(recipe.network, recipe.arguments)
    assert isinstance(network, SequenceClassifier)
    states, cell = 50 * (2 if recipe.arguments["read"] == "max+mean" else 1), recipe.arguments["cell"]
    trained = {name: value.numel() for name, value in network.named_parameters() if value.requires_grad and name != "table.rows"}
    assert sum(trained.values()) == CELL[cell] * (50 * 50 + 50 * 50 + 2 * 50) + (states + 1) * network.linear.out_features
    assert network.table.rows.requires_grad == line.startswith("learned")
    assert cell == ("lstm" if line == "learned-lstm" else line.removeprefix("better-"))


def test_the_source_s_settings() -> None:
    for line in ("rnn", "lstm"):
        recipe = RECIPES["sequence"].changed(LINES[line].settings)
        assert (recipe.rate, recipe.batch, recipe.epochs, recipe.arguments["read"]) == (2e-5, 32, 20, "last")
        assert (recipe.reading.grouping, recipe.arguments["dropout"], recipe.schedule) == ("equal", 0, "constant")


def test_the_bags_are_those_of_the_other_study() -> None:
    bags = {line.name: dict(line.settings) for line in TWEETS_BAG.lines}
    assert LINES["bag"].settings == bags["both"] | {"network": "bag"}
    assert LINES["learned-bag"].settings == bags["better"] | {"network": "bag"}


def test_the_floor_is_for_lines_that_remember() -> None:
    floored = {line for line, record in LINES.items() if any(mark.floor == FLOOR for mark in record.marks)}
    assert floored == {"better-lstm", "better-gru", "learned-lstm"}


def test_what_the_order_brings_is_said_from_the_numbers() -> None:
    shares = {line: 0.5 + 0.01 * place for place, line in enumerate(LINES)}  # better-lstm is the fourth, 53 %
    answers = {line: _answer(line, share) for line, share in shares.items()}
    text = " ".join(tell(answers).findings)
    assert "better-lstm +1.0 points against better-rnn (ahead in 2 of 2 seeds)" in text
    assert "better-lstm -2.0 points against bag (ahead in 0 of 2 seeds)" in text
    assert "always saying the commoner class would have 50.5 %" in text


def test_equal_lengths_train_and_are_judged_as_any_others(tmp_path: Path) -> None:
    settings = LINES["rnn"].resolved(True, {"rate": 0.003})
    torch.manual_seed(0)
    found = run(Desk("rnn", settings, 0, tmp_path))
    assert found.values[TEST] > 0.9 and found.values[HAND] > 0.9


def _answer(line: str, share: float) -> Answer:
    curve = [share] * LINES[line].settings["epochs"]
    series = {
        "texts": {TEST: 4000, HAND: 359},
        "commonest": {TEST: 0.505, HAND: 0.507},
        "training accuracy": curve,
        "validation accuracy": curve,
    }
    found = Found({TEST: share, HAND: share, "training accuracy": share}, {"seconds of training": 1.0}, series)
    return Answer(LINES[line], LINES[line].settings, (found, found))
