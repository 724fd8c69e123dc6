#!/usr/bin/env python3
"""Compares sdxl with diffusers on this machine's CPU, in turns, and prints a Markdown table.

    bench.py [--build DIR] [--models DIR] [--out FILE] [--rounds N] SECTION …
    bench.py --device cuda [--build DIR] [--out FILE] [SECTION …]      runs tools/gpu/bench.sh, with its own sections

Sections: start unet unet-real picture checkpoints train-full train-lora memory-real; each takes up to some minutes. Models that
--models lacks are written first (tools/bench/bench_models.py): tiny, small, and full-bf16 for the sections on SDXL's shape.
Run it with the Python of tools/parity/run.sh, after `cmake --build build --target sdxl bench_unet`; docs/benchmarks.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Bench:
    def __init__(self, arguments):
        self.build, self.models, self.rounds = pathlib.Path(arguments.build), pathlib.Path(arguments.models), arguments.rounds
        self.threads, self.rows = str(os.cpu_count()), []
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="sdxl-bench-"))

    def make_models(self, sections):
        needed = {"full-bf16" if section.endswith("-real") else "tiny" if section == "start" else "small" for section in sections}
        missing = sorted(name for name in needed if not (self.models / name / "model_index.json").exists())
        if missing:
            subprocess.run([sys.executable, HERE / "bench_models.py", "--root", self.models, *missing], check=True)

    def run(self, command):
        """Runs to the end; gives the last JSON line it printed, with its wall seconds and peak memory beside it."""
        start = time.time()
        result = subprocess.run(["/usr/bin/env", *map(str, command)], capture_output=True, text=True,
                                env=dict(os.environ, THREADS=self.threads, HF_HUB_OFFLINE="1",
                                         XDG_CACHE_HOME=f"{self.scratch}/cache{start}"))  # every run encodes anew
        wall = time.time() - start
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr[-800:]}")
        lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
        return dict(lines[-1] if lines else {}, wall=wall)

    def diffusers(self, *arguments):
        result = self.run([sys.executable, HERE / "diffusers_side.py", *arguments])
        return dict(result, total=result["wall"])

    def sdxl(self, command, *arguments):
        return self.run([self.build / "sdxl", command, "--device=cpu", "--log_level=warning", *arguments])

    def compare(self, what, unit, ours, theirs, rounds=None):
        """Both in turns, the best of each; ours() and theirs() give a dict of figures by unit."""
        mine, other = [], []
        for _ in range(rounds or self.rounds):
            mine.append(ours())
            other.append(theirs())
        for key, name in unit.items():
            a, b = min(x[key] for x in mine), min(x[key] for x in other)
            scale = 2**30 if name == "GiB" else 1
            self.rows.append((f"{what}, {key}", f"{b / scale:.3f} {name}", f"{a / scale:.3f} {name}", f"{b / a:.2f}"))
            print("| " + " | ".join(self.rows[-1]) + " |", flush=True)

    def unet_forward(self, model, dtype, runs, rounds=None):
        directory = f"{self.models}/{model}"
        self.compare(f"UNet forward, {model}, {dtype}, 64x64 latents, batch 2", {"best": "s", "load": "s", "peak": "GiB"},
                     lambda: self.run([self.build / "bench_unet", directory, dtype, 64, 2, runs, self.threads]),
                     lambda: self.diffusers("unet", directory, dtype, 64, 2, runs), rounds)

    def draw(self, model, precision, side, steps, *flags):
        out = self.scratch / "ours.png"
        return self.sdxl("infer", f"--pretrained_model_name_or_path={self.models}/{model}", "--prompt=a photo of a cat",
                         "--seed=1", f"--height={side}", f"--width={side}", f"--num_inference_steps={steps}", "--json",
                         f"--mixed_precision={precision}", f"--output={out}", "--overwrite", *flags)

    def whole_picture(self, what, model, dtype, side, steps, unit, rounds=None):
        precision = "bf16" if dtype == "bfloat16" else "no"

        def ours():
            result = self.draw(model, precision, side, steps)
            return dict(result, total=result["wall"], peak=result["peak_memory"])
        self.compare(what, unit, ours, lambda: self.diffusers("picture", f"{self.models}/{model}", dtype, side, steps,
                                                              self.scratch / "theirs.png"), rounds)

    def pictures(self):
        """A small folder of pictures with captions."""
        from PIL import Image
        folder = self.scratch / "pictures"
        folder.mkdir(exist_ok=True)
        with open(folder / "metadata.jsonl", "w") as file:
            for i in range(8):
                Image.effect_noise((256, 256), 20 + 20 * i).convert("RGB").save(folder / f"{i}.png")
                file.write(json.dumps({"file_name": f"{i}.png", "text": f"a picture of noise number {i}"}) + "\n")
        return folder

    def train(self, command, dtype, steps=20):
        data, out = self.pictures(), self.scratch / "run"

        def ours():
            shutil.rmtree(out, ignore_errors=True)
            result = self.sdxl(command, f"--pretrained_model_name_or_path={self.models}/small", f"--train_data_dir={data}",
                               "--resolution=256", "--center_crop", "--train_batch_size=1", f"--max_train_steps={steps}",
                               "--learning_rate=1e-5", f"--mixed_precision={'bf16' if dtype == 'bfloat16' else 'no'}",
                               "--checkpointing_steps=100000", "--report_to=none", "--seed=1", "--caption_column=text",
                               f"--output_dir={out}")
            lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
            seconds = sorted(1 / line["samples_per_second"] for line in lines if "loss" in line)
            return {"step": seconds[len(seconds) // 2], "total": result["wall"], "peak": max(x["memory"] for x in lines)}
        self.compare(f"{command}, small, {dtype}, 256 px, batch 1, {steps} steps", {"step": "s", "total": "s", "peak": "GiB"},
                     ours, lambda: self.diffusers(command, f"{self.models}/small", dtype, data, 256, steps), rounds=1)

    def checkpoints(self):
        run, out = self.scratch / "checkpoints", self.scratch / "grid"
        for i in range(1, 9):
            shutil.copytree(f"{self.models}/small/unet", run / f"checkpoint-{i}" / "unet", dirs_exist_ok=True)
        flags = [f"--pretrained_model_name_or_path={self.models}/small", "--prompt=a photo of a cat", "--seed=1", "--height=256",
                 "--width=256", "--num_inference_steps=10"]

        def ours():
            shutil.rmtree(out, ignore_errors=True)
            return {"total": self.sdxl("infer", *flags, f"--checkpoints={run}", f"--output_dir={out}")["wall"]}

        def one_by_one():
            return {"total": sum(self.sdxl("infer", *flags, f"--unet={run}/checkpoint-{i}/unet",
                                           f"--output={self.scratch}/one.png", "--overwrite")["wall"] for i in range(1, 9))}
        where = self.scratch / "theirs"
        where.mkdir(exist_ok=True)
        self.compare("8 checkpoints, small, 256 px, 10 steps, float32", {"total": "s"}, ours,
                     lambda: self.diffusers("checkpoints", f"{self.models}/small", run, 256, 10, where), rounds=1)
        self.compare("8 checkpoints, eight runs of sdxl beside one", {"total": "s"}, ours, one_by_one, rounds=1)


SECTIONS = {
    "start": lambda b: b.whole_picture("process start to PNG, tiny, 2 steps, 64 px", "tiny", "float32", 64, 2, {"total": "s"}),
    "unet": lambda b: [b.unet_forward("small", dtype, 8) for dtype in ("bfloat16", "float32")],
    "unet-real": lambda b: b.unet_forward("full-bf16", "bfloat16", 2, rounds=1),
    "picture": lambda b: [b.whole_picture(f"512 px, 30 steps, small, {dtype}", "small", dtype, 512, 30,
                                          {"seconds": "s", "total": "s", "peak": "GiB"}, rounds=1)
                          for dtype in ("float32", "bfloat16")],
    "memory-real": lambda b: b.whole_picture("512 px, 1 step, real shape, bfloat16", "full-bf16", "bfloat16", 512, 1,
                                             {"total": "s", "peak": "GiB"}, rounds=1),
    "checkpoints": lambda b: b.checkpoints(),
    "train-full": lambda b: [b.train("train-full", dtype) for dtype in ("float32", "bfloat16")],
    "train-lora": lambda b: [b.train("train-lora", dtype) for dtype in ("float32", "bfloat16")],
}


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown processor"


def on_a_gpu(arguments):
    """Becomes tools/gpu/bench.sh, which has models, sections and a table of its own; packs the binary first where it is not."""
    pack = pathlib.Path(os.environ.get("SDXL_PACK", ROOT / "build-gpu-pack"))
    if not (pack / "pack.tar.xz").exists():
        subprocess.run([ROOT / "tools/gpu/pack.sh", arguments.build, pack], check=True, stdout=sys.stderr)
    out = ["--out", str(pathlib.Path(arguments.out).absolute())] if arguments.out else []
    os.environ["SDXL_PACK"] = str(pack.absolute())
    script = str(ROOT / "tools/gpu/bench.sh")
    os.execv(script, [script, *out, *arguments.section])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build")
    parser.add_argument("--models", default=ROOT / "build/models")
    parser.add_argument("--out", help="the table is appended to this file")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("section", nargs="*", help=" ".join(SECTIONS))
    arguments = parser.parse_args()
    if arguments.device == "cuda":
        on_a_gpu(arguments)
    if not arguments.section or not set(arguments.section) <= set(SECTIONS):
        parser.error(f"give some of the sections {' '.join(SECTIONS)}")
    bench = Bench(arguments)
    bench.make_models(arguments.section)
    try:
        for section in arguments.section:
            SECTIONS[section](bench)
    finally:
        shutil.rmtree(bench.scratch, ignore_errors=True)
        table = [f"{datetime.date.today()}, {processor()}, {os.cpu_count()} cores", "", "| what | diffusers | sdxl | ratio |",
                 "|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in bench.rows)]
        if arguments.out and bench.rows:
            with open(arguments.out, "a") as file:
                file.write("\n".join(table) + "\n\n")


main()
