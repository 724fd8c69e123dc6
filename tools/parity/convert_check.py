"""Compares `sdxl convert` and single-file models with the installed diffusers and peft.

    python tools/parity/convert_check.py [--binary build/sdxl]

A converted file must draw in diffusers what the directory draws. LoRA files in every naming that we write must load there
without unused keys.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from diffusers import StableDiffusionXLPipeline
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests" / "fixtures" / "tiny-sdxl"
LORAS = ROOT / "tests" / "fixtures" / "lora"
worst = {}


def run(binary, *arguments):
    result = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {result.stderr}")


def pipeline(source=MODEL):
    if pathlib.Path(source).is_file():
        pipe = StableDiffusionXLPipeline.from_single_file(source, config=str(MODEL), torch_dtype=torch.float32,
                                                          local_files_only=True)
    else:
        pipe = StableDiffusionXLPipeline.from_pretrained(source, torch_dtype=torch.float32, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe):
    return (pipe("a photo of a cat", num_inference_steps=4, guidance_scale=6.0, output_type="np",
                 generator=torch.Generator().manual_seed(8)).images[0] * 255).round().astype(int)


def check_models(binary, work):
    plain = draw(pipeline())
    convert = ["--pretrained_model_name_or_path", MODEL]
    run(binary, "convert", "--input", MODEL, "--output", work / "one.safetensors", *convert)
    run(binary, "convert", "--input", work / "one.safetensors", "--output", work / "back", *convert)
    run(binary, "convert", "--input", MODEL, "--output", work / "bf16.safetensors", "--dtype", "bf16", *convert)
    worst["from_single_file"] = abs(draw(pipeline(work / "one.safetensors")) - plain).max()
    worst["directory made of it"] = abs(draw(pipeline(work / "back")) - plain).max()
    dtypes = {tensor.dtype for tensor in load_file(work / "bf16.safetensors").values()}
    worst["--dtype bf16"] = 0 if dtypes == {torch.bfloat16} else 999
    run(binary, "infer", "--pretrained_model_name_or_path", work / "one.safetensors", "--single_file_config", MODEL,
        "--prompt=a photo of a cat", "--seed=8", "--num_inference_steps=4", "--guidance_scale=6", "--output", work / "one.png")
    worst["drawn here from it"] = abs(numpy.asarray(Image.open(work / "one.png")).astype(int) - plain).max()


def check_loras(binary, work):
    pipe = pipeline()
    pipe.load_lora_weights(LORAS / "diffusers")
    pipe.fuse_lora(lora_scale=0.7)
    fused = draw(pipe)
    # alpha is half the rank here: the metadata and the alpha tensors count
    for to in ("diffusers", "kohya"):
        file = work / f"{to}.safetensors"
        run(binary, "convert", "--input", LORAS / "kohya.safetensors", "--output", file, "--to", to,
            "--pretrained_model_name_or_path", MODEL)
        other = pipeline()
        other.load_lora_weights(file)
        other.fuse_lora(lora_scale=0.7)
        worst[f"LoRA to {to}"] = abs(draw(other) - fused).max()
    run(binary, "convert", "--input", LORAS / "kohya.safetensors", "--output", work / "peft", "--to", "peft",
        "--pretrained_model_name_or_path", MODEL)
    pipe, merged = pipeline(), pipeline()
    merged.load_lora_weights(LORAS / "diffusers")
    merged.fuse_lora(lora_scale=1.0)
    pipe.unet = PeftModel.from_pretrained(pipe.unet, work / "peft" / "unet").merge_and_unload()
    names = [name for name, _ in merged.unet.named_parameters() if name.endswith("base_layer.weight")]
    apart = max(float((merged.unet.get_parameter(name) - pipe.unet.get_parameter(name.replace(".base_layer", ""))).abs().max())
                for name in names)
    worst["LoRA to peft"] = 0 if names and apart < 1e-5 else 999


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=ROOT / "build" / "sdxl")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        os.environ["XDG_CACHE_HOME"] = folder
        check_models(options.binary, work)
        check_loras(options.binary, work)
    for name, difference in worst.items():
        print(f"{name:24} largest difference {difference} of 255")
    return 0 if max(worst.values()) <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
