from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.search import lance
from hoodwink.search.index import open_index
from hoodwink.search.storage import File, SearchError
from hoodwink.search.store import open_store

CARD: dict[str, Any] = {"model": "m", "weights_sha256": "ab", "dimension": 4}


def files(*names: str) -> list[File]:
    return [File(name, 1, 1, name * 2) for name in names]


@pytest.fixture
def lancedb() -> Any:
    return pytest.importorskip("lancedb", reason="lancedb is not installed (pip install 'hoodwink[lance]')")


def test_where_it_is_not_installed_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(lance.importlib, "import_module", absent)
    with pytest.raises(SearchError, match=r"lancedb is not installed: pip install 'hoodwink\[lance\]'"):
        open_store(f"lance:{tmp_path / 'store'}", **CARD)
    assert not list(tmp_path.iterdir())


def test_an_address_that_is_no_folder(lancedb: Any) -> None:
    store = open_store("lance:memory://", **CARD)
    store.add(files("p", "q"), np.eye(4)[:2])
    assert store.place is None and set(store.known()) == {"p", "q"}
    if open_index.__globals__["_faiss"]() is not None:
        with pytest.raises(SearchError, match="a folder on this machine was wanted"):
            open_index(store)


def test_of_a_path_that_comes_twice_the_last_counts(tmp_path: Path, lancedb: Any) -> None:
    store = open_store(f"lance:{tmp_path}/store", **CARD)
    store.add(files("p", "q", "p"), np.eye(4)[:3])
    assert len(store) == 2 and [round(float(row[2])) for row in store.vectors(store.ids())].count(1) == 1


def test_small_files_are_joined_from_time_to_time(tmp_path: Path, lancedb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lance, "_TIDY", 8)
    store = open_store(f"lance:{tmp_path}/store", **CARD)
    for at in range(9):
        store.add(files(f"p{at}"), np.eye(4)[:1])
    data = list((tmp_path / "store").rglob("*.lance"))
    assert len(store) == 9 and isinstance(store, lance.LanceStore) and store._table.stats()["fragment_stats"]["num_fragments"] <= 2
    assert data


def test_a_table_of_something_else(tmp_path: Path, lancedb: Any) -> None:
    lancedb.connect(tmp_path / "store").create_table(lance.TABLE, [{"name": "song"}])
    with pytest.raises(SearchError, match="does not say whose embeddings"):
        open_store(f"lance:{tmp_path}/store", **CARD)


def test_what_lance_raises_is_one_line(tmp_path: Path, lancedb: Any) -> None:
    store = open_store(f"lance:{tmp_path}/store", **CARD)
    store.add(files("p"), np.eye(4)[:1])
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(SearchError) as error:
        open_store(f"lance:{tmp_path}/store").known()
    assert "\n" not in str(error.value)
