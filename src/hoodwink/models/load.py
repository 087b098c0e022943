"""Every way to a model: by name, by path, by prefix, or from a torch module in hand."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hoodwink.models.card import ModelError
from hoodwink.models.fields import make_card
from hoodwink.models.model import Model
from hoodwink.models.selfcheck import ModelWarning, check
from hoodwink.models.weights import SUFFIXES, hash_weights

__all__ = ["PACKAGED", "PREFIXES", "ModelError", "ModelWarning", "load_model", "wrap"]

PACKAGED = ("efficientnet-lite0",)
PREFIXES = {"python": "factory", "timm": "timm", "torchvision": "torchvision"}


def load_model(name_or_path: str | Path, *, device: torch.device | str = "cpu", **card: Any) -> Model:
    """Load a network with its card and try it on made-up pictures.

    name_or_path: a packaged name ("efficientnet-lite0"), a model folder, a file of weights (with network=, mean=, std=), a scratch
    classifier's .npz, "python:package.module:factory", "timm:NAME" or "torchvision:NAME". card: fields of the card that the source
    does not know or that are to replace its own (see `make_card`). Raises ModelError; warns with ModelWarning.
    """
    way, name = _way_in(str(name_or_path))
    loader = importlib.import_module(f"hoodwink.models.formats.{way}")
    given = {key: value for key, value in card.items() if value is not None}
    model: Model = loader.load(name, given).to(device)
    model.spec, model.options = str(name_or_path), given
    check(model)
    return model


def wrap(
    network: nn.Module,
    *,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    classes: int | str | Iterable[str],
    size: int | Sequence[int] | None = None,
    resize: int | Sequence[int] | None = None,
    filter: str = "bicubic",
    channels: int = 3,
    synonyms: Mapping[str, Iterable[str]] | None = None,
    name: str | None = None,
    source: str = "",
    licence: str = "",
) -> Model:
    """Make a model of a torch module in hand, which receives normalised pictures N x C x h x w and returns logits N x K.

    The arguments are those of `make_card`. The module is put in evaluation mode, and its parameters stop taking gradients.
    Raises ModelError; warns with ModelWarning.
    """
    kind = type(network).__name__
    card = make_card(
        network={"name": kind, "arguments": {}},
        weights_sha256=hash_weights(network),
        name=name or kind,
        mean=mean,
        std=std,
        classes=classes,
        synonyms=synonyms,
        size=size,
        resize=resize,
        filter=filter,
        channels=channels,
        source=source,
        licence=licence,
    )
    held = next((tensor.device for tensor in [*network.parameters(), *network.buffers()]), torch.device("cpu"))
    model = Model(network, card, device=held)
    check(model)
    return model


def _way_in(name: str) -> tuple[str, str]:
    """Which file of formats/ loads a name, and what it is given."""
    prefix, colon, rest = name.partition(":")
    if colon and prefix in PREFIXES:
        return PREFIXES[prefix], rest
    if name in PACKAGED:
        return "packaged", name
    path = Path(name)
    if path.is_dir():
        return "folder", name
    if path.is_file() and path.suffix in (*SUFFIXES, ".pt2"):
        return "state_dict", name
    if path.is_file() and path.suffix == ".npz":
        return "scratch", name
    known = f"a packaged network ({', '.join(PACKAGED)}), a model folder, a file of weights ({' '.join((*SUFFIXES, '.npz'))}) or a prefix"
    what = "is a file of an unknown kind" if path.is_file() else "is neither a name nor a path that is there"
    raise ModelError(f"model {name!r} {what}; wanted is {known} ({', '.join(key + ':' for key in PREFIXES)})")
