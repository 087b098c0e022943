"""Audits that were stopped, in whatever way, and gone on with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import killed_audit as killed
import small_audits as small
from hoodwink.auditing import audit as audits
from hoodwink.auditing.audit import Help
from hoodwink.auditing.journal import FOUND, JOURNAL, Journal, Line
from hoodwink.evidence.audits import FOOLED
from hoodwink.models.prepare import Prepared
from hoodwink.runs import Run, RunError

pytestmark = pytest.mark.usefixtures("cheap")


@dataclass
class Done:
    """A finished audit: what it said, and how many pictures' gradients were asked for, those of the probe too."""

    table: dict[str, Any]
    fooled: bytes
    journal: list[Line]
    asked: int


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Done]:
    """Run the audit of a folder to its end, counting."""

    def finish(folder: Path) -> Done:
        outputs, asked = small.model().outputs, [0]

        def counting(encoded: Tensor) -> Tensor:
            asked[0] += len(encoded) * torch.is_grad_enabled()
            return outputs(encoded)

        monkeypatch.setattr(audits, "prepare", lambda *_, **__: Prepared(counting, (), (), 0.0, 0.0))
        result = killed.run(folder)
        return Done(small.table(result), (folder / FOOLED).read_bytes(), journal(folder), asked[0])

    return finish


@pytest.fixture
def whole(tmp_path: Path, go_on: Callable[[Path], Done]) -> Done:
    """The audit in one go."""
    known = _WHOLE.get("done")
    if known is None:
        known = _WHOLE["done"] = go_on(tmp_path / "whole")
        assert all(ball["felled"] and ball["robust"] for ball in known.table["by_eps"]) and len(batches(known.journal)) > 35
    return known


_WHOLE: dict[str, Done] = {}


def journal(folder: Path) -> list[Line]:
    return [json.loads(line) for line in (folder / JOURNAL).read_bytes().splitlines()]


def batches(lines: list[Line]) -> dict[str, list[Line]]:
    """The batches whose last line is there, without what differs from run to run."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line["batch"], []).append(
            {name: value for name, value in line.items() if name not in ("seconds", "sum", "found", "at")}
        )
    return {key: batch for key, batch in found.items() if "end" in batch[-1]}


def spent(lines: list[Line]) -> int:
    """The gradients that a journal says its pictures cost."""
    return sum(line.get("gradients", 0) for line in lines)


def check_same(done: Done, whole: Done, before: list[Line]) -> None:
    """It ended as in one go, and asked for nothing that was there `before`."""
    assert done.table == whole.table and done.fooled == whole.fooled
    keys = [line["batch"] for line in done.journal if "end" in line]
    assert len(set(keys)) == len(keys)
    assert batches(done.journal) == batches(whole.journal)
    assert done.asked == whole.asked - spent(before)


def interrupted(folder: Path, count: int, torn: bool = False) -> None:
    """Do so many batches and no more; torn: the next one is being written."""
    write, left = Journal.write, iter(range(count))

    def limited(self: Journal, key: str, lines: list[Line], **end: Any) -> list[Line]:
        if next(left, None) is None:
            if torn:
                write(self, key, lines, **end)
                data = (folder / JOURNAL).read_bytes()
                (folder / JOURNAL).write_bytes(data[: -len(lines) * 20])
            raise KeyboardInterrupt
        return write(self, key, lines, **end)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "write", limited)
        patch.setattr(audits, "prepare", small.unprepared)
        with pytest.raises(KeyboardInterrupt):
            killed.run(folder)


def whole_batches(folder: Path) -> list[Line]:
    """The lines of the journal's finished batches, in order."""
    out: list[Line] = []
    for raw in (folder / JOURNAL).read_bytes().splitlines(keepends=True):
        try:
            out.append(json.loads(raw))
        except ValueError:
            continue
    ended = {line["batch"] for line in out if "end" in line}
    return [line for line in out if line["batch"] in ended]


# killed


