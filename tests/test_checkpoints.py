"""Checkpoints and forks: whole or not there, whatever happens; sealed, found again, and never mixed up."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.errors import TrainingError
from fashion_style.runs import checkpoints, forks, manifests
from fashion_style.runs.arrays import architecture_fingerprint, assign_arrays
from fashion_style.runs.changes import changed_settings
from fashion_style.runs.checkpoints import (
    best_checkpoint,
    find_checkpoint,
    list_checkpoints,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
    write_checkpoint,
)
from fashion_style.runs.events import read_events
from fashion_style.runs.forks import fork
from fashion_style.runs.history import History, read_history
from fashion_style.settings import LossWeights, TrainingSettings
from fashion_style.training import Trainer
from fashion_style.writing import writer_lock

SMALL = TrainingSettings(size=32, batch=2, steps=6, width=4)
HANG_GUARD = 600  # seconds


def state(step, value=0.0):
    """A state of two variables."""
    return {"step/000": np.array(step), "generator/000": np.full((3, 3, 3, 4), value, np.float32)}


def write(run, step, value=0.0, **more):
    return write_checkpoint(run, SMALL, state(step, value), **more)


def steps(run):
    return [int(path.name[5:]) for path in list_checkpoints(run)]


def newest_step(run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return int(newest_checkpoint(run)[1]["step/000"])


def flip(path, place, bit=1):
    data = bytearray(path.read_bytes())
    data[place] ^= bit
    path.write_bytes(bytes(data))


@pytest.fixture
def two(tmp_path):
    """A run with checkpoints of steps 2 and 4."""
    run = tmp_path / "run"
    write(run, 2, 0.2)
    write(run, 4, 0.4)
    return run


# Damage --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "damage",
    ["flip", "flip in the manifest", "truncate", "no manifest", "empty manifest", "no state", "a file instead"],
)
def test_a_damaged_checkpoint_is_passed_over_and_said(two, damage):
    newest = list_checkpoints(two)[-1]
    files = dict(state=newest / "state.npz", manifest=newest / "manifest.json")
    if damage == "flip":
        flip(files["state"], 300)
    elif damage == "flip in the manifest":
        flip(files["manifest"], files["manifest"].read_bytes().index(b"0.001"), 2)
    elif damage == "truncate":
        files["state"].write_bytes(files["state"].read_bytes()[:-1])
    elif damage == "empty manifest":
        files["manifest"].write_text("")
    elif damage == "a file instead":
        shutil.rmtree(newest)
        newest.write_text("no folder")
    else:
        files["manifest" if damage == "no manifest" else "state"].unlink()
    told = []
    with pytest.warns(UserWarning, match="step-00000004 cannot be used.*Going back to step-00000002") as said:
        _, arrays = newest_checkpoint(two, told.append)
    assert told == [str(said[0].message)]
    np.testing.assert_array_equal(arrays["generator/000"], state(2, 0.2)["generator/000"])
    with pytest.raises(TrainingError, match="step-00000004 cannot be used"):
        read_checkpoint(newest)


@pytest.mark.parametrize("name", ["manifest.json", "state.npz"])
def test_a_flipped_bit_anywhere_is_noticed_or_harmless(two, name):
    path, (old_settings, old_arrays) = list_checkpoints(two)[-1] / name, read_checkpoint(list_checkpoints(two)[-1])
    data, harmless = path.read_bytes(), []
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << 5 * place % 8]) + data[place + 1 :])
        try:
            settings, arrays = read_checkpoint(path.parent)
        except TrainingError:
            continue
        assert settings == old_settings and all(np.array_equal(arrays[key], old_arrays[key]) for key in old_arrays)
        harmless.append(data[place : place + 1])
    assert set(harmless) <= {b"e"}  # 1e-05 may become 1E-05


@pytest.mark.parametrize("name", ["manifest.json", "state.npz"])
def test_no_truncated_file_is_taken(two, name):
    path = list_checkpoints(two)[-1] / name
    data = path.read_bytes()
    for length in [*range(0, len(data), 11), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(TrainingError, match="cannot be used"):
            read_checkpoint(path.parent)


def test_nothing_usable_is_one_clear_error_that_says_why(two, tmp_path):
    with pytest.raises(TrainingError, match="no usable checkpoint"):
        newest_checkpoint(tmp_path / "none")
    for path in list_checkpoints(two):
        (path / "manifest.json").unlink()
    with pytest.raises(
        TrainingError, match="no usable checkpoint.*step-00000004 cannot be used.*step-00000002 cannot be used"
    ):
        newest_checkpoint(two)


def test_a_checkpoint_of_an_older_version_stays_readable(two):
    path = list_checkpoints(two)[-1]
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({name: manifest[name] for name in ("step", "sha256", "settings")}))
    settings, arrays = read_checkpoint(path)
    assert settings == SMALL and int(arrays["step/000"]) == 4 and best_checkpoint(two) is None


def test_settings_of_a_later_version_are_passed_over(two):
    newest = list_checkpoints(two)[-1]
    manifest = json.loads((newest / "manifest.json").read_text())
    manifest["settings"]["from_the_future"] = 1
    manifest["seal"] = manifests._seal(manifest)
    (newest / "manifest.json").write_text(json.dumps(manifest))
    assert newest_step(two) == 2


# Crashes -------------------------------------------------------------------------------------------------------------
def test_a_kill_at_any_file_operation_leaves_a_whole_checkpoint():
    script = pathlib.Path(__file__).parent / "faults" / "crash_points.py"
    process = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=HANG_GUARD)
    assert process.returncode == 0, process.stderr[-2000:]
    counts = json.loads(process.stdout.splitlines()[-1])
    assert len(counts) == 9 and min(counts.values()) > 10, counts


def test_files_are_on_the_disk_before_the_name_and_the_name_before_anything_goes(two, monkeypatch):
    done, real_sync, real_replace, real_remove = [], os.fsync, os.replace, shutil.rmtree

    def told(kind, real, name_of):
        def act(*args, **more):
            done.append((kind, name_of(args)))
            return real(*args, **more)

        return act

    monkeypatch.setattr(
        os, "fsync", told("sync", real_sync, lambda args: pathlib.Path(os.readlink(f"/proc/self/fd/{args[0]}")).name)
    )
    monkeypatch.setattr(os, "replace", told("rename", real_replace, lambda args: pathlib.Path(args[1]).name))
    monkeypatch.setattr(shutil, "rmtree", told("remove", real_remove, lambda args: pathlib.Path(args[0]).name))
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc to see what is synced")
    write(two, 6)
    aside = f".aside-{os.getpid()}-00000006"
    begun = done.index(("rename", "step-00000006"))
    assert {("sync", "state.npz"), ("sync", "manifest.json"), ("sync", aside)} <= set(done[:begun])
    assert done[begun + 1] == ("sync", "checkpoints")
    assert not any(kind == "remove" for kind, name in done[: begun + 2] if "step-" in name)
    assert any(name.endswith("step-00000002") for kind, name in done[begun + 2 :])


def test_what_dead_processes_left_is_swept_up_and_what_living_ones_write_is_not(two):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = two / "checkpoints"
    for process in (dead.pid, os.getppid(), os.getpid()):
        (folder / f".aside-{process}-00000009").mkdir()
        (folder / f".aside-{process}-00000009" / "state.npz").write_text("half")
    write(two, 6)
    assert [path.name for path in folder.glob(".aside-*")] == [f".aside-{os.getppid()}-00000009"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failing_disk_keeps_the_older_checkpoints(two, monkeypatch, broken):
    def fail(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, fail)
        with pytest.raises(TrainingError, match="could not write a checkpoint.*No space left.*Free space"):
            write(two, 6)
    assert steps(two) == [2, 4] and newest_step(two) == 4 and not list((two / "checkpoints").glob(".aside*"))
    write(two, 6)
    assert steps(two) == [4, 6]


def test_a_full_disk_is_noticed_before_a_byte_is_written(two, monkeypatch):
    free = shutil.disk_usage(two)._replace(free=1234)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    before = {path: path.stat().st_mtime_ns for path in (two / "checkpoints").rglob("*")}
    with pytest.raises(TrainingError, match=r"needs [\d,]+ bytes, 1,234 are free"):
        write(two, 6)
    assert {path: path.stat().st_mtime_ns for path in (two / "checkpoints").rglob("*")} == before


def test_a_write_that_reads_back_wrong_deletes_nothing(two, monkeypatch):
    real = checkpoints.write_synced
    monkeypatch.setattr(checkpoints, "write_synced", lambda path, data: real(path, bytes(data)[:-1] + b"?"))
    with pytest.raises(TrainingError, match="does not read back"):
        write(two, 6)
    assert {2, 4} <= set(steps(two)) and newest_step(two) == 4


def test_values_that_are_not_finite_are_never_saved(two):
    for bad in (np.nan, np.inf):
        with pytest.raises(TrainingError, match="step 6 is not saved: generator/000.*not finite"):
            write(two, 6, bad)
    assert steps(two) == [2, 4]


# Which ones stay -----------------------------------------------------------------------------------------------------
def test_the_newest_and_the_best_stay(tmp_path):
    for step, score in enumerate([5.0, 1.0, None, float("nan"), 3.0, float("inf")], 1):
        write(tmp_path, step, score=score)
    assert steps(tmp_path) == [2, 5, 6] and best_checkpoint(tmp_path).name == "step-00000002"
    write(tmp_path, 7, score=0.5)
    assert steps(tmp_path) == [6, 7] and best_checkpoint(tmp_path).name == "step-00000007"
    write(tmp_path, 8, keep=0)
    assert steps(tmp_path) == [7, 8]


def test_scores_on_other_pictures_do_not_compete(tmp_path):
    write(tmp_path, 1, score=1.0, held_out="easy")
    write(tmp_path, 2, score=5.0, held_out="hard")
    assert best_checkpoint(tmp_path).name == "step-00000002"
    write(tmp_path, 3, score=6.0, held_out="hard", keep=1)
    assert steps(tmp_path) == [2, 3]
    write(tmp_path, 4, keep=1)
    assert steps(tmp_path) == [2, 4], "a checkpoint without a score says nothing about the pictures"
    write(tmp_path, 5, score=9.0, held_out="easy", keep=1)
    assert (
        steps(tmp_path) == [5]
        and json.loads((list_checkpoints(tmp_path)[0] / "manifest.json").read_text())["held_out"] == "easy"
    )


def test_a_broken_checkpoint_neither_counts_as_kept_nor_as_best(tmp_path):
    for step, score in ((1, 3.0), (2, 1.0), (3, 2.0)):
        write(tmp_path, step, score=score, keep=3)
    flip(find_checkpoint(tmp_path, 2) / "state.npz", 300)
    assert best_checkpoint(tmp_path).name == "step-00000003"
    write(tmp_path, 4, score=9.0, keep=3)
    assert steps(tmp_path) == [1, 3, 4]


def test_a_step_can_be_written_again(two):
    write(two, 4, 0.9)
    assert steps(two) == [2, 4] and newest_checkpoint(two)[1]["generator/000"].max() == np.float32(0.9)


def test_later_checkpoints_are_left_alone(two):
    write(two, 3, 0.3, keep=1)
    assert steps(two) == [3, 4] and newest_step(two) == 4


def test_steps_are_sorted_as_numbers(tmp_path):
    for step in (99_999_999, 100_000_000, 5):
        write(tmp_path, step, keep=9)
    assert steps(tmp_path) == [5, 99_999_999, 100_000_000]
    with pytest.raises(TrainingError, match="no checkpoint of step 6. There are: 5, 99999999, 100000000"):
        find_checkpoint(tmp_path, 6)


# Architecture --------------------------------------------------------------------------------------------------------
def test_the_fingerprint_is_of_names_and_shapes_alone():
    one = architecture_fingerprint(state(1, 0.1))
    assert one == architecture_fingerprint(dict(reversed(state(7, 0.7).items())))
    assert one != architecture_fingerprint({"step/000": np.array(1), "generator/001": np.zeros((4, 5))})
    assert one != architecture_fingerprint({"step/000": np.array(1), "generator/000": np.zeros((5, 4))})
    assert architecture_fingerprint({"a": tf.Variable(tf.zeros((2, 3)))}) == architecture_fingerprint(
        {"a": np.zeros((2, 3))}
    )


@pytest.mark.parametrize(
    "given", [dict(a=np.ones(2)), dict(a=np.ones(2), b=np.ones(4)), dict(a=np.ones(2), b=np.ones(3), c=np.ones(1))]
)
def test_arrays_that_do_not_fit_change_nothing(given):
    variables = dict(a=tf.Variable(tf.zeros(2)), b=tf.Variable(tf.zeros(3)))
    with pytest.raises(TrainingError, match="do not fit this architecture: [bc] needs"):
        assign_arrays(variables, given)
    assert not variables["a"].numpy().any()
    assign_arrays(variables, given, prefix="a")
    assert variables["a"].numpy().all()


# One writer ----------------------------------------------------------------------------------------------------------
def test_one_writer_at_a_time_and_a_dead_one_holds_nothing(tmp_path):
    with writer_lock(tmp_path):
        with pytest.raises(TrainingError, match="another process is writing"):
            with writer_lock(tmp_path):
                pass
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                f"import filelock; lock = filelock.FileLock({str(tmp_path / 'writer.lock')!r}); lock.acquire();"
                " print('held', flush=True); input()"
            ),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(TrainingError, match="another process is writing"):
        with writer_lock(tmp_path):
            pass
    holder.kill()
    holder.communicate(timeout=HANG_GUARD)
    with writer_lock(tmp_path):
        pass


def test_a_lock_where_no_folder_can_be_is_one_clear_error(tmp_path):
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(TrainingError, match="cannot write to the run folder"):
        with writer_lock(tmp_path / "run"):
            pass


def test_an_error_inside_frees_the_lock(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        with writer_lock(tmp_path):
            raise KeyboardInterrupt
    with writer_lock(tmp_path):
        pass


# Forks ---------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that looks trained: checkpoints of steps 3 and 5 of real networks, five rows of history, pictures.json."""
    run, trainer = tmp_path_factory.mktemp("forks") / "old", Trainer(SMALL)
    trainer.rate_scale.assign(0.25)
    for step, score in ((3, 1.0), (5, 2.0)):
        trainer.step.assign(step)
        save_checkpoint(trainer, run, score=score, held_out="digest")
    history = History(run)
    for step in range(1, 6):
        history.append(dict(step=step, total=step / 7, seconds=0.5))
    history.close()
    (run / "pictures.json").write_text('{"garments": ["somewhere"]}')
    return run


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_changes_are_loss_weights_or_settings():
    weights = LossWeights()
    changed = changed_settings(SMALL, dict(style=weights.style + 1, learning_rate=0.5, batch=4))
    assert (changed.weights.style, changed.weights.content, changed.learning_rate, changed.batch) == (
        weights.style + 1,
        weights.content,
        0.5,
        4,
    )
    assert changed_settings(SMALL, {}) == SMALL
    both = changed_settings(SMALL, dict(weights=LossWeights(content=9.0), style=7.0)).weights
    assert (both.content, both.style) == (9.0, 7.0)
    with pytest.raises(TrainingError, match="can change loss weights.*Received: nonsense, sytle"):
        changed_settings(SMALL, dict(sytle=1.0, nonsense=2))
    with pytest.raises(TrainingError, match="loss weights must be"):
        changed_settings(SMALL, dict(style=-1.0))


