from __future__ import annotations

from torch import nn

from hoodwink.studies.cifar_fast import operations


def test_operations_are_those_that_one_counts_by_hand() -> None:
    # Forward 2 x inputs x outputs for each place; backward as much for the weights, and for the inputs but in the first layer.
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
    convolution, linear = 2 * 4 * 6 * 6 * 3 * 3 * 3, 2 * 144 * 10
    assert operations(network, (3, 8, 8)) == 2 * convolution + 3 * linear
