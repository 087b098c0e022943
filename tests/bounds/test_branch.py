from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hoodwink.bounds import certify
from hoodwink.bounds.branch import branch
from hoodwink.bounds.crown import Problem, decide, tighten
from hoodwink.bounds.read import read
from hoodwink.bounds.regions import Region, region

optimize = pytest.importorskip("scipy.optimize", reason="linear programs need scipy")
steady = settings(derandomize=True, deadline=None, max_examples=15)
HIDDEN = 5


def network(seed: int) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Flatten(), nn.Linear(4, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 3))
    for parameter in net.parameters():
        parameter.requires_grad_(False).mul_(2)
    return net.eval()


def problem(net: nn.Module, seed: int, eps: float) -> tuple[Problem, Tensor, Tensor]:
    """The margins of a random picture over a box, and what they are there."""
    space = region(torch.rand((1, 1, 2, 2), generator=torch.Generator().manual_seed(seed)), eps, "linf")
    label = int(net(space.pictures).argmax())
    rows = (torch.eye(3)[label] - torch.eye(3))[[k for k in range(3) if k != label]]
    of = tighten(read(net, (1, 2, 2)), space, {}, decide)
    return of, rows, rows.double() @ of.spans[-1].value[0]


def least(net: nn.Sequential, row: Tensor, space: Region) -> float:
    """The exact minimum of a function of the logits: a linear program for each choice of signs."""
    (w1, b1), (w2, b2) = ((net[k].weight.double().numpy(), net[k].bias.double().numpy()) for k in (1, 3))  # type: ignore[operator,union-attr]
    low, high = ((space.pictures + bound).double().flatten().numpy() for bound in (space.down, space.up))
    back = row.double().numpy() @ w2
    best = np.inf
    for signs in product((0.0, 1.0), repeat=HIDDEN):
        on, turn = np.array(signs), 1 - 2 * np.array(signs)  # turn * (w1 x + b1) <= 0
        found = optimize.linprog((back * on) @ w1, turn[:, None] * w1, -turn * b1, bounds=list(zip(low, high, strict=True)))
        if found.status == 0:
            best = min(best, found.fun + (back * on) @ b1 + row.double().numpy() @ b2)
    return float(best)


@steady
@given(seed=st.integers(0, 10**6), eps=st.sampled_from([0.1, 0.2, 0.4]))
def test_branching_decides_what_linear_programs_do(seed: int, eps: float) -> None:
    net = network(seed)
    of, rows, clean = problem(net, seed, eps)
    found = branch(of, rows, clean, 2000)
    exact = [least(net, row, of.space) for row in rows]
    for truth, bound in zip(exact, found.tolist(), strict=True):
        assert bound <= truth + 1e-6
        assert bound > 0 or truth < 2e-3
    label = net(of.space.pictures).argmax(1)
    if abs(min(exact)) > 2e-3:
        assert bool(certify(net, of.space.pictures, label, eps=eps, method="branch")) == (min(exact) > 0)


def test_more_nodes_never_hurt_and_none_is_the_ascent_alone() -> None:
    net = network(1)
    of, rows, clean = problem(net, 1, 0.3)
    found = [branch(of, rows, clean, nodes) for nodes in (0, 2, 10, 100)]
    assert all(bool((more >= fewer - 1e-9).all()) for fewer, more in pairwise(found))


def test_time_is_kept() -> None:
    net = network(1)
    of, rows, clean = problem(net, 1, 0.3)
    asked: list[bool] = []
    branch(replace(of, late=lambda: bool(asked.append(True)) or len(asked) > 3), rows, clean - 10, 10**9)
    assert len(asked) <= 4
