"""Runs: history, events, checkpoints and resuming survive stops, kills and broken files."""

import io
import json
import os
import shutil
import signal
import sys
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from test_devices import HANG_GUARD, start_workers

from fashion_style.data import held_out_pairs
from fashion_style.errors import PictureError, TrainingError
from fashion_style.reading.sources import PictureSource, folder_source, garment_source, pattern_source
from fashion_style.runs import keeper, loop, opening
from fashion_style.runs.checkpoints import best_checkpoint, list_checkpoints, newest_checkpoint, read_checkpoint
from fashion_style.runs.events import add_event, read_events
from fashion_style.runs.history import read_history
from fashion_style.runs.keeper import held_out_digest
from fashion_style.runs.loop import train
from fashion_style.runs.plan import Schedule, Start, Watchers
from fashion_style.runs.stopping import Divergence, StoppingRule
from fashion_style.settings import TrainingSettings
from fashion_style.training import Trainer
from fashion_style.writing import Stop, writer_lock

SMALL = TrainingSettings(size=32, batch=2, steps=6, width=4)
# For what does not depend on the networks: those that are traced in a quarter of the time.
QUICK = replace(
    SMALL,
    generator="unet",
    constraint="clip",
    update="together",
    content_layer="block1_conv1",
    style_layers=("block1_conv1",),
)


def same_bits(one, other):
    """Check that two trainers hold the same numbers, all of them."""
    for name, variable in one.variables().items():
        np.testing.assert_array_equal(variable.numpy(), other.variables()[name].numpy(), err_msg=name)


def stop_at(step):
    """What makes `train` stop after a step, as Ctrl-C would."""
    stop = Stop()

    def callback(progress):
        stop.asked = progress.step == step

    return Watchers(callback=callback, stop=stop)


def events(run):
    """What the events of a run are, in words."""
    return [event["what"] for event in read_events(run)]


@pytest.fixture(scope="module")
def sources():
    return garment_source(size=40, count=10), pattern_source(size=40, count=10)


@pytest.fixture(scope="module")
def unseen():
    return held_out_pairs(
        garment_source(size=40, count=4, part="held_out"), pattern_source(size=40, count=4, part="held_out"), 2, size=32
    )


@pytest.fixture(scope="module")
def straight(tmp_path_factory, sources, unseen):
    run = tmp_path_factory.mktemp("runs") / "straight"
    return run, train(run, SMALL, *sources, held_out=unseen, schedule=Schedule(grid_every=3, checkpoint_every=2))


def test_a_run_leaves_history_grids_settings_and_checkpoints(straight):
    run, result = straight
    assert result.reason == "finished" and [row["step"] for row in read_history(run)] == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in (run / "grids").iterdir()) == ["step-00000003.png", "step-00000006.png"]
    assert TrainingSettings.from_dict(json.loads((run / "settings.json").read_text())) == SMALL
    assert [path.name for path in list_checkpoints(run)][-2:] == ["step-00000004", "step-00000006"]
    assert all(np.isfinite(row["total"]) and row["seconds"] > 0 for row in read_history(run))
    assert np.isfinite(read_history(run)[2]["held_out_gap"]) and np.isnan(read_history(run)[1]["held_out_gap"])


