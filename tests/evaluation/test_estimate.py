"""Estimates before a run, held against what the run then takes."""

from pathlib import Path

import pytest

from selfagg.analysis.costs import costs_by_question
from selfagg.api import DEFAULTS
from selfagg.benchmarks.given import QuestionSet
from selfagg.evaluation.contenders import at_tokens
from selfagg.evaluation.estimate import expected_lengths, run_cost
from selfagg.evaluation.runs import Experiment
from selfagg.methods import RSA, BestOfN, Majority, Method, MixtureOfAgents, Rejection, SelfRefine
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import Record
from selfagg.types import Question

QUESTIONS = [Question(f"q{i}", f"Simulated question {i}? " * (i + 1), "text", gold=f"right {i}") for i in range(3)]


@pytest.mark.parametrize(
    "method",
    [RSA(n=4, k=2, t=3), Majority(n=5), SelfRefine(n=2, t=3), Rejection(n=3), BestOfN(n=3), MixtureOfAgents(n=3, t=3)],
    ids=lambda method: method.name,
)
async def test_calls_are_exact_and_tokens_near(method: Method, tmp_path: Path) -> None:
    model = SimulatedModel(Simulation(tokens=10, cv=0))  # its prompts show texts of about 13 tokens
    path = await Experiment(model, QuestionSet(QUESTIONS, "test", "test"), DEFAULTS, tmp_path).run(method, 1)
    with Record(path, read_only=True) as record:
        taken = costs_by_question(record).values()
    expected = run_cost(method, QUESTIONS, 10)
    assert expected.calls == sum(cost.calls for cost in taken)
    assert expected.completion == sum(cost.completion for cost in taken)
    assert expected.prompt == pytest.approx(sum(cost.prompt for cost in taken), rel=0.15)


class Checked(RSA):
    """A method with a call of its own for each question."""

    name = "checked"

    @property
    def calls(self) -> int:
        return super().calls + 1


def test_calls_of_a_methods_own_are_counted() -> None:
    plain, checked = (run_cost(kind(n=4, k=2, t=2), QUESTIONS, 10) for kind in (RSA, Checked))
    assert checked.calls - plain.calls == len(QUESTIONS)
    assert checked.completion - plain.completion == 10 * len(QUESTIONS)
    assert checked.prompt > plain.prompt
    lengths = expected_lengths(QUESTIONS, 10)
    assert at_tokens(Checked(n=4, k=2, t=2), 3_000, lengths).n <= at_tokens(RSA(n=4, k=2, t=2), 3_000, lengths).n


def test_first_samples_that_another_run_has_cost_nothing() -> None:
    whole, later = (run_cost(RSA(n=4, k=2, t=3), QUESTIONS, 10, firsts=firsts) for firsts in (None, 0))
    first = run_cost(Majority(n=4), QUESTIONS, 10)
    assert (whole.calls - later.calls, whole.prompt - later.prompt) == (first.calls, first.prompt)
    assert whole.completion - later.completion == first.completion


def test_prompts_are_measured_on_the_questions() -> None:
    short, long = (expected_lengths([question], 7) for question in (QUESTIONS[0], QUESTIONS[2]))
    assert short.reply == long.reply == 7
    assert long.prompt > short.prompt > 0
