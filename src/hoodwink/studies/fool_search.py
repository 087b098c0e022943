"""Image search fooled: photos are changed until a store answers them as other photos, from the saved file; beside it what floats come to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from hoodwink.attacks.neighbours import LEAD, least_of
from hoodwink.changing import Budget, View, search
from hoodwink.data.fetch import data_folders
from hoodwink.data.load import DATA_SETS, load
from hoodwink.evidence.search_report import fitted, make_tile
from hoodwink.evidence.searched import Searched, ask, shared
from hoodwink.misleading import RIVALS, Ground, fool_search, opened
from hoodwink.models.embed import Embedder, as_embedder
from hoodwink.models.model import Model
from hoodwink.pictures.draw import difference, sheet
from hoodwink.pictures.levels import Levels, distances
from hoodwink.pictures.read import read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import sha256_bytes
from hoodwink.search.storage import File
from hoodwink.search.store import open_store
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, name, page, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.photos import network, photo
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.studies.rounding import FloatView, rounded, search_in_floats
from hoodwink.training.features import find_features

SIDE = 64  # pixels of an answer in the figure


@dataclass(frozen=True, eq=False)
class Tried:
    """What came of one pair: the picture as it was searched (a part of the photo, or all of it), the saved one, and what the store says."""

    original: Levels
    saved: Levels
    before: Searched
    after: Searched
    other: Searched
    memory: bool
    gradients: int


def run(desk: Desk) -> Found:
    model = network(desk["network"], desk["side"])
    pairs = [tuple(pair.split(">")) for pair in desk["pairs"].split(",")]
    place = stocked(desk, model, sorted({one for pair in pairs for one in pair if not one.isdecimal()}))
    rows, pictures = list[dict[str, Any]](), dict[str, Levels]()
    for source, target in pairs:
        pair = f"{source} as {_called(target)}"
        desk.say(f"{desk.line}: {pair}")
        found = attempt(desk, model, place, source, target)
        rows.append({"pair": pair, **measured(found, desk["share"])})
        sides = {"original": found.original, "saved": found.saved, "other": found.other.picture.levels}
        pictures |= {f"{pair}: {side}": fitted(levels, 320) for side, levels in sides.items()}
        pictures[f"{pair}: change"] = fitted(difference(found.original, found.saved), 320)
        pictures[f"{pair}: answers"] = answers(found)
    values = {"files that fool, share": fmean(row["fools"] for row in rows), "in memory, share": fmean(row["in memory"] for row in rows)}
    for measure in _MEASURES:
        values[measure] = fmean(row[measure] for row in rows)
    return Found(values, series={"rows": rows}, pictures=pictures)


_MEASURES = ("L2", "largest change, levels", "answers shared before", "answers shared", "cosine before", "cosine", "gradient evaluations")


def _called(title: str) -> str:
    return f"picture {title}" if title.isdecimal() else title


def stocked(desk: Desk, model: Model, photos: list[str]) -> Path:
    """The store that all lines ask, made once: the pictures of a set, and the photos; the files lie beside it."""
    place = desk.folder.parent / f"store-{desk['data']}-{desk['limit']}-{desk['side']}"
    embedder, files = as_embedder(model), place / "pictures"
    files.mkdir(parents=True, exist_ok=True)
    with closing(open_store(place, model=model.card.name, weights_sha256=model.card.weights_sha256, dimension=embedder.dimension)) as store:
        known = {Path(path).name for path in store.known()}
        for split in DATA_SETS[desk["data"]].card.counts:
            data = load(f"{desk['data']}:{split}", limit=desk["limit"] or None)
            names = [f"{desk['data']}-{split}-{k:05d}.png" for k in range(len(data))]
            if not known.issuperset(names):
                desk.say(f"the store: {len(names)} pictures of {data.name}:{split}")
                vectors = find_features(embedder, data, torch.arange(len(data)), say=desk.say).vectors.numpy()
                store.add([_written(files / title, data.pictures[k]) for k, title in enumerate(names)], vectors)
        for one in photos:
            if f"{one}.png" not in known:
                levels = find_photo(one)
                store.add([_written(files / f"{one}.png", levels)], embedder([levels]))
    return place


def _written(path: Path, levels: Any) -> File:
    data = encode_png(np.asarray(levels))
    path.write_bytes(data)
    about = path.stat()
    return File(str(path.absolute()), about.st_size, about.st_mtime_ns, sha256_bytes(data))


def find_photo(title: str) -> Levels:
    """A photo, uint8 H x W x 3: one of a folder `photos` that HOODWINK_DATA names, or as `photos.photo` finds it."""
    kept = [folder / f"{title}.jpg" for folder in data_folders("photos")] if title != "cat" else []
    return photo(next((str(path) for path in kept if path.is_file()), title))


def attempt(desk: Desk, model: Model, place: Path, source: str, target: str) -> Tried:
    """One pair, by the way that the line goes; the picture is saved, and the store is asked with what is read back."""
    one, other = (_path(desk, place, title) for title in (source, target))
    saved = desk.folder / f"{source}-as-{target}.png"
    if desk["way"] == "photo":
        found = fool_search(one, other, store=place, model=model, k=desk["k"], share=desk["share"], steps=desk["steps"])
        saved.write_bytes(encode_png(found.picture))
        with opened(place, model, desk["k"]) as ground:
            after = ground.ask(read_picture(saved))
        memory = found.history[-1].objective >= LEAD
        return Tried(found.original, found.picture, found.before, after, found.other, memory, found.gradients)
    with opened(place, model, desk["k"]) as ground:
        return _at_size(desk, ground, model.see(read_picture(one)), other, saved)


def _path(desk: Desk, place: Path, title: str) -> Path:
    """The file of a photo, or, by its number, of a picture of the set's last split."""
    split = list(DATA_SETS[desk["data"]].card.counts)[-1]
    return place / "pictures" / (f"{desk['data']}-{split}-{int(title):05d}.png" if title.isdecimal() else f"{title}.png")


