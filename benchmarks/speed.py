"""How fast is our training step? Against the article's own loop and against PyTorch, ratios in one run.

`make bench` runs this.

    python benchmarks/speed.py --torch-python .venv-torch/bin/python

First checks that the article's step, ours and PyTorch's are the same step: losses and weights after two steps, equal to
1e-4 relative; otherwise it ends with an error. PyTorch is compared in float64, for in float32 the two frameworks round
differently. Then times every row in a fresh process, one after the other, in rounds, so that a slow minute of the
machine does not fall on one row alone. On a machine that others use as well, --processor-time gives ratios that hardly
depend on them. Writes speed.md, speed.png and speed.json into results/. Without PyTorch its rows say so.

    python benchmarks/speed.py --first-steps --processor-time [--before FOLDER WORDS]

How long does a person wait for the first step of a training, which builds the graph? This part alone, in minutes: it
writes first_step.md and leaves the other files as they are. Tracing is the work of one core. FOLDER is a checkout to
compare with, WORDS say which.
"""

import json
import os
import pathlib
import statistics
import sys

import common

SIZE, BATCH, RECIPE_SIZE = 256, 2, 128
AIMS = {"article": 3.0, "recipe": 12.0, "torch": 1.0}
# name -> (script, arguments); {size} and {recipe} of the pictures are filled in.
ROWS = {
    "article": ("article_loop.py", []),
    "article, traced": ("article_loop.py", ["--traced"]),
    "ours, targets forgotten": ("our_loop.py", ["--forget-targets"]),
    "ours": ("our_loop.py", []),
    "PyTorch": ("torch_loop.py", ["--memory", "contiguous"]),
    "PyTorch, channels last": ("torch_loop.py", []),
    "PyTorch, compiled": ("torch_loop.py", ["--compile"]),
    "article, deep": ("article_loop.py", ["--layers", "deep"]),
    "ours, deep": ("our_loop.py", ["--layers", "deep"]),
    "PyTorch, deep": ("torch_loop.py", ["--layers", "deep", "--memory", "contiguous"]),
    "PyTorch, channels last, deep": ("torch_loop.py", ["--layers", "deep"]),
    "recipe demo": ("recipe_loop.py", ["--recipe", "demo"]),
    "recipe real": ("recipe_loop.py", ["--recipe", "real"]),
}


FIRST_STEPS = ("recipe demo", "recipe real")  # what a person trains, and waits for


# Measuring ------------------------------------------------------------------------------------------------------------
def make_start(folder, chosen):
    """Write the start file of a run; returns (path, what start.py reports)."""
    path = folder / "start.npz"
    vgg = ["--vgg-weights", chosen.vgg_weights] if chosen.vgg_weights else []
    return path, common.must(common.run_row("start.py", "--out", path, "--size", chosen.size, "--batch", BATCH, *vgg))


def run(name, start, chosen, *more, tree=None):
    """One row by its name in ROWS, in a fresh process; with the package of another `tree`, if that is given."""
    script, arguments = ROWS[name]
    given = (
        ["--size", chosen.recipe_size, "--vgg-weights", f"{start}.h5"]
        if script == "recipe_loop.py"
        else ["--start", start]
    )
    python = chosen.torch_python if script == "torch_loop.py" else sys.executable
    return common.run_row(
        script,
        *given,
        *arguments,
        *more,
        python=python,
        environment={
            **(common.PROCESSOR_TIME if chosen.processor_time else {}),
            **({"PYTHONPATH": str(tree)} if tree else {}),
        },
    )


def outcome(name, start, chosen, *more):
    """File of the losses and weights that a row arrives at after two steps."""
    path = start.with_name(f"{name}{''.join(more)}.npz")
    common.must(run(name, start, chosen, "--steps", 1, "--save", path, *more))
    return path


def compare(start, pair, first, second, judged=True):
    """{what: relative difference} of two outcomes; where `judged`, ends the benchmark if one is above the tolerance."""
    found = common.compare_outcomes(start, first, second)
    print(f"{pair}:", {what: f"{value:.1e}" for what, value in found.items()}, flush=True)
    if judged and not max(found.values()) <= common.TOLERANCE:
        raise SystemExit(f"not the same step: {pair}: {found}, at most {common.TOLERANCE} allowed")
    return found


