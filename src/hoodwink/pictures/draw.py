"""Pictures of pictures: differences, sheets, and the figure of a fooled photograph."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageColor

from hoodwink.pictures.levels import Levels, check_levels, check_pair
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Top = Sequence[tuple[str, float]]
History = Sequence[tuple[int, float, float]]

MAX_BYTES = 300_000
_DPI = 100
_WIDTH, _GAP, _LEFT = 380, 24, 20  # pixels: of a column, between two, beside them
_TITLE, _CAPTION, _PANEL, _FOOT = 56, 26, 190, 46
_TALLEST = 420
_NOISE = np.stack(np.meshgrid((1, 128, 255), (1, 128, 255), (1, 128, 255)), axis=-1).reshape(-1, 3).astype(np.uint8)  # colours, 27 x 3
_FULL = 1.2  # the width of a panel in bars of 100 %: the rest is for the number
_BEFORE, _AFTER, _OTHER, _INK, _PALE = "#a9cbe8", "#f7bf8e", "#e3e3e3", "#222222", "#767676"


def difference(before: Levels, after: Levels) -> Levels:
    """Draw the signed change, uint8 in the shape of the two: 128 is no change, the largest change is 127 away from it."""
    change, largest = _change(before, after)
    steps = np.arange(-255, 256)
    scale = np.sign(steps) * np.rint(np.abs(steps) * (127 / largest)).clip(1, 127) + 128  # one level of 254 would round to no change
    return np.asarray(scale.astype(np.uint8)[change + 255])


def difference_abs(before: Levels, after: Levels) -> Levels:
    """Draw the size of the change, uint8 in the shape of the two: 0 is no change, the largest change is 255."""
    change, largest = _change(before, after)
    scale = np.rint(np.arange(256) * (255 / largest)).clip(0, 255)
    return np.asarray(scale.astype(np.uint8)[np.abs(change)])


def _change(before: Levels, after: Levels) -> tuple[np.ndarray[Any, np.dtype[np.int16]], int]:
    check_pair(before, after)
    change = np.subtract(after, before, dtype=np.int16)
    return change, max(1, int(change.max()), -int(change.min()))


def sheet(rows: Sequence[Sequence[Levels]], *, gap: int = 8) -> Levels:
    """Lay rows of pictures on one white picture, uint8 H x W x 3 (x 1 if all are grey), each in the middle of its cell.

    gap: pixels around and between the cells. Raises ValueError if there is no picture.
    """
    pictures = [(i, j, levels) for i, row in enumerate(rows) for j, levels in enumerate(row)]
    if not pictures:
        raise ValueError("rows of pictures were wanted, there is none")
    heights, widths = [0] * len(rows), [0] * max(map(len, rows))
    for i, j, levels in pictures:
        check_levels(levels, f"row {i}, picture {j}")
        heights[i], widths[j] = max(heights[i], levels.shape[0]), max(widths[j], levels.shape[1])
    channels = max(levels.shape[2] for _, _, levels in pictures)
    out = np.full((sum(heights) + gap * (len(heights) + 1), sum(widths) + gap * (len(widths) + 1), channels), 255, dtype=np.uint8)
    for i, j, levels in pictures:
        height, width = levels.shape[:2]
        top = sum(heights[:i]) + gap * (i + 1) + (heights[i] - height) // 2
        left = sum(widths[:j]) + gap * (j + 1) + (widths[j] - width) // 2
        out[top : top + height, left : left + width] = levels
    return out


def figure_fooled(original: Levels, fooled: Levels, top_before: Top, top_after: Top, history: History, title: str) -> bytes:
    """Draw one figure of a fooled photograph, as PNG bytes (under 300 kB).

    Left the original, in the middle the fooled picture, each over its most probable classes; right the signed difference over the
    search: (gradient evaluations, objective in log-odds, distance) for each point of the history.
    """
    # matplotlib takes longer to import than most commands take: only who draws a figure pays for it.
    from matplotlib import style

    first = [top[0][0] if top else "" for top in (top_before, top_after)]
    with style.context("default"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        page = _Page(_shown_size(original))
        page.title(_short(one_line(title), 110))
        page.picture(0, _resized(original, page.shown), "original")
        page.picture(1, _resized(fooled, page.shown), "fooled")
        page.picture(2, *_amplified(original, fooled, page.shown))
        _bars(page.panel(0), top_before, *first)
        _bars(page.panel(1), top_after, *first)
        _curves(page, history)
        return _small_png(page.pixels(), page.box(2))


class _Page:
    """A figure laid out in pixels from its top left: a title, three columns of a picture over a panel."""

    def __init__(self, shown: tuple[int, int]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.shown = shown
        self.width = 2 * _LEFT + 3 * _WIDTH + 2 * _GAP
        self.height = _TITLE + _CAPTION + shown[0] + _GAP + _PANEL + _FOOT
        self.figure: Figure = Figure(figsize=(self.width / _DPI, self.height / _DPI), dpi=_DPI, facecolor="white")
        self.canvas = FigureCanvasAgg(self.figure)

    def title(self, text: str) -> None:
        self._text(_LEFT, 34, text, fontsize=14, fontweight="bold", color=_INK)

    def box(self, column: int) -> tuple[int, int, int, int]:
        """Where a picture stands: left, top, right, bottom."""
        height, width = self.shown
        left, top = self._left(column), _TITLE + _CAPTION
        return left, top, left + width, top + height

    def picture(self, column: int, levels: Levels, caption: str) -> None:
        left, top, right, bottom = self.box(column)
        self._text(left, top - 10, caption, fontsize=10, color=_INK)
        axes = self._axes(left, top, right - left, bottom - top)
        axes.imshow(levels, interpolation="nearest", aspect="auto")
        axes.set_axis_off()

    def panel(self, column: int, start: float = 0.0, share: float = 1.0, margin: int = 0) -> Axes:
        """Axes under a picture; start: where they begin, share: how much they take of the panel's height, in [0, 1]."""
        top = _TITLE + _CAPTION + self.shown[0] + _GAP + round(start * _PANEL)
        return self._axes(self._left(column) + margin, top, _WIDTH - margin, round(share * _PANEL))

    def pixels(self) -> Image.Image:
        self.canvas.draw()  # type: ignore[no-untyped-call]
        return Image.fromarray(np.asarray(self.canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]

    def _left(self, column: int) -> int:
        return _LEFT + column * (_WIDTH + _GAP)

    def _text(self, left: float, base: float, text: str, **style: Any) -> None:
        self.figure.text(left / self.width, 1 - base / self.height, text, parse_math=False, **style)

    def _axes(self, left: float, top: float, width: float, height: float) -> Axes:
        return self.figure.add_axes((left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height))


def _shown_size(levels: Levels) -> tuple[int, int]:
    """Height and width in pixels that fit a column and keep the shape."""
    height, width = levels.shape[:2]
    scale = min(_WIDTH / width, _TALLEST / height)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _resized(levels: Levels, size: tuple[int, int]) -> Levels:
    image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).convert("RGB")
    # Enlarged pictures show their pixels, as they are what was searched.
    smooth = Image.Resampling.LANCZOS if size[0] < image.height else Image.Resampling.NEAREST
    return np.asarray(image.resize((size[1], size[0]), smooth))


