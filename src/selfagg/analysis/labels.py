"""Names for runs: the method and its settings, as far as they tell one run from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from selfagg.record.record import Record

PanelName = Literal["accuracy", "pass", "cost", "diversity", "length", "r_c", "predicted"]

ALWAYS = ("n", "k", "t", "stop", "copy", "answer")


def named(settings: Mapping[str, Any]) -> str:
    """Return a method's name, its sizes and whether it stops, copies or votes; settings as a record has them."""
    return " ".join([settings["name"], *(f"{key}={settings[key]}" for key in ALWAYS if key in settings)])


def settings_of(record: Record) -> dict[str, Any]:
    """Return all settings of a run by their dotted names, the method's own first, without seed and questions."""
    others = {key: value for key, value in record.configuration.items() if key not in ("method", "seed", "source")}
    return {**record.configuration["method"], **_flat(others)}


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return flat


def labels_for(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return for each run the method's name, N, K, T, and every other setting that differs between the runs.

    A setting within another one, such as ``sampling.top_p``, every run has: one that does not name it left it unset.
    """
    others = dict.fromkeys(key for one in settings for key in one if key not in (*ALWAYS, "name"))
    differing = [key for key in others if len({repr(one.get(key)) for one in settings if key in one or "." in key}) > 1]
    return [" ".join([named(one), *(f"{key}={one[key]}" for key in differing if key in one)]) for one in settings]
