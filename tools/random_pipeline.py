"""Writes an SDXL pipeline with random weights in diffusers' layout, for measurements: of the real shape (2.57 billion
parameters in the UNet, 6.9 GB in bf16), or a small one of the same structure.

    tools/random_pipeline.py full|small DIR [--dtype bf16|fp16|fp32]      with the Python of tools/parity/run.sh
"""
import argparse
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent / "live"))
import clip_vocabulary  # noqa: E402

UNET = dict(
    sample_size=128, in_channels=4, out_channels=4, block_out_channels=(320, 640, 1280), layers_per_block=2,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    attention_head_dim=(5, 10, 20), transformer_layers_per_block=(1, 2, 10), cross_attention_dim=2048, use_linear_projection=True,
    addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816)
VAE = dict(
    in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=1024,
    down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=0.13025, force_upcast=True)
TEXT = dict(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=77,
            hidden_act="quick_gelu", projection_dim=768, bos_token_id=0, eos_token_id=2, pad_token_id=1)
TEXT_2 = TEXT | dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, hidden_act="gelu", projection_dim=1280)
SMALL_TEXT = dict(hidden_size=256, intermediate_size=1024, num_attention_heads=4, projection_dim=256)
SHAPES = {
    "full": (UNET, VAE, TEXT, TEXT_2),
    "small": (UNET | dict(sample_size=64, block_out_channels=(64, 128, 256), attention_head_dim=(1, 2, 4), transformer_layers_per_block=(1, 2, 4),
                          cross_attention_dim=512, addition_time_embed_dim=64, projection_class_embeddings_input_dim=6 * 64 + 256),
              VAE | dict(block_out_channels=(32, 64, 128, 128), sample_size=512),
              TEXT | SMALL_TEXT | dict(num_hidden_layers=4), TEXT_2 | SMALL_TEXT | dict(num_hidden_layers=6)),
}
SCHEDULER = dict(beta_start=0.00085, beta_end=0.012, steps_offset=1, beta_schedule="scaled_linear", timestep_spacing="leading")


def tokenizer(directory, pad):
    files = [str(directory / "vocabulary" / name) for name in ("vocab.json", "merges.txt")]
    return CLIPTokenizer(*files, unk_token="<|endoftext|>", bos_token="<|startoftext|>", eos_token="<|endoftext|>", pad_token=pad, model_max_length=77)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--dtype", choices=("bf16", "fp16", "fp32"), default="bf16")
    options = parser.parse_args()
    unet, vae, text, text_2 = SHAPES[options.shape]
    clip_vocabulary.write_clip_vocabulary(options.directory / "vocabulary")
    torch.manual_seed(0)
    torch.set_default_dtype({"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[options.dtype])
    StableDiffusionXLPipeline(
        unet=UNet2DConditionModel(**unet), vae=AutoencoderKL(**vae), text_encoder=CLIPTextModel(CLIPTextConfig(**text)),
        text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(**text_2)), scheduler=EulerDiscreteScheduler(**SCHEDULER),
        tokenizer=tokenizer(options.directory, "<|endoftext|>"), tokenizer_2=tokenizer(options.directory, "!"),
        force_zeros_for_empty_prompt=True, add_watermarker=False).save_pretrained(options.directory, max_shard_size="20GB")


if __name__ == "__main__":
    main()
