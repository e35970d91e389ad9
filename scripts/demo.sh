#!/bin/sh
# RSA and what it is compared with at equal calls, live: a tiny model that learnt to aggregate, then one that did not.
# Other problems and samples: SEED=1 make demo. More of them, up to 100: SIZE=100 make demo.
set -eu
export OMP_WAIT_POLICY=passive
out=${DEMO_OUT:-runs/demo}
rm -rf "$out"
# One thread: matrices this small are no work for two, which would wait for each other.
OPENBLAS_NUM_THREADS=1 python -m examples.lab.demo --size "${SIZE:-40}" --seed "${SEED:-0}" --out "$out"

echo
echo 'Now SmolLM2-135M as it comes, on small sums. r_c is the test: where it is about c/K, an aggregation is a draw among'
echo 'its candidates, and RSA does not pay.'
selfagg eval reasoning_gym:chain_sum --set min_terms=2 --set max_terms=2 --set min_digits=1 --set max_digits=1 \
  --size 6 --examples 1 --seed "${SEED:-0}" --method rsa -n 4 -k 2 -t 2 --max-tokens 40 --model local \
  --record "$out/plain.sqlite"
selfagg analyze "$out/plain.sqlite" > "$out/plain.txt"
sed -n '/^r_c/,/^$/p' "$out/plain.txt"
