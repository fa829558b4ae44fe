"""Verdicts on invented histories, on real tiny runs (one that is fine, five that are broken on purpose), and the files
they leave.
"""

import copy
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.data import held_out_pairs
from fashion_style.errors import TrainingError
from fashion_style.health import COIN, diagnose, vital_signs
from fashion_style.reading.sources import garment_source, pattern_source
from fashion_style.runs.dashboard import fig_dashboard
from fashion_style.runs.history import LOSS_TERMS, History, read_history, weighted_shares
from fashion_style.runs.loop import Progress, train
from fashion_style.runs.plan import Schedule, Watchers
from fashion_style.runs.tensorboard import TensorBoardWriter
from fashion_style.settings import LossWeights, TrainingSettings

# Real runs ------------------------------------------------------------------------------------------------------------
# The article's U-shaped generator and few of the extractor's layers: a run takes as long as its step takes to be
# traced.
TINY = dict(
    size=32,
    batch=2,
    steps=60,
    generator="unet",
    content_layer="block2_conv1",
    style_layers=("block1_conv1", "block2_conv1"),
)
FREE = dict(TINY, constraint="none", update="together")  # one forward pass and no second derivatives: quick to trace
QUIET = dict(FREE, loss="vanilla", critic_learning_rate=1e-4)  # a critic without constraint that stays calm
RUNS = {
    "fine": dict(QUIET),
    "critic won": dict(TINY, weights=LossWeights(adversarial=1.0)),  # two hundred times the default
    "critic dead": dict(FREE, critic_learning_rate=1e-8),
    "content only": dict(QUIET, weights=LossWeights(style=0.0)),
    "style only": dict(QUIET, weights=LossWeights(content=0.0)),
    "exploding": dict(QUIET, learning_rate=1000 * TrainingSettings().learning_rate),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """{verdict: (folder, settings, history)}, one short training for every verdict but "too early to tell"; the one of
    "fine" was watched by a TensorBoardWriter.
    """
    folder, done = tmp_path_factory.mktemp("runs"), {}
    sources = garment_source(size=40, count=16), pattern_source(size=40, count=16)
    held_out = held_out_pairs(
        *(source(part="held_out", size=32) for source in (garment_source, pattern_source)), 4, size=32
    )
    for name, changes in RUNS.items():
        run, settings = folder / name.replace(" ", "-"), TrainingSettings(**changes)
        if name == "fine":
            with TensorBoardWriter(run, every=10, weights=settings.weights) as writer:
                result = train(
                    run,
                    settings,
                    *sources,
                    held_out=held_out,
                    schedule=Schedule(grid_every=30, checkpoint_every=1000),
                    watchers=Watchers(callback=writer),
                )
        else:
            result = train(run, settings, *sources, schedule=Schedule(grid_every=1000, checkpoint_every=1000))
        done[name] = run, settings, result.history
    return done


@pytest.mark.parametrize("name", RUNS)
def test_a_real_run_gets_its_verdict(runs, name):
    run, _, history = runs[name]
    verdict = diagnose(history)
    assert verdict.name == name, (verdict.words, verdict.evidence)
    assert diagnose(read_history(run)).words == verdict.words
    assert len(verdict.words) > 40 and any(character.isdigit() for character in verdict.words)


STAGES = Path(__file__).parents[1] / "nbs" / "tutorials" / "real_run" / "stages"


def test_there_are_stages_to_look_at():
    assert len(list(STAGES.glob("*-settings.json"))) == len(list(STAGES.glob("*-history.csv"))) >= 5


@pytest.mark.parametrize("path", sorted(STAGES.glob("*-history.csv")), ids=lambda path: path.stem)
def test_the_stages_on_real_pictures_were_fine(path):
    history = read_history(path)
    verdict = diagnose(history)
    assert len(history) >= 60 and verdict.name == "fine", (verdict.words, verdict.evidence)


def test_the_reasons_are_the_ones_that_were_arranged(runs):
    evidence = {name: diagnose(history).evidence for name, (_, _, history) in runs.items()}
    assert evidence["content only"]["style_share"] == 0.0 and evidence["content only"]["content_part"] == 1.0
    assert evidence["style only"]["content_share"] == 0.0 and evidence["style only"]["content_part"] == 0.0
    assert evidence["critic won"]["critic_share"] > 0.5
    # far from every limit
    assert (
        0.002 < evidence["fine"]["critic_share"] < 0.1
        and 0.2 < evidence["fine"]["coin"] < 0.8
        and evidence["fine"]["term_growth"] < 0.8
    )
    assert evidence["critic dead"]["critic_share"] < 1e-3 and evidence["exploding"]["term_growth"] > 0.9


@pytest.mark.parametrize("name", RUNS)
def test_the_dashboard_of_a_real_run(runs, name):
    figure = fig_dashboard(runs[name][2])
    figure.canvas.draw()
    assert figure.get_suptitle().startswith(f"{name.upper()}: ")
    width, height = figure.canvas.get_width_height()
    assert width / 3 <= 256 and height / 2 <= 256
    assert [axes.get_title() for axes in figure.axes] == [
        "total",
        "content and style",
        "weighted shares",
        "critic gap",
        "gradient norms",
        "steps a second",
    ]
    assert all(axes.lines or axes.collections for axes in figure.axes)


def test_tensorboard_files_of_a_real_run(runs):
    run, settings, history = runs["fine"]
    (path,) = (run / "tensorboard").iterdir()
    events = events_of(path)
    assert events[0].file_version == "brain.Event:2" and events[1].session_log.status == tf.compat.v1.SessionLog.START
    scalars = {
        event.step: {value.tag: value.simple_value for value in event.summary.value if value.HasField("simple_value")}
        for event in events[2:]
    }
    assert sorted(scalars) == [10, 20, 30, 40, 50, 60]
    for step, tags in scalars.items():
        row = history[step - 1]
        for name in LOSS_TERMS + ("total",):
            assert tags[f"loss/{name}"] == pytest.approx(row[name], rel=1e-6)
        assert tags["gradient/generator"] == pytest.approx(row["generator_gradient"], rel=1e-6)
        assert tags["training/critic_gap"] == pytest.approx(row["critic_gap"], rel=1e-6)
        assert (
            tags["share/style"] == pytest.approx(row["share_style"], rel=1e-6) and tags["training/steps_per_second"] > 0
        )
    pictures = {event.step: value.image for event in events for value in event.summary.value if value.HasField("image")}
    assert sorted(pictures) == [30, 60]
    for step, picture in pictures.items():
        grid = tf.io.decode_png(tf.io.read_file(str(run / "grids" / f"step-{step:08d}.png"))).numpy()
        np.testing.assert_array_equal(tf.io.decode_png(picture.encoded_image_string).numpy(), grid)
        assert (picture.height, picture.width, picture.colorspace) == grid.shape


# Invented histories ---------------------------------------------------------------------------------------------------
def invented(steps=200, seed=0, **changes):
    """Rows of a healthy Wasserstein run; `changes` are functions of (progress 0..1, row) that give another value for a
    column.
    """
    random, rows = np.random.default_rng(seed), []
    for step in range(1, steps + 1):
        done = step / steps
        gap = 60 * done * np.exp(-4 * done) + random.normal()
        row = dict(
            step=float(step),
            content=0.4 + 0.6 * np.exp(-9 * done),
            style=0.25 + 0.6 * np.exp(-6 * done),
            background=0.06,
            shading=0.4,
            motif=0.0,
            truth=0.0,
            cover=0.0,
            residue=0.0,
            variation=0.2,
            adversarial=gap,
            critic_gap=gap,
            generator_gradient=2 + 8 * np.exp(-20 * done),
            critic_gradient=100 * (1 - np.exp(-30 * done)),
            skipped=0.0,
            seconds=0.5,
        )
        row = {
            name: (
                value * np.exp(0.2 * random.normal())
                if name in ("content", "style", "generator_gradient", "critic_gradient")
                else value
            )
            for name, value in row.items()
        }
        row.update({name: change(done, row) for name, change in changes.items()})
        row.setdefault("critic_loss", -row["critic_gap"])
        row["total"] = sum(getattr(LossWeights(), name) * row[name] for name in LOSS_TERMS)
        rows.append(row | weighted_shares(row, LossWeights()))
    return rows


def times(name, factor):
    return {name: lambda done, row: factor * row[name]}


CASES = {
    "fine": [{}],
    "critic won": [
        dict(critic_gap=lambda done, row: 300 * done + row["critic_gap"], adversarial=lambda done, row: 150 * done),
        dict(critic_gap=lambda done, row: 1500 * done, adversarial=lambda done, row: -1500 * done),
        dict(critic_loss=lambda done, row: COIN * 0.1 ** (3 * done)),
    ],
    "critic dead": [
        dict(critic_gap=lambda done, row: 1e-3 * np.sin(2 * row["step"]), adversarial=lambda done, row: 1e-3),
        times("adversarial", 1e-3) | times("critic_gap", 1e-3),
        dict(critic_loss=lambda done, row: COIN),
        dict(critic_gap=lambda done, row: np.sin(2 * row["step"])),
        dict(critic_gap=lambda done, row: 0.0, adversarial=lambda done, row: -0.5),
    ],
    "content only": [times("style", 0.0), times("style", 1e-3)],
    "style only": [times("content", 0.0), times("content", 1e-3)],
    "exploding": [
        dict(style=lambda done, row: row["style"] * np.exp(9 * done)),
        dict(content=lambda done, row: float("nan") if done > 0.8 else row["content"]),
        dict(skipped=lambda done, row: float(done > 0.9)),
        dict(critic_gradient=lambda done, row: np.exp(20 * done)),
        dict(generator_gradient=lambda done, row: 5 * np.exp(6 * done)),
        dict(style=lambda done, row: float("inf") if done > 0.7 else row["style"]),
        dict(
            style=lambda done, row: 0.8 + done,
            content=lambda done, row: 1 + done,
            generator_gradient=lambda done, row: 10.0 if done < 0.1 else 1e-3,
        ),
    ],
}
EVERY = [(name, number) for name, variants in CASES.items() for number in range(len(variants))]


@pytest.mark.parametrize("name, number", EVERY)
def test_an_invented_history_gets_its_verdict_whatever_the_noise_and_length(name, number):
    for steps, seed in [(80, 0), (80, 1), (200, 2), (200, 3), (1000, 4)]:
        verdict = diagnose(invented(steps, seed, **CASES[name][number]))
        assert verdict.name == name, (steps, seed, verdict.words)


@pytest.mark.parametrize("name, number", EVERY)
def test_verdicts_do_not_depend_on_scale(name, number):
    history = invented(**CASES[name][number])
    scaled = copy.deepcopy(history)
    for row in scaled:
        vanilla = number and name.startswith("critic") and "critic_loss" in CASES[name][number]
        for key in ("total", *LOSS_TERMS, "generator_gradient", "critic_gradient", "critic_gap") + (
            () if vanilla else ("critic_loss",)
        ):
            row[key] = 1000 * row[key]
    one, two = vital_signs(history), vital_signs(scaled)
    np.testing.assert_allclose(list(one.values()), list(two.values()), rtol=1e-9)
    assert diagnose(scaled).name == name


def test_a_critic_whose_scores_are_constant_is_dead_though_its_term_is_not_small():
    history = invented(critic_gap=lambda done, row: 0.0, adversarial=lambda done, row: -0.5)
    assert all(0.001 < row["share_adversarial"] < 0.003 for row in history[100:]), "by its share alone it would pass"
    verdict = diagnose(history)
    assert verdict.name == "critic dead" and verdict.evidence["clarity"] == 0.0 and "beyond luck" in verdict.words


def add_to_scores(history, constant):
    """The history of the same training when the critic adds `constant(row)` to every score: only the adversarial loss
    and what is made from it differ.
    """
    rows = [dict(row, adversarial=row["adversarial"] - constant(row)) for row in history]
    rows = [dict(row, total=sum(getattr(LossWeights(), name) * row[name] for name in LOSS_TERMS)) for row in rows]
    return [row | weighted_shares(row, LossWeights()) for row in rows]


WASSERSTEIN = [
    (name, number) for name, number in EVERY if "critic_loss" not in CASES[name][number] and name != "exploding"
]


@pytest.mark.parametrize(
    "constant",
    [lambda row: 0.5, lambda row: 40.0, lambda row: 1000.0, lambda row: -300.0, lambda row: 5 * row["step"]],
    ids=["0.5", "40", "1000", "-300", "5 a step"],
)
@pytest.mark.parametrize("name, number", WASSERSTEIN)
def test_a_constant_on_all_scores_changes_no_verdict(name, number, constant):
    history = invented(**CASES[name][number])
    moved = add_to_scores(history, constant)
    assert any(row["share_adversarial"] != other["share_adversarial"] for row, other in zip(history, moved)), (
        "the plain share does change"
    )
    one, two = vital_signs(history), vital_signs(moved)
    assert {key: value for key, value in two.items() if key != "total_growth"} == pytest.approx(
        {key: one[key] for key in two if key != "total_growth"}, rel=1e-6, nan_ok=True
    )
    assert diagnose(moved).name == name


def test_the_vanilla_critic_counts_with_its_term():
    history = add_to_scores(invented(critic_loss=lambda done, row: 0.5 * COIN), lambda row: -100.0)
    assert vital_signs(history)["critic_share"] == pytest.approx(
        np.median([row["share_adversarial"] for row in history[150:]])
    )


def test_signs_by_hand():
    rows = [
        dict(
            step=float(step),
            total=total,
            critic_gap=gap,
            critic_loss=-gap,
            generator_gradient=gradient,
            critic_gradient=gradient**2,
            skipped=skipped,
            content=content,
            share_content=0.2,
            style=style,
            share_style=0.6,
            share_adversarial=0.2,
        )
        for step, total, gap, gradient, skipped, content, style in zip(
            range(1, 9),
            (2.0, 1, 1, 1, 1, 1, -8, 8),
            (1.0, 4, 8, 6, 3, 1, 2, -2),
            (4.0, 1, 2, 2, 2, 2, 4, 4),
            (0, 0, 0, 0, 0, 0, 1, 0),
            (1.0, 9, 9, 9, 9, 9, 0.5, 0.5),
            (0.3, 9, 9, 9, 9, 9, 0.6, 0.6),
        )
    ]
    signs = vital_signs(rows)
    expected = dict(
        steps=8,
        total_growth=4,
        generator_growth=1,
        critic_growth=4,
        bad_steps=0.5,
        term_growth=(0.2 * 0.5 + 0.6 * 2) / 0.8,
        content_part=0.25,
        critic_share=0.2,
        content_share=0.2,
        style_share=0.6,
        seen=0.5,
        level=0.0,
        clarity=2 * 1.0 / np.std([3, 1, 2, -2]),
    )
    assert np.isnan(signs.pop("coin")) and np.isnan(signs.pop("truth_share"))
    assert signs == pytest.approx(expected)


@pytest.mark.parametrize(
    "sign, below, above, name",
    [
        ("critic_share", 0.49, 0.51, "critic won"),
        ("coin", 0.11, 0.09, "critic won"),
        ("content_part", 0.97, 0.99, "content only"),
        ("content_part", 0.03, 0.01, "style only"),
        ("clarity", 2.1, 1.9, "critic dead"),
        ("coin", 0.94, 0.96, "critic dead"),
        ("critic_share", 0.002, 0.0009, "critic dead"),
        ("bad_steps", 0.04, 0.06, "exploding"),
        ("total_growth", 99, 101, "exploding"),
        ("generator_growth", 99, 101, "exploding"),
        ("critic_growth", 999, 1001, "exploding"),
        ("term_growth", 1.9, 2.1, "exploding"),
        ("steps", 40, 39, "too early to tell"),
    ],
)
def test_every_limit_from_both_sides(monkeypatch, sign, below, above, name):
    signs = vital_signs(invented())
    for value, expected in ((below, "fine"), (above, name)):
        monkeypatch.setattr(
            "fashion_style.health.vital_signs", lambda history, weights=None: dict(signs, **{sign: value})
        )
        assert diagnose([]).name == expected


@pytest.mark.parametrize(
    "changes, expected",
    [
        (dict(critic_share=0.3, seen=0.95, level=0.7), "critic won"),
        (dict(critic_share=0.19, seen=0.95, level=0.7), "fine"),
        (dict(critic_share=0.3, seen=0.85, level=0.7), "fine"),
        (dict(critic_share=0.3, seen=0.95, level=0.6), "fine"),
        (dict(generator_growth=0.01, term_growth=0.95), "exploding"),
        (dict(generator_growth=0.01, term_growth=0.8), "fine"),
        (dict(generator_growth=0.03, term_growth=0.95), "fine"),
    ],
)
def test_limits_that_need_each_other(monkeypatch, changes, expected):
    signs = dict(vital_signs(invented()), **changes)
    monkeypatch.setattr("fashion_style.health.vital_signs", lambda history, weights=None: signs)
    assert diagnose([]).name == expected


def test_the_first_disease_is_named_and_the_others_are_mentioned():
    verdict = diagnose(
        invented(
            critic_gap=lambda done, row: 1500 * done,
            adversarial=lambda done, row: 1500 * done,
            style=lambda done, row: 0.0,
        )
    )
    assert verdict.name == "critic won" and verdict.words.endswith("Also: content only.")
    verdict = diagnose(invented(adversarial=lambda done, row: 1e9 * done))
    assert verdict.name == "exploding" and "Also" not in verdict.words


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 39])
def test_short_histories_are_too_early(length):
    verdict = diagnose(invented()[:length])
    assert verdict.name == "too early to tell" and f"{length} steps" in verdict.words


