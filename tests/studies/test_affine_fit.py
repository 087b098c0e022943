from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from hoodwink.data.fetch import data_folders
from hoodwink.scratch.layers import Array
from hoodwink.studies.affine_fit import AFFINE_FIT, CLOSED, FILE, KEYS, MADE, SOURCE, closed_form, halving, points, run, scaled
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Found
from hoodwink.studies.record import StudyError


def asked(line: str, **settings: object) -> Found:
    settings = {**next(one for one in AFFINE_FIT.lines if one.name == line).settings, **settings}
    return run(Desk(line, settings, 0, Path()))


def matrix(found: Found) -> Array:
    return np.array([found.values[key] for key in KEYS]).reshape(3, 2)


@pytest.fixture
def corners(tmp_path: Path) -> str:
    """Twelve points of small whole numbers."""
    x = np.array(list(product(range(4), range(3))))
    np.save(tmp_path / "p.npy", np.column_stack([x, x @ [[2, 1], [0, 3]] + [5, -4]]))
    return str(tmp_path / "p.npy")


@pytest.mark.parametrize("steps", [1, 7, 300])
def test_the_steps_are_those_of_a_quadratic_loss(steps: int) -> None:
    x, y = points(MADE, 50)
    A = np.column_stack([x, np.ones(50)])
    eigenvalues, vectors = np.linalg.eigh(A.T @ A / 50)
    best = np.linalg.solve(A.T @ A, A.T @ y)
    start = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    wanted = best + vectors @ ((1 - 2 * 2e-5 * eigenvalues[:, None]) ** steps * (vectors.T @ (start - best)))
    np.testing.assert_allclose(matrix(asked("source", data=MADE, count=50, steps=steps)), wanted, rtol=1e-9, atol=1e-12)


def test_centred_and_scaled_it_is_the_closed_form(corners: str) -> None:
    found = asked("better", data=corners)
    np.testing.assert_allclose(matrix(found), [[2, 1], [0, 3], [5, -4]], atol=1e-9)
    assert found.values["loss"] < 1e-15
    np.testing.assert_allclose(np.vstack(closed_form(*points(corners, 0))), [[2, 1], [0, 3], [5, -4]], atol=1e-9)


def test_the_slowest_error_halves_when_it_is_said_to(corners: str) -> None:
    x, _ = points(corners, 0)
    steps = round(halving(x, 0.01))
    first, second = (asked("source", data=corners, rate=0.01, steps=many).series["error of t"][-1] for many in (2000, 2000 + steps))
    assert second / first == pytest.approx(0.5, abs=0.01)
    assert halving(scaled(x)[0], 0.25) == pytest.approx(1.0)  # of a grid the coordinates do not go together: all is equally steep


def test_on_the_course_s_points_the_source_s_numbers_come_to_the_last_digit() -> None:
    if not any((folder / FILE).is_file() for folder in data_folders("points")):
        pytest.skip("the points are not there: HOODWINK_DATA names no folder with them")
    found = asked("source")
    for key, wanted in zip(KEYS, SOURCE, strict=True):
        assert found.values[key] == pytest.approx(wanted, abs=0.5 * 10.0 ** -(7 if key in ("S[0][0]", "S[1][0]", "S[1][1]") else 4))
    assert [asked("better").values[key] for key in KEYS] == pytest.approx(CLOSED, abs=5e-7)


def test_the_file_is_found_in_the_folder_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, corners: str) -> None:
    (tmp_path / "points").mkdir()
    Path(corners).rename(tmp_path / "points" / FILE)
    monkeypatch.setenv("HOODWINK_DATA", str(tmp_path))
    x, y = points("", 0)
    assert x.shape == y.shape == (12, 2) and x.dtype == y.dtype == np.float64


def test_what_is_not_there_or_no_points_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOODWINK_DATA", raising=False)
    with pytest.raises(StudyError, match="--set data=made"):
        points("", 0)
    np.save(tmp_path / "flat.npy", np.arange(8))
    (tmp_path / "text.npy").write_text("1 2 3 4")
    for name in ("flat.npy", "text.npy"):
        with pytest.raises(StudyError, match=f"{name}: an array of N x 4 numbers"):
            points(str(tmp_path / name), 0)


def test_a_rate_that_is_too_large_is_said(corners: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(StudyError, match="give a smaller rate"):
        asked("source", data=corners, rate=10.0, steps=1000)
