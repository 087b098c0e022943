from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hoodwink.pictures.decode import PictureError
from hoodwink.pictures.write import encode_png
from hoodwink.studies.photos import CAT, OTHERS, as_picture, network, photo
from hoodwink.studies.record import StudyError


def test_the_cat_is_packaged_and_a_file_is_read(tmp_path: Path) -> None:
    cat = photo("cat")
    assert CAT.is_file() and cat.shape == (300, 451, 3) and cat.dtype == np.uint8
    (tmp_path / "small.png").write_bytes(encode_png(cat[:5, :7]))
    np.testing.assert_array_equal(photo(str(tmp_path / "small.png")), cat[:5, :7])
    with pytest.raises(PictureError, match="none.png"):
        photo(str(tmp_path / "none.png"))


@pytest.mark.parametrize("name", OTHERS)
def test_scikit_images_photos(name: str) -> None:
    pytest.importorskip("skimage", reason="scikit-image is not installed (pip install scikit-image)")
    found = photo(name)
    assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3 and found.flags.c_contiguous


def test_without_scikit_image_one_line_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(StudyError, match="'coffee' comes with scikit-image: pip install scikit-image"):
        photo("coffee")
    assert photo("cat").any(), "which needs none"


def test_a_picture_is_on_the_grid() -> None:
    levels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    found = as_picture(levels)
    assert found.shape == (1, 3, 2, 3) and torch.equal((found * 255).round()[0].permute(1, 2, 0).byte(), torch.from_numpy(levels))


def test_a_network_that_looks_at_fewer_pixels() -> None:
    whole, small = network("efficientnet-lite0", 0), network("efficientnet-lite0", 112)
    assert whole.card.input.size == (224, 224) and whole.spec == "efficientnet-lite0"
    assert small.card.input.size == (112, 112) and small.card.input.resize == 128
    assert small.see(photo("cat")).shape == (112, 112, 3)
