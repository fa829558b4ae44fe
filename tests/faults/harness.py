"""Break training runs on purpose, in every way we know, and count what was lost.

    python tests/faults/harness.py --kills 100      what `make faults` runs, about twenty minutes on two cores

Writes what it counted to benchmarks/results/faults.md. Ctrl-C, SIGTERM or --minutes end it early: no new fault is
begun, the runs are finished and compared, and the report says how many faults were met.

A campaign is one run that meets fault after fault: each time a real process resumes it and meets the next one. In the
end it is left
to finish and must equal, bit for bit, a run that nothing ever happened to: weights, both optimisers, history and
batches.
"""

import argparse
import csv
import json
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_style.errors import TrainingError
from fashion_style.runs.checkpoints import list_checkpoints, newest_checkpoint, read_checkpoint

LIFE = Path(__file__).with_name("life.py")
TIME_COLUMNS = ("seconds", "steps_per_second")
CHECKPOINT_EVERY, GRID_EVERY = 2, 10
HANG_GUARD = 1800  # seconds without a word from a life; a busy machine is slow
WARNINGS = threading.Lock()  # Python collects them for all threads together
DISK_BYTES = 160_000_000  # of the small disk, when one can be mounted
# where a kill fell
INSIDE, BETWEEN, EARLY = PLACES = "inside a checkpoint write", "between writes", "before the first step of a life"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "faults.md"
CHANGES = {}  # of the settings of every life


class Surprise(Exception):
    """A life did something that the fault does not explain."""


class Server:
    """A process that forks lives (life.py). One life at a time; `read` hands on what it says, and notes the batches."""

    def __init__(self, log):
        environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
        self.log, self.words, self.batches = Path(log).open("ab"), queue.Queue(), defaultdict(set)
        self.process = subprocess.Popen(
            [sys.executable, str(LIFE), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
            text=True,
            start_new_session=True,
        )  # Ctrl-C is for the harness alone
        threading.Thread(target=self._listen, daemon=True).start()
        self.life = None

    def _listen(self):
        for line in self.process.stdout:
            self.words.put(line.rstrip("\n").partition(" ")[::2])
        self.words.put(("gone", ""))

    def start(self, **order):
        """Begin a life; its process id is then `life`."""
        self.process.stdin.write(json.dumps(order | dict(run=str(order["run"]))) + "\n")
        self.process.stdin.flush()
        self.life = int(self.until("pid"))

    def read(self, wait=HANG_GUARD):
        """The next (word, rest); None if there is none within `wait` seconds. An unexpected silence is a `Surprise`."""
        try:
            word, rest = self.words.get(timeout=wait) if wait else self.words.get_nowait()
        except queue.Empty:
            if wait == HANG_GUARD:
                raise Surprise(f"no word from process {self.life} for {wait} s") from None
            return None
        if word == "gone":
            raise RuntimeError(f"the server ended; see {self.log.name}")
        if word == "exit":
            self.life = None
        if word == "batch":
            step, digest = rest.split()
            self.batches[int(step)].add(digest)
        return word, rest

    def until(self, *words):
        """Read on until one of `words` comes; returns what it says."""
        while True:
            word, rest = self.read()
            if word in words:
                return rest
            if word == "exit":
                raise Surprise(f"a life ended (code {rest}) before it said {words}")

    def ending(self):
        """Read to the end of the life: (exit code, {word: last rest})."""
        said = {}
        while True:
            word, rest = self.read()
            if word == "exit":
                return int(rest), said
            said[word] = rest

    def stop(self):
        """End the life, if there is one."""
        if self.life:
            os.kill(self.life, signal.SIGCONT)
            os.kill(self.life, signal.SIGKILL)
            self.ending()

    def close(self):
        """End the server and its life."""
        if self.life:
            os.kill(self.life, signal.SIGKILL)
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


# What a run must still hold ------------------------------------------------------------------------------------------
def table(run):
    """{step: row without time columns} of a run's history, as text; a torn last line is left out."""
    path = Path(run) / "history.csv"
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))
    return {
        int(float(row["step"])): {name: value for name, value in row.items() if name not in TIME_COLUMNS}
        for row in rows
    }


def order(run, steps, **more):
    """What a life of such a run is told."""
    return dict(
        run=str(run), steps=steps, checkpoint_every=CHECKPOINT_EVERY, grid_every=GRID_EVERY, changes=CHANGES, **more
    )


