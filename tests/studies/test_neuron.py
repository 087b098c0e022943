from __future__ import annotations

import numpy as np
import pytest
import torch

from hoodwink.studies.neuron import START, TINY, T, X, plain, vectors


@pytest.mark.parametrize(
    ("loss", "weights", "error"),
    [("squared", (-6.714, 2.682, 4.525), 0.001848), ("cross-entropy", (-16.198, 7.204, 10.059), 0.002975)],
)
def test_the_neuron_ends_where_an_independent_run_did(loss: str, weights: tuple[float, ...], error: float) -> None:
    w, errors = plain(loss, 10.0, 50)
    assert w == pytest.approx(weights, abs=5e-4) and errors[-1] == pytest.approx(error, abs=5e-7)
    np.testing.assert_allclose(vectors(loss, 10.0, 50), w, rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_a_step_goes_down_the_gradient_that_pytorch_finds(loss: str) -> None:
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    for x, t in zip(torch.tensor(X, dtype=torch.float64), T, strict=True):
        y = torch.sigmoid(w @ x)
        half = (y - t).square() / 2  # the step leaves the factor 2 out
        entropy = -(t * torch.log(y) + (1 - t) * torch.log(1 - y))
        (slope,) = torch.autograd.grad(half if loss == "squared" else entropy, w)
        w = (w - 0.5 * slope).detach().requires_grad_()
    np.testing.assert_allclose(plain(loss, 0.5, 1)[0], w.detach().numpy(), rtol=1e-12)
    assert TINY < 1e-5