def check_same_step(start, chosen):
    """{"judged" or "shown": {pair: {what: relative difference}}} after two steps; ends the benchmark if a judged pair
    is above the tolerance.

    What is only shown says how much float32 rounds: PyTorch's and ours, and the article's loop beside itself in
    float64.
    """
    judged, shown = {}, {}
    torch = common.ask_python("import torch; print(torch.__version__)", chosen.torch_python)
    for layers, deep in (("shallow", ""), ("deep", ", deep")):
        ours, article = outcome(f"ours{deep}", start, chosen), outcome(f"article{deep}", start, chosen)
        pair = f"ours and the article's loop, {layers} layers"
        judged[pair] = compare(start, pair, ours, article)
        if torch:
            exact, exact_torch = (
                outcome(f"{name}{deep}", start, chosen, "--double") for name in ("article", "PyTorch")
            )
            pair = f"PyTorch and the article's loop, both in float64, {layers} layers"
            judged[pair] = compare(start, pair, exact_torch, exact)
            pair = f"PyTorch and ours, {layers} layers"
            shown[pair] = compare(start, pair, outcome(f"PyTorch{deep}", start, chosen), ours, judged=False)
            pair = f"the article's loop in float32 and in float64, {layers} layers"
            shown[pair] = compare(start, pair, article, exact, judged=False)
    return dict(judged=judged, shown=shown)


def measure(start, chosen):
    """{name: row}; the seconds of all rounds together, the smallest peak memory, the best matrix product."""
    rows = {}
    for number in range(chosen.rounds):
        for name in ROWS:
            row = run(name, start, chosen, "--steps", chosen.steps)
            print(
                f"round {number + 1}, {name}:",
                row.get("failed") or f"{common.pictures_per_second(row):.3f} pictures/s",
                f"(load {common.load_average()})",
                flush=True,
            )
            if name in rows and not {"failed"} & (row.keys() | rows[name].keys()):
                before = rows[name]
                row = dict(
                    row,
                    seconds=before["seconds"] + row["seconds"],
                    peak_mib=min(before["peak_mib"], row["peak_mib"]),
                    matmul_gflops=max(before["matmul_gflops"], row["matmul_gflops"]),
                )
            rows[name] = row
    return rows


def measure_first_steps(start, chosen):
    """{(row, tree): [(seconds of the first step, of the second)]}, in fresh processes, trees in turns."""
    trees = {"now": common.HERE.parent, **({"before": chosen.before} if chosen.before else {})}
    found = {(name, which): [] for name in FIRST_STEPS for which in trees}
    for number in range(chosen.rounds):
        for name, which in found:
            row = common.must(run(name, start, chosen, "--steps", 1, tree=trees[which]))
            found[name, which].append((row["first"], row["second"]))
            print(
                f"round {number + 1}, {name}, {which}: first step {row['first']:.1f} s, second {row['second']:.2f} s"
                f" (load {common.load_average()})",
                flush=True,
            )
    return found


# Judging --------------------------------------------------------------------------------------------------------------
def matmul_peak(rows, framework):
    """Best float32 GFLOP/s of a framework's matrix product over all its rows, or None."""
    return max((row["matmul_gflops"] for row in rows.values() if framework in row.get("versions", {})), default=None)


def share_of_peak(name, rows):
    """A step's needed arithmetic per second over the matrix product's, or None: all loops on the common problem need
    what ours needs.
    """
    row = rows[name]
    counted = row if name.startswith("recipe") else rows["ours, deep" if name.endswith("deep") else "ours"]
    if {"failed"} & (row.keys() | counted.keys()) or "step_gflop" not in counted:
        return None
    framework = "torch" if "torch" in row["versions"] else "tensorflow"
    return counted["step_gflop"] / statistics.median(row["seconds"]) / matmul_peak(rows, framework)


def speed(rows, name):
    """Pictures per second of a row, or None if it failed."""
    return None if "failed" in rows[name] else common.pictures_per_second(rows[name])


def pixel_speed(rows, name):
    """Megapixels per second of a row, or None."""
    pictures = speed(rows, name)
    return pictures and pictures * rows[name]["size"] ** 2 / 1e6


