#!/bin/sh
# RSA, majority voting and self-refinement at equal calls, on a real model of 135M parameters, on a laptop.
# Another model takes its place by name:  make demo MODEL=local:PATH.gguf
set -eu
export OMP_WAIT_POLICY=passive
out=${DEMO_OUT:-runs/demo}
rm -rf "$out"
selfagg compare reasoning_gym:chain_sum \
  --set min_terms=2 --set max_terms=2 --set min_digits=1 --set max_digits=2 --size "${SIZE:-10}" --examples 2 \
  --methods rsa,majority,self-refine -n 4 -k 2 -t 3 --match calls --max-tokens 80 \
  --model "${MODEL:-local}" --concurrency 4 --out "$out"
for record in "$out"/rsa*.sqlite; do
  selfagg analyze "$record"
done
selfagg report "$out" --out "$out/report.html"
