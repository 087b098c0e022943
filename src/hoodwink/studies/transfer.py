"""A head on the features of a pretrained network, computed once, against a network that learns from pixels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from hoodwink.studies.desk import Desk
from hoodwink.studies.dogs_cnn import DOGS_CNN
from hoodwink.studies.dogs_cnn import RECIPES as FROM_PIXELS
from hoodwink.studies.draw import COLOURS, curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Study
from hoodwink.training.recipe import Recipe
from hoodwink.training.recipes import RECIPES, find_recipe
from hoodwink.training.run import history

FEATURES = "seconds of features"
TEST_FEATURES = "seconds of features, test pictures"
TRAINING = "seconds of training"
ACCURACY = "test accuracy"
SETS = {"dogs": "dogs", "cifar": "CIFAR-10, 50 of each class"}  # how lines begin, and what they learn


def run(desk: Desk) -> Found:
    # A network is f(x) = W g(x) + b: g, all but the last layer, is taken from one that has learned other pictures and stays as it is. So g(x)
    # is computed once for each picture, and an epoch over the numbers g(x) moves W and b alone.
    recipe = _from_features(desk) if "backbone" in desk.settings else FROM_PIXELS["residual"].changed(desk.settings)
    trained = desk.train(recipe)
    epochs, record = history(trained), trained.record
    seconds = record["features"]["seconds"] if "features" in record else {}
    values = {ACCURACY: record["result"]["last" if recipe.keep == "last" else "best"]["test_accuracy"]}
    times = {
        FEATURES: sum(seconds.get(split, 0.0) for split in ("train", "validation")),
        TEST_FEATURES: seconds.get("test", 0.0),
        TRAINING: record["result"]["seconds"],
    }
    series = {
        "training loss": [epoch.loss for epoch in epochs],
        "training accuracy": [epoch.accuracy for epoch in epochs],
        "validation accuracy": [epoch.validation_accuracy for epoch in epochs],
        "seconds": [epoch.seconds for epoch in epochs],
    }
    return Found(values, times, series)


def _from_features(desk: Desk) -> Recipe:
    """The recipe of a line with a backbone; one that is a recipe's name is first trained on the line's own pictures."""
    settings = dict(desk.settings)
    if settings["backbone"] in RECIPES:
        alike = {name: settings[name] for name in ("data", "validation", "subset")}
        first = find_recipe(settings["backbone"]).changed({**alike, "epochs": 5, "precision": "float32"})
        settings["backbone"] = str(desk.train(first, "backbone", shared=True).directory)
    return find_recipe("dogs-transfer").changed(settings)


def seconds(answer: Answer) -> list[float]:
    """When each epoch ended, counted from the start of the training: the mean over the seeds."""
    return answer.mean_series("seconds")


def drawn(answers: Mapping[str, Answer]) -> Figure:
    """Validation accuracy by seconds; of features with the seconds that they took, and without."""
    with page(1, len(SETS), width=10.5, height=4.0) as figure:
        for panel, (start, title) in zip(figure.panels, SETS.items(), strict=True):
            lines = {line: answer for line, answer in answers.items() if line.startswith(start)}
            for colour, (line, answer) in enumerate(lines.items()):
                once, ends, runs = answer.mean(FEATURES), seconds(answer), answer.series("validation accuracy")
                curve(panel, [once + end for end in ends], runs, line, colour)
                if once:
                    curve(panel, ends, runs, f"{line}, features at hand", colour, linestyle=":")
                    panel.axvspan(min(ends), once, color=COLOURS[colour], alpha=0.07, linewidth=0)
            panel.set_xscale("log")
            panel.tick_params(axis="x", which="minor", labelbottom=False)
            panel.set_ylim(0, 1)
            name(panel, "seconds", "validation accuracy", title)
    caption = (
        "Validation accuracy by seconds of work; the band covers the seeds. In the shaded time the features of the training and validation "
        "pictures are computed, once; the dotted curve is how long the head takes when they are there."
    )
    return Figure("accuracy", caption, figure.png)


def numbers(answers: Mapping[str, Answer]) -> Table:
    """What each line took and reached."""
    rows = []
    for line, answer in answers.items():
        once, training = answer.mean(FEATURES), answer.mean(TRAINING)
        reached = f"{100 * answer.mean(ACCURACY):.1f} +- {100 * answer.spread(ACCURACY):.1f} %"
        rows.append([line, str(answer.settings["epochs"]), f"{once:.1f}", f"{training:.1f}", f"{once + training:.1f}", reached])
    return Table("Seconds and accuracy", ("line", "epochs", "features, once", "training", "together", "test accuracy"), rows)


def ahead(answers: Mapping[str, Answer], one: str, other: str) -> str:
    """By how much one line is ahead of another."""
    points = 100 * (answers[one].mean(ACCURACY) - answers[other].mean(ACCURACY))
    return f"{abs(points):.1f} points {'ahead of' if points > 0 else 'behind'} {other}"


def overtaken(answers: Mapping[str, Answer], features: str, pixels: str) -> str:
    """A sentence that says when features are as good as pixels become."""
    quick, slow = answers[features], answers[pixels]
    wanted = max(slow.mean_series("validation accuracy"))
    found = zip(seconds(quick), accumulate(quick.mean_series("validation accuracy"), max), strict=True)
    when = next((end for end, best in found if best >= wanted), None)
    whole = slow.mean(TRAINING)
    if when is None:
        return f"{features} never has the {100 * wanted:.1f} % of the validation pictures right that {pixels} has after {whole:.0f} s."
    return (
        f"What {pixels} reaches on the validation pictures in {whole:.0f} s, {100 * wanted:.1f} %, {features} has after {when:.2f} s of "
        f"training, or {when + quick.mean(FEATURES):.0f} s with its features."
    )


def tell(answers: Mapping[str, Answer]) -> Story:
    head = answers["dogs-features"]
    share = 100 * head.mean(FEATURES) / max(head.mean(FEATURES) + head.mean(TRAINING), 1e-9)
    return Story(
        findings=[
            f"dogs-features has {100 * head.mean(ACCURACY):.1f} % of the test pictures right, {ahead(answers, 'dogs-features', 'dogs-pixels')}.",
            overtaken(answers, "dogs-features", "dogs-pixels"),
            (
                f"cifar-features has {100 * answers['cifar-features'].mean(ACCURACY):.1f} % right, "
                f"{ahead(answers, 'cifar-features', 'cifar-pixels')} and {ahead(answers, 'cifar-features', 'cifar-longer')}, which goes "
                f"{answers['cifar-longer'].settings['epochs']} times through the same pictures."
            ),
            overtaken(answers, "cifar-features", "cifar-longer"),
            (
                f"Of the time that dogs-features takes, {share:.1f} % goes into the features, which another head, another seed or another rate "
                f"need not compute again; an epoch takes the head {1000 * head.mean(TRAINING) / head.settings['epochs']:.0f} ms, and the network "
                f"from pixels {answers['dogs-pixels'].mean(TRAINING) / answers['dogs-pixels'].settings['epochs']:.1f} s."
            ),
        ],
        figures=[drawn(answers)],
        tables=[numbers(answers)],
    )


_DOGS: dict[str, Any] = {"data": "dogs", "split": "valid", "validation": 0, "subset": 0, "epochs": 8}
_CIFAR: dict[str, Any] = {"data": "cifar10", "split": "", "validation": 1000, "subset": 500, "epochs": 30, "keep": "last"}
_FEATURES: dict[str, Any] = {
    "backbone": "efficientnet-lite0",
    "layer": "",
    "hidden": (),
    "dropout": 0.5,
    "batch": 32,
    "rate": 0.0003,
    "weight_decay": 3.0,
}
_PIXELS = {name: value for name, value in DOGS_CNN.lines[1].settings.items() if name not in ("network", "data", "epochs", "least")}
_QUICK: dict[str, Any] = {"data": "digits-32", "split": "", "validation": 137, "subset": 200, "epochs": 2}
_TINY = _QUICK | {"backbone": "cifar-cnn"}
_SMALL = _QUICK | {"widths": (8, 16)}

TRANSFER = Study(
    name="transfer",
    question="What is a pretrained network worth where pictures or time are few?",
    help=(
        "A network that has learned a million pictures of a thousand classes is taken without its last layer. What it makes of a picture, "
        "1,280 numbers, is computed once for each picture and kept; a linear layer is trained on them. Against it stands a small residual "
        "network (the better line of dogs-cnn) that learns the same pictures from their pixels in as many epochs, and on CIFAR-10 also in "
        "three times as many; dogs-cnn has what 45 epochs make of the dogs. Two sets: 2,286 dogs of ten breeds, and 50 pictures of each "
        "class of CIFAR-10, drawn anew for each seed. Time is counted with the features and without (seconds in all are those of the run "
        "itself: features that lay in the cache are not in them); the accuracy is that on all test pictures, asked once.\n\n"
        "The course takes the features of AlexNet. Its weights come with no package, so the packaged EfficientNet-Lite0 stands in; where "
        "torchvision has them, `--set backbone=torchvision:alexnet --set layer=classifier` takes them. What comes out of it is a whole "
        "network, backbone and head, as `hoodwink train dogs-transfer` writes it.\n\n"
        "To be read with care: the ten breeds are among the thousand classes that the packaged network was taught, maybe by some of these "
        "very pictures. That is no fault of the method, which is to begin from what is known, but the dogs flatter it; CIFAR-10 flatters "
        "it less."
    ),
    lines=(
        Line(
            name="dogs-features",
            help="A linear layer on the packaged network's features of 64 x 64 pixels, enlarged to 256.",
            settings=_FEATURES | _DOGS,
            quick=_TINY,
            minutes=4.0,
        ),
        Line(
            name="dogs-pixels",
            help="The residual network from its pixels, which are mirrored, shifted and partly covered at random.",
            settings=_PIXELS | _DOGS,
            quick=_SMALL,
            minutes=4.0,
        ),
        Line(
            name="cifar-features",
            help="A linear layer on the packaged network's features of 32 x 32 pixels, enlarged to 256.",
            settings=_FEATURES | _CIFAR,
            quick=_TINY,
            minutes=4.0,
        ),
        Line(
            name="cifar-pixels",
            help="The residual network, as many epochs.",
            settings=_PIXELS | _CIFAR | {"crop": 4, "cutout": 8},
            quick=_SMALL,
            minutes=0.4,
        ),
        Line(
            name="cifar-longer",
            help="The residual network, three times as many epochs.",
            settings=_PIXELS | _CIFAR | {"crop": 4, "cutout": 8, "epochs": 90},
            quick=_SMALL | {"epochs": 4},
            minutes=2.0,
        ),
    ),
    run=run,
    tell=tell,
)
