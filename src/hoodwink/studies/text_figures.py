"""What the study of written texts shows and says: perplexity by epoch, habits by temperature, and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hoodwink.studies.draw import COLOURS, curve, name, page, reference
from hoodwink.studies.found import Answer, Figure, Table
from hoodwink.studies.letter_counts import COPIED, LENGTH, NEW, REPEATED, SHORTEST, WORDS

TEST, HELD, TRAINING = "test perplexity", "held-out perplexity", "training perplexity"
SINGLE, PAIRS = "perplexity of single letters", "perplexity of letter pairs"
KNOWN, REAL, SAMPLES, CHANCE = "perplexity by letters known", "real texts", "samples", "probability of the text"
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
        WORDS: f"words of {SHORTEST} letters or more that were learned",
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
        alone = {"markersize": 8, "fillstyle": "none"} if len(epochs) == 1 else {"markersize": 3}
        curve(panel, epochs, answers[line].series(HELD), line, colour, marker="o", **alone)
    known = answers["counts"].series(KNOWN)[0]
    best = _lowest(known)
    for label, value in (("single letters", known[0]), ("letter pairs", known[1]), (f"{best} letters before known", known[best])):
        panel.axhline(value, color="#777777", linestyle="--", linewidth=1.0)
        panel.annotate(label, (0.99, value), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8, color="#555555")
    panel.set_yscale("log")
    ticks = [tick for tick in (2, 3, 4, 5, 6, 8, 10, 15, 20, 30) if panel.get_ylim()[0] <= tick <= panel.get_ylim()[1]]
    panel.set_yticks(ticks, [str(tick) for tick in ticks])
    panel.minorticks_off()
    panel.set_xticks(range(1, max(answers[line].settings["epochs"] for line in WRITERS) + 1))
    name(panel, "epoch", "perplexity of a letter, held-out texts", "Perplexity (dashed: counts, on the test texts)", legend=False)
    panel.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.92))


def samples_of_one(answer: Answer) -> Figure:
    """The one text and what is written of it; private, for it is somebody's."""
    rows = [("the text", answer.picture("text")[0])]
    rows += [(f"at {at:g}", text) for at in answer.settings["temperatures"] for text in answer.picture(f"{at:g}")]
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
    rows = [
        (f"{at:g}", f"{answer.mean(itself(at)):.0%}", f"{answer.mean_series(CHANCE)[k]:.2%}", f"{answer.mean(away(at)):.1f}")
        for k, at in enumerate(answer.settings["temperatures"])
    ]
    return Table("One text learned by heart", ("temperature", "samples that are the text", "its probability", "letters away"), rows)


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
        (at, *("".join(found.get(at, [])[k : k + 1]) for found in shown))
        for at in shown[0]
        for k in range(max(len(found.get(at, [])) for found in shown))
    ]
    return Table("Samples", ("temperature", "source", "better"), rows)


def said(answers: Mapping[str, Answer]) -> list[str]:
    """What the numbers say."""
    return [_by_heart(answers["one-text"]), *_guesses(answers), *_writing(answers["better"], answers["counts"].series(REAL)[0])]


def _by_heart(answer: Answer) -> str:
    chances = answer.mean_series(CHANCE)
    each = [f"{answer.mean(itself(at)):.0%} at {at:g} ({chances[k]:.1%})" for k, at in enumerate(answer.settings["temperatures"])]
    return (
        f"One text of {answer.mean('letters of the text'):.0f} letters, read {answer.settings['steps']} times: so many of the samples are that "
        f"text, letter by letter, at each temperature (in brackets its probability, the product of those of its letters): {', '.join(each)}."
    )


def _guesses(answers: Mapping[str, Answer]) -> list[str]:
    known, better = answers["counts"].series(KNOWN)[0], answers["better"]
    found, best = {line: answers[line].mean(TEST) for line in WRITERS}, _lowest(known)
    epochs = {line: answers[line].settings["epochs"] for line in WRITERS}
    each = [f"{line} {found[line]:.2f} after {epochs[line]} epoch{'s' * (epochs[line] > 1)}" for line in WRITERS]
    held, learned = better.mean_series(HELD), better.mean_series(TRAINING)
    low = _lowest(held)

    def under(value: float) -> str:
        return ", ".join(line for line in WRITERS if found[line] < value) or "none of them"

    return [
        (
            f"Perplexity of a letter of the test texts, as if so many were equally probable: {', '.join(each)}. Who only counted letters has "
            f"{known[0]:.2f}, who counted pairs {known[1]:.2f}; below that is {under(known[1])}. Of the counts those with "
            f"{best} letter{'s' * (best != 1)} before the next one do best, {known[best]:.2f}; below that is {under(known[best])}."
        ),
        (
            f"better: the held-out perplexity goes from {held[0]:.2f} after the first epoch to its lowest, {held[low]:.2f}, after epoch {low + 1}; "
            f"after the last it is {held[-1]:.2f}, that of the texts being learned {learned[-1]:.2f}."
        ),
    ]


def _writing(better: Answer, real: Mapping[str, float]) -> list[str]:
    at = better.settings["temperatures"]
    found = {measure: better.mean_series(measure) for measure in HABITS}
    near = {measure: at[_lowest([abs(value - real[measure]) for value in found[measure]])] for measure in HABITS}
    both = {measure: f"{found[measure][0]:.1%} at {at[0]:g} and {found[measure][-1]:.1%} at {at[-1]:g}" for measure in HABITS}
    most = max(found[COPIED])
    return [
        (
            f"Of the {better.settings['repeats']}-letter sequences that better writes {both[REPEATED]} stood in the same text before, of its "
            f"words (of {SHORTEST} letters or more) {both[WORDS]} were learned; for people's texts it is {real[REPEATED]:.1%} and {real[WORDS]:.1%}. Nearest to these come, of "
            f"the temperatures tried, {near[REPEATED]:g} for repeats and {near[WORDS]:g} for words."
        ),
        (
            f"At each temperature {min(found[NEW]):.1%} or more of the texts that better writes are none that it learned. Of its sequences of "
            f"{better.settings['copies']} letters at most {most:.1%}, at {at[found[COPIED].index(most)]:g}, stand in a text that it learned; of "
            f"those of people's texts {real[COPIED]:.1%}."
        ),
    ]


def _lowest(values: Sequence[float]) -> int:
    return min(range(len(values)), key=values.__getitem__)
