from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hoodwink.auditing.records import AuditError
from hoodwink.auditing.texts import Seen, TextSettings, audit_texts, figures, table
from hoodwink.data.texts import TextSet
from hoodwink.evidence.verify import verify
from hoodwink.models.changes import Changer, Changes
from hoodwink.models.model import Model
from hoodwink.runs import EVENTS, MANIFEST, RunError
from hoodwink.texts.read import TextError
from text_models import of_letters, of_words

NAMES = ("Abe", "Dab", "Ceda", "Bead", "Ecad", "Cab", "\u9673", "Deb")


def names(model: Model, wrong: int = 1) -> TextSet:
    """Names with the labels that the network gives them, but the first ones with another."""
    readable = [name for name in NAMES if model.card.reader.read(name)]
    with torch.no_grad():
        found = dict(zip(readable, model.outputs(model.encode_all(readable)).argmax(1).tolist(), strict=True))
    labels = np.array([found.get(name, 0) for name in NAMES], np.int64)
    labels[:wrong] = (labels[:wrong] + 1) % len(model.classes)
    return TextSet("small", None, NAMES, labels, model.classes.names)


def by_hand(model: Model, data: TextSet, changes: int) -> list[int]:
    """How many stand under 0, 1, ... changes, by asking about every text there is."""
    standing = [0] * (changes + 1)
    for text, label in zip(data.texts, np.asarray(data.labels).tolist(), strict=True):
        if not model.card.reader.read(text):
            continue
        space, level, seen = Changer(model, Changes.of(model)).of(text), [text], {text}
        for count in range(changes + 1):
            with torch.no_grad():
                if (model.outputs(model.encode_all(level)).argmax(1) != label).any():
                    break
            standing[count] += 1
            level = [new for new in dict.fromkeys(new for one in level for new in space.further(one)) if new not in seen]
            seen |= set(level)
    return standing


@pytest.mark.parametrize("seed", [0, 4])
def test_the_figures_are_those_of_asking_about_everything(seed: int, tmp_path: Path) -> None:
    model = of_letters(seed)
    data = names(model)
    run = audit_texts(model, data, settings=TextSettings(changes=2), out=tmp_path / "run")
    rows = run.record["result"]["table"]
    assert [row["standing"] for row in rows] == by_hand(model, data, 2) == [row["proven"] for row in rows]
    assert rows[0]["accuracy"] == 6 / 8
    checked = verify(tmp_path / "run", model=model)
    assert checked.holds and run.record["models"][0]["card"]["input"]["kind"] == "text"


def test_what_is_finished_is_not_done_again(tmp_path: Path) -> None:
    model = of_letters(1)
    data = names(model)
    whole = audit_texts(model, data, out=tmp_path / "whole").record["result"]

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit_texts(model, data, out=tmp_path / "run", watch=stop)
    assert not (tmp_path / "run" / MANIFEST).exists()
    with (tmp_path / "run" / EVENTS).open("a") as file:
        file.write('{"text": {"ind')  # cut short by a crash
    told: list[int] = []
    found = audit_texts(model, data, out=tmp_path / "run", resume=True, watch=lambda done, total: told.append(done)).record["result"]
    assert {key: found[key] for key in ("table", "figures", "by_class")} == {key: whole[key] for key in ("table", "figures", "by_class")}
    lines = (tmp_path / "run" / EVENTS).read_text().splitlines()
    done = [json.loads(line)["text"]["index"] for line in lines if line.startswith('{"text": {"index')]
    assert sorted(done) == list(range(8)) and told[0] == 3
    assert audit_texts(model, data, out=tmp_path / "run", resume=True).finished
    with pytest.raises(RunError, match="of other settings"):
        audit_texts(model, data, settings=TextSettings(changes=2), out=tmp_path / "run", resume=True)


def test_words_are_audited_too(tmp_path: Path) -> None:
    model = of_words()
    texts = ("my day was great", "my day was awful", "a really happy morning", "so sad and tired")
    data = TextSet("days", None, texts, np.array([1, 0, 1, 0]), ("negative", "positive"))
    run = audit_texts(model, data, settings=TextSettings(changes=1, kinds=("typos",)), out=tmp_path / "run")
    assert run.record["changes"]["unit"] == "words" and run.record["result"]["table"][0]["accuracy"] == 1
    page = (tmp_path / "run/report.html").read_text()
    assert "stand when 1 word may be changed" in page and "http" not in page.replace("http-equiv", "")
    assert verify(tmp_path / "run", model=model).holds


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"fooled": "Dab", "count": 0}, "it gets its own label"),
        ({"count": 5}, "5 were claimed"),
        ({"label": "class 1"}, "its original is not rightly read"),
    ],
)
def test_a_file_that_was_altered_does_not_hold(entry: dict[str, object], said: str, tmp_path: Path) -> None:
    model = of_letters(0)
    run = audit_texts(model, names(model, wrong=0), out=tmp_path / "run")
    path = run.directory / "fooled.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    spoiled = next(line for line in lines if line["original"] == "Dab" or "label" in entry or "count" in entry)
    if entry.get("label") == spoiled["label"]:
        entry = {"label": "class 2"}
    spoiled |= {**entry, "fooled": spoiled["original"]} if "fooled" in entry else entry
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (check,) = verify(run.directory, model=model).checks
    assert check.status == "does not hold" and said in check.why


def test_a_slip_in_the_kinds_is_said_before_anything_is_done(tmp_path: Path) -> None:
    data = TextSet("days", None, ("my day was great",), np.array([1]), ("negative", "positive"))
    with pytest.raises(TextError, match="kinds: of neighbours, typos, lookalikes were wanted, not typo"):
        audit_texts(of_words(), data, settings=TextSettings(kinds=("typo",)), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_figures_by_hand() -> None:
    seen = [
        Seen(0, 0, False, 4),
        Seen(1, 0, True, 4, "Abe", "x", count=1, proven=0, queries=10),
        Seen(2, 0, True, 5, "Abe", "x", count=2, proven=1, queries=20),
        Seen(3, 0, True, 4, None, "", proven=1, queries=30),
    ]
    assert [(row["standing"], row["proven"]) for row in table(seen, 2)] == [(3, 3), (2, 2), (1, 0)]
    found = figures(seen)
    assert found["success_rate"] == 2 / 3 and found["accuracy_under_attack"] == 1 / 4 and found["original_accuracy"] == 3 / 4
    assert found["queries"] == 20 and found["changed"] == 1.5 and found["changed_share"] == pytest.approx((1 / 4 + 2 / 5) / 2)


def test_what_cannot_be_audited_is_said(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="changes and queries: 1 or more"):
        TextSettings(changes=0)
    with pytest.raises(AuditError, match="texts with labels were wanted"):
        audit_texts(of_letters(), TextSet("lines", None, NAMES, None, ()), out=tmp_path / "run")
