"""Builds source archive and wheel and tries them as a stranger would, outside the checkout: quick tests from the
unpacked archive, then the wheel in a new environment.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 1200


def call(*command, cwd, expect=0, modules=None):
    """Runs a command, returns what it wrote (stdout, stderr); stops the check when the exit code is another.

    `modules`: folder in which Python looks for modules first.
    """
    started = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONPATH")}
    if modules:
        environment["PYTHONPATH"] = str(modules)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    line = " ".join(pathlib.Path(str(part)).name if i == 0 else str(part) for i, part in enumerate(command))
    print(f"{time.monotonic() - started:6.1f} s  exit {done.returncode}  {line[:150]}", flush=True)
    if done.returncode != expect:
        sys.exit(f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\nexpected exit code {expect}: {line}")
    return done.stdout, done.stderr


def build(folder):
    """(source archive, wheel); the wheel is built from the archive, so that old files in build/ cannot slip in."""
    call(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


# Quick ones, which read all that a tree holds; not the two that take longest.
SOURCE_TESTS = ("tests/test_house.py", "tests/test_package.py", "tests/test_images.py")
SOURCE_CHOICE = "not keeps_its_sizes and not import_is_instant"


def missing_from(tree):
    """Files that git keeps and an unpacked source archive lacks; without git none are known."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return []
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).exists() and not (tree / name).exists()]


def try_source(archive, folder):
    """Unpacks the source archive and runs a few of its tests there, with the packages that are installed here."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    tree = folder / archive.name.removesuffix(".tar.gz")
    missing = missing_from(tree)
    if missing:
        sys.exit(f"{archive.name} lacks {', '.join(missing[:20])}: mend MANIFEST.in")
    quick = ("-n", 2, "-p", "no:cacheprovider", "--durations=0", "--durations-min=9", "-k", SOURCE_CHOICE)
    said, _ = call(sys.executable, "-m", "pytest", "-v", *quick, *SOURCE_TESTS, cwd=tree, modules=tree)
    print(f"tests of the unpacked {archive.name}: {said.strip().splitlines()[-1].strip('= ')}")


def notebook_names(folder):
    """Paths of all notebooks below a folder, relative to it, without Jupyter's own copies."""
    found = (path.relative_to(folder) for path in folder.rglob("*.ipynb"))
    return {path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)}


MUST_HOLD = (
    "fashion_style/py.typed",
    "fashion_style/weights/MODEL_CARD.md",
    "fashion_style/weights/generator.npz",
    "fashion_style/weights/segmenter.npz",
    "licenses/LICENSE",
)


def check_contents(wheel):
    """Stops the check when the wheel lacks a file that everybody who has it needs, or when its description, the README,
    has a link that leads nowhere on a package index.
    """
    packed = zipfile.ZipFile(wheel)
    names = packed.namelist()
    missing = [wanted for wanted in MUST_HOLD if not any(name.endswith(wanted) for name in names)]
    if missing:
        sys.exit(f"{wheel.name} lacks {', '.join(missing)}")
    description = packed.read(next(name for name in names if name.endswith("/METADATA"))).decode("utf-8")
    relative = re.findall(r"\]\((?![a-z]+:|#)[^)]*\)", description)
    if relative or "](https://" not in description:
        sys.exit(f"{wheel.name}: links of its description without an address: {relative[:5]}; see tools/make_readme.py")


def try_wheel(wheel, folder):
    """Installs the wheel into a new environment and uses it."""
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv" / "bin"
    call(binaries / "python", "-m", "pip", "install", "--no-input", "--quiet", "--no-compile", wheel, cwd=folder)
    call(binaries / "python", "-m", "pip", "check", cwd=folder)
    call(binaries / "python", ROOT / "tools" / "use_installed.py", cwd=folder)
    stdout, _ = call(binaries / "fashion-style", "--help", cwd=folder)
    assert "stylize" in stdout, stdout
    _, stderr = call(
        binaries / "fashion-style", "stylize", "no-garment.png", "no-style.png", "-o", "out.png", cwd=folder, expect=1
    )
    assert len(stderr.strip().splitlines()) == 1 and "no-garment.png" in stderr, stderr
    call(binaries / "fashion-style", "lab", "notebooks", "--copy-only", cwd=folder)
    copied, ours = notebook_names(folder / "notebooks"), notebook_names(ROOT / "nbs")
    assert copied == ours, copied ^ ours


def main():
    """Builds and tries both in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="fashion_style_wheel_") as name:
        folder = pathlib.Path(name).resolve()
        archive, wheel = build(folder)
        for built in (archive, wheel):
            print(f"{built.name}: {built.stat().st_size / 1e6:.2f} MB")
        try_source(archive, folder)
        check_contents(wheel)
        try_wheel(wheel, folder)


if __name__ == "__main__":
    main()
