"""Writes adapters of every linear and convolution layer of the tiny pipeline, with and without DoRA, in each format that
`sdxl convert` writes, and counts the tensors that the formats' readers load: diffusers for its own files and kohya's, PEFT
for PEFT's, and sdxl for all. The first argument, if any, is the binary.
"""
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
warnings.filterwarnings("ignore")

import torch  # noqa: E402
from diffusers import StableDiffusionXLPipeline  # noqa: E402
from diffusers.utils import logging  # noqa: E402
from peft import LoraConfig, PeftModel  # noqa: E402
from peft.utils import get_peft_model_state_dict  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/sdxl")
MODEL = ROOT / "tests/fixtures/tiny-sdxl"
PARTS = ("unet", "text_encoder", "text_encoder_2")


def new_pipeline():
    return StableDiffusionXLPipeline.from_pretrained(MODEL, torch_dtype=torch.float32, add_watermarker=False)


def adapted(model):
    """(layer without "text_model.", matrix) -> values of a model's adapters, whatever they are called."""
    found = {}
    for name, value in model.state_dict().items():
        for role in ("lora_A", "lora_B", "lora_magnitude_vector"):
            if f".{role}." not in name:
                continue
            layer = name.split(f".{role}.")[0].removeprefix("base_model.model.").removeprefix("text_model.")
            found[layer, role] = value.detach().flatten()
    return found


def scales(model):
    return {n.removeprefix("base_model.model.").removeprefix("text_model."): next(iter(m.scaling.values()))
            for n, m in model.named_modules() if getattr(m, "scaling", None)}


def make_source(folder, dora):
    """PEFT's own files of adapters on all layers, of two ranks and two alphas."""
    pipe, expected, alphas = new_pipeline(), {}, {}
    for seed, part in enumerate(PARTS):
        model = getattr(pipe, part)
        layers = [n for n, m in model.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
        others = layers[::3]
        config = LoraConfig(r=2, lora_alpha=3, target_modules=layers, use_dora=dora, rank_pattern={f"^{n}": 3 for n in others},
                            alpha_pattern={f"^{n}": 5 for n in others})
        model.add_adapter(config)
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, p in model.named_parameters():
                if "lora_" in name:
                    p.copy_(torch.rand_like(p) + 0.5)
        (folder / part).mkdir(parents=True)
        save_file({"base_model.model." + k: v.contiguous() for k, v in get_peft_model_state_dict(model).items()}, folder / part / "adapter_model.safetensors")
        settings = config.to_dict()
        settings["target_modules"] = sorted(settings["target_modules"])
        (folder / part / "adapter_config.json").write_text(json.dumps(settings, default=str))
        expected[part], alphas[part] = adapted(model), scales(model)
    return expected, alphas


def read_by_diffusers(path):
    pipe = new_pipeline()
    pipe.load_lora_weights(path.parent, weight_name=path.name)
    return {p: adapted(getattr(pipe, p)) for p in PARTS}, {p: scales(getattr(pipe, p)) for p in PARTS}


def read_by_peft(path):
    pipe = new_pipeline()
    models = {p: PeftModel.from_pretrained(getattr(pipe, p), path / p) for p in PARTS}
    return {p: adapted(m) for p, m in models.items()}, {p: scales(m) for p, m in models.items()}


READERS = {"diffusers": read_by_diffusers, "kohya": read_by_diffusers, "peft": read_by_peft}


def convert(source, output, to):
    command = [BINARY, "convert", f"--input={source}", f"--output={output}", f"--to={to}", f"--pretrained_model_name_or_path={MODEL}"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(result.stderr)


def compare(name, expected, alphas, found, found_alphas):
    wrong, count = [], 0
    for part in PARTS:
        for key, value in expected[part].items():
            other = found.get(part, {}).get(key)
            count += 1
            if other is None or other.shape != value.shape or not torch.equal(other, value):
                wrong.append((part, *key))
        for layer, scale in alphas[part].items():
            if abs(found_alphas.get(part, {}).get(layer, 0) - scale) > 1e-6:
                wrong.append((part, layer, f"scale {found_alphas.get(part, {}).get(layer)} for {scale}"))
    print(f"{name}: {count - len([w for w in wrong if not w[2].startswith('scale')])} of {count} tensors read", "" if not wrong else f"WRONG: {len(wrong)}, {wrong[:6]}")
    return not wrong


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    good = True
    for dora in (False, True):
        with tempfile.TemporaryDirectory() as directory:
            source = Path(directory) / "source"
            expected, alphas = make_source(source, dora)
            for to, read in READERS.items():
                output = Path(directory) / (to + (".safetensors" if to != "peft" else ""))
                convert(source, output, to)
                kind = f"{to}{' with DoRA' if dora else ''}"
                good &= compare(f"{kind} by {'peft' if to == 'peft' else 'diffusers'}", expected, alphas, *read(output))
                back = Path(directory) / f"back_{to}"
                convert(output, back, "peft")
                ours = {p: load_file(back / p / "adapter_model.safetensors") for p in PARTS}
                theirs = {p: load_file(source / p / "adapter_model.safetensors") for p in PARTS}
                counts = {p: (len(ours[p]), len(theirs[p])) for p in PARTS}
                good &= all(a == b for a, b in counts.values())
                print(f"{kind} by sdxl: tensors read of all {counts}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
