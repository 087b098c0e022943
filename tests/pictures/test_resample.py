from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL import __version__ as pillow_version

from hoodwink.pictures.levels import Levels
from hoodwink.pictures.resample import FILTERS, PRECISION, Pass, ResampleError, Resize, vertical_first, weights

steady = settings(derandomize=True, deadline=None, max_examples=120)
sides = st.integers(1, 90)
filters = st.sampled_from(sorted(FILTERS))
Size = tuple[int, int]


def noise(size: Size, channels: int, seed: int = 0) -> Levels:
    """Half noise, half black and white, so that bicubic and Lanczos overshoot and are clipped."""
    dice = np.random.default_rng(seed)
    levels = dice.integers(0, 256, (*size, channels), dtype=np.uint8)
    return np.where(dice.random((*size, 1)) < 0.5, levels, levels // 128 * 255).astype(np.uint8)


def by_pillow(levels: Levels, size: Size, name: str) -> Levels:
    image = Image.fromarray(levels if levels.shape[2] == 3 else levels[..., 0])
    return np.asarray(image.resize(size[::-1], FILTERS[name])).reshape(*size, levels.shape[2])


def tensor(levels: Levels) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].float()


def by_torch(levels: Levels, size: Size, name: str, crop: tuple[int, int, int, int]) -> Levels:
    resize = Resize((levels.shape[0], levels.shape[1]), size, name, crop, levels.shape[2])
    out = resize(tensor(levels)[:, :, resize.rows, resize.columns])
    return out[0].permute(1, 2, 0).numpy().astype(np.uint8)


@st.composite
def crops(draw: st.DrawFn, height: int, width: int) -> tuple[int, int, int, int]:
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return top, left, draw(st.integers(1, height - top)), draw(st.integers(1, width - left))


@steady
@given(data=st.data(), size=st.tuples(sides, sides), out=st.tuples(sides, sides), name=filters, channels=st.sampled_from([1, 3]))
def test_resize_and_crop_are_pillows_byte_for_byte(data: st.DataObject, size: Size, out: Size, name: str, channels: int) -> None:
    top, left, height, width = crop = data.draw(crops(*out))
    levels = noise(size, channels)
    wanted = by_pillow(levels, out, name)[top : top + height, left : left + width]
    assert np.array_equal(by_torch(levels, out, name, crop), wanted)


