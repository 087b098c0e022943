"""What saving costs: a search in floats, rounded once at the end, against the search on whole levels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.climb import upward
from hoodwink.attacks.norms import NORMS
from hoodwink.attacks.objectives import Goal, named
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import downward
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.trail import Trail
from hoodwink.attacks.walk import walk
from hoodwink.evidence.judge import judge
from hoodwink.fooling import fool
from hoodwink.models.model import Model
from hoodwink.pictures.levels import Levels, distances
from hoodwink.pictures.write import encode_png
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.photos import OTHERS, as_picture, network, photo
from hoodwink.studies.record import Line, Mark, Study

FREE = "free"  # the L2 norm off the grid
EDGES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5, 2.5, 3.5, 256.0)  # of the histogram of |change|, levels


def free_extreme(direction: Tensor, radius: float, low: Tensor, high: Tensor) -> Tensor:
    """The change of L2 size `radius` ([0, 1] units) along a direction, inside low..high, in floats: what norms.py does before it rounds."""
    small, large = 0.0, 256 / max(float(direction.abs().max()), 1e-30)
    for _ in range(40):
        middle = (small + large) / 2
        size = float(torch.linalg.vector_norm((direction * middle).clamp(low, high))) / 255
        small, large = (middle, large) if size <= radius else (small, middle)
    return (direction * small).clamp(low, high)


@contextmanager
def off_the_grid() -> Iterator[str]:
    """A norm for the searches of attacks/, under the name given: the same as L2, but its changes are not rounded."""
    NORMS[FREE] = replace(NORMS["l2"], name=FREE, extreme=free_extreme)
    try:
        yield FREE
    finally:
        del NORMS[FREE]


class FloatPixels(Pixels):
    """Every subpixel of a picture, and all that lies between two levels."""

    def nearest(self, place: Tensor) -> Tensor:
        """The change itself, inside the bounds."""
        return torch.minimum(torch.maximum(place, self.low), self.high)


@dataclass(frozen=True)
class FloatView:
    """The network as a function of a float picture, with torch's antialiased resize in the place of Pillow's (none at model size)."""

    model: Model
    at_model_size: bool

    def __call__(self, pictures: Tensor) -> Tensor:
        wanted = self.model.card.picture
        if not self.at_model_size:
            spot = wanted.geometry(*pictures.shape[2:])
            pictures = torch.nn.functional.interpolate(pictures, size=spot.resized, mode=wanted.filter, antialias=True)
            pictures = pictures[:, :, spot.top : spot.top + spot.size[0], spot.left : spot.left + spot.size[1]]
        mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (wanted.mean, wanted.std))
        return self.model.outputs(pictures.sub(mean).div(std))


def search_in_floats(levels: Levels, view: FloatView, goal: Goal, steps: int, *, walking: bool = False) -> tuple[Trail, int]:
    """The trail to the smallest float change found, 1 x C x H x W in levels, and the gradient evaluations that it took.

    walking: by `attacks.walk`; else by the climb and the shrink.
    """
    queries, space = Queries(view), FloatPixels(as_picture(levels))
    with off_the_grid() as norm:
        if walking:
            return walk(queries, space, goal, norm=norm, steps=steps), queries.gradients
        trail = upward(queries, space, goal, steps=steps, generator=torch.Generator().manual_seed(0))
        trail = downward(queries, space, goal, trail, norm=norm, steps=steps - queries.gradients)
    return trail, queries.gradients


def probability(log_odds: float) -> float:
    """p with log(p / (1 - p)) = log_odds."""
    return (1 + math.tanh(log_odds / 2)) / 2


def rounded(levels: Levels, change: Tensor) -> Levels:
    """What a file holds of a picture plus a change in levels."""
    out = torch.from_numpy(levels.copy()) + change[0].permute(1, 2, 0).round()
    return np.asarray(out.clamp(0, 255).to(torch.uint8).numpy())


def enlarged(levels: Levels, change: Tensor, holds: Callable[[Levels], bool], most: float = 30.0) -> tuple[float, Levels]:
    """The smallest factor (to 1 %), up to `most`, by which the change must grow so that its rounded file holds, and that file's levels."""
    factor = 1.0
    while True:
        grown = rounded(levels, change * factor)
        if factor * 1.01 > most or holds(grown):
            return factor, grown
        factor *= 1.01


