"""How good is the shipped generator? Every figure of the model card, on pictures that were held out, beside everything
it has to beat.

    python benchmarks/quality.py --data ../shared/data --vgg-weights vgg19_notop.h5 --also "AdaIN class=runs/adain"
    --oracle 4

Part one: whole pictures, held-out photos of clothes with held-out fabrics, repeats and paintings, scored with VGG19:
the generator's raw
output beside identity, the style picture, paste and shade, other trained generators (--also), and on the first --oracle
pairs direct
optimisation of the pixels (Gatys et al. 2016), which takes minutes a picture. Part two: inside the garment with the
lock on, held-out
drawings of all pattern families on drawn garments: does the recogniser of the recogniser chapter still name the family,
are the folds still there,
and is the background the same bit for bit? Writes quality.md, quality.csv, quality_sheet.jpg and failures.jpg. The
oracle's pictures are
kept beside them (quality_oracle.npz, not for git), so that a second run takes up where the first was stopped.
"""

import hashlib
import os
import pathlib
import time

import common
import numpy as np

ORACLE_LAYERS = dict(
    content="block4_conv2", style=("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1")
)


# Part one: whole pictures ---------------------------------------------------------------------------------------------
def held_out(data, count, size, seed):
    """`Batch` of `count` pairs of photos and styles that the shipped generator was not trained on: the files that its
    run kept back.
    """
    from fashion_style.reading.pairs import distinct_pairs
    from fashion_style.reading.run_sources import picture_sources
    from fashion_style.settings import TrainingSettings

    places = dict(
        garments=[str(data / "garments")], styles=[str(data / "patterns"), str(data / "paintings")], held_out=0.1
    )
    return distinct_pairs(
        *picture_sources(places, TrainingSettings(size=size, seed=seed), part="held_out"), count, size=size, seed=seed
    )


def optimise(content, style, extractor, steps, style_weight=10.0, rate=0.03):
    """Direct optimisation of the pixels (Gatys et al. 2016): Adam from the garment on relative content and Gram loss.

    content, style: (H, W, 3) in [-1, 1]. Returns ((H, W, 3) in [-1, 1], losses (steps,)).
    """
    import keras
    import tensorflow as tf

    from fashion_style.content import relative_content_loss
    from fashion_style.gram import gram_matrix, relative_style_loss

    wanted = extractor(content[None])[ORACLE_LAYERS["content"]]
    features = extractor(style[None])
    grams = [gram_matrix(features[layer]) for layer in ORACLE_LAYERS["style"]]
    pixels, optimizer = (
        tf.Variable(content[None]),
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.05)),
    )
    optimizer.build([pixels])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            found = extractor(pixels)
            loss = relative_content_loss(found[ORACLE_LAYERS["content"]], wanted)
            loss += style_weight * relative_style_loss(
                [gram_matrix(found[layer]) for layer in ORACLE_LAYERS["style"]], grams
            )
        optimizer.apply([tape.gradient(loss, pixels)], [pixels])
        pixels.assign(tf.clip_by_value(pixels, -1.0, 1.0))
        return loss

    losses = [float(step()) for _ in range(steps)]
    return pixels[0].numpy(), losses


def oracle_pictures(pairs, count, steps, extractor, path):
    """(pictures (count, H, W, 3), seconds of each) by `optimise`; those in the file at `path` are not made again."""
    kept = dict(np.load(path)) if path.is_file() else {}
    for index in range(count):
        key = f"{index}-{steps}-{pairs.content.shape[1]}-{digest(pairs.content[index], pairs.style[index])}"
        if key not in kept:
            started = time.perf_counter()
            kept[key], losses = optimise(pairs.content[index], pairs.style[index], extractor, steps)
            kept[f"seconds {key}"] = time.perf_counter() - started
            print(
                f"oracle, pair {index + 1} of {count}: loss {losses[0]:.2f} to {losses[-1]:.2f} in"
                f" {kept[f'seconds {key}']:.0f} s",
                flush=True,
            )
            aside = path.with_suffix(".part.npz")
            np.savez(aside, **kept)
            os.replace(aside, path)
        yield kept[key], float(kept[f"seconds {key}"])


def digest(*pictures):
    """Eight hexadecimal digits that stand for some pictures."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(picture).tobytes() for picture in pictures)).hexdigest()[:8]


def paint_all(designer, pairs):
    """The generator's raw pictures, nothing locked."""
    from fashion_style.studio.evaluation import dress_pairs

    return dress_pairs(designer, pairs, lock=False)


