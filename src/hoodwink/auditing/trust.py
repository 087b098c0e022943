"""Signs that a network looks more robust than it is: a masked gradient, chance, outputs that are no logits, a search that fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hoodwink.attacks.losses import margin
from hoodwink.attacks.pgd import pgd
from hoodwink.attacks.queries import Queries
from hoodwink.auditing.records import Case, Sign
from hoodwink.auditing.sight import scale_for
from hoodwink.auditing.work import Rows, Work

PROBED = 32  # pictures that the signs are looked for on
_STEP = 1 / 255  # the change along the gradient's signs that is foretold and then measured
_TRUE = 0.1  # the part of the foretold change that an honest gradient keeps at least, in the median
_ALIKE = 0.9  # the least cosine of two gradients of an honest network
RANDOM = "random outputs"
_FAR = {"linf": 0.5, "l2": 20.0, "l1": 500.0}  # balls in which a working search fells nearly everything


@dataclass(frozen=True)
class Probe:
    """What was measured before the search, on a few clean pictures.

    zero: the share whose gradient is zero. finite: whether outputs and gradients are. kept: the median part of the change foretold by
    the gradient that came. turned: the median cosine of two gradients asked for the same thing. moved: how far outputs differ between two calls, relatively. sums: the outputs are probabilities.
    """

    zero: float
    finite: bool
    kept: float
    turned: float
    moved: float
    sums: bool

    @property
    def random(self) -> bool:
        """The network answers differently from call to call."""
        return self.moved > 1e-4

    @property
    def hidden(self) -> bool:
        """The gradient does not lead the search."""
        return self.zero > 0.1 or not self.finite or self.misleads

    @property
    def misleads(self) -> bool:
        """There is a gradient, and the answers do not go where it points."""
        return self.zero <= 0.1 and self.finite and not self.random and (self.kept < _TRUE or self.turned < _ALIKE)


def probe(work: Work) -> Probe:
    """Look at the network on the first pictures of the commonest size."""
    rows = _first(work)
    pictures, queries = work.tensor(rows), work.ask(work.sights.of(*work.size(rows[0])).judge)
    first, again = queries.logits(pictures), queries.logits(pictures)
    moved = float((first - again).abs().max() / first.abs().max().clamp(min=1e-12))
    own = first.argmax(1)
    gradient = _gradient(work, rows, own)
    size = gradient.abs().flatten(1).sum(1)
    sums = bool((first >= 0).all()) and bool(((first.sum(1) - 1).abs() < 1e-3).all())
    return Probe(
        zero=float((size == 0).float().mean()),
        finite=bool(gradient.isfinite().all()) and bool(first.isfinite().all()),
        kept=_kept(work, rows, own, gradient),
        turned=float(torch.cosine_similarity(gradient.flatten(1), _gradient(work, rows, own).flatten(1)).median()),
        moved=moved,
        sums=sums,
    )


def scale(work: Work) -> float:
    """What the searched logits have to be multiplied by, measured on the first pictures of the commonest size."""
    rows = _first(work)
    logits = work.queries(work.sights.of(*work.size(rows[0]))).logits(work.tensor(rows))
    return scale_for(logits) if bool(logits.isfinite().all()) else 1.0


def _first(work: Work) -> Rows:
    sizes = [work.size(index) for index in range(len(work))]
    common = Counter(sizes).most_common(1)[0][0]
    return np.array([index for index, size in enumerate(sizes) if size == common][:PROBED], dtype=np.int64)


def _gradient(work: Work, rows: Rows, own: Tensor) -> Tensor:
    queries = work.queries(work.sights.of(*work.size(rows[0])))
    return queries.slopes(work.tensor(rows), lambda logits, part: margin(logits, None, own[part]))[1]


def _kept(work: Work, rows: Rows, own: Tensor, gradient: Tensor) -> float:
    """The part of what the gradient foretells of one level along its signs, inside the box, that comes true, in the median."""
    queries, pictures = work.queries(work.sights.of(*work.size(rows[0])), free=True), work.tensor(rows)
    before = margin(queries.logits(pictures), None, own)
    ahead = (pictures + _STEP * gradient.sign()).clamp(0, 1)
    after = margin(queries.logits(ahead), None, own)
    foretold = (gradient * (ahead - pictures)).flatten(1).sum(1)
    there = foretold > 0
    return float(((after - before)[there] / foretold[there]).median()) if bool(there.any()) else 1.0


def far_left(work: Work, case: Case, rows: Rows) -> float:
    """The share of pictures that stand in a ball so large that a working search fells nearly all, in [0, 1]."""
    eps = max(_FAR[case.norm], min(4 * case.eps, 1.0) if case.norm == "linf" else 4 * case.eps)

    def ask(queries: Queries, pictures: Tensor, labels: Tensor) -> dict[str, Tensor]:
        found = pgd(queries, pictures, labels, norm=case.norm, eps=eps, steps=40)
        return {"stands": (margin(queries.logits(found), None, labels) <= 0)[:, None].float()}

    notes = work.note(f"large ball {case.norm} {eps!r} {case.eps!r}", rows, ask, case=case)
    return sum(note["stands"][0] for note in notes.values()) / max(1, len(rows))


def signs(
    found: Probe,
    factor: float,
    far: dict[Case, float],
    queries_won: int,
    transfer_won: int | None,
    falls: list[tuple[Case, int, int]],
    short: float | None,
    disputed: int,
    lost: int = 0,
) -> tuple[Sign, ...]:
    """Every sign in words, those not seen too.

    factor: what the searched logits were multiplied by. far: by ball the share left in a large one. queries_won: sentinels that only queries felled. transfer_won: those that only another network's pictures
    felled. falls: pictures felled and standing, by ball. short: the share of the sample whose lead a long search still moved much. lost: finds
    that did not hold when they were judged from their file.
    """
    worst = max(far.values(), default=0.0)
    flat = _flat(falls)
    return (
        Sign(
            "zero or non-finite gradients",
            found.zero > 0.1 or not found.finite,
            f"{found.zero:.0%} of the probed pictures have no gradient"
            + ("" if found.finite else "; some outputs or gradients are not finite"),
            "A search along such gradients does not move. This one went around roundings and a last softmax, and sent queries besides.",
            "Find the layer that rounds or saturates, and audit the network without it.",
            grave=worst > 0.1 or not far or not found.finite,
        ),
        Sign(
            "a gradient that misleads",
            found.misleads,
            f"of the change that the gradient foretells {found.kept:.0%} comes true; asked twice, two gradients have the cosine {found.turned:.2g}",
            "The gradient points elsewhere than the network's answers go: it is hidden or shattered.",
            "Find the layer with a gradient of its own; the queries' verdict (Square) below is the better one.",
            grave=True,
        ),
        Sign(
            RANDOM,
            found.random,
            f"two calls differ by {found.moved:.2g} of the largest logit" + (f"; asked again, {lost} finds did not hold" if lost else ""),
            "One draw is not the network: the search followed the mean of several draws, and most of several draws is the verdict.",
            "Fix the seed of the random layer if it is meant to be fixed.",
            grave=found.random and (worst > 0.1 or lost > 0),
        ),
        Sign(
            "softmax outputs",
            found.sums,
            "the outputs look like probabilities" if found.sums else "the outputs are no probabilities",
            "Sure pictures have no gradient left through a softmax.",
            "Give the network without its last softmax.",
            grave=worst > 0.1,
        ),
        Sign(
            "saturated logits",
            factor != 1,
            f"the search multiplied the logits by {factor:.3g}",
            "Logits of that size leave cross-entropy no gradient, so that attacks of a fixed form fail.",
            "Nothing: the search scales them; other tools may report too much.",
        ),
        Sign(
            "queries beat gradients",
            queries_won > 0,
            f"{queries_won} of the sample fell to queries after the gradient search had failed",
            "The gradient does not lead where the network can be fooled: it is masked.",
            "Take the robust accuracy as a bound from above only.",
            grave=True,
        ),
        Sign(
            "transfer beats the network's own gradient",
            bool(transfer_won),
            "not tried: give --transfer MODEL"
            if transfer_won is None
            else f"{transfer_won} of the sample fell to another network's pictures",
            "A picture made for another network fools this one, and its own gradient found none: it is masked.",
            "Take the robust accuracy as a bound from above only.",
            grave=True,
        ),
        Sign(
            "a large ball does not fell",
            worst > 0.1,
            f"{worst:.0%} of the sample stand in a ball that should fell nearly all",
            "A search that fails where success is certain fails for its own reasons.",
            "Take the robust accuracy as a bound from above only.",
            grave=True,
        ),
        Sign(
            "larger eps does not fell more",
            flat,
            ", ".join(f"{case.name}: {felled}" for case, felled, _ in falls),
            "Robust accuracy should fall with eps until it is zero.",
            "Look at the signs above for the reason.",
            grave=flat and worst > 0.1,
        ),
        Sign(
            "budget unspent",
            short is not None and short > 0.5,
            "not measured" if short is None else f"a hundred steps more moved {short:.0%} of the sample's leads much further",
            "The search was still under way when it ended.",
            "Type --budget exhaustive.",
        ),
        Sign(
            "the prepared copy disputed",
            disputed > 0 and not found.random,
            f"{disputed} finds of the prepared copy were not confirmed by the original",
            "The search follows a copy that is nearly, not exactly, the network.",
            "Type --precision float32, or report the network if it was.",
        ),
    )


def _flat(falls: list[tuple[Case, int, int]]) -> bool:
    """Whether, of one norm, a ball of twice the size or more fells no more of several pictures that stand in the smaller."""
    pairs = ((a, b) for a in falls for b in falls if a[0].norm == b[0].norm and b[0].eps >= 2 * a[0].eps > 0)
    return any(larger[1] <= smaller[1] and smaller[2] >= 10 for smaller, larger in pairs)
