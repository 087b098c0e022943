"""A function of the user's own that makes a network: python:package.module:factory."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from hoodwink.models.card import ModelError
from hoodwink.models.fields import FIELDS, check_fields, make_card, need_fields
from hoodwink.models.model import Model
from hoodwink.models.weights import hash_weights


def load(name: str, fields: dict[str, Any]) -> Model:
    """Import a factory (the current directory is on the path), call it without arguments, and take the torch module or Model it returns.

    What the module lacks of a card is given as fields, or held by the module as the dict attribute `hoodwink_card`.
    """
    spec = f"python:{name}"
    made = _call(name, spec)
    if isinstance(made, Model):
        check_fields(fields, (), f"{spec}, which returned a Model,")
        return made
    if not isinstance(made, nn.Module):
        raise ModelError(f"{spec}: the factory must return a torch module or a hoodwink Model, it returned {type(made).__name__}")
    own = getattr(made, "hoodwink_card", {})
    if not isinstance(own, Mapping):
        raise ModelError(f"{spec}: hoodwink_card must be a dict of card fields, it is {type(own).__name__}")
    said = {**own, **fields}
    check_fields(said, FIELDS, spec)
    need_fields(said, ("mean", "std", "classes"), spec)
    defaults = {"name": name.rpartition(":")[2], "source": spec}
    card = make_card(network={"name": spec, "arguments": {}}, weights_sha256=hash_weights(made), **(defaults | said))
    return Model(made, card)


def _call(name: str, spec: str) -> object:
    module, _, factory = name.partition(":")
    if not module or not factory:
        raise ModelError(f"{spec}: a module and a function in it are wanted, as in python:package.module:factory")
    with _current_directory():
        try:
            make = getattr(importlib.import_module(module), factory)
        except Exception as error:  # foreign code may raise anything
            raise ModelError(
                f"{spec}: cannot be imported ({_reason(error)}); it is looked for in {os.getcwd()} and on the Python path"
            ) from error
        try:
            return make()
        except Exception as error:
            raise ModelError(f"{spec}: failed when called without arguments ({_reason(error)})") from error


@contextmanager
def _current_directory() -> Iterator[None]:
    sys.path.insert(0, os.getcwd())
    try:
        yield
    finally:
        sys.path.pop(0)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
