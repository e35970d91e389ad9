"""Rows of signs: a recipe for an adapter of SmolLM2 that aggregates."""
