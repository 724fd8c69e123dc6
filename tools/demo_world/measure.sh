#!/usr/bin/env bash
# Prints how many percent of a fine-tuned base's pictures show what their prompts say: of the new word, of the old words.
#   tools/demo_world/measure.sh DIR OPTION …      draws into DIR with the base and these options of `sdxl infer`
#                                                 (--lora PATH, --unet PATH, …)
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
shift
for test in new_word_test held_out; do
  build/sdxl infer --pretrained_model_name_or_path configs/demo/base "$@" --prompt_file configs/demo/$test/prompts.txt \
    --num_inference_steps 20 --guidance_scale 2 --seed 1 --batch_size 50 --output_dir "$out/$test" --overwrite \
    --log_level warning >/dev/null
  build/judge tools/demo_world/world.json configs/demo/$test/metadata.jsonl "$out/$test" |
    python3 -c 'import json, sys; print(round(100 * json.load(sys.stdin)["accuracy"], 1))'
done | paste -sd ' '
