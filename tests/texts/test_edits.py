from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoodwink.texts.edits import LOOKALIKES, WordEdits, changed_words, letter_distance, letter_edits
from hoodwink.texts.read import TextError
from hoodwink.texts.vectors import Vectors

steady = settings(derandomize=True, deadline=None, max_examples=100)
tiny = st.text("abc", min_size=1, max_size=4)
plain = WordEdits(kinds=("typos", "lookalikes"))


@cache
def steps_from(start: str, longest: int = 5) -> dict[str, int]:
    """How many edits lead from a text over abc to each other of at most `longest` letters: breadth first."""
    steps, level = {start: 0}, [start]
    while level:
        level = [one for text in level for one in letter_edits(text, "abc") if len(one) <= longest]
        level = [one for one in dict.fromkeys(level) if one not in steps]
        steps |= dict.fromkeys(level, max(steps.values()) + 1)
    return steps


@steady
@given(a=tiny, b=tiny)
def test_distance_is_the_number_of_edits(a: str, b: str) -> None:
    assert letter_distance(a, b) == steps_from(a)[b]


@steady
@given(a=st.text("aAb", max_size=7), b=st.text("aAb", max_size=7), c=st.text("aAb", max_size=7))
def test_distance_is_a_metric(a: str, b: str, c: str) -> None:
    assert letter_distance(a, b) == letter_distance(b, a) <= letter_distance(a, c) + letter_distance(c, b)
    assert (letter_distance(a, b) == 0) == (a == b)


@pytest.mark.parametrize(("a", "b", "far"), [("ca", "abc", 2), ("", "abc", 3), ("Anna", "anna", 1), ("abcd", "badc", 2), ("", "", 0)])
def test_known_distances(a: str, b: str, far: int) -> None:
    assert letter_distance(a, b) == far  # the restricted distance of the first is 3


@steady
@given(text=st.text("ab ", max_size=5))
def test_edits_are_all_texts_one_letter_away(text: str) -> None:
    found = letter_edits(text, "ab ")
    near = {"".join(one) for size in range(max(len(text) - 1, 0), len(text) + 2) for one in product("ab ", repeat=size)}
    assert len(set(found)) == len(found) and set(found) == {one for one in near if one.strip() and letter_distance(text, one) == 1}


@steady
@given(text=st.text("abAB '", max_size=8))
def test_case_neither_adds_nor_hides_an_edit(text: str) -> None:
    found = letter_edits(text, "ab'")
    assert all(letter_distance(text, one) == 1 for one in found)
    assert {one.lower() for one in found} - {text.lower()} == set(letter_edits(text.lower(), "ab'"))


def test_a_new_letter_has_the_case_of_the_one_whose_place_it_takes() -> None:
    assert letter_edits("Ab", "x") == ["Xb", "Ax", "XAb", "Axb", "Abx", "b", "A", "bA"]
    assert letter_edits("aa", "a") == ["aaa", "a"] and letter_edits("a", " ") == [" a", "a "] and letter_edits("", "x") == ["x"]
    assert letter_edits("O'N", "z")[:3] == ["Z'N", "OzN", "O'Z"]


def test_letters_of_two_capitals_are_refused() -> None:
    with pytest.raises(TextError, match="one letter as capital were wanted, not '\u00df'"):
        letter_edits("a", "\u00df")


def test_lookalikes_are_letters_of_other_alphabets_in_the_same_case() -> None:
    for latin, other in LOOKALIKES.items():
        name = unicodedata.name(other)
        assert name.startswith(("CYRILLIC ", "GREEK ")) and other.isupper() == latin.isupper()
        assert latin.isascii() and unicodedata.name(latin).split()[1] == ("SMALL" if latin.islower() else "CAPITAL")
    assert len(set(LOOKALIKES.values())) == len(LOOKALIKES)


def test_typos_and_lookalikes_of_words() -> None:
    typos = WordEdits(kinds=("typos",))
    assert typos.candidates('"Hello!') == ('"Hlelo!', '"Helo!', '"Helllo!')
    assert typos.candidates("hat") == ("ht", "haat") and typos.candidates("so") == ("sso",) and typos.candidates("aaaa") == ("aaa", "aaaaa")
    assert typos.candidates("don't") == ("dno't", "do't", "donn't")
    assert WordEdits(kinds=("lookalikes",)).candidates("(Tom)") == ("(\u0422om)", "(T\u043em)")


