"""The history table survives kills, full disks, power cuts and older versions, to the last digit."""

import os
import subprocess
import sys

import numpy as np
import pytest

from fashion_style.errors import TrainingError
from fashion_style.runs.checkpoints import save_checkpoint
from fashion_style.runs.curves import column, fig_history, running_mean
from fashion_style.runs.events import add_event
from fashion_style.runs.forks import fork
from fashion_style.runs.history import HISTORY_FIELDS, LOSS_TERMS, History, read_history, weighted_shares
from fashion_style.settings import LossWeights, TrainingSettings
from fashion_style.training import Trainer

HANG_GUARD = 300  # seconds


def rows_of(count, seed=0):
    """`count` rows of float32 noise in every column but the step."""
    random = np.random.default_rng(seed)
    return [
        {
            name: float(value)
            for name, value in zip(HISTORY_FIELDS, random.lognormal(size=len(HISTORY_FIELDS)).astype(np.float32))
        }
        | dict(step=float(step))
        for step in range(1, count + 1)
    ]


def write(run, rows, **options):
    history = History(run, **options)
    for row in rows:
        history.append(row)
    history.close()
    return history


# Links that somebody planted ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["history.csv", "history.csv.part", "history.csv.damaged"])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.filterwarnings("ignore:.*lacks")
def test_nothing_is_written_through_a_link(tmp_path, name, there):
    (tmp_path / "run").mkdir()
    mine, rows = tmp_path / "mine", rows_of(2)
    if there:
        mine.write_text("mine")
    write(tmp_path / "run", rows)
    if name == "history.csv":
        (tmp_path / "run" / name).unlink()
    elif name.endswith("damaged"):
        (tmp_path / "run" / "history.csv").write_bytes(b"\0" * 50 + b"\n")  # what is kept under that name
    (tmp_path / "run" / name).symlink_to(mine)
    write(tmp_path / "run", rows, until=2)
    assert not os.path.lexists(mine) if not there else mine.read_text() == "mine"
    assert len(read_history(tmp_path / "run")) >= 2 and not (tmp_path / "run" / "history.csv").is_symlink()


def test_a_diary_that_is_a_link_is_left_alone(tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "events.jsonl").symlink_to(mine)
    add_event(tmp_path, 1, "opened", "A run.")
    assert mine.read_text() == "mine"


# The table ------------------------------------------------------------------------------------------------------------
def test_the_table_has_the_promised_columns_once():
    promised = """step total adversarial content style variation background shading motif truth cover
                  residue critic_loss
                  critic_gap penalty generator_gradient critic_gradient
                  skipped learning_rate held_out_gap held_out_total seconds steps_per_second""".split()
    shares = [
        f"share_{name}"
        for name in "adversarial content style variation background shading motif truth cover residue".split()
    ]
    assert sorted(HISTORY_FIELDS) == sorted(promised + shares)


def test_every_float32_comes_back_to_the_bit(tmp_path):
    rows = rows_of(200)
    rows[3]["total"], rows[4]["total"], rows[5]["step"] = 1e-38, -3.4e38, 123_456_789.0
    history = write(tmp_path, rows)
    assert read_history(tmp_path) == history.rows
    for row, back in zip(rows, history.rows):
        assert {name: np.float32(value) for name, value in row.items() if name != "step"} == {
            name: np.float32(value) for name, value in back.items() if name != "step"
        }
        assert row["step"] == back["step"]


def test_append_returns_what_will_be_read(tmp_path):
    history = History(tmp_path, weights=LossWeights())
    returned = [history.append(row) for row in rows_of(3)]
    history.close()
    assert returned == read_history(tmp_path)


def test_missing_values_are_empty_and_nan_and_infinity_stays(tmp_path):
    write(tmp_path, [dict(step=1, total=float("nan"), content=float("inf"), style=-float("inf"), unknown=3.0)])
    (row,) = read_history(tmp_path)
    assert (
        row["content"] == np.inf
        and row["style"] == -np.inf
        and np.isnan(row["total"])
        and np.isnan(row["held_out_gap"])
    )
    assert "unknown" not in row and set(row) == set(HISTORY_FIELDS)


# Accidents ------------------------------------------------------------------------------------------------------------
def test_rows_that_will_come_again_are_dropped(tmp_path):
    write(tmp_path, [dict(step=step, total=float(step)) for step in range(1, 5)])
    with (tmp_path / "history.csv").open("a") as file:
        file.write("5,0.")
    write(tmp_path, [dict(step=4, total=40.0)], until=3)
    assert [row["total"] for row in read_history(tmp_path)] == [1.0, 2.0, 3.0, 40.0]
    assert not list(tmp_path.glob("*.part"))


