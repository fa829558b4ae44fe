"""Several workers: real processes on loopback take the step of one, and a lost one is noticed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.errors import TrainingError
from fashion_style.reading.sources import garment_source, pattern_source
from fashion_style.runs.checkpoints import newest_checkpoint
from fashion_style.runs.devices import choose_strategy, read_cluster
from fashion_style.runs.history import read_history
from fashion_style.runs.loop import train
from fashion_style.runs.plan import Schedule
from fashion_style.settings import TrainingSettings

# A generator that is traced soon: two devices take a step of the other one in test_training.
SETTINGS = TrainingSettings(
    size=32,
    batch=4,
    steps=4,
    width=4,
    generator="unet",
    penalty_every=1,
    content_layer="block1_conv1",
    style_layers=("block1_conv1",),
)
# To lose a worker, any step will do: one that is traced in a quarter of the time.
QUICK = replace(SETTINGS, constraint="clip", update="together")
HANG_GUARD = 600  # seconds
WAIT_GUARD = 120  # seconds
WORKER = """
import json, sys
import numpy as np
from fashion_style.runs.devices import choose_strategy
strategy = choose_strategy("multiworker")  # before TensorFlow is used otherwise
from fashion_style.errors import FashionStyleError
from fashion_style.runs.loop import train
from fashion_style.runs.plan import Schedule, Start, Watchers
from fashion_style.settings import TrainingSettings
from fashion_style.reading.sources import garment_source, pattern_source
run, settings, out = sys.argv[1], TrainingSettings.from_dict(json.loads(sys.argv[2])), sys.argv[3]
try:
    result = train(run, settings, garment_source(size=40, count=10), pattern_source(size=40, count=10),
                   start=Start(strategy=strategy, resume="resume" in sys.argv),
                   schedule=Schedule(grid_every=1000, checkpoint_every=4),
                   watchers=Watchers(callback=lambda progress: print(progress.step, flush=True)))
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
    """Two workers as processes, with their standard output as a pipe each.

    `run`: their folder, or a list with one for each.
    """
    runs = run if isinstance(run, list) else [run, run]
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    workers = []
    for index in range(2):
        config = json.dumps(dict(cluster=dict(worker=addresses), task=dict(type="worker", index=index)))
        command = [
            sys.executable,
            "-c",
            WORKER,
            str(runs[index]),
            json.dumps(settings.to_dict()),
            str(folder / f"worker{index}.npz"),
            *more,
        ]
        workers.append(
            subprocess.Popen(
                command,
                env=dict(os.environ, TF_CONFIG=config, TF_CPP_MIN_LOG_LEVEL="3"),
                stdout=subprocess.PIPE,
                stderr=(folder / f"worker{index}.log").open("w"),
                text=True,
            )
        )
    return workers


def test_two_workers_equal_each_other_and_one_process(tmp_path):
    workers = start_workers(tmp_path / "run", SETTINGS, tmp_path)
    for worker in workers:
        worker.communicate(timeout=HANG_GUARD)
    assert [worker.returncode for worker in workers] == [0, 0], (tmp_path / "worker0.log").read_text()[-2000:]
    alone = train(
        tmp_path / "alone",
        SETTINGS,
        garment_source(size=40, count=10),
        pattern_source(size=40, count=10),
        schedule=Schedule(grid_every=1000),
    )
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
        train(tmp_path / name, replace(QUICK, steps=steps), *pictures, schedule=Schedule(grid_every=1000))
    before = newest_checkpoint(tmp_path / "new")[1]
    workers = start_workers([tmp_path / "new", tmp_path / "old"], replace(QUICK, steps=6), tmp_path, "resume")
    for worker in workers:
        worker.communicate(timeout=HANG_GUARD)
    for index, (worker, step) in enumerate(zip(workers, (2, 1))):
        log = (tmp_path / f"worker{index}.log").read_text()
        assert (
            worker.returncode == 1
            and f"different checkpoints: this one is at step {step}, the mean of all is 1.5" in log
        ), log[-2000:]
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


def cluster_text(workers, index=0, jobs=(), **more):
    return json.dumps(dict(cluster=dict(jobs, worker=workers), task=dict(type="worker", index=index), **more))


WRONG_ADDRESSES = [
    "abc",
    {"0": "a:1"},
    [1, 2],
    [None],
    [["a:1"]],
    ["localhost", "otherhost"],
    ["localhost:"],
    [":1"],
    ["a b:1"],
    ["grpc://a:1"],
    ["a:b"],
    ["a:0"],
    ["localhost:99999"],
    ["localhost:65536"],
    ["a:-1"],
    ["a:1\n"],
    ["a:٣"],
    ["a..b:1"],
    ["x" * 64 + ":1"],
    ["::1:5"],
    ["[::1]"],
    ["[]:1"],
    ["a:1", "a:1"],
    ["a:1", "a:01"],
]
WRONG_CLUSTERS = [
    None,
    "",
    "{}",
    "no json",
    "[]",
    "7",
    "null",
    "[" * 100_000,
    cluster_text([]),
    cluster_text(["a:1"], index=1),
    cluster_text(["a:1"], index=-1),
    cluster_text(["a:1"], index=float("inf")),
    cluster_text(["a:1"], index=None),
    '{"cluster": 5, "task": {"type": "worker", "index": 0}}',
    '{"cluster": {"worker": ["a:1"]}, "task": 5}',
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "boss", "index": 0}}',
    cluster_text(["a:1"], jobs=dict(bogus=5)),
    cluster_text(["a:1"], jobs=dict(chief=["b:1"])),
    cluster_text(["a:1"], jobs=dict(evaluator=["b"])),
    cluster_text(["a:1"], rpc_layer=7),
    cluster_text(["a:1"], rpc_layer="pigeon"),
    *map(cluster_text, WRONG_ADDRESSES),
]


