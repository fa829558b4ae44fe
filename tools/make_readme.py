"""Writes README.md from nbs/index.ipynb (nbdev's own way needs quarto)."""
import pathlib
import re

import nbformat
from nbconvert import MarkdownExporter

ROOT = pathlib.Path(__file__).resolve().parents[1]


def markdown_of(notebook_path):
    """Returns the Markdown of a notebook, without its hidden cells.

    Picture and notebook links are written for nbs/; the README lies one folder higher.
    """
    notebook = nbformat.read(notebook_path, as_version=4)
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.cells = [cell for cell in notebook.cells if not re.match(r"#\|\s*hide", cell.source)]
    for cell in notebook.cells:
        cell.source = re.sub(r"^#\|.*\n", "", cell.source, flags=re.MULTILINE)
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    text = re.sub(r"(\]\(|src=\")(?!https?:|#|/|nbs/|\.\./)", r"\1nbs/", text)
    text = text.replace("](../", "](")
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main():
    """Writes README.md beside setup.py."""
    (ROOT / "README.md").write_text(markdown_of(ROOT / "nbs" / "index.ipynb"), encoding="utf-8")


if __name__ == "__main__":
    main()
