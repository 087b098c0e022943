from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink.pictures.write import encode_png
from hoodwink.search.store import open_store

from .conftest import TINY, Run

CARRYING = ("--model", "python:tiny_nets:carrying")  # options may say how pictures are read


def draw(path: str | Path, levels: Any) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.asarray(levels, np.uint8)))
    return path


def noise(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (9, 8 + seed % 3, 3))


@pytest.fixture
def photos(here: Path) -> Path:
    for seed in range(7):
        draw(here / "photos" / f"{seed}.png", noise(seed))
    return Path("photos")


def tell(run: Run, *words: Any, code: int = 0) -> Any:
    """The document that a line of `hoodwink search` prints."""
    result = run("search", *words, "--json")
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def index(run: Run, *words: Any, code: int = 0) -> Any:
    return tell(run, "index", "photos", *(words if "--model" in words else (*TINY, *words)), code=code)


# indexing


def test_a_picture_that_the_network_does_not_take_is_skipped(run: Run, photos: Path) -> None:
    thin = draw(photos / "thin.png", np.zeros((3000, 1, 3)))
    sizes = (*CARRYING, "--resize", 300)
    found = index(run, *sizes, code=2)
    assert found["pictures"] == 7 and [Path(one["path"]).name for one in found["broken"]] == ["thin.png"]
    said = tell(run, "query", thin, *sizes, code=2)["errors"][0]["error"]
    assert said.startswith("photos/thin.png: the network wants a shorter side of 300")


def test_names_that_changed_in_a_chain(run: Run, photos: Path) -> None:
    index(run)
    (photos / "2.png").rename(photos / "c.png")
    (photos / "1.png").rename(photos / "2.png")
    (photos / "0.png").rename(photos / "1.png")
    found = index(run)
    assert (found["pictures"], found["embedded"], found["moved"] + found["copied"]) == (7, 0, 3)
    for name in ("1.png", "2.png", "c.png"):
        best = tell(run, "query", photos / name, "-k", 1, *TINY)["answers"][0]
        assert Path(best["path"]).name == name and best["cosine"] == pytest.approx(1, abs=1e-3)


def test_twins_are_counted_where_they_were_copied(run: Run, photos: Path) -> None:
    for name in ("junk.png", "more.png"):
        (photos / name).write_bytes(b"no picture")
    for name in ("new.png", "twin.png"):
        draw(photos / name, noise(20))
    found = index(run, code=2)
    assert (found["embedded"], found["copied"], len(found["broken"])) == (8, 1, 2)


def test_the_layer_is_the_stores(run: Run, photos: Path, here: Path) -> None:
    index(run, "--layer", "1")
    assert index(run)["same"] == 7
    assert tell(run, "add", draw("one.png", noise(30)), *TINY)["pictures"] == 8
    assert tell(run, "stats")["layer"] == "1"
    said = index(run, "--layer", "", code=2)["errors"][0]["error"]
    assert "of the last layer were wanted, this store holds those of layer 1; type --layer 1" in said


def test_another_preprocessing_than_the_stores(run: Run, photos: Path) -> None:
    index(run, *CARRYING)
    assert index(run, *CARRYING, "--mean", 0)["same"] == 7
    for words in (("index", photos), ("query", photos / "1.png"), ("fool", photos / "1.png", "--as", photos / "2.png")):
        said = tell(run, *words, *CARRYING, "--mean", 0.1, code=2)["errors"][0]["error"]
        assert "of others with the same weights" in said


def test_larger_pictures_than_allowed(run: Run, photos: Path) -> None:
    found = index(run, "--max-pixels", 75, code=2)
    assert found["pictures"] == 3 and len(found["broken"]) == 4 and "--max-pixels 81" in found["broken"][0]["why"]
    assert tell(run, "add", photos, *TINY, "--max-pixels", 100)["pictures"] == 7
    assert "--max-pixels 72" in tell(run, "query", photos / "0.png", *TINY, "--max-pixels", 10, code=2)["errors"][0]["error"]


def test_an_empty_folder_among_others(run: Run, photos: Path) -> None:
    Path("empty").mkdir()
    found = tell(run, "add", photos / "0.png", "empty", *TINY, code=2)
    assert (found["pictures"], found["embedded"]) == (1, 1) and [Path(one["path"]).name for one in found["broken"]] == ["empty"]


