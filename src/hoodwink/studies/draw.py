"""The figures of studies in one style: curves with the spread of the seeds, bars, pictures in a sheet; PNG bytes under 300 kB."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#8a5fbf", "#c77b0a", "#4d4d4d", "#17a2b8", "#a0522d")  # apart for the colour-blind, too
MAX_BYTES = 300_000
_DPI = 110


class Page:
    """A figure of panels, drawn on with matplotlib; `png` after the block."""

    def __init__(self, rows: int, columns: int, width: float, height: float) -> None:
        # matplotlib takes longer to import than most commands take: only who draws a figure pays for it.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(self.figure)
        self.panels: list[Axes] = list(self.figure.subplots(rows, columns, squeeze=False).flat)
        self.png = b""

    def close(self) -> None:
        """Encode; with fewer colours where that is needed to stay small."""
        for panel in self.panels:
            panel.spines[["top", "right"]].set_visible(False)
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", metadata={"Software": None})
        self.png = _small(buffer.getvalue())


@contextmanager
def page(rows: int = 1, columns: int = 1, *, width: float = 0.0, height: float = 0.0) -> Iterator[Page]:
    """A figure to draw on: `with page(1, 2) as figure: figure.panels[0].plot(...)`, then `figure.png`. width, height: inches."""
    from matplotlib import style

    with style.context("default"):
        found = Page(rows, columns, width or 4.6 * columns + 0.4, height or 3.4 * rows)
        yield found
        found.close()


def curve(panel: Axes, xs: Sequence[float], runs: Sequence[Sequence[float]], label: str, colour: int = 0, **how: Any) -> None:
    """The mean of several seeds' curves over xs, and the range that they cover as a band."""
    length = min(len(xs), *map(len, runs))
    values = np.array([list(one)[:length] for one in runs], dtype=float)
    tint = COLOURS[colour % len(COLOURS)]
    panel.plot(xs[:length], values.mean(axis=0), color=tint, label=label, **{"linewidth": 1.6, **how})
    if len(values) > 1:
        panel.fill_between(xs[:length], values.min(axis=0), values.max(axis=0), color=tint, alpha=0.18, linewidth=0)


def reference(panel: Axes, value: float, label: str) -> None:
    """A dashed line at a number to compare with."""
    panel.axhline(value, color="#777777", linestyle="--", linewidth=1.0, label=label)


def name(panel: Axes, x: str, y: str, title: str = "", legend: bool = True) -> None:
    """Name a panel's axes, and its curves where there are several."""
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    panel.grid(alpha=0.25)
    if title:
        panel.set_title(title, fontsize=10)
    if legend and panel.get_legend_handles_labels()[0]:
        panel.legend(fontsize=8, frameon=False)


def show(panel: Axes, levels: np.ndarray[Any, Any], title: str = "") -> None:
    """A picture, H x W or H x W x C, uint8 levels (floats: 0 to 1), its pixels as they are."""
    grey = levels.ndim == 2 or levels.shape[2] == 1
    shown = levels.reshape(levels.shape[:2]) if grey else levels
    top = 255 if levels.dtype == np.uint8 else 1
    panel.imshow(shown, cmap="gray" if grey else None, vmin=0, vmax=top, interpolation="nearest")
    panel.set_axis_off()
    if title:
        panel.set_title(title, fontsize=8)


def _small(png: bytes) -> bytes:
    """The same with a palette, of so many colours as stay under MAX_BYTES."""
    colours, found = 256, png
    while len(found) >= MAX_BYTES and colours >= 8:
        buffer = io.BytesIO()
        Image.open(io.BytesIO(png)).convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        found, colours = buffer.getvalue(), colours // 2
    return found
