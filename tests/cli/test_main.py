from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import pytest
from click.testing import CliRunner

import hoodwink
from hoodwink.cli import main as program
from hoodwink.cli.common import packaged_cat
from hoodwink.cli.main import VERBS, cli
from hoodwink.cli.verbs import Verbs
from hoodwink.pictures.read import PictureError, read_picture
from hoodwink.pictures.write import encode_png

from .conftest import Run

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "numpy", "matplotlib", "PIL", "rich", "jinja2")


def _commands(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _commands(found, (*path, name))


def _example(words: tuple[str, ...]) -> list[str]:
    """The lines of the example that ends a help page."""
    text = CliRunner().invoke(cli, [*words, "--help"], prog_name="hoodwink").stdout
    _, found, example = text.rpartition("\n  Example:\n")
    assert found, f"{words} has no example"
    return [line.strip() for line in example.splitlines()]


def _python(*words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=True).stdout


def test_help_is_quick() -> None:
    spent = []
    for _ in range(3):
        before = os.times()
        assert "fool" in _python("-m", "hoodwink", "--help")
        after = os.times()
        spent.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert min(spent) < 0.3


def test_no_help_imports_what_is_heavy() -> None:
    lines = [[*words, "--help"] for words in _commands()]
    code = (
        f"import sys; from hoodwink.cli.main import cli\nfor words in {lines!r}:\n"
        "    try: cli.main(words)\n    except SystemExit as end: assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert _python("-c", code).splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", list(_commands()), ids=" ".join)
def test_every_help_ends_with_an_example(words: tuple[str, ...]) -> None:
    example = _example(words)
    assert example[0].startswith(" ".join(("hoodwink", *words[:1])))
    assert all(line.startswith("hoodwink ") for line in example)


@pytest.mark.slow
def test_every_example_runs(run: Run) -> None:
    words = ("king", "queen", "man", "woman", "cat", "dog", "doctor", "nurse")
    Path("made.txt").write_text("".join(f"{word} {k} {k % 3} 1\n" for k, word in enumerate(words)))  # GloVe's need not be fetched
    extra = {"fool": ["--steps", "40"], "words": ["--vectors", "made.txt"], "search fool": ["--steps", "40", "-k", "1", "--out", "misled"]}
    for name, turned in (("cat", 0), ("pizza", 1), ("photos/cat", 0), ("photos/pizza", 1), ("more-photos/cat", 2)):
        Path(name).parent.mkdir(exist_ok=True)
        Path(f"{name}.png").write_bytes(encode_png(np.rot90(read_picture(packaged_cat()).levels, turned)))
    lines = dict.fromkeys(line for words in _commands() for line in _example(words))
    writers = ("hoodwink train", "hoodwink fool")  # the others look at what these wrote
    for line in sorted(lines, key=lambda line: [not line.startswith(writer) for writer in writers]):
        more = extra.get(line.split()[1], extra.get(" ".join(line.split()[1:3]), []))
        result = run(*shlex.split(line)[1:], *more)
        assert result.exit_code == 0, (line, result.stderr)


def test_the_table_says_what_the_verbs_say() -> None:
    context = click.Context(cli)
    for name, (_, text) in VERBS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert (command.help or "").partition("\n")[0] == text


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("foool",), "there is no verb 'foool'; the nearest is 'fool'; type hoodwink --help"),
        (("verfy", "x"), "the nearest is 'verify'"),
        (("--hepl",), "--help"),
        (("look", "--jsn"), "--json"),
        (("look", "-k", "0"), "-k"),
    ],
)
def test_a_slip_is_one_line_with_the_nearest(run: Run, words: tuple[str, ...], part: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert part in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_alone_it_says_what_it_can(run: Run) -> None:
    for words in ((), ("model",)):
        assert run(*words).stdout == run(*words, "--help").stdout
        assert run(*words).exit_code == 0


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"hoodwink {hoodwink.__version__}\n"


def test_huge_pages_are_asked_for_before_torch_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hoodwink", "--version"])
    for given, wanted in (("", "1"), ("0", "0")):
        monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", given)
        if not given:
            monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
        with pytest.raises(SystemExit):
            program.main()
        assert os.environ["THP_MEM_ALLOC_ENABLE"] == wanted


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 130, ""),
        (PictureError("a\nb.png", "no picture"), 2, r"error: a\nb.png: no picture"),
        (OSError(errno.ENOSPC, "No space left on device", "out/run.json"), 2, "error: out/run.json: no space left on device"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: the output: no space left on device"),
        (click.UsageError("type more"), 2, "error: type more; type hoodwink fail --help"),
        (ValueError("bad shape\nat all"), 3, "error: ValueError: bad shape: a fault of hoodwink; type --debug to see where"),
        (RuntimeError(), 3, "error: RuntimeError: a fault of hoodwink; type --debug to see where"),
        (MemoryError(), 3, "error: MemoryError: a fault of hoodwink; type --debug to see where"),
    ],
)
def test_how_it_ends(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str) -> None:
    @click.command()
    @click.option("--debug", is_flag=True)
    def fail(debug: bool) -> None:
        raise error

    module = ModuleType("failing")
    module.fail_command = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "failing", module)
    group = Verbs("hoodwink", table={"fail": ("failing", "Fail.")})
    result = CliRunner().invoke(group, ["fail"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.strip() == line
    told = CliRunner().invoke(group, ["fail", "--debug"])
    assert told.exit_code == code
    assert ("Traceback" in told.stderr) == bool(line)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_results_that_cannot_be_written() -> None:
    line, environment = [sys.executable, "-m", "hoodwink", "model", "list"], {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with open("/dev/full", "w") as full:
        done = subprocess.run(line, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: the output: no space left on device\n"


@pytest.mark.slow
def test_a_reader_that_leaves() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    for words in (["--help"], ["look", "--help"], ["model", "list"]):
        line = [sys.executable, "-m", "hoodwink", *words]
        with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as done:
            assert done.stdout is not None
            assert done.stderr is not None
            done.stdout.close()
            assert done.stderr.read() == b""
        assert done.returncode == 130