# Part two: inside the garment -----------------------------------------------------------------------------------------
def worn_pairs(each, size, families=None):
    """`each` held-out drawings of every family (or of those named) and the drawn garment that wears it: (family,
    garment, style), one after the other.
    """
    from fashion_style.garments import GARMENT_KINDS, draw_garment
    from fashion_style.patterns import PATTERN_FAMILIES, draw_pattern

    for number, family in enumerate(PATTERN_FAMILIES if families is None else families):
        for turn in range(each):
            seed = 1_000_000 + 1000 * turn + number  # far from every seed that a run draws with
            garment = draw_garment(GARMENT_KINDS[(number + 7 * turn) % len(GARMENT_KINDS)], size, seed)
            yield family, garment, draw_pattern(family, size, seed)


def worn_patterns(designer, each, size):
    """`each` held-out drawings of every family on drawn garments, locked: list of dicts with garment, style, design and
    pasted.
    """
    from fashion_style.cloth.laying import tile_style
    from fashion_style.garments import paste_and_shade

    found = []
    for family, garment, style in worn_pairs(each, size):
        design = designer.stylize(garment.picture, style, mask=garment.mask).picture
        pasted = paste_and_shade(garment.picture, garment.mask, tile_style(style, size, size))
        found.append(dict(family=family, garment=garment, style=style, design=design, pasted=pasted))
    return found


