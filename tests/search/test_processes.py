"""More than one process at the same store, and dead ones."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.search.exact import exact, questions
from hoodwink.search.index import open_index
from hoodwink.search.storage import File, Storage
from hoodwink.search.store import Store, open_store

ONCE_AND_TEN = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 11))]
KEPT = 2**-11  # the relative rounding of float16


def start(folder: Path, script: str, *given: tuple[str, ...]) -> list[subprocess.Popen[str]]:
    """Processes of a script, one for each of its arguments' tuples, that begin at the same time."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
    ready, go = [folder / f"ready-{at}" for at in range(len(given))], folder / "go"
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, str(Path(__file__).with_name(script))]
    writers = [
        subprocess.Popen([*command, *some, str(path), str(go)], env=environment, **pipes) for some, path in zip(given, ready, strict=True)
    ]
    until = time.monotonic() + 120
    while not all(path.exists() for path in ready) and time.monotonic() < until:
        time.sleep(0.001)
    go.touch()
    return writers


def batches_in(store: Storage, name: str) -> list[int]:
    """The batches of a writer that are there; each must be whole, with the embeddings that it was given."""
    ids = store.ids()
    named = store.files(ids)
    found = {named[int(one)].path: row for one, row in zip(ids, store.vectors(ids), strict=True)}
    mine = {path: row for path, row in found.items() if path.startswith(f"/{name}/")}
    numbers = sorted({int(path.rpartition("/")[2].partition("-")[0]) for path in mine})
    for batch in numbers:
        for at in range(3):
            given = np.array([batch % 7 + 1, at + 1, 1, 0]) / np.sqrt((batch % 7 + 1) ** 2 + (at + 1) ** 2 + 1)
            np.testing.assert_allclose(mine[f"/{name}/{batch}-{at}"], given, atol=2 * KEPT)
    assert len(mine) == 3 * len(numbers)
    return numbers


def place(folder: Path, kind: str) -> str:
    """Where a store of a kind is."""
    return f"lance:{folder / 'store'}" if kind == "lance" else str(folder / "store")


def test_two_who_make_and_write_a_store_at_once_lose_nothing(tmp_path: Path, kind: str) -> None:
    where, names, batches = place(tmp_path, kind), ("one", "two"), 10 if kind == "lance" else 40
    finished(start(tmp_path, "writing.py", *((where, name, str(batches)) for name in names)))
    with closing(open_store(where)) as store:
        assert [batches_in(store, name) for name in names] == [list(range(batches))] * 2
        assert len(store) == len(store.known()) == (2 * 3 + 1) * batches  # what both wrote is there once


def test_two_who_index_at_once_are_not_in_each_others_way(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("faiss", reason="faiss is not installed (pip install 'hoodwink[search]')")
    where = place(tmp_path, kind)
    finished(start(tmp_path, "indexing.py", *((where, name, "6") for name in ("one", "two"))))
    with closing(open_store(where)) as store:
        right(store, 0)


def finished(writers: list[subprocess.Popen[str]]) -> None:
    """Wait for all of them; none may have failed."""
    said = [writer.communicate(timeout=120)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * len(writers), said


def right(store: Storage, seed: int) -> None:
    """The index of a store answers as a comparison with all that is in it."""
    queries = np.random.default_rng(seed).standard_normal((20, 4))
    with closing(open_index(store)) as index:
        for k in (1, 10, len(store)):
            ids, cosines = exact(store.rows(), questions(queries, k, 4), k)
            found = index.query(queries, k)
            np.testing.assert_array_equal(found[0], ids)
            np.testing.assert_array_equal(found[1], cosines)


def test_who_reads_before_writing_is_not_overtaken(tmp_path: Path) -> None:
    def other() -> None:
        with closing(Store.open(tmp_path)) as second:
            second.add([File("/other", 0, 0, "b")], [[0, 1, 0, 0]])

    thread = threading.Thread(target=other)

    def slowly() -> Iterator[File]:
        yield File("/x", 0, 0, "a")
        thread.start()
        thread.join(0.2)  # it waits for us: what was read must still hold when it is written
        yield File("/y", 0, 0, "a")

    with closing(Store.open(tmp_path, model="m", weights_sha256="ab", dimension=4)) as store:
        store.add([File("/p", 0, 0, "a")], [[1, 0, 0, 0]])
        store.copied(slowly())  # type: ignore[arg-type]
        thread.join()
        assert set(store.known()) == {"/p", "/x", "/y", "/other"}


@pytest.mark.parametrize("seed", ONCE_AND_TEN)
def test_after_a_kill_the_store_holds_what_was_committed(tmp_path: Path, kind: str, seed: int) -> None:
    where = place(tmp_path, kind)
    printed = killed(start(tmp_path, "writing.py", (where, "one", "100000")), seed)
    with closing(open_store(where)) as store:
        found = batches_in(store, "one")
        assert found[: len(printed)] == printed == list(range(len(printed)))
        assert len(found) - len(printed) <= 1  # it was killed between the commit and the line
        store.add([File("/next", 0, 0, "n")], [[1, 0, 0, 0]])  # and it goes on
        assert len(store) == 4 * len(found) + 1


@pytest.mark.parametrize("seed", ONCE_AND_TEN)
def test_after_a_kill_the_index_answers_of_what_is_in_the_store(tmp_path: Path, seed: int) -> None:
    pytest.importorskip("faiss", reason="faiss is not installed (pip install 'hoodwink[search]')")
    where = place(tmp_path, "sqlite")
    killed(start(tmp_path, "indexing.py", (where, "one", "100000")), seed)
    with closing(open_store(where)) as store:
        right(store, seed)
        store.add([File("/next", 0, 0, "n")], [[1, 0, 0, 0]])
        right(store, seed)


def killed(writers: list[subprocess.Popen[str]], seed: int) -> list[int]:
    """Let a process print a number or more, kill it, and return them."""
    (writer,) = writers
    assert writer.stdout is not None and writer.stderr is not None
    first = writer.stdout.readline()
    time.sleep(random.Random(seed).uniform(0.01, 0.5))
    writer.send_signal(signal.SIGKILL)
    lines = writer.stdout.readlines()  # `communicate` would lose what `readline` has read ahead
    said = writer.stderr.read()
    writer.communicate()
    assert not said, said
    return [*map(int, [first, *lines])]
