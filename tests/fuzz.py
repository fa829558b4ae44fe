"""Opens thousands of spoilt files as a user would, and counts: opened, refused by an error of ours, escaped.

    python tests/fuzz.py --files 2000 --seed 0

An escape is any other exception, words of an error that steer a terminal, a crash, a hang, or more memory than two
gigabytes above what the imports take. Each is listed with its number and kept below --keep; a number and a seed make
the same file again:

    python tests/fuzz.py --only 137 --seed 0

Exit code: 0 without an escape, 1 with one.
"""

import argparse
import collections
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
START, HANG = 300.0, 60.0  # seconds that a child may take to begin, and for one file
OUTCOMES = ("opened", "refused", "escaped")


class Child:
    """A process of `fuzz_worker`, and the lines that it says."""

    def __init__(self, folder, seed):
        path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        threads = dict(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", MPLBACKEND="agg", OMP_NUM_THREADS="1")
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "fuzz_worker.py"), str(folder), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=dict(os.environ, PYTHONPATH=path, **threads),
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def answer(self, seconds):
        """What the child says next; a text that says why, if it says nothing."""
        try:
            said = self.lines.get(timeout=seconds)
        except queue.Empty:
            return f"hang: no answer within {seconds:g} s"
        return said if said is not None else f"crash: the child ended with {self.process.wait()}"

    def ask(self, number):
        """[number, kind, outcome, words, seconds], or a text as of `answer`."""
        try:
            print(number, file=self.process.stdin, flush=True)
        except OSError:
            pass
        return self.answer(HANG)

    def end(self):
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()


def kind_of(number):
    """The kind of file number `number`."""
    import fuzz_files

    return fuzz_files.KINDS[number % len(fuzz_files.KINDS)]


def work(folder, seed, numbers, told, child=None):
    """Take numbers from a queue until it is empty; a child that hangs or dies is an escape and is replaced."""
    try:
        while True:
            try:
                number = numbers.get_nowait()
            except queue.Empty:
                return
            if child is None:
                child = Child(folder, seed)
                said = child.answer(START)
                if said != "ready":
                    told([number, kind_of(number), "escaped", f"a child did not begin: {said}", 0.0])
                    return
            said = child.ask(number)
            if isinstance(said, str):
                child.end()
                child = None
                said = [number, kind_of(number), "escaped", said, HANG]
            told(said)
            if said[2] == "escaped":  # at once, for who ends the run early
                print(f"number {number} ({said[1]}) escapes", file=sys.stderr, flush=True)
    finally:
        if child is not None:
            child.end()


def run(files, seed, workers, only=None):
    """Open `files` spoilt files -> [[number, kind, outcome, words, seconds], ...], in the order of their numbers."""
    results, numbers = [], queue.Queue()
    for number in range(files) if only is None else [only]:
        numbers.put(number)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        first = Child(folder, seed)  # builds the bases
        said = first.answer(START)
        if said != "ready":
            first.end()
            raise SystemExit(f"the valid files could not be built or opened: {said}")
        threads = [
            threading.Thread(target=work, args=(folder, seed, numbers, results.append, child))
            for child in [first, *[None] * (workers - 1)]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        keep_escapes(folder, seed, results)
    return sorted(results)


KEEP = Path(tempfile.gettempdir()) / "fashion-style-escapes"


def keep_escapes(folder, seed, results):
    """Write the file of each escape, and its words, to KEEP/KIND-SEED-NUMBER."""
    import shutil

    import fuzz_worker

    for number, kind, outcome, words, _ in results:
        if outcome == "escaped":
            place = KEEP / f"{kind}-{seed}-{number}"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            fuzz_worker.case(folder, seed, number, place)
            (place / "traceback.txt").write_text(words, encoding="utf-8", errors="backslashreplace")


def table(results):
    """A table of counts and seconds of processor time by kind, and the slowest file, as text."""
    lines = ["kind         opened  refused  escaped  seconds"]
    for kind in [*dict.fromkeys(kind for _, kind, *_ in results), "all"]:
        ours = [result for result in results if kind in (result[1], "all")]
        counts = collections.Counter(outcome for _, _, outcome, *_ in ours)
        numbers = [counts[outcome] for outcome in OUTCOMES]
        seconds = sum(seconds for *_, seconds in ours)
        lines.append(f"{kind:12s} {numbers[0]:6d}  {numbers[1]:7d}  {numbers[2]:7d}  {seconds:7.1f}")
    slowest = max(results, key=lambda result: result[-1])
    return "\n".join([*lines, f"slowest: number {slowest[0]} ({slowest[1]}), {slowest[-1]:.1f} s"])


def main():
    global KEEP
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=int, help="one number alone")
    parser.add_argument(
        "--keep", type=Path, default=KEEP, help="folder for the files that escaped (default: %(default)s)"
    )
    options = parser.parse_args()
    KEEP, started = options.keep, time.perf_counter()
    results = run(options.files, options.seed, options.workers, options.only)
    print(table(results))
    print(f"{len(results)} files in {time.perf_counter() - started:.0f} s")
    escapes = [result for result in results if result[2] == "escaped"]
    for number, kind, _, words, _ in escapes:
        print(f"\nescaped: number {number} ({kind}), kept as {KEEP / f'{kind}-{options.seed}-{number}'}")
        print(ascii(words.strip())[-400:].replace("\\n", "\n"))
    return 1 if escapes else 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
