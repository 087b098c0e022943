"""Small charts as inline SVG without styles or scripts of their own: colours come from the page's classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 30

Point = tuple[float, float]


@dataclass(frozen=True)
class _Axis:
    """A straight scale from values (low .. high) to SVG units (start .. end)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def bar(share: float, kind: str) -> Markup:
    """A horizontal bar for a share in [0, 1]; kind is its class."""
    wide = f"{100 * min(max(share, 0.0), 1.0):.3f}%"
    rects = Markup('<rect class="track" width="100%" height="8" rx="4"/><rect class="{}" width="{}" height="8" rx="4"/>').format(kind, wide)
    return Markup('<svg class="bar" width="100%" height="8" aria-hidden="true">{}</svg>').format(rects)


def lines(
    points: Sequence[Point],
    *,
    title: str,
    kind: str,
    threshold: float | None = None,
    shrink_from: float | None = None,
    floor: float | None = None,
) -> Markup:
    """One curve over gradient evaluations, with a dashed threshold, a shaded phase and a value to begin at where they are given."""
    values = [y for _, y in points] + [value for value in (threshold, floor) if value is not None]
    across = _Axis(0, max(1.0, max(x for x, _ in points)), LEFT, WIDTH - RIGHT)
    low, high = _spread(min(values), max(values))
    up = _Axis(low, high, HEIGHT - BOTTOM, TOP)
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
    curve = Markup('<polyline class="line {}" points="{}"/><circle class="{}" cx="{:.1f}" cy="{:.1f}" r="3.5"/>')
    end = across(points[-1][0]), up(points[-1][1])
    parts = [
        Markup("") if shrink_from is None else _phase(across(shrink_from)),
        _grid_across(across),
        _grid_up([(up(tick), f"{tick:g}") for tick in ticks(low, high, 4)]),
        Markup("") if threshold is None else _threshold(up(threshold)),
        curve.format(kind, path, kind, *end),
    ]
    return _svg(title, parts)


