from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from hoodwink.scratch.classifier import Classifier, make_classifier
from hoodwink.scratch.fooling import Fooled
from hoodwink.scratch.layers import Array
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.record import StudyError
from hoodwink.studies.scratch_fooling import SCRATCH_FOOLING, WAYS, _robustness, as_file, done, of_all, of_first, pairs


def brightness(classes: int = 3) -> Classifier:
    """A classifier of 1 x 1 pictures: 0 up to about 80, 1 up to about 180, then 2."""
    empty = make_classifier((1, 1, 1), classes, mean=0.0, std=1.0)
    return replace(empty, weights=(np.array([[0, 20, 30]], np.float32),), biases=(np.array([0, -6.3, -13.4], np.float32),))


def shown(*levels: int) -> Array:
    return np.array(levels, np.uint8).reshape(-1, 1, 1, 1)


def found(start: int, end: float, before: int, target: int, after: int, steps: int = 4) -> Fooled:
    return Fooled(shown(start)[0], np.full((1, 1, 1), end), before, target, after, (2.0, 0.5), steps)


def test_pairs_are_the_right_pictures_before_one_of_another_class() -> None:
    pictures, labels = shown(200, 10, 20, 100, 250, 30), np.array([1, 0, 0, 1, 2, 0])
    assert brightness().predict(brightness().normalise(pictures)).tolist() == [2, 0, 0, 1, 2, 0]
    # The first is misread, the second is followed by its own class, nothing follows the last.
    assert list(pairs(brightness(), pictures, labels)) == [(2, 1), (3, 2), (4, 0)]


def test_no_right_picture_is_said() -> None:
    with pytest.raises(StudyError, match="^no picture that is classified rightly was found; give more epochs$"):
        next(pairs(brightness(), shown(10, 20, 30), np.array([1, 2, 1])))


def test_the_source_goes_away_from_the_target_and_better_to_it() -> None:
    k, target = next(islice(pairs(brightness(), shown(100, 250), np.array([1, 2])), 1))
    away, there = (WAYS[way](brightness(), shown(100)[k], target, rate=0.01, steps=100) for way in ("source", "better"))
    assert (away.before, away.target, away.after) == (1, 2, 0) and (there.before, there.target, there.after) == (1, 2, 2)
    assert of_first(away)["p(target) after"] < of_first(away)["p(target) before"] < of_first(there)["p(target) after"]
    assert done(away, "source") and not done(away, "better") and done(there, "better")
    assert away.picture.max() < 100 < there.picture.min()


def test_a_file_holds_whole_levels_in_bounds() -> None:
    assert [int(as_file(found(0, end, 0, 1, 0)).item()) for end in (-40.0, 99.6, 254.4, 600.0)] == [0, 100, 254, 255]


def test_the_numbers_of_several_are_counted_by_hand() -> None:
    # To 100: another label and the target's. To 300, of the source: another label, which is not the target's, and out of bounds. The
    # third stays what it is, and in the file so does the fourth: cut to 0 it is dark again.
    several = [found(10, 100, 0, 1, 1, 2), found(10, 300, 0, 1, 2, 3), found(10, 20, 0, 2, 0, 100), found(10, -9, 0, 1, 1, 7)]
    assert of_all(brightness(), several) == {
        "test pictures: label changed, share": 0.75,
        "test pictures: label changed in the file, share": 0.5,
        "test pictures: target reached, share": 0.5,
        "test pictures: outside 0..255, share": 0.5,
        "test pictures: steps, mean": 28.0,
        "test pictures: L2 of the changed, median": pytest.approx(90 / 255),
    }
    assert of_all(brightness(), several[2:3])["test pictures: L2 of the changed, median"] == 0.0


@pytest.mark.parametrize(("far", "words"), [(2.0, "10 times as far"), (0.0, "no test picture was changed")])
def test_the_comment_on_robustness_follows_the_numbers(far: float, words: str) -> None:
    values = {"test pictures: L2 of the changed, median": far, "L2 from one test picture to the next, median": 20.0, "test accuracy": 0.5}
    answer = Answer(SCRATCH_FOOLING.lines[1], {"pictures": 7}, (Found(values, pictures={"original": np.zeros((4, 4, 1))}),))
    assert words in _robustness(answer)
    assert not far or "2.00, 127.50 levels a value" in _robustness(answer)
