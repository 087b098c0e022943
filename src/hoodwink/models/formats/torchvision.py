"""Networks of torchvision (an optional extra); the card comes from torchvision's own record of the weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hoodwink.models.build import import_extra
from hoodwink.models.card import ModelError
from hoodwink.models.fields import FIELDS, check_fields, make_card
from hoodwink.models.model import Model
from hoodwink.models.weights import hash_weights

# What the published weights switch in a network beyond its shape; without it the network could not be built again.
_SWITCHES = ("transform_input", "aux_logits")
_SLOW_START = ("googlenet", "inception_v3")  # they warn, and take long, unless told not to draw their random weights in a special way


def load(name: str, fields: dict[str, Any]) -> Model:
    """Load a network by torchvision's name, "resnet50" or "resnet50.IMAGENET1K_V1" with its weights; pretrained=False: random ones."""
    spec = f"torchvision:{name}"
    check_fields(fields, ("pretrained", *FIELDS), spec)
    said = dict(fields)
    record = _record(name)
    network = create(name, pretrained=said.pop("pretrained", True))
    arguments = {switch: getattr(network, switch) for switch in _SWITCHES if hasattr(network, switch)}
    names = record.meta["categories"]
    preset = record.transforms()
    card = {
        "network": {"name": spec, "arguments": arguments},
        "weights_sha256": hash_weights(network),
        "name": name,
        "source": spec,
        "size": preset.crop_size[0],
        "resize": preset.resize_size[0],
        "filter": preset.interpolation.value,
        "mean": preset.mean,
        "std": preset.std,
        "classes": "imagenet-1k" if len(names) == 1000 else names,
    }
    return Model(network, make_card(**(card | said)))


def create(name: str, *, pretrained: bool, **arguments: Any) -> nn.Module:
    """Build torchvision's network, with its published weights or random ones; ModelError where torchvision cannot."""
    record = _record(name)
    models = import_extra("torchvision.models")
    kind = name.partition(".")[0]
    if pretrained and os.environ.get("HOODWINK_OFFLINE") == "1" and not _stored(record).exists():
        raise ModelError(
            f"torchvision:{name} has to be downloaded and HOODWINK_OFFLINE is set; unset it, or put the weights at {_stored(record)}"
        )
    if not pretrained and kind in _SLOW_START:
        arguments["init_weights"] = False
    try:
        network: nn.Module = models.get_model(kind, weights=record if pretrained else None, **arguments)
    except Exception as error:  # absent weights and broken connections raise whatever torch's own tools raise
        reason = (str(error) or type(error).__name__).partition("\n")[0]
        raise ModelError(f"torchvision:{name} cannot be loaded ({reason}); pretrained=False builds it with random weights") from error
    return network


def _stored(record: Any) -> Path:
    """Where torch keeps these weights once they are downloaded."""
    folder, url = str(torch.hub.get_dir()), str(record.url)
    return Path(folder) / "checkpoints" / url.rpartition("/")[2]


def _record(name: str) -> Any:
    """The entry of torchvision's weights that a name means: the one after the dot, or the default."""
    models = import_extra("torchvision.models")
    kind, _, tag = name.partition(".")
    try:
        record = models.get_model_weights(kind)[tag or "DEFAULT"]
    except ValueError as error:
        raise ModelError(f"torchvision has no network {kind!r}; torchvision.models.list_models() lists them") from error
    except KeyError as error:
        tags = ", ".join(entry.name for entry in models.get_model_weights(kind))
        raise ModelError(f"torchvision:{kind} has no weights {tag!r}; it has {tags}") from error
    if not hasattr(record.transforms(), "crop_size") or "categories" not in record.meta:
        raise ModelError(f"torchvision:{name}: classifies no pictures; take one of torchvision.models.list_models(torchvision.models)")
    return record
