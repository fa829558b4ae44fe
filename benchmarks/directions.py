"""Does the print follow the garment? Sleeves that are found, their direction, and stripes measured on them.

    python benchmarks/directions.py

Drawn garments of seeds that no training saw and no rule was tried on; the mask is the one that `garment_mask` finds on
the drawing, the parts are those that `find_parts` sees there. A sleeve counts as found when its overlap with the drawn
one is at least 0.6. Its true direction is square to the cuff's line that `sleeve_panel` drew. The stripes are those of
a print laid by `lay_out` and `lay_print`, folds and all; their direction is a structure tensor's over the sleeve.
Writes directions.md.
"""

import pathlib
import zlib

import common
import numpy as np

KINDS = ("t-shirt", "polo", "shirt", "sweater", "hoodie", "blazer", "coat")
FOUND_FROM = 0.6  # overlap with the drawn sleeve
WAYS = {
    "shaded drawings, parts of the segmenter": ("shaded", True),
    "the same, outline and dark seams alone": ("shaded", False),
    "technical drawings, parts of the segmenter": ("flat", True),
}
LEAST_MEAN, LEAST_KIND, LEAST_DIRECTION, MOST_DEGREES, MOST_STRIPES = 0.90, 0.75, 0.95, 10.0, 3.0


# The truth ------------------------------------------------------------------------------------------------------------
def sleeve_truth(garment, seed):
    """{"left" or "right": (region (H, W), angle in radians as the print sees it)} of a drawn garment's sleeves."""
    from fashion_style.drawing.curves import PARTS
    from fashion_style.drawing.shapes import GARMENT_SHAPES

    columns = np.arange(garment.parts.shape[1])
    middle = np.flatnonzero((garment.parts > 0).any(axis=0))[[0, -1]].mean()
    found = {}
    for panel in GARMENT_SHAPES[garment.kind](np.random.default_rng([zlib.crc32(garment.kind.encode()), seed])):
        if panel.part == "sleeve":
            side = "left" if panel.outline[:, 0].mean() < 0 else "right"
            line = (panel.stitches or panel.seams)[0]
            across, down = line[-1] - line[0]
            half = columns < middle if side == "left" else columns >= middle
            sleeve = (garment.parts == 1 + PARTS.index("sleeve")) & half
            found[side] = sleeve, float(-np.arctan2(down, across))
    return found


def degrees_between(first, second):
    """Degrees between two lines given in radians: 0 to 90."""
    return float(np.rad2deg(abs((first - second + np.pi / 2) % np.pi - np.pi / 2)))


def stripe_direction(laid, region):
    """The angle, in radians as the print sees it, of upright stripes as they lie in a region: of a structure tensor."""
    import cv2

    grey = cv2.GaussianBlur(laid.mean(axis=-1), (0, 0), 1)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    inside = cv2.erode(np.uint8(np.pad(region, 1)), np.ones((7, 7), np.uint8))[1:-1, 1:-1] > 0
    inside = inside if inside.any() else region
    double = np.arctan2(2 * (across * down)[inside].sum(), (across**2 - down**2)[inside].sum())
    return float(-double / 2)


# Measuring ------------------------------------------------------------------------------------------------------------
def measure_garment(garment, seed, with_parts):
    """[(overlap, degrees off the truth, degrees of the stripes off the frame)] of drawn sleeves; None: not found."""
    from fashion_style.cloth.layout import lay_out, lay_print
    from fashion_style.cloth.limbs import find_limbs
    from fashion_style.cloth.masks import garment_mask
    from fashion_style.cloth.parts import find_parts
    from fashion_style.cloth.sleeves import region_overlap

    mask = garment_mask(garment.picture)
    labels = find_parts(garment.picture, mask) if with_parts else None
    regions = {limb.name: limb.region for limb in find_limbs(mask, garment.picture, labels).limbs}
    layout = lay_out(mask, garment.picture, labels)
    frames = {frame.name: frame for frame in layout.frames}
    stripes = np.where(np.arange(64) < 32, 0.8, -0.8)[None, :, None] * np.ones((64, 1, 3))
    laid = lay_print(np.float32(stripes), layout, motif_scale=0.06)
    rows = []
    for side, (drawn, angle) in sleeve_truth(garment, seed).items():
        name = f"{side} sleeve"
        overlap = region_overlap(regions.get(name), drawn)
        if overlap < FOUND_FROM:
            rows.append((overlap, None, None))
            continue
        lies = stripe_direction(laid, regions[name])
        rows.append((overlap, degrees_between(frames[name].angle, angle), degrees_between(lies, frames[name].angle)))
    return rows


