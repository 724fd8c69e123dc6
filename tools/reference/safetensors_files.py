#!/usr/bin/env python3
"""Writes tests/fixtures/safetensors: verdicts and files of the format's reference implementation.

    tools/reference/safetensors_files.py

cases.json           files, as base64, with the verdict of the reference reader, and ours if it is stricter
dtypes.safetensors   a tensor of each dtype, as the reference writer lays them out
"""
import base64
import json
import os
import struct
import sys

sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
import safetensors  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/fixtures/safetensors")


def file(header, data=b"", length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def entry(dtype="F32", shape="[1]", offsets="[0,4]", extra=""):
    return '{"dtype":"%s","shape":%s,"data_offsets":%s%s}' % (dtype, shape, offsets, extra)


def tensors(*entries):
    return "{" + ",".join('"%s":%s' % (name, text) for name, text in zip("abcdefgh", entries)) + "}"


FOUR = b"\0\0\0\0"
GOOD = tensors(entry())
EIGHT = FOUR * 2

# name, bytes, and True where ours rejects what the reference takes.
CASES = [
    ("one tensor", file(GOOD, FOUR)),
    ("empty object", file("{}")),
    ("only metadata", file('{"__metadata__":{"format":"pt"}}')),
    ("metadata null", file('{"__metadata__":null}')),
    ("padded by spaces", file(GOOD + "     ", FOUR)),
    ("padded by tab and newline", file(GOOD + "\t\n", FOUR)),
    ("scalar", file(tensors(entry(shape="[]")), FOUR)),
    ("no elements", file(tensors(entry(shape="[0,7]", offsets="[0,0]")))),
    ("no elements between others", file(tensors(entry(), entry(shape="[0]", offsets="[4,4]"),
                                               entry(offsets="[4,8]")), EIGHT)),
    ("JSON order is not offset order", file(tensors(entry(offsets="[4,8]"), entry()), EIGHT)),
    ("unaligned header", file(GOOD + " ", FOUR)),
    ("unaligned tensor", file(tensors(entry("U8"), entry(offsets="[1,5]")).replace("[0,4]", "[0,1]"), b"\0" * 5)),
    ("C64", file(tensors(entry("C64", offsets="[0,8]")), EIGHT)),
    ("two F4 in a byte", file(tensors(entry("F4", "[2]", "[0,1]")), b"\0")),
    ("four F6 in three bytes", file(tensors(entry("F6_E2M3", "[4]", "[0,3]")), b"\0\0\0")),
    ("extra field", file(tensors(entry(extra=',"note":{"x":[1,{"y":null}]}')), FOUR)),
    ("empty name", file('{"":' + entry() + "}", FOUR)),
    ("NUL in a name", file('{"a\\u0000b":' + entry() + "}", FOUR)),
    ("path as a name", file('{"../../etc/passwd":' + entry() + "}", FOUR)),
    ("odd number of F4", file(tensors(entry("F4", "[3]", "[0,2]")), b"\0\0")),
    ("empty file", b""),
    ("seven bytes", b"\2\0\0\0\0\0\0"),
    ("no header", file("", length=0)),
    ("header of 2^64-1", file(GOOD, FOUR, 2**64 - 1)),
    ("header of 2^64-8", file(GOOD, FOUR, 2**64 - 8)),
    ("header above the limit", file(GOOD, FOUR, 100_000_001)),
    ("header longer than the file", file(GOOD, b"", len(GOOD) + 1)),
    ("file one byte short", file(GOOD, b"\0\0\0")),
    ("file one byte long", file(GOOD, b"\0" * 5)),
    ("data without a tensor", file("{}", FOUR)),
    ("hole", file(tensors(entry(), entry(offsets="[8,12]")), b"\0" * 12)),
    ("overlap", file(tensors(entry(shape="[2]", offsets="[0,8]"), entry(shape="[2]", offsets="[4,12]")), b"\0" * 12)),
    ("same range twice", file(tensors(entry(), entry()), FOUR)),
    ("first does not start at 0", file(tensors(entry(offsets="[4,8]")), EIGHT)),
    ("end before begin", file(tensors(entry(offsets="[4,0]")), FOUR)),
    ("negative offset", file(tensors(entry(offsets="[-4,0]")), FOUR)),
    ("fraction as offset", file(tensors(entry(offsets="[0,4.0]")), FOUR)),
    ("offset of 2^64", file(tensors(entry(offsets="[0,18446744073709551616]")), FOUR)),
    ("offset of 2^64-1", file(tensors(entry(offsets="[0,18446744073709551615]")), FOUR)),
    ("one offset", file(tensors(entry(offsets="[0]")), FOUR)),
    ("three offsets", file(tensors(entry(offsets="[0,4,8]")), FOUR)),
    ("too few bytes for the shape", file(tensors(entry(shape="[2]")), FOUR)),
    ("too many bytes for the shape", file(tensors(entry(offsets="[0,8]")), EIGHT)),
    ("shape overflows to 0", file(tensors(entry(shape="[4294967296,4294967296]", offsets="[0,0]")))),
    ("shape overflows to few", file(tensors(entry(shape="[9223372036854775809,2]", offsets="[0,8]")), EIGHT)),
    ("bits overflow", file(tensors(entry(shape="[576460752303423489]")), FOUR)),
    ("negative dimension", file(tensors(entry(shape="[-1]")), FOUR)),
    ("minus zero as dimension", file(tensors(entry(shape="[-0]", offsets="[0,0]")))),
    ("exponent in a dimension", file(tensors(entry(shape="[1e0]")), FOUR)),
    ("text in a shape", file(tensors(entry(shape='["1"]')), FOUR)),
    ("list in a shape", file(tensors(entry(shape="[[1]]")), FOUR)),
    ("shape is a number", file(tensors(entry(shape="1")), FOUR)),
    ("unknown dtype", file(tensors(entry("F33")), FOUR)),
    ("dtype in lower case", file(tensors(entry("f32")), FOUR)),
    ("dtype is a number", file(GOOD.replace('"F32"', "32"), FOUR)),
    ("no dtype", file('{"a":{"shape":[1],"data_offsets":[0,4]}}', FOUR)),
    ("no shape", file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', FOUR)),
    ("no offsets", file('{"a":{"dtype":"F32","shape":[1]}}', FOUR)),
    ("field twice", file(tensors(entry(extra=',"shape":[1]')), FOUR)),
    ("entry is a number", file('{"a":1}')),
    ("entry is null", file('{"a":null}')),
    ("metadata twice", file('{"__metadata__":{},"__metadata__":{},"a":' + entry() + "}", FOUR)),
    ("number in metadata", file('{"__metadata__":{"a":1}}')),
    ("object in metadata", file('{"__metadata__":{"a":{}}}')),
    ("metadata is a text", file('{"__metadata__":"a"}')),
    ("top-level list", file("[" + GOOD + "]", FOUR)),
    ("trailing comma", file(GOOD[:-1] + ",}", FOUR)),
    ("comment", file(GOOD[:-1] + "/**/}", FOUR)),
    ("NaN", file(GOOD[:-2] + ',"x":NaN}}', FOUR)),
    ("two objects", file(GOOD + "{}", FOUR)),
    ("NUL behind the object", file(GOOD + "\0", FOUR)),
    ("byte order mark", file(b"\xef\xbb\xbf" + GOOD.encode(), FOUR)),
    ("bad UTF-8 in a name", file(b'{"\xff":' + entry().encode() + b"}", FOUR)),
    ("lone surrogate", file('{"\\ud800":' + entry() + "}", FOUR)),
    ("nested 200 deep", file(tensors(entry(extra=',"x":' + "[" * 200 + "]" * 200)), FOUR)),
    ("not closed", file(GOOD[:-1], FOUR)),
    # Where ours is stricter: what two readers could read in two ways, or ATen cannot hold.
    ("tensor twice", file('{"a":%s,"a":%s}' % (entry("U8", "[4]"), entry())) + FOUR, True),
    ("metadata key twice", file('{"__metadata__":{"k":"1","k":"2"}}'), True),
    ("leading space", file(" " + GOOD, FOUR), True),
    ("entry as a list", file('{"a":["F32",[1],[0,4]]}', FOUR), True),
    ("nested 100 deep", file(tensors(entry(extra=',"x":' + "[" * 100 + "]" * 100)), FOUR), True),
    ("dimension of 2^63", file(tensors(entry(shape="[0,9223372036854775808]", offsets="[0,0]"))), True),
]


def verdict(data):
    try:
        safetensors.deserialize(data)
        return True
    except Exception:  # noqa: BLE001 the reference raises several kinds
        return False


def main():
    os.makedirs(OUT, exist_ok=True)
    cases = []
    for name, data, *stricter in CASES:
        accepted = verdict(data)
        assert accepted or not stricter, name
        cases.append({"name": name, "file": base64.b64encode(data).decode(), "reference": accepted,
                      "ours": accepted and not stricter})
    with open(os.path.join(OUT, "cases.json"), "w", encoding="utf-8") as out:
        json.dump({"safetensors": safetensors.__version__, "cases": cases}, out, indent=1)
        out.write("\n")

    dtypes = [torch.bool, torch.uint8, torch.int8, torch.float8_e5m2, torch.float8_e4m3fn, torch.float8_e4m3fnuz,
              torch.float8_e5m2fnuz, torch.int16, torch.uint16, torch.float16, torch.bfloat16, torch.int32,
              torch.uint32, torch.float32, torch.complex64, torch.float64, torch.int64, torch.uint64]
    values = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    named = {str(dtype).split(".")[1]: values.to(dtype) for dtype in dtypes}
    named["b.weight"], named["a.weight"] = values * 0.5, values[:1] - 1
    named["empty"], named["scalar"] = torch.zeros(0, 4), torch.tensor(2.5)
    save_file(named, os.path.join(OUT, "dtypes.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    main()
