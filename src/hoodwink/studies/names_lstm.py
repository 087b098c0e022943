"""From which language a surname comes, read letter by letter: LSTMs of six sizes, the tutorial's network, and names that are met twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from hoodwink.data.texts import load_texts
from hoodwink.models.load import load_model
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found, Story
from hoodwink.studies.names_figures import (
    EACH,
    FLOOR,
    HIDDEN,
    LAYERS,
    LSTMS,
    MEMORY,
    NEW,
    REPEATED,
    RIGHT,
    SHARE,
    SHOWN,
    Counts,
    accuracies,
    by_class,
    by_language,
    confusion,
    matrix_of,
    table,
    total,
)
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.texts.alphabet import to_ascii
from hoodwink.training.recipes import find_recipe

RECIPES = {
    "sequence": find_recipe("names-lstm"),  # h_n of the last layer to a linear layer
    "letter-rnn": replace(find_recipe("names-lstm"), name="letter-rnn", network="letter-rnn", arguments={"hidden": 128}),
}


def look_up(learned: Sequence[str], labels: Sequence[int], asked: Sequence[str]) -> Counts:
    """What memory alone would answer: each name's most frequent class among those learned, -1 for a new name; by their ASCII letters."""
    known: dict[str, Counter[int]] = {}
    for one, label in zip(learned, labels, strict=True):
        known.setdefault(to_ascii(one), Counter())[label] += 1
    return np.array([known[to_ascii(one)].most_common(1)[0][0] if to_ascii(one) in known else -1 for one in asked])


def run(desk: Desk) -> Found:
    trained = desk.train(RECIPES[desk["network"]].changed(desk.settings))
    train, test = (load_texts(f"{desk['data']}:{split}{'-once' * desk['once']}") for split in ("train", "test"))
    labels: Counts = np.asarray(test.labels)
    model = load_model(trained.directory, device=desk.device)
    answers: Counts = model.outputs(model.encode_all(test.texts)).argmax(1).cpu().numpy()
    remembered = look_up(train.texts, np.asarray(train.labels).tolist(), test.texts)
    counts, right, twice = confusion(labels, answers, len(test.classes)), answers == labels, remembered >= 0
    result = trained.record["result"]
    values = {
        RIGHT: float(right.mean()),  # of all names: Russian ones count most, for there are most
        EACH: fmean(by_class(counts)),  # every language counts the same
        **({REPEATED: float(right[twice].mean()), MEMORY: float((remembered == labels)[twice].mean())} if twice.any() else {}),
        NEW: float(right[~twice].mean()),
        SHARE: float(twice.mean()),
        "epoch kept": float(result.get("best_epoch", result["epochs"])),
        "parameters": float(sum(value.numel() for value in model.network.parameters())),
    }
    series = {"languages": list(test.classes), "accuracy by language": by_class(counts)}
    return Found(values, {"seconds of training": result["seconds"]}, series, {"confusion": counts})


def tell(answers: Mapping[str, Answer]) -> Story:
    return Story(
        findings=[*_sizes(answers), *_languages(answers), *_repeats(answers)],
        figures=[accuracies(answers), matrix_of(SHOWN, answers)],
        tables=[table(answers), by_language(answers)],
    )


def _sizes(answers: Mapping[str, Answer]) -> list[str]:
    right = {line: answer.mean(RIGHT) for line, answer in answers.items() if line != "once"}
    best = max(LSTMS.values(), key=right.__getitem__)
    one, two = (fmean(right[LSTMS[layers, hidden]] for hidden in HIDDEN) for layers in LAYERS)
    small, large = (fmean(right[LSTMS[layers, hidden]] for layers in LAYERS) for hidden in (HIDDEN[0], HIDDEN[-1]))
    fewest, most = (answers[LSTMS[1, hidden]].settings["hidden"] for hidden in (HIDDEN[0], HIDDEN[-1]))
    reached = [line for line in LSTMS.values() if right[line] >= FLOOR]
    return [
        (
            f"Of the six LSTMs {best} is best with {right[best]:.1%} of the test names right. One layer gives {one:.1%} in the mean of three "
            f"sizes, two layers {two:.1%}; {fewest} hidden numbers give {small:.1%} in the mean of one and two layers, {most} "
            f"{large:.1%}. {FLOOR:.0%} is reached by {', '.join(reached) or 'none of them'}."
        ),
        (
            f"The tutorial's network, which has no nonlinearity between its letters, gives {right['letter-rnn']:.1%}; the better line "
            f"{right['better']:.1%}, {100 * abs(right['better'] - right[best]):.1f} points {'above' if right['better'] > right[best] else 'below'} "
            f"{best}."
        ),
    ]


