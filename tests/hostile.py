"""Hostile files, the same ones each time: torn, misnamed, giant, deep, empty, not files at all.

`write_hostile_files(folder)` writes them and says of each what must happen when it is opened:
"error" (one clean error), "valid" (it is a good picture, however odd), or "either" (bytes were damaged at random;
an error or a picture, but nothing else).
"""

import io
import os
import struct
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image
from tiff_writer import CMYK, DEFLATE, GREY, LAB, RGB, YCBCR, tiff

COUNT = 257
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif"}
MAGIC = {
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "WEBP": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "BMP": b"BM",
    "GIF": b"GIF89a",
    "TIFF": b"II*\x00\x08\x00\x00\x00",
}


@dataclass(frozen=True)
class HostileFile:
    path: Path
    kind: str
    expected: str


def encode(image, file_format, **options):
    """The bytes of a Pillow image in a file format."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def sample(height=40, width=56, seed=0):
    """A picture with slopes and noise, so that no format packs it into a few bytes."""
    ramp = np.add.outer(np.arange(height), np.arange(width))[..., None] * np.array([1, 2, 3])
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    return Image.fromarray(((ramp + noise) % 256).astype(np.uint8))


def png_chunk(name, data):
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, data=b"", *, bits=8, colour=2, extra=b""):
    """A PNG file that claims a size and holds `data` as its packed pixels."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        MAGIC["PNG"]
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", zlib.compress(data))
        + png_chunk(b"IEND", b"")
    )


def _truncated():
    for file_format, suffix in SUFFIXES.items():
        data = encode(sample(), file_format)
        for percent in (5, 20, 40, 60, 80, 90):
            yield f"truncated-{percent}{suffix}", data[: len(data) * percent // 100], "error"


def _misnamed():
    for file_format, wrong in zip(SUFFIXES, (".png", ".jpg", ".tif", ".gif", ".bmp", ".webp")):
        yield f"really-{file_format.lower()}{wrong}", encode(sample(), file_format), "valid"
    texts = {
        "text": b"this is a dress\n" * 20,
        "html": b"<!doctype html><title>404 Not Found</title>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "zip": b"PK\x03\x04" + bytes(26),
        "program": b"\x7fELF\x02\x01\x01" + bytes(57),
        "json": b'{"picture": null}',
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    }
    for index, (name, data) in enumerate(texts.items()):
        for suffix in (".jpg", list(SUFFIXES.values())[1 + index % 5]):
            yield f"{name}{suffix}", data, "either" if name == "svg" else "error"  # a drawing of nothing
    for other in ("PPM", "ICO", "PCX", "TGA"):
        yield f"really-{other.lower()}.png", encode(sample(), other), "error"


def _bombs():
    yield "bomb-claim.png", png(100_000, 100_000), "error"
    yield "bomb-over-cap.png", png(8000, 8000, bytes(8000 * 1001), bits=1, colour=0), "error"
    yield "bomb-warning.png", png(10_000, 10_000, bits=1, colour=0), "error"
    yield "bomb-largest.png", png(2**31 - 1, 2**31 - 1), "error"
    yield "no-width.png", png(0, 5), "error"
    yield "no-height.png", png(5, 0), "error"
    bitmap = bytearray(encode(sample(), "BMP"))
    for name, size in {"claim": (60_000, 60_000), "negative": (-56, 40), "none": (0, 0)}.items():
        bitmap[18:26] = struct.pack("<ii", *size)
        yield f"bomb-{name}.bmp", bytes(bitmap), "error"
    gif = bytearray(encode(sample(), "GIF"))
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    yield "bomb.gif", bytes(gif), "error"
    jpeg = bytearray(encode(sample(), "JPEG"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 65535, 65535)
    yield "bomb.jpg", bytes(jpeg), "error"
    webp = b"VP8X" + struct.pack("<IB3x", 10, 0) + struct.pack("<I", 16_000)[:3] + struct.pack("<I", 16_000)[:3]
    yield "bomb.webp", b"RIFF" + struct.pack("<I", len(webp) + 4) + b"WEBP" + webp, "error"
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000), 9))
    yield "bomb-text.png", png(4, 4, bytes(4 * 13), extra=text), "either"
    profile = png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(80_000_000), 9))
    yield "bomb-profile.png", png(4, 4, bytes(4 * 13), extra=profile), "either"
    yield "bomb-packed.png", png(4, 4, bytes(50_000_000)), "either"
    entry = struct.pack("<HHHII", 1, 256, 4, 1, 50_000)
    yield "bomb.tif", b"II*\0\x08\0\0\0" + entry + struct.pack("<I", 8), "error"
    for name, value in {"nan": np.nan, "infinite": np.inf, "negative": -5.0, "beyond": 70_000.0}.items():
        yield f"float-{name}.tif", encode(Image.fromarray(np.full((4, 4), value, np.float32)), "TIFF"), "error"


