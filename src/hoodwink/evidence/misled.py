"""What came of fooling image search with one picture, and its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.evidence.misled_report import render_misled_report
from hoodwink.evidence.outcome import Outcome, numbers_of, sizes_of, write_pictures
from hoodwink.evidence.record import first_record
from hoodwink.evidence.search_report import contact_sheet, make_tile
from hoodwink.evidence.searched import Searched, ask, claim_of, open_for_model, shared, side_of
from hoodwink.models.embed import as_embedder
from hoodwink.pictures.levels import Levels
from hoodwink.pictures.read import read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run
from hoodwink.search.storage import Storage


@dataclass(frozen=True)
class Sought:
    """What was asked, resolved. least: how many of the answers shall be answers to the other picture too."""

    store: str
    layer: str
    k: int
    share: float
    least: int
    norm: str
    eps: float | None
    steps: int
    seed: int
    masked: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Misled(Outcome):
    """What came of fooling image search with one picture; see `Outcome`, the objective is a lead in cosines.

    before, after, other: what the store answers to the original, to the changed picture, and to the picture whose answers were wanted.
    """

    before: Searched
    after: Searched
    other: Searched
    sought: Sought

    @property
    def shared(self) -> int:
        """How many answers to the changed picture are answers to the other one too."""
        return shared(self.after.answers, self.other.answers)

    @property
    def cosines(self) -> tuple[float, float]:
        """The cosine of the embedding to the other picture's, before and after, in [-1, 1]."""
        return _cosine(self.before, self.other), _cosine(self.after, self.other)

    def save(self, directory: str | Path, *, force: bool = False, arguments: Sequence[str] = ()) -> Path:
        """Write the run folder: record first, pictures, answer sheets, report, manifest last. The answers are those to the file written."""
        with closing(open_for_model(self.sought.store, self.after.model)) as store:
            run = Run.create(directory, record_of(self.before, self.other, self.sought, arguments), force=force)
            for step in self.history:
                run.event(**asdict(step))
            keep(run, self, store)
        return run.directory

    def _repr_html_(self) -> str:
        word = "fooled" if self.fooled else f"not fooled: {self.stall or 'the file does not hold it'}"
        return (
            f"<p><b>{self.shared} of {len(self.after.answers)} answers are those to {escape(name_of(self.other))}</b> ({word}); "
            f"L2 {self.l2:.3f}, largest change {self.linf} levels, {self.gradients} gradients</p>{self.after._repr_html_()}"
        )


def holds(after: Searched, other: Searched, sought: Sought) -> bool:
    """Whether the first answer is the other picture's first, and enough of the answers are answers to it."""
    if not after.answers or not other.answers or after.answers[0].sha256 != other.answers[0].sha256:
        return False
    return shared(after.answers, other.answers) >= sought.least


def name_of(asked: Searched) -> str:
    """What a picture that was asked with is called."""
    return "the array" if asked.picture.path is None else asked.picture.path.name


def record_of(before: Searched, other: Searched, sought: Sought, arguments: Sequence[str]) -> dict[str, Any]:
    """What run.json says first."""
    inputs = [
        {"file": None if one.path is None else str(one.path.absolute()), "sha256": one.sha256, "notes": list(one.notes)}
        for one in (before.picture, other.picture)
    ]
    return {**first_record("search fool", asdict(sought), (before.model,), arguments, sought.seed), "inputs": inputs}


def keep(run: Run, result: Misled, store: Storage) -> Misled:
    """Write what came into the run folder, and ask the store with the file that was written."""
    path = write_pictures(run, result)
    other = _copy(run, result.other)
    after, embedder = result.after, as_embedder(result.after.model, result.sought.layer)
    read = read_picture(path, channels=result.picture.shape[2], max_pixels=result.picture.size)
    result = replace(result, after=ask(read, store, embedder, model=after.model, where=after.store, k=after.k))
    run.update(claims=_claims(result, other, store) if result.fooled else [], result=_result(result))
    sides = {"original": (result.original, result.before), "fooled": (result.picture, result.after), "other": _seen(result.other)}
    tiles = {side: [make_tile(one.path, one.sha256) for one in found.answers] for side, (_, found) in sides.items()}
    for side, (levels, _) in sides.items():
        run.write(f"answers-{side}.png", encode_png(contact_sheet(levels, tiles[side])))
    shown = {side: levels for side, (levels, _) in sides.items()}
    run.write("report.html", render_misled_report(run.record, shown, tiles, name=run.directory.resolve().name).encode())
    run.finish()
    return result


def _seen(asked: Searched) -> tuple[Levels, Searched]:
    return asked.picture.levels, asked


def _copy(run: Run, asked: Searched) -> str:
    """The other picture's file, byte for byte where there is one."""
    path = asked.picture.path
    name = "other.png" if path is None else f"other{path.suffix.lower()}"
    run.write(name, encode_png(asked.picture.levels) if path is None else path.read_bytes())
    return name


def _claims(result: Misled, other: str, store: Storage) -> list[dict[str, Any]]:
    """That the file has these answers and the other picture those, and, where the network names classes, how far it is from the original."""
    known = {"file": other, **side_of(result.other, store), "shared": result.sought.least}
    claims = [claim_of(result.after, store, result.file, other=known)]
    if result.after.model.card.task == "classify":
        values = {"sha256": result.after.picture.sha256, **sizes_of(result, result.sought.norm, result.sought.eps)}
        claims.append({"kind": "picture", "file": result.file, "model": 0, "values": values})
    return claims


def _result(result: Misled) -> dict[str, Any]:
    return {
        **numbers_of(result),
        "file": result.file,
        "shared": result.shared,
        "shared_before": shared(result.before.answers, result.other.answers),
        "cosine_before": result.cosines[0],
        "cosine": result.cosines[1],
        "before": result.before.to_json(),
        "after": result.after.to_json(),
        "other": result.other.to_json(),
    }


def _cosine(one: Searched, other: Searched) -> float:
    a, b = (found.embedding[0].astype(np.float64) for found in (one, other))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
