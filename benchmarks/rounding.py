"""What rounding costs: the same search in floats, rounded once at the end, against the search on whole levels.

python benchmarks/rounding.py [--steps 100] [--out docs/results/rounding]

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
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import skimage.data
import torch
from torch import Tensor

import hoodwink as hw
from hoodwink.attacks.climb import upward
from hoodwink.attacks.norms import NORMS
from hoodwink.attacks.objectives import Goal, named
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import downward
from hoodwink.attacks.spaces import Pixels
from hoodwink.models.model import Model
from hoodwink.pictures.levels import distances
from hoodwink.pictures.resample import vertical_first

PHOTOS = ("chelsea", "coffee", "astronaut", "rocket")
TARGET, CONFIDENCE = "strawberry", 0.9
FREE = "free"  # the L2 norm off the grid
Levels = np.ndarray[Any, np.dtype[np.uint8]]


def free_extreme(direction: Tensor, radius: float, low: Tensor, high: Tensor) -> Tensor:
    """The change of L2 size `radius` ([0, 1] units) along a direction, inside low..high, in floats: what norms.py does before it rounds."""
    small, large = 0.0, 256 / max(float(direction.abs().max()), 1e-30)
    for _ in range(40):
        middle = (small + large) / 2
        size = float(torch.linalg.vector_norm((direction * middle).clamp(low, high))) / 255
        small, large = (middle, large) if size <= radius else (small, middle)
    return (direction * small).clamp(low, high)


@dataclass(frozen=True)
class FloatView:
    """The network as a function of a float picture, with torch's antialiased resize in the place of Pillow's (none at model size)."""

    model: Model
    at_model_size: bool

    def __call__(self, pictures: Tensor) -> Tensor:
        wanted = self.model.card.input
        if not self.at_model_size:
            spot = wanted.geometry(*pictures.shape[2:])
            pictures = torch.nn.functional.interpolate(pictures, size=spot.resized, mode=wanted.filter, antialias=True)
            pictures = pictures[:, :, spot.top : spot.top + spot.size[0], spot.left : spot.left + spot.size[1]]
        mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (wanted.mean, wanted.std))
        return self.model.outputs(pictures.sub(mean).div(std))


def search_in_floats(levels: Levels, view: FloatView, goal: Goal, steps: int) -> tuple[Tensor, float]:
    """The smallest float change found, 1 x C x H x W in levels, and the target's confidence in floats."""
    queries, space = Queries(view), Pixels(as_picture(levels))
    trail = upward(queries, space, goal, steps=steps, generator=torch.Generator().manual_seed(0))
    trail = downward(queries, space, goal, trail, norm=FREE, steps=steps - queries.gradients)
    return trail.change, 1 / (1 + float(np.exp(-trail.value)))


def as_picture(levels: Levels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].float() / 255


def rounded(levels: Levels, change: Tensor) -> Levels:
    out = torch.from_numpy(levels.copy()) + change[0].permute(1, 2, 0).round()
    return out.clamp(0, 255).to(torch.uint8).numpy()


def confidence(levels: Levels, model: Model, at_model_size: bool) -> float:
    return hw.judge(levels, model, at_model_size=at_model_size).confidence(TARGET)


def enlarged(levels: Levels, change: Tensor, holds: Callable[[Levels], bool]) -> tuple[float, Levels]:
    """The smallest factor (to 1 %) by which the float change must grow so that its rounded file holds, and that file's levels."""
    factor = 1.0
    while factor < 30:
        grown = rounded(levels, change * factor)
        if holds(grown):
            return factor, grown
        factor *= 1.01
    raise SystemExit("no factor below 30 makes the rounded file hold")


def float_record(levels: Levels, model: Model, steps: int, at_model_size: bool) -> dict[str, Any]:
    view = FloatView(model, at_model_size)
    goal = named(model.find(TARGET), CONFIDENCE)
    change, reached = search_in_floats(levels, view, goal, steps)
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
    parser.add_argument("--out", type=Path, default=Path("docs/results/rounding"))
    options = parser.parse_args()
    NORMS[FREE] = replace(NORMS["l2"], name=FREE, extreme=free_extreme)
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
