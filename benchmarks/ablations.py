"""What does each part of the method earn? Train without it, on the same pictures, and score all on the same held-out
pairs.

    python benchmarks/ablations.py

Drawn garments and patterns and the embedded extractor, so that anybody can run it. Each variant trains in a fresh
process under --runs and is kept: a variant that is finished with the same settings is not trained again, one that was
interrupted goes on. Writes table.md, the figures of every pair as CSV, costs.csv and a contact sheet into --out, about
half an hour of two idle cores.
"""

import csv
import hashlib
import io
import json
import pathlib
import re
import time

import common
import numpy as np

OUT = common.HERE.parent / "nbs" / "tutorials" / "ablations"
RUNS = common.HERE.parent / "runs" / "ablations"
PLAIN = "full"
# The style weight of each statistic: the plain recipe's, times what leaving the garment as it is costs in Gram matrices
# over what it costs
# in this statistic (median of 64 training pairs; the tutorial measures it again).
VARIANTS = {
    PLAIN: {},
    "full, second seed": dict(seed=1),
    "full, third seed": dict(seed=2),
    "no adversarial term": dict(weights=dict(adversarial=0.0)),
    "no content loss": dict(weights=dict(content=0.0)),
    "no style loss": dict(weights=dict(style=0.0)),
    "no spatial path": dict(paths="global"),
    "no global path": dict(paths="spatial"),
    "critic sees no style": dict(critic="article"),
    "moments": dict(style_statistics="moments", weights=dict(style=4.2)),
    "sliced": dict(style_statistics="sliced", weights=dict(style=4.5)),
    "U-Net": dict(generator="unet"),
    "the article's generator": dict(generator="article"),
}
SHEET_BYTES = 350_000
FIGURES = ("content", "ssim", "gram", "swd", "palette")


# One variant, in a process of its own ---------------------------------------------------------------------------------
def variant_settings(name, steps):
    """The plain recipe's `TrainingSettings` with a variant's changes and a number of steps."""
    from fashion_style.settings import TrainingSettings

    plain, changes = common.plain_recipe().to_dict(), dict(VARIANTS[name])
    weights = dict(plain["weights"], **changes.pop("weights", {}))
    return TrainingSettings.from_dict(dict(plain, **changes, weights=weights, steps=steps))


def run_folder(name, steps, runs):
    """Where a variant trains: the folder's name changes with every setting that is not the package's default."""
    from fashion_style.settings import TrainingSettings

    usual, chosen = (flat.to_dict() for flat in (TrainingSettings(), variant_settings(name, steps)))
    for values, defaults in ((chosen["weights"], usual["weights"]), (chosen, usual)):
        for same in [key for key in values if values[key] == defaults[key]]:
            del values[same]
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()
    return runs / f"{re.sub('[^a-z]+', '-', name.lower()).strip('-')}-{digest[:8]}"


def drawn_sources(part, size):
    """Drawn garments and patterns, `part` "train" or "held_out"."""
    from fashion_style.reading.sources import garment_source, pattern_source

    return [make(part=part, size=size, seed=0) for make in (garment_source, pattern_source)]


def scored_pairs(chosen):
    """The held-out `Batch` that every variant dresses."""
    from fashion_style.data import held_out_pairs

    return held_out_pairs(*drawn_sources("held_out", chosen.size), chosen.pairs, size=chosen.size, seed=0)


def designs_file(name, chosen):
    """What a finished variant leaves: the pictures it paints on the scored pairs, and its costs."""
    return run_folder(name, chosen.steps, chosen.runs) / f"designs-{chosen.size}-{chosen.pairs}.npz"


def train_variant(name, chosen):
    """Train one variant (or go on with it) and keep what it paints."""
    from fashion_style.design import load_designer
    from fashion_style.runs.checkpoints import list_checkpoints
    from fashion_style.runs.loop import train
    from fashion_style.runs.plan import Schedule, Start, Watchers
    from fashion_style.studio.evaluation import dress_pairs

    folder, settings, clock = run_folder(name, chosen.steps, chosen.runs), variant_settings(name, chosen.steps), []
    train(
        folder,
        settings,
        *drawn_sources("train", settings.size + 16),
        start=Start(resume=bool(list_checkpoints(folder))),
        schedule=Schedule(grid_every=chosen.steps, checkpoint_every=100),
        watchers=Watchers(callback=lambda progress: clock.append(time.process_time())),
    )
    designer = load_designer(folder)
    np.savez(
        designs_file(name, chosen),
        painted=dress_pairs(designer, scored_pairs(chosen), lock=False),
        parameters=designer.generator.count_params(),
        seconds=processor_seconds(clock),
    )


def processor_seconds(clock):
    """Mean processor seconds of a step, all cores together, from the process's clock after every step; the first four
    hold the tracing.
    """
    late = clock[3:] if len(clock) > 4 else clock
    return (late[-1] - late[0]) / (len(late) - 1) if len(late) > 1 else float("nan")


# All of them ----------------------------------------------------------------------------------------------------------
def scored(painted, pairs):
    """Two `ScorecardTable`s, inside the garment (designs locked to it) and of whole pictures, and the designs {name:
    (B, H, W, 3)}.
    """
    from fashion_style.comparison import scorecard
    from fashion_style.design import lock_garment
    from fashion_style.features import load_extractor

    designs = {
        name: np.stack([lock_garment(*parts) for parts in zip(pictures, pairs.content, pairs.mask)])
        for name, pictures in painted.items()
    }
    extractor = load_extractor("embedded")
    return (
        scorecard(designs, pairs.content, pairs.style, extractor, pairs.mask),
        scorecard(painted, pairs.content, pairs.style, extractor),
        designs,
    )


