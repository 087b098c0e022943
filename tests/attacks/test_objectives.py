from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hoodwink.attacks.objectives import MARGIN, Goal, all_of, best_other_log_odds, goal_of, lead, log_odds, named, not_named, odds

steady = settings(derandomize=True, deadline=None, max_examples=200)
logits_of = st.lists(st.floats(-12, 12, width=32), min_size=2, max_size=6)
confidences = st.floats(0.02, 0.98)


def softmax(logits: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    powers = np.exp(np.array(logits) - max(logits))
    return np.asarray(powers / powers.sum())


def value(goal: Goal, logits: list[float]) -> float:
    return float(goal.objective(torch.tensor([logits], dtype=torch.float64)))


@steady
@given(logits=logits_of, confidence=confidences)
def test_log_odds_reach_those_of_the_confidence_exactly_with_the_probability(logits: list[float], confidence: float) -> None:
    found = float(log_odds(torch.tensor([logits], dtype=torch.float64), 1))
    probability = softmax(logits)[1]
    assert found == pytest.approx(np.log(probability / (1 - probability)), rel=1e-6, abs=1e-6)
    if abs(probability - confidence) > 1e-9:
        assert (found >= odds(confidence)) == (probability >= confidence)


@steady
@given(logits=logits_of)
def test_lead_is_positive_exactly_when_the_class_is_on_top(logits: list[float]) -> None:
    assert (float(lead(torch.tensor([logits]), 0)) > 0) == (logits[0] > max(logits[1:]))


@steady
@given(logits=logits_of, confidence=confidences)
def test_named_is_reached_with_the_class_on_top_and_its_confidence(logits: list[float], confidence: float) -> None:
    goal, probability = named(1, confidence), softmax(logits)[1]
    ahead = logits[1] - max(z for k, z in enumerate(logits) if k != 1)
    if value(goal, logits) >= goal.threshold:
        assert probability >= confidence and ahead > 0
    else:  # short of it by no more than the margin
        more = [z + (2.01 * MARGIN if k == 1 else 0) for k, z in enumerate(logits)]
        assert probability < confidence or ahead <= 0 or value(goal, more) >= goal.threshold


@steady
@given(logits=logits_of, confidence=st.none() | confidences)
def test_not_named_is_reached_with_another_class_on_top(logits: list[float], confidence: float | None) -> None:
    goal, probabilities = not_named(0, confidence), softmax(logits)
    other = 1 + int(np.argmax(logits[1:]))
    holds = logits[other] > logits[0] and probabilities[other] >= (confidence or 0)
    if value(goal, logits) >= goal.threshold:
        assert holds
    elif holds:
        more = [z + (2.01 * MARGIN if k == other else 0) for k, z in enumerate(logits)]
        assert value(goal, more) >= goal.threshold


@steady
@given(logits=logits_of)
def test_the_best_other_class_is_the_one_measured(logits: list[float]) -> None:
    other = 1 + int(np.argmax(logits[1:]))
    batch = torch.tensor([logits], dtype=torch.float64)
    assert float(best_other_log_odds(batch, 0)) == pytest.approx(float(log_odds(batch, other)), abs=1e-9)


@steady
@given(first=st.lists(st.floats(-9, 9), min_size=3, max_size=3), second=st.lists(st.floats(-9, 9), min_size=3, max_size=3))
def test_all_of_is_reached_exactly_when_each_goal_is(first: list[float], second: list[float]) -> None:
    goals = (named(0, 0.9), not_named(2, 0.3))
    both = all_of(goals)
    logits = (torch.tensor([first], dtype=torch.float64), torch.tensor([second], dtype=torch.float64))
    reached = [value(goal, z) >= goal.threshold for goal, z in zip(goals, (first, second), strict=True)]
    gap = min(abs(value(goal, z) - goal.threshold) for goal, z in zip(goals, (first, second), strict=True))
    if gap > 1e-9:
        assert (float(both.objective(logits)) >= both.threshold) == all(reached)
        assert float(both.lead(logits)) == pytest.approx(
            min(float(g.lead(z)) - g.threshold for g, z in zip(goals, logits, strict=True)) + both.threshold
        )


def test_all_of_one_is_that_one() -> None:
    goal = named(0, 0.9)
    assert all_of([goal]) is goal


def test_batches_are_measured_row_by_row() -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    for goal in (named(2, 0.9), named(2, 0.1), not_named(2), not_named(2, 0.7)):
        together = goal.objective(logits)
        assert together.shape == (5,)
        assert torch.allclose(together, torch.cat([goal.objective(row[None]) for row in logits]))


def test_goal_of_one_picture_of_a_batch() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0]])
    labels, target = torch.tensor([0, 1]), torch.tensor([2, 0])
    assert float(goal_of(labels, None, 1).objective(logits)) == -1
    assert float(goal_of(labels, target, 1).objective(logits)) == -2


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        odds(confidence)