@dataclass
class Reference:
    """What a run leaves that nothing happened to: final arrays, history rows and digests of batches, by step."""

    arrays: dict
    rows: dict
    batches: dict

    def differences(self, arrays, rows, batches):
        """What another finished run has other than this one; an empty list is what we hope for."""
        found = [
            name
            for name in sorted({*arrays, *self.arrays})
            if name not in arrays
            or name not in self.arrays
            or arrays[name].dtype != self.arrays[name].dtype
            or not np.array_equal(arrays[name], self.arrays[name])
        ]
        found += [
            f"history of step {step}" for step in sorted({*rows, *self.rows}) if rows.get(step) != self.rows.get(step)
        ]
        return found + [
            f"batch of step {step}" for step in sorted(self.batches) if batches.get(step) != self.batches[step]
        ]

    def lost(self, rows, step):
        """How many rows up to `step` are missing or other than here."""
        return sum(rows.get(number) != self.rows[number] for number in range(1, step + 1))


def undisturbed(server, run, steps):
    """Run from the first step to the last in one life."""
    server.batches.clear()
    server.start(**order(run, steps))
    code, said = server.ending()
    if (code, said.get("end")) != (0, "finished"):
        raise Surprise(f"the undisturbed run ended with code {code}: {said}")
    reference = Reference(newest_checkpoint(run)[1], table(run), dict(server.batches))
    assert sorted(reference.rows) == list(range(1, steps + 1)) and sorted(reference.batches) == list(range(steps))
    return reference


def whole_checkpoints(run):
    """Those that can be read, oldest first."""
    whole = []
    for path in list_checkpoints(run):
        try:
            read_checkpoint(path)
            whole.append(path)
        except TrainingError:
            pass
    return whole


# The faults: each takes a campaign, disturbs it, and returns a word on where it hit, or None -------------------------
def _advance(campaign):
    """Begin a life and let it make some steps."""
    server = campaign.server
    campaign.start()
    begun, wanted = int(server.until("step")), campaign.random.randint(1, 6)
    while int(server.until("step")) < begun + wanted:
        pass


def _kill(campaign, starting=False):
    os.kill(campaign.server.life, signal.SIGKILL)
    code, said = campaign.server.ending()
    if code != -signal.SIGKILL:
        raise Surprise(f"a killed process ended with code {code}")
    if list((campaign.run / "checkpoints").glob(".aside-*")):
        return INSIDE
    return EARLY if starting and "step" not in said else BETWEEN


def kill_at_random(campaign):
    """SIGKILL some steps after the start, at any moment."""
    _advance(campaign)
    time.sleep(campaign.random.uniform(0, 0.3))
    return _kill(campaign)


def kill_at_start(campaign):
    """SIGKILL while the process builds its networks, reads the checkpoint or traces its first step."""
    campaign.start()
    time.sleep(campaign.random.uniform(0, 8))
    return _kill(campaign, starting=True)


def kill_in_write(campaign):
    """SIGKILL as soon as a folder of a checkpoint in the making is seen, or up to 50 ms later."""
    _advance(campaign)
    folder, give_up = campaign.run / "checkpoints", time.monotonic() + HANG_GUARD
    while not any(name.startswith(".aside-") for name in os.listdir(folder)):
        if time.monotonic() > give_up:
            raise Surprise("no checkpoint was written")
    time.sleep(campaign.random.choice([0, campaign.random.uniform(0, 0.05)]))
    return _kill(campaign)


def _ask_to_stop(campaign, number):
    _advance(campaign)
    os.kill(campaign.server.life, number)
    code, said = campaign.server.ending()
    if code or said.get("end") not in ("stopped", "finished"):
        raise Surprise(f"asked to stop by signal {number}, it ended with code {code}: {said}")
    last = max(table(campaign.run))
    if int(whole_checkpoints(campaign.run)[-1].name[5:13]) != last:
        raise Surprise(f"asked to stop, it left no checkpoint of its last step {last}")


def interrupt(campaign):
    """SIGINT: the step in progress is finished and saved."""
    _ask_to_stop(campaign, signal.SIGINT)


def terminate(campaign):
    """SIGTERM: the same."""
    _ask_to_stop(campaign, signal.SIGTERM)


def _refused(campaign, *expected):
    code, said = campaign.server.ending()
    if code != 3 or not any(word in said.get("error", "") for word in expected):
        raise Surprise(f"expected one of our errors about {expected}; code {code}: {said}")


