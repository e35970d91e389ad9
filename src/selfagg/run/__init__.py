"""The engine: the order of calls to a model, and the memory of their results."""
