#!/bin/sh
# RSA and what it is compared with at equal calls, live: a tiny model that gains, then a real one that does not.
# Other questions and samples: SEED=1 make demo. More of them: SIZE=200 make demo.
set -eu
export OMP_WAIT_POLICY=passive
out=${DEMO_OUT:-runs/demo}
rm -rf "$out"
selfagg compare rows --size "${SIZE:-40}" --data-seed "${SEED:-0}" --seed "${SEED:-0}" --model local:examples/rows/tiny.gguf \
  --methods rsa,majority,self-refine,rejection -n 6 -k 2 -t 4 --match calls --temperature 0.7 --max-tokens 100 --out "$out"
selfagg analyze "$out"/rsa*.sqlite
python -m examples.rows.lineage "$out"
selfagg report "$out" --out "$out/report.html"
selfagg plot "$out" --out "$out/demo.png"

echo
echo 'The same on sums, by SmolLM2-135M as it comes: the table of r_c says that RSA does not pay here.'
selfagg eval reasoning_gym:chain_sum --set min_terms=2 --set max_terms=2 --set min_digits=1 --set max_digits=2 \
  --size 8 --examples 1 --seed "${SEED:-0}" --method rsa -n 4 -k 2 -t 2 --max-tokens 60 --model local \
  --record "$out/plain.sqlite"
selfagg analyze "$out/plain.sqlite"
