"""The command as a shell sees it: exit codes, one line for each mistake, no traceback, nothing lost."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings

import hostile
import numpy as np
import pytest
from PIL import Image

from fashion_style import cli
from fashion_style.commands import (
    lab as course,
)
from fashion_style.commands import (
    options,
    parser,
)
from fashion_style.commands import (
    train as commands,
)
from fashion_style.commands import (
    training_options as run_options,
)
from fashion_style.commands.wish_options import EXACT_SUFFIXES
from fashion_style.errors import PictureError, TrainingError
from fashion_style.reading import pictures as places
from fashion_style.reading.pairs import distinct_pairs
from fashion_style.reading.run_sources import EMBEDDED
from fashion_style.studio.recipes import read_recipe


@pytest.fixture
def shell(capfd):
    """Runs the command in this process: (exit code, stdout, lines of stderr)."""

    def run(*words):
        code = cli.main(words)
        said = capfd.readouterr()
        return code, said.out, said.err.splitlines()

    return run


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Folder with a garment and two styles of random pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("dress", "dots", "stripes"):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    for name in ("folder.png", "more"):
        (folder / name).mkdir()
    (folder / "link").symlink_to("more")
    return folder


def command(*words, **more):
    """The command in a process of its own."""
    start = "import sys; from fashion_style.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", start, *map(str, words)], capture_output=True, text=True, timeout=300, **more
    )


# Bad use: 2 -----------------------------------------------------------------------------------------------------------
BAD_USE = [
    [],
    ["paint"],
    ["--colour"],
    ["demo", "extra"],
    ["demo", "--steps", "0"],
    ["demo", "--steps", "many"],
    ["evaluate"],
    ["evaluate", "run", "--count", "0"],
    ["evaluate", "run", "--size", "9999"],
    ["stylize"],
    ["stylize", "dress.png"],
    ["stylize", "dress.png", "dots.png"],
    ["stylize", "dress.png", "dots.png", "-o", "out.docx"],
    ["stylize", "dress.png", "dots.png", "-o", "out"],
    ["stylize", "dress.png", *["dots.png"] * 9, "-o", "out.png"],
    ["stylize", "dress.png", "dots.png", "-o", "nowhere/out.png"],
    *(
        ["stylize", "dress.png", "dots.png", "-o", "out.png", *words]
        for words in (
            ["--strength", "1.01"],
            ["--strength", "-0.1"],
            ["--strength", "nan"],
            ["--strength", "full"],
            ["--size", "0"],
            ["--size", "9.5"],
            ["--size", "100000"],
            ["--motif-scale", "0"],
            ["--motif-scale", "inf"],
            ["--stren", "1"],
            ["--shares", "0"],
            ["--shares", "1,2"],
            ["--shares", "-1"],
            ["--repeat", "twice"],
            ["--rotate", "361"],
            ["--offset", "1"],
            ["--offset", "0,2.5"],
            ["--offset", "a,b"],
            ["--lock", "yes", "--what"],
        )
    ),
    ["evaluate"],
    ["evaluate", "run", "--count", "0"],
    ["evaluate", "run", "--size", "5000"],
    ["demo", "--out", ""],
    ["evaluate", ""],
    ["evaluate", "run", "--out", " "],
    ["evaluate", "run", "--garments", ""],
    ["evaluate", "run", "--styles", "a", ""],
    ["evaluate", "run", "--vgg-weights", ""],
    ["lab", ""],
    *(
        ["stylize", *words]
        for words in (
            ["", "dots.png", "-o", "out.png"],
            ["dress.png", "", "-o", "out.png"],
            ["dress.png", "dots.png", "-o", ""],
            ["dress.png", "dots.png", "--out="],
            ["dress.png", "dots.png", "-o", "out.png", "--run", ""],
            ["dress.png", "dots.png", "-o", "out.png", "--mask", ""],
            ["dress.png", "dots.png", "-o", "out.png", "--save-mask", ""],
            ["dress.png", "dots.png", "-o", "out.png", "--save-mask", "mask.jpg"],
            ["dress.png", "dots.png", "-o", "out.png", "--save-mask", "mask"],
            ["dress.png", "dots.png", "-o", "out.png", "--save-mask", "nowhere/mask.png"],
            ["dress.png", "dots.png", "-o", "out.png", "--save-mask", "./out.png"],
            ["dress.png", "dots.png", "-o", "out.png", "--save-mask", "dress.png"],
            ["dress.png", "dots.png", "-o", "stripes.png", "--mask", "stripes.png"],
        )
    ),
    ["stylize", "dress.png", "dots.png", "-o", "."],
    ["stylize", "dress.png", "dots.png", "-o", "folder.png"],
    ["stylize", "dress.png", "dots.png", "-o", "out.png", "--save-mask", "folder.png"],
    ["designs"],
    ["designs", "--garments", ".", "--styles", "."],
    ["designs", "--garments", ".", "--styles", ".", "--out", ""],
    *(
        ["designs", "--garments", "folder.png", "--styles", "more", *words]
        for words in (
            ["--out", "folder.png"],
            ["--out", "more/"],
            ["--out", "./more/designs"],
            ["--out", "folder.png/../more/x"],
            ["--out", "link/x"],
            ["--out", "new", "--count", "0"],
            ["--out", "new", "--seed", "-1"],
            ["--out", "new", "--strength", "nan"],
        )
    ),
    ["reproduce"],
    ["reproduce", ""],
    ["reproduce", "out.png", "--look-in"],
    ["reproduce", "dress.png", "-o", "dress.png"],
    ["reproduce", "dress.png", "-o", "new.docx"],
    ["compare"],
    ["compare", ""],
    ["compare", "more"],
    ["compare", "more", "--rival", "paste"],
    ["compare", "more", "--out", "pairs"],
    ["compare", "more", "--rival", "paste", "--picks", "picks.csv"],
    ["compare", "more", "--rival", "", "--out", "pairs"],
    *(
        ["compare", "more", "--rival", "paste", "--out", "pairs", *words]
        for words in (["--count", "0"], ["--count", "1000"], ["--seed", "-1"], ["--size", "10"], ["--look-in"])
    ),
    *(
        ["compare", "more", "--picks", "picks.csv", *words]
        for words in (["--seed", "1"], ["--count", "2"], ["--out", "pairs"], ["--look-in", "more"])
    ),
    ["lab", "a", "b"],
    ["lab", "--port", "99999"],
    ["lab", "--port", "http"],
]
BAD_TRAINING = [
    ["train", "--run", ""],
    ["train", "--resume", ""],
    ["train", "--resume", "a", "--settings", "b.json"],
    ["train"],
    ["train", "--run", "a", "--resume", "b"],
    ["train", "--run"],
    ["train", "--run", "a", "--garments"],
    *(
        ["train", "--run", "a", *words]
        for words in (
            ["--size", "5"],
            ["--size", "-64"],
            ["--size", "64.5"],
            ["--batch", "0"],
            ["--steps", "0"],
            ["--extractor", "resnet"],
            ["--generator", "none"],
            ["--critic", "film"],
            ["--constraint", "hope"],
            ["--critic-steps", "-1"],
            ["--head", "light", "--paths", "global"],
            ["--real-set", "dressed"],
            ["--truth-weight", "1"],
            ["--learning-rate", "nan"],
            ["--learning-rate", "fast"],
            ["--style-weight", "-1"],
            ["--content-weight", "inf"],
            ["--garments", ""],
            ["--styles", "embedded", ""],
            ["--vgg-weights", ""],
            ["--settings", ""],
            ["--workers", "257"],
            ["--held-out", "1"],
            ["--held-out", "half"],
            ["--grid-every", "0"],
            ["--style", "dots"],
        )
    ),
    ["fork"],
    ["fork", ""],
    ["fork", "a", "b"],
    ["fork", "a", "--step", "worst"],
    ["fork", "a", "--step", "-1"],
    ["fork", "a", "--new", ""],
    ["fork", "a", "--seed", "3"],
    ["fork", "a", "--style-weight", "nan"],
]


@pytest.mark.parametrize("words", BAD_USE + BAD_TRAINING, ids=" ".join)
def test_bad_use_is_one_line_and_2(shell, pictures, monkeypatch, words):
    monkeypatch.chdir(pictures)
    before = sorted(os.listdir())
    code, out, errors = shell(*words)
    assert (code, out) == (2, "") and len(errors) == 1 and errors[0].startswith("fashion-style: "), errors
    assert sorted(os.listdir()) == before, "a mistake left files behind"


def test_result_never_replaces_its_own_source(shell, pictures):
    before = (pictures / "dress.png").read_bytes()
    code, _, errors = shell("stylize", pictures / "dress.png", pictures / "dots.png", "-o", pictures / "dress.png")
    assert code == 2 and "Name another file" in errors[0] and (pictures / "dress.png").read_bytes() == before


# Failed work: 1 -------------------------------------------------------------------------------------------------------
def test_pictures_that_cannot_be_read(shell, pictures, tmp_path):
    empty, text, cut = tmp_path / "empty.png", tmp_path / "text.jpg", tmp_path / "cut.png"
    empty.touch()
    text.write_text("not a picture")
    cut.write_bytes((pictures / "dress.png").read_bytes()[:200])
    for bad in (empty, text, cut, tmp_path, tmp_path / "missing\nfile.png"):
        for garment, style in ((bad, pictures / "dots.png"), (pictures / "dress.png", bad)):
            code, out, errors = shell("stylize", garment, style, "-o", tmp_path / "out.png")
            assert (code, out) == (1, "") and len(errors) == 1 and bad.name.split("\n")[0] in errors[0], errors
    assert not (tmp_path / "out.png").exists()


def test_200_hostile_files_get_one_line_each(shell, pictures, tmp_path):
    (tmp_path / "hostile").mkdir()
    files = hostile.write_hostile_files(tmp_path / "hostile")
    assert len(files) == hostile.COUNT
    missing = tmp_path / "no-run"
    for file in files:
        code, out, errors = shell(
            "stylize", file.path, pictures / "dots.png", "-o", tmp_path / "out.png", "--run", missing
        )
        assert (code, out) == (1, "") and len(errors) == 1 and "--debug" not in errors[0], (file, errors)
        assert file.expected != "error" or str(missing) not in errors[0], f"{file} was taken for a picture"
        assert file.expected != "valid" or str(missing) in errors[0], f"{file} was refused: {errors}"


@pytest.mark.parametrize(
    "words",
    [["--garments", "nowhere"], ["--styles", "nowhere"], ["--garments", "empty"], ["--styles", "dress.png"]],
    ids=" ".join,
)
def test_folders_that_cannot_be_used(shell, pictures, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "dress.png").write_bytes((pictures / "dress.png").read_bytes())
    code, out, errors = shell("train", "--run", "run", *words)
    assert (code, out) == (1, "") and len(errors) == 1 and words[-1] in errors[0], errors
    assert not (tmp_path / "run").exists()


def test_runs_that_cannot_be_used(shell, pictures, tmp_path):
    (tmp_path / "hollow").mkdir()
    for run in (tmp_path / "missing", tmp_path / "hollow"):
        code, _, errors = shell("train", "--resume", run)
        assert code == 1 and len(errors) == 1 and str(run) in errors[0]
        code, _, errors = shell(
            "stylize", pictures / "dress.png", pictures / "dots.png", "-o", tmp_path / "out.png", "--run", run
        )
        assert code == 1 and len(errors) == 1 and str(run) in errors[0]
        code, _, errors = shell("evaluate", run, "--out", tmp_path / "evaluation")
        assert code == 1 and len(errors) == 1 and str(run) in errors[0] and not (tmp_path / "evaluation").exists()


def test_vgg_weights_that_cannot_be_used(shell, pictures, tmp_path):
    (tmp_path / "weights.h5").write_text("not weights")
    for path in (tmp_path / "missing.h5", tmp_path / "weights.h5"):
        code, _, errors = shell("train", "--run", tmp_path / "run", "--extractor", "vgg19", "--vgg-weights", path)
        assert code == 1 and len(errors) == 1 and str(path) in errors[0], errors
        assert not (tmp_path / "run").exists(), "a refused run leaves nothing"


def test_unexpected_errors_and_interrupts(shell, monkeypatch):
    def raising(error):
        def run(options):
            raise error

        return run

    monkeypatch.setattr(parser, "command_demo", raising(IndexError("list index\nout of range")))
    code, _, errors = shell("demo")
    assert code == 1 and len(errors) == 1 and "IndexError" in errors[0] and "--debug" in errors[0]
    for words in (["demo", "--debug"], ["--debug", "demo"]):
        code, _, errors = shell(*words)
        assert code == 1 and errors[0].startswith("Traceback") and errors[-1].startswith("fashion-style: IndexError")
    monkeypatch.setattr(parser, "command_demo", raising(KeyboardInterrupt()))
    assert shell("demo") == (130, "", ["fashion-style: interrupted"])
    monkeypatch.setattr(parser, "command_demo", raising(OSError(28, "No space left on device")))
    assert shell("demo")[0] == 1


def test_our_warnings_are_one_line_and_those_of_libraries_none(shell, monkeypatch):
    def warn(options):
        warnings.warn_explicit("first line\nsecond line", UserWarning, cli.__file__, 1)
        warnings.warn_explicit("for programmers", UserWarning, Image.__file__, 1)
        return 0

    monkeypatch.setattr(parser, "command_demo", warn)
    assert shell("demo") == (0, "", ["fashion-style: warning: first line second line"])


def test_a_home_that_cannot_be_written_is_no_topic():
    script = (
        "import sys; sys.modules.pop('matplotlib', None); from fashion_style.commands.parser import"
        " spoken_warnings\nwith spoken_warnings():\n    import matplotlib.pyplot"
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    }
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(environment, HOME="/proc")
    )
    assert (done.returncode, done.stderr) == (0, "")


# Help -----------------------------------------------------------------------------------------------------------------
def test_help_comes_without_tensorflow():
    script = "import sys; from fashion_style.cli import main; main(sys.argv[1:]); sys.exit('tensorflow' in sys.modules)"
    commands = ("stylize", "designs", "reproduce", "train", "fork", "evaluate", "compare", "demo", "lab")
    for words in (["--help"], ["--version"], *([command, "--help"] for command in commands)):
        done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and done.stdout and not done.stderr


def test_a_warning_from_a_folder_of_the_package_is_spoken(capsys):
    place = pathlib.Path(cli.__file__).parent
    with parser.spoken_warnings():
        warnings.warn_explicit("from a folder", UserWarning, str(place / "planted" / "room.py"), 1)
        warnings.warn_explicit("from a neighbour", UserWarning, str(place.parent / "numpy" / "room.py"), 1)
    assert capsys.readouterr().err.splitlines() == ["fashion-style: warning: from a folder"]


# Nobody listens, or nobody speaks -------------------------------------------------------------------------------------
SAYS = """
import sys
from fashion_style import cli
from fashion_style.commands import parser
def work(options):
    for number in range(5):
        print("word", number, flush=True)
    print("a word on stderr", file=sys.stderr, flush=True)
    open(sys.argv[1], "w").write("done")
    return 0
