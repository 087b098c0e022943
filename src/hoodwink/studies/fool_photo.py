"""The main job on a photograph: the cat is made a strawberry, saved, and judged from the file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from hoodwink.attacks.climb import upward
from hoodwink.attacks.objectives import named
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.spaces import Pixels
from hoodwink.attacks.trail import Step
from hoodwink.evidence.judge import judge
from hoodwink.fooling import fool
from hoodwink.models.model import Model
from hoodwink.pictures.draw import difference, figure_fooled
from hoodwink.pictures.levels import Levels, distances
from hoodwink.pictures.write import encode_png
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, name, page, reference, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.photos import as_picture, network, photo
from hoodwink.studies.record import Line, Mark, Study


def ascend(model: Model, levels: Levels, target: str, confidence: float, steps: int) -> tuple[Levels, tuple[Step, ...], int]:
    """The climb alone, top to bottom: the changed picture, its way, and the gradient evaluations that it took."""
    see = model.preprocess(*levels.shape[:2])  # Pillow's resize and crop, bit for bit, that a gradient passes
    queries = Queries(lambda pictures: model.outputs(see(pictures)))
    space = Pixels(as_picture(levels[see.rows, see.columns]))  # the part that the network sees
    goal = named(model.find(target), confidence)  # J = z_t - log sum exp(z of the others) >= log(c / (1 - c)), so p(t) >= c
    trail = upward(queries, space, goal, steps=steps, generator=torch.Generator().manual_seed(0))
    changed = levels.copy()
    changed[see.rows, see.columns] = (space.levels + trail.change)[0].permute(1, 2, 0).to(torch.uint8).numpy()
    return changed, trail.steps, queries.gradients


def run(desk: Desk) -> Found:
    model, original = network(desk["network"], desk["side"]), photo(desk["photo"])
    target, confidence, steps = desk["target"], desk["confidence"], desk["steps"]
    if desk["shrink"]:
        result = fool(original, target=target, model=model, confidence=confidence, steps=steps)
        changed, history, gradients = result.picture, result.history, result.gradients
    else:
        changed, history, gradients = ascend(model, original, target, confidence, steps)
    path = desk.folder / "fooled.png"
    path.write_bytes(encode_png(changed))
    before, after = judge(original, model), judge(path, model)  # by code that knows nothing of attacks, from the bytes of the file
    far, climb = distances(original, changed), [step for step in history if step.phase == "climb"]
    values = {
        "confidence before": before.confidence(target),
        "confidence from the file": after.confidence(target),
        "L2": far.l2,
        "largest change, levels": float(far.linf),
        "changed subpixels, share": far.l0 / original.size,
        "gradient evaluations": float(gradients),
        "largest fall of the objective": max([0.0, *(a.objective - b.objective for a, b in pairwise(climb))]),
    }
    series: dict[str, Any] = {
        "network": model.card.name,
        "weights SHA-256": after.weights_sha256,
        "top before": before.top(5),
        "top after": after.top(5),
        "history": [[step.gradients, step.objective, step.distance] for step in history],
        "threshold": named(0, confidence).threshold,
    }
    return Found(values, series=series, pictures={"original": original, "fooled": changed})


def tell(answers: Mapping[str, Answer]) -> Story:
    line, best = list(answers.items())[-1]
    original, fooled = best.picture("original"), best.picture("fooled")
    before, after, history, shown = (best.series(key)[0] for key in ("top before", "top after", "history", "network"))
    title = f"{before[0][0]} \N{RIGHTWARDS ARROW} {after[0][0]}, as {shown} reads the file"
    whole = figure_fooled(original, fooled, before, after, history, title)
    with page(1, len(answers) + 1, width=13.5, height=3.3) as figure:
        for place, (panel, (line, answer)) in enumerate(zip(figure.panels, answers.items(), strict=False)):
            largest = answer.mean("largest change, levels")
            show(
                panel, difference(answer.picture("original"), answer.picture("fooled")), f"{line}: the change, {largest:.0f} levels at most"
            )
            steps = np.array(answer.series("history")[0])
            figure.panels[-1].plot(steps[:, 0], steps[:, 1], color=COLOURS[place], label=line, linewidth=5.0 - 3.4 * place)
        reference(figure.panels[-1], best.series("threshold")[0], "what is asked")
        name(figure.panels[-1], "gradient evaluations", "objective, log-odds", "")
    captions = (
        f"The photo, the file that fools, and the change ({line}). Below what the network is most sure of, and the search.",
        "The change of each line, scaled so that the largest fills the range (grey: none), and the objective by step.",
    )
    figures = [Figure(*one) for one in zip(("fooled", "steps"), captions, (whole, figure.png), strict=True)]
    return Story([_sentence(line, answer) for line, answer in answers.items()], figures, [_table(answers)])


def _sentence(line: str, answer: Answer) -> str:
    before, after = (answer.series(key)[0][0] for key in ("top before", "top after"))
    target, start, end = answer.settings["target"], answer.mean("confidence before"), answer.mean("confidence from the file")
    return (
        f"{line}: {answer.series('network')[0]} reads the photo as {before[0]} ({target} {start:.2g}) and the saved file as {after[0]} "
        f"({target} {end:.4f}); L2 {answer.mean('L2'):.3f}, {answer.mean('largest change, levels'):.0f} levels at most, "
        f"{answer.mean('gradient evaluations'):.0f} gradient evaluations."
    )


def _table(answers: Mapping[str, Answer]) -> Table:
    first = next(iter(answers.values()))
    columns = [first.series("top before")[0], *(answer.series("top after")[0] for answer in answers.values())]
    rows = [[f"{place + 1}", *(f"{column[place][0]} ({column[place][1]:.4f})" for column in columns)] for place in range(len(columns[0]))]
    return Table("The five most probable classes", ("place", "the photo", *answers), rows)


def _line(title: str, shrink: bool, help: str, minutes: float) -> Line:
    settings = {
        "photo": "cat",
        "target": "strawberry",
        "network": "efficientnet-lite0",
        "side": 0,
        "confidence": 0.9,
        "steps": 300,
        "shrink": shrink,
    }
    marks = (
        Mark(measure="confidence from the file", floor=0.9),
        Mark(measure="largest fall of the objective", floor=0.0, lower=True),
    )
    quick = {"side": 96, "confidence": 0.5, "steps": 22}
    return Line(name=title, help=help, settings=settings, quick=quick, marks=marks, fixed=True, minutes=minutes)


FOOL_PHOTO = Study(
    name="fool-photo",
    question="Can a photo of a cat be made a strawberry, in a file, and how little must change?",
    help=(
        "The main job. A photo (scikit-image's cat) is changed in whole levels until the packaged network says strawberry with a confidence "
        "of at least 0.9, saved as PNG, read back from the disk and judged there, by code that knows nothing of attacks.\n\n"
        "The objective is the log-odds of the target. It is climbed along the masked gradient, each step checked, so that it never falls; "
        "then the change is made smaller as long as the file still holds. --set photo=FILE --set target=NAME take others."
    ),
    lines=(
        _line("climb", False, "Up alone: it ends with the first picture whose file holds.", 0.2),
        _line("climb-and-shrink", True, "Up, then down: what `hoodwink fool` does.", 0.4),
    ),
    run=run,
    tell=tell,
)
