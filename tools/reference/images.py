#!/usr/bin/env python3
"""Writes tests/fixtures/images: what Pillow 13 makes of pictures, for src/io/decode.h and resize.h.

    tools/reference/images.py

cases.safetensors   NAME/file: a picture's file, NAME/pixels: Pillow's pixels [H, W, 3]
resize.json         SHA-256 of resized noise for many sizes and all filters
"""
import hashlib
import io
import json
import os
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps, PngImagePlugin
from safetensors.numpy import save_file

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/fixtures/images")
HEIGHT, WIDTH = 19, 23


def picture():
    """A gradient in each colour with a pattern that no symmetry keeps."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.stack([x * 255 // (WIDTH - 1), y * 255 // (HEIGHT - 1), (x * 7 + y * 13) % 256], -1).astype(np.uint8)
    rgb[2:6, 3:5] = (255, 0, 0)
    rgb[8:9, 10:20] = (0, 0, 255)
    return Image.fromarray(rgb, "RGB")


RGB = picture()
ALPHA = Image.fromarray(((np.arange(HEIGHT * WIDTH) * 37) % 256).astype(np.uint8).reshape(HEIGHT, WIDTH), "L")


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# ---- PNG by hand, for what Pillow does not write -------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(rows, depth):
    """Samples [height, width * channels] as PNG's rows of bytes, with filter 0."""
    out = b""
    for row in rows:
        if depth == 16:
            out += b"\0" + row.astype(">u2").tobytes()
        elif depth == 8:
            out += b"\0" + row.astype(np.uint8).tobytes()
        else:
            per = 8 // depth
            row = np.concatenate([row, np.zeros(-len(row) % per, row.dtype)]).reshape(-1, per)
            out += b"\0" + bytes(int(sum(int(v) << (depth * (per - 1 - i)) for i, v in enumerate(group))) for group in row)
    return out


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def png(samples, depth, colour, before=(), after=(), interlaced=False, size=None):
    """A PNG of samples [height, width, channels]."""
    height, width = samples.shape[:2]
    if interlaced:
        data = b""
        for top, left, down, right in ADAM7:
            part = samples[top::down, left::right]
            if part.size:
                data += packed_rows(part.reshape(part.shape[0], -1), depth)
    else:
        data = packed_rows(samples.reshape(height, -1), depth)
    stated = size or (width, height)
    header = struct.pack(">IIBBBBB", *stated, depth, colour, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*c) for c in before)
            + chunk(b"IDAT", zlib.compress(data, 9)) + b"".join(chunk(*c) for c in after) + chunk(b"IEND", b""))


def samples(channels, depth):
    """Samples of all values that the depth has."""
    y, x, c = np.mgrid[0:HEIGHT, 0:WIDTH, 0:channels]
    return (y * 977 + x * 3511 + c * 20011) % (1 << depth)


def png_cases():
    palette = bytes((i * 67 + j * 31) % 256 for i in range(256) for j in range(3))
    for colour, name, channels, depths in ((0, "gray", 1, (1, 2, 4, 8)), (2, "rgb", 3, (8, 16)),
                                           (3, "palette", 1, (1, 2, 4, 8)), (4, "gray-alpha", 2, (8, 16)),
                                           (6, "rgba", 4, (8, 16))):
        for depth in depths:
            before = [(b"PLTE", palette[:3 << depth])] if colour == 3 else []
            yield f"png {name} {depth}", png(samples(channels, depth), depth, colour, before)
            yield f"png {name} {depth} interlaced", png(samples(channels, depth), depth, colour, before, interlaced=True)
    yield "png tiny interlaced", png(samples(3, 8)[:3, :2], 8, 2, interlaced=True)
    yield "png one pixel interlaced", png(samples(1, 1)[:1, :1], 1, 0, interlaced=True)
    yield "png short palette", png(samples(1, 8), 8, 3, [(b"PLTE", palette[:30])])
    yield "png palette with alpha", png(samples(1, 4), 4, 3, [(b"PLTE", palette[:48]), (b"tRNS", bytes(range(0, 160, 10)))])
    yield "png gray with colour key", png(samples(1, 8), 8, 0, [(b"tRNS", b"\0\x40")])
    yield "png rgb with colour key", png(samples(3, 8), 8, 2, [(b"tRNS", b"\0\1\0\2\0\3")])
    yield "png unused palette", png(samples(3, 8), 8, 2, [(b"PLTE", palette[:30])])
    yield "png filters", saved(RGB, "PNG", compress_level=9)
    yield "png rgba by Pillow", saved(Image.merge("RGBA", (*RGB.split(), ALPHA)), "PNG")
    rgb, exif = np.array(RGB), orientation(6)[6:]
    yield "png exif", png(rgb, 8, 2, [(b"eXIf", exif)])
    yield "png exif behind the data", png(rgb, 8, 2, (), [(b"eXIf", exif)])
    hexed = b"\nexif\n%8d\n%s\n" % (len(exif) + 6, (b"Exif\0\0" + exif).hex().encode())
    yield "png exif as text", png(rgb, 8, 2, [(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(hexed))])
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta><tiff:Orientation>8</tiff:Orientation></x:xmpmeta>"
    yield "png xmp", png(rgb, 8, 2, [(b"iTXt", xmp)])
    yield "png exif before xmp", png(rgb, 8, 2, [(b"iTXt", xmp), (b"eXIf", exif)])
    frame = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    yield "png animated", png(rgb, 8, 2, [(b"acTL", struct.pack(">II", 1, 0)), (b"fcTL", frame)])


