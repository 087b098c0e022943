from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from hoodwink.auditing.foreign import find_function, own_attack, own_objective, read_adversarials
from hoodwink.auditing.records import AuditError

SHAPE = (4, 5, 3)  # H, W, C
PICTURES = np.random.default_rng(0).integers(0, 256, (2, *SHAPE)).astype(np.uint8)
OWN = """
import torch

NUMBER = 3

def brighter(queries, pictures, labels, *, norm, eps, generator):
    return pictures + eps

def wrong_shape(queries, pictures, labels, **asked):
    return pictures[:, :1]

def failing(queries, pictures, labels, **asked):
    raise KeyError("oh")

def margin(logits, up, down):
    return logits.amax(1)

def scalar(logits, up, down):
    return logits.sum()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "ownattacks.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "ownattacks", raising=False)
    return "ownattacks"


def test_an_attack_of_ones_own_keeps_its_name_and_is_checked(own: str) -> None:
    pictures, labels = torch.zeros(2, 3, 4, 5), torch.zeros(2, dtype=torch.long)
    attack = own_attack(f"{own}:brighter")
    assert attack.__name__ == "brighter"
    assert torch.equal(attack(None, pictures, labels, norm="linf", eps=0.5, generator=None), pictures + 0.5)
    with pytest.raises(AuditError, match=r"pictures \(2, 3, 4, 5\) in \[0, 1\] were wanted, a tensor \(2, 1, 4, 5\) came"):
        own_attack(f"{own}:wrong_shape")(None, pictures, labels)
    with pytest.raises(AuditError, match=r"attack ownattacks:failing: failed \(KeyError: 'oh'\)"):
        own_attack(f"{own}:failing")(None, pictures, labels)


def test_an_objective_of_ones_own(own: str) -> None:
    logits = torch.tensor([[1.0, 3.0], [2.0, 0.0]])
    assert own_objective(f"{own}:margin")(logits, None, None).tolist() == [3.0, 2.0]
    with pytest.raises(AuditError, match="a value for each of 2 pictures"):
        own_objective(f"{own}:scalar")(logits, None, None)


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("ownattacks", "package.module:function"),
        (":brighter", "package.module:function"),
        ("ownattacks:", "package.module:function"),
        ("absent:brighter", "No module named 'absent'"),
        ("ownattacks:absent", "cannot be imported"),
        ("broken:any", "ZeroDivisionError"),
        ("ownattacks:NUMBER", "a function was wanted, this is int"),
    ],
)
def test_what_cannot_be_found_is_one_line(own: str, spec: str, part: str) -> None:
    with pytest.raises(AuditError, match=part) as raised:
        find_function(spec, "attack")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("floats", [np.float64, np.float32, np.float16, None])
def test_every_form_holds_the_same_pictures(tmp_path: Path, kind: str, first: bool, floats: type | None) -> None:
    array: Any = PICTURES if floats is None else (PICTURES / 255).astype(floats)
    array = np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if first else array
    path = tmp_path / f"made.{kind}"
    if kind == "npy":
        np.save(path, array)
    elif kind == "npz":
        np.savez(path, x=array, y=np.arange(2))
    else:
        save_file({"x": array}, path)
    found = read_adversarials(path, 2, SHAPE)
    assert found.dtype == np.float32
    assert found.shape == (2, 3, 4, 5)
    assert np.array_equal((found * 255).round().transpose(0, 2, 3, 1), PICTURES)


@pytest.mark.parametrize(
    ("array", "part"),
    [
        (PICTURES[:1], "2 x 3 x 4 x 5, or 2 x 4 x 5 x 3, were wanted, one for each that is audited, 1 x 4 x 5 x 3 came"),
        (PICTURES[0], "one array of four dimensions was wanted, it holds one .4 x 5 x 3."),
        (PICTURES.astype(np.float32), "divide them by 255"),
        (PICTURES / 127.5 - 1, "undo their normalisation"),
        (PICTURES.astype(np.int64), "int64 came"),
        (np.full((2, *SHAPE), np.nan), "not finite"),
    ],
)
def test_other_arrays_are_refused_in_words(tmp_path: Path, array: Any, part: str) -> None:
    np.save(tmp_path / "made.npy", array)
    with pytest.raises(AuditError, match=part):
        read_adversarials(tmp_path / "made.npy", 2, SHAPE)


def test_other_files_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "pickled.npy").write_bytes(b"no array")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "some.safetensors").write_bytes(b"12345678")
    np.savez(tmp_path / "two.npz", a=PICTURES, b=PICTURES)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name, part in (
        ("absent.npy", "cannot be read: no such file"),
        ("some.pt", ".npy, .npz, .safetensors was wanted"),
        ("pickled.npy", "cannot be read"),
        ("empty.npy", "cannot be read"),
        ("cut.npz", "cannot be read"),
        ("some.safetensors", "cannot be read"),
        ("objects.npy", "cannot be read"),
        ("two.npz", r"it holds a \(2 x 4 x 5 x 3\), b"),
    ):
        with pytest.raises(AuditError, match=part):
            read_adversarials(tmp_path / name, 2, SHAPE)


def test_a_hair_outside_is_rounding(tmp_path: Path) -> None:
    np.save(tmp_path / "made.npy", np.full((2, *SHAPE), 1 + 1e-6))
    assert read_adversarials(tmp_path / "made.npy", 2, SHAPE).max() == 1
