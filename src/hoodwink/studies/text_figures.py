"""What the study of written texts shows: perplexity by epoch, habits by temperature, and samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hoodwink.studies.draw import COLOURS, curve, name, page, reference
from hoodwink.studies.found import Answer, Figure, Table
from hoodwink.studies.letter_counts import COPIED, LENGTH, NEW, REPEATED, WORDS

TEST, HELD, TRAINING = "test perplexity", "held-out perplexity", "training perplexity"
SINGLE, PAIRS = "perplexity of single letters", "perplexity of letter pairs"
KNOWN, REAL, SAMPLES = "perplexity by letters known", "real texts", "samples"
WRITERS = ("source", "longer", "better")
HABITS = (REPEATED, WORDS, COPIED, NEW, LENGTH)
_ROOM = 110  # letters of a sample in the figure


def itself(at: float) -> str:
    """The measure: the share of samples that are the text."""
    return f"the text itself at {at:g}"


def away(at: float) -> str:
    """The measure: how many letters a sample is away from it, in the mean."""
    return f"letters away at {at:g}"


def labels(settings: Mapping[str, Any]) -> dict[str, str]:
    """What the habits are called."""
    return {
        REPEATED: f"{settings['repeats']}-letter sequences that repeat",
        WORDS: "words that were learned",
        COPIED: f"{settings['copies']}-letter sequences that were learned",
        NEW: "texts that were not learned",
        LENGTH: "letters of a text",
    }


def curves(answers: Mapping[str, Answer]) -> Figure:
    """Perplexity by epoch, and how texts are written by temperature."""
    called = labels(answers["better"].settings)
    with page(2, 2, width=10.5, height=7.4) as figure:
        first, *others = figure.panels
        _perplexities(first, answers)
        for panel, measure in zip(others, (REPEATED, WORDS, COPIED), strict=True):
            for colour, line in enumerate(WRITERS):
                runs = [[100 * share for share in one] for one in answers[line].series(measure)]
                curve(panel, answers[line].settings["temperatures"], runs, line, colour, marker="o", markersize=3)
            reference(panel, 100 * answers["counts"].series(REAL)[0][measure], "real texts (test)")
            temperatures = answers["better"].settings["temperatures"]
            panel.set_xscale("log")
            panel.set_xticks(temperatures, [f"{at:g}" for at in temperatures])
            panel.minorticks_off()
            name(panel, "temperature", "%", called[measure][0].upper() + called[measure][1:])
    caption = (
        "The perplexity of texts that are held out, by epoch, beside that of counts; and how texts are written at each temperature, beside "
        "real ones. Bands cover the seeds."
    )
    return Figure("curves", caption, figure.png)


def _perplexities(panel: Any, answers: Mapping[str, Answer]) -> None:
    for colour, line in enumerate(WRITERS):
        epochs = range(1, answers[line].settings["epochs"] + 1)
        curve(panel, epochs, answers[line].series(HELD), line, colour, marker="o", markersize=3)
    known = answers["counts"].series(KNOWN)[0]
    best = min(range(len(known)), key=known.__getitem__)
    for label, value in (("single letters", known[0]), ("letter pairs", known[1]), (f"{best} letters before known", known[best])):
        panel.axhline(value, color="#777777", linestyle="--", linewidth=1.0)
        panel.annotate(label, (0.99, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8, color="#555555")
    panel.set_yscale("log")
    ticks = [tick for tick in (2, 3, 4, 5, 6, 8, 10, 15, 20, 30) if panel.get_ylim()[0] <= tick <= panel.get_ylim()[1]]
    panel.set_yticks(ticks, [str(tick) for tick in ticks])
    panel.minorticks_off()
    panel.set_xticks(range(1, max(answers[line].settings["epochs"] for line in WRITERS) + 1))
    name(panel, "epoch", "perplexity of a letter, held-out texts", "Perplexity (dashed: counts, on the test texts)", legend=False)
    panel.legend(fontsize=8, frameon=False, loc="center right")


def samples_of_one(answer: Answer) -> Figure:
    """The one text and what is written of it; private, for it is somebody's."""
    rows = [("the text", answer.picture("text")[0])]
    rows += [(f"{at:g}", text) for at in answer.settings["temperatures"] for text in answer.picture(f"{at:g}")]
    with page(1, 1, width=11.5, height=0.3 + 0.2 * len(rows)) as figure:
        panel = figure.panels[0]
        panel.set_axis_off()
        panel.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
        for row, (what, text) in enumerate(rows):
            tint = COLOURS[1] if row == 0 else "black"
            plain = str(text).encode("ascii", "replace").decode()
            plain = plain if len(plain) <= _ROOM else plain[:_ROOM] + " ..."
            for x, words in ((0.0, what), (0.07, plain)):
                panel.text(x, row, words, family="monospace", fontsize=8, va="center", color=tint, parse_math=False)
    return Figure("one-text", "The text that was learned by heart, and samples at each temperature.", figure.png, private=True)


def one_text_table(answer: Answer) -> Table:
    """How often the text itself is written."""
    rows = [(f"{at:g}", f"{answer.mean(itself(at)):.0%}", f"{answer.mean(away(at)):.1f}") for at in answer.settings["temperatures"]]
    return Table("One text learned by heart", ("temperature", "samples that are the text", "letters away"), rows)


def habit_table(answers: Mapping[str, Answer]) -> Table:
    """How all lines write at each temperature, and people."""
    called = labels(answers["better"].settings)
    rows = [
        (line, f"{at:g}", *(_cell(measure, answers[line].mean_series(measure)[k]) for measure in HABITS))
        for line in WRITERS
        for k, at in enumerate(answers[line].settings["temperatures"])
    ]
    real = answers["counts"].series(REAL)[0]
    head = ("line", "temperature", *called.values())
    return Table("How texts are written", head, [*rows, ("real texts (test)", "", *(_cell(measure, real[measure]) for measure in HABITS))])


def _cell(measure: str, value: float) -> str:
    return f"{value:.0f}" if measure == LENGTH else f"{value:.1%}"


def sample_table(answers: Mapping[str, Answer]) -> Table:
    """Samples of the first seed, side by side."""
    shown = [answers[line].series(SAMPLES)[0] for line in ("source", "better")]
    rows = [
        (at, *(found[at][k] if k < len(found[at]) else "" for found in shown))
        for at in shown[0]
        for k in range(max(len(found[at]) for found in shown))
    ]
    return Table("Samples", ("temperature", "source", "better"), rows)
