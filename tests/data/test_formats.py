from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hoodwink.data import formats
from hoodwink.data.cards import DataError
from hoodwink.data.formats import check_set, plain, read_cifar, read_digits, read_idx, read_sheet, write_cifar
from hoodwink.pictures.write import encode_png

from .conftest import as_json, idx, planes, sheet

SHAPES = hnp.array_shapes(max_dims=4, max_side=4)
LABELS = [3, 0, 9]
LINE = ",".join(["0"] * 63 + ["16", "7"])


@given(hnp.arrays(np.uint8, SHAPES), st.booleans())
def test_idx_comes_back_gz_or_not(array: np.ndarray[Any, Any], packed: bool) -> None:
    data = idx(array)
    found = read_idx(gzip.compress(data, 1) if packed else data)
    assert found.dtype == np.uint8 and found.flags.writeable
    np.testing.assert_array_equal(found, array)


@given(hnp.arrays(np.uint8, SHAPES), st.data())
def test_a_part_of_an_idx_file_is_never_taken_for_it(array: np.ndarray[Any, Any], data: st.DataObject) -> None:
    whole = idx(array)
    with pytest.raises(DataError):
        read_idx(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.integers(1, 4), st.data())
def test_cifar_comes_back(count: int, data: st.DataObject) -> None:
    labels = data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    pictures, found = read_cifar(write_cifar(planes(count), labels))
    assert found.dtype == np.int64 and found.tolist() == labels
    assert pictures.shape == (count, 32, 32, 3) and pictures.flags.c_contiguous
    np.testing.assert_array_equal(pictures.transpose(0, 3, 1, 2).reshape(count, 3072), planes(count))


def test_a_pixel_of_cifar_stands_where_the_format_has_it() -> None:
    record = np.zeros(3073, np.uint8)
    record[1 + 2 * 1024 + 5 * 32 + 7] = 200  # blue, row 5, column 7
    pictures, _ = read_cifar(record.tobytes())
    assert pictures[0, 5, 7, 2] == 200 and np.count_nonzero(pictures) == 1


@pytest.mark.parametrize("start", [0, 2])
def test_a_sheet_holds_the_same_batch(start: int) -> None:
    labels = [1, 2, *LABELS]
    assert read_sheet(sheet(planes(3)), as_json(labels), start) == write_cifar(planes(3), labels[start : start + 3])


def test_digits_are_scaled_to_levels() -> None:
    pictures, labels = read_digits(f"{LINE}\n{LINE}\n".encode())
    assert pictures.shape == (2, 8, 8, 1) and pictures.dtype == np.uint8 and labels.tolist() == [7, 7]
    assert pictures[0, 7, 7, 0] == 255 and pictures.sum() == 2 * 255


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LARGEST", 1000)
    assert plain(gzip.compress(bytes(1000))) == bytes(1000)
    with pytest.raises(DataError, match="at most 1000 bytes"):
        plain(gzip.compress(bytes(1001)))


GOOD = idx(np.zeros((2, 3)))
BAD: dict[str, tuple[Callable[[], object], str]] = {
    "gzip cut short": (lambda: plain(gzip.compress(GOOD)[:-9]), "a whole gzip file was wanted"),
    "gzip damaged": (lambda: plain(b"\x1f\x8b\x08" + bytes(20)), "a whole gzip file was wanted"),
    "IDX of nothing": (lambda: read_idx(b""), "it begins with nothing"),
    "IDX of floats": (lambda: read_idx(b"\0\0\x0d\x01" + bytes(8)), "begins 00 00 08; it begins 00 00 0d 01"),
    "IDX cut short": (lambda: read_idx(GOOD[:-1]), "18 bytes were wanted for 2 x 3, it has 17: it is cut short"),
    "IDX too long": (lambda: read_idx(GOOD + b"!"), "18 bytes were wanted for 2 x 3, it has 19$"),
    "IDX that announces terabytes": (lambda: read_idx(b"\0\0\x08\x03" + b"\xff" * 12), "bytes were wanted"),
    "CIFAR cut short": (lambda: read_cifar(bytes(3072)), "records of 3073 bytes were wanted, it has 3072"),
    "CIFAR of nothing": (lambda: read_cifar(b""), "records of 3073 bytes"),
    "planes of another shape": (lambda: write_cifar(np.zeros((2, 3071), np.uint8), [0, 0]), "N x 3072 of bytes .* 2 x 3071"),
    "planes of floats": (lambda: write_cifar(np.zeros((1, 3072)), [0]), "not float64"),  # type: ignore[arg-type]
    "a label too few": (lambda: write_cifar(planes(3), [0, 0]), "there are 2 for 3"),
    "labels out of range": (lambda: write_cifar(planes(2), [0, 10]), "whole numbers in 0..9"),
    "labels that are words": (lambda: write_cifar(planes(2), ["0", "1"]), "whole numbers in 0..9"),
    "sheet that is no picture": (lambda: read_sheet(b"text", b"[]", 0), "the sheet of pictures"),
    "sheet too narrow": (
        lambda: read_sheet(encode_png(np.zeros((2, 1000, 3), np.uint8)), b"[0, 0]", 0),
        "1024 pixels wide .* 2 x 1000 x 3",
    ),
    "sheet without labels": (lambda: read_sheet(sheet(planes(2)), b"[0, 1]", 1), "there are 1 for 2"),
    "labels that are no JSON": (lambda: read_sheet(sheet(planes(1)), b"[0", 0), "Expecting"),
    "labels that are no list": (lambda: read_sheet(sheet(planes(1)), b"{}", 0), "a JSON list of labels was wanted, not dict"),
    "digits in words": (lambda: read_digits(b"one,two\n"), "65 whole numbers"),
    "digits too few": (lambda: read_digits(b"1,2\n"), "65 whole numbers were wanted, not 1 x 2"),
    "digits none": (lambda: read_digits(b""), "65 whole numbers"),
    "digits uneven": (lambda: read_digits(f"{LINE}\n1,2".encode()), "65 whole numbers"),
    "digits too bright": (lambda: read_digits(LINE.replace("16", "17").encode()), "0..16"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(DataError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_set_is_checked() -> None:
    pictures, labels = np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 1, 2])
    check_set(pictures, labels, 3, (2, 2, 1), 3)
    for bad, message in (
        ((pictures, labels, 4, (2, 2, 1), 3), "pictures 4 x 2 x 2 x 1 were wanted, not 3 x 2 x 2 x 1"),
        ((pictures, labels[:2], 3, (2, 2, 1), 3), "3 labels were wanted, not 2"),
        ((pictures, labels, 3, (2, 2, 1), 2), "labels in 0..1 were wanted; 1 of 3 are not, the first is picture 2's 2"),
        ((pictures, labels - 1, 3, (2, 2, 1), 3), "1 of 3 are not, the first is picture 0's -1"),
    ):
        with pytest.raises(DataError, match=message):
            check_set(*bad)
