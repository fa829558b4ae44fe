"""The package as it is installed: its facts in settings.ini, its parts, its floors."""

import configparser
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

import fashion_style

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def settings():
    parser = configparser.ConfigParser(delimiters=["="], interpolation=None)
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    return parser["DEFAULT"]


@pytest.fixture(scope="module")
def requirements(settings):
    """{name: the version part} of what the package and its tests need."""
    words = settings["requirements"].split() + settings["dev_requirements"].split()
    return {re.match(r"[\w-]+", word)[0]: re.sub(r"^[\w-]+", "", word) for word in words}


def test_one_version(settings):
    assert fashion_style.__version__ == settings["version"] == importlib.metadata.version("fashion_style")


def test_what_is_installed_meets_the_requirements(settings):
    """A floor that nobody runs, or a pin that pip could not keep, is found here and not by a newcomer."""
    words = settings["requirements"].split() + settings["dev_requirements"].split()
    wrong = [
        f"{wanted}: {importlib.metadata.version(wanted.name)} is installed"
        for wanted in map(Requirement, words)
        if not wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    ]
    assert not wrong, wrong


def imported_packages(folder):
    """First names of everything that the Python files below a folder import absolutely, at any depth."""
    return {
        name
        for path in folder.rglob("*.py")
        for name in re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_an_import_in_a_folder_of_the_package_is_seen(tmp_path):
    (tmp_path / "wing").mkdir()
    (tmp_path / "wing" / "room.py").write_text("import strange\n")
    assert imported_packages(tmp_path) == {"strange"}


def test_import_is_instant_and_the_articles_names_come_from_the_top():
    names = [
        "build_generator",
        "build_discriminator",
        "adversarial_loss",
        "content_loss",
        "gram_matrix",
        "style_loss",
        "train_step",
        "load_designer",
    ]
    script = (
        f"import sys, fashion_style; assert 'tensorflow' not in sys.modules; assert set({names}) <="
        f" set(dir(fashion_style))\nfrom fashion_style import {', '.join(names)}\nfrom fashion_style.training import"
        " train_step as own\nassert train_step is own and all(map(callable, (build_generator, load_designer)))\ntry:\n"
        "    fashion_style.nothing\nexcept AttributeError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "nothing" in done.stdout


def test_a_module_in_a_folder_is_imported_from_the_wheel(tmp_path, monkeypatch):
    sys.path.insert(0, str(ROOT / "tools"))
    import use_installed

    (tmp_path / "planted" / "wing").mkdir(parents=True)
    for name in ("__init__.py", "wing/__init__.py", "wing/room.py"):
        (tmp_path / "planted" / name).write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    import planted

    assert use_installed.module_names(planted) == ["planted.wing", "planted.wing.room"]


def test_a_notebook_in_a_folder_is_missed_in_the_wheel(tmp_path):
    sys.path.insert(0, str(ROOT / "tools"))
    import check_wheel

    for name in ("a.ipynb", "wing/b.ipynb", "wing/.ipynb_checkpoints/b.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert check_wheel.notebook_names(tmp_path) == {"a.ipynb", "wing/b.ipynb"}


def test_every_import_is_a_requirement(requirements):
    provides = dict(PIL="pillow", cv2="opencv-python-headless", skimage="scikit-image")
    provides |= dict(pillow_heif="pillow-heif", resvg_py="resvg-py")
    found = imported_packages(ROOT / "fashion_style")
    outside = {
        name for name in found - set(sys.stdlib_module_names) - {"fashion_style"} if importlib.util.find_spec(name)
    }
    missing = {name for name in outside if provides.get(name, name) not in requirements}
    assert {"numpy", "PIL", "tensorflow"} <= outside and not missing, missing


def test_command_is_installed():
    points = importlib.metadata.entry_points(group="console_scripts", name="fashion-style")
    assert [point.value for point in points] == ["fashion_style.cli:main"]


def test_weights_in_the_package_are_small():
    sizes = {path.name: path.stat().st_size for path in (ROOT / "fashion_style" / "weights").glob("*")}
    assert sizes and sizes.get("embedded_extractor.npz", 0) <= 1_500_000, sizes
    assert sizes.get("segmenter.npz", 0) <= 1_500_000, sizes


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_an_old_python_is_told_what_to_do(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    for words, environment in (([str(old)], os.environ), ([], dict(os.environ, PATH=f"{tmp_path}"))):
        done = subprocess.run(
            ["/bin/sh", ROOT / "tools" / "find_python.sh", *words], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 1 and done.stdout == ""
        assert "3.11" in done.stderr and "Python 3.9.1" in done.stderr and "PYTHON=" in done.stderr
    done = subprocess.run(
        ["/bin/sh", ROOT / "tools" / "find_python.sh", sys.executable], capture_output=True, text=True
    )
    assert done.returncode == 0 and pathlib.Path(done.stdout.strip()).samefile(sys.executable)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_knows_every_target_that_is_told():
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md", ".ci/run")]
    targets = sorted(set(re.findall(r"\bmake ([a-z][\w-]*)", "\n".join(code_of(text) for text in texts))))
    assert {"demo", "lab", "test", "check"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def code_of(text):
    """What stands in code marks or code blocks of a Markdown text, or a whole script."""
    if text.startswith("#!"):
        return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    return "\n".join(re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL))


def workflow_steps():
    """{job: [command of each step]} of the workflow."""
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    jobs = re.split(r"^  ([a-z]+):$", text.partition("\njobs:\n")[2], flags=re.MULTILINE)[1:]
    return {name: re.findall(r"^\s*- run: (.+)$", steps, re.MULTILINE) for name, steps in zip(jobs[::2], jobs[1::2])}


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_the_workflow_runs_what_ci_runs():
    steps = workflow_steps()["test"]
    assert steps == [".ci/run"] and os.access(ROOT / steps[0], os.X_OK)
    subprocess.run(["bash", "-n", ROOT / steps[0]], check=True)


def test_on_other_systems_the_workflow_does_what_readme_says_without_make():
    steps = workflow_steps()["elsewhere"]
    told = re.search(r"Without `make`(.+)", (ROOT / "README.md").read_text(encoding="utf-8"))[1]
    told = [words for words in re.findall(r"`([^`]+)`", told) if words.startswith(("pip ", "fashion-style "))]
    assert told == ["pip install -e .", "fashion-style demo"]
    assert all(any(words in step for step in steps) for words in told), (told, steps)
    quick = re.search(
        r"^QUICK := .*addprefix (\S+),(.+)\)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    (tests,) = (step.split()[3:] for step in steps if step.startswith("python -m pytest "))
    assert tests == [quick[1] + name for name in quick[2].split()], "the quick tests, as make check"
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    assert all(word in text for word in ("windows-latest", "macos-latest", "continue-on-error: true"))
