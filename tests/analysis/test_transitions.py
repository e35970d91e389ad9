"""What was lost and gained between populations, by hand."""

from __future__ import annotations

from collections.abc import Callable

from selfagg.analysis.aggregation import fates, transitions
from selfagg.record.record import Record

Write = Callable[..., Record]


def test_lost_and_gained_against_the_vote_of_the_parents(write: Write) -> None:
    record = write(
        [["RaRb", "aRRR"], ["abRR", "RRR-"]],
        parents=[
            # votes: R; a and R tie, the first shown wins: a, then R; R
            [[[0, 2, 1], [1, 2], [2, 1], [0, 2]]],
            [[[0, 1, 2], [3, 2], [1, 0], [2]]],  # votes: a, R, b, R
        ],
    )
    (step,) = transitions(record)
    assert step.t == 2
    assert (step.lost_count, step.gained_count) == (2, 3)
    assert step.lost is not None
    assert (step.lost.mean, step.lost.n_values, step.lost.n_questions) == (2 / 5, 5, 2)
    assert step.gained is not None
    assert (step.gained.mean, step.gained.n_values) == (1, 3)


def test_the_votes_of_nobody_are_wrong(write: Write) -> None:
    (step,) = transitions(write([["--", "R!"]]))
    assert step.lost is None
    assert (step.gained_count, step.gained and step.gained.mean) == (1, 0.5)


def test_questions_that_die_out_and_are_rescued(write: Write) -> None:
    record = write([["Raa", "abb", "abR", "RRa"], ["aaa", "aaR", "aaa", "aaa"], ["RRR", "RRR", "RRR", "aaR"]])
    first, second, third = fates(record)
    assert (first.right, first.died_out, first.rescued) == ((1, 0, 1, 2), (2,), (3,))
    assert first.elected == (False, False, False, True)
    assert (second.died_out, second.rescued) == ((3,), (2,))
    assert (third.died_out, third.rescued, third.elected) == ((), (), (True, True, True, False))
    steps = transitions(record)
    assert [(step.t, step.died_out, step.rescued) for step in steps] == [(2, 1, 1), (3, 1, 1), (4, 0, 0)]
    assert [(step.majorities_lost, step.majorities_gained) for step in steps] == [(0, 0), (0, 0), (1, 1)]


def test_what_does_not_aggregate_has_no_transitions(write: Write) -> None:
    assert transitions(write([["Ra"]])) == []
    assert transitions(write([["Ra", "aa"]], gold=False)) == []
    assert [fate.right for fate in fates(write([["Ra"]]))] == [(1,)]


def test_gains_less_losses_are_the_change_of_accuracy_beyond_voting(simulated_run: Record) -> None:
    for step in transitions(simulated_run):
        assert step.lost is not None
        assert step.gained is not None
        assert step.lost.n_values + step.gained.n_values == 150 * 8
        right = step.lost.n_values - step.lost_count + step.gained_count
        assert right == sum(fate.right[step.t - 1] for fate in fates(simulated_run))