def test_a_fork_has_the_old_state_the_new_settings_and_the_history_up_to_there(trained, tmp_path):
    before = contents(trained)
    new = fork(trained, 3, tmp_path / "new", style=8.0, batch=4)
    settings, arrays = newest_checkpoint(new)
    assert (settings.weights.style, settings.batch, settings.width) == (8.0, 4, 4)
    assert TrainingSettings.from_dict(json.loads((new / "settings.json").read_text())) == settings
    _, old = read_checkpoint(find_checkpoint(trained, 3))
    assert arrays.keys() == old.keys() and all(np.array_equal(arrays[name], old[name]) for name in old)
    assert [row["step"] for row in read_history(new)] == [1, 2, 3] and str(read_history(new)) == str(
        read_history(trained)[:3]
    )
    assert (new / "pictures.json").read_bytes() == (trained / "pictures.json").read_bytes() and (new / "grids").is_dir()
    assert json.loads((new / "fork.json").read_text()) == dict(
        run=str(trained), step=3, changes=dict(style=8.0, batch=4)
    )
    assert contents(trained) == before


def test_a_fork_fits_a_trainer(trained, tmp_path):
    settings, arrays = newest_checkpoint(fork(trained, 5, tmp_path / "new", learning_rate=1e-4))
    trainer = Trainer(settings)
    assign_arrays(trainer.variables(), arrays)
    assert int(trainer.step) == 5


