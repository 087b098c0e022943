"""The NumPy classifier fooled by the gradient of its input: with the source's wrong sign and without bounds, and then rightly."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from hoodwink.pictures.draw import difference
from hoodwink.scratch.classifier import Classifier
from hoodwink.scratch.fit import fit
from hoodwink.scratch.fooling import Fooled, climb_target_loss, fool
from hoodwink.scratch.layers import Array
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study, StudyError
from hoodwink.studies.scratch_linear import SETTINGS, begin, settings

# L = -log p(target). The source: x <- x + rate dL/dx until the label is another. Rightly: x <- clip(x - rate dL/dx, 0, 255) until it is
# the target. Both in hoodwink/scratch/fooling.py.
WAYS = {"source": climb_target_loss, "better": fool}


def run(desk: Desk) -> Found:
    start = begin(desk, least=2)
    begun = time.perf_counter()
    classifier = fit(start.classifier, *start.train, settings(desk), validation=start.validation).best
    times = {"seconds of training": time.perf_counter() - begun}
    way, asked = WAYS[desk["way"]], {"rate": desk["step"], "steps": desk["steps"]}
    k, target = next(pairs(classifier, *start.train))
    first = way(classifier, start.train[0][k], target, **asked)
    shown, truth = start.test
    chosen = [pair for pair, _ in zip(pairs(classifier, shown, truth), range(desk["pictures"]), strict=False)]
    begun = time.perf_counter()
    founds = [way(classifier, shown[k], target, **asked) for k, target in chosen]
    times["seconds of fooling"] = time.perf_counter() - begun
    values = {"test accuracy": classifier.accuracy(classifier.normalise(shown), truth), **of_first(first), **of_all(classifier, founds)}
    apart = [float(np.linalg.norm(shown[k].astype(float) - shown[k + 1]) / 255) for k, _ in chosen]
    values["L2 from one test picture to the next, median"] = median(apart)
    series = {
        "loss of the target": list(first.losses),
        "labels": [classifier.classes[label] for label in (first.before, first.target, first.after)],
        "L2": [found.l2 for found in founds],
        "done": [done(found, desk["way"]) for found in founds],
    }
    return Found(values, times, series, {"original": first.original, "found": as_file(first)})


def pairs(classifier: Classifier, pictures: Array, labels: Array) -> Iterator[tuple[int, int]]:
    """The indices of the pictures that are classified rightly, in order, each with its target: the label of the next picture, of another
    class. The first of the training pictures and its target are the source's. StudyError where there is none.
    """
    none = True
    for k in range(len(pictures) - 1):
        if labels[k] != labels[k + 1] and classifier.predict(classifier.normalise(pictures[k : k + 1]))[0] == labels[k]:
            none = False
            yield k, int(labels[k + 1])
    if none:
        raise StudyError("no picture that is classified rightly was found; give more epochs")


def done(found: Fooled, way: str) -> bool:
    """Whether a search ended as its way wants: the source is content with any other label."""
    return found.flipped if way == "source" else found.fooled


def as_file(found: Fooled) -> Array:
    """What an 8-bit file can hold of what was found."""
    return np.asarray(np.rint(np.clip(found.picture, 0, 255)), np.uint8)


def of_first(found: Fooled) -> dict[str, float]:
    """The numbers of the one picture."""
    p = [float(np.exp(-loss)) for loss in (found.losses[0], found.losses[-1])]
    return {
        "steps": float(found.steps),
        "label changed": float(found.flipped),
        "is the target": float(found.fooled),
        "p(target) before": p[0],
        "p(target) after": p[1],
        "L2": found.l2,
        "largest change, levels": found.linf,
    }


def of_all(classifier: Classifier, founds: Sequence[Fooled]) -> dict[str, float]:
    """The numbers of the test pictures."""
    files = classifier.predict(classifier.normalise(np.stack([as_file(found) for found in founds])))
    flipped = [found.l2 for found in founds if found.flipped]
    return {
        "test pictures: label changed, share": float(np.mean([found.flipped for found in founds])),
        "test pictures: label changed in the file, share": float(
            np.mean([a != found.before for a, found in zip(files, founds, strict=True)])
        ),
        "test pictures: target reached, share": float(np.mean([found.fooled for found in founds])),
        "test pictures: outside 0..255, share": float(np.mean([not found.in_bounds for found in founds])),
        "test pictures: steps, mean": float(np.mean([found.steps for found in founds])),
        "test pictures: L2 of the changed, median": median(flipped) if flipped else 0.0,
    }


def tell(answers: Mapping[str, Answer]) -> Story:
    with page(len(answers), 3, width=7.5, height=2.7 * len(answers)) as pictures:
        for row, (line, answer) in enumerate(answers.items()):
            _row(pictures.panels[3 * row : 3 * row + 3], line, answer)
    with page(1, 2) as curves:
        for colour, (line, answer) in enumerate(answers.items()):
            runs = answer.series("loss of the target")
            curve(curves.panels[0], range(max(map(len, runs))), runs[:1], line, colour, marker="." if len(runs[0]) < 20 else "")
            far = sorted(l2 for l2, fine in zip(answer.series("L2")[0], answer.series("done")[0], strict=True) if fine)
            share = [100 * (k + 1) / len(answer.series("L2")[0]) for k in range(len(far))]
            curves.panels[1].step(far, share, where="post", color=COLOURS[colour], label=line)
        name(curves.panels[0], "steps", "-log p(target)", "The target's loss, one picture")
        name(curves.panels[1], "L2 distance, pictures in [0, 1]", "test pictures changed, %", "How near the changed pictures are")
    return Story(
        findings=[sentence for line, answer in answers.items() for sentence in _sentences(line, answer)] + [_robustness(answers["better"])],
        figures=[
            Figure(
                "pictures", "Original, what was found as a file holds it, and the difference, magnified (grey: no change).", pictures.png
            ),
            Figure(
                "curves",
                "Left the target's loss by step. Right how many test pictures are changed by so much (source: to any other label; better: to "
                "the target); both of the first seed.",
                curves.png,
            ),
        ],
        tables=[_table(answers)],
    )


def _row(panels: Sequence[Any], line: str, answer: Answer) -> None:
    before, found = answer.picture("original"), answer.picture("found")
    labels, values = answer.series("labels")[0], answer.founds[0].values
    show(panels[0], before, f"{line}: {labels[0]}, target {labels[1]}")
    show(panels[1], found, f"after {values['steps']:.0f} steps: {labels[2]}")
    show(panels[2], difference(before, found), f"largest change {values['largest change, levels']:.1f} levels")


def _sentences(line: str, answer: Answer) -> list[str]:
    labels, values = answer.series("labels")[0], answer.founds[0].values
    way = "falls" if values["p(target) after"] < values["p(target) before"] else "rises"
    end = f"it is called {labels[2]}" if labels[2] != labels[0] else f"it is still called {labels[0]}"
    out = answer.mean("test pictures: outside 0..255, share")
    return [
        (
            f"{line}: the {labels[0]} that is to be a {labels[1]}: in {values['steps']:.0f} steps p({labels[1]}) {way} from "
            f"{values['p(target) before']:.2g} to {values['p(target) after']:.2g}; {end}, at an L2 distance of {values['L2']:.2f}."
        ),
        (
            f"{line}, {answer.settings['pictures']} test pictures: {100 * answer.mean('test pictures: label changed, share'):.0f} % get "
            f"another label, {100 * answer.mean('test pictures: target reached, share'):.0f} % the target's; {100 * out:.0f} % of the "
            "pictures found have values outside 0..255."
        ),
    ]


def _robustness(better: Answer) -> str:
    """What the distances say."""
    far, apart = better.mean("test pictures: L2 of the changed, median"), better.mean("L2 from one test picture to the next, median")
    subpixels = better.picture("original").size
    if not far:
        return "Robustness: no test picture was changed, so nothing is known of the distance."
    return (
        f"Robustness: over {better.settings['pictures']} test pictures the median distance to the target's side is {far:.2f}, "
        f"{255 * far / subpixels**0.5:.2f} levels a value in the root mean square; a test picture and the next one are {apart:.1f} apart in the "
        f"median, {apart / far:.0f} times as far. The classifier is right on {100 * better.mean('test accuracy'):.1f} % of them."
    )


def _table(answers: Mapping[str, Answer]) -> Table:
    measures = [measure for measure in next(iter(answers.values())).founds[0].values if measure.startswith("test pictures: ")]
    rows = [(line, *(f"{answer.mean(measure):.3g}" for measure in measures)) for line, answer in answers.items()]
    return Table("Test pictures", ("line", *(measure.removeprefix("test pictures: ") for measure in measures)), rows)


_SETTINGS = {**SETTINGS, "hidden": (200,), "rate": 0.1, "epochs": 8, "pictures": 100, "step": 1.0, "steps": 100}
_QUICK = {"data": "digits-32", "validation": 137, "hidden": (50,), "scale": "he", "rate": 0.01, "epochs": 6, "batch": 32, "pictures": 20}
SCRATCH_FOOLING = Study(
    name="scratch-fooling",
    question="Which way along the gradient is a picture fooled, and how robust is a classifier written by hand?",
    help=(
        "A classifier with one hidden layer of 200 ReLU units is trained on CIFAR-10 in NumPy alone. Then its first training picture (or "
        "the first that it classifies rightly, where the next one is of another class) is to be called what the next one is: its values "
        "move along the gradient of the target's loss, -log p(target), by the picture, for at most 100 steps with the rate 1.\n\n"
        "The source adds that gradient. But a loss falls against its gradient: so the target becomes less likely with every step, and the "
        "search ends when the label happens to be any other one, with values that no picture has. The better line subtracts it, stays "
        "in 0..255 and ends when the picture, in whole levels, is called the target. Then both do so with 100 test pictures: how far the "
        "change has to go is what is called robustness here."
    ),
    lines=(
        Line(
            name="source",
            help="The gradient of the target's loss is added (the wrong sign), values may leave 0..255, the first flip to any label ends it.",
            settings={**_SETTINGS, "way": "source"},
            quick=_QUICK,
            minutes=0.5,
        ),
        Line(
            name="better",
            help="The gradient is subtracted, in bounds, judged in whole levels; it ends at the target.",
            settings={**_SETTINGS, "way": "better"},
            quick=_QUICK,
            marks=(Mark(measure="test pictures: target reached, share", floor=1.0), Mark(measure="is the target", floor=1.0)),
            minutes=0.5,
        ),
    ),
    run=run,
    tell=tell,
)
