from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, PngImagePlugin

from hoodwink.evidence.claims import FAILS, HOLDS, UNKNOWN, Check, check_claim
from hoodwink.evidence.judge import judge
from hoodwink.models.load import wrap
from hoodwink.models.model import Model
from hoodwink.pictures.read import read_picture
from hoodwink.pictures.write import write_picture
from hoodwink.runs import Run, RunError, sha256_file

MakeRun = Callable[..., Path]


def check(folder: Path, model: Model, **values: Any) -> Check:
    claim = Run.open(folder).record["claims"][0]
    return check_claim({**claim, "values": claim["values"] | values}, folder, model)


def test_a_true_claim_holds_and_says_what_was_measured(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    found = check(make_run(tmp_path / "run"), tiny)
    assert found.status == HOLDS and "green" in found.why and found.model == "tiny"
    assert found.measured["confidence"] == judge(tmp_path / "run" / "fooled.png", tiny).confidence("green") >= 0.9
    assert found.measured["linf"] == 30 and found.to_json()["measured"]["label"] == "green"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"confidence": 0.9999}, "at least 0.9999 was claimed"),
        ({"target": "blue"}, "blue has confidence"),
        ({"label": "blue", "confidence": None}, "'blue' was claimed"),
        ({"not": "green"}, "still gets the label 'green'"),
        ({"l2": 0.5}, "L2 from the original is .*, 0.5 was claimed"),
        ({"linf": 29}, "largest change from the original is 30, 29 was claimed"),
        ({"l0": 1}, "number of changed subpixels"),
        ({"eps": 29 / 255, "norm": "linf"}, "outside the linf ball"),
        ({"eps": 0.1, "norm": "l2"}, "outside the l2 ball"),
        ({"at_model_size": True}, "at model size 8 x 8"),
        ({"sha256": "ab" * 32}, "another file: its SHA-256"),
    ],
)
def test_each_false_value_is_found(tmp_path: Path, tiny: Model, make_run: MakeRun, values: dict[str, Any], words: str) -> None:
    found = check(make_run(tmp_path / "run"), tiny, **values)
    assert found.status == FAILS
    assert re.search(words, found.why)


def test_a_ball_that_is_filled_to_its_face_holds(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    l2 = Run.open(folder).record["claims"][0]["values"]["l2"]
    for values in ({"eps": 30 / 255, "norm": "linf"}, {"eps": l2, "norm": "l2"}, {"eps": 12 * 16 * 2, "norm": "l0"}):
        assert check(folder, tiny, **values).status == HOLDS


def test_absent_values_are_not_claimed(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    found = check_claim({"kind": "picture", "file": "fooled.png", "values": {}}, folder, tiny)
    assert found.status == HOLDS and "l2" not in found.measured


def test_untargeted_claims_the_label_it_has(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    assert check(folder, tiny, target=None, **{"not": "red"}).status == HOLDS
    assert check(folder, tiny, target=None, **{"not": "crimson"}, confidence=None).status == HOLDS


def test_resaved_as_jpeg_is_said_and_still_judged(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    Image.open(folder / "fooled.png").save(folder / "fooled.png", format="JPEG", quality=30)
    found = check(folder, tiny)
    assert found.status == FAILS and "re-saved as JPEG" in found.why and found.measured["format"] == "JPEG"
    now = judge(folder / "fooled.png", tiny)
    assert found.measured["confidence"] == now.confidence("green") and f"{now.confidence('green'):.4f}" in found.why


def test_same_pixels_in_other_bytes(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "hello")
    Image.open(folder / "fooled.png").save(folder / "fooled.png", pnginfo=info)
    found = check(folder, tiny)
    assert found.status == FAILS and "same pixels" in found.why


def test_one_changed_pixel_is_another_file(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    levels = read_picture(folder / "fooled.png").levels.copy()
    levels[0, 0, 0] ^= 1
    write_picture(folder / "fooled.png", levels, force=True)
    found = check(folder, tiny)
    assert found.status == FAILS and "another file: its SHA-256" in found.why and "L2 from the original" in found.why


def test_resized_and_swapped_originals(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    Image.open(folder / "original.png").resize((30, 20)).save(folder / "original.png")
    assert "it has 12 x 16, original.png has 20 x 30 pixels" in check(folder, tiny).why
    (folder / "original.png").write_bytes((folder / "fooled.png").read_bytes())
    found = check(folder, tiny)
    assert found.status == FAILS and "largest change from the original is 0, 30 was claimed" in found.why


def test_what_is_missing_cannot_be_checked(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "original.png").unlink()
    found = check(folder, tiny)
    assert found.status == UNKNOWN and "distances cannot be measured" in found.why and found.measured["label"] == "green"
    (folder / "fooled.png").unlink()
    assert check(folder, tiny).why == "fooled.png is not in the folder"
    (folder / "fooled.png").write_bytes(b"not a picture")
    assert check(folder, tiny).status == FAILS


def test_files_outside_the_folder_are_not_opened(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder, other = make_run(tmp_path / "run"), make_run(tmp_path / "other")
    for name in ("../other/fooled.png", str(other / "fooled.png")):
        claim = {"kind": "picture", "file": name, "values": {"sha256": sha256_file(other / "fooled.png")}}
        assert check_claim(claim, folder, tiny).status == UNKNOWN
    assert check(folder, tiny, original="../other/original.png").status == UNKNOWN


def test_unknown_kinds_and_values_of_another_type(tmp_path: Path, tiny: Model, make_run: MakeRun) -> None:
    folder = make_run(tmp_path / "run")
    found = check_claim({"kind": "smell", "file": "x", "values": {}}, folder, tiny)
    assert found.status == UNKNOWN and "'smell'" in found.why
    with pytest.raises(RunError, match="'confidence' should be a number"):
        check(folder, tiny, confidence="high")


def test_a_grey_network_measures_grey(tmp_path: Path, make_run: MakeRun) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    grey = wrap(network, mean=0.5, std=0.5, classes=("dark", "light"), size=8, channels=1)
    folder = make_run(tmp_path / "run")
    found = check_claim({"kind": "picture", "file": "fooled.png", "values": {"original": "original.png"}}, folder, grey)
    assert found.status == HOLDS and found.measured["l0"] <= 12 * 16
