from __future__ import annotations

import dataclasses
import errno
import io
import itertools
import logging
import os
import pickle
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from bad_files import (
    BadFile,
    chunk,
    encoded,
    make_bad_files,
    not_made,
    photo,
    png,
    srgb_profile,
    swapped_profile,
    turned,
)
from hoodwink.pictures.read import FORMATS, MAX_PIXELS, Picture, PictureError, find_pictures, picture_from_array, read_bytes, read_picture
from hoodwink.pictures.whole import fault
from hoodwink.pictures.write import encode_png
from hoodwink.runs import one_line, sha256_bytes, sha256_file

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> list[BadFile]:
    return make_bad_files(tmp_path_factory.mktemp("bad"))


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def levels(data: bytes, **options: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return read_bytes(data, "picture", **options).levels


def notes(data: bytes, **options: Any) -> tuple[str, ...]:
    return read_bytes(data, "picture", **options).notes


def expected(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(image.convert("RGB"))


def reopened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


# bad and odd files


def test_there_are_enough_bad_files_and_those_left_out_have_a_reason(bad_files: list[BadFile]) -> None:
    assert sum(not file.opens for file in bad_files) >= 28
    assert len({file.path for file in bad_files}) == len(bad_files) == len({file.name for file in bad_files})
    assert all(reason for reason in not_made(bad_files).values())


def test_a_bad_file_is_refused_in_one_line_that_begins_with_its_name(bad_files: list[BadFile], capfd: pytest.CaptureFixture[str]) -> None:
    for file in (file for file in bad_files if not file.opens):
        with warnings.catch_warnings(), within(10):
            warnings.simplefilter("error")
            with pytest.raises(PictureError) as caught:
                read_picture(file.path)
        message = str(caught.value)
        assert message.startswith(one_line(file.path) + ": ") and file.error in message, file
        assert len(message.splitlines()) == 1 and message.isprintable(), file
        assert "<_io" not in message and "0x" not in message, file
    assert capfd.readouterr() == ("", "")


def test_an_odd_file_opens_and_says_what_was_done(bad_files: list[BadFile], capfd: pytest.CaptureFixture[str]) -> None:
    for file, channels in itertools.product((file for file in bad_files if file.opens), (3, 1)):
        with warnings.catch_warnings(), within(10):
            warnings.simplefilter("error")
            picture = read_picture(file.path, channels=channels)
        assert picture.path == file.path and picture.format in FORMATS and picture.sha256 == sha256_file(file.path)
        assert picture.levels.shape == (picture.height, picture.width, picture.channels) and picture.channels == channels
        assert picture.levels.dtype == np.uint8 and picture.levels.flags.c_contiguous and not picture.levels.flags.writeable
        said = [note for note in picture.notes if note not in ("grey copied to three channels", "colour reduced to luma")]
        if channels == 3:
            assert any(file.note in note for note in picture.notes) if file.note else not picture.notes, (file, picture.notes)
        assert all(len(note.splitlines()) == 1 for note in said)
    assert capfd.readouterr() == ("", "")


def test_a_picture_error_survives_another_process() -> None:
    error = PictureError("two\nlines.png", "of no use")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "two\\nlines.png: of no use" and type(again) is PictureError


@pytest.mark.parametrize("format", FORMATS)
def test_no_beginning_of_a_file_opens(format: str) -> None:
    data = encoded(format, photo(size=(24, 16)))
    assert levels(data).shape == (16, 24, 3)
    for length in range(0, len(data), 3 if len(data) > 1000 else 1):
        with pytest.raises(PictureError):
            read_bytes(data[:length], "cut")
    for missing in range(1, 12):
        with pytest.raises(PictureError):
            read_bytes(data[:-missing], "cut")


@pytest.mark.parametrize("format", FORMATS)
def test_damage_raises_nothing_but_a_picture_error(format: str, capfd: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    whole = encoded(format, photo(size=(24, 16)), exif=turned(6), icc_profile=srgb_profile()) if format != "GIF" else encoded(format)
    for _ in range(80):
        data = bytearray(whole)
        for _ in range(generator.integers(1, 5)):
            data[generator.integers(len(data))] = generator.integers(256)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                read_bytes(bytes(data), "damaged", max_pixels=100_000)
            except PictureError as error:
                assert str(error).isprintable()
    assert capfd.readouterr() == ("", "")


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"RIFFxxxxWEBP"]))
@settings(max_examples=100, deadline=None)
def test_bytes_that_are_no_picture_are_a_picture_error(rest: bytes, start: bytes) -> None:
    with pytest.raises(PictureError, match="^some: "):
        read_bytes(start + rest, "some", max_pixels=10_000)


