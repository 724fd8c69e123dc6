#!/usr/bin/env python3
"""Compares src/io with Pillow and with the reference reader of safetensors on generated files.

    tools/parity/io_check.py [--pictures 1000] [--safetensors 2000] [--seed 0] [--probe build/tests/io_probe]

Both decode, resize, flip and crop pictures of all formats, modes, sizes and orientations; every byte must be equal. Both
readers get damaged safetensors files and must give the same verdicts, except where ours is stricter (duplicate keys). Build
the probe with: ninja -C build io_probe. Python needs Pillow 13, numpy and safetensors 0.8. Exits with 1 on any difference.
"""
import argparse
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import PIL
import safetensors
from PIL import Image, ImageOps
from safetensors.numpy import save as save_tensors

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
FILTERS = {"nearest": 0, "nearest_exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


class Probe:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the probe died of {request}: exit status {self.process.wait()}")
        return json.loads(line)


def random_array(rng, height, width, channels):
    """Noise, a smooth gradient with noise, or flat blocks."""
    kind = rng.randrange(3)
    noise = np.frombuffer(rng.randbytes(height * width * channels), np.uint8).reshape(height, width, channels)
    if kind == 0:
        return noise
    y, x = np.mgrid[0:height, 0:width]
    smooth = [128 + 100 * np.sin(x * rng.random() / 8 + y * rng.random() / 8 + c) for c in range(channels)]
    smooth = np.stack(smooth, -1)
    if kind == 1:
        return np.clip(smooth + (noise.astype(float) - 128) / 16, 0, 255).astype(np.uint8)
    return (smooth.astype(np.uint8) // 64 * 64)[:, :, :channels]


def random_mode(rng, array):
    rgb = Image.fromarray(array[:, :, :3].copy(), "RGB")
    mode = rng.choice(["RGB", "RGB", "RGBA", "L", "LA", "P", "P-alpha", "1", "I;16", "CMYK", "YCbCr"])
    if mode == "RGBA":
        return Image.fromarray(array.copy(), "RGBA")
    if mode == "LA":
        return Image.merge("LA", (rgb.convert("L"), Image.fromarray(array[:, :, 3].copy(), "L")))
    if mode in ("P", "P-alpha"):
        image = rgb.quantize(rng.choice([2, 4, 16, 200, 256]))
        if mode == "P-alpha":
            image.info["transparency"] = rng.choice([0, bytes(rng.randrange(256) for _ in range(16))])
        return image
    if mode == "I;16":
        return Image.fromarray(array[:, :, 0].astype(np.uint16) * 257 // rng.choice([1, 200, 300]))
    return rgb.convert(mode)


def encode(rng, image):
    """A file in a format that can hold the picture, its name's end and whether it is 16-bit gray."""
    formats = {"PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"], "BMP": ["1", "L", "P", "RGB", "RGBA"],
               "JPEG": ["L", "RGB", "CMYK", "YCbCr", "RGBA", "P", "1", "LA"], "WEBP": ["RGB", "RGBA", "L", "P", "LA"]}
    kind = rng.choice([name for name, modes in formats.items() if image.mode in modes])
    options = {}
    if kind == "JPEG":
        if image.mode in ("RGBA", "P", "1", "LA"):
            image = image.convert("RGB" if image.mode != "1" else "L")
        options = {"quality": rng.choice([1, 30, 75, 95, 100]), "progressive": rng.random() < 0.3,
                   "subsampling": rng.choice([0, 1, 2]), "optimize": rng.random() < 0.3}
        if rng.random() < 0.1:
            options["restart_marker_blocks"] = 3
    if kind == "PNG":
        options = {"optimize": rng.random() < 0.2, "compress_level": rng.randrange(10)}
        if image.mode == "P" and rng.random() < 0.5:
            options["bits"] = rng.choice([b for b in (1, 2, 4, 8) if 2 ** b > max(image.tobytes())])
    if kind == "WEBP":
        options = {"lossless": rng.random() < 0.5, "quality": rng.choice([0, 50, 90, 100]), "method": 1,
                   "exact": rng.random() < 0.5}
        if rng.random() < 0.15:
            options.update(save_all=True, append_images=[image.transpose(0)], duration=100)
    if kind != "BMP" and rng.random() < 0.5:
        exif = Image.Exif()
        exif.endian = rng.choice(["<", ">"])
        exif[0x010E] = "a description longer than four bytes"
        exif[0x0112] = rng.randrange(0, 10)
        options["exif"] = exif.tobytes()
    elif kind in ("JPEG", "WEBP") and rng.random() < 0.1:
        options["xmp"] = b'<x tiff:Orientation="%d"/>' % rng.randrange(1, 9)
    out = io.BytesIO()
    try:
        image.save(out, kind, **options)
    except OSError:  # Pillow's buffer is too small for some noise in optimised or progressive JPEG
        out = io.BytesIO()
        image.save(out, kind, quality=75)
    return out.getvalue(), kind.lower(), image.mode


def reference(data):
    """As datasets and the training scripts load a picture."""
    image = Image.open(io.BytesIO(data))
    if image.getexif().get(0x0112) is not None:
        image = ImageOps.exif_transpose(image)
    if image.mode == "I;16":  # A deliberate difference: Pillow takes all above 255 for white.
        return Image.fromarray((np.array(image) >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def random_size(rng):
    return rng.choice([rng.randrange(1, 20), rng.randrange(1, 200), rng.randrange(200, 700)])


def check_picture(rng, probe, directory, number):
    array = random_array(rng, random_size(rng), random_size(rng), 4)
    data, kind, mode = encode(rng, random_mode(rng, array))
    path = os.path.join(directory, f"{number}.{kind}")
    with open(path, "wb") as file:
        file.write(data)
    image = reference(data)
    size, request = [image.height, image.width], {"image": path}
    name = rng.choice(list(FILTERS))
    if rng.random() < 0.4:
        shorter = random_size(rng)
        w, h = image.size
        long = int(shorter * max(w, h) / min(w, h))
        if long < 5000:
            request.update(shorter=shorter, filter=name)
            image = image.resize((shorter, long) if w <= h else (long, shorter), FILTERS[name])
    elif rng.random() < 0.8:
        height, width = random_size(rng), random_size(rng)
        if rng.random() < 0.2:
            height = image.height
        if rng.random() < 0.2:
            width = image.width
        request.update(resize=[height, width], filter=name)
        image = image.resize((width, height), FILTERS[name])
    if rng.random() < 0.5:
        request["flip"] = True
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.5:
        h, w = rng.randrange(1, image.height + 1), rng.randrange(1, image.width + 1)
        top, left = rng.randrange(image.height - h + 1), rng.randrange(image.width - w + 1)
        request["crop"] = [top, left, h, w]
        image = image.crop((left, top, left + w, top + h))
    if rng.random() < 0.2:
        request["png"] = os.path.join(directory, f"{number}.out.png")
    answer = probe.ask(**request)
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    expected = {"size": size, "height": image.height, "width": image.width, "sha256": digest}
    equal = answer == expected
    if equal and "png" in request:
        equal = Image.open(request["png"]).tobytes() == image.tobytes()
    if equal:
        os.remove(path)
    else:
        print(f"DIFFERENT {mode} {request}: {answer}, Pillow: {expected}")
    return kind, mode, equal


def mutate(rng, data):
    data = bytearray(data)
    header = int.from_bytes(data[:8], "little")
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randrange(8, min(8 + header, len(data))) if rng.random() < 0.8 else rng.randrange(len(data))
        action = rng.randrange(4)
        if action == 0:
            data[at] = rng.choice(b'0123456789[]{}",:-. \t\n\0x') if rng.random() < 0.8 else rng.randrange(256)
        elif action == 1:
            del data[at]
        elif action == 2:
            data.insert(at, rng.choice(b"0123456789[]{}\",: "))
        else:
            other = rng.randrange(8, 8 + header)
            data[at:at + 1] = data[other:other + rng.randrange(1, 40)]
    if rng.random() < 0.7:  # often with a length that fits what became of the header
        data[:8] = (header + len(data) - mutate.length).to_bytes(8, "little")
    return bytes(data)


def check_safetensors(rng, probe, directory, count):
    path, accepted, stricter, different = os.path.join(directory, "x.safetensors"), 0, 0, 0
    for _ in range(count):
        names = rng.sample(["a", "b", "c.weight", "unet/é"], rng.randrange(4))
        shapes = [rng.choice([(), (0,), (1,), (2, 3)]) for _ in names]
        dtypes = [rng.choice([np.float32, np.float16, np.uint8, np.int64, np.bool_]) for _ in names]
        tensors = {n: np.zeros(s, d) for n, s, d in zip(names, shapes, dtypes)}
        good = save_tensors(tensors, metadata={"format": "pt"} if rng.random() < 0.5 else None)
        mutate.length = len(good)
        data = mutate(rng, good)
        with open(path, "wb") as file:
            file.write(data)
        try:
            safetensors.deserialize(data)
            verdict = True
        except Exception:  # noqa: BLE001
            verdict = False
        answer = probe.ask(safetensors=path)
        accepted += verdict
        if verdict and "error" in answer:
            if any(text in answer["error"] for text in ("occurs twice", "does not begin with", "has the unsupported dtype")):
                stricter += 1
                continue
        if verdict != ("error" not in answer) or answer.get("status", 65) != 65:
            different += 1
            print(f"DIFFERENT safetensors {data!r}: {answer}, reference accepts: {verdict}")
    print(f"safetensors {safetensors.__version__}: {count} files, {accepted} accepted by the reference, "
          f"{stricter} of them refused as ambiguous, {different} different verdicts")
    return different == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--safetensors", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--probe", default=os.path.join(ROOT, "build/tests/io_probe"))
    options = parser.parse_args()
    if int(PIL.__version__.split(".")[0]) < 13:
        sys.exit(f"Pillow {PIL.__version__} resizes in another order of passes: 13 or newer is needed")
    Image.MAX_IMAGE_PIXELS = None
    rng, probe = random.Random(options.seed), Probe(options.probe)
    counts, equal = {}, 0
    with tempfile.TemporaryDirectory() as directory:
        for number in range(options.pictures):
            kind, mode, same = check_picture(rng, probe, directory, number)
            counts[f"{kind} {mode}"] = counts.get(f"{kind} {mode}", 0) + 1
            equal += same
        print(f"Pillow {PIL.__version__}: {equal} of {options.pictures} pictures equal;",
              ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
        fine = check_safetensors(rng, probe, directory, options.safetensors)
    sys.exit(0 if fine and equal == options.pictures else 1)


if __name__ == "__main__":
    main()
