"""`solve` with a simulated model: only what is needed is computed, and what is there is returned."""

import asyncio
import contextlib
import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import DEADLINES_S

import selfagg
from selfagg.api import Result
from selfagg.methods import RSA
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.progress import Progress
from selfagg.run.subsets import draw_set
from selfagg.types import Reply, Request, Stop, Usage


def ancestors(result: Result, n: int, k: int) -> set[tuple[int, int]]:
    """Who is needed for the answering member, worked out from the sets alone."""
    level = {result.member.i}
    needed = {(result.member.t, i) for i in level}
    for t in range(result.member.t, 1, -1):
        level = {j for i in level for j in draw_set(1234, "question", t, i, n=n, k=k)}
        needed |= {(t - 1, i) for i in level}
    return needed


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 12), share=st.floats(0, 1), t=st.integers(1, 6), text=st.text(max_size=20))
def test_one_answer_computes_exactly_its_ancestors(n: int, share: float, t: int, text: str) -> None:
    k = 1 + int(share * (n - 1))
    result = selfagg.solve(text, model="simulated:", n=n, k=k, t=t)
    computed = {(population.t, i) for population in result.populations for i in population}
    assert computed == ancestors(result, n, k)
    assert result.calls == len(computed)
    for population in result.populations[1:]:
        for i, member in population.items():
            assert member.parents == draw_set(1234, "question", population.t, i, n=n, k=k)


def test_the_answering_member_is_drawn_uniformly() -> None:
    drawn = [selfagg.solve("q", model="simulated:", n=4, k=1, t=1, seed=seed).member.i for seed in range(200)]
    assert all(30 <= drawn.count(i) <= 70 for i in range(4))


def test_a_majority_answer_computes_the_last_population_and_votes() -> None:
    result = selfagg.solve("q", model="simulated:wrong=2", n=9, k=3, t=3, answer="majority", kind="math")
    last = result.populations[-1]
    assert len(last) == 9
    answers = [member.answer for member in last.values()]
    assert answers.count(result.answer) == max(answers.count(answer) for answer in answers)
    assert result.member.i == answers.index(result.answer)
    assert f"\\boxed{{{result.answer}}}" in result.text


def test_usage_sums_all_calls() -> None:
    result = selfagg.solve("q", model="simulated:", n=4, k=2, t=3)
    replies = [member.reply for population in result.populations for member in population.values()]
    assert result.usage.completion == sum(reply.usage.completion for reply in replies if reply)
    assert result.usage.prompt == sum(reply.usage.prompt for reply in replies if reply) > 0
    assert not result.cut_short
    assert result.record is None


def test_a_spent_budget_gives_the_majority_at_hand() -> None:
    result = selfagg.solve("q", model="simulated:tokens=100,cv=0", n=8, k=2, t=10, max_total_tokens=1500, concurrency=1)
    assert result.cut_short
    assert 0 < result.calls < 16
    assert result.member.t == max(population.t for population in result.populations if population)


def test_a_deadline_gives_what_is_at_hand_and_an_error_where_nothing_is() -> None:
    for deadline_s in DEADLINES_S:
        with contextlib.suppress(selfagg.ModelError):
            model = "simulated:speed=2000,tokens=100,cv=0"
            result = selfagg.solve("q", model=model, n=4, k=2, t=1000, deadline_s=deadline_s)
            break
    assert result.cut_short
    assert result.text
    with pytest.raises(selfagg.ModelError, match="deadline"):
        selfagg.solve("q", model="simulated:speed=10,tokens=100,cv=0", n=4, k=2, t=2, deadline_s=0.05)


def test_an_answer_that_failed_is_replaced_by_one_that_did_not() -> None:
    outcomes = [selfagg.solve("q", model="simulated:fail=0.4", n=4, k=2, t=2, seed=seed) for seed in range(20)]
    assert all(outcome.text for outcome in outcomes)
    with pytest.raises(selfagg.ModelError, match="simulated failure"):
        selfagg.solve("q", model="simulated:fail=1", n=2, k=1, t=1)


def test_a_record_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "solve.sqlite"
    first = selfagg.solve("q", model="simulated:", n=4, k=2, t=3, record=path)
    again = selfagg.solve("q", model="simulated:", n=4, k=2, t=3, record=path)
    assert (again.text, again.populations) == (first.text, first.populations)
    with pytest.raises(selfagg.UsageError, match=r"method\.k is 2 in the record, 3 asked for"):
        selfagg.solve("q", model="simulated:", n=4, k=3, t=3, record=path)


