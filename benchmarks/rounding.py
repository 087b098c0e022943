"""What rounding costs: the same search in floats, rounded once at the end, against the search on whole levels.

python benchmarks/rounding.py [--steps 100] [--out docs/results/float-rounding]

Per photo, with the same number of gradient evaluations: in floats on the network's own 224 x 224 picture, in floats on the photo
through torch's antialiased resize, and on the photo's whole levels. Each float result is then rounded once, written as PNG and judged
from the file; where it no longer holds it is made larger until its file does. Needs scikit-image for the photos. The results also
hold what the grid costs on a linear model, and which pass of a resize the installed Pillow does first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import skimage.data
import torch

import hoodwink as hw
from hoodwink.attacks.objectives import named
from hoodwink.models.model import Model
from hoodwink.pictures.levels import distances
from hoodwink.pictures.resample import vertical_first
from hoodwink.studies.photos import as_picture
from hoodwink.studies.rounding import FloatView, enlarged, probability, rounded, search_in_floats

PHOTOS = ("chelsea", "coffee", "astronaut", "rocket")
TARGET, CONFIDENCE = "strawberry", 0.9
Levels = np.ndarray[Any, np.dtype[np.uint8]]


def confidence(levels: Levels, model: Model, at_model_size: bool) -> float:
    return hw.judge(levels, model, at_model_size=at_model_size).confidence(TARGET)


def float_record(levels: Levels, model: Model, steps: int, at_model_size: bool) -> dict[str, Any]:
    view = FloatView(model, at_model_size)
    goal = named(model.find(TARGET), CONFIDENCE)
    trail, _ = search_in_floats(levels, view, goal, steps)
    change, reached = trail.change, probability(trail.value)
    once = rounded(levels, change)
    with torch.no_grad():
        own = float(view(as_picture(once)).softmax(1)[0, model.find(TARGET)])
    factor, grown = enlarged(levels, change, lambda one: confidence(one, model, at_model_size) >= CONFIDENCE)
    return {
        "l2_float": float(torch.linalg.vector_norm(change)) / 255,
        "confidence_float": reached,
        "largest_change": float(change.abs().max()),
        "below_half_a_level": float((change.abs() < 0.5).float().mean()),
        "confidence_rounded_same_resize": own,
        "confidence_file": confidence(once, model, at_model_size),
        "l2_file": distances(levels, once).l2,
        "factor_until_the_file_holds": factor,
        "l2_until_the_file_holds": distances(levels, grown).l2,
    }


def whole_record(levels: Levels, model: Model, steps: int, at_model_size: bool) -> dict[str, Any]:
    found = hw.fool(levels, target=TARGET, model=model, confidence=CONFIDENCE, steps=steps, at_model_size=at_model_size)
    seen = found.picture
    record: dict[str, Any] = {
        "fooled": found.fooled,
        "confidence_file": found.confidence,
        "l2_file": found.l2,
        "largest_change": found.linf,
        "changed_subpixels": found.distances.l0 / seen.size,
        "gradients": found.gradients,
    }
    if not at_model_size:
        view = FloatView(model, at_model_size=False)
        record["torch_resize"] = torch_resize(found.original, seen, model, view)
    return record


def torch_resize(original: Levels, fooled: Levels, model: Model, view: FloatView) -> dict[str, float]:
    """What the network says of the same levels when torch resizes them instead of Pillow."""
    with torch.no_grad():
        before, after = (view(as_picture(one))[0] for one in (original, fooled))
    logits = hw.judge(original, model).logits
    target = model.find(TARGET)
    return {
        "largest_logit_difference_original": float((before - torch.from_numpy(logits.copy())).abs().max()),
        "confidence_fooled": float(after.softmax(0)[target]),
    }


def linear_model(size: float, count: int = 1_000_000) -> dict[str, float]:
    """What the grid costs where the objective is linear with a Gaussian gradient: whole levels against floats, for the same gain.

    size: root mean square of the best float change, in levels.
    """
    gradient = np.random.default_rng(0).standard_normal(count)
    wanted = size * float(gradient @ gradient)  # the gain of the float change size * gradient
    small, large = 0.0, 10.0
    for _ in range(50):
        middle = (small + large) / 2
        small, large = (middle, large) if float(gradient @ np.rint(gradient * middle)) < wanted else (small, middle)
    change = np.rint(gradient * large)
    ratio = float(np.linalg.norm(change) / (size * np.linalg.norm(gradient)))
    return {"levels": size, "ratio_of_l2": ratio, "untouched": float((change == 0).mean())}


def pass_order(count: int = 80) -> dict[str, int]:
    """How many of some random sizes the installed Pillow resizes with its vertical pass first (bicubic, colour)."""
    random = np.random.default_rng(1)
    sizes = random.integers(20, 900, (count, 4)).tolist()
    return {"sizes": count, "vertical_first": sum(vertical_first((a, b), (c, d), "bicubic", 3) for a, b, c, d in sizes)}


def measure(name: str, model: Model, steps: int) -> dict[str, Any]:
    levels = np.ascontiguousarray(getattr(skimage.data, name)())
    seen = model.see(levels)
    return {
        "photo": name,
        "height": levels.shape[0],
        "width": levels.shape[1],
        "floats_at_model_size": float_record(seen, model, steps, at_model_size=True),
        "whole_levels_at_model_size": whole_record(levels, model, steps, at_model_size=True),
        "floats_on_the_photo": float_record(levels, model, steps, at_model_size=False),
        "whole_levels_on_the_photo": whole_record(levels, model, steps, at_model_size=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=100, help="gradient evaluations a search")
    parser.add_argument("--out", type=Path, default=Path("docs/results/float-rounding"))
    options = parser.parse_args()
    model = hw.load_model("efficientnet-lite0")
    rows = []
    for name in PHOTOS:
        rows.append(measure(name, model, options.steps))
        print(json.dumps(rows[-1], indent=1), flush=True)
    versions = {"hoodwink": hw.__version__, "torch": torch.__version__, "pillow": PIL.__version__, "scikit-image": version("scikit-image")}
    machine = {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": "cpu",
    }
    asked = {"model": model.card.name, "target": TARGET, "confidence": CONFIDENCE, "steps": options.steps}
    options.out.mkdir(parents=True, exist_ok=True)
    linear = [linear_model(size) for size in (0.2, 0.3, 0.5, 1.0, 2.0)]
    record = {"asked": asked, "versions": versions, "machine": machine, "linear_model": linear, "pass_order": pass_order(), "photos": rows}
    text = json.dumps(record, indent=1)
    (options.out / "rounding.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
