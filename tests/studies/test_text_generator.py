from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hoodwink.data.texts import load_texts, only
from hoodwink.evidence.scores import perplexity
from hoodwink.models.card import TextInput
from hoodwink.models.load import load_model
from hoodwink.models.sample import sample_texts
from hoodwink.studies import text_generator
from hoodwink.studies.desk import Desk
from hoodwink.studies.found import Answer, Found
from hoodwink.studies.letter_counts import BEGIN, COPIED, END, LENGTH, NEW, REPEATED, WORDS, Counts, Learned, habits, perplexities
from hoodwink.studies.text_figures import CHANCE, HELD, KNOWN, REAL, SAMPLES, TEST, TRAINING, itself, said, samples_of_one
from hoodwink.studies.text_generator import CLIP, RECIPE, TEXT_GENERATOR, by_heart, chance, load_sides, one_text, published, run
from hoodwink.training.inputs import gather

LINES = {line.name: line for line in TEXT_GENERATOR.lines}
TEXTS = st.lists(st.text("abc", max_size=6), min_size=1, max_size=5)


def desk_of(line: str, folder: Path, seed: int = 0, **changes: object) -> Desk:
    torch.manual_seed(seed)
    return Desk(line, LINES[line].resolved(True, changes), seed, folder)


@given(TEXTS, st.text("abc", max_size=5), st.integers(0, 4))
def test_the_shares_of_all_letters_make_one(texts: list[str], before: str, context: int) -> None:
    counts = Counts.of(texts, 4, context)
    columns = zip(*(counts.shares(BEGIN + before, letter) for letter in f"abc{END}"), strict=True)
    assert all(sum(column) == pytest.approx(1) for column in columns)


@given(TEXTS, st.text("abc", max_size=5), st.sampled_from(f"abc{END}"))
def test_shares_are_those_counted_by_looking_again(texts: list[str], before: str, letter: str) -> None:
    whole = BEGIN + before

    def share(tail: str | None) -> float:
        """By definition: every place of every text where `tail` ends and a letter follows."""
        if tail is None:
            return 1 / 4
        wholes = [BEGIN + text + END for text in texts]
        behind = [one[k] for one in wholes for k in range(1, len(one)) if one[:k].endswith(tail)]
        shorter = share(tail[1:] if tail else None)
        kinds = len(set(behind))
        return (behind.count(letter) + kinds * shorter) / (len(behind) + kinds) if behind else shorter

    found = Counts.of(texts, 4, 3).shares(whole, letter)
    assert found == pytest.approx([share(whole[max(0, len(whole) - m) :]) for m in range(4)])


def test_perplexities_in_closed_form() -> None:
    assert perplexities(Counts.of([], 7, 2), ["ab", ""]) == pytest.approx([7, 7, 7])
    # a, a, b and the end were seen: p = (n + 3 / 5) / (4 + 3); of the text "b" b and the end are asked for.
    assert perplexities(Counts.of(["aab"], 5, 0), ["b"]) == pytest.approx([7 / 1.6])
    once = perplexities(Counts.of(["abcdef"] * 1000, 30, 3), ["abcdef"])
    assert once[0] == pytest.approx(7, rel=1e-2) and once[1:] == pytest.approx([1, 1, 1], abs=0.02)


def test_habits_in_closed_form() -> None:
    learned = Learned.of(["the cat sat", "so it was"], 4)
    found = habits(["abcabc", "abc", "aaaaa"], learned, 3)
    assert found[REPEATED] == pytest.approx((1 + 0 + 2) / (4 + 1 + 3)), "of each text alone"
    assert found[LENGTH] == pytest.approx(14 / 3) and found[NEW] == 1 and found[WORDS] == found[COPIED] == 0
    found = habits(["The dog sat !! it", "so it was"], learned, 3)
    assert found[WORDS] == pytest.approx(3 / 4), "the, sat and was of the, dog, sat, was"
    assert found[NEW] == 0.5 and found[COPIED] == pytest.approx((1 + 6) / (14 + 6)), "' sat' of the one, all of the other"


def test_what_is_published_names_nobody() -> None:
    assert published("thanks @Some_One, see http://a.b/c?d now") == "thanks @... see http://... now"
    assert published("www.here.org\u00e9 caf\u00e9 [a](b)") == "www.... caf? ?a?(b)"
    assert published("a" * 200) == "a" * CLIP + " ..."


def test_no_text_that_was_learned_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_of("source", tmp_path)
    every = load_sides(desk).every
    assert len(every) == 600, "of both classes and both splits"
    written = [every[0], every[450].upper() + " ", "something new", every[3], "and more", "too many"]
    monkeypatch.setattr(text_generator, "sample_texts", lambda *_, **__: written)
    found = run(desk)
    assert all(shown == ["something new", "and more"] for shown in found.series[SAMPLES].values())
    assert found.series[NEW] == pytest.approx([1 - sum(one in set(load_sides(desk).learned) for one in written) / 6] * 3)


