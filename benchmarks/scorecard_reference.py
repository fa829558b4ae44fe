"""Reference rows of the scorecard on held-out pairs of real pictures: identity, style picture, paste and shade.

Every fourth content is a flat, the others are photos, styles cycle through fabrics, repeats and paintings; which files
is fixed by the seed. Example: python benchmarks/scorecard_reference.py --data ../shared/data --vgg-weights
vgg19_notop.h5 --pairs 40
"""

import argparse
import itertools
import pathlib
import sys
import time

import numpy as np

from fashion_style.comparison import scorecard
from fashion_style.features import load_extractor
from fashion_style.images import PICTURE_SUFFIXES, read_picture

CONTENT_FOLDERS = ("garments", "garments", "garments", "flats")
STYLE_FOLDERS = ("patterns/fabric", "patterns/repeat", "paintings")


def read_pictures(data, folders, count, size, seed):
    """`count` pictures (count, size, size, 3) in [-1, 1], taken in turn from `folders`, each in an order fixed by
    `seed`.
    """
    files = {}
    for folder in dict.fromkeys(folders):
        found = sorted(path for path in (data / folder).rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
        if not found:
            raise SystemExit(f"no pictures in {data / folder}: --data needs the folders {sorted(set(folders))}")
        files[folder] = itertools.cycle([found[index] for index in np.random.default_rng(seed).permutation(len(found))])
    return np.stack([read_picture(next(files[folders[k % len(folders)]]), size) for k in range(count)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=pathlib.Path, required=True, help="folder with garments, flats, patterns and paintings"
    )
    parser.add_argument(
        "--vgg-weights", type=pathlib.Path, help="VGG19 weights file; without it the embedded extractor is used"
    )
    parser.add_argument("--pairs", type=int, default=40, help="number of pairs (default 40)")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures in px (default 256)")
    parser.add_argument("--seed", type=int, default=0, help="which pictures are paired (default 0)")
    parser.add_argument("--csv", type=pathlib.Path, help="write the figures of every pair to this file")
    options = parser.parse_args()
    content = read_pictures(options.data, CONTENT_FOLDERS, options.pairs, options.size, options.seed)
    style = read_pictures(options.data, STYLE_FOLDERS, options.pairs, options.size, options.seed)
    name = "vgg19" if options.vgg_weights else "embedded"
    extractor = load_extractor(name, weights=options.vgg_weights)
    started = time.perf_counter()
    table = scorecard(
        {}, content, style, extractor, callback=lambda done, total: print(f"{done} of {total} pairs", file=sys.stderr)
    )
    print(table.to_markdown())
    print(
        f"median gram of identity {np.median(table.per_pair('identity', 'gram')):.3f}; "
        f"{time.perf_counter() - started:.0f} s for {len(table.rows)} rows"
    )
    if options.csv:
        options.csv.write_text(table.to_csv())


if __name__ == "__main__":
    main()
