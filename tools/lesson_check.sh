#!/usr/bin/env bash
# Measures the demo's lesson: training must bring the new word from under 10 % of right pictures to over 80 %, and cost the
# old words less than 5 points. Does so in one run, in a run that was stopped and resumed, in two processes, and on the
# simulated NPU of the tests. Takes about five minutes on 2 cores; needs tools/test.sh's build.
#   tools/lesson_check.sh [DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/lesson}
rm -rf "$out"
failures=0

# lesson NAME COMMAND OPTIONS …: puts the command of a run into `lesson`.
lesson() {
  local name=$1 command=$2
  shift 2
  lesson=(build/sdxl "$command" --config "configs/demo/${command#train-}.json" --output_dir "$out/$name" --report_to none
    --log_level warning "$@")
}
teach() {
  lesson "$@"
  "${lesson[@]}" >/dev/null
}
# expect NAME OPTIONS …: measures and judges.
expect() {
  local name=$1
  shift
  read -r new old < <(tools/demo_world/measure.sh "$out/measured/$name" "$@")
  if awk -v new="$new" -v old="$old" -v before="$old_before" 'BEGIN {exit !(new > 80 && before - old < 5)}'; then
    echo "$name: new word $new %, old words $old %"
  else
    echo "$name: FAILED: new word $new % (wanted over 80), old words $old % (wanted over $old_before less 5)"
    failures=$((failures + 1))
  fi
}

read -r new_before old_before < <(tools/demo_world/measure.sh "$out/measured/base")
echo "base: new word $new_before %, old words $old_before %"
awk -v new="$new_before" 'BEGIN {exit !(new < 10)}' || { echo "the base knows the new word already"; exit 1; }

teach lora train-lora
expect lora --lora "$out/lora"

teach full train-full
expect full --unet "$out/full/unet"

lesson resumed train-lora
"${lesson[@]}" >/dev/null &
run=$!
until [ -d "$out/resumed/checkpoint-50" ] || ! kill -0 $run 2>/dev/null; do sleep 0.2; done
kill -TERM $run
status=0
wait $run || status=$?
[ $status = 75 ] || { echo "a stopped run ended with status $status instead of 75"; failures=$((failures + 1)); }
teach resumed train-lora --resume_from_checkpoint latest
if cmp -s "$out/lora/pytorch_lora_weights.safetensors" "$out/resumed/pytorch_lora_weights.safetensors"; then
  echo "resumed: the same weights, byte for byte"
else
  echo "resumed: FAILED: other weights than the run that was not stopped"
  failures=$((failures + 1))
fi

port=$((20000 + RANDOM % 20000))
lesson two-ranks train-lora --train_batch_size 8 --num_threads 1
for rank in 0 1; do
  RANK=$rank LOCAL_RANK=$rank WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=$port "${lesson[@]}" >/dev/null &
  ranks[rank]=$!
done
wait "${ranks[0]}" && wait "${ranks[1]}"
expect two-ranks --lora "$out/two-ranks"

SDXL_TORCH_NPU_LIB=build/tests/simulated_npu teach npu train-lora --device npu
expect npu --lora "$out/npu"

[ $failures = 0 ]
