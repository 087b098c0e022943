"""The store of image search in LanceDB ("lance:DIR"): for one on object storage, or of more than one machine."""

from __future__ import annotations

import importlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

from hoodwink.runs import one_line
from hoodwink.search.storage import (
    LANCE,
    WAIT,
    File,
    Floats,
    Halves,
    Ids,
    SearchError,
    StoreCard,
    check_card,
    new_card,
    pick_vectors,
    read_card,
    unit_halves,
)

TABLE = "pictures"
_KEY = {"lance-schema:unenforced-primary-key": "true"}  # two who add the same path at once are in each other's way, one tries again
_ASKED = 500  # values in one question
_TIDY = 64  # commits after which the many small files are joined
_FILE = ("path", "size", "mtime", "sha256")

P = ParamSpec("P")
R = TypeVar("R")


def _plainly(method: Callable[P, R]) -> Callable[P, R]:
    """Say what LanceDB raises in one line."""

    @wraps(method)
    def said(*given: P.args, **asked: P.kwargs) -> R:
        try:
            return method(*given, **asked)
        except SearchError:
            raise
        except (RuntimeError, ValueError, OSError) as error:
            raise _error(str(getattr(given[0], "name", given[0])), method.__name__, error) from error

    return said


def _error(name: str, what: str, error: Exception) -> SearchError:
    said = one_line(error)[:300]
    return SearchError(f"{one_line(name)}: LanceDB could not do {what.strip('_')}: {said}; try again, or name another store")


class LanceStore:
    """Pictures and their embeddings in a LanceDB table. Several processes may read and write it at once."""

    def __init__(self, table: Any, name: str, place: Path | None, card: StoreCard) -> None:
        self.name, self.place, self.card = name, place, card
        self._table, self._commits = table, 0

    @classmethod
    def open(
        cls,
        where: str | Path,
        *,
        model: str | None = None,
        weights_sha256: str | None = None,
        dimension: int | None = None,
        layer: str | None = None,
        card_sha256: str | None = None,
    ) -> LanceStore:
        """Open the store "lance:DIR", or make it if model, weights_sha256 and dimension are all given.

        An address that LanceDB knows ("lance:s3://bucket/prefix") may stand for the folder. Raises SearchError as `Store.open` does, and
        where lancedb is not installed.
        """
        name, address = str(where), str(where).removeprefix(LANCE)
        place = None if "://" in address else Path(address)
        asked = {"model": model, "weights_sha256": weights_sha256, "dimension": dimension, "layer": layer, "card_sha256": card_sha256}
        table = _open(name, address, place, asked)
        found = read_card(name, {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()})
        check_card(name, found, asked)
        return cls(table, name, place, found)

    @_plainly
    def add(self, files: Sequence[File], vectors: Any) -> None:
        """See `Storage`."""
        halves = unit_halves(files, vectors, self.card.dimension)
        if files:
            self._put(files, halves)

    @_plainly
    def moved(self, pairs: Sequence[tuple[str, File]]) -> list[File]:
        """See `Storage`; the id is another, and a crash in between leaves both paths."""
        known = self._files_of("path", [source for source, _ in pairs])
        held = {file.path: file.sha256 for file in known.values()}
        good = [(source, file) for source, file in pairs if held.get(source) == file.sha256]
        missed = self.copied([file for _, file in good])
        self.remove(list({source for source, _ in good} - {file.path for _, file in good}))
        return [*missed, *(file for source, file in pairs if held.get(source) != file.sha256)]

    @_plainly
    def copied(self, files: Sequence[File]) -> list[File]:
        """See `Storage`."""
        found: dict[str, Halves] = {}
        for batch in self._of(["sha256", "vector"], "sha256", [file.sha256 for file in files]):
            found.update(zip(batch["sha256"].to_pylist(), self._halves(batch), strict=True))
        there = [file for file in files if file.sha256 in found]
        if there:
            self._put(there, np.stack([found[file.sha256] for file in there]))
        return [file for file in files if file.sha256 not in found]

    @_plainly
    def remove(self, paths: Sequence[str]) -> int:
        """See `Storage`; all or none of 500 at a time."""
        count = 0
        for at in range(0, len(paths), _ASKED):
            condition = _one_of("path", paths[at : at + _ASKED])
            count += int(self._commit(partial(self._table.delete, condition)).num_deleted_rows)
        return count

    @_plainly
    def known(self) -> dict[str, File]:
        """See `Storage`."""
        batches = self._table.search().select(list(_FILE)).to_batches()
        return {row[0]: File(*row) for batch in batches for row in zip(*(batch[name].to_pylist() for name in _FILE), strict=True)}

    @_plainly
    def files(self, ids: Iterable[int]) -> dict[int, File]:
        """See `Storage`."""
        return self._files_of("id", [int(one) for one in ids])

    @_plainly
    def ids(self) -> Ids:
        """See `Storage`."""
        found = self._table.search().select(["id"]).to_arrow()["id"].to_numpy()
        return np.sort(found.astype(np.int64))

    def rows(self, chunk: int = 4096) -> Iterator[tuple[Ids, Halves]]:
        """See `Storage`."""
        try:
            for batch in self._table.search().select(["id", "vector"]).to_batches(chunk):
                for at in range(0, batch.num_rows, chunk):
                    part = batch.slice(at, chunk)
                    yield np.array(part["id"].to_numpy(), np.int64), self._halves(part)
        except (RuntimeError, OSError) as error:
            raise _error(self.name, "rows", error) from error

    @_plainly
    def rows_of(self, ids: Sequence[int] | Ids) -> tuple[Ids, Halves]:
        """See `Storage`."""
        names, halves = [np.empty(0, np.int64)], [np.empty((0, self.card.dimension), np.float16)]
        for batch in self._of(["id", "vector"], "id", [int(one) for one in ids]):
            names.append(batch["id"].to_numpy())
            halves.append(self._halves(batch))
        return np.concatenate(names), np.concatenate(halves)

    def vectors(self, ids: Sequence[int] | Ids) -> Floats:
        """See `Storage`."""
        return pick_vectors(ids, *self.rows_of(ids))

    @_plainly
    def stamp(self) -> str:
        """See `Storage`: which table, and its version."""
        return f"{self._table.schema.metadata[b'stamp'].decode()}-{self._table.version}"

    def close(self) -> None:
        """Nothing is held."""

    @_plainly
    def __len__(self) -> int:
        return int(self._table.count_rows())

    def _put(self, files: Sequence[File], halves: Halves) -> None:
        """One commit; of a path that comes twice the last counts."""
        arrow, last = importlib.import_module("pyarrow"), {file.path: at for at, file in enumerate(files)}
        kept = [files[at] for at in last.values()]
        flat = np.ascontiguousarray(halves[list(last.values())]).reshape(-1)
        columns: dict[str, Any] = {name: [getattr(file, name) for file in kept] for name in _FILE}
        columns["id"] = [secrets.randbits(62) for _ in kept]  # no counter: writers need not agree
        columns["vector"] = arrow.FixedSizeListArray.from_arrays(arrow.array(flat), self.card.dimension)
        rows = arrow.table(columns, schema=self._table.schema)
        self._commit(lambda: self._table.merge_insert("path").when_matched_update_all().when_not_matched_insert_all().execute(rows))

    def _commit(self, change: Callable[[], Any]) -> Any:
        """Write, again where another was quicker; join small files from time to time."""
        until = time.monotonic() + WAIT
        while True:
            try:
                done = change()
                break
            except (RuntimeError, OSError) as error:
                if "conflict" not in str(error).lower() or time.monotonic() > until:
                    raise
                time.sleep(0.05)
        self._commits += 1
        if self._commits % _TIDY == 0:
            with suppress(RuntimeError, OSError):  # another does it
                self._table.optimize(cleanup_older_than=timedelta(hours=1))
        return done

    def _files_of(self, column: str, values: Sequence[Any]) -> dict[int, File]:
        batches = self._of(["id", *_FILE], column, values)
        return {
            row[0]: File(*row[1:]) for batch in batches for row in zip(*(batch[name].to_pylist() for name in ("id", *_FILE)), strict=True)
        }

    def _of(self, columns: list[str], column: str, values: Sequence[Any]) -> Iterator[Any]:
        """Batches of the rows in whose column one of the values stands."""
        for at in range(0, len(values), _ASKED):
            yield from self._table.search().where(_one_of(column, values[at : at + _ASKED])).select(columns).to_batches()

    def _halves(self, batch: Any) -> Halves:
        flat: Halves = batch["vector"].flatten().to_numpy()
        return flat.reshape(-1, self.card.dimension)


