"""What a network that makes pictures makes after each epoch: a sheet, the same each time, and all of them as an animation."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from hoodwink.models.card import NoiseInput
from hoodwink.models.sample import draw_noise, levels_of
from hoodwink.pictures.draw import sheet
from hoodwink.pictures.levels import Levels
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run
from hoodwink.training.material import Material

FOLDER, ANIMATION = "sheets", "training.gif"
MADE, _ROW = 16, 8  # pictures made of noise, four to a row; pictures of the test set in a row above what is made of them
_WIDE = 64  # pixels that a picture is shown with, at least
_PAUSE = 250  # milliseconds of a sheet; the last stands ten times as long


def draw_sheet(network: nn.Module, material: Material, seed: int) -> Levels | None:
    """What the network makes of fixed noise, or test pictures above what it makes of them; None for a network that makes no pictures."""
    wanted = material.input
    network.eval()
    with torch.no_grad():
        if isinstance(wanted, NoiseInput):
            found = made_of_noise(network, wanted, seed)
            return framed([found[k : k + 4] for k in range(0, MADE, 4)])
        inputs, itself = material.test.take(torch.arange(min(2 * _ROW, len(material.test))))
        if itself.dim() != 4:
            return None
        seen, made = levels_of(inputs), levels_of(network(inputs))
    return framed([rows[k : k + _ROW] for k in range(0, len(seen), _ROW) for rows in (seen, made)])


@torch.no_grad()
def made_of_noise(network: nn.Module, wanted: NoiseInput, seed: int) -> Levels:
    """The first 16 pictures of a seed, uint8 N x H x W x C, as `sample_pictures` has them."""
    device = next(network.parameters()).device
    return levels_of(network.eval()(draw_noise(MADE, wanted.size, wanted.draw, seed).to(device)))


def framed(rows: list[Levels]) -> Levels:
    """Rows of small pictures, each shown large enough to be looked at."""
    times = -(-_WIDE // rows[0].shape[2])
    return sheet([[one.repeat(times, 0).repeat(times, 1) for one in row] for row in rows], gap=4)


def keep_sheet(run: Run, epoch: int, levels: Levels | None) -> None:
    """Write the sheet of an epoch into the run's folder."""
    if levels is not None:
        run.write(_name(epoch), encode_png(levels))


def keep_animation(run: Run) -> None:
    """Write all sheets of the run's folder as one moving picture."""
    epochs = sorted(int(path.stem) for path in (run.directory / FOLDER).glob("*.png"))
    if epochs:
        run.write(ANIMATION, animated(read_sheets(run.directory, epochs)))


def read_sheets(directory: Path, epochs: Iterable[int]) -> list[Levels]:
    """The sheets of a run's folder after some epochs, 0 for before the training; H x W, uint8."""
    return [np.asarray(_read(directory / _name(epoch))) for epoch in epochs]


def animated(sheets: list[Levels]) -> bytes:
    """Pictures of one size, H x W or H x W x 3, as a GIF that begins anew at its end."""
    frames = [Image.fromarray(one) for one in sheets]
    buffer = io.BytesIO()
    pauses = [_PAUSE] * (len(frames) - 1) + [10 * _PAUSE]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=pauses, loop=0)
    return buffer.getvalue()


def _name(epoch: int) -> str:
    return f"{FOLDER}/{epoch:03d}.png"


def _read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()