@pytest.mark.parametrize("config", WRONG_CLUSTERS, ids=lambda config: str(config)[:60])
def test_a_wrong_cluster_shows_an_example(monkeypatch, config):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(TrainingError, match="TF_CONFIG, for example .*Received"):
        read_cluster()
    with pytest.raises(TrainingError, match="TF_CONFIG"):
        choose_strategy("multiworker")


@pytest.mark.parametrize(
    "workers",
    [
        ["10.0.0.1:2222", "10.0.0.2:2222"],
        ["localhost:1", "localhost:65535"],
        ["[::1]:5", "[fe80::1]:5"],
        ["my-host.example.org:80", "my_host:80"],
    ],
)
def test_usual_addresses_pass(monkeypatch, workers):
    for more in ({}, dict(rpc_layer="grpc"), dict(environment="cloud"), dict(jobs=dict(evaluator=["c:1"]))):
        monkeypatch.setenv("TF_CONFIG", cluster_text(workers, index=1, **more))
        assert read_cluster() == (workers, 1)


@pytest.mark.parametrize(
    "error",
    [
        TypeError("no text"),
        ValueError("no value"),
        tf.errors.InvalidArgumentError(None, None, "no argument"),
        tf.errors.UnknownError(None, None, "no server"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_tensorflow_says_about_a_cluster_is_one_clear_error(monkeypatch, error):
    def refuse():
        raise error

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", refuse)
    monkeypatch.setenv("TF_CONFIG", cluster_text(["localhost:1"]))
    with pytest.raises(
        TrainingError, match=r"\(no (text|value|argument|server).*\).*TF_CONFIG, for example .*Received"
    ):
        choose_strategy("multiworker")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_signals_have_their_default_while_tensorflow_waits_and_their_handlers_afterwards(monkeypatch, capsys):
    numbers, seen = (signal.SIGINT, signal.SIGTERM), []
    handlers = [signal.getsignal(number) for number in numbers]
    monkeypatch.setattr(
        tf.distribute,
        "MultiWorkerMirroredStrategy",
        lambda: seen.append([signal.getsignal(number) for number in numbers]),
    )
    monkeypatch.setenv("TF_CONFIG", cluster_text(["localhost:1"]))
    choose_strategy("multiworker")
    thread = threading.Thread(target=choose_strategy, args=("multiworker",))  # only the main thread may set handlers
    thread.start()
    thread.join()
    assert seen == [[signal.SIG_DFL] * 2, handlers] and [signal.getsignal(number) for number in numbers] == handlers
    assert capsys.readouterr().err == "", "a worker alone waits for nobody"


def start_waiting(addresses, log):
    """The first of several workers, as a process that has said that it waits."""
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from fashion_style.runs.devices import choose_strategy\nchoose_strategy('multiworker')",
        ],
        stderr=log.open("w"),
        env=dict(os.environ, TF_CONFIG=cluster_text(addresses), TF_CPP_MIN_LOG_LEVEL="0"),
        # a shell may have taught us to ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for("waiting for the other workers", log, worker)
    return worker


def wait_for(words, log, worker):
    end = time.monotonic() + WAIT_GUARD
    while words not in log.read_text():
        assert worker.poll() is None and time.monotonic() < end, log.read_text()[-2000:]
        time.sleep(0.1)


def end_with(worker, number):
    """Send a signal. The exit status, and the seconds until it was there."""
    sent = time.monotonic()
    worker.send_signal(number)
    try:
        return worker.wait(timeout=WAIT_GUARD), time.monotonic() - sent
    finally:
        worker.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_waits_for_another_says_so_and_can_be_stopped(tmp_path, number):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
    worker = start_waiting(addresses, tmp_path / "log")
    (line,) = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("waiting")]
    assert line == f"waiting for the other workers: {addresses[1]}, {addresses[2]}. Stop with Ctrl-C"
    time.sleep(2)
    assert worker.poll() is None
    code, seconds = end_with(worker, number)
    assert code == -number and seconds < 30


def test_ctrl_c_also_ends_the_wait_inside_tensorflow(tmp_path):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    with socket.create_server(("127.0.0.1", int(addresses[1].rpartition(":")[2]))):  # answers, but is no worker
        worker = start_waiting(addresses, tmp_path / "log")
        wait_for("Started server with target", tmp_path / "log", worker)
        time.sleep(2)
        assert worker.poll() is None
        code, seconds = end_with(worker, signal.SIGINT)
    assert code == -signal.SIGINT and seconds < 30


def test_a_port_that_is_taken_is_one_clear_error(monkeypatch):
    with socket.create_server(("", 0)) as taken:
        monkeypatch.setenv("TF_CONFIG", cluster_text([f"127.0.0.1:{taken.getsockname()[1]}", "127.0.0.1:1"]))
        with pytest.raises(TrainingError, match=r"cannot listen.*Received: 127.0.0.1:\d+ .*name another one"):
            choose_strategy("multiworker")


def test_strategies_have_names():
    assert choose_strategy("none") is None
    with pytest.raises(TrainingError, match="one of none, mirrored, multiworker. Received: 'tpu'"):
        choose_strategy("tpu")
