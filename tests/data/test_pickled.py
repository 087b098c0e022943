from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data.cards import DataError
from hoodwink.data.formats import write_cifar
from hoodwink.data.pickled import read_pickled

from .conftest import planes

LABELS = [3, 9]
BATCH = {b"batch_label": b"testing batch 1 of 1", b"labels": LABELS, b"data": planes(2), b"filenames": [b"a.png", b"b.png"]}


def by_python2() -> bytes:
    """The pickle that Python 2 and the NumPy of 2009 make of a batch, opcode by opcode."""
    levels = planes(2).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02M\x00\x0c\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"T" + struct.pack("<i", len(levels)) + levels + b"tb"
    )
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels](K\x03K\x09eU\x0bbatch_labelU\x05test1u."


class Calls:
    """What a pickle calls when it is loaded the ordinary way."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.called = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.called


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("text", [False, True])
def test_a_batch_of_any_protocol(protocol: int, text: bool) -> None:
    batch = {key.decode(): value for key, value in BATCH.items()} if text else BATCH
    assert read_pickled(pickle.dumps(batch, protocol)) == write_cifar(planes(2), LABELS)


def test_a_batch_as_python_2_wrote_it() -> None:
    data = by_python2()
    assert np.array_equal(pickle.loads(data, encoding="bytes")[b"data"], planes(2))  # it is one, says Python itself
    assert read_pickled(data) == write_cifar(planes(2), LABELS)


@pytest.mark.parametrize(
    "function", [os.system, eval, getattr, np.load, np.frombuffer, os.mkdir, print], ids=lambda function: function.__name__
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path, function: Callable[..., Any], protocol: int) -> None:
    canary = tmp_path / "canary"
    data = pickle.dumps(BATCH | {b"extra": Calls(function, str(canary))}, protocol)
    with pytest.raises(DataError, match=rf"it wants to run \w+(\.\w+)*\.{function.__name__}, which a batch .* not loaded"):
        read_pickled(data)
    assert not canary.exists()


def test_the_canary_would_sing(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Calls(os.mkdir, str(tmp_path / "canary"))))
    assert (tmp_path / "canary").exists()


def test_a_pickle_that_tampers_with_what_it_may_call_spoils_no_other() -> None:
    tamper = b"\x80\x02cnumpy\nndarray\nN}U\x0c__setstate__K\x01s\x86b."
    with pytest.raises(DataError):
        read_pickled(tamper)
    assert read_pickled(by_python2()) == write_cifar(planes(2), LABELS)


@given(st.data())
def test_damage_is_always_one_of_our_errors(data: st.DataObject) -> None:
    batch = bytearray(by_python2())
    head = len(batch) - 2 * 3072
    for _ in range(data.draw(st.integers(1, 4))):
        batch[data.draw(st.one_of(st.integers(0, head // 2), st.integers(len(batch) - head // 2, len(batch) - 1)))] = data.draw(
            st.integers(0, 255)
        )
    try:
        found = read_pickled(bytes(batch))
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert len(found) % 3073 == 0


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1], "a pickled dictionary with data and labels was wanted, not list"),
        ({b"data": planes(1)}, "it has no labels"),
        ({b"labels": [1]}, "it has no data"),
        ({b"data": planes(1), b"labels": b"\x01"}, "labels: a list was wanted, not bytes"),
        ({b"data": planes(1), b"labels": [10]}, "whole numbers in 0..9"),
        ({b"data": planes(1), b"labels": [1, 2]}, "there are 2 for 1"),
        ({b"data": b"levels", b"labels": [1]}, "a NumPy array was wanted"),
        ({b"data": planes(1).astype(np.int8), b"labels": [1]}, "unsigned bytes"),
        ({b"data": planes(1).astype(object), b"labels": [1]}, "unsigned bytes"),
        ({b"data": planes(1)[0], b"labels": [1]}, "N x 3072, row by row"),
        ({b"data": np.asfortranarray(planes(2)), b"labels": [1, 1]}, "N x 3072, row by row"),
        ({b"data": planes(1)[:, :-1], b"labels": [1]}, "N x 3072 of bytes"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_what_is_no_batch_is_refused(batch: object, message: str, protocol: int) -> None:
    with pytest.raises(DataError, match=message):
        read_pickled(pickle.dumps(batch, protocol))


@pytest.mark.parametrize("data", [b"", b"text", by_python2()[:-1], by_python2()[:3000]])
def test_what_is_no_whole_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="a whole pickled batch of CIFAR-10 was wanted"):
        read_pickled(data)
