from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bounds import nets
from hoodwink.bounds import BoundsError
from hoodwink.bounds.read import read


@pytest.mark.parametrize("kind", nets.KINDS)
def test_a_graph_computes_what_its_network_does(kind: str) -> None:
    net = nets.network(kind, 1)
    some = nets.pictures(2, 20)
    assert torch.allclose(read(net, nets.SHAPE).outputs(some), net(some), atol=1e-5)


def test_normalisation_may_be_given_apart() -> None:
    net, some = nets.network("conv", 1), nets.pictures(2, 20)
    mean, std = (0.3, 0.5), (0.2, 0.4)
    wanted = net((some - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1))
    assert torch.allclose(read(net, nets.SHAPE, mean, std).outputs(some), wanted, atol=1e-4)
    with pytest.raises(BoundsError, match="2 numbers each"):
        read(net, nets.SHAPE, (0.5,) * 3)


def test_a_box_stays_a_box_up_to_the_first_sum() -> None:
    graph = read(nets.network("residual", 0), nets.SHAPE)
    assert graph.root == 2  # less a constant, divided by a constant: then two convolutions take it
    assert read(nets.network("plain", 0), nets.SHAPE).root == 1


class Written(nn.Module):
    """A forward given as a function."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("shift", torch.tensor([0.1, 0.2]).view(2, 1, 1))
        self.out = nn.Linear(72, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)  # type: ignore[operator,no-any-return]


FORWARDS = {
    "in place": lambda self, x: self.out(F.relu(x - self.shift, inplace=True).flatten(1)),
    "iadd": lambda self, x: self.out(torch.add(x.mul(0.5), 1 - x).view(x.size(0), -1)),
    "division": lambda self, x: self.out((-x / self.shift).reshape(x.shape[0], 72)),
    "pools": lambda self, x: self.out(F.max_pool2d(F.avg_pool2d(x, 1), 1).flatten(1)),
    "dropout": lambda self, x: self.out(F.dropout(x, 0.5, self.training).flatten(1)),
    "clipped": lambda self, x: self.out(F.hardtanh(F.relu6(F.leaky_relu(x, 0.1)), 0.2, 0.6).flatten(1)),
}


@pytest.mark.parametrize("name", FORWARDS)
def test_functions_are_read_as_layers_are(name: str) -> None:
    net = Written(FORWARDS[name]).eval()
    some = nets.pictures(2, 20)
    assert torch.allclose(read(net, nets.SHAPE).outputs(some), net(some), atol=1e-5)


REFUSED = {
    "sigmoid": (nn.Sequential(nn.Flatten(), nn.Linear(72, 5), nn.Sigmoid(), nn.Linear(5, 3)), "layer '2' .Sigmoid."),
    "softmax": (nn.Sequential(nn.Flatten(), nn.Linear(72, 3), nn.Softmax(1)), "layer '2' .Softmax."),
    "product": (Written(lambda self, x: self.out((x * x).flatten(1))), "layer 'mul' .* of two feature maps"),
    "mixed": (Written(lambda self, x: self.out((x + x.flip(0)).flatten(1))), "layer 'flip'"),
    "turned": (Written(lambda self, x: self.out(x.view(-1, 36).view(-1, 72))), "mixes pictures"),
    "ceil": (nn.Sequential(nn.MaxPool2d(4, ceil_mode=True), nn.Flatten(), nn.Linear(8, 3)), "layer '0' .MaxPool2d. with ceil_mode"),
    "padded": (nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Flatten(), nn.Linear(72, 3)), "right behind a ReLU"),
    "training": (nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 3)).train(), "network.eval"),
    "half": (nn.Sequential(nn.Flatten(), nn.Linear(72, 3)).half(), "float32 or float64"),
    "decision": (Written(lambda self, x: self.out(x.flatten(1)) if x.sum() > 0 else x), "cannot be traced"),
    "no logits": (nn.Conv2d(2, 3, 3), "logits, N x classes"),
    "inner": (nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(72, 3), nn.GELU())), "layer '0.2' .GELU."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_named(name: str) -> None:
    net, message = REFUSED[name]
    with pytest.raises(BoundsError, match=message) as caught:
        read(net if name == "training" else net.eval(), nets.SHAPE)
    assert "\n" not in str(caught.value)


def test_a_layer_that_works_in_place_is_not_misread() -> None:
    net = Written(lambda self, x: self.out((F.relu(y := x - 0.5, inplace=True) + y).flatten(1))).eval()
    with pytest.raises(BoundsError, match="in place"):
        read(net, nets.SHAPE)
