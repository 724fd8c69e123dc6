#!/usr/bin/env python3
"""Trains the VAE of the small world's base model and writes it as diffusers would:

    train_vae.py --output VAE
    train_vae.py --start_from VAE --steps 6000 --output VAE        a second round makes corners sharp

An AutoencoderKL of the real structure with narrow blocks. It sees pictures of the world (none of the held-out
combinations, never the new word) and random polygons, so that it can also rebuild shapes of which the UNet
knows nothing. Needs torch, diffusers and Pillow; less than an hour on one core.
"""
import argparse
import json
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image, ImageDraw

import draw

CONFIG = dict(in_channels=3, out_channels=3, latent_channels=4, sample_size=draw.WORLD["side"],
              block_out_channels=(16, 32, 48, 64), down_block_types=("DownEncoderBlock2D",) * 4,
              up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1, norm_num_groups=8, act_fn="silu",
              force_upcast=False)
BATCH, WARMUP = 16, 50
MUON_RATE, ADAM_RATE = 0.02, 2e-3
CROP, CROPPED = 32, 0.8  # the first steps, this share of them, see only crops of this side: four times as quick
POOL = {"world": 8000, "polygons": 4000}
KL_WEIGHT = 1e-4
LATENT_NOISE = 0.05   # in units of the latents' deviation: the decoder then forgives small errors of the UNet


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by five Newton-Schulz steps (Keller Jordan's Muon), for kernels seen as matrices;
    a small VAE learns here in half the steps that AdamW takes."""

    def __init__(self, parameters, lr, momentum=0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                average = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                average.lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(average, group["momentum"]).flatten(1)
                rows, columns = update.shape
                update = orthogonalised(update.T).T if rows > columns else orthogonalised(update)
                parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


def orthogonalised(matrix):
    matrix = matrix / (matrix.norm() + 1e-7)
    for _ in range(5):
        square = matrix @ matrix.T
        matrix = 3.4445 * matrix + (-4.7750 * square + 2.0315 * square @ square) @ matrix
    return matrix


def make_optimizers(vae):
    outer = ("encoder.conv_in.weight", "decoder.conv_out.weight")
    kernels = {name for name, p in vae.named_parameters() if p.ndim >= 2 and name not in outer}
    return [Muon([p for name, p in vae.named_parameters() if name in kernels], MUON_RATE),
            torch.optim.AdamW([p for name, p in vae.named_parameters() if name not in kernels], ADAM_RATE,
                              betas=(0.9, 0.99))]


def random_polygons(rng):
    """One to three polygons of 3 to 12 corners in any of the world's colours on any other."""
    side, k = draw.WORLD["side"], 4
    palette = [*draw.WORLD["colours"].values(), *draw.WORLD["backgrounds"].values()]
    colours = [tuple(colour) for colour in rng.sample(palette, 4)]
    picture = Image.new("RGB", (side * k, side * k), colours[0])
    for colour in colours[1:rng.choice([2, 2, 3, 4])]:
        corners, radius = rng.randint(3, 12), rng.uniform(6, 18)
        x, y, turn = rng.uniform(8, side - 8), rng.uniform(8, side - 8), rng.uniform(0, 7)
        points = []
        for i in range(corners):
            angle, r = turn + 2 * math.pi * i / corners, radius * rng.uniform(0.3, 1)
            points.append(((x + r * math.sin(angle)) * k, (y + r * math.cos(angle)) * k))
        ImageDraw.Draw(picture).polygon(points, fill=colour)
    return picture.resize((side, side), Image.Resampling.BOX)


def to_tensor(pictures):
    """Pictures -> [N, 3, H, W] uint8."""
    return torch.from_numpy(np.stack([np.asarray(p) for p in pictures])).permute(0, 3, 1, 2).contiguous()


def crop_at_random(pictures):
    """Crops of the middle part, where most of the shapes are, at one place for the whole batch."""
    top, left = torch.randint(4, draw.WORLD["side"] - CROP - 4 + 1, (2,)).tolist()
    return pictures[:, :, top:top + CROP, left:left + CROP]


def to_pixels(pictures):
    return pictures.float() / 127.5 - 1


def loss_of(vae, pixels, deviation):
    posterior = vae.encode(pixels).latent_dist
    latents = posterior.sample()
    latents = latents + LATENT_NOISE * deviation * torch.randn_like(latents)
    rebuilt = vae.decode(latents).sample
    edges = sum((rebuilt.diff(dim=d) - pixels.diff(dim=d)).abs().mean() for d in (2, 3))
    kl = posterior.kl().mean() / latents[0].numel()
    return F.l1_loss(rebuilt, pixels) + F.mse_loss(rebuilt, pixels) + edges + KL_WEIGHT * kl, latents


def normalise_latents(vae, pixels):
    """Moves and scales each latent channel to mean 0 and one common deviation, by means of the 1x1 convolutions
    around the latents; the deviation's inverse becomes scaling_factor."""
    with torch.no_grad():
        mean = torch.cat([vae.encode(part).latent_dist.mean for part in pixels.split(50)])
        centre, spread = mean.mean((0, 2, 3)), mean.std((0, 2, 3))
        common = spread.log().mean().exp()
        ratio = spread / common
        c = vae.config.latent_channels
        vae.quant_conv.bias[:c] = (vae.quant_conv.bias[:c] - centre) / ratio
        vae.quant_conv.weight[:c] /= ratio[:, None, None, None]
        vae.quant_conv.bias[c:] -= 2 * ratio.log()
        vae.post_quant_conv.bias += vae.post_quant_conv.weight[:, :, 0, 0] @ centre
        vae.post_quant_conv.weight *= ratio[None, :, None, None]
        vae.register_to_config(scaling_factor=round(1 / common.item(), 5))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--start_from", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    rng = random.Random(0)
    world = to_tensor([draw.draw_picture(rng, draw.draw_attributes(rng)) for _ in range(POOL["world"])])
    pool = torch.cat([world, to_tensor([random_polygons(rng) for _ in range(POOL["polygons"])])])
    vae = AutoencoderKL(**CONFIG)
    if args.start_from:
        vae = AutoencoderKL.from_pretrained(args.start_from, torch_dtype=torch.float32)
    vae.train().to(memory_format=torch.channels_last)
    optimizers = make_optimizers(vae)
    peaks = [MUON_RATE, ADAM_RATE]
    deviation, start, sums = torch.tensor(1.0), time.time(), 0.0
    for step in range(args.steps):
        rate = min(1, (step + 1) / WARMUP) * (0.5 + 0.5 * math.cos(math.pi * step / args.steps))
        for optimizer, peak in zip(optimizers, peaks):
            optimizer.param_groups[0]["lr"] = peak * rate
        pictures = pool[torch.randint(len(pool), (BATCH,))]
        if step < CROPPED * args.steps:
            pictures = crop_at_random(pictures)
        pixels = to_pixels(pictures).to(memory_format=torch.channels_last)
        loss, latents = loss_of(vae, pixels, deviation)
        deviation = 0.99 * deviation + 0.01 * latents.detach().std()
        vae.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        sums += loss.item()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} loss {sums / 100:.4f} {time.time() - start:.0f} s", flush=True)
            sums = 0.0
    vae.eval()
    normalise_latents(vae, to_pixels(world[:1000]))
    vae.half().to(memory_format=torch.contiguous_format).save_pretrained(args.output)
    print(json.dumps({"parameters": sum(p.numel() for p in vae.parameters()),
                      "scaling_factor": vae.config.scaling_factor}))


if __name__ == "__main__":
    main()