def test_the_bar_says_what_the_first_step_waits_for_and_then_no_more(sources, tmp_path, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(loop, "tqdm", partial(loop.tqdm, file=shown))
    train(tmp_path / "run", replace(QUICK, steps=3), *sources)
    looks = shown.getvalue().split("\r")
    done = next(number for number, look in enumerate(looks) if " 1/3 " in look)
    told = [look for look in looks if "building the training step: " in look]
    assert told and " 0/3 " in told[0] and told[0] in looks[:done]
    assert not [look for look in looks[done:] if "building" in look] and "critic_gap" in looks[-1]


def test_stopped_and_resumed_is_equal_to_the_bit(straight, sources, unseen, tmp_path):
    _, whole = straight
    half = train(
        tmp_path / "half",
        SMALL,
        *sources,
        held_out=unseen,
        schedule=Schedule(grid_every=3, checkpoint_every=100),
        watchers=stop_at(3),
    )
    assert half.reason == "stopped" and len(half.history) == 3
    rest = train(
        tmp_path / "half",
        None,
        *sources,
        held_out=unseen,
        start=Start(resume=True),
        schedule=Schedule(grid_every=3, checkpoint_every=100),
    )
    same_bits(whole.trainer, rest.trainer)
    rows = [
        [{name: value for name, value in row.items() if name not in ("seconds", "steps_per_second")} for row in history]
        for history in (whole.history, rest.history)
    ]
    np.testing.assert_equal(*rows)
    assert events(straight[0]) == ["opened", "finished"] and events(tmp_path / "half") == [
        "opened",
        "stopped",
        "resumed",
        "finished",
    ]


def test_resuming_in_the_middle_of_a_batch_s_pairings_is_equal_to_the_bit(sources, tmp_path):
    settings = replace(QUICK, pairings=2)
    whole = train(tmp_path / "whole", settings, *sources)
    train(tmp_path / "half", settings, *sources, watchers=stop_at(3))
    rest = train(tmp_path / "half", None, *sources, start=Start(resume=True))
    same_bits(whole.trainer, rest.trainer)


def test_targets_that_are_kept_are_equal_to_the_bit_whatever_batch_they_come_from(tmp_path):
    # neither is a multiple of the batch: pictures meet others in each round
    few = garment_source(size=40, count=7), pattern_source(size=40, count=5)
    settings = replace(
        QUICK, batch=4, steps=8, augment=False, content_layer=SMALL.content_layer, style_layers=SMALL.style_layers
    )
    whole = train(tmp_path / "whole", settings, *few, schedule=Schedule(grid_every=1000))
    train(tmp_path / "half", settings, *few, schedule=Schedule(grid_every=1000), watchers=stop_at(5))
    same_bits(
        whole.trainer,
        train(tmp_path / "half", None, *few, schedule=Schedule(grid_every=1000), start=Start(resume=True)).trainer,
    )


def test_a_checkpoint_is_saved_when_the_last_one_is_old_and_changes_no_number(sources, unseen, tmp_path, monkeypatch):
    saved, save = [], keeper.save_checkpoint
    monkeypatch.setattr(
        keeper,
        "save_checkpoint",
        lambda trainer, *more, **options: saved.append(int(trainer.step)) or save(trainer, *more, **options),
    )
    how = dict(grid_every=3, checkpoint_every=100)
    plain = train(
        tmp_path / "plain",
        replace(QUICK, steps=4),
        *sources,
        held_out=unseen,
        schedule=Schedule(checkpoint_minutes=None, **how),
    )
    assert saved == [4]
    often = train(
        tmp_path / "often",
        replace(QUICK, steps=4),
        *sources,
        held_out=unseen,
        schedule=Schedule(checkpoint_minutes=1e-9, **how),
    )
    assert saved == [4, 1, 2, 3, 4]
    same_bits(plain.trainer, often.trainer)


def test_a_run_begins_with_trained_weights_and_keeps_them_in_its_first_checkpoint(straight, sources, tmp_path):
    _, learned = straight
    weights = learned.trainer.generator.get_weights()
    train(tmp_path / "tuned", replace(SMALL, steps=1, learning_rate=1e-12), *sources, start=Start(weights=weights))
    first = list_checkpoints(tmp_path / "tuned")[0]
    _, arrays = read_checkpoint(first)
    assert first.name == "step-00000000"
    for index, array in enumerate(weights):
        np.testing.assert_array_equal(arrays[f"generator/{index:03d}"], array)


def test_weights_of_another_generator_are_refused_and_leave_no_run(sources, tmp_path):
    weights = Trainer(replace(SMALL, width=6)).generator.get_weights()
    with pytest.raises(TrainingError, match="another generator.*width 4"):
        train(tmp_path / "run", SMALL, *sources, start=Start(weights=weights))
    assert not (tmp_path / "run").exists(), "a refused run leaves nothing"
    (tmp_path / "mine").mkdir()
    with pytest.raises(TrainingError, match="another generator"):
        train(tmp_path / "mine", SMALL, *sources, start=Start(weights=weights))
    assert (tmp_path / "mine").is_dir() and not list_checkpoints(tmp_path / "mine"), "a folder that was there stays"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_ask_to_stop_and_their_old_meaning_comes_back(name, monkeypatch):
    class Gone:
        def write(self, text):
            raise OSError(5, "Input/output error")

    number, usual = getattr(signal, name), lambda number, frame: None
    before = signal.signal(number, usual)  # whoever started the tests may ignore it
    try:
        with Stop() as stop:
            monkeypatch.setattr(sys, "stderr", Gone())  # the terminal was closed
            signal.raise_signal(number)
            monkeypatch.undo()
            assert stop.asked
        assert signal.getsignal(number) == usual
    finally:
        signal.signal(number, before)


def test_under_nohup_a_closed_terminal_stops_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert not stop.asked and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_old_run_is_never_written_over(straight, sources):
    with pytest.raises(TrainingError, match="already holds a run.*--resume"):
        train(straight[0], SMALL, *sources)


@pytest.mark.parametrize(
    "name, text",
    [
        ("settings.json", '{"editor": "mine"}'),
        ("settings.json", "[]"),
        ("settings.json", "{}"),
        ("settings.json", "{"),
        ("settings.json", '{"steps": 3, "editor": 4}'),
        ("history.csv", "year,event\n"),
        ("history.csv", ""),
        ("events.jsonl", "my concerts"),
    ],
)
def test_files_of_somebody_else_are_never_written_over(sources, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(TrainingError, match="ame a new"):
        train(tmp_path, SMALL, *sources)
    assert (tmp_path / name).read_text() == text and os.listdir(tmp_path) == [name]


def test_notes_are_there_before_the_first_checkpoint(tmp_path, monkeypatch):
    seen = []

    def killed(trainer, run, **more):
        seen.extend(sorted(path.name for path in run.iterdir()))
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "save_checkpoint", killed)
    for _ in range(2):  # and what a killed start leaves is no obstacle to the next
        with pytest.raises(KeyboardInterrupt):
            opening.open_run(tmp_path, SMALL, opened=lambda trainer: (tmp_path / "pictures.json").touch())
    assert seen == ["grids", "pictures.json", "settings.json"] * 2


def test_workers_that_take_up_another_run_at_the_same_step_do_not_train(sources, tmp_path):
    for name, seed in (("one", 0), ("other", 1)):
        train(tmp_path / name, replace(QUICK, steps=1, seed=seed), *sources, schedule=Schedule(grid_every=1000))
    workers = start_workers([tmp_path / "one", tmp_path / "other"], replace(QUICK, steps=4), tmp_path, "resume")
    for worker in workers:
        worker.communicate(timeout=HANG_GUARD)
    for index, worker in enumerate(workers):
        log = (tmp_path / f"worker{index}.log").read_text()
        assert (
            worker.returncode == 1
            and "different checkpoints: this one is at step 1, the weights differ at the same step. Copy" in log
        ), log[-2000:]


def test_nothing_to_resume_is_one_clear_error(sources, tmp_path):
    with pytest.raises(TrainingError, match="no usable checkpoint"):
        train(tmp_path / "none", None, *sources, start=Start(resume=True))


class Poisoned(Trainer):
    """Sees pictures full of NaN for its first steps."""

    poison = 20

    def advance(self, content, style, mask, targets=None):
        self.poison -= 1
        return super().advance(content * float("nan") if self.poison >= 0 else content, style, mask, targets)


def test_a_run_whose_losses_explode_goes_back_and_halves_the_rate(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "Trainer", Poisoned)
    with pytest.warns(UserWarning, match="back to step 0 with 0.5"):
        result = train(
            tmp_path / "run",
            replace(QUICK, steps=22),
            *sources,
            schedule=Schedule(grid_every=1000, checkpoint_every=11),
        )
    assert (
        result.reason == "finished"
        and [row["step"] for row in result.history] == list(range(1, 23))
        and float(result.trainer.rate_scale) == 0.5
    )
    assert result.history[0]["learning_rate"] < 0.51 * QUICK.learning_rate
    assert float(newest_checkpoint(tmp_path / "run")[1]["rate_scale/000"]) == 0.5
    back = read_events(tmp_path / "run")[1]
    assert events(tmp_path / "run") == ["opened", "gone back", "finished"] and back["step"] == 0
    assert (
        back["text"]
        == "losses were not finite up to step 20: back to step 0 with 0.5 of the learning rate. The last finite totals:"
        " none."
    )


@pytest.mark.filterwarnings("ignore:losses were not finite")
def test_a_run_that_cannot_be_mended_ends_with_its_last_losses(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(Poisoned, "poison", 10**6)
    monkeypatch.setattr(opening, "Trainer", Poisoned)
    with pytest.raises(
        TrainingError, match="not finite for 20 steps.*3 times.*last finite totals: none.*learning rate"
    ):
        train(tmp_path / "run", replace(QUICK, steps=50), *sources, schedule=Schedule(grid_every=1000))
    assert newest_checkpoint(tmp_path / "run")[0].steps == 50


@pytest.fixture
def poisoned_once(monkeypatch):
    """Runs see two batches full of NaN in a row, once, after step 4, and go back."""

    class PoisonedOnce(Trainer):
        left = 2

        def advance(self, content, *more):
            bad = int(self.step) >= 4 and self.left > 0
            self.left -= bad
            return super().advance(content * float("nan") if bad else content, *more)

    monkeypatch.setattr(opening, "Trainer", PoisonedOnce)
    monkeypatch.setattr(keeper, "Divergence", partial(Divergence, patience=2))


@pytest.mark.filterwarnings("ignore:checkpoint", "ignore:losses were not finite")
def test_a_run_that_goes_back_past_a_broken_checkpoint_writes_it_again(poisoned_once, sources, tmp_path):
    visits = []

    def callback(progress):
        if progress.step == 4:
            newest = list_checkpoints(tmp_path / "run")[-1]
            visits.append(json.loads((newest / "manifest.json").read_text() or "{}").get("step"))
            if len(visits) == 1:
                (newest / "manifest.json").write_text("")

    train(
        tmp_path / "run",
        replace(QUICK, steps=6),
        *sources,
        schedule=Schedule(grid_every=100, checkpoint_every=2),
        watchers=Watchers(callback=callback),
    )
    assert visits == [4, 4] and events(tmp_path / "run") == ["opened", "passed over", "gone back", "finished"]


@pytest.mark.filterwarnings("ignore:losses were not finite")
def test_a_run_that_goes_back_counts_no_check_twice(poisoned_once, sources, unseen, tmp_path):
    rule = Schedule(grid_every=1, checkpoint_every=2, stop_gap=1e9, stop_checks=7)
    result = train(tmp_path / "run", replace(QUICK, steps=20), *sources, held_out=unseen, schedule=rule)
    assert result.reason == "converged" and len(result.history) == 7, "seven checks of seven states"
    assert events(tmp_path / "run") == ["opened", "gone back", "converged"]


def test_the_last_losses_are_shown():
    watch = Divergence(patience=2, returns=0)
    for total in range(30):
        watch(dict(skipped=0.0, total=float(total)))
    watch(dict(skipped=1.0, total=float("nan")))
    with pytest.raises(TrainingError, match="totals: 10, 11, .*, 29. The newest"):
        watch(dict(skipped=1.0, total=float("nan")))


def test_without_augmentation_targets_are_kept(sources, tmp_path, monkeypatch):
    asked = []
    targets = Trainer.targets
    monkeypatch.setattr(Trainer, "targets", lambda self, *batch: asked.append(1) or targets(self, *batch))
    few = garment_source(size=40, count=4), pattern_source(size=40, count=4)
    settings = replace(QUICK, steps=8, augment=False)
    result = train(tmp_path / "run", settings, *few, schedule=Schedule(grid_every=1000))
    assert result.reason == "finished" and 2 <= len(asked) <= 6 < settings.steps


def test_a_step_that_is_skipped_last_does_not_cost_the_run(sources, tmp_path, monkeypatch):
    class PoisonedLast(Trainer):
        def advance(self, content, *more):
            return super().advance(content * float("nan") if int(self.step) == 3 else content, *more)

    monkeypatch.setattr(opening, "Trainer", PoisonedLast)
    result = train(
        tmp_path / "run", replace(QUICK, steps=4), *sources, schedule=Schedule(grid_every=100, checkpoint_every=100)
    )
    assert result.history[-1]["skipped"] == 1.0 and int(newest_checkpoint(tmp_path / "run")[1]["step/000"]) == 4


@pytest.mark.filterwarnings("ignore:.*goes on from step")
def test_grids_that_were_deleted_come_back_and_never_cost_a_checkpoint(sources, tmp_path, monkeypatch):
    train(tmp_path / "run", replace(QUICK, steps=2), *sources, schedule=Schedule(grid_every=2, checkpoint_every=2))
    shutil.rmtree(tmp_path / "run" / "grids")
    train(
        tmp_path / "run",
        replace(QUICK, steps=4),
        *sources,
        start=Start(resume=True),
        schedule=Schedule(grid_every=2, checkpoint_every=2),
    )
    assert [path.name for path in (tmp_path / "run" / "grids").iterdir()] == ["step-00000004.png"]

    def full(*ignored, **options):
        raise PictureError("grid", "it cannot be written", "Free space")

    monkeypatch.setattr(loop, "save_picture", full)
    with pytest.raises(PictureError):
        train(
            tmp_path / "run",
            replace(QUICK, steps=8),
            *sources,
            start=Start(resume=True),
            schedule=Schedule(grid_every=3, checkpoint_every=100),
        )
    assert int(newest_checkpoint(tmp_path / "run")[1]["step/000"]) == 6


def test_grids_of_somebody_else_are_never_written_over(sources, tmp_path):
    (tmp_path / "grids").mkdir()
    (tmp_path / "grids" / "step-00000002.png").write_text("mine")
    with pytest.raises(TrainingError, match="the pictures of a run"):
        train(tmp_path, QUICK, *sources)
    assert os.listdir(tmp_path) == ["grids"]


def test_a_checkpoint_has_the_score_of_its_own_step(sources, unseen, tmp_path):
    train(
        tmp_path / "run",
        replace(QUICK, steps=4),
        *sources,
        held_out=unseen,
        schedule=Schedule(grid_every=3, checkpoint_every=2),
    )
    trainer = opening.open_run(tmp_path / "run", start=Start(resume=True))
    for path in list_checkpoints(tmp_path / "run")[-2:]:
        opening.assign_arrays(trainer.variables(), read_checkpoint(path)[1])
        check = keeper.held_out_check(
            trainer, *(tf.constant(part) for part in (unseen.content, unseen.style, unseen.mask))
        )
        np.testing.assert_allclose(
            json.loads((path / "manifest.json").read_text())["score"], check["held_out_total"], rtol=1e-5
        )


@pytest.mark.filterwarnings("ignore:.*goes on from step")
def test_scores_on_other_held_out_pictures_do_not_compete(sources, unseen, tmp_path, monkeypatch):
    # worse and worse
    monkeypatch.setattr(
        keeper, "held_out_check", lambda trainer, *pairs: dict(held_out_gap=1.0, held_out_total=float(trainer.step))
    )
    others = held_out_pairs(*sources, 2, size=32, seed=1)
    train(
        tmp_path / "run",
        replace(QUICK, steps=2),
        *sources,
        held_out=unseen,
        schedule=Schedule(grid_every=1, checkpoint_every=1),
    )
    train(
        tmp_path / "run",
        replace(QUICK, steps=4),
        *sources,
        held_out=unseen,
        start=Start(resume=True),
        schedule=Schedule(grid_every=1, checkpoint_every=1),
    )
    assert best_checkpoint(tmp_path / "run").name == "step-00000001", "the same pictures"
    train(
        tmp_path / "run",
        replace(QUICK, steps=6),
        *sources,
        held_out=others,
        start=Start(resume=True),
        schedule=Schedule(grid_every=1, checkpoint_every=1),
    )
    assert best_checkpoint(tmp_path / "run").name == "step-00000005"
    assert (
        held_out_digest(unseen)
        != held_out_digest(others)
        == held_out_digest(held_out_pairs(*sources, 2, size=32, seed=1))
    )


def test_settings_that_change_in_the_middle_are_said_and_their_scores_do_not_compete(sources, unseen, tmp_path):
    train(
        tmp_path / "run",
        replace(QUICK, steps=2),
        *sources,
        held_out=unseen,
        schedule=Schedule(grid_every=1, checkpoint_every=1),
    )
    changed = replace(QUICK, steps=3, weights=replace(QUICK.weights, style=200.0))
    with pytest.warns(
        UserWarning,
        match=(
            "from step 2 with other settings: style 200 instead of 2; steps 3 instead of 2: the learning rate goes from"
            " 0 to 0.00025. A fork"
        ),
    ):
        train(
            tmp_path / "run",
            changed,
            *sources,
            held_out=unseen,
            start=Start(resume=True),
            schedule=Schedule(grid_every=1, checkpoint_every=1),
        )
    assert best_checkpoint(tmp_path / "run").name == "step-00000003", "its score is the only one on this scale"
    assert TrainingSettings.from_dict(json.loads((tmp_path / "run" / "settings.json").read_text())) == changed
    assert [event["text"] for event in read_events(tmp_path / "run") if event["what"] == "resumed"] == [
        "Goes on at step 2 of 3 with other settings: style 200 instead of 2; steps 3 instead of 2: the learning rate"
        " goes from 0 to 0.00025."
    ]


def opened_at(step, run, settings=QUICK, scale=1.0):
    """Make a run that has done so many steps."""
    trainer = opening.open_run(run, settings)
    for counter in (trainer.step, trainer.generator_optimizer.iterations):
        counter.assign(step)
    trainer.rate_scale.assign(scale)
    opening.save_checkpoint(trainer, run)


@pytest.mark.parametrize("steps, before, after", [(12, "0", "0.0005"), (7, None, None), (6, None, None)])
def test_more_steps_are_said_where_the_rate_jumps(tmp_path, recwarn, steps, before, after):
    opened_at(6, tmp_path)
    trainer = opening.open_run(tmp_path, replace(QUICK, steps=steps), start=Start(resume=True))
    said = [str(item.message) for item in recwarn.list if "other settings" in str(item.message)]
    assert len(said) == (before is not None) and (
        not said or f"steps {steps} instead of 6: the learning rate goes from {before} to {after}. A" in said[0]
    )
    assert float(trainer.generator_optimizer.learning_rate) == pytest.approx(
        1e-3 * 0.5 * (1 + np.cos(np.pi * 6 / steps)), abs=1e-9
    )
    assert ("other settings: steps 7 instead of 6." in read_events(tmp_path)[-1]["text"]) == (steps == 7), (
        "the events have it all"
    )


@pytest.mark.parametrize(
    "changes, scale", [(dict(learning_rate=1e-4), 1.0), (dict(critic_learning_rate=1e-4), 1.0), (dict(batch=4), 0.25)]
)
def test_a_rate_set_by_hand_when_resuming_is_meant_as_it_stands(tmp_path, changes, scale):
    opened_at(3, tmp_path, scale=0.25)
    with pytest.warns(UserWarning, match="no longer times 0.25" if scale == 1 else "batch 4 instead of 2. A fork"):
        trainer = opening.open_run(tmp_path, replace(QUICK, **changes), start=Start(resume=True))
    assert float(trainer.rate_scale) == scale and float(trainer.critic_optimizer.learning_rate) == pytest.approx(
        scale * trainer.settings.critic_learning_rate
    )


# Events --------------------------------------------------------------------------------------------------------------
def test_events_tell_when_in_utc(tmp_path):
    add_event(tmp_path, 7, "gone back", "größer als 服")
    (event,) = read_events(tmp_path)
    assert (event["step"], event["what"], event["text"]) == (7, "gone back", "größer als 服")
    assert datetime.fromisoformat(event["time"]).utcoffset() == timedelta(0) and read_events(tmp_path / "none") == []


def test_a_torn_line_costs_nothing_else(tmp_path):
    path = tmp_path / "events.jsonl"
    add_event(tmp_path, 0, "opened", "first")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole + whole[:length])  # killed in the middle of the second line
        before = path.read_bytes()
        add_event(tmp_path, 1, "resumed", "third")
        assert path.read_bytes().startswith(before), "nothing is rewritten"
        found = [event["text"] for event in read_events(tmp_path)]
        assert found == ["first", *["first"] * (length == len(whole) - 1), "third"], length
    path.write_bytes(b"[1]\n{}\n" + b"[" * 100_000 + b"\n\xff\xfe\n" + whole)
    assert [event["text"] for event in read_events(tmp_path)] == ["first"]


@pytest.mark.filterwarnings("ignore:.*goes on from step")
@pytest.mark.parametrize("how", ["a folder", "a full disk", "a link"])
def test_events_that_cannot_be_written_end_no_training(sources, tmp_path, how, monkeypatch):
    train(tmp_path / "run", replace(QUICK, steps=1), *sources)
    (tmp_path / "run" / "events.jsonl").unlink()
    if how == "a folder":
        (tmp_path / "run" / "events.jsonl").mkdir()
    elif os.path.exists("/dev/full"):
        full = partial(open, "/dev/full", "ab+", buffering=0)
        monkeypatch.setattr("fashion_style.runs.events.append_to", lambda path: full())
    if how == "a link":
        (tmp_path / "mine").write_text("mine")
        (tmp_path / "run" / "events.jsonl").symlink_to(tmp_path / "mine")
    assert train(tmp_path / "run", replace(QUICK, steps=2), *sources, start=Start(resume=True)).reason == "finished"
    if how == "a folder":
        with pytest.raises(TrainingError, match="cannot read the events"):
            read_events(tmp_path / "run")
    assert how != "a link" or (tmp_path / "mine").read_text() == "mine"


def test_errors_and_broken_checkpoints_are_noted(sources, tmp_path):
    def callback(progress):
        raise ValueError("a panel went wrong")

    with pytest.raises(ValueError):
        train(tmp_path / "run", QUICK, *sources, watchers=Watchers(callback=callback))
    assert (
        events(tmp_path / "run") == ["opened", "failed"]
        and "a panel went wrong" in read_events(tmp_path / "run")[-1]["text"]
    )
    newest = list_checkpoints(tmp_path / "run")[-1]
    (newest / "manifest.json").write_text("")
    with pytest.warns(UserWarning, match="Going back to step-00000000"):
        opening.open_run(tmp_path / "run", start=Start(resume=True))
    assert (
        events(tmp_path / "run")[2:] == ["passed over", "resumed"]
        and newest.name in read_events(tmp_path / "run")[2]["text"]
    )


# Pictures that are gone ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("room", [True, False])
def test_a_folder_that_is_gone_costs_no_step_and_nothing_is_said_that_is_not_true(sources, tmp_path, monkeypatch, room):
    real, save = loop.batches, keeper.save_checkpoint

    def broken(*more, **options):
        for _, batch in zip(range(3), real(*more, **options)):
            yield batch
        raise tf.errors.UnknownError(None, None, "OSError: the folder is gone.")

    def full(trainer, *more, **options):
        raise TrainingError("no room for a checkpoint.")

    monkeypatch.setattr(loop, "batches", broken)
    monkeypatch.setattr(keeper, "save_checkpoint", save if room else full)
    words = "The run is saved" if room else r"What came after step 0 is not saved \(no room for a checkpoint\)"
    with pytest.raises(
        TrainingError, match=rf"reading pictures failed: OSError: the folder is gone\. {words}\. Mend the folders"
    ):
        train(tmp_path / "run", QUICK, *sources)
    assert int(newest_checkpoint(tmp_path / "run")[1]["step/000"]) == (3 if room else 0)
    monkeypatch.setattr(loop, "batches", real)
    monkeypatch.setattr(PictureSource, "hardly_any", lambda source: True)
    with pytest.raises(
        TrainingError,
        match=rf"one picture after the other cannot be read: .*{words.replace('0', '[03]')}\. Mend the folder",
    ):
        train(tmp_path / "run", None, *sources, start=Start(resume=True))


def test_a_run_that_converges_does_so_at_the_same_step_when_resumed(sources, unseen, tmp_path):
    rule, steps = (
        dict(held_out=unseen, schedule=Schedule(grid_every=1, checkpoint_every=1, stop_gap=1e9, stop_checks=4)),
        replace(QUICK, steps=20),
    )
    stop = Stop()
    half = train(
        tmp_path / "run",
        steps,
        *sources,
        watchers=Watchers(callback=lambda progress: setattr(stop, "asked", progress.step == 2), stop=stop),
        **rule,
    )
    assert half.reason == "stopped"
    for _ in range(2):  # the second time it has converged already
        whole = train(tmp_path / "run", None, *sources, start=Start(resume=True), **rule)
        assert whole.reason == "converged" and len(whole.history) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        dict(grid_every=0),
        dict(checkpoint_every=2.5),
        dict(checkpoint_minutes=0),
        dict(checkpoint_minutes=float("nan")),
        dict(checkpoint_minutes=True),
        dict(checkpoint_minutes="30"),
        dict(workers=0),
        dict(stop_checks=True),
        dict(contents="folder"),
        dict(styles=None),
    ],
)
def test_arguments_that_make_no_sense_leave_nothing(sources, tmp_path, wrong):
    with pytest.raises(TrainingError, match=next(iter(wrong))):
        given = wrong if set(wrong) & {"contents", "styles"} else dict(schedule=Schedule(**wrong))
        train(tmp_path / "run", QUICK, **(dict(contents=sources[0], styles=sources[1]) | given))
    assert not (tmp_path / "run").exists()


