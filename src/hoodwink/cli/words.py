"""`hoodwink words`: what lies near a word, how far words are apart, analogies and bias, in vectors of words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import takes_talk
from hoodwink.cli.talk import Talk
from hoodwink.cli.verbs import Verbs

if TYPE_CHECKING:
    from hoodwink.texts.vectors import Vectors

DEFAULT = "glove-50"  # as data.words has it, which --help must not import
VERBS = {
    "near": (__name__, "List the words nearest to a word."),
    "distance": (__name__, "Say how far apart two words are."),
    "analogy": (__name__, "Say what is to C as A is to B."),
    "bias": (__name__, "Ask an analogy both ways round."),
}
Ranked = list[tuple[str, float]]


@click.command(
    "words",
    cls=Verbs,
    table=VERBS,
    subcommand_metavar="VERB ...",
    invoke_without_command=True,
    epilog="\b\nExample:\n  hoodwink words near king",
)
@click.pass_context
def words_command(ctx: click.Context) -> None:
    """Look at vectors of words: neighbours, distances, analogies."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def takes_vectors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that all verbs have; the command gets `vectors`."""
    option = click.option(
        "--vectors",
        default=DEFAULT,
        show_default=True,
        metavar="NAME",
        help="glove-50, or made (204 words, to try things out), or a file with a word and its numbers on each line, or a zip of one.",
    )
    return option(takes_talk(command))


def takes_count(command: Callable[..., Any]) -> Callable[..., Any]:
    """How many words are shown."""
    return click.option("-n", "--count", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="N", help="How many.")(
        command
    )


@click.command("near", epilog="\b\nExample:\n  hoodwink words near king -n 5")
@click.argument("word")
@takes_count
@takes_vectors
def near_command(word: str, count: int, vectors: str, talk: Talk) -> None:
    """List the words nearest to a word, by the cosine of their vectors."""
    known = _load(vectors, talk)
    ranked = known.near(known[word], count, without=(word,))
    _show(f"near {word}", ranked, talk)
    talk.document({"word": word, "near": [{"word": name, "cosine": cosine} for name, cosine in ranked]})


@click.command("distance", epilog="\b\nExample:\n  hoodwink words distance cat dog")
@click.argument("one")
@click.argument("other")
@takes_vectors
def distance_command(one: str, other: str, vectors: str, talk: Talk) -> None:
    """Say how far apart two words are: the length of the difference of their vectors, and the cosine between them."""
    known = _load(vectors, talk)
    distance, cosine = known.distance(one, other), known.similarity(one, other)
    from hoodwink.cli.show import facts, heading

    talk.show(heading(f"{one}, {other}"), facts([("distance", f"{distance:.4f}"), ("cosine", f"{cosine:.4f}")]))
    talk.document({"words": [one, other], "distance": distance, "cosine": cosine})


@click.command("analogy", epilog="\b\nExample:\n  hoodwink words analogy king man woman")
@click.argument("a")
@click.argument("b")
@click.argument("c")
@takes_count
@takes_vectors
def analogy_command(a: str, b: str, c: str, count: int, vectors: str, talk: Talk) -> None:
    """Say what is to C as A is to B: the words nearest to A - B + C, without these three and with them."""
    _answer([(a, b, c)], count, _load(vectors, talk), talk)


@click.command("bias", epilog="\b\nExample:\n  hoodwink words bias doctor man woman")
@click.argument("word")
@click.argument("one")
@click.argument("other")
@takes_count
@takes_vectors
def bias_command(word: str, one: str, other: str, count: int, vectors: str, talk: Talk) -> None:
    """Ask an analogy both ways round: WORD - ONE + OTHER and WORD - OTHER + ONE. What differs is what the texts held of the two."""
    _answer([(word, one, other), (word, other, one)], count, _load(vectors, talk), talk)


def _answer(questions: list[tuple[str, str, str]], count: int, known: Vectors, talk: Talk) -> None:
    documents = []
    for a, b, c in questions:
        ways = {"without": known.analogy(a, b, c, count), "with": known.analogy(a, b, c, count, keep=True)}
        for way, ranked in ways.items():
            _show(f"{a} - {b} + {c}", ranked, talk, f"{way} the words asked for")
        documents.append({"question": [a, b, c], **{way: [{"word": w, "cosine": s} for w, s in ranked] for way, ranked in ways.items()}})
    talk.document({"answers": documents})


def _load(spec: str, talk: Talk) -> Vectors:
    with talk.busy("reading vectors"):
        from hoodwink.data.words import load_vectors

        return load_vectors(spec, tell=talk.say)


def _show(title: str, ranked: Ranked, talk: Talk, more: str = "") -> None:
    from hoodwink.cli.show import Bars, heading

    talk.show(heading(title, more), Bars(ranked))
