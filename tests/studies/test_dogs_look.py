from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hoodwink.data.resident import Resident
from hoodwink.studies.desk import Desk
from hoodwink.studies.dogs_look import DOGS_LOOK, look, repeats, run
from hoodwink.studies.record import StudyError


def some(count: int, seed: int) -> Resident:
    dice = torch.Generator().manual_seed(seed)
    return Resident(torch.randint(0, 256, (count, 3, 8, 8), generator=dice, dtype=torch.uint8), torch.arange(count) % 2)


def test_counts_colours_and_sizes() -> None:
    red = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    red[:, 0], red[1::2, 2] = 200, 100  # the second breed has blue in it, too
    found = look({"train": Resident(red, torch.arange(4) % 2), "test": some(5, 0)}, ("a", "b"))
    assert found["counts"] == {"train": [2, 2], "test": [3, 2]}
    assert found["colours"] == [[200, 0, 0], [200, 0, 100]]
    assert found["sizes"] == [(3, 8, 8)]


def test_pictures_that_there_are_twice_are_found_over_partitions() -> None:
    first, second = some(6, 1), some(6, 2)
    assert repeats({"train": first, "test": second}) == 0
    second.pictures[3] = first.pictures[5]
    first.pictures[0] = first.pictures[5]
    assert repeats({"train": first, "test": second}) == 2


def test_a_breed_that_there_is_not_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    settings = {**DOGS_LOOK.lines[0].resolved(True, {}), "breed": "poodle"}
    with pytest.raises(StudyError, match="breed: one of 0, 1, .* was wanted, not 'poodle'"):
        run(Desk("source", settings, 0, tmp_path))
    assert not list(tmp_path.iterdir())


def test_pictures_of_dogs_are_private() -> None:
    assert all(line.settings["data"] == "dogs" for line in DOGS_LOOK.lines)
