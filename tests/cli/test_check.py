from __future__ import annotations

import json
from pathlib import Path

import pytest

from hoodwink.scratch import layers

from .conftest import Run

RIGHT = Path(layers.__file__).read_text()


def test_a_right_file(run: Run) -> None:
    Path("mine.py").write_text(RIGHT)
    result = run("check", "mine.py")
    assert result.exit_code == 0, result.stderr
    assert "mine.py  6 right" in result.stdout
    assert result.stdout.count("right") == 7


def test_a_wrong_file_ends_with_1_and_says_how_and_where(run: Run) -> None:
    Path("mine.py").write_text(RIGHT.replace("x.T @ grad", "grad.T @ x").replace("grad * cache", "grad * ceche"))
    result = run("check", "mine.py")
    assert result.exit_code == 1
    assert "4 right, 2 wrong" in result.stdout
    assert "dw is transposed" in result.stdout
    assert (
        f"raises NameError: name 'ceche' is not defined (line {1 + RIGHT.split(chr(10)).index('    return grad * cache')})" in result.stdout
    )


def test_one_document_even_if_the_file_prints(run: Run) -> None:
    Path("mine.py").write_text(RIGHT.replace("    x, w = cache\n", "    x, w = cache\n    print(x.shape)\n") + "print('loading')\n")
    result = run("check", "mine.py", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["right"] is True
    assert document["findings"][1] == {"function": "fc_backward", "verdict": "right", "says": "", "line": None}
    assert "loading" in result.stderr


def test_a_file_to_begin_with(run: Run) -> None:
    assert run("check", "--write", "my_layers.py").exit_code == 0
    compile(Path("my_layers.py").read_text(), "my_layers.py", "exec")
    result = run("check", "my_layers.py")
    assert result.exit_code == 0, result.stderr
    assert "1 right, 5 missing" in result.stdout
    refused = run("check", "--write", "my_layers.py")
    assert refused.exit_code == 2
    assert "is there already" in refused.stderr
    assert run("check", "--write", "other.py", "--json").stdout == json.dumps({"file": "other.py", "written": True}, indent=2) + "\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [(None, "cannot be read"), ("1 +", "SyntaxError"), ("a = 1", "nothing to check"), ("raise SystemExit(0)", "SystemExit: 0 (line 1)")],
)
def test_nothing_to_judge(run: Run, source: str | None, says: str) -> None:
    if source is not None:
        Path("mine.py").write_text(source)
    result = run("check", "mine.py")
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.startswith("error: mine.py: ")
    assert len(result.stderr.splitlines()) == 1
