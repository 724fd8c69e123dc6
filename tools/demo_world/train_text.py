#!/usr/bin/env python3
"""Trains the tokenizer and both text encoders of the small world's base model: train_text.py --output DIR

The tokenizer is a SentencePiece model of the world's captions and of made-up words, with eos as its highest id.
The encoders learn to say what a caption says: from the pooled vector and from the hidden state that SDXL uses,
linear heads tell each attribute; every hidden state also tells its own token, and the pooled vector which tokens
there are, made-up nouns in place of the shape among them, so that a word which means nothing yet is not lost.
They read of every combination, as real text encoders have read of more than a UNet has seen (encoders which
never read of an orange circle place it by what it is not), but never of the new word. Needs torch, transformers,
sentencepiece.
"""
import argparse
import json
import math
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

import sentencepiece
import torch
import torch.nn.functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Tokenizer

import draw

VOCABULARY, LENGTH = 256, 32
PAD, BOS, UNK, EOS = 0, 1, 2, VOCABULARY - 1
SHARED = dict(vocab_size=VOCABULARY, max_position_embeddings=LENGTH, pad_token_id=PAD, bos_token_id=BOS,
              eos_token_id=EOS)
CONFIG_1 = CLIPTextConfig(hidden_size=64, intermediate_size=256, num_hidden_layers=3, num_attention_heads=2,
                          projection_dim=64, hidden_act="quick_gelu", **SHARED)
CONFIG_2 = CLIPTextConfig(hidden_size=96, intermediate_size=384, num_hidden_layers=4, num_attention_heads=3,
                          projection_dim=96, hidden_act="gelu", **SHARED)
BATCH, LEARNING_RATE, WARMUP = 128, 2e-3, 100
MADE_UP = 0.3          # how often a made-up word stands in place of the shape
SPREAD_WEIGHT = 0.01   # holds the deviation of the hidden states near 1
UNSAID = "unsaid"
CLASSES = {name: [UNSAID, *draw.WORLD[table]] for name, table in
           [("colour", "colours"), ("size", "sizes"), ("place", "places"), ("background", "backgrounds")]}
CLASSES["shape"] = [UNSAID, *draw.OLD_SHAPES]


def make_up_word(rng):
    """A pronounceable word of one or two syllables that is no word of the world."""
    while True:
        word = "".join(rng.choice("b bl br d dr f fl g gl gr h j k kl l m n p pl pr qu r s sk sn t tr v w y z".split())
                       + rng.choice("a e i o u ee oo ai".split())
                       + rng.choice("b d ff g k l m n ng p rk rp ss t x zz".split()) for _ in range(rng.choice([1, 2])))
        if draw.WORLD["new_word"] not in word and word not in draw.WORLD["shapes"]:
            return word


def say_something(rng):
    """A caption, and what it says of each attribute."""
    attributes, omitted = draw.draw_attributes(rng, combinations="all"), draw.draw_omissions(rng)
    said = {name: UNSAID if name in omitted else value for name, value in attributes.items()}
    if rng.random() < MADE_UP:
        attributes["shape"], said["shape"] = make_up_word(rng), UNSAID
    return draw.write_caption(rng, attributes, omitted), said


def read_varint(data, at):
    value = shift = 0
    while True:
        value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def message_field(data, wanted):
    """The last length-delimited field `wanted` of a protocol buffer message, without a schema."""
    at, found = 0, b""
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 2:
            size, at = read_varint(data, at)
            found = data[at:at + size] if key >> 3 == wanted else found
            at += size
        else:
            at = read_varint(data, at)[1] if key & 7 == 0 else at + (4 if key & 7 == 5 else 8)
    return found


def train_sentencepiece(directory):
    """spiece.model: lower-cases, knows every printable ASCII character, eos is the highest id."""
    rng = random.Random(1)
    captions = [draw.write_caption(rng, draw.draw_attributes(rng)).lower() for _ in range(20000)]
    # The trainer considers as pieces what occurs in different surroundings: so must each word of the world.
    words = [f"{word}, {word}." for word in sorted(set(re.findall("[a-z]+", " ".join(captions))))] * 10
    made_up = [make_up_word(rng) for _ in range(1000)]
    white_space = [0x09, 0x0A, 0x0D, 0xA0, 0x2003, 0x3000]
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch) / "rules.tsv"
        rules.write_text("".join([f"{c:x}\t{c + 32:x}\n" for c in range(0x41, 0x5B)] +
                                 [f"{c:x}\t20\n" for c in white_space]))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(captions + words + made_up), model_prefix=f"{scratch}/spiece",
            model_type="unigram", vocab_size=VOCABULARY, pad_id=PAD, bos_id=BOS, unk_id=UNK, eos_id=EOS,
            character_coverage=1.0, normalization_rule_tsv=str(rules), num_threads=1, minloglevel=2,
            required_chars="".join(chr(c) for c in range(0x21, 0x7F) if not chr(c).isupper()))
        shutil.copy(f"{scratch}/spiece.model", directory / "spiece.model")


