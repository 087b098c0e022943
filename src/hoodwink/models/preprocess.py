"""What a network's card does to a picture, as a differentiable function equal to `Model.encode` bit for bit."""

from __future__ import annotations

import torch
from torch import Tensor

from hoodwink.models.card import PictureInput
from hoodwink.pictures.resample import Resize


class Preprocess:
    """Resize, crop and normalise pictures of one size, differentiably, from the part of them that the network sees.

    `rows` and `columns` are that part. Called with pictures[:, :, rows, columns] in [0, 1] on the grid k/255 (N x C x h x w) it
    returns the network's input. Roundings pass the gradient straight through.
    """

    def __init__(self, card: PictureInput, height: int, width: int, device: torch.device | str = "cpu") -> None:
        spot = card.geometry(height, width)
        crop = (spot.top, spot.left, *spot.size)
        self.device = torch.device(device)
        self.resize = Resize((height, width), spot.resized, card.filter, crop, card.channels).to(self.device)
        self.rows, self.columns = self.resize.rows, self.resize.columns
        self.full = torch.tensor(255.0, device=self.device)
        self.mean, self.std = (torch.tensor(v, dtype=torch.float32, device=self.device).view(1, -1, 1, 1) for v in (card.mean, card.std))

    def __call__(self, part: Tensor) -> Tensor:
        levels = self.resize(part, 255)  # float32 holds k/255 only nearly, and the resize must start from k
        # By a tensor: a GPU multiplies by 1/255 when it divides by a number, which is not what `encode` does.
        return levels.div(self.full).sub(self.mean).div(self.std)
