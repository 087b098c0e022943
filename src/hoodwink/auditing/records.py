"""What an audit is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from math import inf
from numbers import Real
from typing import Any

import numpy as np

from hoodwink.pictures.levels import NORMS, Levels, radius

Labels = np.ndarray[Any, np.dtype[np.int64]]


class AuditError(ValueError):
    """An audit that cannot be done as asked, or a folder that is not that audit's; the message is one line."""


@dataclass(frozen=True)
class Case:
    """One ball: a norm and eps in [0, 1] units. On the grid the linf radius is floor(255 eps + 1e-6) levels."""

    norm: str
    eps: float

    @property
    def name(self) -> str:
        """The ball in words: "linf 8/255", "l2 0.5"."""
        levels = self.eps * 255
        whole = self.norm == "linf" and abs(levels - round(levels)) < 1e-6
        return f"{self.norm} {round(levels)}/255" if whole else f"{self.norm} {self.eps:g}"


@dataclass(frozen=True)
class Budget:
    """How much is spent on a picture that does not fall.

    search: steps of the first search. aims: targets whose gradients are weighed. short, targets: steps of a short pass, and how many
    targets get one. long, far: steps and targets of the long passes that only hopeful pictures get, in groups of `group` or of that
    share of those standing (`share`), until the further half of a group stands. rounds: from round to round the further half of the
    group leaves and the others get twice the starts. group None: all get them, in every round from one start.
    """

    search: int
    aims: int
    short: int
    targets: int
    long: int = 0
    far: int = 0
    rounds: int = 0
    group: int | None = 32
    share: float = 0.02


