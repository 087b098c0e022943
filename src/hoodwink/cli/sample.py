"""`hoodwink sample`: what a network that was trained to write writes, or what one that makes pictures of noise makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from hoodwink.cli.common import _MACHINE, Choice, takes_talk
from hoodwink.cli.talk import INTERRUPTED, Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from hoodwink.models.model import Model

DEFAULT_OUT = "hoodwink-samples"
TEXTS, PICTURES = 5, 16
_OF_TEXTS, _OF_PICTURES = ("temperature", "start", "longest"), ("out", "force")
_EXAMPLES = """\b
Example:
  hoodwink sample writer --temperature 0.8 --seed 1 --start "my " -n 5
  hoodwink sample digits -n 64 --seed 3"""


@click.command("sample", epilog=_EXAMPLES)
@click.argument("model", metavar="RUN")
@click.option("-n", "count", type=click.IntRange(1), metavar="N", help=f"How many (default: {TEXTS} texts, {PICTURES} pictures).")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N", help="Of what is drawn.")
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=0.8,
    show_default=True,
    metavar="T",
    help="Of texts: higher dares more; 0 is no chance at all.",
)
@click.option("--start", default="", metavar="TEXT", help="What each text begins with.")
@click.option("--longest", type=click.IntRange(1), default=280, show_default=True, metavar="N", help="Letters of a text, at most.")
@click.option("--out", default=DEFAULT_OUT, show_default=True, metavar="DIR", help="Of pictures: the run folder.")
@click.option("--force", is_flag=True, help="Replace the run that is there.")
@_MACHINE[0]
@_MACHINE[1]
@takes_talk
def sample_command(
    model: str,
    count: int | None,
    seed: int,
    temperature: float,
    start: str,
    longest: int,
    out: str,
    force: bool,
    device: str,
    threads: int | None,
    talk: Talk,
) -> None:
    """Let a network write texts, or make pictures of noise.

    RUN is a model folder, such as hoodwink train text-generator, mnist-gan or mnist-vae writes. Each text ends where the network says so, or
    after --longest letters. Pictures are written into a run folder, each by itself and all on a sheet; hoodwink verify makes them again.
    """
    network = Choice((model,), device=device, threads=threads).load(talk)[0]
    writes = network.card.input.kind == "text"
    _refuse(_OF_PICTURES if writes else _OF_TEXTS, "pictures" if writes else "texts", network.card.name)
    try:
        if writes:
            _write(network, count or TEXTS, temperature, seed, start, longest, talk)
        else:
            _make(network, count or PICTURES, seed, out, force, talk)
    except KeyboardInterrupt:
        talk.code = INTERRUPTED
        talk.warn(f"interrupted; the same line {'' if writes else 'with --force '}begins anew")


def _refuse(options: tuple[str, ...], what: str, name: str) -> None:
    """Options of the other kind of sample would be without effect."""
    context = click.get_current_context()
    given = [option for option in options if context.get_parameter_source(option) is ParameterSource.COMMANDLINE]
    if given:
        raise click.UsageError(f"--{given[0]} is about {what}, and {name} makes none; leave it out")


def _write(network: Model, count: int, temperature: float, seed: int, start: str, longest: int, talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading
    from hoodwink.models.sample import sample_texts

    with talk.busy("writing"):
        found = sample_texts(network, count, temperature=temperature, seed=seed, start=start, longest=longest)
    talk.show(
        heading(network.card.name, f"temperature {temperature:g}, seed {seed}"), facts((str(k), text) for k, text in enumerate(found)), ""
    )
    talk.document({"model": network.card.name, "temperature": temperature, "seed": seed, "start": start, "texts": found})


def _make(network: Model, count: int, seed: int, out: str, force: bool, talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading
    from hoodwink.evidence.sampled import SAMPLES, keep_samples

    with talk.busy("making pictures"):
        run = keep_samples(network, count, seed, out, force=force, arguments=tuple(click.get_current_context().obj or ()))
    sheet = run.directory / SAMPLES
    rows = [("pictures", one_line(run.directory / "pictures")), ("sheet", one_line(sheet))]
    talk.show(heading(network.card.name, f"{count} pictures, seed {seed}"), facts(rows), "")
    talk.document({"model": network.card.name, "seed": seed, "count": count, "folder": str(run.directory), "sheet": str(sheet)})
