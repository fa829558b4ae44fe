"""How often a print's repeat is found, and how often an exact tile is taken for a piece.

    python benchmarks/periods.py --data ../shared/data

Part one: exact tiles of all drawn families at three sizes, and a 2-stripe, a 3-stripe, a gingham and a check. A tile is
misjudged if `plan_laying` does not lay the whole of it straight. Part two: swatches whose repeat is known. A drawn tile
wraps, so it is laid over and over, and a piece of 1.6 to 2.9 tiles a side is cut out at random, which ends in mid
repeat; clean, and with noise and uneven light. With --data the same with real repeats, each taken as one tile. Part
three, with --data: fabrics and paintings, of which nothing is known, and how they are laid. Writes periods.md.

A period is right on an axis if it is within a pixel or 2 % of the tile's side or of its smallest repeat, or of one of
them divided by 1 to 4; or of the side divided by a number that divides the tile into equal repeats. Equal means: rolled
by so much, the tile agrees with itself to 0.9. Where the tile does not change along an axis, every period is right.
The column "by the side alone" takes only the tile's side divided by 1 to 4.
"""

import pathlib

import common
import numpy as np

SIZES = (256, 351, 700)
NOISE, SHADE = 0.04, 0.5  # of the range of values; of the light, lost towards one side
LEAST, MOST = 1.6, 2.9  # tiles a side of a swatch


