"""The cards of training sets and of trained models, in Markdown: what was made, from what and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

from selfagg.analysis.missing import usage_json
from selfagg.analysis.statistics import interval, mean
from selfagg.analysis.summary import summarise
from selfagg.record.record import Record
from selfagg.training.recipe import Recipe

STEPS_SHOWN = 12
"""Steps of the curves in a model's card; ``metrics.jsonl`` has all."""

PACKAGES = ("selfagg", "trl", "transformers", "torch", "peft", "accelerate")

# The first lines tell the hub's libraries which file is which split.
_SPLITS = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: train.parquet
{test}---"""

_COLUMNS = """## Columns

`data_source`, `prompt` (messages), `ability` (the kind of question), `reward_model` (`style`, `ground_truth`) and
`extra_info`: `index`, `split`, `id`, `question` (JSON text of the whole question, with all that scoring needs),
`aggregation`, `k` (0: plain), `c` (how many of the k are right; -1: plain), `prompt_tokens`."""


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


def data_card(facts: Mapping[str, Any]) -> str:
    """Return the card of a training set, from the facts that ``data.json`` holds."""
    rows, pool, by_c = facts["rows"], facts["candidates"], facts["by_c"]
    if pool is None:
        opening = "Plain problems alone, for standard reinforcement learning; no model was asked."
    elif pool["simulated"]:
        opening = "The candidates are SIMULATED: no language model was asked. For tests of software, not for training."
    else:
        opening = "Made by `selfagg train data` after arXiv 2509.26626, with candidates that a model wrote."
    shares = [[c, f"{number:,}", f"{number / rows['aggregation']:.1%}"] for c, number in by_c.items()]
    parts = [
        _SPLITS.format(test="  - split: test\n    path: test.parquet\n" if rows["test"] else ""),
        "# Training prompts for recursive self-aggregation",
        opening,
        f"{rows['plain'] + rows['aggregation']:,} training prompts: {rows['plain']:,} plain, {rows['aggregation']:,} "
        f"with {facts['settings']['training_set']['k']} candidates. {rows['test']:,} test prompts, all plain, of "
        "problems that are not trained on.",
        _table(["right among the candidates", "prompts", "share"], shares) if shares else "",
        "## Facts\n\nAs in `data.json`; what is 0 or empty is left out.",
        "\n".join(_listed({name: fact for name, fact in facts.items() if name not in ("rows", "by_c")})),
        _COLUMNS,
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _listed(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a list of facts, a nested list for each group of them."""
    for name, fact in facts.items():
        if isinstance(fact, Mapping) and any(fact.values()):
            yield f"{indent}- {name}"
            yield from _listed(fact, indent + "  ")
        elif fact and not isinstance(fact, Mapping):
            yield f"{indent}- {name}: {fact:.4g}" if isinstance(fact, float) else f"{indent}- {name}: {fact}"


def versions() -> dict[str, str]:
    """Return the versions of the packages that a training depends on."""
    return {package: metadata.version(package) for package in PACKAGES}


def model_card(settings: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the card of a trained model.

    Args:
        settings: All that was asked for, the base model and the data among it.
        lines: Of ``metrics.jsonl``.
    """
    steps = [line for line in lines if "evaluation" not in line]
    evaluations = [line for line in lines if "evaluation" in line]
    last = len(steps) - 1
    spread = steps if last < STEPS_SHOWN else [steps[round(i * last / (STEPS_SHOWN - 1))] for i in range(STEPS_SHOWN)]
    parts = [
        "---\ntags: [rl, recursive-self-aggregation]\n---",
        f"# {settings.get('model', 'A model')}, trained by selfagg",
        f"{settings['algorithm'].upper()}, {steps[-1]['step'] if steps else 0} steps, by `selfagg train rl` after "
        "arXiv 2509.26626: rewarded 1 where its answer was verified right, else 0.",
        "## Settings",
        "\n".join(f"- {name}: {value}" for name, value in {**settings, **versions()}.items()),
        "## Curves",
        "Reward, length in tokens, share cut at the limit and entropy in nats; plain prompts / aggregation prompts.",
        _table(["step", "reward", "length", "cut", "entropy"], [_curve(line) for line in spread]),
    ]
    if evaluations:
        first = evaluations[0]["evaluation"]
        accuracies = [
            [line["step"], *(accuracy(population) for population in line["evaluation"]["populations"])]
            for line in evaluations
        ]
        parts += [
            "## RSA on held-out problems",
            f"N = {first['n']}, K = {first['k']}, T = {first['t']}, {first['questions']} problems; accuracy with 95 % "
            "intervals.",
            _table(["step", *(f"population {population['t']}" for population in first["populations"])], accuracies),
        ]
    return "\n\n".join(parts) + "\n"


def _curve(line: Mapping[str, Any]) -> list[object]:
    cells: list[object] = [line["step"]]
    for name, digits in (("reward", 3), ("length", 0), ("cut", 2), ("entropy", 2)):
        values = [line.get(kind, {}).get(name) for kind in ("plain", "aggregation")]
        cells.append(" / ".join("-" if value is None else f"{value:.{digits}f}" for value in values))
    return cells


def accuracy(population: Mapping[str, Any]) -> str:
    """Return a population's accuracy with its interval, in percent."""
    if population["accuracy"] is None:
        return "-"
    low, high = population["interval"]
    return f"{population['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)
