from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.search import folder as folders
from hoodwink.search.folder import embed_new, plan, settle
from hoodwink.search.storage import SearchError, Storage

from .greys import draw, embed, greys, names

# embedding


def test_what_is_prepared_is_embedded(store: Storage, photos: Path) -> None:
    def prepare(levels: Any) -> Any:
        assert levels.dtype == np.uint8 and levels.shape[2] == 3
        return levels[:1, :1] + 1

    embed_new(store, plan(photos, store), lambda ones: embed([one - 1 for one in ones]), 2, prepare=prepare)
    assert greys(store) == {"a.png": 10, "b.png": 20, "c.PNG": 30, "d.png": 40, "e.png": 50}

    def failing(levels: Any) -> Any:
        if levels[0, 0, 0] == 77:
            raise ValueError("too narrow")
        return levels

    draw(photos / "new.png", 77)
    draw(photos / "other.png", 78)
    done = embed_new(store, plan(photos, store), embed, prepare=failing)
    assert [(Path(one.path).name, one.why) for one in done.broken] == [("new.png", "too narrow")] and done.added == 1


def test_twins_of_a_broken_file_are_broken(store: Storage, photos: Path) -> None:
    for name in ("x.png", "y.png"):
        (photos / name).write_bytes(b"no picture")
    shutil.copy(draw(photos / "good.png", 70), photos / "twin.png")
    done = embed_new(store, plan(photos, store), embed)
    assert [Path(one.path).name for one in done.broken] == ["x.png", "y.png"] and (done.added, done.twins) == (6, 1)
    assert done.broken[1].why == f"has the content of {photos / 'x.png'}, which is broken"


def test_a_twin_of_a_file_that_changed_meanwhile_is_embedded_itself(store: Storage, photos: Path) -> None:
    shutil.copy(photos / "a.png", photos / "twin.png")
    found = plan(photos, store)
    draw(photos / "a.png", 66)
    done = embed_new(store, found, embed)
    assert (done.added, done.twins, done.broken) == (6, 0, ()) and greys(store)["a.png"] == 66 and greys(store)["twin.png"] == 10


def test_what_cannot_be_read_any_more_keeps_no_old_embedding(kept: Storage, photos: Path) -> None:
    (photos / "a.png").write_bytes(b"no picture")
    (photos / "b.png").write_bytes(b"no picture")
    (photos / "c.PNG").unlink()
    (photos / "c.PNG").symlink_to(photos / "none")
    found = plan(photos, kept)
    assert names(found) == {"changed": ["a.png"], "twins": ["b.png"], "gone": ["c.PNG"], "broken": ["c.PNG"]}
    done = embed_new(kept, settle(kept, found), embed)
    assert len(done.broken) == 2 and done.added == 0 and greys(kept) == {"d.png": 40, "e.png": 50}


def test_only_broken_files(store: Storage, tmp_path: Path) -> None:
    for name in ("x.png", "y.png"):
        (tmp_path / name).write_bytes(name.encode())
    done = embed_new(store, plan(tmp_path, store), lambda pictures: pytest.fail("nothing is to be embedded"))
    assert [Path(one.path).name for one in done.broken] == ["x.png", "y.png"] and done.added == 0


def test_batches_and_what_is_told(store: Storage, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "aa.png").write_bytes(b"")
    told: list[tuple[int, int]] = []
    sizes: list[int] = []

    def counted(pictures: Any) -> Any:
        assert all(one.dtype == np.uint8 and one.ndim == 3 for one in pictures)
        sizes.append(len(pictures))
        return embed(pictures)

    embed_new(store, plan(photos, store), counted, 2, progress=lambda done, total: told.append((done, total)))
    assert sizes == [2, 2, 1] and told[-1] == (6, 6) and told == sorted(told)
    monkeypatch.setattr(folders, "_LEVELS", 1)
    for path in photos.rglob("*.png"):
        path.write_bytes(path.read_bytes() + b"!") if path.stat().st_size else None
    sizes.clear()
    embed_new(store, plan(photos, store), counted, 8)
    assert sizes == [1, 1, 1, 1]  # large pictures come alone; Pillow does not mind what follows a picture


def test_an_interrupted_run_goes_on_where_it_was(store: Storage, photos: Path) -> None:
    left = [1]

    def dying(pictures: Any) -> Any:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return embed(pictures)

    with pytest.raises(KeyboardInterrupt):
        embed_new(store, plan(photos, store), dying, 2)
    assert len(store) == 2
    found = plan(photos, store)
    assert found.same == 2 and len(found.new) == 3
    embed_new(store, found, embed, 2)
    assert len(store) == 5


@pytest.mark.parametrize("answer", [np.ones((5, 15)), np.ones((4, 16)), np.ones(16), 1.0])
def test_embeddings_of_another_shape(store: Storage, photos: Path, answer: Any) -> None:
    with pytest.raises(SearchError, match="embeddings 5 x 16 were wanted"):
        embed_new(store, plan(photos, store), lambda pictures: answer)
    assert len(store) == 0


def test_a_picture_without_direction_is_left_out_and_named(store: Storage, photos: Path) -> None:
    def blind(pictures: Any) -> Any:
        return embed(pictures) * np.array([0, 1, np.nan, 1, 1])[:, None]

    done = embed_new(store, plan(photos, store), blind)
    assert [(Path(one.path).name, one.why) for one in done.broken] == [
        (name, "its embedding is zero or not finite") for name in ("a.png", "c.PNG")
    ]
    assert done.added == len(store) == 3


# shards


@pytest.mark.parametrize("count", [1, 2, 5])
def test_shards_share_everything_and_nothing_twice(kept: Storage, photos: Path, count: int) -> None:
    for at in range(20):
        draw(photos / f"new{at}.png", 100 + at // 2)  # each content twice
    (photos / "a.png").rename(photos / "moved.png")
    (photos / "b.png").unlink()
    whole = names(plan(photos, kept))
    parts = [plan(photos, kept, shard=(at + 1, count)) for at in range(count)]
    for group in ("new", "twins", "gone"):
        assert sorted(name for part in parts for name in names(part).get(group, [])) == whole[group]
    assert [pair for part in parts for pair in part.moved] == list(plan(photos, kept).moved)
    for part in parts:  # one after the other, as if each had begun before the others were done
        settle(kept, part)
        embed_new(kept, part, embed)
    assert greys(kept) == {f"new{at}.png": 100 + at // 2 for at in range(20)} | {"moved.png": 10, "c.PNG": 30, "d.png": 40, "e.png": 50}


def test_a_shard_that_begins_late_takes_the_same(store: Storage, photos: Path) -> None:
    for at in range(12):
        draw(photos / f"new{at}.png", 100 + at)
    early = plan(photos, store, shard=(2, 3))
    for at in (1, 3):
        embed_new(store, plan(photos, store, shard=(at, 3)), embed)
    assert plan(photos, store, shard=(2, 3)).new == early.new
    assert names(plan(photos, store)) == {"new": sorted(Path(file.path).name for file in early.new)}
