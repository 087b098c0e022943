"""What the tests of the evidence share: a tiny network, a finished run folder, and a headless browser."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hoodwink.evidence.judge import judge
from hoodwink.models.load import wrap
from hoodwink.models.model import Model
from hoodwink.pictures.draw import difference
from hoodwink.pictures.levels import distances
from hoodwink.pictures.write import encode_png
from hoodwink.runs import Run

Levels = np.ndarray[Any, np.dtype[np.uint8]]


def tiny_model(names: tuple[str, ...] = ("red", "green", "blue"), seed: int = 0) -> Model:
    """A linear network of 8 x 8 pixels that names the strongest colour: each logit is 40 times a channel's mean, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    linear = torch.nn.Linear(3 * 64, 3)
    with torch.no_grad():
        weights = 40 / 64 * torch.eye(3).repeat_interleave(64, dim=1)
        linear.weight.copy_(weights + 0.01 * torch.randn(3, 192, generator=generator))
        linear.bias.zero_()
    network = torch.nn.Sequential(torch.nn.Flatten(), linear)
    return wrap(network, mean=0.0, std=1.0, classes=names, size=8, synonyms={names[0]: ("crimson",)}, name="tiny")


@pytest.fixture(scope="session")
def tiny() -> Model:
    return tiny_model()


@pytest.fixture(scope="session")
def colours() -> Callable[..., Levels]:
    """Make a picture of nearly one colour."""

    def paint(red: int, green: int, blue: int, height: int = 12, width: int = 16) -> Levels:
        noise = np.random.default_rng(height * width).integers(-8, 9, (height, width, 3))
        return np.clip(np.array([red, green, blue]) + noise, 0, 255).astype(np.uint8)

    return paint


@pytest.fixture
def make_run(tiny: Model, colours: Callable[..., Levels]) -> Callable[..., Path]:
    """Write a finished run folder of a red picture that the tiny network takes for green; keywords replace values of its claim."""

    def make(directory: Path, *, fooled: bool = True, finish: bool = True, before: Levels | None = None, **values: Any) -> Path:
        first = colours(150, 130, 100) if before is None else before
        second = first.astype(np.int16) + ((-12, 30, 0) if fooled else (1, -1, 1))
        return write_run(directory, tiny, first, np.clip(second, 0, 255).astype(np.uint8), fooled=fooled, finish=finish, **values)

    return make


def write_run(directory: Path, model: Model, before: Levels, after: Levels, *, fooled: bool, finish: bool, **values: Any) -> Path:
    first, verdict, moved = judge(before, model), judge(after, model), distances(before, after)
    claim = {"sha256": verdict.sha256, "original": "original.png", "target": "green", "not": None, "confidence": 0.9, "label": "green"}
    claim |= {"probability": verdict.confidence("green"), "at_model_size": False, "eps": None, "norm": "l2"}
    claim |= {key: getattr(moved, key) for key in ("l2", "linf", "l1", "l0")} | values
    history = [{"phase": "climb", "gradients": i, "objective": -6.0 + 2.2 * i, "distance": 0.3 * i} for i in range(5)]
    history += [{"phase": "shrink", "gradients": 4 + i, "objective": 2.3, "distance": 1.2 - 0.1 * i} for i in range(1, 5)] if fooled else []
    record = {
        "hoodwink": "0.1.0",
        "command": "fool",
        "arguments": ["fool", "red.png", "--as", "green"],
        "settings": {"target": "green", "confidence": 0.9, "eps": None, "norm": "l2", "steps": 300, "seed": 0, "at_model_size": False},
        "versions": {"hoodwink": "0.1.0", "torch": str(torch.__version__)},
        "device": "cpu",
        "threads": 1,
        "models": [
            {"spec": None, "options": {}, "name": "tiny", "weights_sha256": model.card.weights_sha256, "card": model.card.to_json()}
        ],
        "inputs": [{"file": "/somewhere/red.png", "sha256": "0" * 64}],
        "claims": [{"kind": "picture", "file": "fooled.png", "model": 0, "values": claim}] if fooled else [],
        "result": {
            "fooled": fooled,
            "stall": None if fooled else "the budget is spent",
            "gradients": 9,
            "forwards": 20,
            "seconds": 1.5,
            "history": history,
            "before": [first.to_json() | {"file": "original.png"}],
            "after": [verdict.to_json() | {"file": "fooled.png"}],
            "distances": moved.to_json(),
        },
    }
    run = Run.create(directory, record)
    for name, levels in (("original.png", before), ("fooled.png", after), ("difference.png", difference(before, after))):
        run.write(name, encode_png(levels))
    if finish:
        run.finish()
    return directory


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    if not hasattr(os, "posix_spawn"):
        pytest.skip("no browser: this system cannot hand it a debugging pipe")
    page = Browser(program, tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-dev-shm-usage --remote-debugging-pipe"
)


