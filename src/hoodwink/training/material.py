"""The data of a training as a record, and how it is parted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from hoodwink.data.subset import balanced, split
from hoodwink.data.table import DATA_SETS
from hoodwink.models.card import Input
from hoodwink.training.feeds import Feed
from hoodwink.training.recipe import Recipe, RecipeError

if TYPE_CHECKING:
    from hoodwink.training.transfer import Backbone


@dataclass(frozen=True)
class Material:
    """The data of a training. hashes: of each split's content; input: how a network takes what it is fed with.

    sets: the data sets' names by split, as they are loaded. arguments: of the network, that follow from the data; start: sets in a network
    of random weights what comes from the data. backbone: the network whose features the feeds give, where they are features.
    """

    train: Feed
    validation: Feed | None
    test: Feed
    classes: tuple[str, ...]
    hashes: Mapping[str, str]
    sets: Mapping[str, str]
    input: Input
    arguments: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[nn.Module], None] = lambda network: None
    backbone: Backbone | None = None

    def suited(self, network: nn.Module) -> Material:
        """The same in the form that a network reads fastest."""
        validation = None if self.validation is None else self.validation.suited(network)
        return replace(self, train=self.train.suited(network), validation=validation, test=self.test.suited(network))


def parted(recipe: Recipe, labels: Tensor, classes: int) -> tuple[Tensor, Tensor | None]:
    """The indices of the examples that are learned, and of those held out of the training split, if any.

    labels: of all. Held out are the last ones of a picture set with a name, and any of other sets, whose files may lie in the order of
    their classes. RecipeError.
    """
    if recipe.validation >= len(labels):
        raise RecipeError(
            f"validation: fewer than {len(labels)} examples, all of {recipe.data}:train, were wanted, not {recipe.validation}; "
            f"type --set validation={len(labels) // 5}"
        )
    in_order = recipe.data in DATA_SETS or not (recipe.validation or recipe.reading.unit)  # texts have always been shuffled
    learned, held = split(len(labels), len(labels) - recipe.validation, recipe.validation, seed=None if in_order else 0)
    if recipe.subset:
        try:
            learned = learned[balanced(labels[learned], recipe.subset, classes=classes, seed=recipe.seed)]
        except ValueError as error:
            raise RecipeError(f"subset: {error}; 0 takes all") from None
    return learned, held if recipe.validation else None
