"""What a pretrained network makes of pictures, computed once and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hoodwink.data.fetch import cache_folder, keep
from hoodwink.data.sets import DataSet
from hoodwink.models.card import ModelCard
from hoodwink.models.embed import Embedder
from hoodwink.runs import sha256_bytes

FOLDER = "features"  # of the cache
PORTION = 256  # pictures whose features are one file: a kill costs no more
_BATCH = 32  # pictures that the network sees at a time
_NAME = "features"


@dataclass(frozen=True, eq=False)
class Features:
    """vectors: float32 N x D, on the CPU. seconds: that they took when they were computed, whenever that was."""

    vectors: Tensor
    seconds: float


def find_features(embed: Embedder, data: DataSet, indices: Tensor, *, say: Callable[[str], None] | None = None) -> Features:
    """The features of some pictures of a set, each prepared as the network's card says; those that the cache has are not computed again.

    A portion's file is named by a hash of its pictures' content and of the network: weights, layer and what is done to a picture. One
    that is damaged is made anew. say: is told of each portion that is computed. Raises CacheError where the cache cannot be written.
    """
    parts, seconds, done = list[Tensor](), 0.0, 0
    known = _hash_model(embed.model.card)
    for portion in torch.split(indices, PORTION):
        rows = portion.tolist()
        name = sha256_bytes("\n".join([known, *(_hash_picture(data, row) for row in rows)]).encode())
        found = _read(cache_folder(FOLDER) / f"{name}.safetensors", name, (len(rows), embed.dimension))
        if found is None:
            found = _compute(embed, data, rows)
            keep(cache_folder(FOLDER), f"{name}.safetensors", _pack(found, name))
            if say is not None:
                say(f"{data.name}:{data.split}: features of {done + len(rows):,} of {len(indices):,} pictures by {embed.model.card.name}")
        parts.append(found.vectors)
        seconds += found.seconds
        done += len(rows)
    return Features(torch.cat(parts), seconds)


def _compute(embed: Embedder, data: DataSet, rows: Sequence[int]) -> Features:
    begun = time.perf_counter()
    batches = [embed([data.pictures[row] for row in rows[start : start + _BATCH]]) for start in range(0, len(rows), _BATCH)]
    return Features(torch.from_numpy(np.concatenate(batches)), time.perf_counter() - begun)


def _hash_model(card: ModelCard) -> str:
    """Of all that a picture's features depend on, the picture apart."""
    value = card.to_json()
    return sha256_bytes(json.dumps([value[key] for key in ("weights_sha256", "network", "input")], sort_keys=True).encode())


def _hash_picture(data: DataSet, row: int) -> str:
    """Of its file, or of its levels where it has none."""
    if data.hashes is not None:
        return data.hashes[row]
    levels: Any = data.pictures[row]
    return sha256_bytes(f"{levels.shape}\n".encode() + levels.tobytes())


def _pack(found: Features, name: str) -> bytes:
    known = {"of": name, "sha256": _hash_vectors(found.vectors), "seconds": repr(found.seconds)}
    return save({_NAME: found.vectors.contiguous()}, known)


def _read(path: Path, name: str, shape: tuple[int, int]) -> Features | None:
    """What `_pack` made; None where it is not there, or is not it: a format of tensors has no checksum of its own."""
    try:
        with safe_open(path, framework="pt") as file:
            known, vectors = file.metadata() or {}, file.get_tensor(_NAME)
        seconds = float(known["seconds"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    fits = vectors.dtype == torch.float32 and tuple(vectors.shape) == shape and known.get("of") == name
    return Features(vectors, seconds) if fits and known.get("sha256") == _hash_vectors(vectors) else None


def _hash_vectors(vectors: Tensor) -> str:
    return hashlib.sha256(vectors.contiguous().numpy().data).hexdigest()
