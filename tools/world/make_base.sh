#!/usr/bin/env bash
# Makes the embedded base (configs/demo/base) from nothing: draws the world, trains tokenizer, text encoders and VAE
# with Python, and the UNet with `sdxl train-full`; then measures it on the held-out captions.
#   tools/world/make_base.sh [DIR]      works in DIR, by default out/world; PYTHON names an interpreter with torch,
#                                       diffusers, transformers, sentencepiece and Pillow
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-out/world}
python=${PYTHON:-python3}
base=configs/demo/base
world=tools/world/world.json

"$python" tools/world/draw.py --output "$out/pictures" --count 6000 --seed 11
"$python" tools/world/train_text.py --output $base
"$python" tools/world/train_vae.py --output $base/vae
"$python" tools/world/train_vae.py --start_from $base/vae --steps 6000 --output $base/vae

build/sdxl train-full --config configs/demo/train_base.json --train_data_dir "$out/pictures" \
  --output_dir "$out/run" --resume_from_checkpoint latest
"$python" - "$out/run/unet" $base/unet <<'PYTHON'
import sys
from diffusers import UNet2DConditionModel
UNet2DConditionModel.from_pretrained(sys.argv[1]).half().save_pretrained(sys.argv[2])
PYTHON

build/sdxl infer --pretrained_model_name_or_path $base --prompt_file configs/demo/held_out/prompts.txt \
  --num_inference_steps 25 --guidance_scale 3 --seed 1 --batch_size 50 --output_dir "$out/held_out" --overwrite
build/judge $world configs/demo/held_out/metadata.jsonl "$out/held_out"
