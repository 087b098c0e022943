from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from hoodwink.networks.convnet import convnet
from hoodwink.studies import dogs_cnn, dogs_mlp
from hoodwink.studies.desk import Desk
from hoodwink.studies.dogs_cnn import DOGS_CNN, RECIPES, connections, ended, learn, stops
from hoodwink.studies.dogs_mlp import DOGS_MLP
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.record import Study


def test_connections_are_the_formulas_products() -> None:
    network = nn.Sequential(nn.Conv2d(4, 6, (3, 2), groups=2), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(7, 5))
    assert connections(network) == [("0 (Conv2d)", "6 x 2 x 3 x 2", 72), ("3 (Linear)", "5 x 7", 35)]
    biases = sum(value.numel() for name, value in convnet().named_parameters() if name.endswith("bias"))
    assert sum(count for _, _, count in connections(convnet())) == sum(p.numel() for p in convnet().parameters()) - biases


@pytest.mark.parametrize(("study", "wanted"), [(DOGS_CNN, 18_850), (DOGS_MLP, 1_581_696)])
def test_the_course_s_connections(study: Study, wanted: int) -> None:
    line = study.lines[0]
    recipe = (RECIPES["convnet"] if study is DOGS_CNN else dogs_mlp.MLP).changed(line.settings)
    assert sum(count for _, _, count in connections(dogs_cnn.build(recipe.network, recipe.arguments))) == wanted
    assert [mark.reference for mark in line.marks if mark.measure == "connections"] == [wanted]


def test_settings_reach_the_recipe() -> None:
    found = RECIPES["residual"].changed(DOGS_CNN.lines[1].settings)
    assert (found.network, found.split, found.augmentation.crop, found.augmentation.flip) == ("residual", "valid", 8, True)
    assert tuple(found.arguments["widths"]) == (32, 64, 128, 256) and found.patience == 0


def test_learning_stops_when_the_validation_loss_has_not_fallen_by_enough(tmp_path: Path) -> None:
    # With a demand that no epoch meets, the first epoch sets the mark and the three after it fail.
    settings = {**DOGS_MLP.lines[0].resolved(True, {}), "hidden": (4,), "epochs": 9, "least": 100.0}
    torch.manual_seed(0)
    found = learn(Desk("source", settings, 0, tmp_path), dogs_mlp.MLP)
    assert found.values["epochs run"] == 4 == len(found.series["validation loss"])
    answer = Answer(DOGS_MLP.lines[0], settings, (found,))
    assert stops(answer) == [True]
    assert "it ran 4 of 9 epochs (1 of 1 stopped because the validation loss fell by no more than 100" in ended("source", answer)


@pytest.mark.parametrize(
    ("patience", "epochs", "said"),
    [
        (3, (9.0, 9.0), "9, 9 of 9 epochs (it never happened that"),
        (3, (9.0, 5.0), "(1 of 2 stopped because"),
        (0, (9.0,), "9 of 9 epochs;"),
    ],
)
def test_how_it_ended_is_said_from_the_numbers(patience: int, epochs: tuple[float, ...], said: str) -> None:
    values = {"test accuracy": 0.5, "test accuracy, last epoch": 0.25}
    founds = tuple(Found({**values, "epochs run": one}) for one in epochs)
    text = ended("source", Answer(DOGS_CNN.lines[0], {"epochs": 9, "patience": patience, "least": 1e-4}, founds))
    assert said in text and "has 50.0 % of the test pictures right, the last 25.0 %" in text
