"""Whether a tweet is negative or positive, by the sum of its words' vectors, and what each change to that brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from hoodwink.auditing.chance import bounds
from hoodwink.data.made_vectors import MADE
from hoodwink.data.texts import TextSet, load_texts
from hoodwink.data.words import GLOVE
from hoodwink.evidence.scores import accuracy
from hoodwink.models.load import load_model
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Study
from hoodwink.texts.readers import Reader
from hoodwink.texts.tokens import CUTS
from hoodwink.training.recipe import Reading, Recipe
from hoodwink.training.run import history

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEST, HAND, KNOWN = "test accuracy", "hand accuracy", "words that are known"
TRAINING, VALIDATION = "training accuracy", "validation accuracy"
EVERY = 5  # epochs between two points of the figure
BAG = Recipe(
    name="tweets-bag",
    help="Says whether a tweet is negative or positive by the sum or mean of its words' vectors.",
    data="tweets",
    network="bag",
    arguments={"hidden": (30, 10), "mean": False, "width": 50, "fixed": True, "dropout": 0.0},
    reading=Reading("words", vectors=GLOVE),
    optimiser="adam",
    keep="last",
)


def known_share(texts: Sequence[str], reader: Reader, cut: str) -> float:
    """The share of the texts' words, each counted as often as it occurs, that the network reads; it passes over the others."""
    return sum(len(reader.read(text)) for text in texts) / sum(len(CUTS[cut](text)) for text in texts)


def commonest(texts: TextSet) -> float:
    """The accuracy of who says the most frequent class of all."""
    counts = np.unique(np.asarray(texts.labels), return_counts=True)[1]
    return float(counts.max() / counts.sum())


def learn(desk: Desk, recipe: Recipe) -> Found:
    """Train by the desk's settings, and judge the last epoch on the test texts and on those labelled by hand."""
    recipe = recipe.changed(desk.settings)
    trained = desk.train(recipe)
    model, epochs = load_model(trained.directory, device=desk.device), history(trained)
    test, hand = (load_texts(f"{recipe.data}:{split}") for split in ("test", "hand"))
    values = {
        TEST: trained.record["result"]["last"]["test_accuracy"],
        HAND: accuracy(model, hand),
        KNOWN: known_share(test.texts, model.card.reader, desk["cut"]),
        TRAINING: epochs[-1].accuracy,
    }
    series = {
        TRAINING: [epoch.accuracy for epoch in epochs],
        VALIDATION: [epoch.validation_accuracy for epoch in epochs],
        "texts": {TEST: len(test), HAND: len(hand)},
        "commonest": {TEST: commonest(test), HAND: commonest(hand)},
    }
    return Found(values, {"seconds of training": trained.record["result"]["seconds"]}, series)


def run(desk: Desk) -> Found:
    # A tweet of words w1, ..., wT is x = v(w1) + ... + v(wT), or that over T; its logits are W3 relu(W2 relu(W1 x + b1) + b2) + b3.
    return learn(desk, BAG)


def between(answer: Answer, measure: str) -> tuple[float, float]:
    """Where the accuracy on all such texts lies with 95 % confidence, as so many texts say (Clopper and Pearson 1934)."""
    count = answer.series("texts")[0][measure]
    return bounds(round(answer.mean(measure) * count), count, 0.975)  # 2.5 % on each side


def sure(answer: Answer, measure: str) -> str:
    """The mean of an accuracy over the seeds, and where it is with 95 % confidence."""
    low, high = between(answer, measure)
    return f"{100 * answer.mean(measure):.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def gain(answers: Mapping[str, Answer], line: str, other: str) -> str:
    """In words: how many points a line has more than another on the test texts, and in how many seeds it has more."""
    points = [100 * (one - two) for one, two in zip(answers[line].all(TEST), answers[other].all(TEST), strict=True)]
    return f"{fmean(points):+.1f} points against {other} (ahead in {sum(point > 0 for point in points)} of {len(points)} seeds)"


def scores(panel: Axes, answers: Mapping[str, Answer]) -> None:
    """The accuracies of all lines on both sets of texts, and where they are with 95 % confidence."""
    for measure, shift, mark, colour in ((TEST, -0.12, "o", COLOURS[0]), (HAND, 0.12, "s", COLOURS[5])):
        for place, answer in enumerate(answers.values()):
            label = {TEST: "test texts", HAND: "labelled by hand"}[measure] if place == 0 else None
            panel.plot(between(answer, measure), [place + shift] * 2, "|-", color=colour, linewidth=1.2)
            panel.plot(answer.mean(measure), place + shift, mark, color=colour, markersize=5, label=label)
    panel.set_yticks(range(len(answers)), list(answers))
    panel.invert_yaxis()
    name(panel, "accuracy, with 95 % confidence", "")


