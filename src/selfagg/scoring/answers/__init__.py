"""Typed answers: the one place that decides whether two mathematical answers are equal.

The road of an answer: `normalise` writes it in one LaTeX, `read` turns that into a `Value`, `values` compares.
Only `values` and `plain` are cheap to import; the others load sympy and run in worker processes.
"""
