"""The program: its verbs, loaded when they are called, and how it ends.

Exit codes: 0 done, and the claim or threshold holds; 1 it ran, and the answer is no; 2 bad usage, an input that cannot be read, an
output that cannot be written (a full disk), or nothing to judge: it goes before 1 in a mixed batch; 3 our fault; 130 interrupted, by
Ctrl-C or because the reader of the output left.
"""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

import click

from hoodwink.cli.verbs import Verbs

# verb -> (module, help); the text stands here so that `hoodwink --help` imports none of them.
VERBS = {
    "fool": ("hoodwink.cli.fool", "Change a photo, or a text, a little, so that a network calls it something else."),
    "look": ("hoodwink.cli.look", "Say what a network sees in a photo, or reads in a text."),
    "verify": ("hoodwink.cli.verify", "Judge the claims of a run folder again, from its files."),
    "grade": ("hoodwink.cli.grade", "Pass or fail pairs of original and fooled pictures."),
    "audit": ("hoodwink.cli.audit", "Say how many pictures, or texts, a file can fool a network with."),
    "attack": ("hoodwink.cli.attack", "Send one attack to pictures."),
    "attacks": ("hoodwink.cli.attacks", "List the attacks, and what each asks for."),
    "merge": ("hoodwink.cli.merge", "Join the shards of an audit."),
    "train": ("hoodwink.cli.train", "Train a network by a recipe."),
    "recipes": ("hoodwink.cli.train", "List the recipes, and the settings of one."),
    "sample": ("hoodwink.cli.sample", "Let a network write texts, or make pictures of noise."),
    "search": ("hoodwink.cli.search", "Find pictures by what they look like to a network."),
    "study": ("hoodwink.cli.study", "Answer questions of deep learning on real data."),
    "data": ("hoodwink.cli.data", "List data sets, show their cards, fetch and check them."),
    "words": ("hoodwink.cli.words", "Look at vectors of words: neighbours, distances, analogies."),
    "model": ("hoodwink.cli.model", "List networks and show their cards."),
    "check": ("hoodwink.cli.check", "Say what is wrong in a student's own NumPy layers."),
    "doctor": ("hoodwink.cli.doctor", "Say what is installed, what is missing, and how to get it."),
}


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from hoodwink import __version__

        click.echo(f"hoodwink {__version__}")
        ctx.exit()


@click.command(
    cls=Verbs,
    table=VERBS,
    subcommand_metavar="VERB ...",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  hoodwink fool --as strawberry\n  hoodwink verify hoodwink-out",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version and exit.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Fool neural networks with real files, and say honestly how easily a network is fooled."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """The command `hoodwink`."""
    # Read by torch when it is imported: fresh memory for large pictures then comes in huge pages, which cost next to no page faults.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show must not end the program
    cli.main(prog_name="hoodwink")


if __name__ == "__main__":
    main()
