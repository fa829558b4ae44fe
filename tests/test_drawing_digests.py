"""Drawn garments and patterns stay as they were committed: digests of all kinds and families.

python tests/test_drawing_digests.py      writes data/drawing_digests.json anew, when a drawing is meant to change
"""

import hashlib
import json
import pathlib

import numpy as np

from fashion_style.garments import GARMENT_KINDS, RENDERS, draw_garment
from fashion_style.images import resize_picture, to_uint8
from fashion_style.patterns import PATTERN_FAMILIES, draw_pattern

FILE = pathlib.Path(__file__).parent / "data" / "drawing_digests.json"


def drawings():
    """(name, picture) of every kind in every way of drawing, and of every family."""
    for kind in GARMENT_KINDS:
        for render in RENDERS:
            yield f"{kind} {render}", draw_garment(kind, 64, seed=7, render=render).picture
    for family in PATTERN_FAMILIES:
        yield family, draw_pattern(family, 64, seed=7)


def digests():
    """{name: [SHA-256 of the 8-bit pixels, the picture at 4 x 4 pixels as hexadecimal text]}"""
    return {
        name: [
            hashlib.sha256(to_uint8(picture).tobytes()).hexdigest(),
            to_uint8(resize_picture(picture, (4, 4), fit="stretch")).tobytes().hex(),
        ]
        for name, picture in drawings()
    }


def test_drawings_are_as_committed():
    """Another processor may round a sine elsewhere and turn a pixel by one: so a few digests may differ, and no small
    picture by more than 2 of 255.
    """
    committed, drawn = json.loads(FILE.read_text()), digests()
    assert set(committed) == set(drawn)
    for name, (_, small) in drawn.items():
        apart = np.subtract(
            *(np.frombuffer(bytes.fromhex(text), "uint8").astype(int) for text in (small, committed[name][1]))
        )
        assert np.abs(apart).max() <= 2, name
    changed = [name for name in drawn if drawn[name][0] != committed[name][0]]
    assert len(changed) <= len(drawn) // 10, changed


if __name__ == "__main__":
    FILE.write_text(json.dumps(digests(), indent=0, sort_keys=True) + "\n")
