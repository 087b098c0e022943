from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoodwink.models.card import FILTERS, ModelCard, ModelError, PictureInput

SIDES = st.integers(1, 3000)
SIZES = st.tuples(SIDES, SIDES)
SHORT = st.integers(1, 240)  # even the narrowest of these pictures stays small enough to be resized
NUMBERS = st.floats(0.01, 1, allow_nan=False)


def rgb(**fields: Any) -> PictureInput:
    return PictureInput(**{"mean": (0.5,) * 3, "std": (0.5,) * 3} | fields)


def card(**fields: Any) -> ModelCard:
    basics: dict[str, Any] = {"name": "n", "network": {"name": "resnet2b", "arguments": {}}, "weights_sha256": "0" * 64, "input": rgb()}
    return ModelCard(**basics | {"classes": ("cat", "dog")} | fields)


@given(picture=SIZES, side=SHORT)
@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine's first draws
def test_shorter_side_is_resized_and_the_longer_rounded_down(picture: tuple[int, int], side: int) -> None:
    height, width = picture
    resized = rgb(resize=side).geometry(height, width).resized
    assert min(resized) == side
    assert max(resized) == int(side * max(picture) / min(picture))
    assert (resized[0] <= resized[1]) == (height <= width) or resized[0] == resized[1]


@given(picture=SIZES, crop=st.tuples(SHORT, SHORT), resize=st.none() | SHORT | SIZES)
def test_crop_lies_in_the_middle_or_is_refused(
    picture: tuple[int, int], crop: tuple[int, int], resize: int | tuple[int, int] | None
) -> None:
    wanted = rgb(resize=resize, size=crop)
    resized = rgb(resize=resize).geometry(*picture).resized
    if crop[0] > resized[0] or crop[1] > resized[1]:
        with pytest.raises(ModelError, match="larger picture"):
            wanted.geometry(*picture)
        return
    spot = wanted.geometry(*picture)
    assert spot.size == crop
    for start, side, whole in zip((spot.top, spot.left), crop, spot.resized, strict=True):
        assert 0 <= start <= whole - side
        assert abs(start - (whole - side - start)) <= 1


@given(picture=SIZES)
def test_without_resize_and_crop_a_picture_stays(picture: tuple[int, int]) -> None:
    spot = rgb().geometry(*picture)
    assert (spot.resized, spot.top, spot.left, spot.size) == (picture, 0, 0, picture)


def test_known_geometry() -> None:
    wanted = rgb(resize=256, size=(224, 224))
    assert wanted.geometry(300, 451).resized == (256, 384)
    assert (wanted.geometry(300, 451).top, wanted.geometry(300, 451).left) == (16, 80)
    assert wanted.geometry(1, 1).resized == (256, 256)
    assert rgb(resize=(20, 30)).geometry(500, 400).size == (20, 30)


def test_half_offsets_are_rounded_to_even() -> None:
    spots = [rgb(size=(1, 1)).geometry(side, side + 2) for side in (2, 4, 6, 8)]
    assert [spot.top for spot in spots] == [0, 2, 2, 4]
    assert [spot.left for spot in spots] == [2, 2, 4, 4]


def test_a_sliver_is_refused() -> None:
    with pytest.raises(ModelError, match="less narrow"):
        rgb(resize=256).geometry(1, 100_000)


@st.composite
def cards(draw: st.DrawFn) -> ModelCard:
    channels = draw(st.sampled_from([1, 3]))
    numbers = st.tuples(*[NUMBERS] * channels)
    names = tuple(draw(st.lists(st.text(), min_size=1, max_size=5, unique=True)))
    others = st.dictionaries(st.sampled_from(names), st.lists(st.text(), max_size=2).map(tuple))
    listed = draw(st.booleans())
    return ModelCard(
        name=draw(st.text()),
        network={"name": draw(st.text()), "arguments": draw(st.dictionaries(st.text(), st.integers() | st.booleans()))},
        source=draw(st.text()),
        weights_sha256=draw(st.text()),
        input=PictureInput(
            channels=channels,
            resize=draw(st.none() | SIDES | SIZES),
            filter=draw(st.sampled_from(FILTERS)),
            size=draw(st.none() | SIZES),
            mean=draw(numbers),
            std=draw(numbers),
        ),
        classes=names if listed else (),
        synonyms=draw(others) if listed else {},
        wordlist=None if listed else "imagenet-1k",
        scores=tuple(draw(st.lists(st.fixed_dictionaries({"set": st.text(), "value": NUMBERS}), max_size=2))),
    )