# ---- JPEG ----------------------------------------------------------------------------------------

def orientation(value, endian="<", kind=3):
    """EXIF data with another tag before the orientation."""
    number = struct.pack(endian + {3: "HH", 4: "I", 9: "i"}[kind], *((value, 0) if kind == 3 else (value,)))
    entries = [struct.pack(endian + "HHII", 0x010E, 2, 20, 60), struct.pack(endian + "HHI", 0x0112, kind, 1) + number]
    body = struct.pack(endian + "H", len(entries)) + b"".join(entries) + b"\0" * 4
    head = (b"II" if endian == "<" else b"MM") + struct.pack(endian + "HI", 42, 8)
    return b"Exif\0\0" + (head + body).ljust(60, b"\0") + b"a description......\0"


def jpeg_cases():
    yield "jpeg 444", saved(RGB, "JPEG", quality=90, subsampling=0)
    yield "jpeg 422", saved(RGB, "JPEG", quality=90, subsampling=1)
    yield "jpeg 420", saved(RGB, "JPEG", quality=90, subsampling=2)
    yield "jpeg low quality", saved(RGB, "JPEG", quality=5)
    yield "jpeg progressive", saved(RGB, "JPEG", progressive=True)
    yield "jpeg progressive 444", saved(RGB, "JPEG", progressive=True, subsampling=0, quality=100)
    yield "jpeg gray", saved(RGB.convert("L"), "JPEG")
    yield "jpeg rgb", saved(RGB, "JPEG", keep_rgb=True)
    yield "jpeg cmyk", saved(RGB.convert("CMYK"), "JPEG", quality=95)
    inks = Image.merge("CMYK", (*RGB.split(), ALPHA))
    yield "jpeg cmyk with black", saved(inks, "JPEG", quality=95)
    yield "jpeg restart", saved(RGB, "JPEG", restart_marker_blocks=1)
    yield "jpeg one pixel", saved(RGB.crop((0, 0, 1, 1)), "JPEG")
    for value in range(0, 10):
        yield f"jpeg orientation {value}", saved(RGB, "JPEG", exif=orientation(value))
    yield "jpeg orientation big endian", saved(RGB, "JPEG", exif=orientation(5, ">"))
    yield "jpeg orientation long", saved(RGB, "JPEG", exif=orientation(7, ">", 4))
    yield "jpeg orientation signed", saved(RGB, "JPEG", exif=orientation(3, "<", 9))
    yield "jpeg xmp orientation", saved(RGB, "JPEG", xmp=b'<rdf tiff:Orientation="4"/>')
    yield "jpeg exif before xmp", saved(RGB, "JPEG", exif=orientation(2), xmp=b'<rdf tiff:Orientation="4"/>')
    yield "jpeg two pictures", saved(RGB, "MPO", save_all=True, append_images=[RGB.rotate(180)])


# ---- WebP ----------------------------------------------------------------------------------------

