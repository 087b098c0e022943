"""Pictures that an autoencoder turns into another digit, and whether one in front of a classifier takes an attack away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any

import numpy as np
import torch

from hoodwink.data.load import load
from hoodwink.data.sets import DataSet
from hoodwink.evidence.fooled import Fooled
from hoodwink.evidence.judge import judge
from hoodwink.evidence.scores import accuracy
from hoodwink.evidence.verify import verify
from hoodwink.fooling import fool
from hoodwink.models.join import join
from hoodwink.models.load import load_model
from hoodwink.models.model import Levels, Model
from hoodwink.models.sample import levels_of
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, name, page, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.training.recipes import find_recipe

CLEAN, CLEAN_THROUGH = "accuracy of the classifier", "accuracy through the autoencoder"
TURNED, TURNED_L2, STILL = "made another digit", "L2 of those", "of those the file itself keeps its digit"
FOOLED, FOOLED_L2, RESTORED = "fooled without the autoencoder", "L2 of those (classifier)", "of those restored by it"
THROUGH, THROUGH_L2 = "fooled through the autoencoder", "L2 of those (through it)"
VERIFIED = "files verified"
_OWN = ("classifier", "classifier_epochs", "classifier_validation", "pictures", "steps", "confidence", "kept")
_SHOWN = 6


@dataclass(frozen=True, eq=False)
class Parts:
    """The two networks, and the classifier behind the autoencoder as one model."""

    autoencoder: Model
    classifier: Model
    joined: Model


def run(desk: Desk) -> Found:
    parts, test = _parts(desk), load(f"{desk['data']}:test")
    chosen = list(islice((index for index in range(len(test)) if _right(test, index, parts)), desk["pictures"]))
    labels = [int(test.labels[index]) for index in chosen]  # type: ignore[index]
    pictures = [np.ascontiguousarray(test.pictures[index]) for index in chosen]
    asked = {"confidence": desk["confidence"], "steps": desk["steps"], "seed": desk.seed}
    turned = _all(
        desk, "turned", [(one, {"target": str((label + 1) % 10)}) for one, label in zip(pictures, labels, strict=True)], parts.joined, asked
    )
    fooled = _all(desk, "fooled", [(one, {}) for one in pictures], parts.classifier, asked)
    through = _all(desk, "through", [(one, {}) for one in pictures], parts.joined, asked)
    hit = [(one, label) for one, label in zip(fooled, labels, strict=True) if one.fooled]
    made = [(one, label) for one, label in zip(turned, labels, strict=True) if one.fooled]
    values = {
        CLEAN: accuracy(parts.classifier, test),
        CLEAN_THROUGH: accuracy(parts.joined, test),
        TURNED: _share([one.fooled for one in turned]),
        TURNED_L2: _middle([one for one, _ in made]),
        STILL: _share([_label(one.picture, parts.classifier) == label for one, label in made]),
        FOOLED: _share([one.fooled for one in fooled]),
        FOOLED_L2: _middle([one for one, _ in hit]),
        RESTORED: _share([_label(one.picture, parts.joined) == label for one, label in hit]),
        THROUGH: _share([one.fooled for one in through]),
        THROUGH_L2: _middle([one for one in through if one.fooled]),
        VERIFIED: _verified(desk, {"turned": turned, "fooled": fooled, "through": through}),
    }
    return Found(values, pictures={**_rows("turned", turned, parts), **_rows("fooled", fooled, parts)})


def _parts(desk: Desk) -> Parts:
    """Both networks, trained once; the two together as a model folder, so that a record can name it."""
    recipe = find_recipe(desk["classifier"]).changed(
        {"data": desk["data"], "epochs": desk["classifier_epochs"], "validation": desk["classifier_validation"]}
    )
    classifier = load_model(desk.train(recipe, "classifier", shared=True).directory)
    autoencoder = load_model(desk.train(desk.recipe(*_OWN)).directory)
    return Parts(autoencoder, classifier, load_model(join(autoencoder, classifier).save(desk.folder / "joined")))


def _all(desk: Desk, what: str, jobs: Sequence[tuple[Levels, Mapping[str, Any]]], model: Model, asked: Mapping[str, Any]) -> list[Fooled]:
    """Each picture changed as little as can be found until the model, which reads its file, is wrong (or says the target)."""
    found = []
    for index, (picture, more) in enumerate(jobs):
        found.append(fool(picture, model=model, **{**asked, **more}))
        if desk.step:
            desk.step(index + 1, len(jobs))
    desk.say(f"{desk.line}, seed {desk.seed}: {what}: {sum(one.fooled for one in found)} of {len(found)}")
    return found


def _right(test: DataSet, index: int, parts: Parts) -> bool:
    """Whether both the classifier and the two together name a picture rightly: what is wrong already needs no change."""
    levels, label = np.ascontiguousarray(test.pictures[index]), int(test.labels[index])  # type: ignore[index]
    return _label(levels, parts.classifier) == label == _label(levels, parts.joined)


@torch.no_grad()
def _label(levels: Levels, model: Model) -> int:
    return judge(levels, model).label_index


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else 0.0


def _middle(found: Sequence[Fooled]) -> float:
    return float(median(one.distances.l2 for one in found)) if found else 0.0


def _verified(desk: Desk, found: Mapping[str, Sequence[Fooled]]) -> float:
    """How many of the first run folders of each kind hold when they are judged again from disk."""
    count = 0
    for what, results in found.items():
        for index, one in enumerate([one for one in results if one.fooled][: desk["kept"]]):
            folder = desk.folder / "kept" / f"{what}-{index}"
            if not (folder / "manifest.json").is_file():
                one.save(folder)
            count += verify(folder).holds
    return float(count)


@torch.no_grad()
def _rows(what: str, found: Sequence[Fooled], parts: Parts) -> dict[str, np.ndarray[Any, Any]]:
    """Originals, files, and what the autoencoder makes of them, for a figure."""
    shown = [one for one in found if one.fooled][:_SHOWN] or list(found[:_SHOWN])
    made = levels_of(parts.autoencoder.outputs(parts.autoencoder.encode_all([one.picture for one in shown])))
    names = [[one.before.label, _label(one.picture, parts.classifier), _label(one.picture, parts.joined)] for one in shown]
    rows = {"original": np.stack([one.original for one in shown]), "file": np.stack([one.picture for one in shown]), "made": made}
    return {**{f"{what} {key}": value for key, value in rows.items()}, f"{what} names": np.array(names).astype(int)}


def tell(answers: Mapping[str, Answer]) -> Story:
    source = answers["source"]
    return Story(
        findings=[
            (
                f"A picture that is made another digit: {_percent(source, TURNED)} of the digits tried have a file near them (median L2 "
                f"{source.mean(TURNED_L2):.2f}) of which the autoencoder makes the next digit, with confidence "
                f"{source.settings['confidence']:g}; of these files {_percent(source, STILL)} still get their own digit when the classifier "
                "looks at the file itself."
            ),
            (
                f"Without the autoencoder {_percent(source, FOOLED)} are fooled at a median L2 of {source.mean(FOOLED_L2):.2f}. Put in "
                f"front of the classifier it restores the digit of {_percent(source, RESTORED)} of these files: it looks like a defence, "
                f"and costs {100 * (source.mean(CLEAN) - source.mean(CLEAN_THROUGH)):.1f} points of accuracy."
            ),
            (
                f"Attacked through the autoencoder {_percent(source, THROUGH)} are fooled, at a median L2 of {source.mean(THROUGH_L2):.2f}: "
                "what took the first change away is itself a network with a gradient. A defence is measured by an attack that knows it."
            ),
            "With the others: "
            + "; ".join(
                f"{line} restores {_percent(answer, RESTORED)} and is fooled through in {_percent(answer, THROUGH)} (L2 {answer.mean(THROUGH_L2):.2f})"
                for line, answer in answers.items()
                if line != "source"
            )
            + ".",
            f"All {sum(sum(answer.all(VERIFIED)) for answer in answers.values()):.0f} run folders that were kept hold when judged again.",
        ],
        figures=[_turned(source), _purified(source), _bars(answers)],
        tables=[_table(answers)],
    )


def _percent(answer: Answer, measure: str) -> str:
    return f"{100 * answer.mean(measure):.0f} %"


def _turned(answer: Answer) -> Figure:
    return Figure(
        "turned",
        "Above the original, below it the file, last what the autoencoder makes of the file; with what the classifier says of each.",
        _grid(answer, "turned", "made"),
    )


def _purified(answer: Answer) -> Figure:
    return Figure(
        "purified",
        "Above the original, below it the file that fools the classifier, last what the autoencoder makes of it and the classifier of that.",
        _grid(answer, "fooled", "made"),
    )


def _grid(answer: Answer, what: str, last: str) -> bytes:
    names = answer.picture(f"{what} names")
    keys = ("original", "file", last)
    with page(3, len(names), width=1.35 * len(names), height=4.6) as figure:
        for row, key in enumerate(keys):
            for column, levels in enumerate(answer.picture(f"{what} {key}")):
                show(figure.panels[row * len(names) + column], levels, f"{key}: {names[column][row]}")
    return figure.png


def _bars(answers: Mapping[str, Answer]) -> Figure:
    measures = (FOOLED, RESTORED, THROUGH)
    with page(1, 1, width=7.0) as figure:
        panel, width = figure.panels[0], 0.8 / len(answers)
        for k, (line, answer) in enumerate(answers.items()):
            spots = [spot + k * width for spot in range(len(measures))]
            heights, spreads = ([100 * number(one) for one in measures] for number in (answer.mean, answer.spread))
            panel.bar(spots, heights, width, yerr=spreads, color=COLOURS[k], label=line)
        panel.set_ylim(0, 130)  # the legend has room above the bars
        panel.set_xticks([spot + 0.4 - width / 2 for spot in range(len(measures))], measures, fontsize=8)
        name(panel, "", "per cent")
    return Figure("defence", "A defence that is not attacked looks like one.", figure.png)


def _table(answers: Mapping[str, Answer]) -> Table:
    measures = (CLEAN, CLEAN_THROUGH, TURNED, STILL, FOOLED, FOOLED_L2, RESTORED, THROUGH, THROUGH_L2)
    rows = [[one, *(f"{answer.mean(one):.3f} +- {answer.spread(one):.3f}" for answer in answers.values())] for one in measures]
    return Table("With each autoencoder", ["measure", *answers], rows)


_SETTINGS = {
    "recipe": "mnist-autoencoder",
    "data": "mnist",
    "epochs": 5,
    "classifier": "mnist-cnn",
    "classifier_epochs": 10,
    "classifier_validation": 10_000,
    "pictures": 20,
    "steps": 200,
    "confidence": 0.9,
    "kept": 2,
}
_QUICK = {"data": "digits-28", "epochs": 8, "classifier_epochs": 4, "classifier_validation": 200, "pictures": 1, "steps": 40, "kept": 1}
_MARKS = (Mark(measure=TURNED, floor=0.9), Mark(measure=THROUGH, floor=0.9))
FOOL_AUTOENCODER = Study(
    name="fool-autoencoder",
    question="Can a digit be changed so that it is reconstructed as another, and does an autoencoder protect a classifier?",
    help=(
        "An autoencoder in front of a classifier is one network, and what fools a network works on it unchanged: the search for the "
        "smallest change in whole levels goes through both, and the file is judged by both. Three things are tried on the first test "
        "pictures that are named rightly: a file of which the autoencoder makes the next digit (as the classifier names what is made); a "
        "file that fools the classifier alone, and what the classifier says after the autoencoder has been through it (purification); and "
        "a file that fools the two together, the attack through the defence. Each asks for confidence 0.9 and for the nearest file that "
        "is found; the first of each are kept as run folders and judged again from disk.\n\n"
        "The autoencoders are those of the studies autoencoder and vae; the classifier is mnist-cnn."
    ),
    lines=(
        Line(name="source", help="The autoencoder 784-32-784.", settings=_SETTINGS, quick=_QUICK, marks=_MARKS, minutes=4.0),
        Line(
            name="conv",
            help="Convolutions with a code of 32.",
            settings=_SETTINGS | {"recipe": "mnist-conv-autoencoder", "code": 32},
            quick=_QUICK | {"epochs": 1, "kept": 0},
            marks=_MARKS,
            minutes=5.0,
        ),
        Line(
            name="vae",
            help="The variational autoencoder, by the mean of its code.",
            settings=_SETTINGS | {"recipe": "mnist-vae", "epochs": 10},
            quick=_QUICK | {"kept": 0},
            marks=_MARKS,
            minutes=5.0,
        ),
    ),
    run=run,
    tell=tell,
)
