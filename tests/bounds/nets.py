"""Small random networks of every layer that bounds know, the values of their nodes, and pictures in balls."""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hoodwink.bounds.graph import Graph, forward
from hoodwink.bounds.regions import OUTWARD, Region

SHAPE = (2, 6, 6)
CLASSES = 4


class Residual(nn.Module):
    """Two strided convolutions, a shortcut, a sum and a difference, batch norm on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.shortcut = nn.Conv2d(2, 4, 1, stride=2, bias=False)
        self.out = nn.Linear(36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = (x - 0.4) / 0.3
        y = self.conv2(F.relu(self.norm(self.conv1(x)))) + self.shortcut(x)
        y = F.relu(y)
        out: Tensor = self.out(torch.flatten(F.relu(2 * y - self.norm(y)), 1))
        return out


class Branches(nn.Module):
    """Two ways side by side, joined, averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(2, 3, 2, dilation=2), nn.LeakyReLU(0.2))
        self.other = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Hardtanh(-0.5, 0.7))
        self.pool = nn.AvgPool2d(2)
        self.out = nn.Linear(5, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        joined = self.pool(torch.cat([self.one(x), self.other(x)], 1))
        out: Tensor = self.out(joined.relu().mean((2, 3)))
        return out


def _plain() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(72, 9), nn.ReLU(), nn.Dropout(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, CLASSES))


def _conv() -> nn.Module:
    first = nn.Conv2d(2, 5, (3, 2), stride=(2, 1), padding=1)
    pool = nn.AvgPool2d(2, padding=1, count_include_pad=False)
    return nn.Sequential(first, nn.ReLU(), nn.Conv2d(5, 3, 3, stride=3, padding=2), nn.ReLU6(), pool, nn.Flatten(), nn.LazyLinear(CLASSES))


def _largest() -> nn.Module:
    first = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(first, nn.Conv2d(3, 4, 2), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES))


KINDS = {"plain": _plain, "conv": _conv, "largest": _largest, "residual": Residual, "branches": Branches}


def network(kind: str, seed: int, gain: float = 1.5) -> nn.Module:
    """A random network in evaluation mode; batch norms have seen something."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = KINDS[kind]()
        net(torch.rand(8, *SHAPE))
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, 0.0, 0.3)
                nn.init.uniform_(module.running_var, 0.3, 2.0)
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
        for parameter in net.parameters():
            parameter.requires_grad_(False).mul_(gain)
    return net.eval()


def pictures(seed: int, count: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    """Whole levels in [0, 1], many at the ends."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-60, 316, (count, *shape), generator=generator).clamp(0, 255).float().div(255)


def inside(space: Region, count: int, seed: int) -> Tensor:
    """Pictures in the ball and the box that a region of one picture was made of: corners and random ones."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand((count, *space.pictures.shape[1:]), generator=generator)
    share[::2] = share[::2].round()
    low, high = (bound.clamp(0, 1) for bound in (space.pictures + space.down + OUTWARD / 2, space.pictures + space.up - OUTWARD / 2))
    low, high = torch.minimum(low, space.pictures), torch.maximum(high, space.pictures)
    change = (low + share * (high - low)).clamp(low, high) - space.pictures
    if space.radius is not None:
        size = change.flatten(1).norm(dim=1).clamp(min=1e-12)
        change = change * (space.radius / size).clamp(max=1).view(-1, 1, 1, 1) * (1 - 1e-6)
    return (space.pictures + change).clamp(0, 1)


def values(graph: Graph, some: Tensor) -> list[Tensor]:
    """What each node of a graph is, of pictures."""
    out = [some]
    for node in graph.nodes[1:]:
        out.append(forward(node, [out[source] for source in node.inputs]))
    return out


def worst(net: nn.Module, space: Region, label: int, count: int = 200, seed: int = 0) -> Tensor:
    """The smallest margins over each other class seen in a region of one picture, K: at random, and on ways down the gradient."""
    start = inside(space, count, seed)
    least = _margins(net(start), label).amin(0)
    for other in range(len(least)):
        at = start[:16].clone()
        for k in range(8):
            at.requires_grad_(True)
            margin = _margins(net(at), label)[:, other]
            (slope,) = torch.autograd.grad(margin.sum(), at)
            at = _back(space, at.detach() - slope.sign() * float((space.up - space.down).max()) * 0.3 * 0.65**k)
        least = torch.minimum(least, _margins(net(at), label).amin(0))
    return least.detach()


def _margins(logits: Tensor, label: int) -> Tensor:
    out = logits[:, label : label + 1] - logits
    out[:, label] = torch.inf
    return out


def _back(space: Region, at: Tensor) -> Tensor:
    change = torch.minimum(torch.maximum(at - space.pictures, space.down), space.up)
    if space.radius is not None:
        change = change * (space.radius / change.flatten(1).norm(dim=1).clamp(min=1e-12)).clamp(max=1).view(-1, 1, 1, 1)
    return space.pictures + change


def everything(picture: Tensor, levels: int) -> Tensor:
    """Every whole-level picture within so many levels of one of few subpixels."""
    whole = picture.mul(255).round().int().flatten().tolist()
    ranges = [range(max(0, k - levels), min(255, k + levels) + 1) for k in whole]
    return torch.tensor(list(product(*ranges))).view(-1, *picture.shape).float().div(255)
