"""`hoodwink sample`: what a network that was trained to write writes."""

from __future__ import annotations

import click

from hoodwink.cli.common import _MACHINE, Choice, takes_talk
from hoodwink.cli.talk import Talk


@click.command("sample", epilog='\b\nExample:\n  hoodwink sample writer --temperature 0.8 --seed 1 --start "my " -n 5')
@click.argument("model", metavar="RUN")
@click.option("-n", "count", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="How many.")
@click.option(
    "--temperature", type=click.FloatRange(0), default=0.8, show_default=True, metavar="T", help="Higher dares more; 0 is no chance at all."
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N", help="Of what is drawn.")
@click.option("--start", default="", metavar="TEXT", help="What each text begins with.")
@click.option("--longest", type=click.IntRange(1), default=280, show_default=True, metavar="N", help="Letters of a text, at most.")
@_MACHINE[0]
@_MACHINE[1]
@takes_talk
def sample_command(
    model: str, count: int, temperature: float, seed: int, start: str, longest: int, device: str, threads: int | None, talk: Talk
) -> None:
    """Let a network write texts.

    RUN is a model folder, such as hoodwink train text-generator writes. Each text ends where the network says so, or after --longest letters.
    """
    network = Choice((model,), device=device, threads=threads).load(talk)[0]
    from hoodwink.cli.show import facts, heading
    from hoodwink.models.sample import sample_texts

    with talk.busy("writing"):
        found = sample_texts(network, count, temperature=temperature, seed=seed, start=start, longest=longest)
    talk.show(
        heading(network.card.name, f"temperature {temperature:g}, seed {seed}"), facts((str(k), text) for k, text in enumerate(found)), ""
    )
    talk.document({"model": network.card.name, "temperature": temperature, "seed": seed, "start": start, "texts": found})
