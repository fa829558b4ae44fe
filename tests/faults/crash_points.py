"""Kill a process at every single file operation of a checkpoint write, one after the other, and look at what it leaves.

    python tests/faults/crash_points.py

Prints one line of JSON: {what was being written: number of moments at which the process was killed}. Any run that
cannot be used, any half checkpoint in the list and any leftover that the next write does not sweep up ends it with an
AssertionError.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from fashion_style.runs import checkpoints
from fashion_style.runs.checkpoints import (
    best_checkpoint,
    list_checkpoints,
    newest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from fashion_style.settings import TrainingSettings

SETTINGS = TrainingSettings(size=32, batch=2, steps=10, width=4)
EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def state(step, value):
    """A small state whose every number is `value`."""
    return {"step/000": np.array(step), "generator/000": np.full((3, 3, 3, 4), float(value))}


def write(run, step, value, **more):
    """Write such a state."""
    return write_checkpoint(run, SETTINGS, state(step, value), **more)


def damage(run):
    """Flip a bit in the newest checkpoint."""
    path = list_checkpoints(run)[-1] / "state.npz"
    data = path.read_bytes()
    path.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])


def count_down(moment):
    """From now on, end this process by SIGKILL at its file operation number `moment`; halves of files and syncs count
    too.
    """
    left = [moment]

    def tick():
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def torn(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            tick()
            file.write(data[len(data) // 2 :])
            file.flush()
            os.fsync(file.fileno())

    real_sync = os.fsync
    os.fsync = lambda handle: (tick(), real_sync(handle))
    checkpoints.write_synced = torn
    sys.addaudithook(lambda event, details: tick() if event in EVENTS else None)


def killed_at(moment, work):
    """Do `work` in a process that dies at that moment. Returns False if it was through before."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            count_down(moment)
            work()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the writer failed at moment {moment}"
    return code != 0


# What is there, what is written, and which (step, value) may be the newest afterwards --------------------------------
def nothing(run):
    Path(run).mkdir()


def two(run):
    write(run, 2, 20, score=1.0)
    write(run, 4, 40, score=2.0)


def broken(run):
    two(run)
    damage(run)


def retired(run):
    """A kill has left the older one of a step that was written again."""
    two(run)
    newest = list_checkpoints(run)[-1]
    newest.rename(newest.with_name(newest.name + ".old"))


CASES = {
    "the first checkpoint": (nothing, dict(step=0, value=1), {None, (0, 1)}),
    "one more, keep 2": (two, dict(step=6, value=60, keep=2), {(4, 40), (6, 60)}),
    "one more, keep 1 and the best": (two, dict(step=6, value=60, keep=1), {(4, 40), (6, 60)}),
    "one more and better, keep 1": (two, dict(step=6, value=60, keep=1, score=0.5), {(4, 40), (6, 60)}),
    "a step again": (two, dict(step=4, value=41), {(4, 40), (4, 41)}),
    "a step again, keep 1": (two, dict(step=4, value=41, keep=1), {(4, 40), (4, 41)}),
    "a broken step again": (broken, dict(step=4, value=41), {(2, 20), (4, 41)}),
    "a step again after such a kill": (retired, dict(step=4, value=41), {(4, 40), (4, 41)}),
    "after a broken one": (broken, dict(step=6, value=60, keep=1), {(2, 20), (6, 60)}),
}


def newest(run):
    """(step, value) of the newest whole checkpoint, whose numbers must all be one value; None if there is none."""
    if not list_checkpoints(run):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arrays = newest_checkpoint(run)[1]
    assert len(np.unique(arrays["generator/000"])) == 1
    return int(arrays["step/000"]), int(arrays["generator/000"][0, 0, 0, 0])


def look(run, prepare, allowed):
    """Check what a killed writer left, and that the next writer gets on with it."""
    found = newest(run)
    assert found in allowed, f"{found} is the newest, not one of {allowed}"
    if prepare is two:
        for path in list_checkpoints(run):
            read_checkpoint(path)  # no half one is in the list
        assert best_checkpoint(run) is not None
    write(run, 8, 80)
    assert newest(run) == (8, 80)
    left = [path.name for path in (run / "checkpoints").iterdir() if not path.name.startswith("step-")]
    assert not left, f"not swept up: {left}"


def main():
    """All cases, all moments."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk would take minutes for thousands of syncs
    counts, place = {}, Path(tempfile.mkdtemp(prefix="crash-points-", dir=memory))
    for name, (prepare, written, allowed) in CASES.items():
        moment, going = 0, True
        while going:
            run = place / "run"
            prepare(run)
            going = killed_at(moment, lambda: write(run, **written))
            look(run, prepare, allowed)
            shutil.rmtree(run)
            moment += going
        counts[name] = moment
    shutil.rmtree(place)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