@given(cards())
def test_json_round_trip(one: ModelCard) -> None:
    value = one.to_json()
    assert json.loads(json.dumps(value)) == value
    assert ModelCard.from_json(json.loads(json.dumps(value))) == one


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"colour": 1}, "unknown entries: colour"),
    ({"input": {"mean": [0.5] * 3, "std": [0.5] * 3, "crop": 3}}, "input has unknown entries: crop"),
    ({"input": {"mean": [0.5] * 3}}, "input lacks entries: std"),
    ({"input": 3}, "input must be a JSON object"),
    ({"input": {"mean": [0.5], "std": [0.5] * 3}}, "input.mean must be 3 numbers"),
    ({"input": {"mean": ["a"] * 3, "std": [0.5] * 3}}, "input.mean must be 3 numbers"),
    ({"input": {"mean": [0.5] * 3, "std": [0.5, 0, 0.5]}}, "input.std must be numbers above 0"),
    ({"input": {"mean": [0.5] * 3, "std": [0.5] * 3, "channels": 4}}, "input.channels"),
    ({"input": {"mean": [0.5] * 3, "std": [0.5] * 3, "filter": "nearest"}}, "input.filter must be one of bilinear, bicubic, lanczos"),
    ({"input": {"mean": [0.5] * 3, "std": [0.5] * 3, "size": [0, 3]}}, "input.size"),
    ({"input": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize": True}}, "input.resize"),
    ({"input": {"mean": [0.5] * 3, "std": [0.5] * 3, "kind": "sound"}}, "input.kind"),
    ({"input": {"mean": [0.5] * 3, "std": [0.5] * 3, "kind": "text"}}, "unknown entries: mean, std; known are kind, unit"),
    ({"input": {"unit": "syllables", "kind": "text"}}, "input.unit must be 'letters' or 'words'"),
    ({"name": 3}, "name must be a text"),
    ({"task": "dream"}, "task must be one of classify, embed, reconstruct, generate"),
    ({"network": "resnet2b"}, "network must be"),
    ({"network": {"name": 3, "arguments": {}}}, "network must be"),
    ({"classes": ["a", 2]}, "classes must be a list of names"),
    ({"classes": []}, "classes must be names, or else a word list"),
    ({"wordlist": "imagenet-1k"}, "classes must be names, or else a word list"),
    ({"wordlist": "imagenet-3k", "classes": []}, "wordlist must be one of imagenet-1k"),
    ({"synonyms": {"cow": ["kine"]}}, "synonyms must be only names that are in classes"),
    ({"synonyms": ["cow"]}, "synonyms"),
    ({"scores": "good"}, "scores"),
]


@pytest.mark.parametrize(("entries", "message"), WRONG)
def test_wrong_entries_are_named(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        ModelCard.from_json(card().to_json() | entries)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, [], "card", 3])
def test_a_card_is_an_object(value: object) -> None:
    with pytest.raises(ModelError, match="must be a JSON object"):
        ModelCard.from_json(value)


def test_missing_entries_are_named() -> None:
    value = card().to_json()
    del value["name"], value["weights_sha256"]
    with pytest.raises(ModelError, match="lacks entries: name, weights_sha256"):
        ModelCard.from_json(value)


def test_classes_come_from_the_card_or_the_word_list() -> None:
    assert card(synonyms={"dog": ("hound",)}).find_classes().find("hound") == 1
    assert len(replace(card(), classes=(), wordlist="imagenet-1k").find_classes()) == 1000
