from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hoodwink.models.load import ModelError, load_model


@pytest.fixture(autouse=True)
def models(torchvision_operators: object) -> Any:
    return pytest.importorskip("torchvision.models", reason="torchvision is not installed (pip install 'hoodwink[torchvision]')")


@pytest.mark.parametrize(("name", "resize"), [("mobilenet_v2", 232), ("mobilenet_v2.IMAGENET1K_V1", 256)])
def test_the_record_of_the_weights_becomes_the_card(name: str, resize: int) -> None:
    card = load_model(f"torchvision:{name}", pretrained=False).card
    assert (card.input.resize, card.input.size, card.input.filter) == (resize, (224, 224), "bilinear")
    assert (card.input.mean, card.input.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (card.name, card.wordlist) == (name, "imagenet-1k")


def test_our_class_names_are_torchvisions_but_for_three(models: Any) -> None:
    names = models.ResNet18_Weights.DEFAULT.meta["categories"]
    ours = load_model("torchvision:mobilenet_v3_small", pretrained=False).classes
    assert [index for index, name in enumerate(names) if ours.names[index] != name] == [264, 517]
    assert all(name in (ours.names[index], *ours.synonyms[index]) for index, name in enumerate(names))


def test_preprocessing_is_torchvisions(models: Any) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (300, 451, 3), dtype=np.uint8)
    one = load_model("torchvision:mobilenet_v3_small", pretrained=False)
    theirs = models.MobileNet_V3_Small_Weights.DEFAULT.transforms()(Image.fromarray(levels))
    assert torch.equal(one.encode(levels)[0], theirs)


@pytest.mark.parametrize("switches", [{}, {"transform_input": True, "aux_logits": False}])
def test_a_saved_folder_keeps_what_the_weights_switch_on(
    models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switches: dict[str, bool]
) -> None:
    make = models.get_model
    with monkeypatch.context() as patched:  # as the published weights of GoogLeNet do, which are out of reach here
        patched.setattr(models, "get_model", lambda name, weights, **arguments: make(name, weights=weights, **arguments | switches))
        one = load_model("torchvision:googlenet", pretrained=False)
    again = load_model(one.save(tmp_path))
    x = torch.randn(1, 3, 224, 224)
    assert torch.equal(again.outputs(x), one.outputs(x))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rsnet", "torchvision has no network 'rsnet'"),
        ("resnet50.V3", "torchvision:resnet50 has no weights 'V3'; it has IMAGENET1K_V1, IMAGENET1K_V2"),
        ("raft_small", "classifies no pictures"),
    ],
)
def test_unknown_names_are_one_line(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(f"torchvision:{name}")
    assert "\n" not in str(caught.value)


def test_nothing_is_fetched_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOODWINK_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ModelError, match="HOODWINK_OFFLINE is set; .*checkpoints/resnet18-"):
        load_model("torchvision:resnet18")


def test_weights_out_of_reach_are_one_line(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("Name or service not known\nand more")

    monkeypatch.setattr(models, "get_model", fail)
    with pytest.raises(ModelError, match=r"resnet18 cannot be loaded \(Name or service not known\); pretrained=False builds it"):
        load_model("torchvision:resnet18")
