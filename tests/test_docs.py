"""The documents that show what to type are typed: their blocks run in order, each document in a folder of its own."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hoodwink.cli.common import packaged_cat
from hoodwink.cli.main import cli
from hoodwink.fooling import fool

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "docs/tutorial/first-picture.md",
    "docs/how-to/own-network.md",
    "docs/how-to/train.md",
    "docs/how-to/run-a-study.md",
    "docs/how-to/make-pictures.md",
    "docs/how-to/fool-a-text.md",
    "docs/how-to/fool-a-search.md",
    "docs/how-to/search-pictures.md",
)
STEPS = 20  # gradient evaluations: enough for the climb; how far a change is shrunk is not tested here
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.py)\n")
_LINK = re.compile(r"\]\(([^)#\s]+)\)")


def blocks(document: str) -> Iterator[tuple[str, str]]:
    """The kind and the text of each block that is to be run."""
    for found in _BLOCK.finditer((ROOT / document).read_text(encoding="utf-8")):
        yield found[1], found[2]


def run_bash(text: str) -> None:
    for line in filter(None, text.splitlines()):
        program, *words = shlex.split(line)
        assert program == "hoodwink", f"only hoodwink is run in bash blocks; mark the others as sh: {line}"
        few = ["--steps", str(STEPS)] if words[0] == "fool" else []
        result = CliRunner().invoke(cli, [*words, *few], prog_name="hoodwink")
        assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


def run_python(text: str, names: dict[str, Any]) -> None:
    """Run a block; one that begins with the name of a file is that file."""
    file = _FILE.match(text)
    if file:
        Path(file[1]).write_text(text, encoding="utf-8")
    else:
        exec(compile(text, "<document>", "exec"), names)  # noqa: S102  the repository's own documents


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_run(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    defaults: dict[str, Any] = fool.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "steps", STEPS)
    shutil.copy(packaged_cat(), "cat.png")
    names: dict[str, Any] = {"__name__": "document"}
    found = list(blocks(document))
    assert found
    for kind, text in found:
        if kind == "bash":
            run_bash(text)
        else:
            run_python(text, names)


@pytest.mark.parametrize("document", sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))))
def test_documents_are_plain(document: str) -> None:
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    assert text.isascii(), f"{document}: {[character for character in text if not character.isascii()][:5]}"
    missing = [link for link in _LINK.findall(text) if "://" not in link and not (path.parent / link).exists()]
    assert not missing, f"{document} links to files that are not there: {missing}"
