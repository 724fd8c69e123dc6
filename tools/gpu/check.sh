#!/usr/bin/env bash
# Compares small runs on the CPU and on the GPU, on a machine with an NVIDIA GPU. Needs tools/gpu/pack.sh's folder.
#   tools/gpu/check.sh [PART …]     parts: devices operators train draw lora precision memory (all by default)
# Each part has a time limit and a failure does not stop the others; the last line counts failures.
set -uo pipefail
cd "$(dirname "$0")/../.."
. tools/gpu/environment.sh
work=${SDXL_WORK:-$(mktemp -d /tmp/sdxl-gpu.XXXXXX)}
failures=0
steps=${SDXL_STEPS:-20}

# part NAME SECONDS COMMAND …: runs it, says how long it took, counts a failure.
part() {
  local name=$1 limit=$2 start end status
  shift 2
  start=$(date +%s.%N)
  timeout "$limit" "$@" >"$work/$name.out" 2>"$work/$name.err"
  status=$?
  end=$(date +%s.%N)
  printf '%-28s %s  %.1f s\n' "$name" "$([ $status = 0 ] && echo ok || echo "FAILED ($status)")" "$(echo "$end - $start" | bc -l 2>/dev/null || python3 -c "print($end-$start)")"
  [ $status = 0 ] && return 0
  failures=$((failures + 1))
  { tail -n 4 "$work/$name.err"; tail -n 2 "$work/$name.out"; } | cut -c1-400
  return 1
}
run_sdxl() { # NAME ARGUMENTS …
  local name=$1
  shift
  part "$name" 90 env LD_LIBRARY_PATH="$sdxl_libraries" "$sdxl" "$@"
}
wants() { [ ${#parts[@]} = 0 ] || [[ " ${parts[*]} " == *" $1 "* ]]; }

train() { # NAME COMMAND DEVICE ARGUMENTS …
  local name=$1 command=$2 device=$3 model
  shift 3
  if [ "$command" = train-full ]; then
    model=(--pretrained_model_name_or_path configs/demo/base --unet_config configs/demo/unet_config.json)
  else
    model=(--pretrained_model_name_or_path "$work/train-cpu" --rank 4)
  fi
  run_sdxl "$name" "$command" "${model[@]}" --train_data_dir configs/demo/first_pictures --resolution 64 --train_batch_size 16 \
    --learning_rate 0.001 --lr_warmup_steps 2 --snr_gamma 5 --seed 1 --max_train_steps "$steps" --checkpointing_steps "$steps" \
    --report_to none --output_dir "$work/$name" --device "$device" "$@"
}
draw() { # NAME DEVICE ARGUMENTS …
  local name=$1 device=$2
  shift 2
  run_sdxl "$name" infer --pretrained_model_name_or_path "$work/train-cpu" --prompt "a red circle on a blue background" \
    --prompt "a green square on a white background" --num_inference_steps 25 --guidance_scale 2 --seed 1 \
    --output_dir "$work/$name" --overwrite --device "$device" "$@"
}
compare() { python3 tools/gpu/compare.py "$@" || failures=$((failures + 1)); }

parts=("$@")
echo "work in $work; torch in $torch_lib"
if wants devices; then
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  run_sdxl devices devices && cat "$work/devices.out"
fi
if wants operators; then
  part operators 120 env LD_LIBRARY_PATH="$sdxl_libraries" "$pack/bin/cuda_operators_test"
  grep -E "FAILED|differ|SKIPPED|tests ran" "$work/operators.out" | head -40
  if [ -x "$pack/bin/cuda_operators_bench" ]; then
    part operators-bench 60 env LD_LIBRARY_PATH="$sdxl_libraries" "$pack/bin/cuda_operators_bench"
    cat "$work/operators-bench.out"
  fi
fi
if wants train || wants draw || wants lora || wants precision; then train train-cpu train-full cpu; fi
if wants train; then
  train train-cuda train-full cuda && compare losses "$work/train-cpu" "$work/train-cuda" 1e-3
  train train-cuda-again train-full cuda && compare losses "$work/train-cuda" "$work/train-cuda-again" 1e-5
  train train-cuda-checkpointing train-full cuda --gradient_checkpointing &&
    compare losses "$work/train-cuda" "$work/train-cuda-checkpointing" 1e-4
fi
if wants precision; then
  train train-cuda-bf16 train-full cuda --mixed_precision bf16 && compare losses "$work/train-cpu" "$work/train-cuda-bf16" 5e-2
  train train-cuda-fp16 train-full cuda --mixed_precision fp16 && compare losses "$work/train-cpu" "$work/train-cuda-fp16" 5e-2
fi
if wants lora; then
  train lora-cpu train-lora cpu
  train lora-cuda train-lora cuda && compare losses "$work/lora-cpu" "$work/lora-cuda" 1e-3
  train lora-cuda-text train-lora cuda --train_text_encoder
  train lora-cuda-fp16 train-lora cuda --mixed_precision fp16 && compare losses "$work/lora-cpu" "$work/lora-cuda-fp16" 5e-2
fi
if wants draw; then
  draw draw-cpu cpu
  draw draw-cuda cuda --log_level debug && compare pictures "$work/draw-cpu" "$work/draw-cuda" 2
  grep -hE "as a graph|without graphs" "$work/draw-cuda.err" || { echo "no CUDA graph was recorded"; failures=$((failures + 1)); }
  # In 16 bits the noise is another, so that both sides draw in them; a model of twenty steps amplifies rounding.
  for precision in bf16 fp16; do
    draw draw-cpu-$precision cpu --num_inference_steps 2 --guidance_scale 1 --mixed_precision $precision
    draw draw-cuda-$precision cuda --num_inference_steps 2 --guidance_scale 1 --mixed_precision $precision &&
      compare pictures "$work/draw-cpu-$precision" "$work/draw-cuda-$precision" 10
  done
fi
if wants memory; then # an out-of-memory run must end with status 71 and one line
  part out-of-memory 90 bash -c '
    LD_LIBRARY_PATH="$1" "$2" train-full --config configs/demo/first.json --output_dir "$3" --max_train_steps 2 --resolution 1024 \
      --lr_warmup_steps 0 --train_batch_size 512 --report_to none --device cuda; [ $? = 71 ]' - "$sdxl_libraries" "$sdxl" "$work/oom"
  grep "sdxl: error" "$work/out-of-memory.err" | cut -c1-400
fi
echo "$failures failed"
[ $failures = 0 ]
