"""Bad and odd inputs, made anew for each test: what each is, whether it opens and, if it does, what the notes must say."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, features

ORIENTATION = 0x0112
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class BadFile:
    """An input and why it is odd. opens: whether it is read; note: a part of one of its notes ("": it has none);
    error: a part of the one line that refuses it."""

    name: str
    path: Path
    why: str
    opens: bool = False
    note: str = ""
    error: str = ""


def make_bad_files(folder: Path) -> list[BadFile]:
    """Make the inputs in an empty folder; those that this system or user cannot have (see `not_made`) are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    return [*_cut_short(folder), *_damaged(folder), *_other_formats(folder), *_no_files(folder), *_odd_but_good(folder)]


def not_made(files: list[BadFile]) -> dict[str, str]:
    """The names of inputs that are missing from a list, and why."""
    made = {file.name for file in files}
    reasons = {
        "unreadable.png": "the user can read every file (root)",
        "pipe.png": "the system has no named pipes",
        "zero.png": "the system has no /dev/zero",
        "huge.png": "the file system has no sparse files",
        "good.avif": "this Pillow has no AVIF",
        "cut.avif": "this Pillow has no AVIF",
    }
    return {name: why for name, why in reasons.items() if name not in made}


def photo(mode: str = "RGB", size: tuple[int, int] = (48, 36)) -> Image.Image:
    """A small picture with structure, noise and no symmetry, the same every time."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 30, (height, width, 3))
    levels = np.stack([x * 4, y * 5, (x + y) * 2], axis=-1) % 220 + noise
    return Image.fromarray(levels.astype(np.uint8)).convert(mode)


def encoded(format: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    (image or photo()).save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: bytes, interlaced: bool = False) -> bytes:
    """A PNG by hand; rows: each begins with its filter byte, extra: chunks before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    return PNG + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def srgb_profile() -> bytes:
    """The bytes of an sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """An ICC profile that is sRGB but for its red and green, which are swapped."""
    return srgb_profile().replace(b"rXYZ", b"~XYZ", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"~XYZ", b"gXYZ", 1)


def turned(orientation: int) -> Image.Exif:
    """EXIF that holds an orientation."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def _file(folder: Path, name: str, data: bytes, why: str, **more: Any) -> BadFile:
    path = folder / name
    path.write_bytes(data)
    return BadFile(name, path, why, **more)


def _good(folder: Path, name: str, data: bytes, why: str, note: str = "") -> BadFile:
    return _file(folder, name, data, why, opens=True, note=note)


