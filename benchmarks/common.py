"""What the benchmarks share: the problem they all solve, fresh processes, timing, memory, facts about the machine.

Imports no deep learning framework, so that the driver stays small: on Linux a child's `ru_maxrss` starts at its
parent's.
"""

import argparse
import datetime
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "results"

# The problem that article_loop.py, our_loop.py and torch_loop.py all solve.
LAYERS = {
    "shallow": dict(style=("block1_conv1", "block2_conv1", "block3_conv1"), content="block3_conv1"),
    "deep": dict(
        style=("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block5_conv1"), content="block4_conv2"
    ),
}
ALL_LAYERS = LAYERS["deep"]["style"] + (LAYERS["deep"]["content"],)
# The article's distances are not divided by anything, so these bring the three terms of the generator's loss to one
# order.
LOSS_WEIGHTS = dict(adversarial=1.0, content=1e-5, style=1e-5)
GENERATOR_RATE, CRITIC_RATE, RATE_STEPS, BETAS, EPSILON = 1e-3, 4e-4, 1000, (0.5, 0.99), 1e-5
TOLERANCE = 1e-4
# Set for the processes of a run on a busy machine: one thread, and seconds that the processor spent on the process
# instead of seconds passed.
PROCESSOR_TIME = {
    "BENCHMARK_CLOCK": "processor",
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
MATMUL_SIDE = 2048


# A process and its report ---------------------------------------------------------------------------------------------
def parser(doc, **more):
    """An ArgumentParser whose help is the script's docstring."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, **more)


def loop_parser(doc):
    """Options that every loop on the common problem understands."""
    options = parser(doc)
    options.add_argument(
        "--start", type=pathlib.Path, required=True, help="file of pictures and weights, written by start.py"
    )
    options.add_argument(
        "--layers", choices=tuple(LAYERS), default="shallow", help="layers of the losses (default: %(default)s)"
    )
    options.add_argument("--steps", type=int, default=5, help="timed steps (default: %(default)s)")
    options.add_argument("--warm-up", type=int, default=1, help="steps before the timed ones (default: %(default)s)")
    options.add_argument(
        "--save", type=pathlib.Path, help="write the losses of every step and the final weights to this .npz file"
    )
    options.add_argument("--quick", action="store_true", help="one timed step")
    return options


def parse(options, arguments=None):
    """Parsed options; --quick leaves one timed step."""
    chosen = options.parse_args(arguments)
    if getattr(chosen, "quick", False) and hasattr(chosen, "steps"):
        chosen.steps = 1
    return chosen


def peak_memory_mib():
    """Largest resident set of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def time_steps(step, count):
    """Run `count` steps: ([seconds of each], [what each returned])."""
    clock = time.process_time if os.environ.get("BENCHMARK_CLOCK") == "processor" else time.perf_counter
    seconds, results = [], []
    for _ in range(count):
        started = clock()
        results.append(step())
        seconds.append(clock() - started)
    return seconds, results


def measure_steps(step, count, warm_up=1, base=None):
    """Time `count` steps after `warm_up` >= 1 others: (start of a row, [what every step returned]).

    The row: seconds of the `first` step, in which a framework may trace, of the `second` (None without one) and, as a
    list, of the timed ones; `base_mib` and `peak_mib`, the largest memory before and after. `base`: that memory, noted
    earlier by loops that keep targets: what computing them needs belongs to the steps that use them.
    """
    base = peak_memory_mib() if base is None else base
    warm, early = time_steps(step, warm_up)
    seconds, late = time_steps(step, count)
    second = next(iter((warm + seconds)[1:]), None)
    return dict(first=warm[0], second=second, seconds=seconds, base_mib=base, peak_mib=peak_memory_mib()), early + late


def best_gflops(multiply, repeats=12):
    """float32 GFLOP/s of the fastest of `repeats` products of two square matrices of MATMUL_SIDE; `multiply()` waits
    for its result.
    """
    multiply()
    return 2 * MATMUL_SIDE**3 / min(time_steps(multiply, repeats)[0]) / 1e9


def report(**row):
    """Print a row as the last line of the output, where `run_row` looks for it."""
    print(json.dumps(row))


def _reason(finished):
    """Why a process failed, in one short line without paths of this machine: the last exception it printed, else its
    exit status.
    """
    named = [
        line for line in finished.stderr.splitlines() if re.match(r"[\w.]+(Error|Exception|Interrupt|Exit)\b", line)
    ]
    text = named[-1] if named else f"exit status {finished.returncode}"
    return re.sub(r"(/[\w.~-]+){2,}", "...", text)[:200]


def run_row(script, *arguments, python=sys.executable, environment=None):
    """Run a script of this folder in a fresh process and return the row it reports, or {"failed": why}."""
    command = [str(python), str(HERE / script), *map(str, arguments)]
    settings = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", **(environment or {}))
    finished = subprocess.run(command, capture_output=True, text=True, env=settings)
    if finished.returncode:
        return {"failed": _reason(finished)}
    return json.loads(finished.stdout.strip().splitlines()[-1])


def must(row):
    """The row, or the end of the benchmark if it failed."""
    if "failed" in row:
        raise SystemExit(f"the benchmark cannot go on: {row['failed']}")
    return row


def ask_python(statement, python=sys.executable):
    """What a fresh Python prints for a statement, or "" if it fails there."""
    finished = subprocess.run(
        [str(python), "-c", statement], capture_output=True, text=True, env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3")
    )
    return finished.stdout.strip() if finished.returncode == 0 else ""


# Comparing steps ------------------------------------------------------------------------------------------------------
def norm(arrays):
    """Euclidean norm of all numbers of a list of arrays together."""
    return float(np.sqrt(sum(np.sum(np.square(np.asarray(array, "float64"))) for array in arrays)))


def relative_difference(first, second, unit):
    """||first - second|| / ||unit|| over lists of arrays; 0 where all are equal."""
    difference = norm([np.asarray(one, "float64") - two for one, two in zip(first, second, strict=True)])
    return difference / norm(unit) if difference else 0.0


def group(archive, name):
    """The arrays of an .npz file that are called name/000, name/001 ..., in that order."""
    return [archive[key] for key in sorted(archive.files) if key.startswith(f"{name}/")]


def numbered(name, arrays):
    """{name/000: array ...}: the inverse of `group`."""
    return {f"{name}/{index:03d}": np.asarray(array) for index, array in enumerate(arrays)}


def save_outcome(path, losses, generator, critic):
    """Write what a loop arrived at: losses of every step (a list of dicts of floats), and both networks' weights in
    Keras' order and layout.
    """
    table = {f"loss/{name}": np.array([row[name] for row in losses]) for name in losses[0]}
    np.savez(path, **table, **numbered("generator", generator), **numbered("critic", critic))


def compare_outcomes(start, first, second):
    """How far two loops are apart after the same steps from the same start: {what: relative difference}.

    Losses: largest |a - b| / |b| of any term at any step. Weights: norm of the difference over all weights of a
    network, divided by the norm of the weights, and, stricter, by the norm of the change that `second` made to them.
    """
    start, first, second = (np.load(path) for path in (start, first, second))
    losses = [key for key in first.files if key.startswith("loss/")]
    apart = {"losses": max(float(np.max(np.abs(first[key] - second[key]) / np.abs(second[key]))) for key in losses)}
    for name in ("generator", "critic"):
        one, two, before = (group(archive, name) for archive in (first, second, start))
        change = [after - array for after, array in zip(two, before, strict=True)]
        apart[f"{name}, of the weights"] = relative_difference(one, two, two)
        apart[f"{name}, of the change"] = relative_difference(one, two, change)
    return apart


# Facts and tables -----------------------------------------------------------------------------------------------------
def _first_match(path, start):
    """What stands behind the colon in the first line of a file that opens with `start`, or None."""
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(start)), None)