def _odd_but_good():
    for file_format, suffix in SUFFIXES.items():
        yield f"one-pixel{suffix}", encode(sample(1, 1), file_format), "valid"
    yield "one-row.png", encode(sample(1, 3000), "PNG"), "valid"
    yield "one-column.jpg", encode(sample(3000, 1), "JPEG"), "valid"
    yield "large.png", encode(Image.new("1", (4000, 3000), 1), "PNG"), "valid"
    frames = [sample(seed=seed) for seed in range(4)]
    for file_format in ("GIF", "WEBP", "PNG", "TIFF"):
        yield (
            f"animated{SUFFIXES[file_format]}",
            encode(frames[0], file_format, save_all=True, append_images=frames[1:]),
            "valid",
        )
    torn_exif = encode(sample(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(200)))
    yield "torn-exif.jpg", torn_exif, "valid"


def _deep():
    """Values of more than 8 bits, and layouts, of which nobody says what they mean, or which cannot be."""
    ramp = np.linspace(0, 1, 40 * 56).reshape(40, 56)
    for name, values in {
        "12-in-16": (ramp * 4095).astype(np.uint16),
        "8-in-16": (ramp * 255).astype(np.uint16),
        "counts": (ramp * 70_000).astype(np.uint32),
        "8-in-32": (ramp * 255).astype(np.int32),
        "beyond-1": np.float32(ramp * 1.2),
        "hdr": np.float32(ramp * 12),
        "below-0": np.float32(ramp - 0.5),
        "signed-bytes": (ramp * 127).astype(np.int8),
        "doubles": ramp,
        "halves": ramp.astype(np.float16),
    }.items():
        yield f"{name}.tif", tiff(values), "error"
    colours = np.dstack([ramp, ramp, ramp])
    deep = (colours * 65535).astype(np.uint16)
    yield "float-colours.tif", tiff(np.float32(colours), RGB), "error"
    yield "planar-lab.tif", tiff((colours * 255).astype(np.uint8), LAB, planar=True), "error"
    yield "half-ycbcr.tif", tiff((colours * 255).astype(np.uint8), YCBCR, tags=((530, "H", [2, 2]),)), "error"
    yield "range-beyond.tif", tiff(deep[..., 0], tags=((341, "H", [9]),)), "error"
    yield "range-nan.tif", tiff(np.float32(ramp), tags=((341, "f", [np.nan]),)), "either"
    yield "range-turned.tif", tiff(deep[..., 0], tags=((340, "H", [9]), (341, "H", [3]))), "either"
    yield "range-of-text.tif", tiff(deep[..., 0], tags=((341, "B", [80, 80, 0]),)), "either"
    for planar in (False, True):
        good = tiff(deep, RGB, planar=planar, compression=DEFLATE)
        yield f"deep-{planar}.tif", good, "valid"
        cut = good[: len(good) // 3] + bytes(len(good) // 3) + good[-len(good) // 3 :]
        yield f"deep-cut-{planar}.tif", cut, "either"
    yield "planar-cut.tif", tiff(deep, RGB, planar=True)[:3000], "error"
    yield "cmyk16.tif", tiff(np.dstack([deep, deep[..., 0] * 0]), CMYK, planar=True), "valid"
    for number, side in enumerate((2**16, 2**31 - 16)):
        for tag in (322, 323):
            one = tiff(deep[..., 0], GREY, tile=64)
            at = one.rindex(struct.pack("<HHI", tag, 4, 1)) + 8
            yield f"tile-{tag}-{number}.tif", one[:at] + struct.pack("<I", side) + one[at + 4 :], "either"


def psd(colours, *, finished=1, bits=8, layers=0, claim=None):
    """A PSD of one finished picture, (H, W, 3) or (H, W, 4) uint8, as Photoshop writes it."""
    height, width = claim or colours.shape[:2]
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, colours.shape[2], height, width, bits, 3)
    note = b"8BIM\x04\x21\0\0" + struct.pack(">I", 5) + struct.pack(">IB", 1, finished) + b"\0"
    layer = struct.pack(">IIh", 6, 2, layers)
    pixels = b"\0\0" + np.ascontiguousarray(colours.transpose(2, 0, 1)).tobytes()
    return head + bytes(4) + struct.pack(">I", len(note)) + note + layer + pixels