def kill(folder: Path, ready: Callable[[], bool], delay: float = 0.004) -> None:
    """Run the audit in a process of its own and kill it, without a warning, as soon as it is `ready`."""
    threads = str(torch.get_num_threads())  # others add floats in another order
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": threads}
    process = subprocess.Popen([sys.executable, "-m", "killed_audit", str(folder), str(delay)], env=environment, stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while process.poll() is None and not ready() and time.monotonic() < end:
        time.sleep(0.005)
    process.kill()
    _, said = process.communicate()
    assert not said, said.decode()


def lines_in(folder: Path) -> int:
    path = folder / JOURNAL
    return path.read_bytes().count(b'"end"') if path.is_file() else 0


def test_after_a_kill_the_table_is_the_same_and_nothing_is_asked_again(tmp_path: Path, whole: Done, go_on: Callable[[Path], Done]) -> None:
    folder = tmp_path / "run"
    kill(folder, lambda: lines_in(folder) >= 14)
    assert not Run.open(folder).finished
    before = (folder / JOURNAL).read_bytes()
    lines = whole_batches(folder)
    assert 14 <= len(batches(lines)) < len(batches(whole.journal))
    done = go_on(folder)
    check_same(done, whole, lines)
    kept = before[: before.rindex(b'"end"')]  # at least up to the last finished batch's last line
    assert (folder / JOURNAL).read_bytes().startswith(kept)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_after_kills_at_any_moment(tmp_path: Path, whole: Done, go_on: Callable[[Path], Done], seed: int) -> None:
    dice, folder = np.random.default_rng(seed), tmp_path / "run"
    for _ in range(int(dice.integers(1, 3))):  # now and then twice
        had, wait = lines_in(folder), float(dice.exponential(0.6))
        begun: list[float] = []

        def ready(had: int = had, wait: float = wait, begun: list[float] = begun) -> bool:
            if not begun and (folder / "run.json").is_file() and lines_in(folder) > had:
                begun.append(time.monotonic())
            return bool(begun) and time.monotonic() > begun[0] + wait

        kill(folder, ready, delay=0.001)
        if Run.open(folder).finished:
            assert (folder / FOOLED).read_bytes() == whole.fooled
            return
    lines = whole_batches(folder)
    check_same(go_on(folder), whole, lines)


# stopped at any batch


@pytest.mark.parametrize(("count", "torn"), [(0, False), (1, True), (3, False), (4, True), (17, False), (30, True)])
def test_stopped_after_so_many_batches(tmp_path: Path, whole: Done, go_on: Callable[[Path], Done], count: int, torn: bool) -> None:
    folder = tmp_path / "run"
    interrupted(folder, count, torn)
    lines = whole_batches(folder) if count else []
    assert len(batches(lines)) == count
    check_same(go_on(folder), whole, lines)


def test_stopped_again_and_again(tmp_path: Path, whole: Done, go_on: Callable[[Path], Done]) -> None:
    folder = tmp_path / "run"
    for number in range(1, 5):
        interrupted(folder, 9, torn=number % 2 == 0)
        lines = whole_batches(folder)
        assert len(batches(lines)) == 9 * number
    check_same(go_on(folder), whole, lines)


@pytest.mark.parametrize("step", ["finish", "update", "write"])
def test_stopped_when_all_is_searched_but_nothing_is_written(
    tmp_path: Path, whole: Done, go_on: Callable[[Path], Done], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = tmp_path / "run"

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, step, stop)
        patch.setattr(audits, "prepare", small.unprepared)
        with pytest.raises(KeyboardInterrupt):
            killed.run(folder)
    lines = whole_batches(folder)
    assert batches(lines) == batches(whole.journal)
    check_same(go_on(folder), whole, lines)


# damaged


def test_a_line_changed_in_the_middle(tmp_path: Path, whole: Done, go_on: Callable[[Path], Done]) -> None:
    folder = tmp_path / "run"
    interrupted(folder, 25)
    raws = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    hit = next(k for k, raw in enumerate(raws) if b'"felled": true' in raw)
    key = json.loads(raws[hit])["batch"]
    raws[hit] = raws[hit].replace(b"true", b"null")
    (folder / JOURNAL).write_bytes(b"".join(raws))
    lines = [line for line in whole_batches(folder) if line["batch"] != key]
    assert len(batches(lines)) == 24
    check_same(go_on(folder), whole, lines)


@pytest.mark.parametrize("left", [0.0, 0.6])
def test_pictures_lost_from_the_end(tmp_path: Path, whole: Done, go_on: Callable[[Path], Done], left: float) -> None:
    folder = tmp_path / "run"
    interrupted(folder, 25)
    size = int((folder / FOUND).stat().st_size * left)
    with open(folder / FOUND, "r+b") as file:
        file.truncate(size)
    lines = whole_batches(folder)
    lost = {line["batch"] for line in lines if "at" in line and line["at"] + 36 > size}
    assert lost
    check_same(go_on(folder), whole, [line for line in lines if line["batch"] not in lost])


def test_pictures_changed_on_the_disk_are_found_out_by_the_last_verdict(tmp_path: Path, go_on: Callable[[Path], Done]) -> None:
    folder = tmp_path / "run"
    interrupted(folder, 40)
    data = bytearray((folder / FOUND).read_bytes())
    data[:36] = bytes(36)
    (folder / FOUND).write_bytes(bytes(data))
    done = go_on(folder)
    assert any("when it is judged from its file" in note for note in done.table["notes"])


# refused


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"eps": [4 / 255, 9 / 255]}, "settings"),
        ({"norm": "l2"}, "settings"),
        ({"budget": "standard"}, "settings"),
        ({"sentinels": 5}, "settings"),
        ({"free": False}, "settings"),
        ({"seed": 4}, "settings"),
        ({"batch": 8}, "settings"),
        ({"attacks": ("mine:attack",)}, "settings"),
        ({"pictures": np.where(np.arange(20)[:, None, None, None] == 19, 255 - killed.PICTURES, killed.PICTURES)}, "inputs"),
        ({"pictures": killed.PICTURES[:19], "labels": killed.LABELS[:19]}, "inputs"),
        ({"labels": (killed.LABELS + 1) % 4}, "inputs"),
        ({"help": Help(data={"name": "others"})}, "inputs"),
        ({"model": small.model(1)}, "models"),
        ({"model": small.model(name="renamed")}, "models"),
    ],
)
def test_another_audit_is_refused_and_what_differs_is_said(tmp_path: Path, changes: dict[str, Any], key: str) -> None:
    folder = tmp_path / "run"
    interrupted(folder, 3)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(RunError, match=f"holds another audit .its {key} differ.; name another folder, or type --force") as caught:
        killed.run(folder, **changes)
    assert "\n" not in str(caught.value) and {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_finished_audit_is_not_gone_on_with(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"eps": 4 / 255, "norm": "linf", "free": False}
    killed.run(tmp_path, **asked)
    with pytest.raises(RunError, match="this audit is finished"):
        killed.run(tmp_path, **asked)


def test_a_folder_that_is_in_use_is_gone_on_with_only_where_that_is_asked(tmp_path: Path, whole: Done) -> None:
    folder = tmp_path / "run"
    interrupted(folder, 5)
    with pytest.raises(RunError, match="an empty folder was wanted"):
        killed.run(folder, resume=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audits, "prepare", small.unprepared)
        result = killed.run(folder, resume=False, force=True, seed=5, sentinels=2)
    assert Run.open(folder).finished and Run.open(folder).record["settings"]["seed"] == 5
    assert [(one.felled, one.robust) for one in result.by_eps] == [(one["felled"], one["robust"]) for one in whole.table["by_eps"]]


def test_to_go_on_where_nothing_is_begins(tmp_path: Path, whole: Done, go_on: Callable[[Path], Done]) -> None:
    check_same(go_on(tmp_path / "new"), whole, [])