def test_rows_that_should_be_there_are_missed_aloud(tmp_path, recwarn):
    write(tmp_path, rows_of(4), until=0)
    write(tmp_path, [], until=4)
    assert not recwarn.list, "nothing is missing"
    with pytest.warns(UserWarning, match="lacks 2 of the 6 steps"):
        write(tmp_path, [dict(step=7, total=1.0)], until=6)
    (tmp_path / "history.csv").unlink()
    with pytest.warns(UserWarning, match="lacks 7 of the 7 steps.*deleted"):
        write(tmp_path, [dict(step=8, total=1.0)], until=7)
    assert [row["step"] for row in read_history(tmp_path)] == [8]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"step", b"stxp", 1),
        lambda data: bytes(np.random.default_rng(0).integers(128, 256, 500, dtype=np.uint8)),
        lambda data: data.replace(b"\n3,", b"\n\xff,"),
    ],
)
def test_a_damaged_table_is_kept_aside_before_it_is_written_anew(tmp_path, damage):
    write(tmp_path, rows_of(6))
    damaged = damage((tmp_path / "history.csv").read_bytes())
    for name in ("history.csv.damaged", "history.csv.damaged-2"):
        (tmp_path / "history.csv").write_bytes(damaged)
        with pytest.warns(UserWarning, match=f"lacks . of the 6 steps.*is kept as {name}\\."):
            write(tmp_path, [dict(step=7, total=1.0)], until=6)
        assert (tmp_path / name).read_bytes() == damaged
    with pytest.warns(UserWarning, match="have a gap.$"):  # the gap stays, and there is nothing to keep
        write(tmp_path, [], until=7)


