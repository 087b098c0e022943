from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hoodwink.texts.read import TextError
from hoodwink.texts.vectors import Vectors, parse_vectors, read_vectors

LINES = b"the 0.1 -0.2 3e-1\nof 1 2 3\nking 0.5 0.25 -0.125\n"
WANTED = np.array([[0.1, -0.2, 0.3], [1, 2, 3], [0.5, 0.25, -0.125]], np.float32)


def parse(data: bytes) -> Vectors:
    return parse_vectors(io.BytesIO(data), "made")


@pytest.mark.parametrize("data", [LINES, LINES.rstrip(), b"3 3\n" + LINES, LINES.replace(b"\n", b"\r\n"), LINES.replace(b"\n", b" \n")])
def test_forms_of_text_files(data: bytes) -> None:
    found = parse(data)
    assert found.words == ("the", "of", "king")
    np.testing.assert_array_equal(found.array, WANTED)


def test_words_may_hold_blanks_and_stand_twice() -> None:
    found = parse(LINES + b"new york 7 8 9\nof 0 0 0\n")
    assert (
        found.words == ("the", "of", "king", "new york") and found["of"].tolist() == [1, 2, 3] and found["new york"].tolist() == [7, 8, 9]
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (LINES + b"bad 1 2\n", "made, line 4: a word and 3 numbers were wanted, there are 2"),
        (LINES + b"bad 1 two 3\n", "made, line 4: 3 finite numbers were wanted"),
        (LINES + b"bad 1 nan 3\nof 1 2 3\n", "made, line 4: 3 finite numbers"),
        (b"2 3\nbad 1 2 x\n", "made, line 2: 3 finite numbers"),
        (b"word\n", "made, line 1: a word and its numbers"),
        (b"", "there is no line"),
    ],
)
def test_a_bad_line_is_named_by_its_number(data: bytes, said: str) -> None:
    with pytest.raises(TextError, match=said):
        parse(data)


def test_lines_that_are_cut_by_the_chunks_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoodwink.texts.vectors._CHUNK", 7)
    np.testing.assert_array_equal(parse(LINES).array, WANTED)


def test_a_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "made.txt"
    file.write_bytes(LINES)
    read_vectors(file, cache=tmp_path / "cache")
    monkeypatch.setattr("hoodwink.texts.vectors.parse_vectors", None)
    found = read_vectors(file, cache=tmp_path / "cache")
    assert isinstance(found.array, np.memmap) and found.words == ("the", "of", "king")
    np.testing.assert_array_equal(found.array, WANTED)


def test_a_zip_and_an_array_with_words(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("a.txt", LINES)
        archive.writestr("b.txt", LINES[:18])
    assert len(read_vectors(f"{tmp_path}/made.zip:a.txt")) == 3
    with pytest.raises(TextError, match="one .txt was wanted, it has a.txt, b.txt; type"):
        read_vectors(tmp_path / "made.zip")
    with pytest.raises(TextError, match="has no c.txt; it has a.txt, b.txt"):
        read_vectors(f"{tmp_path}/made.zip:c.txt")
    np.save(tmp_path / "made.npy", WANTED)
    (tmp_path / "words.txt").write_text("the\nof\nking\n")
    assert read_vectors(tmp_path / "made.npy", words=tmp_path / "words.txt").words[2] == "king"
    (tmp_path / "words.txt").write_text("the\nof\n")
    with pytest.raises(TextError, match="2 x D, a row for each word, was wanted"):
        read_vectors(tmp_path / "made.npy", words=tmp_path / "words.txt")


def plane() -> Vectors:
    words = ("man", "woman", "king", "queen", "apple")
    return Vectors(words, np.array([[1, 0, 0], [1, 1, 0], [1, 0, 2], [1, 1, 2], [-3, -1, 0]], np.float32))


def test_neighbours_are_those_of_all_cosines() -> None:
    generator = np.random.default_rng(0)
    array = generator.normal(size=(200, 8)).astype(np.float32)
    found = Vectors(tuple(f"w{k}" for k in range(200)), array)
    cosines = (array @ array[7]) / np.linalg.norm(array, axis=1) / np.linalg.norm(array[7])
    order = [f"w{k}" for k in np.argsort(-cosines)]
    assert [word for word, _ in found.near(array[7], 5)] == order[:5]
    assert [word for word, _ in found.near(array[7], 5, without=("w7",))] == order[1:6]


def test_distance_similarity_and_analogy() -> None:
    vectors = plane()
    assert vectors.distance("king", "man") == 2 and vectors.similarity("man", "king") == pytest.approx(1 / 5**0.5)
    assert vectors.analogy("king", "man", "woman", 1)[0] == ("queen", pytest.approx(1.0))
    kept = [word for word, _ in vectors.analogy("king", "man", "woman", 2, keep=True)]
    assert kept == ["queen", "king"]
    with pytest.raises(TextError, match="there is no vector of 'quen'; did you mean queen"):
        vectors["quen"]
