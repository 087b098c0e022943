"""What a convolution and a pooling make of a size: the formula against PyTorch, and the course's examples with a pencil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hoodwink.models.shapes import layers, times
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, page
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Grid = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[int, int]

# The picture and the kernel are ours: of the course's only the sizes and the 7 in the corner are known.
PICTURE = np.array([[1, 1, 1, 0, 0], [0, 2, 1, 1, 0], [1, 0, 2, 1, 1], [0, 0, 1, 2, 0], [0, 1, 1, 0, 1]])
KERNEL = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
POOLED = np.array([[4, 7, 6, 2], [7, 1, 2, 1], [3, 3, 1, 2], [2, 1, 5, 3]])


@dataclass(frozen=True)
class Window:
    """How a window moves over a picture: its size, step, border of zeros (of nothing, for a maximum) and gaps, each by axis."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    ceil: bool = False


def size(n: int, window: Window, axis: int) -> int:
    """floor((W - D (K - 1) - 1 + 2P) / S) + 1, under 1 where the window does not fit in."""
    k, s, p, d = (pair[axis] for pair in (window.kernel, window.stride, window.padding, window.dilation))
    span = n - d * (k - 1) - 1 + 2 * p
    if not window.ceil:
        return span // s + 1
    rounded = -(-span // s) + 1
    return rounded - ((rounded - 1) * s >= n + p)  # the last window may stand out, but not begin in the border


def slide(picture: Grid, window: Window, kernel: Grid | None = None) -> Grid:
    """The products with a kernel summed at each place, or the largest level without one. One picture of one channel, place by place."""
    height, width = (size(picture.shape[axis], window, axis) for axis in (0, 1))
    out = np.zeros((height, width))
    for row, column in product(range(height), range(width)):
        parts = []
        for i, j in product(range(window.kernel[0]), range(window.kernel[1])):
            y = row * window.stride[0] - window.padding[0] + i * window.dilation[0]
            x = column * window.stride[1] - window.padding[1] + j * window.dilation[1]
            if 0 <= y < picture.shape[0] and 0 <= x < picture.shape[1]:
                parts.append(picture[y, x] * (1 if kernel is None else kernel[i, j]))
        out[row, column] = max(parts, default=-np.inf) if kernel is None else sum(parts)
    return out


def drawn(generator: np.random.Generator, pool: bool) -> tuple[Grid, Window]:
    """A picture of some size and a window, which need not fit in; a pooling's border is at most half of its window."""
    picture = generator.integers(-9, 10, tuple(generator.integers(1, 20, 2)))
    kernel, stride, dilation = (_pair(generator, 1, most) for most in (6, 4, 3))
    padding = (_pair(generator, 0, kernel[0] // 2)[0], _pair(generator, 0, kernel[1] // 2)[0]) if pool else _pair(generator, 0, 4)
    return picture, Window(kernel, stride, padding, dilation, ceil=pool and bool(generator.integers(2)))


def _pair(generator: np.random.Generator, least: int, most: int) -> Pair:
    first, second = generator.integers(least, most + 1, 2)
    return int(first), int(second)


def asked(picture: Grid, window: Window, kernel: Grid | None = None) -> Grid | None:
    """What PyTorch gives for the same; None where it refuses."""
    x = torch.tensor(picture, dtype=torch.float64)[None, None]
    k, s, p, d = window.kernel, window.stride, window.padding, window.dilation
    try:
        if kernel is None:
            out = F.max_pool2d(x, k, s, p, d, ceil_mode=window.ceil)
        else:
            out = F.conv2d(x, torch.tensor(kernel, dtype=torch.float64)[None, None], None, s, p, d)
    except RuntimeError:  # the window is larger than the picture with its border
        return None
    return np.asarray(out[0, 0])


def compare(desk: Desk) -> Found:
    generator = np.random.default_rng(desk.seed)
    counts = dict.fromkeys(COUNTS, 0.0)
    for trial in range(desk["trials"]):
        picture, window = drawn(generator, pool=bool(trial % 2))
        kernel = None if trial % 2 else generator.integers(-3, 4, window.kernel)
        sizes = tuple(size(picture.shape[axis], window, axis) for axis in (0, 1))
        theirs = asked(picture, window, kernel)
        fits = min(sizes) > 0
        counts["settings"] += 1
        counts["refused by both"] += theirs is None and not fits
        counts["sizes that differ"] += (theirs is not None) != fits if theirs is None or not fits else theirs.shape != sizes
        if theirs is not None and theirs.shape == sizes:
            counts["values that differ"] += not np.array_equal(slide(picture, window, kernel), theirs)
    return Found(counts)


def examples(desk: Desk) -> Found:
    """The worked examples, by formula and pencil, and by PyTorch; WANTED has the answers."""
    window, three, two = Window((8, 4), (2, 2), (4, 8)), Window((3, 3)), Window((2, 2), (2, 2))
    batch = nn.Conv2d(3, 3, (8, 4), 2, (4, 8))(torch.zeros(16, 3, 32, 32)).shape
    pencil = {
        **dict(zip(SHAPE, (16, 3, size(32, window, 0), size(32, window, 1)), strict=True)),
        CORNER: slide(PICTURE, three, KERNEL)[0, 0],
        **dict(zip(POOL, slide(POOLED, two).flat, strict=True)),
        DENSE: 100 * (3072 + 1) + 10 * (100 + 1),  # out x (in + 1), the bias is one input more
        CONV: 8 * (3 * 3 * 3 + 1),  # out x (in x K x K + 1), whatever the size of the picture
        GLOBAL: 128,  # one number a channel
    }
    pictures = [asked(PICTURE, three, KERNEL), asked(POOLED, two)]
    torchs = [
        *batch,
        *(value for grid, few in zip(pictures, (1, 4), strict=True) if grid is not None for value in grid.flat[:few]),
        *(sum(value.numel() for value in network.parameters()) for network, _ in networks()[:2]),
        nn.AdaptiveAvgPool2d(1)(torch.zeros(1, 128, 64, 64)).numel(),
    ]
    values = {name: float(value) for name, value in pencil.items()}
    wrong = sum(value != wanted for value, wanted in zip(values.values(), WANTED.values(), strict=True))
    wrong += sum(value != wanted for value, wanted in zip(torchs, WANTED.values(), strict=True))
    return Found(values | {WRONG: float(wrong)})


def networks() -> list[tuple[nn.Module, tuple[int, ...]]]:
    """The layers of the examples, and the picture that each takes."""
    picture = (3, 32, 32)
    return [
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 100), nn.ReLU(), nn.Linear(100, 10)), picture),
        (nn.Conv2d(3, 8, 3), picture),
        (nn.Conv2d(3, 3, (8, 4), 2, (4, 8)), picture),
        (nn.MaxPool2d(2), (1, 4, 4)),
        (nn.AdaptiveAvgPool2d(1), (128, 64, 64)),
    ]


