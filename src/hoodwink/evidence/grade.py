"""Grade hand-ins: pairs of an original and a fooled file, each judged from its bytes against one network and one class."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hoodwink.evidence.judge import Verdict, judge
from hoodwink.evidence.page import asset, data_uri, render
from hoodwink.models.model import Model
from hoodwink.pictures.levels import Distances, distances
from hoodwink.pictures.read import SUFFIXES, Picture, PictureError, read_picture
from hoodwink.pictures.write import encode_png

LOSSY = ("JPEG", "WEBP", "AVIF", "GIF")
_NAMED = re.compile(r"(?P<after>.+)[-_]fooled|fooled[-_](?P<before>.+)", re.IGNORECASE)
_THUMBNAIL = 120  # pixels, the longer side


@dataclass(frozen=True)
class Grade:
    """What came of one hand-in.

    confidence: of the class asked for, in [0, 1]; label and confidence are None where the fooled file cannot be judged,
    distances where the two files cannot be compared. why: what is wrong and what is worth knowing, in words.
    """

    name: str
    original: Path
    fooled: Path
    passed: bool
    label: str | None
    confidence: float | None
    distances: Distances | None
    why: str

    def to_json(self) -> dict[str, Any]:
        """The grade as JSON values."""
        return {
            **asdict(self),
            "distances": self.distances and self.distances.to_json(),
            "original": str(self.original),
            "fooled": str(self.fooled),
        }


def grade(
    pairs: Sequence[tuple[str | Path, str | Path]] | str | Path, model: Model, target: str | int, *, confidence: float = 0.9
) -> list[Grade]:
    """Judge each pair (original, fooled), or those that `find_pairs` finds in a folder, against a class of the network.

    A hand-in passes when the network gives the fooled file that label with at least `confidence` in [0, 1], the original another
    label, and both have one size. A file that cannot be read fails its hand-in only.
    """
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence should lie in [0, 1], it is {confidence:g}; type 0.9 for 90 %")
    index = model.find(target)
    found = find_pairs(pairs) if isinstance(pairs, (str, Path)) else [(_name(Path(b)), Path(a), Path(b)) for a, b in pairs]
    return [_grade(name, original, fooled, model, index, confidence) for name, original, fooled in found]


def find_pairs(directory: str | Path) -> list[tuple[str, Path, Path]]:
    """The hand-ins in a folder and its subfolders, sorted by name: (name, original, fooled).

    original.* goes with fooled.* under the folder's name (a run folder is such a pair); NAME.* with NAME-fooled.*, NAME_fooled.*,
    fooled-NAME.* or fooled_NAME.*. Half a pair is listed too, with the name its other half should have. Raises PictureError where
    there is none.
    """
    root = Path(directory)
    if not root.is_dir():
        raise PictureError(root, "a folder of hand-ins was wanted, this is none")
    pairs = list(_pairs_in(root))
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        pairs += [(name if name == folder.name else f"{folder.name}/{name}", before, after) for name, before, after in _pairs_in(folder)]
    if not pairs:
        raise PictureError(
            root, "no hand-ins in it; name them NAME.png and NAME-fooled.png, or give each a subfolder with original.png and fooled.png"
        )
    return sorted(pairs)


def to_csv(grades: Iterable[Grade]) -> str:
    """The grades as a table of comma-separated values with a header, distances in [0, 1] units except linf (levels)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["name", "passed", "label", "confidence", "l2", "linf", "l1", "l0", "pixels", "psnr", "ssim", "why", "original", "fooled"]
    )
    writer.writerows(map(_row, grades))
    return text.getvalue()


def to_html(grades: Sequence[Grade], *, target: str, model: str, confidence: float = 0.9) -> str:
    """The grades as one HTML file that opens offline, with a small copy of each fooled picture."""
    rows = [{"grade": one, "picture": _thumbnail(one.fooled)} for one in grades]
    passed = sum(one.passed for one in grades)
    style = asset("page.css") + asset("grade.css")
    return render("grade.html.j2", style, "", rows=rows, passed=passed, target=target, model=model, confidence=confidence)


