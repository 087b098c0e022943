from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from hoodwink.models.card import ModelError
from hoodwink.models.weights import fit, hash_weights, pack, read_weights


def state() -> dict[str, Tensor]:
    return {"weight": torch.arange(6.0).view(2, 3), "bias": torch.tensor([1.0, 2.0])}


def read(path: Path, content: Any) -> dict[str, Tensor]:
    torch.save(content, path)
    return read_weights(path)[0]


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s, "best": 0.5},
        lambda s: {"model": {f"module.{key}": value for key, value in s.items()}},
        lambda s: {f"module.{key}": value for key, value in s.items()},
        lambda s: nn.Linear(3, 2).state_dict() | s,
    ],
)
def test_state_dicts_are_unwrapped(tmp_path: Path, wrapped: Callable[[dict[str, Tensor]], Any]) -> None:
    got = read(tmp_path / "w.pth", wrapped(state()))
    assert list(got) == ["weight", "bias"]
    assert all(torch.equal(got[key], value) for key, value in state().items())


def test_a_prefix_of_some_keys_stays(tmp_path: Path) -> None:
    assert list(read(tmp_path / "w.pth", {"module.a": torch.zeros(1), "b": torch.zeros(1)})) == ["module.a", "b"]


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    save_file(state(), tmp_path / "w.safetensors")
    torch.save(state(), tmp_path / "w.pth")
    for path in tmp_path.iterdir():
        got, sha256 = read_weights(path)
        assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert torch.equal(got["weight"], state()["weight"])


def script(path: Path) -> None:
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)  # type: ignore[no-untyped-call]


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), path)


def cut(path: Path) -> None:
    torch.save(state(), path)
    path.write_bytes(path.read_bytes()[:300])


REFUSED: list[tuple[str, Callable[[Path], object], str]] = [
    (
        "module.pth",
        lambda p: torch.save(nn.Linear(1, 1), p),
        "it wants to run torch.nn.modules.linear.Linear; save only network.state_dict",
    ),
    ("code.pth", lambda p: p.write_bytes(pickle.dumps({"a": print}, protocol=2)), "is not loaded, it"),
    ("list.pth", lambda p: torch.save([1, 2], p), "a state dict .* is wanted, it holds list"),
    ("empty-dict.pth", lambda p: torch.save({}, p), "it holds dict"),
    ("numbers.pth", lambda p: torch.save({"a": torch.zeros(1), "epoch": 3}, p), "only tensors, these are not: epoch"),
    ("empty.pth", lambda p: p.write_bytes(b""), "is no file of weights, or not a whole one"),
    ("text.pth", lambda p: p.write_bytes(b"hello, world"), "is no file of weights|holds more than tensors"),
    ("cut.pth", cut, "not a whole one .*failed"),
    ("cut.safetensors", lambda p: (save_file(state(), p), p.write_bytes(p.read_bytes()[:-3])), "is not a whole safetensors file"),
    ("text.safetensors", lambda p: p.write_bytes(b"hello, world"), "is not a whole safetensors file"),
    ("script.pt", script, "TorchScript program, which runs its own code when loaded.*network.state_dict"),
    ("program.pt2", exported, ".pt2 program, which runs its own code"),
    ("folder.pth", lambda p: p.mkdir(), "cannot be read .Is a directory"),
    ("absent.pth", lambda p: None, "cannot be read .No such file"),
]


@pytest.mark.parametrize(("name", "make", "message"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_is_no_state_dict_is_refused_in_one_line(tmp_path: Path, name: str, make: Callable[[Path], object], message: str) -> None:
    make(tmp_path / name)
    with pytest.raises(ModelError, match=message) as caught:
        read_weights(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_nothing_of_a_foreign_pickle_is_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return Path.mkdir, (tmp_path / "ran",)  # type: ignore[return-value]

    torch.save({"weight": Bomb()}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="is not loaded"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_fit_loads_what_fits() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    new = {key: torch.ones_like(value) for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    fit(network, new, "w.pth")
    assert all(torch.equal(network.state_dict()[key], value) for key, value in new.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias": None}, r"w.pth: the weights do not fit the network: 1 missing \(bias\)$"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, r"4 unexpected \(a, b, c, ...\)$"),
        ({"bias": 5}, r"1 of another shape \(bias 5, wanted 2\); for another number of outputs give classes=$"),
        ({"bias": 5, "weight": None, "x": 1}, r"1 missing \(weight\), 1 unexpected \(x\), 1 of another shape \(bias 5, wanted 2\)$"),
    ],
)
def test_fit_says_what_does_not(changes: dict[str, int | None], message: str) -> None:
    given = {**state(), **{key: torch.zeros(size) for key, size in changes.items() if size is not None}}
    for key, size in changes.items():
        if size is None:
            del given[key]
    with pytest.raises(ModelError, match=message):
        fit(nn.Linear(3, 2), given, "w.pth")


def test_the_hash_of_weights_in_memory_tells_networks_apart() -> None:
    network = nn.Linear(3, 2)
    fit(network, state(), "")
    first = hash_weights(network)
    assert first == hash_weights(network.half().float())  # these numbers are halves exactly
    assert first != hash_weights(network.half())
    network.float().bias.data[0] += 1
    assert first != hash_weights(network)
    assert hash_weights(nn.Sequential(nn.ReLU())) == hashlib.sha256().hexdigest()


def test_packing_is_deterministic_and_breaks_shared_memory() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[1].weight = network[0].weight
    data, sha256 = pack(network)
    assert (data, sha256) == pack(network)
    assert hashlib.sha256(data).hexdigest() == sha256
