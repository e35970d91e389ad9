"""List docstrings that break the rules of CONTRIBUTING.md: ``python scripts/docstrings.py [PATH ...]``.

A function's docstring is an imperative sentence: no noun phrase ("The ...") and no third person ("Reads ..."). No
docstring, of a module, class or attribute either, is a noun clause ("What ...", "Whether ..."). The script looks at
first words.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
CLAUSES = {"what", "whether", "that", "how", "where", "who", "which", "when", "why", "whose"}
"""First words of noun clauses."""

NOUNS = CLAUSES | {
    "all", "any", "each", "every", "everything", "nothing", "one", "two", "most", "more", "some", "a", "an", "the",
    "this", "these", "those", "it", "it's", "its", "their", "our", "such", "no", "none", "once", "as", "at", "before",
    "for", "from", "in", "like", "of", "on", "with", "without", "both", "equal", "chance", "cost", "entropy", "mean",
    "majority", "model", "share", "text", "time", "variance",
}  # fmt: skip
"""First words of no imperative sentence; a verb in the third person ("Reads ...") is none either."""


def _is_imperative(first: str) -> bool:
    third_person = first.endswith("s") and not first.endswith("ss") and first != "Focus"
    return first[0].isalpha() and first.rstrip(",:").lower() not in NOUNS and not third_person


def _attributes(node: ast.Module | ast.ClassDef) -> Iterator[tuple[int, str, str]]:
    for target, text in pairwise(node.body):
        if not (isinstance(target, ast.Assign | ast.AnnAssign) and isinstance(text, ast.Expr)):
            continue
        if isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
            yield text.lineno, ast.unparse(target).split(" ")[0], text.value.value


def clauses(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and first line of each docstring that breaks a rule."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if (text := ast.get_docstring(node)) and not _is_imperative(text.split()[0]):
                yield node.lineno, node.name, text.splitlines()[0]
        elif isinstance(node, ast.Module | ast.ClassDef):
            own = (getattr(node, "lineno", 1), getattr(node, "name", path.stem), ast.get_docstring(node) or "")
            for line, name, text in [own, *_attributes(node)]:
                if text.partition(" ")[0].lower() in CLAUSES:
                    yield line, name, text.splitlines()[0]


def listed(paths: list[Path]) -> list[str]:
    """Return a line for each docstring in these files and folders that breaks a rule."""
    files = sorted(path for given in paths for path in ([given] if given.is_file() else given.rglob("*.py")))
    return [f"{path}:{line}: {name}: {text}" for path in files for line, name, text in clauses(path)]


def main() -> None:
    """Print the list and its length."""
    found = listed([Path(argument) for argument in sys.argv[1:]] or [SOURCE])
    print(*found, f"{len(found)} docstrings", sep="\n")


if __name__ == "__main__":
    main()
