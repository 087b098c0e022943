from __future__ import annotations

import importlib
import sys

import pytest

from hoodwink.models.build import build, can_build, import_extra
from hoodwink.models.card import ModelError
from hoodwink.networks.table import NETWORKS
from rows import with_classes


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_of_the_table_are_built(name: str) -> None:
    assert can_build(name)
    assert sum(p.numel() for p in build(name, with_classes(NETWORKS[name], 5)).parameters()) > 0


def test_what_cannot_be_built_is_said() -> None:
    assert not can_build("python:mine:make")
    with pytest.raises(
        ModelError, match="no network 'resnet3b'; known are efficientnet-lite0, resnet2b, .*, letter-generator, .*, gan, timm:NAME"
    ):
        build("resnet3b", {})
    with pytest.raises(ModelError, match="cannot be built with the arguments {'colour': 3}"):
        build("resnet2b", {"colour": 3})
    with pytest.raises(ModelError, match="network 'vae' cannot be built with .*negative dimension -3"):
        build("vae", {"hidden": -3})
    with pytest.raises(ModelError, match="nothing is left of the picture"):
        build("convnet", {"layers": [[5, 5, 1, 0, 4], [5, 5, 1, 0, 4]]})


def test_an_absent_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ModelError, match=r"timm cannot be imported .*pip install 'hoodwink\[timm\]', and take torch and torchvision from one index"
    ):
        build("timm:resnet18", {})


@pytest.mark.parametrize("library", ["torchvision", "torchvision.models"])
def test_builds_that_do_not_match_name_the_extra(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ModelError, match=r"operator torchvision::nms does not exist\); type: pip install 'hoodwink\[torchvision\]'"):
        import_extra(library)


def test_other_failures_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        import_extra("timm")