def test_numbers_that_are_not_finite_are_seen_early():
    history = invented(skipped=lambda done, row: 1.0)[:12]
    assert diagnose(history).name == "exploding" and diagnose(history[:1]).name == "exploding"


def test_a_table_without_shares_asks_for_the_weights():
    def older(rows):
        return [{name: value for name, value in row.items() if not name.startswith("share_")} for row in rows]

    history = older(invented())
    assert diagnose(history).name == "fine" and "hand over the run's weights" in diagnose(history).words
    starved = older(invented(**times("style", 1e-3)))
    assert diagnose(starved).name == "fine" and diagnose(starved, LossWeights()).name == "content only"


@pytest.mark.parametrize(
    "history",
    [
        [],
        invented(steps=1),
        invented(steps=3),
        invented(steps=60),
        [dict(step=float(step)) for step in range(60)],
        [{name: float("nan") for name in row} | dict(step=row["step"]) for row in invented(60)],
        [dict(row, total=float("inf"), generator_gradient=float("inf")) for row in invented(60)],
        [dict(row, critic_gap=0.0, critic_loss=0.0, generator_gradient=0.0, total=0.0) for row in invented(60)],
        [dict(row, critic_gap=1e30) for row in invented(60)],
        invented(60, adversarial=lambda done, row: np.exp(60 * done) * row["adversarial"]),
    ],
)
def test_any_history_is_judged_and_drawn_without_a_warning(history):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = diagnose(history)
        figure = fig_dashboard(history)
        figure.canvas.draw()
        fig_dashboard(history, LossWeights()).canvas.draw()
    assert verdict.words.endswith(".") and len(figure.axes) == 6


