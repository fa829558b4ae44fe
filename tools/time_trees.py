"""Is this tree slower than another one? Times the same work in both, pair by pair, on this machine.

    .venv/bin/python tools/time_trees.py --before FOLDER

FOLDER is a checkout of the tree before, as for compare_trees.py. Both trees are up at the same time and take turns, and
who begins changes from pair to pair, so that a slow minute of the machine falls on both. Prints for a training step,
for `stylize`, and for the first `stylize` of a fresh process (`load_designer` and the call, with and without the
imports before them) the median of each, and the median ratio now / before with the range of the middle 80% of the
pairs; and before and after it the rate of a float32 matrix product. A ratio below 1 says that this tree is faster.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

from compare_trees import ROOT, room

MATRIX_SIDE = 2048


def matrix_rate(repeats=8):
    """GFLOP/s of the fastest of some float32 products of two square matrices (NumPy)."""
    import numpy as np

    matrix = np.ones((MATRIX_SIDE, MATRIX_SIDE), np.float32)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    return 2 * MATRIX_SIDE**3 / min(seconds) / 1e9


def training_step():
    """A function that makes one training step of the default networks at 64 px, traced already."""
    trainer = room("training").Trainer(room("settings").TrainingSettings(size=64, batch=4, steps=10_000))
    step = trainer.advance if hasattr(trainer, "advance") else trainer.train_step
    sources = [getattr(room("sources"), name)(size=64, count=16) for name in ("garment_source", "pattern_source")]
    batch_size = trainer.settings.batch * trainer.settings.critic_steps
    batch = room("data").make_batch(*sources, batch_size=batch_size, size=64, seed=0, step=0)
    return lambda: step(batch.content, batch.style, batch.mask)


def painting():
    """A function that dresses one garment at 256 px with the shipped generator."""
    designer = room("design").load_designer()
    dress = room("garments").draw_garment("dress", 256, seed=2)
    style = room("patterns").draw_pattern("paisley", 128, seed=3)
    return lambda: designer.stylize(dress.picture, style)


WORK = {"training step": training_step, "stylize": painting}


def serve(name):
    """Does the work once for every line of standard input, and answers with its seconds."""
    work = WORK[name]()
    for _ in range(3):  # tracing, and caches
        work()
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        work()
        print(time.perf_counter() - started, flush=True)


def start(tree, *arguments):
    """This script in a process of its own, with the modules of a tree."""
    environment = dict(os.environ, PYTHONPATH=str(tree), TF_CPP_MIN_LOG_LEVEL="3")
    return subprocess.Popen(
        [sys.executable, __file__, *arguments],
        cwd=tree,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answers(process):
    """Asks a serving process for one more piece of work; its seconds."""
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def paint_first():
    """Prints the seconds of `load_designer` and its first `stylize`, imports apart."""
    for name in ("design", "garments", "patterns"):
        room(name)
    started = time.perf_counter()
    painting()()
    print(time.perf_counter() - started)


def first_process(tree):
    """(seconds of a fresh process that imports, loads the designer and dresses one garment; those without imports)."""
    started = time.perf_counter()
    said, _ = start(tree, "--first").communicate()
    return time.perf_counter() - started, float(said.splitlines()[-1])


def in_turns(measure, trees, pairs):
    """[(measured before, measured now)] of so many pairs; who begins changes from pair to pair."""
    taken = []
    for pair in range(pairs):
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        measured = {which: measure(trees[which]) for which in order}
        taken.append((measured[0], measured[1]))
    return taken


def tell(name, taken):
    """One line: medians, median ratio, and the range of the middle 80% of the ratios."""
    ratios = sorted(now / before for before, now in taken)
    low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
    before, now = (statistics.median(column) for column in zip(*taken))
    print(
        f"{name:14s} before {1e3 * before:8.1f} ms   now {1e3 * now:8.1f} ms   "
        f"ratio {statistics.median(ratios):.3f} ({low:.3f} to {high:.3f}), {len(taken)} pairs",
        flush=True,
    )


def main():
    """Prints the rate of the machine and a line for each work."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=pathlib.Path, help="checkout of the tree before")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of each work; a quarter of them of first calls")
    parser.add_argument("--serve", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--first", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    if options.first:
        return paint_first()
    if not options.before:
        parser.error("--before FOLDER is needed: a checkout of the tree to compare with")
    trees = options.before.resolve(), ROOT
    print(f"matrix product before: {matrix_rate():.0f} GFLOP/s", flush=True)
    for name in WORK:
        processes = [start(tree, "--serve", name) for tree in trees]
        for process in processes:
            process.stdout.readline()
        tell(name, in_turns(answers, processes, options.pairs))
        for process in processes:
            process.stdin.close()
            process.wait()
    taken = in_turns(first_process, trees, max(2, options.pairs // 4))
    for place, name in enumerate(("first process", "first stylize")):
        tell(name, [(before[place], now[place]) for before, now in taken])
    print(f"matrix product after: {matrix_rate():.0f} GFLOP/s")


if __name__ == "__main__":
    sys.exit(main())
