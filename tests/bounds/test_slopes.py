from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bounds import nets
from hoodwink.bounds.crown import Problem, decide, descend, tighten
from hoodwink.bounds.read import read
from hoodwink.bounds.regions import region
from hoodwink.bounds.slopes import Lines, _gradient, bent, climb, first, fit

steady = settings(derandomize=True, deadline=None, max_examples=12)
kinds = st.sampled_from(list(nets.KINDS))
norms = st.sampled_from(["linf", "l2"])


def problem(kind: str, seed: int, eps: float, norm: str = "linf") -> Problem:
    return tighten(read(nets.network(kind, seed), nets.SHAPE), region(nets.pictures(seed, 1), eps, norm), {}, decide)


def random_lines(of: Problem, count: int, seed: int) -> Lines:
    """Any slopes, and some signs taken for known."""
    generator = torch.Generator().manual_seed(seed)
    size = first(of, count).slope.shape
    sign = torch.randint(-1, 2, size, generator=generator).float() * (torch.rand(size, generator=generator) < 0.5)
    return Lines(torch.rand(size, generator=generator), torch.rand(size, generator=generator) * (sign != 0), sign)


@steady
@given(kind=kinds, seed=st.integers(0, 10**6))
def test_the_gradient_is_that_of_the_bound(kind: str, seed: int) -> None:
    of = problem(kind, seed, 0.05)
    lines, rows = random_lines(of, nets.CLASSES, seed), torch.eye(nets.CLASSES)
    fitted = bent(of, lines)
    found = _gradient(fitted, descend(fitted, rows), lines.sign)
    slope, force = lines.slope.clone().requires_grad_(True), lines.force.clone().requires_grad_(True)
    bound = descend(bent(of, Lines(slope, force, lines.sign)), rows).bound
    wanted = torch.cat(torch.autograd.grad(bound.sum(), (slope, force), materialize_grads=True), 1)
    counts = torch.cat([lines.sign == 0, lines.sign != 0], 1)
    assert torch.allclose(found * counts, wanted * counts, rtol=1e-3, atol=1e-3)


@steady
@given(kind=kinds, seed=st.integers(0, 10**6), norm=norms)
def test_ascent_gains_and_stays_below_the_truth(kind: str, seed: int, norm: str) -> None:
    of = problem(kind, seed, 0.05 if norm == "linf" else 0.3, norm)
    net, rows = nets.network(kind, seed), torch.eye(nets.CLASSES)
    found = climb(of, rows, first(of, len(rows)), 8, torch.full((len(rows),), torch.inf))
    assert bool((found.bound >= descend(of, rows).bound).all())
    changes = net(nets.inside(of.space, 500, seed)) - net(of.space.pictures)
    assert bool((found.bound <= changes.amin(0)).all())


@steady
@given(kind=kinds, seed=st.integers(0, 10**6))
def test_known_signs_hold_where_they_hold(kind: str, seed: int) -> None:
    """With any lines and multipliers: the bound is below the least value of all pictures that have those signs."""
    of = problem(kind, seed, 0.1)
    lines, rows = random_lines(of, nets.CLASSES, seed), torch.eye(nets.CLASSES)
    some = nets.inside(of.space, 3000, seed)
    seen = nets.values(of.graph, some)
    inputs = torch.cat([seen[of.graph.nodes[k].inputs[0]].flatten(1)[:, bend.open] for k, bend in of.bends.items()], 1)
    # One sign for each row, so that some pictures have it.
    keep = torch.zeros_like(lines.sign)
    if keep.shape[1]:
        keep.scatter_(1, lines.sign.abs().argmax(1, keepdim=True), 1.0)
    lines = Lines(lines.slope, lines.force * keep, lines.sign * keep)
    bound = descend(bent(of, lines), rows).bound
    changes = seen[-1] - of.spans[-1].value
    for k in range(len(rows)):
        have = (inputs * lines.sign[k] >= 0).all(1)
        assert not bool(have.any()) or float(bound[k]) <= float(changes[have, k].min())


@steady
@given(kind=kinds, seed=st.integers(0, 10**6))
def test_where_all_signs_are_known_the_network_is_linear(kind: str, seed: int) -> None:
    of = problem(kind, seed, 0.05)
    value = torch.cat([torch.zeros(1, 0), *(bend.value for bend in of.bends.values())], 1)
    sign = torch.where(value > 0, 1.0, -1.0).expand(nets.CLASSES, -1)
    bound = descend(bent(of, Lines(torch.full_like(sign, 0.3), torch.zeros_like(sign), sign)), torch.eye(nets.CLASSES)).bound
    net = nets.network(kind, seed)
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x)[0], of.space.pictures)[:, 0]
    exact = torch.where(jacobian > 0, of.space.down * jacobian, of.space.up * jacobian).flatten(1).sum(1)
    assert torch.allclose(bound, exact.double(), rtol=1e-3, atol=1e-3)


def test_rows_that_have_enough_stop() -> None:
    of = problem("conv", 0, 0.05)
    rows = torch.eye(nets.CLASSES)
    start = descend(of, rows).bound
    enough = torch.where(torch.arange(nets.CLASSES) < 2, start - 1, torch.inf)
    found = climb(of, rows, first(of, len(rows)), 5, enough)
    assert torch.allclose(found.bound[:2], start[:2])
    assert bool((found.bound[2:] > start[2:]).all())


@steady
@given(kind=kinds, seed=st.integers(0, 10**6))
def test_fitted_spans_are_tighter_and_true(kind: str, seed: int) -> None:
    graph, space = read(nets.network(kind, seed), nets.SHAPE), region(nets.pictures(seed, 1), 0.05, "linf")
    plain, fitted = tighten(graph, space, {}, decide), tighten(graph, space, {}, fit)
    seen = nets.values(graph, nets.inside(space, 500, seed))
    for tight, values in zip(fitted.spans, seen, strict=True):
        assert bool((tight.value + tight.down <= values).all())
        assert bool((values <= tight.value + tight.up).all())
    before = [plain.graph.nodes[k].inputs[0] for k in plain.bends]
    assert all(_width(fitted.spans[k].up - fitted.spans[k].down) <= 1.02 * _width(plain.spans[k].up - plain.spans[k].down) for k in before)


def _width(values: Tensor) -> float:
    return float(values.sum())
