from __future__ import annotations

from pathlib import Path

import numpy as np

from hoodwink.data.load import load
from hoodwink.scratch.classifier import load_classifier
from hoodwink.studies.desk import Desk
from hoodwink.studies.scratch_hidden import SCRATCH_HIDDEN
from hoodwink.studies.scratch_linear import FILE


def test_the_source_is_the_course_s() -> None:
    source = SCRATCH_HIDDEN.lines[0].settings
    assert {"hidden": (1000,), "rate": 0.1, "scale": 1e-3, "decay": 0.9, "batch": 128, "epochs": 20, "reg": 0.0}.items() <= source.items()
    assert not source["flip"] and not source["shift"] and not source["momentum"]


def test_every_line_keeps_a_classifier_that_answers_as_its_numbers_say(tmp_path: Path) -> None:
    test = load("digits-32:test")
    for line in SCRATCH_HIDDEN.lines:
        folder = tmp_path / line.name
        folder.mkdir()
        settings = line.resolved(True, {"hidden": (9, 8), "epochs": 2})
        found = SCRATCH_HIDDEN.run(Desk(line.name, settings, 0, folder))
        classifier = load_classifier(folder / FILE)
        assert classifier.sizes == (3072, 9, 8, 10)
        x = classifier.normalise(np.asarray(test.pictures))
        assert found.values["test accuracy"] == classifier.accuracy(x, np.asarray(test.labels))
        assert len(found.series["loss"]) == 2
