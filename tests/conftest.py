"""What several tests share."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # one process for each core: several threads in each would be in each other's way
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch


@pytest.fixture(scope="session")
def torchvision_operators() -> torch.library.Library | None:
    """Make torchvision importable beside a torch of another build, by declaring the two operators that it registers on import."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches out
    try:
        importlib.import_module("torchvision")
    except ImportError:
        pytest.skip("torchvision is not installed (pip install 'hoodwink[torchvision]')")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        operators = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")  # type: ignore[no-untyped-call]
        importlib.import_module("torchvision")
        return operators  # kept for the session: they go when it goes
    return None
