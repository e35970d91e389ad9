"""Analyses of a record: populations, cost, aggregation, comparisons, figures. Every figure comes with its interval."""