def svg(inside, size='viewBox="0 0 40 40"'):
    """An SVG drawing."""
    links = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {links} {size}>{inside}</svg>".encode()


def heic(image, **options):
    """The bytes of a HEIC picture, or None where its package is missing."""
    try:
        import pillow_heif
    except ImportError:
        return None
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


def _newer_kinds():
    """AVIF, PSD, SVG and HEIC that are torn, boastful or curious."""
    picture = np.asarray(sample())
    avif = encode(sample(), "AVIF")
    good = {"avif": avif, "psd": psd(picture), "heic": heic(sample())}
    for suffix, data in good.items():
        if data is None:
            data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
        for percent in (10, 50, 90):
            yield f"cut-{percent}.{suffix}", data[: len(data) * percent // 100], "error"
    yield "good.avif", avif, "valid"
    yield "good.psd", good["psd"], "valid"
    yield "no-finished.psd", psd(picture, finished=0), "error"
    yield "deep.psd", psd(picture, bits=16), "error"
    yield "bomb.psd", psd(picture, claim=(30_000, 30_000)), "error"
    yield "empty-size.psd", psd(picture, claim=(0, 30)), "error"
    yield "claims.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\x20\0meta" + bytes(5000), "error"
    place = avif.index(b"ispe") + 8
    yield "bomb.avif", avif[:place] + struct.pack(">II", 60_000, 60_000) + avif[place + 8 :], "error"
    deep = "<g>" * 20_000 + '<rect width="9" height="9"/>' + "</g>" * 20_000
    uses = '<g id="a0"><rect width="1" height="1"/></g>'
    for number in range(1, 30):
        uses += f'<g id="a{number}">' + f'<use xlink:href="#a{number - 1}"/>' * 10 + "</g>"
    for name, drawing, expected in (
        ("good", svg('<rect width="20" height="20" fill="red"/>'), "valid" if find_spec("resvg_py") else "error"),
        ("deep", svg(deep), "either"),
        ("multiplied", svg(uses), "error"),
        ("endless", svg('<g id="a"><use xlink:href="#a"/></g>'), "either"),
        ("spy", svg('<image xlink:href="/etc/hostname" width="9" height="9"/>'), "error"),
        ("web", svg('<image href="http://localhost:1/a.png" width="9" height="9"/>'), "error"),
        ("nested", svg('<image href="data:image/svg+xml;base64,AAAA" width="9" height="9"/>'), "error"),
        ("entity", b'<!DOCTYPE svg [<!ENTITY f "/etc/hostname">]>' + svg('<image href="&f;"/>'), "error"),
        (
            "laughs",
            b"<!DOCTYPE svg [<!ENTITY a 'aaaaaaaaaa'>"
            + b"".join(f"<!ENTITY {chr(98 + number)} '{f'&{chr(97 + number)};' * 10}'>".encode() for number in range(9))
            + b"]>"
            + svg("<text>&j;</text>"),
            "error",
        ),
        ("no-size", svg("<rect/>", ""), "error"),
        ("huge", svg("<rect/>", 'viewBox="0 0 1e30 1e30"'), "error"),
        ("torn", svg("<rect/>")[:-9], "error"),
        ("latin", svg("<text>\xe9</text>").replace(b"\xc3\xa9", b"\xe9"), "error"),
        (
            "blur",
            svg(
                '<filter id="f"><feGaussianBlur stdDeviation="1e9"/></filter>'
                '<rect filter="url(#f)" width="9" height="9"/>'
            ),
            "either",
        ),
    ):
        yield f"{name}.svg", drawing, expected


def _not_decodable():
    random = np.random.default_rng(7)
    for index in range(24):
        suffix = list(SUFFIXES.values())[index % 6]
        yield f"noise-{index}{suffix}", random.bytes(int(random.integers(1, 5000))), "error"
    for file_format, suffix in SUFFIXES.items():
        for index in range(3):
            yield f"magic-and-noise-{index}{suffix}", MAGIC[file_format] + random.bytes(2000), "error"
    for suffix in SUFFIXES.values():
        yield f"zero-bytes{suffix}", b"", "error"
        yield f"only-zeros{suffix}", bytes(3000), "error"


def _no_regular_files(folder):
    """Folders, links to nowhere or in a circle, pipes, devices, a locked file and one of 200 MB that takes no room on
    disk.
    """
    for suffix in SUFFIXES.values():
        (folder / f"folder{suffix}").mkdir()
        yield f"folder{suffix}"
    (folder / "link-to-nowhere.png").symlink_to("nowhere.png")
    (folder / "link-to-itself.png").symlink_to("link-to-itself.png")
    (folder / "link-to-device.png").symlink_to("/dev/zero")
    yield from ("link-to-nowhere.png", "link-to-itself.png", "link-to-device.png")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "link-to-pipe.jpg").symlink_to("pipe.jpg")
    yield from ("pipe.jpg", "link-to-pipe.jpg")
    with open(folder / "giant.png", "wb") as file:
        file.write(MAGIC["PNG"])
        file.truncate(200_000_000)
    yield "giant.png"
    locked = folder / "locked.png"
    locked.write_bytes(encode(sample(), "PNG"))
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # root reads everything: a link through a file stands in
        locked.unlink()
        locked.symlink_to("giant.png/inside.png")
    yield "locked.png"


