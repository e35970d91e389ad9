"""The outcome of each member; questions of different depth are carried forward, marked, and left out of costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selfagg.analysis.aggregation import aggregations, ancestry
from selfagg.analysis.comparison import comparison
from selfagg.analysis.costs import chain_seconds, costs_by_population
from selfagg.analysis.member_outcomes import answered, elected, verdict, votes
from selfagg.analysis.summary import summarise
from selfagg.errors import UsageError
from selfagg.evaluation.analyze import Analysis
from selfagg.evaluation.evaluate import evaluate
from selfagg.methods import RSA, Majority, Method
from selfagg.record.record import Record
from selfagg.types import Question

METHOD = RSA(n=5, k=2, t=4, stop="share:0.8", copy=True, answer="majority")
QUESTIONS = [Question(f"q{i}", f"Question {i}?", "math", gold=str(i)) for i in range(12)]


def made(path: Path, method: Method, questions: list[Question] = QUESTIONS) -> Path:
    evaluate(questions, model="simulated:p=0.75,spread=0.4", method=method, record=path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("carried") / "run.sqlite", METHOD)


@pytest.fixture
def record(path: Path) -> Iterator[Record]:
    with Record(path, read_only=True) as opened:
        yield opened


def test_a_stopped_question_is_carried_forward_and_marked(record: Record) -> None:
    depths = dict(record.query("SELECT question, max(t) FROM generations GROUP BY question"))
    assert 1 in depths.values()
    assert 4 in depths.values()
    for question in answered(record):
        assert len(question.populations) == 4
        assert question.depth == depths[question.position]
        for t, population in enumerate(question.populations, start=1):
            assert all(member.carried == (t > question.depth) for member in population)
            assert all(member.t == t for member in population)
        last = question.populations[question.depth - 1]
        assert [m.right for m in question.populations[-1]] == [m.right for m in last]


def test_numbers_of_a_stopped_run(record: Record) -> None:
    summary = summarise(record)
    told = summary.as_json()
    generations, copies = record.query("SELECT count(*), sum(tries = 0) FROM generations")[0]
    depths = [t for (t,) in record.query("SELECT max(t) FROM generations GROUP BY question")]
    assert told["calls"] == generations - copies
    assert told["copies"] == copies > 0
    assert told["depth"] == pytest.approx(sum(depths) / len(depths))
    assert told["stopped"] == sum(depth < 4 for depth in depths) > 0
    assert told["skipped"] == told["missing"]["failed"] == told["missing"]["without_usage"] == 0
    assert told["missing"]["replies"] == told["calls"]
    assert (told["stop"], told["copy"], told["answer"]["by"]) == ("share:0.8", True, "majority")
    assert told["answer"]["accuracy"] == told["answer_accuracy"] == summary.populations[-1].majority.mean  # type: ignore[union-attr]
    assert [p["carried"] for p in told["populations"]] == [sum(depth < t for depth in depths) for t in (1, 2, 3, 4)]
    assert sum(p["copies"] for p in told["populations"]) == copies


def test_costs_hold_what_was_spent(record: Record) -> None:
    ((calls, tokens),) = record.query("SELECT sum(tries > 0), sum(prompt_tokens + completion_tokens) FROM generations")
    costs = costs_by_population(record)
    assert len(costs) == 4
    assert costs[-1].calls == pytest.approx(calls / len(QUESTIONS))
    assert costs[-1].tokens == pytest.approx(tokens / len(QUESTIONS))
    assert costs[-1].without_usage == 0
    chains = chain_seconds(record)
    assert chains == sorted(chains)


def test_rates_are_of_aggregations_that_were_made(record: Record) -> None:
    counts = aggregations(record)
    assert counts is not None
    ((aggregated,),) = record.query("SELECT count(*) FROM generations WHERE t > 1 AND tries > 0")
    assert counts.tried.sum() == aggregated
    assert not counts.everywhere
    assert Analysis.of(record).trajectory is None


def test_a_copy_descends_from_the_candidate_that_it_copies(write: Callable[..., Record]) -> None:
    written = write([["RRR", "RRR"]], parents=[[[(0, 1), (1, 2), (2, 0)]]])
    before = ancestry(written)[-1].overlap
    written.query("UPDATE generations SET tries = 0 WHERE t = 2")
    assert before == pytest.approx(0.5)
    assert ancestry(written)[-1].overlap == 0.0


def test_the_table_says_which_settings_tell_two_runs_apart(path: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "plain.sqlite", RSA(n=5, k=2, t=4))
    with Record(path, read_only=True) as one, Record(other, read_only=True) as two:
        found = comparison([two, one])
    assert [entry.label for entry in found.entries] == [
        "rsa n=5 k=2 t=4",
        "rsa n=5 k=2 t=4 stop=share:0.8 copy=True answer=majority",
    ]
    assert found.entries[1].cost.calls < found.entries[0].cost.calls == 20


def test_all_questions_may_stop_at_once(tmp_path: Path) -> None:
    easy = tmp_path / "easy.sqlite"
    evaluate(QUESTIONS[:2], model="simulated:p=1", method=METHOD, record=easy)
    with Record(easy, read_only=True) as record:
        analysis = Analysis.of(record).to_dict()
    assert [population["carried"] for population in analysis["populations"]] == [0, 2, 2, 2]
    assert [population["cost"]["calls"] for population in analysis["populations"]] == [5, 5, 5, 5]
    assert analysis["r_c"] == []


def test_votes_that_ended_early(tmp_path: Path) -> None:
    path = made(tmp_path / "vote.sqlite", Majority(n=9, stop="decided"))
    whole = made(tmp_path / "whole.sqlite", Majority(n=9))
    with Record(path, read_only=True) as short, Record(whole, read_only=True) as long:
        found, full = summarise(short), summarise(long)
        assert found.calls < full.calls == 9 * len(QUESTIONS)
        assert found.answer_accuracy == full.answer_accuracy
        assert found.populations[0].pass_at_n is None
        assert [max(one.weights) for one in answered(short)] == [1.0] * len(QUESTIONS)


def test_a_record_that_lacks_a_population_and_may_not_is_damaged(path: Path, tmp_path: Path) -> None:
    plain = made(tmp_path / "plain.sqlite", RSA(n=5, k=2, t=4), QUESTIONS[:2])
    with Record(plain) as record:
        with record.transaction() as database:
            database.execute("DELETE FROM scores WHERE t = 4 AND question = 1")
            database.execute("DELETE FROM generations WHERE t = 4 AND question = 1")
        with pytest.raises(UsageError, match="lacks members"):
            list(answered(record))


def test_a_vote_lacks_a_member_only_where_it_may_end_early(tmp_path: Path) -> None:
    whole, early = (
        made(tmp_path / f"{stop}.sqlite", Majority(n=4, stop=stop), QUESTIONS[:2]) for stop in ("never", "decided")
    )
    for path in (whole, early):
        with Record(path) as record, record.transaction() as database:
            for table in ("scores", "generations"):
                database.execute(f"DELETE FROM {table} WHERE question = 1 AND i > 1")
            database.execute("UPDATE scores SET same = i WHERE question = 1")
            database.execute("UPDATE questions SET weights = '[1, 0]' WHERE position = 1")
    with Record(early, read_only=True) as record:
        assert [len(one.populations[0]) for one in answered(record)][1] == 2
    with Record(whole, read_only=True) as record, pytest.raises(UsageError, match="lacks members"):
        list(answered(record))


@pytest.mark.parametrize(
    ("failed", "answer", "score", "words"),
    [
        (True, None, None, "failed"),
        (False, "4", 1.0, "right"),
        (False, "5", 0.0, "wrong"),
        (False, "5", 0.4, "partly right"),
        (False, None, 0.0, "no answer"),
        (False, None, None, "no answer"),
        (False, "5", None, "unscored"),
        (False, None, 1.0, "right"),
    ],
)
def test_a_verdict_in_words(failed: bool, answer: str | None, score: float | None, words: str) -> None:
    assert verdict(answer, score, failed=failed) == words


def test_the_vote_of_a_population(write: Callable[..., Record]) -> None:
    (question,) = answered(write([["ab-RRa!", "!-"]]))
    first, second = question.populations
    assert votes(first) == {0: 2, 1: 1, 3: 2}
    winner = elected(first)
    assert winner is not None
    assert (winner.i, winner.right) == (0, False)  # two groups of two: the earliest member's wins
    assert elected(second) is None
    assert question.right_counts == [2, 0]


def test_what_an_answer_is_worth(write: Callable[..., Record]) -> None:
    record = write([["R?!a"], ["RRaa"]], weights=[[0.25] * 4, [0, 0.5, 0.5, 0]])
    first, second = answered(record)
    assert first.worth == pytest.approx([1 / 3] * 3)
    assert first.worth_replied == [0.5] * 2
    assert (first.scored, first.whole, second.whole) == (True, False, True)
    assert second.worth == [0.5] * 2
    assert not any(one.scored for one in answered(write([["ab"]], gold=False)))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("UPDATE questions SET weights = '[1.5, 0]'", "wrong weights"),
        ("UPDATE questions SET weights = '[-0.5, 1]'", "wrong weights"),
        ("UPDATE questions SET weights = '[1]'", "wrong weights"),
        ("UPDATE generations SET parents = '[0, 2]' WHERE t = 2", "has no place or was never read"),
        ("UPDATE scores SET same = 2 WHERE t = 2", "do not fit together"),
    ],
)
def test_what_cannot_be_is_damage(write: Callable[..., Record], change: str, complaint: str) -> None:
    record = write([["Ra", "Ra"]])
    assert len(list(answered(record))) == 1
    with record.transaction() as database:
        database.execute(change)
    with pytest.raises(UsageError, match=complaint):
        list(answered(record))
