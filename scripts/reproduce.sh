#!/usr/bin/env bash
# The paper's experiment (arXiv 2509.26626) on one benchmark: serve, compare, plot, and a table "paper | here | difference".
#
#   scripts/reproduce.sh [--dry-run] BENCHMARK MODEL [FOLDER]
#
# BENCHMARK: aime25, hmmt25, rg-games, rg-cognition, supergpqa, livecodebench. MODEL: a name on the hub or a folder, which
# vLLM serves here; or simulated:SETTINGS. The same command goes on where it stopped. What may be set:
#   OPENAI_BASE_URL  a server that runs already and serves MODEL; none is started then
#   SEEDS=4 SIZE=    seeds, and questions (default: all)
#   DATA=paper       the authors' files, or a PATH with them; "hub" for the hub's. INSTRUCTION=file keeps their sentence
#   WORDING=FILE     the words of the prompts (examples/wording.toml)
#   METHODS=         what is compared; rsa:k=1 and the like for the ablation of K
#   TRAINED=         "aggregation" sets the table against the paper's aggregation-aware RL
#   GPUS=1 TP=1      GPUs of the server, and GPUs of one replica; VLLM_ARGS for more, such as --reasoning-parser qwen3
#   SELFAGG, PYTHON  the executables
set -euo pipefail

# A function, so that the script is read whole before it runs for hours and the file may change meanwhile.
main() {
  dry=""
  if [ "${1:-}" = --dry-run ]; then dry=1; shift; fi
  if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    sed -n '2,17s/^# \{0,1\}//p' "$0" >&2
    exit 2
  fi
  benchmark=$1 model=$2
  out=${3:-runs/paper-$benchmark-$(basename "${model//:/-}")}
  here=$(cd "$(dirname "$0")" && pwd)
  selfagg=${SELFAGG:-selfagg} python=${PYTHON:-python3}
  gpus=${GPUS:-1} tp=${TP:-1} port=${PORT:-8000}

  methods=${METHODS:-rsa,majority,self-refine,rejection,one-step,single}
  data=${DATA:-paper}
  if [ "$benchmark" = livecodebench ]; then # two programs are the same answer only if their text is; the hub has the questions
    methods=${METHODS:-rsa,self-refine,rejection,one-step,single}
    data=${DATA:-hub}
  fi
  compare=("$selfagg" compare "$benchmark" --preset paper --match none --methods "$methods" --seeds "${SEEDS:-4}")
  if [ "$data" != hub ]; then compare+=(--data "$data"); fi
  if [ -n "${SIZE:-}" ]; then compare+=(--size "$SIZE"); fi
  if [ -n "${WORDING:-}" ]; then compare+=(--wording "$WORDING"); fi
  if [ -n "${INSTRUCTION:-}" ]; then compare+=(--instruction "$INSTRUCTION"); fi

  # Four candidates and a reply of 8,192 tokens each, and 1,024 for the rest; the whole distribution, whatever the
  # checkpoint recommends (selfagg asks for it too); one replica for each TP GPUs.
  read -r -a more <<<"${VLLM_ARGS:-}"
  serve=(vllm serve "$model" --port "$port" --max-model-len 41984 --dtype bfloat16 --generation-config vllm
    --enable-prefix-caching --tensor-parallel-size "$tp" --data-parallel-size "$((gpus / tp))" "${more[@]}")

  served=""
  case $model in
  simulated:*) compare+=(--model "$model") ;;
  *)
    compare+=(--model "openai:$model")
    if [ -z "${OPENAI_BASE_URL:-}" ]; then
      served=1
      export OPENAI_BASE_URL=http://127.0.0.1:$port/v1
    fi
    ;;
  esac

  if [ -n "$dry" ]; then
    if [ -n "$served" ]; then echo "serve:   ${serve[*]}"; fi
    echo "compare: ${compare[*]} --out $out/records"
    "${compare[@]}" --dry-run
    "${compare[@]}" --dry-run --json | "$python" "$here/reproduction.py" cost
    return
  fi

  mkdir -p "$out"
  if [ -n "$served" ]; then
    "${serve[@]}" >"$out/vllm.log" 2>&1 &
    server=$!
    trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true' EXIT
    until "$python" -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$port/health', timeout=5)" 2>/dev/null; do
      if ! kill -0 $server 2>/dev/null; then
        echo "vLLM ended; the last lines of $out/vllm.log:" >&2
        tail -5 "$out/vllm.log" >&2
        exit 1
      fi
      sleep 2
    done
  fi

  # Exit code 1 says that a member has no reply or no score: the table tells it, and the same command tries again.
  code=0
  "${compare[@]}" --out "$out/records" --json >"$out/compare.json" || code=$?
  if [ $code -gt 1 ] || [ ! -s "$out/compare.json" ]; then exit $code; fi
  "$python" "$here/reproduction.py" results "$out" --benchmark "$benchmark" --model "$model" --gpus "$gpus" \
    --trained "${TRAINED:-}" | tee "$out/table.txt"
  exit $code
}

main "$@"
exit
