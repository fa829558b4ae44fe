"""Files that a stranger could hand over as weights, runs, tables and settings: each is built here and read.

Run as a program it takes a folder, limits its own memory, and prints a JSON list of what each reader did.
"""

import contextlib
import io
import json
import os
import pathlib
import resource
import socket
import sys
import time
import warnings
import zipfile

import h5py
import numpy as np

from fashion_style.cli import main
from fashion_style.design import load_designer
from fashion_style.errors import BadUse, FashionStyleError
from fashion_style.features import layer_shapes, load_extractor, read_embedded_weights
from fashion_style.images import save_picture
from fashion_style.reading.files import SkippedFiles, list_pictures
from fashion_style.reading.pictures import chosen_places, read_places, write_places
from fashion_style.reading.sources import folder_source, garment_source, pattern_source
from fashion_style.recogniser import load_recogniser
from fashion_style.runs.checkpoints import best_checkpoint, list_checkpoints, newest_checkpoint, write_checkpoint
from fashion_style.runs.events import read_events
from fashion_style.runs.forks import fork
from fashion_style.runs.history import HISTORY_FIELDS, each_row, read_history
from fashion_style.runs.loop import train
from fashion_style.runs.manifests import sealed
from fashion_style.runs.state_shapes import generator_shapes
from fashion_style.runs.tensorboard import TensorBoardWriter
from fashion_style.runs.weights import export_generator, load_generator
from fashion_style.settings import TrainingSettings, read_settings
from fashion_style.studio.evaluation import claimed_folder, write_evaluation
from fashion_style.studio.lookbook import make_lookbook
from fashion_style.writing import free_folder, writer_lock

ALLOWED = 2_000_000_000  # bytes above what the imports take
DEEP = "[" * 100_000
TINY = TrainingSettings(size=32, batch=2, steps=6, width=4)
CASES = {}


def case(function):
    """Register a case: function(folder) builds the input and returns what is called with it, or a list of calls."""
    CASES[function.__name__] = function
    return function


# Building -------------------------------------------------------------------------------------------------------------
def npz(*members, deflated=False):
    """Bytes of an archive with arrays by (name, array), or by (name, header's shape, bytes of numbers)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as file:
        for name, *given in members:
            member = io.BytesIO()
            if len(given) == 1:
                np.lib.format.write_array(member, np.asarray(given[0]), allow_pickle=False)
            else:
                header = dict(descr="<f4", fortran_order=False, shape=given[0])
                np.lib.format.write_array_header_1_0(member, header)
                member.write(given[1])
            file.writestr(f"{name}.npy", member.getvalue())
    return buffer.getvalue()


def settings_text(**changes):
    return np.array(json.dumps(TINY.to_dict() | changes))


def generator(fill=0.0, dtype=np.float16):
    """{name: array} of the right shapes for `TINY`."""
    return {name: np.full(array.shape, fill, dtype) for name, array in generator_shapes(TINY).items()}


def put(folder, data, name="weights.npz"):
    (folder / name).write_bytes(data)
    return folder / name


def special(path, kind):
    """Something that is no regular file, at a path."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "zeros":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as plug:
            here = os.getcwd()
            os.chdir(path.parent)  # the path of a socket must be short
            try:
                plug.bind(path.name)
            finally:
                os.chdir(here)
    return path


KINDS = ("pipe", "zeros", "folder", "socket")


def run_of_two(folder):
    """A run with whole checkpoints of step 2 and of step 4, and the folder of the newer one."""
    run = folder / "run"
    for step in (2, 4):
        write_checkpoint(run, TINY, {"step/000": np.array(step), "rate_scale/000": np.float32(step)}, score=step)
    return run, list_checkpoints(run)[-1]


def resealed(checkpoint, **changes):
    """Change what a manifest says, and seal it anew."""
    note = checkpoint / "manifest.json"
    manifest = {name: value for name, value in json.loads(note.read_text()).items() if name != "seal"}
    note.write_bytes(sealed(manifest | changes))


def with_state(checkpoint, data, **changes):
    """Exchange the numbers of a checkpoint, and seal them."""
    import hashlib

    (checkpoint / "state.npz").write_bytes(data)
    resealed(checkpoint, sha256=hashlib.sha256(data).hexdigest(), architecture=None, **changes)


