"""What does a critic think of single garments? A sheet of its opinion, place by place, and who scores higher.

    python benchmarks/critic_opinion.py --run runs/critic_arms/truth-critic-of-the-dressed-0-1a2b3c4d

For held-out garments whose shading is known: picture, print, the garment truly dressed in it (shading times print), the
critic's scores of that laid over it, what the run's generator paints, and the scores of this; under each map its mean
inside the garment. One colour scale for all maps; beside the garment, where the critic is not asked, there is no
colour. Writes critic_opinion.jpg and critic_opinion.md, one line of figures over all pairs, not only those shown.
"""

import pathlib

import common
import numpy as np

DATA = common.HERE.parent.parent / "shared" / "data"
SHEET_BYTES = 250_000
SPLIT_SEED = 1  # of the shipped generator's run and of critic_arms.py
CELL, CAPTION = 128, 18  # px


# Asking a critic ------------------------------------------------------------------------------------------------------
def known_pairs(pairs):
    """`Batch` with light of those pairs whose garments' shading can be trusted: they have a true answer."""
    from fashion_style.runs.lessons import with_light

    lit = with_light(pairs)
    kept = np.flatnonzero(lit.light[:, 0, 0, 2] == 1)
    return type(lit)(*(None if part is None else part[kept] for part in lit))


def ask(trainer, pairs):
    """What a critic says of pairs with light: {"dressed", "generated": (pictures, maps, means)}.

    Pictures (B, S, S, 3), generated ones locked to the garment; maps (B, h, w) of scores; means (B,) inside it.
    """
    import tensorflow as tf

    from fashion_style.losses import lock_to_mask
    from fashion_style.truth import truth_of
    from fashion_style.wasserstein import weighted_means

    found, style, mask = {}, tf.constant(pairs.style), tf.constant(pairs.mask)
    painted = np.concatenate(
        [
            trainer.generator([pairs.content[row : row + 1], pairs.style[row : row + 1]], training=False)
            for row in range(len(pairs.content))
        ]
    )
    generated = lock_to_mask(painted, pairs.content, pairs.mask, 1)
    for name, pictures in dict(dressed=truth_of(pairs), generated=generated).items():
        scores = trainer.judge(tf.constant(np.float32(pictures)), style, training=False)
        found[name] = (np.float32(pictures), scores[..., 0].numpy(), weighted_means(scores, mask).numpy())
    return found


def figures(opinion):
    """{"pairs", "dressed", "generated": mean scores, "gap": their difference, "dressed_higher": share of pairs}."""
    dressed, generated = (opinion[name][2] for name in ("dressed", "generated"))
    return dict(
        pairs=len(dressed),
        dressed=float(dressed.mean()),
        generated=float(generated.mean()),
        gap=float((dressed - generated).mean()),
        dressed_higher=float((dressed > generated).mean()),
    )


# The run --------------------------------------------------------------------------------------------------------------
def open_critic(run, vgg_weights=None):
    """The `Trainer` of a run in the state of its newest checkpoint. SystemExit for a run without a critic."""
    from fashion_style.runs.checkpoints import newest_checkpoint
    from fashion_style.runs.opening import take_up
    from fashion_style.training import Trainer

    settings, arrays = newest_checkpoint(run)
    if not settings.critic_steps:
        raise SystemExit(f"{run} trained without a critic. Name a run whose settings have critic_steps above 0.")
    trainer = Trainer(settings, vgg_weights=vgg_weights)
    take_up(trainer, run, arrays)
    return trainer


def held_out(data, count, size, seed):
    """Held-out pairs: photos with real prints, or without a data folder drawn ones."""
    import ablations
    import quality

    from fashion_style.data import held_out_pairs

    if data is not None:
        return quality.held_out(data, count, size, seed)
    return held_out_pairs(*ablations.drawn_sources("held_out", size), count, size=size, seed=0)


# The sheet ------------------------------------------------------------------------------------------------------------
def heat(picture, scores, mask, scale):
    """A score map (h, w) as colours over the grey picture, inside the mask only; scale: (lowest, highest)."""
    import matplotlib

    from fashion_style.images import resize_picture

    low, high = scale
    share = np.clip((scores - low) / max(high - low, 1e-9), 0, 1)
    colours = np.float32(2 * matplotlib.colormaps["viridis"](share)[..., :3] - 1)
    colours = resize_picture(colours, picture.shape[:2], fit="stretch")
    grey = picture.mean(axis=-1, keepdims=True)
    return np.float32(grey + 0.65 * mask * (colours - grey))


