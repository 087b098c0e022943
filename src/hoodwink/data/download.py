"""One file from the web: checked, and taken up again where it stopped."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hoodwink.data.cards import DataError

Progress = Callable[[int, int], None]

_CONNECT, _READ = 10, 60  # seconds without an answer
_CHUNK = 1 << 16


def download(url: str, folder: Path, sha256: str, progress: Progress | None = None) -> Path:
    """Download a file into a folder and return its path; what an earlier call left half done there is gone on with.

    sha256: of the whole file; one that has another is removed. progress: called with the bytes that are there and those that there
    will be (0: not known). Raises DataError.
    """
    import pooch  # type: ignore[import-untyped]

    pooch.get_logger().setLevel("ERROR")
    name = url.rpartition("/")[2]
    part = folder / f"{sha256[:16]}-{name}.part"
    fetch = partial(_fetch, part=part, progress=progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=folder, downloader=fetch))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors, pooch's of a wrong hash a ValueError
        raise DataError(_reason(error, sha256)) from error


def _fetch(url: str, output_file: str, pooch: Any, *, part: Path, progress: Progress | None) -> None:
    """What pooch calls to download; the name `part` becomes `output_file` when all of it is there."""
    import requests

    there = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    with requests.get(url, headers=headers, stream=True, timeout=(_CONNECT, _READ)) as answer:
        if there and answer.status_code != 206:  # it sends the whole file, or the part is longer than that
            part.unlink()
            there = 0
        if answer.status_code == 416:
            raise OSError("what was there of it did not fit and is removed: try again")
        answer.raise_for_status()
        rest = answer.headers.get("Content-Length")
        total = there + int(rest) if rest else 0
        with open(part, "ab") as file:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                there += len(chunk)
                if progress:
                    progress(there, total)
    os.replace(part, output_file)


def _reason(error: OSError | ValueError, sha256: str) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke; the next call goes on where it stopped"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return f"another file was wanted, of SHA-256 {sha256}"
    return str(error)