def _at_size(desk: Desk, ground: Ground, levels: Levels, other: Path, saved: Path) -> Tried:
    """The part that the network sees, as a picture of its own: nothing comes between its levels and the network."""
    embedder = as_seen(ground.embedder)

    def look(levels: Levels) -> Searched:
        saved.write_bytes(encode_png(levels))
        return ask(read_picture(saved), ground.store, embedder, model=ground.model, where=ground.where, k=ground.k)

    before, wanted = look(levels), ground.ask(read_picture(other))
    around = [ground.around(one.embedding, RIVALS) for one in (before, wanted)]
    goal = ground.goal(ground.around(wanted.embedding, ground.k), np.unique(np.concatenate(around)), desk["share"])
    if desk["way"] == "whole levels":
        found = search(
            levels, View((ground.embedder.model,), levels.shape, at_model_size=True), goal, Budget(steps=desk["steps"]), walking=True
        )
        picture, value, gradients = found.picture, found.trail.value, found.gradients
    else:
        trail, gradients = search_in_floats(levels, FloatView(ground.embedder.model, True), goal, desk["steps"], walking=True)
        picture, value = rounded(levels, trail.change), trail.value
    return Tried(levels, picture, before, look(picture), wanted, value >= LEAD, gradients)


def as_seen(embedder: Embedder) -> Embedder:
    """The same for pictures of the network's own size, which it neither resizes nor crops."""
    model = embedder.model
    card = replace(model.card, input=replace(model.card.picture, resize=None, size=None))
    return Embedder(Model(model.network, card, device=model.device), embedder.dimension)


