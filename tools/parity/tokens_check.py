#!/usr/bin/env python3
"""Holds `sdxl tokenize` to the installed transformers: 20,000 lines of mixed text, both tokenizers of SDXL.

    python tools/parity/tokens_check.py [--binary build/sdxl] [--lines 20000] [--seed 0]

Uses CLIP's full vocabulary (tools/parity/clip_vocabulary.py), with the settings of SDXL's two tokenizers, from
vocab.json and merges.txt and again from tokenizer.json. Also every code point, and bytes that are no UTF-8.
"""
import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transformers import CLIPTokenizer, logging

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/reference"), str(ROOT / "tools/parity")]
from clip_vocabulary import write_clip_vocabulary  # noqa: E402
from tokens import CODE_POINTS, clip_configurations, mixed_text  # noqa: E402


def text_lines(count, seed):
    """Lines as bytes without newlines: mixed text, every code point, broken UTF-8."""
    lines = [line.replace("\n", " ").encode() for line in mixed_text(count, seed)]
    characters = [chr(c) for c in CODE_POINTS if c != 0x0A]
    lines += ["a".join(characters[i : i + 12]).encode() for i in range(0, len(characters), 12)]
    r = random.Random(seed)
    lead = [0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0x80, 0xA0, 0xBF, 0x41, 0x20]
    broken = [bytes(r.choice([*lead, r.randrange(11, 256)]) for _ in range(r.choice([4, 10, 40]))) for _ in range(2000)]
    return lines + broken


def write_pipeline(directory, vocabulary):
    configurations = clip_configurations()
    for part, name in (("tokenizer", "first tokenizer of SDXL"), ("tokenizer_2", "second tokenizer of SDXL")):
        (directory / part).mkdir(parents=True)
        for file in vocabulary.iterdir():
            shutil.copy(file, directory / part)
        for file, content in configurations[name].items():
            (directory / part / file).write_text(json.dumps(content))


def resave(source, target):
    for part in ("tokenizer", "tokenizer_2"):
        CLIPTokenizer.from_pretrained(source / part).save_pretrained(target / part)


def expected(tokenizer, lines):
    length = tokenizer.model_max_length
    for begin in range(0, len(lines), 4000):
        texts = [line.decode("utf-8", "replace") for line in lines[begin : begin + 4000]]
        padded = tokenizer(texts, padding="max_length", max_length=length, truncation=True).input_ids
        for ids, whole in zip(padded, tokenizer(texts).input_ids):
            yield ids, tokenizer.decode(whole[length - 1 : -1]) if len(whole) > length else None


def check(binary, directory, lines):
    data = b"\n".join(lines) + b"\n"
    begin = time.monotonic()
    command = [binary, "tokenize", "--pretrained_model_name_or_path", directory, "--input", "-"]
    output = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout
    seconds = time.monotonic() - begin
    ours = [json.loads(line) for line in output.splitlines()]
    assert len(ours) == len(lines), f"{len(ours)} lines for {len(lines)}"
    wrong = 0
    for part, suffix in (("tokenizer", ""), ("tokenizer_2", "_2")):
        tokenizer = CLIPTokenizer.from_pretrained(directory / part)
        for line, got, want in zip(lines, ours, expected(tokenizer, lines)):
            if (got["ids" + suffix], got.get("truncated" + suffix)) != want:
                wrong += 1
                if wrong < 5:
                    print(f"{part}: {line!r}\n  ours {got}\n  want {want}")
    print(f"{directory.name}: {len(lines)} lines, {wrong} of {2 * len(lines)} encodings differ; sdxl took {seconds:.2f} s")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "build/sdxl")
    parser.add_argument("--lines", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        write_clip_vocabulary(scratch / "vocabulary")
        write_pipeline(scratch / "vocab.json", scratch / "vocabulary")
        resave(scratch / "vocab.json", scratch / "tokenizer.json")
        lines = text_lines(args.lines, args.seed)
        wrong = check(args.binary, scratch / "vocab.json", lines)
        wrong += check(args.binary, scratch / "tokenizer.json", lines[: args.lines])
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