def fastest_torch(rows, deep):
    """Name of PyTorch's fastest row, or None."""
    names = [
        name for name in rows if name.startswith("PyTorch") and name.endswith("deep") == deep and speed(rows, name)
    ]
    return max(names, key=lambda name: speed(rows, name), default=None)


def speed_range(row, pixels=False):
    """Pictures (or megapixels) per second at the median, the slowest and the fastest step of a row."""
    amount = row["batch"] * (row["size"] ** 2 / 1e6 if pixels else 1)
    return tuple(amount / pick(row["seconds"]) for pick in (statistics.median, max, min))


def ratio_range(first, second, pixels=False):
    """(ratio of the medians, lowest, highest) of two rows' speeds, or None if one failed.

    Lowest: the slowest step of the first against the fastest of the second; highest: the other way round.
    """
    if "failed" in first or "failed" in second:
        return None
    (median, slow, fast), (other_median, other_slow, other_fast) = (
        speed_range(first, pixels),
        speed_range(second, pixels),
    )
    return median / other_median, slow / other_fast, fast / other_slow


def verdict(found, aim):
    """What a (ratio, lowest, highest) or None says of an aim: "" without one."""
    if aim is None or found is None:
        return "" if aim is None else "not measured"
    ratio, lowest, highest = found
    if lowest >= aim:
        return "met in the whole range"
    if highest < aim:
        return "missed in the whole range"
    return f"{'met' if ratio >= aim else 'missed'} at the median, not in the whole range"


def ratios(rows):
    """[(what, (ratio, lowest, highest) or None, aim or None)]: the sentences that the issue asks for."""

    def against_article(what, name, aim=None, pixels=False, deep=False):
        return what, ratio_range(rows[name], rows["article, deep" if deep else "article"], pixels), aim

    found = [
        against_article("ours / article's loop, loss layers to block3_conv1", "ours", AIMS["article"]),
        against_article("ours / article's loop, loss layers to block5_conv1", "ours, deep", deep=True),
        against_article("ours with targets forgotten / article's loop", "ours, targets forgotten"),
        against_article("article's loop traced / article's loop", "article, traced"),
    ]
    for recipe in ("recipe demo", "recipe real"):
        found += [
            against_article(f"{recipe} / article's loop, pictures", recipe, AIMS["recipe"]),
            against_article(f"{recipe} / article's loop, pixels", recipe, pixels=True),
        ]
    for deep in (False, True):
        name, ours = fastest_torch(rows, deep), rows["ours, deep" if deep else "ours"]
        what = f"ours / PyTorch's fastest ({name})" if name else "ours / PyTorch"
        found.append((what, ratio_range(ours, rows[name]) if name else None, AIMS["torch"]))
    return found


# Reporting ------------------------------------------------------------------------------------------------------------
def number(value, digits=2):
    """A number as text, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def rows_table(rows):
    """Markdown: one line a row."""
    lines = []
    for name, row in rows.items():
        if "failed" in row:
            lines.append((name, f"not measured: {row['failed']}", *[""] * 8))
            continue
        share, seconds = share_of_peak(name, rows), row["seconds"]
        lines.append(
            (
                name,
                row["size"],
                row["batch"],
                number(speed(rows, name), 3),
                number(pixel_speed(rows, name), 4),
                f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
                number(row["first"], 1),
                number(row["second"], 2),
                f"{row['peak_mib']:.0f} ({row['base_mib']:.0f})",
                "-" if share is None else f"{100 * share:.0f} %",
            )
        )
    return common.markdown_table(
        [
            "row",
            "px",
            "batch",
            "pictures/s",
            "Mpx/s",
            "seconds a step: median (range)",
            "first step, s",
            "second, s",
            "peak memory, MiB (at the start)",
            "of the matrix product's speed",
        ],
        lines,
    )


def ratios_table(rows):
    """Markdown: one line a ratio."""
    lines = []
    for what, found, aim in ratios(rows):
        ratio, lowest, highest = found or (None, None, None)
        lines.append(
            (
                what,
                f"{number(ratio)} x",
                f"{number(lowest)} to {number(highest)}",
                "-" if aim is None else f"{aim:.1f} x",
                verdict(found, aim),
            )
        )
    return common.markdown_table(["ratio, pictures a second", "of the medians", "range", "aim", ""], lines)


def differences_table(same):
    """Markdown: how far loops are apart after two steps; `same` as from `check_same_step`."""
    lines = [
        (pair, *(f"{value:.1e}" for value in found.values()), common.TOLERANCE if kind == "judged" else "-")
        for kind in ("judged", "shown")
        for pair, found in same[kind].items()
    ]
    whats = next(iter(same["judged"].values()))
    return common.markdown_table(["pair", *whats, "must stay below"], lines)


def recipes_text(rows):
    """What the recipes' pictures per second mean where a batch serves several steps."""
    served = [(name, row["pairings"]) for name, row in rows.items() if row.get("pairings", 1) > 1]
    return "".join(
        f"A batch of '{name}' serves {count} steps, each with other pairs, as in the run it is taken from: pictures/s"
        f" are pictures trained on, each read and its targets computed once in {count} steps. "
        for name, count in served
    )


