"""Runs: history, checkpoints and resuming survive stops, kills and broken files."""
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from fashion_style import checkpoints, runs
from fashion_style.checkpoints import list_checkpoints, newest_checkpoint, read_checkpoint, save_checkpoint, writer_lock
from fashion_style.data import held_out_pairs
from fashion_style.history import read_history
from fashion_style.runs import Divergence, Stop, StoppingRule, train
from fashion_style.settings import TrainingError, TrainingSettings
from fashion_style.sources import garment_source, pattern_source
from fashion_style.training import Trainer

SMALL = TrainingSettings(size=32, batch=2, steps=6, width=4)
HANG_GUARD = 600  # seconds


@pytest.fixture(scope="module")
def sources():
    return garment_source(size=40, count=10), pattern_source(size=40, count=10)


@pytest.fixture(scope="module")
def unseen():
    return held_out_pairs(garment_source(size=40, count=4, part="held_out"), pattern_source(size=40, count=4, part="held_out"), 2, size=32)


@pytest.fixture(scope="module")
def straight(tmp_path_factory, sources, unseen):
    run = tmp_path_factory.mktemp("runs") / "straight"
    return run, train(run, SMALL, *sources, held_out=unseen, grid_every=3, checkpoint_every=2)


def test_a_run_leaves_history_grids_settings_and_checkpoints(straight):
    run, result = straight
    assert result.reason == "finished" and [row["step"] for row in read_history(run)] == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in (run / "grids").iterdir()) == ["step-00000003.png", "step-00000006.png"]
    assert TrainingSettings.from_dict(json.loads((run / "settings.json").read_text())) == SMALL
    assert [path.name for path in list_checkpoints(run)][-2:] == ["step-00000004", "step-00000006"]
    assert all(np.isfinite(row["total"]) and row["seconds"] > 0 for row in read_history(run))
    assert np.isfinite(read_history(run)[2]["held_out_gap"]) and np.isnan(read_history(run)[1]["held_out_gap"])


def test_stopped_and_resumed_is_equal_to_the_bit(straight, sources, unseen, tmp_path):
    _, whole = straight
    stop = Stop()

    def callback(progress):
        stop.asked = progress.step == 3

    half = train(tmp_path / "half", SMALL, *sources, held_out=unseen, grid_every=3, checkpoint_every=100, callback=callback, stop=stop)
    assert half.reason == "stopped" and len(half.history) == 3
    rest = train(tmp_path / "half", None, *sources, held_out=unseen, resume=True, grid_every=3, checkpoint_every=100)
    for name, variable in whole.trainer.variables().items():
        np.testing.assert_array_equal(variable.numpy(), rest.trainer.variables()[name].numpy(), err_msg=name)
    rows = [[{name: value for name, value in row.items() if name not in ("seconds", "steps_per_second")} for row in history] for history in (whole.history, rest.history)]
    np.testing.assert_equal(*rows)


def test_an_old_run_is_never_written_over(straight, sources):
    with pytest.raises(TrainingError, match="already holds a run.*--resume"):
        train(straight[0], SMALL, *sources)


def test_nothing_to_resume_is_one_clear_error(sources, tmp_path):
    with pytest.raises(TrainingError, match="no usable checkpoint"):
        train(tmp_path / "none", None, *sources, resume=True)