def _grade(name: str, original: Path, fooled: Path, model: Model, target: int, confidence: float) -> Grade:
    failed = Grade(name, original, fooled, passed=False, label=None, confidence=None, distances=None, why="")
    try:
        verdict = judge(fooled, model)
        after = read_picture(fooled, channels=model.card.picture.channels)
        judged = replace(failed, label=verdict.label, confidence=verdict.confidence(target))
    except ValueError as error:
        return replace(failed, why=_short(error, fooled))
    wrong = _wrong_answer(verdict, target, confidence)
    try:
        first = judge(original, model)
        before = read_picture(original, channels=model.card.picture.channels)
    except ValueError as error:
        return replace(judged, why="; ".join([*wrong, _short(error, original)]))
    wrong += _wrong_original(first, before, after, target)
    same_size = before.levels.shape == after.levels.shape
    return replace(
        judged,
        passed=not wrong,
        distances=distances(before.levels, after.levels) if same_size else None,
        why="; ".join([*wrong, *_remarks(after)]),
    )


def _short(error: ValueError, path: Path) -> str:
    return str(error).replace(str(path), path.name)


def _wrong_answer(verdict: Verdict, target: int, confidence: float) -> list[str]:
    reached = verdict.confidence(target)
    if verdict.label_index != target:
        return [f"read as {verdict.label}, not as {verdict.names[target]} ({reached:.4f})"]
    return [] if reached >= confidence else [f"{verdict.names[target]} only with {reached:.4f}, wanted is {confidence:g}"]


def _wrong_original(first: Verdict, before: Picture, after: Picture, target: int) -> list[str]:
    wrong = []
    if first.label_index == target:
        wrong.append(f"the original is read as {first.label} already")
    if before.levels.shape != after.levels.shape:
        wrong.append(f"different size: {before.height} x {before.width} and {after.height} x {after.width} pixels (height x width)")
    return wrong


def _remarks(after: Picture) -> list[str]:
    lossy = [f"a {after.format} file, which is lossy; judged as it is"] if after.format in LOSSY else []
    return [*lossy, *after.notes]


def _pairs_in(folder: Path) -> Iterable[tuple[str, Path, Path]]:
    files = sorted(
        (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES), key=lambda path: SUFFIXES.index(path.suffix.lower())
    )
    pictures = {path.stem: path for path in reversed(files)}  # of cat.png and cat.jpg the first in SUFFIXES
    if "original" in pictures or "fooled" in pictures:
        yield folder.resolve().name, pictures.get("original", folder / "original.png"), pictures.get("fooled", folder / "fooled.png")
        return
    for stem, path in pictures.items():
        name = _name(path)
        if name != stem:
            yield name, pictures.get(name, folder / f"{name}.png"), path


def _name(fooled: Path) -> str:
    match = _NAMED.fullmatch(fooled.stem)
    return (match["after"] or match["before"]) if match else fooled.stem


def _row(one: Grade) -> list[object]:
    found = one.distances
    measured = [""] * 7 if found is None else [getattr(found, key) for key in ("l2", "linf", "l1", "l0", "pixels", "psnr", "ssim")]
    confidence = "" if one.confidence is None else f"{one.confidence:.6f}"
    words = [_harmless(text) for text in (one.why, str(one.original), str(one.fooled))]
    return [_harmless(one.name), "yes" if one.passed else "no", _harmless(one.label or ""), confidence, *measured, *words]


def _harmless(text: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula, and the names come from those who hand in."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _thumbnail(path: Path) -> str | None:
    try:
        image = Image.fromarray(read_picture(path).levels)
    except PictureError:
        return None
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return data_uri(encode_png(np.asarray(image)))
