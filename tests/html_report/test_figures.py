from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfagg.analysis.aggregation import transitions
from selfagg.analysis.comparison import Compared, comparison
from selfagg.analysis.member_outcomes import answered
from selfagg.analysis.summary import summarise
from selfagg.html_report.figures import compared, record_figures
from selfagg.record.record import Record
from selfagg.types import Question

RunOf = Callable[..., Path]


def told_of(*paths: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    with ExitStack() as opened:
        records = [opened.enter_context(Record(path, read_only=True)) for path in paths]
        read = [list(answered(record)) for record in records]
        told = [record_figures(record, questions) for record, questions in zip(records, read, strict=True)]
        return told, compared(records, read, told)


def comparison_of(paths: list[Path]) -> Compared:
    with ExitStack() as opened:
        return comparison([opened.enter_context(Record(path, read_only=True)) for path in paths])


def test_one_run_given_twice_is_drawn_twice_and_not_compared(rsa: Path) -> None:
    _, between = told_of(rsa, rsa)
    assert "No comparison: two of the records are the same run" in between["notes"][0]
    assert len(between["methods"]) == 2


def test_seeds_of_one_method_are_one_entry_and_one_colour(run_of: RunOf, sums: list[Question]) -> None:
    paths = [run_of("rsa", "simulated:", sums, n=3, k=2, t=2, seed=seed) for seed in (1, 2)]
    paths.insert(1, run_of("majority", "simulated:", sums, n=6))
    told, between = told_of(*paths)
    assert [one["label"] for one in told] == ["rsa, seed 1", "majority", "rsa, seed 2"]
    assert [one["colour"] for one in told] == [0, 1, 0]
    assert [(one["label"], one["colour"]) for one in between["methods"]] == [("rsa, 2 seeds", 0), ("majority", 1)]
    assert between["entries"][1]["over_seeds"] is None
    assert between["entries"][0]["over_seeds"] == comparison_of(paths).entries[0].over_seeds
    pooled = between["methods"][0]["populations"][0]["accuracy"][0]
    assert pooled == pytest.approx(
        (told[0]["populations"][0]["accuracy"][0] + told[2]["populations"][0]["accuracy"][0]) / 2
    )
    assert [(entry["label"], entry["seeds"]) for entry in between["entries"]] == [("rsa", [1, 2]), ("majority", [1234])]
    found = comparison_of(paths).entries[1].difference
    assert found is not None
    (verdict,) = between["comparisons"]
    assert (verdict["a"], verdict["b"], verdict["verdict"]) == ("majority", "rsa", found.verdict)
    assert (verdict["difference"], verdict["low"], verdict["high"]) == (found.difference, found.low, found.high)


def test_seeds_whose_sources_read_otherwise_are_one_method_on_the_same_questions(
    run_of: RunOf, sums: list[Question]
) -> None:
    paths = [run_of("single", "simulated:", sums, seed=seed, source=f"folder {seed}/sums") for seed in (1, 2)]
    _, between = told_of(*paths)
    assert [one["label"] for one in between["methods"]] == ["single, 2 seeds"]
    assert [entry["seeds"] for entry in between["entries"]] == [[1, 2]]


def test_one_method_with_other_settings_is_called_by_them(run_of: RunOf, sums: list[Question]) -> None:
    told, _ = told_of(*(run_of("rsa", "simulated:", sums, n=3, k=k, t=2) for k in (1, 2)))
    assert told[0]["label"] != told[1]["label"]
    assert "k=1" in told[0]["label"]


def test_records_of_other_questions_are_shown_but_not_compared(run_of: RunOf, sums: list[Question]) -> None:
    other = [replace(question, text="Something else") for question in sums]
    told, between = told_of(run_of("single", "simulated:", sums), run_of("majority", "simulated:", other, n=2))
    assert between["entries"] == []
    assert "No comparison" in between["notes"][0]
    assert [one["label"] for one in told] == ["single", "majority"]


def test_figures_are_those_of_the_analysis(rsa: Path) -> None:
    (told,), between = told_of(rsa)
    with Record(rsa, read_only=True) as record:
        summary = summarise(record)
    assert between["comparisons"] == []
    assert len(told["populations"]) == 4
    for population, expected in zip(told["populations"], summary.populations, strict=True):
        assert expected.accuracy is not None
        assert population["accuracy"] == pytest.approx(
            [expected.accuracy.mean, expected.accuracy.low, expected.accuracy.high], abs=1e-6
        )
    assert told["simulated"]
    assert told["setting"] == "N=6 K=2 T=4"
    (drawn,) = between["methods"]
    assert [rate["c"] for rate in drawn["transitions"]["r"]] == [0, 1, 2]
    assert drawn["pass_at_k"]["last"][-1][0] == 6
    assert drawn["populations"][-1]["cost"]["calls"] == pytest.approx(summary.calls / 6)


def test_what_aggregating_did_is_told_in_words(rsa: Path) -> None:
    _, between = told_of(rsa)
    with Record(rsa, read_only=True) as record:
        steps = transitions(record)
    died_out, rescued = sum(step.died_out for step in steps), sum(step.rescued for step in steps)
    times = ["once" if number == 1 else f"{number} times" for number in (died_out, rescued)]
    assert between["methods"][0]["transitions"]["findings"][1] == (
        f"From one population to the next, a question lost its last right answer {times[0]}; "
        f"one without a right answer got one {times[1]}."
    )


def test_a_run_without_gold_answers_or_aggregations_has_no_accuracy(run_of: RunOf) -> None:
    (told,), between = told_of(run_of("single", "simulated:", [Question("q", "Say something.")]))
    (drawn,) = between["methods"]
    assert told["answer"] is None
    assert drawn["transitions"] is None
    assert told["populations"][0]["accuracy"] is None
    assert drawn["pass_at_k"] == {"first": None, "last": None}


def test_what_a_record_lacks_is_told_in_sentences(run_of: RunOf, sums: list[Question]) -> None:
    paths = [
        run_of("rsa", "simulated:fail=0.3,untold=0.5", sums, n=3, k=2, t=2),
        run_of("majority", "simulated:untold=1", sums, n=4),
        run_of("single", "simulated:", sums),
    ]
    told, between = told_of(*paths)
    with Record(paths[0], read_only=True) as record:
        summary = summarise(record)
    assert summary.answer_replied is not None
    failed, tokens = told[0]["missing"]
    assert failed == (
        f"Failed: {summary.missing.failed} of 36 members have no reply: counted as wrong; without them its answer "
        f"is right in {100 * summary.answer_replied.mean:.1f} %."
    )
    assert tokens.startswith("Tokens: not told by the server for ")
    assert told[1]["missing"] == ["Tokens: not told by the server."]
    assert told[2]["missing"] == []
    assert [one["usage"]["prompt"] is None for one in told] == [False, True, False]
    assert between["entries"][1]["cost"]["total"] is None
    assert between["methods"][1]["cost"]["completion"] is None
