"""A comparison of records, with what concerns their making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfagg._internal.extras import extras_named
from selfagg.analysis.missing import Missing
from selfagg.record.record import Record

if TYPE_CHECKING:
    from selfagg.analysis.compare import Comparison, MethodResult


@dataclass(frozen=True)
class Compared:
    """Methods side by side on the same questions.

    Attributes:
        comparison: Accuracies, costs and differences.
        models: The models that answered, each once.
        failures: Calls that failed for good.
        shortened: Candidates that were shortened to fit a model's context.
        records: The records' files.
    """

    comparison: Comparison
    models: Sequence[str]
    failures: int
    shortened: int
    records: Sequence[Path | None]

    @property
    def entries(self) -> Sequence[MethodResult]:
        """Return one entry for each method with its settings, over all its seeds."""
        return self.comparison.entries

    @property
    def missing(self) -> Missing:
        """Return the missing parts of all runs together."""
        return sum((entry.missing for entry in self.entries), Missing())

    def without_records(self) -> Compared:
        """Return the same without the files, which are gone."""
        return replace(self, records=[None] * len(self.records))

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``selfagg compare --json`` prints, but for ``where``, which the user named."""
        return {
            **self.comparison.as_json(),
            "models": list(self.models),
            "simulated": any(model.startswith("simulated") for model in self.models),
            "failures": self.failures,
            "shortened": self.shortened,
            "records": [None if path is None else str(path) for path in self.records],
        }

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame`` with one row for each method.

        Raises:
            UsageError: pandas is not installed.
        """
        with extras_named():
            return import_module("pandas").json_normalize(self.to_dict()["entries"])


def compared(records: Sequence[Record], reference: str | None = None) -> Compared:
    """Compare open records; see `selfagg.compare`."""
    from selfagg.analysis.compare import compare as compare_records

    counts = [
        record.query(
            "SELECT coalesce(sum(error IS NOT NULL AND tries > 0), 0), coalesce(sum(cut), 0) FROM generations"
        )[0]
        for record in records
    ]
    return Compared(
        comparison=compare_records(records, reference=reference),
        models=list(dict.fromkeys(str(record.configuration["model"]) for record in records)),
        failures=sum(failures for failures, _ in counts),
        shortened=sum(shortened for _, shortened in counts),
        records=[record.path for record in records],
    )
