"""The masks of twenty designers' drawings, looked at one by one, stay as they were: a small bitmap of each is kept.

`FASHION_STYLE_SHARED=... python tests/test_flats_masks.py` writes `flats_masks.json` anew; look at the masks before.
"""

import base64
import json
import os
import pathlib
import zlib

import cv2
import numpy as np
import pytest

from fashion_style.cloth.masks import find_garment
from fashion_style.images import read_picture

SHARED = pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", pathlib.Path(__file__).parents[2] / "shared"))
FLATS = SHARED / "data" / "flats"
KEPT = pathlib.Path(__file__).parent / "flats_masks.json"
SIDE = 128  # pixels of a kept bitmap: a sleeve has about 500, a slit between sleeve and body 60
ALIKE = 0.985  # overlap of a mask with what is kept of it


def small_bitmap(mask):
    """A mask (H, W) as bool (SIDE, SIDE)."""
    return cv2.resize(np.float32(mask), (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 0.5


def packed(bitmap):
    return base64.b64encode(zlib.compress(np.packbits(bitmap).tobytes(), 9)).decode()


def unpacked(text):
    return np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)).reshape(SIDE, SIDE) > 0


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def halves(bitmap):
    """Covered share of the left and of the right half: mostly the front and the back view."""
    return [round(float(half.mean()), 3) for half in np.split(bitmap, 2, axis=1)]


@pytest.mark.parametrize("name", sorted(json.loads(KEPT.read_text())))
def test_masks_of_designers_drawings_stay(name):
    if not (FLATS / name).is_file():
        pytest.skip(f"the drawing {name} is not at {FLATS}; name its folder's root with FASHION_STYLE_SHARED")
    kept = json.loads(KEPT.read_text())[name]
    found = find_garment(read_picture(FLATS / name))
    bitmap = small_bitmap(found.mask[..., 0])
    assert found.finder == "drawing" and not found.doubts
    assert overlap(bitmap, unpacked(kept["bitmap"])) >= ALIKE
    np.testing.assert_allclose(halves(bitmap), kept["covered"], atol=0.004)


def test_what_is_kept_agrees_with_itself_and_a_lost_part_is_seen():
    for name, kept in json.loads(KEPT.read_text()).items():
        bitmap = unpacked(kept["bitmap"])
        assert halves(bitmap) == kept["covered"], name
        lost = bitmap.copy()
        rows, columns = np.nonzero(bitmap)
        lost[:, columns.min() : columns.min() + 6] = False  # the outer part of a sleeve, or a hem
        assert overlap(bitmap, lost) < ALIKE or not np.allclose(halves(lost), halves(bitmap), atol=0.004), name
        moved = bitmap.ravel().copy()
        moved[np.random.default_rng(0).choice(moved.size, 8, replace=False)] ^= True  # a handful of pixels
        assert overlap(bitmap, moved.reshape(bitmap.shape)) >= ALIKE * 0.99, name


if __name__ == "__main__":
    kept = {}
    for path in sorted(FLATS.glob("*.png")):
        bitmap = small_bitmap(find_garment(read_picture(path)).mask[..., 0])
        kept[path.name] = {"covered": halves(bitmap), "bitmap": packed(bitmap)}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
