"""The card of a trained model: what it was made from and how, and its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

ROWS = 12
"""Steps shown of the curves; ``metrics.jsonl`` has all."""

PACKAGES = ("selfagg", "trl", "transformers", "torch", "peft", "accelerate")


def versions() -> dict[str, str]:
    """Return the versions of the packages that a training depends on."""
    return {package: metadata.version(package) for package in PACKAGES}


def model_card(settings: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the card in Markdown.

    Args:
        settings: All that was asked for, the base model and the data among it.
        lines: Of ``metrics.jsonl``.
    """
    steps = [line for line in lines if "evaluation" not in line]
    evaluations = [line for line in lines if "evaluation" in line]
    parts = [
        "---\ntags: [rl, recursive-self-aggregation]\n---",
        f"# {settings.get('model', 'A model')}, trained by selfagg",
        f"{settings['algorithm'].upper()}, {steps[-1]['step'] if steps else 0} steps, by `selfagg train rl` after "
        "arXiv 2509.26626: rewarded 1 where its answer was verified right, else 0.",
        "## Settings",
        "\n".join(f"- {name}: {value}" for name, value in settings.items()),
        "## Versions",
        "\n".join(f"- {name} {version}" for name, version in versions().items()),
        "## Curves",
        "Reward, length in tokens, share cut at the limit and entropy in nats; plain prompts / aggregation prompts.",
        _curves(_chosen(steps)),
    ]
    if evaluations:
        parts += ["## RSA on held-out problems", _evaluations(evaluations)]
    return "\n\n".join(parts) + "\n"


def _chosen(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return evenly spread steps, the first and the last among them."""
    if len(steps) <= ROWS:
        return [*steps]
    return [steps[round(place * (len(steps) - 1) / (ROWS - 1))] for place in range(ROWS)]


def _curves(steps: Sequence[Mapping[str, Any]]) -> str:
    rows = ["| step | reward | length | cut | entropy |", "|---:|---|---|---|---|"]
    for line in steps:
        groups = [line.get("plain", {}), line.get("aggregation", {})]
        cells = [
            " / ".join(_number(group.get(name), digits) for group in groups)
            for name, digits in (("reward", 3), ("length", 0), ("cut", 2), ("entropy", 2))
        ]
        rows.append(f"| {line['step']} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _evaluations(lines: Sequence[Mapping[str, Any]]) -> str:
    first = lines[0]["evaluation"]
    head = [f"population {population['t']}" for population in first["populations"]]
    rows = [
        f"N = {first['n']}, K = {first['k']}, T = {first['t']}, {first['questions']} problems; accuracy with 95 % "
        "intervals.",
        "",
        f"| step | {' | '.join(head)} |",
        f"|---:|{'---|' * len(head)}",
    ]
    for line in lines:
        cells = [accuracy(population) for population in line["evaluation"]["populations"]]
        rows.append(f"| {line['step']} | {' | '.join(cells)} |")
    return "\n".join(rows)


def accuracy(population: Mapping[str, Any]) -> str:
    """Return a population's accuracy with its interval, in percent."""
    if population["accuracy"] is None:
        return "-"
    low, high = population["interval"]
    return f"{population['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
