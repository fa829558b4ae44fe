"""What does the critic earn? The same generator trained with it, without it, and by it alone, for the same time.

    python benchmarks/critic_arms.py --data ../shared/data

Five arms, three seeds of each, all from the same start: taught by truth alone; by truth and a critic whose real set
are style pictures; by truth and a critic whose real set are garments truly dressed; by that critic without truth; and
by the article's recipe. All train for --minutes after their first step is traced, or for --steps, on the same pictures,
and are scored on the same held-out pairs. Each arm runs in a process of its own; its row is added to critic_arms.csv as
soon as it ends, and an arm that has a row with the same digest of settings is not trained again; one that was
interrupted begins anew. Writes critic_arms.csv, critic_arms.md and critic_arms.jpg; the runs stay in --runs, for
critic_opinion.py.
"""

import csv
import hashlib
import io
import json
import math
import os
import pathlib
import re
import statistics
import time

import ablations
import common
import critic_opinion
import numpy as np
import quality

RUNS = common.HERE.parent / "runs" / "critic_arms"
SPLIT_SEED = critic_opinion.SPLIT_SEED  # the same files are held out from every arm, whatever its seed
MOST_MINUTES = 8
ENDLESS = 10**6  # steps of a run that is ended by the clock
SHEET_BYTES = 250_000

TRUTH, STYLES, DRESSED, ALONE, ARTICLE = ARMS = (
    "truth alone",
    "truth, critic of styles",
    "truth, critic of the dressed",
    "critic of the dressed alone",
    "the article's recipe",
)
HIGHER_IS_BETTER = {"palette": False, "chromaticity": False, "make": True, "residue": False, "diversity": True}
QUALITY = ("palette", "chromaticity", "make", "residue")
CRITICS = ("gap", "dressed_higher")
COUNTS = ("pairs", "known_pairs")
COLUMNS = (
    "arm",
    "seed",
    "steps",
    "seconds",
    *HIGHER_IS_BETTER,
    "diversity_of_prints",
    *CRITICS,
    *COUNTS,
    "run",
    "digest",
)
COMPARISONS = ((STYLES, TRUTH), (DRESSED, TRUTH), (DRESSED, STYLES), (ALONE, TRUTH), (ALONE, DRESSED), (ARTICLE, TRUTH))


# What an arm is -------------------------------------------------------------------------------------------------------
def arm_changes(arm, chosen):
    """({setting: value}, {loss weight: value}) in which an arm differs from the package's defaults."""
    taught = dict(head="light", lessons="triples")
    others = dict.fromkeys(("content", "style", "variation", "background", "shading", "motif"), 0.0)
    truth, fooled = dict(others, truth=1.0, cover=0.3, residue=0.5), dict(adversarial=chosen.adversarial)
    return {
        TRUTH: (dict(taught, critic_steps=0), dict(truth, adversarial=0.0)),
        STYLES: (dict(taught, real_set="styles"), dict(truth, **fooled)),
        DRESSED: (dict(taught, real_set="dressed"), dict(truth, **fooled)),
        ALONE: (dict(taught, real_set="dressed"), dict(others, truth=0.0, cover=0.3, residue=0.0, **fooled)),
        ARTICLE: (dict(head="print", lessons="pictures", real_set="styles"), {}),
    }[arm]


def arm_settings(arm, seed, chosen, start):
    """`TrainingSettings` of one run. start: settings of the weights that all arms start from: their architecture."""
    from fashion_style.settings import LossWeights, TrainingSettings

    changes, weights = arm_changes(arm, chosen)
    return TrainingSettings(
        size=chosen.train_size,
        batch=chosen.batch,
        steps=chosen.steps or ENDLESS,
        seed=seed,
        extractor="embedded",
        width=start.width,
        paths=start.paths,
        critic="style",
        loss="wasserstein",
        constraint="gradient_penalty",
        penalty_every=4,
        learning_rate=chosen.rate,
        weights=LossWeights(**weights),
        **changes,
    )