@_plainly
def _open(name: str, address: str, place: Path | None, asked: dict[str, Any]) -> Any:
    """The table, made if need be."""
    try:
        lancedb, arrow = importlib.import_module("lancedb"), importlib.import_module("pyarrow")
    except ImportError as error:
        raise SearchError(f"{one_line(name)}: lancedb is not installed: pip install 'hoodwink[lance]', or name a plain folder") from error
    there = place is None or (place / f"{TABLE}.lance").is_dir()
    card = new_card(name, asked, there)
    if not there and place is not None:
        place.mkdir(parents=True, exist_ok=True)
    base = lancedb.connect(address, read_consistency_interval=timedelta(0))  # what others commit is seen at once
    with suppress(ValueError):
        return base.open_table(TABLE)
    if card is None:
        raise SearchError(f"{one_line(name)}: a store was wanted, there is none: name another, or make it with hoodwink search index")
    said = {key: str(value) for key, value in {**asdict(card), "stamp": secrets.token_hex(8)}.items()}
    text, whole = arrow.string(), arrow.int64()
    schema = arrow.schema(
        [
            arrow.field("path", text, nullable=False, metadata=_KEY),
            *(arrow.field(key, kind) for key, kind in (("id", whole), ("size", whole), ("mtime", whole), ("sha256", text))),
            arrow.field("vector", arrow.list_(arrow.float16(), card.dimension)),
        ],
        metadata=said,
    )
    with suppress(ValueError, RuntimeError):  # another process was quicker
        return base.create_table(TABLE, schema=schema)
    return base.open_table(TABLE)


def _one_of(column: str, values: Sequence[Any]) -> str:
    said = ("'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value) for value in values)
    return f"{column} IN ({', '.join(said)})"
