"""Why a picture is hard, measured without a network: little of it is the dog, or its background or pose is unusual for its breed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

REASONS = ("little dog", "unusual background", "unusual pose")
SIDE = 32  # pixels of the small pictures in which colours are compared
EDGE, MIDDLE = 2, 8  # of those: the border's width, and the side of the middle
SHARE = 0.9  # of a breed's pictures that a picture must go beyond for a reason to be named


def small(pictures: Tensor, side: int = SIDE) -> Tensor:
    """Pictures uint8 N x C x H x W as floats in [0, 1] of so many pixels a side, the mean of those that fall together."""
    return F.adaptive_avg_pool2d(pictures.float() / 255, side)


def border(pictures: Tensor) -> Tensor:
    """The colours of small pictures' borders, N x C x pixels."""
    inside = torch.zeros(pictures.shape[2:], dtype=torch.bool)
    inside[EDGE:-EDGE, EDGE:-EDGE] = True
    return pictures[:, :, ~inside]


def dog_share(pictures: Tensor) -> Tensor:
    """The share of each small picture, N x C x side x side, whose colours are nearer to one in its middle than to any on its border, N."""
    first = (pictures.shape[2] - MIDDLE) // 2
    middle = pictures[:, :, first : first + MIDDLE, first : first + MIDDLE].flatten(2)
    found = []
    for every, here, there in zip(pictures.flatten(2), middle, border(pictures), strict=True):
        colours = every.T  # pixels x C
        found.append((torch.cdist(colours, here.T).amin(1) < torch.cdist(colours, there.T).amin(1)).float().mean())
    return torch.stack(found)


def backgrounds(pictures: Tensor) -> Tensor:
    """The mean colour of each small picture's border, N x C."""
    return border(pictures).mean(2)


def shapes(pictures: Tensor) -> Tensor:
    """Each picture as 16 x 16 greys with mean 0 and length 1, N x 256: light and contrast play no part, only where it is light."""
    grey = F.adaptive_avg_pool2d(pictures.mean(1, keepdim=True), 16).flatten(1)
    return F.normalize(grey - grey.mean(1, keepdim=True), dim=1)


def measured(pictures: Tensor, usual: Tensor) -> Tensor:
    """How far each small picture is from what is usual of its breed, N x 3, in the order of REASONS; larger is stranger."""
    # Background: the distance between the border's mean colour and its mean over the breed's training pictures.
    background = (backgrounds(pictures) - backgrounds(usual).mean(0)).norm(dim=1)
    # Pose: 1 - correlation with the breed's mean picture, or with its mirror image, whichever is more like it.
    mean = F.normalize(shapes(usual).mean(0), dim=0).view(16, 16)
    like = torch.stack([shapes(pictures) @ view.flatten() for view in (mean, mean.flip(1))]).amax(0)
    return torch.stack([1 - dog_share(pictures), background, 1 - like], 1)


def ranks(values: Tensor) -> Tensor:
    """The share of the others that each value of a column goes beyond, in [0, 1]; equal values have the mean of theirs."""
    below = (values[None] < values[:, None]).sum(1) + ((values[None] == values[:, None]).sum(1) - 1) / 2
    return below / max(len(values) - 1, 1)


def strangeness(known: Tensor, breeds: Tensor, pictures: Tensor, labels: Tensor) -> Tensor:
    """The ranks, N x 3, of uint8 pictures N x C x H x W among those of their label, against the known pictures of that breed."""
    found = torch.zeros(len(labels), len(REASONS))
    for breed in sorted(set(labels.tolist())):
        here = torch.nonzero(labels == breed)[:, 0]
        found[here] = ranks(measured(small(pictures[here]), small(known[breeds == breed])))
    return found


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's: the correlation of the ranks, 0 where one of them is constant."""
    a, b = ranks(one) - 0.5, ranks(other) - 0.5
    length = float(a.norm() * b.norm())
    return float(a @ b) / length if length else 0.0


def reason(ranked: Sequence[float]) -> str:
    """Why a picture is hard: the one of the three in which it is strangest, if it goes beyond most of its breed's there."""
    most = max(range(len(REASONS)), key=lambda k: ranked[k])
    return f"{REASONS[most]} (beyond {100 * ranked[most]:.0f} %)" if ranked[most] >= SHARE else "none of the three"