def test_the_rate_in_the_history_is_that_of_its_step(straight):
    rates = [row["learning_rate"] for row in straight[1].history]
    expected = [SMALL.learning_rate * 0.5 * (1 + np.cos(np.pi * step / SMALL.steps)) for step in range(SMALL.steps)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


@pytest.mark.parametrize("left", [12, 1])
def test_pictures_that_vanish_are_said_and_hardly_any_left_end_the_run(tmp_path, left):
    folder = tmp_path / "prints"
    folder.mkdir()
    for index in range(16):
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(
            folder / f"{index}.png"
        )
    styles = folder_source(folder, held_out=0.0, cache_bytes=1)

    def unmount(progress):
        if progress.step == 2:
            for path in sorted(folder.iterdir())[left:]:
                path.write_bytes(b"gone")

    with pytest.warns(UserWarning, match="replaced by others.*bad ones skipped"):
        with (
            nullcontext()
            if left > 4
            else pytest.raises(TrainingError, match="one picture after the other.*The run is saved")
        ):
            result = train(
                tmp_path / "run",
                replace(QUICK, steps=30, batch=4),
                garment_source(size=40, count=10),
                styles,
                schedule=Schedule(grid_every=1000, checkpoint_every=1000, workers=1),
                watchers=Watchers(callback=unmount),
            )
            assert left > 4 and result.reason == "finished"
    assert int(newest_checkpoint(tmp_path / "run")[1]["step/000"]) >= 3
    assert events(tmp_path / "run") == [
        "opened",
        "bad pictures",
        "finished" if left > 4 else "failed",
    ], "at checkpoints, not at each step"


def test_a_second_writer_is_refused(straight, sources):
    with writer_lock(straight[0]), pytest.raises(TrainingError, match="another process is writing"):
        train(straight[0], None, *sources, start=Start(resume=True))


def test_the_flow_chart_s_rule_needs_checks_in_a_row(sources, unseen, tmp_path):
    rule = StoppingRule(1.0, 2)
    assert [rule.look(gap) for gap in (0.5, -2.0, -0.5, float("nan"), 0.5)] == [False, False, False, False, True]
    result = train(
        tmp_path / "run", QUICK, *sources, held_out=unseen, schedule=Schedule(grid_every=1, stop_gap=1e9, stop_checks=2)
    )
    assert result.reason == "converged" and len(result.history) == 2
    with pytest.raises(TrainingError, match="stop_gap without held_out"):
        train(tmp_path / "other", SMALL, *sources, schedule=Schedule(stop_gap=1.0))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_error(sources, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(TrainingError, match="cannot write"):
        train(tmp_path / "run", SMALL, *sources)


def test_a_run_folder_that_is_a_file_is_one_clear_error(sources, tmp_path):
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(TrainingError, match="cannot write"):
        train(tmp_path / "run", SMALL, *sources)
