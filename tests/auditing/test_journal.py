from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoodwink.auditing.journal import FOUND, JOURNAL, Journal

SHAPE = (2, 3, 1)
KEYS = ("first", "second", "third", "fourth")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the disk: the order of the calls is what counts, and the machine does not fail here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def levels(value: int) -> Any:
    return np.full(SHAPE, value, np.uint8)


def fill(folder: Path | None) -> Journal:
    """Four batches; the first and the third keep pictures."""
    journal = Journal(folder)
    for number, key in enumerate(KEYS):
        lines: list[dict[str, Any]] = [{"picture": k, "lead": -k / 3} for k in range(3)]
        if number % 2 == 0:
            lines[1]["at"], lines[2]["at"] = journal.store(levels(10 * number + 1)), journal.store(levels(10 * number + 2))
        journal.write(key, lines, seconds=0.1)
    return journal


def ends(folder: Path) -> list[int]:
    """Where each batch of the journal ends, in bytes."""
    out, at = [], 0
    for raw in (folder / JOURNAL).read_bytes().splitlines(keepends=True):
        at += len(raw)
        if "end" in json.loads(raw):
            out.append(at)
    return out


def keys(folder: Path) -> list[str]:
    lines = [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]
    return [line["batch"] for line in lines if "end" in line]


def pictures(journal: Journal) -> list[int]:
    """The pictures of all batches, by their first subpixel."""
    lines = [line for key in KEYS for line in journal.batch(key) or []]
    return [int(journal.fetch(line["at"], SHAPE)[0, 0, 0]) for line in lines if "at" in line]


def redo(journal: Journal) -> None:
    """Do the batches that are not there."""
    whole = fill(None)
    for key in KEYS:
        if journal.batch(key) is None:
            lines = [dict(line) for line in (whole.batch(key) or [])[:-1]]
            for line in lines:
                if "at" in line:
                    line["at"] = journal.store(whole.fetch(line["at"], SHAPE))
            journal.write(key, lines, seconds=0.1)


@pytest.mark.parametrize("kept", [False, True])
def test_what_was_written_is_there(tmp_path: Path, kept: bool) -> None:
    journal = fill(tmp_path if kept else None)
    for found in (journal, Journal(tmp_path)) if kept else (journal,):
        assert found.batch("fifth") is None
        for key in KEYS:
            batch = found.batch(key)
            assert batch is not None and [line["lead"] for line in batch[:-1]] == [0, -1 / 3, -2 / 3]
            assert batch[-1]["end"] == 3 and batch[-1]["seconds"] == 0.1
        assert pictures(found) == [1, 2, 21, 22]


def test_every_line_is_json_and_names_its_batch(tmp_path: Path) -> None:
    fill(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
    assert [line["batch"] for line in lines] == [key for key in KEYS for _ in range(4)]
    assert (tmp_path / FOUND).stat().st_size == 4 * math.prod(SHAPE)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats()))
def test_numbers_come_back_to_the_last_bit(tmp_path: Path, values: list[float]) -> None:
    (tmp_path / JOURNAL).unlink(missing_ok=True)
    Journal(tmp_path).write("key", [{"picture": 0, "notes": values}])
    batch = Journal(tmp_path).batch("key")
    assert batch is not None
    assert np.array(batch[0]["notes"]).tobytes() == np.array(values).tobytes() or any(map(math.isnan, values))
    assert list(map(math.isnan, batch[0]["notes"])) == list(map(math.isnan, values))


def test_a_journal_cut_at_any_byte_keeps_the_batches_before_it_and_no_other(tmp_path: Path) -> None:
    fill(tmp_path)
    data, bounds = (tmp_path / JOURNAL).read_bytes(), ends(tmp_path)
    for cut in sorted({*range(0, len(data), 7), *bounds, *(bound - 1 for bound in bounds)}):
        (tmp_path / JOURNAL).write_bytes(data[:cut])
        journal = Journal(tmp_path)
        whole = sum(bound <= cut for bound in bounds)
        assert [journal.batch(key) is not None for key in KEYS] == [k < whole for k in range(4)]
        assert (tmp_path / JOURNAL).read_bytes() == data[: ([0, *bounds])[whole]]  # what is torn is cut off, so that lines can follow


