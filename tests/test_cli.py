"""The command as a shell sees it: exit codes, one line for each mistake, no traceback, nothing lost."""
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from PIL import Image

import hostile
from fashion_style import cli, course, options, places
from fashion_style.settings import TrainingError


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
    return folder


def command(*words, **more):
    """The command in a process of its own."""
    start = "import sys; from fashion_style.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", start, *map(str, words)], capture_output=True, text=True, timeout=300, **more)


# Bad use: 2 -----------------------------------------------------------------------------------------------------------
BAD_USE = [
    [], ["paint"], ["--colour"], ["demo", "extra"], ["demo", "--steps", "0"], ["demo", "--steps", "many"],
    ["evaluate"], ["evaluate", "run", "--count", "0"], ["evaluate", "run", "--size", "9999"],
    ["stylize"], ["stylize", "dress.png"], ["stylize", "dress.png", "dots.png"],
    ["stylize", "dress.png", "dots.png", "-o", "out.docx"], ["stylize", "dress.png", "dots.png", "-o", "out"],
    ["stylize", "dress.png", "dots.png", "-o", "nowhere/out.png"],
    *(["stylize", "dress.png", "dots.png", "-o", "out.png", *words] for words in (
        ["--strength", "1.01"], ["--strength", "-0.1"], ["--strength", "nan"], ["--strength", "full"], ["--size", "0"],
        ["--size", "9.5"], ["--size", "100000"], ["--motif-scale", "0"], ["--motif-scale", "inf"], ["--stren", "1"],
        ["--shares", "0"], ["--shares", "1,2"], ["--shares", "-1"], ["--lock", "yes", "--what"])),
    ["evaluate"], ["evaluate", "run", "--count", "0"], ["evaluate", "run", "--size", "5000"],
    ["lab", "a", "b"], ["lab", "--port", "99999"], ["lab", "--port", "http"],
]
BAD_TRAINING = [
    ["train"], ["train", "--run", "a", "--resume", "b"], ["train", "--run"], ["train", "--run", "a", "--garments"],
    *(["train", "--run", "a", *words] for words in (
        ["--size", "5"], ["--size", "-64"], ["--size", "64.5"], ["--batch", "0"], ["--steps", "0"], ["--extractor", "resnet"],
        ["--generator", "none"], ["--critic", "film"], ["--constraint", "hope"], ["--critic-steps", "0"],
        ["--learning-rate", "nan"], ["--learning-rate", "fast"], ["--style-weight", "-1"], ["--content-weight", "inf"],
        ["--held-out", "1"], ["--held-out", "half"], ["--grid-every", "0"], ["--style", "dots"])),
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
        code, out, errors = shell("stylize", file.path, pictures / "dots.png", "-o", tmp_path / "out.png", "--run", missing)
        assert (code, out) == (1, "") and len(errors) == 1 and "--debug" not in errors[0], (file, errors)
        assert file.expected != "error" or str(missing) not in errors[0], f"{file} was taken for a picture"
        assert file.expected != "valid" or str(missing) in errors[0], f"{file} was refused: {errors}"


@pytest.mark.parametrize("words", [["--garments", "nowhere"], ["--styles", "nowhere"], ["--garments", "empty"],
                                   ["--styles", "dress.png"]], ids=" ".join)
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
        code, _, errors = shell("stylize", pictures / "dress.png", pictures / "dots.png", "-o", tmp_path / "out.png", "--run", run)
        assert code == 1 and len(errors) == 1 and str(run) in errors[0]
        code, _, errors = shell("evaluate", run, "--out", tmp_path / "evaluation")
        assert code == 1 and len(errors) == 1 and str(run) in errors[0] and not (tmp_path / "evaluation").exists()


def test_vgg_weights_that_cannot_be_used(shell, pictures, tmp_path):
    (tmp_path / "weights.h5").write_text("not weights")
    for path in (tmp_path / "missing.h5", tmp_path / "weights.h5"):
        code, _, errors = shell("train", "--run", tmp_path / "run", "--extractor", "vgg19", "--vgg-weights", path)
        assert code == 1 and len(errors) == 1 and str(path) in errors[0], errors


def test_unexpected_errors_and_interrupts(shell, monkeypatch):
    def raising(error):
        def run(options):
            raise error
        return run

    monkeypatch.setattr(cli, "command_demo", raising(IndexError("list index\nout of range")))
    code, _, errors = shell("demo")
    assert code == 1 and len(errors) == 1 and "IndexError" in errors[0] and "--debug" in errors[0]
    for words in (["demo", "--debug"], ["--debug", "demo"]):
        with pytest.raises(IndexError):
            cli.main(words)
    monkeypatch.setattr(cli, "command_demo", raising(KeyboardInterrupt()))
    assert shell("demo") == (130, "", ["fashion-style: interrupted"])
    monkeypatch.setattr(cli, "command_demo", raising(OSError(28, "No space left on device")))
    assert shell("demo")[0] == 1


def test_our_warnings_are_one_line_and_those_of_libraries_none(shell, monkeypatch):
    def warn(options):
        warnings.warn_explicit("first line\nsecond line", UserWarning, cli.__file__, 1)
        warnings.warn_explicit("for programmers", UserWarning, Image.__file__, 1)
        return 0

    monkeypatch.setattr(cli, "command_demo", warn)
    assert shell("demo") == (0, "", ["fashion-style: warning: first line second line"])


# Help -----------------------------------------------------------------------------------------------------------------
def test_help_comes_without_tensorflow():
    script = "import sys; from fashion_style.cli import main; main(sys.argv[1:]); sys.exit('tensorflow' in sys.modules)"
    for words in (["--help"], ["--version"], ["stylize", "--help"], ["demo", "--help"], ["lab", "--help"]):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout and not done.stderr
        assert time.perf_counter() - started < 5, "without TensorFlow it takes a fraction of a second"


def test_every_setting_is_an_option_with_its_help_and_default(shell):
    from fashion_style.settings import LossWeights, TrainingSettings

    code, text, errors = shell("train", "--help")
    assert code == 0 and not errors
    text = " ".join(text.split())
    for item in dataclasses.fields(TrainingSettings) + dataclasses.fields(LossWeights):
        name = item.name.replace("_", "-") + ("-weight" if item in dataclasses.fields(LossWeights) else "")
        if item.name != "weights":
            shown = ",".join(item.default) if isinstance(item.default, tuple) else {True: "yes", False: "no"}[item.default] if isinstance(item.default, bool) else item.default
            assert f"--{name} " in text and f"{item.metadata['help']} (default: {shown})" in text.replace("- ", "-").replace(
                item.metadata["help"].replace("- ", "-"), item.metadata["help"]), name


def test_typed_settings_replace_those_of_the_run_only_where_typed(monkeypatch):
    from fashion_style import checkpoints
    from fashion_style.settings import LossWeights, TrainingSettings

    stored = TrainingSettings(size=128, steps=10, weights=LossWeights(style=3.0))
    monkeypatch.setattr(checkpoints, "newest_checkpoint", lambda run: (stored, {}))
    typed = cli.build_parser().parse_args(["train", "--resume", "run", "--steps", "20", "--content-weight", "2"])
    assert cli.run_settings(typed) == dataclasses.replace(stored, steps=20, weights=LossWeights(style=3.0, content=2.0))
    typed = cli.build_parser().parse_args(["train", "--run", "run", "--style-layers", "block1_conv1, block2_conv1"])
    assert cli.run_settings(typed) == TrainingSettings(style_layers=("block1_conv1", "block2_conv1"))


def test_places_survive_and_a_missing_note_means_the_embedded_sets(tmp_path):
    noted = dict(garments=["/a b", "/c"], styles=None, held_out=0.2, vgg_weights="/w.h5")
    places.write_places(tmp_path / "run", noted)
    assert places.read_places(tmp_path / "run") == noted
    (tmp_path / "run" / places.PICTURES_FILE).write_text('{"styles": ["/x"]}')  # of an older version
    assert places.read_places(tmp_path / "run") == dict(garments=None, styles=["/x"], held_out=0.1, vgg_weights=None)
    for nowhere in (tmp_path / "none", os.devnull):
        assert places.read_places(nowhere) == dict(garments=None, styles=None, held_out=0.1, vgg_weights=None)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"garments": "/x"}', b'{"styles": [1]}', b'{"held_out": "0.1"}',
                                    b'{"held_out": 2}', b'{"vgg_weights": 3}', b"\xff\xfe"])