def read_start(place):
    """(settings, arrays or None, digest) of what every arm starts from: "fresh", or a name, run or file of weights.

    Fresh weights have the architecture of the shipped generator.
    """
    from fashion_style.runs.weights import read_weights

    settings, arrays, _ = read_weights(None if place in ("shipped", "fresh") else place)
    if place == "fresh":
        return settings, None, "fresh"
    weights = [arrays[key] for key in sorted(arrays)]
    return settings, weights, quality.digest(*weights)


def weights_for(head, start_settings, weights):
    """Weights to start a head with: those of a light head get a print head's corrections; the other way a run knows."""
    if weights is None or head == start_settings.head or head == "light":
        return weights
    maps = ((3, 3, start_settings.width, 3), (3,))
    return [_print_maps(array) if array.shape in maps else array for array in weights]


def _print_maps(array):
    """Gain, highlight and cover (..., 3) as gain, cover and three corrections (..., 5).

    Corrections begin beside zero: at zero itself their slope is zero, too, and they would never move.
    """
    near = np.random.default_rng(0).normal(0, 0.01, (*array.shape[:-1], 3))
    return np.concatenate([array[..., 0:1], array[..., 2:3], np.float32(near)], axis=-1)


def run_digest(settings, start_digest, chosen):
    """Eight digits that change with everything that an arm's row depends on."""
    clock = dict(steps=chosen.steps) if chosen.steps else dict(minutes=chosen.minutes)
    scored = dict(count=chosen.count, critic_pairs=chosen.critic_pairs, size=chosen.size, data=pictures_digest(chosen))
    facts = dict(settings=settings.to_dict(), start=start_digest, **clock, **scored)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


# Pictures -------------------------------------------------------------------------------------------------------------
def data_files(chosen):
    """Names of the files of a data folder, relative to it, sorted; None for drawings only."""
    if chosen.data is None:
        return None
    places = (chosen.data / name for name in ("garments", "patterns", "paintings"))
    return sorted(path.relative_to(chosen.data).as_posix() for place in places for path in place.rglob("*.*"))


def pictures_digest(chosen):
    """Eight digits that stand for the files that are trained and scored on, by their names."""
    return hashlib.sha256(json.dumps(data_files(chosen)).encode()).hexdigest()[:8]


def pictures_file(chosen):
    """Where the training pictures lie once they are read."""
    return chosen.runs / f"pictures-{chosen.train_size}-{pictures_digest(chosen)}.npz"


def prepare_pictures(chosen):
    """Read the training pictures and find the garments' masks, once for all arms: so no arm loses time on it."""
    from fashion_style.reading.run_sources import EMBEDDED, picture_sources
    from fashion_style.settings import TrainingSettings

    path = pictures_file(chosen)
    if chosen.data is None or path.is_file():
        return
    styles = [EMBEDDED, str(chosen.data / "patterns"), str(chosen.data / "paintings")]
    places = dict(garments=[EMBEDDED, str(chosen.data / "garments")], styles=styles, held_out=0.1)
    sources = picture_sources(places, TrainingSettings(size=chosen.train_size, seed=SPLIT_SEED))
    arrays = {}
    for kind, source in zip(("garment", "style"), sources):
        for number in sorted({source.good(number) for number in range(len(source))}):
            picture, mask = source.load(number)
            arrays[f"{kind}/{number:05d}"] = picture
            if mask is not None:
                arrays[f"{kind}-mask/{number:05d}"] = mask
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part.npz")
    np.savez(aside, **arrays)
    os.replace(aside, path)


def training_sources(chosen):
    """(garments, styles): drawings, and with a data folder its files as `prepare_pictures` left them."""
    from fashion_style.reading.sources import PictureSource

    if chosen.data is None:
        return ablations.drawn_sources("train", chosen.train_size + 16)
    stored = np.load(pictures_file(chosen))

    def source(kind):
        pictures, masks = common.group(stored, kind), common.group(stored, f"{kind}-mask")
        masks = masks or [None] * len(pictures)
        names = [f"{kind} {number}" for number in range(len(pictures))]
        return PictureSource(names, lambda number: (pictures[number], masks[number]), [kind] * len(pictures))

    return source("garment"), source("style")


