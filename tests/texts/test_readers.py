from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.texts.alphabet import Alphabet
from hoodwink.texts.read import TextError
from hoodwink.texts.readers import LetterReader, Reader, WordReader


@given(st.text())
def test_what_is_read_of_letters_is_read_again(text: str) -> None:
    reader = LetterReader(Alphabet())
    read = reader.write(reader.read(text))
    assert reader.encode(read) == reader.encode(text) and reader.read(read) == list(read)
    assert all(1 <= index < reader.size for index in reader.encode(text))


def test_a_beginning_and_an_end() -> None:
    reader = LetterReader(Alphabet("ab"), ends=True)
    assert reader.encode("ba!") == [reader.begin, 2, 1, reader.end] == [3, 2, 1, 4] and reader.size == 5


@pytest.mark.parametrize(
    ("cut", "indices"), [("words", [3, 1, 4, 2]), ("blanks", [])], ids=["punctuation apart, lower case", "between blanks, as they are"]
)
def test_words(cut: str, indices: list[int]) -> None:
    reader: Reader = WordReader(("do", "it", "just", "n't"), cut)
    assert reader.encode("Just don't-It!") == indices and reader.size == 5


def test_words_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(TextError, match="each once, were wanted, 2 came and 1 differ"):
        WordReader(("a", "a"))
    with pytest.raises(TextError, match="cut: one of blanks, words was wanted, not 'spaces'"):
        WordReader(("a",), "spaces")
