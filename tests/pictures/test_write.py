from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from hoodwink.pictures.read import PictureError, read_bytes, read_picture
from hoodwink.pictures.write import LOSSLESS, check_out, encode_png, write_picture

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3]))
LEVELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)


@given(hnp.arrays(np.uint8, SHAPES))
@settings(deadline=None)
def test_a_png_gives_back_its_levels(levels: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    data = encode_png(levels)
    assert np.array_equal(read_bytes(data, "again.png", channels=levels.shape[2]).levels, levels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))).reshape(levels.shape), levels)


def test_a_png_depends_on_its_levels_alone_and_says_nothing_else() -> None:
    data = encode_png(LEVELS)
    assert data == encode_png(np.asfortranarray(LEVELS)) == encode_png(LEVELS.repeat(2, axis=1)[:, ::2])
    kinds, position = [], 8
    while position < len(data):
        kinds.append(data[position + 4 : position + 8])
        position += 12 + int.from_bytes(data[position : position + 4])
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


@pytest.mark.parametrize("levels", [LEVELS / 255, LEVELS[..., 0], LEVELS[..., :2], LEVELS[:0], LEVELS[None], LEVELS.astype(np.int64)])
def test_what_is_no_levels_is_refused(levels: Any) -> None:
    with pytest.raises(ValueError, match="levels: uint8 H x W x 1 or H x W x 3 was wanted, not "):
        encode_png(levels)


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".PNG", ".Tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_format_gives_back_its_levels(tmp_path: Path, suffix: str, channels: int) -> None:
    levels = LEVELS[..., :channels]
    path = write_picture(tmp_path / f"fooled{suffix}", levels)
    assert np.array_equal(read_picture(path, channels=channels).levels, levels)
    assert read_picture(path).format == LOSSLESS[suffix.lower()] and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(("name", "said"), [
    ("fooled.jpg", "JPEG changes the levels .* type fooled.png"),
    ("fooled.JPEG", "JPEG changes"),
    ("fooled.webp", "WebP changes"),
    ("fooled.avif", "AVIF changes"),
    ("fooled.gif", "GIF changes"),
    ("fooled.heic", "HEIC changes"),
    ("fooled", "a name that ends in .png, .bmp, .tif, .tiff was wanted: type fooled.png"),
    ("fooled.tar.gz", "type fooled.tar.png"),
    (".png", "type .png.png"),
])  # fmt: skip
def test_a_name_of_a_lossy_or_unknown_format_is_refused(tmp_path: Path, name: str, said: str) -> None:
    for refused in (check_out, lambda path: write_picture(path, LEVELS)):
        with pytest.raises(PictureError, match=f"{name}: .*{said}"):
            refused(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "fooled.png", LEVELS)
    with pytest.raises(PictureError, match=r"fooled.png: there is such a file: name another, or type --force"):
        write_picture(path, LEVELS[:1])
    assert np.array_equal(read_picture(path).levels, LEVELS)
    assert np.array_equal(read_picture(write_picture(path, LEVELS[:1], force=True)).levels, LEVELS[:1])


def test_a_link_is_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "kept.png").write_bytes(b"kept")
    for name, target in (("link.png", "kept.png"), ("broken.png", "nowhere.png")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(PictureError, match="there is such a file"):
            check_out(tmp_path / name)
        write_picture(tmp_path / name, LEVELS, force=True)
    assert (tmp_path / "kept.png").read_bytes() == b"kept" and not (tmp_path / "nowhere.png").exists()


def test_what_is_no_place_for_a_file_is_refused_even_with_force(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "null.png").symlink_to(os.devnull)
    for name, said in (
        ("folder.png", "this is a folder"),
        ("null.png", "this is a device or pipe"),
        ("missing/fooled.png", "there is no folder .*missing: make it first"),
        ("file/fooled.png", "there is no folder"),
        ("long" * 99 + ".png", "cannot be written: file name too long"),
    ):
        with pytest.raises(PictureError, match=said):
            check_out(tmp_path / name, force=True)


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(PictureError, match="cannot be written to"):
        check_out(tmp_path / "fooled.png")


def failing(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize("function", ["write", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "interrupted"])
@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_and_ctrl_c_leave_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException, force: bool
) -> None:
    path = tmp_path / "fooled.png"
    if force:
        path.write_bytes(b"before")
    monkeypatch.setattr(os, function, failing(error))
    with pytest.raises(type(error)) as caught:
        write_picture(path, LEVELS, force=force)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["fooled.png"] if force else [])
    assert not force or path.read_bytes() == b"before"
    if isinstance(caught.value, OSError):
        assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)


def test_an_encoder_that_changes_levels_is_found_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = encode_png(255 - LEVELS)
    monkeypatch.setattr("hoodwink.pictures.write._encode", lambda *_: other)
    with pytest.raises(PictureError, match=r"fooled.bmp: the encoded picture has other levels .* \.png"):
        write_picture(tmp_path / "fooled.bmp", LEVELS)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_gives_back_other_bytes_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hoodwink.pictures.write.write_atomic", lambda path, data: path.write_bytes(data[:-1]))
    with pytest.raises(OSError, match=r"other bytes than were written.*fooled.png"):
        write_picture(tmp_path / "fooled.png", LEVELS)
