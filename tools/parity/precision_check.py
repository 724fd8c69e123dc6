"""Trains the demo (configs/demo/first.json) in several precisions and with 8-bit states, and compares the losses.

    python tools/parity/precision_check.py [build/sdxl]

bf16 must stay within 1 % of float32 over 200 steps. 8-bit AdamW must be within 2 % of AdamW after 300, with a quarter of
its states. Takes some minutes.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/sdxl")


def train(directory, name, steps, *more):
    """Losses of every step, and the size of the optimizer's states."""
    output = directory / name
    command = [BINARY, "train-full", "--config=configs/demo/first.json", f"--max_train_steps={steps}", f"--checkpointing_steps={steps}",
               "--lr_scheduler=constant_with_warmup", "--report_to=none", "--log_level=warning", "--device=cpu", f"--output_dir={output}", *more]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    losses = [json.loads(line)["loss"] for line in (output / "metrics.jsonl").read_text().splitlines()]
    return losses, (output / f"checkpoint-{steps}/optimizer.safetensors").stat().st_size


def mean(values):
    return sum(values) / len(values)


def report(text, good):
    print(f"{text}: {'good' if good else 'TOO FAR'}", flush=True)
    return good


def main():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        full, states = train(directory, "float32", 300)
        half, _ = train(directory, "bf16", 200, "--mixed_precision=bf16")
        eight, states8 = train(directory, "adamw8bit", 300, "--use_8bit_adam")
    # Means over windows: at one step a loss depends on one batch, whose noise is the same in both.
    apart = max(abs(mean(full[i:i + 20]) / mean(half[i:i + 20]) - 1) for i in range(0, 200, 20))
    apart8 = abs(mean(full[250:]) / mean(eight[250:]) - 1)
    good = report(f"bf16: losses over 200 steps within {apart:.2%} of float32's", apart <= 0.01)
    good &= report(f"8-bit AdamW: loss after 300 steps within {apart8:.2%} of AdamW's", apart8 <= 0.02)
    good &= report(f"8-bit AdamW: states of {states8 / states:.3f} times the size", states8 / states <= 0.27)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