def arithmetic_text(rows):
    """What the last column of the rows is made of."""
    peaks = {name: matmul_peak(rows, key) for name, key in (("TensorFlow", "tensorflow"), ("PyTorch", "torch"))}
    needed = ", ".join(
        f"{row['step_gflop']:.0f} GFLOP ({name})"
        for name, row in rows.items()
        if "step_gflop" in row and "forgotten" not in name
    )
    return (
        f"float32 matrix product, side {common.MATMUL_SIDE}: "
        + ", ".join(f"{name} {number(peak, 0)} GFLOP/s" for name, peak in peaks.items())
        + f". Arithmetic that a step cannot do without: {needed}; for the common problem with targets kept, for a"
        " recipe in the mean over steps with and without penalty and new targets. The last column is this arithmetic"
        " per second over the matrix product's: what a loop computes beyond it lowers its share."
    )


def report_text(rows, same, facts, start):
    """The whole Markdown page."""
    versions = {name: version for row in rows.values() for name, version in row.get("versions", {}).items()}
    return "\n".join(
        [
            "# Speed of a training step\n",
            common.facts_text(versions, **facts),
            "",
            (
                f"VGG19's weights: {start['vgg19']}. The article's networks, losses, Adam; pairs drawn by code; every"
                " row in a fresh process."
            ),
            "",
            ratios_table(rows),
            (
                "Range: the slowest timed step of the first against the fastest of the second, and the other way round."
                " Ours with targets forgotten is what training with `augment=True` and `pairings=1` does."
            ),
            "",
            rows_table(rows),
            (
                f"{recipes_text(rows)}Memory is the process's peak; in brackets before targets were computed and steps"
                " made."
            ),
            "",
            arithmetic_text(rows),
            "",
            (
                "Relative differences after the same two steps from the same weights (losses: the largest of any term;"
                " weights: norm of the difference over the norm of the weights, and over the norm of the change). Pairs"
                " with a bound end the benchmark above it. PyTorch is judged in float64: in float32 each framework"
                " rounds in its own way, and Adam divides gradients by their size, so that rounding of small ones"
                " becomes part of a step. How much that is, the article's loop beside itself in float64 shows."
            ),
            "",
            differences_table(same),
            "![Pictures per second and peak memory](speed.png)\n",
        ]
    )


def spread(seconds, digits):
    """Median and range as text."""
    median, low, high = (number(pick(seconds), digits) for pick in (statistics.median, min, max))
    return f"{median} ({low} to {high})"


def first_steps_text(found, chosen, facts):
    """The whole Markdown page of the first steps; `found` as from `measure_first_steps`."""
    lines = [
        (name, which, *(spread(seconds, digits) for seconds, digits in zip(zip(*pairs), (1, 2))))
        for (name, which), pairs in found.items()
    ]
    before = f" Before: {chosen.before_words}." if chosen.before else ""
    return "\n".join(
        [
            "# The first step of a training\n",
            common.facts_text(common.versions("tensorflow", "keras", "numpy"), **facts),
            "",
            common.markdown_table(["row", "tree", "first step, s: median (range)", "second step, s"], lines),
            (
                f"Recipes at {chosen.recipe_size} px, every row in a fresh process, trees in turns. The first step"
                f" builds the graph that all others run; networks and imports are not counted.{before}"
            ),
            "",
        ]
    )