def _flipped(count):
    """Good files with a few bytes changed at random."""
    random = np.random.default_rng(11)
    for index in range(count):
        file_format, suffix = list(SUFFIXES.items())[index % 6]
        data = np.frombuffer(encode(sample(), file_format), np.uint8).copy()
        places = random.integers(0, len(data) if index % 2 else min(120, len(data)), 1 + index % 5)
        data[places] ^= random.integers(1, 256, len(places), dtype=np.uint8)
        yield f"flipped-{index}{suffix}", data.tobytes(), "either"


def write_hostile_files(folder):
    """Write the files into an empty folder -> list of `HostileFile`."""
    folder, files = Path(folder), []
    for kind, rows in {
        "truncated": _truncated(),
        "misnamed": _misnamed(),
        "bomb": _bombs(),
        "odd": _odd_but_good(),
        "deep": _deep(),
        "newer": _newer_kinds(),
        "noise": _not_decodable(),
    }.items():
        for name, data, expected in rows:
            (folder / name).write_bytes(data)
            files.append(HostileFile(folder / name, kind, expected))
    files += [HostileFile(folder / name, "no file", "error") for name in _no_regular_files(folder)]
    for name, data, expected in _flipped(COUNT - len(files)):
        (folder / name).write_bytes(data)
        files.append(HostileFile(folder / name, "flipped", expected))
    return files
