"""sdxl under the installed torchrun: trains with two ranks, goes on by itself after a rank is killed,
and saves once when torchrun gets SIGTERM."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SDXL = os.environ.get("SDXL_BINARY", str(ROOT / "build/sdxl"))
TORCHRUN = pathlib.Path(sys.executable).with_name("torchrun")


def command(output, steps, restarts=0):
    return [str(TORCHRUN), "--no-python", "--standalone", "--nproc-per-node=2",
            f"--max-restarts={restarts}", "--monitor-interval=0.5", SDXL, "train-full",
            f"--pretrained_model_name_or_path={ROOT}/tests/data/tiny-sdxl",
            f"--train_data_dir={ROOT}/tests/data/training/pictures",
            f"--embedding_cache_dir={output}-cache", "--resolution=32", "--num_threads=1", "--seed=3",
            "--train_batch_size=1", f"--max_train_steps={steps}", "--checkpointing_steps=5",
            "--report_to=none", "--resume_from_checkpoint=latest", f"--output_dir={output}"]


def steps_of(output):
    path = output / "metrics.jsonl"
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [line["step"] for line in lines if "loss" in line]


def wait_for_step(output, step):
    for _ in range(600):
        if any(done >= step for done in steps_of(output)):
            return
        time.sleep(0.1)
    raise SystemExit(f"step {step} did not come")


def ranks_of(launcher):
    """The process ids of the sdxl processes that `launcher` started."""
    children = pathlib.Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    return [int(pid) for pid in children
            if pathlib.Path(f"/proc/{pid}/exe").resolve() == pathlib.Path(SDXL).resolve()]


def main():
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)

        output = directory / "killed"
        launcher = subprocess.Popen(command(output, 300, restarts=1), stderr=subprocess.PIPE, text=True)
        wait_for_step(output, 12)
        os.kill(ranks_of(launcher)[1], signal.SIGKILL)
        _, printed = launcher.communicate(timeout=200)
        assert launcher.returncode == 0, printed
        assert steps_of(output) == list(range(1, 301)), "a step is missing or there twice"
        print("a killed rank: torchrun started the run again, which went on to the end")

        output = directory / "stopped"
        launcher = subprocess.Popen(command(output, 1000000), stderr=subprocess.PIPE, text=True)
        wait_for_step(output, 7)
        launcher.send_signal(signal.SIGTERM)
        _, printed = launcher.communicate(timeout=100)
        saved = sorted(path.name for path in output.glob("checkpoint-*"))
        last = max(steps_of(output))
        assert f"checkpoint-{last}" in saved, (saved, last, printed)
        print(f"SIGTERM to torchrun: saved after step {last}")


main()
