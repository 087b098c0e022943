from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_nets
from hoodwink.evidence import search_claims
from hoodwink.evidence.checks import FAILS, HOLDS, UNKNOWN, Check
from hoodwink.evidence.claims import check_claim
from hoodwink.evidence.searched import Searched, absolute, card_sha256, claim_of, nearest, open_for_model, shared, side_of
from hoodwink.models.card import PictureInput
from hoodwink.models.embed import as_embedder
from hoodwink.models.model import Model
from hoodwink.pictures.read import PictureError, read_picture
from hoodwink.pictures.write import encode_png
from hoodwink.runs import RunError, sha256_file
from hoodwink.search.folder import embed_new, plan, settle
from hoodwink.search.storage import SearchError, Storage
from hoodwink.search.store import open_store

Judge = Callable[..., Check]


def draw(path: Path, levels: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.asarray(levels, np.uint8)))
    return path


def made(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3))


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_nets.colours()


@pytest.fixture(params=["", "lance:"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    kind: str = request.param
    if kind and find_spec("lancedb") is None:
        pytest.skip("lancedb is not installed (pip install 'hoodwink[lance]')")
    return f"{kind}{tmp_path / 'store'}"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed in range(12):
        draw(tmp_path / "photos" / f"{seed:02d}.png", made(seed))
    return tmp_path / "photos"


@pytest.fixture
def store(where: str, photos: Path, model: Model) -> Iterator[Storage]:
    embedder = as_embedder(model)
    asked: dict[str, Any] = {"weights_sha256": model.card.weights_sha256, "card_sha256": card_sha256(model.card)}
    with closing(open_store(where, model="colours", dimension=embedder.dimension, layer="", **asked)) as opened:
        index(opened, photos, model)
        yield opened


def index(store: Storage, photos: Path, model: Model) -> None:
    found = plan(photos, store)
    settle(store, found)
    embed_new(store, found, as_embedder(model))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with the picture that was asked with, near number 3."""
    draw(tmp_path / "run" / "asked.png", np.clip(made(3) + 5, 0, 255))
    return tmp_path / "run"


@pytest.fixture
def claim(run: Path, store: Storage, model: Model) -> dict[str, Any]:
    asked = nearest(run / "asked.png", store, model=model, k=5)
    return json.loads(json.dumps(claim_of(asked, store, "asked.png")))  # type: ignore[no-any-return]


@pytest.fixture
def judge(run: Path, claim: dict[str, Any], model: Model) -> Judge:
    """Judge the claim with some of its values changed."""

    def judged(network: Model | None = None, **values: Any) -> Check:
        return check_claim({**claim, "values": {**claim["values"], **values}}, run, network or model)

    return judged


# answers


def test_the_answers_are_the_largest_cosines(run: Path, store: Storage, photos: Path, model: Model) -> None:
    found = nearest(run / "asked.png", store, model=model, k=5)
    embedder = as_embedder(model)
    paths = sorted(photos.iterdir())
    rows = embedder([read_picture(path) for path in paths]).astype(np.float64)
    asked = embedder([read_picture(run / "asked.png")])[0].astype(np.float64)
    cosines = rows @ asked / np.linalg.norm(rows, axis=1) / np.linalg.norm(asked)
    wanted = np.argsort(-cosines)[:5]
    assert [answer.path for answer in found.answers] == [str(paths[k]) for k in wanted]
    assert [answer.cosine for answer in found.answers] == pytest.approx(cosines[wanted], abs=1e-3)
    assert [answer.sha256 for answer in found.answers] == [sha256_file(paths[k]) for k in wanted]
    assert found.count == 12 and found.answers[0].path.endswith("03.png")


def test_asked_by_name_by_array_and_with_an_open_store(run: Path, store: Storage, where: str, model: Model) -> None:
    ways = [
        nearest(run / "asked.png", where, model=model, k=3),
        nearest(str(run / "asked.png"), store, model=model, k=3),
        nearest(read_picture(run / "asked.png"), store, model=model, k=3),
        nearest(read_picture(run / "asked.png").levels, store, model=model, k=3),
    ]
    assert len({tuple(answer.path for answer in found.answers) for found in ways}) == 1
    assert {found.store for found in ways} == {absolute(where)}
    page = ways[0]._repr_html_()
    assert page.count("<tr>") == 3 and "03.png" in page
    assert [row["rank"] for row in json.loads(json.dumps(ways[0].to_json()))["answers"]] == [1, 2, 3]


def test_another_network_than_the_stores(run: Path, where: str, store: Storage) -> None:
    with pytest.raises(SearchError, match="embeddings of weights"):
        nearest(run / "asked.png", where, model=tiny_nets.others())


def test_the_same_weights_with_another_input_or_network(run: Path, judge: Judge, where: str, store: Storage, model: Model) -> None:
    assert isinstance(model.card.input, PictureInput)
    card = model.card
    others = [
        replace(card, input=replace(card.input, mean=(0.1, 0.1, 0.1))),
        replace(card, input=replace(card.input, filter="bilinear")),
        replace(card, network={"name": "other", "arguments": {}}),
    ]
    for other in others:
        with pytest.raises(SearchError, match="of others with the same weights"):
            open_for_model(where, Model(model.network, other))
        assert judge(network=Model(model.network, other)).status == UNKNOWN
    whole = replace(card, name="called otherwise", input=replace(card.input, std=(1, 1, 1)))
    assert card_sha256(whole) == card_sha256(replace(whole, input=replace(card.input, std=(1.0, 1.0, 1.0))))
    same = nearest(run / "asked.png", where, model=Model(model.network, replace(card, name="called otherwise")), k=3)
    assert same.answers == nearest(run / "asked.png", store, model=model, k=3).answers


def test_a_picture_that_the_network_does_not_take_is_named(run: Path, judge: Judge, store: Storage, model: Model) -> None:
    draw(run / "asked.png", np.zeros((1, 3000, 3)))
    wide = Model(model.network, replace(model.card, input=replace(model.card.picture, resize=300, size=(8, 8))))
    with pytest.raises(PictureError, match="asked.png: the network wants a shorter side of 300 pixels"):
        nearest(run / "asked.png", store, model=wide)


def test_an_empty_store_has_no_answers(run: Path, store: Storage, model: Model) -> None:
    store.remove(list(store.known()))
    with pytest.raises(SearchError, match="a store with pictures was wanted, this has none; hoodwink search index FOLDER adds some"):
        nearest(run / "asked.png", store, model=model)


def test_a_picture_larger_than_is_allowed(run: Path, store: Storage, model: Model) -> None:
    with pytest.raises(PictureError, match="max_pixels=64"):
        nearest(run / "asked.png", store, model=model, max_pixels=63)


def test_names_of_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("a") == str(tmp_path / "a") and absolute("lance:a") == f"lance:{tmp_path / 'a'}"
    assert absolute("lance:s3://bucket/a") == "lance:s3://bucket/a"


# the claim


def test_it_holds(judge: Judge, claim: dict[str, Any]) -> None:
    check = judge()
    assert check.status == HOLDS, check.why
    assert check.measured == {"pictures": 12, "nearest": 5, "indexed": 5}
    assert claim["values"]["exact"] == 5 and "5 of 5 answers are the nearest of 12 pictures" in check.why


def test_more_answers_than_pictures(run: Path, store: Storage, model: Model) -> None:
    found = nearest(run / "asked.png", store, model=model, k=50)
    assert len(found.answers) == 12
    assert check_claim(claim_of(found, store, "asked.png"), run, model).status == HOLDS


def test_rounding_is_forgiven_and_no_more(judge: Judge, claim: dict[str, Any]) -> None:
    for change, status in ((0.0009, HOLDS), (0.002, FAILS), (float("nan"), FAILS)):
        answers = copy.deepcopy(claim["values"]["answers"])
        answers[-1]["cosine"] -= change
        assert judge(answers=answers).status == status


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda answers: answers[::-1], "nearest first"),
        (lambda answers: answers[:-1], "5 answers"),
        (lambda answers: [answers[0]] * 5, "not even near"),
        (lambda answers: [*answers[:-1], {**answers[-1], "sha256": "0" * 64}], "not in the store"),
        (lambda answers: [{**answers[0], "cosine": 0.5}, *answers[1:]], "cosines are others"),
        (lambda answers: [*answers[:2], {**answers[2], "path": "/etc/hosts"}, *answers[3:]], "1 of 5 answers have other paths"),
    ],
)
def test_answers_that_are_not_so(judge: Judge, claim: dict[str, Any], change: Any, why: str) -> None:
    check = judge(answers=change(claim["values"]["answers"]))
    assert check.status == FAILS and why in check.why and check.wrong == ("answer",)


def test_fewer_answers_than_asked_for(judge: Judge, claim: dict[str, Any]) -> None:
    check = judge(answers=claim["values"]["answers"][:2], count=2)
    assert check.status == FAILS and "5 answers, nearest first, were wanted" in check.why


def test_one_that_is_in_the_store_and_not_among_the_nearest(
    judge: Judge, run: Path, store: Storage, claim: dict[str, Any], model: Model
) -> None:
    last = claim_of(nearest(run / "asked.png", store, model=model, k=12), store, "asked.png")["values"]["answers"][-1]
    answers = [*claim["values"]["answers"][:-1], last]
    check = judge(answers=answers)
    assert check.status == FAILS and "4 of 5 answers are the nearest, 5 were claimed" in check.why
    assert "the index finds 4" in check.why


def test_what_an_index_of_cells_missed_is_not_claimed(
    judge: Judge, run: Path, store: Storage, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = claim_of(nearest(run / "asked.png", store, model=model, k=12), store, "asked.png")["values"]["answers"]
    check = judge(answers=[*found[:2], *found[3:6]], exact=4)
    assert check.status == FAILS and "4 of 5 answers are the nearest, 5 are wanted" in check.why  # no cells in so small a store
    monkeypatch.setattr(search_claims, "LARGE", 12)
    assert judge(answers=[*found[:2], *found[3:6]], exact=4).status == HOLDS
    assert judge(answers=[*found[:2], *found[3:6]]).status == FAILS
    check = judge(answers=found[7:], exact=0)
    assert check.status == FAILS and "0 of 5 answers are the nearest, 3 are wanted" in check.why


def test_a_file_as_it_was_that_is_not_read_here_cannot_be_checked(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: Any, **asked: Any) -> Any:
        raise PictureError("asked.png", "larger than is read")

    monkeypatch.setattr(search_claims, "read_picture", refused)
    found = judge()
    assert found.status == UNKNOWN and "larger than is read" in found.why


def test_another_file(judge: Judge, run: Path) -> None:
    draw(run / "asked.png", made(99))
    check = judge()
    assert check.status == FAILS and check.wrong == ("file",) and "another file" in check.why
    (run / "asked.png").write_bytes(b"none")
    assert judge().status == FAILS
    (run / "asked.png").unlink()
    assert judge().status == UNKNOWN


def test_copies_may_stand_for_each_other_but_not_twice(
    judge: Judge, run: Path, store: Storage, photos: Path, claim: dict[str, Any], model: Model
) -> None:
    (photos / "copy.png").write_bytes((photos / "03.png").read_bytes())
    index(store, photos, model)
    found = claim_of(nearest(run / "asked.png", store, model=model, k=2), store, "asked.png")
    answers = found["values"]["answers"]
    assert {Path(one["path"]).name for one in answers} == {"03.png", "copy.png"}
    assert check_claim(found, run, model).status == HOLDS
    tripled = {**found["values"], "k": 3, "answers": [*answers, answers[0]]}
    assert check_claim({**found, "values": tripled}, run, model).status == FAILS


# a store that changed since


def test_pictures_that_came_since_far_away(judge: Judge, photos: Path, store: Storage, model: Model) -> None:
    draw(photos / "far.png", 255 - made(3))
    index(store, photos, model)
    check = judge()
    assert check.status == HOLDS and check.measured["pictures"] == 13


def test_pictures_that_came_since_nearer(judge: Judge, photos: Path, store: Storage, model: Model) -> None:
    draw(photos / "near.png", np.clip(made(3) + 4, 0, 255))
    index(store, photos, model)
    check = judge()
    assert check.status == UNKNOWN and "the store was changed since" in check.why and "4 of 5 answers are the nearest" in check.why
    assert judge(stamp=store.stamp()).status == FAILS


def test_an_answer_that_was_moved_or_is_gone(judge: Judge, photos: Path, store: Storage, model: Model) -> None:
    (photos / "03.png").rename(photos / "moved.png")
    index(store, photos, model)
    assert judge().status == HOLDS
    (photos / "moved.png").unlink()
    index(store, photos, model)
    check = judge()
    assert check.status == UNKNOWN and "1 of 5 answers are not in the store" in check.why


def test_no_store_and_other_weights(judge: Judge, store: Storage, tmp_path: Path) -> None:
    check = judge(store=str(tmp_path / "none"))
    assert check.status == UNKNOWN and "there is none" in check.why
    check = judge(network=tiny_nets.others())
    assert check.status == UNKNOWN and "weights" in check.why
    assert judge(layer="0").status == UNKNOWN  # no layer that can be left out
    assert judge(layer="1").status == UNKNOWN  # the same embeddings, but not what the store was made with
    assert not (tmp_path / "none").exists()


def test_a_record_does_not_make_verify_reach_out(judge: Judge) -> None:
    check = judge(store="lance:s3://bucket/store")
    assert check.status == UNKNOWN and "is not asked" in check.why


@pytest.mark.parametrize(
    "values", [{"k": 0}, {"k": None}, {"store": None}, {"answers": None}, {"answers": [{}]}, {"k": "5"}, {"other": 3}, {"other": {}}]
)
def test_values_that_were_changed_by_hand(judge: Judge, values: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="changed by hand|should be"):
        judge(**values)


# another picture's answers


@pytest.fixture
def other(run: Path, store: Storage, model: Model) -> dict[str, Any]:
    draw(run / "other.png", np.clip(made(3) - 5, 0, 255))
    asked = nearest(run / "other.png", store, model=model, k=5)
    return {"file": "other.png", **side_of(asked, store)}


def both(run: Path, store: Storage, model: Model) -> tuple[Searched, Searched]:
    return nearest(run / "asked.png", store, model=model, k=5), nearest(run / "other.png", store, model=model, k=5)


def test_answers_of_another_picture(judge: Judge, run: Path, store: Storage, model: Model, other: dict[str, Any]) -> None:
    count = shared(*(found.answers for found in both(run, store, model)))
    assert count >= 3
    check = judge(other={**other, "shared": count})
    assert check.status == HOLDS and check.measured["shared"] == count and f"{count} are answers to other.png too" in check.why
    assert judge(other={**other, "shared": count + 1}).status == FAILS


def test_a_first_answer_that_is_not_the_others(judge: Judge, run: Path, store: Storage, model: Model) -> None:
    draw(run / "far.png", np.clip(made(7) + 5, 0, 255))
    asked = nearest(run / "far.png", store, model=model, k=5)
    check = judge(other={"file": "far.png", **side_of(asked, store), "shared": 1})
    assert check.status == FAILS and "the first answer is not that of far.png" in check.why and check.measured["shared"] >= 1


def test_the_other_side_is_judged_too(judge: Judge, run: Path, other: dict[str, Any], claim: dict[str, Any]) -> None:
    # Claiming the file's own answers for those of the other would make all shared.
    draw(run / "far.png", 255 - made(7))
    forged = {"file": "far.png", "sha256": sha256_file(run / "far.png"), "answers": claim["values"]["answers"], "shared": 5}
    check = judge(other=forged)
    assert check.status == FAILS and "far.png: " in check.why
    draw(run / "other.png", made(50))
    check = judge(other={**other, "shared": 1})
    assert check.status == FAILS and check.wrong == ("file",)
