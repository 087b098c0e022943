"""What TensorBoard is shown of a training: the graph, curves, pictures, the recipe, its hyper-parameters and the figure of the losses."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import torch

from hoodwink.pictures.levels import Levels
from hoodwink.training.feeds import PictureFeed
from hoodwink.training.loop import Epoch, Parts
from hoodwink.training.recipe import RecipeError

_SHOWN = 16  # pictures


class Board:
    """Writes event files into a folder; RecipeError where tensorboard is not installed. Iterations are steps of the optimiser's batches."""

    def __init__(self, folder: Path, parts: Parts) -> None:
        try:
            module: Any = importlib.import_module("torch.utils.tensorboard")
        except ImportError as error:
            raise RecipeError(f"tensorboard cannot be imported ({error}); type: pip install 'hoodwink[tensorboard]'") from error
        self.parts, self.epochs = parts, list[tuple[int, Epoch, float | None]]()
        self.writer = module.SummaryWriter(str(folder))
        noise = getattr(parts.network, "noise", 0)
        inputs = torch.zeros(2, noise) if noise else parts.train.take(torch.arange(1))[0]
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the tracing that the writer does
            self.writer.add_graph(parts.network.eval(), inputs)
        if isinstance(parts.train, PictureFeed):
            self.writer.add_images("training pictures", parts.train.data.pictures[:_SHOWN])
        self.writer.add_text("recipe", "\n".join(f"    {name}: {value}" for name, value in parts.recipe.to_json().items()))

    def epoch(self, epoch: Epoch, iteration: int, test_accuracy: float | None, drawn: Levels | None) -> None:
        """Add an epoch's means, the accuracy on the test pictures and the sheet of pictures made, after so many iterations."""
        self.epochs.append((iteration, epoch, test_accuracy))
        scalars = {
            "training loss": epoch.loss,
            "training accuracy": epoch.accuracy,
            "test accuracy": test_accuracy,
            "rate": epoch.rate,
            "validation loss": epoch.validation_loss,
            "validation accuracy": epoch.validation_accuracy,
            **epoch.more,
        }
        for name, value in scalars.items():
            if value is not None:
                self.writer.add_scalar(name, value, iteration)
        if drawn is not None:
            self.writer.add_image("pictures made", drawn, iteration, dataformats="HWC")

    def close(self) -> None:
        """Add the hyper-parameters with what they led to, and the figure of the training loss."""
        if self.epochs:
            known = {name: value for name, value in self.parts.recipe.to_json().items() if isinstance(value, (int, float, str, bool))}
            last = self.epochs[-1]
            final = {"final/training loss": last[1].loss, "final/test accuracy": last[2]}
            self.writer.add_hparams(known, {name: value for name, value in final.items() if value is not None}, run_name=".")
            # A tag of its own: TensorBoard shows one thing for each, and "training loss" is the curve.
            self.writer.add_figure("loss by iteration", self._figure(), last[0])
        self.writer.close()

    def _figure(self) -> Any:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([iteration for iteration, _, _ in self.epochs], [epoch.loss for _, epoch, _ in self.epochs], marker="o")
        axes.set_xlabel("iterations")
        axes.set_ylabel("training loss")
        return figure