@pytest.mark.parametrize("folder", ["none", "empty"])
def test_a_folder_without_pictures_makes_no_store(run: Run, here: Path, folder: str) -> None:
    Path("empty").mkdir()
    assert "a folder with pictures was wanted" in tell(run, "index", folder, *TINY, code=2)["errors"][0]["error"]
    assert not Path("hoodwink-search").exists()


# what is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("query", "none.png", *TINY), "none.png: cannot be read"),
        (("query", "photos/1.png", *TINY, "--store", "none"), "a store was wanted, there is none"),
        (("fool", "none.png", "--as", "photos/1.png", *TINY), "none.png: cannot be read"),
        (("add", "photos", "--model", "none"), "none"),
        (("index", "photos", *TINY, "--shard", "3/2"), "i/n with i from 1 to n"),
        (("stats", "--store", "none"), "a store was wanted, there is none"),
        (("remove", "photos", "--store", "none"), "a store was wanted, there is none"),
    ],
)
def test_a_refusal_is_a_document_too(run: Run, photos: Path, words: tuple[Any, ...], said: str) -> None:
    index(run)
    (error,) = tell(run, *words, code=2)["errors"]
    assert said in error["error"]


def test_an_empty_store_is_not_asked(run: Run, photos: Path) -> None:
    index(run)
    tell(run, "remove", photos)
    assert "a store with pictures was wanted" in tell(run, "query", photos / "1.png", *TINY, code=2)["errors"][0]["error"]
    assert tell(run, "stats")["pictures"] == 0


@pytest.mark.parametrize("pointer", [b'{"folder": 5}', b"[" * 100_000, b"null", b'{"recall": "x"}'])
def test_a_damaged_index_is_no_fault(run: Run, photos: Path, pointer: bytes) -> None:
    index(run)
    path = Path("hoodwink-search/index.json")
    whole = json.loads(path.read_bytes())
    path.write_bytes(json.dumps(whole | json.loads(pointer)).encode() if pointer.startswith(b"{") else pointer)
    assert tell(run, "stats")["index"] is None
    assert len(tell(run, "query", photos / "1.png", *TINY)["answers"]) == 7
    assert tell(run, "stats")["index"]["up_to_date"]


# names and folders


def test_an_answer_in_a_folder_that_cannot_be_entered(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(run)
    stat = os.stat

    def refused(path: Any, *more: Any, **asked: Any) -> Any:
        if str(path).endswith("photos/3.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *more, **asked)

    monkeypatch.setattr(os, "stat", refused)
    assert len(tell(run, "query", photos / "1.png", *TINY)["answers"]) == 7


def test_a_name_that_is_not_utf8(run: Run, photos: Path) -> None:
    pytest.importorskip("faiss", reason="faiss is not installed (pip install 'hoodwink[search]')")
    index(run)
    name = os.fsdecode(b"odd\xff.png")
    try:
        draw(name, noise(1))
    except OSError:
        pytest.skip("this file system takes no such name")
    assert len(tell(run, "query", name, *TINY, "--out", "answers")["answers"]) == 7
    assert "odd\\udcff.png" in Path("answers/report.html").read_text()
    line = ("search", "fool", name, "--as", photos / "2.png", "-k", 3, "--steps", 3, *TINY, "--out", "fooled", "--json")
    assert run(*line).exit_code in (0, 1)
    assert Path("fooled/manifest.json").is_file() and "odd\\udcff.png" in Path("fooled/report.html").read_text()


def test_what_the_store_knows_of_a_picture_that_broke_goes(run: Run, photos: Path) -> None:
    index(run)
    (photos / "3.png").write_bytes(b"no picture")
    assert index(run, code=2)["pictures"] == 6
    with closing(open_store("hoodwink-search")) as store:
        assert str((photos / "3.png").absolute()) not in store.known()


def test_where_nothing_is_to_be_added_no_store_is_made(run: Run) -> None:
    done = run("search", "add", "nope.png", "none", *TINY)
    assert done.exit_code == 2 and "nope.png, none: pictures or folders of them were wanted, nothing is there" in done.stderr
    assert not Path("hoodwink-search").exists()
