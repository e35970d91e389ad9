#!/bin/sh
# A real pretrained model that learnt to aggregate: SmolLM2-135M with our adapter, on fresh rows of signs, in minutes.
# Other questions and samples: SEED=1 make demo-real. More questions: SIZE=20 make demo-real. Stopped, it goes on.
set -eu
export OMP_WAIT_POLICY=passive
size=${SIZE:-10} seed=${SEED:-0}
out=${DEMO_OUT:-runs/demo-real/$size-questions-seed-$seed}
mkdir -p "$out"
python -m examples.rows.gguf_files examples/rows/weights "$out/adapter.gguf"
selfagg compare rows --model "local:smollm2,lora=$out/adapter.gguf" --wording examples/rows/wording.toml \
  --size "$size" --data-seed "$seed" --seed "$seed" --methods rsa,majority,self-refine,rejection \
  -n 6 -k 3 -t 4 --temperature 0.7 --max-tokens 100 --out "$out/records"
echo
python -m examples.rows.lineage "$out/records"
echo
selfagg analyze "$out"/records/rsa-*.sqlite > "$out/rsa.txt"
sed -n '/^r_c/,/^$/p' "$out/rsa.txt"
selfagg plot "$out/records" --out "$out/figures.png"
selfagg report "$out/records" --out "$out/report.html"
