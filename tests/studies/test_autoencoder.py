from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from hoodwink.models.load import load_model
from hoodwink.studies.autoencoder import AUTOENCODER, COMPONENTS, ERROR, between, components_error, error, run
from hoodwink.studies.desk import Desk
from hoodwink.studies.vae import AGREES, CODE, LAST, REACH, STEPS, last_batch, nats_by_number, walk
from hoodwink.studies.vae import VAE as VARIATIONAL
from hoodwink.studies.vae import run as run_vae
from hoodwink.training.run import train

SMALL = {"data": "digits", "side": 8, "epochs": 1, "batch": 200}


def test_components_are_those_of_scikit_learn() -> None:
    dice = torch.Generator().manual_seed(0)
    train_, test = (torch.rand(count, 1, 4, 4, generator=dice) for count in (80, 30))
    fitted = PCA(5).fit(train_.flatten(1).numpy())
    again = fitted.inverse_transform(fitted.transform(test.flatten(1).numpy()))
    assert components_error(train_, test, 5) == pytest.approx(float(np.square(again - test.flatten(1).numpy()).mean()), rel=1e-4)


def test_what_lies_between_begins_and_ends_with_the_pictures(tmp_path: Path) -> None:
    model = load_model(train("mnist-autoencoder", out=tmp_path / "run", code=6, **SMALL).directory)
    ends = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = between(model, ends, 5)
    assert found.shape == (2, 5, 8, 8, 1)
    assert np.abs(found[0, [0, -1], :, :, 0] / 255 - ends[:, 0].numpy()).max() < 0.003
    with torch.no_grad():
        made = model.outputs(ends)
    assert np.abs(found[1, [0, -1], :, :, 0] / 255 - made[:, 0].numpy()).max() < 0.003
    assert error(model, ends) == pytest.approx(float((made - ends).square().mean()), rel=1e-5)


def test_a_walk_passes_the_middle_of_one_number(tmp_path: Path) -> None:
    model = load_model(train("digits-vae", out=tmp_path / "run", **SMALL).directory)
    picture = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    held = nats_by_number(model, picture)
    assert held.shape == (8,) and bool((held >= 0).all())
    rows = walk(model, picture, torch.tensor([2, 5]))
    assert rows.shape == (2, STEPS, 8, 8, 1)
    with torch.no_grad():
        code = model.network.codes(picture)[0].clone()  # type: ignore[operator]
        code[5] = -REACH
        made = model.network.decode(code[None])  # type: ignore[operator]
    assert np.abs(rows[1, 0, :, :, 0] / 255 - made[0, 0].numpy()).max() < 0.003


def test_the_sources_last_batch_counts_the_divergence_half(tmp_path: Path) -> None:
    model = load_model(train("digits-vae", out=tmp_path / "run", **SMALL).directory)
    x = torch.rand(10, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    ratio = last_batch(model, x, 8)
    assert 0.5 < ratio < 1, "the cross-entropy counts whole, the divergence of 4 pictures is divided by 8"


def test_a_cell_of_each(tmp_path: Path) -> None:
    line = AUTOENCODER.lines[0]
    found = run(Desk(line.name, line.resolved(True, {"epochs": 1}), 0, tmp_path / "one"))
    assert 0 < found.values[COMPONENTS] < found.values[ERROR] < 1 and len(found.series["loss"]) == 1
    line = VARIATIONAL.lines[0]
    found = run_vae(Desk(line.name, line.resolved(True, {"hidden": 20}), 0, tmp_path / "two"))
    assert found.values[AGREES] < 1e-4 and found.values[CODE] == pytest.approx(sum(found.series["held"]), rel=1e-4)
    assert 0.5 < found.values[LAST] < 1
