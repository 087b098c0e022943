from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hoodwink import fooling
from hoodwink.evidence.judge import judge
from hoodwink.evidence.verify import verify
from hoodwink.fooling import Fooled, FoolError, fool, fool_into
from hoodwink.models.classes import ClassError
from hoodwink.models.load import load_model, wrap
from hoodwink.models.model import Levels, Model
from hoodwink.pictures.levels import distances
from hoodwink.pictures.read import PictureError, read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run

NAMES = ("ant", "bee", "cat", "dog")
CAT = Path(fooling.__file__).parent / "assets" / "cat.png"


def make_model(seed: int = 0, *, channels: int = 3, size: int = 16, resize: int | None = 20, names: tuple[str, ...] = NAMES) -> Model:
    """A small convolutional network that looks at the middle of the picture, steep enough to be fooled by a few levels."""
    generator = torch.Generator().manual_seed(seed)
    side = (size - 1) // 2
    network = nn.Sequential(nn.Conv2d(channels, 6, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(6 * side * side, 4))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return wrap(network, mean=0.5, std=0.25, classes=names, size=size, resize=resize, channels=channels, name=f"tiny{seed}")


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model()


@pytest.fixture(scope="module")
def photo() -> Levels:
    """Blurred noise, 40 x 52."""
    return paint(0)


def paint(seed: int, size: tuple[int, int] = (40, 52), channels: int = 3) -> Levels:
    small = np.random.default_rng(seed).integers(0, 256, (10, 13, channels), dtype=np.uint8)
    image = Image.fromarray(small if channels == 3 else small[..., 0]).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(*size, channels)


def other(model: Model, levels: Levels, places: int = 1) -> str:
    """The class in second place, or further down."""
    return judge(levels, model).top(4)[places][0]


def from_file(result: Fooled, model: Model, tmp_path: Path) -> tuple[str, float]:
    """Label and its probability, read from a file by Pillow, resized and cropped by Pillow, and asked of the bare network."""
    path = tmp_path / "fooled.png"
    path.write_bytes(encode_png(result.picture))
    levels = np.asarray(Image.open(path))
    probabilities = model.network(model.encode(levels if levels.ndim == 3 else levels[..., None])).double().softmax(1)[0]
    index = int(probabilities.argmax())
    return model.class_name(index), float(probabilities[index])


@pytest.mark.parametrize("place", [1, 2, 3])
@pytest.mark.parametrize("norm", ["l2", "linf", "l1", "l0"])
def test_the_file_fools(model: Model, photo: Levels, tmp_path: Path, place: int, norm: str) -> None:
    target = other(model, photo, place)
    result = fool(photo, target=target, model=model, norm=norm, steps=60)
    assert result.fooled and result.stall is None and result.target == target
    label, probability = from_file(result, model, tmp_path)
    assert label == target == result.after.label and probability >= 0.9
    assert norm == "linf" or probability < 0.97  # a level more everywhere is much
    assert result.confidence == pytest.approx(probability, abs=1e-6) and result.before.label == judge(photo, model).label
    assert result.picture.dtype == np.uint8 and result.picture.shape == photo.shape and np.array_equal(result.original, photo)
    assert result.distances == distances(photo, result.picture)
    assert (result.l2, result.linf) == (result.distances.l2, result.distances.linf)
    assert 0 < result.gradients <= 60 and result.seconds > 0


def test_history_rises_and_then_shrinks(model: Model, photo: Levels) -> None:
    watched: list[Any] = []
    result = fool(photo, target=other(model, photo), model=model, steps=60, watch=watched.append)
    climbed = [step.objective for step in result.history if step.phase == "climb"]
    shrunk = [step for step in result.history if step.phase == "shrink"]
    assert climbed == sorted(climbed) and shrunk
    sizes = [step.distance for step in shrunk]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] == pytest.approx(result.l2)
    assert {step.phase for step in watched} == {"climb", "shrink"}
    assert [step.gradients for step in watched] == sorted({step.gradients for step in watched})


@pytest.mark.parametrize("confidence", [0.3, 0.5, 0.99])
def test_the_confidence_asked_for_is_reached_and_little_more(model: Model, photo: Levels, confidence: float) -> None:
    target = other(model, photo)
    result = fool(photo, target=target, model=model, confidence=confidence, steps=60)
    assert result.fooled and result.after.label == target and result.confidence >= confidence
    assert result.confidence < confidence + 0.25


