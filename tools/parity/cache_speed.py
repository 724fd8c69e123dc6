"""Times how fast the cache is filled, next to the pre-computation of diffusers' train_text_to_image_sdxl.py.

    cache_speed.py MODEL [--pictures N] [--resolution R] [--threads T] [--batch B] [--binary PATH]

Both encode all captions and all pictures, in the script's batches, one after the other with the same threads.
"""
import argparse
import io
import json
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

import numpy
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def make_pictures(folder, count):
    generator = numpy.random.default_rng(1)
    random.seed(1)
    words = "a painting of small red house near the quiet river under bright evening sky with tall old trees".split()
    lines = []
    for i in range(count):
        coarse = generator.integers(0, 256, (24, 32, 3), dtype=numpy.uint8)
        Image.fromarray(coarse).resize((1024, 768), Image.Resampling.BICUBIC).save(folder / f"{i:05d}.jpg", quality=90)
        lines.append(json.dumps({"file_name": f"{i:05d}.jpg", "text": f"{' '.join(random.choices(words, k=14))} {i}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")


def transformed(data, side):
    """Resize, centre crop, to [-1, 1], as the script's torchvision transforms on a PIL picture."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    scale = side / min(width, height)
    image = image.resize((int(width * scale), int(height * scale)), Image.Resampling.LANCZOS)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = torch.from_numpy(numpy.array(image.crop((left, top, left + side, top + side)))).permute(2, 0, 1).contiguous()
    return (pixels.float().div(255) - 0.5) / 0.5


@torch.no_grad()
def precompute(model, folder, options):
    pipeline = StableDiffusionXLPipeline.from_pretrained(model, torch_dtype=torch.float32)
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    start = time.perf_counter()
    results = []
    captions = [row["text"] for row in rows]
    for begin in range(0, len(rows), 1000):  # the batches of datasets.map
        results.append(pipeline.encode_prompt(captions[begin : begin + 1000], do_classifier_free_guidance=False)[::2])
    for begin in range(0, len(rows), options.batch):
        part = rows[begin : begin + options.batch]
        pixels = torch.stack([transformed((folder / row["file_name"]).read_bytes(), options.resolution) for row in part])
        results.append(pipeline.vae.encode(pixels).latent_dist.sample() * pipeline.vae.config.scaling_factor)
    torch.save(results, folder / "precomputed.pt")
    seconds = time.perf_counter() - start
    (folder / "precomputed.pt").unlink()
    return seconds


def fill(model, folder, cache, options):
    command = [options.binary, "cache", "fill", f"--pretrained_model_name_or_path={model}", f"--train_data_dir={folder}",
               f"--embedding_cache_dir={cache}", f"--resolution={options.resolution}", "--center_crop",
               f"--num_threads={options.threads}", "--log_level=warning"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--binary", default=str(ROOT / "build/sdxl"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        folder.mkdir()
        make_pictures(folder, options.pictures)
        ours = fill(options.model, folder, Path(name) / "cache-1", options)
        theirs = precompute(options.model, folder, options)
        again = fill(options.model, folder, Path(name) / "cache-2", options)
    print(f"{options.pictures} pictures at {options.resolution}, {options.threads} threads: sdxl cache fill {ours:.2f} s and {again:.2f} s "
          f"(the whole process), diffusers {theirs:.2f} s (computing and saving alone): {theirs / ours:.2f} and {theirs / again:.2f} times")


if __name__ == "__main__":
    main()
