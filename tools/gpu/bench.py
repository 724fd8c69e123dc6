#!/usr/bin/env python3
"""Compares sdxl with diffusers on a GPU, on random weights of SDXL's shape; needs tools/gpu/pack.sh's folder.

    bench.py [--out FILE] [--seconds N] [SECTION …]
    sections: models infer compile train-full train-lora low-memory (all by default, within ten minutes; models first)

Every measurement is a JSON line in FILE as soon as it is made; a Markdown table of all that FILE holds is printed at the end.
A section stops after --seconds and says what it left out.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = pathlib.Path(os.environ.get("SDXL_BENCH_WORK", "/tmp/sdxl-bench"))
MODEL = WORK / "full-fp16"


class Section:
    """Runs commands until its time is over; every JSON line that they print is a result."""

    def __init__(self, name, seconds, file):
        self.name, self.end, self.file, self.results = name, time.time() + seconds, file, []

    def left(self):
        return self.end - time.time()

    def note(self, **values):
        values["section"] = self.name
        self.results.append(values)
        line = json.dumps(values)
        print(line, flush=True)
        self.file.write(line + "\n")
        self.file.flush()

    def skip(self, what, least):
        if self.left() >= least:
            return False
        self.note(program="-", what=str(what), failed=f"left out: {self.left():.0f} s left")
        return True

    def diffusers(self, *arguments):
        if self.skip(arguments, 15):
            return
        environment = dict(os.environ, PYTHONPATH=os.environ["SDXL_PYTHON"], HF_HUB_OFFLINE="1", DIFFUSERS_VERBOSITY="error",
                           PYTORCH_ALLOC_CONF="expandable_segments:True")
        log = open(WORK / "diffusers.err", "w")
        process = subprocess.Popen([sys.executable, HERE / "bench_diffusers.py", str(MODEL), *arguments], env=environment,
                                   stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
        # The lines come one by one; a kill at the end of the section keeps those that are there.
        killer = subprocess.Popen(["sh", "-c", f"sleep {max(1, self.left()):.0f}; kill -9 {process.pid}"], start_new_session=True)
        for line in process.stdout:
            if line.startswith("{"):
                self.note(**json.loads(line))
        if process.wait() != 0:
            tail = (WORK / "diffusers.err").read_text().strip().splitlines()[-1:]
            self.note(program="diffusers", what=str(arguments), failed=f"status {process.returncode}: {tail}")
        os.killpg(killer.pid, signal.SIGKILL)
        killer.wait()

    def sdxl(self, *arguments, until=None, **about):
        """Runs sdxl; `until` is asked now and then whether it has done enough, and then it is killed. Gives the output."""
        if self.skip(arguments[0], 10):
            return None
        environment = dict(os.environ, LD_LIBRARY_PATH=os.environ["SDXL_LIBRARIES"])
        out, err = WORK / "sdxl.out", WORK / "sdxl.err"
        process = subprocess.Popen([os.environ["SDXL"], *map(str, arguments)], env=environment, stdout=open(out, "w"),
                                   stderr=open(err, "w"), cwd=ROOT)
        enough = False
        while process.poll() is None and self.left() > 0 and not enough:
            time.sleep(0.05)
            enough = until is not None and until()
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.returncode != 0 and not enough:
            tail = " | ".join((err.read_text() + out.read_text()).strip().splitlines()[-3:])[-600:]
            self.note(program="sdxl", **about, failed=f"status {process.returncode}: {tail}")
            return None
        return out.read_text()


def models(section):
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    start = time.time()
    environment = dict(os.environ, PYTHONPATH=os.environ["SDXL_PYTHON"])
    subprocess.run([sys.executable, ROOT / "tools/bench/bench_models.py", "--root", WORK, "--device", "cuda", "--tokenizers", "demo",
                    MODEL.name], env=environment, check=True, cwd=ROOT, timeout=max(10, section.left()))
    write_pictures(WORK / "pictures")
    section.note(program="-", what="models", seconds=round(time.time() - start, 1))


def write_pictures(folder):
    """Four pictures of 1024 pixels to train on."""
    from PIL import Image
    folder.mkdir()
    with open(folder / "metadata.jsonl", "w") as captions:
        for i in range(4):
            noise = Image.effect_noise((32, 32), 60 + 20 * i).convert("RGB")
            noise.resize((1024, 1024), Image.BICUBIC).save(folder / f"{i}.png", compress_level=1)
            captions.write(json.dumps({"file_name": f"{i}.png", "text": "a red circle on a blue background"}) + "\n")


def draw(section, precision, batch, prompts, **extra):
    out = WORK / "pictures-out"
    arguments = ["infer", "--pretrained_model_name_or_path", MODEL, "--output_dir", out, "--overwrite", "--seed", 1, "--json",
                 "--num_inference_steps", 30, "--guidance_scale", 7.5, "--mixed_precision", precision, "--device", "cuda",
                 "--num_images_per_prompt", batch, "--batch_size", batch]
    for i in range(prompts):
        arguments += ["--prompt", "a red circle on a blue background" + " and a green square" * i]
    about = dict(what="infer", precision=precision, batch=batch, **extra)
    start = time.time()
    text = section.sdxl(*arguments, **about)
    if text is None:
        return
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    seconds = [line["seconds"] for line in lines]
    section.note(program="sdxl", **about, seconds_per_picture=round(min(seconds), 3), first_picture=round(seconds[0], 3),
                 memory_gib=round(lines[-1]["peak_memory"] / 2**30, 2), process_seconds=round(time.time() - start, 1))


def train(section, command, precision, steps=12, label="", **options):
    out = WORK / "run"
    shutil.rmtree(out, ignore_errors=True)
    arguments = [command, "--pretrained_model_name_or_path", MODEL, "--train_data_dir", WORK / "pictures", "--resolution", 1024,
                 "--center_crop", "--train_batch_size", 1, "--learning_rate", 1e-6, "--seed", 1, "--max_train_steps", 100000,
                 "--checkpointing_steps", 100000, "--report_to", "none", "--mixed_precision", precision, "--device", "cuda",
                 "--output_dir", out]
    for name, value in options.items():
        arguments += ["--" + name] if value is True else ["--" + name, value]
    metrics = out / "metrics.jsonl"

    def lines():
        if not metrics.exists():
            return []
        found = []
        for line in metrics.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        return [line for line in found if "loss" in line]

    about = dict(what=command, precision=precision, checkpointing=bool(options.get("gradient_checkpointing")), label=label)
    start = time.time()
    if section.sdxl(*arguments, until=lambda: len(lines()) >= steps, **about) is None:
        return
    done = lines()
    if len(done) < 5:
        section.note(program="sdxl", **about, failed=f"only {len(done)} steps in {time.time() - start:.0f} s")
        return
    seconds = sorted(1 / line["samples_per_second"] for line in done[3:])
    section.note(program="sdxl", **about, seconds_per_step=round(seconds[len(seconds) // 2], 4),
                 memory_gib=round(done[-1]["memory"] / 2**30, 2), losses=[round(line["loss"], 4) for line in done[:3]],
                 process_seconds=round(time.time() - start, 1))


def infer(section):
    for precision in ("fp16", "bf16"):
        draw(section, precision, 1, 3)
        draw(section, precision, 4, 2)
        section.diffusers("infer", precision)


def compiled(section):
    section.diffusers("compile", "fp16")


def train_full(section):
    train(section, "train-full", "bf16", gradient_checkpointing=True)
    section.diffusers("train-full", "bf16", "checkpointing")
    train(section, "train-full", "bf16")
    section.diffusers("train-full", "bf16")


def train_lora(section):
    train(section, "train-lora", "bf16", rank=4)
    section.diffusers("train-lora", "bf16")
    train(section, "train-lora", "bf16", rank=4, gradient_checkpointing=True)
    section.diffusers("train-lora", "bf16", "checkpointing")


def low_memory(section):
    train(section, "train-full", "bf16", label="8-bit AdamW, bf16 weights, fused backward", optimizer="adamw8bit",
          full_bf16=True, fused_backward=True, gradient_checkpointing=True)
    train(section, "train-full", "bf16", label="Adafactor, bf16 weights, fused backward", optimizer="adafactor", full_bf16=True,
          fused_backward=True, gradient_checkpointing=True)
    train(section, "train-lora", "bf16", label="fp8 base", rank=4, base_dtype="fp8", gradient_checkpointing=True)
    train(section, "train-lora", "bf16", label="int8 base", rank=4, base_dtype="int8", gradient_checkpointing=True)


SECTIONS = {"models": models, "infer": infer, "compile": compiled, "train-full": train_full, "train-lora": train_lora,
            "low-memory": low_memory}


def table(results):
    """Markdown: a row for each setting, with the seconds (a picture, a step) and the memory of each program."""
    rows = {}
    for result in results:
        if result["what"] not in ("infer", "train-full", "train-lora") or "precision" not in result:
            continue
        setting = [result["what"], result["precision"]]
        setting += [f"batch {result['batch']}"] if "batch" in result else []
        setting += ["checkpointing"] if result.get("checkpointing") else []
        setting += [result["label"]] if result.get("label") else []
        seconds = result.get("seconds_per_picture", result.get("seconds_per_step"))
        text = result["failed"][:80] if seconds is None else f"{seconds} s, {result['memory_gib']} GiB"
        rows.setdefault(", ".join(setting), {})[result["program"]] = text.replace("|", "/")
    programs = ["diffusers eager", "diffusers eager channels-last", "diffusers torch.compile", "diffusers script", "sdxl"]
    lines = ["| a picture or a step of | " + " | ".join(programs) + " |", "|---" * (len(programs) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(row.get(p, "") for p in programs) + " |" for name, row in rows.items()]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.join(os.environ.get("OUT", "/tmp"), "bench.jsonl"))
    parser.add_argument("--seconds", type=float, default=95, help="the most that a section takes")
    parser.add_argument("section", nargs="*", help=" ".join(SECTIONS))
    arguments = parser.parse_args()
    for name in arguments.section:
        if name not in SECTIONS:
            parser.error(f"there is no section {name!r}: {' '.join(SECTIONS)}")
    WORK.mkdir(parents=True, exist_ok=True)
    with open(arguments.out, "a") as file:
        for name in arguments.section or SECTIONS:
            section = Section(name, arguments.seconds, file)
            start = time.time()
            try:
                SECTIONS[name](section)
            except Exception as error:  # a section's failure leaves the others their turn
                section.note(program="-", what=name, failed=repr(error)[-500:])
            section.note(program="-", what="section", seconds=round(time.time() - start, 1))
    with open(arguments.out) as file:
        print(table([json.loads(line) for line in file]), flush=True)


if __name__ == "__main__":
    main()
