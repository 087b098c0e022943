"""How varied generated pictures are, and how near to real ones, as a classifier of our own sees them.

The distance is Frechet's between the features of that classifier, not those of Inception: it is no "FID", and compares only with others
of the same classifier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.models.embed import last_layer
from hoodwink.models.load import load_model
from hoodwink.models.model import Levels, Model
from hoodwink.networks.composed import replaced
from hoodwink.studies.desk import Desk
from hoodwink.training.recipes import find_recipe

PRESENT = 0.01  # of the samples must be of a class for its mode to count as found: a tenth of an even share of ten
NEIGHBOURS = 3  # of each picture's neighbourhood (Kynkaanniemi 2019)
_AT_ONCE = 1000


@dataclass(frozen=True, eq=False)
class Judge:
    """A classifier that says what pictures show. model: the classifier; features: the same without its last layer, N x D."""

    model: Model
    features: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def look(self, pictures: Levels) -> tuple[Tensor, Tensor]:
        """The probabilities N x K and the features N x D of pictures, uint8 N x H x W x C."""
        shares, features = list[Tensor](), list[Tensor]()
        for start in range(0, len(pictures), _AT_ONCE):
            encoded = self.model.encode_all(list(pictures[start : start + _AT_ONCE]))
            shares.append(self.model.outputs(encoded).softmax(1).cpu())
            features.append(self.features(encoded).cpu())
        return torch.cat(shares), torch.cat(features)


def trained_judge(desk: Desk) -> Judge:
    """The classifier of the setting `judge`, trained on the desk's data once for all lines of a seed."""
    recipe = find_recipe(desk["judge"]).changed(
        {"data": desk["data"], "epochs": desk["judge_epochs"], "validation": desk["judge_validation"]}
    )
    model = load_model(desk.train(recipe, "judge", shared=True).directory)
    return Judge(model, replaced(model.network, last_layer(model), nn.Identity()))


def class_shares(probabilities: Tensor) -> Tensor:
    """Which share of the pictures gets each label, K."""
    return torch.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]).double() / len(probabilities)


def entropy(shares: Tensor | Sequence[float]) -> float:
    """Of shares that sum to 1, in nats: log K where all K are even, 0 where one has all."""
    found = torch.as_tensor(shares, dtype=torch.float64)
    return abs(float((found * found.clamp(min=1e-300).log()).sum()))


def modes(shares: Tensor | Sequence[float]) -> int:
    """How many classes have at least one sample in a hundred."""
    return int((torch.as_tensor(shares) >= PRESENT).sum())


def frechet(one: Tensor, other: Tensor) -> float:
    """The Frechet distance of the normal distributions with the means and covariances of features N x D and M x D (Dowson 1982).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), the quantity whose value on Inception's features is called FID (Heusel 2017).
    """
    a, b = one.double().numpy(), other.double().numpy()
    apart = a.mean(0) - b.mean(0)
    first, second = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    root = _root(first)
    # S1 S2 has the eigenvalues of root S2 root, which is symmetric.
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    return max(0.0, float(apart @ apart + np.trace(first) + np.trace(second) - 2 * cross))


def precision_recall(real: Tensor, made: Tensor, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """The share of made pictures that lie among real ones, and of real ones that lie among made ones (Kynkaanniemi 2019, arXiv:1904.06991).

    Among: no farther from one of them than that one's k-th neighbour of its own kind is.
    """
    return _covered(made, real, neighbours), _covered(real, made, neighbours)


def _covered(points: Tensor, by: Tensor, neighbours: int) -> float:
    reach = torch.cat([torch.cdist(some, by).kthvalue(neighbours + 1, dim=1).values for some in torch.split(by, _AT_ONCE)])
    inside = [(torch.cdist(some, by) <= reach[None]).any(1) for some in torch.split(points, _AT_ONCE)]
    return float(torch.cat(inside).double().mean())


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    found: np.ndarray = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    return found


def most_even(classes: int) -> float:
    """The entropy of even shares."""
    return math.log(classes)
