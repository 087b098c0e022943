"""What came of changing one picture, whoever judges it: by a label or by its answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hoodwink.pictures.draw import difference
from hoodwink.pictures.levels import Distances, Levels
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run

ORIGINAL = "original.png"


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """What came of changing one picture.

    picture, original: uint8 H x W x C. fooled: the claim holds, judged from the picture's PNG bytes. gradients, forwards: evaluations
    with and without a gradient. history: the states that the search accepted, as records. stall: why it ended below the threshold.
    ways: the ways out of a stall that helped.
    """

    picture: Levels
    original: Levels
    fooled: bool
    distances: Distances
    gradients: int
    forwards: int
    seconds: float
    history: tuple[Any, ...]
    stall: str | None
    ways: tuple[str, ...]

    @property
    def l2(self) -> float:
        """L2 distance in [0, 1] units."""
        return self.distances.l2

    @property
    def linf(self) -> int:
        """Largest change in levels."""
        return self.distances.linf

    @property
    def file(self) -> str:
        """What the changed picture's file is called in a run folder."""
        return "fooled.png" if self.fooled else "not-fooled.png"


def write_pictures(run: Run, outcome: Outcome) -> Path:
    """Write the changed picture, the original and their difference; the changed one's path."""
    path = run.write(outcome.file, encode_png(outcome.picture))
    run.write(ORIGINAL, encode_png(outcome.original))
    run.write("difference.png", encode_png(difference(outcome.original, outcome.picture)))
    return path


def sizes_of(outcome: Outcome, norm: str, eps: float | None) -> dict[str, Any]:
    """What a claim says of how far the changed picture is from its original, and of the ball that it was to stay in."""
    found = outcome.distances
    return {"original": ORIGINAL, "l2": found.l2, "linf": found.linf, "l1": found.l1, "l0": found.l0, "eps": eps, "norm": norm}


def numbers_of(outcome: Outcome) -> dict[str, Any]:
    """What a record says of the search."""
    return {
        "fooled": outcome.fooled,
        "stall": outcome.stall,
        "ways": list(outcome.ways),
        "gradients": outcome.gradients,
        "forwards": outcome.forwards,
        "seconds": outcome.seconds,
        "history": [asdict(step) for step in outcome.history],
        "distances": outcome.distances.to_json(),
    }
