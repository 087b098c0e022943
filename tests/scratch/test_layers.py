from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from hoodwink.scratch.layers import Array, fc_backward, fc_forward, l2_loss, relu_backward, relu_forward, softmax_loss

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(2, 5), st.integers(0, 99))


def central(function: Callable[[Array], float], x: Array, step: float = 1e-5) -> Array:
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        move = np.zeros(x.shape)
        move[index] = step
        found[index] = (function(x + move) - function(x - move)) / (2 * step)
    return found


def near(came: Array, wanted: Array) -> None:
    np.testing.assert_allclose(came, wanted, rtol=1e-6, atol=1e-7)


@settings(deadline=None, max_examples=50)
@given(SIZES)
def test_fc_by_differences_and_torch(sizes: tuple[int, int, int, int]) -> None:
    n, d, m, seed = sizes
    generator = np.random.default_rng(seed)
    x, w, b, grad = (generator.normal(size=shape) for shape in ((n, d), (d, m), (m,), (n, m)))
    out, cache = fc_forward(x, w, b)
    dx, dw, db = fc_backward(grad, cache)
    near(dx, central(lambda one: float((fc_forward(one, w, b)[0] * grad).sum()), x))
    near(dw, central(lambda one: float((fc_forward(x, one, b)[0] * grad).sum()), w))
    near(db, central(lambda one: float((fc_forward(x, w, one)[0] * grad).sum()), b))
    tensors = [torch.tensor(one, requires_grad=True) for one in (x, w, b)]
    result = functional.linear(tensors[0], tensors[1].T, tensors[2])
    near(out, result.detach().numpy())
    for ours, theirs in zip((dx, dw, db), torch.autograd.grad(result, tensors, torch.tensor(grad)), strict=True):
        near(ours, theirs.numpy())


def test_relu_has_no_clip_and_torchs_gradient() -> None:
    x = np.array([[-1e6, -2.0, 0.0, 1e-9, 0.5], [6.0, 6.5, 255.0, 1e6, 1e30]])
    grad = np.random.default_rng(0).normal(size=x.shape)
    out, cache = relu_forward(x)
    assert out.tolist() == np.where(x > 0, x, 0).tolist()
    leaf = torch.tensor(x, requires_grad=True)
    theirs = torch.autograd.grad(leaf.relu(), leaf, torch.tensor(grad))[0]
    assert relu_backward(grad, cache).tolist() == theirs.tolist()


@settings(deadline=None, max_examples=50)
@given(SIZES)
def test_softmax_by_differences_and_torch(sizes: tuple[int, int, int, int]) -> None:
    n, _, k, seed = sizes
    generator = np.random.default_rng(seed)
    scores, labels = generator.normal(0, 3, (n, k)), generator.integers(0, k, n)
    loss, grad = softmax_loss(scores, labels)
    near(grad, central(lambda one: softmax_loss(one, labels)[0], scores))
    leaf = torch.tensor(scores, requires_grad=True)
    theirs = functional.cross_entropy(leaf, torch.tensor(labels))
    assert loss == pytest.approx(theirs.item(), rel=1e-12)
    near(grad, torch.autograd.grad(theirs, leaf)[0].numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_at_large_scores(dtype: str) -> None:
    scores = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4 - 1, -3e4]], dtype)
    loss, grad = softmax_loss(scores, np.array([1, 0]))
    assert loss == pytest.approx((2e4 + np.log(1 + np.exp(-1))) / 2, rel=1e-6)
    share = 1 / (1 + np.exp(-1))
    assert grad == pytest.approx(np.array([[0.5, -0.5, 0], [(share - 1) / 2, (1 - share) / 2, 0]]), abs=1e-6)
    assert grad.dtype == dtype


@settings(deadline=None, max_examples=50)
@given(SIZES)
def test_l2_by_differences(sizes: tuple[int, int, int, int]) -> None:
    n, d, _, seed = sizes
    out, wanted = np.random.default_rng(seed).normal(size=(2, n, d))
    loss, grad = l2_loss(out, wanted)
    assert loss == pytest.approx(np.mean([np.linalg.norm(row) ** 2 for row in out - wanted]))
    near(grad, central(lambda one: l2_loss(one, wanted)[0], out))


def test_l2_goes_down_on_unscaled_points_at_the_courses_rate() -> None:
    points = np.random.default_rng(0).uniform(0, (76, 101), (1205, 2))
    wanted = np.c_[points[:, 0], 0.618 * points[:, 1] - 0.5]
    for share, falls in ((1, True), (len(points), False)):  # as it is, and as a sum over the points
        w, b, losses = np.zeros((2, 2)), np.zeros(2), []
        for _ in range(50):
            out, cache = fc_forward(points, w, b)
            loss, grad = l2_loss(out, wanted)
            _, dw, db = fc_backward(share * grad, cache)
            w, b = w - 2e-5 * dw, b - 2e-5 * db
            losses.append(loss)
        assert (np.diff(losses) < 0).all() == falls


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_changes_its_arguments_or_its_type(dtype: str) -> None:
    generator = np.random.default_rng(0)
    x, w, b, grad = (generator.normal(size=shape).astype(dtype) for shape in ((4, 3), (3, 2), (2,), (4, 2)))
    for one in (x, w, b, grad):
        one.setflags(write=False)
    out, cache = fc_forward(x, w, b)
    mask = relu_forward(out)[1]
    arrays = [out, *fc_backward(grad, cache), relu_backward(grad, mask), l2_loss(grad, out)[1], softmax_loss(grad, np.zeros(4, int))[1]]
    assert {str(one.dtype) for one in arrays} == {dtype}
