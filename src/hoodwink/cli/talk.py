"""What a verb says and how it ends: results on stdout, talk, progress and errors (one line each) on stderr."""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import click

from hoodwink.runs import one_line, reason

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# How a verb ends. In a batch the largest counts.
DONE = 0
NO = 1  # it ran, and the answer is no
BAD = 2  # bad usage, an input that cannot be read, an output that cannot be written, nothing to judge
FAULT = 3  # our fault
INTERRUPTED = 130

T = TypeVar("T")
_ARGUMENT = re.compile(r"(?<![\w.(-])(network|mean|std|classes|size|resize|filter|model)=(?![\w=])")


class Talk:
    """One verb's voice, and what went wrong so far: `code` is how the verb ends, `errors` and `warnings` are what was said."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False, debug: bool = False) -> None:
        self.as_json, self.quiet, self.debug = as_json, quiet, debug
        self.code = DONE
        self.errors: list[dict[str, str]] = []
        self.warnings: list[str] = []

    @property
    def out(self) -> Console:
        """The console of the results; where it is no terminal, lines are as long as they need to be."""
        from rich.console import Console

        return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200, highlight=False, emoji=False)

    @property
    def err(self) -> Console:
        """The console of talk and progress."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, emoji=False)  # dogs:train: is no locomotive

    @property
    def lively(self) -> bool:
        """Whether progress can be shown: stderr is a terminal, and nobody asked for quiet."""
        return sys.stderr.isatty() and not self.quiet

    def say(self, text: str) -> None:
        """Say a line on stderr, unless --quiet."""
        if not self.quiet:
            self.err.print(text, markup=False, soft_wrap=True, style="dim")

    def warn(self, text: str) -> None:
        """Say a line that matters on stderr, --quiet or not, once."""
        line = _flat(text)
        if line in self.warnings:
            return
        self.warnings.append(line)
        self.err.print(f"warning: {line}", markup=False, soft_wrap=True, style="yellow")

    def show(self, *results: RenderableType, wrap: bool = True) -> None:
        """Print results on stdout, unless --json; wrap=False leaves long lines whole."""
        if self.as_json:
            return
        console = self.out
        with console.capture() as captured:  # rich would end the program itself where the reader of a pipe has left
            for one in results:
                console.print(one, markup=False, soft_wrap=not wrap)
        _write(re.sub(r" +$", "", captured.get(), flags=re.MULTILINE))

    def document(self, value: object) -> None:
        """Print one JSON document on stdout, if --json."""
        if self.as_json:
            _write(json.dumps(value, indent=2) + "\n")

    def error(self, error: BaseException, name: str = "") -> None:
        """Say what went wrong in one line (begun by `name` where it does not name it), and let it count for how the verb ends."""
        code, line = explain(error)
        line = line if line.startswith(one_line(name)) else f"{one_line(name)}: {line}"
        if self.debug:
            traceback.print_exception(error)
        self.err.print(f"error: {line}", markup=False, soft_wrap=True, style="red")
        self.errors.append({"file": name, "error": line})
        self.code = max(self.code, code)

    def each(self, items: Iterable[T], work: Callable[[T], object], name: Callable[[T], str] = str) -> None:
        """Do the work for each item; one that fails is said and counts, and the others are still done."""
        for item in items:
            try:
                work(item)
            except BrokenPipeError:
                raise
            except Exception as error:  # noqa: BLE001  the others are still to be done
                self.error(error, name(item))

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Show on a terminal that something takes a moment."""
        if not self.lively:
            yield
            return
        with self.err.status(text):
            yield


def explain(error: BaseException) -> tuple[int, str]:
    """How a verb ends with an error, and the line that says it."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "hoodwink"
        return BAD, f"{_flat(error.format_message()).rstrip('.')}; type {path} --help"
    if isinstance(error, click.ClickException):
        return BAD, _flat(error.format_message())
    if _ours(error):
        return BAD, in_options(_flat(str(error)))
    if isinstance(error, OSError):
        return BAD, _file_error(error)
    text = _flat(str(error).partition("\n")[0])
    return FAULT, f"{type(error).__name__}{': ' if text else ''}{text}: a fault of hoodwink; type --debug to see where"


def in_options(text: str) -> str:
    """A message that names arguments of Python functions ("give mean="), with the command line's options in their places."""
    return _ARGUMENT.sub(r"--\1", text).replace("trust_code", "--trust-code").replace(" at_model_size", " --at-model-size")


def silence_stdout() -> None:
    """Let what is still to be written go nowhere: the reader has left."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _ours(error: BaseException) -> bool:
    """Whether an error is a refusal in our own words, not what a library below raised at something of ours."""
    return type(error).__module__.partition(".")[0] == "hoodwink"


def _file_error(error: OSError) -> str:
    name = error.filename if error.filename is not None else "the output"
    return f"{one_line(os.fsdecode(name) if isinstance(name, (str, bytes)) else name)}: {reason(error)}"


def _flat(text: str) -> str:
    return one_line(" ".join(text.split()))


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