def scored_pairs(chosen, count, size):
    """The held-out `Batch` that every arm is judged on: pairs with cloth inside the mask."""
    from scipy.ndimage import binary_erosion

    pairs = critic_opinion.held_out(chosen.data, count, size, SPLIT_SEED)
    kept = [row for row, mask in enumerate(pairs.mask) if binary_erosion(mask[..., 0] > 0.9, iterations=2).any()]
    return type(pairs)(*(None if part is None else part[kept] for part in pairs))


# Training one arm -----------------------------------------------------------------------------------------------------
class Clock:
    """Ends a run after `minutes` from the end of its first step, in which the graph is built; None: counts only.

    A run that is ended by the clock has no known number of steps, so its rate falls along the cosine of time.
    """

    def __init__(self, minutes, stop):
        self.minutes = minutes
        self.stop = stop
        self.started = None
        self.seconds = 0.0
        self.over = minutes is None

    def opened(self, trainer):
        """Takes note of the trainer whose rate is to fall."""
        self.trainer = trainer
        self.rate = float(trainer.generator_rate)

    def __call__(self, progress):
        """After every step."""
        if self.started is None:
            self.started = time.perf_counter()
            return
        self.seconds = time.perf_counter() - self.started
        if self.minutes is None:
            return
        share = min(1.0, self.seconds / (60 * self.minutes))
        self.trainer.generator_rate.assign(self.rate * (1 + math.cos(math.pi * share)) / 2)
        if share == 1.0:
            self.over = True
            self.stop.asked = True


def train_arm(arm, seed, chosen):
    """Train one arm and judge it; returns its row, and leaves its run with the pictures that it paints."""
    from fashion_style.runs.loop import train
    from fashion_style.runs.plan import Schedule, Start, Watchers
    from fashion_style.writing import Stop, free_folder

    start_settings, weights, start_digest = read_start(chosen.start_from)
    settings = arm_settings(arm, seed, chosen, start_settings)
    digest = run_digest(settings, start_digest, chosen)
    name = "-".join((re.sub("[^a-z]+", "-", arm.lower()), str(seed), digest))
    folder, stop = free_folder(chosen.runs / name), Stop()
    clock = Clock(None if chosen.steps else chosen.minutes, stop)
    result = train(
        folder,
        settings,
        *training_sources(chosen),
        start=Start(weights=weights_for(settings.head, start_settings, weights)),
        schedule=Schedule(grid_every=ENDLESS, checkpoint_every=ENDLESS, checkpoint_minutes=None),
        watchers=Watchers(callback=clock, opened=clock.opened, stop=stop),
    )
    if not (clock.over and result.reason == ("finished" if chosen.steps else "stopped")):
        raise SystemExit(f"{arm}, seed {seed}, was interrupted; it begins anew the next time.")
    found = judge(result.trainer, chosen, folder)
    return dict(
        arm=arm,
        seed=seed,
        steps=int(result.trainer.step),
        seconds=round(clock.seconds, 1),
        **found,
        run=folder.name,
        digest=digest,
    )