def test_a_score_of_other_weights_does_not_compete(trained, tmp_path):
    assert best_checkpoint(fork(trained, 3, tmp_path / "same", batch=4)) is not None
    assert best_checkpoint(fork(trained, 3, tmp_path / "other", style=8.0)) is None


def test_a_rate_set_by_hand_is_meant_as_it_stands(trained, tmp_path):
    scale = {
        name: newest_checkpoint(fork(trained, 3, tmp_path / name, **{name: value}))[1]["rate_scale/000"]
        for name, value in (("learning_rate", 1e-4), ("critic_learning_rate", 1e-4), ("style", 3.0))
    }
    assert scale == dict(learning_rate=1.0, critic_learning_rate=1.0, style=0.25)


def test_a_fork_made_inside_the_run_s_folder_lies_beside_it(trained, monkeypatch):
    for place, name in ((trained, "."), (trained / "checkpoints", "..")):
        monkeypatch.chdir(place)
        made = fork(name, 3)
        assert (
            made.parent == trained.parent
            and made.name.startswith("old-from-3")
            and newest_checkpoint(made)[0] == newest_checkpoint(trained)[0]
        )
        shutil.rmtree(made)


@pytest.mark.parametrize(
    "changes, comparable",
    [
        (dict(batch=4), True),
        (dict(learning_rate=1e-4), True),
        (dict(size=48), False),
        (dict(mask_share=0.0), False),
        (dict(distance="article"), False),
        (dict(style_layers=("block1_conv1",)), False),
    ],
)
def test_a_fork_keeps_its_score_only_on_the_same_scale(trained, tmp_path, changes, comparable):
    new, names = fork(trained, 3, tmp_path / "new", **changes), ("score", "held_out")
    assert (best_checkpoint(new) is not None) == comparable
    old, kept = (json.loads((find_checkpoint(run, 3) / "manifest.json").read_bytes()) for run in (trained, new))
    assert old["held_out"] and [kept[name] for name in names] == (
        [old[name] for name in names] if comparable else [None, None]
    )
    assert [event["what"] for event in read_events(new)] == ["forked"] and str(next(iter(changes))) in read_events(new)[
        0
    ]["text"]


