"""The store of image search: the files, what they hold and their embeddings, in one SQLite file; it is the truth, the index is made from it."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.runs import one_line, reason
from hoodwink.search.storage import (
    LANCE,
    WAIT,
    File,
    Floats,
    Halves,
    Ids,
    SearchError,
    Storage,
    StoreCard,
    check_card,
    damaged,
    new_card,
    pick_vectors,
    read_card,
    unit_halves,
)

DATABASE = "search.db"
_PAGE = 8192  # bytes: a page of 4096 holds one embedding of 1280 dimensions and wastes a third
_ASKED = 500  # ids in one question, below every build's bound on variables
_TABLES = (  # the vectors apart: what only asks for files does not read them
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    (
        "CREATE TABLE IF NOT EXISTS pictures (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, "
        "sha256 TEXT NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL)"
    ),
    "CREATE TABLE IF NOT EXISTS vectors (id INTEGER PRIMARY KEY, vector BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS contents ON pictures (sha256)",
    "CREATE TRIGGER IF NOT EXISTS gone AFTER DELETE ON pictures BEGIN DELETE FROM vectors WHERE id = OLD.id; END",
)


def open_store(
    where: str | Path,
    *,
    model: str | None = None,
    weights_sha256: str | None = None,
    dimension: int | None = None,
    layer: str | None = None,
    card_sha256: str | None = None,
) -> Storage:
    """Open the store in a folder, or the LanceDB one of "lance:DIR"; the arguments are those of `Store.open`."""
    asked: dict[str, Any] = {
        "model": model,
        "weights_sha256": weights_sha256,
        "dimension": dimension,
        "layer": layer,
        "card_sha256": card_sha256,
    }
    if str(where).startswith(LANCE):
        from hoodwink.search.lance import LanceStore

        return LanceStore.open(str(where), **asked)
    return Store.open(where, **asked)


class Store:
    """Pictures and their embeddings in FOLDER/search.db, on a disk of this machine.

    Several processes may read and write it at once. What was committed is on the disk, whatever happens to the process or the machine.
    """

    def __init__(self, connection: sqlite3.Connection, place: Path, card: StoreCard) -> None:
        self.place: Path | None = place
        self.card = card
        self._connection = connection
        self._name = one_line(place / DATABASE)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        model: str | None = None,
        weights_sha256: str | None = None,
        dimension: int | None = None,
        layer: str | None = None,
        card_sha256: str | None = None,
    ) -> Store:
        """Open a folder's store, or make it if model, weights_sha256 and dimension are all given.

        One that cannot be written is opened for reading. Raises SearchError for a store of other embeddings than asked, of a newer
        format, for none, and for a file that is no store.
        """
        folder, database = Path(folder), Path(folder) / DATABASE
        asked = {"model": model, "weights_sha256": weights_sha256, "dimension": dimension, "layer": layer, "card_sha256": card_sha256}
        card = new_card(folder, asked, database.is_file())
        try:
            if card is not None:
                folder.mkdir(parents=True, exist_ok=True)
            connection, said = _connect(database, card)
        except OSError as error:
            raise SearchError(f"{one_line(folder)}: no store can be had there: {reason(error)}; name another folder") from error
        except sqlite3.Error as error:
            if card is None and _unwritable(error):
                raise SearchError(
                    f"{one_line(database)}: cannot be read: its log of changes ({DATABASE}-wal) asks for a folder that can be written; "
                    "copy the folder, or open it once where it can be written"
                ) from error
            what = "this cannot be opened and written" if _unwritable(error) else "this is none"
            raise SearchError(f"{one_line(database)}: a store was wanted, {what}: {one_line(error)}; name another folder") from error
        try:
            found = read_card(database, said)
            check_card(folder, found, asked)
        except BaseException:
            connection.close()
            raise
        return cls(connection, folder, found)

    def add(self, files: Sequence[File], vectors: Any) -> None:
        """See `Storage`."""
        halves = unit_halves(files, vectors, self.card.dimension)
        if files:
            with self._write() as cursor:
                for file, vector in zip(files, halves, strict=True):
                    _put(cursor, file, vector.tobytes())

    def moved(self, pairs: Sequence[tuple[str, File]]) -> list[File]:
        """See `Storage`; the id stays."""
        missed = list[File]()
        with self._write() as cursor:
            for source, file in pairs:
                row = cursor.execute("SELECT id FROM pictures WHERE path = ? AND sha256 = ?", (source, file.sha256)).fetchone()
                if row is None:
                    missed.append(file)
                    continue
                cursor.execute("DELETE FROM pictures WHERE path = ? AND id != ?", (file.path, *row))
                values = (file.path, file.size, file.mtime, *row)
                cursor.execute("UPDATE pictures SET path = ?, size = ?, mtime = ? WHERE id = ?", values)
        return missed

    def copied(self, files: Sequence[File]) -> list[File]:
        """See `Storage`."""
        with self._write() as cursor:
            # All are read before one is written: two files may have changed names.
            query = "SELECT vector FROM pictures JOIN vectors USING (id) WHERE sha256 = ? LIMIT 1"
            found = [(file, cursor.execute(query, (file.sha256,)).fetchone()) for file in files]
            for file, row in found:
                if row is not None:
                    _put(cursor, file, row[0])
        return [file for file, row in found if row is None]

    def remove(self, paths: Sequence[str]) -> int:
        """See `Storage`."""
        with self._write() as cursor:
            return sum(cursor.execute("DELETE FROM pictures WHERE path = ?", (path,)).rowcount for path in paths)

    def known(self) -> dict[str, File]:
        """See `Storage`."""
        return {row[0]: File(*row) for row in self._ask("SELECT path, size, mtime, sha256 FROM pictures")}

    def files(self, ids: Iterable[int]) -> dict[int, File]:
        """See `Storage`."""
        rows = self._of("SELECT id, path, size, mtime, sha256 FROM pictures", ids)
        return {row[0]: File(*row[1:]) for row in rows}

    def ids(self) -> Ids:
        """See `Storage`."""
        return np.fromiter((row[0] for row in self._ask("SELECT id FROM pictures ORDER BY id")), np.int64)

    def rows(self, chunk: int = 4096) -> Iterator[tuple[Ids, Halves]]:
        """See `Storage`; in rising order of the ids."""
        last = 0
        while True:  # a question a chunk: a long one would keep the log of changes from being folded in
            found = list(self._ask("SELECT id, vector FROM vectors WHERE id > ? ORDER BY id LIMIT ?", last, chunk))
            if not found:
                return
            last = found[-1][0]
            yield np.array([row[0] for row in found], np.int64), self._joined(row[1] for row in found)

    def rows_of(self, ids: Sequence[int] | Ids) -> tuple[Ids, Halves]:
        """See `Storage`."""
        found = list(self._of("SELECT id, vector FROM vectors", ids))
        return np.array([row[0] for row in found], np.int64), self._joined(row[1] for row in found)

    def vectors(self, ids: Sequence[int] | Ids) -> Floats:
        """See `Storage`."""
        return pick_vectors(ids, *self.rows_of(ids))

    def stamp(self) -> str:
        """See `Storage`."""
        row = next(self._ask("SELECT value FROM meta WHERE name = 'stamp'"), None)
        if row is None:
            raise damaged(self._name, "it has no stamp")
        return str(row[0])

    def close(self) -> None:
        """See `Storage`."""
        self._connection.close()

    def __len__(self) -> int:
        return int(next(self._ask("SELECT count(*) FROM pictures"))[0])

    def _joined(self, blobs: Iterable[Any]) -> Halves:
        kept = list(blobs)
        if not all(isinstance(blob, bytes) and len(blob) == 2 * self.card.dimension for blob in kept):
            raise damaged(self._name, f"an embedding has not the {self.card.dimension} numbers that all have")
        return np.frombuffer(b"".join(kept), np.float16).reshape(-1, self.card.dimension)

    def _of(self, query: str, ids: Iterable[int]) -> Iterator[Any]:
        asked = [int(one) for one in ids]
        for at in range(0, len(asked), _ASKED):
            part = asked[at : at + _ASKED]
            yield from self._ask(f"{query} WHERE id IN ({', '.join('?' * len(part))})", *part)

    def _ask(self, query: str, *values: Any) -> Iterator[Any]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise damaged(self._name, one_line(error)) from error

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Cursor]:
        """One transaction; the stamp is another after it if it changed anything."""
        try:
            with _transaction(self._connection) as cursor:
                before = self._connection.total_changes
                yield cursor
                if self._connection.total_changes > before:
                    cursor.execute("UPDATE meta SET value = ? WHERE name = 'stamp'", (_new_stamp(),))
        except sqlite3.Error as error:
            raise SearchError(f"{self._name}: cannot be written: {one_line(error)}; what was committed before is kept") from error


def _connect(database: Path, card: StoreCard | None) -> tuple[sqlite3.Connection, dict[str, Any]]:
    """Open the file, make its tables if it is new, and say what it says of itself; one that cannot be written is opened for reading."""
    connection = sqlite3.connect(database, timeout=WAIT, isolation_level=None)
    try:
        return connection, _begin(connection, card)
    except BaseException as error:
        connection.close()
        if card is not None or not isinstance(error, sqlite3.Error) or not _unwritable(error):
            raise
    # Even who reads keeps a file beside a store, for the log of changes; where no log lies there, none is needed.
    log = database.with_name(f"{database.name}-wal")
    still = "" if log.is_file() and log.stat().st_size else "&immutable=1"
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro{still}", timeout=WAIT, isolation_level=None, uri=True)
    try:
        return connection, _meta(connection)
    except BaseException:
        connection.close()
        raise


def _unwritable(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"))


def _begin(connection: sqlite3.Connection, card: StoreCard | None) -> dict[str, Any]:
    """Set the connection up, make the tables of a new store, and return what it says of itself."""
    connection.execute("PRAGMA synchronous = FULL")
    if card is not None and not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        _patiently(connection, "PRAGMA journal_mode = WAL")
        with _transaction(connection) as cursor:
            for statement in _TABLES:
                cursor.execute(statement)
            values = [*asdict(card).items(), ("stamp", _new_stamp())]
            cursor.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", [(name, str(value)) for name, value in values])
    return _meta(connection)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Cursor]:
    """The lock is taken at the beginning: a transaction that begins by reading cannot be finished when another writes meanwhile."""
    _patiently(connection, "BEGIN IMMEDIATE")
    try:
        yield connection.cursor()
        _patiently(connection, "COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Execute a statement that others may be in the way of: not every lock waits for `timeout`."""
    until = time.monotonic() + WAIT
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            if time.monotonic() > until:
                raise SearchError(f"store: another process has been writing for {WAIT:.0f} s; wait for it, or end it") from error
            time.sleep(0.02)


def _put(cursor: sqlite3.Cursor, file: File, vector: bytes) -> None:
    cursor.execute("DELETE FROM pictures WHERE path = ?", (file.path,))
    # The time, so that a store put back from a copy, or made anew, does not give an index other pictures under the ids that it knows.
    query = "INSERT INTO pictures SELECT max(?, coalesce(max(id), 0) + 1), ?, ?, ?, ? FROM pictures"
    cursor.execute(query, (time.time_ns(), file.path, file.sha256, file.size, file.mtime))
    cursor.execute("INSERT INTO vectors VALUES (?, ?)", (cursor.lastrowid, vector))


def _meta(connection: sqlite3.Connection) -> dict[str, Any]:
    return dict(connection.execute("SELECT name, value FROM meta").fetchall())


def _new_stamp() -> str:
    """No counter: a store put back from a copy would count to the same numbers with other pictures."""
    return secrets.token_hex(8)
