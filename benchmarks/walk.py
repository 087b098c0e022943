"""The walk of image search on photographs, beside the climb and the shrink: L2 for as many gradient evaluations.

    python benchmarks/walk.py [--steps 100] [--out docs/results/walk]

Six pairs of photo and class, confidence at least 0.9, the photo at its own size, the verdict that of the search. The walk with the step
that image search has, and with three others, each cooled to a part of it. What does not fool is left out of the mean and counted.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from fool import TARGETS, photos

from hoodwink.attacks import walk
from hoodwink.attacks.objectives import named
from hoodwink.changing import Budget, View, search
from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.pictures.levels import distances
from hoodwink.pictures.read import read_picture

PAIRS = 6
WAYS: dict[str, tuple[float, float] | None] = {
    "climb and shrink": None,
    **{f"walk, steps of {step} cooled to {last:.0%}": (step, last) for step, last in ((0.4, 0.03), (0.3, 0.1), (0.2, 0.05), (0.15, 0.1))},
}


def main() -> None:
    """Measure, print and keep the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    model = load_model("efficientnet-lite0")
    pairs = [(photo, TARGETS[at % len(TARGETS)]) for at, photo in enumerate(photos()[:PAIRS])]
    rows = [measured(model, way, pairs, asked.steps) for way in WAYS]
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "results.json").write_text(json.dumps({"steps": asked.steps, "rows": rows}, indent=1) + "\n")


def measured(model: Model, way: str, pairs: list[tuple[Path, str]], steps: int) -> dict[str, Any]:
    """One way on all pairs."""
    step = WAYS[way]
    if step is not None:
        walk.STEP, walk.LAST_STEP = step
    sizes = dict[str, float]()
    for photo, target in pairs:
        levels = read_picture(photo).levels
        goal = named(model.classes.find(target), 0.9)
        found = search(levels, View((model,), levels.shape), goal, Budget(steps=steps), walking=step is not None)
        if found.trail.stall is None:
            sizes[f"{photo.stem} as {target}"] = round(distances(levels, found.picture).l2, 4)
    mean = math.exp(float(np.mean(np.log(list(sizes.values())))))
    print(f"{way:40}{mean:.3f}   {len(sizes)} of {len(pairs)} fool", flush=True)
    return {"way": way, "l2": round(mean, 4), "fool": len(sizes), "of": sizes}


if __name__ == "__main__":
    main()
