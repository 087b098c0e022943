"""Small networks of texts with weights drawn at random: of letters, and of words with made vectors."""

from __future__ import annotations

import numpy as np
import torch

from hoodwink.data.made_vectors import made_vectors
from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, TextInput
from hoodwink.models.model import Model
from hoodwink.models.weights import hash_weights

LETTERS = "ABCDEabcde'"


def of_letters(seed: int = 0, classes: int = 3) -> Model:
    """An LSTM over a few letters, whose answers are far apart."""
    torch.manual_seed(seed)
    arguments = {"inputs": len(LETTERS) + 1, "cell": "lstm", "hidden": 16, "layers": 1, "classes": classes}
    return _model("sequence", arguments, TextInput(unit="letters", letters=LETTERS), tuple(f"class {k}" for k in range(classes)))


def of_words(seed: int = 0) -> Model:
    """The mean of made vectors, whose first number is whether a word is good or bad."""
    vectors = made_vectors()
    arguments = {"inputs": len(vectors) + 1, "width": vectors.array.shape[1], "hidden": [], "classes": 2, "mean": True}
    model = _model("bag", arguments, TextInput(unit="words", words=vectors.words, cut="words"), ("negative", "positive"))
    with torch.no_grad():
        model.network.table.fill(torch.from_numpy(np.array(vectors.array)))  # type: ignore[union-attr, operator]
        weight = model.network.layers[0].weight  # type: ignore[index, union-attr]
        weight.zero_()
        weight[1, 0], weight[0, 0] = 5.0, -5.0
        model.network.layers[0].bias.zero_()  # type: ignore[index, union-attr, operator]
    return model


def _model(name: str, arguments: dict[str, object], given: TextInput, classes: tuple[str, ...]) -> Model:
    network = build(name, arguments)
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(3)
    card = ModelCard(
        name=f"tiny-{name}",
        network={"name": name, "arguments": arguments},
        weights_sha256=hash_weights(network),
        input=given,
        classes=classes,
    )
    return Model(network, card)
