"""What counts is the cloth: figures inside the garment, of generators and of two recipes that need no network.

    python benchmarks/inside.py --data ../shared/data --kinds benchmarks/kinds.csv --weights "generator=runs/new"

Part one: held-out photos of clothes in held-out fabrics, repeats and paintings. A mask is found once for each and given
to every method; the print is laid on the garment's canvas by `tile_style`; the old cloth of the residue is the next
pair's print. Part two, with --kinds: all held-out photos, by the kind of their cloth; of a kind without any, all its
files. Part three: held-out drawings of all pattern families on drawn garments, whose true shading is known: does the
recogniser name the family, are the folds there, is the print as sharp? Beside the true answer, shading x print. Writes
inside.md, inside.csv (part one) and inside_sheet.jpg.
"""

import csv
import pathlib

import common
import numpy as np
import quality

TRUE = "the true answer, shading x print"
RIVAL = "paste and shade"
OWN_FILES = "none held out"


# Methods --------------------------------------------------------------------------------------------------------------
def generator_rows(named):
    """({name: dress function}, {fact: text}) of the generators {name: weights or None}."""
    from fashion_style.design import load_designer

    designers = {name: load_designer(place) for name, place in named.items()}
    facts = {f"weights of {name}, sha256": (one.sha256 or "")[:12] for name, one in designers.items()}
    return {name: _dresses(one) for name, one in designers.items()}, facts


def _dresses(designer):
    """A designer as a function of picture, laid print and mask: a print of the canvas' own size is laid one to one."""
    return lambda picture, laid, mask: designer.stylize(picture, laid, mask=mask).picture


# Parts one and two: photos --------------------------------------------------------------------------------------------
def laid_prints(styles, size):
    """The prints as they are laid over the garments' canvas, (B, size, size, 3)."""
    from fashion_style.cloth.laying import tile_style

    return np.stack([tile_style(style, size, size) for style in styles])


def read_kinds(path):
    """{file relative to the data folder: kind}."""
    with open(path, newline="", encoding="utf-8") as file:
        return {line["file"]: line["kind"] for line in csv.DictReader(file)}


def kind_files(kinds, held_out):
    """[(file, kind, whether it was held out)]: the held-out files, and all files of kinds that have none of them."""
    rich = {kind for file, kind in kinds.items() if file in held_out}
    chosen = [(file, kind, file in held_out) for file, kind in kinds.items() if file in held_out or kind not in rich]
    return sorted(chosen, key=lambda one: (one[1], one[0]))