parser.command_demo = work
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    "end", ["| head -1", "2>&1 | head -1", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", "| true"]
)
def test_work_goes_on_when_nobody_listens(tmp_path, end):
    words = f"'{sys.executable}' -c '{SAYS}' '{tmp_path / 'note'}' demo; echo $? > '{tmp_path / 'code'}'"
    done = subprocess.run(["sh", "-c", f"({words}) {end}"], capture_output=True, text=True)
    assert (tmp_path / "code").read_text() == "0\n" and (tmp_path / "note").read_text() == "done", (
        "descriptors of ours must not end in a file of ours"
    )
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr


def test_words_lost_on_a_full_disk_are_said(tmp_path):
    words = f"'{sys.executable}' -c '{SAYS}' '{tmp_path / 'note'}' demo > /dev/full"
    done = subprocess.run(["sh", "-c", words], capture_output=True, text=True)
    assert done.returncode == 1 and (tmp_path / "note").exists(), "the work is done"
    assert (
        "a word on stderr" in done.stderr
        and "its words could not be written to standard output" in done.stderr
        and "Traceback" not in done.stderr
    ), done.stderr
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -c '{SAYS}' '{tmp_path / 'other'}' --help | true"],
        capture_output=True,
        text=True,
    )
    assert not done.stderr, "help into a closed pipe is no error"