def test_the_one_text_is_learned_and_stays_private(tmp_path: Path) -> None:
    desk = desk_of("one-text", tmp_path, seed=1)
    found = one_text(desk)
    text = str(found.pictures["text"][0])
    assert text in load_sides(desk).learned and found.values[itself(0.8)] == 1 and found.values[itself(5.0)] == 0
    assert text not in json.dumps(found.series) and found.series["loss"][0] > 2 and found.series["loss"][-1] < 0.05
    assert samples_of_one(Answer(LINES["one-text"], desk.settings, (found,))).private
    other = one_text(desk_of("one-text", tmp_path, steps=1, temperatures=(1.0,)))
    assert str(other.pictures["text"][0]) != text, "each seed learns another"


def test_the_probability_of_a_text_is_how_often_it_is_written(tmp_path: Path) -> None:
    desk = desk_of("one-text", tmp_path, hidden=8, steps=25, rate=0.02)
    model, _ = by_heart(desk, "abba", TextInput(unit="letters", letters="ab", ends=True))
    count = 1500
    for temperature in (0.7, 1.0, 2.0):
        written = sample_texts(model, count, temperature=temperature, longest=12)
        for text in ("abba", "a", "ab", "abbb", ""):
            share = chance(model, text, temperature)
            assert abs(written.count(text) - count * share) <= 4.5 * math.sqrt(count * share * (1 - share)) + 1
    texts = [""]
    for _ in range(7):
        texts += [text + letter for text in texts if len(text) == len(texts[-1]) for letter in "ab"]
    assert 0.5 < sum(chance(model, text, 1.0) for text in texts) < 1


def test_the_texts_are_those_of_the_training(tmp_path: Path) -> None:
    desk = desk_of("better", tmp_path)
    sides, found = load_sides(desk), run(desk)
    material = gather(RECIPE.changed({"data": "made-tweets", "validation": 40}))
    letters = {1 + k: letter for k, letter in enumerate(sides.given.letters)}
    assert material.input == sides.given
    kept = material.train.data.indices.tolist()  # type: ignore[attr-defined]
    assert sorted("".join(letters.get(k, "") for k in row) for row in kept) == sorted(sides.learned)
    test = only(load_texts("made-tweets:test"), "positive")
    assert len(test) == len(sides.test)
    assert found.values[TEST] == pytest.approx(perplexity(load_model(tmp_path / "network"), test), rel=1e-4)
    assert len(found.series[HELD]) == len(found.series[TRAINING]) == 3 and set(found.series[SAMPLES]) == {"0.5", "1", "2"}


def test_the_source_s_settings() -> None:
    recipe = RECIPE.changed({key: value for key, value in LINES["source"].settings.items() if key in ("hidden", "width", "epochs")})
    asked = {"hidden": 64, "width": 0, "rate": 0.004, "batch": 32, "epochs": 1, "data": "tweets", "only": "positive"}
    assert {key: LINES["source"].settings[key] for key in asked} == asked
    assert recipe.arguments == {"hidden": 64, "layers": 1, "width": 0} and recipe.optimiser == "adam"
    better = LINES["better"].settings
    assert (better["hidden"], better["width"], better["epochs"]) == (256, 64, 10)
    assert LINES["one-text"].settings["temperatures"] == (0.8, 1.0, 1.5, 2.0, 5.0)


@pytest.mark.parametrize(
    ("perplexity_of", "wording"),
    [
        ({"source": 14, "longer": 8, "better": 6}, "below that is source, longer, better.*do best, 7.00; below that is better"),
        ({"source": 16, "longer": 15, "better": 7}, "15.00; below that is better.*do best, 7.00; below that is none of them"),
    ],
)
def test_what_is_said_comes_of_the_numbers(perplexity_of: dict[str, float], wording: str) -> None:
    answers = {}
    for line, value in perplexity_of.items():
        curve = [value + 3 - k for k in range(3)]
        habit = {measure: [0.9, 0.5, 0.1] for measure in (REPEATED, WORDS, COPIED, NEW, LENGTH)}
        settings = LINES[line].resolved(False, {"temperatures": (0.5, 1.0, 2.0)})
        answers[line] = Answer(LINES[line], settings, (Found({TEST: value}, series={HELD: curve, TRAINING: curve} | habit),))
    real = dict.fromkeys((REPEATED, WORDS, COPIED, NEW, LENGTH), 0.45)
    answers["counts"] = Answer(LINES["counts"], {}, (Found({}, series={KNOWN: [28.0, 15.0, 7.0, 8.0], REAL: real}),))
    heart = {"letters of the text": 50.0} | {itself(at): 1 / (1 + at) for at in LINES["one-text"].settings["temperatures"]}
    once = Found(heart, series={CHANCE: [0.9, 0.8, 0.1, 0.0, 0.0]})
    answers["one-text"] = Answer(LINES["one-text"], LINES["one-text"].settings, (once,))
    text = " ".join(said(answers))
    assert re.search(wording, text) and "those with 2 letters before the next one" in text
    assert "56% at 0.8 (90.0%)" in text and "1 for repeats and 1 for words" in text and "after epoch 3" in text
