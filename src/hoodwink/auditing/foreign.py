"""What comes from elsewhere: attacks and objectives of the user's own, and pictures that other tools made."""

from __future__ import annotations

import importlib
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hoodwink.attacks.losses import Loss
from hoodwink.auditing.records import AuditError
from hoodwink.auditing.work import Attack
from hoodwink.runs import one_line, reason

Floats = np.ndarray[Any, np.dtype[np.float32]]
_SUFFIXES = (".npy", ".npz", ".safetensors")
_NEARLY = 1e-4  # outside [0, 1] by as much is another library's rounding


def find_function(spec: str, what: str) -> Callable[..., Any]:
    """The function that "package.module:function" names; the current folder is on the path. what: it is meant to be, for errors."""
    module, _, name = spec.partition(":")
    if not module or not name:
        raise AuditError(f"{what} {spec!r}: a module and a function in it were wanted, as in package.module:function")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # foreign code may raise anything
        raise AuditError(
            f"{what} {spec}: cannot be imported ({_reason(error)}); it is looked for in {os.getcwd()} and on the Python path"
        ) from error
    finally:
        sys.path.pop(0)
    if not callable(found):
        raise AuditError(f"{what} {spec}: a function was wanted, this is {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def own_attack(spec: str) -> Attack:
    """An attack of the user's: function(queries, pictures, labels, *, norm, eps, generator) that returns pictures, as `hw.attacks` has them.

    What it raises is said with its name, and so is an answer that is no batch of pictures.
    """
    function = find_function(spec, "attack")

    @wraps(function)
    def guarded(queries: Any, pictures: Tensor, labels: Tensor, **asked: Any) -> Tensor:
        found = _call(function, f"attack {spec}", queries, pictures, labels, **asked)
        if not isinstance(found, Tensor) or found.shape != pictures.shape:
            came = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise AuditError(f"attack {spec}: pictures {tuple(pictures.shape)} in [0, 1] were wanted, {came} came")
        return found

    guarded.__name__ = spec.rpartition(":")[2]
    return guarded


def own_objective(spec: str) -> Loss:
    """A loss of the user's: function(logits, up, down) of logits N x K and classes N, one of which may be None, that returns N values."""
    function = find_function(spec, "objective")

    def guarded(logits: Tensor, up: Tensor | None, down: Tensor | None) -> Tensor:
        found = _call(function, f"objective {spec}", logits, up, down)
        if not isinstance(found, Tensor) or found.shape != logits.shape[:1]:
            came = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise AuditError(f"objective {spec}: a value for each of {len(logits)} pictures was wanted, {came} came")
        return found

    return guarded


def read_adversarials(path: str | Path, count: int, shape: tuple[int, int, int]) -> Floats:
    """Pictures that other tools made, float32 N x C x H x W in [0, 1], from a .npy, .npz or .safetensors file.

    The file holds one array, N x C x H x W or N x H x W x C, of floats in [0, 1] or uint8. count: N. shape: H, W, C of the originals.
    Raises AuditError.
    """
    path = Path(path)
    array = _only(_read(path), path)
    height, width, channels = shape
    if array.shape == (count, channels, height, width):
        found = array
    elif array.shape == (count, height, width, channels):
        found = array.transpose(0, 3, 1, 2)
    else:
        wanted = f"{count} x {channels} x {height} x {width}, or {count} x {height} x {width} x {channels},"
        raise AuditError(f"{one_line(path)}: pictures {wanted} were wanted, one for each that is audited, {_shape(array)} came")
    return _units(found, path)


def _units(array: np.ndarray[Any, Any], path: Path) -> Floats:
    if array.dtype == np.uint8:
        return (array / np.float32(255)).astype(np.float32)
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise AuditError(f"{one_line(path)}: floats in [0, 1] or uint8 were wanted, {array.dtype} came, or some are not finite")
    low, high = float(array.min()), float(array.max())
    if low < -_NEARLY or high > 1 + _NEARLY:
        hint = "divide them by 255" if low >= 0 and high <= 255 else "undo their normalisation"
        raise AuditError(f"{one_line(path)}: floats in [0, 1] were wanted, these go from {low:g} to {high:g}; {hint}")
    return np.ascontiguousarray(array.clip(0, 1), dtype=np.float32)


def _read(path: Path) -> Mapping[str, np.ndarray[Any, Any]]:
    """The arrays of a file by name."""
    if path.suffix not in _SUFFIXES:
        raise AuditError(f"{one_line(path)}: a file that ends in {', '.join(_SUFFIXES)} was wanted; save the array with numpy.save")
    try:
        if path.suffix == ".safetensors":
            return {name: (one.float() if one.is_floating_point() else one).numpy() for name, one in load_file(path).items()}
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            return {"": found} if isinstance(found, np.ndarray) else dict(found)
    except OSError as error:
        raise AuditError(f"{one_line(path)}: cannot be read: {reason(error)}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, SafetensorError) as error:
        raise AuditError(f"{one_line(path)}: arrays were wanted, they cannot be read: {_reason(error)}") from error


def _only(arrays: Mapping[str, np.ndarray[Any, Any]], path: Path) -> np.ndarray[Any, Any]:
    """The one array that can be pictures."""
    found = [name for name, array in arrays.items() if array.ndim == 4]
    if len(found) != 1:
        held = ", ".join(f"{name or 'one'} ({_shape(array)})" for name, array in arrays.items()) or "nothing"
        raise AuditError(f"{one_line(path)}: one array of four dimensions was wanted, it holds {one_line(held)}")
    return arrays[found[0]]


def _call(function: Callable[..., Any], name: str, *given: Any, **asked: Any) -> Any:
    try:
        return function(*given, **asked)
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # foreign code may raise anything
        raise AuditError(f"{name}: failed ({_reason(error)}); type --debug to see where") from error


def _reason(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}".partition("\n")[0])


def _shape(array: np.ndarray[Any, Any]) -> str:
    return " x ".join(map(str, array.shape)) or "a number"
