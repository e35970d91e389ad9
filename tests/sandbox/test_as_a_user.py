"""The attacks once more as an ordinary user, where the tests run as root: the sandbox is built another way then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import selfagg

USER = "23456"
HERE = Path(__file__).parent

# A folder on the way to the interpreter, the packages or the tests that only root may enter (as /root) is replaced,
# in a mount namespace of this test's own, by one that shows nothing but them.
AS_USER = """
set -e
shown=$1; shift
show() {  # the way to a path, outermost folder first
  [ "$1" = / ] || show "$(dirname "$1")"
  [ $(( 0$(stat -c %a "$1") & 1 )) = 0 ] || return 0
  held=$(mktemp -d -p "$HOME")
  mount --bind "$1" "$held"
  mount -t tmpfs -o mode=755 none "$1"
  for path in $shown; do
    case $path in "$1"/*) mkdir -p "$path"; mount --bind "$held${path#"$1"}" "$path";; esac
  done
}
for path in $shown; do show "$(dirname "$path")"; done
exec setpriv --reuid "$0" --regid "$0" --clear-groups "$@"
"""


def as_user(*command: str, home: Path) -> subprocess.CompletedProcess[str]:
    shown = [sys.base_prefix, sys.prefix, str(HERE.parents[1]), str(Path(selfagg.__file__).parents[1])]
    shown += [path for path in sys.path if Path(path).is_dir()]
    outermost = [path for path in dict.fromkeys(shown) if not any(Path(other) in Path(path).parents for other in shown)]
    os.chown(home, int(USER), int(USER))
    return subprocess.run(
        ["unshare", "--mount", "bash", "-c", AS_USER, USER, " ".join(outermost), *command],
        env=os.environ | {"HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.usefixtures("sandbox")
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
@pytest.mark.skipif(not shutil.which("setpriv") or not shutil.which("unshare"), reason="util-linux is not installed")
def test_the_attacks_fail_as_an_ordinary_user_too() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which is below a folder that only root may enter
        _attack_as_user(Path(folder))


def _attack_as_user(home: Path) -> None:
    started = """
import sys
import pytest
from selfagg.errors import UsageError
from selfagg.sandbox import choose_sandbox
try:
    choose_sandbox('bubblewrap')
except UsageError as error:
    sys.exit(f"no bubblewrap: {error}")
sys.exit(pytest.main(sys.argv[1:]))
"""
    attacks = [str(path) for path in sorted(HERE.glob("test_attacks_*.py"))]
    options = (
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "no:schemathesis",
        "--basetemp",
        str(home / "made"),
    )
    tested = as_user(sys.executable, "-c", started, *options, *attacks, home=home)
    if tested.returncode == 1 and tested.stderr.startswith("no bubblewrap"):
        pytest.skip(f"bubblewrap works for root alone here: {tested.stderr.strip()[-300:]}")
    assert tested.returncode == 0, tested.stdout[-5000:] + tested.stderr[-2000:]
    assert "passed" in tested.stdout
    assert "skipped" not in tested.stdout
