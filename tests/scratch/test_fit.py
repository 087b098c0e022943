from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hoodwink.scratch.classifier import Classifier, ScratchError, make_classifier
from hoodwink.scratch.fit import Epoch, Settings, _Batches, fit, rate_at

Set = tuple[Any, Any]


@pytest.fixture(scope="module")
def digits() -> tuple[Set, Set]:
    """Training and validation pictures, uint8 N x 8 x 8 x 1, and labels."""
    data = load_digits()
    pictures = (data.images * 15.9).astype(np.uint8)[..., None]
    order = np.random.default_rng(0).permutation(len(pictures))  # the last in the file are of other writers
    first, last = order[:1400], order[1400:]
    return (pictures[first], data.target[first]), (pictures[last], data.target[last])


def small(**more: Any) -> Classifier:
    return make_classifier((8, 8, 1), 10, **{"mean": 0.3, "std": 0.37} | more)


@pytest.mark.parametrize(
    ("hidden", "settings", "floor"),
    [
        ((), Settings(epochs=10, rate=0.1), 0.88),
        ((64,), Settings(epochs=10, rate=0.1, momentum=0.9, schedule="cosine", decay=1.0, reg=1e-4), 0.94),
        ((32, 32), Settings(epochs=15, batch=32, rate=0.05, momentum=0.9, schedule="step", decay=1.0, shift=1), 0.92),
    ],
)
def test_it_learns_digits(digits: tuple[Set, Set], hidden: tuple[int, ...], settings: Settings, floor: float) -> None:
    (pictures, labels), validation = digits
    classifier = small(hidden=hidden, scale="he" if hidden else 1e-3)
    fitted = fit(classifier, pictures, labels, settings, validation=validation)
    scores = [epoch.validation or 0 for epoch in fitted.epochs]
    assert max(scores) > floor
    assert fitted.best.accuracy(fitted.best.normalise(validation[0]), validation[1]) == max(scores)
    assert fitted.last.accuracy(fitted.last.normalise(validation[0]), validation[1]) == scores[-1]
    assert fitted.epochs[-1].loss < fitted.epochs[0].loss / 2
    assert fitted.epochs[-1].accuracy > 0.85


def test_the_same_again_and_otherwise_with_another_seed(digits: tuple[Set, Set]) -> None:
    (pictures, labels), validation = digits
    settings = Settings(epochs=2, rate=0.1, momentum=0.5, flip=True, shift=1, reg=1e-3)
    start = small(hidden=(16,), scale="he")
    kept = start.copy()
    runs = [fit(start, pictures[:300], labels[:300], one, validation=validation) for one in (settings, settings, replace(settings, seed=1))]
    assert runs[0].epochs == runs[1].epochs != runs[2].epochs
    assert (runs[0].last.weights[0] == runs[1].last.weights[0]).all()
    assert (runs[0].last.weights[0] != runs[2].last.weights[0]).any()
    assert all((one == other).all() for one, other in zip(start.weights, kept.weights, strict=True))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("reg", [0.0, 0.2])
