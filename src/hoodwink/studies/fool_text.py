"""The fewest letters of a name, and words of a tweet, that make a network read another class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hoodwink.auditing.texts import Seen, TextSettings, attack_one, figures, table
from hoodwink.data.texts import load_texts
from hoodwink.models.changes import Changer, Changes
from hoodwink.models.load import load_model
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, curve, name, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

OWN = ("method", "texts", "split", "changes", "queries", "kinds")  # settings that are the study's, not the recipe's
SHOWN = 12  # names in the table


def run(desk: Desk) -> Found:
    trained = desk.train(desk.recipe(*OWN), desk["recipe"], shared=True)
    model = load_model(trained.directory)
    data = load_texts(f"{desk['data']}:{desk['split']}", limit=desk["texts"])
    settings = TextSettings(desk["changes"], tuple(desk["kinds"].split(",")), desk["method"], desk["queries"], desk.seed)
    changer, seen = Changer(model, Changes.of(model, settings.kinds)), []
    for index, (text, label) in enumerate(zip(data.texts, np.asarray(data.labels).tolist(), strict=True)):
        seen.append(attack_one(model, changer, index, text, label, settings))
        desk.say(f"{desk.line}, seed {desk.seed}: text {index + 1} of {len(data)}")
    found, rows = figures(seen), table(seen, desk["changes"])
    fooled = [one for one in seen if one.fooled is not None]
    values = {
        "success rate": found["success_rate"],
        "accuracy": found["original_accuracy"],
        "accuracy under attack": found["accuracy_under_attack"],
        "accuracy under 1 change": rows[1]["accuracy"],
        "changes": found["changed"],
        "changed share": found["changed_share"],
        "queries": found["queries"],
        "queries until one fools": float(np.median([one.found_after or 0 for one in fooled])) if fooled else 0.0,
        "proven": sum(_certain(one, desk["changes"]) for one in seen if one.right) / max(sum(one.right for one in seen), 1),
    }
    times = {"seconds a text": sum(one.seconds for one in seen) / max(sum(one.right for one in seen), 1)}
    examples = [(data.texts[one.index], one.fooled, data.classes[one.label], one.after, one.count) for one in fooled[:SHOWN]]
    asked = sorted(one.found_after for one in fooled if one.found_after is not None)
    series = {"standing": [row["accuracy"] for row in rows], "asked": asked[:: max(1, len(asked) // 200)], "examples": examples}
    return Found(values, times, series)


def _certain(one: Seen, changes: int) -> bool:
    """Whether the answer is proven: fewer changes do not fool, or so many do not."""
    return one.proven >= (one.count - 1 if one.fooled is not None else changes)


def tell(answers: Mapping[str, Answer]) -> Story:
    sides = {"names": "letters", "tweets": "words"}
    with page(1, 2, width=10.5) as figure:
        for panel, (what, unit) in zip(figure.panels, sides.items(), strict=True):
            lines = {line: answer for line, answer in answers.items() if line.startswith(what)}
            for colour, (line, answer) in enumerate(lines.items()):
                standing = answer.series("standing")
                curve(panel, range(len(standing[0])), standing, line, colour, marker="o", markersize=3)
            panel.set_ylim(0, 1)
            panel.set_xticks(range(max(len(answer.series("standing")[0]) for answer in lines.values())))
            name(panel, f"{unit} that may be changed", "accuracy", f"{what.capitalize()} that stand")
    with page(1, 2, width=10.5) as spent:
        for panel, what in zip(spent.panels, sides, strict=True):
            for colour, (line, answer) in enumerate((line, one) for line, one in answers.items() if line.startswith(what)):
                asked = [count for of_seed in answer.series("asked") for count in of_seed]
                panel.step(*_shares(sorted(asked)), where="post", color=COLOURS[colour], label=line)
            panel.set_xscale("log")
            name(panel, "texts asked until one fools", "share of those fooled", what.capitalize())
    figures_ = [
        Figure("standing", "How many texts are still read rightly when so many changes are allowed; bands are the seeds.", figure.png),
        Figure("asked", "How many texts the network was asked about until one fooled it.", spent.png),
    ]
    return Story(_findings(answers), figures_, _tables(answers))


def _shares(asked: Sequence[float]) -> tuple[list[float], list[float]]:
    return [max(one, 1) for one in asked], [(k + 1) / len(asked) for k in range(len(asked))]


def _findings(answers: Mapping[str, Answer]) -> list[str]:
    found = []
    for what, unit in (("names", "letter"), ("tweets", "word")):
        best, greedy, chance = (answers[line] for line in (what, f"{what}-greedy", f"{what}-random"))
        found.append(
            f"{what.capitalize()}: {100 * best.mean('accuracy'):.1f} % are read rightly, {100 * best.mean('accuracy under 1 change'):.1f} % when one "
            f"{unit} may be changed, {100 * best.mean('accuracy under attack'):.1f} % with {best.settings['changes']}; "
            f"{100 * best.mean('proven'):.0f} % of these answers are proven: every nearer text was asked."
        )
        found.append(
            f"It takes {best.mean('changes'):.2f} {unit}s, and one fools after {best.mean('queries until one fools'):.0f} texts asked (median); "
            f"the greedy search takes {greedy.mean('changes'):.2f} and {greedy.mean('queries until one fools'):.0f}, chance "
            f"{chance.mean('changes'):.2f} and {chance.mean('queries until one fools'):.0f}, and chance fools "
            f"{100 * chance.mean('success rate'):.0f} % of those read rightly, the others {100 * best.mean('success rate'):.0f} and "
            f"{100 * greedy.mean('success rate'):.0f} %."
        )
    found.append(
        "Neighbours of a word in GloVe are words of the same company, opposites among them: a tweet may be fooled by a word that turns its "
        "meaning, and then the network is not wrong. Slips and letters that look the same leave the meaning as it is."
    )
    return found


def _tables(answers: Mapping[str, Answer]) -> list[Table]:
    rows: list[list[str | int | float]]
    measures = ("success rate", "accuracy under attack", "changes", "changed share", "queries", "queries until one fools", "proven")
    rows = [[line, *(round(answer.mean(measure), 3) for measure in measures)] for line, answer in answers.items()]
    examples = answers["names"].series("examples")[0]
    return [
        Table("TextAttack's figures, means of the seeds", ("line", *measures), rows),
        Table("Names that fool", ("name", "changed to", "read as", "now as", "letters"), examples),
    ]


_NAMES = {"recipe": "names-lstm", "data": "names", "split": "test", "texts": 500, "changes": 3, "queries": 200_000, "kinds": "typos"}
_TWEETS = {
    "recipe": "tweets-lstm",
    "data": "tweets",
    "vectors": "glove-50",
    "split": "hand",
    "texts": 100,
    "changes": 3,
    "queries": 20_000,
    "kinds": "neighbours,typos,lookalikes",
}
_QUICK = {
    "names": {"data": "made-names", "epochs": 2, "hidden": 24, "texts": 20, "changes": 2, "queries": 2000},
    "tweets": {
        "data": "made-tweets",
        "vectors": "made",
        "validation": 50,
        "epochs": 6,
        "hidden": 16,
        "rate": 0.02,
        "texts": 8,
        "changes": 2,
        "queries": 500,
    },
}
_TRAINED = {
    "names": {"epochs": 15, "hidden": 128, "rate": 0.003},
    "tweets": {"validation": 2000, "epochs": 10, "hidden": 64, "rate": 0.002},
}
_WAYS = {
    "": ("fewest", "the gradient says what to try first, then all texts of so many changes are asked", {}),
    "-greedy": ("greedy", "ask about all changes of the best text so far, take the best", {}),
    "-random": ("random", "change at random, 1,000 texts at most", {"queries": 1000}),
}


def _line(what: str, ending: str) -> Line:
    method, how, more = _WAYS[ending]
    settings = {**(_NAMES if what == "names" else _TWEETS), **_TRAINED[what], "method": method, **more}
    quick = {**_QUICK[what], **({"queries": 100} if ending == "-random" else {})}
    marks = (Mark(measure="success rate", floor=0.9 if what == "names" else 0.6),) if not ending else ()
    return Line(
        name=f"{what}{ending}",
        help=f"{what.capitalize()}: {how}.",
        settings=settings,
        quick=quick,
        marks=marks,
        minutes=2.0 if what == "names" else 3.0,
    )


FOOL_TEXT = Study(
    name="fool-text",
    question="How few letters of a name, or words of a tweet, make a network read something else?",
    help=(
        "Two networks are trained (the recipes names-lstm and tweets-lstm) and fooled. Of a name, letters are replaced, inserted, deleted or "
        "swapped with their neighbour; of a tweet, words are replaced by neighbours in GloVe, by slips of the keyboard, or by the same word with a "
        "Cyrillic or Greek letter that looks alike.\n\n"
        "The search asks first what the gradient promises, and then, where these are not too many, about all texts with so many changes: then it "
        "is proven that fewer do not do. Beside it stand the greedy search and chance. The figures are TextAttack's: of the texts that are read "
        "rightly the share that is fooled, the accuracy that is left, changes, and texts asked."
    ),
    lines=tuple(_line(what, ending) for what in ("names", "tweets") for ending in _WAYS),
    run=run,
    tell=tell,
)
