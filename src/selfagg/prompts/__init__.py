"""Prompts: the words, what of a candidate is shown, and the fit into the model's context."""

from selfagg.prompts.prompt import Prompt, aggregation, first, grading, verification

__all__ = ["Prompt", "aggregation", "first", "grading", "verification"]
