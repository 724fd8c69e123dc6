"""Compares training with diffusers and torch.optim on the same random streams: losses of every step, and the weights.

    python tools/parity/training_check.py [build/sdxl]
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

import torch  # noqa: E402
from diffusers import StableDiffusionXLPipeline  # noqa: E402
from diffusers.utils import logging  # noqa: E402

import training  # noqa: E402

BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/sdxl")
TOLERANCE = 1e-4  # of losses and of weights


def compare(name, values):
    options = training.Options(
        pretrained_model_name_or_path=str(ROOT / "tests/fixtures/tiny-sdxl"), train_data_dir=str(ROOT / "tests/fixtures/training/pictures"), **values
    )
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "run"
        command = [BINARY, "train-full", *options.flags(), f"--output_dir={output}", "--num_threads=1", "--log_level=warning"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        ours = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        trainer = training.Trainer(options)
        theirs = trainer.run()
        unet = StableDiffusionXLPipeline.from_pretrained(output, torch_dtype=torch.float32).unet
        weights = dict(unet.named_parameters())
    assert len(ours) == len(theirs)
    loss = max(abs(a["loss"] - b["loss"]) for a, b in zip(ours, theirs))
    rate = max(abs(a["lr"] - b["lr"]) for a, b in zip(ours, theirs))
    weight = max((weights[n].detach() - t).abs().max().item() for n, t in trainer.result().items())
    good = loss <= TOLERANCE and weight <= TOLERANCE and rate <= 1e-12
    print(f"{name}: {len(ours)} steps, losses within {loss:.1e}, weights within {weight:.1e}: {'equal' if good else 'DIFFERENT'}")
    return good


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    runs = dict(training.RUNS)
    # Long, with a learning rate at which differences do not grow.
    runs["long"] = dict(resolution=32, train_batch_size=1, gradient_accumulation_steps=1, max_train_steps=100, learning_rate=1e-4,
                        lr_scheduler="cosine", lr_warmup_steps=10, random_flip=True, center_crop=True, seed=5, snr_gamma=5.0)
    results = [compare(name, values) for name, values in runs.items()]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
