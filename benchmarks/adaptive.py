"""What RSA costs with stop, copy and votes: calls, tokens, depth and accuracy against the paper's 16/4/10.

The model is **simulated**: the calibrated presets (``simulated:aime`` and so on), other questions for each seed. Rows
that only stop, vote or leave members out are read off the record of plain RSA (they are the same members); those that
copy or have other sizes are runs of their own. Intervals are 95 %, paired by question.

With SELFAGG_DATA, a folder with ``qwen3_first_samples.parquet``, also votes on real recorded answers.

    python -m benchmarks.adaptive [--worlds aime,hmmt] [--questions 60] [--seeds 1,2]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import fmean

from rich.table import Table

import selfagg
from benchmarks.printing import show
from selfagg.analysis.costs import costs_by_question
from selfagg.analysis.courses import Recorded, read
from selfagg.analysis.member_outcomes import answered
from selfagg.analysis.shadow import Outcomes, Shadows, votes_needed
from selfagg.analysis.statistics import mean_interval, paired_difference
from selfagg.evaluation.record_files import opened_record
from selfagg.methods import RSA, Majority, Method
from selfagg.record.record import Record
from selfagg.run.stopping import Lead
from selfagg.types import Question

WORLDS = ("aime", "hmmt", "choice", "weak", "traffic")
PLAIN = RSA(n=16, k=4, t=10)
READ: dict[str, Method] = {
    "stop unanimous": RSA(stop="unanimous"),
    "stop 7/8": RSA(stop="share:0.875"),
    "stop 3/4": RSA(stop="share:0.75"),
    "T = 5, vote": RSA(t=5, answer="majority"),
}
RUN: dict[str, Method] = {
    "copy, vote": RSA(copy=True, answer="majority"),
    "stop 7/8, copy": RSA(stop="share:0.875", copy=True, answer="majority"),
    "8/4/10": RSA(n=8),
    "8/4/10 stop 7/8, copy, vote": RSA(n=8, stop="share:0.875", copy=True, answer="majority"),
    "8/4/10 stop 3/4, copy, vote": RSA(n=8, stop="share:0.75", copy=True, answer="majority"),
    "8/4/5 stop 7/8, copy, vote": RSA(n=8, t=5, stop="share:0.875", copy=True, answer="majority"),
    "8/4/5 stop 3/4, copy, vote": RSA(n=8, t=5, stop="share:0.75", copy=True, answer="majority"),
}
VOTES: dict[str, Method] = {
    "majority of 16": Majority(n=16),
    "majority of 160": Majority(n=160),
    "... ended when decided": Majority(n=160, stop="decided"),
    "... asc:0.95": Majority(n=160, stop="asc:0.95"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A method's figures, question by question.

    Attributes:
        calls: Calls.
        tokens: Tokens of replies and prompts.
        depth: Populations.
        right: Chance that the answer is right.
    """

    calls: Sequence[float]
    tokens: Sequence[float]
    depth: Sequence[float]
    right: Sequence[float]

    def __add__(self, other: Row) -> Row:
        return Row(*([*getattr(self, field.name), *getattr(other, field.name)] for field in fields(Row)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptive")
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--seeds", default="1,2,3")
    given, _ = parser.parse_known_args()
    for world in given.worlds.split(","):
        found: dict[str, Row] = {}
        for seed in map(int, given.seeds.split(",")):
            for name, row in _world(world, given.questions, seed):
                found[name] = found[name] + row if name in found else row
        show(_table(f"simulated:{world}, {len(found['plain, all members'].right)} questions", found))
    if folder := os.environ.get("SELFAGG_DATA"):
        _real(Path(folder) / "qwen3_first_samples.parquet")


def _world(world: str, count: int, seed: int) -> Iterator[tuple[str, Row]]:
    """Give the rows of one seed, the baseline first."""
    questions = [Question(f"{seed}-{i}", f"Question {seed}-{i}?", "math", gold=str(i)) for i in range(count)]

    def recorded(method: Method, read_it: Callable[[Record], list[tuple[str, Row]]]) -> list[tuple[str, Row]]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.sqlite"
            selfagg.evaluate(questions, model=f"simulated:{world}", method=method, seed=seed, record=path)
            with opened_record(path) as record:
                return read_it(record)

    yield from recorded(PLAIN, _plain_rows)
    for name, method in RUN.items():
        yield name, recorded(method, lambda record: [("", _own(record))])[0][1]
    yield from recorded(
        Majority(n=160), lambda record: [(n, _read(Shadows(record).outcomes(m))) for n, m in VOTES.items()]
    )


def _plain_rows(record: Record) -> list[tuple[str, Row]]:
    shadows = Shadows(record)
    plain = shadows.outcomes(PLAIN)
    vote = shadows.outcomes(RSA(answer="majority"))
    found = read(record)
    return [
        ("plain, all members", _read(plain)),
        ("only ancestors", _ancestors(found, plain, decided=False)),
        ("decided vote", _ancestors(found, vote, decided=True)),
        *((name, _read(shadows.outcomes(method))) for name, method in READ.items()),
    ]


def _read(outcomes: Outcomes) -> Row:
    return Row(*(part.tolist() for part in (outcomes.calls, outcomes.tokens, outcomes.depth, outcomes.right)))


def _own(record: Record) -> Row:
    questions, costs = list(answered(record)), costs_by_question(record)
    spent = [costs[question.position] for question in questions]
    return Row(
        [cost.calls for cost in spent],
        [cost.tokens or 0.0 for cost in spent],
        [question.depth for question in questions],
        [fmean(question.worth) for question in questions],
    )


def _ancestors(found: Recorded, whole: Outcomes, *, decided: bool) -> Row:
    """Count the calls that `solve` makes: the ancestors of one member, on average, or of those that a vote needs."""
    calls, tokens = [], []
    for q, question in enumerate(found.questions):
        last = len(question.populations[-1])
        if decided:
            wanted = [range(votes_needed(list(found.same[q, -1]), Lead()))]
        else:
            wanted = [range(i, i + 1) for i in range(last)]
        needed = [_needed(question.populations, places) for places in wanted]
        calls.append(fmean(sum(map(len, levels)) for levels in needed))
        tokens.append(
            fmean(sum(found.tokens[q, t, sorted(level)].sum() for t, level in enumerate(levels)) for levels in needed)
        )
    return Row(calls, tokens, whole.depth.tolist(), whole.right.tolist())


def _needed(populations: Sequence[Sequence[object]], places: range) -> list[set[int]]:
    levels = [set(places)]
    for population in populations[:0:-1]:
        levels.insert(0, {parent for i in levels[0] for parent in population[i].parents})  # type: ignore[attr-defined]
    return levels


def _table(title: str, rows: dict[str, Row]) -> Table:
    table = Table(title=title, box=None, pad_edge=False, title_justify="left")
    for place, name in enumerate(
        ("", "calls", "of plain", "tokens", "depth", "accuracy", "against sample", "against vote")
    ):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    plain, vote = rows["plain, all members"], rows["decided vote"]
    for name, row in rows.items():
        table.add_row(
            name,
            f"{fmean(row.calls):.1f}",
            f"{fmean(row.calls) / fmean(plain.calls):.2f}",
            f"{fmean(row.tokens) / fmean(plain.tokens):.2f}",
            f"{fmean(row.depth):.1f}",
            f"{100 * mean_interval([[min(one, 1.0)] for one in row.right]).mean:.1f}",
            *(_against(row, other) for other in (plain, vote)),
        )
    return table


def _against(row: Row, other: Row) -> str:
    if row.right == other.right:
        return "0"
    found = paired_difference([[one] for one in row.right], [[one] for one in other.right])
    return f"{100 * found.difference:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def _real(samples: Path) -> None:
    """Show votes on real recorded answers."""
    if not samples.exists():
        show(f"{samples} is not there: no votes on real answers")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.sqlite"
        selfagg.evaluate(samples, model=f"recorded:{samples}", method=Majority(n=64), record=path)
        with opened_record(path) as record:
            shadows = Shadows(record)
            rows = {
                name: _read(shadows.outcomes(Majority(n=64, stop=stop)))
                for name, stop in (
                    ("of 64", "never"),
                    ("decided", "decided"),
                    ("asc:0.99", "asc:0.99"),
                    ("asc:0.95", "asc:0.95"),
                )
            }
    table = Table(
        title=f"votes on {len(rows['of 64'].right)} real questions of Qwen3",
        box=None,
        pad_edge=False,
        title_justify="left",
    )
    for name in ("", "samples", "tokens", "accuracy", "against the whole vote"):
        table.add_column(name, justify="right" if name else "left")
    whole = rows["of 64"]
    for name, row in rows.items():
        tokens = fmean(row.tokens) / fmean(whole.tokens)
        table.add_row(
            name, f"{fmean(row.calls):.1f}", f"{tokens:.2f}", f"{100 * fmean(row.right):.1f}", _against(row, whole)
        )
    show(table)


if __name__ == "__main__":
    main()
