from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from hoodwink.scratch.classifier import Classifier, ScratchError, load_classifier, make_classifier

SRC = Path(__file__).resolve().parents[2] / "src"
HIDDEN = [(), (7,), (6, 5)]


def case(hidden: tuple[int, ...] = (6, 5), dtype: str = "float64") -> tuple[Classifier, Any, Any]:
    classifier = make_classifier((3, 2, 3), ("a", "b", "c", "d"), hidden=hidden, scale="he", mean=(0.1, 0.2, 0.3), std=0.5, dtype=dtype)
    generator = np.random.default_rng(1)
    for b in classifier.biases:
        b[:] = generator.normal(size=b.shape)
    pictures = generator.integers(0, 256, (5, 3, 2, 3), dtype=np.uint8)
    return classifier, classifier.normalise(pictures), generator.integers(0, 4, 5)


def in_torch(classifier: Classifier, x: torch.Tensor, weights: list[torch.Tensor], biases: list[torch.Tensor]) -> torch.Tensor:
    for index, (w, b) in enumerate(zip(weights, biases, strict=True)):
        x = (x.relu() if index else x) @ w + b
    return x


def test_normalised_as_a_card_says() -> None:
    classifier = make_classifier((2, 2, 3), 2, mean=(0.1, 0.2, 0.3), std=(0.5, 1, 2))
    pictures = np.random.default_rng(0).integers(0, 256, (4, 2, 2, 3), dtype=np.uint8)
    wanted = (pictures / 255 - [0.1, 0.2, 0.3]) / [0.5, 1, 2]
    assert classifier.normalise(pictures) == pytest.approx(wanted.reshape(4, 12), abs=1e-6)
    assert classifier.normalise(pictures).dtype == np.float32


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("reg", [0.0, 0.3])
def test_gradients_by_differences_and_torch(hidden: tuple[int, ...], reg: float) -> None:
    classifier, x, labels = case(hidden)
    loss, gradients = classifier.loss_and_gradients(x, labels, reg)
    weights, biases = ([torch.tensor(one, requires_grad=True) for one in some] for some in (classifier.weights, classifier.biases))
    theirs = functional.cross_entropy(in_torch(classifier, torch.tensor(x), weights, biases), torch.tensor(labels))
    theirs = theirs + reg / 2 * sum((w**2).sum() for w in weights)
    assert loss == pytest.approx(theirs.item(), rel=1e-12)
    assert loss == classifier.loss(x, labels, reg)
    slopes = torch.autograd.grad(theirs, [*weights, *biases])
    arrays = (*classifier.weights, *classifier.biases)
    for array, ours, other in zip(arrays, (*gradients.weights, *gradients.biases), slopes, strict=True):
        np.testing.assert_allclose(ours, other.numpy(), rtol=1e-9, atol=1e-12)
        for index in list(np.ndindex(array.shape))[::5]:
            at, ends = array[index], []
            for move in (1e-6, -1e-6):
                array[index] = at + move
                ends.append(classifier.loss(x, labels, reg))
            array[index] = at
            assert ours[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_input_gradients_by_differences_and_torch(hidden: tuple[int, ...]) -> None:
    classifier, x, labels = case(hidden)
    loss, by_loss = classifier.loss_by_input(x, labels)
    by_score = classifier.score_by_input(x, 2)
    leaf = torch.tensor(x, requires_grad=True)
    scores = in_torch(classifier, leaf, list(map(torch.tensor, classifier.weights)), list(map(torch.tensor, classifier.biases)))
    theirs = functional.cross_entropy(scores, torch.tensor(labels))
    assert loss == pytest.approx(theirs.item())
    np.testing.assert_allclose(by_loss, torch.autograd.grad(theirs, leaf, retain_graph=True)[0].numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(by_score, torch.autograd.grad(scores[:, 2].sum(), leaf)[0].numpy(), rtol=1e-9, atol=1e-12)
    for index in list(np.ndindex(x.shape))[::7]:
        ends = [
            classifier.loss(x + move * np.eye(x.size)[x.shape[1] * index[0] + index[1]].reshape(x.shape), labels) for move in (1e-6, -1e-6)
        ]
        assert by_loss[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_labels_accuracy_and_weights_at_the_start() -> None:
    classifier, x, _ = case(dtype="float32")
    right = classifier.scores(x).argmax(axis=1)
    assert classifier.predict(x).tolist() == right.tolist()
    assert classifier.accuracy(x, right) == 1
    assert classifier.accuracy(x, (right + 1) % 4) == 0
    assert classifier.predict(x[:0]).shape == (0,)
    large = make_classifier((32, 32, 3), 10, hidden=(100,))
    assert [float(w.std()) for w in large.weights] == pytest.approx([1e-3, 1e-3], rel=0.1)
    assert [float(w.std()) for w in make_classifier((32, 32, 3), 10, hidden=(100,), scale="he").weights] == pytest.approx(
        [(2 / 3072) ** 0.5, (2 / 100) ** 0.5], rel=0.1
    )
    assert not any(b.any() for b in large.biases)
    again, other = (make_classifier((32, 32, 3), 10, hidden=(100,), seed=seed) for seed in (0, 1))
    assert (large.weights[0] == again.weights[0]).all()
    assert (large.weights[0] != other.weights[0]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_saved_and_loaded(tmp_path: Path, dtype: str) -> None:
    classifier, x, _ = case(dtype=dtype)
    path = classifier.save(tmp_path / "c.npz")
    loaded = load_classifier(path)
    assert (loaded.scores(x) == classifier.scores(x)).all()
    for key in ("shape", "mean", "std", "classes", "sizes", "dtype"):
        assert getattr(loaded, key) == getattr(classifier, key)
    first = path.read_bytes()
    assert loaded.save(path).read_bytes() == first
    assert [one.name for one in tmp_path.iterdir()] == ["c.npz"]


def broken(path: Path, **change: Any) -> Path:
    """A classifier's file with some arrays changed, None taken out; `about` entries in a dict."""
    classifier, _, _ = case(())
    with np.load(classifier.save(path), allow_pickle=False) as file:
        arrays = dict(file)
    if isinstance(change.get("about"), dict):
        change["about"] = np.array(json.dumps(json.loads(str(arrays["about"])) | change["about"]))
    kept = {key: value for key, value in (arrays | change).items() if value is not None}
    np.savez(path, **kept)
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"about": None}, "holds no scratch classifier"),
        ({"about": np.array("{")}, "holds no scratch classifier"),
        ({"about": np.array("[1]")}, "holds no scratch classifier"),
        ({"about": {"format": "other"}}, "its format is 'other'"),
        ({"about": {"classes": ["a"]}}, "a classifier needs weights of"),
        ({"about": {"std": [0.5, 0.0, 1.0]}}, "a std above 0"),
        ({"about": {"mean": [0.5, "x", 1.0]}}, "a mean and a std"),
        ({"about": {"mean": 3}}, "holds no scratch classifier"),
        ({"about": {"shape": [3, 2]}}, "(height, width, channels)"),
        ({"w0": np.zeros((18, 3), "f")}, "a classifier needs weights of"),
        ({"w0": np.zeros(18, "f")}, "weights as matrices"),
        ({"w0": np.zeros((18, 4), int)}, "float32 or float64, not int64"),
        ({"w0": np.full((18, 4), np.nan)}, "weights that are finite"),
        ({"b0": np.zeros(4, "f")}, "weights of one type"),
        ({"w0": np.array([print] * 18, object)}, "is no file of plain arrays"),
        ({"w0": None, "b0": None}, "a layer or more"),
    ],
)
def test_a_file_that_is_no_classifier(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = broken(tmp_path / "c.npz", **change)
    with pytest.raises(ScratchError) as caught:
        load_classifier(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04 and no more", b"\x80\x04K\x01."])
def test_a_file_of_something_else(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "c.npz"
    path.write_bytes(data)
    with pytest.raises(ScratchError, match="is no file of plain arrays"):
        load_classifier(path)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    with pytest.raises(ScratchError, match="holds no scratch classifier"):
        load_classifier(path.with_suffix(".npy"))
    with pytest.raises(ScratchError, match="cannot be read"):
        load_classifier(tmp_path / "absent.npz")


def test_a_torn_file(tmp_path: Path) -> None:
    whole = case(())[0].save(tmp_path / "c.npz").read_bytes()
    for cut in range(0, len(whole), 97):
        (tmp_path / "c.npz").write_bytes(whole[:cut])
        with pytest.raises(ScratchError):
            load_classifier(tmp_path / "c.npz")


def test_what_is_refused_in_one_line(tmp_path: Path) -> None:
    classifier, x, labels = case()
    with pytest.raises(ScratchError, match="N x 3 x 2 x 3 are wanted, 5 x 18 came"):
        classifier.normalise(x)
    with pytest.raises(ScratchError, match=r"N x 18 are wanted, \(5, 4\) came"):
        classifier.scores(x[:, :4])
    with pytest.raises(ScratchError, match="from 0 to 3; 4 to 4 came"):
        classifier.loss(x, labels * 0 + 4)
    with pytest.raises(ScratchError, match="5 whole numbers are wanted as labels, float64"):
        classifier.loss(x, labels * 1.0)
    with pytest.raises(ScratchError, match=r"ends in \.npz; type .*c\.npz"):
        classifier.save(tmp_path / "c.pth")
    with pytest.raises(ScratchError, match="a std above 0"):
        make_classifier((2, 2, 1), 2, std=0)


def test_no_torch_is_imported() -> None:
    names = sorted(path.stem for path in (SRC / "hoodwink" / "scratch").glob("*.py") if path.stem != "__init__")
    code = f"import sys, importlib\nfor name in {names!r}: importlib.import_module('hoodwink.scratch.' + name)\n"
    code += "print([name for name in ('torch', 'PIL', 'safetensors', 'click') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SRC)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
