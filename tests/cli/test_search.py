from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from hoodwink.models.embed import Embedder, as_embedder
from hoodwink.pictures.read import read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.search.storage import SearchError
from hoodwink.search.store import open_store

from .conftest import TINY, Run

TESTS = Path(__file__).parent.parent


def draw(path: str | Path, seed: int) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.random.default_rng(seed).integers(0, 256, (9, 8 + seed % 3, 3), np.uint8)))
    return path


def document(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture(params=["", "lance:"])
def store(request: pytest.FixtureRequest) -> str:
    """Every test that asks for it runs over both stores."""
    kind: str = request.param
    if kind and find_spec("lancedb") is None:
        pytest.skip("lancedb is not installed (pip install 'hoodwink[lance]')")
    return f"{kind}kept"


@pytest.fixture
def photos(here: Path) -> Path:
    for seed in range(7):
        draw(here / "photos" / f"{'deep/' * (seed % 2)}{seed}.png", seed)
    return Path("photos")


@pytest.fixture
def index(run: Run, store: str, photos: Path) -> Any:
    def indexed(*more: str, code: int = 0) -> Any:
        result = run("search", "index", photos, "--store", store, *TINY, "--json", *more)
        assert result.exit_code == code, result.stderr
        return document(result)

    return indexed


# index


def test_a_folder_and_again(index: Any, photos: Path) -> None:
    first = index()
    assert (first["pictures"], first["embedded"], first["same"], first["broken"]) == (7, 7, 0, [])
    assert first["index"] == {"how": first["index"]["how"], "recall": 1.0}
    again = index()
    assert (again["pictures"], again["embedded"], again["same"]) == (7, 0, 7)


def test_only_what_changed_is_embedded(index: Any, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index()
    (photos / "0.png").rename(photos / "moved.png")
    draw(photos / "2.png", 20)
    (photos / "4.png").unlink()
    draw(photos / "new.png", 30)
    (photos / "copy.png").write_bytes((photos / "6.png").read_bytes())
    (photos / "bad.png").write_bytes(b"no picture")
    asked: list[int] = []
    embed = Embedder.embed

    def counted(self: Any, encoded: Any) -> Any:
        asked.append(len(encoded))
        return embed(self, encoded)

    monkeypatch.setattr("hoodwink.models.embed.Embedder.embed", counted)
    found = index(code=2)
    assert asked == [2]
    assert {name: found[name] for name in ("pictures", "embedded", "same", "moved", "copied", "gone")} == {
        "pictures": 8,
        "embedded": 2,
        "same": 4,
        "moved": 1,
        "copied": 1,
        "gone": 1,
    }
    assert [Path(one["path"]).name for one in found["broken"]] == ["bad.png"] and "is none of these" in found["errors"][0]["error"]


def test_broken_files_are_said_in_a_line_each_and_not_all(run: Run, photos: Path) -> None:
    for at in range(23):
        (photos / f"bad{at:02d}.png").write_bytes(b"no picture")
    result = run("search", "index", photos, *TINY)
    assert result.exit_code == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 21 and "bad00.png: a picture" in lines[0] and "3 more files" in lines[-1]
    assert "hoodwink-search  7 pictures" in result.stdout and "not read  23" in result.stdout


def test_the_embeddings_are_the_networks(index: Any, store: str, photos: Path) -> None:
    import tiny_nets

    index()
    embedder = as_embedder(tiny_nets.colours())
    with closing(open_store(store)) as kept:
        ids = kept.ids()
        files = kept.files(ids)
        for one, row in zip(ids.tolist(), kept.vectors(ids), strict=True):
            wanted = embedder([read_picture(files[one].path)])[0]
            assert row == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-3)
        assert (kept.card.model, kept.card.dimension, kept.card.layer) == ("colours", 192, "")


def test_shards_fill_one_store(run: Run, index: Any, store: str, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [index("--shard", f"{at}/3") for at in (1, 2)]
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    parts.append(index("--shard", "auto"))
    assert sum(part["embedded"] for part in parts) == 7 and parts[-1]["pictures"] == 7
    assert all(part["index"] is None for part in parts)
    assert index()["same"] == 7


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--shard", "3/2"), "i/n with i from 1 to n"),
        (("--shard", "auto"), "neither torchrun"),
        (("--layer", "none"), "has no 'none'"),
        (("--model", "python:tiny_nets:others"), "--model once"),
    ],
)
def test_what_cannot_be(run: Run, photos: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    result = run("search", "index", photos, *TINY, *words)
    assert result.exit_code == 2 and said in result.stderr and not Path("hoodwink-search").exists()


def test_no_folder_and_a_store_of_another_network(run: Run, index: Any, store: str, photos: Path) -> None:
    result = run("search", "index", "none", "--store", store, *TINY)
    assert result.exit_code == 2 and "a folder with pictures was wanted" in result.stderr
    index()
    result = run("search", "index", photos, "--store", store, "--model", "python:tiny_nets:others")
    assert result.exit_code == 2 and "this store holds those of" in result.stderr


def test_a_network_that_reads_texts(run: Run, photos: Path, here: Path) -> None:
    import text_models

    text_models.of_letters().save(here / "letters")
    result = run("search", "index", photos, "--model", "letters")
    assert result.exit_code == 2 and "texts" in result.stderr


def test_interrupted_it_keeps_what_is_done_and_goes_on(
    run: Run, index: Any, store: str, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(10, 80):
        draw(photos / f"{seed}.png", seed)
    embed = Embedder.embed
    left = [2]

    def stopped(self: Any, encoded: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return embed(self, encoded)

    with monkeypatch.context() as patched:
        patched.setattr("hoodwink.models.embed.Embedder.embed", stopped)
        result = run("search", "index", photos, "--store", store, *TINY, "--json")
    assert result.exit_code == 130 and "keeps what is done, 64 pictures; the same line goes on" in result.stderr
    assert document(result)["interrupted"] and document(result)["pictures"] == 64
    rest = index()
    assert (rest["same"], rest["embedded"], rest["pictures"]) == (64, 13, 77)


def test_killed_it_holds_what_was_committed(index: Any, store: str, photos: Path, here: Path) -> None:
    for seed in range(10, 1000):
        draw(photos / f"{seed}.png", seed)
    line = [sys.executable, "-m", "hoodwink", "search", "index", "photos", "--store", store, *TINY, "--quiet"]
    worker = subprocess.Popen(line, cwd=here, env={**os.environ, "PYTHONPATH": str(TESTS)}, stdout=subprocess.DEVNULL)
    try:
        count, until = 0, time.monotonic() + 60
        while count < 64 and time.monotonic() < until:
            assert worker.poll() is None, "it was done before it could be killed"
            time.sleep(0.005)
            try:
                with closing(open_store(store)) as kept:
                    count = len(kept)
            except SearchError:  # not made yet
                continue
        os.kill(worker.pid, signal.SIGKILL)
    finally:
        worker.kill()
        worker.wait()
    with closing(open_store(store)) as kept:
        found = kept.known()
        assert count <= len(found) < 997 and len(found) % 32 == 0  # whole batches
        assert all(Path(path).is_file() for path in found)
        assert sum(len(ids) for ids, _ in kept.rows()) == len(found)
    rest = index()
    assert (rest["same"], rest["embedded"], rest["pictures"]) == (len(found), 997 - len(found), 997)


# add and remove


def test_add_and_remove(run: Run, index: Any, store: str, photos: Path, here: Path) -> None:
    index()
    draw("others/a.png", 50)
    draw("others/sub/b.png", 51)
    (photos / "0.png").unlink()
    result = run("search", "add", "others", draw("single.png", 52), "--store", store, *TINY, "--json")
    assert result.exit_code == 0 and document(result)["embedded"] == 3 and document(result)["pictures"] == 10  # what is gone stays
    result = run("search", "add", "others", "none.png", "--store", store, *TINY, "--json")
    assert result.exit_code == 2 and document(result)["same"] == 2
    result = run("search", "remove", "others/a.png", "photos/deep", "nothing", "--store", store, "--json")
    assert result.exit_code == 2 and "nothing: a picture or folder of the store was wanted" in result.stderr
    assert document(result)["removed"] == 4 and document(result)["pictures"] == 6
    assert Path("others/a.png").is_file()
    assert run("search", "remove", "photos/0.png", "--store", store).exit_code == 0


def test_add_makes_a_store(run: Run, store: str, here: Path) -> None:
    result = run("search", "add", draw("one.png", 1), "--store", store, *TINY)
    assert result.exit_code == 0 and f"{store}  1 pictures" in result.stdout and "embedded  1" in result.stdout


@pytest.mark.parametrize("words", [("remove", "a.png"), ("stats",), ("query", "one.png", *TINY)])
def test_no_store(run: Run, store: str, here: Path, words: tuple[str, ...]) -> None:
    draw("one.png", 1)
    result = run("search", *words, "--store", store)
    assert result.exit_code == 2 and "make it with hoodwink search index" in result.stderr and not Path("kept").exists()


# stats


def test_stats(run: Run, index: Any, store: str, photos: Path) -> None:
    index()
    found = document(run("search", "stats", "--store", store, "--json"))
    assert (found["pictures"], found["contents"], found["dimension"], found["gone"], found["changed"]) == (7, 7, 192, 0, 0)
    assert found["model"] == "colours" and found["layer"] == "the last" and found["bytes"] > 7 * 2 * 192
    assert found["index"] == {"kind": "flat", "pictures": 7, "recall": 1.0, "up_to_date": True}
    (photos / "0.png").unlink()
    draw(photos / "2.png", 99)
    run("search", "remove", photos / "4.png", "--store", store)
    found = document(run("search", "stats", "--store", store, "--json"))
    assert (found["pictures"], found["gone"], found["changed"], found["index"]["up_to_date"]) == (6, 1, 1, False)
    said = run("search", "stats", "--store", store).stdout
    assert "1 files; hoodwink search index FOLDER" in said and "the store changed since" in said and "recall 1.0000" in said


def test_stats_without_an_index(run: Run, index: Any, store: str) -> None:
    index("--shard", "1/1")
    assert document(run("search", "stats", "--store", store, "--json"))["index"] is None
    assert "none yet" in run("search", "stats", "--store", store).stdout


# query


def test_query_as_table_and_document(run: Run, index: Any, store: str, photos: Path) -> None:
    index()
    result = run("search", "query", photos / "4.png", "-k", 3, "--store", store, *TINY)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if line[:1].isdigit()]
    assert [row[0] for row in rows] == ["1", "2", "3"] and rows[0][1:] == ["1.0000", str((photos / "4.png").absolute())]
    found = document(run("search", "query", photos / "4.png", "-k", 3, "--store", store, *TINY, "--json"))
    assert [one["path"] for one in found["answers"]] == [row[2] for row in rows] and found["pictures"] == 7
    assert [f"{one['cosine']:.4f}" for one in found["answers"]] == [row[1] for row in rows]


def test_a_picture_that_is_in_no_store_and_one_that_is_none(run: Run, index: Any, store: str, here: Path) -> None:
    index()
    found = document(run("search", "query", draw("strange.png", 77), "--store", store, *TINY, "--json"))
    assert len(found["answers"]) == 7 and found["answers"][0]["cosine"] < 0.99
    for name in ("none.png", "photos"):
        result = run("search", "query", name, "--store", store, *TINY)
        assert result.exit_code == 2 and name in result.stderr
    result = run("search", "query", "strange.png", "--store", store, "--model", "python:tiny_nets:others")
    assert result.exit_code == 2 and "ask with model colours" in result.stderr


def test_a_run_folder_that_verify_judges(run: Run, index: Any, store: str, photos: Path) -> None:
    index()
    (photos / "6.png").unlink()
    draw(photos / "2.png", 99)
    line = ("search", "query", photos / "4.png", "--store", store, *TINY, "--out", "answers")
    result = run(*line)
    assert result.exit_code == 0 and "1 of the files are gone from disk" in result.stdout
    folder = Path("answers")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("answers.json", "asked.png", "events.jsonl", "manifest.json", "report.html", "run.json", "sheet.png"),
    ]
    assert (folder / "asked.png").read_bytes() == (photos / "4.png").read_bytes()
    assert read_picture(folder / "sheet.png").levels.shape[1] > 1000
    kept = json.loads((folder / "answers.json").read_text())
    assert [one["rank"] for one in kept["answers"]] == list(range(1, 8)) and kept["exact"] == 7
    page = html.unescape((folder / "report.html").read_text())
    assert page.count("data:image/png;base64,") == 7  # the asked one and six answers
    assert "gone from disk" in page and "changed since it was indexed" in page and "<script" not in page
    assert "default-src 'none'" in page and "http://" not in page and "https://" not in page
    again = run(*line)
    assert again.exit_code == 2 and "--force" in again.stderr
    assert run(*line, "--force").exit_code == 0
    result = run("verify", "answers", "--trust-code")
    assert result.exit_code == 0 and "7 of 7 answers are the nearest of 7 pictures" in result.stdout
    run("search", "remove", photos / "0.png", "--store", store)
    result = run("verify", "answers", "--trust-code")
    assert result.exit_code == 2 and "1 of 7 answers are not in the store" in result.stdout
    record = json.loads((folder / "run.json").read_text())
    record["claims"][0]["values"]["answers"][3]["cosine"] += 0.1
    (folder / "run.json").write_text(json.dumps(record))
    assert run("verify", "answers", "--trust-code").exit_code == 1


def test_a_store_at_an_address(run: Run, photos: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("lancedb") is None:
        pytest.skip("lancedb is not installed (pip install 'hoodwink[lance]')")
    monkeypatch.setenv("HOODWINK_CACHE", str(here / "cache"))
    where = f"lance:file://{here}/far"
    assert document(run("search", "index", photos, "--store", where, *TINY, "--json"))["index"]["recall"] == 1.0
    assert (here / "cache").is_dir()  # the index is on this machine
    found = document(run("search", "query", photos / "4.png", "-k", 2, "--store", where, *TINY, "--json", "--out", "answers"))
    assert found["store"] == where and Path(found["answers"][0]["path"]).name == "4.png"
    assert document(run("search", "stats", "--store", where, "--json"))["bytes"] is None
    result = run("verify", "answers", "--trust-code")
    assert result.exit_code == 2 and "is not asked because a record says so" in result.stdout


def test_help_names_every_verb(run: Run) -> None:
    said = run("search").stdout
    assert all(f"  {verb}" in said for verb in ("index", "query", "add", "remove", "stats"))
