"""What a search leaves behind: its best change, each better one on the way, and why it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

AT_BOUND = "every helpful subpixel is at its bound"
NO_GRADIENT = "the gradient is zero here"
NO_STEP = "no step of one level helps"
SPENT = "the budget is spent"


@dataclass(frozen=True)
class Step:
    """A state of the search: its phase, gradient evaluations so far, the best objective and the distance of the best change."""

    phase: str
    gradients: int
    objective: float
    distance: float


Watch = Callable[[Step], None]


@dataclass(frozen=True, eq=False)
class Trail:
    """change: whole levels, 1 x C x H x W. value: its objective. steps: what was accepted, in order.

    stall: why the climb ended below the threshold (None where it reached it). ways: the ways out of a stall that helped.
    """

    change: Tensor
    value: float
    steps: tuple[Step, ...]
    stall: str | None = None
    ways: tuple[str, ...] = ()
