"""Every attack in one row: the command line, the docs and the tests read this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hoodwink.attacks.climb import climb
from hoodwink.attacks.shrink import shrink


@dataclass(frozen=True)
class Row:
    """One attack. goal: "budget" (the best inside a ball) or "minimal" (the nearest that fools). knowledge: what it asks of the network."""

    function: Callable[..., Tensor]
    goal: str
    norms: tuple[str, ...]
    knowledge: str
    source: str

    @property
    def name(self) -> str:
        """The attack's name, which is its function's."""
        return self.function.__name__


ATTACKS = {
    row.name: row
    for row in (
        Row(climb, "budget", ("linf", "l2", "l1", "l0"), "gradient", "this project: docs/explanation/objective.md"),
        Row(shrink, "minimal", ("linf", "l2", "l1", "l0"), "gradient", "this project: docs/explanation/rounding.md"),
    )
}
