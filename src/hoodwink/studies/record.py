"""What a study is: a question, its lines with their settings, and what is known of the numbers that come of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hoodwink.studies.desk import Desk
    from hoodwink.studies.found import Answer, Found, Story


class StudyError(ValueError):
    """A study, a line or a setting that there is not, or a result that cannot be used; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What is known of one number of a line.

    measure: its name among the values. reference: what the source got. floor: what it must reach; goal: what is aimed at. lower: smaller
    is better, the floor is then the most that it may be. reason: why the floor or the goal is missed, where it is.
    """

    measure: str
    reference: float | None = None
    floor: float | None = None
    goal: float | None = None
    lower: bool = False
    reason: str = ""

    def holds(self, value: float) -> bool | None:
        """Whether a number reaches the floor; None without one."""
        return None if self.floor is None else self._reaches(value, self.floor)

    def excels(self, value: float) -> bool | None:
        """Whether it reaches the goal; None without one."""
        return None if self.goal is None else self._reaches(value, self.goal)

    def _reaches(self, value: float, wanted: float) -> bool:
        return value <= wanted if self.lower else value >= wanted


@dataclass(frozen=True, kw_only=True)
class Line:
    """One way to do it: "source" is what the course does, its mistakes included, "better" what a good engineer would do.

    settings: all that its numbers depend on. quick: those that `--quick` changes. fixed: one seed is enough, for nothing in it is drawn
    at random, or because it takes over half an hour, which its help then says. minutes: of one seed at full size on two cores.
    """

    name: str
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    fixed: bool = False
    minutes: float = 0.0

    def resolved(self, quick: bool, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a run; changes: "rate" for any line that has it, "source.rate" for one. Texts become what the setting is."""
        found = {**self.settings, **(self.quick if quick else {})}
        for key, value in changes.items():
            line, dot, name = key.rpartition(".")
            if (not dot or _flat(line) == _flat(self.name)) and name in found:
                found[name] = _as(found[name], name, value)
        return found


@dataclass(frozen=True, kw_only=True)
class Study:
    """One question, answered by one command on real data.

    run: one line with one seed -> its numbers, at the desk that holds the settings. tell: the numbers of all lines and seeds -> figures,
    tables and sentences. help: what is done and why, paragraphs for the docs page.
    """

    name: str
    question: str
    help: str
    lines: tuple[Line, ...]
    run: Callable[[Desk], Found]
    tell: Callable[[Mapping[str, Answer]], Story]

    def resolved(self, quick: bool = False, changes: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        """The settings of each line by its name; StudyError for a change that is no setting of any line."""
        changes = changes or {}
        known = [name for line in self.lines for name in line.settings]
        known += [f"{line.name}.{name}" for line in self.lines for name in line.settings]
        for key in changes:
            if _flat(key) not in map(_flat, known):
                near = get_close_matches(key, known, n=3) or sorted(set(known))
                raise StudyError(f"{self.name} has no setting {key!r}; it has, for example, {', '.join(near)}")
        return {line.name: line.resolved(quick, changes) for line in self.lines}


def _flat(name: str) -> str:
    """A name as it is typed: dashes and underscores are the same."""
    return name.replace("-", "_")


def _as(present: Any, name: str, value: Any) -> Any:
    """A value of the kind that the setting has now; texts, as the command line gives them, are read."""
    if not isinstance(value, str) or isinstance(present, str):
        return value
    try:
        if isinstance(present, bool):
            return {"true": True, "false": False}[value.lower()]
        if isinstance(present, (tuple, list)):
            return tuple(_number(part) for part in re.split(r"[,\s]+", value) if part)
        return type(present)(value)
    except (KeyError, ValueError):
        raise StudyError(f"{name}: a value such as {present} was wanted, not {value!r}") from None


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)