# Tiles ----------------------------------------------------------------------------------------------------------------
def basic_tiles(size):
    """{name: uint8 (size, size, 3)} of the plainest repeats."""
    thirds, halves, quarters = (np.arange(size) * parts // size for parts in (3, 2, 4))
    red, blue, white = np.uint8([200, 30, 40]), np.uint8([30, 60, 150]), np.uint8([245, 240, 230])

    def across(lines):
        return np.repeat(lines[:, None], size, axis=1)

    both = (halves[:, None] + halves[None]) / 2
    return {
        "2-stripe": across(np.stack([white, blue])[halves]),
        "3-stripe": across(np.stack([white, blue, red])[thirds]),
        "gingham": (white + both[..., None] * (red - white.astype(float))).astype(np.uint8),
        "check": np.stack([white, red])[(quarters[:, None] + quarters[None]) % 2],
    }


def drawn_tiles(size):
    """{family: uint8 (size, size, 3)} of all families."""
    from fashion_style.images import to_uint8
    from fashion_style.patterns import PATTERN_FAMILIES, draw_pattern

    return {family: to_uint8(draw_pattern(family, size)) for family in PATTERN_FAMILIES}


def real_tiles(folder):
    """{file name: uint8 (h, w, 3)} of the real repeats."""
    from fashion_style.images import open_picture

    return {path.name: open_picture(path) for path in sorted(folder.glob("*.png"))}


# Part one -------------------------------------------------------------------------------------------------------------
def judge_tiles(tiles):
    """{judgement: names} of exact tiles."""
    from fashion_style.cloth.repeats import IN_0_1, plan_laying
    from fashion_style.cloth.seams import REPEATS_UP_TO, seam_ratio

    found = dict(ratio=[], mirrored=[], cut=[], then=[])
    for name, tile in tiles.items():
        plan = plan_laying(tile)
        found["ratio"] += [name] * (seam_ratio(tile) > REPEATS_UP_TO)
        found["mirrored"] += [name] * (plan.layout == "mirror")
        found["cut"] += [name] * (plan.layout != "mirror" and plan.piece != (0, 0, *tile.shape[:2]))
        found["then"] += [name] * (plan_laying(tile, IN_0_1).layout == "mirror")
    return found


def named(names):
    """How many, and which."""
    return f"{len(names)}: {', '.join(names)}" if names else "0"


def tiles_table():
    """Part one as a Markdown table."""
    rows = []
    for size in SIZES:
        for kind, tiles in (("families", drawn_tiles(size)), ("2-stripe, 3-stripe, gingham, check", basic_tiles(size))):
            found = judge_tiles(tiles)
            rows.append(
                [size, f"{len(tiles)} {kind}" if len(tiles) > 4 else kind, named(found["mirrored"] + found["cut"])]
                + [named(found[key]) for key in ("ratio", "then")]
            )
    titles = ["pixels", "exact tiles", "misjudged", "seam ratio alone above 1.05", "misjudged by version 0.1"]
    return common.markdown_table(titles, rows)


# Part two -------------------------------------------------------------------------------------------------------------
def equal_parts(tile):
    """(down, across): into how many equal repeats a tile divides, at most; 0 where it does not change.

    By the power spectrum: rolled by a k-th of its side, a tile of power p(f) agrees to sum(p cos(2 pi f / k)) / sum(p).
    """
    values = tile.astype(float) - tile.mean(axis=(0, 1))
    power = np.square(np.abs(np.fft.fft2(values, axes=(0, 1)))).sum(axis=2)
    parts = []
    for axis in (0, 1):
        line, side = power.sum(axis=1 - axis), tile.shape[axis]
        turns = np.fft.fftfreq(side) * side
        if line[0] >= 0.98 * power.sum():
            parts.append(0)
            continue
        agree = [(line * np.cos(2 * np.pi * turns / count)).sum() for count in range(1, side // 3)]
        parts.append(max(count for count, value in enumerate(agree, start=1) if value >= 0.9 * power.sum()))
    return parts


def _near(period, wanted):
    return any(abs(period - one) <= max(1.0, 0.02 * one) for one in wanted)


def is_right(repeat, shape, parts, strict=False):
    """Whether both periods are right; `strict`: by the tile's side alone."""
    if not repeat.layout:
        return False
    right = True
    for period, side, count in zip((repeat.rows, repeat.columns), shape, parts):
        wanted = [side / part for part in range(1, 5)]
        if count and not strict:
            wanted += [side / count / part for part in range(1, 5)]
            wanted += [side / part for part in range(1, count + 1) if count % part == 0]
        right = right and (not count or _near(period, wanted))
    return right


def mid_repeat(tile, rng):
    """A piece of the endless cloth of a tile that ends in mid repeat on both axes."""
    height, width = tile.shape[:2]
    sides = [0, 0]
    for axis, side in enumerate((height, width)):
        while not sides[axis] or abs(sides[axis] / side - round(sides[axis] / side)) < 0.1:
            sides[axis] = int(rng.uniform(LEAST, MOST) * side)
    top, left = rng.integers(0, height), rng.integers(0, width)
    return np.tile(tile, (4, 4, 1))[top : top + sides[0], left : left + sides[1]]


def in_poor_light(swatch, rng):
    """A swatch under light that falls from one side, with noise in every value."""
    down, across = np.mgrid[0 : swatch.shape[0], 0 : swatch.shape[1]] / max(swatch.shape)
    angle = rng.uniform(0, 2 * np.pi)
    way = np.cos(angle) * across + np.sin(angle) * down
    light = 1 - SHADE * (way - way.min()) / np.ptp(way)
    noisy = swatch / 255 * light[..., None] + rng.normal(0, NOISE, swatch.shape)
    return np.clip(np.rint(noisy * 255), 0, 255).astype(np.uint8)


def laid_seam(swatch, plan):
    """The seam ratio of the piece of a swatch that is laid, its light evened out."""
    from fashion_style.cloth.laying import tile_style
    from fashion_style.cloth.seams import seam_ratio

    height, width = plan.piece[2:]
    return seam_ratio(
        tile_style(swatch, height, width, motif_scale=min(swatch.shape[:2]) / min(height, width), repeat=plan)
    )


def find_periods(tiles, poor, seed):
    """(right, right by the side alone, names that are wrong, seam ratios of the pieces laid straight) of a swatch of
    each.
    """
    from fashion_style.cloth.period import find_repeat
    from fashion_style.cloth.repeats import plan_laying

    rng, right, strict, wrong, seams = np.random.default_rng(seed), 0, 0, [], []
    for name, tile in tiles.items():
        swatch = mid_repeat(tile, rng)
        swatch = in_poor_light(swatch, rng) if poor else swatch
        repeat, parts = find_repeat(swatch), equal_parts(tile)
        right += is_right(repeat, tile.shape, parts)
        strict += is_right(repeat, tile.shape, parts, strict=True)
        wrong += [] if is_right(repeat, tile.shape, parts) else [name]
        plan = plan_laying(swatch)
        seams += [] if plan.layout == "mirror" else [laid_seam(swatch, plan)]
    return right, strict, wrong, seams


def periods_table(groups, seed):
    """Part two as a Markdown table, of {name: tiles}."""
    rows = []
    for name, tiles in groups.items():
        for poor in (False, True):
            right, strict, wrong, seams = find_periods(tiles, poor, seed)
            rows.append(
                [
                    name,
                    "noise, uneven light" if poor else "clean",
                    f"{right} of {len(tiles)} ({right / len(tiles):.1%})",
                    strict,
                    f"{len(seams) / len(tiles):.0%}",
                    f"{np.mean(np.array(seams) <= 1.05):.0%}, {np.median(seams):.2f}",
                    ", ".join(wrong[:12]) + (" ..." if len(wrong) > 12 else ""),
                ]
            )
    titles = [
        "tiles",
        "swatch",
        "period right",
        "by the side alone",
        "laid straight",
        "of these seam <= 1.05, median",
        "not right",
    ]
    return common.markdown_table(titles, rows)


# Part three -----------------------------------------------------------------------------------------------------------
def strangers_table(data):
    """How pictures of which nothing is known are laid, as a Markdown table."""
    from fashion_style.cloth.repeats import plan_laying
    from fashion_style.images import open_picture

    rows = []
    for name, folder in (("close-ups of fabrics", data / "patterns" / "fabric"), ("paintings", data / "paintings")):
        pictures = [open_picture(path) for path in sorted(folder.glob("*.jpg"))]
        plans = [(plan_laying(picture), picture.shape[:2]) for picture in pictures]
        cut = sum(plan.layout == "straight" and plan.piece[2:] != shape for plan, shape in plans)
        mirrored = sum(plan.layout == "mirror" for plan, _ in plans)
        rows.append([name, len(plans), len(plans) - cut - mirrored, cut, mirrored])
    return common.markdown_table(["pictures", "count", "laid as they are", "cut to whole repeats", "mirrored"], rows)


# Report ---------------------------------------------------------------------------------------------------------------
def options_of(arguments):
    options = common.parser(__doc__)
    options.add_argument("--data", type=pathlib.Path, help="folder with patterns/repeat, patterns/fabric and paintings")
    options.add_argument("--seed", type=int, default=0, help="of the swatches (default: %(default)s)")
    options.add_argument("--side", type=int, default=160, help="of drawn tiles, pixels (default: %(default)s)")
    options.add_argument(
        "--out", type=pathlib.Path, default=common.RESULTS, help="folder (default: benchmarks/results)"
    )
    return common.parse(options, arguments)


def main(arguments=None):
    chosen = options_of(arguments)
    groups = {"drawn families": drawn_tiles(chosen.side)}
    groups |= {"real repeats": real_tiles(chosen.data / "patterns" / "repeat")} if chosen.data else {}
    facts = common.facts_text(common.versions("numpy", "scipy", "opencv-python-headless", "scikit-image"))
    parts = [
        "# Repeats found\n",
        f"{facts}\n",
        f"`python benchmarks/periods.py{' --data DATA' * bool(chosen.data)} --seed {chosen.seed} --side {chosen.side}`."
        " What each figure means stands at the head of that file.\n",
        "## Exact tiles\n",
        tiles_table(),
        "## Swatches that end in mid repeat\n",
        periods_table(groups, chosen.seed),
    ]
    if chosen.data:
        parts += ["## Pictures of which nothing is known\n", strangers_table(chosen.data)]
    text = "\n".join(parts)
    common.write_text(chosen.out / "periods.md", text)
    print(text)


if __name__ == "__main__":
    main()
