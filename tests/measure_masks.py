"""Measure `find_garment`: exact overlap on composites and drawings, how often doubts are right, and the time it takes.

    python tests/measure_masks.py [--composites 50] [--finder "graph cut"] [--cut-outs FOLDER] [--worst SHEET.png]
    python tests/measure_masks.py --drawings 120 [--size 256 512 1000]

Composites are cut-outs that no training saw (where there are any) and drawn garments on five grounds; see
`composites.py`. Photographs as they are have no exact masks: `judge_masks.py` measures them by eye. The
second form measures drawings with faults alone, and how many photographs are taken for drawings.
"""

import argparse
import collections
import os
import pathlib
import time

import composites
import cv2
import numpy as np
from PIL import Image

from fashion_style.cloth.drawings import drawing_mask, look_like_drawing, measure_lines
from fashion_style.cloth.masks import FINDERS, find_garment, garment_mask
from fashion_style.cloth.overlap import mask_iou
from fashion_style.drawing.sheets import contact_sheet
from fashion_style.garments import GARMENT_KINDS
from fashion_style.images import read_picture, resize_picture, save_picture, to_uint8
from fashion_style.networks.wardrobe import read_cut_outs

SHARED = pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", pathlib.Path(__file__).parents[2] / "shared"))
SIZE = 160


def measure_composites(count, finder, cut_outs):
    """[(source, ground, number, IoU, doubts, picture, found, truth)] of `count` composites a ground and source."""
    rows = []
    for source, pieces in (("drawn", ()), ("photographed", cut_outs)):
        if source == "photographed" and not pieces:
            continue
        for ground in composites.GROUNDS:
            for number in range(count):
                picture, truth = composites.composite(ground, 0, number, pieces)
                found = find_garment(picture, finder=finder)
                rows.append((source, ground, number, mask_iou(found.mask, truth), found.doubts, picture, found, truth))
    return rows


def print_doubts(rows):
    """How often doubts are right, over the masks of `rows` and those of version 0.1 for the same pictures."""
    masks = [(row[3], row[4]) for row in rows]
    for *_, picture, _, truth in rows:
        found = find_garment(picture, finder="graph cut")
        masks.append((mask_iou(found.mask, truth), found.doubts))
    bad, good = [doubts for iou, doubts in masks if iou < 0.8], [doubts for iou, doubts in masks if iou > 0.95]
    caught, false = (np.mean([bool(doubts) for doubts in part]) for part in (bad, good))
    print(
        f"doubts, with the masks of 0.1 for the same pictures: {caught:.3f} of {len(bad)} masks below 0.8 are doubted,"
        f" {false:.3f} of {len(good)} above 0.95"
    )
    for part, name in ((bad, "bad"), (good, "good")):
        counts = collections.Counter(doubt for doubts in part for doubt in doubts)
        print(f"  {name}:", ", ".join(f"{doubt} {number}" for doubt, number in counts.most_common()) or "none")


def measure_drawings(count, finder, size=512):
    """Rows as of `measure_composites`, of `count` drawings with faults, `size` pixels large."""
    rows = []
    for number in range(count):
        kind = GARMENT_KINDS[number % len(GARMENT_KINDS)]
        picture, truth = composites.faulty_drawing(kind, number, size)
        found = find_garment(picture, finder=finder)
        rows.append(("drawing", kind, number, mask_iou(found.mask, truth), found.doubts, picture, found, truth))
    return rows


def _overlap_row(name, rows):
    values = np.array([row[3] for row in rows])
    low, middle = np.percentile(values, (10, 50))
    high, bad = np.mean(values > 0.95), np.mean(values < 0.8)
    return f"| {name} | {len(rows)} | {middle:.3f} | {low:.3f} | {values.min():.3f} | {high:.2f} | {bad:.2f} |"


def _seconds(finder, size=1000):
    """Median seconds of five masks at `size` pixels, the first left out."""
    picture = cv2.resize(composites.composite("floors and walls", 0, 1)[0], (size, size))
    spent = []
    for _ in range(6):
        start = time.perf_counter()
        garment_mask(picture, finder=finder)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent[1:]))


