"""The course's convolutional networks: convolutions with ReLU and perhaps pooling, then linear layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

Layer = Sequence[int]  # channels, kernel, stride, padding, pool (1: none)


class ConvNet(nn.Module):
    """Pictures N x C x side x side, normalised, to logits N x classes (softmax: to probabilities, the course's mistake)."""

    def __init__(self, channels: int, side: int, layers: Sequence[Layer], hidden: Sequence[int], classes: int, softmax: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for outputs, kernel, stride, padding, pool in layers:
            parts += [nn.Conv2d(channels, outputs, kernel, stride, padding), nn.ReLU()]
            parts += [nn.MaxPool2d(pool)] if pool > 1 else []
            channels, side = outputs, ((side - kernel + 2 * padding) // stride + 1) // pool
            if side < 1:
                raise ValueError(f"layers: nothing is left of the picture after the convolution to {outputs} channels; take fewer layers")
        self.convolutions = nn.Sequential(*parts)
        widths = (channels * side * side, *hidden, classes)
        linear: list[nn.Module] = [nn.Flatten()]
        for k in range(len(widths) - 1):
            linear += [nn.Linear(widths[k], widths[k + 1]), nn.ReLU()]
        self.linear = nn.Sequential(*linear[:-1], *[nn.Softmax(1)] * softmax)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.convolutions(x))
        return logits


def convnet(
    classes: int = 10,
    channels: int = 1,
    side: int = 28,
    layers: Sequence[Layer] = ((5, 5, 1, 0, 2), (10, 5, 1, 0, 2)),
    hidden: Sequence[int] = (32,),
    softmax: bool = False,
) -> ConvNet:
    """The network with random weights.

    channels, side: of its square pictures. layers: for each convolution its channels, kernel, stride, padding and the max pooling
    behind it (1: none); hidden: the widths of the linear layers between. softmax: a last layer that the loss applies once more.
    ValueError where the layers leave nothing of a picture.
    """
    return ConvNet(channels, side, layers, hidden, classes, softmax)
