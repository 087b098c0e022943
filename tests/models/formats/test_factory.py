from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoodwink.models.load import ModelError, load_model

SOURCE = """
from torch import nn
from hoodwink.models.load import wrap

def bare():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 2))

def carrying():
    network = bare()
    network.hoodwink_card = {"mean": 0.5, "std": 0.5, "classes": ["cat", "dog"], "size": 2, "name": "carried"}
    return network

def model():
    import beside  # a module beside it is found while the factory runs
    return wrap(bare(), mean=0, std=1, classes=2, size=2, name="whole")

def wrong_card():
    network = bare()
    network.hoodwink_card = ["mean"]
    return network

def misspelt_card():
    network = bare()
    network.hoodwink_card = {"maen": 0.5}
    return network

def broken():
    raise RuntimeError("no weights\\nin a second line")

def wanting(path):
    return bare()

def number():
    return 3
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "nets.py").write_text(SOURCE)
    (tmp_path / "pack" / "faulty.py").write_text("1 +")
    (tmp_path / "beside.py").write_text("")
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("pack", "beside"):
            del sys.modules[name]


def test_a_module_with_card_fields() -> None:
    path = list(sys.path)
    one = load_model("python:pack.nets:bare", mean=[0.5, 0.4, 0.3], std=0.5, classes=["cat", "dog"], size=2)
    assert one.card.name == "bare"
    assert one.card.source == one.card.network["name"] == "python:pack.nets:bare"
    assert sys.path == path


def test_a_module_that_carries_its_card() -> None:
    assert load_model("python:pack.nets:carrying").card.name == "carried"
    assert load_model("python:pack.nets:carrying", classes=["a", "b"]).find("b") == 1


def test_a_whole_model() -> None:
    assert load_model("python:pack.nets:model").card.name == "whole"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pack.nets", "a module and a function in it are wanted, as in python:package.module:factory"),
        (":bare", "a module and a function"),
        ("pack.absent:bare", "cannot be imported .ModuleNotFoundError: No module named 'pack.absent'.*looked for in"),
        ("pack.nets:absent", "cannot be imported .AttributeError: .*has no attribute 'absent'"),
        ("pack.faulty:make", "cannot be imported .SyntaxError"),
        ("pack.nets:broken", "failed when called without arguments .RuntimeError: no weights"),
        ("pack.nets:wanting", "failed when called without arguments .TypeError"),
        ("pack.nets:number", "must return a torch module or a hoodwink Model, it returned int"),
        ("pack.nets:bare", "does not say its mean and std and classes; give mean=, std=, classes="),
        ("pack.nets:wrong_card", "hoodwink_card must be a dict of card fields, it is list"),
        ("pack.nets:misspelt_card", "does not take maen"),
    ],
)
def test_every_failure_is_one_line(spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_model(f"python:{spec}")
    assert str(caught.value).startswith(f"python:{spec}")
    assert "\n" not in str(caught.value)


def test_a_whole_model_takes_no_card_fields() -> None:
    with pytest.raises(ModelError, match="which returned a Model, does not take mean"):
        load_model("python:pack.nets:model", mean=0.5)
