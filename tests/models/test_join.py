from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import hoodwink as hw
from hoodwink.models.build import build
from hoodwink.models.card import ModelCard, ModelError, PictureInput
from hoodwink.models.join import join
from hoodwink.models.model import Model
from hoodwink.models.weights import hash_weights


def autoencoder(side: int = 8) -> Model:
    torch.manual_seed(0)
    network = build("autoencoder", {"channels": 1, "side": side, "code": 6})
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(4)
    given = PictureInput(channels=1, resize=(side, side), size=(side, side), mean=(0.0,), std=(1.0,))
    told = {"name": "autoencoder", "arguments": {"channels": 1, "side": side, "code": 6}}
    return Model(network, ModelCard(name="small", task="reconstruct", network=told, weights_sha256=hash_weights(network), input=given))


def classifier(side: int = 8) -> Model:
    torch.manual_seed(1)
    arguments = {"inputs": side * side, "hidden": [7], "classes": 3, "dropout": 0.0}
    network = build("mlp", arguments)
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(3)
    given = PictureInput(channels=1, resize=(side, side), size=(side, side), mean=(0.3,), std=(0.2,))
    told = {"name": "mlp", "arguments": arguments}
    card = ModelCard(name="reader", network=told, weights_sha256=hash_weights(network), input=given, classes=("a", "b", "c"))
    return Model(network, card)


def test_the_classifier_sees_what_the_autoencoder_makes(tmp_path: Path) -> None:
    first, second = autoencoder(), classifier()
    joined = join(first, second)
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    made = first.outputs(first.encode(levels))
    assert torch.allclose(joined.outputs(joined.encode(levels)), second.outputs((made - 0.3) / 0.2), atol=1e-5)
    assert joined.card.name == "reader after small" and joined.classes.names == ("a", "b", "c")
    again = hw.load_model(joined.save(tmp_path / "joined"))
    assert torch.equal(again.outputs(again.encode(levels)), joined.outputs(joined.encode(levels)))
    with torch.no_grad():
        for value in first.network.parameters():
            value.zero_()
    assert torch.equal(again.outputs(again.encode(levels)), joined.outputs(joined.encode(levels))), "its weights are its own"


def test_every_verb_takes_it(tmp_path: Path) -> None:
    model = join(autoencoder(), classifier())
    levels = np.random.default_rng(1).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    label = hw.judge(levels, model).label
    result = hw.fool(levels, model=model, steps=100)
    assert result.fooled and hw.judge(result.picture, model).label != label
    found = hw.audit(model, levels[None], np.array([model.find(label)]), eps=1.0, sentinels=0)
    assert found.robust_accuracy == 0


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ModelError, match="a network to reconstruct was wanted, this one is to classify"):
        join(classifier(), classifier())
    with pytest.raises(ModelError, match="a classifier of pictures 12 x 12 x 1 .* as small makes them, was wanted"):
        join(autoencoder(12), classifier())


def test_a_network_to_reconstruct_is_checked() -> None:
    from hoodwink.models.selfcheck import check

    model = autoencoder()
    model.network.decoder = nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (1, 8, 8))).eval()  # type: ignore[assignment]
    with torch.no_grad():
        model.network.decoder[0].bias.fill_(3.0)  # type: ignore[index, union-attr, operator]
    with pytest.raises(ModelError, match="pictures in \\[0, 1\\] are wanted of it, others came"):
        check(model)
