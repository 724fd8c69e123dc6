"""Makes tests/fixtures/safetensors/scaled: a small file whose weights convert-to-quant has stored in 8 bits in each of its
ways, and the numbers that they stand for.

    python tools/reference/weight_scales.py     with convert-to-quant 1.3.4 and scipy installed too
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "safetensors" / "scaled"
WAYS = {
    "fp8": [],
    "fp8_rows": ["--scaling_mode", "row"],
    "fp8_blocks": ["--scaling_mode", "block", "--block_size", "16"],
    "int8": ["--int8", "--scaling_mode", "tensor"],
    "int8_rows": ["--int8", "--scaling_mode", "row"],
    "rotated": ["--int8", "--scaling_mode", "row", "--convrot", "--convrot-group-size", "16"],  # which is refused
}


def expand(scale, weight):
    if scale.numel() == 1:
        return scale.reshape(())
    if scale.shape[0] == weight.shape[0]:
        return scale.reshape(-1, 1)
    return scale.repeat_interleave(weight.shape[0] // scale.shape[0], 0).repeat_interleave(weight.shape[1] // scale.shape[1], 1)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    torch.manual_seed(1)
    expected = {}
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory) / "source.safetensors"
        save_file({"layer.weight": torch.randn(32, 48) * 0.05, "layer.bias": torch.randn(32), "norm.weight": torch.ones(32)}, source)
        for name, options in WAYS.items():
            subprocess.run([sys.executable, "-m", "convert_to_quant.convert_to_quant", "-i", source, "-o", OUT / f"{name}.safetensors", "--simple", "--comfy_quant",
                            *options], check=True, capture_output=True)
            tensors = load_file(OUT / f"{name}.safetensors")
            expected[name] = tensors["layer.weight"].float() * expand(tensors["layer.weight_scale"], tensors["layer.weight"])
    del expected["rotated"]
    # The older names: a scale of shape [1] and a marker.
    tensors = load_file(OUT / "fp8.safetensors")
    old = {"layer.weight": tensors["layer.weight"], "layer.scale_weight": tensors["layer.weight_scale"].reshape(1), "layer.bias": tensors["layer.bias"],
           "norm.weight": tensors["norm.weight"], "scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)}
    save_file(old, OUT / "fp8_old.safetensors")
    expected["fp8_old"] = expected["fp8"].clone()
    save_file(expected, OUT / "expected.safetensors")


if __name__ == "__main__":
    main()
