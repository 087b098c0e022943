from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hoodwink.runs import sha256_file
from hoodwink.search.folder import check_folder, embed_new, plan, plan_files, settle
from hoodwink.search.storage import SearchError, Storage
from hoodwink.search.store import Store

from .greys import draw, embed, greys, keep_up, names


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
    said = []
    for ask in (lambda: plan(photos / name, store), lambda: check_folder(photos / name)):
        with pytest.raises(SearchError, match="a folder with pictures was wanted") as error:
            ask()
        said.append(str(error.value))
    assert said[0] == said[1] and "\n" not in said[0] and (name != "empty" or "hoodwink search remove" in said[0])
    check_folder(photos)


def closed(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Let the system refuse to list some folders, whoever asks."""
    scan = os.scandir

    def refused(path: Any) -> Any:
        if Path(path) in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)


def test_a_folder_that_cannot_be_read_is_named_and_what_is_in_it_not_gone(
    kept: Storage, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "a.png").unlink()
    closed(monkeypatch, photos / "sub")
    for found in (plan(photos, kept), plan_files([photos], kept)):
        assert [(one.path, one.why) for one in found.broken] == [(str(photos / "sub"), "permission denied")]
        assert found.same == 3 and found.gone in ((), (str(photos / "a.png"),))
    settle(kept, plan(photos, kept))
    assert greys(kept) == {"b.png": 20, "c.PNG": 30, "d.png": 40, "e.png": 50}
    check_folder(photos / "sub" / "..")
    closed(monkeypatch, photos)
    with pytest.raises(SearchError, match="this cannot be read: permission denied"):
        plan(photos, kept)


def test_a_picture_in_a_folder_that_cannot_be_entered_has_not_moved(kept: Storage, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(photos / "sub" / "deeper" / "e.png", photos / "copy.png")
    closed(monkeypatch, photos / "sub")
    stat = os.stat

    def refused(path: Any, *more: Any, **asked: Any) -> Any:
        if str(path).startswith(str(photos / "sub")):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *more, **asked)

    monkeypatch.setattr(os, "stat", refused)
    assert names(plan(photos, kept)) == {"copied": ["copy.png"], "broken": ["sub"]}


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
    found = plan_files([photos / "sub" / "deeper", draw(photos.parent / "x" / "y.txt", 3).parent], kept)
    assert names(found) == {"broken": ["x"]} and found.same == 1 and "a folder with pictures was wanted" in found.broken[0].why


def test_the_stores_differ_in_nothing(tmp_path: Path, photos: Path, reopen: Callable[..., Storage]) -> None:
    keep_up(reopen(), photos)
    with closing(Store.open(tmp_path / "plain", model="m", weights_sha256="ab", dimension=16)) as plain:
        keep_up(plain, photos)
        assert plain.known() == reopen().known() and greys(plain) == greys(reopen())
