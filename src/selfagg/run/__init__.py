"""The engine: when to ask, and how to remember."""