def test_a_damaged_note_is_an_error_and_never_the_embedded_sets(tmp_path, damage):
    (tmp_path / places.PICTURES_FILE).write_bytes(damage)
    with pytest.raises(TrainingError, match="pictures.json cannot be read.*--garments DIR --styles DIR"):
        places.read_places(tmp_path)


def test_a_missing_note_is_an_error_where_it_is_required(tmp_path):
    with pytest.raises(TrainingError, match="pictures.json cannot be read.*--garments DIR --styles DIR"):
        places.read_places(tmp_path, required=True)


def test_a_note_that_is_a_folder_is_an_error_too(tmp_path):
    (tmp_path / places.PICTURES_FILE).mkdir()
    with pytest.raises(TrainingError, match="cannot be read"):
        places.read_places(tmp_path)


# The work itself ------------------------------------------------------------------------------------------------------
TINY = ["--size", "32", "--batch", "2", "--width", "8", "--constraint", "clip", "--workers", "1"]


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    """A run made by the command in a process of its own, interrupted after a few steps: (folder, code, stdout, stderr)."""
    run = tmp_path_factory.mktemp("tiny") / "run"
    start = "import sys; from fashion_style.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", start, "train", "--run", str(run), *TINY, "--steps", "100000"]
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="-1")  # a GPU's driver speaks on its own
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        until = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < until and steps_done(run) < 2:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=300)
    return run, process.returncode, out, errors


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
    noise = [line for line in re.split(r"[\r\n]+", errors) if line.strip() and not line.startswith(("train", "stopping after this step"))]
    assert not noise, f"only the progress bar belongs on stderr: {noise[:5]}"


