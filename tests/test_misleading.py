from __future__ import annotations

import json
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hoodwink import misleading
from hoodwink.changing import FoolError
from hoodwink.evidence.misled import Misled
from hoodwink.evidence.searched import nearest
from hoodwink.evidence.verify import verify
from hoodwink.misleading import fool_search, fool_search_into
from hoodwink.models.embed import as_embedder
from hoodwink.models.model import Model
from hoodwink.pictures.levels import distances
from hoodwink.pictures.read import picture_from_array, read_picture
from hoodwink.runs import Run
from hoodwink.search.storage import SearchError
from hoodwink.search.store import open_store
from small_stores import embedder, fill, paint

K = 5


@pytest.fixture(scope="module")
def model() -> Model:
    return embedder()


@pytest.fixture(scope="module")
def store(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("search"), model)


def picture(store: Path, number: int) -> Path:
    return store.parent / "pictures" / f"{number:02d}.png"


def mislead(store: Path, model: Model, source: Any = 0, other: Any = 1, **options: Any) -> Misled:
    source, other = (picture(store, one) if isinstance(one, int) else one for one in (source, other))
    return fool_search(source, other, store=store, model=model, **{"k": K, "share": 0.8, "steps": 60, **options})


def by_hand(path: Path, store: Path, model: Model) -> list[str]:
    """The K pictures nearest to a file, from the embeddings alone: the bare network, one cosine for each picture of the store."""
    found = as_embedder(model).model

    def embed(file: str | Path) -> Any:
        vector = found.outputs(found.encode(read_picture(file)))[0].numpy().astype(np.float64)
        return vector / np.linalg.norm(vector)

    with closing(open_store(store)) as kept:
        files = sorted(kept.known())
    return sorted(files, key=lambda file: -float(embed(path) @ embed(file)))[:K]


@pytest.mark.parametrize(("source", "other"), [(0, 1), (3, 12), (8, 5)])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_file_is_answered_as_the_other(store: Path, model: Model, tmp_path: Path, source: int, other: int, norm: str) -> None:
    result = mislead(store, model, source, other, norm=norm)
    folder = result.save(tmp_path / "run")
    answers, wanted = by_hand(folder / "fooled.png", store, model), by_hand(picture(store, other), store, model)
    assert result.fooled and result.stall is None
    assert answers[0] == wanted[0] == str(picture(store, other))
    assert len({*answers} & {*wanted}) >= 4 and result.shared >= 4
    assert answers == [one.path for one in result.after.answers]
    assert result.distances == distances(read_picture(picture(store, source)).levels, result.picture)
    assert (result.l2, result.linf) == (result.distances.l2, result.distances.linf) and 0 < result.gradients <= 60
    assert result.cosines[1] > result.cosines[0]


def test_what_is_claimed_is_verified_from_the_files(store: Path, model: Model, tmp_path: Path) -> None:
    folder = mislead(store, model).save(tmp_path / "run")
    assert verify(folder, model=model).holds
    assert {check.kind for check in verify(folder, model=model).checks} == {"search", "picture"}
    (folder / "fooled.png").write_bytes((folder / "original.png").read_bytes())
    checks = verify(folder, model=model).checks
    assert [check.status for check in checks] == ["does not hold", "does not hold"]


def test_claimed_answers_that_it_does_not_share_do_not_hold(store: Path, model: Model, tmp_path: Path) -> None:
    folder = mislead(store, model).save(tmp_path / "run")
    record = json.loads((folder / "run.json").read_bytes())
    record["claims"][0]["values"]["other"]["shared"] = K + 1
    (folder / "run.json").write_text(json.dumps(record))
    check = next(check for check in verify(folder, model=model).checks if check.kind == "search")
    assert check.status == "does not hold" and "6 were claimed to be answers to other.png too" in check.why


def test_a_store_that_is_gone_leaves_nothing_to_check(model: Model, tmp_path: Path) -> None:
    own = fill(tmp_path / "own", model, 8)
    folder = mislead(own, model).save(tmp_path / "run")
    own.rename(tmp_path / "moved")
    assert {check.kind: check.status for check in verify(folder, model=model).checks}["search"] == "cannot be checked"


def test_history_rises_and_then_shrinks(store: Path, model: Model) -> None:
    watched: list[Any] = []
    result = mislead(store, model, watch=watched.append)
    climbed = [step.objective for step in result.history if step.phase == "climb"]
    shrunk = [step.distance for step in result.history if step.phase == "shrink"]
    assert climbed == sorted(climbed) and shrunk == sorted(shrunk, reverse=True) and shrunk[-1] == pytest.approx(result.l2)
    assert [step.gradients for step in watched] == sorted({step.gradients for step in watched})
    assert all(one.objective <= two.objective for one, two in pairwise(climb for climb in result.history if climb.phase == "climb"))


