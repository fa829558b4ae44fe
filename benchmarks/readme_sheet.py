"""README's first picture: twelve held-out garments and three technical flats, dressed by the shipped generator.

    python benchmarks/readme_sheet.py --data ../shared/data

The pairs are the first twelve of quality.py's 24; of the twenty flats none was held out, so the three are said to be
training pictures wherever the sheet is shown. Masks are found as for any user's file. Writes readme_sheet.jpg.
"""

import pathlib

import common
import numpy as np
import quality

FLATS = ("breanna", "carlton", "simon")  # a dress's block, a coat and a shirt, by the beginnings of their files' names
SHEET_BYTES = 300_000


def flats(data, names):
    """Paths of the flats whose file names begin with `names`, in that order."""
    files = sorted(path for path in (data / "flats").rglob("*") if path.is_file())
    found = [next((path for path in files if path.name.startswith(name)), None) for name in names]
    if None in found:
        raise SystemExit(f"no flat named {names[found.index(None)]} in {data / 'flats'}")
    return found


def rows_of(data, size, seed, names):
    """[(garment, print, design)], pictures in [-1, 1]: twelve held-out pairs, then the flats in prints of the next."""
    from fashion_style.design import load_designer
    from fashion_style.images import open_picture, resize_picture, to_float

    pairs, designer = quality.held_out(data, 24, size, seed), load_designer()
    rows = [
        (garment, style, designer.stylize(garment, style, mask=mask).picture)
        for garment, style, mask in zip(pairs.content[:12], pairs.style, pairs.mask)
    ]
    for path, style in zip(flats(data, names), pairs.style[12:]):
        drawing = to_float(resize_picture(open_picture(path), size))
        rows.append((drawing, style, designer.stylize(drawing, style).picture))
    return rows


def main(arguments=None):
    from fashion_style.drawing.sheets import contact_sheet

    options = common.parser(__doc__)
    options.add_argument("--data", type=pathlib.Path, required=True, help="folder with garments, patterns, flats")
    options.add_argument("--size", type=int, default=256, help="side in px (default: %(default)s)")
    options.add_argument("--seed", type=int, default=1, help="decides what was kept back (default: %(default)s)")
    options.add_argument("--flats", nargs="*", default=FLATS, help="beginnings of files' names (default: %(default)s)")
    options.add_argument("--out", type=pathlib.Path, default=common.RESULTS, help="default: benchmarks/results")
    chosen = options.parse_args(arguments)
    rows = [list(row) for row in rows_of(chosen.data, chosen.size, chosen.seed, chosen.flats)]
    while len(rows) % 3:
        rows.append([np.ones_like(rows[0][0])] * 3)
    lines = [sum(rows[place : place + 3], []) for place in range(0, len(rows), 3)]
    sheet = contact_sheet(lines, column_titles=["garment", "print", "design"] * 3, size=144)
    chosen.out.mkdir(parents=True, exist_ok=True)
    common.save_jpeg(sheet, chosen.out / "readme_sheet.jpg", SHEET_BYTES)
    common.report(rows=len(rows))


if __name__ == "__main__":
    main()