def machine():
    """{fact: text} of the processor, cores, memory and system; no names of hosts or places."""
    model = _first_match("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    flags = (_first_match("/proc/cpuinfo", "flags") or "").split()
    widest = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "unknown vector width")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{model}, {widest}",
        "cores": str(cores),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(*names):
    """{package: version} of those that are installed, and Python's."""
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def load_average():
    """Mean number of busy processes in the last minute, as text; on a quiet machine far below 1."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "not known"


def facts_text(found, **more):
    """Date, machine and versions as a paragraph. `found`: {package: version}."""
    facts = dict(machine(), **more)
    lines = [
        datetime.date.today().isoformat(),
        *(f"{name} {value}" for name, value in facts.items()),
        *(f"{name} {version}" for name, version in found.items()),
    ]
    return "; ".join(lines) + "."


def pictures_per_second(row):
    """Pictures per second at the median step of a row."""
    return row["batch"] / statistics.median(row["seconds"])


def markdown_table(titles, rows):
    """A Markdown table; every cell is written with str()."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def write_text(path, text):
    """Write a text file in UTF-8, making its folder; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def save_jpeg(sheet, path, most):
    """Write a sheet, uint8 (H, W, 3), as a JPEG of at most `most` bytes: first the quality gives way, then the size."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(sheet)
    while True:
        for quality in range(90, 50, -5):
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= most or max(image.size) < 64:
                path.write_bytes(buffer.getvalue())
                return path
        image = image.resize([9 * side // 10 for side in image.size])


def scratch():
    """A temporary folder that removes itself, for a `with` statement."""
    return tempfile.TemporaryDirectory(prefix="fashion-style-bench-")


def plain_recipe():
    """The recipe that the ablations, the precision table and the speed table's "demo" were measured with.

    Content, style, critic and folds, as the demo of version 0.1 trained; the demo is taught by truth since.
    """
    from fashion_style.settings import TrainingSettings

    return TrainingSettings(size=64, batch=8, steps=450, width=12, mask_share=0.0)
