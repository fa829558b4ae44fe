"""Train the embedded extractor by the recipe of the recogniser's training and write its weights file.

    python benchmarks/train_embedded_extractor.py --steps 1500 --out fashion_style/weights/embedded_extractor.npz

Prints the held-out accuracy and the file's SHA-256, which belongs into EMBEDDED_SHA256 in the features chapter.
"""

import argparse
import time

from fashion_style.networks.recogniser_training import (
    draw_set,
    measure_accuracy,
    save_embedded_extractor,
    train_embedded_extractor,
)
from fashion_style.recogniser import load_recogniser

HELD_OUT_SEED = 1_000_000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, help="training steps (default: %(default)s)")
    parser.add_argument(
        "--each", type=int, default=24, help="pictures drawn per family and per kind (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of pictures and network (default: %(default)s)")
    parser.add_argument("--out", default="embedded_extractor.npz", help="file to write (default: %(default)s)")
    options = parser.parse_args()
    started = time.perf_counter()
    arrays = train_embedded_extractor(options.steps, each=options.each, seed=options.seed)
    digest = save_embedded_extractor(arrays, options.out)
    print(f"{options.steps} steps in {time.perf_counter() - started:.0f} s, {options.out}, SHA-256 {digest}")
    print(
        measure_accuracy(
            load_recogniser(options.out), draw_set(12, 12, seed=HELD_OUT_SEED), batches=10, seed=HELD_OUT_SEED
        )
    )


if __name__ == "__main__":
    main()
