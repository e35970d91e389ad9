"""The record of a run: one SQLite file, its layout, and the migration of older ones."""