def test_a_run_is_not_trained_over_and_goes_on_with_nothing_but_its_folder(tiny_run, shell, eager):
    run, steps = tiny_run[0], steps_done(tiny_run[0])
    noted = (run / places.PICTURES_FILE).read_text()
    code, _, errors = shell("train", "--run", run, *TINY)
    assert code == 1 and "--resume" in errors[-1] and (run / places.PICTURES_FILE).read_text() == noted
    code, out, errors = shell("train", "--resume", run, "--steps", steps + 1)
    assert code == 0 and f"finished after step {steps + 1} of {steps + 1}" in out and f"--run {run}" in out, errors
    assert steps_done(run) == steps + 1 and list((run / "grids").glob("*.png"))


def test_stylize_writes_picture_and_recipe(tiny_run, shell, pictures, tmp_path):
    run = tiny_run[0]
    words = ["stylize", pictures / "dress.png", pictures / "dots.png", pictures / "stripes.png", "-o", tmp_path / "out.png",
             "--run", run, "--shares", "3,1", "--no-lock"]
    code, out, errors = shell(*words)
    assert (code, errors) == (0, []) and "out.png" in out
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (48, 40) and picture.mode == "RGB"
        recipe = json.loads(picture.text["fashion_style"])
    assert recipe["garment"] == "dress.png" and recipe["styles"] == ["dots.png", "stripes.png"] and recipe["weights"] == [0.75, 0.25]
    first = (tmp_path / "out.png").read_bytes()
    assert shell(*words)[0] == 0 and (tmp_path / "out.png").read_bytes() == first, "the same command gives the same file"
    for name, more in (("small.jpg", ["--size", "24"]), ("plain.png", ["--strength", "0", "--keep-colours"])):
        assert shell("stylize", pictures / "dress.png", pictures / "dots.png", "-o", tmp_path / name, "--run", run, *more)[0] == 0
    with Image.open(tmp_path / "small.jpg") as picture:
        assert picture.size == (29, 24)
    with Image.open(tmp_path / "plain.png") as picture, Image.open(pictures / "dress.png") as garment:
        assert np.abs(np.asarray(picture, int) - np.asarray(garment, int)).max() <= 1, "strength 0 is the garment"


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
    (folder / "00_images.ipynb").write_text("mine")
    (folder / "index.ipynb").unlink()
    code, out, _ = shell("lab", folder, "--copy-only")
    assert code == 0 and "1 kept" in out
    assert (folder / "00_images.ipynb").read_text() == "mine" and (folder / "index.ipynb").is_file()


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
    assert course.copy_notebooks(source, target) == ([], ["a.ipynb", "tutorials/b.ipynb"]), "in doubt nothing is overwritten"


def test_lab_starts_jupyter_of_this_python(shell, tmp_path, monkeypatch):
    started = []

    class Lab(subprocess.Popen):
        def __init__(self, words):
            started.append(words)
            super().__init__([sys.executable, "-c", "import sys; sys.exit(3)"])

    monkeypatch.setattr(cli.subprocess, "Popen", Lab)
    before = signal.getsignal(signal.SIGINT)
    assert shell("lab", tmp_path / "course", "--no-browser", "--port", "9999")[0] == 3
    assert started == [[sys.executable, "-m", "jupyterlab", str(tmp_path / "course"), "--no-browser", "--port=9999"]]
    assert signal.getsignal(signal.SIGINT) is before


def test_lab_into_a_file_or_without_notebooks(shell, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    code, _, errors = shell("lab", tmp_path / "file", "--copy-only")
    assert code == 1 and len(errors) == 1
    monkeypatch.setattr(course.fashion_style, "__file__", str(tmp_path / "fashion_style" / "__init__.py"))
    code, _, errors = shell("lab", tmp_path / "course", "--copy-only")
    assert code == 1 and "no notebooks" in errors[0]


# options --------------------------------------------------------------------------------------------------------------
def test_quiet_stderr_gives_the_descriptor_back(capfd):
    with pytest.raises(ZeroDivisionError), options.quiet_stderr():
        os.write(2, b"noise")
        1 / 0
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_say_survives_a_terminal_without_unicode(monkeypatch):
    done = command("--version", env=dict(os.environ, PYTHONIOENCODING="ascii", PYTHONUTF8="0"))
    assert done.returncode == 0
    script = "from fashion_style.options import say; say('衣服 \\udcff')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ, PYTHONIOENCODING="ascii"))
    assert done.returncode == 0 and "\\u8863" in done.stdout
