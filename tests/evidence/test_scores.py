from __future__ import annotations

import numpy as np
import pytest
import torch

from hoodwink.data.sets import DataSet
from hoodwink.evidence.scores import score_of
from hoodwink.models.card import ModelCard, PictureInput
from hoodwink.models.model import Model
from hoodwink.networks.autoencoders import VAE


@pytest.mark.parametrize("side", [8, 101])  # the larger ones are asked fewer at a time
def test_the_nats_of_a_set_are_those_that_a_training_measures(side: int) -> None:
    torch.manual_seed(0)
    network = VAE(side=side, hidden=3, code=2)
    with torch.no_grad():
        network.log_variance.bias.fill_(3.0)  # so that the noise of each picture plays a part
    given = PictureInput(channels=1, resize=(side, side), size=(side, side), mean=(0.0,), std=(1.0,))
    card = ModelCard(name="small", task="reconstruct", network={"name": "vae", "arguments": {}}, weights_sha256="", input=given)
    levels = np.random.default_rng(0).integers(0, 256, (60, side, side, 1), dtype=np.uint8)
    model, data = Model(network, card), DataSet("noise", "test", levels, None, ())
    whole = float(network.bound(model.encode_all(list(levels))).mean())
    assert score_of("nats", model, data) == pytest.approx(whole, rel=1e-6)
