from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hoodwink.models import preprocess
from hoodwink.models.load import ModelError, ModelWarning, wrap
from hoodwink.models.model import Model
from hoodwink.pictures.resample import ResampleError


class Net(nn.Module):
    """A linear network of 3 x 6 x 6 pictures, then whatever is asked."""

    def __init__(self, end: Callable[[Tensor], Any] = lambda x: x, outputs: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 6 * 6, outputs)
        self.end = end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.linear(x.flatten(1)))


def wrapped(network: nn.Module, **fields: Any) -> Model:
    basics: dict[str, Any] = {"mean": 0.5, "std": 0.5, "classes": 4, "size": 6}
    return wrap(network, **basics | fields)


@pytest.mark.parametrize(
    "fields", [{}, {"resize": 9}, {"resize": (7, 30)}, {"filter": "lanczos"}, {"filter": "bilinear", "resize": (6, 6)}]
)
def test_a_sound_network_passes_without_a_word(fields: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not wrapped(Net(), **fields).network.training


def test_a_grey_network_of_any_size_passes() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert wrapped(network, channels=1, size=None).card.input.geometry(50, 40).size == (50, 40)


def never_eval(network: Net) -> Net:
    network.linear.train = lambda mode=True: network.linear  # type: ignore[method-assign]
    return network


FAULTS: list[tuple[Callable[[], nn.Module], dict[str, Any], str]] = [
    (Net, {"classes": 5}, r"logits of shape \(2, 5\) are wanted for two pictures and 5 classes, torch.float32 \(2, 4\) came"),
    (lambda: Net(lambda x: (x, x)), {}, "tuple came"),
    (lambda: Net(lambda x: x.argmax(1)), {}, r"torch.int64 \(2,\) came"),
    (lambda: Net(lambda x: x[:1]), {}, r"\(1, 4\) came"),
    (lambda: Net(outputs=1), {"classes": 1}, "two outputs or more"),
    (lambda: Net(lambda x: x / 0), {}, "outputs are not finite"),
    (lambda: Net(lambda x: (x - x).abs().sqrt()), {}, "gradients are not finite"),
    (Net, {"size": 7}, r"does not take normalised pictures 2 x 3 x 7 x 7 \(.*\); check the card"),
    (Net, {"size": None}, "does not take normalised pictures 2 x 3 x 32 x 32 .*; say what it takes: size="),
    (lambda: Net().double(), {}, "does not take normalised pictures"),
    (lambda: never_eval(Net()), {}, "linear stays in training mode"),
]


@pytest.mark.parametrize(("make", "fields", "message"), FAULTS)
def test_faults_are_said_in_one_line(make: Callable[[], nn.Module], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        wrapped(make(), **fields)
    assert "\n" not in str(caught.value)


def test_probabilities_instead_of_logits_are_warned_of_and_can_be_used() -> None:
    with pytest.warns(ModelWarning, match="look like probabilities.*confidences stay near 1/4"):
        one = wrapped(Net(lambda x: x.softmax(1)))
    assert one.outputs(torch.zeros(3, 3, 6, 6)).shape == (3, 4)


def test_a_network_that_gives_no_gradient_is_warned_of() -> None:
    with pytest.warns(ModelWarning, match="judged by but not fooled"):
        wrapped(Net(lambda x: x.detach()))


def test_a_twin_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = preprocess.Preprocess.__call__
    monkeypatch.setattr(preprocess.Preprocess, "__call__", lambda self, part: right(self, part) + 1e-6)
    with pytest.raises(ModelError, match="differentiable preprocessing differs from Pillow's on cpu"):
        wrapped(Net())


def test_a_pillow_that_cannot_be_followed_still_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ResampleError("Pillow 99 resizes in a way that is not known")

    monkeypatch.setattr(preprocess.Preprocess, "__init__", fail)
    with pytest.warns(ModelWarning, match="judged but not fooled: Pillow 99"):
        wrapped(Net())
