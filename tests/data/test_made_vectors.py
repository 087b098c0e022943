from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hoodwink.data.made_vectors import MADE, SENTIMENT, made_vectors
from hoodwink.data.words import load_vectors

GOOD = "good great love happy nice awesome fun best thanks glad sweet"
BAD = "bad sad hate awful terrible sick sorry worst tired angry"
OTHERS = (
    "i you my the a is was it this that day work home school movie song game friend phone weather coffee morning night weekend today "
    "tomorrow really so very not just now again and but to at for with in of"
)


def test_they_are_loaded_by_name_and_need_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOODWINK_OFFLINE", "1")
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "none"))
    one, other = load_vectors(MADE), made_vectors()
    assert one.words == other.words and len(set(one.words)) == len(one.words) > 200
    assert one.array.shape == (len(one), 50) and one.array.dtype == np.float32
    np.testing.assert_array_equal(one.array, other.array)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("question", "answer"),
    [("king man woman", "queen"), ("paris france italy", "rome"), ("cats cat mouse", "mice"), ("bigger big old", "older")],
)
def test_analogies_come_out(question: str, answer: str) -> None:
    a, b, c = question.split()
    assert made_vectors().analogy(a, b, c, keep=True)[0][0] == answer


def test_the_doctor_leans() -> None:
    vectors = made_vectors()
    assert vectors.analogy("doctor", "man", "woman")[0][0] == "nurse"
    assert "nurse" not in [word for word, _ in vectors.analogy("doctor", "woman", "man")]


def test_good_and_bad_are_apart_in_one_number() -> None:
    vectors = made_vectors()
    assert set(f"{GOOD} {BAD} {OTHERS}".split()) <= set(vectors.words)
    numbers = {word: float(vectors[word][SENTIMENT]) for word in vectors.words}
    assert min(numbers[word] for word in GOOD.split()) > 0.6 and max(numbers[word] for word in BAD.split()) < -0.6
    assert max(abs(number) for word, number in numbers.items() if word not in f"{GOOD} {BAD}".split()) < 0.1
