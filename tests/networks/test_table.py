from __future__ import annotations

import pytest
import torch

from hoodwink.networks.table import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_row(name: str) -> None:
    row = NETWORKS[name]
    network = row.make(classes=3).eval()
    assert network(torch.zeros(2, row.channels, *row.size)).shape == (2, 3)
    assert all(row.key(key) == key for key in network.state_dict())
