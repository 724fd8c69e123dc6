#!/usr/bin/env bash
# From a clean clone to pictures: builds sdxl, trains a small UNet from random weights on twelve drawn pictures,
# and draws the same prompts and seeds with every checkpoint.
#   tools/demo.sh [DIR]       writes to DIR, by default out/demo; DIR/pictures/grid.png is the contact sheet
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/demo}
tools/setup.sh

echo "Training a UNet from random weights on the pictures in configs/demo/first_pictures ..." >&2
build/sdxl train-full --config configs/demo/first.json --output_dir "$out/run" --overwrite_output_dir

echo "Drawing with every checkpoint ..." >&2
build/sdxl infer --pretrained_model_name_or_path "$out/run" --checkpoints "$out/run" \
  --prompt_file configs/demo/first_prompts.txt --num_inference_steps 25 --guidance_scale 2 --seed 1 \
  --batch_size 6 --output_dir "$out/pictures" --overwrite

echo "The contact sheet, one row for each checkpoint: $out/pictures/grid.png" >&2
