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

SAMPLES = "samples.png"
_ALIKE = 1  # level: what another machine's rounding may turn
_MOST = 100_000  # pictures that a record may have made


def gathered(pictures: Levels) -> Levels:
    """Pictures, uint8 N x H x W x C, beside and below each other in a square, in their order."""
    columns = math.ceil(math.sqrt(len(pictures)))
    return sheet([list(pictures[k : k + columns]) for k in range(0, len(pictures), columns)], gap=0)


def keep_samples(model: Model, count: int, seed: int, out: str | Path, *, force: bool = False, arguments: Sequence[str] = ()) -> Run:
    """Make pictures of noise into a run folder: each as a PNG, all on a sheet, and the claim that `verify` judges; ModelError, RunError."""
    pictures = sample_pictures(model, count, seed=seed)
    run = Run.create(out, first_record("sample", {"count": count, "seed": seed}, (model,), arguments, seed), force=force)
    width = len(str(count))
    for k, levels in enumerate(pictures, 1):
        run.write(f"pictures/{k:0{width}d}.png", encode_png(levels))
    run.write(SAMPLES, encode_png(gathered(pictures)))
    run.update(claims=[{"kind": "sample", "file": SAMPLES, "model": 0, "values": sample_values(count, seed)}])
    run.finish()
    return run


def sample_values(count: int, seed: int) -> dict[str, Any]:
    """What is claimed of such a sheet."""
    return {"count": count, "seed": seed}


def sample_claim(file: str, values: Mapping[str, Any], directory: Path, model: Model) -> Check:
    """Judge that a sheet shows what the network makes of the noise of a seed. values: count, seed."""
    path, name = inside(directory, file), model.card.name
    count, seed = value(values, "count", int), value(values, "seed", int)
    if count is None or seed is None or not 1 <= count <= _MOST:
        raise RunError("run.json: a claim of samples names their count and their seed; this one was changed by hand")
    if path is None:
        return Check("sample", file, name, UNKNOWN, f"{file} is not in the folder")
    try:
        made = gathered(sample_pictures(model, count, seed=seed))
        kept = read_picture(path, channels=made.shape[2]).levels
    except ValueError as error:
        return Check("sample", file, name, FAILS, str(error), ("file",))
    if kept.shape != made.shape:
        return Check(
            "sample", file, name, FAILS, f"another sheet: {count} pictures fill {made.shape[1]} x {made.shape[0]} pixels", ("file",)
        )
    far = int(np.abs(kept.astype(int) - made).max())
    holds = far <= _ALIKE
    why = f"the network makes these {count} pictures of the noise of seed {seed}" if holds else f"other pictures: by up to {far} levels"
    return Check("sample", file, name, HOLDS if holds else FAILS, why, () if holds else ("answer",), {"largest": far})
