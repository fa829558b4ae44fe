"""Train the garment finder's U-Net by the recipe of `networks/segmenter_training` and write its weights file.

    python tools/train_segmenter.py --steps 2400 --out fashion_style/weights/segmenter.npz

Learns from drawn garments, and from the cut-outs in --cut-outs (pictures with an alpha channel) that a hash of their
names does not hold out. Writes the file anew every --every steps, so that a training that is stopped leaves one, and
prints its SHA-256, which belongs into SEGMENTER_SHA256 in the segmenter's chapter.

The shipped file was made in four parts, 65 minutes together on two busy cores:

    --each 30 --steps 4500 --batch 16 --side 128
    --each 30 --steps 2200 --batch 12 --side 192 --rate 1.5e-3 --seed 1 --own 0.34 --start FIRST
    --each 30 --steps 1200 --batch 12 --side 192 --rate 8e-4 --seed 2 --own 0.4 --start SECOND
    --each 30 --steps 1200 --batch 12 --side 192 --rate 1e-3 --seed 3 --own 0.34 --start THIRD

Hems, cuffs and waists of another colour were in the scenes of the last part only.
"""

import argparse
import os
import pathlib
import time

import cv2
import numpy as np

from fashion_style.networks.wardrobe import GROUND_SHARES, GROUNDS, draw_wardrobe, read_cut_outs

SHARED = pathlib.Path(os.environ.get("FASHION_STYLE_SHARED", pathlib.Path(__file__).parents[2] / "shared"))


def read_photos(folder, cut_outs):
    """[(uint8 (H, W, 3), mask uint8 (H, W))] of the photographs that cut-outs KIND_HASH... were made of, as large."""
    photos = []
    for name, cut_out in cut_outs.items():
        found = sorted(folder.rglob(f"{name.rsplit('.', 1)[0].rsplit('_', 1)[-1]}*.jpg")) if folder.is_dir() else []
        photo = cv2.imread(str(found[0])) if found else None
        if photo is not None:
            photo = cv2.resize(photo, cut_out.shape[1::-1], interpolation=cv2.INTER_AREA)
            photos.append((cv2.cvtColor(photo, cv2.COLOR_BGR2RGB), cut_out[..., 3]))
    return photos


def shares_with(own):
    """GROUND_SHARES with this share of the garment's own colour, the others in their old proportions."""
    shares = np.array(GROUND_SHARES)
    rest = np.array([name != "own colour" for name in GROUNDS])
    shares[rest] *= (1 - own) / shares[rest].sum()
    return tuple(np.where(rest, shares, own))


def fill_wardrobe(options):
    """The wardrobe that the options ask for; prints what is in it."""
    started = time.perf_counter()
    cut_outs = read_cut_outs(options.cut_outs, held_out=False)
    photos = read_photos(options.photos, cut_outs)
    wardrobe = draw_wardrobe(options.each, 4, cut_outs=list(cut_outs.values()), photos=photos, seed=options.seed)
    if options.own is not None:
        wardrobe = wardrobe._replace(ground_shares=shares_with(options.own))
    print(
        f"{len(wardrobe.pictures)} garments, {len(cut_outs)} of them photographed, {len(photos)} photographs,"
        f" {len(wardrobe.cloths)} cloths in"
        f" {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    return wardrobe


def read_options():
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2400, help="training steps (default: %(default)s)")
    parser.add_argument("--each", type=int, default=24, help="garments drawn of each kind (default: %(default)s)")
    parser.add_argument("--cut-outs", type=pathlib.Path, default=SHARED / "data" / "cutouts", help="folder of cut-outs")
    parser.add_argument(
        "--photos", type=pathlib.Path, default=SHARED / "data" / "garments", help="what they were cut of"
    )
    parser.add_argument("--side", type=int, default=128, help="of the scenes, a multiple of 32 (default: %(default)s)")
    parser.add_argument(
        "--own", type=float, help="share of grounds in the garment's own colour (default: as in the chapter)"
    )
    parser.add_argument("--every", type=int, default=100, help="steps between two files (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of TensorFlow (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="scenes a step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=4e-3, help="highest learning rate (default: %(default)s)")
    parser.add_argument("--start", type=pathlib.Path, help="file of weights to go on from, with a small --rate")
    parser.add_argument("--out", default="segmenter.npz", help="file to write (default: %(default)s)")
    return parser.parse_args()


def main():
    options = read_options()
    import tensorflow as tf  # the reader of cut-outs above is used without it

    from fashion_style.networks.segmenter_training import fold_segmenter, save_segmenter, train_segmenter

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)
    started, recent = time.perf_counter(), []
    wardrobe = fill_wardrobe(options)

    def watch(step, loss, network):
        recent.append(loss)
        if (step + 1) % options.every == 0:
            save_segmenter(fold_segmenter(network), options.out)
            seconds = time.perf_counter() - started
            print(f"step {step + 1}: loss {np.mean(recent):.4f} after {seconds:.0f} s", flush=True)
            recent.clear()

    network = train_segmenter(
        wardrobe,
        options.steps,
        batch_size=options.batch,
        side=options.side,
        learning_rate=options.rate,
        seed=options.seed,
        start=dict(np.load(options.start)) if options.start else None,
        progress=False,
        callback=watch,
    )
    digest = save_segmenter(fold_segmenter(network), options.out)
    print(f"{options.steps} steps in {time.perf_counter() - started:.0f} s, {options.out}, SHA-256 {digest}")


if __name__ == "__main__":
    main()
