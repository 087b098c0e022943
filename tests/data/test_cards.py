from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data.cards import DataError, DataFile, about
from hoodwink.runs import sha256_bytes

from .conftest import tiny_row


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_only_the_file_itself_passes(data: bytes, other: bytes) -> None:
    file = DataFile("a.bin", len(data), sha256_bytes(data))
    file.check(data)
    if other == data:
        return
    wanted = "another file was wanted, of SHA-256" if len(other) == len(data) else f"{len(data)} bytes were wanted, it has {len(other)}"
    with pytest.raises(DataError, match=f"^a.bin: {wanted}"):
        file.check(other)


def test_a_short_file_is_called_so() -> None:
    file = DataFile("a.bin", 3, sha256_bytes(b"abc"))
    with pytest.raises(DataError, match="it is cut short"):
        file.check(b"ab")
    with pytest.raises(DataError, match="it has 4$"):
        file.check(b"abcd")


def test_an_error_is_one_line_and_begins_with_what_it_is_about() -> None:
    with pytest.raises(DataError, match=r"^tiny: a\\nb: no$"), about("tiny"), about("a\nb"):
        raise DataError("no")


def test_files_of_a_split() -> None:
    card = tiny_row().card
    assert [file.name for file in card.files_of("test")] == ["test.bin"]
    assert card.files_of() == card.files
    with pytest.raises(DataError, match="tiny has no split 'valid'; type tiny:train or tiny:test"):
        card.files_of("valid")


def test_a_card_becomes_json() -> None:
    card = json.loads(json.dumps(tiny_row().card.to_json()))
    assert card["classes"] == ["cat", "dog"] and card["files"][0].keys() == {"name", "size", "sha256"}
