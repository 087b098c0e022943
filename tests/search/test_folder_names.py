from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hoodwink.pictures.write import encode_png
from hoodwink.runs import sha256_bytes, sha256_file
from hoodwink.search import folder as folders
from hoodwink.search.folder import embed_new, is_aside, plan, plan_files, settle
from hoodwink.search.storage import Storage
from hoodwink.search.store import Store, open_store

from .greys import draw, embed, greys, keep_up, names

# files that changed names in chains and rings


def rename(photos: Path, names: dict[int, int]) -> None:
    """Give files n.png other numbers, all at once."""
    for at, (one, other) in enumerate(names.items()):
        (photos / f"{one}.png").rename(photos / f"{other}.new")
        os.utime(photos / f"{other}.new", ns=(at + 5, at + 5))
    for other in names.values():
        (photos / f"{other}.new").rename(photos / f"{other}.png")


def interrupt(monkeypatch: pytest.MonkeyPatch, store: Storage, commits: int) -> None:
    """Let a store be stopped after so many commits."""
    name, left = "_write" if isinstance(store, Store) else "_commit", iter(range(commits))
    commit = getattr(store, name)

    def stopped(*given: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return commit(*given)

    monkeypatch.setattr(store, name, stopped)


def each_is_right(store: Storage) -> None:
    """Every path has the embedding of the content that the store says it has; file n shows the grey 10 n + 10."""
    contents = {sha256_bytes(encode_png(np.full((2 + grey % 3, 4, 3), grey, np.uint8))): grey for grey in range(10, 100, 10)}
    known = {Path(path).name: contents[file.sha256] for path, file in store.known().items()}
    assert greys(store) == known


def walk_through_names(where: str, photos: Path, targets: list[int], commits: int) -> None:
    with (
        closing(open_store(where, model="m", weights_sha256="ab", dimension=16)) as store,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(folders, "_AT_ONCE", 2)
        for at in range(7):
            draw(photos / f"{at}.png", 10 * at + 10)
        keep_up(store, photos)
        before = set(store.ids().tolist())
        rename(photos, dict(enumerate(targets)))
        with suppress(KeyboardInterrupt), patch.context() as stopping:
            interrupt(stopping, store, commits)
            settle(store, plan(photos, store))
        each_is_right(store)
        left = settle(store, plan(photos, store))
        assert not left.new and not left.changed  # nothing was lost
        assert greys(store) == {f"{other}.png": 10 * one + 10 for one, other in enumerate(targets)}
        each_is_right(store)
        assert names(plan(photos, store)) == {} and (where.startswith("lance:") or set(store.ids().tolist()) == before)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(9)), st.integers(0, 12))
@example([*range(1, 9), 0], 99)
@example([1, 2, 3, 4, 5, 6, 0, 7, 8], 3)
def test_any_names_may_have_changed_and_whatever_was_interrupted(order: list[int], commits: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        walk_through_names(f"{folder}/store", Path(folder, "photos"), order[:7], commits)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.permutations(range(9)), st.integers(0, 20))
@example([*range(1, 9), 0], 4)
def test_any_names_may_have_changed_and_whatever_was_interrupted_in_lance(order: list[int], commits: int) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not installed (pip install 'hoodwink[lance]')")
    with tempfile.TemporaryDirectory() as folder:
        walk_through_names(f"lance:{folder}/store", Path(folder, "photos"), order[:7], commits)


@pytest.mark.parametrize("commits", [1, 2, 3, 4])
def test_rows_that_were_put_aside_go_when_the_files_are_added_again(kept: Storage, photos: Path, commits: int) -> None:
    shutil.copy(photos / "a.png", photos / "b.png")
    keep_up(kept, photos)
    contents = [(photos / name).read_bytes() for name in ("c.PNG", "d.png", "a.png")]
    for name, data in zip(("a.png", "b.png", "c.PNG"), contents, strict=True):
        (photos / name).write_bytes(data)
        os.utime(photos / name, ns=(7, 7))
    files = sorted(photos.glob("*.[pP]*"))
    with suppress(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "_AT_ONCE", 1)
        interrupt(patch, kept, commits)
        settle(kept, plan_files(files, kept))
    embed_new(kept, settle(kept, plan_files(files, kept)), embed)
    assert not any(is_aside(path) for path in kept.known())
    assert greys(kept) == {"a.png": 30, "b.png": 40, "c.PNG": 10, "d.png": 40, "e.png": 50}


def test_what_the_store_cannot_serve_any_more_is_embedded(kept: Storage, photos: Path, reopen: Callable[..., Storage]) -> None:
    (photos / "a.png").rename(photos / "moved.png")
    shutil.copy(photos / "b.png", photos / "copy.png")
    os.utime(photos / "c.PNG", ns=(5, 5))
    found = plan(photos, kept)
    reopen().remove(sorted(reopen().known())[:3])  # another process
    left = settle(kept, found)
    assert names(left) == {"new": ["c.PNG", "copy.png", "moved.png"]}
    assert embed_new(kept, left, embed).added == 3 and names(plan(photos, kept)) == {"copied": ["b.png"]}
    assert greys(kept) == {"moved.png": 10, "copy.png": 20, "c.PNG": 30, "d.png": 40, "e.png": 50}


# anything may happen to a folder


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from(["write", "rename", "copy", "unlink", "touch"]), *[st.sampled_from("pqrs")] * 2, st.integers(1, 4)),
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_happened_to_a_folder_the_store_is_right(tmp_path: Path, rounds: Any) -> None:
    shutil.rmtree(tmp_path / "w", ignore_errors=True)
    photos = tmp_path / "w" / "photos"
    draw(photos / "always.png", 200)
    clock = 10**9
    with closing(Store.open(tmp_path / "w" / "store", model="m", weights_sha256="ab", dimension=16)) as store:
        for changes in rounds:
            for what, one, other, value in changes:
                first, second = photos / f"{one}.png", photos / f"{other}.png"
                clock += 1000
                if what == "write":
                    draw(first, value * 10)
                elif not first.exists():
                    continue
                elif what == "rename":
                    first.rename(second)
                elif what == "copy" and one != other:
                    shutil.copy2(first, second)
                elif what == "unlink":
                    first.unlink()
                changed = second if what in ("rename", "copy") else first
                if changed.exists() and what != "rename":  # a clock that is finer than the file system's
                    os.utime(changed, ns=(clock, clock))
            keep_up(store, photos)
            assert names(plan(photos, store)) == {}
            wanted = {path.name: int(Path(path).read_bytes() and _grey(path)) for path in photos.iterdir()}
            assert greys(store) == wanted
            assert {path: replace(file, mtime=0) for path, file in store.known().items()} == {
                str(path): replace(store.known()[str(path)], size=path.stat().st_size, mtime=0, sha256=sha256_file(path))
                for path in photos.iterdir()
            }


def _grey(path: Path) -> int:
    from hoodwink.pictures.read import read_picture

    return int(read_picture(path).levels[0, 0, 0])
