"""Masks of 60 photographs, judged by eye: print the table, and which masks have changed since they were judged.

    python tests/judge_masks.py [--photos FOLDER] [--sheet SHEET.png] [--write]

`judged_masks.csv` holds file, share of the picture that the mask covered, verdict and words. "Wrong": a large part is
lost or much ground is dressed; "usable": a visible part is lost (a cuff, a strap) or something small is dressed (a
hanger, a label); the rest is good. The 60 were chosen by chance (seed 2027) from the 626 photographs that no cut-out
was made of, so that neither training nor composites have seen them. --write puts the shares of today into the table,
where the sheet has been looked at again.
"""

import argparse
import csv
import os
import pathlib

import numpy as np

from fashion_style.cloth.masks import find_garment
from fashion_style.cloth.overlap import mask_iou
from fashion_style.drawing.sheets import contact_sheet
from fashion_style.images import read_picture, resize_picture, save_picture

SHARED = pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", pathlib.Path(__file__).parents[2] / "shared"))
TABLE = pathlib.Path(__file__).with_name("judged_masks.csv")
VERDICTS = ("good", "usable", "wrong")
MOVED = 0.02  # of the picture: a mask whose share has changed by more wants to be looked at again


def read_judgements(table=TABLE):
    """Rows of the table: dicts of file, covered, verdict, words."""
    with table.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_judgements(rows, table=TABLE):
    with table.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, ["file", "covered", "verdict", "words"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def stability(photos, masks):
    """Median IoU of each photo's mask with that of its mirrored, darkened and cropped copy, brought back into place."""
    rows = {"mirrored": [], "darkened by 15 %": [], "cropped by 4 %": []}
    for photo, mask in zip(photos, masks):
        rows["mirrored"].append(mask_iou(mask, find_garment(photo[:, ::-1]).mask[:, ::-1]))
        rows["darkened by 15 %"].append(mask_iou(mask, find_garment((photo + 1) * 0.85 - 1).mask))
        edge = [max(1, round(0.04 * side)) for side in photo.shape[:2]]
        inner = slice(edge[0], -edge[0]), slice(edge[1], -edge[1])
        rows["cropped by 4 %"].append(mask_iou(mask[inner], find_garment(photo[inner]).mask))
    return {name: np.array(values) for name, values in rows.items()}


def write_sheet(path, photos, masks, columns=6, size=200):
    """Contact sheet: photo and cut-out side by side, numbered from 0 along the rows."""
    pink = np.float32([1, -0.2, 1])
    cells = [cell for photo, mask in zip(photos, masks) for cell in (photo, mask * photo + (1 - mask) * pink)]
    cells = [resize_picture(cell, size, fit="pad") for cell in cells]
    rows = [cells[start : start + 2 * columns] for start in range(0, len(cells), 2 * columns)]
    rows[-1] += [np.ones((size, size, 3), np.float32)] * (2 * columns - len(rows[-1]))
    save_picture(
        contact_sheet(rows, row_titles=[str(number * columns) for number in range(len(rows))], size=size), path
    )


def print_table(rows, found):
    """Verdicts with their warnings, counts, and masks that have changed."""
    print("| file | verdict | why | warned |\n|---|---|---|---|")
    for row, answer in zip(rows, found):
        print(f"| {row['file']} | {row['verdict']} | {row['words']} | {', '.join(answer.doubts)} |")
    for verdict in VERDICTS:
        warned = [bool(answer.doubts) for row, answer in zip(rows, found) if row["verdict"] == verdict]
        print(f"{verdict}: {len(warned)}, {sum(warned)} of them with a warning")
    changed = [
        row["file"] for row, answer in zip(rows, found) if abs(answer.mask.mean() - float(row["covered"])) > MOVED
    ]
    print("masks that have changed since:", ", ".join(changed) or "none")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--photos", type=pathlib.Path, default=SHARED / "data" / "garments", help="folder of photographs"
    )
    parser.add_argument("--sheet", type=pathlib.Path, help="write photographs and masks to this file")
    parser.add_argument("--write", action="store_true", help="put the shares of today into the table")
    options = parser.parse_args()
    rows = read_judgements()
    photos = [read_picture(options.photos / row["file"]) for row in rows]
    found = [find_garment(photo) for photo in photos]
    print_table(rows, found)
    masks = [answer.mask for answer in found]
    for name, values in stability(photos[::4], masks[::4]).items():
        print(f"photograph and the same {name}: median IoU {np.median(values):.3f}, least {values.min():.3f}")
    if options.sheet:
        write_sheet(options.sheet, photos, masks)
    if options.write:
        write_judgements([dict(row, covered=f"{mask.mean():.3f}") for row, mask in zip(rows, masks)])


if __name__ == "__main__":
    main()
