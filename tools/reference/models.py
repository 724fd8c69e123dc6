#!/usr/bin/env python3
"""Writes tests/fixtures/models: outputs of the UNet, the VAE and the text encoders.

    python tools/reference/models.py

Small models of unusual shapes in diffusers and transformers are computed in double precision, so a comparison sees our
rounding only. Weights and inputs come from a hash of their name and position (`values` here, tests/models/reference.h
there). Only configs, outputs and digests of the gradients are therefore stored.
"""
import json
import pathlib
import sys

sys.path.pop(0)  # Of this folder's scripts, safetensors.py hides the library.
import numpy as np  # noqa: E402
import torch  # noqa: E402
from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection  # noqa: E402

OUT = pathlib.Path(__file__).parents[2] / "tests/fixtures/models"
SAMPLES = 4  # Gradient entries that are stored for each parameter.


def hashed(name: str, count: int) -> np.ndarray:
    """`count` 32-bit numbers from the FNV-1a hash of the name and the position."""
    key = 2166136261
    for byte in name.encode():
        key = (key ^ byte) * 16777619 % 2**32
    x = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(key)
    for shift, factor in ((15, 2246822519), (13, 3266489917)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(16))


def values(name: str, shape) -> torch.Tensor:
    """Uniform float32 in [-1, 1)."""
    u = (hashed(name, int(np.prod(shape))) >> np.uint32(8)).astype(np.float32) / np.float32(2**23) - np.float32(1)
    return torch.from_numpy(u).reshape(tuple(shape))


def weight(name: str, shape) -> torch.Tensor:
    u = values(name, shape)
    if name.endswith("bias"):
        return u * 0.25
    if len(shape) == 1:
        return u * 0.25 + 1
    fan_in = int(np.prod(shape[1:]))
    return u * np.float32(1.5 / fan_in**0.5)


def fill(model: torch.nn.Module, prefix: str = "") -> list[str]:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(prefix + name, parameter.shape))
    model.double()
    return [prefix + name for name, _ in model.named_parameters()]


def gradient_digests(named) -> torch.Tensor:
    """For each tensor: its norm, its component in a hashed direction, and some of its entries."""
    rows = []
    for name, tensor in named:
        g = tensor.grad.flatten().double() if tensor.grad is not None else torch.zeros(tensor.numel()).double()
        places = torch.from_numpy(hashed("places of " + name, SAMPLES).astype(np.int64)) % g.numel()
        direction = values("direction of " + name, (g.numel(),)).double()
        rows.append(torch.cat([g.norm()[None], (g @ direction / direction.norm())[None], g[places]]))
    return torch.stack(rows).float()


def inputs(**shapes) -> dict:
    return {name: values(name, shape).double().requires_grad_() for name, shape in shapes.items()}


def backward(*outputs: torch.Tensor) -> None:
    sum((output * values("output gradient", output.shape)).sum() for output in outputs).backward()


def write(name: str, config: dict, names: list[str], tensors: dict) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps({"config": config, "parameters": names}, indent=1) + "\n")
    narrow = {k: v.detach().float() if v.is_floating_point() else v for k, v in tensors.items()}
    save_file({k: v.contiguous() for k, v in narrow.items()}, OUT / f"{name}.safetensors")


def clean(config) -> dict:
    return json.loads(config.to_json_string())


UNETS = {
    # The structure of SDXL with odd sides, which make the sides of the skips matter.
    "unet_linear": dict(
        size=(13, 10), batch=2, tokens=5, pooled=7,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        block_out_channels=[8, 12, 24], layers_per_block=2, attention_head_dim=[1, 3, 2],
        transformer_layers_per_block=[1, 2, 3], cross_attention_dim=20, use_linear_projection=True,
        addition_time_embed_dim=6, norm_num_groups=4, norm_eps=1e-5),
    # 1x1 convolutions as projections, counts for each layer, heads that do not divide the width.
    "unet_conv": dict(
        size=(24, 16), batch=1, tokens=3, pooled=5,
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        block_out_channels=[20, 8, 8, 12], layers_per_block=[1, 2, 3, 1], attention_head_dim=3,
        transformer_layers_per_block=[[2], 1, [1, 0, 2], 1],
        reverse_transformer_layers_per_block=[1, [1, 2, 1, 0], [2, 1, 1], 1], cross_attention_dim=9,
        use_linear_projection=False, addition_time_embed_dim=5, norm_num_groups=2, norm_eps=1e-3,
        flip_sin_to_cos=False, freq_shift=1, in_channels=3, out_channels=5, downsample_padding=0),
    # A middle block without attention, as distilled models have.
    "unet_plain_mid": dict(
        size=(6, 6), batch=3, tokens=4, pooled=4, mid_block_type="UNetMidBlock2D",
        down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        block_out_channels=[16, 32], layers_per_block=1, attention_head_dim=4,
        transformer_layers_per_block=2, cross_attention_dim=16, use_linear_projection=True,
        addition_time_embed_dim=4, norm_num_groups=8),
}


