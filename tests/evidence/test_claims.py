from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from audit_records import CASES, felled, write_audit
from hoodwink.evidence.audits import FOOLED
from hoodwink.evidence.checks import FAILS, HOLDS, UNKNOWN, Check
from hoodwink.evidence.claims import check_claim
from hoodwink.evidence.judge import judge
from hoodwink.evidence.verify import verify
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


def check_audit(folder: Path, model: Model, number: int = -1, **values: Any) -> Check:
    claim = Run.open(folder).record["claims"][number]
    return check_claim({**claim, "values": claim["values"] | values}, folder, model)


def test_an_audits_claims_count_the_balls_own_pictures_and_those_of_smaller_balls(tmp_path: Path, tiny: Model) -> None:
    folder = write_audit(tmp_path / "run", tiny)
    small, large = check_audit(folder, tiny, 0), check_audit(folder, tiny, 1)
    assert (small.status, small.why, small.measured["pictures"]) == (HOLDS, "of 3 claimed pictures 3 hold", 3)
    assert (large.status, large.why, large.measured["holding"]) == (HOLDS, "of 5 claimed pictures 5 hold", 5)
    assert verify(folder, model=tiny).holds
    assert check_audit(folder, tiny, draws=3).status == HOLDS


def test_a_ball_of_another_norm_counts_apart(tmp_path: Path, tiny: Model) -> None:
    folder = write_audit(tmp_path / "run", tiny)
    cases = [*CASES, {"norm": "l2", "eps": 0.5}]
    other = check_audit(folder, tiny, cases=cases, norm="l2", eps=0.5, felled=1)
    assert (other.status, other.wrong) == (FAILS, ("file",)) and "the file has only 0 of this ball" in other.why
    assert check_audit(folder, tiny, cases=cases).status == HOLDS


@pytest.mark.parametrize(
    ("change", "words", "parts"),
    [
        (
            {"label": np.array([0, 1, 0, 0, 0])},
            "of 5 claimed pictures 4 hold; picture 3: its original is not rightly classified",
            ("answer",),
        ),
        ({"pictures": felled().originals}, "of 5 claimed pictures 0 hold; picture 1: it gets its own label", ("answer",)),
        ({"case": np.array([0, 0, 0, 0, 1])}, "picture 6: it lies outside its ball", ("distances",)),
        ({"case": np.array([0, 0, 0, 2, 1])}, "names balls that the claim does not have", ("file",)),
        ({"index": np.array([1, 3, 3, 6, 7])}, "one picture more than once", ("file",)),
        ({"case": np.array([0.0, 0, 0, 1, 1])}, "whole numbers", ("file",)),
        ({"label": np.zeros((5, 2), np.int64)}, "whole numbers", ("file",)),
        ({"pictures": [levels.astype(np.float32) for levels in felled().pictures]}, "uint8", ("file",)),
    ],
)
def test_each_fault_of_the_felling_pictures_is_found(
    tmp_path: Path, tiny: Model, change: dict[str, Any], words: str, parts: tuple[str, ...]
) -> None:
    found = check_audit(write_audit(tmp_path / "run", tiny, replace(felled(), **change)), tiny)
    assert (found.status, found.wrong) == (FAILS, parts) and words in found.why


def test_pictures_that_are_missing_or_too_many(tmp_path: Path, tiny: Model) -> None:
    folder = write_audit(tmp_path / "run", tiny)
    assert "the file has only 5 of this ball" in check_audit(folder, tiny, felled=6).why
    assert check_audit(folder, tiny, felled=4).status == HOLDS
    everything = replace(felled(), pictures=felled().originals)
    why = check_audit(write_audit(tmp_path / "other", tiny, everything), tiny, felled=1).why
    assert why.startswith("of 1 claimed picture 0 hold; picture 1:") and "and 1 more" not in why


def test_many_faults_are_not_all_listed(tmp_path: Path, tiny: Model) -> None:
    found = felled()
    wide = replace(
        found,
        pictures=[*found.originals, *found.originals],
        originals=[*found.originals, *found.originals],
        index=np.arange(10),
        label=np.zeros(10, np.int64),
        case=np.zeros(10, np.int64),
    )
    why = check_audit(write_audit(tmp_path / "run", tiny, wide), tiny, felled=10).why
    assert why.count("picture ") == 5 and why.endswith("and 5 more")


def test_an_audits_file_is_looked_for_in_the_folder_only(tmp_path: Path, tiny: Model) -> None:
    folder, other = write_audit(tmp_path / "run", tiny), write_audit(tmp_path / "other", tiny)
    claim = Run.open(folder).record["claims"][0]
    for name in ("../other/fooled.safetensors", str(other / FOOLED)):
        found = check_claim({**claim, "file": name}, folder, tiny)
        assert found.status == UNKNOWN and "is not in the folder" in found.why
    (folder / FOOLED).write_bytes(b"other bytes")
    assert check_audit(folder, tiny).status == FAILS
    (folder / FOOLED).unlink()
    (folder / FOOLED).symlink_to(other / FOOLED)
    assert check_audit(folder, tiny).status == UNKNOWN


@pytest.mark.parametrize(
    "values",
    [
        {"cases": None},
        {"cases": [{"norm": "linf"}]},
        {"cases": [{"norm": "l9", "eps": 1}]},
        {"cases": [{"norm": "linf", "eps": True}]},
        {"eps": 0.3},
        {"norm": "l2"},
        {"felled": None},
        {"felled": -1},
        {"felled": "5"},
        {"draws": 0},
        {"draws": 10**9},
    ],
)
def test_audit_claims_that_were_changed_by_hand(tmp_path: Path, tiny: Model, values: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="run.json: "):
        check_audit(write_audit(tmp_path / "run", tiny), tiny, **values)
