"""Times one thing in diffusers on the CPU and prints a JSON line, for tools/bench/bench.py.

    diffusers_side.py unet MODEL DTYPE SIDE BATCH RUNS
    diffusers_side.py picture MODEL DTYPE SIDE STEPS OUT       from process start to PNG
    diffusers_side.py checkpoints MODEL RUN SIDE STEPS OUT     the scripts' loop: the pipeline is loaded for each checkpoint
    diffusers_side.py train-full|train-lora MODEL DTYPE DATA SIDE STEPS
"""
import json
import os
import pathlib
import resource
import sys
import time

import torch
from diffusers import DDPMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.utils import logging

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(int(os.environ.get("THREADS", torch.get_num_threads())))


def report(**values):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(dict(values, peak=peak)))


def load_pipeline(model, dtype):
    pipe = StableDiffusionXLPipeline.from_pretrained(model, torch_dtype=dtype, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@torch.no_grad()
def unet(model, dtype, side, batch, runs):
    start = time.time()
    net = UNet2DConditionModel.from_pretrained(f"{model}/unet", torch_dtype=TYPES[dtype])
    loaded = time.time() - start
    net = net.to(memory_format=torch.channels_last).eval()
    c, side, batch = net.config, int(side), int(batch)
    draw = lambda *shape: torch.randn(*shape, dtype=TYPES[dtype])  # noqa: E731
    sample = draw(batch, c.in_channels, side, side).to(memory_format=torch.channels_last)
    context = draw(batch, 77, c.cross_attention_dim)
    pooled = c.projection_class_embeddings_input_dim - 6 * c.addition_time_embed_dim
    added = {"text_embeds": draw(batch, pooled), "time_ids": torch.full((batch, 6), 512.0, dtype=TYPES[dtype])}
    times = []
    for _ in range(int(runs) + 1):
        start = time.time()
        net(sample, torch.tensor([500.0]), encoder_hidden_states=context, added_cond_kwargs=added)
        times.append(time.time() - start)
    report(load=round(loaded, 3), best=round(min(times[1:]), 4))


def picture(model, dtype, side, steps, out):
    pipe = load_pipeline(model, TYPES[dtype])
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    start = time.time()
    image = pipe("a photo of a cat", height=int(side), width=int(side), num_inference_steps=int(steps), guidance_scale=7.5,
                 generator=torch.Generator().manual_seed(1)).images[0]
    drawn = time.time() - start
    image.save(out)
    report(seconds=round(drawn, 3))


def checkpoints(model, run, side, steps, out):
    found = sorted(pathlib.Path(run).glob("checkpoint-*"))
    for directory in found:
        net = UNet2DConditionModel.from_pretrained(directory / "unet")
        pipe = StableDiffusionXLPipeline.from_pretrained(model, unet=net, add_watermarker=False)
        pipe.set_progress_bar_config(disable=True)
        pipe("a photo of a cat", height=int(side), width=int(side), num_inference_steps=int(steps), guidance_scale=7.5,
             generator=torch.Generator().manual_seed(1)).images[0].save(f"{out}/{directory.name}.png")
    report(pictures=len(found))


@torch.no_grad()
def encoded(pipe, data, side):
    """Embeddings and latents of all pictures, as the scripts compute them before training."""
    import numpy
    from PIL import Image
    lines = [json.loads(line) for line in (pathlib.Path(data) / "metadata.jsonl").read_text().splitlines()]
    rows = []
    for line in lines:
        image = Image.open(pathlib.Path(data) / line["file_name"]).convert("RGB").resize((side, side))
        pixels = torch.from_numpy(numpy.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
        latents = pipe.vae.encode(pixels.to(pipe.vae.dtype)).latent_dist.sample().float() * pipe.vae.config.scaling_factor
        hidden, _, pooled, _ = pipe.encode_prompt(line["text"], device="cpu", do_classifier_free_guidance=False)
        rows.append((latents, hidden, pooled))
    return rows


def train(kind, model, dtype, data, side, steps):
    """The loops of train_text_to_image_sdxl.py and train_text_to_image_lora_sdxl.py at batch size 1."""
    side, steps, mixed = int(side), int(steps), TYPES[dtype]
    pipe = load_pipeline(model, torch.float32)
    net, schedule = pipe.unet, DDPMScheduler.from_config(pipe.scheduler.config)
    if kind == "train-lora":
        from peft import LoraConfig
        net.requires_grad_(False)
        net.to(mixed)
        net.add_adapter(LoraConfig(r=4, lora_alpha=4, init_lora_weights="gaussian",
                                   target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
    trained = [p for p in net.parameters() if p.requires_grad]
    net.train()
    rows = encoded(pipe, data, side)
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    ids = torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32)
    times = []
    for step in range(steps):
        start = time.time()
        latents, hidden, pooled = rows[step % len(rows)]
        noise, timestep = torch.randn_like(latents), torch.randint(0, 1000, (1,))
        noisy = schedule.add_noise(latents, noise, timestep)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed == torch.bfloat16):
            prediction = net(noisy, timestep, hidden, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
        loss = torch.nn.functional.mse_loss(prediction.float(), noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        times.append(time.time() - start)
    times.sort()
    report(step=round(times[len(times) // 2], 4))


kind, arguments = sys.argv[1], sys.argv[2:]
if kind.startswith("train"):
    train(kind, *arguments)
else:
    {"unet": unet, "picture": picture, "checkpoints": checkpoints}[kind](*arguments)
