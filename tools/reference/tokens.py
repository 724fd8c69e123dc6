#!/usr/bin/env python3
"""Writes tests/fixtures/tokenizers: small vocabularies, and the ids that transformers and SentencePiece give for them.

    python tools/reference/tokens.py            the test data
    python tools/reference/tokens.py --tables   prints the tables of src/tokenizers/unicode_tables.h

Seen with transformers 5.17.0, tokenizers 0.23.3, sentencepiece 0.2.1 and protobuf 7.36, which T5Tokenizer needs for
a .model (pip install protobuf). The tables need Debian's utf8proc 2.8.
"""
import argparse
import array
import collections
import ctypes
import hashlib
import json
import random
import re
import shutil
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
from tokenizers import Regex, normalizers, pre_tokenizers
from transformers import CLIPTokenizer, T5Tokenizer, logging

OUT = Path(__file__).resolve().parents[2] / "tests/fixtures/tokenizers"
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
BOS, EOS = "<|startoftext|>", "<|endoftext|>"

CAPTIONS = """a red circle on a green field, drawn by hand
a small blue square to the left of a large yellow triangle
the dragon's eyes are green and its legs are red; they're quick
an old photograph of a lighthouse at night, with stars and a full moon
a cute creature standing on a wooden table in front of a window
they'll paint the house, we've seen it, I'm sure you'd like it
two cats sleeping under the kitchen table, black and white, soft light
portrait of a woman with a hat, oil painting, highly detailed
a train crossing the bridge over the river in the morning fog
children playing football in the rain, photo, wide angle
a bowl of fruit: apples, pears, grapes, and one orange
the mountain behind the lake is covered with snow
""".splitlines()

WORDS = (
    "a cute dragon with green eyes, red legs; it's they'll WE'RE I've I'm 2024 3.14 don't 'tis "
    "rock'n'roll <|startoftext|> <|endoftext|> <|STARTOFTEXT|> <|EndOfText|> </w> !! ! ... -- \u2014 "
    "\u201cquoted\u201d na\u00efve caf\u00e9 cafe\u0301 \u0130stanbul \u1e9e \ufb01 \u4e2d\u6587 "
    "\u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0639\u0631\u0628\u064a "
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u0e44\u0e17\u0e22 \ud55c\uad6d\uc5b4 "
    "\u1112\u1161\u11ab \x00 \x07 \x7f \x85 \ufeff \u200b #tag @you http://x.y/z?q=1 $5 50% \u00bd "
    "\u2160 \u0663 \u0f33 antidisestablishmentarianism " + "a" * 70
).split(" ")
BASES = "a \u0416 \u00e9 \uac00 \u1100 \u1161 \u11a8 \u0915 \U00011935 \U00011930 \u09c7 \u0dd9".split()


def mixed_text(count, seed):
    """Lines of words, random code points, near misses of special tokens, heaps of combining marks."""
    r = random.Random(seed)
    marks = [chr(c) for c in CODE_POINTS if unicodedata.combining(chr(c))]
    lines = []
    for _ in range(count):
        kind, length = r.random(), r.choice([3, 8, 20, 60])
        if kind < 0.45:
            space = r.choice([" ", "  ", "", "\t", "\u3000 ", " \n"])
            lines.append(space.join(r.choice(WORDS) for _ in range(length)))
        elif kind < 0.6:
            lines.append("".join(chr(r.choice(CODE_POINTS)) for _ in range(length)))
        elif kind < 0.7:
            lines.append("".join(r.choice("abcXYZ'stremvld <|>endoftx!01 ") for _ in range(length)))
        elif kind < 0.85:
            lines.append("".join(r.choice(marks if r.random() < 0.6 else BASES) for _ in range(length)))
        else:
            lines.append("".join(chr(r.randrange(0x20, 0x500)) for _ in range(length)))
    return lines