@steady
@given(size=st.tuples(st.integers(60, 400), st.integers(60, 400)), name=filters, channels=st.sampled_from([1, 3]))
def test_the_usual_way_to_a_network_is_pillows_byte_for_byte(size: Size, name: str, channels: int) -> None:
    long = 64 * max(size) // min(size)
    out = (64, long) if size[0] <= size[1] else (long, 64)
    crop = ((out[0] - 56) // 2, (out[1] - 56) // 2, 56, 56)
    levels = noise(size, channels)
    wanted = by_pillow(levels, out, name)[crop[0] : crop[0] + 56, crop[1] : crop[1] + 56]
    assert np.array_equal(by_torch(levels, out, name, crop), wanted)


@pytest.mark.parametrize(("size", "out"), [((4000, 210), (320, 90)), ((210, 4000), (90, 320)), ((30, 20), (4000, 35))])
def test_four_thousand_pixels(size: Size, out: Size) -> None:
    levels = noise(size, 3)
    assert np.array_equal(by_torch(levels, out, "bicubic", (0, 0, *out)), by_pillow(levels, out, "bicubic"))


def test_a_batch_is_resized_picture_by_picture() -> None:
    pictures = [noise((23, 31), 3, seed) for seed in range(3)]
    resize = Resize((23, 31), (11, 40), "bicubic", (1, 3, 9, 30), 3)
    batch = torch.cat([tensor(one) for one in pictures])[:, :, resize.rows, resize.columns]
    for one, out in zip(pictures, resize(batch), strict=True):
        assert np.array_equal(out.permute(1, 2, 0).numpy(), by_pillow(one, (11, 40), "bicubic")[1:10, 3:33])


def test_only_the_support_of_the_crop_is_read() -> None:
    levels, crop = noise((80, 90), 3), (10, 12, 8, 7)
    resize = Resize((80, 90), (40, 45), "bicubic", crop, 3)
    inside = np.zeros((80, 90, 1), dtype=bool)
    inside[resize.rows, resize.columns] = True
    assert 0 < inside.mean() < 0.2
    other = np.where(inside, levels, 255 - levels)
    same = by_pillow(other, (40, 45), "bicubic")[10:18, 12:19]
    assert np.array_equal(same, by_pillow(levels, (40, 45), "bicubic")[10:18, 12:19])
    for edge in (resize.rows.start, resize.rows.stop - 1):  # and all of it is needed
        row = levels.copy()
        row[edge] = 255 * (row[edge] < 128)
        assert not np.array_equal(by_pillow(row, (40, 45), "bicubic")[10:18, 12:19], same)


def test_no_resize_is_a_crop() -> None:
    levels = noise((20, 30), 3)
    assert np.array_equal(by_torch(levels, (20, 30), "bicubic", (3, 4, 5, 6)), levels[3:8, 4:10])


TALL: list[tuple[Size, Size]] = [((40, 20), (10, 30)), ((300, 20), (64, 30)), ((20, 20), (10, 64)), ((100, 40), (30, 64))]
WIDE: list[tuple[Size, Size]] = [((20, 40), (30, 10)), ((40, 300), (64, 30)), ((20, 100), (30, 64))]


@pytest.mark.parametrize(("size", "out"), TALL + WIDE)
@pytest.mark.parametrize("name", sorted(FILTERS))
def test_both_orders_of_the_passes_are_pillows(size: Size, out: Size, name: str) -> None:
    levels = noise(size, 3)
    wanted = by_pillow(levels, out, name)
    assert np.array_equal(by_torch(levels, out, name, (0, 0, *out)), wanted)
    down_first = vertical_first(size, out, name, 3)
    passes = Resize(size, out, name, (0, 0, *out), 3).passes
    assert [one.axis for one in passes] == ([2, 3] if down_first else [3, 2])
    across, down = Pass(3, size[1], out[1], name, 0, out[1]), Pass(2, size[0], out[0], name, 0, out[0])
    other = across.forward(down.forward(tensor(levels))) if not down_first else down.forward(across.forward(tensor(levels)))
    assert not np.array_equal(other[0].permute(1, 2, 0).numpy(), wanted)  # so the order matters here


def test_some_tall_shapes_go_down_first_in_pillow_13_and_none_in_12() -> None:
    found = [vertical_first(size, out, "bicubic", 3) for size, out in TALL]
    if pillow_version.startswith(("12.", "13.")):
        assert any(found) == pillow_version.startswith("13.")
    assert not all(vertical_first(size, out, "bicubic", 3) for size, out in WIDE)


@pytest.fixture
def fresh() -> Iterator[None]:
    vertical_first.cache_clear()
    yield
    vertical_first.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_a_pillow_of_other_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Image.Image.resize

    def resize(self: Image.Image, *arguments: Any, **options: Any) -> Image.Image:
        return honest(self, *arguments, **options).point(lambda level: level ^ 1)

    monkeypatch.setattr(Image.Image, "resize", resize)
    with pytest.raises(ResampleError, match=r"Pillow .* resizes 31 x 23 to 40 x 11 \(bicubic\).*--at-model-size"):
        Resize((23, 31), (11, 40), "bicubic", (0, 0, 11, 40), 3)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("down_first", [False, True])
def test_either_order_is_found(monkeypatch: pytest.MonkeyPatch, down_first: bool) -> None:
    def resize(self: Image.Image, size: Size, filter: Any) -> Image.Image:
        name = next(name for name, value in FILTERS.items() if value == filter)
        across, down = Pass(3, self.width, size[0], name, 0, size[0]), Pass(2, self.height, size[1], name, 0, size[1])
        levels = tensor(np.asarray(self))
        out = across.forward(down.forward(levels)) if down_first else down.forward(across.forward(levels))
        return Image.fromarray(out[0].permute(1, 2, 0).numpy().astype(np.uint8))

    monkeypatch.setattr(Image.Image, "resize", resize)
    assert vertical_first((40, 20), (10, 30), "bicubic", 3) is down_first
    assert vertical_first((20, 40), (30, 10), "lanczos", 3) is down_first


def matrix(in_size: int, out_size: int, name: str) -> torch.Tensor:
    """The pass as a dense matrix, out x in, from its weights alone."""
    firsts, rows = weights(in_size, out_size, name)
    out = torch.zeros(out_size, in_size, dtype=torch.float64)
    for k, (first, row) in enumerate(zip(firsts, rows, strict=True)):
        out[k, first : first + len(row)] = torch.tensor(row, dtype=torch.float64)
    return out / (1 << PRECISION)


@steady
@given(in_size=sides, out_size=sides, name=filters, axis=st.sampled_from([2, 3]), data=st.data())
def test_backward_of_a_pass_is_the_transpose(in_size: int, out_size: int, name: str, axis: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, out_size - 1))
    stop = data.draw(st.integers(start + 1, out_size))
    one, dense = Pass(axis, in_size, out_size, name, start, stop), matrix(in_size, out_size, name)[start:stop]
    assert not dense[:, : one.lo].any() and not dense[:, one.hi :].any()
    dense = dense[:, one.lo : one.hi]
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(2, 3, 4, stop - start, dtype=torch.float64, generator=generator)
    u = torch.randn(2, 3, 4, one.hi - one.lo, dtype=torch.float64, generator=generator)
    u_in, v_in = (u, v) if axis == 3 else (u.transpose(2, 3), v.transpose(2, 3))
    back = one.backward(v_in.contiguous())
    assert float((u @ dense.T * v).sum()) == pytest.approx(float((u_in * back).sum()), rel=1e-9, abs=1e-9)
    assert torch.allclose(back if axis == 3 else back.transpose(2, 3), v @ dense)