@pytest.mark.parametrize("damage", ["flip", "truncate", "no manifest", "empty manifest", "no state"])
def test_a_damaged_checkpoint_is_passed_over(straight, tmp_path, damage):
    run = tmp_path / "run"
    shutil.copytree(straight[0], run)
    newest = list_checkpoints(run)[-1]
    state, manifest = newest / "state.npz", newest / "manifest.json"
    data = state.read_bytes()
    if damage == "flip":
        state.write_bytes(data[:999] + bytes([data[999] ^ 1]) + data[1000:])
    elif damage == "truncate":
        state.write_bytes(data[: len(data) // 2])
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "empty manifest":
        manifest.write_text("")
    else:
        state.unlink()
    with pytest.warns(UserWarning, match="cannot be used"):
        _, arrays = newest_checkpoint(run)
    assert int(arrays["step/000"]) == 4
    with pytest.raises(TrainingError, match="cannot be used"):
        read_checkpoint(newest)


def test_values_that_are_not_finite_are_refused(straight, tmp_path):
    trainer = Trainer(SMALL)
    trainer.generator.variables[0].assign(tf.fill(trainer.generator.variables[0].shape, float("nan")))
    with pytest.raises(TrainingError, match="not finite"):
        read_checkpoint(save_checkpoint(trainer, tmp_path))


def test_a_full_disk_keeps_the_older_checkpoint(straight, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(straight[0], run)
    before = [path.name for path in list_checkpoints(run)]

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "_write_synced", full)
    with pytest.raises(TrainingError, match="No space left.*older|could not write a checkpoint"):
        save_checkpoint(straight[1].trainer, run)
    monkeypatch.undo()
    assert [path.name for path in list_checkpoints(run)] == before and not list((run / "checkpoints").glob(".aside*"))
    newest_checkpoint(run)


KILLED = """
import sys
from fashion_style.runs import train
from fashion_style.settings import TrainingSettings
from fashion_style.sources import garment_source, pattern_source
train(sys.argv[1], TrainingSettings(size=32, batch=2, steps=100_000, width=4), garment_source(size=40, count=10), pattern_source(size=40, count=10),
      grid_every=100_000, checkpoint_every=2, callback=lambda progress: print(progress.step, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_resumes(sources, tmp_path, number):
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(run)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        if int(line) >= 7:
            process.send_signal(number)
            break
    process.communicate(timeout=HANG_GUARD)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    settings, arrays = newest_checkpoint(run)
    step = int(arrays["step/000"])
    rows = len(read_history(run))
    assert step >= 6 and rows >= step
    resumed = train(run, TrainingSettings(size=32, batch=2, steps=step + 2, width=4), *sources, resume=True)
    assert [row["step"] for row in resumed.history] == list(range(1, step + 3))


class Poisoned(Trainer):
    """Sees pictures full of NaN for its first steps."""
    poison = 20

    def train_step(self, content, style, mask, targets=None):
        self.poison -= 1
        return super().train_step(content * float("nan") if self.poison >= 0 else content, style, mask, targets)


def test_a_run_whose_losses_explode_goes_back_and_halves_the_rate(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "Trainer", Poisoned)
    with pytest.warns(UserWarning, match="back to step 0 with 0.5"):
        result = train(tmp_path / "run", replace(SMALL, steps=22), *sources, grid_every=1000, checkpoint_every=11)
    assert result.reason == "finished" and [row["step"] for row in result.history] == list(range(1, 23)) and float(result.trainer.rate_scale) == 0.5
    assert result.history[0]["learning_rate"] < 0.51 * SMALL.learning_rate
    assert float(newest_checkpoint(tmp_path / "run")[1]["rate_scale/000"]) == 0.5


@pytest.mark.filterwarnings("ignore:losses were not finite")
def test_a_run_that_cannot_be_mended_ends_with_its_last_losses(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(Poisoned, "poison", 10**6)
    monkeypatch.setattr(runs, "Trainer", Poisoned)
    with pytest.raises(TrainingError, match="not finite for 20 steps.*3 times.*last finite totals: none.*learning rate"):
        train(tmp_path / "run", TrainingSettings(size=32, batch=2, steps=50, width=4), *sources, grid_every=1000)
    assert newest_checkpoint(tmp_path / "run")[0].steps == 50


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
    settings = TrainingSettings(size=32, batch=2, steps=8, width=4, augment=False)
    result = train(tmp_path / "run", settings, *few, grid_every=1000)
    assert result.reason == "finished" and 2 <= len(asked) <= 6 < settings.steps


def test_a_second_writer_is_refused(straight, sources):
    with writer_lock(straight[0]), pytest.raises(TrainingError, match="another process is writing"):
        train(straight[0], None, *sources, resume=True)


def test_the_flow_chart_s_rule_needs_checks_in_a_row(sources, unseen, tmp_path):
    rule = StoppingRule(1.0, 2)
    assert [rule(gap) for gap in (0.5, -2.0, -0.5, 0.5)] == [False, False, False, True]
    result = train(tmp_path / "run", SMALL, *sources, held_out=unseen, grid_every=1, stop_gap=1e9, stop_checks=2)
    assert result.reason == "converged" and len(result.history) == 2
    with pytest.raises(TrainingError, match="stop_gap without held_out"):
        train(tmp_path / "other", SMALL, *sources, stop_gap=1.0)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_error(sources, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(TrainingError, match="cannot write"):
        train(tmp_path / "run", SMALL, *sources)


def test_a_run_folder_that_is_a_file_is_one_clear_error(sources, tmp_path):
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(TrainingError, match="cannot write"):
        train(tmp_path / "run", SMALL, *sources)
