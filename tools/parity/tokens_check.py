#!/usr/bin/env python3
"""Compares `sdxl tokenize` with the installed transformers and sentencepiece on 20,000 lines of mixed text.

    python tools/parity/tokens_check.py [--binary build/sdxl] [--lines 20000] [--seed 0]

CLIP's full vocabulary (tools/parity/clip_vocabulary.py), with the settings of SDXL's two tokenizers, is read from
vocab.json and merges.txt and again from tokenizer.json, and compared with transformers. A SentencePiece model with the
default normalisation, which it trains first, is compared with sentencepiece. The lines include every code point, and
bytes that are not UTF-8.
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

import sentencepiece
from transformers import CLIPTokenizer, logging

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/reference"), str(ROOT / "tools/parity")]
from clip_vocabulary import write_clip_vocabulary  # noqa: E402
from tokens import CAPTIONS, CODE_POINTS, WORDS, clip_configurations, mixed_text  # noqa: E402


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


def write_sentencepiece_pipeline(directory):
    """A model with eos as its last control symbol; tokenizer and tokenizer_2 differ in their length."""
    config = dict(tokenizer_class="T5Tokenizer", extra_ids=0)
    model = directory / "tokenizer/spiece"
    for part, length in (("tokenizer", 77), ("tokenizer_2", 20)):
        (directory / part).mkdir(parents=True)
        (directory / part / "tokenizer_config.json").write_text(json.dumps(dict(config, model_max_length=length)))
    r = random.Random(1)
    text = CAPTIONS + [" ".join(r.choice(WORDS).replace("\x00", "") for _ in range(12)) for _ in range(4000)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_prefix=str(model), vocab_size=1000, hard_vocab_limit=False,
        pad_id=0, bos_id=-1, unk_id=2, eos_id=1, num_threads=1, minloglevel=2)
    shutil.copy(f"{model}.model", directory / "tokenizer_2")


def expected_by_sentencepiece(directory, lines):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(directory / "spiece.model"))
    length = json.loads((directory / "tokenizer_config.json").read_text())["model_max_length"]
    for line in lines:
        text = line.decode("utf-8", "replace")
        ids = processor.encode(text)[: length - 1] + [processor.eos_id()]
        yield ids + [processor.pad_id()] * (length - len(ids))


def expected(tokenizer, lines):
    length = tokenizer.model_max_length
    for begin in range(0, len(lines), 4000):
        texts = [line.decode("utf-8", "replace") for line in lines[begin : begin + 4000]]
        padded = tokenizer(texts, padding="max_length", max_length=length, truncation=True).input_ids
        for ids, whole in zip(padded, tokenizer(texts).input_ids):
            yield ids, tokenizer.decode(whole[length - 1 : -1]) if len(whole) > length else None


def tokenize(binary, directory, lines):
    begin = time.monotonic()
    command = [binary, "tokenize", "--pretrained_model_name_or_path", directory, "--input", "-"]
    output = subprocess.run(command, input=b"\n".join(lines) + b"\n", stdout=subprocess.PIPE, check=True).stdout
    seconds = time.monotonic() - begin
    ours = [json.loads(line) for line in output.splitlines()]
    assert len(ours) == len(lines), f"{len(ours)} lines for {len(lines)}"
    return ours, seconds


def compare(lines, part, got, want):
    """How many of the lines have another encoding; prints the first."""
    wrong = [(line, ours, theirs) for line, ours, theirs in zip(lines, got, want, strict=True) if ours != theirs]
    for line, ours, theirs in wrong[:3]:
        print(f"{part}: {line!r}\n  ours {ours}\n  want {theirs}")
    return len(wrong)


def check(binary, directory, lines):
    ours, seconds = tokenize(binary, directory, lines)
    wrong = 0
    for part, suffix in (("tokenizer", ""), ("tokenizer_2", "_2")):
        tokenizer = CLIPTokenizer.from_pretrained(directory / part)
        got = [(line["ids" + suffix], line.get("truncated" + suffix)) for line in ours]
        wrong += compare(lines, part, got, expected(tokenizer, lines))
    print(f"{directory.name}: {len(lines)} lines, {wrong} of {2 * len(lines)} encodings differ; sdxl took {seconds:.2f} s")
    return wrong


def check_sentencepiece(binary, directory, lines):
    """Versions of sentencepiece round sums of scores otherwise: of two equally good paths each may take another, which
    has the same pieces in another order."""
    ours, seconds = tokenize(binary, directory, lines)
    wrong = ties = 0
    for part, suffix in (("tokenizer", ""), ("tokenizer_2", "_2")):
        want = list(expected_by_sentencepiece(directory / part, lines))
        got = [line["ids" + suffix] for line in ours]
        for i, (a, b) in enumerate(zip(got, want, strict=True)):
            if a != b and sorted(a) == sorted(b):
                ties += 1
                want[i] = a
        wrong += compare(lines, part, got, want)
    print(f"{directory.name}: {len(lines)} lines, {wrong} of {2 * len(lines)} encodings differ, {ties} in a tie; "
          f"sdxl took {seconds:.2f} s")
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
        write_sentencepiece_pipeline(scratch / "spiece.model")
        # No added token of the directory may stand in a line.
        lines = [line for line in lines if not any(token in line for token in (b"</s>", b"<pad>", b"<unk>"))]
        wrong += check_sentencepiece(args.binary, scratch / "spiece.model", lines)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
