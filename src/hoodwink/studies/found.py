"""What comes of a study: the numbers of one line and seed, those of all seeds together, and the story that they tell."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hoodwink.studies.record import Line


def spread(values: Sequence[float]) -> float:
    """The standard deviation of some values, 0 for one."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


@dataclass(frozen=True, eq=False)
class Found:
    """What one line gave with one seed.

    values: numbers that are averaged and judged; the same at each run. times: in seconds, those are not. series: curves and lists, JSON.
    pictures: arrays of any shape, kept beside for figures.
    """

    values: Mapping[str, float]
    times: Mapping[str, float] = field(default_factory=dict)
    series: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Answer:
    """What one line gave with each of its seeds."""

    line: Line
    settings: Mapping[str, Any]
    founds: tuple[Found, ...]

    def all(self, measure: str) -> list[float]:
        """A value or a time, of each seed."""
        return [(found.values if measure in found.values else found.times)[measure] for found in self.founds]

    def mean(self, measure: str) -> float:
        """Its mean over the seeds."""
        return statistics.fmean(self.all(measure))

    def spread(self, measure: str) -> float:
        """Its standard deviation over the seeds, 0 for one."""
        return spread(self.all(measure))

    def series(self, name: str) -> list[Any]:
        """A curve, of each seed."""
        return [found.series[name] for found in self.founds]

    def mean_series(self, name: str) -> list[float]:
        """The mean of a curve over the seeds, as long as the shortest."""
        return [statistics.fmean(values) for values in zip(*self.series(name), strict=False)]

    def picture(self, name: str) -> np.ndarray[Any, Any]:
        """A picture of the first seed."""
        return self.founds[0].pictures[name]


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure as the bytes of a PNG. private: it shows what must not be published, and is made for who runs the study alone."""

    name: str
    caption: str
    png: bytes
    private: bool = False


@dataclass(frozen=True)
class Table:
    """A table; cells are texts or numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]


@dataclass(frozen=True, eq=False)
class Story:
    """What the numbers say: sentences with the measured numbers in them, figures and tables."""

    findings: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
