"""Folders of pictures of one grey each, and what a store thinks of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hoodwink.pictures.write import encode_png
from hoodwink.search.folder import Plan, embed_new, plan, settle
from hoodwink.search.storage import Storage

GROUPS = ("new", "changed", "twins", "moved", "copied", "touched", "gone", "broken")


def draw(path: Path, value: int) -> Path:
    """A picture of one grey, which is its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((2 + value % 3, 4, 3), value, np.uint8)))
    return path


def embed(pictures: Any) -> Any:
    """The grey and one, in 16 dimensions."""
    out = np.zeros((len(pictures), 16))
    out[:, 0], out[:, 1] = [one[0, 0, 0] for one in pictures], 100
    return out


def keep_up(store: Storage, folder: Path) -> None:
    embed_new(store, settle(store, plan(folder, store)), embed, 3)


def greys(store: Storage) -> dict[str, int]:
    """What the store thinks each picture shows, from its embedding."""
    ids = store.ids()
    named = store.files(ids)
    return {Path(named[int(k)].path).name: round(float(row[0] / row[1] * 100)) for k, row in zip(ids, store.vectors(ids), strict=True)}


def names(found: Plan) -> dict[str, Any]:
    """The groups that are not empty, by file names."""
    out: dict[str, Any] = {}
    for group in GROUPS:
        ones = getattr(found, group)
        if group == "moved":
            out[group] = {Path(source).name: Path(file.path).name for source, file in ones}
        else:
            out[group] = sorted(Path(one if isinstance(one, str) else one.path).name for one in ones)
    return {group: ones for group, ones in out.items() if ones}
