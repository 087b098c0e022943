from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hoodwink.models.load import load_model
from hoodwink.models.sample import sample_pictures
from hoodwink.studies.desk import Desk
from hoodwink.studies.gan import GAN, WATCHED, run
from hoodwink.studies.gan_figures import DISTANCE, ENTROPY, MODES, shown_epochs
from hoodwink.studies.generated import class_shares, entropy, modes, trained_judge

LINE = GAN.lines[0]


def test_what_is_counted_is_what_a_classifier_says_of_the_samples(tmp_path: Path) -> None:
    desk = Desk("source", LINE.resolved(True, {"epochs": 2, "samples": 60, "judge_epochs": 1}), 0, tmp_path / "source-0")
    found = run(desk)
    model = load_model(desk.folder / "network")
    made = sample_pictures(model, 60, seed=0)
    assert np.array_equal(found.pictures["made"], made[: desk["shown"]])
    shares = class_shares(trained_judge(desk).look(made)[0])
    assert found.series["shares"] == shares.tolist() and sum(shares) == pytest.approx(1)
    assert found.values[ENTROPY] == entropy(shares) and found.values[MODES] == modes(shares)
    assert found.values[DISTANCE] > found.values[f"{DISTANCE} of real pictures"]
    lines = [json.loads(line) for line in (desk.folder / WATCHED).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2] and [line["shares"] for line in lines] == found.series["shares by epoch"]
    again = run(desk)
    assert again.values == found.values and again.series == found.series, "a finished training is only read"


def test_epochs_that_are_shown() -> None:
    assert shown_epochs(20) == [0, 1, 5, 10, 20] and shown_epochs(2) == [0, 1, 2] and shown_epochs(1) == [0, 1]
