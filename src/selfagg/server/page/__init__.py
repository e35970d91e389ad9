"""The page at ``/``: ask, and watch the populations grow."""

from __future__ import annotations

from fastapi import FastAPI


def add_routes(app: FastAPI) -> None:
    """Adds the page and its parts."""
