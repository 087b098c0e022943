from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hoodwink.models.card import ModelError
from hoodwink.models.shapes import Layer, layers
from hoodwink.networks.convnet import convnet
from hoodwink.networks.table import NETWORKS
from rows import output_of, reads_texts, shape_of, with_classes

TRIES = settings(max_examples=60, deadline=None)
SIDES = st.integers(5, 24)
POOLS: dict[str, Any] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


def only(network: nn.Module, *shape: int) -> Layer:
    (found,) = layers(network, shape)
    return found


def calculated(text: str) -> int:
    """The digits of "symbols = digits = value", calculated by Python itself and compared with the value that the text states."""
    digits, value = text.replace(",", "").split(" = ")[-2:]
    turned = re.sub(r"(\d)\(", r"\1 * (", digits.replace("x", "*").replace("/", "//").replace("floor", ""))
    turned = re.sub(r"ceil\((.*)\)//(\d+)\)", r"-(-(\1))//\2)", turned)
    assert eval(turned) == int(value), text
    return int(value)


def sizes(layer: Layer) -> list[int]:
    """Height and width as the formula gives them."""
    lines = next(line for line in layer.formula.split("; ") if "/S" in line or ")S" in line).split(", W: ")
    return [calculated(line) for line in (lines * 2 if len(lines) == 1 else lines)]


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch's, of an even kernel
@TRIES
@given(st.data())
def test_convolutions(data: st.DataObject) -> None:
    pair = st.tuples(st.integers(1, 4), st.integers(1, 4))
    kernel, stride, dilation = data.draw(pair), data.draw(pair), data.draw(pair)
    padding = data.draw(st.one_of(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.just("valid"), st.just("same")))
    groups, bias, height, width = data.draw(st.sampled_from([1, 2])), data.draw(st.booleans()), data.draw(SIDES), data.draw(SIDES)
    assume(padding != "same" or stride == (1, 1))
    conv = nn.Conv2d(4, 6, kernel, stride, padding, dilation, groups, bias)
    try:
        real = conv(torch.zeros(1, 4, height, width))
    except RuntimeError:
        assume(False)
    layer = only(conv, 4, height, width)
    assert layer.inputs == (4, height, width)
    assert layer.output == tuple(real.shape[1:])
    assert layer.parameters == layer.trained == sum(p.numel() for p in conv.parameters())
    assert sizes(layer) == list(real.shape[2:])
    assert calculated(layer.formula.split("; ")[-1]) == layer.parameters


@TRIES
@given(st.sampled_from(sorted(POOLS)), st.integers(2, 4), st.integers(1, 4), st.integers(0, 1), st.booleans(), SIDES, SIDES)
def test_poolings(kind: str, kernel: int, stride: int, padding: int, up: bool, height: int, width: int) -> None:
    pool = POOLS[kind](kernel, stride, padding, ceil_mode=up)
    real = pool(torch.zeros(1, 2, height, width))
    layer = only(pool, 2, height, width)
    assert layer.output == tuple(real.shape[1:])
    assert layer.parameters == 0
    if layer.formula:
        assert sizes(layer) == list(real.shape[2:])
    else:  # the last window would begin outside
        assert up


@TRIES
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 1), st.integers(1, 2), st.booleans(), SIDES, SIDES)
def test_transposed(kernel: int, stride: int, padding: int, dilation: int, bias: bool, height: int, width: int) -> None:
    conv = nn.ConvTranspose2d(4, 6, kernel, stride, padding, stride - 1, 2, bias, dilation)
    layer = only(conv, 4, height, width)
    assert layer.output == tuple(conv(torch.zeros(1, 4, height, width)).shape[1:])
    assert sizes(layer) == list(layer.output[1:])
    assert calculated(layer.formula.split("; ")[-1]) == layer.parameters == sum(p.numel() for p in conv.parameters())


