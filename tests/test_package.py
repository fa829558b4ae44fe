"""The package as it is installed: its facts in settings.ini, its parts, its floors."""
import configparser
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

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


def test_floors_and_pins(requirements, settings):
    assert settings["min_python"] == "3.11"
    floors = dict(keras=">=3.15.1", pillow=">=12.3", ipykernel="!=7.0.0,!=7.0.1", nbdev="==2.4.14", fastcore="<2", execnb="<0.2")
    wrong = {name: requirements.get(name) for name, floor in floors.items() if floor not in requirements.get(name, "")}
    assert not wrong, wrong


def test_every_import_is_a_requirement(requirements):
    provides = dict(PIL="pillow", cv2="opencv-python-headless", skimage="scikit-image")
    found = set()
    for path in (ROOT / "fashion_style").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE))
    outside = {name for name in found - set(sys.stdlib_module_names) - {"fashion_style"} if importlib.util.find_spec(name)}
    missing = {name for name in outside if provides.get(name, name) not in requirements}
    assert {"numpy", "PIL", "tensorflow"} <= outside and not missing, missing


def test_command_is_installed():
    points = importlib.metadata.entry_points(group="console_scripts", name="fashion-style")
    assert [point.value for point in points] == ["fashion_style.cli:main"]


def test_readme_says_how_to_leave_nbdev_2():
    assert "nbdev-migrate-config" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_licence_is_apache():
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_weights_in_the_package_are_small():
    sizes = {path.name: path.stat().st_size for path in (ROOT / "fashion_style" / "weights").glob("*")}
    assert sizes and sizes.get("embedded_extractor.npz", 0) <= 1_500_000, sizes


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_an_old_python_is_told_what_to_do(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    for words, environment in (([str(old)], os.environ), ([], dict(os.environ, PATH=f"{tmp_path}"))):
        done = subprocess.run(["/bin/sh", ROOT / "tools" / "find_python.sh", *words], capture_output=True, text=True, env=environment)
        assert done.returncode == 1 and done.stdout == ""
        assert "3.11" in done.stderr and "Python 3.9.1" in done.stderr and "PYTHON=" in done.stderr
    done = subprocess.run(["/bin/sh", ROOT / "tools" / "find_python.sh", sys.executable], capture_output=True, text=True)
    assert done.returncode == 0 and pathlib.Path(done.stdout.strip()).samefile(sys.executable)


def test_workflow_and_ci_call_the_same():
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert "make test" in (ROOT / ".ci" / "run").read_text() and os.access(ROOT / ".ci" / "run", os.X_OK)
