"""Writes tests/fixtures/lora: LoRA files in every naming, and the pictures that diffusers draws with them.

    python tools/reference/lora_files.py

One adapter of the tiny pipeline comes in every naming; others have convolutions and DoRA.
"""
import json
import pathlib
import shutil

import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures"
MODEL = ROOT / "tiny-sdxl"
OUT = ROOT / "lora"
PARTS = ("unet", "text_encoder", "text_encoder_2")
ATTENTION = ["to_k", "to_q", "to_v", "to_out.0"]
SCALE = 0.7


def new_pipeline():
    pipe = StableDiffusionXLPipeline.from_pretrained(MODEL, torch_dtype=torch.float32, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def randomised(pipe, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        for part in PARTS:
            for name, p in getattr(pipe, part).named_parameters():
                if "lora_A" in name or "lora_B" in name:
                    p.copy_((torch.randn_like(p) * 0.25).half())
                elif "lora_magnitude" in name:
                    p.mul_(1 + 0.3 * torch.rand_like(p))
    return pipe


def draw(pipe):
    images = pipe("a photo of a cat", num_inference_steps=4, guidance_scale=6.0, output_type="np",
                  generator=torch.Generator().manual_seed(31)).images
    return torch.from_numpy((images * 255).round().astype("uint8")).contiguous()


def state(pipe, part):
    """PEFT's own names: PATH.lora_A.weight."""
    return {k: v.detach().clone().contiguous() if "magnitude" in k else v.detach().half().contiguous()
            for k, v in get_peft_model_state_dict(getattr(pipe, part)).items()}


def layers(pipe, part):
    """Path of each layer -> (down, up); text encoders' paths with text_model."""
    found = {}
    for key, value in state(pipe, part).items():
        path, role = key.removesuffix(".weight").rsplit(".lora_", 1)
        if part != "unet" and not path.startswith("text_model."):
            path = "text_model." + path
        found.setdefault(path, {})[role] = value
    return {path: (pair["A"], pair["B"]) for path, pair in found.items()}


def save(name, tensors, metadata=None):
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / name, metadata=metadata or {"format": "pt"})


def sgm(path):
    """The original numbering of the tiny UNet's attentions (two levels, two layers in each)."""
    for ours, theirs in (("down_blocks.1.attentions.0", "input_blocks.4.1"), ("down_blocks.1.attentions.1", "input_blocks.5.1"),
                         ("mid_block.attentions.0", "middle_block.1"), ("up_blocks.0.attentions.0", "output_blocks.0.1"),
                         ("up_blocks.0.attentions.1", "output_blocks.1.1"), ("up_blocks.0.attentions.2", "output_blocks.2.1")):
        if path.startswith(ours + "."):
            return theirs + path[len(ours):]
    raise ValueError(path)


def kohya(pipe, rename):
    """Twice the down matrix and half the alpha: the same adapter."""
    tensors = {}
    for part, prefix in zip(PARTS, ("lora_unet_", "lora_te1_", "lora_te2_")):
        for path, (down, up) in layers(pipe, part).items():
            base = prefix + (rename(path) if part == "unet" else path).replace(".", "_")
            tensors |= {f"{base}.lora_down.weight": down * 2, f"{base}.lora_up.weight": up,
                        f"{base}.alpha": torch.tensor(len(down) / 2)}
    return tensors


def old_diffusers(pipe, transpose):
    """Adapters in the attention processors; text encoders as diffusers 0.2x wrote them."""
    turned = (lambda x: x.t()) if transpose else (lambda x: x)
    tensors = {}
    for part in PARTS:
        for path, (down, up) in layers(pipe, part).items():
            if part == "unet":
                attention, name = path.removesuffix(".0").rsplit(".", 1)
                base = f"unet.{attention}.processor.{name}_lora"
            else:
                base = f"{part}.{path}.lora_linear_layer"
            tensors |= {f"{base}.down.weight": turned(down), f"{base}.up.weight": turned(up)}
    return tensors


def write_namings(pipe):
    names = {"unet": "unet_lora_layers", "text_encoder": "text_encoder_lora_layers",
             "text_encoder_2": "text_encoder_2_lora_layers"}
    StableDiffusionXLPipeline.save_lora_weights(
        OUT / "diffusers", **{names[p]: convert_state_dict_to_diffusers(state(pipe, p)) for p in PARTS})
    for part in PARTS:
        folder = OUT / "peft" / part
        folder.mkdir(parents=True)
        save_file({"base_model.model." + k: v for k, v in state(pipe, part).items()}, folder / "adapter_model.safetensors",
                  metadata={"format": "pt"})
        config = getattr(pipe, part).peft_config["default"].to_dict()
        config["target_modules"] = sorted(config["target_modules"])
        if config["base_model_name_or_path"]:  # where this checkout lies
            config["base_model_name_or_path"] = part
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, default=str) + "\n")
    save("old_diffusers.safetensors", old_diffusers(pipe, transpose=False))
    save("paddle_lora_weights.safetensors", old_diffusers(pipe, transpose=True), {"format": "pd"})
    save("kohya.safetensors", kohya(pipe, lambda path: path))
    save("kohya_sgm.safetensors", kohya(pipe, sgm))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    pictures = {}

    pipe = new_pipeline()
    pipe.unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=ATTENTION))
    pipe.text_encoder.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj", "v_proj"]))
    pipe.text_encoder_2.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj", "out_proj"]))
    write_namings(randomised(pipe, 5))
    plain = new_pipeline()
    plain.load_lora_weights(OUT / "diffusers")
    plain.fuse_lora(lora_scale=SCALE)
    pictures["attention"] = draw(plain)

    # Convolutions, projections and feed-forwards with an alpha that is not the rank, in kohya's naming.
    pipe = new_pipeline()
    pipe.unet.add_adapter(LoraConfig(r=3, lora_alpha=3, target_modules=[
        "down_blocks.0.resnets.0.conv1", "mid_block.resnets.1.conv2", "up_blocks.0.resnets.0.conv_shortcut", "proj_in", "ff.net.2"]))
    randomised(pipe, 6)
    tensors = {}
    for path, (down, up) in layers(pipe, "unet").items():
        base = "lora_unet_" + path.replace(".", "_")
        tensors |= {f"{base}.lora_down.weight": down, f"{base}.lora_up.weight": up, f"{base}.alpha": torch.tensor(1.5)}
    save("convolutions.safetensors", tensors)
    with torch.no_grad():  # as a merged model, since diffusers' reader of kohya's names knows fewer layers
        plain = new_pipeline()
        for path, (down, up) in layers(pipe, "unet").items():
            weight = plain.unet.get_submodule(path).weight
            weight += (SCALE * 1.5 / 3 * (up.float().flatten(1) @ down.float().flatten(1))).view(weight.shape)
    pictures["convolutions"] = draw(plain)

    pipe = new_pipeline()
    pipe.unet.add_adapter(LoraConfig(r=2, lora_alpha=4, target_modules=["to_q", "to_v"], use_dora=True))
    randomised(pipe, 7)
    folder = OUT / "dora"
    folder.mkdir()
    save_file({"base_model.model." + k: v for k, v in state(pipe, "unet").items()}, folder / "adapter_model.safetensors",
              metadata={"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_dora": True}) + "\n")
    with torch.no_grad():
        pictures["dora"] = draw(pipe)  # scale 1

    pictures["base"] = draw(new_pipeline())
    save_file(pictures, OUT / "pictures.safetensors")
    for name, picture in pictures.items():
        print(name, tuple(picture.shape), int((picture.int() - pictures["base"].int()).abs().max()))


if __name__ == "__main__":
    main()