def histogram(counts: Mapping[int, int], *, title: str) -> Markup:
    """How many subpixels changed by how many levels, on a logarithmic scale; those that did not change are left out."""
    width = max(1, -(-max(map(abs, counts), default=1) // 24))
    bins: Counter[int] = Counter()
    for level, count in counts.items():
        if level and count:
            bins[-(-abs(level) // width) * (1 if level > 0 else -1)] += count
    reach = max(map(abs, bins), default=1)
    across = _Axis(-reach - 0.6, reach + 0.6, LEFT, WIDTH - RIGHT)
    decades = math.ceil(math.log10(max(bins.values(), default=1) + 1))
    up = _Axis(0, decades, HEIGHT - BOTTOM, TOP)
    grid = _grid_up([(up(power), _short(10**power)) for power in range(decades + 1)])
    labels = [_below(across(k), f"{k * width:+g}" if k else "0") for k in ticks(-reach, reach, 6, whole=True)]
    bars = [_column(across, up, k, math.log10(count + 1)) for k, count in sorted(bins.items())]
    return _svg(title, [grid, *labels, *bars])


def stack(parts: Sequence[tuple[float, str]]) -> Markup:
    """A horizontal bar of parts side by side: the share of each, in [0, 1], and its class."""
    starts = [sum(share for share, _ in parts[:k]) for k in range(len(parts))]
    rect = Markup('<rect class="{}" x="{:.3f}%" width="{:.3f}%" height="14"/>')
    rects = Markup("").join(
        rect.format(kind, 100 * start, 100 * share) for start, (share, kind) in zip(starts, parts, strict=True) if share > 0
    )
    return Markup('<svg class="stack" width="100%" height="14" aria-hidden="true">{}</svg>').format(rects)


def accuracies(
    files: Sequence[Point], names: Sequence[str], *, title: str, certified: Sequence[Point] = (), free: Sequence[Point] = ()
) -> Markup:
    """Shares in [0, 1] against eps: as files, off the grid, and proven, with what lies between proven and files shaded.

    Points are in the order of eps; names: of each point of `files`, for the axis, left out where they would touch.
    """
    across, up = _Axis(0, files[-1][0] * 1.03 or 1.0, LEFT, WIDTH - RIGHT), _Axis(0, 1, HEIGHT - BOTTOM, TOP)
    curves = [("proven", certified), ("free", free), ("stands", files)]
    return _svg(
        title,
        [
            _grid_up([(up(share), f"{100 * share:g} %") for share in (0, 0.25, 0.5, 0.75, 1)]),
            *(_below(x, name) for x, name in _apart([(across(eps), name) for (eps, _), name in zip(files, names, strict=True)])),
            _between(across, up, files, certified),
            *(_curve(across, up, kind, points) for kind, points in curves if points),
        ],
    )


def spread(values: Sequence[float], *, title: str, marks: Sequence[float], whole: bool = False) -> Markup:
    """How many values lie where from 0 to the largest, with a dashed line at each mark; whole: values are whole numbers."""
    reach = max(*marks, *values, 8.0 if whole else 1e-9)
    width = float(max(1, math.ceil(reach / 24))) if whole else reach / 24
    bins = Counter(max(0, math.ceil(value / width - 1e-9)) for value in values)
    across = _Axis(-0.6 * width if whole else 0, reach + 0.6 * width, LEFT, WIDTH - RIGHT)
    most = max(bins.values(), default=1)
    up = _Axis(0, most, HEIGHT - BOTTOM, TOP)
    shift = (width - 1) / (2 * width) if whole else 0.5  # the middle of the first bin, in bins
    inner = _Axis(across.low / width + shift, across.high / width + shift, LEFT, WIDTH - RIGHT)
    return _svg(
        title,
        [
            _grid_up([(up(count), f"{count:,.0f}") for count in ticks(0, most, 4, whole=True)]),
            *(_below(across(value), f"{value:g}") for value in ticks(0, reach, 6, whole=whole)),
            *(_column(inner, up, k, count) for k, count in sorted(bins.items())),
            *(_upright(across(mark)) for mark in marks),
        ],
    )


def ticks(low: float, high: float, about: int, *, whole: bool = False) -> list[float]:
    """Round values between low and high, at most about + 1 of them."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    step = max(1.0, step) if whole else step
    return [round(step * i, 10) + 0.0 for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _spread(low: float, high: float) -> tuple[float, float]:
    room = 0.06 * (high - low) or max(1.0, abs(high)) * 0.1
    return low - (0 if low == 0 else room), high + room


def _svg(title: str, parts: Sequence[Markup]) -> Markup:
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, title)
    return head + Markup("").join(parts) + Markup("</svg>")


def _grid_up(marks: Sequence[tuple[float, str]]) -> Markup:
    row = Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="tick end" x="{}" y="{:.1f}">{}</text>')
    return Markup("").join(row.format(LEFT, WIDTH - RIGHT, y, y, LEFT - 7, y + 3.5, text) for y, text in marks)


def _grid_across(axis: _Axis) -> Markup:
    return Markup("").join(_below(axis(tick), f"{tick:g}") for tick in ticks(axis.low, axis.high, 5))


def _below(x: float, text: str) -> Markup:
    return Markup('<text class="tick middle" x="{:.1f}" y="{}">{}</text>').format(x, HEIGHT - 10, text)


def _apart(labels: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """The labels that stand clear of one another; the last always does."""
    kept: list[tuple[float, str]] = []
    for x, text in reversed(labels):
        if not kept or kept[-1][0] - x > 3.2 * (len(text) + len(kept[-1][1])) + 4:
            kept.append((x, text))
    return kept


def _between(across: _Axis, up: _Axis, high: Sequence[Point], low: Sequence[Point]) -> Markup:
    if not low:
        return Markup("")
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in [*high, *reversed(low)])
    return Markup('<polygon class="between" points="{}"/>').format(path)


def _curve(across: _Axis, up: _Axis, kind: str, points: Sequence[Point]) -> Markup:
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
    dots = [Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(kind, across(x), up(y)) for x, y in points]
    return Markup('<polyline class="line {}" points="{}"/>').format(kind, path) + Markup("").join(dots)


def _upright(x: float) -> Markup:
    return Markup('<line class="threshold" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>').format(x, x, TOP, HEIGHT - BOTTOM)


def _phase(x: float) -> Markup:
    shape = Markup('<rect class="phase" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/><text class="tick" x="{:.1f}" y="{}">shrink</text>')
    return shape.format(x, TOP, max(0.0, WIDTH - RIGHT - x), HEIGHT - BOTTOM - TOP, x + 5, HEIGHT - BOTTOM - 6)


def _threshold(y: float) -> Markup:
    return Markup('<line class="threshold" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - RIGHT, y, y)


def _column(across: _Axis, up: _Axis, k: int, height: float) -> Markup:
    left, right, top = across(k - 0.42), across(k + 0.42), up(height)
    kind = "less" if k < 0 else "more"
    shape = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    return shape.format(kind, left, top, right - left, HEIGHT - BOTTOM - top)


def _short(count: int) -> str:
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count // size}{letter}"
    return str(count)
