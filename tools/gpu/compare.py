"""Compares two runs of tools/gpu/check.sh: the losses of two output directories, or the pictures in two folders.

    compare.py losses A B TOLERANCE       largest relative difference of a step's loss must be below
    compare.py pictures A B TOLERANCE     mean absolute difference (of 255) of a picture must be below
"""
import json
import pathlib
import statistics
import sys


def metrics(folder):
    lines = [json.loads(line) for line in open(pathlib.Path(folder) / "metrics.jsonl")]
    return [line for line in lines if "loss" in line]


def compare_losses(a, b, tolerance):
    a, b = metrics(a), metrics(b)
    differences = [abs(x["loss"] - y["loss"]) / abs(x["loss"]) for x, y in zip(a, b)]
    speed = statistics.median(line.get("samples_per_second", 0) for line in b[5:] or b)
    print(f"    losses: first {differences[0]:.2e}, largest {max(differences):.2e}, "
          f"last {a[-1]['loss']:.6f} and {b[-1]['loss']:.6f}; {speed:.1f} samples/s, memory {b[-1]['memory'] / 2**20:.0f} MiB")
    return len(a) == len(b) and max(differences) < tolerance


def compare_pictures(a, b, tolerance):
    import numpy
    from PIL import Image
    worst = 0.0
    files = sorted(pathlib.Path(a).rglob("*.png"))
    for file in files:
        other = pathlib.Path(b) / file.relative_to(a)
        x, y = (numpy.asarray(Image.open(f).convert("RGB"), numpy.float32) for f in (file, other))
        difference = numpy.abs(x - y)
        worst = max(worst, float(difference.mean()))
        print(f"    {file.name}: mean difference {difference.mean():.3f}, largest {difference.max():.0f} of 255")
    return bool(files) and worst < tolerance


kind, a, b, tolerance = sys.argv[1:]
same = (compare_losses if kind == "losses" else compare_pictures)(a, b, float(tolerance))
if not same:
    print(f"    DIFFER by more than {tolerance}")
sys.exit(not same)
