"""Every attack in one row: the command line, the docs and the tests read this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from hoodwink.attacks.apgd import apgd
from hoodwink.attacks.climb import climb
from hoodwink.attacks.ddn import ddn
from hoodwink.attacks.fgsm import fgsm
from hoodwink.attacks.fmn import fmn
from hoodwink.attacks.noise import noise
from hoodwink.attacks.pgd import pgd
from hoodwink.attacks.shrink import shrink
from hoodwink.attacks.square import square


@dataclass(frozen=True)
class Row:
    """One attack.

    goal: "budget" (the best inside a ball) or "minimal" (the nearest that fools). knowledge: what it asks of the network, "gradient"
    or "scores" alone. source: the paper.
    """

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
        Row(fgsm, "budget", ("linf", "l2", "l1"), "gradient", "Goodfellow et al. 2015, arXiv:1412.6572"),
        Row(pgd, "budget", ("linf", "l2", "l1"), "gradient", "Madry et al. 2018, arXiv:1706.06083"),
        Row(apgd, "budget", ("linf", "l2", "l1"), "gradient", "Croce and Hein 2020, arXiv:2003.01690; 2021, arXiv:2103.01208"),
        Row(climb, "budget", ("linf", "l2", "l1", "l0"), "gradient", "this project: docs/explanation/objective.md"),
        Row(shrink, "minimal", ("linf", "l2", "l1", "l0"), "gradient", "this project: docs/explanation/rounding.md"),
        Row(ddn, "minimal", ("l2",), "gradient", "Rony et al. 2019, arXiv:1811.09600"),
        Row(fmn, "minimal", ("linf", "l2", "l1", "l0"), "gradient", "Pintor et al. 2021, arXiv:2102.12827"),
        Row(noise, "minimal", ("l2",), "gradient", "the course this project began with: optimised noise"),
        Row(square, "budget", ("linf", "l2"), "scores", "Andriushchenko et al. 2020, arXiv:1912.00049"),
    )
}
