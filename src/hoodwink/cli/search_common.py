"""What the verbs of `hoodwink search` share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hoodwink.cli.common import Choice
from hoodwink.cli.talk import Talk

if TYPE_CHECKING:
    from hoodwink.models.embed import Embedder
    from hoodwink.models.model import Model
    from hoodwink.search.storage import Storage

DEFAULT_STORE = "hoodwink-search"

takes_store = click.option(
    "--store", default=DEFAULT_STORE, show_default=True, metavar="DIR", help="The store; lance:DIR keeps it in LanceDB."
)
takes_layer = click.option(
    "--layer", metavar="NAME", help="The layer that is left out, the rest embeds (default: the store's, of a new one the last)."
)

Verb = TypeVar("Verb", bound=Callable[..., Any])


def says_refusals(verb: Verb) -> Verb:
    """Under --json, let what a verb refuses be a document too."""

    @wraps(verb)
    def saying(talk: Talk, **rest: Any) -> None:
        try:
            verb(talk=talk, **rest)
        except Exception as error:
            if not talk.as_json or isinstance(error, (BrokenPipeError, click.Abort)):
                raise
            talk.error(error)
            talk.document({"errors": talk.errors})

    return saying  # type: ignore[return-value]


def one_model(choice: Choice, talk: Talk) -> Model:
    """The one network that embeds."""
    if len(choice.options()) > 1:
        raise click.UsageError(f"one network was wanted, not {len(choice.options())}; give --model once")
    model = choice.load(talk)[0]
    _ = model.card.picture  # says what it takes where it takes texts
    return model


def open_for(where: str, model: Model, embedder: Embedder, layer: str) -> Storage:
    """The store of a model's embeddings, made if need be."""
    from hoodwink.evidence.searched import card_sha256
    from hoodwink.search.store import open_store

    card, said = model.card, card_sha256(model.card)
    return open_store(
        where, model=card.name, weights_sha256=card.weights_sha256, dimension=embedder.dimension, layer=layer, card_sha256=said
    )


def layer_of(where: str) -> str:
    """The layer that a store's embeddings leave out; the last ("") where there is none yet."""
    from hoodwink.search.storage import SearchError
    from hoodwink.search.store import open_store

    try:
        with closing(open_store(where)) as kept:
            return kept.card.layer
    except SearchError:  # what is wrong with one is said when it is opened to be written
        return ""
