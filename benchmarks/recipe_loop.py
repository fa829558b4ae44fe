"""Our shipping recipe, fed by our input pipeline: small generator, conditioned critic, lazy gradient penalty.

    python benchmarks/recipe_loop.py --recipe demo --size 128

"demo" is what `fashion-style demo` trained in version 0.1: embedded extractor. "real" is the longest stage at 128 px
of the run on real pictures whose generator the package ships: VGG19 (needs its weights, or --vgg-weights). Both draw
garments and patterns by code here, each once before the clock starts. The penalty falls on every n-th step and a
batch may serve several, so times are means over whole cycles. --feed fixed repeats one batch, which shows what the
pipeline costs.
"""

import itertools
import json
import math
import subprocess
import threading

import common
import numpy as np
from tensorflow_facts import forward_gflop, tensorflow_gflops

from fashion_style.data import batches
from fashion_style.reading.sources import garment_source, pattern_source
from fashion_style.runs.pairings import Pairings
from fashion_style.settings import TrainingSettings
from fashion_style.training import Trainer

# the longest stage at 128 px
REAL_SETTINGS = common.HERE.parent / "nbs" / "tutorials" / "real_run" / "stages" / "2-settings.json"
DRAWN = 16
SMALL = 16  # px of a style picture that costs next to nothing


def recipe_settings(recipe, **changes):
    """`TrainingSettings` that the project ships, with changes such as size=128 (None keeps the recipe's)."""
    values = (
        common.plain_recipe().to_dict() if recipe == "demo" else json.loads(REAL_SETTINGS.read_text(encoding="utf-8"))
    )
    return TrainingSettings.from_dict(
        dict(values, **{name: value for name, value in changes.items() if value is not None})
    )


def feed_batches(settings, feed):
    """Endless iterator of `Batch`es; "pipeline" cuts and flips anew for every step, "fixed" repeats the
    first batch.
    """
    sources = [make(size=settings.size + settings.size // 4, count=DRAWN) for make in (garment_source, pattern_source)]
    for source in sources:
        for index in range(len(source)):
            source.load(index)
    stream = iter(
        batches(
            *sources, batch_size=settings.batch * settings.critic_steps, size=settings.size, repeats=settings.pairings
        )
    )
    return stream if feed == "pipeline" else itertools.repeat(next(stream))


def utilisation(stop, samples):
    """Append the GPU's load in percent to `samples` every half second until `stop` is set; none without nvidia-smi."""
    while not stop.wait(0.5):
        try:
            answer = subprocess.run(
                ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"],
                capture_output=True,
                text=True,
                check=True,
            )
            samples.append(float(answer.stdout.splitlines()[0]))
        except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
            return


def measure_recipe(trainer, stream, cycles):
    """A row whose seconds are means over each cycle; `load` is the GPU's mean load meanwhile, or None.

    A cycle: so many steps that the penalty and the batch's further pairings come round.
    """
    length, stop, samples = math.lcm(trainer.settings.penalty_every, trainer.settings.pairings), threading.Event(), []
    pairings = Pairings(trainer)

    def step():
        batch = next(stream)
        style, targets = pairings(batch)
        return trainer.advance(batch.content, style, batch.mask, targets)

    watcher = threading.Thread(target=utilisation, args=(stop, samples), daemon=True)
    watcher.start()
    row, _ = common.measure_steps(step, cycles * length, length)
    stop.set()
    watcher.join()
    row["seconds"] = np.reshape(row["seconds"], (cycles, length)).mean(axis=1).tolist()
    return dict(row, load=float(np.mean(samples)) if samples else None)


def needed_gflop(trainer):
    """10^9 floating-point operations that a step cannot do without, in the mean over a cycle; passes counted as in
    our_loop.py, one critic step.

    Generator 3 passes. Extractor 2 on the design, and 1 on garment and style picture for the targets of a batch, shared
    by its `pairings` steps. Critic 6 where both networks learn from one forward pass; where the generator learns after
    it, 2 more through the changed critic. A penalty adds 4: forward, down to the picture, and backward through the
    latter; LeakyReLU has no second derivative, so no more. The critic's branch for the style picture, which real and
    generated pictures share, takes 3 passes, and 1 more through the changed critic.
    """
    settings = trainer.settings
    picture, small = ((settings.batch, side, side, 3) for side in (settings.size, SMALL))
    alternating, penalty = settings.update == "alternating", settings.constraint == "gradient_penalty"
    paint = forward_gflop(lambda content, style: trainer.generator([content, style]), picture, picture)
    look = forward_gflop(trainer.extractor, picture)
    judge, judge_picture = (
        forward_gflop(lambda seen, style: trainer.critic([seen, style]), picture, style) for style in (picture, small)
    )
    critic = (6 + 2 * alternating + 4 * penalty / settings.penalty_every) * judge_picture + (3 + alternating) * (
        judge - judge_picture
    )
    return 3 * paint + (2 + 2 / settings.pairings) * look + critic


def main():
    options = common.parser(__doc__)
    options.add_argument(
        "--recipe", choices=("demo", "real"), default="demo", help="which settings (default: %(default)s)"
    )
    options.add_argument("--size", type=int, default=128, help="side of the pictures in px (default: %(default)s)")
    options.add_argument("--batch", type=int, help="pairs (default: the recipe's)")
    options.add_argument("--accumulate", type=int, help="parts that the batch is cut into (default: the recipe's)")
    options.add_argument(
        "--recompute", action="store_true", default=None, help="compute activations again instead of keeping them"
    )
    options.add_argument(
        "--precision", choices=("float32", "mixed_bfloat16"), help="arithmetic of both networks (default: the recipe's)"
    )
    options.add_argument("--xla", action="store_true", help="compile the step with XLA")
    options.add_argument(
        "--feed",
        choices=("pipeline", "fixed"),
        default="pipeline",
        help="where batches come from (default: %(default)s)",
    )
    options.add_argument("--vgg-weights", help="VGG19 weights file for the recipe 'real'")
    options.add_argument("--steps", type=int, default=3, help="timed cycles, see above (default: %(default)s)")
    options.add_argument("--quick", action="store_true", help="one cycle")
    chosen = common.parse(options)
    settings = recipe_settings(
        chosen.recipe,
        size=chosen.size,
        batch=chosen.batch,
        accumulate=chosen.accumulate,
        recompute=chosen.recompute,
        precision=chosen.precision,
    )
    trainer = Trainer(
        settings, vgg_weights=chosen.vgg_weights if settings.extractor == "vgg19" else None, xla=chosen.xla
    )
    row = measure_recipe(trainer, feed_batches(settings, chosen.feed), chosen.steps)
    common.report(
        **row,
        batch=settings.batch,
        size=settings.size,
        pairings=settings.pairings,
        matmul_gflops=tensorflow_gflops(),
        step_gflop=needed_gflop(trainer),
        versions=common.versions("tensorflow", "keras", "numpy"),
    )


if __name__ == "__main__":
    main()
