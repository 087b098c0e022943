"""`hoodwink search fool`: a picture in, one whose nearest neighbours are another picture's out, judged from its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import Choice, fraction, share, takes_max_pixels, takes_models, takes_talk
from hoodwink.cli.search_common import one_model, says_refusals, takes_store
from hoodwink.cli.talk import DONE, NO, Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hoodwink.evidence.misled import Misled

DEFAULT_OUT = "hoodwink-out"


@click.command("fool", epilog="\b\nExample:\n  hoodwink search fool cat.png --as pizza.png\n  hoodwink verify hoodwink-out")
@click.argument("picture", metavar="PICTURE")
@click.option("--as", "other", required=True, metavar="OTHER", help="The picture whose answers it shall get, in the store or not.")
@takes_store
@click.option("-k", "k", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="How many answers.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.9,
    show_default=True,
    metavar="P",
    callback=share,
    help="Of the answers, how many shall be answers to OTHER too; the first must be.",
)
@click.option("--eps", metavar="SIZE", callback=fraction, help="Not the nearest picture, but the one this near that leads furthest: 8/255.")
@click.option("--norm", type=click.Choice(["l2", "linf", "l1", "l0"]), default="l2", show_default=True, help="How distance is measured.")
@click.option("--mask", metavar="FILE", help="A picture of PICTURE's size, white where it may change.")
@click.option("--steps", type=click.IntRange(1), default=300, show_default=True, metavar="N", help="Gradient evaluations in all.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N", help="Of what is random in the search."
)
@takes_max_pixels
@click.option("--out", default=DEFAULT_OUT, show_default=True, metavar="DIR", help="The run folder.")
@click.option("--force", is_flag=True, help="Replace the run that is there.")
@takes_models
@takes_talk
@says_refusals
def fool_command(
    picture: str, other: str, store: str, out: str, force: bool, max_pixels: int, choice: Choice, talk: Talk, **asked: Any
) -> None:
    """Change PICTURE a little, so that its nearest neighbours in a store are another picture's.

    The new picture is written, read back from disk and asked with: its first answer must be OTHER's first (OTHER itself, if it is in the
    store), and so must most of the rest. The network must be the one that the store was made with. Ends with 0 if the store is fooled,
    1 if not (the best picture is kept).
    """
    model = one_model(choice, talk)
    from hoodwink.cli.outcome import watching
    from hoodwink.misleading import fool_search_into

    with watching(Path(picture).name, asked | {"target": None, "confidence": None}, talk) as watch:
        result = fool_search_into(
            out,
            picture,
            other,
            store=store,
            model=model,
            force=force,
            arguments=list(click.get_current_context().obj or ()),
            max_pixels=max_pixels,
            watch=watch,
            **asked,
        )
    talk.code = DONE if result.fooled else NO
    talk.show(*_lines(result, Path(out)), "")
    talk.document({**_record(result), "folder": out, "errors": talk.errors})


def _record(result: Misled) -> dict[str, Any]:
    names = ("fooled", "shared", "gradients", "forwards", "seconds", "stall", "ways")
    sides = {side: getattr(result, side).to_json() for side in ("before", "after", "other")}
    before, after = result.cosines
    known = {name: getattr(result, name) for name in names}
    return {**known, "cosine_before": before, "cosine": after, "distances": result.distances.to_json(), **sides}


def _lines(result: Misled, folder: Path) -> list[RenderableType]:
    """The outcome in a few lines."""
    from rich.text import Text

    from hoodwink.cli.outcome import change_of, search_of
    from hoodwink.cli.show import BAD, GOOD, facts, heading
    from hoodwink.evidence.misled import name_of
    from hoodwink.evidence.searched import shared

    word = Text("fooled", GOOD) if result.fooled else Text(f"not fooled: {result.stall or 'the file does not hold it'}", BAD)
    count, other = len(result.after.answers), name_of(result.other)
    before, now = result.cosines
    rows: list[tuple[str, str | Text]] = [
        ("before", f"{shared(result.before.answers, result.other.answers)} of {count} answers are those to {other}; cosine {before:.4f}"),
        ("now", f"{result.shared} of {count}, {result.sought.least} and the first were asked for; cosine {now:.4f}"),
        ("first", one_line(result.after.answers[0].path)),
        ("change", change_of(result)),
        ("search", search_of(result)),
        ("picture" if result.fooled else "best", one_line(folder / ("fooled.png" if result.fooled else "not-fooled.png"))),
        ("report", one_line(folder / "report.html")),
        *(("read", one_line(note)) for note in result.before.picture.notes),
    ]
    return [Text.assemble(heading(name_of(result.before)), "  ", word), facts(rows)]
