from __future__ import annotations

from pathlib import Path

import pytest

from hoodwink.training.recipe import RecipeError
from hoodwink.training.run import history, train

PARTS = {
    "scalars": {"training loss", "training accuracy", "validation loss", "validation accuracy", "test accuracy", "rate"},
    "images": {"training pictures", "loss by iteration"},
}


def test_what_tensorboard_is_shown(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train("digits-mlp", out=tmp_path / "run", epochs=2, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    tags = events.Tags()
    assert PARTS["scalars"] <= set(tags["scalars"]) and PARTS["images"] <= set(tags["images"]) and tags["graph"]
    assert not set(tags["scalars"]) & set(tags["images"]), "TensorBoard shows one thing for each tag"
    assert "recipe/text_summary" in tags["tensors"] and "final/test accuracy" in tags["scalars"]
    steps = [(one.step, round(one.value, 4)) for one in events.Scalars("training loss")]
    assert steps == [(36 * epoch.epoch, round(epoch.loss, 4)) for epoch in history(run)]
    assert events.Scalars("test accuracy")[-1].value == pytest.approx(run.record["result"]["last"]["test_accuracy"])


def test_without_tensorboard_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"no module named {name}")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(RecipeError, match=r"pip install 'hoodwink\[tensorboard\]'"):
        train("digits-mlp", out=tmp_path / "run", epochs=1, tensorboard=True)