def test_neither_picture_needs_to_be_in_the_store(store: Path, model: Model) -> None:
    result = mislead(store, model, paint(100), picture_from_array(paint(101)))
    wanted = nearest(paint(101), store, model=model, k=K)
    assert result.fooled and result.after.answers[0].path == wanted.answers[0].path


def test_inside_a_ball_it_leads_as_far_as_it_can(store: Path, model: Model) -> None:
    small, large = (mislead(store, model, norm="linf", eps=eps / 255, steps=30) for eps in (2, 30))
    assert small.linf <= 2 and not small.fooled and small.stall is not None
    assert large.linf <= 30 and large.fooled and large.history[-1].objective > small.history[-1].objective


def test_nothing_changes_outside_the_mask(store: Path, model: Model) -> None:
    allowed = np.zeros((30, 40), dtype=bool)
    allowed[:, 15:25] = True
    result = mislead(store, model, mask=allowed)
    changed = (result.picture != result.original).any(2)
    assert changed.any() and not changed[~allowed].any()


def test_pictures_from_further_away_are_found_when_the_file_is_judged(
    store: Path, model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With few pictures looked at around each, others come between; they are taken in, and the search goes on."""
    monkeypatch.setattr(misleading, "RIVALS", 2)
    rounds: list[int] = []
    search = misleading.search
    monkeypatch.setattr(misleading, "search", lambda *asked, **more: rounds.append(1) or search(*asked, **more))
    result = mislead(store, model, 8, 5, steps=400)
    assert len(rounds) > 1 and result.fooled and result.gradients <= 400
    assert by_hand(result.save(tmp_path / "run") / "fooled.png", store, model)[0] == str(picture(store, 5))


def test_the_same_seed_gives_the_same_bytes(store: Path, model: Model) -> None:
    assert np.array_equal(mislead(store, model, steps=30).picture, mislead(store, model, steps=30).picture)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"other": 0}, "already answers this picture as it answers the other"),
        ({"share": 0.0}, "share must lie above 0 and be at most 1"),
        ({"share": 1.5}, "share must lie above 0 and be at most 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"norm": "l3"}, "norm must be one of"),
        ({"mask": np.zeros((30, 40), bool)}, "the mask is black everywhere"),
    ],
)
def test_what_makes_no_sense_is_said(store: Path, model: Model, options: dict[str, Any], message: str) -> None:
    with pytest.raises(FoolError, match=message):
        mislead(store, model, **options)


def test_a_store_of_one_picture_cannot_be_fooled(model: Model, tmp_path: Path) -> None:
    own = fill(tmp_path / "own", model, 1)
    with pytest.raises(FoolError, match="two pictures at least were wanted, this store has 1"):
        mislead(own, model, paint(5), 0)


def test_a_store_of_other_weights_is_refused(model: Model, tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "store", model="other", weights_sha256="ab" * 32, dimension=12)):
        pass
    with pytest.raises(SearchError, match="were wanted"):
        mislead(tmp_path / "store", model, paint(0), paint(1))


def test_the_run_folder_opens_with_the_record_and_ends_with_the_manifest(store: Path, model: Model, tmp_path: Path) -> None:
    result = fool_search_into(
        tmp_path / "run", picture(store, 0), picture(store, 1), store=store, model=model, k=K, share=0.8, steps=60, arguments=("search",)
    )
    run = Run.open(tmp_path / "run")
    assert run.finished and not run.check() and result.fooled
    names = {"fooled.png", "original.png", "other.png", "difference.png", "report.html", "run.json", "events.jsonl", "manifest.json"}
    assert {path.name for path in run.directory.iterdir()} == names | {f"answers-{side}.png" for side in ("original", "fooled", "other")}
    assert run.record["command"] == "search fool" and run.record["arguments"] == ["search"]
    assert run.record["result"]["after"]["sha256"] == read_picture(run.directory / "fooled.png").sha256
    assert (run.directory / "other.png").read_bytes() == picture(store, 1).read_bytes()
    report = (run.directory / "report.html").read_text()
    assert "00.png</span> is answered as" in report and report.count('class="wanted"') >= K + 4


def test_a_failure_keeps_its_best_picture_and_claims_nothing(store: Path, model: Model, tmp_path: Path) -> None:
    result = mislead(store, model, steps=1)
    folder = result.save(tmp_path / "run")
    assert not result.fooled and result.stall == "the budget is spent"
    assert (folder / "not-fooled.png").exists() and Run.open(folder).record["claims"] == []
    assert "Not fooled" in (folder / "report.html").read_text() and "not fooled" in result._repr_html_()
