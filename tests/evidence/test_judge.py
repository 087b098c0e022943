from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hoodwink.evidence.judge import judge
from hoodwink.models.classes import ClassError
from hoodwink.models.load import load_model
from hoodwink.models.model import Model
from hoodwink.pictures.read import PictureError, read_picture
from hoodwink.pictures.write import encode_png, write_picture

Paint = Callable[..., np.ndarray[Any, np.dtype[np.uint8]]]


def test_path_picture_and_array_get_the_same_answer(tmp_path: Path, tiny: Model, colours: Paint) -> None:
    levels = colours(150, 100, 90)
    path = write_picture(tmp_path / "a.png", levels)
    verdicts = [judge(source, tiny) for source in (path, str(path), read_picture(path), levels, torch.from_numpy(levels.copy()))]
    assert {verdict.logits.tobytes() for verdict in verdicts} == {verdicts[0].logits.tobytes()}
    assert {verdict.sha256 for verdict in verdicts} == {hashlib.sha256(encode_png(levels)).hexdigest()}
    assert [verdict.file for verdict in verdicts] == [str(path), str(path), None, None, None]
    assert verdicts[0].label == "red" and verdicts[0].label_index == 0 and verdicts[0].model == "tiny"


def test_logits_are_the_networks_own_and_the_softmax_is_float64(tiny: Model, colours: Paint) -> None:
    levels = colours(150, 100, 90)
    verdict = judge(levels, tiny)
    expected = tiny.outputs(tiny.encode(levels))[0].numpy()
    assert verdict.logits.dtype == np.float32 and np.array_equal(verdict.logits, expected)
    assert verdict.probabilities.dtype == np.float64 and verdict.probabilities.sum() == pytest.approx(1, abs=1e-15)
    assert np.allclose(verdict.probabilities, torch.softmax(torch.tensor(expected).double(), 0).numpy(), rtol=1e-14)
    with pytest.raises(ValueError):
        verdict.probabilities[0] = 1


def test_log_odds_and_confidence_say_the_same(tiny: Model, colours: Paint) -> None:
    verdict = judge(colours(130, 128, 126), tiny)
    for index, name in enumerate(verdict.names):
        confidence = verdict.confidence(name)
        assert verdict.log_odds(index) == pytest.approx(math.log(confidence / (1 - confidence)), abs=1e-9)
    assert verdict.confidence("Crimson") == verdict.confidence("red") == verdict.confidence(0)
    with pytest.raises(ClassError, match="purple"):
        verdict.confidence("purple")


def test_top_is_ordered_and_json_is_json(tiny: Model, colours: Paint) -> None:
    verdict = judge(colours(120, 150, 90), tiny)
    assert [name for name, _ in verdict.top()] == ["green", "red", "blue"] and len(verdict.top(2)) == 2
    record = json.loads(json.dumps(verdict.to_json(1)))
    assert record["label"] == "green" and record["top"] == [{"class": "green", "index": 1, "probability": verdict.confidence("green")}]
    assert "<td>green</td>" in verdict._repr_html_()


def test_notes_and_bytes_of_a_jpeg(tmp_path: Path, tiny: Model, colours: Paint) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colours(90, 100, 160)).save(path, exif=exif)
    verdict = judge(path, tiny)
    assert verdict.label == "blue" and verdict.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert any("EXIF" in note for note in verdict.notes)


def test_at_model_size_takes_the_picture_as_it_is(tiny: Model, colours: Paint) -> None:
    levels = colours(150, 100, 90, height=8, width=8)
    assert np.array_equal(judge(levels, tiny, at_model_size=True).logits, judge(levels, tiny).logits)
    with pytest.raises(ValueError, match="8 x 8 pixels .* it has 12 x 16"):
        judge(colours(150, 100, 90), tiny, at_model_size=True)


def test_at_model_size_does_not_resize_a_crop() -> None:
    model = load_model("efficientnet-lite0")
    levels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    mean, std = (np.asarray(getattr(model.card.input, key), dtype=np.float32) for key in ("mean", "std"))
    x = torch.from_numpy(((levels.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)[None].copy())
    with torch.no_grad():
        expected = model.outputs(x)[0].numpy()
    assert np.allclose(judge(levels, model, at_model_size=True).logits, expected, atol=1e-5)
    assert not np.allclose(judge(levels, model).logits, expected, atol=1e-2)


def test_what_cannot_be_read_names_the_file(tmp_path: Path, tiny: Model) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    for name in ("broken.png", "missing.png"):
        with pytest.raises(PictureError, match=name):
            judge(tmp_path / name, tiny)
