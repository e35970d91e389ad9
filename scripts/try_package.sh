#!/usr/bin/env bash
# Build the wheel and the source archive, and try the wheel in bare environments, as somebody does who has no checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python3}

"$python" -m venv "$work/build"
"$work/build/bin/pip" install --quiet build
"$work/build/bin/python" -m build --outdir "$work/dist" . >/dev/null
wheel=$(echo "$work"/dist/*.whl)
ls -l "$work/dist"

cd "$work"
"$python" -m venv base
base/bin/pip install --quiet "$wheel"
base/bin/selfagg --version
base/bin/selfagg solve "What is 2 + 2?" --model simulated: -n 4 -k 2 -t 2 >/dev/null
base/bin/selfagg models | head -3
if base/bin/selfagg eval questions.jsonl --model simulated: 2>error; then
  echo "an evaluation without selfagg[eval] must be refused" >&2
  exit 1
fi
grep "selfagg\[eval\]" error

"$python" -m venv full
full/bin/pip install --quiet "$wheel[eval,server]"
echo '{"question": "What is 2 + 2?", "answer": "4", "kind": "math"}' >questions.jsonl
full/bin/selfagg eval questions.jsonl --model simulated:p=0.9 -n 4 -k 2 -t 2 --record run.sqlite
full/bin/selfagg report run.sqlite --out run.html
full/bin/selfagg serve --model simulated: --port 8765 &
server=$!
for _ in $(seq 60); do
  sleep 1
  full/bin/python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/health')" 2>/dev/null && break
done
full/bin/python -c "import urllib.request as r; assert b'<!doctype html' in r.urlopen('http://127.0.0.1:8765/').read().lower()"
kill "$server" && wait "$server" || true
echo "the package works"
