from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.evidence.charts import HEIGHT, WIDTH, bar, histogram, lines, ticks

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
