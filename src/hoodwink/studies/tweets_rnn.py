"""Whether a tweet is negative or positive, read word by word: an RNN, an LSTM and a GRU, beside the bag of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hoodwink.data.made_vectors import MADE
from hoodwink.data.words import GLOVE
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.studies.tweets_bag import BAG, FIXED, HAND, LEARNED, TEST, VALIDATION, gain, learn, numbers, scores, sure
from hoodwink.training.recipes import find_recipe

FLOOR = 0.72
RECIPES = {"bag": BAG, "sequence": find_recipe("tweets-lstm")}


def run(desk: Desk) -> Found:
    # An RNN goes on from word to word by h' = tanh(W v + U h + b). An LSTM keeps a second state, c' = f c + i tanh(W v + U h + b), whose
    # gates f and i in [0, 1] say what stays and what is added: what the first word said need not pass through a tanh at each later one.
    # What the last linear layer sees of the states h1, ..., hT is hT ("last"), or their largest values and their mean ("max+mean").
    return learn(desk, RECIPES[desk["network"]])


def drawn(answers: Mapping[str, Answer]) -> Figure:
    with page(1, 2, width=10.5, height=4.0) as figure:
        left, right = figure.panels
        for colour, (line, answer) in enumerate(answers.items()):
            epochs = range(1, answer.settings["epochs"] + 1)
            how = "--" if answer.settings["network"] == "bag" else "-"
            curve(left, epochs, answer.series(VALIDATION), line, colour, linestyle=how)
        name(left, "epoch", "validation accuracy", legend=False)
        left.legend(fontsize=8, frameon=False, ncols=2)
        left.locator_params(axis="x", integer=True)
        scores(right, answers)
        right.axvline(FLOOR, color="#777777", linestyle="--", linewidth=1.0, label="floor of the test texts")
        right.legend(fontsize=8, frameon=False)
    caption = (
        "Validation accuracy by epoch, the band covers the seeds; and after the last epoch, the bars say how sure so few texts make it."
    )
    return Figure("accuracies", caption, figure.png)


def tell(answers: Mapping[str, Answer]) -> Story:
    slow, better = answers["lstm"], answers["better-lstm"]
    chance, counts = slow.series("commonest")[0], slow.series("texts")[0]
    recurrent = ("better-rnn", "better-gru", "better-lstm")
    return Story(
        findings=[
            (
                f"At the rate {slow.settings['rate']:g} the RNN has {sure(answers['rnn'], TEST)} of the test texts right after "
                f"{slow.settings['epochs']} epochs and the LSTM {sure(slow, TEST)}; always saying the commoner class would have "
                f"{100 * chance[TEST]:.1f} %. On the validation texts the LSTM then has {100 * slow.mean_series(VALIDATION)[-1]:.1f} %; "
                f"better-lstm has {100 * better.mean_series(VALIDATION)[0]:.1f} % after its first epoch."
            ),
            "Better: " + ", ".join(f"{line} {sure(answers[line], TEST)}" for line in recurrent) + ".",
            f"The LSTM and the RNN: better-lstm {gain(answers, 'better-lstm', 'better-rnn')}, lstm {gain(answers, 'lstm', 'rnn')}.",
            (
                f"Beside the bag, which knows no order: better-lstm {gain(answers, 'better-lstm', 'bag')}; with vectors that are learned, "
                f"too, learned-lstm {gain(answers, 'learned-lstm', 'learned-bag')}. Learning the vectors: learned-lstm "
                f"{gain(answers, 'learned-lstm', 'better-lstm')}, learned-bag {gain(answers, 'learned-bag', 'bag')}."
            ),
            (
                f"Of the {counts[HAND]} texts labelled by hand better-lstm has {sure(better, HAND)} right, bag {sure(answers['bag'], HAND)}: "
                "with so few texts the bounds are wide."
            ),
        ],
        figures=[drawn(answers)],
        tables=[numbers(answers)],
    )


_DATA = {"data": "tweets", "vectors": GLOVE, "vocabulary": 20_000, "validation": 2_000, "cut": "words"}
_SOURCE = _DATA | {
    "network": "sequence",
    "hidden": 50,
    "read": "last",
    "grouping": "equal",
    "fixed": True,
    "dropout": 0.0,
    "epochs": 20,
    "batch": 32,
    "rate": 2e-5,
    "schedule": "constant",
    "keep": "last",
}
_BETTER = _SOURCE | {"read": "max+mean", "grouping": "buckets", "dropout": 0.1, "epochs": 10, "rate": 2e-3, "schedule": "cosine"}
_LEARNED = _BETTER | {"fixed": False, "dropout": 0.3, "epochs": 6}
_QUICK = {"data": "made-tweets", "vectors": MADE, "validation": 100, "epochs": 3, "batch": 10}


def _line(name: str, help: str, settings: Mapping[str, Any], minutes: float, floor: float | None = None, **changes: Any) -> Line:
    marks = () if floor is None else (Mark(measure=TEST, floor=floor),)
    return Line(name=name, help=help, settings={**settings, **changes}, quick=_QUICK, marks=marks, minutes=minutes)


TWEETS_RNN = Study(
    name="tweets-rnn",
    question="What does reading a tweet word by word add to its words alone?",
    help=(
        "The tweets of tweets-bag: 14,000 are learned, 2,000 watched, 4,000 are for the test, and 359 others were labelled by people. Each "
        "word, in lower case and apart from punctuation, has GloVe's vector of 50 numbers, which stays as it is; a recurrent network with "
        "50 hidden numbers reads one after the other, and a linear layer says the mood. Words without a vector are passed over. The source "
        "takes batches of 32 tweets of equal length, the state after the last word, and Adam at 0.00002, which is too low: it learns "
        "slowly.\n\n"
        "The better lines learn at 0.002, falling to nothing, from batches of similar length, packed, so that no step is spent on padding; "
        "the linear layer sees the largest value and the mean of each number over all words, so that no word need be remembered to the "
        "end; some numbers are dropped at random. Beside them stands the bag, which knows no order. Last, the vectors of the words are "
        "learned, too, in both."
    ),
    lines=(
        _line("rnn", "The course's RNN: the last state, tweets of equal length, Adam at 0.00002.", _SOURCE, 0.5, cell="rnn"),
        _line("lstm", "The same with an LSTM.", _SOURCE, 0.5, cell="lstm"),
        _line("better-rnn", "The RNN at 0.002, packed, largest value and mean of all states.", _BETTER, 0.4, cell="rnn"),
        _line("better-lstm", "The LSTM so.", _BETTER, 0.4, FLOOR, cell="lstm"),
        _line("better-gru", "The GRU, which has two gates and no second state, so.", _BETTER, 0.6, FLOOR, cell="gru"),
        _line("bag", "To compare with: the line both of tweets-bag, the mean of the vectors.", {"network": "bag"} | FIXED, 0.1),
        _line("learned-lstm", "The LSTM, the vectors learned, too.", _LEARNED, 0.6, FLOOR, cell="lstm"),
        _line("learned-bag", "The line better of tweets-bag, the vectors learned, too.", {"network": "bag"} | LEARNED, 0.3),
    ),
    run=run,
    tell=tell,
)
