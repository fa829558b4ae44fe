"""TIFF files of any kind, written by the specification (TIFF 6.0) alone, so that tests know the right answer."""

import struct
import zlib

import numpy as np

RAW, DEFLATE = 1, 8
GREY_WHITE_IS_ZERO, GREY, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
SIZES = {"B": 1, "H": 2, "I": 4, "f": 4, "d": 8}
TYPES = {"B": 1, "H": 3, "I": 4, "f": 11, "d": 12}


def packed(values, bits, order):
    """Rows of samples as bytes: 12-bit and smaller ones from the left, each row on a whole byte."""
    if bits % 8 == 0:
        return np.ascontiguousarray(values).astype(np.dtype(values.dtype).newbyteorder(order)).tobytes()
    rows = values.reshape(len(values), -1).astype(np.uint32)
    digits = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def blocks(plane, tile, rows):
    """A plane (H, W, samples) cut into strips of `rows`, or into tiles that are filled up with 0."""
    if tile is None:
        return [plane[top : top + rows] for top in range(0, len(plane), rows)]
    found = []
    for top in range(0, plane.shape[0], tile):
        for left in range(0, plane.shape[1], tile):
            full = np.zeros((tile, tile, plane.shape[2]), plane.dtype)
            part = plane[top : top + tile, left : left + tile]
            full[: part.shape[0], : part.shape[1]] = part
            found.append(full)
    return found


def tiff(
    values,
    photometric=GREY,
    *,
    bits=None,
    form=None,
    planar=False,
    tile=None,
    rows=None,
    compression=RAW,
    order="<",
    extra=None,
    tags=(),
):
    """The bytes of a TIFF.

    Args:
        values: (H, W) or (H, W, samples), of the type that is stored; bits below 8 or 12 in a larger one.
        bits: of a sample; default: of the type.
        extra: kinds of the samples beyond the photometric's own: (2,) is alpha.
        tags: (number, letter of `struct`, values) in addition.
    """
    values = values[..., None] if values.ndim == 2 else values
    height, width, samples = values.shape
    bits = bits or 8 * values.dtype.itemsize
    form = form or {"u": UNSIGNED, "i": SIGNED, "f": FLOAT}[values.dtype.kind]
    planes = np.split(values, samples, axis=2) if planar else [values]
    parts = [packed(block, bits, order) for plane in planes for block in blocks(plane, tile, rows or height)]
    parts = [zlib.compress(part) for part in parts] if compression == DEFLATE else parts
    places = [8 + sum(map(len, parts[:number])) for number in range(len(parts))]
    where = (
        [(273, "I", places), (278, "I", [rows or height]), (279, "I", list(map(len, parts)))]
        if tile is None
        else [(322, "I", [tile]), (323, "I", [tile]), (324, "I", places), (325, "I", list(map(len, parts)))]
    )
    entries = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [bits] * samples),
        (259, "H", [compression]),
        (262, "H", [photometric]),
        (277, "H", [samples]),
        (284, "H", [2 if planar else 1]),
        (339, "H", [form] * samples),
        *([(338, "H", list(extra))] if extra else []),
        *where,
        *tags,
    ]
    return assemble(sorted(entries), b"".join(parts), order)


def assemble(entries, pixels, order="<"):
    """Header, pixels, what does not fit into the directory, and the directory."""
    begin = 8 + len(pixels) + len(pixels) % 2
    directory, beside = struct.pack(order + "H", len(entries)), b""
    for number, letter, row in entries:
        data = struct.pack(f"{order}{len(row)}{letter}", *row)
        if len(data) > 4:
            data, beside = struct.pack(order + "I", begin + len(beside)), beside + data + bytes(len(data) % 2)
        directory += struct.pack(order + "HHI", number, TYPES[letter], len(row)) + data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", begin + len(beside))
    return head + pixels + bytes(len(pixels) % 2) + beside + directory + bytes(4)
