"""TensorFlow's greeting: kept back in commands and notebooks alike, told when its import fails or the process dies."""

import os
import pathlib
import subprocess
import sys
import time

import nbformat
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
GREETING = "I0000 00:00:00.0 port.cc:153] a greeting"
NOISE = f"import os\nos.write(2, {GREETING.encode()!r})\n"
LOAD = "import fashion_style, tensorflow"


def child(script, folder="", **environment):
    """A fresh Python without TensorFlow's own switch; `folder` is searched for modules first."""
    words = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    path = os.pathsep.join(filter(None, [str(folder), str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=dict(words, PYTHONPATH=path, **environment)
    )


@pytest.fixture
def false_tensorflow(tmp_path):
    """Function that writes a module tensorflow that greets and then does what it is told; returns its folder."""

    def write(then=""):
        (tmp_path / "tensorflow.py").write_text(NOISE + then)
        return tmp_path

    return write


# Kept back ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "script",
    [
        "import fashion_style, tensorflow; print(tensorflow.reduce_sum(tensorflow.ones(2)))",
        "from fashion_style.losses import weighted_total",
        "import fashion_style, keras",
    ],
)
def test_the_true_tensorflow_says_nothing(script):
    done = child(script)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_false_one_is_heard_without_us_and_kept_back_with_us(false_tensorflow):
    folder = false_tensorflow()
    assert child("import tensorflow", folder).stderr == GREETING
    assert child(LOAD, folder).stderr == ""
    assert (
        child(
            "import importlib.util, fashion_style; importlib.util.find_spec('tensorflow')\nimport tensorflow", folder
        ).stderr
        == ""
    )


def test_a_fresh_kernel_shows_nothing_in_red():
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cells = ["from fashion_style.losses import weighted_total\n\nimport tensorflow as tf", "print(tf.ones(2).numpy())"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    words = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}})
    with client.setup_kernel(env=dict(words, PYTHONPATH=path)):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    assert [(output.get("name"), output.get("text")) for output in outputs] == [("stdout", "[1. 1.]\n")]


# Told -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "then, status, last",
    [
        ("raise ImportError('libcuda is missing')", 1, "ImportError: libcuda is missing"),
        ("raise SystemExit(5)", 5, GREETING),
        ("os.abort()", None, GREETING),
        ("os._exit(7)", 7, GREETING),
    ],
)
def test_an_import_that_fails_or_ends_the_process_is_told(false_tensorflow, then, status, last):
    done = child(LOAD, false_tensorflow(then))
    assert done.stderr.startswith(GREETING) and done.stderr.strip().endswith(last)
    assert done.returncode == status if status is not None else done.returncode != 0


def test_a_failing_command_repeats_what_the_library_said(false_tensorflow, tmp_path):
    words = ["train", "--run", str(tmp_path / "run"), "--steps", "1"]
    script = f"import sys; from fashion_style.cli import main; sys.exit(main({words}))"
    done = child(script, false_tensorflow("raise ImportError('libcuda is missing')"))
    assert done.returncode == 1 and GREETING in done.stderr and "fashion-style: libcuda is missing" in done.stderr


def test_a_second_try_after_a_failure_is_told_as_well(false_tensorflow):
    twice = "for _ in range(2):\n    try:\n        import tensorflow\n    except ImportError:\n        pass"
    script = f"import fashion_style\n{twice}"
    assert child(script, false_tensorflow("raise ImportError")).stderr == 2 * GREETING


def test_whoever_asks_for_all_lines_gets_them(false_tensorflow):
    assert child(LOAD, false_tensorflow(), TF_CPP_MIN_LOG_LEVEL="0").stderr == GREETING
    assert child(LOAD, false_tensorflow(), TF_CPP_MIN_LOG_LEVEL="2").stderr == ""
    script = f"{LOAD}; import os; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    levels = [child(script, false_tensorflow(), **given).stdout for given in ({}, {"TF_CPP_MIN_LOG_LEVEL": "1"})]
    assert levels == ["3\n", "1\n"]


def test_much_is_kept_whole(false_tensorflow):
    """More than a pipe holds."""
    done = child(LOAD, false_tensorflow("for _ in range(300):\n    os.write(2, b'x' * 1000)\nraise ImportError"))
    assert done.stderr.startswith(GREETING + 300_000 * "x")


def test_a_kernel_that_dies_is_told_behind_the_kernel(false_tensorflow, capfd):
    """Where notebooks are served from: the pipe that a kernel reads itself dies with it."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LOAD)])
    folder = false_tensorflow("os.abort()")
    words = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    client = nbclient.NotebookClient(notebook, timeout=300)
    with pytest.raises(nbclient.exceptions.DeadKernelError):
        with client.setup_kernel(env=dict(words, PYTHONPATH=os.pathsep.join([str(folder), str(ROOT)]))):
            client.execute_cell(notebook.cells[0], 0)
    said = ""
    for _ in range(100):
        said += capfd.readouterr().err
        if GREETING in said:
            break
        time.sleep(0.1)
    assert GREETING in said


# The surroundings -----------------------------------------------------------------------------------------------------
AFTER = "\nimport os, sys\nos.write(2, b'heard')"


@pytest.mark.skipif(os.name == "nt", reason="closes a descriptor of a POSIX shell")
def test_without_a_descriptor_2_nothing_is_turned(false_tensorflow, tmp_path):
    (false_tensorflow() / "tensorflow.py").write_text("")  # a greeting would fail
    script = "import os\nos.close(2)\n" + LOAD + "\nprint('done')"
    assert child(script, tmp_path).stdout == "done\n"


def test_the_descriptor_comes_back_and_no_process_is_left(false_tensorflow):
    assert child(LOAD + AFTER, false_tensorflow()).stderr == "heard"
    script = LOAD + "\nimport psutil; print(len(psutil.Process().children()))"
    assert child(script, false_tensorflow()).stdout == "0\n"


@pytest.mark.parametrize(
    "change", ["executable = '/no/python'", "executable = None", "executable = ''", "frozen = True"]
)
def test_where_no_python_can_be_started_nothing_is_kept_back(false_tensorflow, change):
    done = child(f"import sys; sys.{change}\n{LOAD}{AFTER}", false_tensorflow())
    assert (done.returncode, done.stderr) == (0, GREETING + "heard")


def test_a_witness_that_was_killed_does_no_harm(false_tensorflow):
    then = "import psutil\nfor one in psutil.Process().children():\n    one.kill()\n    one.wait()"
    done = child(LOAD + AFTER, false_tensorflow(then))
    assert (done.returncode, done.stderr) == (0, "heard")


def test_one_finder_however_often_it_is_asked_for():
    script = (
        "import sys, importlib, fashion_style\nimportlib.reload(fashion_style)\n"
        "print(sum(type(finder).__name__ == '_QuietFinder' for finder in sys.meta_path))"
    )
    assert child(script).stdout == "1\n"
