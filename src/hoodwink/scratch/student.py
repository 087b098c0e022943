"""A student's file, run and called, with everything that goes wrong as a finding."""

from __future__ import annotations

import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from hoodwink.scratch.layers import Array

__all__ = ["FUNCTIONS", "CheckError", "Fault", "Finding", "cache_of", "call", "load"]

FUNCTIONS = {
    "fc_forward": "fc_forward(x, w, b) -> (out, cache)",
    "fc_backward": "fc_backward(grad, cache) -> (dx, dw, db)",
    "relu_forward": "relu_forward(x) -> (out, cache)",
    "relu_backward": "relu_backward(grad, cache) -> dx",
    "softmax_loss": "softmax_loss(scores, labels) -> (loss, dscores)",
    "l2_loss": "l2_loss(out, wanted) -> (loss, dout)",
}


class CheckError(ValueError):
    """A file that cannot be read or run; the message is one line."""


@dataclass(frozen=True)
class Finding:
    """What was found out about one function.

    verdict: "right"; "wrong", and `says` is how; "missing": not there, or not written yet; "untried": it needs another that is
    missing or wrong. line: of the file, where it raised an exception.
    """

    function: str
    verdict: Literal["right", "wrong", "missing", "untried"]
    says: str = ""
    line: int | None = None


class Fault(Exception):
    """A function cannot be tested further."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.says)
        self.finding = finding


def cache_of(module: ModuleType, name: str, forward: str, *arguments: Array) -> Any:
    """What the student's own forward keeps for the backward function `name`."""
    try:
        if not hasattr(module, forward):
            raise Fault(Finding(forward, "missing"))
        return call(module, forward, dict(zip("xwb", arguments, strict=False)), 2)[1]
    except Fault as fault:
        _refuse_unwritten(module, name)
        state = "missing" if fault.finding.verdict == "missing" else "wrong"
        raise Fault(Finding(name, "untried", f"it needs the cache of {forward}, which is {state}")) from fault


def _refuse_unwritten(module: ModuleType, name: str) -> None:
    """Say that a function which cannot be tried is not written at all, where that is so."""
    try:
        getattr(module, name)(None, None)
    except NotImplementedError:
        raise Fault(_unwritten(name)) from None
    except Exception:  # noqa: BLE001  it was given nothing
        return


def call(
    module: ModuleType, name: str, arguments: dict[str, Array], count: int, *, cache: Any = None, kept: dict[str, Array] | None = None
) -> Any:
    """What a student's function returns, `count` values where that is above 0; Fault where it raises, returns something else or changes
    its arguments or what was `kept` for it.
    """
    function = getattr(module, name)
    if not callable(function):
        raise Fault(Finding(name, "wrong", f"is no function; {FUNCTIONS[name]} is wanted"))
    watched = arguments | (kept or {})
    before = {key: array.copy() for key, array in watched.items()}
    given = (*arguments.values(), cache) if name.endswith("_backward") else tuple(arguments.values())
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*given)
    except NotImplementedError:
        raise Fault(_unwritten(name)) from None
    except (Exception, SystemExit) as error:  # a student's function may raise anything
        raise Fault(_raised(name, error, getattr(module, "__file__", None))) from error
    changed = [key for key, array in watched.items() if not np.array_equal(array, before[key], equal_nan=True)]
    for key in changed:
        watched[key][...] = before[key]
    if changed:
        raise Fault(Finding(name, "wrong", f"changes its input {' and '.join(changed)} in place; work on a copy"))
    return _parts(name, result, count)


def _parts(name: str, result: Any, count: int) -> Any:
    many = isinstance(result, (tuple, list))
    if result is None or (many and result and all(one is None for one in result)):
        raise Fault(Finding(name, "missing", f"returns nothing yet: {FUNCTIONS[name]}"))
    if count and (not many or len(result) != count):
        came = f"{len(result)} values" if many else type(result).__name__
        raise Fault(Finding(name, "wrong", f"must return {count} values, {FUNCTIONS[name]}; it returns {came}"))
    return result


def _unwritten(name: str) -> Finding:
    return Finding(name, "missing", f"not written yet: {FUNCTIONS[name]}")


def _raised(name: str, error: BaseException, file: str | None) -> Finding:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if file is not None and frame.filename == file]
    hint = f"; {FUNCTIONS[name]} is wanted" if isinstance(error, TypeError) and not lines else ""
    return Finding(name, "wrong", f"raises {_reason(error)}{hint}", lines[-1] if lines else None)


def load(path: Path) -> ModuleType:
    """Run a student's file as a module; it may import others beside it. No bytecode is written or trusted."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise CheckError(f"{path}: cannot be read ({error.strerror or error})") from error
    module = ModuleType(f"checked_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where a dataclass of the file looks for it
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102  that is asked for
    except (Exception, SystemExit) as error:  # a student's file may raise anything
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        raise CheckError(f"{path}: cannot be run: {_reason(error)}{f' (line {line})' if line else ''}") from error
    finally:
        sys.path.pop(0)
        del sys.modules[module.__name__]
    return module


def _reason(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}".partition("\n")[0].rstrip(": ")
