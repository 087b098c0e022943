"""How results look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hoodwink.runs import one_line

GOOD, BAD, FAINT = "bold green", "bold red", "dim"
_BAR = 40  # characters of a probability of 1, at most


class Bars:
    """Probabilities as bars: rows of (name, probability), the first or the named one in colour."""

    def __init__(self, rows: Sequence[tuple[str, float]], chosen: str = "") -> None:
        self.rows, self.chosen = rows, chosen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        names = min(max((len(name) for name, _ in self.rows), default=0), max(12, options.max_width // 2 - 10))
        length = max(4, min(_BAR, options.max_width - names - 13))
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(width=names, no_wrap=True, overflow="ellipsis")
        table.add_column(width=length)
        table.add_column(justify="right", no_wrap=True)
        for name, share in self.rows:
            style = "bold" if name == self.chosen else ""
            table.add_row("", Text(name, style), _bar(share, length, options), Text(f"{share:.4f}", style))
        yield table


def heading(text: str, more: str = "") -> Text:
    """A line that begins a result: what it is about, and more about it."""
    return Text.assemble((one_line(text), "bold"), (f"  {more}" if more else "", FAINT))


def notes(lines: Iterable[str]) -> Padding:
    """What is worth knowing beneath a result, and a blank line."""
    return Padding(Group(*(Text(one_line(line), FAINT) for line in lines)), (0, 0, 1, 2))


def facts(rows: Iterable[tuple[str | Text, str | Text]]) -> Padding:
    """Names and values beneath each other."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=FAINT, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in (name, value)))
    return Padding(table, (0, 0, 0, 2))


def listing(*columns: str, rows: Iterable[Sequence[str | Text]]) -> Table:
    """A table with a head."""
    table = Table(box=None, pad_edge=False, header_style=FAINT)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) if isinstance(cell, str) else cell for cell in row))
    return table


def _bar(share: float, length: int, options: ConsoleOptions) -> Text:
    full, empty = ("#", ".") if options.ascii_only else ("\u2501", "\u2500")
    filled = round(min(1.0, max(0.0, share)) * length)
    return Text.assemble((full * filled, "cyan"), (empty * (length - filled), FAINT))
