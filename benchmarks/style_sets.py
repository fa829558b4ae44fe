"""How start-up and memory grow with the number of style files.

    python benchmarks/style_sets.py [--folder PLACE]

Draws a few hundred small patterns, writes each many times as PNG or JPEG with another tail, so that all files are real
pictures and no two hold the same bytes. Measures each set in fresh processes: seconds to open it, to the first batch,
to the held-out pairs and to the first batch of a later pass (what a resumed run asks for); how many files were looked
into; and the resident memory above that of a set of 100 files. Prints a Markdown table and writes it to
benchmarks/results/style_sets.md. The files stand in a temporary folder, in /dev/shm where there is room, which is
removed at the end.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

BASE = 100  # files of the set that memory is compared with
BATCH, SIZE = 8, 64
RESULT = Path(__file__).parent / "results" / "style_sets.md"


def draw_originals(count, size):
    "(family, suffix, bytes) of `count` different drawn patterns, PNG and JPEG in turn."
    from fashion_style.images import encode_picture
    from fashion_style.patterns import PATTERN_FAMILIES, draw_pattern

    originals = []
    for number in range(count):
        family, suffix = PATTERN_FAMILIES[number % len(PATTERN_FAMILIES)], (".png", ".jpg")[number % 2]
        originals.append((family, suffix, encode_picture(draw_pattern(family, size, number), suffix)))
    return originals


def write_set(folder, count, originals):
    "Writes `count` files into one folder a family; decoders ignore the number at the end of each, the split does not."
    for family, _, _ in originals:
        (folder / family).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        family, suffix, data = originals[number % len(originals)]
        with open(folder / family / f"{number:06}{suffix}", "wb", buffering=0) as file:
            file.write(data + number.to_bytes(4, "big"))


def resident_bytes():
    "Memory of this process that is in use now (Linux)."
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def count_looks():
    "A list that gets the name of each file that sources look into from now on."
    from fashion_style.reading import files, sources

    looked = []

    def noted(name, seed):
        return (looked.append(None), files.file_share(name, seed))[1]

    sources.PartNames = partial(files.PartNames, share=noted)
    return looked


def measure(folder, count):
    "The figures of one set, in this process; call it in a fresh one."
    from fashion_style.data import batches, held_out_pairs, make_batch
    from fashion_style.reading.sources import folder_source, garment_source

    garments, exam_garments = (garment_source(part=part, count=BATCH, size=SIZE) for part in ("train", "held_out"))
    shape, looked, figures = dict(batch_size=BATCH, size=SIZE), count_looks(), {}
    next(iter(batches(garments, garments, workers=1, prefetch=1, **shape)))  # everything but the styles is warm
    before = resident_bytes()

    def timed(name, work):
        begin, busy, looks = time.perf_counter(), time.process_time(), len(looked)
        result = work()
        figures[name], figures[f"{name}-cpu"] = time.perf_counter() - begin, time.process_time() - busy
        figures[f"{name}_looks"] = len(looked) - looks
        figures[f"{name}_memory"] = resident_bytes() - before
        return result

    styles = timed("open", lambda: folder_source(folder, working_size=96))
    timed("batch", lambda: next(iter(batches(garments, styles, workers=1, prefetch=1, **shape))))
    timed("later", lambda: make_batch(garments, styles, seed=0, step=2 * count // BATCH, **shape))
    timed(
        "exam",
        lambda: held_out_pairs(exam_garments, folder_source(folder, part="held_out", working_size=96), 6, size=SIZE),
    )
    return figures


def measure_apart(folder, count, repeats):
    """The figures of `repeats` fresh processes: the least seconds, as other programs only add to them, and medians of
    the others.
    """
    runs = []
    for _ in range(repeats):
        command = [sys.executable, __file__, "--measure", str(folder), str(count)]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: (statistics.median if "_" in name else min)(run[name] for run in runs) for name in runs[0]}


def table(rows, base):
    """Markdown rows: seconds, processor seconds, files looked into; memory is what a set takes beyond the one of `BASE`
    files.
    """
    lines = [
        (
            "| files | open | open, then first batch | memory then | held-out pairs | first batch of a later pass |"
            " memory then |"
        ),
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for count, row in rows.items():
        more = {name: f"{max(0.0, row[name] - base[name]) / 1e6:.1f} MB" for name in ("batch_memory", "later_memory")}

        def total(names, kind):
            return sum(row[name + kind] for name in names)

        def cell(*names):
            return f"{total(names, ''):.2f} s ({total(names, '-cpu'):.2f}), {total(names, '_looks'):,.0f} looks"

        lines.append(
            f"| {count:,} | {cell('open')} | {cell('open', 'batch')} | {more['batch_memory']} | {cell('exam')} | "
            f"{cell('later')} | {more['later_memory']} |"
        )
    return "\n".join(lines)


def report(rows, base, written, place, repeats):
    "The text of the result file."
    versions = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "numpy", "pillow"))
    return f"""# Style sets of up to {max(rows):,} files

{date.today()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, \
Python {platform.python_version()}, {versions}.
Made by `python benchmarks/style_sets.py`: small PNG and JPEG files, written in {written:.0f} s to {place}, \
so nothing is read from a
cold disk; there each look costs a disk access more. A *look* reads the first bytes of a file, which decide \
whether it may be
trained on. The least seconds of {repeats} fresh processes, in brackets their processor time, which other programs do \
not disturb;
batches of {BATCH} at {SIZE} px. Memory: resident, above a set of {BASE} files, median.

{table(rows, base)}

* *open* lists all names, looks for the first 1,024 training pictures and decodes one.
* *held-out pairs* opens the held-out part and chooses six of its first 1,024 pictures. Nine looks in ten meet a \
training picture.
* *first batch of a later pass* is what a run asks for that is resumed after its first pass through all pictures. Only \
then every file
  is looked into, once.
"""


def roomy_folder():
    """Where to put the files: memory, if it is offered as a folder and has room, because some disks take minutes to
    remove them.
    """
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > 2e9 else Path(tempfile.gettempdir())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--counts",
        type=int,
        nargs="+",
        default=[1_000, 10_000, 100_000],
        help="files of each set (default: %(default)s)",
    )
    parser.add_argument("--originals", type=int, default=300, help="different drawn patterns (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes a set (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, default=roomy_folder(), help="where the files stand meanwhile (default: %(default)s)"
    )
    parser.add_argument("--measure", nargs=2, metavar=("FOLDER", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], int(options.measure[1]))))
        return
    begin = time.perf_counter()
    originals, rows = draw_originals(options.originals, 48), {}
    with tempfile.TemporaryDirectory(prefix="style_sets_", dir=options.folder) as folder:
        sets = {count: Path(folder) / str(count) for count in [BASE, *options.counts]}
        for count, place in sets.items():
            write_set(place, count, originals)
        written = time.perf_counter() - begin
        print(f"{sum(sets):,} files written in {written:.0f} s", file=sys.stderr)
        for count, place in sets.items():
            rows[count] = measure_apart(place, count, options.repeats)
            print(f"{count:,} files measured", file=sys.stderr)
    text = report(
        {count: rows[count] for count in options.counts}, rows[BASE], written, options.folder, options.repeats
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
