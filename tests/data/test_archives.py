from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hoodwink.data import archives
from hoodwink.data.archives import read_members
from hoodwink.data.cards import DataError

from .conftest import deb, put, tar, zipped

Pack = Callable[[dict[str, bytes]], bytes]
FILES = {"a/one.bin": b"one", "two.bin": b"two" * 1000}
NAMES = {"a/one.bin", "two.bin", "absent.bin"}
EVIL = {"../two.bin": b"above", "/two.bin": b"root", "a/../two.bin": b"round about"}


@pytest.mark.parametrize("pack", [tar, zipped, deb], ids=["tar", "zip", "deb"])
def test_members_are_read_by_name(tmp_path: Path, pack: Pack) -> None:
    (tmp_path / "archive").write_bytes(pack(FILES | {"other": b""}))
    assert read_members(tmp_path / "archive", NAMES) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    put(tmp_path, FILES)
    assert read_members(tmp_path, NAMES) == FILES


@pytest.mark.parametrize("pack", [tar, zipped, deb], ids=["tar", "zip", "deb"])
def test_names_that_lead_out_are_passed_over(tmp_path: Path, pack: Pack) -> None:
    folder = tmp_path / "in"
    put(folder, {"archive": pack(EVIL | FILES)})
    assert read_members(folder / "archive", NAMES) == FILES
    put(folder, {"archive": pack(EVIL)})
    assert read_members(folder / "archive", NAMES) == {}
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "archive"]


def test_links_are_passed_over_and_the_first_of_a_name_counts(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind, target in ((tarfile.SYMTYPE, str(tmp_path / "secret")), (tarfile.LNKTYPE, "two.bin"), (tarfile.FIFOTYPE, "")):
            link = tarfile.TarInfo("two.bin")
            link.type, link.linkname = kind, target
            archive.addfile(link)
        for data in (b"first", b"second"):
            info = tarfile.TarInfo("./two.bin")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    (tmp_path / "archive").write_bytes(buffer.getvalue())
    assert read_members(tmp_path / "archive", NAMES) == {"two.bin": b"first"}


@pytest.mark.parametrize(
    "data",
    [b"", b"text" * 200, tar(FILES)[:-30], zipped(FILES)[:-30], deb(FILES)[:-30], deb(FILES)[:150]],
    ids=["empty", "text", "tar", "zip", "deb", "deb without data"],
)
def test_what_is_no_whole_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(DataError, match="a whole zip, tar or deb was wanted"):
        read_members(tmp_path / "archive", NAMES)


@pytest.mark.parametrize("pack", [tar, zipped, deb], ids=["tar", "zip", "deb"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1000)
    (tmp_path / "archive").write_bytes(pack(FILES))
    assert read_members(tmp_path / "archive", {"a/one.bin"}) == {"a/one.bin": b"one"}
    with pytest.raises(DataError, match="two.bin: a file of at most 1000 bytes"):
        read_members(tmp_path / "archive", NAMES)


@pytest.mark.parametrize("damage", [(8 + 48, b"x"), (8 + 58, b"!!"), (8 + 60 + 4 + 60 + 4 + 48, b"9999999999")])
def test_a_deb_with_bad_heads(tmp_path: Path, damage: tuple[int, bytes]) -> None:
    data, (place, text) = deb(FILES), damage
    (tmp_path / "archive").write_bytes(data[:place] + text + data[place + len(text) :])
    with pytest.raises(DataError, match=r"a whole zip, tar or deb was wanted \(it is cut short\)"):
        read_members(tmp_path / "archive", NAMES)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_a_deb_is_one_to_debian_itself(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    control = b"Package: tiny\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody\nDescription: tiny\n"
    put(folder, FILES | {"DEBIAN/control": control})
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", "-Zxz", folder, tmp_path / "tiny.deb"], check=True, capture_output=True)
    assert read_members(tmp_path / "tiny.deb", NAMES) == FILES
    (tmp_path / "ours.deb").write_bytes(deb(FILES))
    subprocess.run(["dpkg-deb", "--extract", tmp_path / "ours.deb", tmp_path / "out"], check=True, capture_output=True)
    assert read_members(tmp_path / "out", NAMES) == FILES