def print_composites(count, finder, cut_outs, worst=None):
    """Print the tables, and write the worst pictures and masks on a sheet."""
    rows, drawings = measure_composites(count, finder, cut_outs), measure_drawings(count, finder)
    print(f"finder: {finder}; {len(cut_outs)} cut-outs that no training saw")
    print("| pictures | count | median IoU | tenth | worst | above 0.95 | below 0.8 |\n|---|---|---|---|---|---|---|")
    for source in dict.fromkeys(row[0] for row in rows):
        of_source = [row for row in rows if row[0] == source]
        for ground in composites.GROUNDS:
            print(_overlap_row(f"{source}, {ground}", [row for row in of_source if row[1] == ground]))
        print(_overlap_row(f"{source}, all", of_source))
    print(_overlap_row("drawings with faults", drawings))
    taken = np.mean([row[6].finder == "drawing" for row in drawings])
    mistaken = np.mean([row[6].finder == "drawing" for row in rows])
    print(f"drawings recognised: {taken:.3f}; photographs taken for drawings: {mistaken:.3f}")
    print_doubts(rows + drawings)
    print(f"time at 1,000 pixels: {_seconds(finder):.2f} s")
    if worst:
        pink = np.float32([1, -0.2, 1])
        lowest = sorted(rows + drawings, key=lambda row: row[3])[:36]
        cells = [
            cell
            for *_, picture, found, _ in lowest
            for cell in (picture, found.mask * picture + (1 - found.mask) * pink)
        ]
        cells = [resize_picture(cell, SIZE, fit="pad") for cell in cells]
        titles = [f"{row[3]:.2f}" for row in lowest[::6]]
        save_picture(
            contact_sheet(
                [cells[start : start + 12] for start in range(0, len(cells), 12)], row_titles=titles, size=SIZE
            ),
            worst,
        )


def print_drawings(count, finder, sizes):
    """A row for each size: drawings with faults, how many were recognised, and the median time of one mask."""
    print("| pictures | count | median IoU | tenth | worst | above 0.95 | below 0.8 |\n|---|---|---|---|---|---|---|")
    for size in sizes:
        rows = measure_drawings(count, finder, size)
        print(_overlap_row(f"drawings with faults, {size} px", rows))
        spent = []
        for row in rows[:9]:
            pixels = to_uint8(row[5])
            start = time.process_time()
            drawing_mask(pixels)
            spent.append(time.process_time() - start)
        taken = sum(row[6].finder == "drawing" for row in rows)
        worst = min(rows, key=lambda row: row[3])
        print(
            f"  recognised: {taken} of {len(rows)}; drawing_mask: {np.median(spent):.2f} s of processor time;"
            f" worst: {worst[1]} {worst[2]}"
        )


def print_mistaken(folder):
    """How many photographs, and cut-outs on white, are taken for drawings."""
    photos = [read_picture(path) for path in sorted((folder / "garments").rglob("*.jpg"))[::4]]
    white = [Image.open(path).convert("RGBA") for path in sorted((folder / "cutouts").glob("*.webp"))]
    white = [Image.alpha_composite(Image.new("RGBA", piece.size, "white"), piece).convert("RGB") for piece in white]
    for name, pictures in (("photographs", [to_uint8(photo) for photo in photos]), ("cut-outs on white", white)):
        taken = sum(look_like_drawing(measure_lines(np.asarray(picture))) for picture in pictures)
        print(f"{name} taken for drawings: {taken} of {len(pictures)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--composites", type=int, default=50, metavar="N", help="composites a ground and source (default: %(default)s)"
    )
    parser.add_argument("--drawings", type=int, metavar="N", help="measure N drawings with faults at each size instead")
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512, 1000], help="pixels of the drawings")
    parser.add_argument("--finder", choices=FINDERS, default=FINDERS[0], help="default: %(default)s")
    parser.add_argument("--cut-outs", type=pathlib.Path, default=SHARED / "data" / "cutouts", help="folder of cut-outs")
    parser.add_argument("--worst", type=pathlib.Path, help="write the worst composites to this file")
    options = parser.parse_args()
    if options.drawings:
        print_drawings(options.drawings, options.finder, options.size)
        print_mistaken(SHARED / "data")
        return
    cut_outs = list(read_cut_outs(options.cut_outs, held_out=True).values())
    print_composites(options.composites, options.finder, cut_outs, options.worst)


if __name__ == "__main__":
    main()