def unet(name: str, size, batch, tokens, pooled, **config) -> None:
    config["addition_embed_type"] = "text_time"
    config["projection_class_embeddings_input_dim"] = pooled + 6 * config["addition_time_embed_dim"]
    model = UNet2DConditionModel(**config)
    names = fill(model)
    given = inputs(sample=(batch, config.get("in_channels", 4), *size),
                   encoder_hidden_states=(batch, tokens, config["cross_attention_dim"]),
                   text_embeds=(batch, pooled))
    timestep = values("timestep", (batch,)) * 500 + 500
    time_ids = torch.floor(values("time_ids", (batch, 6)) * 600 + 601)
    output = model(given["sample"], timestep, given["encoder_hidden_states"],
                   added_cond_kwargs={"text_embeds": given["text_embeds"], "time_ids": time_ids}).sample
    backward(output)
    write(name, clean(model), names, {
        "output": output,
        "gradients": gradient_digests(list(model.named_parameters()) + list(given.items())),
    })


VAES = {
    "vae": dict(size=(24, 20), tiled=(11, 9), block_out_channels=[8, 12, 16], layers_per_block=2, norm_num_groups=4,
                latent_channels=3, sample_size=16, scaling_factor=0.13025),
    "vae_plain": dict(size=(9, 15), tiled=None, block_out_channels=[4, 8], layers_per_block=1, norm_num_groups=2,
                      sample_size=16, in_channels=4, out_channels=2, use_quant_conv=False, use_post_quant_conv=False,
                      mid_block_add_attention=False),
}


def vae(name: str, size, tiled, **config) -> None:
    levels = len(config["block_out_channels"])
    config.update(down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels)
    model = AutoencoderKL(**config)
    names = fill(model)
    given = inputs(pixels=(2, config.get("in_channels", 3), *size),
                   latents=(2, config.get("latent_channels", 4), 5, 3))
    moments = model.encode(given["pixels"]).latent_dist.parameters
    decoded = model.decode(given["latents"]).sample
    backward(moments, decoded)
    tensors = {"moments": moments, "decoded": decoded}
    tensors["gradients"] = gradient_digests(list(model.named_parameters()) + list(given.items()))
    if tiled:
        model.enable_tiling()
        with torch.no_grad():
            latents = values("tiled latents", (1, config["latent_channels"], *tiled)).double()
            tensors["tiled"] = model.decode(latents).sample
    write(name, clean(model), names, tensors)


CLIPS = {
    # The end of the text is the highest id, where eos_token_id is the wrong 2 of old configs.
    "clip_quick_gelu": dict(projection=True, hidden_act="quick_gelu", eos_token_id=2, hidden_size=12,
                            intermediate_size=20, num_hidden_layers=3, num_attention_heads=3, projection_dim=7),
    "clip_gelu": dict(projection=True, hidden_act="gelu", eos_token_id=5, hidden_size=16, intermediate_size=10,
                      num_hidden_layers=4, num_attention_heads=2, projection_dim=9, layer_norm_eps=1e-3),
    "clip_plain": dict(projection=False, hidden_act="quick_gelu", eos_token_id=2, hidden_size=8,
                       intermediate_size=24, num_hidden_layers=2, num_attention_heads=1),
}
IDS = [[48, 3, 7, 5, 49, 5, 49, 49, 0], [48, 1, 5, 2, 46, 33, 11, 5, 49]]


def clip(name: str, projection: bool, **config) -> None:
    config = CLIPTextConfig(vocab_size=50, max_position_embeddings=11, bos_token_id=48, pad_token_id=1, **config)
    config._attn_implementation = "sdpa"
    model = (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)
    prefix = "" if projection else "text_model."
    names = fill(model, prefix)
    output = model(torch.tensor(IDS), output_hidden_states=True)
    tensors = {f"hidden_{i}": output.hidden_states[-1 - i] for i in range(3)}
    if projection:
        tensors["pooled"] = output.text_embeds
    backward(output.hidden_states[-2], *([output.text_embeds] if projection else []))
    tensors["ids"] = torch.tensor(IDS)
    tensors["gradients"] = gradient_digests([(prefix + n, p) for n, p in model.named_parameters()])
    write(name, json.loads(config.to_json_string(use_diff=False)), names, tensors)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for cases, make in ((UNETS, unet), (VAES, vae), (CLIPS, clip)):
        for case, options in cases.items():
            make(case, **options)
