"""Measurements: ratios from one run, never absolute promises."""
