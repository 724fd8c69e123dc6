"""Writes tests/fixtures/transforms/cases.json: torchvision's Resize, flip, crop and normalisation on Pillow pictures.

The random stream `image` decides flips and crops. Needs torch, torchvision and Pillow."""
import hashlib
import json
import pathlib

import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import crop, hflip

MASK = 2**64 - 1
FILTERS = {
    "lanczos": InterpolationMode.LANCZOS,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
}
SHUFFLE, IMAGE, CAPTION = 0, 1, 2


def stream_seed(run, stream, index):
    x = (run + (index * 8 + stream + 1) * 0x9E3779B97F4A7C15) & MASK
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def generator(run, stream, index):
    g = torch.Generator()
    # torch takes seeds below 2^64 as they are
    g.manual_seed(stream_seed(run, stream, index))
    return g


def picture(height, width):
    """The same formula as in the test."""
    data = bytes((37 * y + 101 * x + 59 * c + x * y % 251) & 255
                 for y in range(height) for x in range(width) for c in range(3))
    return Image.frombytes("RGB", (width, height), data)


def transformed(image, case):
    size, seed, draw = case["resolution"], case["seed"], case["draw"]
    g = generator(seed, IMAGE, draw)
    original = (image.height, image.width)
    image = transforms.Resize(size, interpolation=FILTERS[case["filter"]])(image)
    flipped = bool(case["random_flip"] and torch.rand(1, generator=g).item() < 0.5)
    if flipped:
        image = hflip(image)
    if case["center_crop"]:
        top = max(0, int(round((image.height - size) / 2.0)))
        left = max(0, int(round((image.width - size) / 2.0)))
    else:
        top = torch.randint(0, image.height - size + 1, (1,), generator=g).item()
        left = torch.randint(0, image.width - size + 1, (1,), generator=g).item()
    image = crop(image, top, left, size, size)
    pixels = transforms.Normalize([0.5], [0.5])(transforms.ToTensor()(image)).contiguous()
    return {
        "time_ids": [*original, top, left, size, size],
        "flipped": flipped,
        "pixels": hashlib.sha256(pixels.numpy().tobytes()).hexdigest(),
    }


def transform_cases():
    sizes = [(64, 64), (64, 100), (100, 64), (37, 53), (131, 77), (65, 67), (48, 200), (20, 20)]
    cases = []
    for i, (height, width) in enumerate(sizes * 3):
        case = {"height": height, "width": width, "resolution": 32 if i % 3 else 48,
                "center_crop": i % 4 == 0, "random_flip": i % 2 == 0,
                "filter": list(FILTERS)[i % 3], "seed": [0, 42, 2**63 + 11][i % 3],
                "draw": i * 977 + (10**12 if i % 5 == 0 else 0)}
        case.update(transformed(picture(height, width), case))
        cases.append(case)
    return cases


def order_cases():
    cases = []
    for size, seed in [(1, 0), (5, 0), (100, 42), (1000, 7)]:
        orders = [torch.randperm(size, generator=generator(seed, SHUFFLE, e)).tolist()[:20] for e in (0, 1, 2)]
        subset = torch.randperm(size, generator=generator(seed, SHUFFLE, 2**32 - 1)).tolist()[:3]
        cases.append({"size": size, "seed": seed, "epochs": orders, "subset": subset})
    return cases


def caption_cases():
    cases = []
    for draw in range(40):
        count, proportion = [1, 3, 5][draw % 3], [0.0, 0.2, 0.5, 1.0][draw % 4]
        g = generator(3, CAPTION, draw)
        dropped = torch.rand(1, generator=g).item() < proportion
        choice = 0 if dropped or count == 1 else torch.randint(0, count, (1,), generator=g).item()
        cases.append({"draw": draw, "count": count, "proportion": proportion, "dropped": dropped, "choice": choice})
    return cases


def main():
    out = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/transforms"
    out.mkdir(parents=True, exist_ok=True)
    content = {"transforms": transform_cases(), "orders": order_cases(), "captions": caption_cases()}
    (out / "cases.json").write_text(json.dumps(content, indent=0) + "\n")


if __name__ == "__main__":
    main()
