from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.texts.alphabet import LETTERS, Alphabet, to_ascii
from hoodwink.texts.read import TextError


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("\u015alus\u00e0rski", "Slusarski"),
        ("Mu\u00f1oz", "Munoz"),
        ("Wei\u00df", "Weiss"),
        ("\u9673", ""),
        ("", ""),
        ("O'N\u00e9\u00e0l", "O'Neal"),
        ("O\u2019Neil", "O'Neil"),
        ("\u0141ukasz", "Lukasz"),
        ("S\u00f8rensen", "Sorensen"),
        ("n\u0303", "n"),
        (" Abl ", "Abl"),
        ("De La Cruz", "De La Cruz"),
    ],
)
def test_names_are_written_in_ascii(name: str, written: str) -> None:
    assert to_ascii(name) == written


@given(st.text())
def test_whatever_comes_only_letters_go(name: str) -> None:
    written = to_ascii(name)
    assert set(written) <= set(LETTERS) and to_ascii(written) == written
    assert Alphabet().decode(Alphabet().encode(written)) == written


def test_a_letter_that_is_not_known_is_named() -> None:
    with pytest.raises(TextError, match="'\u00e9' is none; to_ascii takes it away"):
        Alphabet().encode("caf\u00e9")
    assert Alphabet("ab").encode("ba") == [2, 1] and Alphabet("ab").size == 3
    with pytest.raises(TextError, match="each once"):
        Alphabet("aa")