def test_nothing_changes_where_the_network_does_not_look(model: Model, photo: Levels) -> None:
    result = fool(photo, target=other(model, photo), model=model, steps=40)
    twin = model.preprocess(*photo.shape[:2])
    seen = np.zeros(photo.shape[:2], dtype=bool)
    seen[twin.rows, twin.columns] = True
    changed = (result.picture != photo).any(2)
    assert changed.any() and not changed[~seen].any() and (~seen).any()


@pytest.mark.parametrize("kind", ["array", "levels", "file"])
def test_nothing_changes_outside_the_mask(model: Model, photo: Levels, tmp_path: Path, kind: str) -> None:
    allowed = np.zeros(photo.shape[:2], dtype=bool)
    allowed[8:30, 12:33] = True
    mask: Any = allowed if kind == "array" else allowed.astype(np.uint8) * 255
    if kind == "file":
        Image.fromarray(mask).save(tmp_path / "mask.png")
        mask = tmp_path / "mask.png"
    result = fool(photo, target=other(model, photo), model=model, mask=mask, steps=60)
    assert result.fooled and result.settings.masked
    assert not (result.picture != photo)[~allowed].any()


def test_masks_that_make_no_sense(model: Model, photo: Levels) -> None:
    size = photo.shape[:2]
    corner = np.zeros(size, dtype=bool)
    corner[0, 0] = True
    for mask, words in (
        (np.ones((5, 7), dtype=bool), "52 x 40 pixels, got 7 x 5"),
        (np.zeros(size, dtype=bool), "paint white"),
        (corner, "never sees"),
    ):
        with pytest.raises(FoolError, match=words):
            fool(photo, target=other(model, photo), model=model, mask=mask)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 1.5 / 255), ("l2", 0.11), ("l1", 2.0), ("l0", 20)])
def test_a_ball_is_kept_on_whole_levels(model: Model, photo: Levels, norm: str, eps: float) -> None:
    result = fool(photo, target=other(model, photo, 3), model=model, eps=eps, norm=norm, steps=40)
    size = {"linf": result.linf / 255, "l2": result.l2, "l1": result.distances.l1, "l0": result.distances.l0}[norm]
    assert 0 < size <= eps and result.gradients <= 40
    if norm == "linf":
        assert result.linf == 1
    assert (result.stall is None) == result.fooled and all(step.phase == "climb" for step in result.history)
    assert result.after.log_odds(result.target or "") > result.before.log_odds(result.target or "")


def test_a_ball_that_is_large_enough_gives_more_than_was_asked(model: Model, photo: Levels) -> None:
    result = fool(photo, target=other(model, photo), model=model, eps=12 / 255, norm="linf", steps=40)
    assert result.fooled and result.confidence > 0.99 and result.linf <= 12


def test_any_other_label(model: Model, photo: Levels) -> None:
    result = fool(photo, model=model, steps=40)
    assert result.fooled and result.target is None and result.settings.avoid == result.before.label
    assert result.after.label != result.before.label
    sure = fool(photo, model=model, confidence=0.95, steps=60)
    assert sure.fooled and sure.after.label != sure.before.label and sure.confidence >= 0.95 and sure.l2 > result.l2
    assert sure.confidence == sure.after.confidence(sure.after.label)


def test_the_same_seed_gives_the_same_bytes(model: Model, photo: Levels) -> None:
    target = other(model, photo, 3)
    first, second = (fool(photo, target=target, model=model, steps=30, seed=5) for _ in range(2))
    assert encode_png(first.picture) == encode_png(second.picture) and first.history == second.history


