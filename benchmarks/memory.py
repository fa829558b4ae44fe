"""Peak memory and time of a training step at 256 px when the batch is cut up (accumulate) or activations are computed
twice (recompute).

    python benchmarks/memory.py

A fresh process for every row. "article" are the article's networks with VGG19's losses, "recipe" is what `fashion-style
demo` trains.
Neither option can save what a process holds before it computes anything: TensorFlow itself, weights and pictures. So
the tables show
memory above that too: targets, activations and gradients. The targets of "article" are computed once for the whole
batch, before the first
step; that pass is neither cut up nor computed twice, so it bounds what the options can save there. Writes
results/memory.md.
"""

import pathlib
import statistics

import common

VARIANTS = [(accumulate, recompute) for recompute in (False, True) for accumulate in (1, 2, 4)]


def measure(script, *arguments):
    """Rows of one script: [(accumulate, recompute, row)], in fresh processes one after the other."""
    rows = []
    for accumulate, recompute in VARIANTS:
        row = common.run_row(script, *arguments, "--accumulate", accumulate, *["--recompute"] * recompute)
        print(
            script,
            f"accumulate={accumulate} recompute={recompute}:",
            row.get("failed") or f"{row['peak_mib']:.0f} MiB",
            flush=True,
        )
        rows.append((accumulate, recompute, row))
    return rows


def table(rows):
    """Markdown: memory and seconds of a step, and both as shares of the plain step's, which is the first row."""
    cells = []
    for accumulate, recompute, row in rows:
        cell = (accumulate, "on" if recompute else "off")
        if "failed" in {*row, *rows[0][2]}:
            cells.append((*cell, row.get("failed", "the plain step failed"), "", "", "", ""))
            continue
        (memory, above, seconds), plain = figures(row), figures(rows[0][2])
        cells.append(
            (
                *cell,
                f"{memory:.0f}",
                f"{above:.0f}",
                f"{above / plain[1]:.2f}",
                f"{seconds:.2f}",
                f"{seconds / plain[2]:.2f}",
            )
        )
    return common.markdown_table(
        [
            "accumulate",
            "recompute",
            "peak memory, MiB",
            "above the start, MiB",
            "of the plain step's memory above the start",
            "seconds a step",
            "of the plain step's seconds",
        ],
        cells,
    )


def figures(row):
    """(peak MiB, MiB above what the process held before targets and first step, median seconds)."""
    return row["peak_mib"], row["peak_mib"] - row["base_mib"], statistics.median(row["seconds"])


def main():
    options = common.parser(__doc__)
    options.add_argument("--size", type=int, default=256, help="side of the pictures in px (default: %(default)s)")
    options.add_argument("--batch", type=int, default=8, help="pairs, a multiple of 4 (default: %(default)s)")
    options.add_argument(
        "--steps", type=int, default=2, help="timed steps, for the recipe timed cycles (default: %(default)s)"
    )
    options.add_argument("--vgg-weights", help="VGG19 weights file of Keras")
    options.add_argument(
        "--out",
        type=pathlib.Path,
        default=common.RESULTS / "memory.md",
        help="file to write (default: benchmarks/results/memory.md)",
    )
    options.add_argument("--quick", action="store_true", help="pictures of 64 px, batch 4, one step")
    chosen = common.parse(options)
    if chosen.quick:
        chosen.size, chosen.batch = 64, 4
    print(f"load before: {common.load_average()}")
    with common.scratch() as folder:
        start = pathlib.Path(folder) / "start.npz"
        vgg = ["--vgg-weights", chosen.vgg_weights] if chosen.vgg_weights else []
        common.must(common.run_row("start.py", "--out", start, "--size", chosen.size, "--batch", chosen.batch, *vgg))
        article = measure("our_loop.py", "--start", start, "--steps", chosen.steps)
        recipe = measure(
            "recipe_loop.py", "--size", chosen.size, "--batch", chosen.batch, "--steps", chosen.steps, "--feed", "fixed"
        )
    facts = common.facts_text(article[0][2].get("versions", {}))
    text = (
        f"# Memory of a training step at {chosen.size} px, batch {chosen.batch}\n\n{facts}\n\nThe start: TensorFlow,"
        " weights and pictures, before any target is computed.\n\nThe article's networks, VGG19 to block3_conv1,"
        f" targets kept:\n\n{table(article)}\nThe recipe of the demo:\n\n{table(recipe)}"
    )
    print(f"{text}\nwritten to {common.write_text(chosen.out, text).name}")


if __name__ == "__main__":
    main()
