"""Which methods are compared, with which sizes, at which budget; estimates against what a run then takes."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.analysis.costs import costs_by_question
from selfagg.api import DEFAULTS
from selfagg.benchmarks.given import QuestionSet
from selfagg.errors import UsageError
from selfagg.evaluation.budget import (
    Lengths,
    Preset,
    at_budget,
    contenders,
    estimate_costs,
    expected_cost,
    expected_tokens,
    matched,
    measured_calls_and_tokens,
    preset_sampling,
    run_cost,
    sized_method,
)
from selfagg.evaluation.evaluate import evaluate
from selfagg.evaluation.runs import Experiment
from selfagg.methods import (
    METHODS,
    RSA,
    BestOfN,
    Majority,
    Method,
    MixtureOfAgents,
    OneStep,
    Rejection,
    SelfRefine,
)
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.record.record import Record
from selfagg.types import Question, Sampling

QUESTIONS = [Question(f"q{i}", f"Simulated question {i}? " * (i + 1), "text", gold=f"right {i}") for i in range(3)]


def experiment(folder: Path, tokens: int) -> Experiment:
    model = SimulatedModel(Simulation(tokens=tokens, cv=0))
    return Experiment(model, QuestionSet(QUESTIONS, "test", "test"), DEFAULTS, folder)


def at_calls(method: Method, calls: int) -> Method:
    return at_budget(method, attrgetter("calls"), calls)


def at_tokens(method: Method, tokens: float, lengths: Lengths) -> Method:
    return at_budget(method, lambda sized: expected_tokens(sized, lengths), tokens)


def test_sizes_that_no_method_has_are_refused() -> None:
    with pytest.raises(UsageError, match=r"a name in sizes is 'nn', but it must be one of answer, copy, k, n,"):
        contenders(["majority"], {"n": 8, "nn": 3})
    assert contenders(["majority"], {"n": 8, "k": 3})[0].method.n == 8  # k is RSA's: sizes are for several at once


def test_an_unknown_budget_is_refused() -> None:
    with pytest.raises(UsageError, match=r"match is 'x', but it must be one of calls, tokens, none"):
        estimate_costs(["2 + 2?"], match="x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("preset", "method", "sizes", "calls"),
    [
        ("paper", "rsa", {"n": 16, "k": 4, "t": 10}, 160),
        ("paper", "majority", {"n": 160, "t": 1}, 160),
        ("paper", "rejection", {"n": 160, "t": 1}, 320),
        ("paper", "self-refine", {"n": 16, "t": 10}, 160),
        ("paper", "one-step", {"n": 16, "k": 4, "t": 2}, 32),
        ("paper", "single", {"n": 16, "t": 1}, 16),
        ("paper", "mixture-of-agents", {"n": 6, "t": 3}, 13),
        ("quick", "rsa", {"n": 4, "k": 2, "t": 3}, 12),
        ("quick", "majority", {"n": 12, "t": 1}, 12),
    ],
)
def test_sizes(preset: Preset, method: str, sizes: dict[str, int], calls: int) -> None:
    built = sized_method(method, preset)
    assert sizes.items() <= built.settings().items()
    assert built.calls == calls


def test_what_the_user_says_wins() -> None:
    built = sized_method("rsa", "paper", {"n": 8, "t": 3})
    assert {"n": 8, "k": 4, "t": 3}.items() <= built.settings().items()
    sampling = Sampling(temperature=0.6, max_tokens=100, reasoning_effort="low")
    assert preset_sampling("paper", sampling, "openai:gpt-oss-20b") == sampling


def test_sampling_of_the_paper() -> None:
    sampling = preset_sampling("paper", Sampling(), "openai:openai/gpt-oss-20b")
    assert (sampling.temperature, sampling.max_tokens) == (1.0, 8192)
    assert (sampling.top_p, sampling.reasoning_effort) == (None, "medium")
    assert preset_sampling("paper", Sampling(), "openai:Qwen3-4B").reasoning_effort is None
    assert preset_sampling("quick", Sampling(), "openai:gpt-oss-20b") == Sampling()


def test_sizes_are_given_to_the_methods_that_have_them() -> None:
    sizes = {"n": 8, "k": 2, "t": 5, "order": "prefix"}
    found = contenders(["majority", " rsa", "one-step", "mixture-of-agents:n=3"], sizes)
    assert [dict(one.method.settings()) for one in found] == [
        {"name": "rsa", "n": 8, "t": 5, "k": 2, "order": "prefix"},
        {"name": "majority", "n": 8, "t": 1},
        {"name": "one-step", "n": 8, "t": 2, "k": 2, "order": "prefix"},
        {"name": "mixture-of-agents", "n": 3, "t": 3},
    ]


def test_a_rule_that_is_spelled_out_has_a_colon_of_its_own() -> None:
    found = contenders(["rsa:stop=share:0.75:copy=True:n=8", "majority:stop=asc:0.9"])
    assert [one.method for one in found] == [RSA(n=8, stop="share:0.75", copy=True), Majority(stop="asc:0.9")]
    assert contenders(["rsa:copy=false"])[0].method == RSA(copy=False)


def test_what_the_user_sizes_and_single_samples_are_not_matched() -> None:
    found = contenders(["rsa", "majority", "majority:n=7", "single", "self-refine"], preset="paper")
    assert [method.calls for method in matched(found, "calls")] == [160, 160, 7, 16, 160]
    tokens = matched(found, "tokens", Lengths(100, 900), 160_000.0)
    assert [getattr(method, method.grows) for method in tokens] == [10, 160, 7, 16, 5]
    assert [method.calls for method in matched(found, "none")] == [160, 160, 7, 16, 160]


def test_a_method_that_is_given_keeps_its_size() -> None:
    found = contenders([RSA(n=4, k=2, t=3), Majority(n=5), "majority"])
    assert [method.n for method in matched(found, "calls")] == [4, 5, 12]


def test_matching_that_makes_two_methods_the_same() -> None:
    found = contenders(["rsa", "majority", "majority:n=160"], {"n": 16, "k": 4, "t": 10})
    with pytest.raises(UsageError, match="matching calls makes two"):
        matched(found, "calls")


@pytest.mark.parametrize(
    ("methods", "complaint"),
    [
        ([], "no method to compare"),
        (["rsa", "rsa"], "rsa is named twice"),
        (["rsa:n=four"], "n = 'four' is no whole number"),
        (["rsa:copy=maybe"], "copy = 'maybe' is neither true nor false"),
        (["rsa:n"], "KEY=VALUE"),
        (["rsa:n=1:n=2"], "n is given twice"),
        (["majority:k=3"], "no setting k"),
        (["majorty"], "did you mean majority"),
    ],
)
def test_what_cannot_be_compared(methods: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        contenders(methods)


@pytest.mark.parametrize(
    ("method", "size"),
    [
        (Majority(), 160),
        (Rejection(), 80),
        (BestOfN(), 80),
        (OneStep(), 80),
        (SelfRefine(), 10),
        (RSA(n=8), 20),
    ],
)
def test_methods_at_the_calls_of_the_papers_run(method: Method, size: int) -> None:
    matched = at_calls(method, 160)
    assert getattr(matched, method.grows) == size
    assert matched.calls == 160


@settings(max_examples=40)
@given(name=st.sampled_from(sorted(METHODS)), calls=st.integers(40, 5000))
def test_a_matched_method_is_the_largest_within_the_budget(name: str, calls: int) -> None:
    matched = at_calls(METHODS[name](), calls)
    assert matched.calls <= calls
    larger = {**matched.settings(), matched.grows: getattr(matched, matched.grows) + 1}
    larger.pop("name")
    try:
        assert METHODS[name](**larger).calls > calls
    except UsageError:  # single and majority have one population and grow by members only
        raise AssertionError("every method can grow") from None


async def test_expected_tokens_are_those_of_a_run(tmp_path: Path) -> None:
    work = experiment(tmp_path, 300)
    for method in (RSA(n=6, k=3, t=4), Majority(n=9), SelfRefine(n=2, t=5)):
        with Record(await work.run(method, 1), read_only=True) as record:
            ((spent,),) = record.query("SELECT sum(completion_tokens) FROM generations")
            lengths = Lengths.measured(record)
            assert lengths.reply == 300
            prompt_free = Lengths(0, lengths.reply)
            aggregations = method.calls - method.size(1)
            candidates = aggregations * method.parents * lengths.reply
            assert expected_tokens(method, prompt_free) - candidates == spent / len(QUESTIONS)


def test_matching_tokens_gives_voting_more_samples_than_matching_calls() -> None:
    lengths = Lengths(prompt=100, reply=1000)
    budget = expected_tokens(RSA(), lengths)
    by_tokens, by_calls = at_tokens(Majority(), budget, lengths), at_calls(Majority(), 160)
    assert by_tokens.n > 4 * by_calls.n
    assert budget - 1100 < expected_tokens(by_tokens, lengths) <= budget


@pytest.mark.parametrize(
    "method",
    [RSA(n=4, k=2, t=3), Majority(n=5), SelfRefine(n=2, t=3), Rejection(n=3), BestOfN(n=3), MixtureOfAgents(n=3, t=3)],
    ids=lambda method: method.name,
)
async def test_calls_are_exact_and_tokens_near(method: Method, tmp_path: Path) -> None:
    path = await experiment(tmp_path, 10).run(method, 1)  # its prompts show texts of about 13 tokens
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


def test_expected_costs_by_hand() -> None:
    lengths = Lengths(100, 10, aggregation=50, judgement=30)
    cost = expected_cost(RSA(n=4, k=2, t=3), lengths)
    assert (cost.calls, cost.prompt, cost.completion) == (12, 4 * 100 + 8 * (50 + 2 * 10), 12 * 10)
    assert expected_cost(RSA(n=4, k=2, t=3), Lengths(100, 10)).prompt == 4 * 100 + 8 * (100 + 2 * 10)
    cost = expected_cost(Rejection(n=3), lengths)  # a verdict takes 10 tokens
    assert (cost.calls, cost.prompt, cost.completion) == (6, 3 * 100 + 3 * (30 + 10), 3 * 10 + 3 * 10)
    assert expected_cost(Rejection(n=3), Lengths(100, 10)).prompt == 3 * 100 + 3 * (100 + 10)
    assert expected_tokens(Rejection(n=3), lengths) == 420 + 60


def test_estimates_of_several_methods_share_the_first_samples() -> None:
    found = estimate_costs(QUESTIONS, [RSA(n=4, k=2, t=3), Majority(n=6)], seeds=2, reply_tokens=10)
    assert [cost.calls for cost in found.costs] == [2 * 3 * 12, 2 * 3 * 6]
    assert found.total.calls == 2 * 3 * (6 + 8)  # the six samples serve both
    assert found.total.completion == 10 * found.total.calls
    told = found.to_dict()
    assert (told["dry_run"], told["at_most"]) == (True, False)
    assert (told["questions"], told["seeds"], told["reply_tokens"]) == (3, 2, 10)
    assert told["question_tokens"] == Lengths.expected(QUESTIONS, 10).prompt
    assert [(one["name"], one["n"], one["calls"], one["completion"]) for one in told["methods"]] == [
        ("rsa", 4, 72, 720),
        ("majority", 6, 36, 360),
    ]
    assert told["total"] == {"calls": 84, "prompt": round(found.total.prompt), "completion": 840}
    assert told["source"] == found.source


def test_estimates_of_one_method_by_its_name() -> None:
    found = estimate_costs(QUESTIONS, sizes={"n": 4, "k": 2, "t": 3}, size=2)
    assert (found.methods, found.questions, found.total.calls) == ([RSA(n=4, k=2, t=3)], 2, 24)
    assert (found.seeds, found.reply_tokens) == (1, 8192)
    assert estimate_costs(QUESTIONS, ["rsa", "majority"], preset="quick", match="calls").methods[1] == Majority(n=12)


def test_a_budget_below_every_size_gets_the_smallest() -> None:
    assert at_calls(RSA(n=8), 1).t == 1
    assert at_calls(OneStep(n=8, k=4), 1).n == 4


def test_calls_of_a_methods_own_are_counted() -> None:
    plain, checked = (run_cost(kind(n=4, k=2, t=2), QUESTIONS, 10) for kind in (RSA, Checked))
    assert checked.calls - plain.calls == len(QUESTIONS)
    assert checked.completion - plain.completion == 10 * len(QUESTIONS)
    assert checked.prompt > plain.prompt
    lengths = Lengths.expected(QUESTIONS, 10)
    assert at_tokens(Checked(n=4, k=2, t=2), 3_000, lengths).n <= at_tokens(RSA(n=4, k=2, t=2), 3_000, lengths).n


def test_first_samples_that_another_run_has_cost_nothing() -> None:
    whole, later = (run_cost(RSA(n=4, k=2, t=3), QUESTIONS, 10, firsts=firsts) for firsts in (None, 0))
    first = run_cost(Majority(n=4), QUESTIONS, 10)
    assert (whole.calls - later.calls, whole.prompt - later.prompt) == (first.calls, first.prompt)
    assert whole.completion - later.completion == first.completion


def test_prompts_are_measured_on_the_questions() -> None:
    short, long = (Lengths.expected([question], 7) for question in (QUESTIONS[0], QUESTIONS[2]))
    assert short.reply == long.reply == 7
    assert long.prompt > short.prompt > 0


def test_calls_are_those_that_were_made(tmp_path: Path) -> None:
    method, path = RSA(n=5, k=2, t=4, stop="share:0.8", copy=True), tmp_path / "run.sqlite"
    asked = [Question(f"q{i}", f"Question {i}?", "math", gold=str(i)) for i in range(6)]
    evaluate(asked, model="simulated:p=0.75,spread=0.4", method=method, record=path)
    with Record(path, read_only=True) as record:
        ((calls,),) = record.query("SELECT sum(tries > 0) FROM generations")
        assert measured_calls_and_tokens(record)[0] == round(calls / len(asked)) < method.calls
