"""A folder of pictures compared with a store: what is new, changed, moved, gone or broken; and embedding what is new."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.pictures.levels import Levels
from hoodwink.pictures.read import SUFFIXES, PictureError, read_picture
from hoodwink.runs import one_line, reason, sha256_file
from hoodwink.search.ahead import ahead
from hoodwink.search.storage import File, SearchError, Storage, unit

Embed = Callable[[list[Any]], Any]
Prepare = Callable[[Levels], Any]
Progress = Callable[[int, int], None]
_LEVELS = 1 << 27  # bytes of pictures in a batch, of which three are held: photographs of 12 megapixels come in fours
_AT_ONCE = 1000  # files in a commit that embeds nothing


@dataclass(frozen=True)
class Broken:
    """A picture that cannot be read, or that the model gives no direction, and why, in one line."""

    path: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What a folder's files are to a store; paths are absolute, each file stands in one group.

    same: how many are as the store knows them. new, changed: to be embedded. twins: have the content of one of those. moved: the
    store's path that is gone, and the file that has its content. copied: has the content of a picture that is still there. touched:
    another time, the same content. gone: the store's paths below the folder that are no longer there. broken: files that cannot be read.
    """

    folder: Path
    same: int
    new: tuple[File, ...]
    changed: tuple[File, ...]
    twins: tuple[File, ...]
    moved: tuple[tuple[str, File], ...]
    copied: tuple[File, ...]
    touched: tuple[File, ...]
    gone: tuple[str, ...]
    broken: tuple[Broken, ...]


@dataclass(frozen=True)
class Embedded:
    """How many pictures came into the store, and which could not be read."""

    added: int
    broken: tuple[Broken, ...]


def plan(folder: str | Path, store: Storage, *, shard: tuple[int, int] = (1, 1)) -> Plan:
    """Compare the pictures in a folder and those below it with a store; nothing is changed.

    A file with the size and time that the store knows is taken to be the same; others are read for their SHA-256. shard: (i, n), the
    i-th of n workers, each with its share of the contents; all may keep the same store. No hidden files, no linked folders.
    Raises SearchError for a folder that is none, or has no pictures.
    """
    folder = Path(os.path.abspath(folder))
    known, paths = store.known(), _pictures(folder)
    found, broken, same = _read_all(paths, known)
    mine = [file for file in found if _owner(file.sha256, shard[1]) == shard[0]]
    present, below = set(paths), str(folder) + os.sep
    missing = [file for path, file in known.items() if path not in present and path.startswith(below)]
    gone = [file.path for file in missing if _owner(file.sha256, shard[1]) == shard[0]]
    groups = _sort(mine, known)
    left = {source for source, _ in groups.moved}
    return replace(groups, folder=folder, same=same, gone=tuple(path for path in gone if path not in left), broken=tuple(broken))


def plan_files(paths: Sequence[str | Path], store: Storage) -> Plan:
    """The same for files, and folders and those below them, from anywhere: what is not among them is not gone.

    A file is tried whatever its name. Raises SearchError for a folder without pictures.
    """
    wanted = list(dict.fromkeys(path for one in paths for path in _files(Path(os.path.abspath(one)))))
    found, broken, same = _read_all(wanted, known := store.known())
    return replace(_sort(found, known), same=same, broken=tuple(broken))


def settle(store: Storage, plan: Plan, *, remove: bool = True) -> None:
    """Bring a store up to date with what needs no embedding: moved, copied and touched files, and (remove) those that are gone."""
    moves = [*plan.moved, *((file.path, file) for file in plan.touched)]
    for at in range(0, len(moves), _AT_ONCE):
        store.moved(moves[at : at + _AT_ONCE])
    for at in range(0, len(plan.copied), _AT_ONCE):
        store.copied(plan.copied[at : at + _AT_ONCE])
    if remove and plan.gone:
        store.remove(plan.gone)


def embed_new(
    store: Storage,
    plan: Plan,
    embed: Embed,
    batch: int = 32,
    *,
    prepare: Prepare | None = None,
    channels: int = 3,
    progress: Progress | None = None,
) -> Embedded:
    """Embed a plan's new and changed pictures; each batch is committed before the next, so that an interrupted run goes on where it was.

    embed: takes a list of pictures (uint8, H x W x C, of different sizes), or of what `prepare` makes of each, and returns n x D. The
    next batch is read and prepared in a thread meanwhile. batch: pictures at once, fewer of large ones. progress: called with the pictures
    that are done and all. Raises SearchError for embeddings of another shape.
    """
    todo, added, broken = [*plan.new, *plan.changed], 0, list[Broken]()
    with closing(ahead(_batches(todo, batch, channels, prepare))) as batches:
        for files, pictures, unread in batches:
            broken += unread
            vectors = np.asarray(embed(pictures)) if files else np.empty((0, store.card.dimension))
            if vectors.shape != (len(files), store.card.dimension):
                came = " x ".join(map(str, vectors.shape)) or "one number"
                raise SearchError(
                    f"embed: embeddings {len(files)} x {store.card.dimension} were wanted, {came} came; embed with the store's model"
                )
            good = unit(vectors)[1]
            store.add([file for file, fine in zip(files, good, strict=True) if fine], vectors[good])
            broken += [Broken(file.path, "its embedding is zero or not finite") for file, fine in zip(files, good, strict=True) if not fine]
            added += int(good.sum())
            if progress:
                progress(added + len(broken), len(todo))
    for at in range(0, len(plan.twins), _AT_ONCE):
        store.copied(plan.twins[at : at + _AT_ONCE])
    return Embedded(added, (*broken, *_as_broken(todo, plan.twins, broken)))


