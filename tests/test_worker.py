"""A worker: of the jobs that wait the newest is run, repetition ends when told to, no error and no thread is left."""

import threading

import pytest

from fashion_style.panels.worker import Worker


@pytest.fixture
def errors():
    return []


@pytest.fixture
def worker(errors):
    threads = threading.active_count()
    worker = Worker(errors.append, name="worker under test")
    yield worker
    worker.close()
    assert threading.active_count() == threads, "a closed worker leaves no thread"


class Gate:
    """A job that says when it begins, and waits until it may go on."""

    def __init__(self):
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.open.wait(60)


def test_of_many_jobs_the_newest_is_run(worker):
    done, gate = [], Gate()
    worker.run(gate)
    assert gate.begun.wait(60)
    for number in range(100):
        worker.run(lambda number=number: done.append(number))
    assert worker.running and not worker.wait(0.01) and done == []
    gate.open.set()
    assert worker.wait(60) and done == [99] and not worker.running
    worker.run(lambda: done.append("again"))
    assert worker.wait(60) and done == [99, "again"], "the next job gets a thread again"


def test_a_closed_worker_forgets_what_waits_and_takes_nothing_more(worker):
    done, gate = [], Gate()
    worker.run(gate)
    assert gate.begun.wait(60)
    worker.run(lambda: done.append(1))
    worker.close(0.01)
    assert worker.running, "it did not wait for ever"
    gate.open.set()
    assert worker.wait(60)
    worker.run(lambda: done.append(2))
    worker.repeat(lambda: done.append(3), lambda: None)
    assert done == [] and not worker.running


def test_a_repetition_ends_when_it_is_stopped(worker):
    counted, shown = [], []
    for _ in range(2):  # asked for again, it goes on as it is
        worker.repeat(lambda: counted.append(1), lambda: shown.append(len(counted)), per_second=1000)
    assert sum(thread.name == "worker under test" for thread in threading.enumerate()) == 1
    while len(counted) < 5:
        pass
    assert worker.running and worker.stop(60) and not worker.running
    done = len(counted)
    assert shown[-1] == done == len(counted) and len(shown) > 1
    worker.repeat(lambda: counted.append(1), lambda: None)
    while len(counted) == done:
        pass
    assert worker.stop(60)


def test_a_repetition_ends_when_its_step_says_so(worker):
    counted, shown = [], []
    worker.repeat(lambda: counted.append(1) or len(counted) < 7, lambda: shown.append(1))
    assert worker.wait(60) and len(counted) == 7 and len(shown) <= 3


def test_a_newer_job_ends_a_repetition(worker):
    counted, done = [], []
    worker.repeat(lambda: counted.append(1), lambda: None)
    worker.run(lambda: done.append(1))
    assert worker.wait(60) and done == [1]


def test_a_repetition_that_could_not_be_waited_for_begins_anew(worker):
    """A step takes longer than `stop` waits: asked for again meanwhile, the repetition goes on after it."""
    gate, counted = Gate(), []
    worker.repeat(gate, lambda: None)
    assert gate.begun.wait(60) and not worker.stop(0.01)
    worker.repeat(lambda: counted.append(1) or len(counted) < 3, lambda: None)
    gate.open.set()
    assert worker.wait(60) and len(counted) == 3


def test_errors_are_told_and_the_worker_goes_on(worker, errors):
    shown, done = [], []
    worker.run(lambda: 1 / 0)
    assert worker.wait(60) and isinstance(errors.pop(), ZeroDivisionError)
    worker.repeat(lambda: 1 / 0, lambda: shown.append(1))
    assert worker.wait(60) and isinstance(errors.pop(), ZeroDivisionError) and shown == [1], "the last state is shown"
    worker.repeat(lambda: None, lambda: [][0])
    assert worker.wait(60) and isinstance(errors.pop(), IndexError)
    worker.run(lambda: done.append(1))
    assert worker.wait(60) and done == [1] and not errors


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_whose_on_error_fails_takes_the_next_job():
    done, worker = [], Worker([].index)
    worker.run(lambda: 1 / 0)
    assert worker.wait(60)
    worker.run(lambda: done.append(1))
    assert worker.wait(60) and done == [1]


def test_a_job_may_stop_its_own_worker(worker):
    done = []
    worker.run(lambda: done.append(worker.stop()))
    assert worker.wait(60) and done == [False], "it does not wait for itself"


def test_in_the_callers_thread(worker, errors):
    counted, shown, threads = [], [], threading.active_count()
    worker.run_here(lambda: counted.append(1), lambda: shown.append(1), 20)
    assert len(counted) == 20 and shown and threading.active_count() == threads

    def interrupted():
        raise KeyboardInterrupt

    shown.clear()
    worker.run_here(interrupted, lambda: shown.append(1), 20)
    assert shown == [1], "an interrupt ends it and is no error"
    with pytest.raises(ZeroDivisionError):
        worker.run_here(lambda: 1 / 0, lambda: None, 20)
    assert not errors and not worker.running


def test_the_error_of_a_step_is_told_though_showing_fails_too(worker, errors):
    def step():
        raise ValueError("the step")

    def show():
        raise OSError("the picture")

    worker.repeat(step, show)
    assert worker.wait(5) and [str(error) for error in errors] == ["the step"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_waits_is_run_though_telling_an_error_failed():
    at_work, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def tell(error):
        raise RuntimeError("nobody listens")

    def fail():
        at_work.set()
        go_on.wait(5)
        raise ValueError("the job")

    worker = Worker(tell)
    worker.run(fail)
    assert at_work.wait(5)
    worker.repeat(lambda: False, done.set)
    go_on.set()
    assert done.wait(5) and worker.wait(5)
    worker.close()
