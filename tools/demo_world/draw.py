#!/usr/bin/env python3
"""Draws pictures of the small world of world.json, with captions as people would write them.

    draw.py --output DIR --count 500 --seed 1                 pictures, metadata.jsonl
    draw.py --output DIR --count 100 --combinations held_out  only colour + shape pairs kept out of training
    draw.py --output DIR --count 16 --shapes zorp             only pictures of that shape

DIR/metadata.jsonl has a line for each picture: file_name, text and what the picture shows, which judge
compares with what it measures. The same arguments give the same bytes. Needs Pillow.
"""
import argparse
import json
import random
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

WORLD = json.loads((Path(__file__).parent / "world.json").read_text())
OLD_SHAPES = [shape for shape in WORLD["shapes"] if shape != WORLD["new_word"]]
HELD_OUT = {tuple(pair) for pair in WORLD["held_out"]}
SUPERSAMPLING = 8  # samples a side of one pixel
PLACE_JITTER, SIZE_JITTER, COLOUR_JITTER = 1.0, 0.5, 3

SIZE_WORDS = {
    "small": ["small", "small", "little", "tiny"],
    "medium": ["", "", "medium-sized"],
    "large": ["large", "big", "big"],
}
PLACE_PHRASES = {
    "top left": ["at the top left", "in the top left corner", "top left", "in the upper left corner"],
    "top": ["at the top", "top centre", "near the top edge", "at the top in the middle"],
    "top right": ["at the top right", "in the top right corner", "top right", "in the upper right corner"],
    "left": ["on the left", "at the left", "on the left side", "near the left edge"],
    "middle": ["in the middle", "in the centre", "in the center", "right in the middle"],
    "right": ["on the right", "at the right", "on the right side", "near the right edge"],
    "bottom left": ["at the bottom left", "in the bottom left corner", "bottom left", "in the lower left corner"],
    "bottom": ["at the bottom", "bottom centre", "near the bottom edge", "at the bottom in the middle"],
    "bottom right": ["at the bottom right", "in the bottom right corner", "bottom right",
                     "in the lower right corner"],
}
# {thing} has its article, {bare} has none; parts in which {place} or {background} stands fall away with it.
TEMPLATES = [
    ["{thing}", " {place}", " on a {background} background"],
    ["{thing}", " {place}", " on {background}"],
    ["{thing}", " on a {background} background", ", {place}"],
    ["{bare}", ", {place}", ", {background} background"],
    ["{bare}", " {place}", ", {background} background"],
    ["there is {thing}", " {place}", " of a {background} picture"],
    ["there is {thing}", " {place}", "; the background is {background}"],
    ["a picture of {thing}", " {place}", ", {background} background"],
    ["a drawing of {thing}", " on {background}", ", it is {place}"],
    ["{bare}", " on {background}", ", {place}"],
]
REVERSED_TEMPLATES = [
    ["a {background} background with {thing}", " {place}"],
    ["{background} background, {bare}", " {place}"],
    ["{background} picture, {thing}", " {place}"],
]
OMITTED = 0.06  # how often a caption says nothing of the place, and as often nothing of the background


def draw_attributes(rng, shapes=tuple(OLD_SHAPES), combinations="training", sizes=tuple(WORLD["sizes"])):
    """What a picture shows: shape, colour, size, place, background."""
    while True:
        shape, colour = rng.choice(list(shapes)), rng.choice(list(WORLD["colours"]))
        held_out = (colour, shape) in HELD_OUT
        if combinations == "all" or held_out == (combinations == "held_out"):
            break
    return {"shape": shape, "colour": colour, "size": rng.choice(list(sizes)),
            "place": rng.choice(list(WORLD["places"])), "background": rng.choice(list(WORLD["backgrounds"]))}


def with_article(noun_phrase):
    return ("an " if noun_phrase[0] in "aeiou" else "a ") + noun_phrase


def draw_omissions(rng):
    """What a caption shall say nothing of."""
    return [word for word in ("place", "background") if rng.random() < OMITTED]


def write_caption(rng, attributes, omitted=()):
    """A caption for these attributes, worded at random."""
    bare = " ".join(filter(None, [rng.choice(SIZE_WORDS[attributes["size"]]), attributes["colour"],
                                  attributes["shape"]]))
    words = {"bare": bare, "thing": with_article(bare), "place": rng.choice(PLACE_PHRASES[attributes["place"]]),
             "background": attributes["background"]}
    template = rng.choice(TEMPLATES)
    if "background" not in omitted and rng.random() < 0.2:
        template = rng.choice(REVERSED_TEMPLATES)
    parts = [part for part in template if not any("{%s}" % word in part for word in omitted)]
    text = "".join(parts).format(**words)
    if rng.random() < 0.15:
        text = text[0].upper() + text[1:] + "."
    return text


def draw_picture(rng, attributes):
    """The picture [side x side] of these attributes: flat colours, anti-aliased edges, a little jitter."""
    side = WORLD["side"]
    radius = WORLD["sizes"][attributes["size"]] + rng.uniform(-SIZE_JITTER, SIZE_JITTER)
    x, y = (c + rng.uniform(-PLACE_JITTER, PLACE_JITTER) for c in WORLD["places"][attributes["place"]])
    colour, background = (
        tuple(min(255, max(0, c + rng.randint(-COLOUR_JITTER, COLOUR_JITTER))) for c in WORLD[table][name])
        for table, name in (("colours", attributes["colour"]), ("backgrounds", attributes["background"])))
    mask = coverage(WORLD["shapes"][attributes["shape"]], x, y, radius, side)
    return Image.composite(Image.new("RGB", (side, side), colour), Image.new("RGB", (side, side), background), mask)


def coverage(outlines, x, y, radius, side):
    """How much of each pixel lies inside the outlines (in units of radius around x, y), by even-odd rule."""
    k = SUPERSAMPLING
    fine = Image.new("1", (side * k, side * k))
    for outline in outlines:
        layer = Image.new("1", fine.size)
        ImageDraw.Draw(layer).polygon([((x + u * radius) * k, (y + v * radius) * k) for u, v in outline], fill=1)
        fine = ImageChops.logical_xor(fine, layer)
    return fine.convert("L").resize((side, side), Image.Resampling.BOX)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shapes", nargs="+", default=OLD_SHAPES, choices=list(WORLD["shapes"]))
    parser.add_argument("--sizes", nargs="+", default=list(WORLD["sizes"]), choices=list(WORLD["sizes"]))
    parser.add_argument("--combinations", default="training", choices=["training", "held_out", "all"])
    parser.add_argument("--say_all", action="store_true", help="captions omit nothing")
    parser.add_argument("--no_pictures", action="store_true", help="only metadata.jsonl and prompts.txt")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    rng = random.Random(args.seed)
    lines, digits = [], len(str(args.count - 1))
    for i in range(args.count):
        attributes = draw_attributes(rng, args.shapes, args.combinations, args.sizes)
        omitted = [] if args.say_all else draw_omissions(rng)
        line = {"file_name": f"{i:0{digits}d}.png", "text": write_caption(rng, attributes, omitted)}
        if args.no_pictures:
            del line["file_name"]
        else:
            draw_picture(rng, attributes).save(args.output / line["file_name"], optimize=True)
        lines.append(line | attributes)
    (args.output / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if args.no_pictures:
        (args.output / "prompts.txt").write_text("".join(line["text"] + "\n" for line in lines))


if __name__ == "__main__":
    main()
