"""The page of the reference that is made from --help: `python -m hoodwink.cli.reference [--check]`, in the folder that holds docs/."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hoodwink.cli.main import cli
from hoodwink.runs import write_atomic

PAGE = Path("docs/reference/cli.md")
_HEAD = """# The command line

Made from `--help` by `python -m hoodwink.cli.reference`; do not edit it.

Results go to stdout, talk, progress and errors (one line each) to stderr. Exit codes:

| Code | Meaning |
|---|---|
| 0 | done, and the claim or threshold holds |
| 1 | it ran, and the answer is no: not fooled, a claim does not hold, a hand-in fails |
| 2 | bad usage, an input that cannot be read, an output that cannot be written (a full disk), or nothing to judge; goes before 1 |
| 3 | our fault; `--debug` shows where |
| 130 | interrupted, by Ctrl-C or because the reader of the output left; what is finished is kept |
"""


def page() -> str:
    """The whole page, Markdown."""
    return _HEAD + "".join(f"\n## `{path}`\n\n```text\n{text}\n```\n" for path, text in _helps(cli, None, "hoodwink"))


def _helps(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    context = click.Context(command, parent=parent, info_name=name, terminal_width=80, **command.context_settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            if found is not None:
                yield from _helps(found, context, verb)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; end with 1 if the page is out of date.")
def reference(check: bool) -> None:
    """Write docs/reference/cli.md from --help."""
    current = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    if current == page():
        return
    if check:
        sys.exit(f"{PAGE} is out of date; type: python -m hoodwink.cli.reference")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(PAGE, page().encode())
    click.echo(f"wrote {PAGE}")


if __name__ == "__main__":
    reference()
