"""Pack the PNG figures in the notebooks' outputs tighter, pixel for pixel the same.

Run it after executing notebooks and before committing them.

    .venv/bin/python tools/slim_figures.py [NOTEBOOK ...]      all of nbs/ by default
"""

import base64
import json
import os
import pathlib
import sys

import oxipng

ROOT = pathlib.Path(__file__).resolve().parents[1]


def slim(png):
    """base64 text of a PNG -> base64 text of the same picture in fewer bytes (or as it was)."""
    data = base64.b64decode(png)
    packed = oxipng.optimize_from_memory(data, level=4)
    return base64.b64encode(packed).decode() if len(packed) < len(data) else png


def slim_notebook(path):
    """Rewrite one notebook; returns the bytes saved."""
    before = path.read_text(encoding="utf-8")
    notebook = json.loads(before)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = slim("".join(output["data"]["image/png"]))
    after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    if len(after) < len(before):
        aside = path.with_suffix(".part")
        aside.write_text(after, encoding="utf-8")
        os.replace(aside, path)
    return max(0, len(before) - len(after))


def main():
    chosen = [pathlib.Path(name) for name in sys.argv[1:]] or sorted((ROOT / "nbs").rglob("*.ipynb"))
    print(f"{sum(map(slim_notebook, chosen)):,} bytes saved in {len(chosen)} notebooks")


if __name__ == "__main__":
    main()