def run(desk: Desk) -> Found:
    return compare(desk) if desk["trials"] else examples(desk)


def tell(answers: Mapping[str, Answer]) -> Story:
    random, worked = answers["random-settings"], answers["worked-examples"]
    count, refused, sizes, values = (random.mean(measure) for measure in COUNTS)
    return Story(
        findings=[
            (
                f"Of {count:,.0f} convolutions and poolings drawn at random, {refused:,.0f} do not fit into their pictures, which the formula "
                f"says with a size under 1 and PyTorch with an error; of all, {sizes:.3g} differ in the size and {values:.3g} in the values."
            ),
            f"Of the {len(WANTED)} numbers of the worked examples {worked.mean(WRONG):.0f} are wrong, by formula and by PyTorch together.",
        ],
        figures=[Figure("windows", "Above a 3 x 3 kernel at a picture's first place, below the largest of each 2 x 2 block.", _windows())],
        tables=[Table("The examples by formula", ("layer", "takes", "gives", "formula"), _formulas())],
    )


def _formulas() -> list[tuple[str, ...]]:
    found = [layer for network, shape in networks() for layer in layers(network, shape)]
    return [(layer.kind, times(layer.inputs), times(layer.output), layer.formula) for layer in found]


def _windows() -> bytes:
    summed, largest = slide(PICTURE, Window((3, 3)), KERNEL), slide(POOLED, Window((2, 2), (2, 2)))
    first, blocks = np.pad(np.ones((3, 3), int), ((0, 2), (0, 2))), np.kron([[1, 2], [3, 4]], np.ones((2, 2), int))
    with page(2, 3, width=8.0, height=5.2) as figure:
        panels = iter(figure.panels)
        _grid(next(panels), PICTURE, first, "picture")
        _grid(next(panels), KERNEL, np.ones_like(KERNEL), "kernel")
        _grid(next(panels), summed, np.pad([[1]], ((0, 2), (0, 2))), "products summed")
        _grid(next(panels), POOLED, blocks, "picture")
        next(panels).set_axis_off()
        _grid(next(panels), largest, np.array([[1, 2], [3, 4]]), "largest of each block")
    return figure.png


