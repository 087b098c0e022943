"""A model folder: card.json and weights.safetensors, as `Model.save` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, ModelError
from hoodwink.models.fields import check_fields
from hoodwink.models.model import CARD_FILE, WEIGHTS_FILE, Model
from hoodwink.models.weights import fit, read_weights


def load(name: str, fields: dict[str, Any]) -> Model:
    """Load a folder; the weights must be those that the card names by their SHA-256."""
    check_fields(fields, (), f"model folder {name}")
    folder = Path(name)
    card = _read_card(folder / CARD_FILE)
    state, sha256 = read_weights(folder / WEIGHTS_FILE)
    if sha256 != card.weights_sha256:
        raise ModelError(
            f"{folder / WEIGHTS_FILE}: these are other weights than the card's: SHA-256 {sha256}, the card says {card.weights_sha256}; "
            "restore the folder from where it came"
        )
    network = build(card.network["name"], card.network["arguments"])
    fit(network, state, str(folder / WEIGHTS_FILE))
    return Model(network, card)


def _read_card(path: Path) -> ModelCard:
    try:
        return ModelCard.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise ModelError(f"{path.parent}: is no model folder, it has no {path.name}; Model.save(directory) makes one") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except ValueError as error:
        raise ModelError(f"{path}: is not JSON ({error})") from error
