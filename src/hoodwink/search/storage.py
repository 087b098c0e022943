"""What every store of image search is: files, what they hold and their embeddings, under ids, with a card of whose embeddings they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hoodwink.runs import one_line

FORMAT = 1
LANCE = "lance:"
WAIT = 60.0  # seconds that a writer waits for the others

Ids = np.ndarray[Any, np.dtype[np.int64]]
Halves = np.ndarray[Any, np.dtype[np.float16]]
Floats = np.ndarray[Any, np.dtype[np.float32]]


class SearchError(ValueError):
    """A store or an index that cannot be had as asked; the message is one line."""


class Damaged(SearchError):
    """What lies on the disk contradicts itself."""


@dataclass(frozen=True, slots=True)
class File:
    """A picture's file as it was when it was read: size in bytes, mtime in nanoseconds, SHA-256 of its bytes."""

    path: str
    size: int
    mtime: int
    sha256: str


@dataclass(frozen=True)
class StoreCard:
    """Whose embeddings a store holds: the model's name, the SHA-256 of its weights, the layer ("": the model's own), their dimension.

    card_sha256: of what the model's card says of its network and of what that takes; "" where it is not known, as in older stores.
    """

    model: str
    weights_sha256: str
    dimension: int
    layer: str = ""
    format: int = FORMAT
    card_sha256: str = ""


class Storage(Protocol):
    """What the index and the folders ask of a store."""

    card: StoreCard
    place: Path | None  # the folder that an index may lie in; None where the store is on no disk of this machine

    def add(self, files: Sequence[File], vectors: Any) -> None:
        """Keep embeddings N x D of N files, all or none; what was kept of these paths goes. They become unit vectors in float16."""

    def moved(self, pairs: Sequence[tuple[str, File]]) -> list[File]:
        """Each file takes the row of an old path with the same content; the old path may be its own: then its size and time are new.

        Returns the files whose old path is not there with that content; they are left alone.
        """

    def copied(self, files: Sequence[File]) -> list[File]:
        """Each file gets the embedding of another with the same content; returns those whose content is not there, left alone."""

    def remove(self, paths: Sequence[str]) -> int:
        """Forget paths; returns how many were there."""

    def known(self) -> dict[str, File]:
        """The files by their paths."""

    def files(self, ids: Iterable[int]) -> dict[int, File]:
        """The files of some ids; ids that are gone are left out."""

    def ids(self) -> Ids:
        """All ids in rising order. An id is never used twice, by no store, and its embedding never changes."""

    def rows(self, chunk: int = 4096) -> Iterator[tuple[Ids, Halves]]:
        """All ids (n) and embeddings (n x D), at most `chunk` at a time, in any order."""

    def rows_of(self, ids: Sequence[int] | Ids) -> tuple[Ids, Halves]:
        """Those of some ids that are there (n), in any order, and their embeddings (n x D)."""

    def vectors(self, ids: Sequence[int] | Ids) -> Floats:
        """The embeddings N x D of some ids in their order; SearchError if one is gone."""

    def stamp(self) -> str:
        """Another one after each commit: what was made from the store under this stamp is up to date."""

    def close(self) -> None:
        """Let go of the files."""

    def __len__(self) -> int: ...


def new_card(where: str | Path, asked: Mapping[str, Any], there: bool) -> StoreCard | None:
    """The card that a new store would get; None where too little is asked to make one. SearchError where there is none to open then."""
    given = {name: value for name, value in asked.items() if value is not None}
    if {"model", "weights_sha256", "dimension"} <= given.keys():
        if int(given["dimension"]) < 1:
            raise SearchError(f"dimension: 1 or more was wanted, not {given['dimension']}; give the length of the model's embeddings")
        return StoreCard(**given)
    if not there:
        raise SearchError(
            f"{one_line(where)}: a store was wanted, there is none: name another folder, or make it with hoodwink search index"
        )
    return None