# Judging it -----------------------------------------------------------------------------------------------------------
def judge(trainer, chosen, folder):
    """{figure: number} of a trained arm on the held-out pairs; its designs are kept in the run's folder."""
    from fashion_style.cloth.laying import tile_style
    from fashion_style.comparison import set_diversity
    from fashion_style.design import Designer
    from fashion_style.features import load_extractor
    from fashion_style.scoring.inside import inside_scores

    designer, pairs = Designer(trainer.generator), scored_pairs(chosen, chosen.count, chosen.size)
    laid = np.stack([tile_style(style, chosen.size, chosen.size) for style in pairs.style])

    def dress(picture, cloth, mask):
        return designer.stylize(picture, cloth, mask=mask).picture

    # the old cloth of the residue is the next pair's print
    rows = list(zip(pairs.content, laid, np.roll(laid, -1, axis=0), pairs.mask))
    scores = [inside_scores(dress, *row) for row in rows]
    designs = np.stack([dress(garment, cloth, mask) for garment, cloth, _, mask in rows])
    shown = slice(chosen.shown)
    np.savez_compressed(folder / "designs.npz", garment=pairs.content[shown], print=laid[shown], design=designs[shown])
    extractor = load_extractor("embedded")
    found = {figure: float(np.mean([row[figure] for row in scores])) for figure in QUALITY}
    found["diversity"] = set_diversity(designs, extractor, pairs.mask)
    found["diversity_of_prints"] = set_diversity(laid, extractor, pairs.mask)
    return found | dict(pairs=len(rows)) | critic_figures(trainer, chosen)


def critic_figures(trainer, chosen):
    """The critic's gap, and in which share of the held-out garments of known shading the truly dressed one is higher.

    Asked at the size that it was trained at. {} without a critic, and where no shading is known.
    """
    if not trainer.settings.critic_steps:
        return {}
    pairs = critic_opinion.known_pairs(scored_pairs(chosen, chosen.critic_pairs, chosen.train_size))
    if not len(pairs.content):
        return {}
    found = critic_opinion.figures(critic_opinion.ask(trainer, pairs))
    return {name: found[name] for name in CRITICS} | dict(known_pairs=found["pairs"])


# Rows -----------------------------------------------------------------------------------------------------------------
def read_rows(path):
    """The rows of a table that this script wrote, figures as numbers or None; [] if there is none."""
    if not path.is_file():
        return []
    texts = ("arm", "run", "digest")
    with open(path, newline="", encoding="utf-8") as file:
        lines = csv.DictReader(file)
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise SystemExit(f"{path} has other columns than this script writes. Move it away.")
        rows = [
            {key: value if key in texts else float(value) if value else None for key, value in line.items()}
            for line in lines
        ]
    return [dict(row, seed=int(row["seed"]), steps=int(row["steps"])) for row in rows]


