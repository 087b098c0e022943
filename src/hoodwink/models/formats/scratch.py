"""A classifier by hand, in NumPy, as `hoodwink.scratch` saves it: the same weights in torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hoodwink.models.card import ModelError
from hoodwink.models.fields import check_fields, make_card
from hoodwink.models.model import Model
from hoodwink.scratch.classifier import Classifier, ScratchError, load_classifier

_FIELDS = ("name", "classes", "synonyms", "source", "licence")  # the file knows the others


def load(name: str, fields: dict[str, Any]) -> Model:
    """Load an .npz file that `Classifier.save` wrote, as float32; no code in it is run."""
    path = Path(name)
    check_fields(fields, _FIELDS, f"scratch classifier {path.name}")
    try:
        classifier = load_classifier(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except ScratchError as error:
        raise ModelError(str(error)) from error
    height, width, channels = classifier.shape
    said: dict[str, Any] = {
        "name": path.stem,
        "source": path.name,
        "classes": classifier.classes,
        "size": (height, width),
        "channels": channels,
        "mean": classifier.mean,
        "std": classifier.std,
    }
    network = {"name": "scratch", "arguments": {"sizes": list(classifier.sizes)}}
    return Model(to_torch(classifier), make_card(network=network, weights_sha256=sha256, **(said | fields)))


def to_torch(classifier: Classifier) -> nn.Sequential:
    """The torch module with the same weights: normalised pictures N x C x H x W to logits N x K."""
    layers: list[nn.Module] = [nn.Flatten()]
    for index, (w, b) in enumerate(zip(classifier.weights, classifier.biases, strict=True)):
        weight = torch.tensor(w, dtype=torch.float32)
        if index == 0:  # its rows count H, W, C, and torch's pictures are flattened as C, H, W
            weight = weight.reshape(*classifier.shape, -1).permute(2, 0, 1, 3).flatten(0, 2)
        layers += [_linear(weight.T, torch.tensor(b, dtype=torch.float32)), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer
