#!/bin/sh
# The fast tests with the oldest release of each dependency that pyproject.toml allows, in an environment of their own:
#   sh scripts/lowest.sh [PYTEST ARGUMENT ...]
set -eu
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv/lowest}
python3 -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet uv
"$VENV/bin/uv" pip install --quiet --python "$VENV/bin/python" --resolution lowest-direct \
  --editable '.[local,server,plots,hub,dev]'
export OMP_WAIT_POLICY=passive
[ $# -gt 0 ] || set -- tests/analysis tests/benchmarks tests/cli tests/engine tests/experiments tests/fuzz \
  tests/methods tests/models tests/prompts tests/report tests/scoring tests/server tests/test_api.py
exec "$VENV/bin/python" -m pytest -q -m "not slow" "$@"
