"""Trains with --report_to all, is killed once and resumes; then the tensorboard package and `wandb sync` read the files.

    python tools/parity/trackers_check.py [build/sdxl]

`wandb sync` uploads the offline runs to a server on this machine. Installs tensorboard and wandb next to the reference
environment on first use.
"""
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(os.environ.get("SDXL_TRACKER_PACKAGES", Path(sys.prefix).parent / "trackers-tensorboard-2.21.0-wandb-0.31.0"))
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/sdxl")
STEPS, KILLED_AFTER = 8, 5


class Server(BaseHTTPRequestHandler):
    """As much of the Weights & Biases service as an upload asks for."""

    protocol_version, history, files, ended = "HTTP/1.1", [], [], []

    def log_message(self, *_):
        pass

    def reply(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline().strip(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def do_PUT(self):
        self.files.append((self.path, len(self.body())))
        self.reply({})

    def do_GET(self):
        self.reply({})

    def do_POST(self):
        data = self.body()
        if not self.path.startswith("/graphql"):
            sent = json.loads(data) if data[:1] == b"{" else {}
            for line in sent.get("files", {}).get("wandb-history.jsonl", {}).get("content", []):
                self.history.append(json.loads(line))
            if sent.get("complete"):
                self.ended.append(sent.get("exitcode"))
            self.reply({})
            return
        query = json.loads(data)
        self.reply({"data": self.answer(query["query"], query.get("variables") or {})})

    def answer(self, text, given):
        if "upsertBucket" in text:
            project = {"id": "p", "name": given.get("project") or "project", "entity": {"id": "e", "name": "me"}}
            bucket = {"id": "QnVja2V0", "name": given.get("name") or "run", "displayName": given.get("displayName") or "run", "description": "",
                      "config": given.get("config"), "sweepName": None, "project": project, "historyLineCount": 0}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "createRunFiles" in text:
            url = f"http://127.0.0.1:{self.server.server_address[1]}/upload/"
            return {"createRunFiles": {"runID": "QnVja2V0", "uploadHeaders": [], "files": [{"name": f, "uploadUrl": url + f} for f in given["files"]]}}
        if "viewer" in text:
            return {"viewer": {"id": "u", "flags": "{}", "entity": "me", "username": "me", "email": "x@y", "admin": False, "teams": {"edges": []}, "apiKeys": {"edges": []}}}
        if "serverInfo" in text or "ServerFeatures" in text:
            limits = {"max_cli_version": "0.31.0", "min_cli_version": "0.10.0"}
            return {"serverInfo": {"features": [], "cliVersionInfo": limits, "latestLocalVersionInfo": None, "frontendHost": None}, "QueryType": {"fields": []}}
        if "__schema" in text or "__type" in text:
            return {"QueryType": {"fields": []}, "MutationType": {"fields": []}, "ServerInfoType": {"fields": []}}
        return {"model": {"bucket": None}}


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_):  # the uploader leaves without a word
        pass


def install():
    if not (PACKAGES / "wandb").exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PACKAGES), "tensorboard==2.21.0", "wandb==0.31.0"], check=True)


def train(output, *more, kill=False):
    command = [BINARY, "train-full", f"--pretrained_model_name_or_path={ROOT}/tests/fixtures/tiny-sdxl", f"--train_data_dir={ROOT}/tests/fixtures/training/pictures",
               "--resolution=32", "--train_batch_size=1", f"--max_train_steps={STEPS}", "--checkpointing_steps=2", "--seed=3", "--device=cpu", "--num_threads=1",
               "--validation_prompt=a circle", "--validation_steps=4", "--num_validation_images=2", "--validation_loss_steps=4", "--report_to=all",
               "--resume_from_checkpoint=latest", f"--output_dir={output}", "--log_level=warning", *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while kill and process.poll() is None:
        metrics = output / "metrics.jsonl"
        if metrics.exists() and f'"step":{KILLED_AFTER}' in metrics.read_text():
            process.send_signal(signal.SIGKILL)
        time.sleep(0.01)
    return process.wait()


def check_tensorboard(output):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(output / "logs/text2image-fine-tune-sdxl"), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    metrics = {line["step"]: line["loss"] for line in map(json.loads, (output / "metrics.jsonl").read_text().splitlines()) if "loss" in line}
    scalars = {e.step: e.value for e in events.Scalars("train_loss")}
    assert len(scalars) == len(events.Scalars("train_loss")), "a step is there twice"
    assert set(scalars) == set(range(1, STEPS + 1)) and all(abs(scalars[s] - metrics[s]) < 1e-6 for s in scalars), (scalars, metrics)
    for tag in ("lr", "grad_norm", "samples_per_second", "memory", "validation_loss"):
        assert tag in tags["scalars"], (tag, tags["scalars"])
    assert any(tag.startswith("loss_timesteps_") for tag in tags["scalars"])
    pictures = [tag for tag in tags["images"]]
    assert any(t.startswith("validation") for t in pictures) and any(t.startswith("test") for t in pictures), pictures
    assert events.Images(pictures[0])[0].encoded_image_string[:4] == b"\x89PNG"
    hparams = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"learning_rate" in hparams
    print(f"tensorboard: {len(scalars)} steps, {len(tags['scalars'])} scalars, pictures {sorted(pictures)}: equal")


def check_wandb(output):
    server = QuietServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES), "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_address[1]}", "WANDB_API_KEY": "0" * 40}
    runs = sorted((output / "logs/wandb").glob("offline-run-*"))
    ids = {run.name.rsplit("-", 1)[1] for run in runs}
    assert len(runs) == 2 and len(ids) == 1, runs  # killed, then the same run continued
    for run in runs:
        done = subprocess.run([sys.executable, "-m", "wandb", "sync", str(run)], env=environment, cwd=output, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
    seen = {line["_step"]: line.get("train_loss") for line in Server.history if line.get("train_loss") is not None}
    # The killed run's last step may be lost; the one that goes on tells of it again.
    assert set(seen) == set(range(1, STEPS + 1)), sorted(seen)
    pictures = [path for path, size in Server.files if "media/images" in path and size > 50]
    assert len(pictures) >= 4, Server.files
    assert 0 in Server.ended, Server.ended
    print(f"wandb sync: {len(seen)} steps, {len(pictures)} pictures, exit codes {Server.ended}: uploaded whole")


def main():
    install()
    sys.path.insert(0, str(PACKAGES))
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "run"
        assert train(output, kill=True) == -signal.SIGKILL
        assert train(output) == 0
        check_tensorboard(output)
        check_wandb(output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
