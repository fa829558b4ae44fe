"""Fails when fashion_style/ or README.md is not what the notebooks export."""

import difflib
import pathlib
import shutil
import subprocess
import sys
import tempfile

import make_readme

ROOT = pathlib.Path(__file__).resolve().parents[1]
REMEDY = "run `make export` and commit what it changes (edit the notebook, never the module)"


def export_into(folder):
    """Copies the sources to a folder, exports every notebook there and returns the package folder."""
    shutil.copy(ROOT / "settings.ini", folder)
    shutil.copytree(ROOT / "nbs", folder / "nbs", ignore=shutil.ignore_patterns(".*"))
    # Only __init__.py goes along: a module whose notebook was deleted must not survive.
    (folder / "fashion_style").mkdir()
    shutil.copy(ROOT / "fashion_style" / "__init__.py", folder / "fashion_style")
    subprocess.run([str(pathlib.Path(sys.executable).parent / "nbdev_export")], cwd=folder, check=True)
    return folder / "fashion_style"


def modules(folder):
    """Returns {file name: text} of the Python files in a package folder."""
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}


def differences(committed, exported):
    """Yields the unified diff of two {file name: text} dictionaries."""
    for name in sorted(committed.keys() | exported.keys()):
        before = committed.get(name, "").splitlines(keepends=True)
        after = exported.get(name, "").splitlines(keepends=True)
        yield from difflib.unified_diff(before, after, f"committed/{name}", f"exported/{name}")


def main():
    """Returns 0 when all is in step, else 1 after printing what differs."""
    with tempfile.TemporaryDirectory() as folder:
        exported = modules(export_into(pathlib.Path(folder)))
    committed = modules(ROOT / "fashion_style")
    readme = ROOT / "README.md"
    committed["README.md"] = readme.read_text(encoding="utf-8") if readme.exists() else ""
    exported["README.md"] = make_readme.readme_of(ROOT / "nbs" / "index.ipynb")[0]
    drift = list(differences(committed, exported))
    sys.stdout.writelines(drift)
    if drift:
        print(f"\nNotebooks and module are out of step: {REMEDY}")
        return 1
    print(f"Export in step: {len(exported) - 1} files and README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
