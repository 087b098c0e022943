"""A data set's labels in the order of a network's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoodwink.auditing.records import AuditError, Labels
from hoodwink.models.classes import ClassError, Classes

_SHOWN = 3  # names in an error


def match_labels(labels: Labels | None, names: Sequence[str], classes: Classes) -> Labels | None:
    """The labels, int64 N, as indices of the network's classes; None stays None, for a set without labels.

    names: what the data set calls its classes. Where both have names, they are matched by name or synonym, and the data may have
    fewer; where one has only numbers, by index, and both must have as many. Raises AuditError, which says what came.
    """
    if labels is None:
        return None
    if _named(names) and _named(classes.names):
        return np.array([_find(name, names, classes) for name in names], dtype=np.int64)[labels]
    if len(names) != len(classes):
        raise AuditError(
            f"the data has {len(names)} classes ({_some(names)}), the network {len(classes)} ({_some(classes.names)}), and without names on "
            "both sides they are matched by number; give the network's names with --classes"
        )
    return labels


def _find(name: str, names: Sequence[str], classes: Classes) -> int:
    try:
        return classes.find(name)
    except ClassError as error:
        number = f", or --classes {len(names)} to match by number" if len(names) == len(classes) else ""
        raise AuditError(
            f"the data has a class {name!r} that the network's {len(classes)} classes ({_some(classes.names)}) lack: {error}; "
            f"name them alike with --classes{number}"
        ) from error


def _named(names: Sequence[str]) -> bool:
    """Whether classes are called more than "0", "1", "2" ..."""
    return list(names) != [str(index) for index in range(len(names))]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" ... {names[-1]}" if len(names) > _SHOWN else "")
