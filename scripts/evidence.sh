#!/bin/sh
# What RSA gains on a model that runs here: three tasks of Reasoning Gym, RSA 8/3/4 against majority voting,
# self-refinement and rejection at equal calls. The same command goes on where it stopped: let it run overnight.
#
#   scripts/evidence.sh MODEL [FOLDER]        e.g. scripts/evidence.sh local:qwen-1.5b.gguf
#
# SIZE=60 questions a task, SEED=0, MAX_TOKENS=220, N=8 K=3 T=4; SELFAGG is the executable.
set -eu
[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
model=$1 out=${2:-runs/evidence} selfagg=${SELFAGG:-selfagg} seed=${SEED:-0}
export OMP_WAIT_POLICY=passive

task() { # NAME TASK SETTINGS...: one task of the three
  name=$1 source=reasoning_gym:$2
  shift 2
  "$selfagg" compare "$source" "$@" --model "$model" --size "${SIZE:-60}" --data-seed "$seed" --seed "$seed" \
    --examples 1 --methods rsa,majority,self-refine,rejection -n "${N:-8}" -k "${K:-3}" -t "${T:-4}" \
    --max-tokens "${MAX_TOKENS:-220}" --out "$out/$name" > "$out/$name.txt" # no pipe: it would hide a failure
  "$selfagg" analyze "$out/$name"/rsa-*.sqlite > "$out/$name-rsa.txt"
  sed -n '/^r_c/,/^$/p' "$out/$name-rsa.txt" >> "$out/$name.txt"
  cat "$out/$name.txt"
  for rule in unanimous share:0.75; do
    "$selfagg" analyze "$out/$name"/rsa-*.sqlite --stop $rule > "$out/$name-$rule.txt"
  done
}

mkdir -p "$out"
task sums chain_sum --set min_terms=4 --set max_terms=4 --set min_digits=2 --set max_digits=2
task arithmetic basic_arithmetic
task divisors gcd
