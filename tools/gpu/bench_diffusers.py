"""Times diffusers on a GPU, eager or compiled; one JSON line for each measurement, as soon as it is made.

    bench_diffusers.py MODEL infer|compile|train-full|train-lora PRECISION [checkpointing]
"""
import json
import sys
import time

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

DEVICE = "cuda"
TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "no": torch.float32}


def report(**values):
    values["memory_gib"] = round(torch.cuda.max_memory_reserved() / 2**30, 2)
    values["allocated_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    print(json.dumps(values), flush=True)


def pipeline(model, dtype):
    """Without text encoders: prompts are given encoded."""
    unet = UNet2DConditionModel.from_pretrained(f"{model}/unet", torch_dtype=dtype).to(DEVICE)
    vae = AutoencoderKL.from_pretrained(f"{model}/vae", torch_dtype=dtype).to(DEVICE)
    pipe = StableDiffusionXLPipeline(
        vae=vae, text_encoder=None, text_encoder_2=None, tokenizer=None, tokenizer_2=None, unet=unet,
        scheduler=EulerDiscreteScheduler.from_pretrained(f"{model}/scheduler"), add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, batch, steps, dtype):
    def random(*shape):
        return torch.randn(*shape, device=DEVICE, dtype=dtype)
    torch.cuda.synchronize()
    start = time.time()
    images = pipe(prompt_embeds=random(batch, 77, 2048), pooled_prompt_embeds=random(batch, 1280),
                  negative_prompt_embeds=random(batch, 77, 2048), negative_pooled_prompt_embeds=random(batch, 1280),
                  height=1024, width=1024, num_inference_steps=steps, guidance_scale=7.5).images
    decoded = time.time()
    for i, image in enumerate(images):
        image.save(f"/tmp/bench-{i}.png")
    return decoded - start, time.time() - start


def infer(model, precision, compiled):
    dtype = TYPES[precision]
    pipe = pipeline(model, dtype)
    variants = ["eager", "eager channels-last"] if not compiled else ["torch.compile"]
    for variant in variants:
        if variant != "eager":
            pipe.unet.to(memory_format=torch.channels_last)
            pipe.vae.to(memory_format=torch.channels_last)
        if compiled:
            pipe.unet = torch.compile(pipe.unet, fullgraph=True, dynamic=False)
        for batch in (1, 4):
            torch.cuda.reset_peak_memory_stats()
            start = time.time()
            draw(pipe, batch, 3, dtype)
            warm_up = time.time() - start
            seconds, with_png = draw(pipe, batch, 30, dtype)
            report(program="diffusers " + variant, what="infer", precision=precision, batch=batch,
                   seconds_per_picture=round(seconds / batch, 3), with_png=round(with_png / batch, 3), warm_up=round(warm_up, 1))


def train(model, what, precision, checkpointing):
    """The step of the diffusers script with latents and prompts encoded beforehand."""
    dtype = TYPES[precision]
    lora = what == "train-lora"
    unet = UNet2DConditionModel.from_pretrained(f"{model}/unet", torch_dtype=dtype if lora else torch.float32).to(DEVICE)
    if lora:
        from peft import LoraConfig
        unet.requires_grad_(False)
        unet.add_adapter(LoraConfig(r=4, lora_alpha=4, init_lora_weights="gaussian",
                                    target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
        for parameter in unet.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    if checkpointing:
        unet.enable_gradient_checkpointing()
    unet.train()
    trained = [p for p in unet.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6)
    scaler = torch.amp.GradScaler(enabled=precision == "fp16")
    latents, noise = (torch.randn(1, 4, 128, 128, device=DEVICE) for _ in range(2))
    conditions = {"text_embeds": torch.randn(1, 1280, device=DEVICE), "time_ids": torch.tensor([[1024., 1024, 0, 0, 1024, 1024]], device=DEVICE)}
    hidden = torch.randn(1, 77, 2048, device=DEVICE)
    abar = torch.linspace(0.999, 0.005, 1000, device=DEVICE)
    torch.cuda.reset_peak_memory_stats()

    def step():
        t = torch.randint(0, 1000, (1,), device=DEVICE)
        a = abar[t].view(-1, 1, 1, 1)
        noisy = a.sqrt() * latents + (1 - a).sqrt() * noise
        with torch.autocast("cuda", dtype, enabled=precision != "no"):
            prediction = unet(noisy, t, hidden, added_cond_kwargs=conditions, return_dict=False)[0]
        loss = torch.nn.functional.mse_loss(prediction.float(), noise)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        return loss.item()

    times = []
    for _ in range(10):
        start = time.time()
        step()
        torch.cuda.synchronize()
        times.append(time.time() - start)
    report(program="diffusers script", what=what, precision=precision, checkpointing=checkpointing,
           seconds_per_step=round(sorted(times[3:])[3], 4))


model, what, precision = sys.argv[1:4]
if what in ("infer", "compile"):
    infer(model, precision, what == "compile")
else:
    try:
        train(model, what, precision, sys.argv[4:] == ["checkpointing"])
    except torch.OutOfMemoryError:
        report(program="diffusers script", what=what, precision=precision, checkpointing=sys.argv[4:] == ["checkpointing"], failed="out of memory")
