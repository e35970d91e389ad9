"""The card of a training set: what was made and how, for people, from the facts that ``data.json`` holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from selfagg.analysis.missing import usage_json
from selfagg.analysis.statistics import interval, mean
from selfagg.analysis.summary import summarise
from selfagg.record.record import Record
from selfagg.training.recipe import Recipe

_TOP = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: train.parquet
{test}---
"""


def described_pool(record: Record, recipe: Recipe) -> dict[str, Any]:
    """Return the accuracy and the cost of the candidates, from the record."""
    summary = summarise(record)
    population = summary.populations[0] if summary.populations else None
    ((replies, cut),) = record.query(
        "SELECT count(*), coalesce(sum(stop = 'length'), 0) FROM generations WHERE error IS NULL"
    )
    return {
        "a_problem": recipe.pool,
        "replies": replies,
        "replies_cut": cut,
        "failed": summary.failures,
        "missing": summary.missing.as_json(),
        "last_failure": summary.last_failure,
        "pass_at_1": mean(population.accuracy) if population else None,
        "interval": interval(population.accuracy) if population else None,
        "pass_at_n": mean(population.pass_at_n) if population else None,
        "tokens": usage_json(summary.usage, summary.missing.replies),
        "simulated": summary.simulated,
    }


def card(facts: Mapping[str, Any]) -> str:
    """Return the card, in Markdown; its first lines tell the hub's libraries which file is which split."""
    rows, k = facts["rows"], facts["settings"]["training_set"]["k"]
    parts = [
        _TOP.format(test="  - split: test\n    path: test.parquet\n" if rows["test"] else ""),
        "# Training prompts for recursive self-aggregation",
        _opening(facts["candidates"]),
        f"{rows['plain'] + rows['aggregation']:,} training prompts: {rows['plain']:,} plain, {rows['aggregation']:,} "
        f"with {k} candidates. {rows['test']:,} test prompts, all plain, of problems that are not trained on.",
        _right_counts(facts),
        "## Facts\n\nAs in `data.json`; what is 0 or empty is left out.",
        "\n".join(_listed({name: fact for name, fact in facts.items() if name not in ("rows", "by_c")})),
        _COLUMNS,
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


_COLUMNS = """
## Columns

`data_source`, `prompt` (messages), `ability` (the kind of question), `reward_model` (`style`, `ground_truth`) and
`extra_info`: `index`, `split`, `id`, `question` (JSON text of the whole question, with all that scoring needs),
`aggregation`, `k` (0: plain), `c` (how many of the k are right; -1: plain), `prompt_tokens`.
"""


def _opening(pool: Mapping[str, Any] | None) -> str:
    if pool and pool["simulated"]:
        return "The candidates are SIMULATED: no language model was asked. For tests of software, not for training."
    if pool is None:
        return "Plain problems alone, for standard reinforcement learning; no model was asked."
    return (
        "Made by `selfagg train data` after arXiv 2509.26626: plain problems, and problems with a model's candidates."
    )


def _right_counts(facts: Mapping[str, Any]) -> str:
    total = facts["rows"]["aggregation"]
    lines = [f"| {c} | {number:,} | {number / total:.1%} |" for c, number in facts["by_c"].items()]
    head = ["| right among the candidates | prompts | share |", "|---:|---:|---:|"]
    return "\n".join([*head, *lines]) if lines else ""


def _listed(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a list of facts, a nested list for each group of them."""
    for name, fact in facts.items():
        if isinstance(fact, Mapping) and any(fact.values()):
            yield f"{indent}- {name}"
            yield from _listed(fact, indent + "  ")
        elif fact and not isinstance(fact, Mapping):
            yield f"{indent}- {name}: {fact:.4g}" if isinstance(fact, float) else f"{indent}- {name}: {fact}"
