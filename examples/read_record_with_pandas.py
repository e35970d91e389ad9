"""Read a record with pandas: the one that is named, or one that a SIMULATED model makes here."""

import sys
import tempfile
from pathlib import Path

import selfagg

if len(sys.argv) > 1:
    record = Path(sys.argv[1])
else:
    record = Path(tempfile.mkdtemp()) / "run.sqlite"
    questions = [{"question": f"What is {i} * {i}?", "answer": i * i, "kind": "math"} for i in range(2, 10)]
    selfagg.evaluate(questions, model="simulated:p=0.4", method=selfagg.RSA(n=4, k=2, t=3), record=record)

analysis = selfagg.analyze(record)
table = analysis.evaluation.to_pandas()  # one row for each member
print(table.groupby("t")[["score", "completion_tokens"]].mean())
print("died out:", analysis.fates["died_out"])
