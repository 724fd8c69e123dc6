"""Compares the pictures of `sdxl infer` with those of the installed diffusers.

    python tools/parity/infer_check.py [--binary build/sdxl]

Covers other samplers, LoRA files made by peft, sizes and a separate VAE. No pixel may differ by more than 1 of 255.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       StableDiffusionXLPipeline)
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from diffusers.utils import convert_state_dict_to_diffusers
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests" / "fixtures" / "tiny-sdxl"


def draw_here(binary, directory, flags):
    command = [binary, "infer", f"--pretrained_model_name_or_path={MODEL}", f"--output_dir={directory}", *flags]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr}")
    return numpy.asarray(Image.open(sorted(pathlib.Path(directory).glob("0*.png"))[0])).astype(int)


def new_pipeline():
    pipe = StableDiffusionXLPipeline.from_pretrained(MODEL, torch_dtype=torch.float32, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw_there(pipe, seed, **arguments):
    arguments = dict(dict(prompt="a photo of a cat", num_inference_steps=6, guidance_scale=6.0), **arguments)
    return (pipe(generator=torch.Generator().manual_seed(seed), output_type="np", **arguments).images[0] * 255).round().astype(int)


def make_lora(directory, text_encoders):
    """Adapters with random weights, as the training scripts save them."""
    torch.manual_seed(4)
    pipe = new_pipeline()
    pipe.unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
    layers = {}
    if text_encoders:
        for name in ("text_encoder", "text_encoder_2"):
            getattr(pipe, name).add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj", "v_proj"]))
    with torch.no_grad():
        for module in (pipe.unet, pipe.text_encoder, pipe.text_encoder_2):
            for name, p in module.named_parameters():
                if "lora_" in name:
                    p.copy_(torch.randn_like(p) * 0.2)
    if text_encoders:
        layers = {f"{n}_lora_layers": convert_state_dict_to_diffusers(get_peft_model_state_dict(getattr(pipe, n)))
                  for n in ("text_encoder", "text_encoder_2")}
    pipe.save_lora_weights(directory, convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.unet)), **layers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=ROOT / "build" / "sdxl")
    binary = parser.parse_args().binary
    common = ["--prompt=a photo of a cat", "--num_inference_steps=6", "--guidance_scale=6"]
    worst = {}

    def compare(name, flags, pipe, seed, **arguments):
        with tempfile.TemporaryDirectory() as directory:
            here = draw_here(binary, directory, [*common, f"--seed={seed}", *flags])
        there = draw_there(pipe, seed, **arguments)
        worst[name] = int(abs(here - there).max()) if here.shape == there.shape else 999

    pipe = new_pipeline()
    compare("plain", [], pipe, 1)
    compare("size", ["--height=40", "--width=56"], pipe, 2, height=40, width=56)
    for name, cls, extra in (("ddim", DDIMScheduler, {}), ("euler_a", EulerAncestralDiscreteScheduler, {}),
                             ("dpmpp_2m_karras", DPMSolverMultistepScheduler, dict(use_karras_sigmas=True)),
                             ("dpmpp_2m_sde", DPMSolverMultistepScheduler, dict(algorithm_type="sde-dpmsolver++"))):
        other = new_pipeline()
        other.scheduler = cls.from_config(other.scheduler.config, **extra)
        compare(name, [f"--scheduler={name}"], other, 3)

    with tempfile.TemporaryDirectory() as directory:
        for text_encoders in (False, True):
            make_lora(directory, text_encoders)
            other = new_pipeline()
            other.load_lora_weights(directory)
            other.fuse_lora(lora_scale=0.7)
            name = "lora with text encoders" if text_encoders else "lora"
            compare(name, [f"--lora={directory}", "--lora_scale=0.7"], other, 4)
            if abs(draw_there(other, 4) - draw_there(new_pipeline(), 4)).max() < 20:
                worst[name + " changes nothing"] = 999

    for name, difference in worst.items():
        print(f"{name:28} largest difference {difference} of 255")
    return 0 if max(worst.values()) <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