async def test_solve_works_where_a_loop_is_running_as_in_a_notebook() -> None:
    result = selfagg.solve("q", model="simulated:", n=2, k=1, t=2)
    assert result.text == (await selfagg.asolve("q", model="simulated:", n=2, k=1, t=2)).text
    with pytest.raises(selfagg.UsageError):
        selfagg.solve("q", model="simulated:", n=0)


def test_a_cancelled_asolve_leaves_nothing_running() -> None:
    async def cancelled() -> int:
        work = asyncio.create_task(selfagg.asolve("q", model="simulated:speed=1", n=4, k=2, t=2))
        await asyncio.sleep(0.05)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return len(asyncio.all_tasks()) - 1

    assert asyncio.run(cancelled()) == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n": 0}, "n = 0"),
        ({"t": 0}, "t = 0"),
        ({"n": 2, "k": 3}, "k = 3"),
        ({"k": 0}, "k = 0"),
        ({"method": "rsaa"}, "did you mean rsa"),
        ({"method": "single", "k": 2}, "single has no setting k"),
        ({"model": "simulate:"}, "did you mean simulated"),
        ({"model": "simulated:q=1"}, "no setting 'q'"),
        ({"candidate": "half"}, "candidate view 'half'"),
        ({"order": "sorted"}, "order 'sorted'"),
    ],
)
def test_impossible_settings_are_refused_in_one_sentence(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(selfagg.UsageError) as refusal:
        selfagg.solve("q", **{"model": "simulated:", **settings})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_solve_takes_what_asolve_takes() -> None:
    assert inspect.iscoroutinefunction(selfagg.asolve)
    assert all(hasattr(selfagg, name) for name in selfagg.__all__)


@pytest.mark.parametrize("name", ["solve", "evaluate", "compare", "sweep"])
def test_help_shows_every_parameter(name: str) -> None:
    function = getattr(selfagg, name)
    parameters = inspect.signature(function).parameters
    assert {"model", "sampling", "seed", "callback"} < set(parameters)
    assert all(f"    {parameter}: " in function.__doc__ for parameter in parameters)
    assert inspect.signature(getattr(selfagg, f"a{name}")) == inspect.signature(function)
    with pytest.raises(TypeError, match="'colour'"):
        function(["q"], colour=1)


def test_importing_selfagg_loads_nothing_heavy() -> None:
    heavy = ("openai", "numpy", "scipy", "torch", "sympy", "pyarrow", "reasoning_gym", "rich", "typer", "aiohttp")
    code = f"import sys, selfagg; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


async def test_a_budget_counts_by_estimate_what_the_server_does_not_tell() -> None:
    silent = SimulatedModel(Simulation(untold=1))
    told = await selfagg.asolve("2 + 2?", model=SimulatedModel(Simulation()), n=4, k=2, t=4)
    untold = await selfagg.asolve("2 + 2?", model=silent, n=4, k=2, t=4)
    assert untold.usage == Usage(unknown=untold.calls)
    assert (untold.cut_short, told.calls) == (False, untold.calls)
    short = await selfagg.asolve(
        "2 + 2?", model=SimulatedModel(Simulation(untold=1)), n=4, k=2, t=4, max_total_tokens=100
    )
    assert short.cut_short
    assert 0 < short.calls < untold.calls


async def test_what_the_work_lacks_is_told() -> None:
    model = SimulatedModel(Simulation(fail=0.5, untold=0.5))
    found = await selfagg.asolve("2 + 2?", model=model, n=8, k=2, t=3)
    missing = found.missing
    members = [member for population in found.populations for member in population.values()]
    assert (missing.members, missing.failed) == (len(members), sum(member.reply is None for member in members))
    assert missing.without_usage == found.usage.unknown
    assert 0 < missing.failed < missing.members
    assert 0 < missing.without_usage < missing.replies == missing.members - missing.failed


async def test_a_reply_that_a_filter_left_empty_is_not_the_answer() -> None:
    class Filtering(SimulatedModel):
        """A simulated model of whose replies a filter leaves nothing, but for the last."""

        calls = 0

        async def sample(self, request: Request) -> Reply:
            self.calls += 1
            reply = await super().sample(request)
            return reply if self.calls == 3 else replace(reply, text="", stop=Stop.FILTERED)

    model = Filtering(Simulation())
    result = await selfagg.asolve("what?", model=model, method="single", n=4)
    assert (model.calls, bool(result.text)) == (3, True)


def test_progress_ends_where_a_question_stops() -> None:
    progress = Progress()
    method = RSA(n=4, k=2, t=3, stop="unanimous")
    result = selfagg.solve("2 + 2?", kind="math", model="simulated:p=1,spread=0", method=method, callback=progress)
    assert result.stopped
    assert (progress.finished_questions, progress.done, progress.size) == (1, 4, 4)
