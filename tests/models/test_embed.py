from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import hoodwink as hw
from hoodwink.models.card import ModelError
from hoodwink.models.embed import as_embedder, last_layer
from hoodwink.models.model import Model
from tiny_nets import NAMES


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 5), nn.ReLU(), nn.Linear(5, 3)]
    return nn.Sequential(*layers)


def model() -> Model:
    return hw.wrap(network(), mean=0.5, std=0.25, classes=NAMES, size=8, name="small")


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:  # type: ignore[type-arg]
    return list(np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8))


def test_embeddings_are_what_enters_the_last_layer() -> None:
    made = model()
    assert last_layer(made) == "6"
    embedder = as_embedder(made)
    assert embedder.dimension == 5 and embedder.model.card.task == "embed"
    found = embedder(pictures(6))
    wanted = made.network[:6](made.encode_all(pictures(6)))  # type: ignore[index, operator]
    assert found.dtype == np.float32 and np.allclose(found, wanted.detach().numpy(), atol=1e-4)
    assert np.allclose(found, embedder.model.outputs(embedder.model.encode_all(pictures(6))).numpy(), atol=1e-4)
    assert embedder([]).shape == (0, 5)
    assert made.outputs(made.encode(pictures(1)[0])).shape == (1, 3), "the model itself stays as it is"


def parted() -> Model:
    parts = list(network())
    whole = nn.Sequential(nn.Sequential(*parts[:4]), nn.Sequential(*parts[4:]))
    return hw.wrap(whole, mean=0.5, std=0.25, classes=NAMES, size=8, name="parted")


def test_another_layer_may_be_left_out() -> None:
    assert as_embedder(parted()).dimension == 5 and as_embedder(parted(), "1").dimension == 4 * 64


def test_an_embedder_is_taken_as_it_is() -> None:
    embedder = as_embedder(model())
    again = as_embedder(embedder.model)
    assert np.allclose(again(pictures(3)), embedder(pictures(3)))
    with pytest.raises(ModelError, match="a network to classify was wanted, this one is to embed; hoodwink search takes it"):
        embedder.model.card.need("classify")


def test_the_packaged_network_has_1280_features() -> None:
    assert last_layer(hw.load_model("efficientnet-lite0")) == "classifier"


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = 2 * self.inner(x)
        return out


def test_what_does_not_fit_is_said() -> None:
    odd = hw.wrap(Doubled(), mean=0, std=1, classes=NAMES, size=8, name="doubled")
    with pytest.raises(ModelError, match="doubled: a network that ends with a linear layer was wanted"):
        as_embedder(odd)
    with pytest.raises(ModelError, match="layer: doubled does not end with 'inner.6'; what it gives is not what the network gives"):
        as_embedder(odd, "inner.6")
    with pytest.raises(ModelError, match="layer: small has no 'head'; its last layers are 2, 3, 4, 5, 6"):
        as_embedder(model(), "head")
    with pytest.raises(ModelError, match="layer: small does not end with '4'"):
        as_embedder(model(), "4")
    with pytest.raises(ModelError, match="layer: parted has no 'head'; its last layers are 0.2, 0.3, 1.0, 1.1, 1.2"):
        as_embedder(parted(), "head")
    flat = hw.wrap(nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(192, 3))), mean=0, std=1, classes=NAMES, size=8, name="flat")
    assert as_embedder(flat, "1").dimension == 192
    maps = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Flatten(), nn.Linear(144, 3)))
    with pytest.raises(ModelError, match="layer: '1' cannot be left out: maps: "):
        as_embedder(hw.wrap(maps, mean=0, std=1, classes=NAMES, size=8, name="maps"), "1")
