from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoodwink.pictures.write import encode_png
from hoodwink.runs import sha256_file
from hoodwink.search import folder as folders
from hoodwink.search.folder import Plan, embed_new, plan, plan_files, settle
from hoodwink.search.storage import SearchError, Storage
from hoodwink.search.store import Store

GROUPS = ("new", "changed", "twins", "moved", "copied", "touched", "gone", "broken")


def draw(path: Path, value: int) -> Path:
    """A picture of one grey, which is its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((2 + value % 3, 4, 3), value, np.uint8)))
    return path


def embed(pictures: Any) -> Any:
    """The grey and one, in 16 dimensions."""
    out = np.zeros((len(pictures), 16))
    out[:, 0], out[:, 1] = [one[0, 0, 0] for one in pictures], 100
    return out


def keep_up(store: Storage, folder: Path) -> None:
    asked = plan(folder, store)
    settle(store, asked)
    embed_new(store, asked, embed, 3)


def greys(store: Storage) -> dict[str, int]:
    """What the store thinks each picture shows, from its embedding."""
    ids = store.ids()
    named = store.files(ids)
    return {Path(named[int(k)].path).name: round(float(row[0] / row[1] * 100)) for k, row in zip(ids, store.vectors(ids), strict=True)}


def names(found: Plan) -> dict[str, Any]:
    """The groups that are not empty, by file names."""
    out: dict[str, Any] = {}
    for group in GROUPS:
        ones = getattr(found, group)
        if group == "moved":
            out[group] = {Path(source).name: Path(file.path).name for source, file in ones}
        else:
            out[group] = sorted(Path(one if isinstance(one, str) else one.path).name for one in ones)
    return {group: ones for group, ones in out.items() if ones}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """a to e, of different greys; e lies deeper."""
    for at, name in enumerate(["a.png", "b.png", "c.PNG", "d.png", "sub/deeper/e.png"]):
        draw(tmp_path / "photos" / name, 10 * (at + 1))
    return tmp_path / "photos"


@pytest.fixture
def kept(store: Storage, photos: Path) -> Storage:
    """A store that has seen the photos."""
    keep_up(store, photos)
    return store


def test_a_new_folder_is_new_and_then_the_same(store: Storage, photos: Path) -> None:
    found = plan(photos, store)
    assert names(found) == {"new": ["a.png", "b.png", "c.PNG", "d.png", "e.png"]} and found.same == 0
    assert all(os.path.isabs(file.path) and file.sha256 == sha256_file(file.path) for file in found.new)
    assert len(store) == 0  # a plan changes nothing
    assert embed_new(store, found, embed, 2).added == 5
    assert greys(store) == {"a.png": 10, "b.png": 20, "c.PNG": 30, "d.png": 40, "e.png": 50}
    again = plan(photos, store)
    assert names(again) == {} and again.same == 5


def test_a_plan_by_another_name_of_the_folder_is_the_same(kept: Storage, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    assert plan("photos/sub/..", kept).same == 5


def test_every_group(kept: Storage, photos: Path) -> None:
    draw(photos / "a.png", 99)  # changed
    (photos / "b.png").rename(photos / "sub" / "moved.png")
    shutil.copy(photos / "c.PNG", photos / "copy.png")
    os.utime(photos / "c.PNG", ns=(5, 5))  # touched
    (photos / "d.png").unlink()
    draw(photos / "new.png", 77)
    draw(photos / "twin.png", 77)
    (photos / "bad.png").write_bytes(b"no picture")
    found = plan(photos, kept)
    assert names(found) == {
        "new": ["bad.png", "new.png"],
        "changed": ["a.png"],
        "twins": ["twin.png"],
        "moved": {"b.png": "moved.png"},
        "copied": ["copy.png"],
        "touched": ["c.PNG"],
        "gone": ["d.png"],
    }
    assert found.same == 1
    asked: list[int] = []

    def counted(pictures: Any) -> Any:
        asked.append(len(pictures))
        return embed(pictures)

    settle(kept, found)
    done = embed_new(kept, found, counted, 32)
    assert asked == [2] and done.added == 2  # one content, one question
    assert [(Path(one.path).name, "bad.png" in one.why, "\n" in one.why) for one in done.broken] == [("bad.png", True, False)]
    wanted = {"a.png": 99, "moved.png": 20, "c.PNG": 30, "copy.png": 30, "new.png": 77, "twin.png": 77, "e.png": 50}
    assert greys(kept) == wanted
    assert names(plan(photos, kept)) == {"new": ["bad.png"]}


def test_files_that_are_gone_may_stay(kept: Storage, photos: Path) -> None:
    (photos / "a.png").unlink()
    settle(kept, plan(photos, kept), remove=False)
    assert len(kept) == 5
    settle(kept, plan(photos, kept))
    assert len(kept) == 4


def test_two_files_that_changed_names(kept: Storage, photos: Path) -> None:
    for one, other in (("a.png", "x"), ("b.png", "a.png"), ("x", "b.png")):
        (photos / one).rename(photos / other)
    os.utime(photos / "a.png", ns=(5, 5))
    os.utime(photos / "b.png", ns=(6, 6))
    found = plan(photos, kept)
    assert names(found) == {"copied": ["a.png", "b.png"]}
    settle(kept, found)
    assert greys(kept)["a.png"] == 20 and greys(kept)["b.png"] == 10 and plan(photos, kept).same == 5


def test_one_that_is_gone_and_came_back_twice(kept: Storage, photos: Path) -> None:
    for name in ("one.png", "two.png"):
        shutil.copy(photos / "a.png", photos / name)
    (photos / "a.png").unlink()
    found = plan(photos, kept)
    assert names(found) == {"moved": {"a.png": "one.png"}, "copied": ["two.png"]}
    settle(kept, found)
    assert greys(kept) == {"one.png": 10, "two.png": 10, "b.png": 20, "c.PNG": 30, "d.png": 40, "e.png": 50}


def test_a_picture_from_another_folder_of_the_store(kept: Storage, photos: Path) -> None:
    other = photos.parent / "others"
    other.mkdir()
    shutil.copy(photos / "a.png", other / "same.png")
    (photos / "b.png").rename(other / "b.png")
    found = plan(other, kept)
    assert names(found) == {"copied": ["same.png"], "moved": {"b.png": "b.png"}}  # what lies elsewhere is not gone
    settle(kept, found)
    assert len(kept) == 6 and kept.known()[str(other / "b.png")].size == (other / "b.png").stat().st_size
    assert names(plan(photos, kept)) == {}


def test_a_folder_whose_name_begins_alike_is_another(kept: Storage, photos: Path) -> None:
    draw(photos.parent / "phot" / "z.png", 1)
    assert names(plan(photos.parent / "phot", kept)) == {"new": ["z.png"]}


def test_what_is_not_looked_at(store: Storage, photos: Path) -> None:
    draw(photos / ".hidden.png", 1)
    draw(photos / ".hidden" / "x.png", 1)
    (photos / "text.txt").write_text("no picture")
    (photos / "folder.png").mkdir()
    (photos / "linked").symlink_to(photos, target_is_directory=True)
    (photos / "link.png").symlink_to(photos / "a.png")
    assert names(plan(photos, store)) == {"new": ["a.png", "b.png", "c.PNG", "d.png", "e.png"], "twins": ["link.png"]}


def test_files_that_cannot_be_read_are_named(kept: Storage, photos: Path) -> None:
    (photos / "nowhere.png").symlink_to(photos / "none")
    odd = os.fsencode(photos) + b"/odd\xff.png"
    with open(odd, "wb") as file:
        file.write((photos / "a.png").read_bytes())
    found = plan(photos, kept)
    assert [(Path(one.path).name, one.why) for one in found.broken] == [
        ("nowhere.png", "no such file or directory"),
        ("odd\\udcff.png", "its name is not UTF-8: rename it"),
    ]
    assert found.same == 5 and embed_new(kept, found, embed).added == 0


@pytest.mark.parametrize("name", ["none", "empty", "a.png"])
def test_folders_without_pictures(store: Storage, photos: Path, name: str) -> None:
    (photos / "empty").mkdir()
    with pytest.raises(SearchError, match="a folder with pictures was wanted") as error:
        plan(photos / name, store)
    assert "\n" not in str(error.value)


def test_a_file_that_changes_between_plan_and_reading_is_known_as_it_was_read(store: Storage, photos: Path) -> None:
    found = plan(photos, store)
    draw(photos / "a.png", 66)
    (photos / "b.png").unlink()
    done = embed_new(store, found, embed)
    assert [Path(one.path).name for one in done.broken] == ["b.png"] and greys(store)["a.png"] == 66
    assert plan(photos, store).same == 4


# files from anywhere


def test_files_and_folders_from_anywhere(kept: Storage, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(photos / "new.png", 77)
    (photos / "named.dat").write_bytes((photos / "new.png").read_bytes())  # a name that no picture has
    (photos / "notes.txt").write_text("no picture")
    (photos / "b.png").unlink()
    monkeypatch.chdir(photos)
    found = plan_files(["named.dat", "notes.txt", photos / "new.png", "sub", "new.png", "none.png"], kept)
    assert names(found) == {"new": ["named.dat", "notes.txt"], "twins": ["new.png"], "broken": ["none.png"]} and found.same == 1
    settle(kept, found)
    assert [Path(one.path).name for one in embed_new(kept, found, embed).broken] == ["notes.txt"]
    assert greys(kept) == {"a.png": 10, "b.png": 20, "c.PNG": 30, "d.png": 40, "e.png": 50, "named.dat": 77, "new.png": 77}
    with pytest.raises(SearchError, match="a folder with pictures was wanted"):
        plan_files([photos.parent / "photos" / "sub" / "deeper", draw(photos.parent / "x" / "y.txt", 3).parent], kept)


# embedding


def test_what_is_prepared_is_embedded(store: Storage, photos: Path) -> None:
    def prepare(levels: Any) -> Any:
        assert levels.dtype == np.uint8 and levels.shape[2] == 3
        return levels[:1, :1] + 1

    embed_new(store, plan(photos, store), lambda ones: embed([one - 1 for one in ones]), 2, prepare=prepare)
    assert greys(store) == {"a.png": 10, "b.png": 20, "c.PNG": 30, "d.png": 40, "e.png": 50}

    def failing(levels: Any) -> Any:
        raise ValueError("cannot be prepared")

    draw(photos / "new.png", 77)
    with pytest.raises(ValueError, match="cannot be prepared"):
        embed_new(store, plan(photos, store), embed, prepare=failing)


def test_twins_of_a_broken_file_are_broken(store: Storage, photos: Path) -> None:
    for name in ("x.png", "y.png"):
        (photos / name).write_bytes(b"no picture")
    done = embed_new(store, plan(photos, store), embed)
    assert [Path(one.path).name for one in done.broken] == ["x.png", "y.png"]
    assert done.broken[1].why == f"has the content of {photos / 'x.png'}, which is broken"


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
def test_whatever_happened_to_a_folder_the_store_is_right_after_two_rounds(tmp_path: Path, rounds: Any) -> None:
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
            found = plan(photos, store)
            assert not found.gone and not found.broken
            keep_up(store, photos)  # what one round may leave: contents that were overwritten before they were copied
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


def test_the_stores_differ_in_nothing(tmp_path: Path, photos: Path, reopen: Callable[..., Storage]) -> None:
    keep_up(reopen(), photos)
    with closing(Store.open(tmp_path / "plain", model="m", weights_sha256="ab", dimension=16)) as plain:
        keep_up(plain, photos)
        assert plain.known() == reopen().known() and greys(plain) == greys(reopen())