def test_the_dashboard_draws_what_it_says():
    history = invented(held_out_gap=lambda done, row: 7.0 if row["step"] % 50 == 0 else float("nan"))
    figure = fig_dashboard(history)
    panels = {axes.get_title(): axes for axes in figure.axes}
    dots = panels["critic gap"].lines[-1]
    np.testing.assert_array_equal(dots.get_xdata(), [50, 100, 150, 200])
    np.testing.assert_array_equal(dots.get_ydata(), [7.0] * 4)
    bands = [band.get_label() for band in panels["weighted shares"].collections]
    assert bands == list(LOSS_TERMS)
    assert (
        panels["steps a second"].lines[-1].get_ydata()[-1] == pytest.approx(2.0)
        and panels["gradient norms"].get_yscale() == "log"
    )
    assert fig_dashboard(invented(adversarial=lambda done, row: np.exp(60 * done))).axes[0].get_yscale() == "symlog"


def test_a_long_history_is_thinned_out():
    history = [dict(row, step=float(step)) for step, row in enumerate(invented() * 50, start=1)]
    bands = fig_dashboard(history).axes[2].collections
    assert all(len(band.get_paths()[0].vertices) < 1000 for band in bands)


# TensorBoard ----------------------------------------------------------------------------------------------------------
def events_of(path):
    return [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]