def attempt(desk: Desk, model: Model, source: Levels, asked: float, path: Path) -> tuple[dict[str, float], np.ndarray[Any, Any]]:
    """One photo made the target with the confidence asked, and written: what memory and the file say of it; the change's size, levels."""
    target, steps, whole = desk["target"], desk["steps"], desk["at_model_size"]
    levels = model.see(source) if whole else source

    def read(held: Levels) -> float:
        path.write_bytes(encode_png(held))
        return judge(path, model, at_model_size=whole).confidence(target)

    if desk["way"] == "whole levels":
        found = fool(source, target=target, model=model, confidence=asked, steps=steps, at_model_size=whole)
        held, memory, change = found.picture, probability(found.history[-1].objective), found.picture.astype(float) - levels
    else:
        trail, _ = search_in_floats(levels, FloatView(model, whole), named(model.find(target), asked), steps)
        floats, memory = trail.change, probability(trail.value)
        held, change = rounded(levels, floats), floats[0].permute(1, 2, 0).numpy()
        if desk["way"] == "enlarged":
            held = enlarged(levels, floats, lambda grown: read(grown) >= asked, 2.0)[1]
    row = {"asked": asked, "in memory": memory, "L2 in memory": float(np.linalg.norm(change)) / 255}
    return row | {"from the file": read(held), "L2 of the file": distances(levels, held).l2}, np.abs(change)


def run(desk: Desk) -> Found:
    model = network(desk["network"], desk["side"])
    rows, shares = list[dict[str, Any]](), list[list[float]]()
    for title, asked in product(desk["photos"].split(","), desk["confidences"]):
        desk.say(f"{desk.line}: {title}, confidence {asked:g}")
        row, change = attempt(desk, model, photo(title), asked, desk.folder / f"{title.replace('/', '-')}-{asked:g}.png")
        rows.append({"photo": title, **row, "lost": float((change[change > 0] < 0.5).mean())})
        shares.append((np.histogram(change, EDGES)[0] / change.size).tolist())
    values = {"files that hold, share": fmean(row["from the file"] >= row["asked"] for row in rows)}
    for asked in desk["confidences"]:
        for measure in ("in memory", "from the file", "L2 of the file"):
            values[f"{asked:g} asked: {measure}"] = fmean(row[measure] for row in rows if row["asked"] == asked)
    values["changed subpixels below half a level, share"] = fmean(row["lost"] for row in rows)
    return Found(values, series={"rows": rows, "share of subpixels": np.mean(shares, axis=0).tolist()})


def tell(answers: Mapping[str, Answer]) -> Story:
    with page(1, 3, width=13.5, height=3.8) as figure:
        ask, sizes, change = figure.panels
        for place, (line, answer) in enumerate(answers.items()):
            rows, confidences = answer.series("rows")[0], answer.settings["confidences"]
            ask.scatter([row["asked"] for row in rows], [row["from the file"] for row in rows], s=14, color=COLOURS[place], alpha=0.6)
            means = [answer.mean(f"{asked:g} asked: from the file") for asked in confidences]
            ask.plot(confidences, means, color=COLOURS[place], label=line, marker="_", markersize=12)
            middle = _middle(confidences)
            photos = [row for row in rows if row["asked"] == middle]
            sizes.bar(np.arange(len(photos)) + 0.27 * (place - 1), [row["L2 of the file"] for row in photos], 0.25, color=COLOURS[place])
            sizes.set_xticks(range(len(photos)), [Path(row["photo"]).stem for row in photos], fontsize=8)
            if answer.settings["way"] != "enlarged":
                shares = answer.series("share of subpixels")[0]
                change.stairs(shares, range(len(shares) + 1), color=COLOURS[place], linewidth=1.6, label=_NAMES[answer.settings["way"]])
        ask.plot([0, 1], [0, 1], color="#777777", linestyle="--", linewidth=1, label="kept")
        change.set_xticks(range(len(EDGES)), [f"{edge:g}" for edge in EDGES], fontsize=7)
        change.set_yscale("log")
        change.axvline(EDGES.index(0.5), color="#777777", linestyle="--", linewidth=1)
        name(ask, "confidence asked", "confidence from the file", "A dot a photo, lines their mean")
        name(sizes, "photo", "L2 of the file, [0, 1] units", f"Confidence asked: {middle:g}")
        name(change, "size of the change, levels", "share of subpixels", "What is left of the dashed line is lost")
    caption = (
        "Left what the judge reads from the saved files; in the middle what the change costs; right how large the changes are (0 too)."
    )
    return Story([_sentence(line, answer) for line, answer in answers.items()], [Figure("saved", caption, figure.png)], [_table(answers)])


