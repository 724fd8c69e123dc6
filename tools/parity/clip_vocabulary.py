#!/usr/bin/env python3
"""Writes the full vocabulary of CLIP (vocab.json, merges.txt) for checks that need it.

    python tools/parity/clip_vocabulary.py DIR

It is made of the merges that the PyPI package open_clip_torch (MIT) carries: the installed one's, else a
wheel that pip fetches.
"""
import gzip
import importlib.util
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKED = "bpe_simple_vocab_16e6.txt.gz"
SIZE, SPECIAL = 49408, ["<|startoftext|>", "<|endoftext|>"]


def packed_merges():
    spec = importlib.util.find_spec("open_clip")
    if spec:
        return (Path(spec.origin).parent / PACKED).read_bytes()
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory]
        subprocess.run(command + ["open_clip_torch==3.3.0"], check=True)
        wheel = zipfile.ZipFile(next(Path(directory).glob("*.whl")))
        return wheel.read(f"open_clip/{PACKED}")


def byte_letters():
    """The characters that stand for bytes, in the vocabulary's order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(0x100 + i) for i in range(len(others))]


def write_clip_vocabulary(directory):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    letters = byte_letters()
    count = SIZE - 2 * len(letters) - len(SPECIAL)
    merges = gzip.decompress(packed_merges()).decode().split("\n")[1 : count + 1]
    tokens = letters + [c + "</w>" for c in letters] + [m.replace(" ", "") for m in merges] + SPECIAL
    assert len(tokens) == len(set(tokens)) == SIZE
    vocabulary = json.dumps({token: i for i, token in enumerate(tokens)}, ensure_ascii=False)
    (directory / "vocab.json").write_text(vocabulary, encoding="utf-8")
    (directory / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")


if __name__ == "__main__":
    write_clip_vocabulary(sys.argv[1])