def measure(kinds, count, first_seed, size, render, with_parts):
    """{kind: [(overlap, degrees, degrees)] of all drawn sleeves}."""
    from fashion_style.garments import draw_garment

    found = {}
    for kind in kinds:
        seeds = range(first_seed, first_seed + count)
        rows = [measure_garment(draw_garment(kind, size, seed, render=render), seed, with_parts) for seed in seeds]
        found[kind] = [row for garment in rows for row in garment]
    return found


# Reporting ------------------------------------------------------------------------------------------------------------
def summary(rows):
    """{figure: number} of [(overlap, degrees, degrees)]."""
    overlaps = np.array([row[0] for row in rows])
    degrees = np.array([row[1] for row in rows if row[1] is not None] or [np.nan])
    stripes = np.array([row[2] for row in rows if row[2] is not None] or [np.nan])
    return {
        "sleeves": len(rows),
        "found": float(np.mean(overlaps >= FOUND_FROM)),
        "median overlap": float(np.median(overlaps)),
        "direction, median": float(np.median(degrees)),
        f"within {MOST_DEGREES:.0f} degrees": float(np.mean(degrees <= MOST_DEGREES)),
        "direction, worst": float(degrees.max()),
        "stripes, median": float(np.median(stripes)),
        "stripes, worst": float(stripes.max()),
    }


def table(found):
    """Markdown of all kinds, and of all sleeves together."""
    lines, every = [], [row for rows in found.values() for row in rows]
    for name, rows in [*found.items(), ("all", every)]:
        figures = summary(rows)
        lines.append([name, figures["sleeves"], *(f"{value:.2f}" for value in list(figures.values())[1:])])
    return common.markdown_table(["kind", *summary(every)], lines)


def verdicts(found):
    """[(what is asked, whether it is so, the figure)] of the first way."""
    shares = [summary(rows)["found"] for rows in found.values()]
    every = summary([row for rows in found.values() for row in rows])
    near = every[f"within {MOST_DEGREES:.0f} degrees"]
    return [
        (f"found, mean of the kinds, at least {LEAST_MEAN:.2f}", np.mean(shares) >= LEAST_MEAN, np.mean(shares)),
        (f"found, the worst kind, at least {LEAST_KIND:.2f}", min(shares) >= LEAST_KIND, min(shares)),
        (f"direction within {MOST_DEGREES:.0f} degrees, at least {LEAST_DIRECTION:.2f}", near >= LEAST_DIRECTION, near),
        (
            f"stripes off the frame, the worst, at most {MOST_STRIPES:.0f} degrees",
            every["stripes, worst"] <= MOST_STRIPES,
            every["stripes, worst"],
        ),
    ]


def report(chosen, measured):
    """The whole page of {way: {kind: rows}}."""
    lines = [
        "# Prints that follow the garment\n",
        common.facts_text(common.versions("tensorflow", "opencv-python-headless", "scikit-image", "scipy", "numpy")),
        f"\n{chosen.count} drawings of each kind, {chosen.size} px, seeds from {chosen.seed}; masks as found."
        f" found: overlap of at least {FOUND_FROM} with the drawn sleeve. Angles in degrees, of the sleeves found.\n",
    ]
    for number, (way, found) in enumerate(measured.items()):
        lines += [f"## {way[0].upper()}{way[1:]}\n", table(found)]
        if number == 0:
            lines += [f"* {asked}: {figure:.3f}, {'yes' if held else 'NO'}" for asked, held, figure in verdicts(found)]
            lines.append("")
    return "\n".join(lines)


def options_of(arguments=None):
    """Parsed options; `kinds` are those that are drawn."""
    options = common.parser(__doc__)
    options.add_argument("--count", type=int, default=24, help="drawings of each kind (default: %(default)s)")
    options.add_argument("--size", type=int, default=256, help="side in px (default: %(default)s)")
    options.add_argument("--seed", type=int, default=12_000, help="of the first drawing (default: %(default)s)")
    options.add_argument(
        "--out", type=pathlib.Path, default=common.RESULTS, help="folder to write into (default: benchmarks/results)"
    )
    options.add_argument("--quick", action="store_true", help="one drawing of two kinds, 192 px, the first way")
    chosen = options.parse_args(arguments)
    chosen.kinds, chosen.ways = KINDS, WAYS
    if chosen.quick:
        chosen.count, chosen.size, chosen.kinds = 1, 192, ("t-shirt", "sweater")
        chosen.ways = dict([*WAYS.items()][:1])
    return chosen


def main(arguments=None):
    chosen = options_of(arguments)
    measured = {}
    for way, (render, with_parts) in chosen.ways.items():
        measured[way] = measure(chosen.kinds, chosen.count, chosen.seed, chosen.size, render, with_parts)
        print(way, table(measured[way]), sep="\n\n", flush=True)
    text = report(chosen, measured)
    common.write_text(chosen.out / "directions.md", text)
    print(text)


if __name__ == "__main__":
    main()
