"""A group of verbs that are imported when they are called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from hoodwink.cli.talk import INTERRUPTED, Talk, silence_stdout


@contextmanager
def _while_read() -> Iterator[None]:
    """Make an interrupt of it when the reader of the output leaves; click itself would end with 1, and that is an answer here."""
    try:
        yield
    except BrokenPipeError:
        silence_stdout()
        raise click.Abort from None


class Verbs(click.Group):
    """The verbs of a table, verb -> (module, help), where the module holds the command as VERB_command.

    An unknown name is answered with the nearest.
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        command: click.Command = getattr(importlib.import_module(self.table[cmd_name][0]), f"{cmd_name}_command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.table and not name.startswith("-"):
            near = get_close_matches(name, self.table, n=1, cutoff=0.0)[0]
            raise click.UsageError(f"there is no verb {name!r}; the nearest is {near!r}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])

    def make_context(self, *args: Any, **settings: Any) -> click.Context:
        with _while_read():  # --help prints here already
            return super().make_context(*args, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        with _while_read():
            return super().invoke(ctx)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run a command line and exit; whatever goes wrong is one line on stderr."""
        words = list(sys.argv[1:] if args is None else args)
        talk = Talk(debug="--debug" in words)
        try:
            code = super().main(words, *rest, **extra | {"standalone_mode": False, "obj": words})
            sys.exit(code if isinstance(code, int) else 0)
        except (click.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001  said in one line
            talk.error(error)
            sys.exit(talk.code)
