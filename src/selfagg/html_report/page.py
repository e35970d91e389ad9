"""One HTML file out of our own template, styles and scripts, closed to everything else by a content security policy."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

_STYLES = ("base", "comparison", "plots", "questions", "reader")
_SCRIPTS = (
    "dom",
    "data",
    "nodes",
    "plot",
    "charts",
    "comparison",
    "lineage",
    "grid",
    "filters",
    "questions",
    "prompt",
    "reader",
    "address",
    "main",
)


def pieces(title: str, made: str, data: Any, texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the page, piece by piece, so that it need not be held in memory as a whole.

    Args:
        title: Its heading.
        made: A line for its foot.
        data: The data that the script reads at once; JSON values.
        texts: Names and packed contents (base64) of what it reads on demand.
    """
    folder = resources.files(__package__) / "page"
    style = "\n".join((folder / "css" / f"{name}.css").read_text("utf-8") for name in _STYLES)
    script = "\n".join((folder / "js" / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}\n}})();\n'
    filled = {
        "policy": html.escape(_policy(script, style)),
        "title": html.escape(title),
        "made": html.escape(made),
        "style": style,
        "data": _embedded(data),
        "script": script,
    }
    before, _, after = (folder / "template.html").read_text("utf-8").partition("{{texts}}")
    yield _fill(before, filled)
    for name, packed in texts:
        yield f'<script type="application/octet-stream" id="{html.escape(name)}">{packed}</script>\n'
    yield _fill(after, filled)


def _fill(template: str, filled: dict[str, str]) -> str:
    """Replace each ``{{name}}`` once, from the left, so that nothing in a value is taken for another name."""
    done = []
    while True:
        before, found, rest = template.partition("{{")
        done.append(before)
        if not found:
            return "".join(done)
        name, _, template = rest.partition("}}")
        done.append(filled[name])


def _policy(script: str, style: str) -> str:
    """Return a policy of no network, the page's own script and style alone, and no HTML made from strings."""
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _embedded(data: Any) -> str:
    """Return data as JSON that cannot end the script element around it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
