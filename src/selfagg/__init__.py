"""selfagg: Recursive Self-Aggregation (arXiv 2509.26626), for researchers, engineers and Python users.

>>> import selfagg
>>> result = selfagg.solve("What is 17 * 23?", model="local", kind="math", n=8, k=4, t=3)
>>> result.answer, result.text, result.populations[0][0].text
>>> evaluation = selfagg.evaluate("questions.jsonl", model="local", method=selfagg.RSA(n=8, k=4, t=3))
>>> evaluation.answer, evaluation.populations[-1].accuracy, evaluation.questions[0].populations[0][0].text
>>> selfagg.compare("questions.jsonl", ["rsa", "majority"], model="local", sizes={"n": 8, "k": 4, "t": 3}).entries

A name is loaded when it is first used, so that importing selfagg stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from selfagg._internal.extras import extras_named

if TYPE_CHECKING:
    from selfagg.analysis.comparison import Compared
    from selfagg.api import Population, Result, asolve, solve
    from selfagg.benchmarks import Benchmark, load_questions
    from selfagg.benchmarks.base import Selection
    from selfagg.errors import ContextOverflow, ModelError, RunStopped, SelfaggError, UsageError
    from selfagg.evaluation.advise import Advice, advise
    from selfagg.evaluation.analyze import Analysis, analyze
    from selfagg.evaluation.budget import ExpectedCosts, estimate_costs
    from selfagg.evaluation.compare import acompare, compare
    from selfagg.evaluation.evaluate import EvaluatedQuestion, Evaluation, aevaluate, evaluate
    from selfagg.evaluation.record_files import merge, plot, report
    from selfagg.evaluation.replay import Replay, replay
    from selfagg.evaluation.sweep import Sweep, asweep, sweep
    from selfagg.methods import RSA, Method
    from selfagg.models import Access, Model, available_models, connect
    from selfagg.models.base import AlwaysOpen
    from selfagg.progress import ProgressBar
    from selfagg.prompts import aggregation, first
    from selfagg.prompts.wording import Wording
    from selfagg.run.engine import Callback
    from selfagg.scoring.base import Scorer, Verdict
    from selfagg.server.batch import BatchResult, abatch, batch
    from selfagg.types import Member, Question, Reply, Request, Sampling, Stop, Usage

__version__ = "0.1.0"

_MODULES = {
    "api": "Population Result asolve solve",
    "benchmarks": "Benchmark load_questions",
    "benchmarks.base": "Selection",
    "run.engine": "Callback",
    "errors": "ContextOverflow ModelError RunStopped SelfaggError UsageError",
    "evaluation.evaluate": "EvaluatedQuestion Evaluation aevaluate evaluate",
    "methods": "RSA Method",
    "models.base": "AlwaysOpen",
    "models": "Access Model available_models connect",
    "evaluation.advise": "Advice advise",
    "prompts": "aggregation first",
    "prompts.wording": "Wording",
    "evaluation.analyze": "Analysis analyze",
    "analysis.comparison": "Compared",
    "evaluation.compare": "acompare compare",
    "evaluation.budget": "ExpectedCosts estimate_costs",
    "evaluation.sweep": "Sweep asweep sweep",
    "progress": "ProgressBar",
    "evaluation.record_files": "merge plot report",
    "evaluation.replay": "Replay replay",
    "scoring.base": "Scorer Verdict",
    "server.batch": "BatchResult abatch batch",
    "types": "Member Question Reply Request Sampling Stop Usage",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "RSA",
    "Access",
    "Advice",
    "AlwaysOpen",
    "Analysis",
    "BatchResult",
    "Benchmark",
    "Callback",
    "Compared",
    "ContextOverflow",
    "EvaluatedQuestion",
    "Evaluation",
    "ExpectedCosts",
    "Member",
    "Method",
    "Model",
    "ModelError",
    "Population",
    "ProgressBar",
    "Question",
    "Replay",
    "Reply",
    "Request",
    "Result",
    "RunStopped",
    "Sampling",
    "Scorer",
    "Selection",
    "SelfaggError",
    "Stop",
    "Sweep",
    "Usage",
    "UsageError",
    "Verdict",
    "Wording",
    "abatch",
    "acompare",
    "advise",
    "aevaluate",
    "aggregation",
    "analyze",
    "asolve",
    "asweep",
    "available_models",
    "batch",
    "compare",
    "connect",
    "estimate_costs",
    "evaluate",
    "first",
    "load_questions",
    "merge",
    "plot",
    "replay",
    "report",
    "solve",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'selfagg' has no attribute {name!r}")
    with extras_named():
        module = import_module(f"selfagg.{_HOMES[name]}")
    found = globals()[name] = getattr(module, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
