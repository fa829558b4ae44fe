"""Builds the wheel and tries it as a stranger would: in a new environment, outside the checkout."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 1200


def call(*command, cwd, expect=0):
    """Runs a command, returns what it wrote (stdout, stderr); stops the check when the exit code is another."""
    started = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONPATH")}
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


def build_wheel(folder):
    """Builds source archive and wheel (the wheel from the archive, so that old files in build/ cannot slip in)."""
    call(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


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
    """Stops the check when the wheel lacks a file that everybody who has it needs."""
    names = zipfile.ZipFile(wheel).namelist()
    missing = [wanted for wanted in MUST_HOLD if not any(name.endswith(wanted) for name in names)]
    if missing:
        sys.exit(f"{wheel.name} lacks {', '.join(missing)}")


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
    """Builds and tries the wheel in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="fashion_style_wheel_") as name:
        folder = pathlib.Path(name).resolve()
        wheel = build_wheel(folder)
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB")
        check_contents(wheel)
        try_wheel(wheel, folder)


if __name__ == "__main__":
    main()
