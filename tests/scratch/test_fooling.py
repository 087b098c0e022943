from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hoodwink.scratch.classifier import Classifier, ScratchError, make_classifier
from hoodwink.scratch.fit import Settings, fit
from hoodwink.scratch.fooling import Fooled, climb_target_loss, fool

Trained = tuple[Classifier, Any, Any]


@pytest.fixture(scope="module", params=[(), (32,)], ids=["linear", "hidden"])
def trained(request: pytest.FixtureRequest) -> Trained:
    """A classifier of digits, and the pictures that it calls rightly with their labels."""
    data = load_digits()
    pictures = (data.images * 15.9).astype(np.uint8)[..., None]
    start = make_classifier((8, 8, 1), 10, hidden=request.param, scale="he", mean=0.3, std=0.37)
    classifier = fit(start, pictures[:1000], data.target[:1000], Settings(epochs=8, rate=0.1)).last
    right = classifier.predict(classifier.normalise(pictures[1000:])) == data.target[1000:]
    return classifier, pictures[1000:][right][:20], data.target[1000:][right][:20]


def label(classifier: Classifier, picture: Any) -> int:
    return int(classifier.predict(classifier.normalise(picture[None]))[0])


def check(found: Fooled, classifier: Classifier, steps: int) -> None:
    change = found.picture.astype(float) - found.original
    assert found.l2 == pytest.approx(np.sqrt((change**2).sum()) / 255)
    assert found.linf == pytest.approx(np.abs(change).max())
    assert found.before == label(classifier, found.original)
    assert found.after == label(classifier, found.picture)
    assert len(found.losses) == found.steps + 1 <= steps + 1
    loss, _ = classifier.loss_by_input(classifier.normalise(found.original[None].astype(float)), np.array([found.target]))
    assert found.losses[0] == loss


def test_the_right_way_fools_in_whole_levels(trained: Trained) -> None:
    classifier, pictures, labels = trained
    for picture, own in zip(pictures, labels, strict=True):
        kept = picture.copy()
        found = fool(classifier, picture, (own + 1) % 10)
        check(found, classifier, 100)
        assert found.fooled
        assert found.in_bounds
        assert found.picture.dtype == np.uint8
        assert found.losses[-1] < found.losses[0]
        assert (picture == kept).all()
        shorter = fool(classifier, picture, (own + 1) % 10, steps=found.steps - 1)
        assert not shorter.fooled  # it stopped at the first step that fools


def test_the_sources_way_moves_away_from_the_target(trained: Trained) -> None:
    classifier, pictures, labels = trained
    fooled = outside = 0
    for picture, own in zip(pictures, labels, strict=True):
        found = climb_target_loss(classifier, picture, (own + 1) % 10)
        check(found, classifier, 100)
        assert all(later >= earlier for earlier, later in pairwise(found.losses))
        assert found.flipped or found.steps == 100
        fooled += found.fooled
        outside += not found.in_bounds
    assert fooled == 0
    assert outside > len(pictures) / 2


def test_what_is_refused(trained: Trained) -> None:
    classifier, pictures, labels = trained
    for search in (fool, climb_target_loss):
        with pytest.raises(ScratchError, match="is called .* already; give another target"):
            search(classifier, pictures[0], int(labels[0]))
        with pytest.raises(ScratchError, match="a target from 0 to 9 is wanted; 10 came"):
            search(classifier, pictures[0], 10)
        with pytest.raises(ScratchError, match="whole levels, uint8, is wanted; float64 came"):
            search(classifier, pictures[0] * 1.0, 1)
