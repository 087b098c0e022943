"""Weights: read without running anything, fitted to a network, hashed, packed."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as unpack_safetensors
from safetensors.torch import save as pack_safetensors
from torch import Tensor, nn

from hoodwink.models.card import ModelError

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
_WRAPPERS = ("state_dict", "model")  # keys under which a training script keeps the state dict
_SHOWN = 3


def read_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read a state dict (.safetensors, or a .pth without letting it run code) and the SHA-256 of its file; ModelError says why not."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if path.suffix == ".safetensors":
        try:
            return unpack_safetensors(data), sha256
        except SafetensorError as error:
            raise ModelError(f"{path}: is not a whole safetensors file ({error})") from error
    _refuse_programs(data, path)
    return _plain_state(_unpickle(data, path), path), sha256


def _refuse_programs(data: bytes, path: Path) -> None:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    script = any(name.endswith("/constants.pkl") for name in names)
    exported = any(name.rpartition("/")[2] == "archive_format" or name.startswith("serialized_exported_program") for name in names)
    if script or exported:
        raise ModelError(
            f"{path}: is a {'TorchScript' if script else '.pt2'} program, which runs its own code when loaded, so it is not loaded; "
            "where it was made, save torch.save(network.state_dict(), 'weights.pth') and load that with network="
        )


def _unpickle(data: bytes, path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: what matters is whether it can be read
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error))
        reason = f"it wants to run {wanted[1]}" if wanted else "it holds more than tensors, or is no pickle at all"
        raise ModelError(f"{path}: is not loaded, {reason}; save only network.state_dict() from the program that made it") from error
    except Exception as error:  # a broken file makes torch.load raise nearly anything
        reason = f" ({str(error).partition('. ')[0]})" if isinstance(error, RuntimeError) else ""
        raise ModelError(
            f"{path}: is no file of weights, or not a whole one{reason}; save torch.save(network.state_dict(), path)"
        ) from error


def _plain_state(loaded: object, path: Path) -> dict[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping) or not loaded:
        raise ModelError(f"{path}: a state dict (names and tensors) is wanted, it holds {type(loaded).__name__}; save network.state_dict()")
    others = [str(key) for key, value in loaded.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if others:
        raise ModelError(f"{path}: a state dict holds only tensors, these are not: {_some(others)}; save network.state_dict()")
    parallel = all(key.startswith("module.") for key in loaded)
    return {key.removeprefix("module.") if parallel else key: value for key, value in loaded.items()}


def fit(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load a state dict strictly; ModelError lists what is missing, unexpected or of another shape. `what` names the weights."""
    own = network.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    shapes = [f"{k} {_size(state[k])}, wanted {_size(own[k])}" for k in own if k in state and own[k].shape != state[k].shape]
    wrong = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    problems = [f"{len(keys)} {problem} ({_some(keys)})" for problem, keys in wrong.items() if keys]
    if problems:
        hint = "; for another number of outputs give classes=" if shapes and not missing and not unexpected else ""
        raise ModelError(f"{what}: the weights do not fit the network: {', '.join(problems)}{hint}")
    network.load_state_dict(dict(state))


def hash_weights(network: nn.Module) -> str:
    """The SHA-256 of a network's weights in memory: over names in order, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def pack(network: nn.Module) -> tuple[bytes, str]:
    """The weights as a safetensors file, and its SHA-256."""
    # Cloned, because safetensors refuses tensors that share memory.
    data = pack_safetensors({key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()})
    return data, hashlib.sha256(data).hexdigest()


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def _size(tensor: Any) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
