"""Rows of signs: the task of the demo, and how its two models were trained."""
