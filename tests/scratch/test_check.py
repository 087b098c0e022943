"""A right file with one line made wrong at a time; each fault must be named by the right words."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hoodwink.scratch import layers
from hoodwink.scratch.check import FUNCTIONS, CheckError, Finding, check

RIGHT = """
import numpy as np

def fc_forward(x, w, b):
    return x @ w + b, (x, w, b)

def fc_backward(grad, cache):
    x, w, b = cache
    dx = grad @ w.T
    dw = x.T @ grad
    db = grad.sum(0)
    return dx, dw, db

def relu_forward(x):
    out = np.maximum(x, 0)
    return out, x

def relu_backward(grad, cache):
    return grad * (cache > 0)

def softmax_loss(scores, labels):
    n = len(scores)
    scores = scores - scores.max(1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    loss = -logs[np.arange(n), labels].mean()
    grad = np.exp(logs)
    grad[np.arange(n), labels] -= 1
    return loss, grad / n

def l2_loss(out, wanted):
    n = len(out)
    difference = out - wanted
    return (difference ** 2).sum() / n, 2 * difference / n
"""
SHIFT = "    scores = scores - scores.max(1, keepdims=True)\n"

# What is replaced, by what, and for each function that is not right then: the verdict and words that must be said.
FAULTS: list[tuple[str, str, dict[str, tuple[str, str]]]] = [
    ("x @ w + b, (", "x @ w, (", {"fc_forward": ("wrong", "out lacks the bias b")}),
    ("x @ w + b, (", "x @ w - b, (", {"fc_forward": ("wrong", "has the bias b subtracted")}),
    ("x @ w + b, (", "(x @ w + b).T, (", {"fc_forward": ("wrong", "out is transposed: it has shape (3, 7), wanted is (7, 3)")}),
    ("x @ w + b, (", "np.tanh(x @ w + b), (", {"fc_forward": ("wrong", "out is wrong; most at [")}),
    (
        "return x @ w + b, (x, w, b)",
        "return x @ w + b",
        {"fc_forward": ("wrong", "must return 2 values"), "fc_backward": ("untried", "is wrong")},
    ),
    ("grad @ w.T", "(grad @ w.T).T", {"fc_backward": ("wrong", "dx is transposed")}),
    ("x.T @ grad", "grad.T @ x", {"fc_backward": ("wrong", "dw is transposed: it has shape (3, 5), wanted is (5, 3)")}),
    ("x.T @ grad", "x.T @ grad / len(x)", {"fc_backward": ("wrong", "dw is N times too small: it is divided by N once too often")}),
    ("x.T @ grad", "-x.T @ grad", {"fc_backward": ("wrong", "dw has the wrong sign")}),
    ("x.T @ grad", "-2 * x.T @ grad", {"fc_backward": ("wrong", "dw has the wrong sign, and is twice as large")}),
    ("db = grad.sum(0)", "db = grad", {"fc_backward": ("wrong", "db must be summed over the rows: it has shape (7, 3), wanted is (3,)")}),
    ("grad.sum(0)", "grad.mean(0)", {"fc_backward": ("wrong", "db is N times too small")}),
    ("grad.sum(0)", "grad.sum(0, keepdims=True)", {"fc_backward": ("wrong", "db has shape (1, 3), wanted is (3,)")}),
    ("grad.sum(0)", "grad.sum()", {"fc_backward": ("wrong", "db has shape (), wanted is (3,)")}),
    ("return dx, dw, db", "return dw, dx, db", {"fc_backward": ("wrong", "dx, dw, db are wanted in this order")}),
    ("return dx, dw, db", "return dx, dw", {"fc_backward": ("wrong", "must return 3 values")}),
    ("return dx, dw, db", "w *= 2\n    return dx, dw, db", {"fc_backward": ("wrong", "changes its input w in place")}),
    ("return dx, dw, db", "grad *= 2\n    return dx, dw, db", {"fc_backward": ("wrong", "changes its input grad in place")}),
    ("return dx, dw, db", "return dx, 'dw', db", {"fc_backward": ("wrong", "dw must be an array of numbers, it is str")}),
    ("np.maximum(x, 0)", "np.clip(x, 0, 6)", {"relu_forward": ("wrong", "has an upper clip at 6: relu has none")}),
    ("np.maximum(x, 0)", "np.maximum(x, 0.01 * x)", {"relu_forward": ("wrong", "lets values below 0 through, times 0.01")}),
    ("np.maximum(x, 0)", "abs(x)", {"relu_forward": ("wrong", "is |x|")}),
    ("np.maximum(x, 0)", "1 * x", {"relu_forward": ("wrong", "is x itself")}),
    ("np.maximum(x, 0)", "np.minimum(x, 0)", {"relu_forward": ("wrong", "out is wrong")}),
    ("np.maximum(x, 0)", "-np.maximum(x, 0)", {"relu_forward": ("wrong", "out has the wrong sign")}),
    (
        "out = np.maximum(x, 0)",
        "x[x < 0] = 0\n    out = x",
        {"relu_forward": ("wrong", "changes its input x in place"), "relu_backward": ("untried", "cache of relu_forward, which is wrong")},
    ),
    ("grad * (cache > 0)", "grad * ((cache > 0) & (cache < 6))", {"relu_backward": ("wrong", "an upper clip, and relu has none")}),
    ("grad * (cache > 0)", "grad * (grad > 0)", {"relu_backward": ("wrong", "is 0 where the gradient is below 0")}),
    ("grad * (cache > 0)", "grad * ((grad > 0) & (cache > 0))", {"relu_backward": ("wrong", "x alone decides")}),
    ("grad * (cache > 0)", "(cache > 0) * 1.0", {"relu_backward": ("wrong", "is 1 and 0")}),
    ("grad * (cache > 0)", "grad", {"relu_backward": ("wrong", "is the gradient itself")}),
    ("grad * (cache > 0)", "grad * (cache < 0)", {"relu_backward": ("wrong", "it must be so where x is above 0")}),
    ("grad * (cache > 0)", "-grad * (cache > 0)", {"relu_backward": ("wrong", "dx has the wrong sign")}),
    ("grad * (cache > 0)", "(grad * (cache > 0)).ravel()", {"relu_backward": ("wrong", "dx has shape (35,), wanted is (7, 5)")}),
    ("labels].mean()", "labels].sum()", {"softmax_loss": ("wrong", "loss is N times too large: 1/N is missing (divide by N)")}),
    (
        "labels].mean()",
        "labels]",
        {"softmax_loss": ("wrong", "loss must be the mean over the rows: it has shape (7,), wanted is a number")},
    ),
    ("loss = -logs", "loss = logs", {"softmax_loss": ("wrong", "loss has the wrong sign")}),
    ("return loss, grad / n", "return loss, grad", {"softmax_loss": ("wrong", "dscores is N times too large: 1/N is missing")}),
    ("return loss, grad / n", "return loss, -grad / n", {"softmax_loss": ("wrong", "dscores has the wrong sign")}),
    ("return loss, grad / n", "return loss, grad / n**2", {"softmax_loss": ("wrong", "divided by N once too often")}),
    ("    grad[np.arange(n), labels] -= 1\n", "", {"softmax_loss": ("wrong", "lacks the 1 taken off at the right class")}),
    ("return loss, grad / n", "return loss, (grad / n).T", {"softmax_loss": ("wrong", "dscores is transposed")}),
    ("return loss, grad / n", "return loss", {"softmax_loss": ("wrong", "must return 2 values")}),
    (SHIFT, "", {"softmax_loss": ("wrong", "is not finite on scores of 1e4: subtract each row's largest score")}),
    (SHIFT, "    scores = scores - scores.max()\n", {"softmax_loss": ("wrong", "is not finite on scores of 1e4")}),
    ("loss = -logs[", "loss = -np.log(np.exp(logs) + 1e-12)[", {"softmax_loss": ("wrong", "loss is wrong on scores of 1e4")}),
    (SHIFT, "    scores -= scores.max(1, keepdims=True)\n", {"softmax_loss": ("wrong", "changes its input scores in place")}),
    ("2 * difference / n", "difference / n", {"l2_loss": ("wrong", "dout is half as large: the factor 2 is missing")}),
    (".sum() / n, 2", ".sum() / n / 2, 2", {"l2_loss": ("wrong", "loss is half as large: the factor 2 is missing")}),
    (".sum() / n, 2", ".sum(), 2", {"l2_loss": ("wrong", "loss is N times too large: 1/N is missing")}),
    (".sum() / n, 2", ".mean(), 2", {"l2_loss": ("wrong", "loss is K times too small: it is divided by K once too often")}),
    ("2 * difference / n", "-2 * difference / n", {"l2_loss": ("wrong", "dout has the wrong sign")}),
    ("2 * difference / n", "2 * difference", {"l2_loss": ("wrong", "dout is N times too large")}),
    ("(difference ** 2).sum() / n", "np.sqrt((difference ** 2).sum() / n)", {"l2_loss": ("wrong", "the square root must go")}),
    ("n = len(out)", "n = 7", {"l2_loss": ("wrong", "for a batch of one, loss is ")}),
    ("n = len(out)", "return None, None", {"l2_loss": ("missing", "returns nothing yet")}),
    ("n = len(out)", "return None", {"l2_loss": ("missing", "returns nothing yet")}),
    ("n = len(out)", "raise NotImplementedError", {"l2_loss": ("missing", "not written yet")}),
    ("n = len(out)", "n = out.length", {"l2_loss": ("wrong", "raises AttributeError: 'numpy.ndarray' object has no attribute 'length'")}),
    ("n = len(out)", "exit(3)", {"l2_loss": ("wrong", "raises SystemExit: 3")}),
    ("def l2_loss(out, wanted)", "def l2_loss(out)", {"l2_loss": ("wrong", "l2_loss(out, wanted) -> (loss, dout) is wanted")}),
    ("def l2_loss(", "def another(", {"l2_loss": ("missing", "there is no l2_loss(out, wanted)")}),
    ("def l2_loss(", "l2_loss = 3\ndef another(", {"l2_loss": ("wrong", "is no function")}),
    ("def fc_forward(", "def another(", {"fc_forward": ("missing", "there is no"), "fc_backward": ("untried", "which is missing")}),
]


def write(folder: Path, old: str = "", new: str = "") -> Path:
    assert RIGHT.count(old) == 1 or not old
    path = folder / "my_layers.py"
    path.write_text(RIGHT.replace(old, new) if old else RIGHT)
    return path


def test_a_right_file_and_our_own_layers_pass(tmp_path: Path) -> None:
    wanted = [Finding(name, "right") for name in FUNCTIONS]
    assert check(write(tmp_path)) == wanted
    assert check(str(tmp_path / "my_layers.py")) == wanted
    assert check(layers) == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["my_layers.py"]


@pytest.mark.parametrize(("old", "new", "said"), FAULTS, ids=[f"{old} -> {new}".replace("\n", " ") for old, new, _ in FAULTS])
def test_a_fault_is_named_and_the_rest_is_right(tmp_path: Path, old: str, new: str, said: dict[str, tuple[str, str]]) -> None:
    findings = check(write(tmp_path, old, new))
    for name in FUNCTIONS:
        own = [one for one in findings if one.function == name]
        if name not in said:
            assert own == [Finding(name, "right")]
            continue
        verdict, words = said[name]
        assert {one.verdict for one in own} == {verdict}
        assert any(words in one.says for one in own), own


def test_each_wrong_output_is_a_finding(tmp_path: Path) -> None:
    findings = check(write(tmp_path, "return dx, dw, db", "return -dx, dw / len(x), 2 * db"))
    assert [one.says.split()[0] for one in findings if one.function == "fc_backward"] == ["dx", "dw", "db"]


def test_an_exception_has_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "x.T @ grad", "x @ grad")
    (found,) = (one for one in check(path) if one.function == "fc_backward")
    assert found.says.startswith("raises ValueError: matmul")
    assert found.line == 1 + RIGHT.split("\n").index("    dw = x.T @ grad")


def test_both_unwritten(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text("def relu_forward(x):\n    raise NotImplementedError\ndef relu_backward(grad, cache):\n    raise NotImplementedError\n")
    found = {one.function: one.verdict for one in check(path)}
    assert set(found.values()) == {"missing"}


def test_float32_lists_and_a_file_beside_it_will_do(tmp_path: Path) -> None:
    (tmp_path / "helper_beside.py").write_text("def half(x):\n    return x.astype('float32')\n")
    path = write(tmp_path)
    path.write_text("from helper_beside import half\n" + RIGHT.replace("return dx, dw, db", "return [half(dx), half(dw), db.tolist()]"))
    assert {one.verdict for one in check(path)} == {"right"}


def test_a_dataclass_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text("from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    b: int\n" + RIGHT)
    assert {one.verdict for one in check(path)} == {"right"}


def test_a_module_in_hand() -> None:
    module = ModuleType("mine")
    assert {one.verdict for one in check(module)} == {"missing"}
    module.relu_forward = lambda x: (np.maximum(x, 0), x)  # type: ignore[attr-defined]
    assert [one.function for one in check(module) if one.verdict == "right"] == ["relu_forward"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(:\n", "SyntaxError: "),
        ("x = 1\nimport there_is_no_such_module\n", "ModuleNotFoundError: No module named 'there_is_no_such_module' (line 2)"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3 (line 2)"),
        ("\x00", "cannot be run"),
    ],
)
def test_a_file_that_cannot_be_run(tmp_path: Path, source: str, says: str) -> None:
    path = tmp_path / "my_layers.py"
    path.write_text(source)
    with pytest.raises(CheckError) as caught:
        check(path)
    assert str(caught.value).startswith(f"{path}: cannot be run: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.py", tmp_path):
        with pytest.raises(CheckError, match="cannot be read"):
            check(path)
