"""A picture file's bytes to Pillow's first frame, safely: a short list of formats, a cap before decoding, nothing cut short."""

from __future__ import annotations

import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError, features
from PIL.TiffImagePlugin import TiffImageFile

from hoodwink.pictures.whole import CUT_SHORT, fault
from hoodwink.runs import one_line

FORMATS: tuple[str, ...] = (
    "PNG",
    "JPEG",
    *(("WEBP",) if features.check("webp") else ()),
    "BMP",
    "TIFF",
    "GIF",
    *(("AVIF",) if features.check("avif") else ()),
)
MAX_PIXELS = 178_956_970  # Pillow's own bound: half a GiB at 3 bytes a pixel
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 0x0102  # EXIF's and TIFF's tags
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# How files begin (offset, bytes): only to say what a file is that could not be opened.
_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (8, b"WEBP", "WEBP"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif", "HEIF"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"PK\3\4", "ZIP"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML"),
    (0, b"<!DOCTYPE", "HTML"),
    (0, b"<html", "HTML"),
)
_LOCK = threading.Lock()


class PictureError(ValueError):
    """A picture that cannot be read or written: its name and why; the message is one line and starts with the name."""

    def __init__(self, name: object, why: str) -> None:
        super().__init__(one_line(name), one_line(why))

    def __str__(self) -> str:
        return ": ".join(self.args)


@dataclass(frozen=True)
class Decoded:
    """The first frame of a file, upright; bits is the depth of its samples in the file where that is known, else 8."""

    image: Image.Image
    format: str
    bits: int
    notes: tuple[str, ...]


def decode(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode the first frame of a picture file and turn it by its EXIF orientation.

    Raises PictureError for what is no picture, has more than max_pixels pixels or cannot be decoded whole.
    """
    if not data:
        raise PictureError(name, "a picture was wanted, the file is empty")
    with _quiet_pillow():
        image = _open(data, name)
        _check_size(*image.size, name, max_pixels)
        try:
            # The first frame of a file that is cut short later would open, and be taken for the whole.
            found = fault(data, _format(image))
            if found:
                raise PictureError(name, found)
            return _load(image, data)
        except PictureError:
            raise
        except MemoryError as error:
            raise PictureError(name, f"there is not enough memory for its {image.width} x {image.height} pixels") from error
        except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
            raise PictureError(name, _damage(error)) from error


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings, log lines and own cap of pixels to itself; these belong to the process, so one thread at a time."""
    log = logging.getLogger("PIL")
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level, cap = log.level, Image.MAX_IMAGE_PIXELS
        log.setLevel(logging.CRITICAL + 1)
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            log.setLevel(level)
            Image.MAX_IMAGE_PIXELS = cap


def _open(data: bytes, name: str) -> Image.Image:
    """Read the header."""
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise PictureError(name, _unknown(data)) from error
    except Exception as error:  # as above
        raise PictureError(name, _damage(error)) from error


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise PictureError(name, f"a picture was wanted, this one has no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise PictureError(
            name,
            f"{width} x {height} pixels are {_mega(width * height)} megapixels, the cap is {_mega(max_pixels)}; "
            f"if the file is to be trusted, raise it: --max-pixels {width * height} (max_pixels={width * height})",
        )


def _mega(pixels: int) -> str:
    return f"{pixels / 1e6:.1f}" if pixels >= 1e5 else f"{pixels / 1e6:g}"


def _load(image: Image.Image, data: bytes) -> Decoded:
    frames, bits = getattr(image, "n_frames", 1), _bits(image, data)
    if isinstance(image, TiffImageFile):
        orientation, notes = _orientation(image)
        with _silent_libtiff():
            image.load()  # Pillow turns a TIFF itself while it loads it, and then forgets the orientation
    else:
        image.load()
        orientation, notes = _orientation(image)
    turn = _TURNS.get(orientation)
    upright = image if turn is None or isinstance(image, TiffImageFile) else image.transpose(turn)
    if turn is not None:
        notes += (f"turned by its EXIF orientation ({orientation})",)
    if frames > 1:
        notes += (f"first {'page' if image.format == 'TIFF' else 'frame'} of {frames}",)
    return Decoded(upright, _format(image), bits, notes)


def _orientation(image: Image.Image) -> tuple[int, tuple[str, ...]]:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
        if "exif" in image.info:
            Image.Exif().load(image.info["exif"])  # anew: a failure is raised once only, and Pillow may have swallowed it
    except Exception:  # noqa: BLE001  EXIF is a file in the file, and as easily damaged
        return 1, ("unreadable EXIF ignored",)
    return (found if isinstance(found, int) else 1), ()


def _bits(image: Image.Image, data: bytes) -> int:
    if image.format == "PNG":
        return data[24]  # the fifth field of IHDR, which comes first
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))[0])
    return 8


def _format(image: Image.Image) -> str:
    # A JPEG that holds several pictures is one to its owner, and to us, who read the first.
    return "JPEG" if image.format == "MPO" else str(image.format)


@contextmanager
def _silent_libtiff() -> Iterator[None]:
    """Drop what is written to the process's standard error: libtiff prints its errors there, past Python, and raises none of them."""
    try:
        kept = os.dup(2)
    except OSError:  # closed: nothing to be silenced
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _unknown(data: bytes) -> str:
    start = data[:64].lstrip()
    kind = next((kind for offset, mark, kind in _SIGNATURES if start[offset:].startswith(mark)), None)
    if kind in FORMATS:
        return f"it begins as {kind} does, but its header is damaged, cut short or of an unusual kind: save it as PNG"
    wanted = f"a picture in {', '.join(FORMATS[:-1])} or {FORMATS[-1]} was wanted"
    if kind is None:
        return f"{wanted}, the file is none of these"
    return f"{wanted}, the file seems to be {kind}: make a PNG of it"


def _damage(error: Exception) -> str:
    words = str(error)
    if "truncated" in words.lower():
        return CUT_SHORT
    return f"the file is damaged or cut short ({words or type(error).__name__})"