def captioned(picture, words):
    """A picture at CELL px with a line of words under it, float32 (CELL + CAPTION, CELL, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    from fashion_style.images import resize_picture, to_float

    strip = Image.new("RGB", (CELL, CAPTION), "white")
    font = ImageFont.load_default(11)
    ImageDraw.Draw(strip).text((CELL / 2, CAPTION / 2), words, "black", font, anchor="mm")
    return np.concatenate([resize_picture(picture, CELL, fit="stretch"), to_float(np.asarray(strip))])


def colour_bar(width, scale):
    """The colour scale and its ends, float32 (2 * CAPTION, width, 3)."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    from fashion_style.images import to_float

    colours = np.uint8(255 * matplotlib.colormaps["viridis"](np.linspace(0, 1, width // 3))[:, :3])
    bar = Image.new("RGB", (width, 2 * CAPTION), "white")
    bar.paste(Image.fromarray(np.broadcast_to(colours, (CAPTION, *colours.shape)).copy()), (width // 3, 0))
    draw, font = ImageDraw.Draw(bar), ImageFont.load_default(11)
    for place, words in zip((width / 3, 2 * width / 3), (f"score {scale[0]:+.2f}", f"{scale[1]:+.2f}")):
        draw.text((place, 1.5 * CAPTION), words, "black", font, anchor="mm")
    return to_float(np.asarray(bar))


def colour_scale(opinion, mask):
    """(lowest, highest) score of the one colour scale: the middle 96 % of all scores inside the garments."""
    import cv2

    inside = []
    for _, maps, _ in opinion.values():
        for scores, cover in zip(maps, mask):
            small = cv2.resize(cover[..., 0], scores.shape[::-1], interpolation=cv2.INTER_AREA)
            inside.append(scores[small > 0.5])
    return tuple(map(float, np.quantile(np.concatenate(inside), (0.02, 0.98))))


def sheet(pairs, opinion, shown):
    """The whole sheet, uint8 (H, W, 3)."""
    from fashion_style.drawing.sheets import tile_grid
    from fashion_style.images import to_uint8

    scale, cells = colour_scale(opinion, pairs.mask), []
    for row in range(min(shown, len(pairs.content))):
        cells += [captioned(pairs.content[row], "garment"), captioned(pairs.style[row], "print")]
        for name, words in (("dressed", "truly dressed"), ("generated", "generated")):
            pictures, maps, means = opinion[name]
            cells.append(captioned(pictures[row], words))
            cells.append(captioned(heat(pictures[row], maps[row], pairs.mask[row], scale), f"score {means[row]:+.3f}"))
    grid = tile_grid(cells, 6)
    return to_uint8(np.concatenate([grid, colour_bar(grid.shape[1], scale)]))


def words(found):
    """The line of figures."""
    return (
        f"Over {found['pairs']} held-out garments of known shading the critic's mean score is {found['dressed']:+.3f}"
        f" for the garment truly dressed and {found['generated']:+.3f} for what the generator paints, a gap of"
        f" {found['gap']:+.3f}; truly dressed scores higher in {found['dressed_higher']:.0%} of the pairs."
    )


def add_data_options(options):
    """The options that say where pictures come from."""
    options.add_argument(
        "--data",
        type=pathlib.Path,
        help="folder with garments, patterns and paintings (default: ../shared/data if it is there, else drawings)",
    )
    options.add_argument("--drawn-only", action="store_true", help="drawn garments and prints, no photos")


def data_folder(options, chosen):
    """The data folder that was chosen, or None for drawings."""
    if chosen.drawn_only:
        return None
    if chosen.data is not None and not chosen.data.is_dir():
        options.error(f"--data: there is no folder {chosen.data}; use --drawn-only for drawings")
    return chosen.data or (DATA if DATA.is_dir() else None)


def options_of(arguments=None):
    """Parsed options."""
    options = common.parser(__doc__)
    options.add_argument("--run", type=pathlib.Path, required=True, help="folder of a run that trained with a critic")
    add_data_options(options)
    options.add_argument("--count", type=int, default=48, help="held-out pairs to choose from (default: %(default)s)")
    options.add_argument("--shown", type=int, default=8, help="garments on the sheet (default: %(default)s)")
    options.add_argument("--size", type=int, help="side in px (default: that of the run's training)")
    options.add_argument(
        "--seed", type=int, default=SPLIT_SEED, help="decides which files were kept back (default: %(default)s)"
    )
    options.add_argument("--vgg-weights", type=pathlib.Path, help="file of VGG19's weights, for runs that used it")
    options.add_argument(
        "--out", type=pathlib.Path, default=common.RESULTS, help="folder to write into (default: benchmarks/results)"
    )
    chosen = options.parse_args(arguments)
    chosen.data = data_folder(options, chosen)
    return chosen


def main(arguments=None):
    chosen = options_of(arguments)
    trainer = open_critic(chosen.run, chosen.vgg_weights)
    size = chosen.size or trainer.settings.size
    pairs = known_pairs(held_out(chosen.data, chosen.count, size, chosen.seed))
    if not len(pairs.content):
        raise SystemExit(f"none of {chosen.count} held-out garments has a shading that can be known. Raise --count.")
    opinion = ask(trainer, pairs)
    chosen.out.mkdir(parents=True, exist_ok=True)
    common.save_jpeg(sheet(pairs, opinion, chosen.shown), chosen.out / "critic_opinion.jpg", SHEET_BYTES)
    settings = trainer.settings
    about = (
        f"Run of {int(trainer.step)} steps, seed {settings.seed}, real set {settings.real_set}, weight of the critic"
        f" {settings.weights.adversarial:g}, of the truth {settings.weights.truth:g}; {size} px."
    )
    text = f"# A critic's opinion\n\n{about}\n\n{words(figures(opinion))}\n"
    common.write_text(chosen.out / "critic_opinion.md", text)
    print(text)


if __name__ == "__main__":
    main()
