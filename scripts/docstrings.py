"""List the docstrings of functions that are no imperative sentences: ``python scripts/docstrings.py [PATH ...]``.

First words are looked at: a noun phrase ("What ...", "The ...") or a verb in the third person ("Reads ...").
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
NOUNS = {
    "what", "whether", "that", "how", "where", "who", "which", "when", "why", "whose", "all", "any", "each",
    "every", "everything", "nothing", "one", "two", "most", "more", "some", "a", "an", "the", "this", "these",
    "those", "it", "its", "their", "our", "such", "as", "at", "for", "from", "in", "like", "of", "on", "with",
    "it's",
}  # fmt: skip
"""First words of no imperative sentence; a verb in the third person ("Reads ...") is none either."""


def clauses(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and first line of each docstring that is no imperative sentence."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(node)):
            first, *_ = text.split()
            if first.lower() in NOUNS or (first.endswith("s") and not first.endswith("ss") and first != "Focus"):
                yield node.lineno, node.name, text.splitlines()[0]


def main() -> None:
    """Print the list and its length."""
    folders = [Path(argument) for argument in sys.argv[1:]] or [SOURCE]
    paths = sorted(path for folder in folders for path in ([folder] if folder.is_file() else folder.rglob("*.py")))
    found = [(path, *clause) for path in paths for clause in clauses(path)]
    for path, line, name, text in found:
        print(f"{path}:{line}: {name}: {text}")
    print(f"{len(found)} docstrings")


if __name__ == "__main__":
    main()
