#!/usr/bin/env bash
# What selfagg does on a GPU, in at most 10 minutes and without a network: needs PyTorch and transformers, and what else of
# selfagg's packages is there (trl, peft, datasets for training; vllm). Prints one JSON object; what is missing is skipped,
# and said. Random weights are made here, so the numbers are speeds, and no accuracies.
#
#   scripts/gpu_check.sh [--small] [--limit SECONDS]      --small: a tiny model and few tokens, as for a CPU
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$root/src:$root/tests/servers${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1
export TOKENIZERS_PARALLELISM=false OMP_WAIT_POLICY=passive VLLM_CPU_KVCACHE_SPACE=${VLLM_CPU_KVCACHE_SPACE:-1} # GB, on a CPU
exec "${PYTHON:-python3}" "$root/scripts/gpu_check.py" "$@"
