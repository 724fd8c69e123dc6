"""Writes tests/fixtures/tiny-sdxl, an SDXL pipeline of random weights small enough to commit.

    python tools/reference/tiny_pipeline.py

Also writes the pictures that diffusers draws with it (tests/fixtures/pictures.safetensors). Everything is deterministic. Weights
are stored in fp16 and used in float32.
"""
import collections
import json
import pathlib
import shutil

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures"
MODEL = ROOT / "tiny-sdxl"
TEXT = """a photo of a cat sitting on a red chair, a painting of a green dragon in the night sky, a small
blue circle at the top left of a white picture, portrait of a cute creature with large eyes, masterpiece,
best quality, highly detailed, blurry, low quality, the quick brown fox jumps over the lazy dog 0123456789"""


def byte_letters():
    keep = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + extra)
            extra += 1
    return [letters[b] for b in [*keep, *(b for b in range(256) if b not in keep)]]


def learn_merges(words, count):
    """Plain byte-pair encoding: the most frequent pair first, ties by text."""
    words = [(*w[:-1], w[-1] + "</w>") for w in words]
    merges = []
    for _ in range(count):
        pairs = collections.Counter(p for w in words for p in zip(w, w[1:]))
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        merged = []
        for w in words:
            out, i = [], 0
            while i < len(w):
                if i + 1 < len(w) and (w[i], w[i + 1]) == best:
                    out.append(w[i] + w[i + 1])
                    i += 2
                else:
                    out.append(w[i])
                    i += 1
            merged.append(tuple(out))
        words = merged
    return merges


def tokenizers(work):
    letters = byte_letters()
    merges = learn_merges(TEXT.replace(",", " ").split(), 160)
    vocab = letters + [l + "</w>" for l in letters] + ["".join(m) for m in merges]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    work.mkdir(parents=True, exist_ok=True)
    (work / "vocab.json").write_text(json.dumps({v: i for i, v in enumerate(vocab)}, ensure_ascii=False))
    (work / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    make = lambda pad: CLIPTokenizer(str(work / "vocab.json"), str(work / "merges.txt"),
                                     unk_token="<|endoftext|>", bos_token="<|startoftext|>",
                                     eos_token="<|endoftext|>", pad_token=pad, model_max_length=77)
    return make("<|endoftext|>"), make("!"), len(vocab)


def pipeline():
    torch.manual_seed(20)
    tokenizer, tokenizer_2, size = tokenizers(MODEL.parent / "_tokenizer")
    text = dict(vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
                max_position_embeddings=77, bos_token_id=0, eos_token_id=2, pad_token_id=1)
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32), layers_per_block=2, sample_size=16, in_channels=4, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, transformer_layers_per_block=(1, 2), projection_class_embeddings_input_dim=88,
        cross_attention_dim=64, norm_num_groups=8)
    vae = AutoencoderKL(block_out_channels=(16, 32), norm_num_groups=8, latent_channels=4, layers_per_block=1,
                        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
                        sample_size=32, scaling_factor=0.13025, force_upcast=True)
    encoder = CLIPTextModel(CLIPTextConfig(hidden_act="quick_gelu", projection_dim=32, **text))
    encoder_2 = CLIPTextModelWithProjection(CLIPTextConfig(hidden_act="gelu", projection_dim=40, **text))
    with torch.no_grad():  # larger weights than at the start of training, so that differences show
        for module in (unet, vae, encoder, encoder_2):
            for p in module.parameters():
                p.copy_((p * (1.5 if p.dim() > 1 else 1.0)).half().float())
    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, steps_offset=1, beta_schedule="scaled_linear",
                                       timestep_spacing="leading", num_train_timesteps=1000)
    return StableDiffusionXLPipeline(vae=vae.eval(), text_encoder=encoder.eval(), text_encoder_2=encoder_2.eval(),
                                     tokenizer=tokenizer, tokenizer_2=tokenizer_2, unet=unet.eval(), scheduler=scheduler,
                                     force_zeros_for_empty_prompt=True, add_watermarker=False)


def main():
    shutil.rmtree(MODEL, ignore_errors=True)
    pipe = pipeline()
    pipe.to(torch.float16).save_pretrained(MODEL, safe_serialization=True)
    # The first tokenizer as vocab.json and merges.txt, the second as tokenizer.json: users have both.
    (MODEL / "tokenizer" / "tokenizer.json").unlink()
    for file in (MODEL.parent / "_tokenizer").iterdir():
        shutil.move(file, MODEL / "tokenizer" / file.name)
    shutil.rmtree(MODEL.parent / "_tokenizer")
    pipe = StableDiffusionXLPipeline.from_pretrained(MODEL, torch_dtype=torch.float32, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)

    cases = {
        "plain": dict(prompt="a photo of a cat", num_inference_steps=2, guidance_scale=7.5),
        "no_guidance": dict(prompt="a photo of a cat", num_inference_steps=4, guidance_scale=1.0),
        "negative": dict(prompt="a green dragon", negative_prompt="blurry", num_inference_steps=5, guidance_scale=5.0,
                         guidance_rescale=0.7),
        "empty_negative": dict(prompt="a green dragon", negative_prompt="", num_inference_steps=3, guidance_scale=7.5),
        "prompts_2": dict(prompt="a cat", prompt_2="red chair", negative_prompt="fox", negative_prompt_2="dog",
                          num_inference_steps=3, guidance_scale=6.0, clip_skip=1),
        "sizes": dict(prompt="night sky", height=48, width=64, original_size=(96, 100), crops_coords_top_left=(3, 5),
                      target_size=(48, 64), num_inference_steps=3, guidance_scale=7.5),
        "two": dict(prompt="the lazy dog", num_images_per_prompt=2, num_inference_steps=3, guidance_scale=7.5),
    }
    pictures = {}
    for number, (name, arguments) in enumerate(cases.items()):
        images = pipe(generator=torch.Generator().manual_seed(100 + number), output_type="np", **arguments).images
        pictures[name] = torch.from_numpy((images * 255).round().astype("uint8")).contiguous()
    save_file(pictures, ROOT / "pictures.safetensors")
    described = {name: dict(arguments, seed=100 + n) for n, (name, arguments) in enumerate(cases.items())}
    (ROOT / "pictures.json").write_text(json.dumps(described, indent=1) + "\n")


if __name__ == "__main__":
    main()
