"""How fast is our training step? Against the article's own loop and against PyTorch, ratios in one run. `make bench` runs this.

    python benchmarks/speed.py --torch-python .venv-torch/bin/python

First checks that the article's step and ours are the same step: losses and weights after two steps, equal to 1e-4 relative; otherwise
it ends with an error. Then times every row in a fresh process, one after the other, in rounds, so that a slow minute of the machine does
not fall on one row alone. On a machine that others use as well, --processor-time gives ratios that hardly depend on them. Writes
speed.md, speed.png and speed.json into results/. Without PyTorch its rows say so.
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


# Measuring ------------------------------------------------------------------------------------------------------------
def make_start(folder, chosen):
    """Write the start file of a run; returns (path, what start.py reports)."""
    path = folder / "start.npz"
    vgg = ["--vgg-weights", chosen.vgg_weights] if chosen.vgg_weights else []
    return path, common.must(common.run_row("start.py", "--out", path, "--size", chosen.size, "--batch", BATCH, *vgg))


def run(name, start, chosen, *more):
    """One row by its name in ROWS, in a fresh process."""
    script, arguments = ROWS[name]
    given = ["--size", chosen.recipe_size, "--vgg-weights", f"{start}.h5"] if script == "recipe_loop.py" else ["--start", start]
    python = chosen.torch_python if script == "torch_loop.py" else sys.executable
    return common.run_row(script, *given, *arguments, *more, python=python, environment=common.PROCESSOR_TIME if chosen.processor_time else None)


def check_same_step(start, chosen):
    """{"shallow": {what: relative difference}, "deep": ...} of ours and the article's loop after two steps; ends the benchmark if above the tolerance."""
    found = {}
    for layers, names in (("shallow", ("ours", "article")), ("deep", ("ours, deep", "article, deep"))):
        saved = [start.with_name(f"{layers}-{index}.npz") for index in range(2)]
        for name, path in zip(names, saved):
            common.must(run(name, start, chosen, "--steps", 1, "--save", path))
        found[layers] = common.compare_outcomes(start, *saved)
        print(f"same step, {layers}:", {what: f"{value:.1e}" for what, value in found[layers].items()}, flush=True)
        if not max(found[layers].values()) <= common.TOLERANCE:
            raise SystemExit(f"ours is not the article's step ({layers} layers): {found[layers]}, at most {common.TOLERANCE} allowed")
    return found


def compare_torch(start, chosen):
    """Relative differences of PyTorch and ours after two steps, for information; {} without PyTorch."""
    saved = [start.with_name(f"torch-{index}.npz") for index in range(2)]
    rows = [run(name, start, chosen, "--steps", 1, "--save", path) for name, path in zip(("PyTorch", "ours"), saved)]
    return {} if any("failed" in row for row in rows) else common.compare_outcomes(start, *saved)


def measure(start, chosen):
    """{name: row}; the seconds of all rounds together, the smallest peak memory, the best matrix product."""
    rows = {}
    for number in range(chosen.rounds):
        for name in ROWS:
            row = run(name, start, chosen, "--steps", chosen.steps)
            print(f"round {number + 1}, {name}:", row.get("failed") or f"{common.pictures_per_second(row):.3f} pictures/s", f"(load {common.load_average()})", flush=True)
            if name in rows and not {"failed"} & (row.keys() | rows[name].keys()):
                before = rows[name]
                row = dict(row, seconds=before["seconds"] + row["seconds"], peak_mib=min(before["peak_mib"], row["peak_mib"]),
                           matmul_gflops=max(before["matmul_gflops"], row["matmul_gflops"]))
            rows[name] = row
    return rows


# Judging --------------------------------------------------------------------------------------------------------------
def matmul_peak(rows, framework):
    """Best float32 GFLOP/s of a framework's matrix product over all its rows, or None."""
    return max((row["matmul_gflops"] for row in rows.values() if framework in row.get("versions", {})), default=None)


def share_of_peak(name, rows):
    """A step's needed arithmetic per second over the matrix product's, or None: both loops on one problem need the same arithmetic."""
    ours, row = rows["ours, deep" if name.endswith("deep") else "ours"], rows[name]
    if name.startswith("recipe") or {"failed"} & (row.keys() | ours.keys()):
        return None
    framework = "torch" if "torch" in row["versions"] else "tensorflow"
    return ours["step_gflop"] / statistics.median(row["seconds"]) / matmul_peak(rows, framework)


def speed(rows, name):
    """Pictures per second of a row, or None if it failed."""
    return None if "failed" in rows[name] else common.pictures_per_second(rows[name])


def pixel_speed(rows, name):
    """Megapixels per second of a row, or None."""
    pictures = speed(rows, name)
    return pictures and pictures * rows[name]["size"] ** 2 / 1e6


def fastest_torch(rows, deep):
    """Name of PyTorch's fastest row, or None."""
    names = [name for name in rows if name.startswith("PyTorch") and name.endswith("deep") == deep and speed(rows, name)]
    return max(names, key=lambda name: speed(rows, name), default=None)