def fold_correlation(picture, garment):
    """Correlation of a design's light with the garment's shading inside its mask, coarse: averaged over windows of a
    twelfth of the height.

    A print has light and dark of its own, which no fold explains; windows as wide as a fold average it out. Returns a
    number in [-1, 1].
    """
    from scipy.ndimage import uniform_filter

    mask, width = garment.mask[..., 0], 1 + 2 * (picture.shape[0] // 24)
    weight = uniform_filter(mask, width) + 1e-6
    coarse = [
        uniform_filter(light * mask, width) / weight
        for light in (picture @ np.float32([0.299, 0.587, 0.114]), garment.shading[..., 0])
    ]
    inside = mask > 0.5
    return float(np.corrcoef(coarse[0][inside], coarse[1][inside])[0, 1])


def inside_rows(worn):
    """{row: {"family": list of 0 or 1, "folds": list, "background": list of 0 or 1}} for the generator and paste and
    shade.
    """
    from fashion_style.recogniser import recognise_family

    rows = {}
    for row, key in (("generator", "design"), ("paste and shade", "pasted")):
        rows[row] = dict(
            family=[float(recognise_family(item[key]).names[0] == item["family"]) for item in worn],
            folds=[fold_correlation(item[key], item["garment"]) for item in worn],
            background=[
                float((item[key] == item["garment"].picture)[item["garment"].mask[..., 0] == 0].all()) for item in worn
            ],
        )
    return rows


# Reporting ------------------------------------------------------------------------------------------------------------
def sheet(rows, titles, path, side, limit):
    """Contact sheet as a JPEG below `limit` bytes."""
    from fashion_style.drawing.sheets import contact_sheet
    from fashion_style.images import save_picture

    while True:
        save_picture(contact_sheet(rows, column_titles=titles, size=side), path)
        if path.stat().st_size <= limit or side < 48:
            return
        side -= 8


def failures(table, pairs, pictures, count=6):
    """Rows of the pairs with the largest Gram and palette distance of the generator, worst first."""

    def rank(figure):
        return np.argsort(np.argsort(table.per_pair("generator", figure)))

    worst = np.argsort(-(rank("gram") + rank("palette")))[:count]
    return [[pairs.content[index], pairs.style[index], pictures[index]] for index in worst]


def interval(values):
    """Mean and 95 % bootstrap interval as text."""
    from fashion_style.comparison import bootstrap_interval

    return "{:.3f} [{:.3f}, {:.3f}]".format(*bootstrap_interval(values))


def report(chosen, table, oracle, seconds, inside, worn, facts):
    """The whole Markdown page."""
    lines = [
        "# How good is the shipped generator?\n",
        common.facts_text(common.versions("tensorflow", "keras", "numpy"), **facts),
        "",
        f"## Whole pictures, {table.values.shape[1]} held-out pairs of real pictures, {chosen.size} px, VGG19\n",
        table.to_markdown(),
    ]
    if oracle is not None:
        lines += [
            (
                f"The first {oracle.values.shape[1]} pairs, beside {chosen.oracle_steps} steps of direct optimisation"
                f" ({np.mean(seconds):.0f} s a picture, while other work ran on the machine):\n"
            ),
            oracle.to_markdown(),
        ]
    lines += [
        f"## Inside the garment, locked: {len(worn)} held-out drawings on drawn garments, embedded recogniser\n",
        common.markdown_table(
            ["row", "family named", "folds: correlation with the shading", "background the same bit for bit"],
            [
                (row, interval(found["family"]), interval(found["folds"]), f"{np.mean(found['background']):.0%}")
                for row, found in inside.items()
            ],
        ),
    ]
    return "\n".join(lines)


def options_of(arguments=None):
    """Parsed options."""
    options = common.parser(__doc__)
    options.add_argument(
        "--data", type=pathlib.Path, required=True, help="folder with garments, patterns and paintings"
    )
    options.add_argument(
        "--vgg-weights", type=pathlib.Path, help="file of VGG19's weights (default: Keras' own download)"
    )
    options.add_argument("--weights", help="run folder or exported file to judge (default: the shipped generator)")
    options.add_argument(
        "--also", nargs="*", default=[], metavar="NAME=RUN", help="other trained generators, as rows of their own"
    )
    options.add_argument("--count", type=int, default=24, help="held-out pairs (default: %(default)s)")
    options.add_argument("--size", type=int, default=256, help="side in px (default: %(default)s)")
    options.add_argument(
        "--seed",
        type=int,
        default=1,
        help="seed of the run that is judged: it decides which files were kept back (default: %(default)s)",
    )
    options.add_argument("--each", type=int, default=3, help="worn drawings of each family (default: %(default)s)")
    options.add_argument(
        "--oracle", type=int, default=0, metavar="PAIRS", help="pairs for direct optimisation (default: none)"
    )
    options.add_argument("--oracle-steps", type=int, default=500, help="its steps (default: %(default)s)")
    options.add_argument(
        "--out", type=pathlib.Path, default=common.RESULTS, help="folder to write into (default: benchmarks/results)"
    )
    options.add_argument("--quick", action="store_true", help="4 pairs, one drawing a family")
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.count, chosen.each = min(chosen.count, 4), 1
    return chosen


def main():
    chosen = options_of()
    from fashion_style.comparison import scorecard
    from fashion_style.design import load_designer
    from fashion_style.features import load_extractor

    chosen.out.mkdir(parents=True, exist_ok=True)
    designer, extractor = load_designer(chosen.weights), load_extractor("vgg19", weights=chosen.vgg_weights)
    pairs = held_out(chosen.data, chosen.count, chosen.size, chosen.seed)
    rows = {"generator": paint_all(designer, pairs)}
    for name, _, place in (text.partition("=") for text in chosen.also):
        rows[name] = paint_all(load_designer(place), pairs)
    table = scorecard(rows, pairs.content, pairs.style, extractor)
    print(table.to_markdown(), flush=True)
    worn = worn_patterns(designer, chosen.each, chosen.size)
    inside = inside_rows(worn)
    print(
        {
            row: {name: round(float(np.mean(values)), 3) for name, values in found.items()}
            for row, found in inside.items()
        },
        flush=True,
    )
    oracle, seconds = None, []
    if chosen.oracle:
        made, seconds = zip(
            *oracle_pictures(pairs, chosen.oracle, chosen.oracle_steps, extractor, chosen.out / "quality_oracle.npz")
        )
        first = {name: pictures[: chosen.oracle] for name, pictures in rows.items()}
        oracle = scorecard(
            {**first, "direct optimisation": np.stack(made)},
            pairs.content[: chosen.oracle],
            pairs.style[: chosen.oracle],
            extractor,
        )
        columns = ["garment", "style", *first, "direct optimisation"]
        sheet(
            [list(row) for row in zip(pairs.content, pairs.style, *first.values(), made)],
            columns,
            chosen.out / "quality_sheet.jpg",
            144,
            300_000,
        )
    sheet(
        failures(table, pairs, rows["generator"]),
        ["garment", "style", "generator, nothing locked"],
        chosen.out / "failures.jpg",
        144,
        200_000,
    )
    common.write_text(
        chosen.out / "quality.md",
        report(chosen, table, oracle, seconds, inside, worn, {"weights sha256": (designer.sha256 or "")[:12]}),
    )
    common.write_text(chosen.out / "quality.csv", table.to_csv())
    print((chosen.out / "quality.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
