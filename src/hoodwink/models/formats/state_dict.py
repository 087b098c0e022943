"""A bare file of weights, for a network of the table."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from hoodwink.models.card import ModelError
from hoodwink.models.fields import FIELDS, check_fields, make_card, need_fields
from hoodwink.models.model import Model
from hoodwink.models.weights import fit, read_weights
from hoodwink.networks.table import NETWORKS


def load(name: str, fields: dict[str, Any]) -> Model:
    """Load a .pth or .safetensors file; network= names its network, mean= and std= say how pictures are normalised."""
    path = Path(name)
    check_fields(fields, ("network", *FIELDS), f"weights {path.name}")
    state, sha256 = read_weights(path)
    need_fields(fields, ("network", "mean", "std"), f"weights {path.name}")
    kind = fields["network"]
    if kind not in NETWORKS:
        raise ModelError(f"there is no network {kind!r}; known are {', '.join(NETWORKS)}")
    row = NETWORKS[kind]
    defaults = {
        "name": path.stem,
        "source": path.name,
        "size": row.size,
        "channels": row.channels,
        "classes": inspect.signature(row.make).parameters["classes"].default,
    }
    said = defaults | fields | {"network": {"name": kind, "arguments": {}}, "weights_sha256": sha256}
    card = make_card(**said)
    card.network["arguments"]["classes"] = len(card.find_classes())
    network = row.make(**card.network["arguments"])
    fit(network, {row.key(key): value for key, value in state.items()}, str(path))
    return Model(network, card)
