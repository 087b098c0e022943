"""Where one line of a study works with one seed: its settings, its folder, data and trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from hoodwink.data.load import load
from hoodwink.data.resident import Resident, resident
from hoodwink.runs import RECORD, Run
from hoodwink.training.loop import Epoch
from hoodwink.training.recipe import Recipe
from hoodwink.training.recipes import find_recipe
from hoodwink.training.run import Watch, train


@dataclass(frozen=True)
class Desk:
    """One line with one seed.

    settings: resolved, `desk["rate"]` is one of them. folder: what stays there between two runs spares the second its work. quick: few
    pictures; nothing but the settings depends on it. say: is told in words what happens; step: of a training, the step and how many in all.
    """

    line: str
    settings: dict[str, Any]
    seed: int
    folder: Path
    device: str = "cpu"
    quick: bool = False
    say: Callable[[str], None] = field(default=lambda _: None)
    step: Callable[[int, int], None] | None = None

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    def pictures(self, split: str, name: str = "data") -> Resident:
        """A split of the data set that the setting `name` names, on the device; DataError."""
        return resident(load(f"{self.settings[name]}:{split}"), self.device)

    def recipe(self, *others: str) -> Recipe:
        """The recipe that the setting `recipe` names, with all the desk's settings in it but those `others`, which are the study's own."""
        own = {name: value for name, value in self.settings.items() if name not in ("recipe", *others)}
        return find_recipe(self["recipe"]).changed(own)

    def train(
        self,
        recipe: Recipe,
        name: str = "network",
        *,
        shared: bool = False,
        tensorboard: bool = False,
        network: Callable[[int, nn.Module], None] | None = None,
    ) -> Run:
        """Train by a recipe, with the desk's seed, in the folder `name`; one that was stopped goes on, a finished one is only read.

        shared: the lines of the study that train by this very recipe share the network. network: is given it after each epoch (see Watch).
        """
        folder = self.folder.parent / f"shared-{self.seed}" / name if shared else self.folder / name
        resume = (folder / RECORD).is_file()

        def epoch(done: Epoch) -> None:
            self.say(f"{self.line}, seed {self.seed}: epoch {done.epoch} of {recipe.epochs}")

        told = Watch(epoch=epoch, step=self.step, network=network)
        return train(
            recipe.changed({"seed": self.seed}), out=folder, device=self.device, resume=resume, tensorboard=tensorboard, watch=told
        )
