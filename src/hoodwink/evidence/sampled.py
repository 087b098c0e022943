"""Pictures that a network made of noise, as evidence: a sheet of them, and whether the network makes the same again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.evidence.checks import FAILS, HOLDS, UNKNOWN, Check, inside, value
from hoodwink.evidence.record import first_record
from hoodwink.models.model import Levels, Model
from hoodwink.models.sample import sample_pictures
from hoodwink.pictures.draw import sheet
from hoodwink.pictures.read import read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run, RunError

SAMPLES, _FOLDER = "samples.png", "pictures"
_ALIKE = 1  # level: what another machine's rounding may turn
_MOST = 100_000  # pictures that a record may have made


def gathered(pictures: Levels) -> Levels:
    """Pictures, uint8 N x H x W x C, beside and below each other in a square, in their order."""
    columns = math.ceil(math.sqrt(len(pictures)))
    return sheet([list(pictures[k : k + columns]) for k in range(0, len(pictures), columns)], gap=0)


def keep_samples(model: Model, count: int, seed: int, out: str | Path, *, force: bool = False, arguments: Sequence[str] = ()) -> Run:
    """Make pictures of noise into a run folder: each as a PNG, all on a sheet, and the claim that `verify` judges; ModelError, RunError."""
    if count > _MOST:
        raise RunError(
            f"at most {_MOST} pictures were wanted, not {count}, for more are not judged; type -n {_MOST}, or take several seeds"
        )
    pictures = sample_pictures(model, count, seed=seed)
    run = Run.create(out, first_record("sample", {"count": count, "seed": seed}, (model,), arguments, seed), force=force)
    for name, levels in zip(_names(_FOLDER, count), pictures, strict=True):
        run.write(name, encode_png(levels))
    run.write(SAMPLES, encode_png(gathered(pictures)))
    run.update(claims=[{"kind": "sample", "file": SAMPLES, "model": 0, "values": {**sample_values(count, seed), "pictures": _FOLDER}}])
    run.finish()
    return run


def sample_values(count: int, seed: int) -> dict[str, Any]:
    """What is claimed of such a sheet."""
    return {"count": count, "seed": seed}


def sample_claim(file: str, values: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge that a sheet shows what the network makes of the noise of a seed.

    values: count, seed; pictures: the folder of those of the sheet one by one, which are judged, too, where it is named.
    """
    name = model.card.name
    count, seed, folder = value(values, "count", int), value(values, "seed", int), value(values, "pictures", str)
    if count is None or seed is None or not 1 <= count <= _MOST:
        raise RunError("run.json: a claim of samples names their count and their seed; this one was changed by hand")
    far = 0
    try:
        pictures = sample_pictures(model, count, seed=seed)
        singles = {} if folder is None else dict(zip(_names(folder, count), pictures, strict=True))
        for one, made in {file: gathered(pictures), **singles}.items():
            path = inside(directory, one)
            if path is None:
                return Check("sample", file, name, UNKNOWN, f"{one} is not in the folder")
            kept = read_picture(path, channels=made.shape[2]).levels
            if kept.shape != made.shape:
                what = f"sheet: {count} pictures fill" if one == file else f"picture, {one}: one of the network fills"
                return Check("sample", file, name, FAILS, f"another {what} {made.shape[1]} x {made.shape[0]} pixels", ("file",))
            far = max(far, int(np.abs(kept.astype(int) - made).max()))
            if far > _ALIKE:
                what = "other pictures" if one == file else f"another picture, {one}"
                return Check("sample", file, name, FAILS, f"{what}: by up to {far} levels", ("answer",), {"largest": far})
    except ValueError as error:
        return Check("sample", file, name, FAILS, str(error), ("file",))
    why = f"the network makes these {count} pictures of the noise of seed {seed}"
    return Check("sample", file, name, HOLDS, why, (), {"largest": far})


def _names(folder: str, count: int) -> list[str]:
    """Of each picture by itself."""
    return [f"{folder}/{k:0{len(str(count))}d}.png" for k in range(1, count + 1)]
