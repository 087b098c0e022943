from __future__ import annotations

import pytest

from hoodwink.networks.table import NETWORKS
from rows import examples, output_of, with_classes


@pytest.mark.parametrize("name", NETWORKS)
def test_row(name: str) -> None:
    row = NETWORKS[name]
    network = row.make(**with_classes(row, 3)).eval()
    assert network(examples(row)).shape == (2, *output_of(name, 3))
    assert all(row.key(key) == key for key in network.state_dict())
