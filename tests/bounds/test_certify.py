from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bounds import nets
from hoodwink.bounds import METHODS, BoundsError, certify, lower_margins
from hoodwink.bounds.regions import region

steady = settings(derandomize=True, deadline=None, max_examples=20)


def tiny(seed: int) -> nn.Module:
    """2 x 2 subpixels to 3 classes, steep: a few levels fool it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Conv2d(1, 3, 2, padding=seed % 2), nn.ReLU(), nn.Flatten(), nn.Linear(27 if seed % 2 else 3, 4), nn.ReLU(), nn.Linear(4, 3)
        )
    for parameter in net.parameters():
        parameter.requires_grad_(False).mul_(1.5)
    return net.eval()


@steady
@given(seed=st.integers(0, 10**6), levels=st.integers(1, 3), method=st.sampled_from(METHODS))
def test_no_whole_level_picture_fools_where_it_is_certain(seed: int, levels: int, method: str) -> None:
    """Pictures near the border of two classes, every picture of the ball."""
    net = tiny(seed)
    some = near_the_border(net, nets.pictures(seed, 2, (4, 1, 2, 2)))
    labels = net(some).argmax(1)
    proven = certify(net, some, labels, eps=levels / 255, method=method, nodes=50)
    margins = lower_margins(net, some, labels, eps=levels / 255, method=method, nodes=50)
    for k in range(len(some)):
        logits = net(nets.everything(some[k], levels))
        assert not (proven[k] and bool((logits.argmax(1) != labels[k]).any()))
        least = (logits[:, labels[k], None] - logits).amin(0)
        least[labels[k]] = torch.inf
        assert bool((margins[k] <= least).all())


def near_the_border(net: nn.Module, pairs: Tensor) -> Tensor:
    """Of each way from a picture to another the whole levels just before the label changes, if it does."""
    out = []
    for one, other in zip(*pairs, strict=True):
        way = torch.lerp(one, other, torch.linspace(0, 1, 200).view(-1, 1, 1, 1)).mul(255).round().div(255)
        labels = net(way).argmax(1)
        changed = (labels != labels[0]).nonzero()
        out.append(way[max(0, int(changed[0]) - 2)] if len(changed) else one)
    return torch.stack(out)


@settings(steady, max_examples=12)
@given(
    kind=st.sampled_from(list(nets.KINDS)),
    seed=st.integers(0, 10**6),
    eps=st.sampled_from([0.004, 0.02, 0.1]),
    norm=st.sampled_from(["linf", "l2"]),
    method=st.sampled_from(METHODS),
)
def test_no_picture_found_is_below_the_bounds(kind: str, seed: int, eps: float, norm: str, method: str) -> None:
    net, some = nets.network(kind, seed), nets.pictures(seed, 2)
    eps = eps if norm == "linf" else 4 * eps
    labels = net(some).argmax(1)
    margins = lower_margins(net, some, labels, eps=eps, norm=norm, method=method, nodes=20)
    proven = certify(net, some, labels, eps=eps, norm=norm, method=method, nodes=20)
    for k in range(2):
        least = nets.worst(net, region(some[k : k + 1], eps, norm), int(labels[k]), seed=seed)
        assert bool((margins[k] <= least).all())
        assert not (proven[k] and bool((least <= 0).any()))


@pytest.mark.parametrize(("norm", "method"), [(n, m) for n in ("linf", "l2") for m in METHODS if (n, m) != ("l2", "ibp")])
def test_linear_networks_are_exact(norm: str, method: str) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 5)).eval()
    some = torch.rand((6, *nets.SHAPE), generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3  # no subpixel reaches the box's ends
    labels, eps = torch.arange(6) % 5, 0.1
    rows = net[1].weight[labels][:, None] - net[1].weight[None]
    exact = net(some).gather(1, labels[:, None]) - net(some) - eps * (rows.abs().sum(2) if norm == "linf" else rows.norm(dim=2))
    found = lower_margins(net, some, labels, eps=eps, norm=norm, method=method)
    other = torch.arange(5)[None] != labels[:, None]
    assert torch.allclose(found[other], exact.double()[other], atol=1e-4)
    assert bool((found[other] <= exact[other]).all())
    assert bool((found[~other] == torch.inf).all())
    assert torch.equal(certify(net, some, labels, eps=eps, norm=norm, method=method), (exact[other].view(6, 4) > 0).all(1))


@pytest.mark.parametrize("kind", nets.KINDS)
def test_a_harder_method_gives_no_less(kind: str) -> None:
    net, some = nets.network(kind, 7), nets.pictures(7, 4)
    labels = net(some).argmax(1)
    found = [lower_margins(net, some, labels, eps=0.03, method=method, nodes=30) for method in METHODS]
    assert all(bool((more >= less).all()) for less, more in pairwise(found))
    assert all(float(more.clamp(max=99).sum()) > float(less.clamp(max=99).sum()) for less, more in pairwise(found[:3]))


@pytest.mark.parametrize("method", METHODS)
def test_without_a_ball_the_clean_verdict_stands(method: str) -> None:
    net, some = nets.network("residual", 3), nets.pictures(3, 12)
    right = net(some).argmax(1)
    labels = torch.where(torch.arange(12) % 2 == 0, right, (right + 1) % nets.CLASSES)
    assert torch.equal(certify(net, some, labels, eps=0, method=method), labels == right)


@pytest.mark.parametrize("method", METHODS)
def test_batches_change_nothing(method: str) -> None:
    net, some = nets.network("branches", 3), nets.pictures(3, 7)
    labels = net(some).argmax(1)
    whole = lower_margins(net, some, labels, eps=0.02, method=method, nodes=10)
    parts = lower_margins(net, some, labels, eps=0.02, method=method, nodes=10, batch=2)
    assert torch.allclose(whole, parts, atol=1e-4)
    assert torch.equal(certify(net, some, labels, eps=0.02, batch=3, method=method), certify(net, some, labels, eps=0.02, method=method))


def test_normalisation_given_apart_is_the_same_as_within() -> None:
    class Within(nn.Module):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.net((x - torch.tensor([0.4, 0.5]).view(2, 1, 1)) / torch.tensor([0.2, 0.3]).view(2, 1, 1))
            return out

    net, some = nets.network("conv", 1), nets.pictures(1, 5)
    labels = Within(net)(some).argmax(1)
    apart = lower_margins(net, some, labels, eps=0.01, mean=(0.4, 0.5), std=(0.2, 0.3))
    assert torch.allclose(apart, lower_margins(Within(net), some, labels, eps=0.01), atol=1e-4)


def test_rounding_of_the_network_is_not_proven_away() -> None:
    """Two logits whose exact difference is far below what sums of float32 lose: which is larger depends on their order."""
    weight = 1000 * torch.randn((1, 500), generator=torch.Generator().manual_seed(0))
    net = nn.Sequential(nn.Flatten(), nn.Linear(500, 2)).eval()
    net[1].weight.data = torch.cat([weight, weight])
    net[1].bias.data = torch.tensor([1e-4, 0.0])
    some = torch.rand((3, 1, 25, 20), generator=torch.Generator().manual_seed(1))
    assert not bool(certify(net, some, torch.zeros(3, dtype=torch.int64), eps=0).any())
    net[1].bias.data[0] = 10_000.0
    assert bool(certify(net, some, torch.zeros(3, dtype=torch.int64), eps=0).all())


def test_double_precision_is_bounded_more_closely() -> None:
    net, some = nets.network("plain", 2), nets.pictures(2, 3)
    labels = net(some).argmax(1)
    single, double = (
        lower_margins(n, some.to(d), labels, eps=0.02)
        for n, d in ((net, torch.float32), (nets.network("plain", 2).double(), torch.float64))
    )
    assert torch.allclose(single, double, atol=1e-3)
    assert bool((double.clamp(max=1e9) >= single.clamp(max=1e9) - 1e-6).all())


def test_what_comes_too_late_is_not_proven() -> None:
    net, some = nets.network("largest", 3), nets.pictures(3, 8)
    labels = net(some).argmax(1)
    early, whole = (certify(net, some, labels, eps=0.03, method="crown", seconds=seconds) for seconds in (0.0, None))
    assert int(early.sum()) < int(whole.sum())
    assert not bool((early & ~whole).any())
    assert torch.equal(certify(net, some, labels, eps=0.03, method="crown", seconds=60), whole)


def test_nothing_is_asked_of_no_pictures() -> None:
    net = nets.network("conv", 0)
    none, labels = torch.zeros((0, *nets.SHAPE)), torch.zeros(0, dtype=torch.int64)
    assert certify(net, none, labels, eps=0.1).shape == (0,)
    assert lower_margins(net, none, labels, eps=0.1).shape == (0, nets.CLASSES)


def test_mistakes_are_said_in_one_line() -> None:
    net, some, labels = nets.network("conv", 0), nets.pictures(0, 2), torch.zeros(2, dtype=torch.int64)
    for message, change in {
        "8/255": {"eps": 8},
        "linf, l2": {"norm": "l0"},
        "ibp, crown, alpha, branch": {"method": "milp"},
        "divide whole levels by 255": {"pictures": some * 255},
        "floats in .0, 1.": {"pictures": (some * 255).byte()},
        "4 classes, 0 to 3, 4 came": {"labels": labels + 4},
        "2 whole numbers": {"labels": labels[:1]},
        "torch.float32": {"labels": labels.float()},
    }.items():
        arguments = {"pictures": some, "labels": labels, "eps": 0.01, **change}
        with pytest.raises(BoundsError, match=message) as caught:
            certify(net, **arguments)
        assert "\n" not in str(caught.value)