def _languages(answers: Mapping[str, Answer]) -> list[str]:
    shown, languages = answers[SHOWN], answers[SHOWN].series("languages")[0]
    counts, each = total(shown), shown.mean_series("accuracy by language")
    order = np.argsort(-counts.sum(1), kind="stable")
    most, half = order[0], len(order) // 2
    wrong = counts - np.diag(counts.diagonal())
    share = wrong / np.maximum(counts.sum(1, keepdims=True), 1)
    (a, b), (c, d) = (np.unravel_index(int(found.argmax()), found.shape) for found in (wrong, share))
    return [
        (
            f"{languages[most]} makes up {counts[most].sum() / counts.sum():.1%} of the test names: whoever always answers so has as many right. "
            f"{SHOWN} has {shown.mean(RIGHT):.1%} of all names right but, counting every language the same, {shown.mean(EACH):.1%}: "
            f"{fmean(each[k] for k in order[:half]):.1%} in the mean of the {half} most frequent languages, "
            f"{fmean(each[k] for k in order[half:]):.1%} of the others. The better line's mean over languages is "
            f"{answers['better'].mean(EACH):.1%}."
        ),
        (
            f"{SHOWN}: the most frequent error is a name from {languages[a]} taken for {languages[b]} ({wrong[a, b] / wrong.sum():.1%} of all errors); the "
            f"language most often taken for another one is {languages[c]}, of whose names {share[c, d]:.0%} are taken for {languages[d]} and "
            f"{each[c]:.0%} recognised."
        ),
    ]


def _repeats(answers: Mapping[str, Answer]) -> list[str]:
    shown, once = answers[SHOWN], answers["once"]
    languages, there, left = shown.series("languages")[0], total(shown).sum(1), total(once).sum(1)
    part, rest = there / there.sum(), left / left.sum()
    k = int((part - rest).argmax())
    both = [answer.mean(RIGHT) for answer in (shown, once)]
    return [
        (
            f"{shown.mean(SHARE):.1%} of the test names stand among the training names, too. Of these {SHOWN} has {shown.mean(REPEATED):.1%} "
            f"right, of the new ones {shown.mean(NEW):.1%}: the repeated ones change its score by {100 * (both[0] - shown.mean(NEW)):+.1f} points. "
            f"Memory alone, which answers the language that a name has most often among the training names, has {shown.mean(MEMORY):.1%} of "
            "the repeated ones right."
        ),
        (
            f"Trained and tested with every name once and on one side alone, the same network gives {both[1]:.1%}, "
            f"{100 * abs(both[0] - both[1]):.1f} points {'less' if both[1] < both[0] else 'more'}; counting every language the same, {once.mean(EACH):.1%} "
            f"in place of {shown.mean(EACH):.1%}. Above all {languages[k]} names go: {part[k]:.1%} of the "
            f"test names with repeats, {rest[k]:.1%} without; the accuracy on them is {by_class(total(shown))[k]:.0%} and "
            f"{by_class(total(once))[k]:.0%}."
        ),
    ]


