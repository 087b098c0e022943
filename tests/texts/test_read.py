from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hoodwink.texts.read import TextError, parse_csv, read_folder, read_lines
from hoodwink.texts.tokens import split_blanks, split_words


def test_lines_are_stripped_and_empty_ones_left_out(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes("\ufeffAbl \n\n Nguy\u1ec5n\r\nLi\u2028u".encode())
    assert read_lines(file) == ("Abl", "Nguy\u1ec5n", "Li\u2028u")
    (tmp_path / "lines.txt.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
    assert read_lines(tmp_path / "lines.txt.gz") == ("one", "two")


def test_a_folder_has_a_file_for_each_class(tmp_path: Path) -> None:
    (tmp_path / "Greek.txt").write_text("Adamidis\nPapa\n")
    (tmp_path / "Czech.txt").write_text("Abl\n")
    found = read_folder(tmp_path)
    assert (found.texts, found.labels, found.classes) == (("Abl", "Adamidis", "Papa"), (0, 1, 1), ("Czech", "Greek"))
    assert found.take([2, 0]).texts == ("Papa", "Abl") and len(found) == 3


def test_rows_of_other_labels_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "tweets.csv"
    file.write_text('"4","1","d","q","me","good, ""very"" good"\n"2","2","d","q","me","so so"\n"0","3","d","q","me","two\nlines"\n')
    found = parse_csv(file.read_bytes(), file)
    assert found.texts == ('good, "very" good', "two\nlines") and found.labels == (1, 0) and found.classes == ("negative", "positive")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe", "UTF-8 was wanted, byte 0 is none"),
        (b"\x1f\x8b\x08\x00", "not a whole gz file"),
        (b'"7","x"\n', "labels 0, 4 were wanted"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(TextError, match=said):
        parse_csv((tmp_path / "file").read_bytes(), "file")


def test_a_short_row_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('"4","a"\n"4"\n')
    with pytest.raises(TextError, match="line 2: columns 0 and 1 were wanted, there are 1"):
        parse_csv((tmp_path / "file").read_bytes(), "file", text=1)
    with pytest.raises(TextError, match="no such file"):
        read_lines(tmp_path / "nothing")
    with pytest.raises(TextError, match="it has no .txt"):
        read_folder(tmp_path)


def test_words() -> None:
    assert split_blanks("Don't  stop, NOW!") == ["Don't", "stop,", "NOW!"]
    assert split_words("Don't  stop, NOW! it's 5th @me") == ["do", "n't", "stop", ",", "now", "!", "it", "'s", "5th", "@", "me"]
