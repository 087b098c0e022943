"""Every study in one row: the command line, the docs and the tests read this."""

from __future__ import annotations

from difflib import get_close_matches

from hoodwink.studies.cifar_cnn import CIFAR_CNN
from hoodwink.studies.cifar_fast import CIFAR_FAST
from hoodwink.studies.neuron import NEURON
from hoodwink.studies.record import Study, StudyError
from hoodwink.studies.regularisers import REGULARISERS
from hoodwink.studies.scratch_hidden import SCRATCH_HIDDEN
from hoodwink.studies.scratch_linear import SCRATCH_LINEAR

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        NEURON,
        CIFAR_CNN,
        CIFAR_FAST,
        REGULARISERS,
        SCRATCH_LINEAR,
        SCRATCH_HIDDEN,
    )
}


def find_study(name: str) -> Study:
    """The study of a name; StudyError names the nearest."""
    if name not in STUDIES:
        near = get_close_matches(name, STUDIES, n=3) or list(STUDIES)
        raise StudyError(f"there is no study {name!r}; the nearest are {', '.join(near)}: hoodwink study list shows all")
    return STUDIES[name]
