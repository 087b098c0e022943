from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hoodwink.models.formats import timm as way_in
from hoodwink.models.load import ModelError, load_model


@pytest.fixture(autouse=True)
def timm(torchvision_operators: object) -> Any:
    return pytest.importorskip("timm", reason="timm is not installed (pip install 'hoodwink[timm]')")


def test_the_record_of_the_weights_becomes_the_card() -> None:
    card = load_model("timm:resnet18.a1_in1k", pretrained=False).card
    assert (card.input.resize, card.input.size, card.input.filter) == (235, (224, 224), "bicubic")
    assert (card.input.mean, card.input.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (card.name, card.licence, card.wordlist) == ("resnet18.a1_in1k", "apache-2.0", "imagenet-1k")


def test_fields_go_before_the_record() -> None:
    one = load_model("timm:mobilenetv3_small_050.lamb_in1k", pretrained=False, mean=0.5, classes=1000, name="mine")
    assert (one.card.input.mean, one.card.name, one.class_name(999)) == ((0.5,) * 3, "mine", "999")


def test_a_saved_folder_builds_the_network_again(tmp_path: Path) -> None:
    one = load_model("timm:mobilenetv3_small_050.lamb_in1k", pretrained=False)
    again = load_model(one.save(tmp_path))
    x = torch.randn(1, 3, 224, 224)
    assert torch.equal(again.outputs(x), one.outputs(x))


def record(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    basics = {"input_size": (3, 32, 32), "crop_pct": 0.9, "interpolation": "bilinear", "mean": (0,) * 3, "std": (1,) * 3, "num_classes": 10}
    network = SimpleNamespace(pretrained_cfg=basics | changes, state_dict=dict)
    monkeypatch.setattr(way_in, "create", lambda name, pretrained: network)
    monkeypatch.setattr(way_in, "Model", lambda network, card: SimpleNamespace(card=card))


@pytest.mark.parametrize(
    ("changes", "resize", "classes"),
    [
        ({}, 35, tuple("0123456789")),
        ({"crop_mode": "squash", "input_size": (3, 30, 45)}, (33, 50), tuple("0123456789")),
        ({"label_names": ("cat", "dog"), "num_classes": 2}, 35, ("cat", "dog")),
    ],
)
def test_records(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], resize: Any, classes: tuple[str, ...]) -> None:
    record(monkeypatch, **changes)
    card = way_in.load("made-up", {}).card
    assert (card.input.resize, card.classes) == (resize, classes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_mode": "border"}, "crop mode 'border'"),
        ({"input_size": (3, 32, 64)}, "to 32 x 64"),
        ({"num_classes": 0}, "is no classifier"),
        ({"interpolation": "nearest"}, "input.filter must be one of"),
        ({"input_size": (12, 32, 32)}, "input.channels"),
    ],
)
def test_what_a_card_cannot_say_is_refused(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str) -> None:
    record(monkeypatch, **changes)
    with pytest.raises(ModelError, match=message):
        way_in.load("made-up", {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnt18", "timm has no network 'resnt18'; names like it: .*resnet18"),
        ("resnet18.nobody", "timm:resnet18.nobody cannot be loaded .Invalid pretrained tag .nobody.*pretrained=False"),
    ],
)
def test_unknown_names_are_one_line(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(f"timm:{name}")
    assert "\n" not in str(caught.value)


def test_weights_out_of_reach_are_one_line(timm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str, pretrained: bool) -> None:
        raise OSError("Name or service not known\nand more")

    monkeypatch.setattr(timm, "create_model", fail)
    monkeypatch.setenv("HOODWINK_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"resnet18 cannot be loaded \(Name or service not known\); pretrained=False builds it"):
        load_model("timm:resnet18")