def progress(step, picture=None, **losses):
    return Progress(step, 10, losses, 0.25, picture)


def test_scalars_and_pictures_come_back(tmp_path):
    writer = TensorBoardWriter(tmp_path, every=2)
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    for step in range(1, 5):
        writer(progress(step, picture if step == 3 else None, total=step / 3, penalty=float("nan")))
    (path,) = (tmp_path / "tensorboard").iterdir()
    events = events_of(path)  # each step is on the disk before the writer is closed
    writer.close()
    writer.close()
    assert "tfevents" in path.name and [event.step for event in events] == [0, 1, 2, 3, 4]
    values = {value.tag: value.simple_value for value in events[2].summary.value}
    assert (
        values["loss/total"] == np.float32(2 / 3)
        and np.isnan(values["training/penalty"])
        and values["training/steps_per_second"] == 4.0
    )
    (shown,) = events[3].summary.value
    np.testing.assert_array_equal(tf.io.decode_png(shown.image.encoded_image_string).numpy(), picture)


def test_a_resumed_run_starts_a_new_file_that_purges_what_comes_again(tmp_path):
    for first in (1, 3):
        with TensorBoardWriter(tmp_path) as writer:
            for step in range(first, first + 4):
                writer(progress(step, total=1.0))
    files = sorted((tmp_path / "tensorboard").iterdir())
    starts = [
        event.step
        for path in files
        for event in events_of(path)
        if event.session_log.status == tf.compat.v1.SessionLog.START
    ]
    assert len(files) == 2 and starts == [1, 3]


