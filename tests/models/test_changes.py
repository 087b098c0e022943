from __future__ import annotations

import json

import pytest

from hoodwink.models.card import ModelError
from hoodwink.models.changes import Changer, Changes
from hoodwink.models.load import load_model
from text_models import of_letters, of_words


def test_the_changes_follow_from_what_is_read() -> None:
    letters, words = Changes.of(of_letters()), Changes.of(of_words(), ("typos",))
    assert letters.unit == "letters" and letters.letters == "abcde"
    assert words.unit == "words" and words.kinds == ("typos",)
    assert [Changes.from_json(json.loads(json.dumps(one.to_json()))) for one in (letters, words)] == [letters, words]
    assert letters.count_of("Abe", "Aeb") == 1 and words.count_of("a b c", "a x c") == 1


def test_neighbours_are_those_of_the_networks_own_vectors() -> None:
    model = of_words()
    passage = Changer(model, Changes.of(model, ("neighbours",))).of("a good day")
    found = {state[1] for state in passage.further(passage.start) if state[1] != "good"}
    vectors = dict(zip(model.card.input.words, model.network.table.rows[1:], strict=True))  # type: ignore[union-attr, index, arg-type]
    cosines = {word: float(vectors[word] @ vectors["good"] / vectors[word].norm() / vectors["good"].norm()) for word in vectors}
    assert found and all(cosines[word] >= 0.5 for word in found)


def test_what_has_no_words_or_letters_is_said() -> None:
    with pytest.raises(ModelError, match="sees pictures, not texts"):
        Changes.of(load_model("python:tiny_nets:colours"))
    model = of_letters()
    with pytest.raises(ModelError, match="has no vectors of words"):
        Changer(model, Changes("words", kinds=("neighbours",)))