def add_row(path, row):
    """Write the table with one row more, whole or not at all."""
    from fashion_style.writing import write_whole

    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for line in [*read_rows(path), row]:
        table.writerow({key: round(value, 5) if isinstance(value, float) else value for key, value in line.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.getvalue().encode())


def wanted_digests(chosen):
    """{(arm, seed): digest} of all rows that these options ask for, the seeds one after the other.

    So an evening that ends early has whole seeds, and a machine that grows busy slows all arms alike.
    """
    start_settings, _, start_digest = read_start(chosen.start_from)
    return {
        (arm, seed): run_digest(arm_settings(arm, seed, chosen, start_settings), start_digest, chosen)
        for seed in chosen.seeds
        for arm in chosen.arms
    }


def finished_rows(path, wanted):
    """{(arm, seed): row} of those that are there with the digest wanted."""
    rows = {(row["arm"], row["seed"]): row for row in read_rows(path) if row["digest"] in wanted.values()}
    return {key: rows[key] for key, digest in wanted.items() if key in rows and rows[key]["digest"] == digest}


# Reporting ------------------------------------------------------------------------------------------------------------
def values_of(rows, arm, figure):
    """{seed: number} of an arm's figure; {} where it has none."""
    return {seed: row[figure] for (name, seed), row in rows.items() if name == arm and row[figure] is not None}


def cell(values, digits=3):
    """Mean and range of the seeds as text; "" for none."""
    if not values:
        return ""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def compare(rows, arm, other, figure):
    """How an arm differs from another one in a figure, seed by seed; None if they share no seed.

    Returns {"seeds", "mean", "low", "high" of the differences, "verdict": words, "better": or None where not shown}.
    "More than the seeds differ": the mean difference exceeds the range of the seeds within either arm.
    """
    first, second = values_of(rows, arm, figure), values_of(rows, other, figure)
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    apart = [first[seed] - second[seed] for seed in seeds]
    found = dict(seeds=len(seeds), mean=statistics.mean(apart), low=min(apart), high=max(apart), better=None)
    if len(seeds) == 1:
        return found | dict(verdict="one seed, which does not show how far seeds differ")
    within = max(max(one[seed] for seed in seeds) - min(one[seed] for seed in seeds) for one in (first, second))
    if abs(found["mean"]) <= within:
        return found | dict(verdict="not more than the seeds differ")
    better = (found["mean"] > 0) == HIGHER_IS_BETTER[figure]
    kind = ("more" if better else "less") + " varied" if figure == "diversity" else "better" if better else "worse"
    return found | dict(verdict=f"more than the seeds differ: {kind}", better=better)


def comparison_lines(rows, arm, other):
    """Markdown list of the differences of two arms."""
    lines = [f"*{arm}* minus *{other}*:\n"]
    for figure in HIGHER_IS_BETTER:
        found = compare(rows, arm, other, figure)
        if found is not None:
            span = f"{found['mean']:+.3f}"
            if found["seeds"] > 1:
                span += f" ({found['low']:+.3f} to {found['high']:+.3f})"
            lines.append(f"* {figure} {span}: {found['verdict']}.")
    return "\n".join(lines) + "\n" if len(lines) > 1 else ""


def listed(names):
    """Names as a phrase."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "no figure"


def claim_sentences(rows, arm, other):
    """Whether `arm` bears the claim out against `other`, in sentences drawn from the numbers; "" if one is missing."""
    found = {figure: compare(rows, arm, other, figure) for figure in HIGHER_IS_BETTER}
    if None in found.values():
        return ""
    if found["diversity"]["seeds"] == 1:
        return f"*{arm}* against *{other}*: one seed, which cannot bear the claim out or refute it."
    gains, losses, open_ = (
        [figure for figure in QUALITY if found[figure]["better"] is better] for better in (True, False, None)
    )
    varied = {True: "higher", False: "lower", None: "not shown to differ"}[found["diversity"]["better"]]
    quality_words = "better" if gains and not losses else "worse" if losses and not gains else "mixed" if gains else ""
    told = f"quality is {quality_words}" if quality_words else "no difference of quality is shown"
    holds = quality_words == "better" and varied == "higher"
    return (
        f"*{arm}* against *{other}*: better in {listed(gains)}, worse in {listed(losses)}, not shown to differ in"
        f" {listed(open_)}; diversity is {varied}. So {told}, and the claim is"
        f" {'borne out' if holds else 'not borne out'} here."
    )


def cost_sentence(rows, chosen):
    """What a critic costs: steps in the same time; "" where steps were given."""
    steps = {arm: values_of(rows, arm, "steps").values() for arm in (TRUTH, DRESSED)}
    if chosen.steps or not all(steps.values()):
        return ""
    plain, judged = (statistics.mean(steps[arm]) for arm in (TRUTH, DRESSED))
    return (
        f"In this time *{TRUTH}* took {plain:.0f} steps and *{DRESSED}* {judged:.0f}: {judged / plain:.2f} times as"
        " many; what a critic costs is part of what is measured.\n"
    )


CLAIM = """## The article's claim

The article (Chinese; in the project's English) promises that "a trained generator is fast and varied, and an
adversarial critic makes its output look real", and in its section 2.3 "better quality and diversity than optimisation".
What can be said here is the critic's share of that: the same generator from the same start, on the same pictures and
equally long, with a critic and without. Direct optimisation is measured in `quality.md`.

Quality is palette, chromaticity, make and residue inside the garment; diversity is that of the set of designs. A
difference counts as shown if its mean over the seeds exceeds the range of the seeds within either arm.
"""


def arms_table(rows, arms):
    """Every arm's figures, mean and range of its seeds, as Markdown."""
    figures = ("steps", *HIGHER_IS_BETTER, *CRITICS)
    titles = ["arm", "seeds", *(figure.replace("_", " ") for figure in figures)]
    lines = []
    for arm in arms:
        cells = [
            cell([*values_of(rows, arm, figure).values()], 0 if figure == "steps" else 2 if figure == "palette" else 3)
            for figure in figures
        ]
        lines.append([arm, len(values_of(rows, arm, "steps")), *cells])
    return common.markdown_table(titles, lines)


def counted(rows, name):
    """A count that all rows share, as text; "no" where none has it."""
    return " or ".join(sorted({f"{row[name]:.0f}" for row in rows.values() if row[name] is not None})) or "no"


def how_trained(rows, chosen):
    """How the arms were trained and judged, as a paragraph."""
    long = f"{chosen.steps} steps" if chosen.steps else f"{chosen.minutes:g} minutes after the first step"
    pictures = "drawn garments and prints" if chosen.data is None else "photos, real prints and drawings"
    return (
        f"Every arm: {long}, batch {chosen.batch} at {chosen.train_size} px, rate {chosen.rate:g} falling along a"
        f" cosine, start {pathlib.Path(chosen.start_from).name}, {pictures}, embedded extractor. The critic is"
        " conditioned on the print, Wasserstein, with a gradient penalty on every 4th step; its weight is"
        f" {chosen.adversarial:g}, in the article's recipe the default with the default weights of content and style"
        " and of our terms for background, folds and noise. Without truth there is no residue term either."
        f" {counted(rows, 'pairs')} held-out pairs at {chosen.size} px, masks given; mean of the seeds (their range)."
        " palette, chromaticity, residue: 0 is best; make: 1. gap: the critic's mean score of garments truly dressed"
        f" minus that of generated ones, {counted(rows, 'known_pairs')} held-out garments of known shading at"
        f" {chosen.train_size} px; each critic has a scale of its own. dressed higher: the share of pairs in which the"
        " truly dressed one scores higher. Diversity of the prints themselves:"
        f" {cell([row['diversity_of_prints'] for row in rows.values()][:1])}.\n"
    )


def report(rows, chosen):
    """The whole Markdown page."""
    compared = [pair for pair in COMPARISONS if all(values_of(rows, arm, "steps") for arm in pair)]
    claims = [text for arm in (STYLES, DRESSED, ALONE, ARTICLE) if (text := claim_sentences(rows, arm, TRUTH))]
    parts = [
        "# What does the critic earn?\n",
        common.facts_text(common.versions("tensorflow", "keras", "numpy")) + "\n",
        how_trained(rows, chosen),
        arms_table(rows, chosen.arms),
        cost_sentence(rows, chosen),
        CLAIM,
        *(f"* {claim}" for claim in claims or [f"Nothing can be said without *{TRUTH}* and an arm beside it."]),
        "\n## Differences, seed by seed\n",
        *(comparison_lines(rows, *pair) for pair in compared),
    ]
    return "\n".join(part for part in parts if part)


def write_sheet(rows, chosen):
    """Garment, print and what every arm of the first seed makes of them."""
    from fashion_style.drawing.sheets import contact_sheet

    first = min(seed for _, seed in rows)
    places = {arm: chosen.runs / rows[arm, first]["run"] / "designs.npz" for arm in chosen.arms if (arm, first) in rows}
    kept = {arm: dict(np.load(place)) for arm, place in places.items() if place.is_file()}
    if not kept:
        return print("no sheet: the runs of the first seed are gone")
    shared = next(iter(kept.values()))
    columns = [shared["garment"], shared["print"], *(one["design"] for one in kept.values())]
    sheet = contact_sheet(list(zip(*columns)), column_titles=["garment", "print", *kept], size=144)
    common.save_jpeg(sheet, chosen.out / "critic_arms.jpg", SHEET_BYTES)


# All of them ----------------------------------------------------------------------------------------------------------
def add_training_options(options):
    """Options of the training."""
    options.add_argument("--minutes", type=float, default=3, help="training time of an arm (default: %(default)s)")
    options.add_argument("--steps", type=int, help="train each arm for so many steps instead")
    options.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS, metavar="ARM", help="; ".join(ARMS))
    options.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2), help="default: 0 1 2")
    options.add_argument("--start-from", default="shipped-0.1.0", help="weights, or fresh (%(default)s)")
    options.add_argument("--train-size", type=int, default=96, help="side of training pictures (default: %(default)s)")
    options.add_argument("--batch", type=int, default=4, help="pairs a step (default: %(default)s)")
    options.add_argument("--rate", type=float, default=5e-4, help="the generator's (default: %(default)s)")
    options.add_argument(
        "--adversarial", type=float, default=0.01, help="the critic's weight in arms 2 to 4 (default: %(default)s)"
    )


