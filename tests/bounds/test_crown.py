from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import nets
from hoodwink.bounds import crown, slopes
from hoodwink.bounds.crown import decide, descend, tighten
from hoodwink.bounds.graph import Graph
from hoodwink.bounds.intervals import intervals
from hoodwink.bounds.read import read
from hoodwink.bounds.regions import Region, region

steady = settings(derandomize=True, deadline=None, max_examples=20)
kinds = st.sampled_from(list(nets.KINDS))


def one(kind: str, seed: int, eps: float, norm: str = "linf") -> tuple[torch.nn.Module, Graph, Region]:
    net = nets.network(kind, seed)
    return net, read(net, nets.SHAPE), region(nets.pictures(seed, 1), eps, norm)


@steady
@given(kind=kinds, seed=st.integers(0, 10**6), eps=st.sampled_from([0.0, 0.01, 0.06, 0.3]), norm=st.sampled_from(["linf", "l2"]))
def test_every_node_stays_in_its_span_and_every_row_above_its_bound(kind: str, seed: int, eps: float, norm: str) -> None:
    net, graph, space = one(kind, seed, eps if norm == "linf" else 5 * eps, norm)
    problem = tighten(graph, space, {}, decide)
    seen = nets.values(graph, nets.inside(space, 500, seed))
    for span, values in zip(problem.spans, seen, strict=True):
        assert bool((span.value + span.down <= values).all())
        assert bool((values <= span.value + span.up).all())
    label = int(net(space.pictures).argmax())
    rows = torch.eye(nets.CLASSES)[label] - torch.eye(nets.CLASSES)
    bound = rows.double() @ problem.spans[-1].value[0] + descend(problem, rows).bound
    assert bool((bound <= nets.worst(net, space, label, seed=seed)).all())


@steady
@given(kind=kinds, seed=st.integers(0, 10**6))
def test_spans_are_at_least_as_tight_as_intervals(kind: str, seed: int) -> None:
    _, graph, space = one(kind, seed, 0.03)
    for tight, wide in zip(tighten(graph, space, {}, decide).spans, intervals(graph, space.span()), strict=True):
        assert bool((tight.down >= wide.down - 1e-6).all())
        assert bool((tight.up <= wide.up + 1e-6).all())


def test_a_network_without_open_signs_is_bounded_exactly() -> None:
    """It is linear in the ball: the bound is the fall along its gradient."""
    net, graph, space = one("plain", 5, 1e-4)
    problem = tighten(graph, space, {}, decide)
    assert not any(len(bend.open) for bend in problem.bends.values())
    rows = torch.eye(nets.CLASSES)
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x)[0], space.pictures)[:, 0]
    exact = torch.where(jacobian > 0, space.down * jacobian, space.up * jacobian).flatten(1).sum(1)
    assert torch.allclose(descend(problem, rows).bound, exact.double(), atol=2e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("decision", [decide, slopes.fit])
def test_chunks_change_nothing(norm: str, decision: crown.Decide, monkeypatch: pytest.MonkeyPatch) -> None:
    _, graph, space = one("residual", 2, 0.05, norm)
    whole = tighten(graph, space, {}, decision)
    monkeypatch.setattr(crown, "CHUNK", 300)
    parts = tighten(graph, space, {}, decision)
    for this, that in zip(whole.spans, parts.spans, strict=True):
        assert torch.allclose(this.down, that.down, atol=1e-4)
        assert torch.allclose(this.up, that.up, atol=1e-4)


@pytest.mark.parametrize("decision", [decide, slopes.fit])
def test_what_comes_too_late_is_left_as_it_is(decision: crown.Decide) -> None:
    _, graph, space = one("residual", 2, 0.05)
    late = tighten(graph, space, {}, decision, lambda: True)
    for this, that in zip(late.spans, tighten(graph, space, {}).spans, strict=True):
        assert torch.equal(this.down, that.down)
        assert torch.equal(this.up, that.up)


def test_what_is_known_is_used_and_kept() -> None:
    _, graph, space = one("residual", 4, 0.05)
    known: crown.Known = {}
    first = tighten(graph, space, known, decide)
    again = tighten(graph, space, known)  # nothing is searched
    assert known
    for this, that in zip(first.spans, again.spans, strict=True):
        assert torch.equal(this.down, that.down)


def test_what_is_not_a_number_is_not_taken_for_decided() -> None:
    _, graph, space = one("plain", 0, 0.1)
    span = intervals(graph, space.span())[2]
    span.down[0, 3] = span.up[0, 3] = torch.nan
    assert 3 in crown.open_numbers(span).tolist()
    bend = crown.bend(graph, span)
    assert bool(bend.upper.isnan().any())  # and so is every bound that passes there: it proves nothing