def train_tokenizer(directory):
    """A directory that sentencepiece reads (spiece.model) and transformers (tokenizer.json) too."""
    directory.mkdir(parents=True, exist_ok=True)
    train_sentencepiece(directory)
    model = (directory / "spiece.model").read_bytes()
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    charsmap = message_field(message_field(model, 3), 2)  # normalizer_spec.precompiled_charsmap
    T5Tokenizer(vocab=[(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(VOCABULARY)],
                _spm_precompiled_charsmap=charsmap, extra_ids=0, model_max_length=LENGTH).save_pretrained(directory)
    config = {"tokenizer_class": "T5Tokenizer", "model_max_length": LENGTH, "extra_ids": 0, "eos_token": "</s>",
              "pad_token": "<pad>", "unk_token": "<unk>"}  # keys that every version of transformers reads alike
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


class Heads(torch.nn.Module):
    """What is asked of an encoder while it learns; thrown away afterwards."""

    def __init__(self, width, pooled_width):
        super().__init__()
        linear = torch.nn.Linear
        self.of_hidden = torch.nn.ModuleDict({name: linear(width, len(c)) for name, c in CLASSES.items()})
        self.of_pooled = torch.nn.ModuleDict({name: linear(pooled_width, len(c)) for name, c in CLASSES.items()})
        self.token, self.bag = linear(width, VOCABULARY), linear(pooled_width, VOCABULARY)

    def loss(self, ids, hidden, pooled, said):
        rows = torch.arange(len(ids))
        last = hidden[rows, (ids == EOS).int().argmax(1)]
        total = sum(F.cross_entropy(self.of_hidden[name](last), said[name]) +
                    F.cross_entropy(self.of_pooled[name](pooled), said[name]) for name in CLASSES)
        total = total + F.cross_entropy(self.token(hidden).flatten(0, 1), ids.flatten())
        there = torch.zeros(len(ids), VOCABULARY).scatter_(1, ids, 1.0)
        total = total + 10 * F.binary_cross_entropy_with_logits(self.bag(pooled), there)
        return total + SPREAD_WEIGHT * ((hidden.std() - 1) ** 2 + (pooled.std() - 1) ** 2)

    def accuracy(self, pooled, said):
        return {name: round((self.of_pooled[name](pooled).argmax(1) == said[name]).float().mean().item(), 4)
                for name in CLASSES}


def run(model, ids):
    """The hidden state that SDXL uses and the pooled vector."""
    output = model(ids, output_hidden_states=True)
    pooled = output.text_embeds if hasattr(output, "text_embeds") else output.pooler_output
    return output.hidden_states[-2], pooled


def batch(tokenizer, rng, size):
    texts, said = zip(*(say_something(rng) for _ in range(size)))
    ids = tokenizer(list(texts), padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt").input_ids
    return ids, {name: torch.tensor([c.index(s[name]) for s in said]) for name, c in CLASSES.items()}


def train_encoder(model, tokenizer, pooled_width, steps, directory):
    rng, heads = random.Random(2), Heads(model.config.hidden_size, pooled_width)
    parameters = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    start = time.time()
    for step in range(steps):
        rate = min(1, (step + 1) / WARMUP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * rate
        ids, said = batch(tokenizer, rng, BATCH)
        loss = heads.loss(ids, *run(model, ids), said)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} loss {loss.item():.4f} {time.time() - start:.0f} s", flush=True)
    with torch.no_grad():
        ids, said = batch(tokenizer, rng, 2000)
        hidden, pooled = run(model, ids)
        print(json.dumps({"accuracy": heads.accuracy(pooled, said), "hidden_deviation": round(hidden.std().item(), 3),
                          "pooled_deviation": round(pooled.std().item(), 3),
                          "parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    model.half().save_pretrained(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for name in ("tokenizer", "tokenizer_2"):
        train_tokenizer(args.output / name)
    tokenizer = T5Tokenizer.from_pretrained(args.output / "tokenizer")
    train_encoder(CLIPTextModel(CONFIG_1), tokenizer, CONFIG_1.hidden_size, args.steps, args.output / "text_encoder")
    train_encoder(CLIPTextModelWithProjection(CONFIG_2), tokenizer, CONFIG_2.projection_dim, args.steps,
                  args.output / "text_encoder_2")


if __name__ == "__main__":
    main()
