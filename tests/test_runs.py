"""Runs: history, checkpoints and resuming survive stops, kills and broken files."""
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.checkpoints import list_checkpoints, newest_checkpoint, read_checkpoint, save_checkpoint
from fashion_style.history import History, fig_history, read_history, running_mean
from fashion_style.runs import Stop, StoppingRule, train
from fashion_style.settings import TrainingError, TrainingSettings
from fashion_style.sources import garment_source, pattern_source
from fashion_style.training import Trainer

SMALL = TrainingSettings(size=32, batch=2, steps=6, width=4)
HANG_GUARD = 600  # seconds


@pytest.fixture(scope="module")
def sources():
    return garment_source(size=40, count=10), pattern_source(size=40, count=10)


@pytest.fixture(scope="module")
def straight(tmp_path_factory, sources):
    run = tmp_path_factory.mktemp("runs") / "straight"
    return run, train(run, SMALL, *sources, grid_every=3, checkpoint_every=2)


def test_a_run_leaves_history_grids_settings_and_checkpoints(straight):
    run, result = straight
    assert result.reason == "finished" and [row["step"] for row in read_history(run)] == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in (run / "grids").iterdir()) == ["step-00000003.png", "step-00000006.png"]
    assert TrainingSettings.from_dict(json.loads((run / "settings.json").read_text())) == SMALL
    assert [path.name for path in list_checkpoints(run)] == ["step-00000004", "step-00000006"]
    assert all(np.isfinite(row["total"]) and row["seconds"] > 0 for row in read_history(run))
    assert np.isfinite(read_history(run)[2]["held_out_gap"]) and np.isnan(read_history(run)[1]["held_out_gap"])


def test_stopped_and_resumed_is_equal_to_the_bit(straight, sources, tmp_path):
    _, whole = straight
    stop = Stop()

    def callback(progress):
        stop.asked = progress.step == 3

    half = train(tmp_path / "half", SMALL, *sources, grid_every=3, checkpoint_every=100, callback=callback, stop=stop)
    assert half.reason == "stopped" and len(half.history) == 3
    rest = train(tmp_path / "half", None, *sources, resume=True, grid_every=3, checkpoint_every=100)
    for name, variable in whole.trainer.variables().items():
        np.testing.assert_array_equal(variable.numpy(), rest.trainer.variables()[name].numpy(), err_msg=name)
    for one, two in zip(whole.history, read_history(tmp_path / "half")):
        np.testing.assert_allclose(one["total"], two["total"], rtol=1e-5)


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

    monkeypatch.setattr(np, "savez", full)
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


def test_losses_that_stay_non_finite_end_the_run(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "train_step", lambda self, *batch: self.step.assign_add(1) and {} or dict.fromkeys(("total", "content", "style", "critic_gap", "critic_loss"), float("nan")))
    with pytest.raises(TrainingError, match="not finite for 20 steps.*learning-rate"):
        train(tmp_path / "run", TrainingSettings(size=32, batch=2, steps=50, width=4), *sources, grid_every=1000)
    assert len(read_history(tmp_path / "run")) >= 19


def test_the_flow_chart_s_rule_needs_checks_in_a_row(sources, tmp_path):
    rule = StoppingRule(1.0, 2)
    assert [rule(gap) for gap in (0.5, -2.0, -0.5, 0.5)] == [False, False, False, True]
    result = train(tmp_path / "run", SMALL, *sources, grid_every=1, stop_gap=1e9, stop_checks=2)
    assert result.reason == "converged" and len(result.history) == 2


def test_history_drops_rows_that_will_come_again(tmp_path):
    history = History(tmp_path)
    for step in range(1, 5):
        history.append(dict(step=step, total=float(step)))
    history.close()
    with (tmp_path / "history.csv").open("a") as file:
        file.write("5,0.")
    History(tmp_path, until=3).close()
    assert [row["total"] for row in read_history(tmp_path)] == [1.0, 2.0, 3.0]


def test_running_mean_against_loops():
    values = np.random.default_rng(0).normal(size=50)
    values[[3, 17]] = np.nan
    expected = [np.nanmean(values[max(0, i - 6): i + 1]) for i in range(50)]
    np.testing.assert_allclose(running_mean(values, 7), expected, atol=1e-12)
    assert len(fig_history(read_history("nowhere") + [dict(step=1, total=1.0)]).axes) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_error(sources, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(TrainingError, match="cannot write"):
        train(tmp_path / "run", SMALL, *sources)


def test_a_run_folder_that_is_a_file_is_one_clear_error(sources, tmp_path):
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(TrainingError, match="cannot write"):
        train(tmp_path / "run", SMALL, *sources)