BUDGETS = {
    "quick": Budget(search=12, aims=4, short=8, targets=1),
    "standard": Budget(search=20, aims=9, short=10, targets=3, long=40, far=3, rounds=4, group=24, share=0.04),
    "exhaustive": Budget(search=50, aims=9, short=25, targets=9, long=100, far=9, rounds=3, group=None),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is asked: everything that the table depends on, and nothing else."""

    cases: tuple[Case, ...]
    budget: str = "standard"
    sentinels: int = 59
    free: bool = False
    certify: bool = False
    precision: str = "float32"
    seed: int = 0
    attacks: tuple[str, ...] = ()
    objective: str | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        if not self.cases:
            raise AuditError("eps: one size or more was wanted, none came; type --eps 8/255")
        for case in self.cases:
            _check(case)
        if self.budget not in BUDGETS:
            raise AuditError(f"budget: one of {', '.join(BUDGETS)} was wanted, not {self.budget!r}")
        if self.sentinels < 0:
            raise AuditError(f"sentinels: a number from 0 was wanted, not {self.sentinels}")
        if self.batch is not None and self.batch < 1:
            raise AuditError(f"batch: a number from 1 was wanted, not {self.batch}")
        if self.precision not in ("float32", "bfloat16"):
            raise AuditError(f"precision: float32 or bfloat16 was wanted, not {self.precision!r}")

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return {**asdict(self), "cases": [asdict(case) for case in self.cases], "attacks": list(self.attacks)}


def make_cases(eps: float | Sequence[float], norm: str | Sequence[str]) -> tuple[Case, ...]:
    """Every norm with every eps, each norm's from small to large; equal ones once."""
    sizes = sorted({float(one) for one in ([eps] if isinstance(eps, Real) else eps)})  # type: ignore[union-attr]
    norms = [norm] if isinstance(norm, str) else list(dict.fromkeys(norm))
    return tuple(Case(name, size) for name in norms for size in sizes)


def _check(case: Case) -> None:
    if case.norm not in ("linf", "l2", "l1"):
        wanted = "linf, l2 or l1 was wanted" if case.norm in NORMS else f"one of {', '.join(NORMS[:3])} was wanted"
        raise AuditError(f"norm: {wanted}, not {case.norm!r}")
    if case.eps == inf:
        raise AuditError("eps: a finite number was wanted, not inf")
    try:
        radius(case.eps, case.norm)
    except ValueError as error:
        raise AuditError(str(error)) from error


@dataclass(frozen=True)
class Stage:
    """One stage of the plan, on one ball: how many pictures it met, felled, and what it cost. free: it searched off the grid."""

    name: str
    attack: str
    met: int
    felled: int
    gradients: int
    forwards: int
    seconds: float
    free: bool = False
    sentinel: bool = False


@dataclass(frozen=True)
class Sample:
    """The sentinels: which survivors got the full budget, how many of them fell on the grid and, besides, off it.

    below, above: the share of survivors, in [0, 1], that a full run would have felled, with 95 % confidence (Clopper and Pearson 1934).
    """

    chosen: tuple[int, ...]
    felled: int
    free: int
    below: float
    above: float


@dataclass(frozen=True, eq=False)
class EpsResult:
    """The answer for one ball; counts are of pictures.

    all: pictures audited. wrong: not rightly classified to begin with. felled: by a file. robust: all - wrong - felled. unfinished: of
    the robust, those whose search was cut short. free: felled off the grid or on it (None: not searched). certified: proven (None: not
    asked). survivors: indices of the robust. by: picture -> the stage that felled it. distances: of the felled, in the norm's units.
    """

    case: Case
    all: int
    wrong: int
    felled: int
    robust: int
    unfinished: int
    free: int | None
    certified: int | None
    survivors: tuple[int, ...]
    by: dict[int, str]
    distances: dict[int, float]
    stages: tuple[Stage, ...]
    sample: Sample | None
    hardest: tuple[int, ...] = ()
    easiest: tuple[int, ...] = ()
    per_class: tuple[dict[str, Any], ...] = ()

    @property
    def clean_accuracy(self) -> float:
        """The share of pictures rightly classified, in [0, 1]."""
        return (self.all - self.wrong) / self.all

    @property
    def robust_accuracy(self) -> float:
        """The share of pictures rightly classified that no file felled, in [0, 1]."""
        return self.robust / self.all

    @property
    def free_accuracy(self) -> float | None:
        """The same off the grid, to compare with published figures; None where it was not searched."""
        return None if self.free is None else (self.all - self.wrong - self.free) / self.all

    @property
    def certified_accuracy(self) -> float | None:
        """The share of pictures proven to stand, None where nothing was proven."""
        return None if self.certified is None else self.certified / self.all

    @property
    def seconds(self) -> float:
        """Seconds of the search, sentinels apart."""
        return sum(stage.seconds for stage in self.stages if not stage.sentinel)

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        counted = asdict(self)
        counted["survivors"], counted["hardest"], counted["easiest"] = list(self.survivors), list(self.hardest), list(self.easiest)
        counted["by"] = {str(key): value for key, value in self.by.items()}
        counted["distances"] = {str(key): value for key, value in self.distances.items()}
        counted["sample"] = self.sample and {**asdict(self.sample), "chosen": list(self.sample.chosen), "count": len(self.sample.chosen)}
        counted["stages"] = [asdict(stage) for stage in self.stages]
        counted["per_class"] = list(self.per_class)
        shares = ("clean_accuracy", "robust_accuracy", "free_accuracy", "certified_accuracy", "seconds")
        return {"name": self.case.name, **counted, **{share: getattr(self, share) for share in shares}}


@dataclass(frozen=True)
class Sign:
    """One sign that the answer may say more than it knows. found: it was seen. what: it is. means, do: for people. grave: cannot vouch."""

    name: str
    found: bool
    what: str
    means: str
    do: str
    grave: bool = False


@dataclass(frozen=True, eq=False)
class AuditResult:
    """The answer of an audit: one EpsResult for each ball, signs of a misleading network, and what was found.

    gradients, forwards: int64 N, of all searches on a picture, sentinels apart. pictures: uint8 N x H x W x C (a list where they differ
    in size), for the last ball: the picture that fells, or the original where none does.
    """

    by_eps: tuple[EpsResult, ...]
    signs: tuple[Sign, ...]
    gradients: Labels
    forwards: Labels
    pictures: Levels | list[Levels]
    seconds: float
    notes: tuple[str, ...] = ()
    disputed: int = 0
    prepared: dict[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> EpsResult:
        """The one ball's answer, or the last's: of the last norm the largest eps."""
        return self.by_eps[-1]

    @property
    def clean_accuracy(self) -> float:
        """The share of pictures rightly classified, in [0, 1]."""
        return self.last.clean_accuracy

    @property
    def robust_accuracy(self) -> float:
        """The share of pictures that stand as files, in [0, 1]."""
        return self.last.robust_accuracy

    @property
    def certified_accuracy(self) -> float | None:
        """The share of pictures proven to stand, None where nothing was proven."""
        return self.last.certified_accuracy

    @property
    def survivors(self) -> tuple[int, ...]:
        """The indices of the pictures that stand."""
        return self.last.survivors

    @property
    def vouched(self) -> bool:
        """False where a grave sign was seen and anybody stands: then the robust accuracy is a bound from above and no more."""
        return not any(sign.found and sign.grave for sign in self.signs) or not any(one.robust for one in self.by_eps)

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return {
            "by_eps": [one.to_json() for one in self.by_eps],
            "signs": [asdict(sign) for sign in self.signs],
            "vouched": self.vouched,
            "gradients": self.gradients.tolist(),
            "forwards": self.forwards.tolist(),
            "seconds": self.seconds,
            "notes": list(self.notes),
            "disputed": self.disputed,
            "prepared": self.prepared,
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(one.case.name)}</td><td>{one.clean_accuracy:.2%}</td><td>{one.robust_accuracy:.2%}</td></tr>"
            for one in self.by_eps
        )
        return f"<table><tr><th>ball</th><th>clean</th><th>stand as files</th></tr>{rows}</table>"