def test_a_png_of_fewer_rows_than_it_announces_is_cut_short() -> None:
    row = bytes([0] + [9] * 24)
    assert (levels(png(8, 8, 8, 2, row * 8)) == 9).all() and (levels(png(8, 8, 8, 2, row * 9)) == 9).all()
    for rows in (row * 8)[:-1], row * 7, row, b"":
        with pytest.raises(PictureError, match="cut short"):
            read_bytes(png(8, 8, 8, 2, rows), "rows.png")


@pytest.mark.parametrize(("bits", "colour"), [(1, 0), (2, 0), (8, 0), (16, 0), (8, 2), (16, 2), (4, 3), (8, 4), (8, 6)])
def test_an_interlaced_png_has_the_size_that_its_passes_have(bits: int, colour: int) -> None:
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    for width, height in ((1, 1), (5, 3), (8, 8), (2, 9), (13, 11)):
        seen = [[(y, x) for x in range(left, width, across) for y in range(top, height, down)] for left, top, across, down in ADAM7]
        rows = [(len({x for _, x in points}), len({y for y, _ in points})) for points in seen if points]
        size = sum(count * (1 + -(-wide * samples * bits // 8)) for wide, count in rows)
        palette = chunk(b"PLTE", bytes(48))
        whole = png(width, height, bits, colour, bytes(size), palette, interlaced=True)
        assert levels(whole).shape == (height, width, 3)
        with pytest.raises(PictureError, match="cut short"):
            read_bytes(png(width, height, bits, colour, bytes(size - 1), palette, interlaced=True), "interlaced.png")


def test_pixels_that_do_not_unpack_are_refused() -> None:
    data = png(8, 8, 8, 2, bytes(200))
    at = data.index(b"IDAT") + 4
    damaged = data[: at - 4] + chunk(b"IDAT", b"no zlib")[4:] + chunk(b"IEND", b"")
    damaged = damaged[: at - 8] + (7).to_bytes(4) + damaged[at - 4 :]
    assert fault(damaged, "PNG") is None
    with pytest.raises(PictureError, match="damaged or cut short"):
        read_bytes(damaged, "pixels.png")


def test_the_cap_is_checked_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded("PNG")
    assert levels(data, max_pixels=48 * 36).shape == (36, 48, 3)

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    with pytest.raises(
        PictureError,
        match=r"^cat.png: 48 x 36 pixels are 0.001728 megapixels, the cap is 0.001727; .*--max-pixels 1728 \(max_pixels=1728\)",
    ):
        read_bytes(data, "cat.png", max_pixels=48 * 36 - 1)


def test_pillows_own_cap_neither_bounds_ours_nor_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow warns above it and refuses twice as much
    for format in FORMATS:
        assert levels(encoded(format)).shape == (36, 48, 3)
    assert Image.MAX_IMAGE_PIXELS == 100 and MAX_PIXELS == 178_956_970


def test_threads_read_side_by_side_and_leave_pillow_as_it_was() -> None:
    before = Image.MAX_IMAGE_PIXELS, logging.getLogger("PIL").level, list(warnings.filters)
    files = [encoded(format) for format in FORMATS] * 4
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(levels, files))
    assert all(np.array_equal(levels(data), found) for data, found in zip(files, read, strict=True))
    assert (Image.MAX_IMAGE_PIXELS, logging.getLogger("PIL").level, list(warnings.filters)) == before


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    path.write_bytes(encoded("PNG"))
    os.truncate(path, 200_000_000)
    with pytest.raises(PictureError, match=r"long.png: 0.2 GB are too much for one picture of at most 10000 pixels \(--max-pixels\)"):
        read_picture(path, max_pixels=10_000)


@pytest.mark.parametrize(("number", "said"), [(errno.EACCES, "permission denied"), (errno.EIO, "input/output error")])
def test_a_file_that_cannot_be_read_is_a_picture_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(encoded("PNG"))

    def refuse(path: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(PictureError, match=f"^{path}: cannot be read: {said}$"):
        read_picture(path)


def test_a_name_that_can_be_none_is_a_picture_error() -> None:
    with pytest.raises(PictureError, match=r"^nul\\x00.png: a file name was wanted"):
        read_picture("nul\0.png")


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels: 3 .colour. or 1 .grey. was wanted, not 4"):
        read_bytes(encoded("PNG"), "x", channels=4)
    with pytest.raises(ValueError, match="channels: 3 .colour. or 1 .grey. was wanted, not 2"):
        picture_from_array(np.zeros((2, 2), np.uint8), channels=2)


# what is read


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_lossless_levels_are_the_pictures(format: str, mode: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(format, photo(mode), **options)
    assert np.array_equal(levels(data), expected(photo(mode)))
    assert np.array_equal(levels(data, channels=1)[..., 0], np.asarray(photo(mode).convert("L")))


def test_lossy_levels_are_those_that_pillow_decodes() -> None:
    for data in (encoded("JPEG"), encoded("WEBP"), encoded("JPEG", photo("CMYK")), encoded("TIFF", compression="jpeg"), encoded("GIF")):
        assert np.array_equal(levels(data), expected(reopened(data)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_pillows(format: str, orientation: int) -> None:
    data = encoded(format, exif=turned(orientation))
    upright = ImageOps.exif_transpose(reopened(data))
    found = read_bytes(data, "turned")
    assert np.array_equal(found.levels, expected(upright))
    assert (found.width, found.height) == ((48, 36) if orientation < 5 else (36, 48))
    assert found.notes == (() if orientation == 1 else (f"turned by its EXIF orientation ({orientation})",))


@pytest.mark.parametrize("format", ["TIFF", "PNG"])
def test_compression_and_place_do_not_hide_the_orientation(format: str) -> None:
    if format == "TIFF":
        data = encoded("TIFF", compression="tiff_lzw", exif=turned(6))
    else:
        whole, exif = encoded("PNG"), turned(6).tobytes().removeprefix(b"Exif\0\0")
        data = whole[:-12] + chunk(b"eXIf", exif) + whole[-12:]  # behind the pixels
    assert np.array_equal(levels(data), expected(photo().transpose(Image.Transpose.ROTATE_270)))
    assert notes(data) == ("turned by its EXIF orientation (6)",)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white_as_pillow_lays_it(mode: str) -> None:
    image = photo(mode)
    image.putalpha(photo("L").transpose(Image.Transpose.ROTATE_180))
    white = Image.new("RGBA", image.size, "white")
    laid = expected(Image.alpha_composite(white, image.convert("RGBA")))
    data = encoded("PNG", image)
    assert np.array_equal(levels(data), laid)
    assert notes(data)[0] == "transparency laid on white"
    assert np.array_equal(levels(data, channels=1)[..., 0], np.asarray(Image.fromarray(laid).convert("L")))


@pytest.mark.parametrize("transparency", [3, bytes(range(0, 256, 16))])
def test_a_transparent_palette_lies_on_white(transparency: int | bytes) -> None:
    data = encoded("PNG", photo().quantize(16), transparency=transparency)
    laid = Image.alpha_composite(Image.new("RGBA", (48, 36), "white"), reopened(data).convert("RGBA"))
    assert np.array_equal(levels(data), expected(laid))
    assert notes(data) == ("palette expanded", "transparency laid on white")


@pytest.mark.parametrize(("bits", "colour", "row", "transparent", "wanted"), [
    (8, 2, bytes([9, 8, 7, 1, 2, 3]), bytes([0, 9, 0, 8, 0, 7]), [[255, 255, 255], [1, 2, 3]]),
    (8, 0, bytes([9, 70]), bytes([0, 9]), [[255] * 3, [70] * 3]),
    (1, 0, bytes([0b01000000]), bytes([0, 0]), [[255] * 3, [255] * 3]),
    (2, 0, bytes([0b01100000]), bytes([0, 1]), [[255] * 3, [170] * 3]),
    (4, 0, bytes([0x1A]), bytes([0, 1]), [[255] * 3, [170] * 3]),
    (16, 0, bytes([1, 2, 1, 3]), bytes([1, 2]), [[255] * 3, [1] * 3]),
    (16, 2, bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), bytes([1, 2, 3, 4, 5, 6]), [[255] * 3, [7, 9, 11]]),
])  # fmt: skip
def test_a_transparent_colour_lies_on_white_at_every_depth(
    bits: int, colour: int, row: bytes, transparent: bytes, wanted: list[list[int]]
) -> None:
    data = png(2, 1, bits, colour, b"\0" + row, chunk(b"tRNS", transparent))
    assert levels(data)[0].tolist() == wanted
    assert "transparency laid on white" in notes(data)


def test_sixteen_bits_keep_their_high_byte() -> None:
    values = np.arange(0, 65536, 7, dtype=np.uint16)[: 96 * 96].reshape(96, 96)
    for format in ("PNG", "TIFF"):
        data = encoded(format, Image.fromarray(values))
        assert np.array_equal(levels(data, channels=1)[..., 0], values >> 8)
        assert notes(data, channels=1) == ("16 bits reduced to 8",)
    colour = png(1, 1, 16, 2, b"\0" + bytes([1, 255, 2, 255, 3, 0]))
    assert levels(colour).tolist() == [[[1, 2, 3]]]


def test_the_first_of_several_frames_is_read() -> None:
    more: dict[str, Any] = {"save_all": True, "append_images": [photo().rotate(20 * turn) for turn in range(1, 12)]}
    for format, what in (("GIF", "frame"), ("PNG", "frame"), ("TIFF", "page")):
        data = encoded(format, **more)
        assert np.array_equal(levels(data), expected(reopened(data)))
        assert f"first {what} of 12" in notes(data)


# profiles


def test_a_profile_is_converted_to_srgb() -> None:
    data = encoded("PNG", icc_profile=swapped_profile())
    source = ImageCms.ImageCmsProfile(io.BytesIO(swapped_profile()))
    wanted = ImageCms.profileToProfile(photo(), source, ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL)
    assert wanted is not None and np.array_equal(levels(data), expected(wanted))
    swapped = np.asarray(photo())[..., [1, 0, 2]].astype(int)
    assert np.abs(levels(data) - swapped).max() <= 1
    assert notes(data) == ("ICC profile 'sRGB built-in' converted to sRGB",)


def test_an_srgb_profile_changes_no_level_and_is_not_mentioned() -> None:
    data = encoded("PNG", icc_profile=srgb_profile())
    assert np.array_equal(levels(data), expected(photo())) and notes(data) == ()


def test_opacity_and_palette_survive_a_profile() -> None:
    image = photo("RGBA")
    image.putalpha(photo("L"))
    colours = encoded("PNG", image.convert("RGB"), icc_profile=swapped_profile())
    layer = Image.fromarray(levels(colours)).convert("RGBA")
    layer.putalpha(photo("L"))
    laid = Image.alpha_composite(Image.new("RGBA", image.size, "white"), layer)
    assert np.array_equal(levels(encoded("PNG", image, icc_profile=swapped_profile())), expected(laid))
    palette = photo().quantize(16)
    of_palette = encoded("PNG", palette.convert("RGB"), icc_profile=swapped_profile())
    assert np.array_equal(levels(encoded("PNG", palette, icc_profile=swapped_profile())), levels(of_palette))


def grey_profile() -> bytes:
    """A grey ICC profile of gamma 1, by hand: linear light, so sRGB is brighter."""
    white = b"XYZ \0\0\0\0" + bytes.fromhex("0000f6d6 00010000 0000d32d")
    curve = b"curv\0\0\0\0" + bytes(4)
    name = b"desc\0\0\0\0\0\0\0\x07linear\0" + bytes(11 + 67) + b"\0"
    offset, tags, body = 128 + 4 + 3 * 12, b"", b""
    for kind, data in ((b"wtpt", white), (b"kTRC", curve), (b"desc", name)):
        tags += kind + (offset + len(body)).to_bytes(4) + len(data).to_bytes(4)
        body += data + bytes(-len(data) % 4)
    date = bytes.fromhex("07e8 0001 0001 0000 0000 0000")
    head = bytes(8) + b"\x02\x10\0\0mntrGRAYXYZ " + date + b"acsp" + bytes(28) + bytes.fromhex("0000f6d6 00010000 0000d32d")
    whole = head.ljust(128, b"\0") + (3).to_bytes(4) + tags + body
    return len(whole).to_bytes(4) + whole[4:]


def test_a_grey_profile_keeps_grey_grey() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    found = read_bytes(encoded("PNG", ramp, icc_profile=grey_profile()), "ramp.png")
    assert found.notes == ("ICC profile 'linear' converted to sRGB", "grey copied to three channels")
    assert (found.levels == found.levels[..., :1]).all()
    light = np.arange(256) / 255
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(found.levels[..., 0].ravel() - 255 * srgb)[32:].max() <= 1.5  # LittleCMS interpolates, which shows in the dark


def test_a_broken_profile_is_ignored_and_said() -> None:
    generator = np.random.default_rng(0)
    for _ in range(40):
        profile = bytearray(swapped_profile())
        for _ in range(8):
            profile[generator.integers(200)] = generator.integers(256)
        said = notes(encoded("JPEG", icc_profile=bytes(profile)))
        assert all("ICC profile" in note and note.isprintable() for note in said)
    assert notes(encoded("JPEG", icc_profile=b"")) == ()


# arrays


@pytest.mark.parametrize("kind", ["numpy", "torch", "pillow", "batch of one", "strided"])
def test_an_array_is_taken_as_it_is(kind: str) -> None:
    array = np.array(photo())
    same = {
        "numpy": array,
        "torch": torch.from_numpy(array),
        "pillow": photo(),
        "batch of one": array[None],
        "strided": np.asfortranarray(array),
    }[kind]
    found = picture_from_array(same)
    assert np.array_equal(found.levels, array) and found.levels.flags.c_contiguous and not found.levels.flags.writeable
    assert (found.notes, found.format, found.path) == ((), "array", None)
    assert found.sha256 == sha256_bytes(encode_png(array))
    array[:] = 0
    assert kind == "pillow" or found.levels.any()


def test_grey_and_colour_arrays_get_the_channels_asked_for() -> None:
    grey = np.array(photo("L"))
    for array in (grey, grey[..., None]):
        assert np.array_equal(picture_from_array(array).levels, expected(photo("L")))
        assert picture_from_array(array).notes == ("grey copied to three channels",)
        assert np.array_equal(picture_from_array(array, channels=1).levels[..., 0], grey)
    found = picture_from_array(np.array(photo()), channels=1)
    assert np.array_equal(found.levels[..., 0], np.asarray(photo().convert("L"))) and found.notes == ("colour reduced to luma",)


@pytest.mark.parametrize(("array", "said"), [
    (np.zeros((4, 4, 3)), r"float64: for values in \[0, 1\] give np.round"),
    (np.zeros((4, 4), bool), "bool: give array"),
    (np.zeros((4, 4), np.int64), "int64: if its values are in 0..255"),
    (np.zeros((2, 4, 4, 3), np.uint8), "2 x 4 x 4 x 3: give one picture at a time"),
    (np.zeros((3, 4, 5), np.uint8), "3 x 4 x 5: give array.transpose"),
    (np.zeros((4, 5, 4), np.uint8), "4 x 5 x 4: lay it on a background"),
    (np.zeros((0, 5, 3), np.uint8), "0 x 5 x 3"),
    (np.uint8(3), "a single number"),
    ([[1, 2], [3]], "numpy.asarray says"),
    (torch.zeros(4, 4, requires_grad=True), "numpy.asarray says"),
    ("cat.png", "uint8 levels 0..255 were wanted"),
])  # fmt: skip
def test_other_arrays_are_refused_with_what_to_give_instead(array: object, said: str) -> None:
    with pytest.raises(PictureError, match=f"^array: .*{said}"):
        picture_from_array(array)


def test_a_picture_is_a_record_that_prints_in_a_line() -> None:
    picture = picture_from_array(np.array(photo()))
    assert len(repr(picture).splitlines()) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        picture.format = "PNG"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        picture.levels[0, 0, 0] = 1
    assert isinstance(picture, Picture)


# folders


def test_a_folder_gives_its_pictures_sorted(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "c.tif", ".hidden.png", "notes.txt", "no-suffix"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.png").mkdir()
    (tmp_path / "sub.png" / "d.png").write_bytes(b"")
    single = tmp_path / "notes.txt"
    assert [path.name for path in find_pictures([tmp_path])] == ["a.jpeg", "b.PNG", "c.tif"]
    assert find_pictures([single, tmp_path / "missing.png"]) == [single, tmp_path / "missing.png"]
    assert len(find_pictures([tmp_path, tmp_path])) == 6 and find_pictures([]) == []


def test_a_folder_without_pictures_is_a_picture_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"")
    with pytest.raises(PictureError, match=rf"^{tmp_path}: a folder with pictures was wanted"):
        find_pictures([tmp_path])


def test_reading_needs_no_torch() -> None:
    code = "import sys, hoodwink.runs, hoodwink.pictures.read, hoodwink.pictures.write, hoodwink.pictures.levels; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
