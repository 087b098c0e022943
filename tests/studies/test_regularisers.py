from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hoodwink.data.resident import Resident
from hoodwink.studies.desk import Desk
from hoodwink.studies.regularisers import Way, scale, taught, ways


def desk(tmp_path: Path) -> Desk:
    return Desk("made", {"hidden": (8,), "rate": 0.01, "batch": 16, "iterations": 60, "looks": 3}, 0, tmp_path)


def made() -> Resident:
    generator = torch.Generator().manual_seed(0)
    return Resident(
        torch.randint(0, 256, (64, 1, 4, 4), generator=generator, dtype=torch.uint8), torch.randint(0, 10, (64,), generator=generator)
    )


@pytest.mark.parametrize(("kind", "low", "high"), [("[0, 1]", 0.0, 1.0), ("[-1, 1]", -1.0, 1.0)])
def test_inputs_lie_where_their_name_says(kind: str, low: float, high: float) -> None:
    mean, std = scale(kind, made().pictures)
    assert ((0 - mean[0]) / std[0], (1 - mean[0]) / std[0]) == (low, high)


def test_standardised_inputs_have_mean_0_and_deviation_1() -> None:
    pictures = made().pictures
    mean, std = scale("standardised", pictures)
    x = (pictures.float() / 255 - mean[0]) / std[0]
    assert abs(float(x.mean())) < 1e-6 and abs(float(x.std()) - 1) < 1e-4


def test_penalties_and_decay_shrink_the_weights(tmp_path: Path) -> None:
    data = made()

    def size(way: Way) -> float:
        network, training, answers = taught(way, desk(tmp_path), data, data, 0)
        assert len(training) == len(answers) == 3 and torch.allclose(answers[0].sum(1), torch.ones(64))
        return sum(float(value.detach().square().sum()) for value in network.parameters() if value.dim() > 1)

    plain = size(Way())
    assert all(size(way) < 0.9 * plain for way in (Way(l1=0.01), Way(l2=0.1), Way(decay=5.0)))


def test_ways_differ_by_one_thing_each() -> None:
    digits, objects = ways(False), ways(True)
    assert len(digits) == len(objects) == 12 and not any(way.augmentation.flip for way in digits.values())
    assert objects["shift, flip"].augmentation.flip