def small_clip_vocabulary(directory):
    """A byte-level BPE like CLIP's with the merges that CAPTIONS suggest, ties in order of the pair."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    words = [list(word) for line in CAPTIONS for part in line.lower().split() for word, _ in split(part)]
    words = [word[:-1] + [word[-1] + "</w>"] for word in words]
    merges = []
    while len(merges) < 300:
        counts = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None:
            break
        merges.append(best)
        words = [merged(word, best) for word in words]
    tokens = alphabet + [c + "</w>" for c in alphabet] + [a + b for a, b in merges] + [BOS, EOS]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    (directory / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n")
    (directory / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def merged(word, pair):
    result = []
    for symbol in word:
        if result and (result[-1], symbol) == pair:
            result[-1] += symbol
        else:
            result.append(symbol)
    return result


def token(content, marked=True, **properties):
    result = {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    result.update(properties)
    return {"__type": "AddedToken", **result} if marked else result


def clip_configurations():
    """What users' directories say: name -> the JSON files beside the vocabulary."""
    plain = dict(model_max_length=77, tokenizer_class="CLIPTokenizer")
    decoder = {
        "0": token("!", False, normalized=False, special=True),
        "513": token("extra word", False, special=False),
        "514": token("<bird>", False, normalized=False, special=False, lstrip=True, rstrip=True),
    }
    return {
        "nothing given": {"tokenizer_config.json": plain},
        "first tokenizer of SDXL": {
            "tokenizer_config.json": dict(
                plain, bos_token=token(BOS), eos_token=token(EOS), unk_token=token(EOS), pad_token=EOS
            ),
            "special_tokens_map.json": dict(
                bos_token=token(BOS, False), eos_token=token(EOS, False), unk_token=token(EOS, False), pad_token=EOS
            ),
        },
        "second tokenizer of SDXL": {
            "tokenizer_config.json": dict(
                plain, bos_token=BOS, eos_token=EOS, unk_token=EOS, pad_token="!", added_tokens_decoder=decoder
            )
        },
        "learned tokens": {
            "tokenizer_config.json": dict(plain, pad_token="!"),
            "special_tokens_map.json": dict(additional_special_tokens=["<Cat>"]),
            "added_tokens.json": {"<cat-toy>": 1000, "<Dog>": 1001, "sks ": 1002},
        },
        "padded on the left, special tokens split": {
            "tokenizer_config.json": dict(plain, model_max_length=20, padding_side="left", split_special_tokens=True)
        },
    }


def cases(tokenizer, lines):
    """text, ids without the padding at the end, decoded text of what fell off."""
    result = []
    length = tokenizer.model_max_length
    for line in lines:
        ids = tokenizer(line, padding="max_length", max_length=length, truncation=True).input_ids
        whole = tokenizer(line).input_ids
        removed = tokenizer.decode(whole[length - 1 : -1]) if len(whole) > length else ""
        if tokenizer.padding_side == "right":
            ids = ids[: min(len(whole), length)]
        result.append([line, ids, removed])
    return result


def clip_cases(vocabulary):
    known = ["a <cat-toy> b<Cat>c <dog>d sks e", "an extra word, the  <bird>   sits!", "wow! yes !", "", " \t "]
    result = []
    for seed, (name, files) in enumerate(clip_configurations().items()):
        with tempfile.TemporaryDirectory() as directory:
            for file in vocabulary.iterdir():
                shutil.copy(file, directory)
            for file, content in files.items():
                (Path(directory) / file).write_text(json.dumps(content))
            tokenizer = CLIPTokenizer.from_pretrained(directory)
            lines = known + mixed_text(60, seed)
            result.append(dict(name=name, files=files, pad=tokenizer.pad_token_id, cases=cases(tokenizer, lines)))
    return result


USER_DEFINED = ["<dog>", "cat"]


def small_unigram_model(file):
    """A SentencePiece model of CAPTIONS whose normalisation has rules for one and for two code points."""
    rules = {chr(c): chr(c + 32) for c in range(0x41, 0x5B)}
    rules |= {"\ufb01": "fi", "\u00c9": "e\u0301", "A\u0301": "\u00e1", "\u200b": "", "\U00020000": "x"}
    rules |= {c: " " for c in "\t\n\r\x85\xa0\u3000"}
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "rules.tsv"
        lines = ("\t".join(" ".join(f"{ord(c):x}" for c in text) for text in pair) for pair in rules.items())
        table.write_text("\n".join(lines) + "\n")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CAPTIONS * 20), model_prefix=f"{scratch}/spiece", model_type="unigram", vocab_size=200,
            hard_vocab_limit=False, pad_id=0, bos_id=1, unk_id=2, eos_id=3, user_defined_symbols=USER_DEFINED,
            normalization_rule_tsv=str(table), num_threads=1, minloglevel=2)
        shutil.copy(f"{scratch}/spiece.model", file)


