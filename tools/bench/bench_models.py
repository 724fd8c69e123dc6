#!/usr/bin/env python3
"""Writes SDXL pipelines with random weights in diffusers' layout, for measurements.

    bench_models.py [--root DIR] [--device cpu|cuda] [--tokenizers clip|demo] NAME …

NAME is a shape and a dtype, and the folder's name in DIR: tiny, small, full, each as it is (float32), with -bf16 or with
-fp16. full is SDXL's own shape (2.57 billion parameters in the UNet, 6.9 GB in bf16), small has its structure with 54
million parameters, tiny is the pipeline of diffusers' tests. A VAE in fp16 is marked as one that runs in fp16.
Run it with the Python of tools/parity/run.sh. --tokenizers clip has CLIP's full vocabulary (tools/parity/clip_vocabulary.py);
demo copies those of configs/demo/base and needs neither network nor open_clip.
"""
import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from transformers.utils import logging

ROOT = Path(__file__).resolve().parent.parent.parent
DTYPES = {"": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

UNET = dict(
    sample_size=128, block_out_channels=(320, 640, 1280), attention_head_dim=(5, 10, 20),
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 2, 10),
    cross_attention_dim=2048, use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816)
VAE = dict(
    sample_size=1024, block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, scaling_factor=0.13025,
    down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
CLIP = dict(vocab_size=49408, max_position_embeddings=77, bos_token_id=0, eos_token_id=2, pad_token_id=1)
CLIP_L = CLIP | dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768,
                     hidden_act="quick_gelu")
CLIP_G = CLIP | dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
                     projection_dim=1280, hidden_act="gelu")

SMALL_TEXT = dict(hidden_size=256, intermediate_size=1024, num_attention_heads=4, projection_dim=256)
TINY_TEXT = CLIP | dict(hidden_size=32, intermediate_size=37, num_hidden_layers=5, num_attention_heads=4, projection_dim=32,
                        hidden_act="gelu")
SHAPES = {
    "full": (UNET, VAE, CLIP_L, CLIP_G),
    "small": (UNET | dict(sample_size=64, block_out_channels=(64, 128, 256), attention_head_dim=(1, 2, 4),
                          transformer_layers_per_block=(1, 2, 4), cross_attention_dim=512, addition_time_embed_dim=64,
                          projection_class_embeddings_input_dim=6 * 64 + 256),
              VAE | dict(sample_size=512, block_out_channels=(32, 64, 128, 128)),
              CLIP_L | SMALL_TEXT | dict(num_hidden_layers=4), CLIP_G | SMALL_TEXT | dict(num_hidden_layers=6)),
    "tiny": (UNET | dict(sample_size=32, block_out_channels=(2, 4), attention_head_dim=(2, 4), norm_num_groups=1,
                         down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                         up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 2),
                         cross_attention_dim=64, addition_time_embed_dim=8, projection_class_embeddings_input_dim=80),
             VAE | dict(sample_size=128, block_out_channels=(32, 64), layers_per_block=1, scaling_factor=0.18215,
                        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2),
             TINY_TEXT, TINY_TEXT),
}
SCHEDULER = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading")


def write_parts(shape, dtype, device, model):
    """Saves the networks and the scheduler; gives the library and the class of each for the index."""
    unet, vae, text, text_2 = SHAPES[shape]
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    with torch.device(device):
        parts = {"unet": UNet2DConditionModel(**unet),
                 "vae": AutoencoderKL(**vae, force_upcast=dtype is not torch.float16),
                 "text_encoder": CLIPTextModel(CLIPTextConfig(**text)),
                 "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**text_2))}
    torch.set_default_dtype(torch.float32)
    for name, part in parts.items():
        part.save_pretrained(model / name, max_shard_size="20GB")
    parts["scheduler"] = EulerDiscreteScheduler(**SCHEDULER)
    parts["scheduler"].save_pretrained(model / "scheduler")
    return {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}


def write_tokenizers(kind, model):
    if kind == "demo":
        for name in ("tokenizer", "tokenizer_2"):
            shutil.copytree(ROOT / "configs/demo/base" / name, model / name, dirs_exist_ok=True)
        return "T5Tokenizer"
    sys.path.insert(0, str(ROOT / "tools/parity"))
    from clip_vocabulary import write_clip_vocabulary
    from transformers import CLIPTokenizer
    with tempfile.TemporaryDirectory() as vocabulary:
        write_clip_vocabulary(vocabulary)
        for name, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
            CLIPTokenizer(f"{vocabulary}/vocab.json", f"{vocabulary}/merges.txt", bos_token="<|startoftext|>", pad_token=pad,
                          eos_token="<|endoftext|>", unk_token="<|endoftext|>", model_max_length=77).save_pretrained(model / name)
    return "CLIPTokenizer"


def write_model(name, options):
    shape, _, dtype = name.partition("-")
    model = options.root / name
    index = write_parts(shape, DTYPES[dtype], options.device, model)
    tokenizer = write_tokenizers(options.tokenizers, model)
    index |= {"tokenizer": ["transformers", tokenizer], "tokenizer_2": ["transformers", tokenizer]}
    index |= {"_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True}
    (model / "model_index.json").write_text(json.dumps(index, indent=2))


def main():
    names = [f"{shape}{'-' * bool(dtype)}{dtype}" for shape in SHAPES for dtype in DTYPES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="+", choices=names, metavar="NAME")
    parser.add_argument("--root", type=Path, default=Path("build/models"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tokenizers", choices=["clip", "demo"], default="clip")
    options = parser.parse_args()
    logging.disable_progress_bar()
    for name in options.name:
        start = time.time()
        write_model(name, options)
        print(f"{options.root / name}: {time.time() - start:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
