from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import Tensor

from hoodwink.studies.generated import class_shares, entropy, frechet, modes, most_even, precision_recall


def points(count: int, dimension: int, seed: int, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_entropy_in_closed_form() -> None:
    assert entropy([0.1] * 10) == pytest.approx(most_even(10)) == pytest.approx(math.log(10))
    assert entropy([0.0, 1.0, 0.0]) == 0
    assert entropy([0.25, 0.75]) == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))


def test_shares_and_modes() -> None:
    shares = class_shares(torch.eye(4)[[0, 0, 0, 2]])
    assert shares.tolist() == [0.75, 0, 0.25, 0] and modes(shares) == 2
    assert modes([0.995, 0.005, 0.0]) == 1 and modes([0.99, 0.01]) == 2


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_distance_is_the_formula_with_a_matrix_root(seed: int) -> None:
    one, other = points(60, 4, seed), points(50, 4, seed + 1, 2.0) + 1
    first, second = (np.cov(part.numpy(), rowvar=False) for part in (one, other))
    apart = (one.mean(0) - other.mean(0)).numpy()
    wanted = apart @ apart + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    assert frechet(one, other) == pytest.approx(wanted, rel=1e-6)


def test_the_distance_in_closed_form() -> None:
    one = points(500, 3, 0)
    assert frechet(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet(one, one + 2) == pytest.approx(3 * 4), "a shift counts squared"
    spread = one.var(0).sum()
    assert frechet(one, 3 * (one - one.mean(0)) + one.mean(0)) == pytest.approx(float(4 * spread)), "(3 - 1)^2 of the variances"
    assert frechet(one[:, :1], 2 * one[:, :1]) == pytest.approx(float(one[:, 0].mean() ** 2 + one[:, 0].var()), rel=1e-9)


@given(st.integers(0, 1000), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_precision_and_recall_by_their_definition(seed: int, neighbours: int) -> None:
    real, made = points(20, 2, seed), points(15, 2, seed + 1, 1.5)

    def covered(some: Tensor, by: Tensor) -> float:
        count = 0
        for point in some:
            for centre in by:
                reach = sorted(float((centre - other).norm()) for other in by)[neighbours]
                if float((point - centre).norm()) <= reach:
                    count += 1
                    break
        return count / len(some)

    assert precision_recall(real, made, neighbours) == pytest.approx((covered(made, real), covered(real, made)))


def test_one_good_sample_is_precise_and_recalls_nothing() -> None:
    real = torch.cat([points(50, 2, 0), points(50, 2, 1) + 100])
    made = points(40, 2, 2, 0.01)
    precision, recall = precision_recall(real, made)
    assert precision == 1 and recall < 0.1
