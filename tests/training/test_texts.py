from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hoodwink as hw
from hoodwink.data.texts import load_texts
from hoodwink.data.words import load_vectors
from hoodwink.evidence.scores import accuracy, perplexity
from hoodwink.evidence.verify import verify
from hoodwink.runs import RunError
from hoodwink.texts.alphabet import LETTERS
from hoodwink.training.inputs import gather, make_network
from hoodwink.training.recipe import Reading, Recipe, RecipeError
from hoodwink.training.recipes import find_recipe
from hoodwink.training.run import history, train
from hoodwink.training.texts import make_input

NAMES: dict[str, Any] = {"data": "made-names", "validation": 60, "epochs": 3, "hidden": 24, "rate": 0.01}
TWEETS: dict[str, Any] = {"data": "made-tweets", "vectors": "made", "validation": 50, "epochs": 6, "hidden": 16, "rate": 0.02}
WRITER: dict[str, Any] = {"data": "made-tweets", "validation": 40, "epochs": 3, "hidden": 32, "width": 16}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOODWINK_OFFLINE", "1")


def test_names_are_learned_and_the_score_is_verified(tmp_path: Path) -> None:
    run = train("names-lstm", out=tmp_path / "run", **NAMES)
    model = hw.load_model(run.directory)
    assert model.card.task == "classify" and model.card.input.letters == LETTERS  # type: ignore[union-attr]
    found = accuracy(model, load_texts("made-names"))
    assert found > 0.9 and found == pytest.approx(run.record["result"]["last"]["test_accuracy"])
    assert verify(run.directory).holds and run.record["claims"][0]["values"]["set"] == "made-names:test"


def test_words_get_the_vectors_and_these_stay(tmp_path: Path) -> None:
    recipe = find_recipe("tweets-lstm").changed(TWEETS)
    material = gather(recipe)
    network = make_network(recipe, material)
    vectors = load_vectors("made")
    words = material.input.words  # type: ignore[union-attr]
    rows = network.table.rows  # type: ignore[union-attr]
    assert torch.equal(rows[1 + words.index("good")], torch.from_numpy(np.array(vectors["good"])))  # type: ignore[index]
    run = train(recipe, out=tmp_path / "run")
    after = hw.load_model(run.directory).network.table.rows  # type: ignore[union-attr]
    assert torch.equal(after, rows)  # type: ignore[arg-type]
    assert run.record["result"]["last"]["test_accuracy"] > 0.9 and verify(run.directory).holds
    brief = run.record["models"][0]["card"]["input"]["words"]
    assert brief["count"] == len(words) and len(brief["sha256"]) == 64


def test_a_writer_is_scored_by_its_perplexity(tmp_path: Path) -> None:
    run = train("text-generator", out=tmp_path / "run", **WRITER)
    model = hw.load_model(run.directory)
    texts = load_texts("made-tweets:test")
    assert texts.labels is not None
    positive = texts.take(np.flatnonzero(texts.labels == 1).tolist())
    # By hand, one text at a time: the exponential of the mean of minus log p of each next letter.
    total, count = 0.0, 0
    for text in positive.texts:
        encoded = model.encode(text)
        shares = model.outputs(encoded[:, :-1])[0].log_softmax(1)
        total -= float(shares.gather(1, encoded[0, 1:, None]).sum())
        count += encoded.shape[1] - 1
    assert math.exp(total / count) == pytest.approx(perplexity(model, positive), rel=1e-4)
    assert model.card.scores[0]["measure"] == "perplexity" and verify(run.directory).holds
    assert model.card.scores[0]["value"] == pytest.approx(math.exp(total / count), rel=1e-4)
    losses = [epoch.loss for epoch in history(run)]
    assert losses[2] < losses[1] < losses[0]


