"""The judge: reads a picture or a text from its bytes, asks the original network once, and says what it saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hoodwink.models.card import ModelCard, TextInput
from hoodwink.models.classes import Classes
from hoodwink.models.model import Model
from hoodwink.pictures.read import MAX_PIXELS, Picture, picture_from_array, read_bytes, read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.texts.read import Text, TextError, read_text
from hoodwink.texts.tokens import CUTS


@dataclass(frozen=True, eq=False)
class Verdict:
    """What one network says of one file.

    probabilities: float64, K, the softmax in float64 of logits: float32, K, as the network gave them. `file` is the path
    as it was given (None for an array), `sha256` that of the file's bytes; notes say what was done to the picture to read it.
    """

    probabilities: np.ndarray[Any, np.dtype[np.float64]]
    logits: np.ndarray[Any, np.dtype[np.float32]]
    classes: Classes
    model: str
    weights_sha256: str
    file: str | None
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the K classes, in the order of the probabilities."""
        return self.classes.names

    @property
    def label_index(self) -> int:
        """The index of the most probable class (the first, of equals)."""
        return int(np.argmax(self.logits))

    @property
    def label(self) -> str:
        """The name of the most probable class."""
        return self.names[self.label_index]

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes and their probabilities in [0, 1], most probable first."""
        return [(self.names[i], float(self.probabilities[i])) for i in self._order(k)]

    def confidence(self, cls: str | int) -> float:
        """The probability, in [0, 1], of a class given by name, synonym or index; ClassError names the nearest where there is none."""
        return float(self.probabilities[self.classes.find(cls)])

    def log_odds(self, cls: str | int) -> float:
        """The class's logit minus the log-sum-exp of all others: at least log(c / (1 - c)) exactly when its probability is at least c."""
        index = self.classes.find(cls)
        logits = self.logits.astype(np.float64)
        return float(logits[index] - _logsumexp(np.delete(logits, index)))

    def to_json(self, k: int = 5) -> dict[str, Any]:
        """The verdict with its k most probable classes, as JSON values."""
        top = [{"class": self.names[i], "index": int(i), "probability": float(self.probabilities[i])} for i in self._order(k)]
        return {
            "file": self.file,
            "sha256": self.sha256,
            "model": self.model,
            "weights_sha256": self.weights_sha256,
            "label": self.label,
            "label_index": self.label_index,
            "top": top,
            "notes": list(self.notes),
        }

    def _order(self, k: int) -> list[int]:
        return [int(i) for i in np.argsort(-self.logits, kind="stable")[:k]]

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{p:.4f}</td></tr>" for name, p in self.top())
        return f"<table><caption>{escape(self.model)}: {escape(self.file or 'array')}</caption>{rows}</table>"


def judge(
    source: str | Path | Picture | Text | object, model: Model, *, at_model_size: bool = False, max_pixels: int = MAX_PIXELS
) -> Verdict:
    """Say what the network sees in a file.

    source: a path, a Picture, or a uint8 array H x W x C, H x W x 1 or H x W; the last two are judged from their encoded
    PNG bytes; for a network that reads texts, a path or a Text (see `make_text`). at_model_size: the picture is taken as it is, neither
    resized nor cropped, and must have the network's size.
    max_pixels: larger pictures are refused before they are decoded. Raises PictureError for what cannot be read and ValueError for a
    size that does not fit.
    """
    model.card.need("classify")
    if isinstance(model.card.input, TextInput):
        return _judge_text(source, model)
    picture = _from_bytes(source, model.card.picture.channels, max_pixels)
    logits = alone(model, _encode(model, picture, at_model_size))
    return _verdict(logits, model, picture.path, picture.sha256, picture.notes)


def _judge_text(source: object, model: Model) -> Verdict:
    if not isinstance(source, (str, Path, Text)):
        raise TextError(f"{model.card.name} reads texts: a file or make_text(...) was wanted, {type(source).__name__} came")
    text = source if isinstance(source, Text) else read_text(source)
    return _verdict(alone(model, model.encode(text.content)), model, text.path, text.sha256, _passed_over(text.content, model.card))


def _passed_over(content: str, card: ModelCard) -> tuple[str, ...]:
    """What the network does not read of a text."""
    read = card.reader.read(content)
    if isinstance(card.input, TextInput) and card.input.unit == "words":
        there = len(CUTS[card.input.cut](content))
        return (f"{there - len(read)} of {there} words are not known and passed over",) if len(read) < there else ()
    written = card.reader.write(read)
    return () if written == content.strip() else (f"read as {written!r}",)


def _verdict(
    logits: np.ndarray[Any, np.dtype[np.float32]], model: Model, path: Path | None, sha256: str, notes: tuple[str, ...]
) -> Verdict:
    weights = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = weights / weights.sum()
    for array in (logits, probabilities):
        array.setflags(write=False)
    return Verdict(
        probabilities=probabilities,
        logits=logits,
        classes=model.classes,
        model=model.card.name,
        weights_sha256=model.card.weights_sha256,
        file=None if path is None else str(path),
        sha256=sha256,
        notes=notes,
    )


def _from_bytes(source: object, channels: int, max_pixels: int) -> Picture:
    if isinstance(source, (str, Path)):
        return read_picture(Path(source), channels=channels, max_pixels=max_pixels)
    picture = source if isinstance(source, Picture) else picture_from_array(source, channels=channels)
    again = read_bytes(encode_png(picture.levels), "array", channels=channels, max_pixels=max(max_pixels, picture.levels.size))
    return replace(again, notes=picture.notes + again.notes)


def _encode(model: Model, picture: Picture, at_model_size: bool) -> torch.Tensor:
    if not at_model_size:
        return model.encode(picture)
    asked = model.card.picture
    wanted = asked.size or (asked.resize if isinstance(asked.resize, tuple) else None)
    if wanted is not None and (picture.height, picture.width) != wanted:
        name = picture.path.name if picture.path else "the array"
        raise ValueError(
            f"{name}: at model size {wanted[0]} x {wanted[1]} pixels (height x width) were wanted, it has "
            f"{picture.height} x {picture.width}; judge it without at_model_size, and it is resized and cropped"
        )
    whole = replace(model.card, input=replace(asked, resize=None, size=None))
    return Model(model.network, whole, device=model.device).encode(picture)


def alone(model: Model, encoded: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The network's outputs, K, for one input, 1 x ..., in a batch of its own."""
    # TF32 convolutions, the default on recent GPUs, move a confidence by more than the margin of a claim.
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        logits = model.outputs(encoded)
    return logits[0].float().cpu().numpy().copy()


def _logsumexp(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    highest = values.max()
    return float(highest + np.log(np.exp(values - highest).sum()))
