"""Runs that are one method over several seeds, names that tell such methods apart, and numbers of things in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from selfagg.record.record import Record

ALWAYS = ("n", "k", "t", "stop", "copy", "answer")


def plural(number: int, noun: str) -> str:
    """Return a number of things: ``1 seed``, ``2 seeds``, ``1,000 questions``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def named(settings: Mapping[str, Any]) -> str:
    """Return a method's name, its sizes and whether it stops, copies or votes; settings as a record has them."""
    return " ".join([settings["name"], *(f"{key}={settings[key]}" for key in ALWAYS if key in settings)])


class Group(NamedTuple):
    """Records that differ in nothing but the seed."""

    label: str  # the method's name and settings, as far as they tell it from the other groups
    settings: Mapping[str, Any]  # all settings by their dotted names, without seed and questions
    places: Sequence[int]  # places of the records among those given
    twin: bool  # True if an earlier group has the same run


def grouped(records: Sequence[Record], *, by_source: bool) -> list[Group]:
    """Group records that differ in nothing but the seed, in the order of the first of each group.

    A second run of one seed stands apart as a twin: one run counted twice would pass for two.

    Args:
        records: The records.
        by_source: True if runs on questions from elsewhere are apart; False if all have the same questions.
    """
    groups: list[tuple[dict[str, Any], Any, dict[int, int]]] = []
    for place, record in enumerate(records):
        settings, seed = _settings(record), record.configuration["seed"]
        source = record.configuration.get("source") if by_source else None
        for known, where, seeds in groups:
            if (known, where) == (settings, source) and seed not in seeds:
                seeds[seed] = place
                break
        else:
            groups.append((settings, source, {seed: place}))
    labels = _labels([settings for settings, _, _ in groups])
    return [
        Group(
            label if labels.count(label) == 1 or not by_source else f"{label}, {source or ''}",
            settings,
            list(seeds.values()),
            any((settings, source) == other[:2] for other in groups[:number]),
        )
        for number, (label, (settings, source, seeds)) in enumerate(zip(labels, groups, strict=True))
    ]


def _settings(record: Record) -> dict[str, Any]:
    """Return all settings of a run by their dotted names, the method's own first, without seed and questions."""
    others = {key: value for key, value in record.configuration.items() if key not in ("method", "seed", "source")}
    return {**record.configuration["method"], **_flat(others)}


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return flat


def _labels(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return for each run the method's name, N, K, T, and every other setting that differs between the runs.

    A setting within another one, such as ``sampling.top_p``, every run has: one that does not name it left it unset.
    """
    others = dict.fromkeys(key for one in settings for key in one if key not in (*ALWAYS, "name"))
    differing = [key for key in others if len({repr(one.get(key)) for one in settings if key in one or "." in key}) > 1]
    return [" ".join([named(one), *(f"{key}={one[key]}" for key in differing if key in one)]) for one in settings]
