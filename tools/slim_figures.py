"""Makes the figures in the notebooks' outputs small; what they show stays as it looks, and no text is touched.

Run by `make export`, so that figures are small before they are committed. A second run changes nothing.

    .venv/bin/python tools/slim_figures.py [NOTEBOOK ...]      by default those of nbs/ that git sees changed
    .venv/bin/python tools/slim_figures.py nbs                 all of them, which takes half a minute

PNG: as few colours as nobody misses (32, 64 or 128), packed tighter. JPEG: quality 60 at most, packed tighter.
"""

import base64
import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import oxipng
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
COLOURS = (32, 64, 128)
# What nobody misses, in grey levels of 255: the mean change of a pixel, and that of the worst pixel of a hundred.
MEAN_CHANGE, WORST_CHANGE = 1.5, 10
JPEG_QUALITY = 60


def changes(before, after):
    """(mean, 99th percentile) of how far pixels are apart, each by its worst channel."""
    pixels = [np.asarray(picture.convert("RGB"), "int16") for picture in (before, after)]
    apart = np.abs(pixels[0] - pixels[1]).max(axis=-1)
    return apart.mean(), np.percentile(apart, 99)


def few_colours(picture):
    """The picture in the smallest palette that nobody can tell from it; as it is if there is none."""
    plain = picture.convert("RGB")
    for colours in COLOURS:
        reduced = plain.quantize(colours, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
        mean, worst = changes(plain, reduced)
        if mean <= MEAN_CHANGE and worst <= WORST_CHANGE:
            return reduced
    return picture


def is_opaque(picture):
    """Whether no pixel lets anything through."""
    return "transparency" not in picture.info and (
        not picture.mode.endswith("A") or picture.getchannel("A").getextrema()[0] == 255
    )


def slim_png(data):
    """Bytes of a PNG -> fewer bytes of nearly the same picture, or the same bytes.

    A picture with a palette keeps it: it was reduced before, here or by the notebook's author.
    """
    picture = Image.open(io.BytesIO(data))
    if picture.mode not in ("P", "1", "L") and is_opaque(picture):
        reduced = io.BytesIO()
        few_colours(picture).save(reduced, "PNG")
        data = min(data, reduced.getvalue(), key=len)
    return min(data, oxipng.optimize_from_memory(data, level=4), key=len)


def coarseness(picture):
    """Mean step of a JPEG's brightness table; the larger, the coarser."""
    return sum(picture.quantization[0]) / 64


def encode_jpeg(picture):
    """Bytes of a JPEG of `JPEG_QUALITY`."""
    packed = io.BytesIO()
    picture.convert("RGB").save(packed, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    return packed.getvalue()


def slim_jpeg(data):
    """Bytes of a JPEG -> fewer bytes, or the same ones where it is coarse enough: no picture is encoded twice here."""
    picture = Image.open(io.BytesIO(data))
    packed = encode_jpeg(picture)
    finer = coarseness(picture) < coarseness(Image.open(io.BytesIO(packed)))
    return packed if finer and len(packed) < len(data) else data


SLIM = {"image/png": slim_png, "image/jpeg": slim_jpeg}


def slim_figure(kind, data):
    """Bytes of a figure that a notebook calls `kind` -> no more bytes. ValueError if it is of another kind."""
    found = Image.open(io.BytesIO(data)).get_format_mimetype()
    if found != kind:
        raise ValueError(f"a figure of {found} is called {kind}: name its format, as in Image(data, format='jpeg')")
    return min(data, SLIM[kind](data), key=len)


def slim_notebook(path):
    """Rewrite one notebook; returns the bytes saved."""
    before = path.read_text(encoding="utf-8")
    notebook = json.loads(before)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for kind in SLIM.keys() & output.get("data", {}).keys():
                data = base64.b64decode("".join(output["data"][kind]))
                output["data"][kind] = base64.b64encode(slim_figure(kind, data)).decode()
    after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    if len(after) < len(before):
        aside = path.with_suffix(".part")
        aside.write_text(after, encoding="utf-8", newline="\n")
        os.replace(aside, path)
    return max(0, len(before) - len(after))


def changed():
    """The notebooks of nbs/ that git does not know as they are."""
    words = ["git", "ls-files", "--modified", "--others", "--exclude-standard", "-z", "nbs"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in listed if name.endswith(".ipynb") and (ROOT / name).exists()]


def main():
    named = [pathlib.Path(name) for name in sys.argv[1:]]
    chosen = [path for name in named for path in (sorted(name.rglob("*.ipynb")) if name.is_dir() else [name])]
    chosen = chosen if named else changed()
    print(f"{sum(map(slim_notebook, chosen)):,} bytes saved in {len(chosen)} notebooks")


if __name__ == "__main__":
    main()
