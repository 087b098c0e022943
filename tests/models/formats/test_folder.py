from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hoodwink.models.load import ModelError, load_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from hoodwink.networks.resnet import resnet2b

    torch.save(resnet2b().state_dict(), tmp_path / "w.pth")
    return load_model(tmp_path / "w.pth", network="resnet2b", mean=0.5, std=0.5, name="mine").save(tmp_path / "model")


def edit(folder: Path, **entries: object) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | entries))


def test_a_folder_keeps_the_card(folder: Path) -> None:
    one = load_model(folder)
    assert one.card.name == "mine"
    assert one.card.network == {"name": "resnet2b", "arguments": {"classes": 10}}
    assert one.card.input.size == (32, 32)


def test_other_weights_are_refused_with_both_hashes(folder: Path) -> None:
    edit(folder, weights_sha256="ab" * 32)
    with pytest.raises(ModelError, match=f"other weights than the card's: SHA-256 [0-9a-f]{{64}}, the card says {'ab' * 32}"):
        load_model(folder)


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: (f / "card.json").unlink(), "is no model folder, it has no card.json"),
    (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors: cannot be read"),
    (lambda f: (f / "weights.safetensors").write_bytes(b"hello, world"), "is not a whole safetensors file"),
    (lambda f: (f / "card.json").write_text("{"), "card.json: is not JSON"),
    (lambda f: (f / "card.json").write_bytes(b"\xff\xfe\xfd"), "card.json: is not JSON"),
    (lambda f: (f / "card.json").write_text("[]"), "card.json: the card must be a JSON object"),
    (lambda f: edit(f, colour=1), "card.json: the card has unknown entries: colour"),
    (lambda f: edit(f, network={"name": "resnet9", "arguments": {}}), "no network 'resnet9'"),
    (lambda f: edit(f, network={"name": "python:os:getcwd", "arguments": {}}), "no network 'python:os:getcwd'"),
    (lambda f: edit(f, network={"name": "resnet2b", "arguments": {"depth": 2}}), "cannot be built with the arguments"),
    (lambda f: edit(f, network={"name": "resnet2b", "arguments": {"classes": 7}}), "linear2.weight 10 x 100, wanted 7 x 100"),
    (lambda f: edit(f, classes=["a", "b"]), r"logits of shape \(2, 2\) are wanted"),
    (lambda f: edit(f, classes=["a"] * 10), "came more than once"),
]


@pytest.mark.parametrize(("break_it", "message"), FAULTS)
def test_a_broken_folder_is_one_line(folder: Path, break_it: Callable[[Path], object], message: str) -> None:
    break_it(folder)
    with pytest.raises(ValueError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_no_card_fields_are_taken(folder: Path) -> None:
    with pytest.raises(ModelError, match="does not take std; it takes none"):
        load_model(folder, std=0.5)