def cell(mean, low, high, sign=""):
    """A figure and its interval; in bold a difference whose interval leaves 0 out."""
    text = f"{mean:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"
    return f"**{text}**" if sign and not low <= 0 <= high else text


def tables(table, costs):
    """Markdown: figures of every row with what it cost, and below them the paired differences to the plain recipe."""
    rows = [
        (name, *(cell(*table.interval(name, figure)) for figure in FIGURES), *costs.get(name, ("", "")))
        for name in table.rows
    ]
    text = common.markdown_table(["", *FIGURES, "parameters", "processor seconds a step"], rows)
    if PLAIN in table.rows:
        rows = [
            (name, *(cell(*table.difference(name, PLAIN, figure), "+") for figure in FIGURES))
            for name in table.rows
            if name != PLAIN
        ]
        text += f"\nMinus `{PLAIN}`, pair by pair; bold where 0 lies outside the interval:\n\n" + common.markdown_table(
            ["", *FIGURES], rows
        )
    return text


def write_sheet(designs, pairs, chosen):
    """The contact sheet: garment, style and every variant's design, one pair a row: a JPEG of at most SHEET_BYTES."""
    from fashion_style.drawing.sheets import contact_sheet

    rows = [list(row) for row in zip(pairs.content, pairs.style, *designs.values())][: chosen.shown]
    sheet = contact_sheet(rows, column_titles=["garment", "style", *designs], size=96)
    common.save_jpeg(sheet, chosen.out / "sheet.jpg", SHEET_BYTES)


def write_all(chosen, load):
    """Score every finished variant; write table, figures, costs and sheet; returns the table's text."""
    kept = {name: np.load(designs_file(name, chosen)) for name in VARIANTS if designs_file(name, chosen).exists()}
    pairs = scored_pairs(chosen)
    inside, whole, designs = scored({name: archive["painted"] for name, archive in kept.items()}, pairs)
    costs = {
        name: (f"{int(archive['parameters']):,}", f"{float(archive['seconds']):.2f}") for name, archive in kept.items()
    }
    settings = variant_settings(PLAIN, chosen.steps)
    facts = common.facts_text(common.versions("tensorflow", "keras", "numpy"), **{"load before": load})
    head = (
        f"`python benchmarks/ablations.py --steps {chosen.steps} --pairs {chosen.pairs} --size {chosen.size}`."
        f" {chosen.steps} steps of {settings.batch} pairs at {settings.size} px each, embedded extractor, drawn"
        f" pictures; {chosen.pairs} held-out pairs at {chosen.size} px, inside the garment, designs locked to it; mean"
        " [95% bootstrap interval]."
    )
    report = f"{facts}\n\n{head}\n\n{tables(inside, costs)}"
    common.write_text(chosen.out / "table.md", report)
    common.write_text(chosen.out / "figures_garment.csv", inside.to_csv())
    common.write_text(chosen.out / "figures_picture.csv", whole.to_csv())
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [
            ("variant", "parameters", "processor_seconds_a_step"),
            *((name, int(kept[name]["parameters"]), cost[1]) for name, cost in costs.items()),
        ]
    )
    common.write_text(chosen.out / "costs.csv", text.getvalue())
    write_sheet(designs, pairs, chosen)
    return report


def parse(arguments=None):
    """The options; --quick leaves a few steps and pairs and never touches the tutorial's files."""
    options = common.parser(__doc__)
    options.add_argument(
        "--steps", type=int, default=240, help="generator steps of each variant (default: %(default)s)"
    )
    options.add_argument("--pairs", type=int, default=24, help="held-out pairs to score (default: %(default)s)")
    options.add_argument(
        "--size", type=int, default=128, help="side of the scored pictures in px (default: %(default)s)"
    )
    options.add_argument("--shown", type=int, default=8, help="pairs on the sheet (default: %(default)s)")
    options.add_argument(
        "--only",
        nargs="+",
        choices=tuple(VARIANTS),
        metavar="NAME",
        help=f"train these variants only: {', '.join(VARIANTS)}",
    )
    options.add_argument(
        "--runs", type=pathlib.Path, default=RUNS, help="where variants train and stay (default: runs/ablations)"
    )
    options.add_argument(
        "--out", type=pathlib.Path, default=OUT, help="folder to write (default: nbs/tutorials/ablations)"
    )
    options.add_argument(
        "--quick", action="store_true", help="3 steps, 4 pairs; writes to RUNS/quick unless --out is given"
    )
    options.add_argument(
        "--variant", choices=tuple(VARIANTS), help="train this one here, write no table (what the driver calls)"
    )
    chosen = options.parse_args(arguments)
    if chosen.quick:
        chosen.steps, chosen.pairs, chosen.size, chosen.shown = 3, 4, 64, 4
        chosen.out = chosen.out if chosen.out != OUT else chosen.runs / "quick"
    return chosen


def main():
    chosen = parse()
    if chosen.variant:
        train_variant(chosen.variant, chosen)
        return common.report(variant=chosen.variant)
    load = common.load_average()
    for name in chosen.only or VARIANTS:
        if not designs_file(name, chosen).exists():
            same = ["--steps", chosen.steps, "--pairs", chosen.pairs, "--size", chosen.size, "--runs", chosen.runs]
            common.must(common.run_row("ablations.py", "--variant", name, *same))
        print(
            f"{name}: {float(np.load(designs_file(name, chosen))['seconds']):.2f} processor seconds a step", flush=True
        )
    print(write_all(chosen, load))


if __name__ == "__main__":
    main()
