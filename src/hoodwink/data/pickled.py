"""The pickled batches of CIFAR-10, read without running anything in them."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from hoodwink.data.cards import DataError
from hoodwink.data.formats import write_cifar


def read_pickled(data: bytes) -> bytes:
    """The binary batch of CIFAR-10 that a pickled one holds.

    A pickle is a program. Of the names that it may call, those of NumPy's arrays and of byte strings get stand-ins that only keep
    what they are given; every other name is refused. Raises DataError.
    """
    try:
        batch = _Reader(io.BytesIO(data), encoding="bytes").load()
    except DataError:
        raise
    except Exception as error:  # a broken pickle raises nearly anything
        raise DataError(f"a whole pickled batch of CIFAR-10 was wanted ({type(error).__name__}: {error})") from error
    if not isinstance(batch, dict):
        raise DataError(f"a pickled dictionary with data and labels was wanted, not {type(batch).__name__}")
    pictures, labels = (_entry(batch, name) for name in ("data", "labels"))
    if not isinstance(labels, list):
        raise DataError(f"labels: a list was wanted, not {type(labels).__name__}")
    return write_cifar(_array(pictures), labels)


def _entry(batch: dict[Any, Any], name: str) -> Any:
    found = batch.get(name.encode(), batch.get(name))
    if found is None:
        raise DataError(f"a pickled dictionary with data and labels was wanted, it has no {name}")
    return found


def _array(kept: Any) -> npt.NDArray[np.uint8]:
    """The array of bytes that a stand-in was told to be."""
    state = getattr(kept, "state", None)
    if not isinstance(state, tuple) or len(state) != 5:
        raise DataError("data: a NumPy array was wanted")
    _, shape, kind, by_columns, levels = state
    if getattr(kind, "code", None) not in ("u1", "|u1", b"u1", b"|u1"):
        raise DataError("data: an array of unsigned bytes was wanted")
    if not isinstance(levels, (bytes, bytearray)) or not _is_shape(shape) or len(levels) != shape[0] * shape[1] or by_columns:
        raise DataError("data: an array of pictures N x 3072, row by row, was wanted")
    return np.frombuffer(levels, np.uint8).reshape(shape)


def _is_shape(shape: object) -> bool:
    return isinstance(shape, tuple) and len(shape) == 2 and all(type(side) is int and side >= 0 for side in shape)


class _Reader(pickle.Unpickler):
    """Gives a pickle stand-ins for the few names that a batch needs, made anew each time, so that none can be tampered with."""

    def __init__(self, file: io.BytesIO, *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self.allowed = _stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.allowed:
            raise DataError(f"it wants to run {module}.{name}, which a batch of pictures has no need of: it is not loaded")
        return self.allowed[module, name]


def _stand_ins() -> dict[tuple[str, str], Any]:
    class Array:
        def __init__(self, *_: object) -> None:
            self.state: Any = None

        def __setstate__(self, state: Any) -> None:
            self.state = state

    class Kind:
        def __init__(self, code: object = None, *_: object) -> None:
            self.code = code

        def __setstate__(self, state: Any) -> None:
            pass

    def from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> Array:
        made = Array()
        made.state = (1, shape, kind, order == "F", bytes(data))
        return made

    def encode(text: str, encoding: str) -> bytes:
        return text.encode("latin-1")

    allowed: dict[tuple[str, str], Any] = {("numpy", "ndarray"): Array, ("numpy", "dtype"): Kind, ("_codecs", "encode"): encode}
    for core in ("numpy.core", "numpy._core"):  # before and since NumPy 2
        allowed[f"{core}.multiarray", "_reconstruct"] = Array
        allowed[f"{core}.numeric", "_frombuffer"] = from_buffer
    return allowed