def webp_cases():
    rgba = Image.merge("RGBA", (*RGB.split(), ALPHA))
    for name, image in (("", RGB), (" alpha", rgba)):
        yield f"webp lossy{name}", saved(image, "WEBP", quality=80)
        yield f"webp lossless{name}", saved(image, "WEBP", lossless=True, exact=True)
        yield f"webp exif{name}", saved(image, "WEBP", quality=60, exif=orientation(8))
        yield f"webp xmp{name}", saved(image, "WEBP", lossless=True, xmp=b"<tiff:Orientation>6</tiff:Orientation>")
        for lossless in (False, True):
            yield (f"webp animated{name}{' lossless' if lossless else ''}",
                   saved(image, "WEBP", save_all=True, append_images=[image.rotate(180)], duration=50,
                         lossless=lossless, exif=orientation(5)))
    # An animation whose first frame covers a part of the picture.
    still = saved(RGB.crop((4, 2, 14, 12)), "WEBP", lossless=True)
    three = lambda number: struct.pack("<I", number)[:3]  # noqa: E731
    frame = three(2) + three(1) + three(9) + three(9) + three(100) + b"\0" + still[12:]
    body = b"VP8X" + struct.pack("<II", 10, 0x02) + three(WIDTH - 1) + three(HEIGHT - 1)
    body += b"ANIM" + struct.pack("<IIH", 6, 0, 0) + b"ANMF" + struct.pack("<I", len(frame)) + frame
    yield "webp partial frame", b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


# ---- BMP -----------------------------------------------------------------------------------------

def bmp(width, height, bits, data, compression=0, palette=b"", masks=b"", size=40, colors=0):
    header = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, len(data), 0, 0, colors, 0)
    header = header.ljust(size, b"\0") if size > 40 else header
    if masks and size > 40:
        header = header[:40] + masks + header[40 + len(masks):]
        masks = b""
    start = 14 + len(header) + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + masks + palette + data


