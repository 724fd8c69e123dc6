"""Makes tests/fixtures/lora/rules: LoRA files whose configurations and combinations follow rules of diffusers and PEFT that the
files alone do not show, and what diffusers and PEFT make of them.

    python tools/reference/lora_rules.py

scales.json: for each file, alpha / rank of each layer after diffusers has loaded it. merged.safetensors: weights into which
PEFT has merged several adapters in turn. loraplus.json: the learning rates of PEFT's create_loraplus_optimizer.
"""
import json
import pathlib
import shutil
import warnings

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig
from peft.optimizers import create_loraplus_optimizer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

TESTS = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures"
MODEL = TESTS / "tiny-sdxl"
OUT = TESTS / "lora" / "rules"
MID = "mid_block.attentions.0.transformer_blocks.0"


def new_pipeline():
    pipe = StableDiffusionXLPipeline.from_pretrained(MODEL, torch_dtype=torch.float32, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def randomise(model, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                p.copy_((torch.randn_like(p) * 0.25).half())
            elif "lora_magnitude" in name:
                p.mul_(1 + 0.3 * torch.rand_like(p))


def scales(model):
    return {name: module.scaling[next(iter(module.scaling))] for name, module in model.named_modules() if getattr(module, "scaling", None)}


def loaded_scales(path, parts=("unet",)):
    pipe = new_pipeline()
    pipe.load_lora_weights(path.parent, weight_name=path.name)
    return {part: scales(getattr(pipe, part)) for part in parts}


def write_pipeline_file(name, configs):
    """As save_lora_weights writes, with LoraConfigs in the metadata."""
    pipe = new_pipeline()
    for seed, (part, config) in enumerate(configs.items()):
        getattr(pipe, part).add_adapter(config)
        for adapter in getattr(pipe, part).peft_config.values():
            adapter.base_model_name_or_path = "tiny-sdxl"  # not this machine's path
        randomise(getattr(pipe, part), seed)
    layers = {f"{part}_lora_layers": get_peft_model_state_dict(getattr(pipe, part)) for part in configs}
    StableDiffusionXLPipeline.save_lora_weights(OUT, weight_name=name, **layers, **_collate_lora_metadata({part: getattr(pipe, part) for part in configs}))
    return loaded_scales(OUT / name, configs)


def write_unet_file(name, config):
    """As unet.save_lora_adapter writes: names and settings without "unet."."""
    unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet")
    unet.add_adapter(config)
    randomise(unet, 3)
    unet.save_lora_adapter(OUT, weight_name=name)
    fresh = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet")
    fresh.load_lora_adapter(OUT, weight_name=name, prefix=None)  # which reads the metadata, unlike the path of a file
    return {"unet": scales(fresh)}


def write_named_adapter(name):
    """The names of a model's state_dict, which have the adapter's name."""
    unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet")
    unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=[f"{MID}.attn1.to_q", "mid_block.resnets.0.conv1"], use_dora=True), adapter_name="default_0")
    randomise(unet, 4)
    save_file({"unet." + k: v.clone().contiguous() for k, v in unet.state_dict().items() if "lora_" in k}, OUT / name, metadata={"format": "pt"})
    return {"unet": scales(unet)}


def merge_in_turn():
    """Four adapters of one linear layer and one convolution, of which two have DoRA."""
    targets = [f"{MID}.attn1.to_q", "mid_block.resnets.0.conv1"]
    pipe, names, weights = new_pipeline(), [], [0.6, 0.8, 0.5, 0.7]
    for i in range(len(weights)):
        one = new_pipeline()
        one.unet.add_adapter(LoraConfig(r=2, lora_alpha=3, target_modules=targets, use_dora=i in (1, 3)))
        randomise(one.unet, 10 + i)
        file = f"in_turn_{i}.safetensors"
        StableDiffusionXLPipeline.save_lora_weights(OUT, weight_name=file, unet_lora_layers=get_peft_model_state_dict(one.unet), **_collate_lora_metadata({"unet": one.unet}))
        names.append(f"adapter_{i}")
        pipe.load_lora_weights(OUT, weight_name=file, adapter_name=names[-1])
    merged = {}
    for case, chosen in {"all": [0, 1, 2, 3], "plain_then_dora": [0, 1], "dora_then_plain": [1, 0], "dora_at_0": [1]}.items():
        pipe.unet.set_adapters([names[i] for i in chosen], [0.0 if case == "dora_at_0" else weights[i] for i in chosen])
        for path in targets:
            layer = pipe.unet.get_submodule(path)
            layer.merge(safe_merge=True)
            merged[f"{case}.{path}"] = layer.base_layer.weight.detach().clone().contiguous()
            layer.unmerge()
            plain = new_pipeline().unet.get_submodule(path).weight
            layer.base_layer.weight.data.copy_(plain)
    save_file(merged, OUT / "merged.safetensors", metadata={"format": "pt"})


def loraplus():
    unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet")
    unet.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=[f"{MID}.attn1.to_q", "mid_block.resnets.0.conv1"], use_dora=True))
    optimizer = create_loraplus_optimizer(unet, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=4.0)
    names = {id(p): n for n, p in unet.named_parameters()}
    return {names[id(p)]: group["lr"] for group in optimizer.param_groups for p in group["params"] if p.requires_grad}


def main():
    warnings.filterwarnings("ignore")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    patterns = LoraConfig(
        r=2, lora_alpha=3, target_modules=["attn1.to_q", "attn1.to_k", "proj_in", "mid_block.resnets.0.conv1"],
        alpha_pattern={"^mid_block.attentions.0.proj_in": 5, r"down_blocks\.1\..*to_(q|v)": 7, "attn1.to_k": 0.5, r"up_.*attn1\.to_q": 9})
    encoder = LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj", "v_proj"], alpha_pattern={r"^(text_model\.)?encoder\.layers\.0\.": 1, "layers.1.self_attn.q_proj": 4})
    found = {
        "patterns.safetensors": write_pipeline_file("patterns.safetensors", {"unet": patterns, "text_encoder": encoder, "text_encoder_2": encoder}),
        "unet.safetensors": write_unet_file("unet.safetensors", LoraConfig(r=4, lora_alpha=8, target_modules=["attn1.to_q"])),
        "unet_rslora.safetensors": write_unet_file("unet_rslora.safetensors", LoraConfig(
            r=4, lora_alpha=8, target_modules=["attn1.to_q", "proj_in"], use_rslora=True, rank_pattern={"proj_in": 2}, alpha_pattern={"^mid_block": 3, "proj_in": 6})),
        "named_adapter.safetensors": write_named_adapter("named_adapter.safetensors"),
    }
    (OUT / "scales.json").write_text(json.dumps(found, indent=1) + "\n")
    merge_in_turn()
    (OUT / "loraplus.json").write_text(json.dumps(loraplus(), indent=1) + "\n")


if __name__ == "__main__":
    main()
