"""The examples run as they are, and so does the code of docs/python.md."""

import os
import re
from pathlib import Path

import pytest
from command_line import CommandLine

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(command_line: CommandLine, script: Path, folder: Path) -> str:
    done = command_line.run([str(script)], cwd=folder, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_runs(example: Path, tmp_path: Path, command_line: CommandLine) -> None:
    assert len(example.read_text().splitlines()) <= 40
    assert run(command_line, example, tmp_path).strip()


def test_the_code_of_the_page_runs(tmp_path: Path, command_line: CommandLine) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks))
    run(command_line, script, tmp_path)
    assert (tmp_path / "report.html").is_file()
