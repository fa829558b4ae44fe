"""The child of `fuzz.py`: opens spoilt files through the doors that a user would use, one number a line.

python tests/fuzz_worker.py FOLDER SEED       (reads numbers from stdin, answers each with a line of JSON)
"""

import functools
import io
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ABOVE = 2_000_000_000  # bytes of address space above what the imports take


def doors(folder):
    """{kind: what opens it}; `folder` holds the bases. What does not come from the spoilt file is built once."""
    from fashion_style import design, features
    from fashion_style.commands.lab import copy_notebooks
    from fashion_style.comparison import ScorecardTable
    from fashion_style.features import load_extractor
    from fashion_style.health import diagnose
    from fashion_style.reading.pictures import chosen_places, read_places
    from fashion_style.runs.checkpoints import best_checkpoint, newest_checkpoint
    from fashion_style.runs.dashboard import fig_dashboard
    from fashion_style.runs.events import read_events
    from fashion_style.runs.forks import fork
    from fashion_style.runs.history import History, read_history
    from fashion_style.runs.opening import open_run
    from fashion_style.runs.plan import Start
    from fashion_style.runs.weights import load_generator
    from fashion_style.settings import read_settings
    from fashion_style.studio import lookbook, recipes

    designer = design.load_designer(Path(folder, "base", "weights.npz"))
    recipes.load_designer = lambda weights=None: designer
    lookbook.load_extractor = functools.cache(features.load_extractor)
    lookbook.score = lambda *_: dict.fromkeys(lookbook.FIGURES, 0.5)

    def run_of(place):
        run = place / "run"
        newest_checkpoint(run)
        best_checkpoint(run)

    def history_of(place):
        history = read_history(place / "run")
        if history:
            diagnose(history)
            if hash(str(history)) % 8 == 0:  # drawing takes the longest by far
                fig_dashboard(history).savefig(io.BytesIO(), dpi=20)
        History(place / "run", until=4).close()

    def note_of(place):
        read_places(place / "run", required=True)
        chosen_places(place / "run")

    def diary_of(place):
        for event in read_events(place / "run"):
            f"{event['time']} {event['step']} {event['what']}: {event['text']}"

    return dict(
        weights=lambda place: load_generator(place / "weights.npz"),
        extractor=lambda place: load_extractor("embedded", ("block1_conv1",), weights=place / "extractor.npz"),
        vgg19=lambda place: load_extractor("vgg19", ("block1_conv1",), weights=place / "vgg19.h5"),
        manifest=run_of,
        state=run_of,
        history=history_of,
        diary=diary_of,
        fork=lambda place: fork(place / "run", 2, place / "new"),
        resume=lambda place: open_run(place / "run", start=Start(resume=True)),
        settings=lambda place: read_settings(place / "settings.json"),
        note=note_of,
        recipe=lambda place: recipes.reproduce(place / "design.png", [place]),
        table=lambda place: lookbook.make_lookbook(designer, place / "garments", place / "prints", place / "book"),
        scorecard=lambda place: ScorecardTable.from_csv(
            (place / "scorecard.csv").read_text(encoding="utf-8", errors="replace")
        ).to_markdown(),
        course=lambda place: copy_notebooks(place / "wheel", place / "course"),
    )


def limit_memory():
    """From here on, this process gets `ABOVE` bytes more than it has now (where the system can limit it)."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + ABOVE, resource.RLIM_INFINITY))
    except (ImportError, OSError):
        pass


def case(folder, seed, number, place):
    """Put the spoilt file of a case into the empty folder `place`; returns its kind."""
    import fuzz_files
    import numpy as np

    kind = fuzz_files.KINDS[number % len(fuzz_files.KINDS)]
    shutil.copytree(Path(folder, kind), place, dirs_exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fuzz_files.spoil(kind, place, np.random.default_rng([seed, number]))
    return kind


def opened(door, place):
    """(outcome, words): "opened", "refused" by an exception of ours, or "escaped" with the traceback."""
    from fashion_style.errors import FashionStyleError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            door(place)
        return "opened", ""
    except FashionStyleError as error:
        said = str(error)
        return (
            ("refused", said)
            if said.isprintable() and len(said) < 5000
            else ("escaped", f"unfit words: {said[:300]!r}")
        )
    except BaseException:
        return "escaped", traceback.format_exc(limit=-6)


def main():
    folder, seed = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import fuzz_files
    import keras

    if not Path(folder, "built").exists():
        fuzz_files.build_bases(folder)
        Path(folder, "built").touch()
    through = doors(folder)
    for kind, door in through.items():  # what is loaded late is loaded now, and the bases are whole
        with tempfile.TemporaryDirectory() as place:
            shutil.copytree(Path(folder, kind), place, dirs_exist_ok=True)
            outcome, words = opened(door, Path(place))
            assert outcome == "opened", f"{kind}: {words}"
    print(json.dumps("ready"), file=answers, flush=True)
    for number in map(int, sys.stdin):
        with tempfile.TemporaryDirectory() as place:
            kind = case(folder, seed, number, place)
            limit_memory()
            started = time.process_time()
            outcome, words = opened(through[kind], Path(place))
        if kind in fuzz_files.NETWORKS:
            keras.backend.clear_session()
        took = time.process_time() - started
        print(json.dumps([number, kind, outcome, words, took]), file=answers, flush=True)


if __name__ == "__main__":
    main()