def _as_broken(todo: Sequence[File], twins: Sequence[File], broken: Sequence[Broken]) -> Iterator[Broken]:
    """The twins of files that could not be had."""
    failed = {one.path for one in broken}
    first = {file.sha256: file.path for file in todo if file.path in failed}
    for twin in twins:
        if twin.sha256 in first:
            yield Broken(twin.path, f"has the content of {first[twin.sha256]}, which is broken")


def _pictures(folder: Path) -> list[str]:
    paths = list(_walk(folder))
    if not paths:
        raise SearchError(
            f"{one_line(folder)}: a folder with pictures was wanted, in this no file ends in {', '.join(SUFFIXES)}; name another"
        )
    return paths


def _files(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(path)
        return
    yield from _pictures(path)


def _walk(folder: Path | str) -> Iterator[str]:
    """The pictures in a folder and below it, by name."""
    try:
        with os.scandir(folder) as entries:
            shown = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise SearchError(
            f"{one_line(folder)}: a folder with pictures was wanted, this cannot be read: {reason(error)}; name another"
        ) from error
    for entry in shown:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
            yield entry.path


def _read_all(paths: Sequence[str], known: dict[str, File]) -> tuple[list[File], list[Broken], int]:
    """The files that are not as the store knows them, those that cannot be read, and how many are the same."""
    found, broken, same = list[File](), list[Broken](), 0
    for path in paths:
        try:
            path.encode()
            size, mtime = _state(path)
            before = known.get(path)
            if before is not None and (before.size, before.mtime) == (size, mtime):
                same += 1
            else:
                found.append(File(path, size, mtime, sha256_file(path)))
        except OSError as error:
            broken.append(Broken(one_line(path), reason(error)))
        except UnicodeEncodeError:
            broken.append(Broken(one_line(path), "its name is not UTF-8: rename it"))
    return found, broken, same


def _sort(found: Sequence[File], known: dict[str, File]) -> Plan:
    """The groups of files that are not as the store knows them."""
    holders: dict[str, list[str]] = {}
    for path, file in known.items():
        holders.setdefault(file.sha256, []).append(path)
    # A path that is gone gives its row to one file.
    free = {digest: [path for path in holders[digest] if not os.path.lexists(path)] for digest in
            {file.sha256 for file in found} & holders.keys()}  # fmt: skip
    out: dict[str, list[Any]] = {name: [] for name in ("new", "changed", "twins", "moved", "copied", "touched")}
    first: set[str] = set()
    for file in found:
        before = known.get(file.path)
        if before is not None and before.sha256 == file.sha256:
            out["touched"].append(file)
        elif free.get(file.sha256):
            out["moved"].append((free[file.sha256].pop(0), file))
        elif file.sha256 in holders:
            out["copied"].append(file)
        elif file.sha256 in first:
            out["twins"].append(file)
        else:
            first.add(file.sha256)
            out["new" if before is None else "changed"].append(file)
    return Plan(Path(), 0, **{name: tuple(files) for name, files in out.items()}, gone=(), broken=())


def _batches(
    files: Sequence[File], batch: int, channels: int, prepare: Prepare | None
) -> Iterator[tuple[list[File], list[Any], list[Broken]]]:
    """Files as they are read now, their pictures, and those that cannot be read."""
    held, pictures, broken = list[File](), list[Any](), list[Broken]()
    for file in files:
        try:
            size, mtime = _state(file.path)  # before it is read: what changes then is read again the next time
            picture = read_picture(file.path, channels=channels)
        except PictureError as error:
            broken.append(Broken(file.path, one_line(error)))
            continue
        except OSError as error:
            broken.append(Broken(file.path, reason(error)))
            continue
        held.append(File(file.path, size, mtime, picture.sha256))
        pictures.append(prepare(picture.levels) if prepare else picture.levels)
        if len(held) >= batch or sum(one.nbytes for one in pictures) >= _LEVELS:
            yield held, pictures, broken
            held, pictures, broken = [], [], []
    if held or broken:
        yield held, pictures, broken


def _state(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


def _owner(digest: str, count: int) -> int:
    """Which of `count` workers a content is for, from 1. By its hash alone: workers that see others' work done must find the same."""
    return int(digest[:16], 16) % count + 1
