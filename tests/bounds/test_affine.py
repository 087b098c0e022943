from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hoodwink.bounds.affine import Affine, Window, convolution, dense, difference, joined, picked, reshaped, scaling, strided, total

steady = settings(derandomize=True, deadline=None, max_examples=60)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def check(affine: Affine, *shapes: tuple[int, ...]) -> None:
    """`pull` is the transpose of `push`, `spread` its absolute value: by the whole matrix."""
    parts = [affine.pull(rows(affine, shapes))[k].flatten(1) for k in range(len(shapes))]
    matrix = torch.cat(parts, 1)  # M x n
    inputs = [random(3, *shape, seed=k) for k, shape in enumerate(shapes)]
    flat = torch.cat([x.flatten(1) for x in inputs], 1)
    assert torch.allclose(affine.push(*inputs).flatten(1), flat @ matrix.T)
    assert torch.allclose(affine.spread(*(x.abs() for x in inputs)).flatten(1), flat.abs() @ matrix.abs().T)


def rows(affine: Affine, shapes: tuple[tuple[int, ...], ...]) -> Tensor:
    out = affine.push(*(torch.zeros((1, *shape), dtype=torch.float64) for shape in shapes))
    return torch.eye(out.numel(), dtype=torch.float64).view(-1, *out.shape[1:])


windows = st.builds(
    lambda s, t, p, q, d, g: Window((s, t), (p, q), (d, 1), g),
    *(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2), st.integers(1, 2), st.sampled_from([1, 2])),
)


@steady
@given(window=windows, kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)), size=st.tuples(st.integers(5, 8), st.integers(5, 8)))
def test_convolutions_of_all_kinds(window: Window, kernel: tuple[int, int], size: tuple[int, int]) -> None:
    weight = random(4, 4 // window.groups, *kernel)
    check(convolution(weight, random(4), window, size), (4, *size))


@steady
@given(stride=st.integers(1, 4), padding=st.tuples(st.integers(0, 2), st.integers(0, 2)), kernel=st.integers(1, 4), size=st.integers(5, 9))
def test_a_strided_convolution_is_cells_and_one_of_stride_one(stride: int, padding: tuple[int, int], kernel: int, size: int) -> None:
    weight, window = random(4, 1, kernel, kernel), Window((stride, stride), padding, groups=2)
    parts = strided(weight, random(4), window, (size, size))
    assert len(parts) == (1 if stride == 1 else 2)
    x = random(2, 2, size, size)
    wanted = torch.nn.functional.conv2d(x, weight, None, stride, padding, 1, 2)
    for part in parts:
        check(part, tuple(x.shape[1:]))
        x = part.push(x)
    assert torch.allclose(x, wanted)


@pytest.mark.parametrize(
    ("affine", "shapes"),
    [
        (dense(random(3, 5), random(3)), ((5,),)),
        (scaling(random(1, 2, 1, 1)), ((2, 3, 3),)),
        (reshaped((2, 3, 1), (6,)), ((2, 3, 1),)),
        (total(), ((2, 2, 2), (2, 2, 2))),
        (difference(), ((2, 2, 2), (2, 2, 2))),
        (joined([2, 1]), ((2, 2, 2), (1, 2, 2))),
        (picked((1, 2), (2, 2), (1, 1), (3, 2), (5, 5)), ((2, 5, 5),)),
    ],
)
def test_the_other_maps(affine: Affine, shapes: tuple[tuple[int, ...], ...]) -> None:
    check(affine, *shapes)
