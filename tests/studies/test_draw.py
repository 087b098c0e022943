from __future__ import annotations

import io

import numpy as np
from PIL import Image

from hoodwink.studies.draw import MAX_BYTES, curve, name, page, reference, show


def test_a_curve_is_the_mean_with_a_band_of_all_seeds() -> None:
    with page() as figure:
        panel = figure.panels[0]
        curve(panel, [1, 2, 3], [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]], "two seeds")
        reference(panel, 1.5, "asked")
        name(panel, "x", "y")
        (line, dashed), (band,) = panel.lines, panel.collections
        assert list(line.get_ydata()) == [1.0, 2.0, 3.0] and list(dashed.get_ydata()) == [1.5, 1.5]
        corners = band.get_paths()[0].vertices[:, 1]
        assert (corners.min(), corners.max()) == (0.0, 4.0)
    assert Image.open(io.BytesIO(figure.png)).format == "PNG"


def test_curves_of_different_lengths_end_with_the_shortest() -> None:
    with page() as figure:
        curve(figure.panels[0], range(10), [[1.0, 2.0], [1.0, 2.0, 3.0]], "")
        assert len(figure.panels[0].lines[0].get_xdata()) == 2


def test_a_loud_figure_stays_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    with page(2, 2, width=12, height=12) as figure:
        for panel in figure.panels:
            show(panel, noise)
    assert len(figure.png) < MAX_BYTES


def test_the_same_figure_has_the_same_bytes() -> None:
    def drawn() -> bytes:
        with page() as figure:
            figure.panels[0].plot([1, 3, 2])
        return figure.png

    assert drawn() == drawn()
