"""Comparisons by hand; what must be refused is."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from selfagg.analysis.comparison import comparison
from selfagg.analysis.statistics import correct_for_many, mean_interval, paired_difference
from selfagg.errors import UsageError
from selfagg.record.record import Record

Write = Callable[..., Record]

RSA = {"name": "rsa", "n": 2, "k": 2, "t": 2}
SINGLE = {"name": "single", "n": 2, "t": 1}


def test_methods_are_paired_by_question_and_seeds_averaged(write: Write) -> None:
    rsa = [
        write([["Ra", "RR"], ["aa", "Ra"], ["aR", "RR"]], method=RSA, seed=1),
        write([["aa", "Ra"], ["aa", "aa"], ["RR", "RR"]], method=RSA, seed=2),
    ]
    single = [write([["Ra"], ["aa"], ["aR"]], method=SINGLE, seed=1)]
    found = comparison([*single, *rsa])
    assert (found.reference, found.questions, found.questions_total) == ("single n=2 t=1", 3, 3)
    first, second = found.entries
    assert (first.label, first.seeds, first.difference) == ("single n=2 t=1", (1,), None)
    assert (second.label, second.seeds, second.method) == ("rsa n=2 k=2 t=2", (1, 2), "rsa")
    assert first.accuracy == mean_interval([[1, 0], [0, 0], [0, 1]])
    values = [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
    assert second.accuracy == mean_interval(values)
    assert second.by_seed == pytest.approx((2.5 / 3, 1.5 / 3))
    assert second.over_seeds == pytest.approx(1 / 3 / 2**0.5)
    assert first.over_seeds is None
    assert first.by_seed == pytest.approx((1 / 3,))
    assert second.difference == correct_for_many([paired_difference(values, [[0.5], [0.0], [0.5]])])[0]
    assert (second.cost.calls, second.cost.prompt) == (4, 600)
    assert (first.cost.calls, first.cost.prompt) == (2, 200)


def test_seeds_count_the_same_however_many_answers_they_choose_from(write: Write) -> None:
    chosen = [
        write([["RRRa"], ["aaaa"]], method=SINGLE, weights=[[0.25] * 4, [0.25] * 4], seed=1),
        write([["RRRa"], ["aaaa"]], method=SINGLE, weights=[[0, 0, 0, 1], [0.25] * 4], seed=2),
    ]
    (entry,) = comparison(chosen).entries
    assert entry.accuracy.mean == (0.75 / 2 + 0) / 2
    assert entry.accuracy.n_values == 4 + 1 + 4 + 4


def test_every_entry_meets_the_reference_with_holms_correction(write: Write) -> None:
    questions = 12
    bad = write([["aa", "aa"]] * questions, method=RSA)
    good = write([["aa", "RR"]] * questions, method=RSA | {"k": 1})
    same = write([["aa"]] * questions, method=SINGLE)
    found = comparison([good, bad, same], reference="single")
    good_entry, bad_entry, reference = found.entries
    assert reference.difference is None
    assert good_entry.difference is not None
    assert (good_entry.difference.difference, good_entry.difference.verdict) == (1, "better")
    assert good_entry.difference.p_value == pytest.approx(2 * 2 / 2**questions)  # sign flip, times two comparisons
    assert bad_entry.difference is not None
    assert (bad_entry.difference.difference, bad_entry.difference.verdict) == (0, "cannot tell")
    told = json.loads(json.dumps(found.to_dict()))
    assert [entry["difference"] and entry["difference"]["verdict"] for entry in told["entries"]] == [
        "better",
        "cannot tell",
        None,
    ]


def test_labels_name_what_differs(write: Write) -> None:
    records = [
        write([["Ra", "Ra"]], method=RSA | {"order": order}, sampling={"temperature": heat, "top_p": None}, model="m")
        for order, heat in (("random", 1.0), ("prefix", 1.0), ("random", 0.5))
    ]
    assert [entry.label for entry in comparison(records).entries] == [
        "rsa n=2 k=2 t=2 order=random sampling.temperature=1.0",
        "rsa n=2 k=2 t=2 order=prefix sampling.temperature=1.0",
        "rsa n=2 k=2 t=2 order=random sampling.temperature=0.5",
    ]


def test_only_questions_done_everywhere_count(write: Write) -> None:
    whole = write([["RR"], ["RR"], ["aa"]], method=SINGLE)
    part = write([["Ra", "Ra"], ["aa", "aa"], ["RR", "RR"]], weights=[[0.5, 0.5], None, [0.5, 0.5]], method=RSA)
    found = comparison([whole, part])
    assert (found.questions, found.questions_total) == (2, 3)
    assert [entry.accuracy.mean for entry in found.entries] == [0.5, 0.75]


def test_one_run_counted_twice_is_refused(write: Write) -> None:
    runs = [write([["R"], ["a"]], method=SINGLE, seed=seed) for seed in (1, 2, 1)]
    assert comparison(runs[:2]).entries[0].seeds == (1, 2)
    with pytest.raises(UsageError, match="two of the records are the same run: single with its settings and seed 1"):
        comparison(runs)


def test_different_questions_are_refused(write: Write) -> None:
    one = write([["R"], ["a"]], method=SINGLE)
    with pytest.raises(UsageError, match="1 question only in None, q2 to begin with"):
        comparison([one, write([["R"], ["a"], ["a"]], method=SINGLE)])
    with pytest.raises(UsageError, match="question q0 reads otherwise"):
        comparison([one, write([["R"], ["a"]], method=SINGLE, groups=["x", "y"])])


def test_nothing_to_compare_is_refused(write: Write) -> None:
    with pytest.raises(UsageError, match="no question with a gold answer"):
        comparison([write([["R"]], gold=False), write([["R", "R"]], gold=False)])
    records = [write([["R"]], method=SINGLE), write([["R", "R"]], method=RSA)]
    with pytest.raises(UsageError, match="no entry called 'majority' to compare with; there are 'single n=2 t=1'"):
        comparison(records, reference="majority")
    with pytest.raises(UsageError, match="2 entries called 'rsa'"):
        comparison([records[1], write([["R", "R"]], method=RSA | {"k": 1})], reference="rsa")
