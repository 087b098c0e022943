from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from hoodwink.models.load import ModelError, load_model
from hoodwink.networks.efficientnet_lite import efficientnet_lite0
from hoodwink.networks.resnet import resnet2b

SHARED = Path(__file__).parents[4] / "shared" / "data" / "hardened" / "resnet2b.pth"
CIFAR: dict[str, Any] = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2471, 0.2435, 0.2616)}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save({"state_dict": resnet2b().state_dict(), "epoch": 3}, tmp_path / "net.pth")
    return tmp_path / "net.pth"


def test_the_network_says_size_and_number_of_classes(weights: Path) -> None:
    one = load_model(weights, network="resnet2b", **CIFAR, filter=None)
    assert one.card.name == "net"
    assert one.classes.names == tuple("0123456789")
    assert (one.card.input.size, one.card.input.resize) == ((32, 32), 32)
    assert one.card.input.mean == CIFAR["mean"]


def test_classes_say_the_number_of_outputs(tmp_path: Path) -> None:
    save_file(resnet2b(classes=3).state_dict(), tmp_path / "net.safetensors")
    one = load_model(str(tmp_path / "net.safetensors"), network="resnet2b", **CIFAR, classes=["a", "b", "c"], name="mine", licence="MIT")
    assert (one.card.name, one.card.licence, one.find("c")) == ("mine", "MIT", 2)
    assert one.card.network["arguments"] == {"classes": 3}


def test_published_keys_are_translated(tmp_path: Path) -> None:
    state = efficientnet_lite0(classes=4).state_dict()
    state["_fc.bias"] = state.pop("classifier.bias")
    torch.save(state, tmp_path / "net.pt")
    assert len(load_model(tmp_path / "net.pt", network="efficientnet-lite0", mean=0.5, std=0.5, classes=4).classes) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "weights net.pth does not say its network and mean and std; give network=, mean=, std="),
        ({"network": "resnet2b", "mean": 0.5}, "give std="),
        ({"network": "resnet3", "mean": 0.5, "std": 0.5}, "no network 'resnet3'; known are efficientnet-lite0, resnet2b"),
        ({"network": "resnet2b", "mean": 0.5, "std": 0.5, "classes": 4}, "linear2.weight 10 x 100, wanted 4 x 100.*give classes="),
        ({"network": "efficientnet-lite0", "mean": 0.5, "std": 0.5}, r"\d+ missing \(stem.conv.weight, .*16 unexpected \(conv1.weight"),
        ({"network": "resnet2b", "mean": 0.5, "std": 0.5, "maen": 1}, "does not take maen"),
    ],
)
def test_what_does_not_fit_is_one_line(weights: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(weights, **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not SHARED.exists(), reason=f"the published file of the 2021 competition is not at {SHARED}")
def test_the_published_file_loads() -> None:
    one = load_model(SHARED, network="resnet2b", **CIFAR)
    assert one.outputs(torch.zeros(1, 3, 32, 32)).isfinite().all()