def test_a_writer_that_saw_nothing_leaves_nothing(tmp_path):
    with TensorBoardWriter(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    writer = TensorBoardWriter(tmp_path)
    (tmp_path / "tensorboard").write_text("in the way")
    with pytest.raises(TrainingError, match="cannot write TensorBoard's files.*without the writer"):
        writer(progress(1, total=1.0))
    with pytest.raises(TrainingError, match="at least 1. Received: 0"):
        TensorBoardWriter(tmp_path, every=0)


def test_what_would_fail_after_the_first_step_is_refused_at_once(tmp_path):
    for run, block in (
        (tmp_path / "file", lambda path: path.write_text("mine")),
        (tmp_path / "link", lambda path: path.symlink_to("nowhere")),
    ):
        run.mkdir()
        block(run / "tensorboard")
        with pytest.raises(
            TrainingError, match=r"cannot write TensorBoard's files \(this is no folder\).*without the writer"
        ):
            TensorBoardWriter(run)
    for name in (os.fsdecode(b"caf\xe9"), "half \ud800"):
        with pytest.raises(TrainingError, match="(as UTF-8|half a character).*Name another") as caught:
            TensorBoardWriter(tmp_path / name)
        str(caught.value).encode("utf-8")  # the message itself can be shown
    with TensorBoardWriter(tmp_path / "größe 服") as writer:
        writer(progress(1, total=1.0))
    assert list((tmp_path / "größe 服" / "tensorboard").iterdir())
    TensorBoardWriter(tmp_path / "größe 服")  # a folder that is there already is no obstacle


def test_history_file_and_memory_give_the_same_verdict(tmp_path):
    history = History(tmp_path, weights=LossWeights())
    for row in invented(**CASES["critic won"][0]):
        history.append({name: value for name, value in row.items() if not name.startswith("share_")})
    history.close()
    assert diagnose(read_history(tmp_path)).name == "critic won"
