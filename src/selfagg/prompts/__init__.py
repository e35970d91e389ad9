"""Prompts: the words, the shown part of a candidate, and the fit into the model's context."""

from selfagg.prompts.prompt import Prompt, aggregation, first, grading, verification

__all__ = ["Prompt", "aggregation", "first", "grading", "verification"]