def _amplified(before: Levels, after: Levels, size: tuple[int, int]) -> tuple[Levels, str]:
    """The signed difference in the size shown, and how it was drawn: a few changes are let clip, so that the others can be seen."""
    change, largest = _change(before, after)
    if not change.any():
        return _resized(np.full_like(before, 128), size), "no difference"
    shown = _resized(difference(before, after), size) - 128.0
    more = max(1.0, 127 / max(1.0, float(np.quantile(np.abs(shown), 0.995))))
    caption = f"difference x {127 / largest * more:.0f} (grey: none; largest: {largest} level{'s' * (largest > 1)})"
    return (np.rint(shown * more).clip(-127, 127) + 128).astype(np.uint8), caption


def _bars(axes: Axes, top: Top, before: str, after: str) -> None:
    colours = {before: _BEFORE, after: _AFTER} if before != after else {before: _BEFORE}
    for row, (name, probability) in enumerate(top[:5]):
        axes.barh(row, probability, height=0.8, color=colours.get(name, _OTHER))
        axes.text(0.015, row, _short(name, 38), va="center", fontsize=10, color=_INK, parse_math=False)
        axes.text(_FULL, row, _percent(probability), va="center", ha="right", fontsize=10, color=_INK)
    axes.set(xlim=(0, _FULL), ylim=(4.5, -0.5))
    axes.set_axis_off()


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3].rstrip()}..."


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f} %" if probability >= 0.0005 else "< 0.1 %"


def _curves(page: _Page, history: History) -> None:
    if not history:
        return
    objective, distance = (page.panel(2, start, 0.46, margin=44) for start in (0.0, 0.54))
    gradients = [point[0] for point in history]
    # The objective ends high and the distance low: each name stands where its curve does not.
    for axes, values, name, height, side in ((objective, 1, "objective", 0.06, "bottom"), (distance, 2, "distance", 0.94, "top")):
        axes.plot(gradients, [point[values] for point in history], "." if len(history) == 1 else "-", color=_INK, linewidth=1.4)
        axes.text(0.985, height, name, transform=axes.transAxes, ha="right", va=side, fontsize=9, color=_PALE)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8, colors=_PALE)
        axes.locator_params(axis="y", nbins=4)
    objective.tick_params(labelbottom=False)
    objective.sharex(distance)
    distance.set_xlabel("gradient evaluations", fontsize=9, color=_PALE)


def _small_png(image: Image.Image, noise: tuple[int, int, int, int]) -> bytes:
    """Encode with a palette of the page without the box of noise, and another for the noise, which would take the photos' share."""
    calm, loud = image.copy(), image.crop(noise)
    calm.paste((255, 255, 255), noise)
    for colours in (220, 128, 64, 32, 16):
        palette = _page_colours(calm, colours)
        indices = _indices(calm, palette)
        indices[noise[1] : noise[3], noise[0] : noise[2]] = len(palette) + _indices(loud, _NOISE)
        out = Image.fromarray(indices)
        out.putpalette(np.concatenate([palette, _NOISE]).tobytes())
        buffer = io.BytesIO()
        out.save(buffer, "PNG")
        if buffer.tell() < MAX_BYTES:
            break
    return buffer.getvalue()


def _page_colours(page: Image.Image, count: int) -> Levels:
    """About `count` colours of a page, n x 3: near-white becomes white, so that the background is, and the flat colours are exact."""
    found = np.array(page.quantize(count, Image.Quantize.FASTOCTREE).getpalette(), dtype=np.uint8).reshape(-1, 3)
    found[found.min(axis=1) >= 248] = 255
    flat = [ImageColor.getrgb(name)[:3] for name in (_BEFORE, _AFTER, _OTHER, _INK)]
    return np.concatenate([found, np.array(flat, dtype=np.uint8)])


def _indices(image: Image.Image, colours: Levels) -> Levels:
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours.tobytes())
    return np.array(image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))
