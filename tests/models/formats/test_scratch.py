from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import hoodwink as hw
from hoodwink.models.load import ModelError, load_model
from hoodwink.scratch.classifier import Classifier, make_classifier
from hoodwink.scratch.fit import Settings, fit

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """The file of a classifier of digits, and pictures with labels that it did not see."""
    data = load_digits()
    pictures = (data.images * 15.9).astype(np.uint8)[..., None]
    start = make_classifier((8, 8, 1), NAMES, hidden=(16,), scale="he", mean=0.3, std=0.37)
    classifier = fit(start, pictures[:1000], data.target[:1000], Settings(epochs=6, rate=0.1)).last
    return classifier.save(tmp_path_factory.mktemp("scratch") / "digits.npz"), pictures[1000:], data.target[1000:]


def made(shape: tuple[int, int, int], hidden: tuple[int, ...], dtype: str) -> Classifier:
    classifier = make_classifier(shape, 4, hidden=hidden, scale="he", mean=0.4, std=(0.2, 0.25, 0.3)[: shape[2]], dtype=dtype)
    for b in classifier.biases:
        b[:] = np.random.default_rng(1).normal(size=b.shape)
    return classifier


@pytest.mark.parametrize("shape", [(6, 6, 3), (5, 7, 3), (8, 8, 1), (32, 32, 3)])
@pytest.mark.parametrize("hidden", [(), (9,), (9, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_logits_and_gradients(tmp_path: Path, shape: tuple[int, int, int], hidden: tuple[int, ...], dtype: str) -> None:
    classifier = made(shape, hidden, dtype)
    model = load_model(classifier.save(tmp_path / "c.npz"))
    pictures = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    x = classifier.normalise(pictures)
    encoded = torch.cat([model.encode(picture) for picture in pictures]).requires_grad_(True)
    flat = encoded.detach().permute(0, 2, 3, 1).flatten(1).numpy()
    np.testing.assert_allclose(flat, x, rtol=1e-6, atol=1e-7)
    logits = model.outputs(encoded)
    np.testing.assert_allclose(logits.detach().numpy(), classifier.scores(x), rtol=1e-5, atol=1e-5)
    for label in range(4):
        (ours,) = torch.autograd.grad(logits[:, label].sum(), encoded, retain_graph=True)
        np.testing.assert_allclose(ours.permute(0, 2, 3, 1).flatten(1).numpy(), classifier.score_by_input(x, label), rtol=1e-4, atol=1e-5)


def test_the_card(tmp_path: Path) -> None:
    path = made((5, 7, 3), (9,), "float32").save(tmp_path / "c.npz")
    card = load_model(path).card
    assert (card.name, card.source, card.classes) == ("c", "c.npz", ("0", "1", "2", "3"))
    assert (card.input.size, card.input.resize, card.input.channels) == ((5, 7), (5, 7), 3)
    assert card.network == {"name": "scratch", "arguments": {"sizes": [105, 9, 4]}}
    again = load_model(path, name="mine", classes=("a", "b", "c", "d"), licence="CC0").card
    assert (again.name, again.classes, again.licence) == ("mine", ("a", "b", "c", "d"), "CC0")
    assert again.weights_sha256 == card.weights_sha256


def test_what_is_refused(tmp_path: Path) -> None:
    path = made((5, 7, 3), (9,), "float32").save(tmp_path / "c.npz")
    with pytest.raises(ModelError, match=r"scratch classifier c\.npz does not take mean; it takes name"):
        load_model(path, mean=0.5)
    with pytest.raises(ModelError, match=r"logits of shape \(2, 3\)"):
        load_model(path, classes=3)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(ModelError, match=r"c\.npz: holds no scratch classifier"):
        load_model(path)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_it_is_looked_at_fooled_and_attacked(trained: tuple[Path, Any, Any]) -> None:
    path, pictures, labels = trained
    model = load_model(path)
    rows = [row for row in range(60) if hw.judge(pictures[row], model).label == NAMES[labels[row]]][:30]
    result = hw.fool(pictures[rows[0]], target=NAMES[(labels[rows[0]] + 1) % 10], model=model, steps=60)
    verdict = hw.judge(result.picture, model)
    assert verdict.label == NAMES[(labels[rows[0]] + 1) % 10]
    attacked = hw.attack("pgd", model, pictures[rows], labels[rows].astype(np.int64), eps=0.2, norm="linf", steps=10)
    assert np.asarray(attacked.success).mean() > 0.5
