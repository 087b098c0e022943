from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from hoodwink.models.card import FILTERS, ModelCard, ModelError, PictureInput
from hoodwink.models.load import load_model
from hoodwink.models.model import Levels, Model
from hoodwink.networks.resnet import resnet2b


def card(**picture: Any) -> ModelCard:
    channels = picture.get("channels", 3)
    wanted = PictureInput(**{"mean": (0.4,) * channels, "std": (0.3,) * channels} | picture)
    network = {"name": "resnet2b", "arguments": {"classes": 10}}
    return ModelCard(name="small", network=network, weights_sha256="", input=wanted, classes=tuple("abcdefghij"))


def model(**picture: Any) -> Model:
    return Model(resnet2b(), card(**picture))


def noise(height: int, width: int, channels: int = 3) -> Levels:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@given(
    size=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    resize=st.none() | st.integers(8, 40) | st.tuples(st.integers(8, 40), st.integers(8, 40)),
    crop=st.none() | st.just((8, 7)),
    filter=st.sampled_from(FILTERS),
    channels=st.sampled_from([1, 3]),
)
def test_encode_is_pillow_then_arithmetic(size: tuple[int, int], resize: Any, crop: Any, filter: str, channels: int) -> None:
    one = model(resize=resize, size=crop, filter=filter, channels=channels)
    levels = noise(*size, channels)
    spot = one.card.input.geometry(*size)
    image = Image.fromarray(levels.squeeze(2) if channels == 1 else levels)
    resized = image.resize(spot.resized[::-1], getattr(Image.Resampling, filter.upper()))
    seen = np.asarray(resized).reshape(*spot.resized, channels)[spot.top : spot.top + spot.size[0], spot.left : spot.left + spot.size[1]]
    wanted = (seen.astype(np.float32) / np.float32(255) - np.float32(0.4)) / np.float32(0.3)
    encoded = one.encode(levels)
    assert encoded.dtype == torch.float32
    assert np.array_equal(encoded.numpy(), wanted.transpose(2, 0, 1)[None])


def test_encode_takes_a_picture_record() -> None:
    one = model(size=(32, 32))
    levels = noise(40, 40)
    levels.setflags(write=False)
    assert torch.equal(one.encode(SimpleNamespace(levels=levels)), one.encode(levels))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("came", "message"),
    [
        (noise(40, 40, 1), r"H x W x 3, and uint8 \(40, 40, 1\) came; read it with read_picture\(channels=3\)"),
        (noise(40, 40).astype(np.float32), "float32"),
        (noise(40, 40)[None], r"\(1, 40, 40, 3\)"),
        ("cat.png", "str came"),
    ],
)
def test_encode_refuses_what_is_no_picture(came: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model().encode(came)


def test_the_network_is_in_evaluation_mode_without_parameter_gradients() -> None:
    one = model()
    assert not one.network.training
    assert not any(parameter.requires_grad for parameter in one.network.parameters())
    x = torch.zeros(2, 3, 32, 32, requires_grad=True)
    assert one.outputs(x).shape == (2, 10)
    (gradient,) = torch.autograd.grad(one.outputs(x).sum(), x)
    assert gradient.abs().sum() > 0


def test_features_are_what_the_layer_gives() -> None:
    one = model()
    x = torch.randn(2, 3, 32, 32)
    assert one.features(x, "layer1.0").shape == (2, 16, 8, 8)
    assert torch.equal(one.features(x, "linear2"), one.outputs(x))
    assert not any(module._forward_hooks for module in one.network.modules())


def test_an_unknown_layer_lists_layers() -> None:
    with pytest.raises(ModelError, match="no layer 'liner1'; its layers are, for example, linear1"):
        model().features(torch.zeros(1, 3, 32, 32), "liner1")
    with pytest.raises(ModelError, match="no layer ''; .*conv1, relu1, layer1"):
        model().features(torch.zeros(1, 3, 32, 32), "")


def test_a_layer_that_is_not_called_is_said() -> None:
    network = resnet2b()
    network.spare = nn.Linear(1, 1)
    with pytest.raises(ModelError, match="'spare' of small is not called"):
        Model(network, card()).features(torch.zeros(1, 3, 32, 32), "spare")


def test_classes() -> None:
    one = model()
    assert (one.find("B"), one.find(1), one.class_name(1)) == (1, 1, "b")
    assert repr(one) == "Model('small', 10 classes, on cpu)"


@pytest.mark.parametrize("device", ["nowhere", "cuda:77"])
def test_a_device_that_cannot_be_used_is_one_line(device: str) -> None:
    with pytest.raises(ModelError, match=f"device '{device}' cannot be used") as caught:
        model().to(device)
    assert "\n" not in str(caught.value)


def test_a_saved_folder_is_the_same_model(tmp_path: Path) -> None:
    one = model(size=(32, 32), resize=32)
    folder = one.save(tmp_path / "new" / "folder")
    again = load_model(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "weights.safetensors"]
    assert again.card.to_json() | {"weights_sha256": ""} == one.card.to_json()
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(again.outputs(x), one.outputs(x))
    before = (folder / "card.json").read_bytes()
    assert again.save(folder) == folder
    assert (folder / "card.json").read_bytes() == before


def test_a_network_that_could_not_be_built_again_is_not_saved(tmp_path: Path) -> None:
    value = card().to_json() | {"network": {"name": "python:mine:make", "arguments": {}}}
    with pytest.raises(ModelError, match="'python:mine:make' is not one; save network.state_dict"):
        Model(resnet2b(), ModelCard.from_json(json.loads(json.dumps(value)))).save(tmp_path)
    assert not list(tmp_path.iterdir())