def options_of(arguments=None):
    """Parsed options; `data` is None for drawings only."""
    options = common.parser(__doc__)
    add_training_options(options)
    critic_opinion.add_data_options(options)
    options.add_argument("--count", type=int, default=24, help="held-out pairs (default: %(default)s)")
    options.add_argument(
        "--critic-pairs",
        type=int,
        default=48,
        help="held-out pairs for the critic's gap, of which those count whose shading is known (default: %(default)s)",
    )
    options.add_argument("--size", type=int, default=256, help="side of scored pictures, px (default: %(default)s)")
    options.add_argument("--shown", type=int, default=6, help="pairs on the sheet (default: %(default)s)")
    options.add_argument("--runs", type=pathlib.Path, default=RUNS, help="where arms train (default: runs/critic_arms)")
    options.add_argument("--out", type=pathlib.Path, default=common.RESULTS, help="default: benchmarks/results")
    options.add_argument("--quick", action="store_true", help="2 steps at 32 px, one seed; writes to RUNS/quick")
    options.add_argument("--one", nargs=2, metavar=("ARM", "SEED"), help="train this one here (what the driver calls)")
    chosen = options.parse_args(arguments)
    if chosen.steps is None and not 0 < chosen.minutes <= MOST_MINUTES:
        options.error(f"--minutes: received {chosen.minutes:g}; expected more than 0, at most {MOST_MINUTES}")
    if chosen.steps is not None and chosen.steps < 1:
        options.error(f"--steps: received {chosen.steps}; expected at least 1")
    chosen.data = critic_opinion.data_folder(options, chosen)
    if chosen.quick:
        chosen.steps, chosen.seeds = 2, (0,)
        chosen.train_size, chosen.size = 32, 64
        chosen.count = chosen.critic_pairs = 4
        chosen.out = chosen.out if chosen.out != common.RESULTS else chosen.runs / "quick"
    return chosen


