from __future__ import annotations

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.evidence.charts import HEIGHT, WIDTH, accuracies, bar, histogram, lines, spread, stack, ticks

NUMBERS = st.floats(-1e4, 1e4, allow_nan=False)


def shapes(markup: str, kind: str) -> list[dict[str, str]]:
    return [one.attrib for one in ElementTree.fromstring(markup).iter() if one.tag.rpartition("}")[2] == kind]


@given(points=st.lists(st.tuples(st.floats(0, 1e4), NUMBERS), min_size=1, max_size=20), threshold=st.none() | NUMBERS)
def test_curves_stay_inside_their_chart(points: list[tuple[float, float]], threshold: float | None) -> None:
    drawn = str(lines(points, title="a < b", kind="after", threshold=threshold, shrink_from=points[0][0]))
    (path,) = shapes(drawn, "polyline")
    spots = [tuple(map(float, pair.split(","))) for pair in path["points"].split()]
    assert len(spots) == len(points) and all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in spots)
    assert len([line for line in shapes(drawn, "line") if line["class"] == "threshold"]) == (threshold is not None)


@given(counts=st.dictionaries(st.integers(-255, 255), st.integers(0, 10**8), max_size=60))
def test_histograms_hold_every_change_and_no_more_than_48_columns(counts: dict[int, int]) -> None:
    columns = shapes(str(histogram(counts, title="changes")), "rect")
    changed = {level for level, count in counts.items() if level and count}
    assert bool(columns) == bool(changed) and len(columns) <= 48
    assert all(float(column["height"]) > 0 for column in columns)
    assert {column["class"] for column in columns} == {"less" if level < 0 else "more" for level in changed}


@given(low=NUMBERS, span=st.floats(1e-3, 1e4), about=st.integers(2, 8))
def test_ticks_are_few_and_inside(low: float, span: float, about: int) -> None:
    found = ticks(low, low + span, about)
    assert len(found) <= about + 1
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in found)
    assert ticks(-16, 16, 6, whole=True) == [-10, 0, 10]


@pytest.mark.parametrize(("share", "width"), [(0.5, "50.000%"), (1.2, "100.000%"), (-1, "0.000%")])
def test_bars_stay_on_their_track(share: float, width: str) -> None:
    assert shapes(str(bar(share, "after")), "rect")[1]["width"] == width


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_parts_of_a_bar_follow_one_another(shares: list[float]) -> None:
    whole = sum(shares) or 1.0
    rects = shapes(str(stack([(share / whole, f"kind-{k}") for k, share in enumerate(shares)])), "rect")
    assert [rect["class"] for rect in rects] == [f"kind-{k}" for k, share in enumerate(shares) if share / whole > 0]
    place = 0.0
    for rect in rects:
        assert float(rect["x"][:-1]) == pytest.approx(place, abs=0.01)
        place += float(rect["width"][:-1])
    assert not rects or place == pytest.approx(100, abs=0.01)


@given(st.lists(st.tuples(st.floats(1e-6, 10), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8, unique_by=lambda one: one[0]))
def test_accuracies_stay_inside_and_the_bracket_lies_between(balls: list[tuple[float, float, float]]) -> None:
    balls = sorted(balls)
    files, certified = [(0.0, 1.0)], [(0.0, 1.0)]
    files += [(eps, max(a, b)) for eps, a, b in balls]
    certified += [(eps, min(a, b)) for eps, a, b in balls]
    names = [f"{k}/255" for k in range(len(files))]
    drawn = str(accuracies(files, names, title="a < b", certified=certified))
    proven, stands = ([tuple(map(float, pair.split(","))) for pair in one["points"].split()] for one in shapes(drawn, "polyline"))
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in [*proven, *stands])
    assert all(low[0] == high[0] and low[1] >= high[1] for low, high in zip(proven, stands, strict=True))
    (between,) = shapes(drawn, "polygon")
    assert len(between["points"].split()) == 2 * len(files)
    marks = [float(one["x"]) for one in shapes(drawn, "text") if one["class"] == "tick middle"]
    assert marks and all(abs(a - b) > 20 for a, b in pairwise(marks))
    assert names[-1] in drawn and len(shapes(str(accuracies(files, names, title="")), "polyline")) == 1


@given(values=st.lists(st.integers(0, 255), max_size=60), marks=st.lists(st.integers(0, 255), min_size=1, max_size=3))
def test_spreads_of_levels_count_every_value(values: list[int], marks: list[int]) -> None:
    check_spread(str(spread(values, title="levels", marks=marks, whole=True)), values, marks)


@given(values=st.lists(st.floats(0, 50), max_size=60), marks=st.lists(st.floats(0, 50), min_size=1, max_size=3))
def test_spreads_of_distances_count_every_value(values: list[float], marks: list[float]) -> None:
    check_spread(str(spread(values, title="distances", marks=marks)), values, marks)


def check_spread(drawn: str, values: list[Any], marks: list[Any]) -> None:
    columns = [(float(one["height"]), float(one["x"]), float(one["width"])) for one in shapes(drawn, "rect")]
    assert bool(columns) == bool(values) and len(columns) <= 26
    tall = max((height for height, _, _ in columns), default=1.0)
    shares = [height / tall for height, _, _ in columns]
    most = len(values) / sum(shares) if values else 0
    assert all(share * most == pytest.approx(round(share * most), abs=0.05 * max(1, most / 10)) for share in shares)
    assert all(x >= 0 and x + width <= WIDTH for _, x, width in columns)
    assert len([line for line in shapes(drawn, "line") if line["class"] == "threshold"]) == len(marks)


def test_a_spread_of_levels_has_a_column_for_each_level() -> None:
    drawn = str(spread([2, 2, 2, 4, 8], title="levels", marks=[2, 4, 8], whole=True))
    columns = shapes(drawn, "rect")
    middles = [float(one["x"]) + float(one["width"]) / 2 for one in columns]
    dashes = sorted(float(line["x1"]) for line in shapes(drawn, "line") if line["class"] == "threshold")
    assert middles == pytest.approx(dashes, abs=0.2)
    assert [float(one["height"]) for one in columns] == pytest.approx([156, 52, 52], abs=0.2)