def _grid(panel: Axes, numbers: Grid, colours: Grid, title: str) -> None:
    """Numbers in squares; colours: 0 for white."""
    height, width = numbers.shape
    for (row, column), value in np.ndenumerate(numbers):
        tint = COLOURS[int(colours[row, column]) - 1] if colours[row, column] else "white"
        panel.fill([column, column + 1, column + 1, column], [row, row, row + 1, row + 1], facecolor=tint, edgecolor="black", alpha=0.35)
        panel.text(column + 0.5, row + 0.5, f"{value:g}", ha="center", va="center")
    panel.set_xlim(0, width)
    panel.set_ylim(height, 0)
    panel.set_aspect("equal")
    panel.set_axis_off()
    panel.set_title(title, fontsize=10)


SHAPE = tuple(f"32 x 32, kernel (8, 4), padding (4, 8), stride 2: {what}" for what in ("batch", "channels", "height", "width"))
CORNER = "5 x 5 with a 3 x 3 kernel: the corner"
POOL = tuple(f"2 x 2 max-pool: [{row}][{column}]" for row in (0, 1) for column in (0, 1))
DENSE, CONV = "parameters of 3072-100-10", "parameters of a 3 x 3 convolution, 3 to 8 channels"
GLOBAL = "numbers after global average pooling of 64 x 64 x 128"
WANTED = dict(zip((*SHAPE, CORNER, *POOL, DENSE, CONV, GLOBAL), (16, 3, 17, 23, 7, 7, 6, 3, 5, 308_310, 224, 128), strict=True))
WRONG = "answers that are wrong, here or in PyTorch"
COUNTS = ("settings", "refused by both", "sizes that differ", "values that differ")

CONV_SHAPES = Study(
    name="conv-shapes",
    question="How large is what a convolution or a pooling gives?",
    help=(
        "floor((W - D (K - 1) - 1 + 2P) / S) + 1, for each axis: W pixels, a window of K with gaps D, moved by S, with a border of P. Pictures, "
        "windows, steps, borders and gaps are drawn at random, and the size by the formula and the numbers by plain loops are compared with "
        "PyTorch's convolution and max-pooling, those with the size rounded up among them. A window that does not fit in must be refused "
        "by both.\n\n"
        "Then the worked examples of the course: what comes of 16 pictures of 32 x 32 through a kernel of (8, 4) with padding (4, 8) and stride "
        "2, the corner of a 5 x 5 picture under a 3 x 3 kernel, a max-pooling of 4 x 4 numbers, two numbers of parameters and a global "
        "average pooling. Of the 5 x 5 picture and its kernel the source's numbers are not known: they are our own, with the 7 in the corner; "
        "the layers with 308,310 and 224 parameters are the plainest that have so many."
    ),
    lines=(
        Line(
            name="random-settings",
            help="Convolutions and max-poolings in turn, drawn by the seed.",
            settings={"trials": 4000},
            quick={"trials": 600},
            marks=tuple(Mark(measure=measure, floor=0, lower=True) for measure in COUNTS[2:]),
            minutes=0.1,
        ),
        Line(
            name="worked-examples",
            help="The course's, by formula and pencil, and by PyTorch.",
            settings={"trials": 0},
            marks=(
                *(Mark(measure=measure, reference=float(value)) for measure, value in WANTED.items()),
                Mark(measure=WRONG, floor=0, lower=True),
            ),
            fixed=True,
        ),
    ),
    run=run,
    tell=tell,
)
