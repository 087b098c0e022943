from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import nets
from hoodwink.bounds.intervals import Span, intervals
from hoodwink.bounds.read import read
from hoodwink.bounds.regions import region

steady = settings(derandomize=True, deadline=None, max_examples=20)


def outside(span: Span, seen: torch.Tensor) -> float:
    """How far values of one picture's node go beyond its span."""
    return float(torch.maximum(span.value + span.down - seen, seen - span.value - span.up).max())


@steady
@given(kind=st.sampled_from(list(nets.KINDS)), seed=st.integers(0, 10**6), eps=st.sampled_from([0.0, 0.004, 0.05, 0.5]))
def test_every_node_stays_in_its_interval(kind: str, seed: int, eps: float) -> None:
    graph = read(nets.network(kind, seed), nets.SHAPE)
    space = region(nets.pictures(seed, 1), eps, "linf")
    seen = nets.values(graph, nets.inside(space, 500, seed))
    for span, values in zip(intervals(graph, space.span()), seen, strict=True):
        assert outside(span, values) <= 0


@steady
@given(seed=st.integers(0, 10**6))
def test_intervals_of_one_layer_are_reached(seed: int) -> None:
    graph = read(nets.network("plain", seed), nets.SHAPE)
    space = region(nets.pictures(seed, 3), 0.1, "linf")
    span = intervals(graph, space.span())[2]
    weight = graph.nodes[2].affine.pull(torch.eye(9))[0].view(9, *nets.SHAPE)  # type: ignore[union-attr]
    for k in range(9):
        lowest = torch.where(weight[k] > 0, space.down, space.up)
        assert torch.allclose(span.down[:, k], (lowest * weight[k]).flatten(1).sum(1), atol=1e-4)


def test_a_span_covers_the_networks_rounding_too() -> None:
    graph = read(nets.network("largest", 3), nets.SHAPE)
    space = region(nets.pictures(3, 1), 0.0, "linf")
    exact = read(nets.network("largest", 3).double(), nets.SHAPE)
    true = nets.values(exact, space.pictures.double())
    spans = intervals(graph, space.span())
    for span, once, twice in zip(spans, nets.values(graph, space.pictures), true, strict=True):
        assert outside(span, once) <= 0
        assert outside(span, twice) <= 0
    assert float((spans[-1].up - spans[-1].down).max()) < 1e-3


@pytest.mark.parametrize("kind", nets.KINDS)
def test_batches_change_nothing(kind: str) -> None:
    graph = read(nets.network(kind, 0), nets.SHAPE)
    space = region(nets.pictures(0, 4), 0.05, "linf")
    for k in range(4):
        one = intervals(graph, space.only(slice(k, k + 1)).span())[-1]
        both = intervals(graph, space.span())[-1].only(slice(k, k + 1))
        assert torch.allclose(one.down, both.down, atol=1e-5)
        assert torch.allclose(one.up, both.up, atol=1e-5)