def measured(found: Tried, share: float) -> dict[str, Any]:
    """The numbers of one pair, from the saved file."""
    far, both = distances(found.original, found.saved), shared(found.after.answers, found.other.answers)
    first = found.after.answers[0].sha256 == found.other.answers[0].sha256
    numbers = (far.l2, float(far.linf), shared(found.before.answers, found.other.answers), both)
    cosines = (_cosine(found.before, found.other), _cosine(found.after, found.other))
    return {
        "fools": float(first and both >= least_of(len(found.other.answers), share)),
        "in memory": float(found.memory),
        **dict(zip(_MEASURES, (*numbers, *cosines, found.gradients), strict=True)),
    }


def _cosine(one: Searched, other: Searched) -> float:
    a, b = one.embedding[0].astype(float), other.embedding[0].astype(float)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def answers(found: Tried) -> Levels:
    """Three rows: the original, the saved and the other picture, each before its answers, nearest first."""
    rows = []
    for levels, asked in ((found.original, found.before), (found.saved, found.after), (found.other.picture.levels, found.other)):
        tiles = [make_tile(one.path, one.sha256).thumbnail for one in asked.answers]
        blank = np.full((SIDE, SIDE // 4, 3), 255, np.uint8)
        rows.append([fitted(levels, SIDE), blank, *(fitted(tile, SIDE) for tile in tiles if tile is not None)])
    return sheet(rows, gap=4)


def tell(answers: Mapping[str, Answer]) -> Story:
    line, last = list(answers.items())[-1]
    pairs = [row["pair"] for row in last.series("rows")[0]]
    return Story(
        [_sentence(line, answer) for line, answer in answers.items()],
        [
            Figure("pictures", f"The photo, the file that fools, the change, and the other photo ({line}).", _pictures(last, pairs)),
            Figure("numbers", "What the change costs, how many of the answers are the other's, and the cosine to it.", _numbers(answers)),
            Figure(
                "answers",
                f"Three rows for each pair: what the store answers to the photo, to the saved file, and to the other photo ({line}).",
                _answers(last, pairs),
                private=True,
            ),
        ],
        [_table(answers)],
    )


def _pictures(answer: Answer, pairs: list[str]) -> bytes:
    sides = {"original": "the photo", "saved": "the file", "change": "the change", "other": "the other"}
    with page(len(pairs), len(sides), width=9.0, height=1.9 * len(pairs)) as figure:
        for row, pair in enumerate(pairs):
            for column, (side, said) in enumerate(sides.items()):
                title = said if row == 0 else ""
                show(figure.panels[row * len(sides) + column], answer.picture(f"{pair}: {side}"), pair if side == "saved" else title)
    return figure.png


def _numbers(answers: Mapping[str, Answer]) -> bytes:
    with page(1, 3, width=13.5, height=4.2) as figure:
        sizes, counts, cosines = figure.panels
        wide = 0.8 / len(answers)
        for place, (line, answer) in enumerate(answers.items()):
            rows = answer.series("rows")[0]
            at = np.arange(len(rows)) + wide * (place - (len(answers) - 1) / 2)
            for panel, measure in ((sizes, "L2"), (counts, "answers shared"), (cosines, "cosine")):
                bars = panel.bar(at, [row[measure] for row in rows], 0.9 * wide, color=COLOURS[place], label=line)
                for bar, row in zip(bars, rows, strict=True):
                    bar.set_alpha(1.0 if row["fools"] else 0.35)
            cosines.scatter(at, [row["cosine before"] for row in rows], s=10, color="#222222", zorder=3)
            for panel in figure.panels:
                panel.set_xticks(range(len(rows)), [row["pair"] for row in rows], fontsize=7, rotation=20, ha="right")
        least = least_of(last_k := answer.settings["k"], answer.settings["share"])
        counts.axhline(least, color="#777777", linestyle="--", linewidth=1, label=f"{least} of {last_k} asked for")
        name(sizes, "", "L2 of the file, [0, 1] units", "Pale: the file does not fool")
        name(counts, "", f"of {last_k} answers, shared", "", legend=False)
        name(cosines, "", "cosine to the other photo", "Dots: before", legend=False)
    return figure.png


def _answers(answer: Answer, pairs: list[str]) -> bytes:
    with page(len(pairs), 1, width=0.6 * answer.settings["k"] + 2.0, height=2.1 * len(pairs)) as figure:
        for panel, pair in zip(figure.panels, pairs, strict=True):
            show(panel, answer.picture(f"{pair}: answers"), pair)
    return figure.png


def _sentence(line: str, answer: Answer) -> str:
    rows = answer.series("rows")[0]
    held, memory = sum(row["fools"] for row in rows), sum(row["in memory"] for row in rows)
    k = answer.settings["k"]
    return (
        f"{line}: {memory:.0f} of {len(rows)} pictures are answered as the other photo in memory, {held:.0f} from the file; on average "
        f"{answer.mean('answers shared'):.1f} of {k} answers are the other's ({answer.mean('answers shared before'):.1f} before), the cosine "
        f"to it is {answer.mean('cosine'):.3f} ({answer.mean('cosine before'):.3f} before), at an L2 of {answer.mean('L2'):.2f} and "
        f"{max(row['largest change, levels'] for row in rows):.0f} levels at most, with {answer.mean('gradient evaluations'):.0f} gradient evaluations."
    )


def _table(answers: Mapping[str, Answer]) -> Table:
    shown = ("L2", "largest change, levels", "answers shared before", "answers shared", "cosine before", "cosine", "gradient evaluations")
    rows = [
        (row["pair"], line, *(f"{row[one]:.4g}" for one in shown), "yes" if row["in memory"] else "no", "yes" if row["fools"] else "no")
        for rows in zip(*(answer.series("rows")[0] for answer in answers.values()), strict=True)
        for line, row in zip(answers, rows, strict=True)
    ]
    return Table("Pair by pair", ("pair", "line", *shown, "in memory", "from the file"), rows)


def _line(title: str, way: str, help: str, minutes: float, *marks: Mark) -> Line:
    settings = {
        "way": way,
        "network": "efficientnet-lite0",
        "side": 0,
        "data": "dogs",
        "limit": 0,
        "pairs": "cat>pizza,dog>rocket,coffee>jockey,astronaut>cat",
        "k": 20,
        "share": 0.9,
        "steps": 200,
    }
    quick = {"side": 64, "data": "digits-64", "limit": 6, "pairs": "cat>3", "k": 4, "share": 0.5, "steps": 16}
    return Line(name=title, help=help, settings=settings, quick=quick, marks=marks, fixed=True, minutes=minutes)


FOOL_SEARCH = Study(
    name="fool-search",
    question="Can image search be made to answer a photo as if it were another one, from a file, and how little must change?",
    help=(
        "Image search compares embeddings: the packaged network's 1,280 features, by the cosine. A photo is changed until the first answer "
        "to its saved file is another photo, and 18 of the 20 answers are those that the other photo gets. The store holds the 4,930 "
        "pictures of dogs and the photos themselves, so that the photo that is changed is among those that must not come first.\n\n"
        "What is climbed is a lead in cosines, which is positive exactly when the answers are as asked. The first two lines search the part "
        "that the network sees, 224 x 224 pixels, by the same walk with as many gradient evaluations: once in floats, rounded when the file "
        "is written, once on whole levels. The third is what `hoodwink search fool` does: it changes the photo itself, and the network sees "
        "it resized.\n\n"
        "Two of the photos come with scikit-image (pip install scikit-image), the others lie in a folder photos of the one that "
        "HOODWINK_DATA names; --set pairs=cat>rocket needs scikit-image alone."
    ),
    lines=(
        _line("rounded-once", "rounded", "The smallest change in floats, at the network's size; then the file.", 2.0),
        _line(
            "whole-levels",
            "whole levels",
            "The same part, walked to on whole levels.",
            2.0,
            Mark(measure="files that fool, share", floor=1.0),
        ),
        _line(
            "photo",
            "photo",
            "The photo at its own size, as `hoodwink search fool` changes it.",
            3.0,
            Mark(measure="files that fool, share", floor=1.0),
        ),
    ),
    run=run,
    tell=tell,
)
