"""What vectors of words know of meaning: neighbours, analogies with the query words and without them, bias, and two pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from hoodwink.data.made_vectors import MADE
from hoodwink.data.words import GLOVE, load_vectors
from hoodwink.studies.analogies import ANALOGIES, PAIRS, asked, pairs
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study, StudyError
from hoodwink.studies.word_maps import ARROWS, BARS, GROUPS, figures, parallel, pca, same_group, tsne
from hoodwink.texts.vectors import Vectors

Rows = np.ndarray[Any, np.dtype[np.float32]]
Question = tuple[str, str, str]

KING: Question = ("king", "man", "woman")
SHE: Question = ("doctor", "man", "woman")
HE: Question = ("doctor", "woman", "man")
COMPARED = "king queen, cat dog, cat car, big small, good bad, doctor man, doctor woman, nurse man, nurse woman"
NEIGHBOURS = "king doctor cat good paris"
KEPT, SAME = "spread that two axes of PCA keep", "nearest of the same group"
FIRST, FIVE, QUEEN = "right at first place", "right within 5", "place of queen"
NURSE = {SHE: "place of nurse, doctor - man + woman", HE: "place of nurse, doctor - woman + man"}


def scores(known: Vectors, sums: Rows, distance: bool) -> Rows:
    """How near each of N words is to each of the vectors Q x D, by cosine or distance, Q x N; the nearer, the larger."""
    products = sums @ known.array.T  # s . w
    if distance:
        products -= known.lengths**2 / 2  # |s - w|^2 = |s|^2 - 2 (s . w - |w|^2 / 2), and |s| is the same for all words
    else:
        products /= known.lengths  # cos(s, w) = s . w / (|s| |w|), and |s| is the same for all words
    return products


def solve(known: Vectors, questions: Sequence[Question], how: Mapping[str, Any]) -> Rows:
    """The scores of all words as answers to questions, Q x N; how: the settings of a line."""
    sums = [known[c] if how["alone"] else known[a] - known[b] + known[c] for a, b, c in questions]
    found = scores(known, np.stack(sums), how["distance"])
    if not how["keep"]:
        for row, question in zip(found, questions, strict=True):
            row[[known.index[word] for word in question]] = -np.inf
    return found


def place(known: Vectors, row: Rows, word: str) -> int:
    """Where a word comes in the order of the scores N: 1 is the first."""
    return 1 + int((row > row[known.index[word]]).sum())


def best(known: Vectors, row: Rows, count: int = 5) -> list[str]:
    """The words of the highest scores N."""
    return [known.words[k] for k in np.argsort(-row, kind="stable")[:count]]


def places(known: Vectors, how: Mapping[str, Any]) -> dict[str, list[int]]:
    """Where the wanted words come, by kind; an analogy with a word that has no vector is left out."""
    found = {}
    for kind in PAIRS:
        there = [analogy for analogy in asked(kind) if all(word in known for word in analogy.words)]
        if there:
            rows = solve(known, [(analogy.a, analogy.b, analogy.c) for analogy in there], how)
            found[kind] = [place(known, row, analogy.wanted) for row, analogy in zip(rows, there, strict=True)]
    if not found:
        raise StudyError("vectors: all words of at least one of the 100 analogies were wanted, none is whole; type glove-50 or made")
    return found


def analogies(desk: Desk) -> Found:
    known = load_vectors(desk["vectors"], tell=desk.say)
    if desk["unit"]:
        known = Vectors(known.words, known.array / known.lengths[:, None])
    king, she, he = solve(known, (KING, SHE, HE), desk.settings)
    found = places(known, desk.settings)
    every = [one for kind in found.values() for one in kind]
    values = {
        QUEEN: place(known, king, "queen"),
        FIRST: fmean(one == 1 for one in every),
        FIVE: fmean(one <= 5 for one in every),
        "analogies not known": len(ANALOGIES) - len(every),
        NURSE[SHE]: place(known, she, "nurse"),
        NURSE[HE]: place(known, he, "nurse"),
    }
    lists = {_sum(question): best(known, row) for question, row in zip((KING, SHE, HE), (king, she, he), strict=True)}
    return Found({measure: float(value) for measure, value in values.items()}, series={"places": found, "answers": lists})


def pictures(desk: Desk) -> Found:
    known = load_vectors(desk["vectors"], tell=desk.say)
    groups = {word: group for group, words in GROUPS.items() for word in words if word in known}
    rows = np.stack([known[word] for word in groups])
    plane, kept = pca(rows)
    maps = {"PCA": plane}
    if (made := tsne(rows, desk["perplexity"], desk.seed)) is not None:
        maps["t-SNE"] = made
    values = {KEPT: kept, f"{SAME}, in all numbers": same_group(rows, list(groups.values()))}
    values |= {f"{SAME}, in {which}": same_group(each, list(groups.values())) for which, each in maps.items()}
    there = {kind: [pair for pair in pairs(kind) if pair[0] in known and pair[1] in known] for kind in PAIRS}
    steps = {kind: [np.stack([known[pair[k]] for pair in some]) for k in (0, 1)] for kind, some in there.items() if len(some) > 1}
    series = {
        "groups": groups,
        "pairs": there,
        "parallel": {kind: parallel(*both) for kind, both in steps.items()},
        "compared": {pair: [known.distance(*pair.split()), known.similarity(*pair.split())] for pair in COMPARED.split(", ")},
        "neighbours": {
            word: [best(known, scores(known, known[word][None], distance)[0], 6)[1:] for distance in (False, True)]
            for word in NEIGHBOURS.split()
        },
    }
    arrows = {f"arrows {kind}": pca(np.concatenate(steps[kind]))[0] for kind in ARROWS if kind in steps}
    return Found(values, series=series, pictures=maps | arrows)


def run(desk: Desk) -> Found:
    return pictures(desk) if "perplexity" in desk.settings else analogies(desk)


def _sum(question: Question) -> str:
    return "{} - {} + {}".format(*question)


def tell(answers: Mapping[str, Answer]) -> Story:
    solved = {line: answer for line, answer in answers.items() if line != "pictures"}
    drawn = answers["pictures"]
    findings = [*_solved(solved), *_bias(solved, drawn.series("compared")[0]), *_maps(solved, drawn)]
    return Story(findings, figures(solved, drawn), _tables(solved, drawn))


def _solved(solved: Mapping[str, Answer]) -> list[str]:
    right = {line: f"{answer.mean(FIRST):.0%} ({answer.mean(FIVE):.0%})" for line, answer in solved.items()}
    unknown = solved["better"].mean("analogies not known")
    return [
        f"{_sum(KING)}: with the query words kept {_queen(solved['source'])}, without them {_queen(solved['better'])}.",
        (
            f"Of {len(ANALOGIES) - unknown:.0f} analogies {right['source']} are right at the first place (within five) with the query words "
            f"kept, {right['better']} without them; {right['distance']} by distance, query words kept; {right['unit-length']} with all vectors "
            f"set to length 1, without the query words; {right['c-alone']} if a and b play no part and the nearest words to c are the answer."
        ),
        *([f"{unknown:.0f} of the 100 analogies are left out: not all their words have a vector here."] if unknown else []),
    ]


def _queen(answer: Answer) -> str:
    top, at = answer.series("answers")[0][_sum(KING)][0], answer.mean(QUEEN)
    return "queen comes first" if at == 1 else f"{top} comes first and queen at place {at:.0f}"


def _bias(solved: Mapping[str, Answer], compared: Mapping[str, Sequence[float]]) -> list[str]:
    she, he = (solved["better"].mean(measure) for measure in NURSE.values())
    kept = [solved["source"].series("answers")[0][_sum(question)][0] for question in (SHE, HE)]
    own = "doctor itself comes first in both" if kept == ["doctor", "doctor"] else f"the first answers are {kept[0]} and {kept[1]}"
    near = {pair: f"{cosine:.3f}" for pair, (_, cosine) in compared.items()}
    return [
        (
            f"Without the query words nurse is at place {she:.0f} of {_sum(SHE)} and at place {he:.0f} of {_sum(HE)}; with the query words "
            f"kept {own}. The cosine of nurse is {near['nurse woman']} with woman and {near['nurse man']} with man, that of doctor "
            f"{near['doctor woman']} and {near['doctor man']}."
        )
    ]


def _maps(solved: Mapping[str, Answer], drawn: Answer) -> list[str]:
    alike = drawn.series("parallel")[0]
    share, alone = (
        {kind: fmean(one == 1 for one in found) for kind, found in solved[line].series("places")[0].items()}
        for line in ("better", "c-alone")
    )
    most, least = max(share, key=share.__getitem__), min(reversed(share), key=share.__getitem__)
    worse = [f"{kind} ({share[kind]:.0%} against {alone[kind]:.0%})" for kind in share if alone[kind] > share[kind]]
    where = [f"{drawn.mean(measure):.0%} {measure.partition(', ')[2]}" for measure in drawn.founds[0].values if measure.startswith(SAME)]
    missing = "" if "t-SNE" in drawn.founds[0].pictures else " There is no t-SNE picture: that needs pip install scikit-learn."
    return [
        (
            f"Of the kinds {most} does best ({share[most]:.0%} at the first place) and {least} worst ({share[least]:.0%}); the mean cosine "
            f"between the steps of two pairs, 1 if all are parallel, is {alike[most]:.2f} and {alike[least]:.2f}. The sum does worse than c "
            f"alone for {', '.join(worse) or 'no kind'}."
        ),
        f"The nearest other word is of the same group for {', '.join(where)}; PCA's two axes keep {drawn.mean(KEPT):.0%} of the spread.{missing}",
    ]


def _tables(solved: Mapping[str, Answer], drawn: Answer) -> list[Table]:
    found = {line: answer.series("places")[0] for line, answer in solved.items()}
    alike, compared, near = (drawn.series(which)[0] for which in ("parallel", "compared", "neighbours"))
    kinds = [
        (
            kind,
            *(f"{sum(one == 1 for one in each[kind])} ({sum(one <= 5 for one in each[kind])})" for each in found.values()),
            f"{alike[kind]:.2f}",
        )
        for kind in found["better"]
    ]
    lists = [(_sum(q), line, ", ".join(solved[line].series("answers")[0][_sum(q)])) for q in (KING, SHE, HE) for line in BARS]
    return [
        Table("Answers", ("sum", "line", "first five"), lists),
        Table("Analogies of each kind right at the first place (within five)", ("kind", *found, "cosine between steps"), kinds),
        Table("How far apart", ("words", "distance", "cosine"), [(pair, f"{d:.3f}", f"{c:.3f}") for pair, (d, c) in compared.items()]),
        Table("Neighbours", ("word", "by cosine", "by distance"), [(word, *map(", ".join, both)) for word, both in near.items()]),
    ]


_ASKED = {"vectors": GLOVE, "alone": False, "distance": False, "unit": False, "keep": True}
_TOP3 = (Mark(measure=QUEEN, floor=3, lower=True),)


def _line(name: str, help: str, marks: tuple[Mark, ...] = _TOP3, **changes: Any) -> Line:
    return Line(name=name, help=help, settings=_ASKED | changes, quick={"vectors": MADE}, marks=marks, fixed=True, minutes=0.1)


WORDS = Study(
    name="words",
    question="What is king - man + woman, and what else do vectors of words know?",
    help=(
        "GloVe gives each of 400,000 words 50 numbers, which come of counting what stands together in Wikipedia and newspapers. Words of like "
        "use have vectors that are near each other, by the distance |v - w| or by the cosine of the angle between them. What is to woman as "
        "king is to man is sought near king - man + woman, among all words.\n\n"
        "A sum lies near its own parts, so one usually takes the query words out of the answers; the lines show what this rule alone does. "
        "They are scored on a fixed list of 100 analogies, ten kinds of ten pairs, each pair asked of the next (paris - france + italy = "
        "rome). The list was written before any vectors were asked. The same sum with doctor shows what the texts say of men and women: the "
        "vectors repeat it.\n\n"
        "Two pictures bring the 50 numbers to a plane. PCA takes the two directions of the largest spread; t-SNE moves points until those "
        "that are neighbours among the 50 numbers are so on the plane, and needs scikit-learn."
    ),
    lines=(
        _line("source", "The cosine with all words, the query words among them."),
        _line("distance", "The distance in place of the cosine.", distance=True),
        _line("better", "The cosine, the query words left out.", keep=False),
        _line("unit-length", "All vectors set to length 1 before the sum, the query words left out.", keep=False, unit=True),
        _line("c-alone", "To compare with: the nearest words to c, whatever a and b are.", marks=(), keep=False, alone=True),
        Line(
            name="pictures",
            help="Distances, neighbours, PCA and t-SNE.",
            settings={"vectors": GLOVE, "perplexity": 10.0},
            quick={"vectors": MADE},
            fixed=True,
            minutes=0.1,
        ),
    ),
    run=run,
    tell=tell,
)
