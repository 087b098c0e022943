"""What the verbs of `hoodwink search` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
takes_layer = click.option("--layer", default="", metavar="NAME", help="The layer that is left out, the rest embeds (default: the last).")


def one_model(choice: Choice, talk: Talk) -> Model:
    """The one network that embeds."""
    if len(choice.options()) > 1:
        raise click.UsageError(f"one network was wanted, not {len(choice.options())}; give --model once")
    model = choice.load(talk)[0]
    _ = model.card.picture  # says what it takes where it takes texts
    return model


def open_for(where: str, model: Model, embedder: Embedder, layer: str) -> Storage:
    """The store of a model's embeddings, made if need be."""
    from hoodwink.search.store import open_store

    card = model.card
    return open_store(where, model=card.name, weights_sha256=card.weights_sha256, dimension=embedder.dimension, layer=layer)
