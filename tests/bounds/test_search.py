from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bounds import nets
from hoodwink.bounds.regions import region
from hoodwink.bounds.search import fooled


@settings(derandomize=True, deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), eps=st.floats(0.0, 0.3), norm=st.sampled_from(["linf", "l2"]))
def test_a_linear_network_is_decided(seed: int, eps: float, norm: str) -> None:
    """Of two classes: fooled if and only if the fall in the box or ball is deep enough."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Flatten(), nn.Linear(9, 2)).requires_grad_(False)
    some = torch.rand((5, 1, 3, 3), generator=torch.Generator().manual_seed(seed)) * 0.2 + 0.4  # the box is far for l2
    labels, weight = net(some).argmax(1), (net[1].weight[0] - net[1].weight[1]).double()
    margin = (net(some)[:, 0] - net(some)[:, 1]).abs()
    depth = eps * float(weight.abs().sum() if norm == "linf" else weight.norm())
    clear = (margin - depth).abs() > 1e-3
    found = fooled(net, region(some, eps, norm), labels)
    assert torch.equal(found[clear], (margin < depth)[clear])


def test_wrong_labels_are_fooled_at_once() -> None:
    net = nets.network("conv", 0)
    some = nets.pictures(0, 6)
    assert bool(fooled(net, region(some, 0.0, "linf"), (net(some).argmax(1) + 1) % nets.CLASSES).all())
