from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
import torch

from hoodwink.attacks.objectives import not_named
from hoodwink.evidence.judge import judge
from hoodwink.evidence.verify import verify
from hoodwink.models.card import ModelError
from hoodwink.models.changes import Changer, Changes
from hoodwink.models.model import Model
from hoodwink.rewording import RewordError, fool_text, fool_text_into, promise
from hoodwink.texts.edits import letter_distance
from hoodwink.texts.read import make_text, read_text
from text_models import LETTERS, of_letters, of_words

NAMES = ["Abe", "Dab", "Ceda", "Bead", "Ecad"]


def labels(model: Model, texts: list[str]) -> list[int]:
    with torch.no_grad():
        return model.outputs(model.encode_all(texts)).argmax(1).tolist()


def least(model: Model, text: str) -> int:
    """By brute force over all texts one and two letters away: the fewest changes to another label; 3 for more."""
    space = Changer(model, Changes.of(model)).of(text)
    mine = labels(model, [text])[0]
    level = [text]
    for changes in (1, 2):
        level = list(dict.fromkeys(itertools.chain.from_iterable(map(space.further, level))))
        if any(label != mine for label in labels(model, level)):
            return changes
    return 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("text", NAMES)
def test_the_fewest_letters_are_those_of_brute_force(seed: int, text: str) -> None:
    model = of_letters(seed)
    wanted = least(model, text)
    result = fool_text(text, model=model, most=2)
    if wanted > 2:
        assert not result.fooled and result.proven == 2
        return
    assert result.fooled and result.minimal and result.count == wanted == letter_distance(text, result.text)
    assert result.after.label != result.before.label == judge(make_text(text), model).label


def test_a_target_and_a_confidence_are_reached() -> None:
    model = of_letters(2)
    near = fool_text("Ceda", model=model, most=3)
    target, least = near.after.label, 0.9 * near.confidence
    result = fool_text("Ceda", target=target, confidence=least, model=model, most=3)
    assert result.fooled and result.after.label == target and result.confidence >= least and result.count == near.count
    with pytest.raises(RewordError, match=f"already calls this text {near.before.label}"):
        fool_text("Ceda", target=near.before.label, model=model)


def test_the_words_that_decide_are_changed_and_the_white_space_stays() -> None:
    model = of_words()
    text = "my  day was really great today"
    result = fool_text(text, model=model, kinds=("typos", "lookalikes", "neighbours"))
    assert result.before.label == "positive" and result.fooled and result.minimal
    assert re.findall(r"\s+", result.text) == re.findall(r"\s+", text) and result.changes.unit == "words"
    assert sum(one != other for one, other in zip(text.split(), result.text.split(), strict=True)) == result.count


@pytest.mark.parametrize("method", ["greedy", "random"])
def test_the_other_searches_find_texts_that_hold(method: str) -> None:
    model = of_letters(2)
    result = fool_text("Ceda", model=model, method=method, queries=3000)
    assert result.fooled and result.after.label != result.before.label and result.gradients == 0
    assert result.count >= fool_text("Ceda", model=model).count


def test_the_promise_is_the_slope_of_the_objective() -> None:
    """Of a network that is linear in its vectors, the promise is exact, but for what the first text has already."""
    model = of_words()
    with torch.no_grad():
        goal = not_named(1)
        space = Changer(model, Changes.of(model, ("neighbours",))).of("great movie today")
        rank = promise(model, space, goal)
        assert rank is not None
        items = space.further(space.start)
        found = rank(space.start, items)
        same = [item for item in items if model.encode(space.text(item)).shape == model.encode(space.text(space.start)).shape]
        values = goal.objective(model.outputs(model.encode_all([space.text(item) for item in same])))
        start = goal.objective(model.outputs(model.encode(space.text(space.start))))
        kept = found[[items.index(item) for item in same]]
    base = rank(space.start, [space.start])
    torch.testing.assert_close(kept - base, values - start, atol=1e-4, rtol=1e-4)


def test_a_run_folder_is_verified_from_its_files(tmp_path: Path) -> None:
    model = of_letters(3)
    folder = model.save(tmp_path / "model")
    from hoodwink.models.load import load_model

    loaded = load_model(folder)
    result = fool_text_into(tmp_path / "run", "Bead", model=loaded)
    assert result.fooled and read_text(tmp_path / "run/fooled.txt").content == result.text
    found = verify(tmp_path / "run")
    assert found.holds and "changed" in found.checks[0].why
    page = (tmp_path / "run/report.html").read_text()
    assert result.before.label in page and "<mark>" in page and "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "fooled.txt").write_text("Bead\n"), "it still gets the label"),
        (lambda folder: (folder / "fooled.txt").write_bytes(b"\xff"), "UTF-8 was wanted"),
        (lambda folder: claim(folder, count=7), "7 were claimed"),
        (lambda folder: claim(folder, proven=3), "fools, too, and has at most 3"),
        (lambda folder: claim(folder, label="class 0", target=None), "'class 0' was claimed"),
    ],
)
def test_what_was_altered_does_not_hold(spoil: object, said: str, tmp_path: Path) -> None:
    model = of_letters(3)
    fool_text("Bead", model=model).save(tmp_path / "run")
    spoil(tmp_path / "run")  # type: ignore[operator]
    (check,) = verify(tmp_path / "run", model=model).checks
    assert check.status == "does not hold" and said in check.why


def claim(folder: Path, **values: object) -> None:
    record = json.loads((folder / "run.json").read_text())
    record["claims"][0]["values"] |= values
    (folder / "run.json").write_text(json.dumps(record))


def test_without_the_original_the_changes_cannot_be_counted(tmp_path: Path) -> None:
    model = of_letters(3)
    fool_text("Bead", model=model).save(tmp_path / "run")
    (tmp_path / "run/original.txt").unlink()
    (check,) = verify(tmp_path / "run", model=model).checks
    assert check.status == "cannot be checked" and "original.txt is not in the folder" in check.why


def test_what_cannot_be_done_is_said() -> None:
    model = of_letters()
    for options, said in (({"method": "best"}, "one of fewest, greedy, random"), ({"most": 0}, "1 or more were wanted")):
        with pytest.raises(RewordError, match=said):
            fool_text("Abe", model=model, **options)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="nothing of it is in the letters"):
        fool_text("\u9673", model=model)
    assert "'" in LETTERS and "'" not in Changes.of(model).letters
