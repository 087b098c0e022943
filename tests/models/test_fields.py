from __future__ import annotations

import inspect
from typing import Any

import pytest

from hoodwink.models.card import ModelCard, ModelError
from hoodwink.models.fields import FIELDS, check_fields, make_card, need_fields
from hoodwink.models.load import wrap


def card(**fields: Any) -> ModelCard:
    basics: dict[str, Any] = {
        "network": {"name": "n", "arguments": {}},
        "weights_sha256": "",
        "name": "n",
        "mean": 0.5,
        "std": 0.25,
        "classes": 2,
    }
    return make_card(**basics | fields)


def test_one_number_is_for_all_channels() -> None:
    assert card().input.mean == (0.5, 0.5, 0.5)
    assert card(channels=1, mean=[0.1], std=1).input.std == (1.0,)


@pytest.mark.parametrize(
    ("fields", "resize", "size"),
    [
        ({}, None, None),
        ({"size": 224}, 224, (224, 224)),
        ({"size": [32, 48]}, (32, 48), (32, 48)),
        ({"size": 224, "resize": 256}, 256, (224, 224)),
        ({"resize": [40, 50]}, (40, 50), None),
        ({"resize": 40}, 40, None),
    ],
)
def test_sizes(fields: dict[str, Any], resize: Any, size: Any) -> None:
    assert (card(**fields).input.resize, card(**fields).input.size) == (resize, size)


def test_classes_may_be_counted_named_or_listed_elsewhere() -> None:
    assert card(classes=3).classes == ("0", "1", "2")
    assert card(classes=["cat", "dog"], synonyms={"dog": ["hound"]}).synonyms == {"dog": ("hound",)}
    assert card(classes="imagenet-1k").wordlist == "imagenet-1k"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": "cats"}, "one of imagenet-1k; 'cats' came"),
        ({"classes": 0}, "classes must be names"),
        ({"size": (1, 2, 3)}, r"one side or \(height, width\)"),
        ({"size": 0, "resize": 8}, "input.size"),
        ({"size": 0}, "input.resize"),
        ({"mean": "grey"}, "mean must be 3 numbers, one for each channel; 'grey' came"),
        ({"std": None}, "std must be 3 numbers"),
        ({"std": [1, 2]}, "input.std must be 3 numbers"),
        ({"filter": "box"}, "input.filter"),
    ],
)
def test_wrong_fields_are_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        card(**fields)


def test_fields_are_checked_by_name() -> None:
    check_fields({"mean": 0}, FIELDS, "it")
    with pytest.raises(ModelError, match="it does not take maen; it takes name, mean"):
        check_fields({"maen": 0}, FIELDS, "it")
    with pytest.raises(ModelError, match="it does not take mean; it takes none"):
        check_fields({"mean": 0}, (), "it")
    with pytest.raises(ModelError, match="it does not say its mean and std; give mean=, std="):
        need_fields({"mean": None}, ("mean", "std"), "it")


def test_the_list_of_fields_is_that_of_the_functions() -> None:
    assert set(inspect.signature(make_card).parameters) == {*FIELDS, "network", "weights_sha256"}
    assert set(inspect.signature(wrap).parameters) == {*FIELDS, "network"}
