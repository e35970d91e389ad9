"""Pages of the docs site that come from the code, and links to files outside of docs/."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SOURCE = "https://github.com/selfagg/selfagg/blob/main/"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of all commands and of all public names."""
    files.append(File.generated(config, "reference/cli.md", content=_commands()))
    files.append(File.generated(config, "reference/python.md", content=_names_of_the_package()))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Turn links to the repository's other files into links to the repository."""
    return re.sub(r"\]\(\.\./(?!docs/)([\w./-]+)\)", rf"]({SOURCE}\1)", markdown)


def _names_of_the_package() -> str:
    import selfagg

    names = sorted(selfagg.__all__, key=str.lower)
    head = "# Python API\n\nNames of the package, as `selfagg.solve`. How to use them: [Python](../python.md).\n\n"
    return head + "\n\n".join(f"::: selfagg.{name}" for name in names) + "\n"


def _commands() -> str:
    parts = ["# Command line\n\nThe help of each command, as `selfagg COMMAND --help` prints it.\n"]
    waiting = [[name] for name in _names([])]
    while waiting:
        command = waiting.pop(0)
        below = _names(command)
        waiting[:0] = [[*command, name] for name in below]
        parts.append(f"## selfagg {' '.join(command)}\n\n```text\n{_help(command).strip()}\n```\n")
    return "\n".join(parts)


def _help(command: list[str]) -> str:
    plain = {**os.environ, "COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}
    call = [sys.executable, "-m", "selfagg", *command, "--help"]
    return subprocess.run(call, capture_output=True, text=True, check=True, env=plain).stdout


def _names(command: list[str]) -> list[str]:
    """Return the subcommands that a help text lists."""
    _, found, listed = _help(command).partition("─ Commands ")
    return re.findall(r"(?m)^│ ([a-z][\w-]*)", listed) if found else []