_NAMES = {"rounded": "in floats", "whole levels": "on whole levels"}


def _middle(confidences: Sequence[float]) -> float:
    return confidences[len(confidences) // 2]


def _sentence(line: str, answer: Answer) -> str:
    rows, asked = answer.series("rows")[0], _middle(answer.settings["confidences"])
    held = sum(row["from the file"] >= row["asked"] for row in rows)
    memory, file, size = (answer.mean(f"{asked:g} asked: {what}") for what in ("in memory", "from the file", "L2 of the file"))
    return (
        f"{line}: {held} of {len(rows)} files hold what was asked. Of {asked:g}, {memory:.3f} is reached in memory and {file:.3f} read from "
        f"the file, on average, at an L2 of {size:.3f}; {100 * answer.mean('changed subpixels below half a level, share'):.0f} % of the "
        "subpixels that the search changed are changed by less than half a level."
    )


def _table(answers: Mapping[str, Answer]) -> Table:
    measures = ("in memory", "from the file", "L2 in memory", "L2 of the file")
    found: list[Sequence[str]] = []
    for rows in zip(*(answer.series("rows")[0] for answer in answers.values()), strict=False):
        for line, row in zip(answers, rows, strict=True):
            holds = "yes" if row["from the file"] >= row["asked"] else "no"
            found.append((row["photo"], f"{row['asked']:g}", line, *(f"{row[one]:.3f}" for one in measures), holds))
    return Table("Photo by photo", ("photo", "asked", "line", *measures, "holds"), found)


def _line(title: str, way: str, help: str, *marks: Mark) -> Line:
    settings = {
        "way": way,
        "network": "efficientnet-lite0",
        "photos": ",".join(("cat", *OTHERS)),
        "target": "strawberry",
        "confidences": (0.5, 0.9, 0.99),
        "steps": 100,
        "at_model_size": True,
        "side": 0,
    }
    quick = {"photos": "cat", "confidences": (0.5,), "steps": 22, "side": 96}
    return Line(name=title, help=help, settings=settings, quick=quick, marks=marks, fixed=True, minutes=1.5)


ROUNDING = Study(
    name="rounding",
    question="What does saving cost a fooled picture?",
    help=(
        "A picture file holds whole levels, 0 to 255. A search in floats ends with a change that is mostly below half a level, and saving "
        "removes that. Photos are made strawberries with the packaged network, at the network's own size, where no resize comes between "
        "(--set at_model_size=false fools the photos themselves). The float search and the search on whole levels are the same code with "
        "the same number of gradient evaluations; the float one does not round.\n\n"
        "Three of the four photos come with scikit-image (pip install scikit-image); --set photos=cat needs nothing, and files may be "
        "named, with commas between."
    ),
    lines=(
        _line("rounded-once", "rounded", "The smallest change in floats that reaches the confidence in memory; then the file."),
        _line("enlarged", "enlarged", "The same, made larger by 1 % and again, up to twice, until what the judge reads holds."),
        _line(
            "whole-levels",
            "whole levels",
            "The search of `hoodwink fool`: every picture it tries is one that a file can hold.",
            Mark(measure="files that hold, share", floor=1.0),
        ),
    ),
    run=run,
    tell=tell,
)