def test_nothing_but_sys_is_imported_before_interrupts_are_caught():
    script = "import sys; before = set(sys.modules); import fashion_style.cli; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['fashion_style', 'fashion_style.cli']"


@pytest.mark.parametrize("name", ["argparse", "fashion_style.commands", "tensorflow"])
def test_an_interrupt_while_modules_are_loaded_is_one_line_and_130(name):
    script = f"""
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == {name!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from fashion_style.cli import main
sys.exit(main(["train", "--run", "never"]))"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "fashion-style: interrupted\n")


def test_every_setting_is_an_option_with_its_help_and_default(shell):
    from fashion_style.settings import LossWeights, TrainingSettings

    code, text, errors = shell("train", "--help")
    assert code == 0 and not errors
    text = " ".join(text.split())
    for item in dataclasses.fields(TrainingSettings) + dataclasses.fields(LossWeights):
        name = item.name.replace("_", "-") + ("-weight" if item in dataclasses.fields(LossWeights) else "")
        if item.name != "weights":
            shown = (
                ",".join(item.default)
                if isinstance(item.default, tuple)
                else {True: "yes", False: "no"}[item.default]
                if isinstance(item.default, bool)
                else item.default
            )
            assert f"--{name} " in text and f"{item.metadata['help']} (default: {shown})" in text.replace(
                "- ", "-"
            ).replace(item.metadata["help"].replace("- ", "-"), item.metadata["help"]), name


def test_typed_settings_replace_those_of_the_run_only_where_typed(monkeypatch):
    from fashion_style.runs import checkpoints
    from fashion_style.settings import LossWeights, TrainingSettings

    stored = TrainingSettings(size=128, steps=10, weights=LossWeights(style=3.0))
    monkeypatch.setattr(checkpoints, "newest_checkpoint", lambda run: (stored, {"step/000": np.array(7)}))
    typed = parser.build_parser().parse_args(["train", "--resume", "run", "--steps", "20", "--content-weight", "2"])
    assert run_options.run_settings(typed) == dataclasses.replace(
        stored, steps=20, weights=LossWeights(style=3.0, content=2.0)
    )
    typed = parser.build_parser().parse_args(["train", "--run", "run", "--style-layers", "block1_conv1, block2_conv1"])
    assert run_options.run_settings(typed) == TrainingSettings(style_layers=("block1_conv1", "block2_conv1"))
    with pytest.raises(
        options.BadUse, match="--steps counts from the beginning, and run has done 7 steps. Received: 6"
    ):
        run_options.run_settings(parser.build_parser().parse_args(["train", "--resume", "run", "--steps", "6"]))


def test_settings_from_a_file_are_the_base(tmp_path):
    from fashion_style.settings import LossWeights, TrainingSettings

    stored = TrainingSettings(size=128, augment=False, style_layers=("block1_conv1",), weights=LossWeights(style=3.0))
    (tmp_path / "settings.json").write_text(json.dumps(stored.to_dict()))
    words = ["train", "--run", "run", "--settings", str(tmp_path / "settings.json")]
    assert run_options.run_settings(parser.build_parser().parse_args(words)) == stored
    typed = parser.build_parser().parse_args([*words, "--steps", "20", "--content-weight", "2", "--augment"])
    assert run_options.run_settings(typed) == dataclasses.replace(
        stored, steps=20, augment=True, weights=LossWeights(style=3.0, content=2.0)
    )


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff\xfe",
        b'{"sise": 64}',
        b'{"size": "64"}',
        b'{"size": 5}',
        b'{"size": NaN}',
        b'{"augment": 1}',
        b'{"weights": 3}',
        b'{"weights": {"style": -1}}',
        b'{"weights": {"charm": 1}}',
        b'{"style_layers": 4}',
        b'{"style_layers": [4]}',
        b'{"extractor": []}',
        b'{"content_layer": {}}',
        b'{"batch": 1e400}',
        b"[" * 100_000,
    ],
    ids=lambda content: str(content)[:30],
)
def test_bad_files_of_settings_are_one_line(shell, tmp_path, content):
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_bytes(content)
    code, out, errors = shell("train", "--run", tmp_path / "run", "--settings", file)
    assert (
        (code, out) == (1, "") and len(errors) == 1 and errors[0].startswith(f"fashion-style: {file} holds no settings")
    ), errors
    assert (
        "--debug" not in errors[0]
        and errors[0].endswith("Name the settings.json of a run folder.")
        and not (tmp_path / "run").exists()
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--batch", "100000"],
        ["--batch", "100000", "--accumulate", "100000", "--critic-steps", "100"],
        ["--size", "4096", "--batch", "100"],
        ["--width", "128", "--batch", "2000"],
        ["--critic-steps", "1000", "--batch", "1000"],
    ],
    ids=" ".join,
)
def test_a_batch_beyond_all_memory_is_refused_at_once(shell, tmp_path, monkeypatch, words):
    monkeypatch.setattr(run_options, "memory_bytes", lambda: 64 * 2**30)
    code, out, errors = shell("train", "--run", tmp_path / "run", *words)
    assert (code, out) == (1, "") and len(errors) == 1 and "GB of memory" in errors[0] and "--batch" in errors[0], (
        errors
    )
    assert not (tmp_path / "run").exists()


def test_usual_runs_fit_into_small_machines():
    from fashion_style.settings import TrainingSettings
    from fashion_style.studio.evaluation import DEMO_SETTINGS

    for settings in (
        DEMO_SETTINGS,
        TrainingSettings(),
        TrainingSettings(size=256, batch=16),
        TrainingSettings(generator="article", critic="article", size=256),
    ):
        assert run_options.training_bytes(settings) < 4e9
    large = TrainingSettings(batch=1024)
    assert (
        run_options.training_bytes(large)
        > run_options.training_bytes(dataclasses.replace(large, recompute=True))
        > run_options.training_bytes(large, on_gpu=True)
    )
    assert 1e8 < run_options.memory_bytes()


def test_places_survive_and_a_missing_note_means_the_embedded_sets(tmp_path):
    noted = dict(garments=["/a b", "/c"], styles=None, held_out=0.2, vgg_weights="/w.h5")
    places.write_places(tmp_path / "run", noted)
    assert places.read_places(tmp_path / "run") == noted
    (tmp_path / "run" / "pictures.json").write_text('{"styles": ["/x"]}')  # of an older version
    assert places.read_places(tmp_path / "run") == dict(garments=None, styles=["/x"], held_out=0.1, vgg_weights=None)
    for nowhere in (tmp_path / "none", os.devnull):
        assert places.read_places(nowhere) == dict(garments=None, styles=None, held_out=0.1, vgg_weights=None)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"garments": "/x"}',
        b'{"styles": [1]}',
        b'{"held_out": "0.1"}',
        b'{"held_out": 2}',
        b'{"vgg_weights": 3}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_note_is_an_error_and_never_the_embedded_sets(tmp_path, damage):
    (tmp_path / "pictures.json").write_bytes(damage)
    with pytest.raises(TrainingError, match="pictures.json cannot be read.*--garments DIR --styles DIR"):
        places.read_places(tmp_path)


def test_a_missing_note_is_an_error_where_it_is_required(tmp_path):
    with pytest.raises(TrainingError, match="pictures.json cannot be read.*--garments DIR --styles DIR"):
        places.read_places(tmp_path, required=True)


def test_a_note_that_is_a_folder_is_an_error_too(tmp_path):
    (tmp_path / "pictures.json").mkdir()
    with pytest.raises(TrainingError, match="cannot be read"):
        places.read_places(tmp_path)


def test_other_folders_are_laid_over_those_of_a_run_and_mend_a_lost_note(tmp_path):
    noted = dict(garments=["/a"], styles=None, held_out=0.2, vgg_weights="/w.h5")
    places.write_places(tmp_path, noted)
    assert places.chosen_places(tmp_path) == noted
    assert places.chosen_places(tmp_path, styles=["/b", EMBEDDED]) == noted | dict(styles=["/b", "embedded"])
    assert places.chosen_places(tmp_path, ["/c"], ["/b"]) == noted | dict(garments=["/c"], styles=["/b"]), (
        "the share that is held out must stay"
    )
    (tmp_path / "pictures.json").write_text("{")
    assert places.chosen_places(tmp_path, ["/c"], ["/b"]) == dict(
        garments=["/c"], styles=["/b"], held_out=0.1, vgg_weights=None
    )
    with pytest.raises(TrainingError, match="cannot be read"):
        places.chosen_places(tmp_path, ["/c"])
    assert places.chosen_places(None, ["c"]) == dict(
        garments=[os.path.abspath("c")], styles=None, held_out=0.1, vgg_weights=None
    )


class Pictures:
    """A source of known pictures for `distinct_pairs`: grey values; None is a bad file."""

    def __init__(self, *greys):
        from fashion_style.reading.sources import PictureSource

        def read(index):
            if greys[index] is None:
                raise PictureError(index, "it is bad", "Repair it")
            return np.full((8, 8, 3), greys[index], "uint8"), None

        self.source = PictureSource(tuple(map(str, range(len(greys)))), read, ("one",) * len(greys))


@pytest.mark.parametrize(
    "garments, styles, wanted",
    [
        (range(20), range(20), 12),
        (range(5), range(20), 5),
        (range(20), range(3), 3),
        ([1] * 7, range(20), 1),
        ([1, 2, 1, 2, 3], range(20), 3),
        ([1, None, None, None, 2, 3], range(9), 3),
        (range(12), range(12), 12),
        ([*[None] * 12, *range(12)], range(12), 12),
    ],
    ids=str,
)
def test_no_picture_is_scored_twice(garments, styles, wanted):
    pairs = distinct_pairs(Pictures(*garments).source, Pictures(*styles).source, 12, size=8)
    for pictures in (pairs.content, pairs.style):
        assert len(pictures) == wanted == len({picture.tobytes() for picture in pictures})
    assert len(pairs.mask) == wanted


# The work itself ------------------------------------------------------------------------------------------------------
TINY = ["--size", "32", "--batch", "2", "--width", "8", "--constraint", "clip", "--workers", "1"]


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    """A run made by the command in its own process, interrupted after a few steps: (folder, code, stdout, stderr)."""
    run = tmp_path_factory.mktemp("tiny") / "run"
    start = "import sys; from fashion_style.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", start, "train", "--run", str(run), *TINY, "--steps", "100000", "--tensorboard"]
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="-1")  # a GPU's driver speaks on its own
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        until = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < until and steps_done(run) < 2:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=300)
    return run, process.returncode, out, errors


def steps_of(run):
    """Steps of a run's checkpoints."""
    return [int(path.name.removeprefix("step-")) for path in (run / "checkpoints").glob("step-*")]


