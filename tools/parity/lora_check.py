"""Compares LoRA training with diffusers and peft on the same random streams: the losses of every step, and the files.

    python tools/parity/lora_check.py [build/sdxl]

Then diffusers draws with our file and our kohya file, sdxl infer draws too, and the pictures are compared.
"""
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/reference"))
warnings.filterwarnings("ignore")

import numpy  # noqa: E402
import torch  # noqa: E402
from diffusers import StableDiffusionXLPipeline  # noqa: E402
from diffusers.utils import logging  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import lora_training  # noqa: E402
from training import TESTS  # noqa: E402

BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/sdxl")
MODEL = f"--pretrained_model_name_or_path={TESTS / 'tiny-sdxl'}"
TOLERANCE = 1e-4  # of losses
ADAPTER_TOLERANCE = 2e-3  # Adam magnifies the rounding of gradients that are nearly zero
DROPPED = ("dora", "dora_dropout")  # diffusers leaves dora_scale of kohya's files out


def run(*command):
    result = subprocess.run([BINARY, *map(str, command)], capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr}")


def draw_here(directory, lora):
    run("infer", MODEL, f"--lora={lora}", f"--output_dir={directory}", "--prompt=a small circle", "--seed=6", "--num_inference_steps=5")
    return numpy.asarray(Image.open(next(Path(directory).glob("0*.png")))).astype(int)


def draw_there(lora):
    """The picture, and what peft made of the file's rank and alpha."""
    pipe = StableDiffusionXLPipeline.from_pretrained(TESTS / "tiny-sdxl", torch_dtype=torch.float32, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    configs = {}
    if lora is not None:
        pipe.load_lora_weights(lora.parent, weight_name=lora.name)
        parts = {n: getattr(pipe, n) for n in ("unet", "text_encoder", "text_encoder_2")}
        configs = {n: next(iter(m.peft_config.values())) for n, m in parts.items() if getattr(m, "peft_config", None)}
    picture = pipe(prompt="a small circle", num_inference_steps=5, guidance_scale=7.5, generator=torch.Generator().manual_seed(6), output_type="np").images[0]
    return (picture * 255).round().astype(int), configs


def load(file):
    """By one kind of names: transformers 5 has left out the first encoder's "text_model.", and diffusers mixes its names of
    attention with PEFT's in files that it then does not read."""
    renames = {"text_encoder.text_model.": "text_encoder.", ".lora.down.": ".lora_A.", ".lora.up.": ".lora_B."}
    tensors = load_file(file)
    for old, new in renames.items():
        tensors = {n.replace(old, new): t for n, t in tensors.items()}
    return tensors


def compare(name, values, base_picture):
    values = dict(values, learning_rate=2e-2, max_train_steps=5)
    options = lora_training.Options(pretrained_model_name_or_path=str(TESTS / "tiny-sdxl"), train_data_dir=str(TESTS / "training/pictures"),
                                    **lora_training.COMMON | values)
    trainer = lora_training.Trainer(options)
    with tempfile.TemporaryDirectory() as directory:
        output, theirs = Path(directory) / "run", Path(directory) / "theirs.safetensors"
        run("train-lora", *options.flags(), f"--output_dir={output}", "--num_threads=1", "--save_kohya")
        ours = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        steps = trainer.run()
        trainer.save(directory, theirs.name)
        ours_file, theirs_file = load(output / "pytorch_lora_weights.safetensors"), load(theirs)
        loss = max(abs(a["loss"] - b["loss"]) for a, b in zip(ours, steps))
        missing = set(ours_file) ^ set(theirs_file)
        weight = max([(ours_file[n] - t).abs().max().item() for n, t in theirs_file.items() if n in ours_file and ours_file[n].shape == t.shape] or [9])
        shapes = [n for n, t in theirs_file.items() if n in ours_file and ours_file[n].shape != t.shape]
        picture = draw_here(Path(directory) / "pictures", output)
        other, configs = draw_there(output / "pytorch_lora_weights.safetensors")
        kohya = draw_there(output / "kohya_lora_weights.safetensors")[0]
        back = draw_here(Path(directory) / "kohya", output / "kohya_lora_weights.safetensors")
    alpha = options.lora_alpha or options.rank
    settings = all(c.r == options.rank and c.lora_alpha == alpha and c.use_dora == options.use_dora for c in configs.values())
    changed, drawn = abs(other - base_picture).max(), abs(picture - other).max()
    kohya_drawn, kohya_back = abs(kohya - other).max(), abs(back - picture).max()
    good = loss <= TOLERANCE and weight <= ADAPTER_TOLERANCE and not missing and not shapes and settings and drawn <= 1 and kohya_back <= 1 and changed > 5
    good = good and (kohya_drawn <= 1 or name in DROPPED) and set(configs) == set(trainer.components) and len(ours) == len(steps)
    print(f"{name}: losses within {loss:.1e}, adapters within {weight:.1e}, names {'equal' if not missing else sorted(missing)[:4]}, shapes "
          f"{shapes[:3] or 'equal'}, rank and alpha {'equal' if settings else 'DIFFERENT'}; pictures within {drawn}, by the kohya file {kohya_drawn} in "
          f"diffusers and {kohya_back} here, of a change of {changed}: {'equal' if good else 'DIFFERENT'}")
    return good


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    base = draw_there(None)[0]
    good = [compare(name, values, base) for name, values in lora_training.RUNS.items()]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
