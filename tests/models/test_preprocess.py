from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hoodwink.models.card import FILTERS, ModelCard, PictureInput
from hoodwink.models.model import Levels, Model
from hoodwink.networks.resnet import resnet2b
from hoodwink.pictures.resample import PRECISION, weights

steady = settings(derandomize=True, deadline=None, max_examples=80)


def model(channels: int = 3, **picture: Any) -> Model:
    wanted = PictureInput(channels=channels, mean=(0.485, 0.456, 0.406)[:channels], std=(0.229, 0.224, 0.225)[:channels], **picture)
    network = {"name": "resnet2b", "arguments": {"classes": 10}}
    return Model(resnet2b(), ModelCard(name="small", network=network, weights_sha256="", input=wanted, classes=tuple("abcdefghij")))


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Levels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def tensor(levels: Levels) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].float().div(255)


@steady
@given(
    size=st.tuples(st.integers(16, 120), st.integers(16, 120)),
    resize=st.none() | st.integers(16, 64) | st.tuples(st.integers(16, 64), st.integers(16, 64)),
    crop=st.none() | st.just((16, 13)),
    filter=st.sampled_from(FILTERS),
    channels=st.sampled_from([1, 3]),
)
def test_it_is_what_encode_gives_bit_for_bit(size: tuple[int, int], resize: Any, crop: Any, filter: str, channels: int) -> None:
    one, levels = model(channels, resize=resize, size=crop, filter=filter), noise(*size, channels)
    twin = one.preprocess(*size)
    out = twin(tensor(levels)[:, :, twin.rows, twin.columns])
    assert out.dtype == torch.float32 and torch.equal(out, one.encode(levels))


def test_every_level_is_met_bit_for_bit() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    one = model()
    assert torch.equal(one.preprocess(16, 16)(tensor(levels)), one.encode(levels))


def test_a_batch_is_prepared_picture_by_picture() -> None:
    one, pictures = model(resize=20, size=(16, 16)), [noise(41, 30, seed=seed) for seed in range(3)]
    twin = one.preprocess(41, 30)
    out = twin(torch.cat([tensor(p) for p in pictures])[:, :, twin.rows, twin.columns])
    assert torch.equal(out, torch.cat([one.encode(p) for p in pictures]))


def dense(in_size: int, out_size: int, name: str) -> torch.Tensor:
    out = torch.zeros(out_size, in_size, dtype=torch.float64)
    for k, (first, row) in enumerate(zip(*weights(in_size, out_size, name), strict=True)):
        out[k, first : first + len(row)] = torch.tensor(row, dtype=torch.float64) / (1 << PRECISION)
    return out


@pytest.mark.parametrize("filter", FILTERS)
def test_its_gradient_is_that_of_the_weights_without_the_roundings(filter: str) -> None:
    one, levels = model(resize=20, size=(16, 18), filter=filter), noise(41, 30)
    twin, spot = one.preprocess(41, 30), one.card.input.geometry(41, 30)
    down = dense(41, spot.resized[0], filter)[spot.top : spot.top + 16, twin.rows]
    across = dense(30, spot.resized[1], filter)[spot.left : spot.left + 18, twin.columns]
    v = torch.randn(1, 3, 16, 18, generator=torch.Generator().manual_seed(0))
    part = tensor(levels)[:, :, twin.rows, twin.columns].requires_grad_()
    (gradient,) = torch.autograd.grad(twin(part), part, v)
    std = torch.tensor(one.card.input.std, dtype=torch.float64).view(1, 3, 1, 1)
    assert torch.allclose(gradient.double(), down.T @ (v.double() / std) @ across, atol=1e-4, rtol=1e-5)


def test_a_step_along_its_gradient_moves_what_the_network_sees_as_told() -> None:
    one, levels = model(resize=20, size=(16, 18)), noise(41, 30) // 2 + 64
    twin = one.preprocess(41, 30)
    v = torch.randn(1, 3, 16, 18, generator=torch.Generator().manual_seed(0))
    part = tensor(levels)[:, :, twin.rows, twin.columns].requires_grad_()
    before = twin(part)
    (gradient,) = torch.autograd.grad(before, part, v)
    change = (gradient / gradient.abs().max() * 40).round() / 255
    moved = ((twin(part.detach() + change) - before.detach()) * v).sum()
    assert float(moved) == pytest.approx(float((gradient * change).sum()), rel=0.03)
