"""Every study in one row: the command line, the docs and the tests read this."""

from __future__ import annotations

from difflib import get_close_matches

from hoodwink.studies.neuron import NEURON
from hoodwink.studies.record import Study, StudyError

STUDIES: dict[str, Study] = {study.name: study for study in (NEURON,)}


def find_study(name: str) -> Study:
    """The study of a name; StudyError names the nearest."""
    if name not in STUDIES:
        near = get_close_matches(name, STUDIES, n=3) or list(STUDIES)
        raise StudyError(f"there is no study {name!r}; the nearest are {', '.join(near)}: hoodwink study list shows all")
    return STUDIES[name]