def t5_configurations():
    plain = dict(model_max_length=32, tokenizer_class="T5Tokenizer")
    eos = token("</s>", False, rstrip=True)
    return {
        "nothing given": {"tokenizer_config.json": plain},
        "no extra ids": {"tokenizer_config.json": dict(plain, extra_ids=0, clean_up_tokenization_spaces=True)},
        "padded on the left, own special tokens": {
            "tokenizer_config.json": dict(plain, extra_ids=3, padding_side="left", additional_special_tokens=["<bar>"])
        },
        "special tokens in a map": {
            "tokenizer_config.json": dict(plain, extra_ids=3),
            "special_tokens_map.json": dict(additional_special_tokens=["<bar>"], eos_token=eos),
        },
    }


def unigram_lines(count, seed):
    r = random.Random(seed)
    joiners = "\u0301 \u0897 \U000113b8 \u200d \ufe0f \u0e33 \u0903".split()
    letters = ["A", "B", "z", " ", "\u2581", "\u00c9", "\ufb01", "\u200b", "\u0600", "\U000113d1", "\u00a9", "\r\n", "\U00020000"]
    known = ["<pad>a</s>  b<s>c<unk>d <extra_id_0> x<extra_id_2>y  <bar>", "\u2581a\u2581\u2581b\u2581", "", " ", "<dog>  cats"]
    return known + mixed_text(count, seed) + [
        "".join(r.choice(letters + [r.choice(joiners), r.choice(WORDS)]) for _ in range(r.choice([4, 12, 40])))
        for _ in range(count)
    ]


def t5_case(tokenizer, processor, line, user_defined):
    """text, ids, decoded text of what fell off: added tokens as transformers has them, SentencePiece between them."""
    added = {content: i for content, i in tokenizer.get_added_vocab().items() if content not in user_defined}
    parts = re.split("|".join(f"({re.escape(content)})" for content in sorted(added, key=len, reverse=True)), line)
    whole = [i for part in parts if part for i in ([added[part]] if part in added else processor.encode(part))]
    length, end = tokenizer.model_max_length, [tokenizer.eos_token_id]
    ids = whole[: length - 1] + end
    if tokenizer.padding_side == "left":
        ids = [tokenizer.pad_token_id] * (length - len(ids)) + ids
    return [line, ids, tokenizer.decode(whole[length - 1 :]) if len(whole) >= length else ""]


def t5_cases(model):
    """Each configuration, read from spiece.model; one again from the tokenizer.json that it is saved as."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    result = []
    for seed, (name, files) in enumerate(t5_configurations().items()):
        with tempfile.TemporaryDirectory() as directory:
            directory = Path(directory)
            shutil.copy(model, directory)
            for file, content in files.items():
                (directory / file).write_text(json.dumps(content))
            tokenizer = T5Tokenizer.from_pretrained(directory)
            lines = unigram_lines(25, seed)
            cases = [t5_case(tokenizer, processor, line, USER_DEFINED) for line in lines]
            result.append(dict(name=name, files=files, pad=tokenizer.pad_token_id, cases=cases))
            if name == "special tokens in a map":
                tokenizer.save_pretrained(directory / "saved")
                saved = {file.name: json.loads(file.read_text()) for file in sorted((directory / "saved").iterdir())}
                tokenizer = T5Tokenizer.from_pretrained(directory / "saved")
                cases = [t5_case(tokenizer, processor, line, []) for line in lines]
                result.append(dict(name="saved again", files=saved, pad=tokenizer.pad_token_id, cases=cases))
    return result


def t5_differences(model):
    """Where SentencePiece segments otherwise than transformers' T5Tokenizer: what, text, both ids without eos."""
    texts = {
        "white space that the model does not map to a space": "a\u2028red",
        "a combining mark that the model's rules take with its letter": "A\u0301",
        "the mark for a space in the text": "\u2581a\u2581\u2581b\u2581",
        "a user-defined symbol between other text": "a<dog>b",
    }
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(model, directory)
        tokenizer = T5Tokenizer.from_pretrained(directory, model_max_length=64)
        result = [[what, text, processor.encode(text), tokenizer(text).input_ids[:-1]] for what, text in texts.items()]
    assert all(library != transformers for _, _, library, transformers in result), result
    return result


