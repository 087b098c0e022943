"""Networks of timm (an optional extra); the card comes from timm's own record of the weights."""

from __future__ import annotations

import math
import os
from difflib import get_close_matches
from typing import Any

from torch import nn

from hoodwink.models.build import import_extra
from hoodwink.models.card import ModelError
from hoodwink.models.fields import FIELDS, check_fields, make_card
from hoodwink.models.model import Model
from hoodwink.models.weights import hash_weights


def load(name: str, fields: dict[str, Any]) -> Model:
    """Load a network by timm's name for it, such as "resnet18.a1_in1k"; pretrained=False leaves its weights random."""
    spec = f"timm:{name}"
    check_fields(fields, ("pretrained", *FIELDS), spec)
    said = dict(fields)
    network = create(name, pretrained=said.pop("pretrained", True))
    record: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    card = {"network": {"name": spec, "arguments": {}}, "weights_sha256": hash_weights(network), "name": name, "source": spec}
    return Model(network, make_card(**(card | _picture(record, spec) | _labels(record, spec) | said)))


def create(name: str, *, pretrained: bool) -> nn.Module:
    """Build timm's network, with its published weights or random ones; ModelError where timm cannot."""
    if os.environ.get("HOODWINK_OFFLINE") == "1":
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read by timm's downloader when it is first imported
    timm = import_extra("timm")
    kind = name.partition(".")[0]
    if not timm.is_model(kind):
        near = get_close_matches(kind, timm.list_models(), n=3)
        raise ModelError(
            f"timm has no network {kind!r}; {'names like it: ' + ', '.join(near) if near else 'timm.list_models() lists them'}"
        )
    try:
        network: nn.Module = timm.create_model(name, pretrained=pretrained)
    except Exception as error:  # absent weights and broken connections raise whatever timm's own tools raise
        reason = (str(error) or type(error).__name__).partition("\n")[0]
        raise ModelError(f"timm:{name} cannot be loaded ({reason}); pretrained=False builds it with random weights") from error
    return network


def _picture(record: dict[str, Any], spec: str) -> dict[str, Any]:
    """The preprocessing that timm evaluates with."""
    channels, height, width = record["input_size"]
    resized = tuple(math.floor(side / record["crop_pct"]) for side in (height, width))
    mode = record.get("crop_mode") or "center"
    if mode not in ("center", "squash") or (mode == "center" and height != width):
        raise ModelError(f"{spec}: its pictures are prepared in a way that a card cannot say (crop mode {mode!r} to {height} x {width})")
    return {
        "channels": channels,
        "size": (height, width),
        "resize": resized if mode == "squash" else resized[0],
        "filter": record["interpolation"],
        "mean": record["mean"],
        "std": record["std"],
    }


def _labels(record: dict[str, Any], spec: str) -> dict[str, Any]:
    count = record["num_classes"]
    if not count:
        raise ModelError(f"{spec}: is no classifier, it has no classes; take weights of it that have")
    names = record.get("label_names")
    licence = {"licence": record.get("license") or ""}
    return licence | {"classes": "imagenet-1k" if count == 1000 and not names else names or count}
