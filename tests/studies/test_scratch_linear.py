from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hoodwink.data.sets import DataSet
from hoodwink.scratch.classifier import load_classifier, make_classifier
from hoodwink.studies import scratch_linear
from hoodwink.studies.desk import Desk
from hoodwink.studies.record import StudyError
from hoodwink.studies.scratch_linear import FILE, SCRATCH_LINEAR, SETTINGS, framed, run

COUNTS = {"train": 30, "test": 20}


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, DataSet]:
    """Pictures of 2 x 3 x 3 in place of a data set."""
    generator = np.random.default_rng(0)
    sets = {
        split: DataSet("made", split, generator.integers(0, 256, (n, 2, 3, 3), dtype=np.uint8), generator.integers(0, 4, n), tuple("abcd"))
        for split, n in COUNTS.items()
    }
    monkeypatch.setattr(scratch_linear, "load", lambda spec: sets[spec.partition(":")[2]])
    return sets


def desk(folder: Path, **settings: object) -> Desk:
    return Desk("source", SETTINGS | {"validation": 10, "batch": 20, "epochs": 3, "rate": 0.5} | settings, 3, folder)


def test_the_epochs_are_those_of_a_few_lines_of_numpy_and_only_the_first_pictures_are_trained_on(
    tmp_path: Path, made: dict[str, DataSet]
) -> None:
    found = run(desk(tmp_path, decay=0.5))
    pictures, labels = np.asarray(made["train"].pictures), np.asarray(made["train"].labels)
    x = (pictures.reshape(30, -1) / 255 - 0.5) / 0.25
    w, b = make_classifier((2, 3, 3), 4, seed=3).weights[0].astype(float), np.zeros(4)
    losses, validation, kept = [], [], []
    for epoch in range(3):
        scores = x[:20] @ w + b  # one batch of all: its order does not matter
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        losses.append(-np.log(p[np.arange(20), labels[:20]]).mean())
        grad = (p - np.eye(4)[labels[:20]]) / 20
        w, b = w - 0.5 * 0.5**epoch * x[:20].T @ grad, b - 0.5 * 0.5**epoch * grad.sum(axis=0)
        validation.append(((x[20:] @ w + b).argmax(axis=1) == labels[20:]).mean())
        kept.append(w)
    np.testing.assert_allclose(found.series["loss"], losses, rtol=1e-5)
    np.testing.assert_allclose(found.series["validation accuracy"], validation)
    best = int(np.argmax(validation))
    np.testing.assert_allclose(load_classifier(tmp_path / FILE).weights[0], kept[best], rtol=1e-4, atol=1e-6)
    assert found.values["best epoch"] == best + 1


def test_what_is_judged_is_the_saved_file(tmp_path: Path, made: dict[str, DataSet]) -> None:
    found = run(desk(tmp_path))
    classifier = load_classifier(tmp_path / FILE)
    x = classifier.normalise(np.asarray(made["test"].pictures))
    assert found.values["test accuracy"] == classifier.accuracy(x, np.asarray(made["test"].labels))
    assert found.values["answers changed by saving"] == 0
    assert found.pictures["weights"].shape == (4, 2, 3, 3)


def test_the_penalty_is_half_reg_times_the_squares(tmp_path: Path) -> None:
    plain, penalised = (run(desk(tmp_path, reg=reg, epochs=1)).series["loss"][0] for reg in (0.0, 1000.0))
    weights = make_classifier((2, 3, 3), 4, seed=3).weights[0]
    assert penalised - plain == pytest.approx(500 * float((weights**2).sum()), rel=1e-3)


def test_a_validation_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="smaller validation"):
        run(desk(tmp_path, validation=30))


def test_the_source_is_the_course_s() -> None:
    source = SCRATCH_LINEAR.lines[0].settings
    wanted = {"validation": 10_000, "hidden": (), "scale": 1e-3, "batch": 128, "rate": 5e-3, "decay": 0.9, "epochs": 20, "reg": 0.0}
    assert wanted.items() <= source.items()


def test_weights_as_pictures_are_grey_where_they_are_0_and_stay_in_range() -> None:
    weights = np.random.default_rng(0).normal(size=(8, 8, 3))
    weights[2, 2] = 0
    picture = framed(weights)
    assert picture.shape == (8, 10, 3) and picture.min() >= 0 and picture.max() <= 1
    np.testing.assert_array_equal(picture[2, 3], 0.5)
