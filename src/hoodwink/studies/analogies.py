"""One hundred analogies: ten kinds of ten pairs of words; each pair is asked of the next one of its kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Analogy:
    """A question: what is to c as a is to b, a - b + c = ?; wanted is the answer."""

    kind: str
    a: str
    b: str
    c: str
    wanted: str

    @property
    def words(self) -> tuple[str, str, str, str]:
        """All four."""
        return self.a, self.b, self.c, self.wanted


# Chosen before any vectors were asked: "plain word, other word", the last pair is asked of the first.
PAIRS = {
    "capital": (
        "france paris, italy rome, germany berlin, spain madrid, england london, "
        "japan tokyo, russia moscow, china beijing, greece athens, egypt cairo"
    ),
    "nationality": (
        "france french, italy italian, germany german, spain spanish, england english, "
        "japan japanese, russia russian, china chinese, greece greek, egypt egyptian"
    ),
    "currency": (
        "japan yen, russia ruble, india rupee, mexico peso, china yuan, "
        "sweden krona, thailand baht, poland zloty, hungary forint, nigeria naira"
    ),
    "gender": (
        "man woman, king queen, boy girl, brother sister, father mother, "
        "son daughter, husband wife, uncle aunt, nephew niece, actor actress"
    ),
    "plural": ("cat cats, dog dogs, car cars, house houses, tree trees, child children, mouse mice, hand hands, eye eyes, city cities"),
    "past tense": ("walk walked, play played, go went, see saw, take took, give gave, write wrote, run ran, say said, think thought"),
    "comparative": (
        "big bigger, small smaller, fast faster, slow slower, strong stronger, "
        "weak weaker, cheap cheaper, tall taller, old older, young younger"
    ),
    "opposite": ("hot cold, long short, high low, rich poor, early late, happy sad, hard soft, dark light, open closed, full empty"),
    "young one": ("dog puppy, cat kitten, cow calf, sheep lamb, horse foal, goat kid, lion cub, duck duckling, hen chick, deer fawn"),
    "who does it": (
        "teach teacher, write writer, sing singer, play player, paint painter, "
        "drive driver, farm farmer, bake baker, lead leader, hunt hunter"
    ),
}


def pairs(kind: str) -> list[tuple[str, str]]:
    """The ten pairs of a kind."""
    return [(word, other) for word, other in (pair.split() for pair in PAIRS[kind].split(","))]


def asked(kind: str) -> list[Analogy]:
    """The ten analogies of a kind: paris - france + italy = rome."""
    found = pairs(kind)
    return [Analogy(kind, other, word, *following) for (word, other), following in zip(found, found[1:] + found[:1], strict=True)]


ANALOGIES = tuple(analogy for kind in PAIRS for analogy in asked(kind))