def step_found(run):
    """The step that a run is taken up from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return int(newest_checkpoint(run)[1]["step/000"])


# Weights --------------------------------------------------------------------------------------------------------------
@case
def weights_that_unpack_to_200_mb(folder):
    data = npz(("settings", settings_text()), ("generator/000", (50_000_000,), bytes(200_000_000)), deflated=True)
    assert len(data) < 1_000_000
    return lambda: load_generator(put(folder, data))


@case
def weights_that_claim_4_gb_in_every_header(folder):
    data = npz(("settings", settings_text()), ("generator/000", (10**9,), b""))
    small = len(npz(("a", (10**9,), b""))) and data.index(b"generator/000.npy", data.index(b"PK\1\2"))
    forged = bytearray(data)
    forged[small - 26 : small - 18] = (4 * 10**9).to_bytes(4, "little") * 2  # the directory agrees with the header
    return lambda: load_generator(put(folder, bytes(forged)))


@case
def weights_of_another_shape(folder):
    arrays = generator() | {"generator/003": np.zeros((7, 7), np.float16)}
    return lambda: load_designer(put(folder, npz(("settings", settings_text()), *arrays.items())))


@case
def weights_with_one_array_too_many(folder):
    arrays = generator() | {"generator/999": np.zeros(7, np.float16)}
    return lambda: load_designer(put(folder, npz(("settings", settings_text()), *arrays.items())))


@case
def weights_with_one_array_missing(folder):
    arrays = {name: array for name, array in generator().items() if name != "generator/010"}
    return lambda: load_designer(put(folder, npz(("settings", settings_text()), *arrays.items())))


@case
def weights_of_whole_numbers(folder):
    return lambda: load_designer(put(folder, npz(("settings", settings_text()), *generator(1, np.int64).items())))


@case
def weights_that_are_not_numbers(folder):
    data = npz(("settings", settings_text()), *generator(np.nan).items())
    return lambda: load_designer(put(folder, data))


@case
def weights_beyond_float32(folder):
    data = npz(("settings", settings_text()), *generator(1e300, np.float64).items())
    return lambda: load_designer(put(folder, data))


@case
def weights_too_large_to_calculate_with(folder):
    arrays = {name: np.random.default_rng(0).normal(0, 1e37, a.shape) for name, a in generator().items()}
    data = npz(("settings", settings_text()), *((name, a.astype("float32")) for name, a in arrays.items()))
    return lambda: load_designer(put(folder, data))


@case
def weights_whose_settings_are(folder):
    texts = [
        DEEP,
        "",
        "[]",
        '{"width": 1' + "0" * 400 + "}",
        json.dumps(TINY.to_dict() | dict(width=10**9)),
        json.dumps(TINY.to_dict() | dict(weights=[1])),
        "x" * 100_000,
    ]
    calls = []
    for number, text in enumerate(texts):
        data = npz(("settings", np.array(text)), *generator().items())
        path = put(folder, data, f"{number}.npz")
        calls.append(lambda path=path: load_generator(path))
    for number, array in enumerate((np.array(["{}"]), np.array(7), np.array(b"{}"))):
        path = put(folder, npz(("settings", array)), f"kind{number}.npz")
        calls.append(lambda path=path: load_generator(path))
    return calls


@case
def weights_whose_directory_has_a_million_entries(folder):
    data = npz(("settings", settings_text()), *generator().items())
    end = data.rindex(b"PK\5\6")
    entry = data[data.index(b"PK\1\2") : data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)]
    directory = entry * 1_000_000
    tail = bytearray(data[end:])
    tail[8:12] = (60_000).to_bytes(2, "little") * 2
    tail[12:16] = len(directory).to_bytes(4, "little")
    return lambda: load_generator(put(folder, data[: data.index(b"PK\1\2")] + directory + bytes(tail)))


@case
def weights_that_are_no_regular_file(folder):
    return [lambda path=special(folder / kind, kind): load_generator(path) for kind in KINDS]


@case
def weights_that_are_a_text_or_a_program(folder):
    import pickle

    calls = []
    for name, data in dict(text=b"hello", empty=b"", program=pickle.dumps(print), zip=b"PK\5\6" + bytes(18)).items():
        calls.append(lambda path=put(folder, data, name): load_generator(path))
    return calls


# Extractor and recogniser ---------------------------------------------------------------------------------------------
def vgg(folder, make, name="vgg.h5"):
    with h5py.File(folder / name, "w") as file:
        make(file)
    return lambda: load_extractor("vgg19", ("block1_conv1",), weights=folder / name)


@case
def vgg_whose_layer_is_an_array(folder):
    return vgg(folder, lambda file: file.create_dataset("block1_conv1", data=np.zeros(3, "f4")))


@case
def vgg_that_claims_a_terabyte(folder):
    def make(file):
        file.create_dataset("block1_conv1/kernel", (2**19, 2**19), "f4", chunks=(64, 64))

    return vgg(folder, make)


@case
def vgg_that_unpacks_to_400_mb(folder):
    def make(file):
        file.create_dataset("block1_conv1/kernel", data=np.zeros(10**8, "f4"), compression="gzip")

    return vgg(folder, make)


@case
def vgg_of_100_000_arrays(folder):
    def make(file):
        layer = file.create_group("block1_conv1")
        for number in range(2_000):
            layer.create_dataset(str(number), data=0.0)

    return vgg(folder, make)


@case
def vgg_with_values_that_are_not_finite(folder):
    def make(value):
        def fill(file):
            file["block1_conv1/kernel"] = np.full((3, 3, 3, 64), value, "f8")
            file["block1_conv1/bias"] = np.zeros(64, "f4")

        return fill

    return [vgg(folder, make(value), f"{value:g}.h5") for value in (float("nan"), float("inf"), 1e300, 1e38)]


@case
def vgg_that_is_no_regular_file(folder):
    paths = [special(folder / kind, kind) for kind in KINDS]
    return [lambda path=path: load_extractor("vgg19", ("block1_conv1",), weights=path) for path in paths]


def embedded(**changes):
    return npz(*(read_embedded_weights() | changes).items())


@case
def extractor_with_bad_values(folder):
    shape = layer_shapes("embedded")["block1_conv1"]
    planted = {
        "nan": embedded(**{"block1_conv1/kernel": np.full(shape, np.nan)}),
        "too large": embedded(**{"block1_conv1/kernel": np.full(shape, 1e38), "block1_conv2/bias": np.full(16, 3e38)}),
        "beyond float32": embedded(**{"block1_conv1/kernel": np.full(shape, 1e300)}),
        "other shape": embedded(**{"block1_conv1/kernel": np.zeros((3, 3, 3, 17))}),
        "texts": embedded(**{"block1_conv1/kernel": np.full(shape, "1.0")}),
        "huge": npz(("block1_conv1/kernel", (25_000_000,), bytes(100_000_000)), deflated=True),
    }
    return [
        lambda path=put(folder, data, f"{name}.npz"): load_extractor("embedded", weights=path)
        for name, data in planted.items()
    ]


@case
def extractor_that_is_no_regular_file(folder):
    return [lambda path=special(folder / kind, kind): load_extractor(weights=path) for kind in KINDS]


@case
def recogniser_with_bad_values(folder):
    kernel = read_embedded_weights()["family/kernel"]
    planted = {
        "nan": embedded(**{"family/kernel": np.full_like(kernel, np.nan)}),
        "too large": embedded(
            **{"family/kernel": np.where(np.arange(kernel.size).reshape(kernel.shape) % 2, 3e38, -3e38)}
        ),
        "no head": npz(*((k, v) for k, v in read_embedded_weights().items() if not k.startswith("family"))),
        "names of numbers": embedded(families=np.zeros(3)),
    }
    return [lambda path=put(folder, data, f"{name}.npz"): load_recogniser(path) for name, data in planted.items()]


# Runs -----------------------------------------------------------------------------------------------------------------
@case
def fallback_from_a_manifest_that_is_no_regular_file(folder):
    steps = []
    for kind in KINDS:
        (folder / kind).mkdir()
        run, newest = run_of_two(folder / kind)
        (newest / "manifest.json").unlink()
        special(newest / "manifest.json", kind)
        steps.append(lambda run=run: step_found(run))
    return steps


@case
def fallback_from_a_state_that_is_no_regular_file(folder):
    steps = []
    for kind in KINDS:
        (folder / kind).mkdir()
        run, newest = run_of_two(folder / kind)
        (newest / "state.npz").unlink()
        special(newest / "state.npz", kind)
        steps.append(lambda run=run: step_found(run))
    return steps


@case
def fallback_from_a_manifest_that_says(folder):
    calls, many = [], {f"{number}": [] for number in range(300_000)}
    for number, text in enumerate((DEEP, DEEP.replace("[", '{"a":'), "[]", "7", "null", "\ud800", json.dumps(many))):
        (folder / str(number)).mkdir()
        run, newest = run_of_two(folder / str(number))
        (newest / "manifest.json").write_text(text, encoding="utf-8", errors="surrogatepass")
        calls.append(lambda run=run: step_found(run))
    return calls


@case
def fallback_from_a_sealed_manifest_with(folder):
    calls = []
    wide = TINY.to_dict() | dict(width=10**9)
    for number, changes in enumerate(
        (
            dict(step="4"),
            dict(step=10**300),
            dict(step=-1),
            dict(step=3),
            dict(settings=[]),
            dict(settings=wide),
            dict(settings=TINY.to_dict() | dict(learning_rate=10**400)),
            dict(score="0.5"),
            dict(score=True),
            dict(score=float("nan")),
            dict(score=[1]),
            dict(score=10**400),
            dict(held_out={}),
            dict(sha256=7),
            dict(architecture="x"),
        )
    ):
        (folder / str(number)).mkdir()
        run, newest = run_of_two(folder / str(number))
        resealed(newest, **changes)
        calls.append(lambda run=run: step_found(run))
    return calls


@case
def fallback_from_a_state_that(folder):
    calls = []
    step = ("step/000", np.array(4))
    for number, members in enumerate(
        (
            [step, ("generator/000", (25_000_000,), bytes(100_000_000))],
            [step, ("generator/000", np.zeros((4, 5), np.float32))],
            [step, ("surprise/000", np.zeros(4, np.float32))],
            [step, ("rate_scale/000", np.float32("nan"))],
            [step, ("rate_scale/000", np.float64(1e300))],
            [("step/000", np.array(4.0))],
            [("step/000", np.array(5))],
            [("rate_scale/000", np.float32(1))],
        )
    ):
        (folder / str(number)).mkdir()
        run, newest = run_of_two(folder / str(number))
        with_state(newest, npz(*members, deflated=True))
        calls.append(lambda run=run: step_found(run))
    return calls


@case
def best_of_scores_that_are_no_numbers(folder):
    run, _ = run_of_two(folder)
    write_checkpoint(run, TINY, {"step/000": np.array(6)}, score=6.0, keep=9)
    resealed(list_checkpoints(run)[0], score="0.1")
    resealed(list_checkpoints(run)[1], score=float("nan"))
    return lambda: int(best_checkpoint(run).name[5:])


@case
def fork_of_the_best_when_no_score_is_a_number(folder):
    run, _ = run_of_two(folder)
    for checkpoint in list_checkpoints(run):
        resealed(checkpoint, score="0.1")
    return [
        lambda: fork(run, "best", folder / "new"),
        lambda: command(["fork", str(run), "--step", "best", "--new", str(folder / "newer")]),
    ]


@case
def run_whose_checkpoints_are_no_folder(folder):
    (folder / "run").mkdir()
    special(folder / "run" / "checkpoints", "pipe")
    return [lambda: newest_checkpoint(folder / "run"), lambda: load_generator(folder / "run")]


@case
def places_that_are_no_note(folder):
    calls = []
    for number, text in enumerate(
        (DEEP, "[]", '{"garments": 7}', '{"garments": [7]}', '{"garments": null, "held_out": "0.1"}', "x" * 5_000_000)
    ):
        (folder / str(number)).mkdir()
        (folder / str(number) / "pictures.json").write_text(text)
        calls.append(lambda run=folder / str(number): read_places(run))
    for kind in KINDS:
        (folder / kind).mkdir()
        special(folder / kind / "pictures.json", kind)
        calls.append(lambda run=folder / kind: read_places(run))
    return calls


@case
def fork_of_a_run_whose_notes_are_no_regular_file(folder):
    calls = []
    for kind in KINDS:
        (folder / kind).mkdir()
        run, _ = run_of_two(folder / kind)
        special(run / "pictures.json", kind)
        calls.append(lambda run=run, kind=kind: fork(run, 2, folder / kind / "new"))
    return calls


# Tables, diaries, settings --------------------------------------------------------------------------------------------
def big_table(path, rows):
    """A table of about 50 bytes a row; figures of held-out pairs every 200 steps."""
    rest = ",0.250000000" + "," * (len(HISTORY_FIELDS) - 3)
    with path.open("w") as file:
        file.write(",".join(HISTORY_FIELDS) + "\n")
        for first in range(1, rows + 1, 10_000):
            file.write("".join(f"{step},1.50000000{rest}\n" for step in range(first, first + 10_000)))


@case
def table_of_two_million_rows(folder):
    big_table(folder / "history.csv", 2_000_000)

    def read():
        rows = read_history(folder / "history.csv")
        steps = [row["step"] for row in rows]
        assert steps[0] == 1 and steps[-1] == 2_000_000 and steps == sorted(set(steps)), "first and last stay"
        assert sum(step % 200 == 0 for step in steps) > 1_000, "steps at which held-out pairs are checked stay"
        return len(rows) <= 4_000_000 // len(HISTORY_FIELDS) + 2

    return read


@case
def table_read_row_by_row(folder):
    big_table(folder / "history.csv", 50_000)
    return lambda: sum(1 for _ in each_row(folder / "history.csv"))


@case
def table_with_a_line_of_100_mb(folder):
    with (folder / "history.csv").open("wb") as file:
        file.write(b"step,total\n1,2\n" + b"9" * 100_000_000 + b"\n2,3\n")
    return lambda: len(read_history(folder / "history.csv"))


@case
def table_of_wild_numbers(folder):
    lines = [
        "step,total",
        "1,nan",
        "2,1e999",
        "nan,1",
        "inf,1",
        "1e300,1",
        "-1,1",
        "text,1",
        "3,text",
        "\0,1",
        "4,",
        "",
    ]
    (folder / "history.csv").write_text("\n".join(lines))
    return lambda: len(read_history(folder / "history.csv"))


@case
def table_of_1_000_columns(folder):
    (folder / "history.csv").write_text(",".join(f"c{number}" for number in range(1_000)) + "\n")
    return lambda: read_history(folder / "history.csv")


@case
def table_of_a_terabyte_of_nothing(folder):
    with (folder / "history.csv").open("wb") as file:
        file.truncate(10**12)
    return lambda: read_history(folder / "history.csv")


@case
def table_and_diary_that_are_no_regular_file(folder):
    calls = []
    for kind in KINDS:
        (folder / kind).mkdir()
        special(folder / kind / "history.csv", kind)
        special(folder / kind / "events.jsonl", kind)
        calls += [lambda run=folder / kind: read_history(run), lambda run=folder / kind: read_events(run)]
    return calls


@case
def history_of_what_is_no_run(folder):
    (folder / "empty").mkdir()
    return [lambda: read_history(folder / "none"), lambda: read_history(folder / "empty")]


@case
def diary_of_100_000_events(folder):
    line = '{"time": "2026-11-29T00:00:00+00:00", "step": 1, "what": "noted", "text": "' + "x" * 100 + '"}\n'
    (folder / "events.jsonl").write_text(line * 100_000)
    return lambda: len(read_events(folder))


@case
def diary_of_wild_lines(folder):
    good = '{"time": "t", "step": 1, "what": "w", "text": "good"}'
    lines = [
        good,
        DEEP,
        "[" * 15_000,
        "7",
        "{",
        good.replace("1", '"1"'),
        good.replace('"good"', "[]"),
        "x" * 10**7,
        good,
    ]
    (folder / "events.jsonl").write_text("\n".join(lines))
    return lambda: len(read_events(folder))


@case
def settings_files(folder):
    calls = []
    good = json.dumps(TINY.to_dict())
    for number, text in enumerate(
        (DEEP, "[]", good.replace('"width": 4', '"width": 1' + "0" * 400), good.replace("32", "NaN"), "9" * 5_000)
    ):
        calls.append(lambda path=put(folder, text.encode(), f"{number}.json"): read_settings(path))
    return calls + [lambda path=special(folder / kind, kind): read_settings(path) for kind in KINDS]


@case
def settings_out_of_range(folder):
    changes = [
        {name: value}
        for name in ("size", "batch", "steps", "width", "critic_steps", "penalty_every", "accumulate", "pairings")
        for value in (10**9 + 1, 10**400, 10**5000, -1, 0, 1.5, float("nan"), float("inf"), "8", True, None, [8])
        if (name, value) != ("critic_steps", 0)  # no critic at all
    ]
    changes += [
        {name: value}
        for name in ("learning_rate", "critic_learning_rate", "clip", "mask_share")
        for value in (10**400, 10**5000, -1, float("nan"), float("inf"), "8", True, None, [8])
    ]
    changes += [dict(seed=value) for value in (10**400, -1, 1.0, "0", None)]
    changes += [
        {name: "x" * 10**6} for name in ("extractor", "generator", "paths", "critic", "loss", "content_layer", "update")
    ]
    changes += [dict(style_layers=value) for value in ([], [7], ["x" * 10**6], ["block1_conv1"] * 10_000, {}, None)]
    changes += [dict(weights=value) for value in (None, [], dict(style=10**400), dict(style="1"), {"x" * 10**6: 1})]
    changes += [{"x" * 10**6: 1}, {"novel": "\x1b[31m"}]
    return [lambda change=change: TrainingSettings.from_dict(TINY.to_dict() | change) for change in changes]


def command(words):
    """Exit code of a command that must say why in one short line; anything else is an error of this test."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(words)
    line = said.getvalue()
    assert (
        code in (1, 2) and line.startswith("fashion-style: ") and len(line.splitlines()) == 1 and len(line) < 2_000
    ), line
    assert "Error:" not in line and "Traceback" not in line, line
    raise BadUse(line.strip())


