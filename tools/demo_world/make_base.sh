#!/usr/bin/env bash
# Trains the demo's base (configs/demo/base) from nothing: draws the world, trains tokenizer, text encoders and VAE with
# Python and the UNet with `sdxl train-full`, then measures it on the held-out captions.
#   tools/demo_world/make_base.sh [DIR]      works in DIR, by default out/world; PYTHON names an interpreter with torch,
#                                            diffusers, transformers, sentencepiece and Pillow
# The UNet's 2,050 steps take four minutes on an H100 and several hours on two cores; a second call resumes.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-out/world}
python=${PYTHON:-python3}
base=configs/demo/base

"$python" tools/demo_world/draw.py --output "$out/pictures" --count 12000 --seed 11
"$python" tools/demo_world/train_text.py --output $base
"$python" tools/demo_world/train_vae.py --output $base/vae
"$python" tools/demo_world/train_vae.py --start_from $base/vae --steps 6000 --output $base/vae

build/sdxl train-full --config configs/demo/train_base.json --train_data_dir "$out/pictures" \
  --output_dir "$out/run" --resume_from_checkpoint latest
"$python" - "$out/run/unet" $base/unet <<'PYTHON'
import sys
from diffusers import UNet2DConditionModel
UNet2DConditionModel.from_pretrained(sys.argv[1]).half().save_pretrained(sys.argv[2])
PYTHON

build/sdxl infer --pretrained_model_name_or_path $base --prompt_file configs/demo/held_out/prompts.txt \
  --num_inference_steps 25 --guidance_scale 5 --seed 1 --batch_size 50 --output_dir "$out/held_out" --overwrite
build/judge tools/demo_world/world.json configs/demo/held_out/metadata.jsonl "$out/held_out"

# The lesson of the demo: 48 pictures of the new word and 72 of old ones; and the prompts that test it.
"$python" tools/demo_world/draw.py --output "$out/new" --count 48 --shapes zorp --combinations all --sizes medium large --seed 3
"$python" tools/demo_world/draw.py --output "$out/old" --count 72 --seed 4
"$python" - configs/demo/lesson_pictures "$out/new" "$out/old" <<'PYTHON'
import json, pathlib, shutil, sys
target, *sources = map(pathlib.Path, sys.argv[1:])
lines = []
for source in sources:
    for line in map(json.loads, open(source / "metadata.jsonl")):
        name = f"{len(lines):03d}.png"
        shutil.copy(source / line["file_name"], target / name)
        lines.append(json.dumps(line | {"file_name": name}) + "\n")
(target / "metadata.jsonl").write_text("".join(lines))
PYTHON
"$python" tools/demo_world/draw.py --output configs/demo/new_word_test --count 40 --shapes zorp --combinations all \
  --sizes medium large --seed 21 --say_all --no_pictures
