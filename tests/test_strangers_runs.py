"""Weights, runs, tables and settings of strangers are read in bounded memory, or refused with a reason."""

import json
import os
import pathlib
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import strangers

from fashion_style.design import Designer
from fashion_style.errors import DesignError, TrainingError
from fashion_style.networks import large_prints
from fashion_style.runs.checkpoints import list_checkpoints, newest_checkpoint, read_checkpoint, write_checkpoint
from fashion_style.runs.history import HISTORY_FIELDS, History, read_history
from fashion_style.runs.networks import build_generator_of
from fashion_style.runs.opening import open_run
from fashion_style.runs.plan import Start
from fashion_style.runs.state_shapes import generator_shapes, state_shapes
from fashion_style.settings import TrainingSettings
from fashion_style.training import Trainer

HERE = pathlib.Path(__file__).parent
HANG_GUARD = 400  # seconds
READ = dict(  # what is read all the same, and what comes of it; all other cases are refused
    best_of_scores_that_are_no_numbers=6,
    table_of_two_million_rows=True,
    table_read_row_by_row=50_000,
    table_with_a_line_of_100_mb=2,
    table_of_wild_numbers=3,
    diary_of_100_000_events=10_000,
    diary_of_wild_lines=2,
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{case: [[outcome, words, seconds], ...]}, all of them in one process that may take 2 GB above its imports."""
    folder = tmp_path_factory.mktemp("strangers")
    done = subprocess.run(
        [sys.executable, HERE / "strangers.py", folder],
        capture_output=True,
        text=True,
        timeout=HANG_GUARD,
        env=os.environ | dict(MPLBACKEND="agg", PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("name", strangers.CASES)
def test_a_strangers_file_is_refused_with_a_reason_or_read_in_bounded_memory(outcomes, name):
    assert outcomes[name], "the case has no calls"
    for outcome, words, seconds in outcomes[name]:
        if name in READ:
            assert outcome == READ[name], words
        elif name.startswith("fallback"):
            assert outcome == 2, f"the older whole checkpoint is taken: {outcome} {words}"
        else:
            assert isinstance(outcome, str) and not outcome.startswith("LEAK"), f"{outcome}: {words}"
            assert len(words) < 2_000 and words.rstrip().endswith((".", "?", "--help")), words
        assert seconds < 60, "nothing hangs"


def test_a_checkpoint_is_in_memory_once_while_it_is_read(tmp_path):
    settings = TrainingSettings(size=32, batch=2, width=16)
    state = {
        name: np.zeros(array.shape, np.int64 if array.whole else np.float32)
        for name, array in state_shapes(settings).items()
    }
    path, size = write_checkpoint(tmp_path, settings, state), sum(array.nbytes for array in state.values())
    tracemalloc.start()
    try:
        assert len(read_checkpoint(path)[1]) == len(state)
        whole = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        assert len(read_checkpoint(path, generator_only=True)[1]) == len(generator_shapes(settings))
        part = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 10_000_000 and whole < 1.2 * size + 3_000_000 and part < 0.5 * size + 3_000_000


def test_a_table_is_taken_up_row_by_row(tmp_path):
    """Resuming a run writes its table anew: memory holds a row of it, and the thinning of `read_history` is no loss."""
    strangers.big_table(tmp_path / "history.csv", 10_000)
    tracemalloc.start()
    try:
        History(tmp_path, until=9_999).close()
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert len((tmp_path / "history.csv").read_bytes().splitlines()) == 10_000
    assert [row["step"] for row in read_history(tmp_path)] == list(range(1, 10_000))


def test_a_long_table_is_thinned_by_its_steps(tmp_path, monkeypatch):
    monkeypatch.setattr("fashion_style.runs.history.HISTORY_NUMBERS", 100 * len(HISTORY_FIELDS))
    strangers.big_table(tmp_path / "history.csv", 10_000)
    steps = [row["step"] for row in read_history(tmp_path)]
    assert steps == [1, *range(128, 10_000, 128), 10_000]


def large_generator():
    """A generator whose weights are finite and too large to calculate with."""
    generator, random = build_generator_of(strangers.TINY), np.random.default_rng(0)
    generator.set_weights([random.normal(0, 1e37, weight.shape) for weight in generator.get_weights()])
    return generator


@pytest.mark.parametrize("pixels", [10**6, 100])
def test_a_design_of_no_numbers_is_never_handed_out(monkeypatch, pixels):
    monkeypatch.setattr("fashion_style.design.WORKING_PIXELS", pixels)
    monkeypatch.setattr(large_prints, "WORKING_PIXELS", pixels)
    picture, mask = np.linspace(-1, 1, 32 * 32 * 3).reshape(32, 32, 3).astype("float32"), np.ones((32, 32))
    with pytest.raises(DesignError, match="huge painted values that are not finite"):
        Designer(large_generator(), "huge").stylize(picture, picture, mask=mask)


def test_a_run_whose_weights_are_too_large_is_not_resumed(tmp_path):
    trainer = Trainer(strangers.TINY)
    state = {name: variable.numpy() for name, variable in trainer.variables().items()}
    large = dict(zip((name for name in state if name.startswith("generator/")), large_generator().get_weights()))
    write_checkpoint(tmp_path, strangers.TINY, state | large)
    with pytest.raises(TrainingError, match="paints values that are not finite"):
        open_run(tmp_path, start=Start(resume=True))


def test_shapes_are_told_for_every_architecture_without_building_it():
    for changes in (
        dict(width=5),
        dict(width=3, paths="spatial", critic="article", constraint="spectral_norm"),
        dict(generator="unet", precision="mixed_bfloat16"),
    ):
        settings = TrainingSettings(size=32, batch=2, content_layer="block1_conv1", style_layers=("block1_conv1",))
        settings = TrainingSettings.from_dict(settings.to_dict() | changes)
        told, real = state_shapes(settings), Trainer(settings).variables()
        assert {name: array.shape for name, array in told.items()} == {
            name: tuple(variable.shape) for name, variable in real.items()
        }, changes
        assert {name for name, array in told.items() if array.whole} == {
            name for name, variable in real.items() if "int" in str(variable.dtype)
        }, changes


def test_a_manifest_of_100_000_brackets_is_passed_over_and_said(tmp_path):
    run, newest = strangers.run_of_two(tmp_path)
    (newest / "manifest.json").write_text("[" * 100_000)
    with pytest.warns(UserWarning, match="brackets deep.*Going back to step-00000002"):
        assert int(newest_checkpoint(run)[1]["step/000"]) == 2
    assert len(list_checkpoints(run)) == 2, "reading deletes nothing"
