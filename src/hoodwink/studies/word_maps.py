"""Vectors of words on a plane, by PCA and by t-SNE, how parallel pairs of words are, and the figures of the study of words."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from hoodwink.studies.analogies import pairs
from hoodwink.studies.draw import COLOURS, name, page
from hoodwink.studies.found import Answer, Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = np.ndarray[Any, np.dtype[np.float32]]
ARROWS = ("gender", "capital", "comparative")  # the kinds of pairs that are drawn
BARS = ("source", "better", "c-alone")  # the lines
GROUPS = {  # the words on t-SNE's plane
    "countries": [word for word, _ in pairs("capital")],
    "capitals": [word for _, word in pairs("capital")],
    "currencies": [word for _, word in pairs("currency")],
    "people": [word for pair in pairs("gender") for word in pair],
    "animals": [word for pair in pairs("young one") for word in pair],
    "verbs": [word for pair in pairs("past tense") for word in pair],
    "adjectives": [word for pair in pairs("comparative") for word in pair],
    "jobs": ["doctor", "nurse", *(word for _, word in pairs("who does it"))],
}
_EIGHT = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_AROUND = np.array([(far * x, far * y) for far in (4, 8, 13) for x, y in _EIGHT])  # where a word may stand, points from its own
_SIDES = {-1: "right", 0: "center", 1: "left"}
_HEIGHTS = {-1: "top", 0: "center", 1: "bottom"}


def pca(rows: Rows) -> tuple[Rows, float]:
    """Rows N x D on the two axes of the largest spread, N x 2, and the share of the spread that these keep."""
    centred = rows - rows.mean(0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)  # axes: the eigenvectors of X'X; the squared lengths: its eigenvalues
    return centred @ axes[:2].T, float((lengths[:2] ** 2).sum() / (lengths**2).sum())


def tsne(rows: Rows, perplexity: float, seed: int) -> Rows | None:
    """Rows N x D on t-SNE's plane, N x 2 (van der Maaten and Hinton 2008); None where scikit-learn is not installed."""
    try:
        from sklearn.manifold import TSNE  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return None
    perplexity = min(perplexity, (len(rows) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what is not ours to change
        made = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", method="exact", random_state=seed)
        plane: Rows = made.fit_transform(rows)
    return plane


def same_group(rows: Rows, groups: Sequence[str]) -> float:
    """The share of N x D rows whose nearest other one is of the same group, N."""
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return fmean(groups[k] == group for k, group in zip(apart.argmin(1), groups, strict=True))


def parallel(before: Rows, after: Rows) -> float:
    """The mean cosine between the steps N x D of two pairs: 1 where all go the same way, about 0 where each goes its own."""
    steps = after - before
    steps = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    return float((steps @ steps.T)[~np.eye(len(steps), dtype=bool)].mean())


def figures(solved: Mapping[str, Answer], drawn: Answer) -> list[Figure]:
    """Arrows, the right answers of each kind, and t-SNE's plane where there is one. solved: lines of analogies; drawn: that of the planes."""
    planes = drawn.founds[0].pictures
    kinds = [kind for kind in ARROWS if f"arrows {kind}" in planes]
    with page(1, max(1, len(kinds)), width=4.8 * max(1, len(kinds)), height=5.4) as arrows:
        for panel, kind in zip(arrows.panels, kinds, strict=False):
            _arrows(panel, planes[f"arrows {kind}"], drawn.series("pairs")[0][kind], kind)
    with page(width=8.0, height=4.2) as bars:
        _bars(bars.panels[0], {line: solved[line].series("places")[0] for line in BARS})
    found = [
        Figure("arrows", "Pairs of words on the two axes of their largest spread (PCA), each kind with axes of its own.", arrows.png),
        Figure("analogies", "How many of each kind's analogies have the wanted word at the first place.", bars.png),
    ]
    if "t-SNE" in planes:
        with page(width=9.0, height=6.6) as cloud:
            _groups(cloud.panels[0], planes["t-SNE"], drawn.series("groups")[0])
        found.append(Figure("t-sne", "t-SNE keeps neighbours together; its directions and its long distances mean nothing.", cloud.png))
    return found


def _arrows(panel: Axes, plane: Rows, pairs: Sequence[Sequence[str]], title: str) -> None:
    """Pairs as arrows on a plane, 2P x 2: the first words of all pairs, then the second."""
    before, after = plane[: len(pairs)], plane[len(pairs) :]
    for start, end in zip(before, after, strict=True):
        panel.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "#aaaaaa", "linewidth": 1.0, "shrinkA": 2, "shrinkB": 2})
    for places, colour in ((before, COLOURS[0]), (after, COLOURS[1])):
        panel.plot(*places.T, "o", color=colour, markersize=3)
    name(panel, "first axis", "second axis", title)
    panel.margins(0.14)
    along = np.concatenate([before + k / 12 * (after - before) for k in range(1, 12)])
    words = [word for side in zip(*pairs, strict=True) for word in side]
    write_beside(panel, plane, words, [COLOURS[k // len(pairs)] for k in range(len(words))], along)


def _bars(panel: Axes, found: Mapping[str, Mapping[str, Sequence[int]]]) -> None:
    """The share of first places of each kind, a bar for each line."""
    for k, (line, places) in enumerate(found.items()):
        shares = [fmean(one == 1 for one in kind) for kind in places.values()]
        panel.bar(np.arange(len(places)) + 0.27 * (k - 1), shares, 0.25, label=line, color=COLOURS[k])
        panel.set_xticks(range(len(places)), list(places), rotation=25, ha="right")
    name(panel, "", "share right at the first place")


def _groups(panel: Axes, plane: Rows, groups: Mapping[str, str]) -> None:
    """Words on a plane, N x 2, each group with a colour of its own; groups: the group of each word."""
    tints = {group: COLOURS[k % len(COLOURS)] for k, group in enumerate(dict.fromkeys(groups.values()))}
    for group, tint in tints.items():
        panel.plot(*plane[[one == group for one in groups.values()]].T, "o", color=tint, markersize=3.5, label=group)
    panel.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    panel.set(xticks=[], yticks=[])
    panel.margins(0.06)
    write_beside(panel, plane, list(groups), [tints[group] for group in groups.values()], plane[:0])


def write_beside(panel: Axes, places: Rows, words: Sequence[str], colours: Sequence[str], others: Rows) -> None:
    """Write each word beside its point N x 2, where it hides no other word or point, as far as may be, and few marks of others, M x 2."""
    panel.figure.canvas.draw()  # the layout settles: from here on a place on the plane stays at its pixel
    marks = panel.transData.transform(np.concatenate([places, others]))
    low, high = list(marks - 3), list(marks + 3)  # corners of what is there already, pixels
    weights = [10] * len(places) + [1] * len(others)
    pixels = panel.figure.dpi / 72  # of a point, in which offsets are
    for place, mark, word, colour in zip(places, marks, words, colours, strict=False):
        text = panel.annotate(word, place, (0, 0), textcoords="offset points", fontsize=7, color=colour)
        size = text.get_window_extent().size
        corners = mark + pixels * _AROUND - size * (1 - np.sign(_AROUND)) / 2  # where the word would begin, 24 x 2
        over = ((corners[:, None] < np.array(high)) & (corners[:, None] + size > np.array(low))).all(2)  # 24 x what is there
        costs = over @ np.array(weights) + 4 * (np.arange(len(_AROUND)) // 8)  # a step away is worth four marks of others
        k = int(costs.argmin())
        x, y = np.sign(_AROUND[k])
        text.set(position=_AROUND[k], ha=_SIDES[x], va=_HEIGHTS[y])
        low.append(corners[k])
        high.append(corners[k] + size)
        weights.append(10)
