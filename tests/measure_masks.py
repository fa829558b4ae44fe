"""Measure `garment_mask`: exact overlap on composites, self-consistency and a judged sheet on real photographs.

    python tests/measure_masks.py [--photos FOLDER] [--sheet SHEET.png] [--count 60]
    python tests/measure_masks.py --drawings 120 [--size 256 512 1000]
    python tests/measure_masks.py --composites 80 [--finder "graph cut"] [--cut-outs FOLDER] [--worst SHEET.png]

The second form measures drawings alone, and how many photographs are taken for drawings. The third measures on what
`composites.py` makes: cut-outs that no training saw (where there are any) and drawn garments on five grounds, drawings
with faults, how often doubts are right, and the time at 1,000 pixels.

Prints a table. Without photographs only the composites on drawn backgrounds are measured. No true masks exist for the
photographs, so their quality is given in two weaker ways: do small changes of the photo leave the mask as it is, and
how good do the masks look on a contact sheet? The judgements are kept below with the share of the picture that each
mask covered, so that the script can say which masks have changed since. "Bad": a large part is lost or much background
is kept; "usable": a visible part is lost (a cuff, a strap) or a hanger is kept; the rest is good.
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
from fashion_style.garments import GARMENT_KINDS, draw_garment
from fashion_style.images import read_picture, resize_picture, save_picture, to_uint8

SHARED = pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", pathlib.Path(__file__).parents[2] / "shared"))
SIZE = 160
JUDGED = {
    "seed": 2026,
    "usable": (7, 15, 25, 32, 36, 52),
    "bad": (16, 55),
    "shares": (
        0.42,
        0.42,
        0.46,
        0.37,
        0.52,
        0.50,
        0.40,
        0.55,
        0.43,
        0.33,
        0.34,
        0.42,
        0.46,
        0.31,
        0.55,
        0.37,
        0.43,
        0.43,
        0.38,
        0.36,
        0.33,
        0.41,
        0.45,
        0.43,
        0.39,
        0.59,
        0.44,
        0.46,
        0.40,
        0.43,
        0.38,
        0.57,
        0.48,
        0.30,
        0.52,
        0.44,
        0.44,
        0.33,
        0.41,
        0.45,
        0.43,
        0.43,
        0.66,
        0.47,
        0.65,
        0.49,
        0.45,
        0.41,
        0.46,
        0.37,
        0.52,
        0.53,
        0.47,
        0.41,
        0.38,
        0.58,
        0.35,
        0.54,
        0.35,
        0.43,
    ),
}


def drawn_background(rng, size=SIZE):
    """A plain cloth, a tiled floor or wooden boards with uneven light and grain, float32 (size, size, 3) in [-1, 1]."""
    colour, grain = rng.uniform(0.15, 0.95, 3), rng.normal(0, 0.03, (size, size, 1))
    light = np.linspace(1, rng.uniform(0.7, 1), size)[:, None, None]
    lines = np.ones((size, size, 1))
    pattern, step = rng.integers(3), int(rng.integers(20, 60))
    if pattern >= 1:
        lines[:, ::step] = 0.75
    if pattern == 2:
        lines[::step] = 0.75
    smooth = cv2.GaussianBlur(np.float32(colour * light * lines + grain), (0, 0), 0.7)
    return np.float32(np.clip(smooth, 0, 1) * 2 - 1)


def photo_background(photo, size=SIZE):
    """The left border of a photograph, mirrored again and again until it fills (size, size, 3)."""
    strip = photo[:, : max(4, photo.shape[1] // 10)]
    strip = cv2.resize(strip, (strip.shape[1], size))
    return np.pad(strip, ((0, 0), (0, size), (0, 0)), mode="symmetric")[:, :size]


def composite_overlaps(backgrounds, seed=0):
    """IoU of the found mask and the drawn garment's own mask, one garment of each kind in turn on each background."""
    overlaps = []
    for number, background in enumerate(backgrounds):
        garment = draw_garment(GARMENT_KINDS[number % len(GARMENT_KINDS)], SIZE, seed + number)
        picture = garment.mask * garment.picture + (1 - garment.mask) * background
        overlaps.append(mask_iou(garment.mask, garment_mask(picture)))
    return np.array(overlaps)


def choose_photos(folder, count, seed):
    """Whole photographs, long side `SIZE`, chosen by `seed` from all files below the folder in order of their names."""
    files = sorted(folder.rglob("*.jpg"))
    chosen = np.random.default_rng(seed).choice(len(files), min(count, len(files)), replace=False)
    photos = [read_picture(files[number]) for number in chosen]
    return [
        resize_picture(
            photo, tuple(max(8, round(side * SIZE / max(photo.shape[:2]))) for side in photo.shape[:2]), fit="stretch"
        )
        for photo in photos
    ]


def consistency(photos, masks):
    """IoU of each photo's mask with the mask of its mirrored, darkened and cropped copy, brought back into place."""
    rows = {"mirrored": [], "darkened by 15 %": [], "cropped by 4 %": []}
    for photo, mask in zip(photos, masks):
        rows["mirrored"].append(mask_iou(mask, garment_mask(photo[:, ::-1])[:, ::-1]))
        rows["darkened by 15 %"].append(mask_iou(mask, garment_mask((photo + 1) * 0.85 - 1)))
        edge = [max(1, round(0.04 * side)) for side in photo.shape[:2]]
        inner = slice(edge[0], -edge[0]), slice(edge[1], -edge[1])
        rows["cropped by 4 %"].append(mask_iou(mask[inner], garment_mask(photo[inner])))
    return {name: np.array(values) for name, values in rows.items()}