def test_the_course_s_convolution() -> None:
    conv = nn.Conv2d(3, 3, (8, 4), 2, (4, 8))
    layer = only(conv, 3, 32, 32)
    assert (16, *layer.output) == (16, 3, 17, 23) == tuple(conv(torch.zeros(16, 3, 32, 32)).shape)
    assert layer.formula == (
        "H: (H - K + 2P)/S + 1 = (32 - 8 + 8)/2 + 1 = 17, W: (W - K + 2P)/S + 1 = (32 - 4 + 16)/2 + 1 = 23; "
        "out x (in x KH x KW + 1) = 3 x (3 x 8 x 4 + 1) = 291"
    )


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (nn.Conv2d(3, 6, 5), "(W - K + 2P)/S + 1 = (32 - 5 + 0)/1 + 1 = 28; out x (in x K x K + 1) = 6 x (3 x 5 x 5 + 1) = 456"),
        (
            nn.Conv2d(3, 9, 3, 2, 2, 2, 3, bias=False),
            "floor((W - D(K - 1) - 1 + 2P)/S) + 1 = floor((32 - 2(3 - 1) - 1 + 4)/2) + 1 = 16; out x in/groups x K x K = 9 x 3/3 x 3 x 3 = 81",
        ),
        (nn.MaxPool2d(2), "(W - K + 2P)/S + 1 = (32 - 2 + 0)/2 + 1 = 16"),
        (nn.AdaptiveAvgPool2d(2), "2 x 2 from any size"),
        (nn.BatchNorm2d(3), "2 x channels = 2 x 3 = 6"),
        (nn.BatchNorm2d(3, affine=False), ""),
        (nn.Flatten(), "3 x 32 x 32 = 3072"),
        (nn.Linear(32, 5), "out x (in + 1) = 5 x (32 + 1) = 165"),
        (nn.PReLU(), "1"),
    ],
)
def test_formulas(layer: nn.Module, formula: str) -> None:
    assert only(layer, 3, 32, 32).formula == formula


def test_the_course_s_network_of_dogs() -> None:
    network = convnet(channels=3, side=64, layers=[[6, 5, 2, 0, 1], [10, 5, 2, 0, 1]], hidden=[])
    found = layers(network, (3, 64, 64))
    assert [one.output for one in found] == [(6, 30, 30), (6, 30, 30), (10, 13, 13), (10, 13, 13), (1690,), (10,)]
    assert found[-1].formula == "out x (in + 1) = 10 x (1690 + 1) = 16,910"


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_the_table(name: str) -> None:
    row = NETWORKS[name]
    network, text = row.make(**with_classes(row, 7)), reads_texts(row)
    shape = shape_of(row, 5)
    found = layers(network, shape, text=text)
    assert text or found[0].inputs == shape
    called = [one for one in found if one.output]  # a discriminator is not asked when pictures are made
    assert called[-1].output == output_of(name, 7, 5)
    assert sum(one.parameters for one in found) == sum(p.numel() for p in network.parameters())
    assert sum(one.trained for one in found) == sum(p.numel() for p in network.parameters() if p.requires_grad)
    for one in found:
        assert ("Conv" in one.kind) <= bool(one.formula)
        if one.formula and one.parameters:
            assert calculated(one.formula.split("; ")[-1]) == one.parameters


class Twice(nn.Module):
    """Calls one layer twice, another never, and holds a parameter itself."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.linear.weight
        self.unused = nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.ones(3, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.tied(self.linear(self.linear(x))) * self.scale
        return out


def test_shared_layers_are_listed_at_each_call_and_counted_once() -> None:
    network = Twice()
    found = layers(network, (1, 3, 4))
    assert [(one.name, one.parameters) for one in found] == [("linear", 20), ("linear", 0), ("tied", 4), ("", 3), ("unused", 10)]
    assert sum(one.parameters for one in found) == sum(p.numel() for p in network.parameters())
    assert found[1].formula.endswith(" = 20, counted above")
    assert found[2].formula.endswith(" = 20, partly counted above")
    assert found[3].formula == "3 x 1 = 3"
    assert found[4].output == ()
    assert found[4].formula.startswith("never called; ")


def test_attention_is_one_layer() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2)  # N x 5 x 8
            out: Tensor = self.attention(query=tokens, key=tokens, value=tokens)[0]
            return out

    network = Attending()
    layer = only(network, 5, 2, 4)
    assert (layer.name, layer.inputs, layer.output) == ("attention", (5, 8), (5, 8))
    assert layer.parameters == sum(p.numel() for p in network.parameters())
    assert calculated(layer.formula) == layer.parameters


def test_a_formula_that_does_not_hold_is_left_out() -> None:
    class Padded(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(nn.functional.pad(input, (1, 1, 1, 1)))

    layer = only(Padded(3, 6, 3), 3, 8, 8)
    assert layer.output == (6, 8, 8)
    assert layer.formula == "out x (in x K x K + 1) = 6 x (3 x 3 x 3 + 1) = 168"


def test_the_network_stays_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    layers(network, (3, 8, 8))
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_named_parameters_are_trained() -> None:
    network = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2)).requires_grad_(False)
    assert [one.trained for one in layers(network, (4,))] == [0, 0]
    assert [one.trained for one in layers(network, (4,), trained={"0.bias", "1.weight"})] == [2, 4]


def test_a_size_that_does_not_fit() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(ModelError, match="does not take pictures of 3 x 3 x 3 (.*)give the size"):
        layers(network, (3, 3, 3))
    assert not any(module._forward_hooks for module in network.modules())