def test_a_table_may_begin_with_the_rows_of_another_run(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    write(tmp_path / "old", rows_of(6))
    before = (tmp_path / "old" / "history.csv").read_bytes()
    History(tmp_path / "new", until=4, source=tmp_path / "old").close()
    assert [row["step"] for row in read_history(tmp_path / "new")] == [1, 2, 3, 4] and (
        tmp_path / "old" / "history.csv"
    ).read_bytes() == before
    with pytest.warns(UserWarning, match="old/history.csv lacks 3 of the 9"):
        History(tmp_path / "new", until=9, source=tmp_path / "old").close()


def test_a_fork_lies_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """A power cut takes what was not synced: every file at its whole length and every folder must be, before the
    rename; the folder above after it.
    """
    old, new, synced, left, real_sync, real_replace = tmp_path / "old", tmp_path / "new", [], [], os.fsync, os.replace
    old.mkdir()
    write(old, rows_of(2))
    (old / "pictures.json").write_text('{"garments": ["somewhere"]}')
    trainer = Trainer(
        TrainingSettings(
            size=32, batch=2, width=4, generator="unet", content_layer="block1_conv1", style_layers=("block1_conv1",)
        )
    )
    trainer.step.assign(2)
    save_checkpoint(trainer, old)

    def state(status):
        return status.st_ino, status.st_size

    def sync(handle):
        synced.append(state(os.fstat(handle)))
        real_sync(handle)

    def replace(source, target):
        if os.fspath(target) == os.fspath(new):
            left.extend(path.name for path in (source, *source.rglob("*")) if state(path.stat()) not in synced)
            synced.append("the name")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    made = fork(old, 2, new, style=8.0)
    assert {"settings.json", "fork.json", "pictures.json", "history.csv", "grids", "checkpoints"} <= {
        path.name for path in made.iterdir()
    }
    assert not left and tmp_path.stat().st_ino in [entry[0] for entry in synced[synced.index("the name") + 1 :]]


def test_rewind_drops_rows_of_an_open_table(tmp_path):
    history = write(tmp_path, rows_of(6))
    history.rewind(2)
    history.append(dict(step=3, total=7.0))
    assert [row["step"] for row in history.rows] == [1, 2, 3] and history.rows[-1]["total"] == 7.0
    history.close()


def test_cut_anywhere_only_the_torn_line_is_lost(tmp_path):
    write(tmp_path, rows_of(4))
    path = tmp_path / "history.csv"
    data, expected = path.read_bytes(), read_history(tmp_path)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        whole = max(0, data[:length].count(b"\n") - 1)
        assert read_history(tmp_path) == expected[:whole], length


@pytest.mark.parametrize("damage", [b"\x00" * 40 + b"\n", b"\xff\xfe,,\n", b"not,a,number\n", b"\n\n", b"1,2,3\n"])
def test_damaged_lines_are_left_out(tmp_path, damage):
    rows = rows_of(2)
    write(tmp_path, rows)
    with (tmp_path / "history.csv").open("ab") as file:
        file.write(damage)
    write(tmp_path, [dict(step=3)])
    assert [row["step"] for row in read_history(tmp_path)] == [1, 2, 3]


def test_resuming_changes_no_byte_of_what_stays(tmp_path):
    write(tmp_path, rows_of(5))
    text = (tmp_path / "history.csv").read_bytes()
    write(tmp_path, [], until=5)
    assert (tmp_path / "history.csv").read_bytes() == text
    write(tmp_path, rows_of(5)[3:], until=3)
    assert (tmp_path / "history.csv").read_bytes() == text


KILLED = """
import itertools, sys
from fashion_style.runs.history import History
history = History(sys.argv[1])
for step in itertools.count(1):
    history.append(dict(step=step, total=step / 3))
    print(step, flush=True)
"""


def test_a_killed_process_keeps_every_row_it_had_shown(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    for line in process.stdout:
        if int(line) >= 500:
            process.kill()
            break
    shown = int((line + process.communicate(timeout=HANG_GUARD)[0]).split("\n")[-2])
    steps = [row["step"] for row in read_history(tmp_path)]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) >= shown >= 500


def test_a_full_disk_is_one_clear_error_and_keeps_the_rows(tmp_path):
    resource, signal = pytest.importorskip("resource"), pytest.importorskip("signal")
    handler, limit = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    history = History(tmp_path)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
        with pytest.raises(TrainingError, match="cannot write .*history.csv.*then resume"):
            for step in range(1, 1000):
                history.append(dict(step=step, total=1.0))
        with pytest.raises(TrainingError, match="cannot write .*history.csv.*then resume"):
            history.append(dict(step=step, total=1.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    history.close()
    assert [row["step"] for row in read_history(tmp_path)] == list(range(1, step)) and step > 5


def test_half_a_line_is_a_disk_without_room_and_the_next_writer_drops_it(tmp_path):
    class HalfFull:
        """A disk that has room for the first part of a line."""

        def __init__(self, file):
            self.file, self.close, self.fileno = file, file.close, file.fileno

        def write(self, line):
            return self.file.write(line[: len(line) // 2])

    history = History(tmp_path)
    history.append(dict(step=1, total=2.0))
    history._file = HalfFull(history._file)
    with pytest.raises(TrainingError, match="no room for a whole line on the disk. Free some space"):
        history.append(dict(step=2, total=1.0))
    history.close()
    assert [row["step"] for row in read_history(tmp_path)] == [1]
    History(tmp_path, until=1).close()
    assert (tmp_path / "history.csv").read_text().endswith("\n") and [
        row["step"] for row in read_history(tmp_path)
    ] == [1]


def test_a_full_disk_while_resuming_keeps_the_old_table(tmp_path, monkeypatch):
    write(tmp_path, rows_of(3))
    text = (tmp_path / "history.csv").read_bytes()

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError, match="No space left"):
        History(tmp_path, until=2)
    assert (tmp_path / "history.csv").read_bytes() == text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path):
    write(tmp_path, rows_of(1))
    (tmp_path / "history.csv").chmod(0)
    with pytest.raises(TrainingError, match="cannot read the history"):
        read_history(tmp_path)


def test_a_run_without_a_table_has_an_empty_history_and_what_is_no_run_has_none(tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / "none" / "history.csv"):
        with pytest.raises(TrainingError, match="neither the folder of a run nor a table"):
            read_history(path)
    (tmp_path / "settings.json").write_text("{}")
    assert read_history(tmp_path) == []
    (tmp_path / "history.csv").write_text("")
    assert read_history(tmp_path) == []


def test_a_folder_that_is_missing_is_one_clear_error(tmp_path):
    with pytest.raises(TrainingError, match="cannot write"):
        History(tmp_path / "none")


# Versions -------------------------------------------------------------------------------------------------------------
OLD = (
    "step,total,critic_gap,held_out_gap,seconds\r\n1,2.90373,0.00239515,,50.8625\r\n"
    "2,2.42475,0.00214056,1.5,2.14498\r\n"
)


def test_a_table_of_an_older_version_is_read_and_resumed(tmp_path):
    (tmp_path / "history.csv").write_bytes(OLD.encode())
    first, second = read_history(tmp_path)
    assert first["total"] == 2.90373 and np.isnan(first["held_out_gap"]) and second["held_out_gap"] == 1.5
    assert np.isnan(first["share_style"]) and np.isnan(second["skipped"]) and set(first) == set(HISTORY_FIELDS)
    write(tmp_path, [dict(step=3, total=2.0, skipped=1.0)])
    rows = read_history(tmp_path)
    assert (
        [row["total"] for row in rows] == [2.90373, 2.42475, 2.0]
        and rows[2]["skipped"] == 1.0
        and np.isnan(rows[0]["skipped"])
    )


def test_columns_of_a_newer_version_survive_resuming(tmp_path):
    (tmp_path / "history.csv").write_text("step,total,novelty\n1,2.0,7.5\n")
    write(tmp_path, [dict(step=2, total=1.0, novelty=8.5)])
    assert [row["novelty"] for row in read_history(tmp_path)] == [7.5, 8.5]


def test_a_table_is_read_by_its_own_path(tmp_path):
    write(tmp_path, rows_of(2))
    (tmp_path / "history.csv").rename(tmp_path / "yesterday.csv")
    assert len(read_history(tmp_path / "yesterday.csv")) == 2


# Shares and speed -----------------------------------------------------------------------------------------------------
def test_weighted_shares_by_hand():
    weights = LossWeights(adversarial=0.5, content=1.0, style=2.0, variation=0.0, background=0.0, shading=4.0)
    shares = weighted_shares(
        dict(adversarial=-2.0, content=3.0, style=1.0, variation=100.0, background=100.0, shading=0.5), weights
    )
    assert shares == dict(
        share_adversarial=0.125,
        share_content=0.375,
        share_style=0.25,
        share_variation=0.0,
        share_background=0.0,
        share_shading=0.25,
        share_motif=0.0,
        share_truth=0.0,
        share_cover=0.0,
        share_residue=0.0,
    )


def test_weighted_shares_of_strange_rows():
    weights = LossWeights()
    assert weighted_shares(dict(content=2.0, style=float("nan")), weights)["share_content"] == 1.0
    for losses in ({}, dict(content=0.0), dict(content=float("inf"), style=1.0), dict(adversarial=-float("inf"))):
        assert all(np.isnan(share) for share in weighted_shares(losses, weights).values()), losses


def test_append_fills_in_shares_and_speed_unless_given(tmp_path):
    history = History(tmp_path, weights=LossWeights(content=1.0, style=1.0))
    row = history.append(dict(step=1, content=3.0, style=1.0, seconds=0.5))
    assert row["share_content"] == 0.75 and row["steps_per_second"] == 2.0
    row = history.append(dict(step=2, content=3.0, style=1.0, seconds=0.5, steps_per_second=7.0, share_content=0.5))
    assert row["share_content"] == 0.5 and row["steps_per_second"] == 7.0
    history.close()
    write(tmp_path / ".", [dict(step=3, content=3.0)])
    last = read_history(tmp_path)[-1]
    assert np.isnan(last["share_content"]) and np.isnan(last["steps_per_second"])


def test_the_terms_are_those_of_the_settings():
    assert all(hasattr(LossWeights(), name) for name in LOSS_TERMS)


# Curves ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("width", [1, 7, 50, 999])
def test_running_mean_against_loops(width):
    values = np.random.default_rng(0).normal(size=50)
    values[[0, 3, 17]] = np.nan, np.inf, np.nan
    values[20] = 1e30
    usable = np.where(np.isfinite(values), values, np.nan)
    windows = [usable[max(0, i - width + 1) : i + 1] for i in range(50)]
    expected = [np.nanmean(window) if np.isfinite(window).any() else np.nan for window in windows]
    np.testing.assert_allclose(running_mean(values, width), expected, rtol=1e-9, atol=1e-12)
    assert len(running_mean([], width)) == 0


def test_column_of_rows_that_lack_it():
    np.testing.assert_array_equal(column([dict(total=1.0), {}], "total"), [1.0, np.nan])


@pytest.mark.parametrize(
    "history",
    [
        [],
        [dict(step=1.0, total=1.0)],
        rows_of(30),
        [dict(step=1.0, total=float("nan"), generator_gradient=float("inf"))],
    ],
)
def test_fig_history_of_any_history(history, recwarn):
    figure = fig_history(history)
    figure.canvas.draw()
    assert len(figure.axes) == 4 and not recwarn.list
    assert bool(figure.axes[0].lines) == any(np.isfinite(row["total"]) for row in history)