def file_size_limit(campaign):
    """RLIMIT_FSIZE: files cannot grow beyond a limit, like a disk quota."""
    limit = campaign.random.choice([0, 100_000, 2_000_000])
    campaign.start(file_limit=limit)
    _refused(campaign, "File too large")
    return "any write fails" if limit == 0 else "checkpoints fail"


def full_disk(campaign):
    """The small disk that holds the run is filled up while it trains."""
    if not campaign.disk:
        return "skipped: no small disk can be mounted here"
    filler = campaign.disk / "filler"
    _advance(campaign)
    spare = campaign.random.choice([0, campaign.random.randrange(9_000_000)])
    try:
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(campaign.disk).free - spare))
        _refused(campaign, "No space left", "no room for")
    finally:
        filler.unlink()
    return "not a byte left" if spare == 0 else "too little left"


def read_only(campaign):
    """The run's checkpoints become read-only while it trains: a read-only mount; without the right to mount, a file in
    the folder's place.
    """
    folder = campaign.run / "checkpoints"
    _advance(campaign)
    os.kill(campaign.server.life, signal.SIGSTOP)  # so that no write is in the way
    if _run("mount", "--bind", folder, folder) and _run("mount", "-o", "remount,bind,ro", folder):
        how, undo = "mounted read-only", lambda: _run("umount", "--lazy", folder)
    else:
        aside = folder.with_name("checkpoints-away")
        folder.rename(aside)
        folder.write_text("a file in the way")
        how, undo = "a file in its place", lambda: (folder.unlink(), aside.rename(folder))
    try:
        os.kill(campaign.server.life, signal.SIGCONT)
        _refused(campaign, "Read-only file system", "File exists", "Not a directory")
    finally:
        undo()
    return how


def second_writer(campaign):
    """A second process starts on the same run: it must be refused at once, and the first must not notice."""
    _advance(campaign)
    os.kill(campaign.server.life, signal.SIGSTOP)
    try:
        told = json.dumps(order(campaign.run, campaign.steps))
        second = subprocess.run(
            [sys.executable, str(LIFE), told],
            stdout=subprocess.PIPE,
            stderr=campaign.server.log,
            text=True,
            timeout=HANG_GUARD,
        )
    finally:
        os.kill(campaign.server.life, signal.SIGCONT)
    if second.returncode != 3 or "another process" not in second.stdout or "step" in second.stdout.split():
        raise Surprise(f"the second writer ended with code {second.returncode}: {second.stdout}")
    os.kill(campaign.server.life, signal.SIGTERM)
    if campaign.server.ending()[0]:
        raise Surprise("the first writer was disturbed by the second")


def _damage(campaign, change):
    """Change one file of the newest checkpoint after the other, each from whole; the last damage stays."""
    while len(whole := whole_checkpoints(campaign.run)) < 2:
        _ask_to_stop(campaign, signal.SIGTERM)
    files = sorted(whole[-1].iterdir())
    campaign.random.shuffle(files)
    for path in files:
        data = path.read_bytes()
        change(path, data)
        with WARNINGS, warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            step = int(newest_checkpoint(campaign.run)[1]["step/000"])
        if step != int(whole[-2].name[5:13]) or not any(whole[-2].name in str(warning.message) for warning in said):
            raise Surprise(
                f"{path.name} was damaged; went back to step {step}, said {[str(warning.message) for warning in said]}"
            )
        if path != files[-1]:
            path.write_bytes(data)
    return f"of {len(files)} files each"


def flip_a_bit(campaign):
    """One random bit of each file."""

    def flip(path, data):
        place, bit = campaign.random.randrange(len(data)), 1 << campaign.random.randrange(8)
        path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])

    return _damage(campaign, flip)


def truncate(campaign):
    """Each file cut off at a random length."""
    return _damage(
        campaign,
        lambda path, data: path.write_bytes(
            data[: campaign.random.choice([0, len(data) - 1, campaign.random.randrange(len(data))])]
        ),
    )


def remove(campaign):
    """Each file removed, the manifest among them."""
    return _damage(campaign, lambda path, data: path.unlink())


def _run(*command):
    return (
        subprocess.run([str(part) for part in command], stderr=subprocess.DEVNULL).returncode == 0
        if shutil.which(command[0])
        else False
    )


