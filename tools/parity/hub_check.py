"""Runs the documentation's commands by the names of repositories, against a local server that speaks the Hub's protocol.

    python tools/parity/hub_check.py [build/sdxl]

The server has a tiny SDXL under those names. Then Python's huggingface_hub and diffusers read the cache offline, and the binary
reads a cache that Python filled.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/sdxl")
TINY = ROOT / "tests/fixtures/tiny-sdxl"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL, VAE = "stabilityai/stable-diffusion-xl-base-1.0", "madebyollin/sdxl-vae-fp16-fix"
DATASET = "lambdalabs/naruto-blip-captions"


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


REPOSITORIES = {
    f"models/{MODEL}": files_of(TINY),
    f"models/{VAE}": files_of(TINY / "vae"),
    f"datasets/{DATASET}": files_of(ROOT / "tests/fixtures/parquet/pictures"),
}


def is_large(path):
    return path.endswith((".safetensors", ".parquet"))


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.serve()

    def do_GET(self):
        self.serve()

    def serve(self):
        path = self.path.split("?")[0]
        for name, files in REPOSITORIES.items():
            page = name.removeprefix("models/")
            if path.startswith(f"/api/{name}/revision/") or path == f"/api/{name}":
                siblings = [{"rfilename": f} for f in files]
                body = {"id": name.split("/", 1)[1], "sha": COMMIT, "siblings": siblings, "private": False, "tags": [], "downloads": 0}
                return self.answer(200, json.dumps(body).encode(), Content_Type="application/json")
            if path.startswith(f"/api/{name}/tree/"):
                return self.answer(200, json.dumps([self.entry(f, data) for f, data in files.items()]).encode())
            if path.startswith(f"/{page}/resolve/"):
                return self.file(files, path.split("/resolve/")[1].split("/", 1)[1])
        self.answer(404, X_Error_Code="RepoNotFound")

    @staticmethod
    def entry(path, data):
        entry = {"type": "file", "oid": git_hash(data), "size": len(data), "path": path}
        if is_large(path):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry

    def file(self, files, path):
        if path not in files:
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        data = files[path]
        etag = hashlib.sha256(data).hexdigest() if is_large(path) else git_hash(data)
        self.answer(200, data, X_Repo_Commit=COMMIT, ETag=f'"{etag}"', Accept_Ranges="bytes")


# As users make them; what follows the bar makes them short.
FULL = f"""train-full --pretrained_model_name_or_path={MODEL} --pretrained_vae_model_name_or_path={VAE} --dataset_name={DATASET}
  --enable_xformers_memory_efficient_attention --resolution=512 --center_crop --random_flip --proportion_empty_prompts=0.2
  --train_batch_size=1 --gradient_accumulation_steps=4 --gradient_checkpointing --max_train_steps=10000 --learning_rate=1e-06
  --lr_scheduler=constant --lr_warmup_steps=0 --mixed_precision=fp16 --report_to=wandb --validation_prompt=a_cute_Sundar_Pichai_creature
  --validation_epochs 5 --checkpointing_steps=5000 --output_dir=sdxl-pokemon-model
  | --resolution=64 --max_train_steps=2 --num_validation_images=1 --checkpointing_steps=1"""
LORA = f"""train-lora --pretrained_model_name_or_path={MODEL} --pretrained_vae_model_name_or_path={VAE} --dataset_name={DATASET}
  --caption_column=text --resolution=1024 --random_flip --train_batch_size=1 --num_train_epochs=2 --checkpointing_steps=500
  --learning_rate=1e-04 --lr_scheduler=constant --lr_warmup_steps=0 --mixed_precision=fp16 --seed=42
  --output_dir=sd-pokemon-model-lora-sdxl --validation_prompt=cute_dragon_creature --report_to=wandb
  | --resolution=64 --num_validation_images=1 --num_train_epochs=1"""
LORA_TEXT = f"""train-lora --pretrained_model_name_or_path={MODEL} --dataset_name={DATASET} --caption_column=text --resolution=1024
  --random_flip --train_batch_size=1 --num_train_epochs=2 --checkpointing_steps=500 --learning_rate=1e-04 --lr_scheduler=constant
  --lr_warmup_steps=0 --seed=42 --train_text_encoder --output_dir=sd-pokemon-model-lora-sdxl-txt
  --validation_prompt=cute_dragon_creature --report_to=wandb
  | --resolution=64 --num_validation_images=1 --num_train_epochs=1"""
INFER = f"""infer --pretrained_model_name_or_path={MODEL} --pretrained_vae_model_name_or_path={VAE}
  --prompt=A_pokemon_with_green_eyes_and_red_legs. --num_inference_steps=30 --guidance_scale=7.5 --mixed_precision=fp16 --seed=1 """
RUNS = [
    FULL, LORA, LORA_TEXT,
    INFER + "--unet=sdxl-pokemon-model/unet --output=pokemon.png | --num_inference_steps=2",
    INFER + "--checkpoints=sdxl-pokemon-model --output_dir=each | --num_inference_steps=2",
    INFER + "--lora=sd-pokemon-model-lora-sdxl --output=lora.png | --num_inference_steps=2",
]

READ_BACK = f"""
from huggingface_hub import snapshot_download, scan_cache_dir
from diffusers import StableDiffusionXLPipeline
model = snapshot_download({MODEL!r}, allow_patterns=["*.json", "*.safetensors", "*/merges.txt"], local_files_only=True)
snapshot_download({DATASET!r}, repo_type="dataset", local_files_only=True)
StableDiffusionXLPipeline.from_pretrained({MODEL!r}, local_files_only=True)
info = scan_cache_dir()
assert not info.warnings, info.warnings
print(len(info.repos), "repositories read back by huggingface_hub, no warnings")
"""
FILL = f"""
from huggingface_hub import snapshot_download
snapshot_download({MODEL!r})
snapshot_download({DATASET!r}, repo_type="dataset")
"""


def run(command, folder, environment, **more):
    result = subprocess.run(command, cwd=folder, env={**os.environ, **environment, **more}, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command[:3])} … ended with {result.returncode}: {result.stderr[-2000:]}")
    return result.stdout


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(folder / "hf"), "XDG_CACHE_HOME": str(folder / "cache"),
            "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", "HF_HUB_DISABLE_TELEMETRY": "1", "WANDB_MODE": "offline",
        }
        for text in RUNS:
            words = [w.replace("_", " ") if w.startswith(("--prompt=", "--validation_prompt=")) else w for w in text.replace("|", " ").split()]
            words = ["--validation_prompt=" + w.split("=", 1)[1] if w.startswith("--validation prompt=") else w for w in words]
            run([BINARY, *words], folder, environment)
            print(f"{words[0]} by repository ids: done")
        print(run([sys.executable, "-c", READ_BACK], folder, environment, HF_HUB_OFFLINE="1").strip())
        other = {**environment, "HF_HOME": str(folder / "python")}
        run([sys.executable, "-c", FILL], folder, other)
        words = f"train-full --pretrained_model_name_or_path={MODEL} --dataset_name={DATASET} --resolution=32 --max_train_steps=1 --offline".split()
        run([BINARY, *words, "--train_batch_size=1", "--output_dir=from-python", "--report_to=none"], folder, other)
        print("a cache that Python filled: read")


if __name__ == "__main__":
    main()
