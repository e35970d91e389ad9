"""selfagg: Recursive Self-Aggregation (arXiv 2509.26626), for researchers, engineers and Python users.

>>> import selfagg
>>> result = selfagg.solve("What is 17 * 23?", model="local", kind="math", n=8, k=4, t=3)
>>> result.answer, result.text, result.populations[0][0].text
"""

from selfagg.api import Population, Result, asolve, solve
from selfagg.errors import ContextOverflow, ModelError, SelfaggError, UsageError
from selfagg.types import Member, Question, Reply, Sampling, Stop, Usage

__version__ = "0.1.0"

__all__ = [
    "ContextOverflow",
    "Member",
    "ModelError",
    "Population",
    "Question",
    "Reply",
    "Result",
    "Sampling",
    "SelfaggError",
    "Stop",
    "Usage",
    "UsageError",
    "asolve",
    "solve",
]
