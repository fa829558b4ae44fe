"""How long does one design take while a slider moves? Generator and composite with the style code computed before.

    python benchmarks/live.py

Median milliseconds of `paint` and garment lock for one picture at each size, with the shipped generator on this
machine; GFLOP counted by TensorFlow's profiler, and the share of the machine's float32 matrix product that they come
to. Writes results/live.md.
"""

import pathlib
import statistics
import time

import common
import numpy as np
from tensorflow_facts import tensorflow_gflops


def painter_gflop(generator, code, size):
    """GFLOP of one `paint` at `size` px with a given style code."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(lambda content: generator.paint(content, code)).get_concrete_function(
        tf.TensorSpec((1, size, size, 3))
    )
    options = (
        tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
        .with_empty_output()
        .build()
    )
    return (
        tf.compat.v1.profiler.profile(
            convert_variables_to_constants_v2(function).graph, options=options
        ).total_float_ops
        / 1e9
    )


def measure(designer, size, repeats):
    """(milliseconds of each repeat, GFLOP) of paint and lock at `size` px."""
    import tensorflow as tf

    from fashion_style.design import lock_garment
    from fashion_style.garments import draw_garment
    from fashion_style.patterns import draw_pattern

    garment, style = draw_garment("dress", size, 1), draw_pattern("paisley", size, 1)
    code, content, strength = (
        designer._encode(tf.constant(style[None])),
        tf.constant(garment.picture[None]),
        tf.ones((1, 1)),
    )
    times = []
    for _number in range(repeats + 2):
        started = time.perf_counter()
        lock_garment(designer._paint([content, code, strength])[0].numpy(), garment.picture, garment.mask)
        times.append(1000 * (time.perf_counter() - started))
    return times[2:], painter_gflop(designer.generator, code, size)


def main():
    options = common.parser(__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="sides in px (default: 256 512)")
    options.add_argument("--repeats", type=int, default=21, help="timed pictures of each size (default: %(default)s)")
    options.add_argument(
        "--out",
        type=pathlib.Path,
        default=common.RESULTS / "live.md",
        help="file to write (default: benchmarks/results/live.md)",
    )
    chosen = common.parse(options)
    from fashion_style.design import load_designer

    before, designer, peak = common.load_average(), load_designer(), tensorflow_gflops()
    rows = []
    for size in chosen.sizes:
        times, gflop = measure(designer, size, chosen.repeats)
        median = statistics.median(times)
        rows.append(
            (
                size,
                f"{gflop:.1f}",
                f"{median:.0f} ({np.min(times):.0f} to {np.max(times):.0f})",
                f"{gflop / median * 1000 / peak:.0%}",
            )
        )
    text = "\n".join(
        [
            "# One live design\n",
            common.facts_text(
                common.versions("tensorflow", "keras", "numpy"),
                **{"load before": before, "matrix product": f"{peak:.0f} GFLOP/s"},
            ),
            "",
            common.markdown_table(
                ["px", "GFLOP", "ms a design: median (range)", "of the matrix product's speed"], rows
            ),
        ]
    )
    common.write_text(chosen.out, text)
    print(text)


if __name__ == "__main__":
    main()
