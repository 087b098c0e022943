from __future__ import annotations

import torch
import torch.nn.functional as F

from hoodwink.networks.resnet import resnet2b

KEYS = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1.0.shortcut.0", "layer1.1.conv1", "layer1.1.conv2", "linear1", "linear2"]


def test_keys_are_those_of_the_published_file() -> None:
    assert list(resnet2b().state_dict()) == [f"{key}.{part}" for key in KEYS for part in ("weight", "bias")]


def test_forward_is_the_published_formula() -> None:
    network = resnet2b()
    s = network.state_dict()

    def conv(x: torch.Tensor, key: str, stride: int = 1, padding: int = 1) -> torch.Tensor:
        return F.conv2d(x, s[f"{key}.weight"], s[f"{key}.bias"], stride, padding)

    x = torch.randn(3, 3, 32, 32)
    y = conv(x, "conv1", 2).relu()
    y = (conv(conv(y, "layer1.0.conv1", 2).relu(), "layer1.0.conv2") + conv(y, "layer1.0.shortcut.0", 2, 0)).relu()
    y = (conv(conv(y, "layer1.1.conv1").relu(), "layer1.1.conv2") + y).relu()
    y = F.linear(F.linear(y.flatten(1), s["linear1.weight"], s["linear1.bias"]).relu(), s["linear2.weight"], s["linear2.bias"])
    assert torch.equal(network(x), y)
