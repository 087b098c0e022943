"""An audit beside an earlier one: the pictures that both met, which of them fell since, and whether chance explains it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hoodwink.auditing.chance import at_least, bounds
from hoodwink.auditing.records import AuditError, Case
from hoodwink.runs import RECORD, read_json

REAL = 0.05  # a drop whose p-value is below this is called real
Record = Mapping[str, Any]
Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Comparison:
    """One ball, then and now, on the pictures that both audits met.

    pictures: compared. before, now: of those, standing. lost: stood then and fell now; won: fell then (or was wrong) and stands now. p:
    the chance of so many lost or more among the pictures that changed, if nothing had (McNemar 1947, exact, one-sided). least, most: of
    the drop as a share of the pictures, in [-1, 1], each with 95 % confidence. unfinished: pictures standing now for want of time.
    """

    case: Case
    pictures: int
    before: int
    now: int
    lost: int
    won: int
    p: float
    least: float
    most: float
    unfinished: int = 0

    @property
    def real(self) -> bool:
        """Whether the drop is more than chance explains."""
        return self.p < REAL

    @property
    def words(self) -> str:
        """The comparison in one line."""
        late = f"; {self.unfinished} of now are unfinished and count as standing" if self.unfinished else ""
        counts = (
            f"{self.case.name}: of {self.pictures} pictures {self.before} stood then, {self.now} now ({self.lost} lost, {self.won} won)"
        )
        points = f"{100 * self.least:+.1f} to {100 * self.most:+.1f} points lost"
        if self.real:
            return f"{counts}: a real drop, p = {self.p:.2g}, {points}{late}"
        word = (
            "no picture changed sides"
            if not self.lost and not self.won
            else f"no drop that chance does not explain, p = {self.p:.2g}, {points}"
        )
        return f"{counts}: {word}{late}"

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {**asdict(self), "ball": self.case.name, "real": self.real, "words": self.words}


def read_baseline(path: str | Path) -> dict[str, Any]:
    """The record of a finished audit, from its run folder or run.json; AuditError, or RunError where it cannot be read."""
    path = Path(path)
    record = read_json(path / RECORD if path.is_dir() else path)
    if not isinstance(record, dict) or record.get("command") != "audit" or not isinstance(record.get("result"), dict):
        raise AuditError(f"{path}: a baseline is the folder, or the run.json, of a finished audit; this is another, or unfinished")
    return record


def pair(then: Record, now: Record) -> Pairs:
    """The pictures that two audits have in common, as (index then, index now); then, now: what their records call inputs[0].

    By the pictures' hashes where both list them, else all of them where both met the same pictures and labels. Raises AuditError
    where there are none.
    """
    if "hashes" in then and "hashes" in now:
        places: defaultdict[str, list[int]] = defaultdict(list)
        for index, digest in reversed(list(enumerate(then["hashes"]))):
            places[digest].append(index)
        found = [(places[digest].pop(), index) for index, digest in enumerate(now["hashes"]) if places[digest]]
    else:
        same = then.get("content_sha256") is not None and then.get("content_sha256") == now.get("content_sha256")
        found = [(index, index) for index in range(now["pictures"])] if same else []
    if not found:
        raise AuditError(f"the baseline is of other pictures ({_about(then)}) than these ({_about(now)}); audit the same data")
    return found


def compare(then: Record, now: Record) -> tuple[Comparison, ...]:
    """Compare the records of two finished audits in each ball that both have.

    Raises AuditError where they have no picture or no ball in common.
    """
    pairs = pair(then["inputs"][0], now["inputs"][0])
    before = {_case(one): one for one in then["result"]["by_eps"]}
    balls = {_case(one): one for one in now["result"]["by_eps"]}
    check_balls(then, list(balls))
    return tuple(_compare(case, before[case], balls[case], pairs) for case in balls if case in before)


def check_balls(then: Record, cases: Sequence[Case]) -> None:
    """Raise AuditError where a baseline has none of these balls."""
    known = [_case(one) for one in then["result"]["by_eps"]]
    if not set(known) & set(cases):
        had, asked = (", ".join(case.name for case in group) for group in (known, cases))
        raise AuditError(f"the baseline has the balls {had}; asked are {asked}: ask for one of the baseline's")


def _compare(case: Case, then: Record, now: Record, pairs: Pairs) -> Comparison:
    stood, stands = set(then["survivors"]), set(now["survivors"])
    before, after = (
        {k for k, (index, _) in enumerate(pairs) if index in stood},
        {k for k, (_, index) in enumerate(pairs) if index in stands},
    )
    lost, won = len(before - after), len(after - before)
    changed = lost + won
    least, most = ((2 * share - 1) * changed / len(pairs) for share in bounds(lost, changed))
    p = at_least(lost, changed, 0.5)
    return Comparison(case, len(pairs), len(before), len(after), lost, won, p, least, most, int(now.get("unfinished", 0)))


def _case(ball: Record) -> Case:
    return Case(str(ball["case"]["norm"]), float(ball["case"]["eps"]))


def _about(inputs: Record) -> str:
    name = inputs.get("name", "without a name")
    return f"{inputs['pictures']} of {name}"