def child_arguments(arm, seed, chosen):
    """Arguments for the process that trains one arm."""
    names = (
        "train_size",
        "batch",
        "rate",
        "adversarial",
        "start_from",
        "count",
        "critic_pairs",
        "size",
        "shown",
        "runs",
    )
    same = [part for name in names for part in (f"--{name.replace('_', '-')}", getattr(chosen, name))]
    same += ["--steps", chosen.steps] if chosen.steps else ["--minutes", chosen.minutes]
    same += ["--data", chosen.data] if chosen.data else ["--drawn-only"]
    return ["--one", arm, seed, *same]


def main(arguments=None):
    chosen = options_of(arguments)
    if chosen.one:
        return common.report(**train_arm(chosen.one[0], int(chosen.one[1]), chosen))
    wanted, table = wanted_digests(chosen), chosen.out / "critic_arms.csv"
    missing = [key for key in wanted if key not in finished_rows(table, wanted)]
    if missing:
        prepare_pictures(chosen)
    for arm, seed in missing:
        row = common.must(common.run_row("critic_arms.py", *child_arguments(arm, seed, chosen)))
        add_row(table, row)
        print(f"{arm}, seed {seed}: {row['steps']} steps in {row['seconds']:.0f} s", flush=True)
    rows = finished_rows(table, wanted)
    text = report(rows, chosen)
    common.write_text(chosen.out / "critic_arms.md", text)
    write_sheet(rows, chosen)
    print(text)


if __name__ == "__main__":
    main()
