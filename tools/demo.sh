#!/usr/bin/env bash
# Builds sdxl and teaches the small base model in configs/demo/base a new word, once by LoRA and once by full fine-tuning.
# Then draws the same prompts and seeds with the base and every checkpoint, and measures what was learned and what was kept.
#   tools/demo.sh [DIR]       writes to DIR, by default out/demo; DIR/pictures/grid.png is the contact sheet
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/demo}
tools/setup.sh

echo "Teaching the base the word zorp by LoRA ..." >&2
build/sdxl train-lora --config configs/demo/lora.json --output_dir "$out/lora" --overwrite_output_dir
echo "The same by full fine-tuning ..." >&2
build/sdxl train-full --config configs/demo/full.json --output_dir "$out/full" --overwrite_output_dir

echo "Drawing with the base and with every checkpoint ..." >&2
build/sdxl infer --pretrained_model_name_or_path configs/demo/base --include_base --checkpoints "$out/lora" \
  --checkpoints "$out/full" --prompt_file configs/demo/prompts.txt --num_inference_steps 20 --guidance_scale 2 --seed 1 \
  --batch_size 8 --output_dir "$out/pictures" --overwrite

echo "Measuring how many of 40 pictures with the new word and of 100 with old words are right ..." >&2
measure() { # NAME OPTIONS …
  local name=$1 accuracy
  shift
  accuracy=$(tools/demo_world/measure.sh "$out/measured/$name" "$@")
  printf '%-20s %8s %% %8s %%\n' "$name" $accuracy
}
{
  printf '%-20s %10s %10s\n' "" "new word" "old words"
  measure base
  measure LoRA --lora "$out/lora"
  measure "full fine-tuning" --unet "$out/full/unet"
} | tee "$out/accuracy.txt"

echo "The contact sheet, prompts across, base and checkpoints down: $out/pictures/grid.png" >&2