def digest_of_every_code_point(vocabulary):
    """For each 1,024 code points, each in a word and alone: the start of the ids' SHA-256."""
    tokenizer = CLIPTokenizer.from_pretrained(str(vocabulary), model_max_length=1 << 20)
    digests = []
    for block in range(0, 0x110000, 1024):
        text = "".join(f"a{chr(c)}b {chr(c)} " for c in range(block, block + 1024) if not 0xD800 <= c < 0xE000)
        ids = array.array("I", tokenizer(text).input_ids)
        digests.append(hashlib.sha256(ids.tobytes()).hexdigest()[:8])
    return digests


def utf8_cases():
    """Bytes in hexadecimal, and what Python reads in their place."""
    r = random.Random(0)
    lead = [0xC0, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0x41, 0xFF]
    data = [bytes(r.choice(lead) for _ in range(r.choice([1, 2, 3, 4, 8]))) for _ in range(400)]
    return [[b.hex(), b.decode("utf-8", "replace")] for b in data]


def write(name, value):
    (OUT / name).write_text(json.dumps(value, ensure_ascii=True, indent=None, separators=(",", ":")) + "\n")


def ranges(code_points):
    result = []
    for c in sorted(code_points):
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def inert_in_normalization(combining_class):
    """Code points that utf8proc moves or composes and the tokenizers library doesn't."""
    nfc = normalizers.NFC().normalize_str
    base, low, high = "\ua000", "\u0334", "\u0345"  # No composition; classes 1 and 240.
    inert = {0x11930, 0x11938}  # The one pair that composes since Unicode 9.0.
    for c in CODE_POINTS:
        s = chr(c)
        if combining_class(c) and unicodedata.normalize("NFD", s) == s:
            if nfc(base + high + s) != base + s + high and nfc(base + s + low) != base + low + s:
                inert.add(c)
    return inert


def print_tables():
    library = ctypes.CDLL("libutf8proc.so.2")

    class Property(ctypes.Structure):
        _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]

    library.utf8proc_get_property.restype = ctypes.POINTER(Property)
    category = {c: library.utf8proc_get_property(c).contents.category for c in CODE_POINTS}

    def matched(expression):
        replace = normalizers.Replace(Regex(expression), "").normalize_str
        return {c for c in CODE_POINTS if replace(chr(c)) == ""}

    print("kNewLetters", [f"{a:X}-{b:X}" for a, b in ranges(matched(r"\p{L}") - {c for c in CODE_POINTS if 1 <= category[c] <= 5})])
    print("kNewNumbers", [f"{a:X}-{b:X}" for a, b in ranges(matched(r"\p{N}") - {c for c in CODE_POINTS if 9 <= category[c] <= 11})])
    inert = inert_in_normalization(lambda c: library.utf8proc_get_property(c).contents.combining_class)
    print("kInertInNormalization", [f"{a:X}-{b:X}" for a, b in ranges(inert)])
    lower = normalizers.Lowercase().normalize_str
    print("kNewCapitals", [(f"{c:X}", f"{ord(lower(chr(c))):X}") for c in CODE_POINTS
                           if len(lower(chr(c))) == 1 and ord(lower(chr(c))) != library.utf8proc_tolower(c)])


def main():
    logging.set_verbosity_error()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true")
    if parser.parse_args().tables:
        return print_tables()
    vocabulary = OUT / "clip"
    vocabulary.mkdir(parents=True, exist_ok=True)
    small_clip_vocabulary(vocabulary)
    write("clip_cases.json", clip_cases(vocabulary))
    (OUT / "t5").mkdir(exist_ok=True)
    small_unigram_model(OUT / "t5/spiece.model")
    write("t5_cases.json", t5_cases(OUT / "t5/spiece.model"))
    write("t5_differences.json", t5_differences(OUT / "t5/spiece.model"))
    write("utf8.json", utf8_cases())
    write("clip_code_points.json", digest_of_every_code_point(vocabulary))


if __name__ == "__main__":
    main()