def newest_step(run):
    return max(steps_of(run))


def steps_done(run):
    """Rows in a run's history."""
    history = run / "history.csv"
    return max(0, history.read_text().count("\n") - 1) if history.is_file() else 0


@pytest.fixture
def eager():
    """TensorFlow without tracing: two steps come sooner."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_interrupted_training_ends_with_130_and_a_usable_run(tiny_run):
    run, code, out, errors = tiny_run
    assert code == 130 and f"--resume {run}" in out, errors[-2000:]
    assert list((run / "checkpoints").glob("step-*")) and steps_done(run) >= 2
    noise = [
        line
        for line in re.split(r"[\r\n]+", errors)
        if line.strip() and not line.startswith(("train", "stopping after this step"))
    ]
    assert not noise, f"only the progress bar belongs on stderr: {noise[:5]}"


def test_a_new_run_takes_nothing_from_somebody_else(shell, tmp_path):
    for name, text in (
        ("settings.json", '{"editor": "mine"}'),
        ("history.csv", "year,event\n"),
        ("pictures.json", '{"holiday": ["beach.jpg"]}'),
        ("pictures.json", "[1]"),
        ("pictures.json", "7"),
        ("pictures.json", "{"),
    ):
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / name).write_text(text)
        code, _, errors = shell("train", "--run", folder, *TINY)
        assert (
            code == 1
            and str(folder) in errors[-1]
            and "Name a new folder" in errors[-1].replace("name a new one", "Name a new folder")
        ), errors
        assert (folder / name).read_text() == text and os.listdir(folder) == [name]
        shutil.rmtree(folder)


def test_a_run_is_not_trained_over_and_goes_on_with_nothing_but_its_folder(tiny_run, shell, eager):
    run, steps = tiny_run[0], steps_done(tiny_run[0])
    noted = (run / "pictures.json").read_text()
    code, _, errors = shell("train", "--run", run, *TINY)
    assert code == 1 and "--resume" in errors[-1] and (run / "pictures.json").read_text() == noted
    code, out, errors = shell("train", "--resume", run, "--steps", steps + 1)
    assert code == 0 and f"finished after step {steps + 1} of {steps + 1}" in out and f"--run {run}" in out, errors
    assert (
        steps_done(run) == steps + 1
        and list((run / "grids").glob("*.png"))
        and list((run / "tensorboard").glob("events*"))
    )


def test_a_new_run_begins_with_the_generator_of_another(tiny_run, shell, eager, tmp_path):
    few = ["--steps", "1", "--size", "16", "--batch", "2"]
    code, out, errors = shell("train", "--run", tmp_path / "tuned", "--start-from", tiny_run[0], *few)
    assert code == 0 and "begins with the trained generator" in out, errors
    settings = [json.loads((run / "settings.json").read_text()) for run in (tiny_run[0], tmp_path / "tuned")]
    assert settings[0]["width"] == settings[1]["width"], "the width follows the weights"
    code, _, errors = shell(
        "train", "--run", tmp_path / "other", "--start-from", tiny_run[0], "--width", settings[0]["width"] + 2, *few
    )
    assert code == 1 and "another generator" in errors[-1] and not (tmp_path / "other" / "settings.json").exists()
    code, _, errors = shell("train", "--resume", tiny_run[0], "--start-from", "shipped")
    assert code == 2 and "--start-from is for new runs" in errors[-1]
    code, _, errors = shell("train", "--run", tmp_path / "none", "--start-from", tmp_path / "nowhere")
    assert code == 1 and "nowhere" in errors[-1] and not (tmp_path / "none").exists()


def test_xla_reaches_the_trainer_of_new_and_resumed_runs(shell, eager, tmp_path, monkeypatch):
    from fashion_style.runs import opening

    asked, build = [], opening.Trainer
    monkeypatch.setattr(
        opening, "Trainer", lambda *settings, xla, **more: asked.append(xla) or build(*settings, **more)
    )
    for words in (
        ["--run", tmp_path / "run", *TINY, "--steps", 1, "--xla"],
        ["--resume", tmp_path / "run", "--steps", 2, "--xla"],
        ["--resume", tmp_path / "run", "--steps", 3],
    ):
        code, _, errors = shell("train", *words)
        slow = [line for line in errors if "--xla without a graphics card" in line]
        assert code == 0 and len(slow) == ("--xla" in words and not commands._graphics_cards()), errors
    assert asked == [True, True, False]


def test_a_run_is_branched_off_with_what_is_typed(tiny_run, shell, eager, tmp_path):
    run, newest = tiny_run[0], newest_step(tiny_run[0])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, out, errors = shell("fork", run, "--style-weight", "9", "--steps", newest + 1, "--new", tmp_path / "branch")
    assert code == 0 and f"after step {newest}, with style 9.0" in out and f"--resume {tmp_path / 'branch'}" in out, (
        errors
    )
    settings = json.loads((tmp_path / "branch" / "settings.json").read_text())
    assert (
        settings["weights"]["style"] == 9.0
        and settings["steps"] == newest + 1
        and steps_done(tmp_path / "branch") == newest
    )
    code, out, errors = shell("train", "--resume", tmp_path / "branch")
    assert code == 0 and f"finished after step {newest + 1} of {newest + 1}" in out, errors
    oldest = min(steps_of(run))
    code, out, errors = shell("fork", run, "--step", oldest)
    assert (
        code == 0
        and f"after step {oldest}, with the same settings" in out
        and steps_done(run.with_name(f"run-from-{oldest}")) == oldest
    ), errors
    for words, said in (
        (["--step", "123456"], "no checkpoint of step 123456"),
        (["--width", "9"], "a fork keeps its networks"),
        (["--content-layer", "block5_conv4"], "has no layer block5_conv4"),
        (["--batch", "100000", "--size", "4096"], "GB of memory"),
        (["--new", run / "checkpoints" / "step-00000099"], "lies in the old run"),
        (["--steps", newest - 1], "steps counts from the beginning"),
        (["--new", tmp_path / "branch"], "is there already"),
    ):
        code, _, errors = shell("fork", run, *words)
        assert code == 1 and said in errors[-1] and len(errors) == 1, errors
    for words in (["--batch", "0"], ["--learning-rate", "0"], ["--mask-share", "2"], ["--accumulate", "3"]):
        code, _, errors = shell("fork", run, *words)
        assert code == 2 and len(errors) == 1, errors
    assert {path: path.read_bytes() for path in before} == before, "the old run is only read"


def test_a_run_that_begins_with_a_generator_is_built_like_it():
    start = dataclasses.replace(
        run_options.run_settings(parser.build_parser().parse_args(["train", "--run", "x"])), width=6, paths="spatial"
    )
    for words, width in (([], 6), (["--width", "8"], 8)):
        options = parser.build_parser().parse_args(["train", "--run", "x", "--start-from", "y", *words])
        settings, _ = commands._train_settings(options, start)
        assert (settings.width, settings.paths) == (width, "spatial")


def test_every_wish_that_is_typed_stands_in_the_recipe(tiny_run, shell, pictures, tmp_path):
    typed = (
        "--strength 0.5 --size 24 --motif-scale 0.4 --keep-colours --no-lock --background #ffffff --repeat brick"
        " --rotate -30 --offset=-0.1,0.25"
    ).split()
    words = ["stylize", pictures / "dress.png", pictures / "dots.png", "-o", tmp_path / "out.png", "--run", tiny_run[0]]
    assert shell(*words, *typed)[0] == 0
    recipe = read_recipe(tmp_path / "out.png")
    wished = dict(strength=0.5, motif_scale=0.4, keep_colours=True, lock=False, size=24, background="#ffffff")
    wished |= dict(repeat="brick", rotate=-30.0, offset=[-0.1, 0.25], weights=None)
    assert recipe["settings"] == wished
    assert recipe["laid"][0]["layout"] == "brick" and recipe["laid"][0]["found"] is None
    assert shell("reproduce", tmp_path / "out.png", "--look-in", pictures, "--run", tiny_run[0])[0] == 0


def test_stylize_writes_picture_and_recipe(tiny_run, shell, pictures, tmp_path):
    run = tiny_run[0]
    words = [
        "stylize",
        pictures / "dress.png",
        pictures / "dots.png",
        pictures / "stripes.png",
        "-o",
        tmp_path / "out.png",
        "--run",
        run,
        "--shares",
        "3,1",
        "--no-lock",
    ]
    code, out, errors = shell(*words)
    assert (code, errors) == (0, []) and "out.png" in out
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (48, 40) and picture.mode == "RGB"
        recipe = json.loads(picture.text["fashion_style"])
    assert recipe["garment"]["name"] == "dress.png" and [style["name"] for style in recipe["styles"]] == [
        "dots.png",
        "stripes.png",
    ]
    assert recipe["settings"]["weights"] == [3.0, 1.0] and len(recipe["generator"]["sha256"]) == 64
    first = (tmp_path / "out.png").read_bytes()
    assert shell(*words)[0] == 0 and (tmp_path / "out.png").read_bytes() == first, (
        "the same command gives the same file"
    )
    for name, more in (("small.jpg", ["--size", "24"]), ("plain.png", ["--strength", "0", "--keep-colours"])):
        assert (
            shell("stylize", pictures / "dress.png", pictures / "dots.png", "-o", tmp_path / name, "--run", run, *more)[
                0
            ]
            == 0
        )
    with Image.open(tmp_path / "small.jpg") as picture:
        assert picture.size == (29, 24)
    with Image.open(tmp_path / "plain.png") as picture, Image.open(pictures / "dress.png") as garment:
        assert np.abs(np.asarray(picture, int) - np.asarray(garment, int)).max() <= 1, "strength 0 is the garment"


def test_a_mask_can_be_given_and_written(tiny_run, shell, pictures, tmp_path):
    given = np.zeros((40, 48), "uint8")
    given[10:30, 12:36], given[10:30, 11] = 255, 128
    Image.fromarray(given).save(tmp_path / "mask.png")
    words = [
        "stylize",
        pictures / "dress.png",
        pictures / "dots.png",
        "--run",
        tiny_run[0],
        "--mask",
        tmp_path / "mask.png",
    ]
    with Image.open(pictures / "dress.png") as picture:
        garment = np.asarray(picture)
    for suffix in EXACT_SUFFIXES:
        out = tmp_path / f"out{suffix}"
        assert shell(*words, "-o", out, "--save-mask", tmp_path / f"used{suffix}")[::2] == (0, [])
        with Image.open(out) as picture, Image.open(tmp_path / f"used{suffix}") as used:
            made = np.asarray(picture)
            np.testing.assert_array_equal(np.asarray(used)[..., 0], given)
        np.testing.assert_array_equal(made[given == 0], garment[given == 0])
        assert np.abs(made.astype(int) - garment)[given == 255].mean() > 1
    assert (
        shell(*words, "-o", tmp_path / "small.png", "--size", "24", "--save-mask", tmp_path / "small mask.png")[0] == 0
    )
    again = shell(
        *words[:-1],
        tmp_path / "small mask.png",
        "-o",
        tmp_path / "again.png",
        "--size",
        "24",
        "--save-mask",
        tmp_path / "same mask.png",
    )
    assert again[0] == 0 and (tmp_path / "same mask.png").read_bytes() == (tmp_path / "small mask.png").read_bytes()
    with Image.open(tmp_path / "again.png") as picture:
        assert (
            picture.size == (29, 24) and json.loads(picture.text["fashion_style"])["mask"]["name"] == "small mask.png"
        )


def test_a_garment_that_is_not_found_is_said(shell, pictures, tmp_path):
    Image.new("RGB", (48, 40), "white").save(tmp_path / "nothing.png")
    words = ["stylize", tmp_path / "nothing.png", pictures / "dots.png", "-o", tmp_path / "out.png"]
    code, _, errors = shell(*words)
    assert code == 0 and len(errors) == 1 and "no garment could be told" in errors[0] and "--mask" in errors[0], errors
    assert shell(*words, "--no-lock")[::2] == (0, [])


def test_masks_that_cannot_be_used(shell, pictures, tmp_path):
    Image.new("L", (48, 41), 255).save(tmp_path / "large.png")
    Image.new("L", (48, 40), 0).save(tmp_path / "black.png")
    (tmp_path / "text.png").write_text("mask")
    reasons = {
        tmp_path / "large.png": "as large as the garment",
        tmp_path / "black.png": "black all over",
        pictures / "dress.png": "colours",
        tmp_path / "text.png": "not a JPEG",
        tmp_path / "none.png": "no such file",
    }
    for mask, reason in reasons.items():
        code, out, errors = shell(
            "stylize", pictures / "dots.png", pictures / "stripes.png", "-o", tmp_path / "out.png", "--mask", mask
        )
        assert (code, out) == (1, "") and len(errors) == 1 and reason in errors[0] and "--debug" not in errors[0], (
            errors
        )
    assert not (tmp_path / "out.png").exists()


def test_lock_says_where_it_is_exact(shell):
    text = " ".join(shell("stylize", "--help")[1].split())
    assert "exact in .png .webp .bmp .tif .tiff, while JPEG and GIF change all pixels a little" in text


@pytest.mark.parametrize("kind", ["pickle", "pickle in npz", "damaged npz", "empty"])
def test_weights_that_are_programs_are_never_run(shell, pictures, tmp_path, kind):
    import pickle

    class Program:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    file = tmp_path / "weights.npz"
    if kind == "pickle in npz":
        np.savez(file, settings=np.array(Program(), dtype=object))
    else:
        np.savez(file, settings=np.array("{}"))
        file.write_bytes(
            {"pickle": pickle.dumps(Program()), "damaged npz": file.read_bytes()[:-40], "empty": b""}[kind]
        )
    code, out, errors = shell(
        "stylize", pictures / "dress.png", pictures / "dots.png", "-o", tmp_path / "out.png", "--run", file
    )
    assert (
        (code, out) == (1, "")
        and len(errors) == 1
        and str(file) in errors[0]
        and "pickle" not in errors[0]
        and "Name the folder of a run" in errors[0]
    ), errors
    assert not (tmp_path / "executed").exists() and not (tmp_path / "out.png").exists()


def test_an_older_evaluation_stays_and_other_folders_can_be_named(tiny_run, shell, pictures, tmp_path):
    (tmp_path / "prints").mkdir()
    for number in range(6):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(
            tmp_path / "prints" / f"{number}.png"
        )
    words = ["evaluate", tiny_run[0], "--out", tmp_path / "evidence", "--count", "4", "--size", "32"]
    assert shell(*words)[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "evidence").iterdir()}
    code, out, errors = shell(*words, "--styles", tmp_path / "prints")
    assert code == 0 and "evidence-2" in out, errors
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "evidence").iterdir()}
    designs = len(list((tmp_path / "evidence-2").glob("design-*.png")))
    assert (
        1 <= designs < 4
        and f"{designs} pairs are scored" in errors[0]
        and f"dressing {designs} garments" in out
        and len(errors) == 1
    ), errors
    assert f"{designs} held-out styles" in errors[0]
    for folder in ("evidence", "evidence-2"):
        assert (tmp_path / folder / "contact_sheet.jpg").is_file()
    code, _, errors = shell(*words, "--styles", tmp_path / "nowhere")
    assert code == 1 and len(errors) == 1 and "nowhere" in errors[0] and not (tmp_path / "evidence-3").exists()


def test_an_evaluation_beyond_all_memory_is_refused(tiny_run, shell, tmp_path, monkeypatch):
    monkeypatch.setattr(run_options, "memory_bytes", lambda: 64 * 2**30)
    code, _, errors = shell(
        "evaluate", tiny_run[0], "--out", tmp_path / "evidence", "--count", "10000", "--size", "1024"
    )
    assert (
        code == 1
        and len(errors) == 1
        and "--count 10000 with --size 1024" in errors[0]
        and not (tmp_path / "evidence").exists()
    )


def test_evaluate_writes_the_evidence(tiny_run, shell, tmp_path):
    code, out, errors = shell("evaluate", tiny_run[0], "--out", tmp_path / "evidence", "--count", "2", "--size", "64")
    assert (code, errors) == (0, []) and "identity" in out
    names = {path.name for path in (tmp_path / "evidence").iterdir()}
    assert {"contact_sheet.jpg", "design-01.png", "design-02.png", "loss_curves.png", "scorecard.md"} <= names, names


# lab ------------------------------------------------------------------------------------------------------------------
def test_lab_copies_the_course_and_keeps_what_was_changed(shell, tmp_path):
    folder = tmp_path / "my course"
    code, out, errors = shell("lab", folder, "--copy-only")
    assert (code, errors) == (0, [])
    names = course.course_files(course.notebook_folder())
    assert names and all((folder / name).is_file() for name in names)
    (folder / "01_images.ipynb").write_text("mine")
    (folder / "index.ipynb").unlink()
    code, out, _ = shell("lab", folder, "--copy-only")
    assert code == 0 and "1 kept" in out
    assert (folder / "01_images.ipynb").read_text() == "mine" and (folder / "index.ipynb").is_file()


def test_lab_renews_only_what_is_as_it_was_copied(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "tutorials").mkdir(parents=True)
    for name in ("a.ipynb", "tutorials/b.ipynb", ".hidden", "_proc"):
        (source / name).write_text("1")
    assert course.copy_notebooks(source, target) == (["a.ipynb", "tutorials/b.ipynb"], [])
    (target / "tutorials/b.ipynb").write_text("mine")
    (source / "a.ipynb").write_text("2")
    assert course.copy_notebooks(source, target) == (["a.ipynb"], ["tutorials/b.ipynb"])
    (target / course.NOTE_NAME).write_text("damaged")
    (source / "a.ipynb").write_text("3")
    assert course.copy_notebooks(source, target) == (
        [],
        ["a.ipynb", "tutorials/b.ipynb"],
    ), "in doubt nothing is overwritten"


def test_an_interrupted_copy_leaves_whole_files_and_a_true_note(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name in ("a.ipynb", "b.ipynb", "c.ipynb"):
        (source / name).write_text("1")
    course.copy_notebooks(source, target)
    for name in ("a.ipynb", "b.ipynb", "c.ipynb"):
        (source / name).write_text("2")
    rename = os.replace

    def torn(aside, path):
        if (
            pathlib.Path(path).parent == target
            and pathlib.Path(aside).read_bytes() == b"2"
            and (target / "a.ipynb").read_text() == "2"
        ):
            raise KeyboardInterrupt
        return rename(aside, path)

    monkeypatch.setattr(os, "replace", torn)
    with pytest.raises(KeyboardInterrupt):
        course.copy_notebooks(source, target)
    monkeypatch.undo()
    assert [(target / name).read_text() for name in ("a.ipynb", "b.ipynb", "c.ipynb")] == ["2", "1", "1"]
    assert sorted(path.name for path in target.iterdir()) == [course.NOTE_NAME, "a.ipynb", "b.ipynb", "c.ipynb"]
    assert course.copy_notebooks(source, target) == (
        ["a.ipynb", "b.ipynb", "c.ipynb"],
        [],
    ), "nothing of ours is taken for the reader's"


def test_lab_starts_jupyter_of_this_python(shell, tmp_path, monkeypatch):
    started = []

    class Lab(subprocess.Popen):
        def __init__(self, words):
            started.append(words)
            super().__init__([sys.executable, "-c", "import sys; sys.exit(3)"])

    monkeypatch.setattr(course.subprocess, "Popen", Lab)
    before = signal.getsignal(signal.SIGINT)
    words = ["--no-browser", "--port=9999", "--allow-root"]
    assert shell("lab", tmp_path / "course", *words)[0] == 3
    assert started == [[sys.executable, "-m", "jupyterlab", str(tmp_path / "course"), *words]]
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert shell("lab", tmp_path / "course", "--no-browser")[0] == 3
    assert started[1] == [sys.executable, "-m", "jupyterlab", str(tmp_path / "course"), "--no-browser"]
    assert signal.getsignal(signal.SIGINT) is before


def test_lab_into_a_file_or_without_notebooks(shell, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    code, _, errors = shell("lab", tmp_path / "file", "--copy-only")
    assert code == 1 and len(errors) == 1
    monkeypatch.setattr(course.fashion_style, "__file__", str(tmp_path / "fashion_style" / "__init__.py"))
    code, _, errors = shell("lab", tmp_path / "course", "--copy-only")
    assert code == 1 and "no notebooks" in errors[0]


# options --------------------------------------------------------------------------------------------------------------
def test_say_survives_a_terminal_without_unicode(monkeypatch):
    done = command("--version", env=dict(os.environ, PYTHONIOENCODING="ascii", PYTHONUTF8="0"))
    assert done.returncode == 0
    script = "from fashion_style.commands.options import say; say('衣服 \\udcff')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ, PYTHONIOENCODING="ascii")
    )
    assert done.returncode == 0 and "\\u8863" in done.stdout


def test_designs_goes_on_and_reproduce_compares(shell, pictures, tmp_path):
    for place, name in (("garments", "dress.png"), ("prints", "dots.png"), ("prints", "stripes.png")):
        (tmp_path / place).mkdir(exist_ok=True)
        shutil.copy(pictures / name, tmp_path / place / name)
    words = [
        "designs",
        "--garments",
        tmp_path / "garments",
        "--styles",
        tmp_path / "prints",
        "--out",
        tmp_path / "out",
        "--size",
        "32",
    ]
    assert shell(*words)[0] == 0
    made = sorted((tmp_path / "out").glob("*--*.png"))
    before = [path.read_bytes() for path in made]
    code, out, _ = shell(*words)
    assert code == 0 and len(made) == 2 and "2 of them kept" in out and [path.read_bytes() for path in made] == before
    code, out, _ = shell("reproduce", made[0], "--look-in", tmp_path)
    assert code == 0 and "the same" in out
    code, out, errors = shell("reproduce", made[0])
    assert code == 1 and "dress.png" in errors[0] and len(errors) == 1
    garment = tmp_path / "garments" / "dress.png"
    before = garment.read_bytes()
    code, out, errors = shell("reproduce", made[0], "--look-in", tmp_path, "-o", garment)
    assert code == 2 and "was made from" in errors[0] and len(errors) == 1 and garment.read_bytes() == before
    code, out, errors = shell("reproduce", tmp_path / "prints" / "dots.png")
    assert code == 1 and "holds no recipe" in errors[0]


def test_designs_does_the_rest_and_names_what_it_left_out(shell, pictures, tmp_path):
    for place in ("garments", "prints"):
        (tmp_path / place).mkdir()
    shutil.copy(pictures / "dress.png", tmp_path / "garments")
    shutil.copy(pictures / "dots.png", tmp_path / "prints")
    for number in range(7):
        (tmp_path / "prints" / f"torn-{number}.png").write_bytes(b"torn")
    (tmp_path / "garments" / "empty.jpg").touch()
    words = [
        "--garments",
        tmp_path / "garments",
        "--styles",
        tmp_path / "prints",
        "--out",
        tmp_path / "out",
        "--size",
        "16",
    ]
    for kept in (0, 1):
        code, out, errors = shell("designs", *words)
        lines = out.splitlines()
        assert code == 1 and f"1 designs, {kept} of them kept" in out and lines[-1].startswith("left out in all: 8")
        named = [line for line in lines if line.startswith("left out: ")]
        assert len(named) == 8 and all(sum(f"torn-{number}.png" in line for line in named) == 1 for number in range(7))
        assert sum("empty.jpg: " in line for line in named) == 1
    (tmp_path / "prints" / "dots.png").unlink()
    code, out, errors = shell("designs", *words)
    named, lines = out.count("left out: "), out.splitlines()
    assert code == 1 and named >= 7 and "none of 14 pairs" in errors[-1]
    assert lines[-1] == f"left out in all: {named}; the reasons stand above", "counted also when none could be dressed"


def test_exit_codes_stand_in_the_help(shell):
    for words in (["--help"], ["designs", "--help"], ["lab", "--help"]):
        assert "2 the command itself is wrong" in " ".join(shell(*words)[1].split())
