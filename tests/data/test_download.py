from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hoodwink.data import download as module
from hoodwink.data.cards import DataError
from hoodwink.data.download import download
from hoodwink.runs import sha256_bytes

DATA = bytes(range(256)) * 2000
SHA256 = sha256_bytes(DATA)


class Server(ThreadingHTTPServer):
    """Serves DATA on this machine. asked: the Range of each request; ranges: whether it heeds them; cut: bytes after which it hangs up."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.ranges, self.cut, self.status, self.data = True, len(DATA), 0, DATA

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/tiny.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        beyond = 416 if start >= len(self.server.data) else 0
        self.send_response(self.server.status or beyond or (206 if start else 200))
        rest = b"" if beyond else self.server.data[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_whole_file_with_its_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = download(server.url, tmp_path / "new", SHA256, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == DATA and [file.name for file in path.parent.iterdir()] == ["tiny.bin"]
    assert seen[-1] == (len(DATA), len(DATA)) and seen == sorted(seen)
    assert download(server.url, tmp_path / "new", SHA256) == path
    assert server.asked == [None]  # not asked again for what is there


def test_a_broken_download_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.cut = 200_000
    with pytest.raises(DataError, match="the connection broke; the next call goes on where it stopped"):
        download(server.url, tmp_path, SHA256)
    assert not (tmp_path / "tiny.bin").exists()
    there = next(tmp_path.glob("*.part")).stat().st_size
    assert there > 0
    server.cut = len(DATA)
    seen: list[tuple[int, int]] = []
    assert download(server.url, tmp_path, SHA256, lambda done, total: seen.append((done, total))).read_bytes() == DATA
    assert server.asked == [None, f"bytes={there}-"]
    assert seen[0][0] > there and seen[-1] == (len(DATA), len(DATA))


def test_a_server_that_cannot_go_on_sends_all_of_it(server: Server, tmp_path: Path) -> None:
    server.cut = 200_000
    with pytest.raises(DataError):
        download(server.url, tmp_path, SHA256)
    server.cut, server.ranges = len(DATA), False
    assert download(server.url, tmp_path, SHA256).read_bytes() == DATA


def test_a_part_that_is_longer_than_the_file_is_removed(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256[:16]}-tiny.bin.part").write_bytes(DATA + b"more")
    with pytest.raises(DataError, match="is removed: try again"):
        download(server.url, tmp_path, SHA256)
    assert download(server.url, tmp_path, SHA256).read_bytes() == DATA


@pytest.mark.parametrize("part", [b"", b"of another file"])
def test_another_file_is_refused_and_leaves_nothing(server: Server, tmp_path: Path, part: bytes) -> None:
    if part:
        (tmp_path / f"{SHA256[:16]}-tiny.bin.part").write_bytes(part)
    else:
        server.data = DATA[:-1] + b"!"
    with pytest.raises(DataError, match=f"another file was wanted, of SHA-256 {SHA256}"):
        download(server.url, tmp_path, SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(DataError, match="the server answers 404 Not Found"):
        download(server.url, tmp_path, SHA256)
    assert list(tmp_path.iterdir()) == []


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/tiny.bin"
    with pytest.raises(DataError, match="no connection"):
        download(url, tmp_path, SHA256)


def test_somebody_listens_and_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._CONNECT == 10
    monkeypatch.setattr(module, "_READ", 0.05)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        with pytest.raises(DataError, match="no answer in time"):
            download(f"http://127.0.0.1:{deaf.getsockname()[1]}/tiny.bin", tmp_path, SHA256)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError):
        download("http://127.0.0.1:9/tiny.bin", tmp_path / "file", SHA256)