_SETTINGS = {
    "network": "sequence",
    "data": "names",
    "once": False,
    "cell": "lstm",
    "hidden": 128,
    "layers": 1,
    "width": 0,
    "fixed": True,
    "read": "last",
    "dropout": 0.0,
    "validation": 2_000,
    "keep": "best",
    "epochs": 15,
    "batch": 30,
    "optimiser": "adam",
    "rate": 0.003,
    "schedule": "constant",
}
_QUICK = {"data": "made-names", "validation": 70, "hidden": 8, "epochs": 2}
_MINUTES = {(1, 64): 0.5, (1, 128): 0.7, (1, 256): 1.3, (2, 64): 0.9, (2, 128): 1.4, (2, 256): 2.8}
_REASON = (
    "Letters enter as 59 numbers of which one is 1, there is no dropout, the rate stays as it is, and 2,000 of the 14,035 names are held out; "
    "the better line, also of one layer of 128, changes these four"
)


def _lstm(layers: int, hidden: int) -> Line:
    return Line(
        name=LSTMS[layers, hidden],
        help=f"LSTM of {layers} layer{'s' * (layers > 1)} with {hidden} hidden numbers.",
        settings={**_SETTINGS, "layers": layers, "hidden": hidden},
        quick=_QUICK,
        marks=(Mark(measure=RIGHT, floor=FLOOR, reason=_REASON),) if LSTMS[layers, hidden] == SHOWN else (),
        minutes=_MINUTES[layers, hidden],
    )


NAMES_LSTM = Study(
    name="names-lstm",
    question="From which of 18 languages does a surname come?",
    help=(
        "20,050 surnames of 18 languages, 70 % of them, drawn at random, to learn from and 30 % to be asked for, are read letter by letter, "
        "in ASCII letters. Each letter enters as 59 numbers of which one is 1. Of PyTorch's own LSTM the last state h_n of the last layer goes "
        "to a linear layer; Adam, rate 0.003, batches of 30, 15 epochs; 2,000 of the training names are held out, and the epoch that does best "
        "on them is kept.\n\n"
        "The tutorial's network reads a letter and its own state by two linear layers, with nothing between the letters that is not linear, "
        "and learns 100,000 names one at a time by plain gradient descent. Here they are all 14,035 training names seven times, as frequent as "
        "they are; the tutorial draws a language first, then one of its names, and is judged by names that it learned.\n\n"
        "Two things make one accuracy say little. Nearly half of the names are Russian, so beside the share of all names that are right stands "
        "the mean over languages, each counting the same. And the files have names several times: who is asked for a name that was "
        "learned need not have understood anything, though some names stand in several languages. So names that are among the training names "
        "are counted apart from new ones, and one line learns and is asked with every name once in a language and none on both sides, which "
        "also makes it another mixture of languages."
    ),
    lines=(
        *(_lstm(layers, hidden) for layers, hidden in LSTMS),
        Line(
            name="letter-rnn",
            help="The tutorial's network, 128 hidden numbers, about 100,000 names one at a time, gradient descent with rate 0.005.",
            settings={
                **{key: _SETTINGS[key] for key in ("data", "once", "hidden", "schedule")},
                "network": "letter-rnn",
                "validation": 0,
                "keep": "last",
                "epochs": 7,
                "batch": 1,
                "optimiser": "sgd",
                "rate": 0.005,
            },
            quick={"data": "made-names", "hidden": 8, "epochs": 1, "batch": 10},
            minutes=2.5,
        ),
        Line(
            name="once",
            help=f"{SHOWN} with every name once in a language, and no name on both sides.",
            settings={**_SETTINGS, "once": True},
            quick=_QUICK,
            minutes=0.6,
        ),
        Line(
            name="better",
            help=(
                f"{SHOWN}, its letters as 64 numbers each that are learned, dropout 0.3 before and behind the LSTM, a rate that falls to 0 along "
                "a cosine; all 14,035 training names are learned and the last epoch is kept, so nothing is chosen on the way."
            ),
            settings=_SETTINGS | {"width": 64, "fixed": False, "dropout": 0.3, "schedule": "cosine", "validation": 0, "keep": "last"},
            quick={**_QUICK, "validation": 0, "width": 8},
            marks=(Mark(measure=RIGHT, floor=FLOOR),),
            minutes=0.9,
        ),
    ),
    run=run,
    tell=tell,
)
