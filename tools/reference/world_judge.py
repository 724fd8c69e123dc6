#!/usr/bin/env python3
"""Writes tests/fixtures/world: grids of drawn pictures, as drawn and as the demo's VAE reconstructs them.

A line of JSON for each cell says what it shows."""
import json
import random
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/demo_world"))
import draw  # noqa: E402

OUTPUT = ROOT / "tests/fixtures/world"
COLUMNS = 20


def write_grid(name, pictures, lines):
    side = draw.WORLD["side"]
    grid = Image.new("RGB", (COLUMNS * side, -(-len(pictures) // COLUMNS) * side))
    for i, picture in enumerate(pictures):
        grid.paste(picture, (i % COLUMNS * side, i // COLUMNS * side))
    grid.save(OUTPUT / f"{name}.png", optimize=True)
    (OUTPUT / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def rebuild(vae, picture):
    pixels = torch.from_numpy(np.asarray(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        rebuilt = vae.decode(vae.encode(pixels).latent_dist.mean).sample
    return Image.fromarray(((rebuilt[0] / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())


def main():
    OUTPUT.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    lines = [draw.draw_attributes(rng, list(draw.WORLD["shapes"]), "all") for _ in range(300)]
    pictures = [draw.draw_picture(rng, line) for line in lines]
    write_grid("drawn", pictures, lines)
    vae = AutoencoderKL.from_pretrained(ROOT / "configs/demo/base/vae", torch_dtype=torch.float32)
    write_grid("rebuilt", [rebuild(vae, picture) for picture in pictures[:100]], lines[:100])


if __name__ == "__main__":
    main()