def numbers(answers: Mapping[str, Answer]) -> Table:
    """The accuracies of all lines."""
    rows = [
        (
            line,
            f"{100 * answer.mean(TRAINING):.1f}",
            sure(answer, TEST),
            sure(answer, HAND),
            f"{answer.mean('seconds of training'):.0f}",
        )
        for line, answer in answers.items()
    ]
    title = "After the last epoch, means over the seeds, in %, and where they are with 95 % confidence"
    return Table(title, ("line", "training", "test texts", "labelled by hand", "seconds of training"), rows)


def drawn(answers: Mapping[str, Answer]) -> Figure:
    with page(1, 2, width=10.5, height=3.8) as figure:
        left, right = figure.panels
        for colour, (line, answer) in enumerate(answers.items()):
            last = answer.settings["epochs"]
            places = range(EVERY, last + 1, EVERY) or range(1, last + 1)
            for which, how in ((TRAINING, ":"), (VALIDATION, "-")):
                curves = [[values[epoch - 1] for epoch in places] for values in answer.series(which)]
                curve(left, places, curves, line if which == VALIDATION else "", colour, linestyle=how, marker=".", markersize=4)
        name(left, "epoch", "accuracy", f"every {EVERY} epochs: training (dotted), validation")
        scores(right, answers)
    caption = "Accuracy by epoch, the band covers the seeds; and after the last epoch, the bars say how sure so few texts make it."
    return Figure("accuracies", caption, figure.png)


def tell(answers: Mapping[str, Answer]) -> Story:
    source, better = answers["source"], answers["better"]
    first = source.series("commonest")[0]
    steps = [("mean", "source"), ("words", "source"), ("both", "words"), ("better", "both")]
    return Story(
        findings=[
            (
                f"The sum of the vectors has {sure(source, TEST)} of the test texts right, the better line {sure(better, TEST)}; always "
                f"saying the commoner class would have {100 * first[TEST]:.1f} %."
            ),
            "On the test texts, step by step: " + "; ".join(f"{line} {gain(answers, line, other)}" for line, other in steps) + ".",
            (
                f"Cut at blanks alone {source.mean(KNOWN):.1%} of the test texts' words have a vector; in lower case, punctuation apart, "
                f"{answers['words'].mean(KNOWN):.1%}."
            ),
            (
                f"Of the {source.series('texts')[0][HAND]} texts labelled by hand {sure(source, HAND)} and {sure(better, HAND)} are right "
                "(source and better); with so few texts the bounds are wide."
            ),
        ],
        figures=[drawn(answers)],
        tables=[numbers(answers)],
    )


_SETTINGS = {
    "data": "tweets",
    "vectors": GLOVE,
    "vocabulary": 20_000,
    "validation": 2_000,
    "cut": "blanks",
    "mean": False,
    "fixed": True,
    "hidden": (30, 10),
    "dropout": 0.0,
    "epochs": 100,
    "batch": 128,
    "rate": 1e-4,
    "schedule": "constant",
}
FIXED = _SETTINGS | {"cut": "words", "mean": True, "rate": 0.003, "schedule": "cosine", "epochs": 30}
LEARNED = FIXED | {"rate": 0.001, "epochs": 20, "fixed": False, "dropout": 0.5}
_QUICK = {"data": "made-tweets", "vectors": MADE, "validation": 100, "epochs": 10, "batch": 10}


def _line(name: str, help: str, minutes: float, settings: Mapping[str, Any]) -> Line:
    return Line(name=name, help=help, settings=settings, quick=_QUICK, minutes=minutes)


TWEETS_BAG = Study(
    name="tweets-bag",
    question="How much of the mood of a tweet is in its words, whatever their order?",
    help=(
        "20,000 tweets of sentiment140, which were labelled by the smiley that they held: 14,000 are learned, 2,000 watched, 4,000 are for "
        "the test. Each word has GloVe's vector of 50 numbers; the vectors of a tweet are added up, and linear layers of 30, 10 and 2 with "
        "ReLU say which mood it is. Words without a vector are passed over: GloVe's have no capital letters, and punctuation is apart. The "
        "vectors are those of GloVe's 20,000 most frequent words and of all other words of the training tweets that it has. 359 other "
        "tweets were labelled by people: the 498 of the collection without the neutral ones.\n\n"
        "The other lines change one thing after another: the mean in place of the sum, so that long tweets do not count for more; words "
        "in lower case and apart from punctuation; both, with a larger rate that falls to nothing; at last the words' vectors are "
        "learned, too, with dropout."
    ),
    lines=(
        _line("source", "Cut at blanks, the vectors added up, Adam at 0.0001 in batches of 128.", 0.3, _SETTINGS),
        _line("mean", "The mean of the vectors in place of their sum.", 0.3, _SETTINGS | {"mean": True}),
        _line(
            "words", "The sum again; words in lower case, punctuation apart, before they are looked up.", 0.3, _SETTINGS | {"cut": "words"}
        ),
        _line("both", "The mean, words in lower case, a rate of 0.003 that falls to nothing.", 0.1, FIXED),
        _line("better", "The same, and the vectors are learned, too; half of the mean's numbers are dropped at each step.", 0.2, LEARNED),
    ),
    run=run,
    tell=tell,
)
