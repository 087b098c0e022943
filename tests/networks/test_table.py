from __future__ import annotations

import pytest
import torch

from hoodwink.networks.table import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_row(name: str) -> None:
    row = NETWORKS[name]
    network = row.make(**({} if name == "letter-generator" else {"classes": 3})).eval()
    inputs = torch.zeros(2, row.channels, *row.size) if row.size else torch.ones(2, 4, dtype=torch.int64)
    inputs = torch.zeros(2, row.features) if row.features else inputs
    assert network(inputs).shape == ((2, 4, 100) if name == "letter-generator" else (2, 3))
    assert all(row.key(key) == key for key in network.state_dict())
