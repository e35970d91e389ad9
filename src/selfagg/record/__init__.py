"""The record of a run: one SQLite file, its layout, and what becomes of older ones."""
