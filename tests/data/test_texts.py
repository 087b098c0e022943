from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data.cards import DataError
from hoodwink.data.fetch import where_kept
from hoodwink.data.load import load
from hoodwink.data.table import Row
from hoodwink.data.text_table import NAMES, TEXT_SETS, TWEETS, part_once
from hoodwink.data.texts import find_row, load_texts
from hoodwink.texts.alphabet import to_ascii

from .conftest import REAL


def real(monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    """Let the machine's own data be found, where it has them."""
    if not REAL:
        pytest.skip("HOODWINK_DATA is not set")
    monkeypatch.setenv("HOODWINK_DATA", REAL)
    if where_kept(row) is None:
        pytest.skip(f"HOODWINK_DATA has no {row.card.name}")


@pytest.mark.parametrize("name", ["made-names", "made-tweets"])
def test_made_texts_are_the_same_at_each_call(name: str) -> None:
    for split, count in TEXT_SETS[name].card.counts.items():
        found = load_texts(f"{name}:{split}")
        assert len(found) == count and found.sha256 == load_texts(f"{name}:{split}").sha256
        assert found.labels is not None and set(found.labels.tolist()) == set(range(len(found.classes)))


def test_names_are_parted_seven_to_three(monkeypatch: pytest.MonkeyPatch) -> None:
    real(monkeypatch, NAMES)
    train, test = load_texts("names:train"), load_texts("names")
    assert len(train) + len(test) == 20_050 and len(train.classes) == 18
    lines = Counter(test.texts) + Counter(train.texts)
    assert sum(lines.values()) == 20_050 and not any(name != name.strip() for name in lines)
    assert test.labels is not None and test.split == "test" and 0.44 < np.mean(test.labels == test.classes.index("Russian")) < 0.5


def test_once_no_name_is_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    real(monkeypatch, NAMES)
    train, test = load_texts("names:train-once"), load_texts("names:test-once")
    assert not {to_ascii(name) for name in train.texts} & {to_ascii(name) for name in test.texts}
    assert train.labels is not None
    assert max(Counter(zip(map(to_ascii, train.texts), train.labels.tolist(), strict=True)).values()) == 1


@given(st.lists(st.tuples(st.sampled_from(["Abe", "abe", "Ab\u00e9", "Bo", "Cy", "Di"]), st.integers(0, 2)), min_size=1))
def test_parting_once(found: list[tuple[str, int]]) -> None:
    names, labels = tuple(name for name, _ in found), [label for _, label in found]
    sides = part_once(names, labels)
    kept = [{(to_ascii(names[k]), labels[k]) for k in side} for side in sides]
    assert kept[0] | kept[1] == {(to_ascii(name), label) for name, label in found}
    assert sum(map(len, sides)) == len(kept[0]) + len(kept[1]) and not {one for one, _ in kept[0]} & {one for one, _ in kept[1]}


def test_tweets(monkeypatch: pytest.MonkeyPatch) -> None:
    real(monkeypatch, TWEETS)
    train, test, hand = (load_texts(f"tweets:{split}") for split in ("train", "test", "hand"))
    assert [len(one) for one in (train, test, hand)] == [16_000, 4_000, 359]
    assert hand.labels is not None and hand.labels.sum() == 182 and hand.classes == ("negative", "positive")
    assert test.labels is not None and abs(test.labels.mean() - 0.5) < 0.02


def test_files_of_ones_own(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(f"text {k}" for k in range(20)), encoding="utf-8")
    whole, train, test = (load_texts(f"{lines}{split}") for split in ("", ":train", ":test"))
    assert len(whole) == 20 and whole.labels is None and whole.classes == ()
    assert len(test) == 2 and sorted(train.texts + test.texts) == sorted(whole.texts)
    table = tmp_path / "texts.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("label", "text"), ("good", "a, b"), ("bad", "c")])
    found = load_texts(table)
    assert found.texts == ("a, b", "c") and found.labels is not None and found.labels.tolist() == [1, 0]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/Greek.txt").write_text("Adamos\n")
    assert load_texts(tmp_path / "folder").classes == ("Greek",) and len(load_texts(lines, limit=3)) == 3


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    for spec, said in (
        ("nemas", "no file or set of texts 'nemas'; the data sets are names, tweets, made-names, made-tweets; did you mean names"),
        (tmp_path / "empty.txt", "one text a line was wanted, it has none"),
        (tmp_path / "bad.csv", "the columns text and label was wanted, it has a, b"),
        ("made-names:valid", "made-names has no split 'valid'"),
    ):
        with pytest.raises(DataError, match=said):
            load_texts(spec)
    with pytest.raises(DataError, match="a limit of 1 or more"):
        load_texts("made-names", limit=0)


def test_names_of_both_kinds_are_found() -> None:
    assert find_row("mnist").card.shape == (28, 28, 1) and find_row("names") is NAMES
    with pytest.raises(DataError, match="no data set 'namse'; the data sets are cifar10, .*, made-tweets; did you mean names"):
        find_row("namse")
    with pytest.raises(DataError, match="names holds texts, and pictures were wanted"):
        load("names:train")
