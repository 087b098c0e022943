from __future__ import annotations

import numpy as np
import pytest

from hoodwink.auditing.naming import match_labels
from hoodwink.auditing.records import AuditError
from hoodwink.models.classes import Classes

NETWORK = Classes(("red", "green", "blue"), (("crimson",), (), ()))
PLAIN = Classes(("0", "1", "2"), ((), (), ()))
LABELS = np.array([0, 1, 1, 0])


def test_by_name_and_synonym_in_any_order_and_fewer() -> None:
    found = match_labels(LABELS, ("Blue", "crimson"), NETWORK)
    assert found is not None
    assert found.dtype == np.int64
    assert found.tolist() == [2, 0, 0, 2]


@pytest.mark.parametrize(("names", "classes"), [(("0", "1", "2"), NETWORK), (("a", "b", "c"), PLAIN), (("0", "1", "2"), PLAIN)])
def test_by_number_where_one_side_has_no_names(names: tuple[str, ...], classes: Classes) -> None:
    assert match_labels(LABELS, names, classes) is LABELS


def test_folders_called_by_the_index_of_the_class() -> None:
    found = match_labels(LABELS, ("1", "2"), NETWORK)
    assert found is not None
    assert found.tolist() == [1, 2, 2, 1]


def test_no_labels_stay_none() -> None:
    assert match_labels(None, (), NETWORK) is None


def test_other_counts_and_other_names_are_said() -> None:
    with pytest.raises(AuditError, match=r"the data has 2 classes \(0, 1\), the network 3 \(red, green, blue\)"):
        match_labels(LABELS, ("0", "1"), NETWORK)
    with pytest.raises(AuditError, match=r"a class 'yellow' .*--classes$"):
        match_labels(LABELS, ("red", "yellow"), NETWORK)
    with pytest.raises(AuditError, match=r"--classes 3 to match by number"):
        match_labels(LABELS, ("red", "yellow", "blue"), NETWORK)
