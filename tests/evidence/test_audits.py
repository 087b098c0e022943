from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from audit_records import CASES, MOVED, felled, red
from hoodwink.evidence.audits import Felled, holding, labels_of
from hoodwink.models.model import Model
from hoodwink.runs import RunError

SIZES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=12)


@given(sizes=SIZES, channels=st.sampled_from([1, 3]), seed=st.integers(0, 2**32 - 1))
def test_what_is_packed_is_read(tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]], channels: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    pictures, originals = ([draw.integers(0, 256, (*size, channels), np.uint8) for size in sizes] for _ in range(2))
    index, label, case = draw.integers(0, 10**6, (3, len(sizes)))
    path = tmp_path_factory.mktemp("packed") / "fooled.safetensors"
    path.write_bytes(Felled(pictures, originals, index, label, case).pack())
    found = Felled.read(path)
    assert all(np.array_equal(a, b) for a, b in zip(found.pictures, pictures, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(found.originals, originals, strict=True))
    assert [found.index.tolist(), found.label.tolist(), found.case.tolist()] == [index.tolist(), label.tolist(), case.tolist()]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no safetensors", "cannot be read"),
        (save({"index": np.zeros(1, np.int64)}), "cannot be read"),
        (
            save({name: np.zeros((2, 1, 1, 3), np.uint8) for name in ("pictures", "originals")} | dict.fromkeys(("index", "label"), np.zeros(2))
                 | {"case": np.zeros(1)}),
            "as many pictures as",
        ),
    ],
)  # fmt: skip
def test_files_that_are_none(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "fooled.safetensors"
    path.write_bytes(data)
    with pytest.raises(RunError, match=words):
        Felled.read(path)
    with pytest.raises(RunError, match="cannot be read"):
        Felled.read(tmp_path / "nowhere")


def test_each_felling_picture_holds(tiny: Model) -> None:
    found = felled()
    assert list(labels_of(found.originals, tiny)) == [0] * 5 and list(labels_of(found.pictures, tiny)) == [1] * 5
    assert list(holding(found, CASES, tiny)) == [""] * 5
    smaller = [max(MOVED[index] for index in MOVED if int(MOVED[index] > 2) == case) for case in (0, 1)]
    assert smaller == [2, 4]  # so that each ball is filled to its face by one of them


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"label": np.ones(5, np.int64)}, "its original is not rightly classified"),
        ({"pictures": [red(2)] * 5}, "it gets its own label"),
        ({"originals": [red(3, size=9)] * 5}, "it has another size than its original"),
        ({"case": np.zeros(5, np.int64)}, "it lies outside its ball: linf 4, 2 is allowed"),
    ],
)
def test_what_does_not_hold_is_said(tiny: Model, change: dict[str, Any], why: str) -> None:
    found = replace(felled(), **change)
    assert why in list(holding(found, CASES, tiny))


def test_distances_in_other_norms_are_exact(tiny: Model) -> None:
    found = felled()
    sizes = [
        float(np.sqrt(((after.astype(int) - before) ** 2).sum()) / 255)
        for before, after in zip(found.originals, found.pictures, strict=True)
    ]
    found = replace(found, case=np.arange(5))
    assert list(holding(found, [{"norm": "l2", "eps": size} for size in sizes], tiny)) == [""] * 5
    assert all("outside" in why for why in holding(found, [{"norm": "l2", "eps": 0.999 * size} for size in sizes], tiny))


class _Dice(torch.nn.Module):
    """Answers 0, 1, 1, 0, 1, 1, ... whatever it is asked."""

    calls = 0

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.tensor([[0.5, 0.0 if self.calls % 3 == 1 else 1.0, 0.0]]).repeat(len(pictures), 1)


def test_of_several_draws_the_most_frequent_counts(tiny: Model) -> None:
    assert list(labels_of([red(1)] * 3, Model(_Dice(), tiny.card, device=tiny.device))) == [0, 1, 1]
    assert list(labels_of([red(1)] * 3, Model(_Dice(), tiny.card, device=tiny.device), draws=3)) == [1, 1, 1]