def bmp_cases():
    yield "bmp 24", saved(RGB, "BMP")
    yield "bmp 32", saved(Image.merge("RGBA", (*RGB.split(), ALPHA)), "BMP")
    yield "bmp 8", saved(RGB.quantize(200), "BMP")
    yield "bmp gray", saved(RGB.convert("L"), "BMP")
    yield "bmp 1", saved(RGB.convert("1"), "BMP")
    palette = bytes((i * 67 + j * 31) % 256 for i in range(256) for j in range(4))
    rows16 = np.arange(8 * 10, dtype="<u2").reshape(8, 10) * 821
    rows32 = (np.arange(8 * 10, dtype="<u8").reshape(8, 10) * 81649201 % 2 ** 32).astype("<u4")
    yield "bmp 16", bmp(10, 8, 16, rows16.tobytes())
    yield "bmp 565", bmp(10, 8, 16, rows16.tobytes(), 3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    yield "bmp 555 fields", bmp(10, 8, 16, rows16.tobytes(), 3, masks=struct.pack("<III", 0x7C00, 0x3E0, 0x1F))
    yield "bmp 32 bgrx", bmp(10, 8, 32, rows32.tobytes())
    for name, masks in (("xbgr", (0xFF000000, 0xFF0000, 0xFF00)), ("rgba", (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
                        ("bgra", (0xFF0000, 0xFF00, 0xFF, 0xFF000000))):
        yield f"bmp 32 {name}", bmp(10, 8, 32, rows32.tobytes(), 3, size=108,
                                    masks=b"".join(struct.pack("<I", m) for m in masks))
    yield "bmp top down", bmp(10, -8, 24, bytes(i * 7 % 256 for i in range(32 * 8)))
    yield "bmp 4", bmp(11, 5, 4, bytes(i * 29 % 256 for i in range(8 * 5)), palette=palette[:64])
    yield "bmp 4 few colours", bmp(11, 5, 4, bytes(i * 29 % 256 for i in range(8 * 5)), palette=palette[:24], colors=6)
    yield "bmp 1 palette", bmp(11, 5, 1, bytes(i * 29 % 256 for i in range(4 * 5)), palette=palette[:8])
    core = struct.pack("<IHHHH", 12, 11, 5, 1, 8) + palette[:768]
    data = bytes(i * 29 % 256 for i in range(12 * 5))
    yield "bmp os2", b"BM" + struct.pack("<IHHI", 14 + len(core) + len(data), 0, 0, 14 + len(core)) + core + data
    runs8 = b"\5\7\0\5\1\2\3\4\5\0\0\0" + b"\0\2\3\1\4\x09\0\0" + b"\x0b\x0c\0\0" + b"\2\1\0\3\4\5\6\0\0\0" + b"\x0b\2\0\1"
    yield "bmp rle8", bmp(11, 6, 8, runs8, 1, palette)
    runs4 = b"\7\x12\0\4\x34\x56\0\0" + b"\x0b\x78\0\0" + b"\0\5\x9a\xbc\xd0\0\6\x11\0\0" + b"\x0b\x22\0\1"
    yield "bmp rle4", bmp(11, 4, 4, runs4, 2, palette[:64])


# ---- GIF -----------------------------------------------------------------------------------------

def gif(frame, screen=None, place=(0, 0), palette=b"", local=b"", transparent=None, interlaced=False, more=b""):
    """A GIF of one frame [height, width] of colour numbers, packed with nine-bit codes that are never combined."""
    height, width = frame.shape
    bits = lambda colours: 0x80 | (len(colours) // 3 - 1).bit_length() - 1 if colours else 0  # noqa: E731
    out = b"GIF89a" + struct.pack("<HHBBB", *(screen or (width, height)), bits(palette), 0, 0) + palette
    if transparent is not None:
        out += b"!\xf9\4" + bytes([1, 0, 0, transparent]) + b"\0"
    out += b"," + struct.pack("<HHHHB", *place, width, height, bits(local) | (0x40 if interlaced else 0)) + local + b"\x08"
    rows = frame
    if interlaced:
        rows = np.concatenate([frame[0::8], frame[4::8], frame[2::4], frame[1::2]])
    codes = []
    for i, value in enumerate(rows.reshape(-1)):
        codes += ([256] if i % 100 == 0 else []) + [int(value)]
    stream = sum(code << 9 * i for i, code in enumerate(codes + [257]))
    data = stream.to_bytes((9 * (len(codes) + 1) + 7) // 8, "little")
    blocks = b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255))
    return out + blocks + b"\0" + more + b";"


def gif_cases():
    colours = bytes((i * 67 + j * 31) % 256 for i in range(256) for j in range(3))
    frame = np.array(RGB.quantize(32))
    yield "gif", saved(RGB, "GIF")
    yield "gif interlaced", saved(RGB.quantize(50), "GIF", interlace=1)
    yield "gif gray", saved(RGB.convert("L"), "GIF")
    yield "gif transparent", saved(RGB.quantize(20), "GIF", transparency=3)
    yield "gif animated", saved(RGB, "GIF", save_all=True, append_images=[RGB.rotate(180), RGB], duration=50, disposal=2)
    yield "gif interlaced by hand", gif(frame, palette=colours, interlaced=True)
    yield "gif local palette", gif(frame, palette=bytes(96), local=colours)
    yield "gif without palette", gif(frame)
    yield "gif gray palette", gif(frame, palette=bytes(i for i in range(64) for _ in range(3)))
    yield "gif short palette", gif(frame, palette=colours[:24])
    yield "gif part of the screen", gif(frame, (30, 25), (4, 3), palette=colours)
    yield "gif part of the screen, transparent", gif(frame, (30, 25), (4, 3), palette=colours, transparent=7)
    yield "gif larger than the screen", gif(frame, (10, 9), (2, 1), palette=colours)


# ---- TIFF ----------------------------------------------------------------------------------------

def tiff(data, width, height, bits, photometric, endian="<", tags=(), rows=None):
    """A TIFF of uncompressed strips. `tags`: (number, type, values) besides the usual ones."""
    count = len(bits)
    strips = data if isinstance(data, list) else [data]
    entries = [(256, 4, [width]), (257, 4, [height]), (258, 3, list(bits)), (259, 3, [1]), (262, 3, [photometric]),
               (277, 3, [count]), (278, 4, [rows or height]), (279, 4, [len(s) for s in strips])] + list(tags)
    body, start = b"", 8
    offsets = []
    for strip in strips:
        offsets.append(start + len(body))
        body += strip + b"\0" * (len(strip) % 2)
    entries.append((273, 4, offsets))
    entries.sort()
    size = {1: "B", 3: "H", 4: "I"}
    directory = start + len(body)
    extra_at = directory + 2 + 12 * len(entries) + 4
    listed, extra = b"", b""
    for number, kind, values in entries:
        packed = struct.pack(endian + size[kind] * len(values), *values)
        if len(packed) > 4:
            value = struct.pack(endian + "I", extra_at + len(extra))
            extra += packed + b"\0" * (len(packed) % 2)
        else:
            value = packed.ljust(4, b"\0")
        listed += struct.pack(endian + "HHI", number, kind, len(values)) + value
    return ((b"II" if endian == "<" else b"MM") + struct.pack(endian + "HI", 42, directory) + body
            + struct.pack(endian + "H", len(entries)) + listed + b"\0" * 4 + extra)


def tiff_cases():
    rgba = Image.merge("RGBA", (*RGB.split(), ALPHA))
    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"tiff rgb {compression}", saved(RGB, "TIFF", compression=compression)
        yield f"tiff gray {compression}", saved(RGB.convert("L"), "TIFF", compression=compression)
    for compression in (None, "group3", "group4", "tiff_lzw"):
        yield f"tiff black and white {compression}", saved(RGB.convert("1"), "TIFF", compression=compression)
    yield "tiff rgba", saved(rgba, "TIFF", compression="tiff_lzw")
    yield "tiff gray-alpha", saved(Image.merge("LA", (RGB.convert("L"), ALPHA)), "TIFF")
    yield "tiff palette", saved(RGB.quantize(100), "TIFF")
    yield "tiff cmyk", saved(Image.merge("CMYK", (*RGB.split(), ALPHA)), "TIFF")
    yield "tiff ycbcr jpeg", saved(RGB.convert("YCbCr"), "TIFF", compression="jpeg")
    yield "tiff ycbcr lzw", saved(RGB.convert("YCbCr"), "TIFF", compression="tiff_lzw")
    yield "tiff predictor", saved(RGB, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "tiff several pages", saved(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(180)])
    yield "tiff short strips", saved(RGB, "TIFF", compression="tiff_lzw", strip_size=200)
    for value in range(1, 9):
        yield f"tiff orientation {value}", saved(RGB, "TIFF", compression="tiff_lzw", tiffinfo={274: value})
        yield f"tiff ycbcr orientation {value}", saved(RGB.convert("YCbCr"), "TIFF", compression="tiff_lzw", tiffinfo={274: value})
    width, height = 11, 7
    for endian, name in (("<", "little"), (">", "big")):
        wide = (np.arange(height * width * 4) * 821 % 65536).astype(endian + "u2").reshape(height, width, 4)
        for channels, extra in ((3, ()), (4, (0,)), (4, (1,)), (4, (2,))):
            tags = [(338, 3, list(extra))] if extra else []
            yield (f"tiff rgb 16 {name} {extra}",
                   tiff(wide[..., :channels].tobytes(), width, height, (16,) * channels, 2, endian, tags))
        yield f"tiff cmyk 16 {name}", tiff(wide.tobytes(), width, height, (16,) * 4, 5, endian)
    bytes4 = (np.arange(height * width * 4) * 37 % 256).astype(np.uint8).reshape(height, width, 4)
    yield "tiff premultiplied", tiff(bytes4.tobytes(), width, height, (8,) * 4, 2, tags=[(338, 3, [1])])
    yield "tiff rgbx", tiff(bytes4.tobytes(), width, height, (8,) * 4, 2, tags=[(338, 3, [0])])
    planes = [np.ascontiguousarray(bytes4[..., c]).tobytes() for c in range(3)]
    yield "tiff planes", tiff(planes, width, height, (8,) * 3, 2, tags=[(284, 3, [2])])
    yield "tiff white is zero", tiff(planes[0], width, height, (8,), 0)
    colours = [i * 517 % 65536 for i in range(768)]
    for bits in (1, 2, 4):
        row = (width * bits + 7) // 8
        data = bytes(i * 89 % 256 for i in range(row * height))
        yield f"tiff gray {bits}", tiff(data, width, height, (bits,), 1)
        yield f"tiff white is zero {bits}", tiff(data, width, height, (bits,), 0)
        if bits > 1:
            yield f"tiff palette {bits}", tiff(data, width, height, (bits,), 3, tags=[(320, 3, colours[:3 << bits])])
    yield "tiff strips", tiff([planes[0][i * width:(i + 3) * width] for i in range(0, height, 3)], width, height, (8,), 1, rows=3)


# ---- AVIF ----------------------------------------------------------------------------------------

def avif_cases():
    rgba = Image.merge("RGBA", (*RGB.split(), ALPHA))
    for name, image in (("", RGB), (" alpha", rgba), (" gray", RGB.convert("L"))):
        for sampling in ("4:4:4", "4:2:0", "4:2:2", "4:0:0"):
            yield f"avif{name} {sampling}", saved(image, "AVIF", quality=80, subsampling=sampling)
    yield "avif limited range", saved(RGB, "AVIF", range="limited")
    yield "avif lossless", saved(RGB, "AVIF", quality=100, subsampling="4:4:4")
    yield "avif animated", saved(RGB, "AVIF", save_all=True, append_images=[RGB.rotate(180)], duration=50)
    yield "avif premultiplied", saved(rgba, "AVIF", alpha_premultiplied=True)
    for value in range(1, 9):
        yield f"avif orientation {value}", saved(RGB, "AVIF", quality=90, exif=orientation(value)[6:])


# ---- expected values -----------------------------------------------------------------------------

def reference(data):
    """As datasets and the training scripts load a picture."""
    image = Image.open(io.BytesIO(data))
    if image.getexif().get(0x0112) is not None:
        image = ImageOps.exif_transpose(image)
    return np.array(image.convert("RGB"))


def noise(height, width):
    """Bytes of a linear congruential generator; the test makes the same."""
    state, out = 1, bytearray()
    for _ in range(height * width * 3):
        state = (state * 1664525 + 1013904223) % 2 ** 32
        out.append(state >> 24)
    return Image.frombytes("RGB", (width, height), bytes(out))


SIZES = [((37, 53), (37, 20)), ((37, 53), (11, 53)), ((37, 53), (16, 23)), ((37, 53), (64, 91)), ((37, 53), (5, 120)),
         ((37, 53), (120, 5)), ((37, 53), (1, 1)), ((1, 1), (7, 9)), ((1, 40), (3, 10)), ((40, 1), (10, 3)),
         ((100, 30), (20, 29)), ((100, 30), (20, 31)), ((100, 30), (60, 10)), ((100, 30), (60, 9)), ((100, 30), (60, 11)),
         ((64, 64), (32, 32)), ((64, 64), (48, 48)), ((64, 64), (128, 128)), ((130, 97), (64, 47)), ((97, 130), (47, 64)),
         ((3, 200), (2, 150)), ((200, 3), (17, 17)), ((51, 49), (50, 50)), ((50, 50), (51, 49)), ((90, 60), (33, 67))]
FILTERS = {"nearest": 0, "nearest_exact": 0, "box": 4, "bilinear": 2, "hamming": 5, "bicubic": 3, "lanczos": 1}


def main():
    assert PIL.__version__.startswith("13."), "Pillow 13 is needed: earlier ones resize in another order"
    os.makedirs(OUT, exist_ok=True)
    tensors = {}
    for cases in (png_cases, jpeg_cases, webp_cases, bmp_cases, gif_cases, tiff_cases, avif_cases):
        for name, data in cases():
            assert name + "/file" not in tensors, name
            tensors[name + "/file"] = np.frombuffer(data, np.uint8)
            tensors[name + "/pixels"] = np.ascontiguousarray(reference(data))
    save_file(tensors, os.path.join(OUT, "cases.safetensors"))
    resized = []
    for (height, width), (new_height, new_width) in SIZES:
        for name, number in FILTERS.items():
            out = noise(height, width).resize((new_width, new_height), number)
            resized.append({"from": [height, width], "to": [new_height, new_width], "filter": name,
                            "sha256": hashlib.sha256(out.tobytes()).hexdigest()})
    with open(os.path.join(OUT, "resize.json"), "w", encoding="utf-8") as file:
        file.write('{"pillow": "%s", "cases": [\n' % PIL.__version__)
        file.write(",\n".join(json.dumps(case) for case in resized) + "\n]}\n")
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a cat\nSteps: 30")
    texts.add_text("latin", "é ÿ ©")
    texts.add_text("unicode", "猫 🐈")
    texts.add_text("packed", "zip " * 50, zip=True)
    texts.add_itxt("packed unicode", "ж " * 50, zip=True)
    with open(os.path.join(OUT, "texts.png"), "wb") as file:
        file.write(saved(RGB.crop((0, 0, 2, 2)), "PNG", pnginfo=texts))


if __name__ == "__main__":
    main()
