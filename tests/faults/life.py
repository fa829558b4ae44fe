"""One life of a training run, for the fault harness: it trains a tiny network until it is done, stopped, or killed from
outside.

    python life.py --serve       read orders from standard input, one JSON object a line; fork a process for each
    python life.py '{"run": ...}'  one order, in this process

TensorFlow takes seconds to import, so `--serve` imports it once and forks before TensorFlow starts any work; every life
then builds, traces and trains for itself. What happens goes to standard output as lines `word rest`: pid, batch, step,
end, error, exit.
"""

import hashlib
import json
import os
import resource
import sys

import numpy as np

from fashion_style.data import held_out_pairs
from fashion_style.errors import FashionStyleError
from fashion_style.reading.sources import garment_source, pattern_source
from fashion_style.runs.checkpoints import list_checkpoints
from fashion_style.runs.loop import train
from fashion_style.runs.plan import Schedule, Start, Watchers
from fashion_style.settings import TrainingSettings
from fashion_style.training import Trainer

DONE, REFUSED, BROKEN = 0, 3, 4  # exit codes: finished or stopped, one of our own errors, any other exception
SMALL = dict(size=32, batch=2, width=4, style_layers=("block1_conv1",), content_layer="block1_conv1")


def say(word, rest=""):
    os.write(1, f"{word} {rest}\n".encode())  # one call: a kill cannot tear a line


def report_batches():
    """Let every step say the digest of its batch."""
    advance = Trainer.advance

    def told(trainer, *batch, **more):
        digest = hashlib.sha256()
        for part in batch[:3]:
            digest.update(np.asarray(part).tobytes())
        say("batch", f"{int(trainer.step)} {digest.hexdigest()}")
        return advance(trainer, *batch, **more)

    Trainer.advance = told


def live(order):
    """Train as ordered: run, steps, checkpoint_every, grid_every, changes (of SMALL) and file_limit (bytes, or None).

    Resumes whenever there is a checkpoint.
    """
    say("pid", os.getpid())
    if order.get("file_limit") is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_limit"],) * 2)
    report_batches()
    sources, others = [
        [make(size=40, count=6, part=part) for make in (garment_source, pattern_source)]
        for part in ("train", "held_out")
    ]
    resume = bool(list_checkpoints(order["run"]))
    try:
        result = train(
            order["run"],
            None if resume else TrainingSettings(steps=order["steps"], **SMALL | order.get("changes", {})),
            *sources,
            held_out=held_out_pairs(*others, 2, size=SMALL["size"]),
            start=Start(resume=resume),
            watchers=Watchers(callback=lambda progress: say("step", progress.step)),
            schedule=Schedule(grid_every=order["grid_every"], checkpoint_every=order["checkpoint_every"]),
        )
    except FashionStyleError as error:
        say("error", " ".join(str(error).split()))
        return REFUSED
    except Exception as error:
        say("error", f"{type(error).__name__}: {' '.join(str(error).split())}")
        return BROKEN
    say("end", result.reason)
    return DONE


def serve():
    """Fork one life after the other, as ordered."""
    say("ready")
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            code = BROKEN
            try:
                code = live(json.loads(line))
            finally:
                os._exit(code)
        say("exit", os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve()
    else:
        sys.exit(live(json.loads(sys.argv[1])))
