"""Where the results of `hoodwink fool` go, and which of them are there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoodwink.runs import RECORD, Run, RunError, one_line

if TYPE_CHECKING:
    from hoodwink.models.model import Model

_LONGEST = 80  # characters of a folder's name
_PICTURES = (".heic", ".heif", ".jp2", ".jxl")  # names of pictures that are neither read nor written


def is_picture_name(out: Path) -> bool:
    """Whether --out names a picture, not a folder."""
    from hoodwink.pictures.read import SUFFIXES

    return out.suffix.lower() in (*SUFFIXES, *_PICTURES)


def failed_name(out: Path) -> Path:
    """The name of a picture that did not fool, beside the one that was asked for."""
    return out.with_stem(f"{out.stem}-not-fooled")


def check_picture(out: Path, photos: Sequence[Path], force: bool) -> None:
    """Refuse an --out that names a picture which cannot be written, before the work."""
    from hoodwink.pictures.write import check_out

    if len(photos) > 1:
        raise click.UsageError(f"--out {one_line(out)} is one picture and {len(photos)} photos are named; give a folder")
    check_out(out, force=force)
    check_out(failed_name(out), force=force)


def folders(photos: Sequence[Path], out: Path) -> list[Path]:
    """The run folder of each photo: `out` itself for one, out/STEM for several; equal stems get -2, -3 ..."""
    return [out] if len(photos) == 1 else numbered([photo.stem for photo in photos], out)


def numbered(names: Sequence[str], out: Path) -> list[Path]:
    """A folder in `out` for each name; equal ones get -2, -3 ..."""
    taken: set[str] = set()
    return [out / _free(_folder_name(name), taken) for name in names]


def _folder_name(name: str) -> str:
    """What can name a folder: "..png" has the stem ".", which would be the folder above."""
    return "".join(c if c.isprintable() and c != "/" else "_" for c in name[:_LONGEST]).strip(". ") or "photo"


def _free(stem: str, taken: set[str]) -> str:
    """The stem with the first number that is free; letters of either case are one name to some file systems."""
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return name


def unfinished(folder: Path) -> bool:
    """Whether a folder holds a run that was interrupted."""
    return (folder / RECORD).is_file() and not Run.open(folder).finished


def finished(folder: Path, photo: Path, models: Sequence[Model], asked: Mapping[str, Any], max_pixels: int) -> dict[str, Any] | None:
    """The record of the finished run in a folder, None where there is none; RunError where it is one of something else.

    asked: the arguments of `hoodwink.fool`.
    """
    if not (folder / RECORD).is_file() or unfinished(folder):
        return None
    record = Run.open(folder).record
    if not _same_settings(record, models, asked) or not _same_photo(folder, photo, models[0], asked["at_model_size"], max_pixels):
        raise RunError(
            f"{one_line(folder)}: holds a finished run of another photo or with other settings; "
            "name another --out, or type --force to replace it"
        )
    return record


def _same_settings(record: dict[str, Any], models: Sequence[Model], asked: Mapping[str, Any]) -> bool:
    from hoodwink.fooling import CONFIDENCE

    target, confidence = asked["target"], asked["confidence"]
    wanted = {
        **{key: asked[key] for key in ("eps", "norm", "steps", "seed", "at_model_size")},
        "target": None if target is None else models[0].class_name(models[0].find(target)),
        "confidence": CONFIDENCE if confidence is None and target is not None else confidence,
        "masked": asked["mask"] is not None,
    }
    settings, known = record.get("settings", {}), [model.get("weights_sha256") for model in record.get("models", [])]
    same = known == [model.card.weights_sha256 for model in models]
    return same and "result" in record and all(key in settings and settings[key] == value for key, value in wanted.items())


def _same_photo(folder: Path, photo: Path, model: Model, at_model_size: bool, max_pixels: int) -> bool:
    import numpy as np

    from hoodwink.pictures.read import PictureError, read_picture

    channels = model.card.picture.channels
    picture = read_picture(photo, channels=channels, max_pixels=max_pixels)
    try:
        kept = read_picture(folder / "original.png", channels=channels, max_pixels=max_pixels).levels
    except PictureError:
        return False
    return np.array_equal(kept, model.see(picture) if at_model_size else picture.levels)
