from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from hoodwink.models.load import PACKAGED, PREFIXES, ModelError, load_model, wrap
from hoodwink.models.weights import hash_weights


def test_a_packaged_name_goes_before_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / PACKAGED[0]).mkdir()
    assert load_model(PACKAGED[0]).card.name == PACKAGED[0]


def test_what_is_neither_a_name_nor_a_path_lists_the_ways_in(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"'efficientnet-lite1' is neither a name nor a path .*efficientnet-lite0.*python:, timm:, torchvision:"
    ) as caught:
        load_model("efficientnet-lite1")
    assert "\n" not in str(caught.value)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelError, match=r"notes.txt' is a file of an unknown kind; wanted is .*\.safetensors \.pth"):
        load_model(tmp_path / "notes.txt")


def test_a_device_that_is_absent_is_one_line() -> None:
    with pytest.raises(ModelError, match="device 'cuda:77' cannot be used"):
        load_model(PACKAGED[0], device="cuda:77")


def test_every_prefix_has_its_file() -> None:
    folder = Path(sys.modules[load_model.__module__].__file__ or "").parent / "formats"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert files == {*PREFIXES.values(), "packaged", "folder", "state_dict", "scratch"}


def test_loading_imports_no_optional_library() -> None:
    code = "import sys; import hoodwink.models.load; sys.exit(bool({'timm', 'torchvision', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_cards_and_classes_do_not_import_torch() -> None:
    code = "import sys; import hoodwink.models.card, hoodwink.models.classes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_wrap_makes_a_model_of_a_module_in_hand() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    one = wrap(network, mean=(0.1, 0.2, 0.3), std=1, classes=["cat", "dog"], size=2, licence="MIT")
    assert one.network is network
    assert one.card.name == "Sequential"
    assert one.card.licence == "MIT"
    assert one.card.weights_sha256 == hash_weights(network)
    assert one.find("dog") == 1
    assert one.device == torch.device("cpu")
