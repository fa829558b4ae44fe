"""Does training in bfloat16 reach the scorecard of training in float32?

    python benchmarks/precision.py

Trains the recipe of the demo in float32 and in mixed bfloat16 (layers in bfloat16; weights, pictures and losses in
float32), three seeds of each, and scores all of them on the same held-out pairs. Every run is a throw of dice, so the
three seeds of a precision stand for it together: per pair the mean of the three; does bfloat16 lie inside the bootstrap
interval of float32? Beside it the paired difference, and what a seed changes. Five minutes of two cores. Writes
results/precision.md.
"""

import dataclasses
import pathlib

import ablations
import common
import numpy as np

PRECISIONS, SEEDS = ("float32", "mixed_bfloat16"), (0, 1, 2)


# One run, in a process of its own -------------------------------------------------------------------------------------
def train_and_dress(precision, seed, chosen):
    """Train the demo's recipe; report what a step cost and keep what the generator paints on the scored pairs in
    `chosen.save`.
    """
    import time

    from fashion_style.design import load_designer
    from fashion_style.runs.loop import train
    from fashion_style.runs.plan import Schedule, Watchers
    from fashion_style.studio.evaluation import dress_pairs

    settings, clock = dataclasses.replace(common.plain_recipe(), precision=precision, seed=seed, steps=chosen.steps), []
    with common.scratch() as folder:
        train(
            folder,
            settings,
            *ablations.drawn_sources("train", settings.size + 16),
            schedule=Schedule(grid_every=chosen.steps, checkpoint_every=chosen.steps),
            watchers=Watchers(callback=lambda progress: clock.append(time.process_time())),
        )
        np.save(chosen.save, dress_pairs(load_designer(folder), ablations.scored_pairs(chosen), lock=False))
    common.report(seconds=ablations.processor_seconds(clock))


# All of them ----------------------------------------------------------------------------------------------------------
def measure(chosen):
    """({name of a run: designs (pairs, H, W, 3)}, {name: processor seconds a step}), in fresh processes one after the
    other.
    """
    painted, seconds = {}, {}
    with common.scratch() as folder:
        for seed in SEEDS:
            for precision in PRECISIONS:
                file, name = pathlib.Path(folder) / "designs.npy", f"{precision}, seed {seed}"
                same = ["--steps", chosen.steps, "--pairs", chosen.pairs, "--size", chosen.size]
                row = common.must(common.run_row("precision.py", "--train", precision, seed, "--save", file, *same))
                painted[name], seconds[name] = np.load(file), row["seconds"]
                print(f"{name}: {row['seconds']:.2f} processor seconds a step", flush=True)
    return painted, seconds


def compare(table, figure):
    """One row: float32's mean with its interval, bfloat16's, whether it lies inside, the paired difference with its
    interval, the range of each one's seeds.
    """
    from fashion_style.comparison import bootstrap_interval

    plain, mixed = (
        np.mean([table.per_pair(f"{precision}, seed {seed}", figure) for seed in SEEDS], axis=0)
        for precision in PRECISIONS
    )
    ranges = [
        np.ptp([table.per_pair(f"{precision}, seed {seed}", figure).mean() for seed in SEEDS])
        for precision in PRECISIONS
    ]
    low, high = bootstrap_interval(plain)[1:]
    return (
        figure,
        ablations.cell(*bootstrap_interval(plain)),
        f"{mixed.mean():.3f}",
        "inside" if low <= mixed.mean() <= high else "outside",
        ablations.cell(*bootstrap_interval(mixed - plain), "+"),
        *(f"{value:.3f}" for value in ranges),
    )


def write_all(painted, seconds, chosen, load):
    """Score the runs and write the report; returns its text."""
    inside, whole, _ = ablations.scored(painted, ablations.scored_pairs(chosen))
    titles = [
        "figure",
        "float32",
        "mixed_bfloat16",
        "float32's interval",
        "difference",
        *(f"range of seeds, {precision}" for precision in PRECISIONS),
    ]
    parts = [
        f"{title}:\n\n{common.markdown_table(titles, [compare(table, figure) for figure in ablations.FIGURES])}"
        for title, table in (
            ("Whole pictures, as the generator paints them", whole),
            ("Inside the garment, designs locked to it", inside),
        )
    ]
    costs = {precision: np.mean([seconds[f"{precision}, seed {seed}"] for seed in SEEDS]) for precision in PRECISIONS}
    cost = (
        "Processor seconds a step, all cores together:"
        f" {', '.join(f'{precision} {value:.2f}' for precision, value in costs.items())}."
    )
    facts = common.facts_text(common.versions("tensorflow", "keras", "numpy"), **{"load before": load})
    text = (
        f"# Training in bfloat16\n\n{facts}\n\n`python benchmarks/precision.py --steps {chosen.steps} --pairs"
        f" {chosen.pairs} --size {chosen.size}`: the demo's recipe, {len(SEEDS)} seeds of each precision, embedded"
        f" extractor; {chosen.pairs} held-out pairs. Per pair the mean of the seeds; [95% bootstrap interval];"
        " difference: bfloat16 minus float32, bold where 0 lies outside.\n\n" + "\n".join(parts) + f"\n{cost}\n"
    )
    common.write_text(chosen.out, text)
    return text


def main():
    options = common.parser(__doc__)
    options.add_argument("--steps", type=int, default=240, help="generator steps of each run (default: %(default)s)")
    options.add_argument("--pairs", type=int, default=24, help="held-out pairs to score (default: %(default)s)")
    options.add_argument(
        "--size", type=int, default=128, help="side of the scored pictures in px (default: %(default)s)"
    )
    options.add_argument(
        "--out",
        type=pathlib.Path,
        default=common.RESULTS / "precision.md",
        help="file to write (default: benchmarks/results/precision.md)",
    )
    options.add_argument("--quick", action="store_true", help="3 steps, 4 pairs of 64 px; name another --out")
    options.add_argument(
        "--train", nargs=2, metavar=("PRECISION", "SEED"), help="train this one here (what the driver calls)"
    )
    options.add_argument("--save", type=pathlib.Path, help="with --train: the .npy file to write designs to")
    chosen = options.parse_args()
    if chosen.quick:
        chosen.steps, chosen.pairs, chosen.size = 3, 4, 64
    if chosen.train:
        return train_and_dress(chosen.train[0], int(chosen.train[1]), chosen)
    load = common.load_average()
    print(write_all(*measure(chosen), chosen, load))


if __name__ == "__main__":
    main()
