"""Runs sdxl under torchrun, mpirun and srun.

    SDXL_BINARY=build/sdxl python tools/parity/launchers_check.py

torchrun trains with two ranks, restarts after a rank is killed, and saves once when it gets SIGTERM. mpirun and srun, if
they are installed (srun if a node answers), must give torchrun's losses. Needs no GPU; takes about a minute.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SDXL = os.environ.get("SDXL_BINARY", str(ROOT / "build/sdxl"))
TORCHRUN = pathlib.Path(sys.executable).with_name("torchrun")


def torchrun(restarts=0):
    return [str(TORCHRUN), "--no-python", "--standalone", "--nproc-per-node=2", f"--max-restarts={restarts}",
            "--monitor-interval=0.5"]


def training(output, steps):
    return [SDXL, "train-full", f"--pretrained_model_name_or_path={ROOT}/tests/fixtures/tiny-sdxl",
            f"--train_data_dir={ROOT}/tests/fixtures/training/pictures",
            f"--embedding_cache_dir={output.parent}/cache", "--resolution=32", "--num_threads=1", "--seed=3",
            "--train_batch_size=1", f"--max_train_steps={steps}", "--checkpointing_steps=10",
            "--report_to=none", "--resume_from_checkpoint=latest", f"--output_dir={output}"]


def values_of(output, key):
    """`key` of every step that is in the metrics whole."""
    path = output / "metrics.jsonl"
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [line[key] for line in lines if "loss" in line]


def steps_of(output):
    return values_of(output, "step")


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


def check_a_killed_rank(directory):
    output = directory / "killed"
    launcher = subprocess.Popen(torchrun(restarts=1) + training(output, 100), stderr=subprocess.PIPE, text=True)
    wait_for_step(output, 12)
    os.kill(ranks_of(launcher)[1], signal.SIGKILL)
    _, printed = launcher.communicate(timeout=200)
    assert launcher.returncode == 0, printed
    assert steps_of(output) == list(range(1, 101)), "a step is missing or there twice"
    print("a killed rank: torchrun started the run again, which went on to the end")


def check_sigterm(directory):
    output = directory / "stopped"
    launcher = subprocess.Popen(torchrun() + training(output, 1000000), stderr=subprocess.PIPE, text=True)
    wait_for_step(output, 3)
    launcher.send_signal(signal.SIGTERM)
    _, printed = launcher.communicate(timeout=100)
    last = max(steps_of(output))
    saved = {path.name for path in output.glob("checkpoint-*")}
    regular = {f"checkpoint-{step}" for step in range(10, last, 10)}
    assert saved == regular | {f"checkpoint-{last}"}, (saved, last, printed)
    print(f"SIGTERM to torchrun: saved once, after step {last}")


def check_other_launchers(directory):
    subprocess.run(torchrun() + training(directory / "torchrun", 3), check=True, capture_output=True)
    launchers = {"mpirun": ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "2"],
                 "srun": ["srun", "--ntasks=2", "--immediate=10"]}
    for name, command in launchers.items():
        if shutil.which(name) is None:
            print(f"{name}: not installed here")
            continue
        result = subprocess.run(command + training(directory / name, 3), capture_output=True, text=True)
        if name == "srun" and not (directory / name).exists():
            print(f"srun: no node answered ({result.stderr.strip().splitlines()[-1]})")
            continue
        assert result.returncode == 0, result.stderr
        assert values_of(directory / name, "loss") == values_of(directory / "torchrun", "loss"), name
        print(f"{name}: the losses of torchrun's run")


def main():
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        check_a_killed_rank(directory)
        check_sigterm(directory)
        check_other_launchers(directory)


main()