class _Flat(nn.Module):
    """Sees no difference near grey, so that only a random restart finds the way."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        away = (pictures.abs().mean((1, 2, 3)) - 0.05).relu()
        return torch.stack([torch.ones_like(away), 60 * away], 1)


def test_the_seed_is_that_of_the_restarts() -> None:
    flat, grey = wrap(_Flat(), mean=128 / 255, std=0.25, classes=("grey", "not"), size=16), np.full((16, 16, 3), 128, dtype=np.uint8)
    first, second, third = (fool(grey, target="not", model=flat, steps=40, seed=seed) for seed in (1, 1, 2))
    assert first.fooled and first.ways == ("a random restart",)
    assert encode_png(first.picture) == encode_png(second.picture) != encode_png(third.picture)


def test_several_networks_are_all_fooled(photo: Levels) -> None:
    models = [make_model(0), make_model(1, size=12, resize=24), make_model(2, names=("dog", "cat", "bee", "ant"))]
    target = next(name for name in NAMES if all(judge(photo, one).label != name for one in models))
    result = fool(photo, target=target, model=models, steps=120)
    assert result.fooled and len(result.afters) == len(result.befores) == 3
    for one, after in zip(models, result.afters, strict=True):
        assert judge(result.picture, one).label == after.label == target and after.confidence(target) >= 0.9
    assert result.confidence == min(after.confidence(target) for after in result.afters)
    anything = fool(photo, model=models, steps=120)
    assert anything.fooled
    assert all(after.label != before.label for before, after in zip(anything.befores, anything.afters, strict=True))


def test_networks_that_cannot_share_a_picture(photo: Levels) -> None:
    with pytest.raises(FoolError, match="grey and colour"):
        fool(photo, target="cat", model=[make_model(), make_model(channels=1)])
    with pytest.raises(FoolError, match="leave out --at-model-size"):
        fool(photo, target="cat", model=[make_model(), make_model(1, resize=30)], at_model_size=True)


def test_at_model_size(model: Model, photo: Levels) -> None:
    result = fool(photo, target=other(model, photo), model=model, at_model_size=True, steps=60)
    assert result.fooled and result.picture.shape == (16, 16, 3)
    assert np.array_equal(result.original, model.see(photo))
    assert judge(result.picture, model, at_model_size=True).label == result.target


def test_a_grey_network() -> None:
    grey = make_model(channels=1)
    levels = paint(1, channels=1)
    result = fool(levels[..., 0], target=other(grey, levels), model=grey, steps=60)
    assert result.fooled and result.picture.shape == levels.shape
    assert judge(result.picture, grey).label == result.target


def test_lists_and_batches_give_a_tuple(model: Model, photo: Levels, tmp_path: Path) -> None:
    Image.fromarray(photo).save(tmp_path / "photo.png")
    mirrored = np.ascontiguousarray(photo[:, ::-1])
    by_list = fool([photo, tmp_path / "photo.png", read_picture(tmp_path / "photo.png")], model=model, steps=20)
    assert isinstance(by_list, tuple) and len(by_list) == 3
    assert all(np.array_equal(one.picture, by_list[0].picture) for one in by_list)
    by_batch = fool(np.stack([photo, mirrored]), model=model, steps=20)
    assert isinstance(by_batch, tuple) and [one.picture.shape for one in by_batch] == [photo.shape] * 2
    assert np.array_equal(by_batch[0].picture, by_list[0].picture)
    assert isinstance(fool(photo, model=model, steps=20), Fooled)
    assert fool([], model=model) == ()


def test_requests_that_make_no_sense(model: Model, photo: Levels, tmp_path: Path) -> None:
    label = judge(photo, model).label
    fooled = fool(photo, target=other(model, photo), model=model, steps=60)
    with pytest.raises(FoolError, match="already calls this picture"):
        fool(fooled.picture, target=fooled.target, model=model)
    for error, words, request in (
        (FoolError, "norm must be one of", {"norm": "l3"}),
        (FoolError, "at least 1", {"steps": 0}),
        (ValueError, "strictly between 0 and 1", {"confidence": 1.0}),
        (ValueError, "8/255", {"eps": 8, "norm": "linf"}),
        (ValueError, "from 0", {"eps": -1.0}),
        (ClassError, "zebra", {"target": "zebra"}),
    ):
        with pytest.raises(error, match=words):
            fool(photo, model=model, **{"target": other(model, photo), **request})
    with pytest.raises(PictureError, match=r"gone\.png"):
        fool(tmp_path / "gone.png", target=label, model=model)
    with pytest.raises(PictureError):
        fool(photo.astype(np.float32), target=label, model=model)


def test_it_works_where_gradients_are_off(model: Model, photo: Levels) -> None:
    with torch.no_grad():
        assert fool(photo, model=model, steps=20).fooled


def test_a_picture_prepared_otherwise_than_the_judge_does_stops_the_search(
    model: Model, photo: Levels, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Model.encode
    monkeypatch.setattr(Model, "encode", lambda self, picture: honest(self, picture) + 1e-6)
    with pytest.raises(FoolError, match="--at-model-size"):
        fool(photo, target=other(model, photo), model=model)


def test_save_writes_a_run_that_verifies(model: Model, photo: Levels, tmp_path: Path) -> None:
    result = fool(photo, target=other(model, photo), model=model, steps=40)
    folder = result.save(tmp_path / "run", arguments=["fool", "x"])
    names = {"run.json", "manifest.json", "events.jsonl", "original.png", "fooled.png", "difference.png", "difference-abs.png"}
    assert names | {"figure.png", "report.html"} == {path.name for path in folder.iterdir()}
    assert np.array_equal(np.asarray(Image.open(folder / "fooled.png")), result.picture)
    assert np.array_equal(np.asarray(Image.open(folder / "original.png")), photo)
    found = verify(folder, model=model)
    assert found.holds and found.notes == () and Run.open(folder).check() == []
    record = json.loads((folder / "run.json").read_text())
    assert record["arguments"] == ["fool", "x"] and record["seed"] == 0 and record["result"]["gradients"] == result.gradients
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["gradients"] for event in events if "phase" in event] == [step.gradients for step in result.history]
    shutil.copy(folder / "original.png", folder / "fooled.png")
    assert not verify(folder, model=model).holds


@pytest.mark.parametrize(
    "request_", [{}, {"confidence": 0.8}, {"at_model_size": True}, {"eps": 0.5, "norm": "l2"}, {"eps": 8 / 255, "norm": "linf"}]
)
def test_every_kind_of_run_verifies(model: Model, photo: Levels, tmp_path: Path, request_: dict[str, Any]) -> None:
    result = fool(photo, model=model, steps=30, **request_)
    assert result.fooled and verify(result.save(tmp_path / "run"), model=model).holds


def test_a_picture_not_fooled_is_saved_without_a_claim(model: Model, photo: Levels, tmp_path: Path) -> None:
    result = fool(photo, target=other(model, photo, 3), model=model, eps=1 / 255, norm="linf", confidence=0.999, steps=30)
    assert not result.fooled and result.stall and "not fooled" in result._repr_html_()
    folder = result.save(tmp_path / "run")
    assert (folder / "not-fooled.png").exists() and not (folder / "fooled.png").exists()
    record = json.loads((folder / "run.json").read_text())
    assert record["claims"] == [] and record["result"]["stall"] == result.stall and record["result"]["fooled"] is False
    assert not verify(folder, model=model).holds


def test_fool_into_keeps_the_run_open_from_the_start(model: Model, photo: Levels, tmp_path: Path) -> None:
    Image.fromarray(photo).save(tmp_path / "photo.png")
    seen: list[int] = []

    def watch(step: Any) -> None:
        seen.append(len((tmp_path / "run" / "events.jsonl").read_text().splitlines()))
        assert (tmp_path / "run" / "run.json").exists() and not (tmp_path / "run" / "manifest.json").exists()

    result = fool_into(tmp_path / "run", tmp_path / "photo.png", model=model, target=other(model, photo), steps=30, watch=watch)
    assert result.fooled and seen == list(range(1, len(seen) + 1)) and result.after.file == "fooled.png"
    assert verify(tmp_path / "run", model=model).holds
    assert json.loads((tmp_path / "run" / "run.json").read_text())["inputs"][0]["file"].endswith("photo.png")


def test_several_networks_make_a_claim_each(photo: Levels, tmp_path: Path) -> None:
    models = [make_model(0), make_model(1)]
    target = next(name for name in NAMES if all(judge(photo, one).label != name for one in models))
    folder = fool(photo, target=target, model=models, steps=80).save(tmp_path / "run")
    claims = json.loads((folder / "run.json").read_text())["claims"]
    assert [claim["model"] for claim in claims] == [0, 1] and all(claim["values"]["probability"] >= 0.9 for claim in claims)


@pytest.mark.slow
def test_the_cat_becomes_a_strawberry(tmp_path: Path) -> None:
    model = load_model("efficientnet-lite0")
    levels = np.ascontiguousarray(read_picture(CAT).levels[40:280, 60:360])
    result = fool(levels, target="strawberry", model=model, steps=25)
    assert result.fooled and result.after.label == "strawberry" and result.confidence >= 0.9
    assert result.l2 < 2.5 and result.gradients <= 25
    assert verify(result.save(tmp_path / "run"), model=model).holds