def pairs_by_kind(data, kinds, size, seed, at_most=None):
    """(`Batch` of garments of all kinds with held-out prints, [(file, kind, whether held out)] of its rows).

    at_most: of each kind.
    """
    from fashion_style.data import held_out_pairs
    from fashion_style.reading.run_sources import picture_sources
    from fashion_style.reading.sources import PictureSource, folder_source
    from fashion_style.settings import TrainingSettings

    places = dict(
        garments=[str(data / "garments")], styles=[str(data / "patterns"), str(data / "paintings")], held_out=0.1
    )
    contents, styles = picture_sources(places, TrainingSettings(size=size, seed=seed), part="held_out")
    held_out = {pathlib.Path(name).relative_to(data).as_posix() for name in contents.names}
    chosen = kind_files(kinds, held_out)
    chosen = [one for place, one in enumerate(chosen) if at_most is None or _number_in_kind(chosen, place) < at_most]
    folders = sorted({str(data / file.split("/")[0]) for file, _, _ in chosen})
    files = folder_source(folders, part="all", masks=True, working_size=size * 3 // 2)
    places = {pathlib.Path(name).relative_to(data).as_posix(): number for number, name in enumerate(files.names)}
    numbers = [places[file] for file, _, _ in chosen]
    source = PictureSource(
        [file for file, _, _ in chosen], lambda row: files.read(numbers[row]), [kind for _, kind, _ in chosen]
    )
    pairs = held_out_pairs(source, styles, len(chosen), size=size, seed=seed)
    return pairs, [chosen[row] for row in pairs.content_numbers]


def _number_in_kind(chosen, place):
    """How many of the files before this one are of its kind."""
    return sum(kind == chosen[place][1] for _, kind, _ in chosen[:place])


def with_cloth(pairs):
    """Rows of a `Batch` in whose mask there is cloth to be judged."""
    from scipy.ndimage import binary_erosion

    from fashion_style.scoring.inside import CLOTH_FROM

    return [row for row, mask in enumerate(pairs.mask) if binary_erosion(mask[..., 0] > CLOTH_FROM, iterations=2).any()]


# Part three: drawings -------------------------------------------------------------------------------------------------
def shading_times_print(garment, laid):
    """The true answer for a drawn garment."""
    dressed = (laid * 0.5 + 0.5) * garment.shading * 2 - 1
    return np.float32(garment.picture + garment.mask * (dressed - garment.picture))


def drawing_figures(family, garment, laid, result):
    """{figure: number} of one dressed drawing."""
    from fashion_style.recogniser import recognise_family
    from fashion_style.scoring.inside import fold_light, gradient_energy

    where = (laid, garment.shading, garment.mask)
    return {
        "family named": float(recognise_family(result).names[0] == family),
        "folds, 3 % blur": fold_light(result, *where),
        "fine folds, 0.8 %": fold_light(result, *where, blur=0.008),
        "folds of luminance alone": quality.fold_correlation(result, garment),
        "gradient energy": gradient_energy(result, *where),
    }


def drawings_table(rows, each, size, families=None):
    """{row: {figure: list}} of all methods and of the true answer on drawn garments."""
    found = {name: [] for name in (*rows, TRUE)}
    for family, garment, style in quality.worn_pairs(each, size, families):
        laid = laid_prints([style], size)[0]
        for name, dress in rows.items():
            found[name].append(drawing_figures(family, garment, laid, dress(garment.picture, laid, garment.mask)))
        found[TRUE].append(drawing_figures(family, garment, laid, shading_times_print(garment, laid)))
    return {name: {figure: [one[figure] for one in all_] for figure in all_[0]} for name, all_ in found.items()}


# Reporting ------------------------------------------------------------------------------------------------------------
def write_sheet(rows, pairs, laid, path, limit=300_000):
    """Twelve pairs as a JPEG below `limit` bytes: garment, print and what every method makes of them."""
    from PIL import Image

    from fashion_style.drawing.sheets import contact_sheet

    shown = [
        [garment, cloth, *(dress(garment, cloth, mask) for dress in rows.values())]
        for garment, cloth, mask in zip(pairs.content[:12], laid, pairs.mask)
    ]
    for side in range(144, 40, -8):
        picture = contact_sheet(shown, column_titles=["garment", "print", *rows], size=side)
        Image.fromarray(picture).save(path, quality=80)
        if path.stat().st_size <= limit:
            return


def ratio_interval(values, others, samples=2000, seed=0):
    """(ratio of the means, low, high): 95 % of the ratios of resampled pairs. NaN where a mean is 0."""
    values, others = np.asarray(values), np.asarray(others)
    chosen = np.random.default_rng(seed).integers(len(values), size=(samples, len(values)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = values[chosen].mean(axis=1) / others[chosen].mean(axis=1)
        return (float(values.mean() / others.mean()), *map(float, np.quantile(ratios, (0.025, 0.975))))


def rival_table(table):
    """Every other row against paste and shade, pair by pair, as Markdown: difference and ratio of each figure."""
    lines = []
    for row in table.rows:
        if row != RIVAL:
            cells = []
            for figure in table.figures:
                difference = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*table.difference(row, RIVAL, figure))
                ratio = ratio_interval(table.per_pair(row, figure), table.per_pair(RIVAL, figure))
                cells.append(f"{difference}; x {'{:.2f} [{:.2f}, {:.2f}]'.format(*ratio)}")
            lines.append([row, *cells])
    return common.markdown_table(["minus paste and shade; times its mean", *table.figures], lines)


def kinds_table(table, labels):
    """Means of every kind and row as Markdown, with the number of garments."""
    lines = []
    for kind in dict.fromkeys(kind for _, kind, _ in sorted(labels, key=lambda one: one[1])):
        chosen = [place for place, label in enumerate(labels) if label[1] == kind]
        held = any(labels[place][2] for place in chosen)
        for row in table.rows:
            means = [f"{table.per_pair(row, figure)[chosen].mean():.2f}" for figure in table.figures]
            lines.append([kind if held else f"{kind} ({OWN_FILES})", len(chosen), row, *means])
    return common.markdown_table(["kind", "garments", "row", *table.figures], lines)


def drawings_text(found):
    """Part three as a Markdown table."""
    figures = list(next(iter(found.values())))
    lines = [[name, *(quality.interval(row[figure]) for figure in figures)] for name, row in found.items()]
    return common.markdown_table(["row", *figures], lines)


def report(chosen, table, by_kind, drawn, facts):
    """The whole page. by_kind: (table, labels) or None."""
    lines = [
        "# Inside the garment\n",
        common.facts_text(common.versions("tensorflow", "keras", "numpy"), **facts),
        "",
        "palette, chromaticity, residue: 0 is best; make: 1. The definitions are in `nbs/scoring/inside.ipynb`.\n",
        f"## {table.values.shape[1]} held-out pairs of real pictures, {chosen.size} px\n",
        table.to_markdown(digits=2),
        rival_table(table),
        "The displaced print is compared with the print as it was laid: each moved outline counts, as tint and against"
        " make.\n",
    ]
    if by_kind is not None:
        held = sum(label[2] for label in by_kind[1])
        lines += [
            f"## By the kind of cloth: {held} held-out photos, {len(by_kind[1]) - held} files of kinds without any\n",
            kinds_table(*by_kind),
        ]
    count = len(next(iter(drawn[TRUE].values())))
    lines += [
        f"## {count} held-out drawings on drawn garments, {chosen.size} px\n",
        drawings_text(drawn),
        "Gradient energy divides by the true shading, so a method that lights the cloth more brightly is above 1.",
        "Folds of luminance alone is `quality.py`'s older figure, which does not divide by the print.\n",
    ]
    return "\n".join(lines)


def options_of(arguments=None):
    """Parsed options; `rows` are {name: weights or None}, `families` those of part three (None: all)."""
    options = common.parser(__doc__)
    options.add_argument(
        "--data", type=pathlib.Path, required=True, help="folder with garments, patterns and paintings"
    )
    options.add_argument(
        "--weights", nargs="*", default=[], metavar="NAME=FILE", help="generators (default: the shipped one)"
    )
    options.add_argument("--kinds", type=pathlib.Path, help="table of files and their kinds, such as kinds.csv")
    options.add_argument("--count", type=int, default=36, help="held-out pairs (default: %(default)s)")
    options.add_argument("--size", type=int, default=256, help="side in px (default: %(default)s)")
    options.add_argument(
        "--seed", type=int, default=1, help="decides which files were kept back (default: %(default)s)"
    )
    options.add_argument("--each", type=int, default=3, help="drawings of each family (default: %(default)s)")
    options.add_argument(
        "--out", type=pathlib.Path, default=common.RESULTS, help="folder to write into (default: benchmarks/results)"
    )
    options.add_argument("--quick", action="store_true", help="3 pairs, 2 garments a kind, 3 drawings, 96 px")
    chosen = options.parse_args(arguments)
    chosen.rows = dict(_named_weights(options, text) for text in chosen.weights) or {"generator": None}
    chosen.families, chosen.of_a_kind = None, None
    if chosen.quick:
        chosen.count, chosen.each, chosen.size, chosen.of_a_kind = 3, 1, 96, 2
        chosen.families = ("stripe", "polka dot", "paisley")
    return chosen


def _named_weights(options, text):
    """(name, file) of NAME=FILE."""
    name, sign, place = text.partition("=")
    if not (name and sign and place):
        options.error(f"--weights: received {text!r}; expected NAME=FILE, such as new=runs/new")
    return name, place


def measure_kinds(chosen, rows):
    """(table, labels) of part two, or None without --kinds."""
    from fashion_style.scoring.inside_table import inside_scorecard

    if chosen.kinds is None:
        return None
    pairs, labels = pairs_by_kind(chosen.data, read_kinds(chosen.kinds), chosen.size, chosen.seed, chosen.of_a_kind)
    kept = with_cloth(pairs)
    laid = laid_prints(pairs.style, chosen.size)
    table = inside_scorecard(rows, pairs.content[kept], laid[kept], pairs.mask[kept])
    return table, [labels[row] for row in kept]


def main(arguments=None):
    chosen = options_of(arguments)
    from fashion_style.scoring.inside_table import INSIDE_BASELINES, inside_scorecard

    chosen.out.mkdir(parents=True, exist_ok=True)
    rows, facts = generator_rows(chosen.rows)
    pairs = quality.held_out(chosen.data, chosen.count, chosen.size, chosen.seed)
    laid = laid_prints(pairs.style, chosen.size)
    table = inside_scorecard(rows, pairs.content, laid, pairs.mask)
    print(table.to_markdown(digits=2), flush=True)
    common.write_text(chosen.out / "inside.csv", table.to_csv())

    every = INSIDE_BASELINES | rows
    write_sheet(every, pairs, laid, chosen.out / "inside_sheet.jpg")

    by_kind = measure_kinds(chosen, rows)
    drawn = drawings_table(every, chosen.each, chosen.size, chosen.families)
    text = report(chosen, table, by_kind, drawn, facts)
    common.write_text(chosen.out / "inside.md", text)
    print(text)


if __name__ == "__main__":
    main()
