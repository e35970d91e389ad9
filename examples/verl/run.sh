#!/usr/bin/env bash
# Starts this run, or goes on with it from its last checkpoint. Arguments are handed to verl: run.sh trainer.save_freq=10
set -euo pipefail
folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
if [ ! -d "$folder/antlr" ]; then # see reward.py
    python -m pip install --quiet --no-deps --target "$folder/antlr" antlr4-python3-runtime==4.13.2
fi
exec python -m verl.trainer.main_ppo --config-path "$folder" --config-name run "selfagg.folder=$folder" "$@"
