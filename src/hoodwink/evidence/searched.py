"""The pictures of a store that are nearest to one picture: asked, kept as a record, and claimed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from hoodwink.data.fetch import cache_folder
from hoodwink.evidence.judge import alone
from hoodwink.evidence.record import first_record
from hoodwink.evidence.search_report import contact_sheet, make_tile, render_search_report
from hoodwink.models.card import ModelCard, ModelError
from hoodwink.models.embed import Embedder, as_embedder
from hoodwink.models.model import Model
from hoodwink.pictures.read import MAX_PIXELS, Picture, PictureError, take_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run, one_line, sha256_bytes
from hoodwink.search.answers import find_answers
from hoodwink.search.engine import Index
from hoodwink.search.exact import CHUNK, Whole, exact, questions
from hoodwink.search.folder import is_aside
from hoodwink.search.index import open_index
from hoodwink.search.storage import LANCE, Floats, SearchError, Storage
from hoodwink.search.store import open_store

NEAREST = 20  # answers, where nothing else is said
TOLERANCE = 1e-3  # cosines as close as that may be another machine's rounding; embeddings are kept in float16


@dataclass(frozen=True)
class Answer:
    """A picture of a store, the SHA-256 of its file's bytes, and the cosine between its embedding and the question's, in [-1, 1]."""

    path: str
    sha256: str
    cosine: float


@dataclass(frozen=True, eq=False)
class Searched:
    """The answers to one picture, nearest first.

    store: its folder or address; stamp, count: the store's state and number of pictures when it was asked. note: how the answers were
    found, in words. layer: the one that the embedding leaves out, "" for the network's last.
    """

    picture: Picture
    answers: tuple[Answer, ...]
    k: int
    store: str
    stamp: str
    count: int
    layer: str
    note: str
    model: Model = field(repr=False)
    embedding: Floats = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """The question and its answers, as JSON values."""
        answers = [{"rank": rank, **asdict(answer)} for rank, answer in enumerate(self.answers, 1)]
        asked = {"file": str(self.picture.path) if self.picture.path else None, "sha256": self.picture.sha256}
        return {**asked, "store": self.store, "pictures": self.count, "k": self.k, "how": self.note, "answers": answers}

    def save(self, directory: str | Path, *, force: bool = False, arguments: Sequence[str] = ()) -> Path:
        """Write the run folder: record first, the asked picture, contact sheet, answers, claim, report, manifest last.

        The store is opened again, to count how many of the answers are the nearest of all.
        """
        with closing(open_for_model(self.store, self.model)) as store:
            return keep(self, store, directory, force=force, arguments=arguments)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{rank}</td><td>{one.cosine:.4f}</td><td>{escape(one.path)}</td></tr>" for rank, one in enumerate(self.answers, 1)
        )
        return f"<table><caption>nearest of {self.count} pictures to {escape(str(self.picture.path or 'array'))}</caption>{rows}</table>"


def open_for_model(where: str | Path, model: Model, layer: str | None = None) -> Storage:
    """Open a store of a model's embeddings, of a layer if that is said; SearchError where it holds others, or there is none."""
    return open_store(where, weights_sha256=model.card.weights_sha256, layer=layer, card_sha256=card_sha256(model.card))


def card_sha256(card: ModelCard) -> str:
    """The SHA-256 of what a card says of its network and of what that takes: with the same weights others give other embeddings."""
    said = card.to_json(brief=True)
    plain = json.loads(json.dumps([said["network"], said["input"]]), parse_int=float)  # a mean of 0 is one of 0.0
    return sha256_bytes(json.dumps(plain, sort_keys=True).encode())


def nearest(
    picture: str | Path | Picture | object, store: str | Path | Storage, *, model: Model, k: int = NEAREST, max_pixels: int = MAX_PIXELS
) -> Searched:
    """Find the pictures of a store that a network takes for the most alike: the k largest cosines between embeddings.

    picture: a path, a Picture, or a uint8 array H x W x C; it need not be in the store. store: a folder that `hoodwink search index`
    made, "lance:DIR", or an open one. The picture is embedded by the original network, alone. max_pixels: larger pictures are refused.
    Raises SearchError for no store, an empty one, or one of other embeddings than the model's, PictureError for what cannot be read.
    """
    if isinstance(store, (str, Path)):
        where = absolute(store)
        opened: Any = closing(open_for_model(where, model))
    else:
        where, opened = absolute(str(getattr(store, "name", store.place))), nullcontext(store)
    with opened as found:
        return ask(picture, found, as_embedder(model, found.card.layer), model=model, where=where, k=k, max_pixels=max_pixels)


