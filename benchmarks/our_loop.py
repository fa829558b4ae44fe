"""Our training step on the article's networks, losses, weights and pictures: the fast side of `make bench`.

    python benchmarks/start.py --out start.npz
    python benchmarks/our_loop.py --start start.npz

What changes against article_loop.py is `Trainer.advance`: one traced step for both networks, VGG19 cut off below the
deepest layer that the losses use, targets of garment and style picture kept because the same pictures come again.
"""

import common
import numpy as np
import tensorflow as tf
from tensorflow_facts import forward_gflop, tensorflow_gflops

from fashion_style.settings import LossWeights, TrainingSettings
from fashion_style.training import Trainer

SILENT = dict(variation=0.0, background=0.0, shading=0.0, drift=0.0)


def article_settings(start, layers, **more):
    """`TrainingSettings` of the article's networks, losses and single pass for the pictures of a start file."""
    batch, size = start["content"].shape[:2]
    return TrainingSettings(
        size=size,
        batch=batch,
        steps=common.RATE_STEPS,
        extractor="vgg19",
        generator="article",
        critic="article",
        constraint="none",
        update="together",
        distance="article",
        augment=False,
        mask_share=0.0,
        content_layer=layers["content"],
        style_layers=layers["style"],
        learning_rate=common.GENERATOR_RATE,
        critic_learning_rate=common.CRITIC_RATE,
        weights=LossWeights(**common.LOSS_WEIGHTS, **SILENT),
        **more,
    )


def trainer_of(chosen, start):
    """A `Trainer` with the start file's weights."""
    settings = article_settings(
        start,
        common.LAYERS[chosen.layers],
        accumulate=chosen.accumulate,
        recompute=chosen.recompute,
        precision=chosen.precision,
    )
    trainer = Trainer(settings, vgg_weights=f"{chosen.start}.h5")
    trainer.generator.set_weights(common.group(start, "generator"))
    trainer.critic.set_weights(common.group(start, "critic"))
    return trainer


def needed_gflop(trainer, batch, size):
    """10^9 floating-point operations that a step cannot do without when targets are kept, counted on convolutions and
    matrix products.

    Backward costs a forward pass for the weights and one for what lies below. Generator 3 passes; VGG19 2 (its weights
    stay); critic 6: 3 on real pictures, 3 on generated ones, where one backward pass serves both networks, since their
    adversarial gradients are opposite.
    """
    picture = (batch, size, size, 3)
    paint = forward_gflop(lambda content, style: trainer.generator([content, style]), picture, picture)
    return 3 * paint + 6 * forward_gflop(trainer.critic, picture) + 2 * forward_gflop(trainer.extractor, picture)


def main():
    options = common.loop_parser(__doc__)
    options.add_argument(
        "--forget-targets",
        action="store_true",
        help="compute the targets anew at every step, as with augmented pictures",
    )
    options.add_argument(
        "--accumulate", type=int, default=1, help="parts that the batch is cut into (default: %(default)s)"
    )
    options.add_argument("--recompute", action="store_true", help="compute activations again instead of keeping them")
    options.add_argument(
        "--precision",
        choices=("float32", "mixed_bfloat16"),
        default="float32",
        help="arithmetic of both networks (default: %(default)s)",
    )
    chosen = common.parse(options)
    start = np.load(chosen.start)
    trainer = trainer_of(chosen, start)
    content, style = tf.constant(start["content"]), tf.constant(start["style"])
    mask = tf.ones_like(content[..., :1])
    base = common.peak_memory_mib()
    targets = None if chosen.forget_targets else trainer.targets(content, style)
    row, losses = common.measure_steps(
        lambda: trainer.advance(content, style, mask, targets), chosen.steps, chosen.warm_up, base
    )
    if chosen.save:
        compared = [{name: step[name] for name in (*common.LOSS_WEIGHTS, "total", "critic_loss")} for step in losses]
        common.save_outcome(chosen.save, compared, trainer.generator.get_weights(), trainer.critic.get_weights())
    batch, size = start["content"].shape[:2]
    common.report(
        **row,
        batch=batch,
        size=size,
        matmul_gflops=tensorflow_gflops(),
        step_gflop=needed_gflop(trainer, batch, size),
        versions=common.versions("tensorflow", "keras", "numpy"),
    )


if __name__ == "__main__":
    main()