def test_two_epochs_are_the_textbooks_steps(digits: tuple[Set, Set], momentum: float, reg: float) -> None:
    (pictures, labels), _ = digits
    settings = Settings(epochs=2, batch=7, rate=0.05, decay=0.5, momentum=momentum, reg=reg, seed=3)
    start = small(hidden=(5,), scale="he", dtype="float64")
    fitted = fit(start, pictures[:20], labels[:20], settings)
    ours, x = start.copy(), start.normalise(pictures[:20])
    speeds = [np.zeros_like(one) for one in (*ours.weights, *ours.biases)]
    for number in range(2):
        order, total = np.random.default_rng((3, number)).permutation(20), 0.0
        for rows in (order[:7], order[7:14], order[14:]):
            loss, gradients = ours.loss_and_gradients(x[rows], labels[rows], reg)
            total += loss * len(rows) / 20
            for one, slope, speed in zip((*ours.weights, *ours.biases), (*gradients.weights, *gradients.biases), speeds, strict=True):
                speed[:] = momentum * speed + slope
                one -= 0.05 * 0.5**number * speed
        assert fitted.epochs[number].loss == pytest.approx(total)
    for one, other in zip((*fitted.last.weights, *fitted.last.biases), (*ours.weights, *ours.biases), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_blocks_are_no_other_than_the_whole(monkeypatch: pytest.MonkeyPatch, digits: tuple[Set, Set]) -> None:
    (pictures, labels), _ = digits
    settings = Settings(epochs=1, rate=0.1, momentum=0.9, reg=0.1)
    whole = fit(small(), pictures[:256], labels[:256], settings)
    monkeypatch.setattr("hoodwink.scratch.fit._BLOCK", 37)
    parts = fit(small(), pictures[:256], labels[:256], settings)
    assert (whole.last.weights[0] == parts.last.weights[0]).all()


def test_the_rates() -> None:
    flat = Settings(epochs=10, rate=2.0, decay=0.5)
    assert [rate_at(flat, epoch) for epoch in (0, 0.9, 1, 2.5)] == [2, 2, 1, 0.5]
    step = replace(flat, decay=1.0, schedule="step")
    assert [rate_at(step, epoch) for epoch in (0, 4.9, 5, 7.5, 9)] == pytest.approx([2, 2, 0.2, 0.02, 0.02])
    cosine = replace(flat, decay=1.0, schedule="cosine")
    assert [rate_at(cosine, epoch) for epoch in (0, 5, 10)] == pytest.approx([2, 1, 0])


def test_batches_are_shifted_and_mirrored() -> None:
    classifier = make_classifier((5, 4, 3), 2, mean=0, std=1 / 255)
    pictures = np.random.default_rng(0).integers(1, 256, (6, 5, 4, 3), dtype=np.uint8)
    x = classifier.normalise(pictures)
    plain, rows = _Batches(x, classifier.shape, Settings()), np.array([4, 4, 0])
    np.testing.assert_allclose(plain.take(rows, np.random.default_rng(0)), pictures[rows].reshape(3, -1), rtol=1e-5)
    both = _Batches(x, classifier.shape, Settings(flip=True, shift=1))
    wide = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)))
    seen = set()
    for seed in range(60):
        came = both.take(np.array([2]), np.random.default_rng(seed)).reshape(5, 4, 3)
        ways = [
            (down, right, side)
            for down in range(3)
            for right in range(3)
            for side in (1, -1)
            if np.allclose(came, wide[2, down : down + 5, right : right + 4][:, ::side], rtol=1e-5)
        ]
        assert len(ways) == 1
        seen.update(ways)
    assert len(seen) == 18
    np.testing.assert_allclose(x, pictures.reshape(6, -1), rtol=1e-5)


def test_each_epoch_is_told(digits: tuple[Set, Set]) -> None:
    (pictures, labels), _ = digits
    told: list[Epoch] = []
    fitted = fit(small(), pictures[:100], labels[:100], Settings(epochs=3, rate=0.1), after=told.append)
    assert tuple(told) == fitted.epochs
    assert [one.number for one in told] == [0, 1, 2]
    assert fitted.best is fitted.last
    assert told[0].validation is None
    json.dumps([vars(one) for one in told])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epochs": 0}, "epochs and batch must be 1 or more"),
        ({"rate": 0.0}, "rate and decay must be above 0"),
        ({"schedule": "sine"}, "schedule must be one of constant, step, cosine; sine came"),
        ({"momentum": 1.0}, "momentum must be from 0 to under 1"),
        ({"shift": -1}, "reg and shift must be 0 or more"),
    ],
)
def test_settings_that_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ScratchError, match=says):
        Settings(**change)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_trained_on(digits: tuple[Set, Set]) -> None:
    (pictures, labels), _ = digits
    with pytest.raises(ScratchError, match=r"1400 pictures and labels of shape \(3,\)"):
        fit(small(), pictures, labels[:3], Settings())
    with pytest.raises(ScratchError, match="0 pictures"):
        fit(small(), pictures[:0], labels[:0], Settings())
    with pytest.raises(ScratchError, match=r"no longer finite in epoch \d+ at a rate of 1e\+20; give a smaller rate"):
        fit(small(hidden=(8,), scale="he"), pictures[:300], labels[:300], Settings(rate=1e20))