def ask(picture: Any, store: Storage, embedder: Embedder, *, model: Model, where: str, k: int, max_pixels: int = MAX_PIXELS) -> Searched:
    """See `nearest`; embedder: the store's, made of the model; where: what a record calls the store."""
    taken = take_picture(picture, channels=model.card.picture.channels, max_pixels=max_pixels)
    vector = embed_alone(taken, embedder)
    stamp, count = store.stamp(), len(store)
    if not count:
        raise SearchError(f"{one_line(where)}: a store with pictures was wanted, this has none; hoodwink search index FOLDER adds some")
    found = find_answers(store, vector, k, _index_place(store, where))
    answers = named(store, found.ids, found.cosines)
    return Searched(taken, answers, k, where, stamp, count, store.card.layer, found.note, model, vector)


def index_of(store: Storage, where: str, *, say: Callable[[str], None] | None = None) -> Index | Whole:
    """A store's index, up to date; of one at an address on other machines it lies in the cache. where: as `absolute` says it."""
    return open_index(store, _index_place(store, where), say=say)


def _index_place(store: Storage, where: str) -> Path | None:
    return cache_folder("search") / sha256_bytes(os.fsencode(where))[:16] if store.place is None else None


def claim_of(found: Searched, store: Storage, file: str, *, other: dict[str, Any] | None = None) -> dict[str, Any]:
    """The claim of kind "search" (see `search_claims.search_claim`) that a file of the run folder has these answers.

    Every embedding of the store is compared once: what the index missed is not claimed. other: see there.
    """
    values = {
        "store": found.store,
        "stamp": found.stamp,
        "count": found.count,
        "k": found.k,
        "layer": found.layer,
        **side_of(found, store),
    }
    return {"kind": "search", "file": file, "model": 0, "values": values | ({} if other is None else {"other": other})}


def side_of(found: Searched, store: Storage) -> dict[str, Any]:
    """The part of a claim that is about one picture: its hash, its answers, and how many of these are the nearest of all."""
    _, cosines = exact(store.rows(CHUNK), questions(found.embedding, found.k, store.card.dimension), found.k)
    near = sum(answer.cosine >= cosines[0][-1] - TOLERANCE for answer in found.answers) if cosines.size else 0
    return {"sha256": found.picture.sha256, "answers": [asdict(answer) for answer in found.answers], "exact": int(near)}


def keep(found: Searched, store: Storage, directory: str | Path, *, force: bool = False, arguments: Sequence[str] = ()) -> Path:
    """See `Searched.save`."""
    asked = found.picture
    data = encode_png(asked.levels) if asked.path is None else asked.path.read_bytes()
    file = f"asked{asked.path.suffix.lower() if asked.path else '.png'}"
    about = {"file": None if asked.path is None else str(asked.path), "sha256": asked.sha256, "notes": list(asked.notes)}
    settings = {"store": found.store, "k": found.k, "layer": found.layer or None}
    run = Run.create(directory, {**first_record("search", settings, (found.model,), arguments, 0), "inputs": [about]}, force=force)
    run.write(file, data)
    claim = claim_of(found, store, file)
    run.update(claims=[claim], result={**found.to_json(), "exact": claim["values"]["exact"]})
    tiles = [make_tile(answer.path, answer.sha256) for answer in found.answers]
    run.write("sheet.png", encode_png(contact_sheet(asked.levels, tiles)))
    run.write("answers.json", (json.dumps(run.record["result"], indent=2) + "\n").encode())
    run.write("report.html", render_search_report(run.record, asked.levels, tiles, name=run.directory.resolve().name).encode())
    run.finish()
    return run.directory


def embed_alone(picture: Picture, embedder: Embedder) -> Floats:
    """A picture's embedding, 1 x D, by the original network in a batch of one; PictureError where that does not take it."""
    try:
        encoded = embedder.model.encode(picture)
    except ModelError as error:
        raise PictureError(picture.path or "the array", str(error)) from error
    return alone(embedder.model, encoded)[None]


def named(store: Storage, ids: Any, cosines: Any) -> tuple[Answer, ...]:
    """The answers to one question, ids and cosines 1 x k; one that went meanwhile is left out, or has no file now."""
    files = store.files(ids[0])
    return tuple(
        Answer(files[one].path, files[one].sha256, cosine)
        for one, cosine in zip(ids[0].tolist(), cosines[0].tolist(), strict=True)
        if one in files and not is_aside(files[one].path)
    )


def absolute(where: str | Path) -> str:
    """A store's folder by its full name, for a record will hold it; an address on other machines stays."""
    kind, place = (LANCE, str(where).removeprefix(LANCE)) if str(where).startswith(LANCE) else ("", str(where))
    return f"{kind}{place}" if "://" in place else f"{kind}{os.path.abspath(place)}"


def shared(one: Sequence[Answer], other: Sequence[Answer]) -> int:
    """How many answers two questions have in common, by content."""
    left = [answer.sha256 for answer in other]
    count = 0
    for answer in one:
        if answer.sha256 in left:
            left.remove(answer.sha256)
            count += 1
    return count