@pytest.mark.parametrize("junk", [b"", b"torn", b"\n", b'{"batch": "second", "end"'])
def test_a_crash_while_a_batch_is_written_costs_that_batch_alone(tmp_path: Path, junk: bytes) -> None:
    fill(tmp_path)
    data, bounds = (tmp_path / JOURNAL).read_bytes(), ends(tmp_path)
    (tmp_path / JOURNAL).write_bytes(data[: bounds[1]] + junk)
    redo(Journal(tmp_path))
    assert (tmp_path / JOURNAL).read_bytes().startswith(data[: bounds[1]]) and keys(tmp_path) == list(KEYS)
    assert pictures(Journal(tmp_path)) == [1, 2, 21, 22]


def test_a_byte_changed_anywhere_costs_one_batch_at_most(tmp_path: Path) -> None:
    fill(tmp_path)
    data, bounds = (tmp_path / JOURNAL).read_bytes(), ends(tmp_path)
    for place in sorted({*range(0, len(data), 7), *(bound - 1 for bound in bounds), len(data) - 2}):
        other = next(byte for byte in ((data[place] ^ 1, 0, *b"\n9")[place % 4 :] + (1,)) if byte != data[place])
        (tmp_path / JOURNAL).write_bytes(data[:place] + bytes([other]) + data[place + 1 :])
        journal = Journal(tmp_path)
        hit = sum(bound <= place for bound in bounds)
        gone = {hit, hit + 1} if place + 1 in bounds else {hit}  # a line end lost joins two lines
        assert [journal.batch(key) is not None for key in KEYS] == [k not in gone for k in range(4)]


def test_a_batch_damaged_in_the_middle_is_done_again_and_no_other(tmp_path: Path) -> None:
    fill(tmp_path)
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b"lead", b"leak")
    (tmp_path / JOURNAL).write_bytes(b"".join(lines))
    redo(Journal(tmp_path))
    assert keys(tmp_path) == ["first", "third", "fourth", "second"]  # none twice
    assert (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)[:4] == lines[:4]
    assert pictures(Journal(tmp_path)) == [1, 2, 21, 22]


def test_pictures_lost_from_the_end_cost_their_batch_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    data, found = (tmp_path / JOURNAL).read_bytes(), (tmp_path / FOUND).read_bytes()
    for length in range(len(found)):
        (tmp_path / JOURNAL).write_bytes(data)
        (tmp_path / FOUND).write_bytes(found[:length])
        journal = Journal(tmp_path)
        lost = {"first": length < len(found) // 2, "second": False, "third": True, "fourth": False}
        assert {key: journal.batch(key) is None for key in KEYS} == lost
        redo(journal)
        assert sorted(keys(tmp_path)) == sorted(KEYS)
        assert pictures(Journal(tmp_path)) == [1, 2, 21, 22] and (tmp_path / FOUND).stat().st_size <= length + len(found)


def test_all_pictures_lost(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / FOUND).unlink()
    journal = Journal(tmp_path)
    assert [journal.batch(key) is None for key in KEYS] == [True, False, True, False]
    redo(journal)
    assert pictures(Journal(tmp_path)) == [1, 2, 21, 22]


def test_pictures_of_an_unfinished_batch_are_written_over(tmp_path: Path) -> None:
    fill(tmp_path)
    with open(tmp_path / FOUND, "ab") as file:
        file.write(bytes(100))
    journal = Journal(tmp_path)
    journal.write("fifth", [{"picture": 0, "at": journal.store(levels(77))}])
    batch = Journal(tmp_path).batch("fifth")
    assert batch is not None and Journal(tmp_path).fetch(batch[0]["at"], SHAPE)[0, 0, 0] == 77
    assert pictures(Journal(tmp_path)) == [1, 2, 21, 22] and (tmp_path / FOUND).stat().st_size == 5 * math.prod(SHAPE)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "[]\n", "{}\n", '{"end": 0}\n', '{"batch": 3, "end": 0, "found": 0, "sum": 1}\n', "null\n\xff\n"]
)
def test_a_journal_that_is_none_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / JOURNAL).write_bytes(text.encode("latin-1"))
    redo(Journal(tmp_path))
    assert pictures(Journal(tmp_path)) == [1, 2, 21, 22]


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill(None)
    assert not list(tmp_path.iterdir())