def write_sheet(path, photos, masks, columns=6):
    """Contact sheet: photo and cut-out side by side, numbered from 0 along the rows."""
    pink = np.float32([1, -0.2, 1])
    cells = [cell for photo, mask in zip(photos, masks) for cell in (photo, mask * photo + (1 - mask) * pink)]
    cells = [resize_picture(cell, SIZE, fit="pad") for cell in cells]
    rows = [cells[start : start + 2 * columns] for start in range(0, len(cells), 2 * columns)]
    save_picture(
        contact_sheet(rows, row_titles=[str(number * columns) for number in range(len(rows))], size=SIZE), path
    )


def _row(name, values):
    high, low = np.mean(values >= 0.9), np.mean(values < 0.7)
    return f"| {name} | {len(values)} | {values.mean():.3f} | {np.median(values):.3f} | {high:.0%} | {low:.0%} |"


def _judgement(shares):
    "The line on the judged sheet; empty when other photographs were measured than those judged."
    if len(shares) != len(JUDGED["shares"]):
        return ""
    usable, bad = len(JUDGED["usable"]), len(JUDGED["bad"])
    changed = np.flatnonzero(np.abs(shares - JUDGED["shares"]) > 0.03).tolist()
    return (
        f"judged by eye on the sheet: {len(shares) - usable - bad} good, {usable} usable, {bad} bad of {len(shares)}; "
        f"masks that have changed since: {changed or 'none'}"
    )


def _timed_masks(photos):
    "The masks and the processor milliseconds that each took."
    masks, milliseconds = [], []
    for photo in photos:
        start = time.process_time()
        masks.append(garment_mask(photo))
        milliseconds.append(1000 * (time.process_time() - start))
    return masks, np.array(milliseconds)


def measure_composites(count, finder, cut_outs):
    """[(source, ground, seed number, IoU, doubts, picture, found, truth)] of `count` composites a ground and source."""
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
    bad, good = [row for row in rows if row[3] < 0.8], [row for row in rows if row[3] > 0.95]
    print(
        f"doubts: {np.mean([bool(row[4]) for row in bad] or [1]):.2f} of {len(bad)} masks below 0.8 are doubted,"
        f" {np.mean([bool(row[4]) for row in good] or [0]):.3f} of {len(good)} above 0.95"
    )
    for part, name in ((bad, "bad"), (good, "good")):
        counts = collections.Counter(doubt for row in part for doubt in row[4])
        print(f"  {name}:", ", ".join(f"{doubt} {number}" for doubt, number in counts.most_common()) or "none")
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
    parser = argparse.ArgumentParser(description="Measure the quality of garment_mask.")
    parser.add_argument("--composites", type=int, metavar="N", help="measure N composites a ground instead")
    parser.add_argument("--drawings", type=int, metavar="N", help="measure N drawings with faults at each size instead")
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512, 1000], help="pixels of the drawings")
    parser.add_argument("--finder", choices=FINDERS, default=FINDERS[0], help="default: %(default)s")
    parser.add_argument("--cut-outs", type=pathlib.Path, default=SHARED / "data" / "cutouts", help="folder of cut-outs")
    parser.add_argument("--worst", type=pathlib.Path, help="write the worst composites to this file")
    parser.add_argument(
        "--photos", type=pathlib.Path, default=SHARED / "data" / "garments", help="folder with photographs"
    )
    parser.add_argument("--sheet", type=pathlib.Path, help="write the judged contact sheet to this file")
    parser.add_argument("--count", type=int, default=60, help="number of photographs (default 60)")
    options = parser.parse_args()
    if options.drawings:
        print_drawings(options.drawings, options.finder, options.size)
        print_mistaken(SHARED / "data")
        return
    if options.composites:
        cut_outs = composites.read_cut_outs(options.cut_outs)
        print_composites(options.composites, options.finder, cut_outs, options.worst)
        return
    rng = np.random.default_rng(JUDGED["seed"])
    print("| test | pictures | mean IoU | median | at least 0.9 | below 0.7 |\n|---|---|---|---|---|---|")
    print(
        _row(
            "drawn garments on drawn backgrounds",
            composite_overlaps([drawn_background(rng) for _ in range(options.count)]),
        )
    )
    if not options.photos.is_dir():
        print(f"No photographs: {options.photos} is not a folder. Name one with --photos.")
        return
    photos = choose_photos(options.photos, options.count, JUDGED["seed"])
    print(
        _row(
            "drawn garments on borders of photographs",
            composite_overlaps([photo_background(photo) for photo in photos]),
        )
    )
    masks, spent = _timed_masks(photos)
    for name, values in consistency(photos, masks).items():
        print(_row(f"photograph and the same {name}", values))
    print(
        f"processor time per photograph, long side {SIZE}: median {np.median(spent):.0f} ms, largest"
        f" {spent.max():.0f} ms"
    )
    shares = np.array([mask.mean() for mask in masks])
    if options.sheet:
        write_sheet(options.sheet, photos, masks)
        print("shares", ", ".join(f"{share:.2f}" for share in shares))
    print(_judgement(shares))


if __name__ == "__main__":
    main()
