"""Do two trees of this project paint the same bytes? Runs the same work in both, on this machine, and compares digests.

    .venv/bin/python tools/compare_trees.py --before FOLDER

FOLDER is a checkout of the tree before, such as a `git worktree` of 1111a32, the last one of the first house.

The work: the demo's six first designs, twelve `stylize` calls (sizes, mixes, masks, 2,000 px), and 60 training steps
with their losses and weights. Exits 1 if anything differs.
"""

import argparse
import hashlib
import importlib
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PLACES = {"sources": "reading.sources", "weights_file": "runs.weights"}  # rooms of the first house -> today's


def room(name):
    """A module of whichever tree this process runs in."""
    try:
        return importlib.import_module(f"fashion_style.{PLACES.get(name, name)}")
    except ModuleNotFoundError:
        return importlib.import_module(f"fashion_style.{name}")


def digest(array):
    """Hexadecimal SHA-256 of an array's bytes, cut short."""
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


def designs():
    """{name: digest} of the demo's first designs, and of twelve calls of `stylize`."""
    import numpy as np

    design, garments, patterns = room("design"), room("garments"), room("patterns")
    sources = [
        getattr(room("sources"), name)(part="held_out", size=256, seed=0)
        for name in ("garment_source", "pattern_source")
    ]
    pairs = room("data").held_out_pairs(*sources, 6, size=256, seed=0)
    designer, told = design.load_designer(), {}
    for number, (garment, style, mask) in enumerate(zip(pairs.content, pairs.style, pairs.mask)):
        told[f"demo {number}"] = digest(designer.stylize(garment, style, mask=mask).picture)
    dress = garments.draw_garment("dress", 192, seed=2)
    prints = [patterns.draw_pattern(family, 96, seed=3) for family in ("paisley", "tartan", "leopard")]
    half = np.float32(dress.mask * 0.5)
    calls = [
        dict(),
        dict(size=160),
        dict(size=400),
        dict(size=2000),
        dict(mask=dress.mask),
        dict(mask=half),
        dict(strength=0.5),
        dict(motif_scale=0.4),
        dict(keep_colours=True),
        dict(lock=False),
        dict(prints=2),
        dict(prints=3, weights=[0.5, 0.3, 0.2]),
    ]
    for number, call in enumerate(calls):
        many = call.pop("prints", 1)
        told[f"stylize {number} {sorted(call)}"] = digest(
            designer.stylize(dress.picture, prints[:many] if many > 1 else prints[0], **call).picture
        )
    return told


def training():
    """{name: digest} after 60 steps: every loss of every step, and every variable."""
    import numpy as np

    trainer = room("training").Trainer(room("settings").TrainingSettings(size=32, batch=2, steps=60, width=4))
    step = trainer.advance if hasattr(trainer, "advance") else trainer.train_step
    sources = [getattr(room("sources"), name)(size=32, count=12) for name in ("garment_source", "pattern_source")]
    losses = []
    for number in range(60):
        batch = room("data").make_batch(*sources, batch_size=2, size=32, seed=0, step=number)
        losses.append(list(step(batch.content, batch.style, batch.mask).values()))
    weights = [variable.numpy() for _, variable in sorted(trainer.variables().items())]
    return {
        "losses of 60 steps": digest(np.array(losses, "float64")),
        "all variables": digest(np.concatenate([np.ravel(array).astype("float64") for array in weights])),
    }


def work_in(tree):
    """The digests that a tree makes, in a process of its own."""
    environment = dict(os.environ, PYTHONPATH=str(tree), TF_CPP_MIN_LOG_LEVEL="3")
    done = subprocess.run(
        [sys.executable, __file__, "--work"], cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Prints a line for each picture and returns 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=pathlib.Path, help="checkout of the tree before")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(designs() | training()))
        return 0
    if not options.before:
        parser.error("--before FOLDER is needed: a checkout of the tree to compare with")
    before, now = work_in(options.before.resolve()), work_in(ROOT)
    for name in sorted(before | now):
        print(f"{'same' if before.get(name) == now.get(name) else 'DIFFERENT':10s}{name}")
    differing = [name for name in before | now if before.get(name) != now.get(name)]
    print(f"{len(before) - len(differing)} of {len(before)} the same bytes")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
