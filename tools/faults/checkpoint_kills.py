"""Kills a training run at every system call that saves a checkpoint, one run a call, and makes disks fail there.

    tools/faults/checkpoint_kills.py [BINARY] [--every N]      every N-th call only

After each it checks that the previous checkpoint is whole, that `--resume_from_checkpoint latest` continues, and that the
result equals that of an undisturbed run. Needs strace; takes about a second a call.
"""
import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CALLS = "openat,write,pwrite64,writev,fsync,fdatasync,rename,renameat2,mkdir,unlink,unlinkat,ftruncate"
STEPS, SAVED = 4, 2
FLAGS = [f"--pretrained_model_name_or_path={ROOT}/tests/fixtures/tiny-sdxl", f"--train_data_dir={ROOT}/tests/fixtures/training/pictures", "--resolution=32",
         "--train_batch_size=1", f"--max_train_steps={STEPS}", f"--checkpointing_steps={SAVED}", "--checkpoints_total_limit=1", "--seed=3",
         "--use_ema", "--report_to=none", "--device=cpu", "--num_threads=1", "--log_level=warning"]


def train(binary, output, *more, trace=()):
    command = [*trace, binary, "train-full", *FLAGS, f"--output_dir={output}", *more]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300)


def result(output):
    """What must not differ: the weights, and the numbers of every step."""
    weights = hashlib.sha256((output / "unet/diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return weights, [(line["step"], line["loss"]) for line in lines]


def resumed_calls(binary, before, directory):
    """The calls of the save at the last step in a run that goes on from `before`."""
    output, log = directory / "traced", directory / "trace"
    shutil.copytree(before, output)
    trace = ["strace", "-f", "-y", "-e", f"trace={CALLS}", "-s", "256", "-o", str(log)]
    done = train(binary, output, "--resume_from_checkpoint=latest", trace=trace)
    assert done.returncode == 0, done.stderr
    counts, calls, saving, last, main_thread = {}, [], False, 0, None
    for line in log.read_text(errors="replace").splitlines():
        call = re.match(r"(\d+) +(\w+)\(", line)
        main_thread = main_thread or (call and call.group(1))
        if not call or call.group(1) != main_thread:  # strace counts by thread, and the first one saves
            continue
        name = call.group(2)
        counts[name] = counts.get(name, 0) + 1
        if name == "write" and "metrics.jsonl" in line and f'step\\":{STEPS}' in line:
            saving = True
        if saving:
            calls.append((name, counts[name]))
            if name.startswith("unlink") and "pruned" in line and "checkpoint" in line:
                last = len(calls)
    return calls[: last + 1]


def attempt(binary, before, directory, expected, fault, name, number):
    """One injected fault. Returns what went wrong, or nothing."""
    output = directory / "run"
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(before, output)
    trace = ["strace", "-f", "-qq", "-e", f"trace={name}", "-o", "/dev/null", "-e", f"inject={name}:{fault}:when={number}"]
    first = train(binary, output, "--resume_from_checkpoint=latest", trace=trace)
    if fault.startswith("error") and first.returncode not in (0, 74):
        return f"status {first.returncode}: {first.stderr.strip()[-200:]}"
    if first.returncode != 0:
        whole = [p for p in output.glob("checkpoint-*") if (p / "manifest.json").exists()]
        if not whole:
            return "no checkpoint is left"
        again = train(binary, output, "--resume_from_checkpoint=latest")
        if again.returncode != 0:
            return f"does not go on: {again.stderr.strip()[-200:]}"
    if result(output) != expected:
        return "another result"
    left = [p.name for p in output.iterdir() if p.name.startswith(".tmp")]
    return f"left over: {left}" if left else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", default=str(ROOT / "build/sdxl"))
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    binary = str(Path(options.binary).resolve())
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        whole = directory / "whole"
        done = train(binary, whole)
        assert done.returncode == 0, done.stderr
        expected = result(whole)
        before = directory / "before"  # as a run is after its first checkpoint
        stopped = train(binary, before, f"--max_train_steps={SAVED}")
        assert stopped.returncode == 0, stopped.stderr
        for path in before.iterdir():
            if not path.name.startswith("checkpoint") and path.name not in ("metrics.jsonl", "config.json"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        calls = resumed_calls(binary, before, directory)[:: options.every]
        faults = [("signal=SIGKILL", calls), ("error=ENOSPC", [c for c in calls if c[0] in ("write", "pwrite64", "writev", "fsync", "ftruncate")])]
        failures, runs = [], 0
        for fault, where in faults:
            for name, number in where:
                runs += 1
                wrong = attempt(binary, before, directory, expected, fault, name, number)
                if wrong:
                    failures.append(f"{fault} at {name} {number}: {wrong}")
                    print(failures[-1], flush=True)
        print(f"{runs} faults at {len(calls)} calls of a save: {len(failures)} were not survived")
        return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