@case
def typed_settings_out_of_range(folder):
    values = ("1000000000", "1" + "0" * 400, "9" * 5000, "-1", "nan", "inf", "1e999", "text")
    calls = [
        lambda option=option, value=value: command(["train", "--run", str(folder / "run"), f"--{option}={value}"])
        for option in ("width", "size", "learning-rate")
        for value in values
        if (option, value) != ("learning-rate", "1000000000")  # the largest that is taken
    ]
    return calls


# Paths ----------------------------------------------------------------------------------------------------------------
BAD_PATHS = dict(long="x/" * 2500, name="x" * 300, nul="a\0b", lone="\ud800")


@case
def paths_that_no_disk_can_have(folder):
    sources = garment_source(size=16, count=1), pattern_source(size=16, count=1)
    readers = dict(
        load_designer=load_designer,
        export_to=lambda path: export_generator(folder / "run", path),
        export_of=lambda path: export_generator(path, folder / "weights.npz"),
        vgg=lambda path: load_extractor("vgg19", ("block1_conv1",), weights=path),
        embedded=lambda path: load_extractor(weights=path),
        recogniser=load_recogniser,
        settings=read_settings,
        history=read_history,
        rows=lambda path: list(each_row(path)),
        events=read_events,
        newest=newest_checkpoint,
        best=best_checkpoint,
        fork_of=lambda path: fork(path, 2),
        fork_to=lambda path: fork(folder / "run", 2, path),
        places=read_places,
        note=lambda path: write_places(path, {}),
        chosen=lambda path: chosen_places(path),
        pictures=lambda path: list_pictures(path, SkippedFiles()),
        free=free_folder,
        lookbook=lambda path: make_lookbook(None, path, folder, folder / "out"),
        lookbook_to=lambda path: make_lookbook(None, folder, folder, path),
        evaluation=lambda path: claimed_folder(path, TINY).__enter__(),
        evaluation_to=lambda path: write_evaluation(None, [], path, TINY),
        picture_to=lambda path: save_picture(np.zeros((8, 8, 3), "uint8"), f"{path}.png"),
        folder_of_pictures=folder_source,
        training=lambda path: train(path, TINY, *sources),
        tensorboard=TensorBoardWriter,
        lock=lambda path: writer_lock(path).__enter__(),
        stylize=lambda path: command(["stylize", path, path, "-o", "out.png"]),
        designs=lambda path: command(["designs", "--garments", path, "--styles", ".", "--out", path]),
        train=lambda path: command(["train", "--run", path]),
        resume=lambda path: command(["train", "--resume", path]),
        typed_settings=lambda path: command(["train", "--run", "run", "--settings", path]),
        start_from=lambda path: command(["train", "--run", "run", "--start-from", path]),
        evaluate=lambda path: command(["evaluate", path]),
    )
    run_of_two(folder)
    return [lambda read=read, path=path: read(path) for name, read in readers.items() for path in BAD_PATHS.values()]


# Running --------------------------------------------------------------------------------------------------------------
def outcome(call):
    """(what came of a call, words): the value, or the name of the error; "LEAK " before what is no error of ours."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(), ""
        except (FashionStyleError, BadUse) as error:
            return type(error).__name__, str(error)
        except BaseException as error:
            return f"LEAK {type(error).__name__}", str(error)[:500]


def address_space():
    """Bytes of address space that this process has now."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def run_all(folder):
    """{case: [[outcome, words, seconds], ...]} of all cases, under the limit of memory."""
    load_generator(), step_found(run_of_two(pathlib.Path(folder))[0])  # what is imported late, is imported now
    limit = address_space() + ALLOWED
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    found = {}
    for name, build in CASES.items():
        place = pathlib.Path(folder, "cases", name)
        place.mkdir(parents=True)
        calls = build(place)
        found[name] = []
        for call in calls if isinstance(calls, list) else [calls]:
            started = time.monotonic()
            found[name].append([*outcome(call), round(time.monotonic() - started, 2)])
    return found


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print("\n" + json.dumps(run_all(sys.argv[1]), default=repr))