def test_names_of_forks(trained):
    try:
        assert [fork(trained, step).name for step in (3, 3, "best", 5)] == [
            "old-from-3",
            "old-from-3-2",
            "old-from-3-3",
            "old-from-5",
        ]
    finally:
        for path in trained.parent.glob("old-from*"):
            shutil.rmtree(path)


@pytest.mark.parametrize(
    "changes", [dict(width=8), dict(critic="article"), dict(constraint="spectral_norm"), dict(generator="article")]
)
def test_another_architecture_is_refused_when_the_fork_is_made(trained, tmp_path, changes):
    with pytest.raises(TrainingError, match=f"a fork keeps its networks.*{next(iter(changes))}"):
        fork(trained, 3, tmp_path / "new", **changes)
    assert not list(tmp_path.iterdir())


def test_forks_that_cannot_be_made_leave_nothing(trained, tmp_path, monkeypatch):
    with pytest.raises(TrainingError, match="no checkpoint of step 4. There are: 3, 5"):
        fork(trained, 4, tmp_path / "new")
    with pytest.raises(TrainingError, match="is there already"):
        fork(trained, 3, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot write the fork"):
        fork(trained, 3, tmp_path / "file" / "new")

    def fail(*args, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(forks, "write_checkpoint", fail)
    with pytest.raises(TrainingError, match="cannot write the fork.*No space left"):
        fork(trained, 3, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_best_of_a_run_without_scores_is_one_clear_error(two):
    with pytest.raises(TrainingError, match="has a score. Name a step"):
        fork(two, "best")
