from __future__ import annotations

import numpy as np
import pytest

from hoodwink.evidence.judge import judge
from hoodwink.fooling import fool
from hoodwink.pictures.levels import Levels
from hoodwink.studies.fool_photo import FOOL_PHOTO, ascend
from tiny_nets import colours


def reddish() -> Levels:
    levels = np.random.default_rng(0).integers(90, 130, (11, 14, 3), dtype=np.uint8)
    levels[..., 0] += 40
    return levels


def test_the_climb_alone_ends_with_a_file_that_holds() -> None:
    model, levels = colours(), reddish()
    changed, history, gradients = ascend(model, levels, "blue", 0.8, 100)
    assert judge(levels, model).label == "red" and judge(changed, model).confidence("blue") >= 0.8
    values = [step.objective for step in history]
    assert values == sorted(values) and history[-1].gradients <= gradients <= 100
    assert judge(changed, model).log_odds("blue") == pytest.approx(values[-1], abs=1e-4), "memory and file agree"


def test_the_climb_alone_is_the_way_up_of_the_main_job() -> None:
    model, levels = colours(), reddish()
    _, history, gradients = ascend(model, levels, "blue", 0.8, 100)
    whole = fool(levels, target="blue", model=model, confidence=0.8, steps=100)
    assert [step for step in whole.history if step.phase == "climb"] == list(history)
    assert whole.l2 <= history[-1].distance and whole.gradients >= gradients


def test_each_line_must_hold_from_the_file_and_never_fall() -> None:
    for line in FOOL_PHOTO.lines:
        marks = {mark.measure: mark for mark in line.marks}
        assert marks["confidence from the file"].holds(0.9) and not marks["confidence from the file"].holds(0.8999)
        assert marks["largest fall of the objective"].holds(0.0) and not marks["largest fall of the objective"].holds(1e-9)
