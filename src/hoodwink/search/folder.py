"""A folder of pictures compared with a store: what is new, changed, moved, gone or broken; and embedding what is new."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hoodwink.pictures.levels import Levels
from hoodwink.pictures.read import MAX_PIXELS, SUFFIXES, Picture, read_picture
from hoodwink.runs import one_line, reason, sha256_file
from hoodwink.search.ahead import ahead
from hoodwink.search.storage import File, SearchError, Storage, unit

Embed = Callable[[list[Any]], Any]
Prepare = Callable[[Levels], Any]
Progress = Callable[[int, int], None]
T = TypeVar("T")
_LEVELS = 1 << 27  # bytes of pictures in a batch, of which three are held: photographs of 12 megapixels come in fours
_ASIDE = re.compile(r"\.[0-9a-f]{32}\.moved")
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
    another time, the same content. gone: the store's paths below the folder that are no longer there. broken: files, and folders below it,
    that cannot be read. before: what the store has under the paths of moved and copied files.
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
    before: tuple[File, ...] = ()


@dataclass(frozen=True)
class Embedded:
    """How many pictures came into the store, how many twins with them, and which could not be had."""

    added: int
    broken: tuple[Broken, ...]
    twins: int = 0


_Batch = tuple[list[File], list[Any], list[Broken]]  # files, their pictures, and what could not be read


@dataclass(frozen=True)
class _Seen:
    """Files that are not as the store knows them, what cannot be read, and the paths where nothing is."""

    found: list[File]
    broken: list[Broken]
    absent: set[str]


def plan(folder: str | Path, store: Storage, *, shard: tuple[int, int] = (1, 1)) -> Plan:
    """Compare the pictures in a folder and those below it with a store; nothing is changed.

    A file with the size and time that the store knows is taken to be the same; others are read for their SHA-256. shard: (i, n), the
    i-th of n workers, each with its share of the contents; all may keep the same store. No hidden files, no linked folders.
    Raises SearchError for a folder that is none, or has no pictures.
    """
    folder = Path(os.path.abspath(folder))
    closed: dict[str, str] = {}
    known, paths = store.known(), list(_walk(str(folder), closed))
    if not paths:
        check_folder(folder)
    seen = _read_all(paths, known)
    mine = [file for file in seen.found if _owner(file.sha256, shard[1]) == shard[0]]
    present, below = set(paths) - seen.absent, str(folder) + os.sep
    hidden = tuple(one + os.sep for one in closed)  # nobody knows what is in there
    missing = [file for path, file in known.items() if path not in present and path.startswith(below) and not path.startswith(hidden)]
    gone = [file.path for file in missing if _owner(file.sha256, shard[1]) == shard[0]]
    groups = _sort(mine, known)
    left = {source for source, _ in groups.moved}
    broken = (*(Broken(one_line(path), why) for path, why in closed.items()), *seen.broken)
    return replace(
        groups,
        folder=folder,
        same=len(paths) - len(seen.found) - len(seen.broken),
        gone=tuple(path for path in gone if path not in left),
        broken=broken,
    )


def plan_files(paths: Sequence[str | Path], store: Storage) -> Plan:
    """The same for files, and folders and those below them, from anywhere: what is not among them is not gone.

    A file is tried whatever its name; a folder without pictures is broken.
    """
    wanted, broken = dict[str, None](), list[Broken]()
    for path in (os.path.abspath(one) for one in paths):
        closed: dict[str, str] = {}
        found = list(_walk(path, closed)) if os.path.isdir(path) else [path]
        wanted.update(dict.fromkeys(found))
        why = None if found else _refusal(path, closed)
        broken += [Broken(one_line(path), why)] if why else [Broken(one_line(one), said) for one, said in closed.items()]
    seen = _read_all(list(wanted), known := store.known())
    groups = _sort(seen.found, known)
    folders, left = {os.path.dirname(path) for path in wanted}, {source for source, _ in groups.moved}
    return replace(
        groups,
        same=len(wanted) - len(seen.found) - len(seen.broken),
        gone=tuple(path for path in known if is_aside(path) and os.path.dirname(path) in folders and path not in left),
        broken=(*broken, *seen.broken),
    )


def check_folder(folder: str | Path) -> None:
    """Raise SearchError for a folder that is none, or has no pictures."""
    path, closed = os.path.abspath(folder), dict[str, str]()
    if next(_walk(path, closed), None) is None and (why := _refusal(path, closed)):
        raise SearchError(f"{one_line(folder)}: {why}")


def settle(store: Storage, plan: Plan, *, remove: bool = True) -> Plan:
    """Bring a store up to date with what needs no embedding: moved, copied and touched files, and (remove) those that are gone.

    Returns what came of it: a file that the store had no embedding for any more (another process was quicker) is new.
    Files may have changed names in a chain or a ring. A row whose path another file has now, and whose content is wanted elsewhere, is
    first put aside, under a path beside its own where no file is. So nothing is overwritten before it is used, and who is stopped on the
    way leaves rows that the next plan knows as moved.
    """
    aside = _put_aside(store, plan)
    moves, copies = list(plan.moved), list[File]()
    for file in plan.copied:
        waiting = aside.get(file.sha256)
        if waiting:
            moves.append((waiting.pop(), file))
        else:
            copies.append(file)
    moves += [(file.path, file) for file in plan.touched]
    missed = [file for some in _in_parts(moves) for file in store.moved(some)]
    missed += [file for some in _in_parts(copies) for file in store.copied(some)]
    out = [path for waiting in aside.values() for path in waiting] + list(plan.gone) * remove
    if out:
        store.remove(out)
    lost = {file.path for file in missed}
    return replace(
        plan,
        new=(*plan.new, *missed),
        moved=tuple(pair for pair in plan.moved if pair[1].path not in lost),
        copied=tuple(file for file in plan.copied if file.path not in lost),
        touched=tuple(file for file in plan.touched if file.path not in lost),
    )


def _put_aside(store: Storage, plan: Plan) -> dict[str, list[str]]:
    """Move the rows that are in the way and still wanted; returns where they are, by content."""
    wanted = {file.sha256 for file in plan.copied}
    aside: dict[str, list[str]] = {}
    pairs = []
    for before in plan.before:
        if before.sha256 in wanted:
            place = os.path.join(os.path.dirname(before.path), f".{secrets.token_hex(16)}.moved")
            aside.setdefault(before.sha256, []).append(place)
            pairs.append((before.path, replace(before, path=place)))
    for some in _in_parts(pairs):
        store.moved(some)
    return aside


def is_aside(path: str) -> bool:
    """Whether a row was put aside by `settle`, and stayed there because that was stopped."""
    return _ASIDE.fullmatch(os.path.basename(path)) is not None


def _in_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), _AT_ONCE):
        yield items[at : at + _AT_ONCE]


def embed_new(
    store: Storage,
    plan: Plan,
    embed: Embed,
    batch: int = 32,
    *,
    prepare: Prepare | None = None,
    channels: int = 3,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
) -> Embedded:
    """Embed a plan's new and changed pictures; each batch is committed before the next, so that an interrupted run goes on where it was.

    embed: takes a list of pictures (uint8, H x W x C, of different sizes), or of what `prepare` makes of each, and returns n x D; what
    `prepare` refuses with a ValueError is broken. The next batch is read and prepared in a thread meanwhile. batch: pictures at once, fewer
    of large ones. progress: called with the pictures that are done and all. What the store knows of a broken file's path goes, if it is of
    another content. Raises SearchError for embeddings of another shape.
    """

    def read(files: Sequence[File]) -> Iterator[_Batch]:
        return _batches(files, batch, partial(read_picture, channels=channels, max_pixels=max_pixels), prepare)

    todo = [*plan.new, *plan.changed]
    added, broken = _embed(store, read(todo), embed, lambda done: progress(done, len(todo)) if progress else None)
    late = [file for some in _in_parts(plan.twins) for file in store.copied(some)]
    failed = {one.path for one in broken}
    first = {file.sha256: file.path for file in todo if file.path in failed}
    broken += [Broken(file.path, f"has the content of {first[file.sha256]}, which is broken") for file in late if file.sha256 in first]
    alone = [file for file in late if file.sha256 not in first]  # the first one was changed meanwhile
    if alone:
        more, unread = _embed(store, read(alone), embed)
        added, broken = added + more, broken + unread
    if broken:
        content, known = {file.path: file.sha256 for file in (*todo, *plan.twins)}, store.known()
        store.remove([one.path for one in broken if one.path in known and known[one.path].sha256 != content[one.path]])
    return Embedded(added, tuple(broken), len(plan.twins) - len(late))


def _embed(
    store: Storage, batches: Iterator[_Batch], embed: Embed, told: Callable[[int], None] = lambda done: None
) -> tuple[int, list[Broken]]:
    """Embed batches, each in a commit; how many there were, and what could not be had."""
    added, broken = 0, list[Broken]()
    with closing(ahead(batches)) as ready:
        for files, pictures, unread in ready:
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
            told(added + len(broken))
    return added, broken


def _walk(folder: str, closed: dict[str, str]) -> Iterator[str]:
    """The pictures in a folder and below it, by name; folders that cannot be read come into `closed`, and why."""
    try:
        with os.scandir(folder) as entries:
            shown = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        closed[folder] = reason(error)
        return
    for entry in shown:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, closed)
        elif entry.name.lower().endswith(SUFFIXES) and not (entry.is_symlink() and os.path.isdir(entry.path)):
            yield entry.path


def _refusal(folder: str, closed: dict[str, str]) -> str | None:
    """Why a folder without pictures is not taken; None where folders in it are closed, for they may hold some."""
    if folder in closed:
        return f"a folder with pictures was wanted, this cannot be read: {closed[folder]}; name another"
    if closed:
        return None
    suffixes = ", ".join(SUFFIXES)
    return (
        f"a folder with pictures was wanted, in this no file ends in {suffixes}; name another, or type hoodwink search remove "
        f"{one_line(folder)} where a store is to forget those that were in it"
    )


def _read_all(paths: Sequence[str], known: dict[str, File]) -> _Seen:
    """Look at files, and read those that are not as the store knows them."""
    seen = _Seen([], [], set())
    for path in paths:
        try:
            path.encode()
            size, mtime = _state(path)
            before = known.get(path)
            if before is None or (before.size, before.mtime) != (size, mtime):
                seen.found.append(File(path, size, mtime, sha256_file(path)))
        except OSError as error:
            seen.broken.append(Broken(one_line(path), reason(error)))
            if isinstance(error, FileNotFoundError):  # a link to nothing
                seen.absent.add(path)
        except UnicodeEncodeError:
            seen.broken.append(Broken(one_line(path), "its name is not UTF-8: rename it"))
    return seen


def _sort(found: Sequence[File], known: dict[str, File]) -> Plan:
    """The groups of files that are not as the store knows them."""
    holders: dict[str, list[str]] = {}
    for path, file in known.items():
        holders.setdefault(file.sha256, []).append(path)
    # A path that is gone gives its row to one file.
    free = {digest: [path for path in holders[digest] if _is_gone(path)] for digest in
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
    targets = [file.path for file in (*(file for _, file in out["moved"]), *out["copied"])]
    covered = tuple(known[path] for path in targets if path in known)
    return Plan(Path(), 0, **{name: tuple(files) for name, files in out.items()}, gone=(), broken=(), before=covered)


def _batches(files: Sequence[File], batch: int, read: Callable[[str], Picture], prepare: Prepare | None) -> Iterator[_Batch]:
    """Files as they are read now, their pictures, and those that cannot be read."""
    held, pictures, broken = list[File](), list[Any](), list[Broken]()
    for file in files:
        try:
            size, mtime = _state(file.path)  # before it is read: what changes then is read again the next time
            picture = read(file.path)
            ready = prepare(picture.levels) if prepare else picture.levels
        except ValueError as error:  # a PictureError, or a picture that does not fit the model
            broken.append(Broken(file.path, one_line(error)))
            continue
        except OSError as error:
            broken.append(Broken(file.path, reason(error)))
            continue
        held.append(File(file.path, size, mtime, picture.sha256))
        pictures.append(ready)
        if len(held) >= batch or sum(one.nbytes for one in pictures) >= _LEVELS:
            yield held, pictures, broken
            held, pictures, broken = [], [], []
    if held or broken:
        yield held, pictures, broken


def _state(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


def _is_gone(path: str) -> bool:
    """Whether nothing is at a path; of one in a closed folder nobody knows."""
    try:
        _state(path)
    except OSError as error:
        return isinstance(error, (FileNotFoundError, NotADirectoryError))
    return False


def _owner(digest: str, count: int) -> int:
    """Which of `count` workers a content is for, from 1. By its hash alone: workers that see others' work done must find the same."""
    return int(digest[:16], 16) % count + 1
