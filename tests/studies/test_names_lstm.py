from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data.texts import load_texts
from hoodwink.models.build import build
from hoodwink.runs import Run
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.names_figures import (
    EACH,
    LSTMS,
    MEMORY,
    NEW,
    REPEATED,
    RIGHT,
    SHARE,
    SHOWN,
    by_class,
    by_language,
    confusion,
    per_cent,
    table,
    total,
)
from hoodwink.studies.names_lstm import NAMES_LSTM, RECIPES, look_up, run, tell

LINES = {line.name: line for line in NAMES_LSTM.lines}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_confusions_are_counted_one_by_one(pairs: list[tuple[int, int]]) -> None:
    labels, answers = (np.array(one) for one in zip(*pairs, strict=True))
    counts = confusion(labels, answers, 4)
    assert counts.tolist() == [[pairs.count((row, column)) for column in range(4)] for row in range(4)]
    for k, share in enumerate(by_class(counts)):
        mine = [answer for label, answer in pairs if label == k]
        assert share == pytest.approx(mine.count(k) / len(mine) if mine else 0.0)


def test_memory_answers_with_the_most_frequent_class_of_a_name_s_ascii_letters() -> None:
    learned, labels = ["B\u00e9la", "Bela", "O'Neal ", "Stra\u00dfe", "B\u00c9la", "Bela"], [3, 1, 2, 0, 5, 1]
    assert look_up(learned, labels, ["Bela", "O'Neal", "Strasse", "bela", "Neal"]).tolist() == [1, 2, 0, -1, -1]
    assert look_up([], [], ["Bela"]).tolist() == [-1]


@pytest.mark.parametrize("line", LINES)
def test_settings_reach_the_recipe_and_its_network_can_be_built(line: str) -> None:
    settings = LINES[line].settings
    recipe = RECIPES[settings["network"]].changed(settings)
    assert all(getattr(recipe, key, settings[key]) == settings[key] for key in settings)
    assert recipe.reading.unit == "letters" and recipe.reading.once is (line == "once")
    network = build(recipe.network, recipe.arguments)
    if line in LSTMS.values():
        layers, hidden = next(key for key, value in LSTMS.items() if value == line)
        # Four gates, each with weights from below and from before and two biases.
        wanted = sum(4 * hidden * ((59 if k == 0 else hidden) + hidden + 2) for k in range(layers)) + 18 * (hidden + 1)
        assert sum(value.numel() for value in network.parameters()) == wanted


def test_the_tutorial_s_network_learns_about_100_000_names_one_at_a_time() -> None:
    recipe = RECIPES["letter-rnn"].changed(LINES["letter-rnn"].settings)
    assert recipe.epochs * 14_035 == pytest.approx(100_000, rel=0.02)
    assert (recipe.batch, recipe.optimiser, recipe.rate, recipe.validation, recipe.arguments) == (1, "sgd", 0.005, 0, {"hidden": 128})


@pytest.mark.parametrize("line", [SHOWN, "once"])
def test_a_line_counts_what_its_training_measured(line: str, tmp_path: Path) -> None:
    settings = LINES[line].resolved(True, {})
    found = run(Desk(line, settings, 0, tmp_path))
    result, counts = Run.open(tmp_path / "network").record["result"], found.pictures["confusion"]
    test = load_texts(f"made-names:test{'-once' * settings['once']}")
    assert counts.sum(1).tolist() == np.bincount(np.asarray(test.labels), minlength=3).tolist()
    assert found.values[RIGHT] == pytest.approx(counts.trace() / counts.sum()) == pytest.approx(result["best"]["test_accuracy"])
    assert (REPEATED in found.values) is (MEMORY in found.values) is not settings["once"]
    share = found.values[SHARE]
    assert found.values[RIGHT] == pytest.approx(share * found.values.get(REPEATED, 0.0) + (1 - share) * found.values[NEW])


def answer(line: str, counts: list[list[int]], **values: float) -> Answer:
    array = np.array(counts)
    numbers = {RIGHT: array.trace() / array.sum(), EACH: sum(by_class(array)) / len(array), NEW: 0.5, SHARE: 0.25, "parameters": 1.0}
    series = {"languages": ["Ayan", "Bee"], "accuracy by language": by_class(array)}
    found = Found({**numbers, REPEATED: 0.9, MEMORY: 0.7, **values}, {"seconds of training": 1.0}, series, {"confusion": array})
    return Answer(LINES[line], LINES[line].settings, (found, found))


def answers(**others: Any) -> dict[str, Answer]:
    return {line: others.get(line, answer(line, [[60, 20], [15, 5]])) for line in LINES}


def test_sentences_say_what_the_numbers_are() -> None:
    told = " ".join(tell(answers(once=answer("once", [[10, 0], [20, 20]]), better=answer("better", [[80, 0], [10, 10]]))).findings)
    assert "Ayan makes up 80.0% of the test names" in told
    assert f"{SHOWN} has 65.0% of all names right but, counting every language the same, 50.0%" in told
    assert "the most frequent error is a name from Ayan taken for Bee (57.1% of all errors)" in told
    assert "another one is Bee, of whose names 75% are taken for Ayan and 25% recognised" in told
    assert "the better line 90.0%, 25.0 points above" in told
    assert "25.0% of the test names stand among the training names" in told and "change its score by +15.0 points" in told
    assert "among the training names, has 70.0% of the repeated ones right" in told
    assert "gives 60.0%, 5.0 points less" in told and "Ayan names go: 80.0% of the test names with repeats, 20.0% without" in told
    assert "83% is reached by none of them" in told


def test_tables_have_all_lines_and_the_count_of_one_seed() -> None:
    found = answers()
    assert [row[0] for row in table(found).rows] == list(LINES)
    assert total(found[SHOWN]).tolist() == [[120, 40], [30, 10]]
    assert by_language(found).rows[0][1] == "75 of 80"
    assert per_cent(found[SHOWN], RIGHT) == "65.0 +- 0.0" and per_cent(found[SHOWN], "nothing") == ""
