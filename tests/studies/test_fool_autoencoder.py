from __future__ import annotations

from pathlib import Path

import numpy as np

from hoodwink.evidence.judge import judge
from hoodwink.evidence.verify import verify
from hoodwink.models.load import load_model
from hoodwink.studies.desk import Desk
from hoodwink.studies.fool_autoencoder import CLEAN, FOOL_AUTOENCODER, FOOLED, RESTORED, STILL, THROUGH, TURNED, VERIFIED, run


def test_what_is_said_of_the_files_is_what_the_networks_say_of_them(tmp_path: Path) -> None:
    line = FOOL_AUTOENCODER.lines[0]
    desk = Desk(line.name, line.resolved(True, {}), 0, tmp_path / "source-0")
    found = run(desk)
    shares = [found.values[name] for name in (CLEAN, TURNED, STILL, FOOLED, RESTORED, THROUGH)]
    assert all(0 <= share <= 1 for share in shares)
    kept = sorted((desk.folder / "kept").iterdir())
    assert len(kept) == found.values[VERIFIED] > 0 and all(verify(folder).holds for folder in kept)
    classifier, joined = (load_model(path) for path in (tmp_path / "shared-0" / "classifier", desk.folder / "joined"))
    names = found.pictures["fooled names"]
    for levels, (_, by_classifier, by_both) in zip(found.pictures["fooled file"], names, strict=True):
        assert judge(levels, classifier).label_index == by_classifier and judge(levels, joined).label_index == by_both
    assert found.pictures["fooled made"].dtype == np.uint8
