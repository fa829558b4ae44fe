"""Pictures per second and load of a GPU for sizes, batches, precision and XLA; without a GPU it says so and writes
nothing.

    python benchmarks/gpu_table.py

The recipe of the demo (or --recipe real), a fresh process for every row. "fed" takes batches from our input pipeline,
"fixed" repeats one batch: if both columns agree, the pipeline is not the limit. float32 rows use TF32 in matrix
products and convolutions where the GPU has it, as TensorFlow does by default. Rows that run out of memory say which
batch fits. Writes results/gpu.md.
"""

import itertools
import pathlib

import common

SIZES, BATCHES, PRECISIONS = (128, 256), (8, 32, 128), ("float32", "mixed_bfloat16")
LIST_GPUS = (
    "import tensorflow as tf; print([tf.config.experimental.get_device_details(gpu).get('device_name', gpu.name) for"
    " gpu in tf.config.list_physical_devices('GPU')])"
)


def cell(row):
    """Pictures per second, or the reason why there are none."""
    return row["failed"] if "failed" in row else f"{common.pictures_per_second(row):.1f}"


def measure(chosen):
    """Table rows, printed as they come."""
    rows = []
    for size, batch, precision, xla in itertools.product(chosen.sizes, chosen.batches, PRECISIONS, (False, True)):
        arguments = [
            "--recipe",
            chosen.recipe,
            "--size",
            size,
            "--batch",
            batch,
            "--precision",
            precision,
            "--steps",
            chosen.steps,
            *["--xla"] * xla,
        ]
        if chosen.vgg_weights:
            arguments += ["--vgg-weights", chosen.vgg_weights]
        fed, fixed = (common.run_row("recipe_loop.py", *arguments, "--feed", feed) for feed in ("pipeline", "fixed"))
        load = f"{fed['load']:.0f} %" if fed.get("load") is not None else "not known"
        rows.append((size, batch, precision, "on" if xla else "off", cell(fed), cell(fixed), load))
        print(*rows[-1], flush=True)
    return rows


def main():
    options = common.parser(__doc__)
    options.add_argument(
        "--recipe", choices=("demo", "real"), default="demo", help="which settings (default: %(default)s)"
    )
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sides in px (default: 128 256)")
    options.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="pairs (default: 8 32 128)")
    options.add_argument(
        "--steps", type=int, default=5, help="timed cycles of penalty_every steps (default: %(default)s)"
    )
    options.add_argument("--vgg-weights", help="VGG19 weights file for the recipe 'real'")
    options.add_argument(
        "--out",
        type=pathlib.Path,
        default=common.RESULTS / "gpu.md",
        help="file to write (default: benchmarks/results/gpu.md)",
    )
    options.add_argument(
        "--without-gpu", action="store_true", help="run on the CPU all the same, to try the script out"
    )
    options.add_argument("--quick", action="store_true", help="one size, one batch, one cycle")
    chosen = common.parse(options)
    if chosen.quick:
        chosen.sizes, chosen.batches = chosen.sizes[:1], chosen.batches[:1]
    gpus = common.ask_python(LIST_GPUS)
    if gpus in ("[]", "") and not chosen.without_gpu:
        print(
            "skipped: TensorFlow sees no GPU here. On a machine with one, install the extra 'gpu' and run this script"
            " again."
        )
        return
    titles = ["size, px", "batch", "precision", "XLA", "pictures/s fed", "pictures/s fixed", "GPU load"]
    rows = measure(chosen)
    facts = common.facts_text(common.versions("tensorflow", "keras", "numpy"), GPU=gpus)
    text = (
        f"# Training on a GPU, recipe '{chosen.recipe}'\n\n{facts}\n\n{common.markdown_table(titles, rows)}\nfloat32"
        " uses TF32 where the GPU has it.\n"
    )
    print(f"written to {common.write_text(chosen.out, text).name}")


if __name__ == "__main__":
    main()
