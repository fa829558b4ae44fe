"""The wait for the first step: told while it lasts, and never for a trainer that is traced."""

import threading
import time
from types import SimpleNamespace

import pytest

from fashion_style.runs import steps
from fashion_style.runs.steps import BUILDING, Stepper, told_wait

HANG_GUARD = 30


class Told(list):
    """What was said; `heard` is set once so many texts are there."""

    def __init__(self, count):
        super().__init__()
        self.count, self.heard = count, threading.Event()

    def __call__(self, words):
        self.append(words)
        if len(self) == self.count:
            self.heard.set()


def test_a_wait_is_told_at_once_and_every_so_often_and_ends_in_silence():
    told = Told(3)
    with told_wait(told, "waiting: {} s", every=0.01):
        assert told[0] == "waiting: 0 s" and told.heard.wait(HANG_GUARD)
    assert told[-1] == "" and all(words.startswith("waiting: ") for words in told[:-1])
    count = len(told)
    time.sleep(0.05)
    assert len(told) == count, "nothing is said after the wait"


def test_the_seconds_are_those_that_passed(monkeypatch):
    times = iter([100.0, 101.9, 163.4])
    monkeypatch.setattr(steps, "time", SimpleNamespace(monotonic=lambda: next(times, 200.0)))
    told = Told(3)
    with told_wait(told, "waiting: {} s", every=0.001):
        assert told.heard.wait(HANG_GUARD)
    assert told[:3] == ["waiting: 0 s", "waiting: 1 s", "waiting: 63 s"]


def test_a_wait_that_fails_is_over_too():
    told = Told(9)
    with pytest.raises(ZeroDivisionError), told_wait(told, "waiting: {} s"):
        raise ZeroDivisionError
    assert told == ["waiting: 0 s", ""] and not [one for one in threading.enumerate() if one.name == "told wait"]


class SlowlyTraced:
    """Looks like a `Trainer`; its first step waits until the wait has been told `count` times."""

    def __init__(self, told):
        self.told, self.traced, self.step = told, False, 0
        self.generator_optimizer = SimpleNamespace(learning_rate=0.5)

    def advance(self, content, style, mask, targets):
        assert self.traced or not self.told or self.told.heard.wait(HANG_GUARD)
        self.traced, self.step = True, self.step + 1
        return {"total": 1.0}


@pytest.fixture
def quick(monkeypatch):
    """Seconds that pass in hundredths, and pairings that need no trainer."""
    monkeypatch.setattr(steps, "Pairings", lambda trainer: lambda batch: (None, None))
    slow = steps.told_wait
    monkeypatch.setattr(steps, "told_wait", lambda tell, words: slow(tell, words, every=0.01))
    return SimpleNamespace(content=None, mask=None, light=None)


def test_only_the_first_step_is_told(quick):
    told = Told(3)
    step = Stepper(SlowlyTraced(told), tell=told)
    assert step(quick)[1]["step"] == 1
    assert told[0] == BUILDING.format(0) and told[-1] == "" and len(told) >= 4
    count = len(told)
    assert step(quick)[1]["step"] == 2 and len(told) == count


def test_a_trainer_that_is_traced_already_is_not_waited_for(quick):
    told = Told(1)
    trainer = SlowlyTraced(told)
    trainer.traced = True
    Stepper(trainer, tell=told)(quick)
    assert told == []


def test_nobody_has_to_be_told(quick):
    assert Stepper(SlowlyTraced(None))(quick)[0] == {"total": 1.0}
