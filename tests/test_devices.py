"""Several workers: real processes on loopback take the step of one, and a lost one is noticed."""
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from fashion_style.checkpoints import newest_checkpoint
from fashion_style.devices import choose_strategy, read_cluster
from fashion_style.history import read_history
from fashion_style.runs import train
from fashion_style.settings import TrainingError, TrainingSettings
from fashion_style.sources import garment_source, pattern_source

SETTINGS = TrainingSettings(size=32, batch=4, steps=4, width=4, penalty_every=1, content_layer="block1_conv1", style_layers=("block1_conv1",))
# To lose a worker, any networks will do: those that are traced in a quarter of the time.
QUICK = replace(SETTINGS, generator="unet", constraint="clip", update="together")
HANG_GUARD = 600  # seconds
WORKER = """
import json, sys
import numpy as np
from fashion_style.devices import choose_strategy
strategy = choose_strategy("multiworker")  # before TensorFlow is used otherwise
from fashion_style.images import FashionStyleError
from fashion_style.runs import train
from fashion_style.settings import TrainingSettings
from fashion_style.sources import garment_source, pattern_source
run, settings, out = sys.argv[1], TrainingSettings.from_dict(json.loads(sys.argv[2])), sys.argv[3]
try:
    result = train(run, settings, garment_source(size=40, count=10), pattern_source(size=40, count=10), strategy=strategy, resume="resume" in sys.argv,
                   grid_every=1000, checkpoint_every=4, callback=lambda progress: print(progress.step, flush=True))
except FashionStyleError as error:
    sys.exit(str(error))
np.savez(out, **{name.replace("/", "_"): variable.numpy() for name, variable in result.trainer.variables().items()})
"""


def free_ports(count):
    """Ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start_workers(run, settings, folder, *more):
    """Two workers as processes, with their standard output as a pipe each. `run`: their folder, or a list with one for each."""
    runs = run if isinstance(run, list) else [run, run]
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    workers = []
    for index in range(2):
        config = json.dumps(dict(cluster=dict(worker=addresses), task=dict(type="worker", index=index)))
        command = [sys.executable, "-c", WORKER, str(runs[index]), json.dumps(settings.to_dict()), str(folder / f"worker{index}.npz"), *more]
        workers.append(subprocess.Popen(command, env=dict(os.environ, TF_CONFIG=config, TF_CPP_MIN_LOG_LEVEL="3"),
                                        stdout=subprocess.PIPE, stderr=(folder / f"worker{index}.log").open("w"), text=True))
    return workers


def test_two_workers_equal_each_other_and_one_process(tmp_path):
    workers = start_workers(tmp_path / "run", SETTINGS, tmp_path)
    for worker in workers:
        worker.communicate(timeout=HANG_GUARD)
    assert [worker.returncode for worker in workers] == [0, 0], (tmp_path / "worker0.log").read_text()[-2000:]
    alone = train(tmp_path / "alone", SETTINGS, garment_source(size=40, count=10), pattern_source(size=40, count=10), grid_every=1000)
    first, second = (np.load(tmp_path / f"worker{index}.npz") for index in range(2))
    for name, variable in alone.trainer.variables().items():
        name = name.replace("/", "_")
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
        if name.startswith(("generator_0", "generator_1", "critic_0")):  # weights; optimisers follow from them
            np.testing.assert_allclose(first[name], variable.numpy(), rtol=1e-5, atol=1e-5, err_msg=name)
    rows = read_history(tmp_path / "run")  # written by the first worker alone, with the means of both
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    for ours, theirs in zip(rows, alone.history):
        for name in ("total", "style", "critic_loss", "generator_gradient"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_workers_that_take_up_different_checkpoints_do_not_train(tmp_path):
    pictures = garment_source(size=40, count=10), pattern_source(size=40, count=10)
    for name, steps in (("new", 2), ("old", 1)):
        train(tmp_path / name, replace(QUICK, steps=steps), *pictures, grid_every=1000)
    before = newest_checkpoint(tmp_path / "new")[1]
    workers = start_workers([tmp_path / "new", tmp_path / "old"], replace(QUICK, steps=6), tmp_path, "resume")
    for worker in workers:
        worker.communicate(timeout=HANG_GUARD)
    for index, (worker, step) in enumerate(zip(workers, (2, 1))):
        log = (tmp_path / f"worker{index}.log").read_text()
        assert worker.returncode == 1 and f"different checkpoints: this one is at step {step}, the mean of all is 1.5" in log, log[-2000:]
    for name, array in newest_checkpoint(tmp_path / "new")[1].items():
        np.testing.assert_array_equal(array, before[name])


def test_a_lost_worker_ends_the_other_and_both_resume(tmp_path):
    workers = start_workers(tmp_path / "run", replace(QUICK, steps=100_000), tmp_path)
    for line in workers[0].stdout:
        if int(line) >= 5:
            workers[1].send_signal(signal.SIGKILL)
            killed = time.monotonic()
            break
    workers[0].communicate(timeout=60)  # the promise: within 60 seconds
    waited, log = time.monotonic() - killed, (tmp_path / "worker0.log").read_text()
    workers[1].communicate(timeout=HANG_GUARD)
    assert workers[0].returncode == 1 and "another worker was lost" in log and waited < 60, log[-2000:]
    step = int(newest_checkpoint(tmp_path / "run")[1]["step/000"])
    assert step >= 4
    again = start_workers(tmp_path / "run", replace(QUICK, steps=step + 2), tmp_path, "resume")
    for worker in again:
        worker.communicate(timeout=HANG_GUARD)
    assert [worker.returncode for worker in again] == [0, 0], (tmp_path / "worker0.log").read_text()[-2000:]
    assert [row["step"] for row in read_history(tmp_path / "run")] == list(range(1, step + 3))


@pytest.mark.parametrize("config", [None, "", "{}", "no json", '{"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}',
                                    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'])
def test_a_wrong_cluster_shows_an_example(monkeypatch, config):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(TrainingError, match="TF_CONFIG, for example .*Received"):
        read_cluster()
    with pytest.raises(TrainingError, match="TF_CONFIG"):
        choose_strategy("multiworker")


def test_strategies_have_names():
    assert choose_strategy("none") is None
    with pytest.raises(TrainingError, match="one of none, mirrored, multiworker. Received: 'tpu'"):
        choose_strategy("tpu")
