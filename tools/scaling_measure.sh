#!/usr/bin/env bash
# Times training on this machine's CPU: one process with two threads against two processes with one thread each, in turns,
# with the same samples a step. Prints the median seconds of a step.
#   tools/scaling_measure.sh [path of sdxl] [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
sdxl=$(realpath "${1:-build/sdxl}") rounds=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"; [ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null || true' EXIT
python3 - "$work/unet.json" <<'P'
import json, sys
config = json.load(open("tests/fixtures/tiny-sdxl/unet/config.json"))
config.update(block_out_channels=[160, 320], attention_head_dim=[5, 10], norm_num_groups=32)
json.dump(config, open(sys.argv[1], "w"))
P
run() {  # run NAME PROCESSES THREADS BATCH [FLAG …]
  local name=$1 processes=$2 threads=$3 batch=$4 pids=() rank
  shift 4
  for ((rank = 0; rank < processes; rank++)); do
    RANK=$rank WORLD_SIZE=$processes LOCAL_RANK=$rank MASTER_ADDR=127.0.0.1 MASTER_PORT=29499 \
      OMP_NUM_THREADS=$threads "$sdxl" train-full --num_threads="$threads" \
      --pretrained_model_name_or_path=tests/fixtures/tiny-sdxl --unet_config="$work/unet.json" \
      --train_data_dir=tests/fixtures/training/pictures --embedding_cache_dir="$work/cache" \
      --resolution=64 --seed=3 --train_batch_size="$batch" --max_train_steps=6 --report_to=none \
      --checkpointing_steps=1000 --overwrite_output_dir --output_dir="$work/$name" "$@" \
      >/dev/null 2>"$work/$name.$rank" & pids+=($!)
  done
  for rank in "${pids[@]}"; do wait "$rank"; done
  python3 - "$work/$name/metrics.jsonl" "$name" $((processes * batch)) <<'P'
import json, statistics, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
seconds = [int(sys.argv[3]) / line["samples_per_second"] for line in lines if "samples_per_second" in line]
print(f"{sys.argv[2]:24} {statistics.median(seconds[2:]):.3f} s a step, loss {lines[-1]['loss']:.6f}", flush=True)
P
}
for ((round = 0; round < rounds; round++)); do
  run one-process-1-thread 1 1 4
  run one-process-2-threads 1 2 4
  run two-processes-1-thread 2 1 2
  run two-processes-zero 2 1 2 --zero_stage=1
done
