"""Any of Pillow's modes to 8-bit sRGB or grey on white, saying what was done."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import TiffImageFile

from hoodwink.pictures.levels import Levels
from hoodwink.runs import one_line

_SIXTEEN = ("I;16", "I;16B", "I;16L", "I;16N")
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # Pillow's mode -> the profile's colour space
_PHOTOMETRIC = 0x0106  # TIFF's tag; 0: white is zero


class ColourError(ValueError):
    """Samples that have no agreed meaning as levels."""


def to_levels(image: Image.Image, bits: int, channels: int) -> tuple[Levels, tuple[str, ...]]:
    """Return levels, uint8 H x W x channels (3: sRGB, 1: luma), and what was done to get them.

    bits: the depth of the samples in the file. Raises ColourError for whole numbers of 32 bits, floats and Lab.
    """
    notes: list[str] = []
    colour, alpha = _split(image, bits, notes)
    if "icc_profile" in image.info:
        colour = _to_srgb(colour, image.info["icc_profile"], notes)
    if colour.mode == "CMYK":
        colour = _noted(colour.convert("RGB"), notes, "CMYK converted to RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        colour = _noted(_on_white(colour, alpha), notes, "transparency laid on white")
    levels, more = with_channels(np.array(colour, dtype=np.uint8).reshape(colour.height, colour.width, -1), channels)
    return levels, (*notes, *more)


def with_channels(levels: Levels, channels: int) -> tuple[Levels, tuple[str, ...]]:
    """Return levels, uint8 H x W x 1 or 3, with 1 or 3 channels, and what was done: grey is copied, colour becomes Pillow's luma."""
    if levels.shape[2] == channels:
        return levels, ()
    if channels == 3:
        return np.repeat(levels, 3, axis=2), ("grey copied to three channels",)
    return np.array(Image.fromarray(levels).convert("L"))[..., None], ("colour reduced to luma",)


def _noted(image: Image.Image, notes: list[str], note: str) -> Image.Image:
    notes.append(note)
    return image


def _split(image: Image.Image, bits: int, notes: list[str]) -> tuple[Image.Image, Image.Image | None]:
    """The colours (L, RGB or CMYK) and, where the file has it, the opacity (L)."""
    if bits > 8:
        notes.append(f"{bits} bits reduced to 8")
    if image.mode in _SIXTEEN:
        return _high_byte(image, bits)
    if image.mode in ("P", "PA"):
        notes.append("palette expanded")
    if image.mode == "1":
        notes.append("1 bit expanded to 8")
    grey = image.mode in ("1", "L", "LA", "La")
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        _mend_transparency(image, bits)
        whole = image.convert("LA" if grey else "RGBA")
        return whole.convert("L" if grey else "RGB"), whole.getchannel("A")
    if grey:
        return image.convert("L"), None
    if image.mode in ("RGB", "RGBX", "P", "YCbCr"):
        return image.convert("RGB"), None
    if image.mode == "CMYK":
        return image, None
    raise ColourError(f"samples of 8 or 16 bits were wanted, these are {_kind(image)}, whose white is not agreed: save it as PNG")


def _kind(image: Image.Image) -> str:
    return {"I": "whole numbers of up to 32 bits", "F": "floats"}.get(image.mode, image.mode)


def _high_byte(image: Image.Image, bits: int) -> tuple[Image.Image, Image.Image | None]:
    # As Pillow reduces colours of 16 bits, which it does while it reads them.
    if isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0:
        raise ColourError("16-bit grey whose zero is black was wanted, in this TIFF zero is white: save it as PNG")
    wide = np.asarray(image)
    transparent = image.info.get("transparency")
    alpha = None if transparent is None else Image.fromarray(np.where(wide == transparent, 0, 255).astype(np.uint8))
    return Image.fromarray((wide >> (bits - 8)).astype(np.uint8)), alpha


def _mend_transparency(image: Image.Image, bits: int) -> None:
    """Bring the transparent colour of a PNG to the 8 bits that Pillow brought its pixels to."""
    transparent = image.info.get("transparency")
    if image.mode == "L" and isinstance(transparent, int) and bits < 8:
        image.info["transparency"] = transparent * 255 // (2**bits - 1)
    if image.mode == "RGB" and isinstance(transparent, tuple) and bits > 8:
        image.info["transparency"] = tuple(value >> 8 for value in transparent)


def _to_srgb(colour: Image.Image, icc: bytes | None, notes: list[str]) -> Image.Image:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))
        name = one_line((profile.profile.profile_description or "without a name").strip())[:60]
        space = profile.profile.xcolor_space.strip()
        if space != _SPACES[colour.mode]:
            return _noted(colour, notes, f"ICC profile '{name}' ignored: it is for {space}, the picture is {_SPACES[colour.mode]}")
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), colour.mode, "RGB", ImageCms.Intent.PERCEPTUAL)
        converted = _convert(colour, transform)
        if colour.mode != "CMYK" and _changes_nothing(colour.mode, transform):
            return colour
    except Exception:  # noqa: BLE001  a profile is a file in the file, and as easily damaged
        return _noted(colour, notes, "broken ICC profile ignored")
    return _noted(converted, notes, f"ICC profile '{name}' converted to sRGB")


def _convert(colour: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(colour, transform)
    assert converted is not None  # it is when the conversion is in place
    return converted.convert("L") if colour.mode == "L" else converted


def _changes_nothing(mode: str, transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is sRGB by what it does, not by its name: within one level, which is rounding, on colours all over the cube."""
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(17, -1, 3)
    probe = Image.fromarray(cube if mode == "RGB" else cube[..., 0])
    change = np.asarray(_convert(probe, transform)).astype(int) - np.asarray(probe)
    return bool(np.abs(change).max() <= 1)


def _on_white(colour: Image.Image, alpha: Image.Image) -> Image.Image:
    layer = colour.convert("RGBA")
    layer.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), layer).convert(colour.mode)
