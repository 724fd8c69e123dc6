"""Writes a pipeline of SDXL's real shape with random fp16 weights, made on the GPU, and a few pictures to train on.

    bench_models.py DIR      -> DIR/sdxl (diffusers' layout; a VAE that runs in fp16), DIR/pictures
"""
import json
import pathlib
import shutil
import sys

import numpy
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

UNET = dict(
    sample_size=128, block_out_channels=(320, 640, 1280), attention_head_dim=(5, 10, 20),
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 2, 10),
    cross_attention_dim=2048, use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816)
VAE = dict(
    down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4,
    block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=1024, scaling_factor=0.13025, force_upcast=False)
CLIP = dict(vocab_size=49408, max_position_embeddings=77, bos_token_id=0, eos_token_id=2, pad_token_id=1)
CLIP_L = dict(CLIP, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
              hidden_act="quick_gelu", projection_dim=768)
CLIP_G = dict(CLIP, hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
              hidden_act="gelu", projection_dim=1280)
SCHEDULER = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading")


def main(root):
    root = pathlib.Path(root)
    model = root / "sdxl"
    torch.manual_seed(0)
    with torch.device("cuda"):
        parts = {
            "unet": UNet2DConditionModel(**UNET), "vae": AutoencoderKL(**VAE),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**CLIP_L)),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_G))}
    for name, part in parts.items():
        extra = {"max_shard_size": "20GB"} if name == "unet" else {}
        part.half().save_pretrained(model / name, **extra)
    EulerDiscreteScheduler(**SCHEDULER).save_pretrained(model / "scheduler")
    demo = pathlib.Path("configs/demo/base")
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(demo / name, model / name, dirs_exist_ok=True)
    index = json.loads((demo / "model_index.json").read_text())
    index["force_zeros_for_empty_prompt"] = True
    (model / "model_index.json").write_text(json.dumps(index))

    pictures = root / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(0)
    with open(pictures / "metadata.jsonl", "w") as captions:
        for i in range(4):
            small = generator.integers(0, 256, (32, 32, 3), numpy.uint8)
            Image.fromarray(small).resize((1024, 1024), Image.BICUBIC).save(pictures / f"{i}.png", compress_level=1)
            captions.write(json.dumps({"file_name": f"{i}.png", "text": "a red circle on a blue background"}) + "\n")


main(sys.argv[1])