def ratios(rows):
    """[(what, ratio or None, aim or None)]: the sentences that the issue asks for."""
    def ratio(one, other, measure=speed):
        if not one or not other:
            return None
        above, below = measure(rows, one), measure(rows, other)
        return above / below if above and below else None

    found = [("ours / article's loop, loss layers to block3_conv1", ratio("ours", "article"), AIMS["article"]),
             ("ours / article's loop, loss layers to block5_conv1", ratio("ours, deep", "article, deep"), None)]
    for recipe in ("recipe demo", "recipe real"):
        found += [(f"{recipe} / article's loop, pictures", ratio(recipe, "article"), AIMS["recipe"]),
                  (f"{recipe} / article's loop, pixels", ratio(recipe, "article", pixel_speed), None)]
    for deep in (False, True):
        name = fastest_torch(rows, deep)
        found.append((f"ours / PyTorch's fastest ({name})" if name else "ours / PyTorch", ratio("ours, deep" if deep else "ours", name), AIMS["torch"]))
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
            lines.append((name, f"not measured: {row['failed']}", *[""] * 7))
            continue
        share, seconds = share_of_peak(name, rows), row["seconds"]
        lines.append((name, row["size"], row["batch"], number(speed(rows, name), 3), number(pixel_speed(rows, name), 4),
                      f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})", number(row["first"], 1), f"{row['peak_mib']:.0f} ({row['base_mib']:.0f})",
                      "-" if share is None else f"{100 * share:.0f} %"))
    return common.markdown_table(["row", "px", "batch", "pictures/s", "Mpx/s", "seconds a step: median (range)",
                                  "first step, s", "peak memory, MiB (before the first step)", "of the matrix product's speed"], lines)


def report_text(rows, same, apart, facts, start):
    """The whole Markdown page."""
    versions = {name: version for row in rows.values() for name, version in row.get("versions", {}).items()}
    judged = [(what, f"{number(ratio)} x", "-" if aim is None else f"{aim:.1f} x", "" if aim is None else "not measured" if ratio is None else "met" if ratio >= aim else "missed")
              for what, ratio, aim in ratios(rows)]
    compared = [(f"ours and the article's loop, {layers} layers", *(f"{value:.1e}" for value in found.values())) for layers, found in same.items()]
    if apart:
        compared.append(("PyTorch and ours, shallow layers", *(f"{value:.1e}" for value in apart.values())))
    peaks = {name: matmul_peak(rows, key) for name, key in (("TensorFlow", "tensorflow"), ("PyTorch", "torch"))}
    return "\n".join([
        "# Speed of a training step\n", common.facts_text(versions, **facts), "",
        f"VGG19's weights: {start['vgg19']}. The article's networks, losses, Adam; pairs drawn by code; every row in a fresh process.", "",
        common.markdown_table(["ratio, pictures a second", "measured", "aim", ""], judged),
        rows_table(rows),
        f"float32 matrix product, side {common.MATMUL_SIDE}: " + ", ".join(f"{name} {number(peak, 0)} GFLOP/s" for name, peak in peaks.items()) + ". "
        + "Arithmetic that a step needs when targets are kept: " + ", ".join(f"{rows[name]['step_gflop']:.0f} GFLOP ({name})" for name in ("ours", "ours, deep") if "step_gflop" in rows[name])
        + "; the last column is this arithmetic per second over the matrix product's.", "",
        "Relative differences after the same two steps from the same weights (losses: the largest of any term; weights: norm of the difference "
        f"over the norm of the weights, and over the norm of the change). Ours against the article's loop must stay below {common.TOLERANCE}:", "",
        common.markdown_table(["pair", *next(iter(same.values()))], compared),
        "![Pictures per second and peak memory](speed.png)\n"])


def draw_plot(rows, path):
    """Bars of pictures per second (logarithmic) and of peak memory, one line a row."""
    from matplotlib.figure import Figure  # late: see common's docstring on memory

    names = [name for name, row in rows.items() if "failed" not in row]
    colours = ["C1" if name.startswith("article") else "C2" if name.startswith("PyTorch") else "C0" for name in names]
    figure = Figure(figsize=(9, 0.32 * len(names) + 1), dpi=80, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axis, values, title, digits in ((left, [speed(rows, name) for name in names], "pictures per second", 2),
                                        (right, [rows[name]["peak_mib"] for name in names], "peak memory, MiB", 0)):
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
    options.add_argument("--vgg-weights", default=os.environ.get("FASHION_STYLE_VGG19"), help="VGG19 weights file of Keras (default: FASHION_STYLE_VGG19, Keras' cache, else random weights)")
    options.add_argument("--rounds", type=int, default=2, help="times that every row is run (default: %(default)s)")
    options.add_argument("--steps", type=int, default=5, help="timed steps of a row, for a recipe timed cycles (default: %(default)s)")
    options.add_argument("--size", type=int, default=SIZE, help="side of the pictures in px (default: %(default)s)")
    options.add_argument("--recipe-size", type=int, default=RECIPE_SIZE, help="side of the recipes' pictures in px (default: %(default)s)")
    options.add_argument("--out", type=pathlib.Path, default=common.RESULTS, help="folder to write into (default: benchmarks/results)")
    options.add_argument("--processor-time", action="store_true", help="for a busy machine: one thread each, and processor seconds instead of seconds passed")
    options.add_argument("--quick", action="store_true", help="64 px, one round, one step: does everything run? The ratios mean nothing")
    chosen = common.parse(options, arguments)
    if chosen.quick:
        chosen.rounds, chosen.size, chosen.recipe_size = 1, 64, 32
    return chosen


def main():
    chosen = options_of()
    before = common.load_average()
    with common.scratch() as folder:
        start, described = make_start(pathlib.Path(folder), chosen)
        same = check_same_step(start, chosen)
        apart = compare_torch(start, chosen)
        rows = measure(start, chosen)
    facts = {"load before": before, "rounds": chosen.rounds, "seconds": "of the processor, one thread" if chosen.processor_time else "passed, all cores"}
    text = report_text(rows, same, apart, facts, described)
    common.write_text(chosen.out / "speed.md", text)
    common.write_text(chosen.out / "speed.json", json.dumps(dict(machine=common.machine(), facts=facts, same=same, torch=apart, rows=rows), indent=1))
    draw_plot(rows, chosen.out / "speed.png")
    print(text)


if __name__ == "__main__":
    main()