# Campaigns -----------------------------------------------------------------------------------------------------------
class Campaign:
    """One run of `steps` steps on a server, and what was seen of it after each fault.

    `disk`: the small disk that it lies on, or None.
    """

    def __init__(self, server, run, steps, rng, disk=None):
        self.server, self.run, self.steps, self.random, self.disk, self.seen = server, Path(run), steps, rng, disk, []
        server.batches.clear()

    def start(self, **more):
        """Begin the next life."""
        self.server.start(**order(self.run, self.steps, **more))

    def meet(self, fault):
        """One fault; notes what it left: {name, hit, wrong, step of the newest whole checkpoint, rows}. Returns a line
        to print.
        """
        hit = wrong = None
        try:
            hit = fault(self)
        except Surprise as surprise:
            wrong = str(surprise)
            self.server.stop()
        rows, whole = table(self.run), whole_checkpoints(self.run)
        if not whole and rows:
            wrong = wrong or "there is a history, but no whole checkpoint"
        step = int(whole[-1].name[5:13]) if whole else 0
        self.seen.append(
            dict(
                name=label(fault),
                hit=hit or "",
                wrong=wrong,
                step=step,
                rows={number: row for number, row in rows.items() if number <= step},
            )
        )
        return f"{self.run.name} at step {max(rows, default=0)}, {label(fault)}: {wrong or hit or 'as it should'}"

    def finish(self):
        """Let the run finish; notes how it ended, its arrays and its batches."""
        self.start()
        code, said = self.server.ending()
        self.end = "" if code == 0 and said.get("end") == "finished" else f"ended with code {code}: {said}"
        self.arrays, self.batches = {} if self.end else newest_checkpoint(self.run)[1], dict(self.server.batches)

    def judge(self, reference, counts):
        """Compare with the run that nothing happened to and add up, in {fault: Counter}. Returns what is wrong, as
        lines.
        """
        wrong = []
        for seen in self.seen:
            count = counts[seen["name"]]
            if not seen["hit"].startswith("skipped"):
                lost = reference.lost(seen["rows"], seen["step"])
                count.update({"tried": 1, "unusable": int(bool(seen["wrong"])), "rows lost": lost})
                wrong += [f"{self.run}: {seen['name']}: {seen['wrong']}"] * bool(seen["wrong"]) + [
                    f"{self.run}: {seen['name']}: {lost} rows lost"
                ] * bool(lost)
            if seen["hit"]:
                count[seen["hit"]] += 1
        different = [self.end] if self.end else reference.differences(self.arrays, table(self.run), self.batches)
        counts["finished run"].update({"tried": 1, "unusable": int(bool(different))})
        return wrong + [f"{self.run}: {len(different)} differences to the undisturbed run: {different[:5]}"] * bool(
            different
        )


def label(fault):
    """The name of a fault for people."""
    return fault.__name__.replace("_", " ")


KILLS = (kill_at_random, kill_in_write, kill_in_write, kill_at_random, kill_at_start)
OTHERS = (flip_a_bit, interrupt, truncate, file_size_limit, remove, terminate, full_disk, read_only, second_writer)
FAULTS = tuple(dict.fromkeys(KILLS + OTHERS))


def markdown(counts):
    """The counts as a Markdown table. "finished run" is no fault but the comparison at the end of each run: it stands
    below the sum.
    """
    lines = ["| fault | times | unusable runs | history rows lost | of these |", "|---|---|---|---|---|"]
    names = [label(fault) for fault in FAULTS]
    total = {key: sum(counts[name][key] for name in names) for key in ("tried", "unusable", "rows lost")}
    for name, count in [(name, counts[name]) for name in names] + [
        ("**all faults**", total),
        ("no fault: finished runs, compared bit for bit", counts["finished run"]),
    ]:
        where = ", ".join(
            f"{number} {hit}" for hit, number in sorted(count.items()) if hit not in ("tried", "unusable", "rows lost")
        )
        lines.append(f"| {name} | {count['tried']} | {count['unusable']} | {count['rows lost']} | {where} |")
    return "\n".join(lines)


def report(counts, runs, options, seconds):
    """The file of results: date, machine, versions, where the kills fell, what was lost, and the table of counts."""
    sys.path.insert(0, str(RESULTS.parents[1]))
    import common

    kills = Counter()
    for fault in set(KILLS):
        kills.update({place: counts[label(fault)][place] for place in PLACES})
    others = sum(counts[label(fault)]["tried"] for fault in OTHERS)
    unusable, lost = (sum(count[key] for count in counts.values()) for key in ("unusable", "rows lost"))
    facts = common.facts_text(
        common.versions("tensorflow", "keras", "numpy"), **{"load at the end": common.load_average()}
    )
    return f"""# What training runs survived

{facts}

Made by `python tests/faults/harness.py --kills {options.kills}` (`make faults`), seed {options.seed}, in \
{seconds / 60:.0f} minutes. {runs} runs of {options.steps} steps met fault after fault, each was
resumed after each, and in the end compared bit for bit (weights, both optimisers, history, batches) with a run \
that nothing happened to.

* {sum(kills.values())} of {options.kills} times SIGKILL: {", ".join(f"{kills[place]} {place}" for place in PLACES)}
* {others} of {options.others * len(OTHERS)} other faults
* {unusable} unusable runs, {lost} history rows lost before the last checkpoint

{markdown(counts)}

A life is one process that trains the run. "Of these" says where a fault hit.
"""