class Browser:
    """One page of a headless Chromium over its debugging pipe; `events` holds what the browser reported unasked."""

    def __init__(self, program: str, profile: Path) -> None:
        (theirs_in, ours_out), (ours_in, theirs_out) = _pipe(), _pipe()
        actions: list[Any] = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4)]
        actions += [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        command = [program, *FLAGS.split(), f"--user-data-dir={profile}", "about:blank"]
        self.pid = os.posix_spawn(program, command, os.environ, file_actions=actions, setpgroup=0)
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.into, self.rest, self.count, self.session, self.scripts = ours_out, ours_in, b"", 0, "", True
        self.events: list[dict[str, Any]] = []
        try:
            target = next(one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
            self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def call(self, method: str, **parameters: Any) -> Any:
        """Send one command and return its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters, **({"sessionId": self.session} if self.session else {})}
        os.write(self.out, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda one: one.get("id") == self.count)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def open(
        self, path: Path, *, width: int = 1200, height: int = 900, scripts: bool = True, dark: bool = False, phone: bool = False
    ) -> None:
        """Open a file and wait until it and its pictures have loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.scripts = scripts
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait("Page.loadEventFired")
        self.settle()

    def wait(self, method: str, **parameters: Any) -> None:
        """Wait for an event with these parameters, unless it has come since the page was opened."""

        def wanted(one: dict[str, Any]) -> bool:
            return one.get("method") == method and parameters.items() <= one["params"].items()

        if not any(map(wanted, self.events)):
            self._until(wanted)

    def settle(self) -> None:
        """Wait for two frames, so that what was asked for has been drawn."""
        if not self.scripts:  # then no promise is ever kept
            time.sleep(0.2)
            return
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))")

    def evaluate(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression; promises are awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def centre(self, selector: str) -> tuple[float, float]:
        """The middle of an element, scrolled into view, in CSS pixels."""
        return tuple(
            self.evaluate(
                f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'nearest'}}); "
                "const b = e.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2] })()"
            )
        )

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element."""
        x, y = self.centre(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def point(self, selector: str) -> None:
        """Move the mouse to the middle of an element."""
        x, y = self.centre(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def press(self, key: str, code: int = 0) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)
        self.settle()

    def picture(self, selector: str = "", *, whole: bool = False) -> bytes:
        """A screenshot as PNG: of an element, of the whole page, or of the window."""
        clip: dict[str, Any] = {}
        if selector:
            names = "x: b.left + scrollX, y: b.top + scrollY, width: b.width, height: b.height, scale: 1"
            clip["clip"] = self.evaluate(
                f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect(); return {{ {names} }} }})()"
            )
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole or bool(selector), **clip)["data"])

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, exceptions, and requests other than for the file itself and data: addresses."""
        found = []
        for event in self.events:
            method, about = event["method"], event.get("params", {})
            if method == "Log.entryAdded":
                found.append(f"log: {about['entry']['text']}")
            if method == "Runtime.consoleAPICalled":
                found.append(f"console: {about['args']}")
            if method == "Runtime.exceptionThrown":
                found.append(f"exception: {about['exceptionDetails']}")
            if (
                method == "Network.requestWillBeSent"
                and not about["request"]["url"].startswith("data:")
                and about.get("type") != "Document"
            ):
                found.append(f"request: {about['request']['url'][:200]}")
        return found

    def close(self) -> None:
        """End the browser and the processes it started."""
        self.session = ""
        with suppress(OSError, RuntimeError):
            self.call("Browser.close")
        for _ in range(100):
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                break
            time.sleep(0.05)
        else:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.out)
        os.close(self.into)

    def _until(self, wanted: Any) -> Any:
        deadline = time.monotonic() + 60
        while True:
            while b"\0" not in self.rest:
                if not select.select([self.into], [], [], max(0.0, deadline - time.monotonic()))[0]:
                    raise TimeoutError("the browser did not answer in 60 s")
                data = os.read(self.into, 1 << 20)
                if not data:
                    raise RuntimeError("the browser ended")
                self.rest += data
            line, _, self.rest = self.rest.partition(b"\0")
            message = json.loads(line)
            if "method" in message:
                self.events.append(message)
            if wanted(message):
                return message


def _pipe() -> tuple[int, int]:
    """A pipe whose ends have numbers from 10 on: 3 and 4 must be free for the browser's."""
    import fcntl  # not on every system, and without it the tests that need no browser still run

    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
