from __future__ import annotations

import json
import sys

import pytest

from hoodwink.cli import doctor

from .conftest import Run


def test_what_is_installed_and_that_it_works(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOODWINK_OFFLINE", "1")
    monkeypatch.setattr(doctor, "EXTRAS", {"nothing": {"no-such-thing": "no_such_thing"}})  # torchvision may be broken on purpose
    result = run("doctor", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["works"]
    assert document["broken"] == []
    assert all(document["versions"][name]["fine"] for name in (*doctor.CORE, "packaged network", "Pillow's resampling"))
    assert document["optional"]["no-such-thing"] == {"says": "missing; type: pip install 'hoodwink[nothing]'", "fine": False}
    assert document["environment"]["HOODWINK_OFFLINE"]["says"] == "1"
    assert document["devices"]["cpu"]["fine"]


def test_a_broken_core_ends_with_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise RuntimeError("resized\notherwise")

    monkeypatch.setattr(doctor, "EXTRAS", {})
    monkeypatch.setattr(doctor, "_resample", fail)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = run("doctor")
    assert result.exit_code == 1
    assert "jinja2                            no  missing; type: pip install hoodwink" in result.stdout
    assert "RuntimeError: resized" in result.stdout
    assert result.stdout.splitlines()[-1] == "Broken: jinja2, Pillow's resampling"


def test_a_library_that_fails_when_it_is_imported_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("operator does not exist\nand more")

    monkeypatch.setattr(doctor, "import_module", fail)
    assert doctor._import("timm", "timm", "'hoodwink[timm]'") == doctor.Finding(
        "timm", "installed, but broken (operator does not exist); type: pip install --force-reinstall 'hoodwink[timm]'", False
    )