def failures(counts):
    """Unusable runs and lost rows, all together."""
    return sum(count["unusable"] + count["rows lost"] for count in counts.values())


def small_disk(folder):
    """Mount a small disk in memory at `folder`; None where that is not allowed."""
    folder.mkdir()
    return folder if _run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder) else None


def schedule(kills, others, rng):
    """`kills` kinds of SIGKILL and `others` of each other fault, shuffled."""
    faults = [KILLS[number % len(KILLS)] for number in range(kills)] + [
        fault for fault in OTHERS for _ in range(others)
    ]
    rng.shuffle(faults)
    return faults


def work(number, faults, steps, place, seed, campaigns, cleanup):
    """Run campaigns until all `faults` (a list shared by all workers) are met; finished campaigns go to `campaigns`."""
    server, rng, disk = (
        Server(place / f"worker-{number}.log"),
        random.Random(seed),
        small_disk(place / f"disk-{number}"),
    )
    if disk:
        cleanup.callback(_run, "umount", "--lazy", disk)
    cleanup.callback(server.close)
    for runs in range(10**6):
        if not faults:
            break
        campaign = Campaign(server, (disk or place) / f"run-{number}-{runs}", steps, rng, disk)
        while max(table(campaign.run), default=0) < steps - 20:
            try:
                fault = faults.pop()
            except IndexError:  # all are met, or somebody asked to stop
                break
            print(f"[{time.strftime('%H:%M:%S')}] {campaign.meet(fault)}", file=sys.stderr, flush=True)
        campaign.finish()
        campaigns.append(campaign)
        for heavy in ("checkpoints", "grids"):
            shutil.rmtree(campaign.run / heavy)


def guarded(broken, *arguments):
    """`work`, whose own failure is noted in the list `broken`."""
    try:
        work(*arguments)
    except Exception as error:
        broken.append(f"the harness itself failed: {type(error).__name__}: {error}")


def main():
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how often to send SIGKILL (default: 100)")
    parser.add_argument("--others", type=int, default=6, help="how often to meet each other fault (default: 6)")
    parser.add_argument("--steps", type=int, default=100, help="steps of a run (default: 100)")
    parser.add_argument("--workers", type=int, default=2, help="campaigns at a time (default: 2)")
    parser.add_argument(
        "--minutes", type=float, default=1e6, help="begin no new fault after so many minutes (default: meet them all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (default: 0)")
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="Markdown file for the counts (default: benchmarks/results/faults.md)"
    )
    options = parser.parse_args()
    begun, place, campaigns, counts, wrong = (
        time.monotonic(),
        Path(tempfile.mkdtemp(prefix="faults-")),
        [],
        defaultdict(Counter),
        [],
    )
    faults = schedule(options.kills, options.others, random.Random(options.seed))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: faults.clear())
    with ExitStack() as cleanup:
        server = Server(place / "reference.log")
        cleanup.callback(server.close)
        threads = [
            threading.Thread(
                target=guarded,
                daemon=True,
                args=(wrong, number, faults, options.steps, place, options.seed + number, campaigns, cleanup),
            )
            for number in range(options.workers)
        ]
        for thread in threads:
            thread.start()
        reference = undisturbed(server, place / "reference", options.steps)
        for thread in threads:
            thread.join(max(0, begun + 60 * options.minutes - time.monotonic()))
        faults.clear()
        for thread in threads:
            thread.join()
        wrong += [line for campaign in campaigns for line in campaign.judge(reference, counts)]
    print(markdown(counts))
    print(f"\n{len(campaigns)} runs, seed {options.seed}, {time.monotonic() - begun:.0f} s")
    options.out.write_text(report(counts, len(campaigns), options, time.monotonic() - begun), encoding="utf-8")
    if wrong or failures(counts):
        sys.exit("\n".join([f"not as it should be; logs are in {place}", *wrong]))
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
