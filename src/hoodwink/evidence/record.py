"""What every run.json says first: the command, versions, device, networks and inputs."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import PIL
import torch

from hoodwink.models.model import Model


def first_record(command: str, settings: dict[str, Any], models: Sequence[Model], arguments: Sequence[str], seed: int) -> dict[str, Any]:
    """The beginning of a run's record, as JSON values; the run adds its inputs."""
    own = _version()
    return {
        "hoodwink": own,
        "command": command,
        "arguments": list(arguments),
        "settings": settings,
        "versions": {
            "hoodwink": own,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "pillow": PIL.__version__,
            "numpy": np.__version__,
        },
        "device": str(models[0].device) if models else "cpu",
        "threads": torch.get_num_threads(),
        "seed": seed,
        "models": [_model(model) for model in models],
    }


def _version() -> str:
    try:
        return version("hoodwink")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0+checkout"


def _model(model: Model) -> dict[str, Any]:
    card = model.card
    return {
        "spec": model.spec,
        "options": model.options,
        "name": card.name,
        "weights_sha256": card.weights_sha256,
        "card": card.to_json(brief=True),
    }
