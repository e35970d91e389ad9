"""The docstrings of the package: imperative sentences for functions, no noun clauses anywhere."""

from __future__ import annotations

from pathlib import Path

from scripts.docstrings import SOURCE, listed

GOOD = '''"""The groups of a file."""

LIMIT = 3
"""Most groups."""


class Groups:
    """The groups of equal answers."""

    def largest(self) -> int:
        """Return the size of the largest group."""
'''


def test_no_docstring_breaks_the_rules() -> None:
    assert listed([SOURCE]) == []


def test_noun_clauses_noun_phrases_and_the_third_person_are_found(tmp_path: Path) -> None:
    file = tmp_path / "groups.py"
    file.write_text(GOOD)
    assert listed([file]) == []
    bad = {
        "The groups of a file.": "What a file holds.",
        "Most groups.": "How many groups there are.",
        "The groups of equal answers.": "Whether answers are equal.",
        "Return the size of": "The size of",
    }
    for good, sentence in bad.items():
        file.write_text(GOOD.replace(good, sentence))
        (line,) = listed([tmp_path])
        assert sentence in line
    file.write_text(GOOD.replace("Return the size", "Returns the size"))
    assert listed([file]) == [f"{file}:10: largest: Returns the size of the largest group."]
