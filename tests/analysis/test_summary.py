"""A run's numbers and each population's, against numbers worked out by hand and formulas written out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import astuple
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfagg.analysis.statistics import mean_interval
from selfagg.analysis.summary import entropy, summarise, summarise_groups
from selfagg.methods import METHODS
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.configuration import configuration
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.types import Question, Usage

Write = Callable[..., Record]


def test_populations_by_hand(write: Write) -> None:
    record = write([["RRab", "Raa-"], ["ab!/", "ab5R"]])
    first, second = summarise(record).populations
    assert first.accuracy == mean_interval([[1, 1, 0, 0], [0, 0, 0, 0]])
    assert (first.partial_credit, first.size) == (0.25, 4)
    assert first.pass_at_n == mean_interval([[1], [0]])
    assert first.majority == mean_interval([[1], [0]])
    assert first.distinct == 2.5  # R, a, b and a, b
    assert (first.unanswered, first.cut, first.failed) == (2, 1, 1)
    assert first.mean_tokens == (10 + 11 + 12 + 13 + 10 + 11 + 13) / 7
    assert second.accuracy == mean_interval([[1, 0, 0, 0], [0, 0, 0, 1]])
    assert second.partial_credit == (1 + 1.5) / 8
    assert second.pass_at_n == mean_interval([[1], [1]])
    assert second.majority == mean_interval([[0], [0]])  # a; and of four answers that tie the first, a
    assert second.distinct == 3
    assert (second.unanswered, second.cut, second.failed) == (1, 0, 0)


@pytest.mark.parametrize(
    ("population", "right"), [("Rabab", 0.0), ("RabaR", 1.0), ("aRRab", 0.0), ("--/!", 0.0), ("-R", 1.0)]
)
def test_the_majority_breaks_ties_by_the_earliest_and_nobody_is_wrong(
    write: Write, population: str, right: float
) -> None:
    majority = summarise(write([[population]])).populations[0].majority
    assert majority is not None
    assert majority.mean == right


def test_the_methods_own_answer_is_weighed(write: Write) -> None:
    record = write([["Ra", "Ra"], ["aR", "aR"]], weights=[[0.25, 0.75], [0.25, 0.75]])
    summary = summarise(record)
    assert summary.answer_accuracy == mean_interval([[0.25, 0.25], [0.75, 0.75]])
    assert summary.populations[-1].accuracy == mean_interval([[1, 0], [0, 1]])


def test_a_chosen_answer_counts_as_one_and_a_drawn_one_as_all_that_it_is_drawn_from(write: Write) -> None:
    questions = [["RRab"], ["Raaa"], ["aaaR"]]
    drawn = summarise(write(questions))
    assert drawn.answer_accuracy == drawn.populations[0].accuracy
    voted = summarise(write(questions, weights=[[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]))
    assert voted.answer_accuracy == voted.populations[0].majority
    accepted = summarise(write(questions, weights=[[0.5, 0, 0.5, 0], [0, 1, 0, 0], [0, 0, 0.5, 0.5]]))
    assert accepted.answer_accuracy == mean_interval([[1, 0], [0], [0, 1]])


def test_weights_that_add_up_to_more_than_one_by_rounding(write: Write) -> None:
    weights = [1 / 10] * 10
    assert sum(weights) != 1
    summary = summarise(write([["R" * 10], ["R" * 10]], weights=[weights, weights]))
    assert summary.answer_accuracy is not None
    assert summary.answer_accuracy.mean == 1


def test_costs_count_every_call(write: Write) -> None:
    summary = summarise(write([["R!", "RR"], ["Ra", "aa"]]))
    assert (summary.calls, summary.failures) == (8, 1)
    assert summary.usage == Usage(3 * 100 + 4 * 200, 3 * 10 + 4 * 20, 10 + 10 + 11 + 2 * 41, 7)


def test_an_interrupted_run_counts_the_questions_that_are_done(write: Write) -> None:
    summary = summarise(write([["RR", "RR"], ["aa", "a"], ["a"]], weights=[[0.5, 0.5], None, None]))
    assert (summary.questions, summary.questions_total, summary.complete) == (1, 3, False)
    assert [population.accuracy.mean for population in summary.populations if population.accuracy] == [1, 1]
    assert summary.calls == 8  # paid for, whether its question is done or not
    assert summary.as_json()["questions"] == 1


def test_a_run_that_has_not_begun_has_no_populations(write: Write) -> None:
    summary = summarise(write([["R"], ["a"]], weights=[None, None]))
    assert (summary.questions, list(summary.populations), summary.answer_accuracy) == (0, [], None)
    json.dumps(summary.as_json())
    with Record(None) as empty:
        assert summarise(empty).as_json()["calls"] == 0


def test_without_gold_answers_nothing_is_called_right_or_wrong(write: Write) -> None:
    summary = summarise(write([["RRa", "RR-"]], gold=False))
    assert summary.answer_accuracy is None
    for population in summary.populations:
        assert {population.accuracy, population.partial_credit, population.pass_at_n, population.majority} == {None}
    assert [population.distinct for population in summary.populations] == [2, 1]


def test_the_json_object(write: Write) -> None:
    summary = summarise(write([["Ra", "RR"], ["ab", "aR"]]))
    told = json.loads(json.dumps(summary.as_json()))
    assert told["method"] == "rsa"
    assert (told["n"], told["k"], told["t"], told["questions"], told["simulated"]) == (2, 2, 2, 2, True)
    assert told["calls"] == 8
    assert told["usage"] == {"prompt": 1200, "cached": 120, "completion": 124, "reasoning": 8, "unknown": 0}
    assert (told["failures"], told["record"]) == (0, None)
    first = told["populations"][0]
    assert (first["t"], first["accuracy"], first["pass_at_n"], first["majority"]) == (1, 0.25, 0.5, 0.5)
    assert first["interval"][0] < 0.25 < first["interval"][1]
    assert (first["distinct"], first["unanswered"], first["mean_tokens"]) == (2, 0, 10.5)


@pytest.mark.parametrize("name", sorted(METHODS))
async def test_every_method_is_summed_up(name: str) -> None:
    method = METHODS[name]()
    questions = [Question(f"q{i}", "Which?", "text", gold=f"right {i}") for i in range(4)]
    with Record(None) as record:
        record.begin(configuration(method, "simulated:", Settings(), "test"), questions)
        await evaluate(Engine(SimulatedModel(Simulation(fail=0.1)), Settings(), record), method, questions)
        summary = summarise(record)
        assert summary.questions == summary.questions_total == 4
        assert [population.size for population in summary.populations] == [
            method.size(t) for t in range(1, method.t + 1)
        ]
        assert summary.calls + summary.skipped == 4 * method.calls
        assert summary.skipped <= summary.failures
        failed = sum(population.failed for population in summary.populations)
        assert summary.failures == failed or name in ("rejection", "best-of-n")  # whose verdicts fail too
        assert summary.answer_accuracy is not None
        if name == "rsa":
            accuracy = summary.populations[-1].accuracy
            assert accuracy is not None
            for end in ("mean", "low", "high", "n_values"):
                assert getattr(summary.answer_accuracy, end) == pytest.approx(getattr(accuracy, end))
        if name == "majority":
            assert summary.answer_accuracy == summary.populations[0].majority


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_pass_at_k_is_the_mean_over_all_subsets(write: Write, k: int) -> None:
    populations = ["RabaR", "aaaaR", "abcde"]
    (population,) = summarise(write([[population] for population in populations])).populations
    by_hand = [["R" in subset for subset in combinations(population, k)] for population in populations]
    estimate = population.pass_at(k)
    assert estimate is not None
    assert estimate.mean == pytest.approx(sum(sum(found) / len(found) for found in by_hand) / 3)
    assert population.pass_at_n is not None
    assert population.pass_at_n.mean == pytest.approx(2 / 3)


def test_pass_at_one_is_the_accuracy_and_pass_at_all_is_pass_at_n(write: Write) -> None:
    (population,) = summarise(write([[population] for population in ("RabaR", "aaaaR", "abcde")])).populations
    for at_k, expected in ((population.pass_at(1), population.accuracy), (population.pass_at(5), population.pass_at_n)):
        assert at_k is not None
        assert expected is not None
        assert astuple(at_k) == pytest.approx(astuple(expected))


def test_pass_at_more_than_there_are_is_refused(write: Write) -> None:
    (population,) = summarise(write([["Ra"]])).populations
    with pytest.raises(ValueError, match="k <= n"):
        population.pass_at(3)
    (unknown,) = summarise(write([["Ra"]], gold=False)).populations
    assert unknown.pass_at(2) is None


def test_entropy_of_the_answers(write: Write) -> None:
    (population,) = summarise(write([["RRab"], ["aaaa"], ["--!/"]])).populations
    assert population.entropy == pytest.approx((1.5 + 0 + 0) / 3)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_entropy_lies_between_none_and_that_of_equal_shares(counts: list[int]) -> None:
    assert -1e-9 <= entropy(counts) <= math.log2(len(counts)) + 1e-9
    assert entropy([7] * len(counts)) == pytest.approx(math.log2(len(counts)))


def test_lengths_and_cuts(write: Write) -> None:
    (population,) = summarise(write([["Ra/!"], ["aaaa"]])).populations
    lengths = [10, 11, 12, 10, 11, 12, 13]
    assert population.token_quantiles[0.5] == 11
    assert population.token_quantiles[0.05] == pytest.approx(10)
    assert population.mean_tokens == sum(lengths) / 7
    assert (population.replies_cut, population.cut, population.failed) == (1, 1, 1)


def test_groups_are_added_up_apart(write: Write) -> None:
    record = write([["RR", "RR"], ["Ra", "aa"], ["aa", "Ra"]], groups=["sums", "maze", "maze"])
    maze, sums = summarise_groups(record)
    assert (maze.group, maze.questions, sums.group, sums.questions) == ("maze", 2, "sums", 1)
    assert [p.accuracy.mean for p in maze.populations if p.accuracy] == [0.25, 0.25]
    assert maze.answer_accuracy is not None
    assert maze.answer_accuracy.mean == 0.25
    assert sums.answer_accuracy is not None
    assert sums.answer_accuracy.mean == 1