@steady
@given(
    size=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    out=st.tuples(st.integers(4, 40), st.integers(4, 40)),
    name=filters,
    data=st.data(),
)
def test_gradient_of_a_resize_is_the_transpose_of_its_weights(size: Size, out: Size, name: str, data: st.DataObject) -> None:
    top, left, height, width = crop = data.draw(crops(*out))
    resize = Resize(size, out, name, crop, 3)
    down = matrix(size[0], out[0], name) if size[0] != out[0] else torch.eye(size[0], dtype=torch.float64)
    across = matrix(size[1], out[1], name) if size[1] != out[1] else torch.eye(size[1], dtype=torch.float64)
    down, across = down[top : top + height, resize.rows], across[left : left + width, resize.columns]
    u = tensor(noise(size, 3))[:, :, resize.rows, resize.columns].double().requires_grad_()
    v = torch.randn(1, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (back,) = torch.autograd.grad(resize(u), u, v)
    assert torch.allclose(back, down.T @ v @ across, atol=1e-9)
    left_side, right_side = (down @ u.detach() @ across.T * v).sum(), (u.detach() * back).sum()
    assert float(left_side) == pytest.approx(float(right_side), rel=1e-9, abs=1e-6)


@steady
@given(in_size=sides, out_size=sides, name=filters)
def test_weights_sum_to_one_and_stay_inside(in_size: int, out_size: int, name: str) -> None:
    firsts, rows = weights(in_size, out_size, name)
    assert len(firsts) == len(rows) == out_size
    for first, row in zip(firsts, rows, strict=True):
        assert first >= 0 and first + len(row) <= in_size
        assert sum(row) == pytest.approx(1 << PRECISION, abs=len(row))