def test_a_stopped_training_on_texts_ends_the_same(tmp_path: Path) -> None:
    from hoodwink.training.run import Watch

    def stop(step: int, total: int) -> None:
        if step >= 30:
            raise KeyboardInterrupt

    for name, settings in (("names-lstm", {**NAMES, "dropout": 0.2}), ("tweets-lstm", {**TWEETS, "batch": 8})):
        whole = train(name, out=tmp_path / f"{name}-whole", **settings)
        with pytest.raises(KeyboardInterrupt):
            train(name, out=tmp_path / name, saved=0, watch=Watch(step=stop), **settings)
        again = train(name, out=tmp_path / name, resume=True, **settings)
        assert [e.loss for e in history(again)] == [e.loss for e in history(whole)]
        assert again.record["models"][0]["weights_sha256"] == whole.record["models"][0]["weights_sha256"]


@pytest.mark.parametrize("grouping", ["shuffled", "equal", "buckets"])
def test_every_text_is_learned_once_an_epoch(grouping: str) -> None:
    feed = gather(find_recipe("names-lstm").changed({**NAMES, "grouping": grouping})).train
    for epoch in range(2):
        batches = list(feed.batches(16, seed=0, epoch=epoch, start=0, rank=0, world=1))
        assert len(batches) == feed.steps(16) and sorted(torch.cat(batches).tolist()) == list(range(len(feed)))
    rest = list(feed.batches(16, seed=0, epoch=1, start=5, rank=0, world=1))
    assert all(torch.equal(one, other) for one, other in zip(batches[5:], rest, strict=True))
    inputs, labels = feed.take(batches[0])
    assert inputs.shape[0] == len(labels) and bool((inputs[:, -1] != 0).any())


def test_what_a_network_reads_follows_from_the_texts() -> None:
    texts = ["ab ab ab ab", "ba\u00e9 ab ba ab ba ab", "word word rare"]
    letters = make_input(Reading("letters", letters=""), texts * 2, None, ends=True)
    assert letters.letters == " ab" and letters.reader.size == 6
    words = make_input(Reading("words", vectors="", vocabulary=2), texts, None, ends=False)
    assert words.words == ("ab", "ba")
    with pytest.raises(RecipeError, match="none of the 1 words is known"):
        make_input(Reading("words"), ["once"], None, ends=False)


def test_without_repeated_names_and_of_one_class() -> None:
    once = gather(find_recipe("names-lstm").changed({**NAMES, "once": True}))
    assert once.sets == {"train": "made-names:train-once", "test": "made-names:test-once"}
    assert len(once.test) == 117
    writer = gather(find_recipe("text-generator").changed(WRITER))
    assert len(writer.train) + len(writer.validation or ()) < 400 and writer.classes == ()
    with pytest.raises(ValueError, match="only: a class of made-tweets was wanted"):
        gather(find_recipe("text-generator").changed({**WRITER, "only": "glad"}))


def test_a_file_of_ones_own_is_written_like(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(["abab abab"] * 60))
    run = train("text-generator", out=tmp_path / "run", **{**WRITER, "data": str(tmp_path / "lines.txt"), "validation": 4, "epochs": 60})
    from hoodwink.models.sample import sample_texts

    assert sample_texts(hw.load_model(run.directory), 2, temperature=0) == ["abab abab"] * 2
    assert verify(run.directory).holds


def test_what_does_not_fit_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(["abab abab"] * 30))
    with pytest.raises(ValueError, match="texts with labels were wanted"):
        gather(find_recipe("names-lstm").changed({**NAMES, "data": str(tmp_path / "lines.txt")}))
    with pytest.raises(RecipeError, match="unit: one of , letters, words"):
        Reading("syllables")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("hoodwink.training.run._join", lambda: (0, 2))
    with pytest.raises(RecipeError, match="trained by one process, there are 2"):
        train("names-lstm", out=tmp_path / "run", **NAMES)


def test_an_older_record_without_a_reading_is_read() -> None:
    value = find_recipe("digits-mlp").to_json()
    del value["reading"]
    assert Recipe.from_json(value) == find_recipe("digits-mlp")
    with pytest.raises(RunError, match="a run folder was wanted"):
        train("names-lstm", out="nowhere-at-all", resume=True)