def draw_plot(rows, path):
    """Bars of pictures per second (logarithmic) and of peak memory, one line a row."""
    from matplotlib.figure import Figure  # late: see common's docstring on memory

    names = [name for name, row in rows.items() if "failed" not in row]
    colours = ["C1" if name.startswith("article") else "C2" if name.startswith("PyTorch") else "C0" for name in names]
    figure = Figure(figsize=(9, 0.32 * len(names) + 1), dpi=80, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, values, title, digits in (
        (left, [speed(rows, name) for name in names], "pictures per second", 2),
        (right, [rows[name]["peak_mib"] for name in names], "peak memory, MiB", 0),
    ):
        bars = axis.barh([f"{name}, {rows[name]['size']} px" for name in names], values, color=colours)
        axis.bar_label(bars, fmt=f"%.{digits}f", padding=2, fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.15)
    left.set_xscale("log")
    left.set_xlim(0.7 * min(speed(rows, name) for name in names), 2.5 * max(speed(rows, name) for name in names))
    left.invert_yaxis()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def options_of(arguments=None):
    """Parsed options."""
    options = common.parser(__doc__)
    options.add_argument("--torch-python", default=sys.executable, help="Python that has PyTorch (default: this one)")
    options.add_argument(
        "--vgg-weights",
        default=os.environ.get("FASHION_STYLE_VGG19"),
        help="VGG19 weights file of Keras (default: FASHION_STYLE_VGG19, Keras' cache, else random weights)",
    )
    options.add_argument("--rounds", type=int, default=2, help="times that every row is run (default: %(default)s)")
    options.add_argument(
        "--steps", type=int, default=5, help="timed steps of a row, for a recipe timed cycles (default: %(default)s)"
    )
    options.add_argument("--size", type=int, default=SIZE, help="side of the pictures in px (default: %(default)s)")
    options.add_argument(
        "--recipe-size",
        type=int,
        default=RECIPE_SIZE,
        help="side of the recipes' pictures in px (default: %(default)s)",
    )
    options.add_argument(
        "--out", type=pathlib.Path, default=common.RESULTS, help="folder to write into (default: benchmarks/results)"
    )
    options.add_argument(
        "--processor-time",
        action="store_true",
        help="for a busy machine: one thread each, and processor seconds instead of seconds passed",
    )
    options.add_argument("--first-steps", action="store_true", help="only the first steps, into first_step.md")
    options.add_argument(
        "--before",
        nargs=2,
        metavar=("FOLDER", "WORDS"),
        help="for --first-steps: a checkout to compare with, and what it is",
    )
    options.add_argument(
        "--quick", action="store_true", help="64 px, one round, one step: does everything run? The ratios mean nothing"
    )
    chosen = common.parse(options, arguments)
    chosen.before, chosen.before_words = chosen.before or (None, None)
    if chosen.quick:
        chosen.rounds, chosen.size, chosen.recipe_size = 1, 64, 32
    return chosen


def run_facts(chosen, before):
    """What every page says of its run; `before`: the machine's load when it began."""
    return {
        "load before": before,
        "rounds": chosen.rounds,
        "seconds": "of the processor, one thread" if chosen.processor_time else "passed, all cores",
    }


def report_first_steps(found, chosen, before):
    """Writes first_step.md, and prints it."""
    text = first_steps_text(found, chosen, run_facts(chosen, before))
    common.write_text(chosen.out / "first_step.md", text)
    print(text)


def main():
    chosen = options_of()
    before = common.load_average()
    with common.scratch() as folder:
        start, described = make_start(pathlib.Path(folder), chosen)
        if chosen.first_steps:
            return report_first_steps(measure_first_steps(start, chosen), chosen, before)
        same = check_same_step(start, chosen)
        rows = measure(start, chosen)
    facts = run_facts(chosen, before)
    text = report_text(rows, same, facts, described)
    common.write_text(chosen.out / "speed.md", text)
    common.write_text(
        chosen.out / "speed.json",
        json.dumps(dict(machine=common.machine(), facts=facts, start=described, same=same, rows=rows), indent=1),
    )
    draw_plot(rows, chosen.out / "speed.png")
    print(text)


if __name__ == "__main__":
    main()