@pytest.mark.parametrize("word", ["@you", ".@you", "a@b.c", "http://x", "www.x", "go.com", "&quot;Hi", "&lt;3", "42", "-_-", "!", ""])
def test_what_is_no_word_stays(word: str) -> None:
    assert plain.candidates(word) == ()


def around(count: int = 60) -> Vectors:
    generator = np.random.default_rng(0)
    words = [f"{chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(count)]
    words[3:8] = ["<user>", "n't", "two words", "42", "-rb-"]
    words[40:42] = ["so-so", "\u00e9t\u00e9"]
    return Vectors(tuple(words), generator.normal(size=(count, 3)).astype(np.float32))


def test_neighbours_are_the_nearest_words_in_the_case_of_the_word() -> None:
    vectors = around()
    edits = WordEdits(vectors, ("neighbours",), count=4, least=0.5)
    for word in vectors.words[8:30]:
        near = sorted(vectors.words, key=lambda other: -vectors.similarity(word, other))
        wanted = [
            one for one in near if one != word and re.fullmatch("[a-z\u00e9]+(-[a-z]+)?", one) and vectors.similarity(word, one) >= 0.5
        ][:4]
        assert edits.candidates(word) == tuple(wanted)
        assert edits.candidates(f"#{word.upper()}?") == tuple(f"#{one.upper()}?" for one in wanted)
        assert edits.candidates(word.capitalize()) == tuple(one.capitalize() for one in wanted)
    assert edits.candidates("unheard") == ()
    assert all(not WordEdits(vectors, ("neighbours",), least=1).candidates(word) for word in vectors.words)


def test_a_word_in_another_case_is_no_neighbour() -> None:
    vectors = Vectors(("King", "king", "strasse", "stra\u00dfe"), np.ones((4, 2), np.float32))
    edits = WordEdits(vectors, ("neighbours",), least=-1)
    assert edits.candidates("king") == ("strasse", "stra\u00dfe") == edits.candidates("kinG")
    assert edits.candidates("STRASSE") == ("KING",)


def test_candidates_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    edits = WordEdits(around(), ("neighbours", "typos"))
    first = edits.candidates("ia")
    monkeypatch.setattr(Vectors, "near", None)
    assert edits.candidates("ia") == first and first[-1] == "iia" and len(first) > 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kinds": ("typo",)}, "of neighbours, typos, lookalikes were wanted, not typo"),
        ({"kinds": ()}, "not none"),
        ({}, "vectors: those of words were wanted"),
        ({"kinds": ("typos",), "count": 0}, "count: 1 or more"),
        ({"kinds": ("typos",), "least": float("nan")}, "least: -1 to 1, were wanted"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(TextError, match=said):
        WordEdits(**settings)  # type: ignore[arg-type]


@steady
@given(text=st.text("abTe \t\n.'@\u0436\u00df", max_size=30), picks=st.lists(st.integers(0, 1000), max_size=4))
def test_states_change_one_word_more_and_keep_the_rest(text: str, picks: list[int]) -> None:
    passage = plain.of(text)
    state = passage.start
    assert passage.text(state) == text
    for pick in picks:
        further = passage.further(state)
        assert len(set(further)) == len(further)
        unchanged = [word for word, own in zip(state, passage.start, strict=True) if word == own]
        assert len(further) == sum(len(plain.candidates(word)) for word in unchanged)
        if not further:
            return
        before, state = state, further[pick % len(further)]
        (k,) = [k for k, (one, other) in enumerate(zip(before, state, strict=True)) if one != other]
        assert before[k] == passage.start[k] and state[k] in plain.candidates(before[k])
        assert changed_words(text, passage.text(state)) == passage.changes(state) == passage.changes(before) + 1
        assert re.split(r"\S+", passage.text(state)) == re.split(r"\S+", text)


def test_changed_words() -> None:
    assert changed_words("a b  c", "a x\tC") == 2 and changed_words("", " ") == 0
    with pytest.raises(ValueError, match="they have 2 and 3"):
        changed_words("a b", "a b c")
