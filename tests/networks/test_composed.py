from __future__ import annotations

import pytest
import torch
from torch import nn

from hoodwink.networks.composed import Chain, replaced


def test_a_chain_normalises_between_its_parts() -> None:
    chain = Chain(nn.Sigmoid(), nn.Flatten(), (0.5,), (0.25,))
    x = torch.randn(3, 1, 2, 2)
    assert torch.allclose(chain(x), ((x.sigmoid() - 0.5) / 0.25).flatten(1))
    assert not chain.state_dict(), "mean and deviation are of the card, not weights"


def test_a_layer_is_replaced_in_a_copy_that_shares_weights() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2)))
    other = replaced(network, "1.1", nn.Identity())
    x = torch.randn(5, 3)
    assert other(x).shape == (5, 4) and network(x).shape == (5, 2)
    assert next(other.parameters()) is next(network.parameters())
    for name in ("2", "1.7", "1.1.weight"):
        with pytest.raises(KeyError):
            replaced(network, name, nn.Identity())
