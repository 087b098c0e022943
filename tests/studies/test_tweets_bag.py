from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.data.texts import TextSet
from hoodwink.models.build import build
from hoodwink.networks.sequences import Bag
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.tweets_bag import (
    BAG,
    EVERY,
    HAND,
    KNOWN,
    TEST,
    TWEETS_BAG,
    between,
    commonest,
    drawn,
    gain,
    known_share,
    run,
    sure,
)
from hoodwink.texts.readers import WordReader

LINES = {line.name: line for line in TWEETS_BAG.lines}


def answer(*shares: float, line: str = "source", epochs: int = 10) -> Answer:
    curves = {f"{which} accuracy": [0.5] * epochs for which in ("training", "validation")}
    series: dict[str, Any] = {"texts": {TEST: 4000, HAND: 359}, **curves}
    return Answer(LINES[line], {**LINES[line].settings, "epochs": epochs}, tuple(Found({TEST: p, HAND: p}, series=series) for p in shares))


def test_the_course_s_network_has_so_many_weights() -> None:
    recipe = BAG.changed(LINES["source"].settings)
    network = build(recipe.network, recipe.arguments)
    assert isinstance(network, Bag) and not network.mean
    trained = sum(value.numel() for value in network.parameters() if value.requires_grad)
    assert trained == (50 + 1) * 30 + (30 + 1) * 10 + (10 + 1) * 2


@pytest.mark.parametrize(("line", "cut", "mean", "fixed"), [("source", "blanks", False, True), ("better", "words", True, False)])
def test_settings_reach_the_recipe(line: str, cut: str, mean: bool, fixed: bool) -> None:
    recipe = BAG.changed(LINES[line].settings)
    assert (recipe.reading.cut, recipe.arguments["mean"], recipe.arguments["fixed"]) == (cut, mean, fixed)
    assert recipe.split == "", "the held out are those of the training texts"
    assert recipe.reading.vectors == "glove-50" and recipe.keep == "last"


def test_one_thing_is_changed_at_a_time() -> None:
    source = LINES["source"].settings
    for line, changed in {"mean": {"mean"}, "words": {"cut"}}.items():
        assert {key for key, value in LINES[line].settings.items() if value != source[key]} == changed


def test_known_words_are_counted_as_often_as_they_occur() -> None:
    texts = ["good day", "Good, bad good"]
    reader = {cut: WordReader(("good", "bad"), cut) for cut in ("blanks", "words")}
    assert known_share(texts, reader["blanks"], "blanks") == 3 / 5  # "Good," is none
    assert known_share(texts, reader["words"], "words") == 4 / 6  # the comma is a word of its own


def test_the_commonest_class() -> None:
    assert commonest(TextSet("some", None, ("a", "b", "c", "d"), np.array([1, 0, 1, 1]), ("negative", "positive"))) == 0.75


def test_bounds_are_about_those_of_the_normal_distribution() -> None:
    for measure, count in ((TEST, 4000), (HAND, 359)):
        low, high = between(answer(0.7, 0.8), measure)
        half = 1.96 * (0.75 * 0.25 / count) ** 0.5
        assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=2 / count)
    assert sure(answer(0.7, 0.8), HAND).startswith("75.0 % (70.")
    low, high = between(answer(1.0), HAND)
    assert high == 1 and low == pytest.approx(0.025 ** (1 / 359)), "all right: p^n = 2.5 %"


def test_a_gain_is_said_with_the_seeds_that_show_it() -> None:
    answers = {"one": answer(0.5, 0.625, 0.75), "other": answer(0.5, 0.5, 0.5)}
    assert gain(answers, "one", "other") == "+12.5 points against other (ahead in 2 of 3 seeds)"
    assert gain(answers, "other", "one") == "-12.5 points against one (ahead in 0 of 3 seeds)"


@pytest.mark.parametrize(("epochs", "shown"), [(EVERY - 1, [1, 2, 3, 4]), (2 * EVERY + 1, [5, 10])])
def test_every_fifth_epoch_is_shown(epochs: int, shown: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    monkeypatch.setattr("hoodwink.studies.tweets_bag.curve", lambda panel, xs, *rest, **how: seen.append(list(xs)))
    assert drawn({"source": answer(0.5, epochs=epochs)}).png and seen == [shown, shown]


def test_the_network_judged_by_hand_labels_is_the_trained_one(tmp_path: Path) -> None:
    # On made tweets a word decides: trained long enough the bag knows all of them, and the words that are known are those with vectors.
    settings = LINES["both"].resolved(True, {})
    found = run(Desk("both", settings, 0, tmp_path))
    assert found.values[TEST] > 0.95 and found.values[HAND] > 0.95 and 0.9 < found.values[KNOWN] < 1
    assert found.series["texts"] == {TEST: 200, HAND: 100} and len(found.series["training accuracy"]) == settings["epochs"]
    untaught = run(Desk("both", settings | {"rate": 1e-9}, 0, tmp_path / "untaught"))
    assert untaught.values[HAND] < 0.8