def read_card(where: str | Path, said: Mapping[str, Any]) -> StoreCard:
    """The card from the texts that a store keeps of itself; SearchError where one is missing or cannot be."""
    if not {one.name for one in fields(StoreCard)} - {"card_sha256"} <= said.keys():
        raise SearchError(f"{one_line(where)}: a store was wanted, this does not say whose embeddings it holds; name another")
    given = {one.name: str(said[one.name]) for one in fields(StoreCard) if one.name in said}
    for name in ("dimension", "format"):
        if not given[name].isdecimal() or int(given[name]) < 1:
            raise damaged(where, f"its {name} is {one_line(given[name])}")
    return StoreCard(**given | {"dimension": int(given["dimension"]), "format": int(given["format"])})  # type: ignore[arg-type]


def damaged(where: str | Path, what: str) -> SearchError:
    """What to say of a store that cannot be read."""
    return SearchError(f"{one_line(where)}: cannot be read: {what}; put back a copy, or index into another folder")


def check_card(where: str | Path, found: StoreCard, asked: Mapping[str, Any]) -> None:
    """Raise SearchError where a store is of a newer format, or holds other embeddings than asked for; None asks for nothing."""
    if found.format > FORMAT:
        raise SearchError(
            f"{one_line(where)}: a store of format {FORMAT} was wanted, this is of {found.format}, from a newer Hoodwink: install that one"
        )
    for name, value in asked.items():
        held = getattr(found, name)
        unknown = name == "card_sha256" and not (value and held)
        if name != "model" and value not in (None, held) and not unknown:  # a model's name is a label
            raise SearchError(f"{one_line(where)}: {_mismatch(name, value, found)}, or name another folder")


def _mismatch(name: str, value: Any, found: StoreCard) -> str:
    if name == "card_sha256":
        return (
            "embeddings of the network and preprocessing of this model's card were wanted, this store holds those of others with the same "
            "weights; give the network, size, resize, filter, mean and std that it was made with"
        )
    if name == "layer":
        wanted, held = (f"layer {one_line(layer)}" if layer else "the last layer" for layer in (value, found.layer))
        way = f"type --layer {one_line(found.layer)}" if found.layer else "leave --layer out"
        return f"embeddings of {wanted} were wanted, this store holds those of {held}; {way}"
    said = name.replace("_sha256", "")
    held = one_line(getattr(found, name))
    return f"embeddings of {said} {one_line(value)} were wanted, this store holds those of {held}; ask with model {one_line(found.model)}"


def unit_halves(files: Sequence[File], vectors: Any, dimension: int) -> Halves:
    """Embeddings N x D as unit vectors in float16; SearchError where they are of another shape, not finite or zero."""
    array = np.asarray(vectors, dtype=np.float32) if len(files) else np.empty((0, dimension), np.float32)
    if array.shape != (len(files), dimension):
        came = " x ".join(map(str, array.shape)) or "one number"
        raise SearchError(f"vectors: {len(files)} x {dimension} were wanted, {came} came; embed with the store's own model")
    units, good = unit(array)
    if not good.all():
        name = one_line(files[int(np.argmin(good))].path)
        raise SearchError(f"{name}: an embedding with a direction was wanted, this one is zero or not finite; leave that picture out")
    return units.astype(np.float16)


def unit(vectors: Any) -> tuple[Floats, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Rows N x D at length one, float32, and which of them have a direction: finite and not zero."""
    array = np.asarray(vectors, dtype=np.float64)
    size = np.abs(array).max(axis=1, initial=0.0)
    good = np.isfinite(array).all(axis=1) & (size > 0)
    array = array / np.where(good, size, 1)[:, None]  # the squares of huge and of tiny numbers leave the range
    norm = np.sqrt(np.einsum("nd,nd->n", array, array))
    return (array / np.where(good, norm, 1)[:, None]).astype(np.float32), good


def pick_vectors(ids: Sequence[int] | Ids, found: Ids, halves: Halves) -> Floats:
    """The found embeddings in the order of `ids`; SearchError for one that was not found."""
    asked = np.asarray(ids, np.int64)
    gone = asked[~np.isin(asked, found)]
    if len(gone):
        raise SearchError(
            f"vectors: {len(gone)} of {len(asked)} ids are not in the store, the first is {gone[0]}; ask again, or take `ids()`"
        )
    order = np.argsort(found)
    return halves[order[np.searchsorted(found, asked, sorter=order)]].astype(np.float32)
