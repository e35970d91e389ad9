"""The card of a training set: what was made and how, for people, from the facts that ``data.json`` holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from selfagg.analysis.missing import Missing, usage_json
from selfagg.analysis.population import interval, mean
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
    """What the candidates are worth and what they took, as the record has them."""
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
    """The card, in Markdown; its first lines tell the hub's libraries which file is which split."""
    settings, recipe, rows = facts["settings"], facts["settings"]["training_set"], facts["rows"]
    total = rows["plain"] + rows["aggregation"]
    test = "  - split: test\n    path: test.parquet\n" if rows["test"] else ""
    parts = [
        _TOP.format(test=test),
        "# Training prompts for recursive self-aggregation",
        _opening(facts),
        f"{total:,} training prompts: {rows['plain']:,} plain, {rows['aggregation']:,} with {recipe['k']} candidates. "
        f"{rows['test']:,} test prompts, all plain, of problems that are not trained on.",
        _right_counts(facts),
        _section("Candidates", _pool_lines(facts)),
        _section("Left out", _left_out(facts)),
        _section("Prompts", _prompt_lines(facts)),
        _section("How it was made", _made(facts, settings, recipe)),
        _COLUMNS,
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


_COLUMNS = """
## Columns

`data_source`, `prompt` (messages), `ability` (the kind of question), `reward_model` (`style`, `ground_truth`) and
`extra_info`: `index`, `split`, `id`, `question` (JSON text of the whole question, with all that scoring needs),
`aggregation`, `k` (0: plain), `c` (how many of the k are right; -1: plain), `prompt_tokens`.
"""


def _opening(facts: Mapping[str, Any]) -> str:
    pool = facts["candidates"]
    if pool and pool["simulated"]:
        return "The candidates are SIMULATED: no language model was asked. For tests of software, not for training."
    if pool is None:
        return "Plain problems alone, for standard reinforcement learning; no model was asked."
    return (
        "Made by `selfagg train data` after arXiv 2509.26626: plain problems, and problems with a model's candidates."
    )


def _right_counts(facts: Mapping[str, Any]) -> str:
    if not facts["by_c"]:
        return ""
    total = facts["rows"]["aggregation"]
    lines = [f"| {c} | {number:,} | {_percent(number / total)} |" for c, number in facts["by_c"].items()]
    return "\n".join(["| right among the candidates | prompts | share |", "|---:|---:|---:|", *lines])


def _pool_lines(facts: Mapping[str, Any]) -> list[str]:
    pool = facts["candidates"]
    if pool is None:
        return []
    size = pool["a_problem"]
    missing = Missing.read(pool["missing"])
    lines = [
        f"{pool['replies']:,} candidates, {size} a problem; {pool['replies_cut']:,} cut by the limit on their length"
    ]
    if pool["failed"]:
        lines.append(
            f"{pool['failed']:,} calls failed for good (the last: {pool['last_failure']}); none of them is shown, "
            "and each counts as wrong in pass@1"
        )
    lines += [f"{sentence}; none of them is shown" for word, sentence in missing.lines() if word == "unscored"]
    if pool["pass_at_1"] is not None:
        low, high = pool["interval"]
        lines.append(
            f"pass@1 {_percent(pool['pass_at_1'])} (95 % interval {100 * low:.1f} to {_percent(high)}), "
            f"pass@{size} {_percent(pool['pass_at_n'])}"
        )
    lines.append(f"tokens: {missing.tokens_words(pool['tokens'])}")
    return lines


def _left_out(facts: Mapping[str, Any]) -> list[str]:
    problems, draws, recipe = facts["problems"], facts["draws"], facts["settings"]["training_set"]
    said = [
        (problems["repeat_a_held_out_one"], "problems that read like one that is held out"),
        (problems["too_long"], "problems whose plain prompt is too long"),
        (problems["too_few_candidates"], f"problems with fewer than {recipe['k']} candidates, of their aggregations"),
        (draws["sets_missing"], "sets of candidates that too few candidates did not give"),
        (draws["dropped_all_right"], "aggregations with only right candidates"),
        (draws["dropped_all_wrong"], "aggregations with only wrong candidates"),
        (draws["dropped_too_long"], "aggregations that are too long"),
        (draws["left_over"], "aggregations beyond the share asked for"),
        (problems["plain_left_over"] if recipe["fraction"] < 1 else 0, "plain prompts beyond the share asked for"),
    ]
    lines = [f"{number:,} {what}" for number, what in said if number]
    return lines or ["nothing"]


def _prompt_lines(facts: Mapping[str, Any]) -> list[str]:
    lengths, shortened = facts["prompt_tokens"], facts["shortened"]
    how = "tokens" if lengths["counted"] else "tokens (estimated, upwards)"
    lines = [
        f"{name}: {lengths[name]['mean']:,.0f} {how} on average, {lengths[name]['max']:,} at most"
        for name in ("plain", "aggregation")
        if lengths[name]
    ]
    if shortened["prompts"]:
        lines.append(
            f"{shortened['candidates']:,} candidates in {shortened['prompts']:,} prompts were shortened to fit, "
            "as at inference"
        )
    return lines


def _made(facts: Mapping[str, Any], settings: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[str]:
    sampling = {name: value for name, value in settings["sampling"].items() if value not in (None, [], {}, False)}
    versions = facts["about"].get("versions", {})
    command = facts["about"].get("command")
    return [
        f"problems: {settings['source']}",
        f"model: {settings['model']}",
        f"sampling: {_settings(sampling)}; of a candidate is shown: {settings['candidate']}",
        f"set: {_settings(recipe)}",
        f"seed {settings['seed']}",
        f"{facts['made']}, {', '.join(f'{name} {version}' for name, version in versions.items())}",
        *([f"`{command}`"] if command else []),
    ]


def _settings(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _section(title: str, lines: Iterable[str]) -> str:
    listed = "\n".join(f"- {line}" for line in lines)
    return f"## {title}\n\n{listed}" if listed else ""