def _cut_short(folder: Path) -> Iterator[BadFile]:
    whole = encoded("PNG")
    for name, length in (
        ("signature", 8),
        ("header", 20),
        ("pixels", len(whole) // 2),
        ("end", len(whole) - 12),
        ("checksum", len(whole) - 2),
    ):
        yield _file(folder, f"cut-{name}.png", whole[:length], f"PNG cut in or before its {name}", error="cut short")
    jpeg = encoded("JPEG")
    yield _file(folder, "cut-header.jpg", jpeg[:100], "JPEG cut in its header", error="cut short")
    yield _file(folder, "cut-pixels.jpg", jpeg[: len(jpeg) // 2], "JPEG cut in its pixels", error="cut short")
    yield _file(folder, "cut-end.jpg", jpeg[:-2], "JPEG without its end mark", error="cut short")
    frames = encoded("GIF", save_all=True, append_images=[photo().rotate(90), photo().rotate(180)])
    yield _file(folder, "cut-later.gif", frames[: len(frames) * 2 // 3], "GIF cut in a later frame", error="cut short")
    for format in ("BMP", "TIFF", "GIF", "WEBP", *(("AVIF",) if features.check("avif") else ())):
        data = encoded(format)
        yield _file(folder, f"cut.{format.lower()}", data[: len(data) // 2], f"{format} cut in half", error="cut short")


def _damaged(folder: Path) -> Iterator[BadFile]:
    whole = bytearray(encoded("PNG"))
    whole[-20] ^= 0xFF  # in the last pixels
    yield _file(folder, "checksum.png", bytes(whole), "PNG with a wrong checksum in its pixels", error="checksum")
    header = bytearray(encoded("PNG"))
    header[19] ^= 1  # the width
    yield _file(folder, "checksum-header.png", bytes(header), "PNG with a wrong checksum in its header", error="damaged")
    rows = png(8, 8, 8, 2, bytes(25 * 7))
    yield _file(folder, "rows.png", rows, "PNG of fewer rows than it announces", error="cut short")
    yield _file(folder, "bomb.png", png(60_000, 60_000, 8, 2, b""), "PNG that announces 3600 megapixels", error="megapixels")
    gif = bytearray(encoded("GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    yield _file(folder, "bomb.gif", bytes(gif), "GIF that announces 4295 megapixels", error="megapixels")
    text = chunk(b"zTXt", b"text\0\0" + zlib.compress(bytes(100_000_000)))
    yield _file(folder, "bomb-text.png", png(1, 1, 8, 0, b"\0\0", text), "PNG whose text unpacks to 100 MB", error="damaged")
    yield _file(folder, "no-pixels.png", png(0, 5, 8, 2, b""), "PNG of no width")
    yield _file(folder, "no-colours.png", png(2, 2, 3, 2, b"\0" * 14), "PNG of an impossible depth", error="PNG")
    loop = b"II*\0\x08\0\0\0\0\0\x08\0\0\0"  # an empty directory whose next is itself
    yield _file(folder, "loop.tiff", loop, "TIFF whose pages go round in a circle", error="TIFF")


def _other_formats(folder: Path) -> Iterator[BadFile]:
    yield _file(folder, "empty.png", b"", "an empty file", error="empty")
    yield _file(folder, "text.png", b"This is not a picture.\n", "text named .png", error="none of these")
    noise = np.random.default_rng(1).bytes(999)
    yield _file(folder, "noise.jpg", noise, "random bytes named .jpg", error="none of these")
    for format in ("PDF", "EPS", "ICO", "PPM", "TGA"):
        yield _file(folder, f"other.{format.lower()}", encoded(format), f"{format}, a format that is not read", error="wanted")
    yield _file(folder, "other.psd", b"8BPS\0\1" + bytes(40), "Photoshop, a format that is not read", error="Photoshop")
    yield _file(folder, "phone.heic", b"\0\0\0\x18ftypheic" + bytes(40), "HEIC, as phones make it", error="HEIC")
    yield _file(folder, "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a drawing in XML", error="SVG")
    yield _file(folder, "page.png", b"\n<!DOCTYPE html><title>404</title>", "a web page saved as a picture", error="HTML")
    yield _file(folder, "float.tiff", encoded("TIFF", photo("F")), "TIFF of floats, whose white is anybody's guess", error="floats")
    yield _file(folder, "integer.tiff", encoded("TIFF", photo("I")), "TIFF of 32-bit integers, likewise", error="32 bits")
    yield _file(folder, "lab.tiff", encoded("TIFF", Image.new("LAB", (4, 4))), "TIFF in Lab", error="LAB")
    wide = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000)
    yield _file(
        folder, "negative.tiff", encoded("TIFF", wide, tiffinfo={0x0106: 0}), "16-bit TIFF whose zero is white", error="zero is white"
    )


def _no_files(folder: Path) -> Iterator[BadFile]:
    yield BadFile("missing.png", folder / "missing.png", "no such file", error="no such file")
    yield BadFile("long.png", folder / ("long" * 100 + ".png"), "a name longer than any file's", error="too long")
    (folder / "folder.png").mkdir()
    yield BadFile("folder.png", folder / "folder.png", "a folder named .png", error="folder")
    yield _file(folder, "line\nend.png", b"text", "a name with a line end", error="none of these")
    yield _file(folder, "\x1b[31mred\u202e.png", b"text", "a name with control characters", error="none of these")
    for name, target, error in (("loop.png", "loop.png", "circle"), ("gone.png", "nowhere.png", "no such file")):
        (folder / name).symlink_to(target)
        yield BadFile(name, folder / name, f"a symbolic link to {target}", error=error)
    yield from _special(folder)


def _special(folder: Path) -> Iterator[BadFile]:
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.png")
        yield BadFile("pipe.png", folder / "pipe.png", "a named pipe that nobody writes to", error="pipe")
    if Path("/dev/zero").exists():
        (folder / "zero.png").symlink_to("/dev/zero")
        yield BadFile("zero.png", folder / "zero.png", "a device that never ends", error="device")
    unreadable = _file(folder, "unreadable.png", encoded("PNG"), "a file that may not be read", error="permission denied")
    unreadable.path.chmod(0)
    if not os.access(unreadable.path, os.R_OK):
        yield unreadable
    with suppress(OSError):
        huge = _file(folder, "huge.png", encoded("PNG"), "5 GB of nothing after a picture", error="GB")
        os.truncate(huge.path, 5_000_000_000)
        yield huge


def _odd_but_good(folder: Path) -> Iterator[BadFile]:
    yield from _odd_metadata(folder)
    yield from _odd_modes(folder)
    yield from _odd_frames(folder)
    for orientation in range(1, 9):
        note = f"turned by its EXIF orientation ({orientation})" if orientation > 1 else ""
        yield _good(folder, f"turned-{orientation}.jpg", encoded("JPEG", exif=turned(orientation)), f"EXIF orientation {orientation}", note)
    yield _good(folder, "turned-9.jpg", encoded("JPEG", exif=turned(9)), "an EXIF orientation that means nothing")
    yield _good(folder, "lossless.webp", encoded("WEBP", lossless=True), "lossless WebP")
    if features.check("avif"):
        yield _good(folder, "good.avif", encoded("AVIF"), "AVIF")
    yield _good(folder, "progressive.jpg", encoded("JPEG", progressive=True), "progressive JPEG")
    yield _good(folder, "more.jpg", encoded("JPEG") + b"\0more" * 99, "JPEG with more behind its end")
    yield _good(folder, "misnamed.jpg", encoded("PNG"), "PNG named .jpg")
    yield _good(folder, "one.png", encoded("PNG", photo(size=(1, 1))), "one pixel")
    yield _good(folder, "good\nline.png", encoded("PNG"), "a picture with a line end in its name")
    yield _good(folder, "Müller & söhne (1).png", encoded("PNG"), "a picture with a name of many scripts")
    (folder / "link.png").symlink_to("one.png")
    yield BadFile("link.png", folder / "link.png", "a symbolic link to a picture", opens=True)


def _odd_metadata(folder: Path) -> Iterator[BadFile]:
    broken = b"Exif\0\0this is no TIFF"
    yield _good(folder, "exif.jpg", encoded("JPEG", exif=broken), "JPEG with broken EXIF", "unreadable EXIF ignored")
    yield _good(
        folder, "profile.jpg", encoded("JPEG", icc_profile=b"no profile" * 20), "JPEG with a broken profile", "broken ICC profile ignored"
    )
    iccp = chunk(b"iCCP", b"name\0\0not zlib")
    yield _good(folder, "profile.png", png(1, 1, 8, 2, bytes(4), iccp), "PNG whose profile does not unpack", "broken ICC profile ignored")
    swapped = encoded("PNG", icc_profile=swapped_profile())
    yield _good(folder, "swapped.png", swapped, "PNG in other colours than sRGB", "ICC profile 'sRGB built-in' converted to sRGB")
    yield _good(folder, "srgb.png", encoded("PNG", icc_profile=srgb_profile()), "PNG that says that it is sRGB")
    grey = encoded("PNG", photo("L"), icc_profile=swapped_profile())
    yield _good(
        folder, "profile-for-colour.png", grey, "grey PNG with a profile for colours", "ignored: it is for RGB, the picture is GRAY"
    )


def _odd_modes(folder: Path) -> Iterator[BadFile]:
    wide = Image.fromarray(np.asarray(photo("L")).astype(np.uint16) * 257)
    depth = "16 bits reduced to 8"
    yield _good(folder, "cmyk.jpg", encoded("JPEG", photo("CMYK")), "CMYK JPEG", "CMYK converted to RGB")
    yield _good(folder, "sixteen.png", encoded("PNG", wide), "16-bit grey PNG", depth)
    yield _good(folder, "sixteen-colour.png", png(1, 1, 16, 2, b"\0\1\2\3\4\5\6"), "16-bit colour PNG", depth)
    yield _good(folder, "sixteen.tiff", encoded("TIFF", wide), "16-bit grey TIFF", depth)
    yield _good(folder, "sixteen-big.tiff", _big_endian_tiff(wide), "16-bit grey TIFF, high byte first", depth)
    yield _good(folder, "one-bit.png", encoded("PNG", photo("1")), "1-bit PNG", "1 bit expanded to 8")
    yield _good(folder, "fax.tiff", encoded("TIFF", photo("1"), compression="group4"), "1-bit TIFF as a fax has it", "1 bit expanded to 8")
    palette = photo().quantize(16)
    yield _good(folder, "palette.png", encoded("PNG", palette), "PNG with a palette", "palette expanded")
    yield _good(
        folder, "palette-hole.png", encoded("PNG", palette, transparency=3), "palette with transparency", "transparency laid on white"
    )
    grey = photo("LA")
    grey.putalpha(photo("L"))
    yield _good(folder, "grey-alpha.png", encoded("PNG", grey), "grey PNG with opacity", "transparency laid on white")
    yield _good(folder, "opaque.png", encoded("PNG", photo("RGBA")), "PNG whose opacity is full")
    yield _good(folder, "grey.jpg", encoded("JPEG", photo("L")), "grey JPEG", "grey copied to three channels")
    yield _good(folder, "jpeg.tiff", encoded("TIFF", compression="jpeg"), "JPEG in TIFF")


def _big_endian_tiff(image: Image.Image) -> bytes:
    values = np.asarray(image).astype(">u2")
    height, width = values.shape
    tags = (
        (256, width),
        (257, height),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 8 + 2 + 9 * 12 + 4),
        (277, 1),
        (278, height),
        (279, values.nbytes),
    )
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags)
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", len(tags)) + entries + bytes(4) + values.tobytes()


def _odd_frames(folder: Path) -> Iterator[BadFile]:
    more: dict[str, Any] = {"save_all": True, "append_images": [photo().rotate(90), photo().rotate(180)]}
    yield _good(folder, "moves.gif", encoded("GIF", **more), "animated GIF", "first frame of 3")
    yield _good(folder, "moves.webp", encoded("WEBP", **more), "animated WebP", "first frame of 3")
    yield _good(folder, "moves.png", encoded("PNG", **more), "animated PNG", "first frame of 3")
    yield _good(folder, "pages.tiff", encoded("TIFF", **more), "TIFF of several pages", "first page of 3")
    yield _good(folder, "pair.jpg", encoded("MPO", **more), "JPEG that holds several pictures", "first frame of 3")
