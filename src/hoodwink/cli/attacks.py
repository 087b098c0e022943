"""`hoodwink attacks`: every attack there is, and what one of them takes."""

from __future__ import annotations

from inspect import Parameter, cleandoc
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import takes_talk
from hoodwink.cli.talk import Talk

if TYPE_CHECKING:
    from hoodwink.attacks.table import Row

_GOALS = {"budget": "the best inside a ball of a size", "minimal": "the nearest that fools", "mask": "anywhere inside a mask"}


@click.command("attacks", epilog="\b\nExample:\n  hoodwink attacks")
@click.argument("name", required=False, metavar="[NAME]")
@takes_talk
def attacks_command(name: str | None, talk: Talk) -> None:
    """List the attacks, and what each asks for.

    With a NAME, its options and their defaults. In Python the attacks are functions, hoodwink.attacks.NAME.
    """
    with talk.busy("looking"):
        from hoodwink.attacks.table import ATTACKS
        from hoodwink.auditing.attacked import find_attack

    if name is not None:
        _show(find_attack(name), talk)
        return
    from hoodwink.cli.show import heading, listing

    rows = [(row.name, row.goal, " ".join(row.norms), row.knowledge, row.source) for row in ATTACKS.values()]
    talk.show(heading("Attacks"), listing("name", "goal", "norms", "asks for", "source", rows=rows))
    talk.document({"attacks": [_record(row) for row in ATTACKS.values()]})


def _show(row: Row, talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading

    about = {"goal": f"{row.goal}: {_GOALS.get(row.goal, '')}".rstrip(": "), "norms": " ".join(row.norms), "asks for": row.knowledge}
    talk.show(heading(row.name, _sentence(row)), facts({**about, "source": row.source}.items()), "")
    talk.show(heading("Options"), facts(_options(row).items()))
    talk.document({**_record(row), "options": {name: _default(one) for name, one in _taken(row).items()}, "says": _sentence(row)})


def _record(row: Row) -> dict[str, Any]:
    return {"name": row.name, "goal": row.goal, "norms": list(row.norms), "knowledge": row.knowledge, "source": row.source}


def _taken(row: Row) -> dict[str, Parameter]:
    from hoodwink.auditing.attacked import parameters_of

    return {name: one for name, one in parameters_of(row).items() if name != "generator"}  # it is made of --seed


def _options(row: Row) -> dict[str, str]:
    return {name: "needed" if one.default is Parameter.empty else f"default {_default(one)}" for name, one in _taken(row).items()}


def _default(one: Parameter) -> Any:
    """A default as JSON has it; None also where there is none."""
    value = None if one.default is Parameter.empty else one.default
    return value if isinstance(value, int | float | str | None) else str(value)


def _sentence(row: Row) -> str:
    """The first sentence of the function's docstring."""
    text = " ".join(cleandoc(row.function.__doc__ or "").partition("\n\n")[0].split())
    first, dot, _ = text.partition(". ")
    return first + dot.strip()
