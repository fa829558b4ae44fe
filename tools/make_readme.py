"""Writes the map of the notebooks and the table of measured figures into nbs/index.ipynb, and README.md from it.

nbdev's own way needs quarto. README is read on package indexes too, which know nothing of the files beside it, so its
links and pictures are addresses in the repository that settings.ini names.
"""

import configparser
import pathlib
import posixpath
import re

import check_house
import measured
import nbformat
from nbconvert import MarkdownExporter
from traitlets.config import Config

ROOT = pathlib.Path(__file__).resolve().parents[1]
MAP_TITLE = "## The map"
MEASURED_TITLE = "## Measured"
# Figures of the index become files, because a README cannot hold them.
CONFIG = Config(
    {"ExtractOutputPreprocessor": {"output_filename_template": "images/index_{cell_index}_{index}{extension}"}}
)


def title_and_summary(notebook):
    """Title and one-line summary of a notebook, from its first cell: '# Title' and '> summary'."""
    title, summary = (
        re.search(pattern, notebook.cells[0].source, re.MULTILINE) for pattern in (r"^# (.+)", r"^> (.+)")
    )
    return title[1].strip() if title else "", summary[1].strip() if summary else ""


# Folders beside the chapters, in the order of the floors of tools/check_house.py.
WINGS = {
    "guards": "what comes from outside, made harmless",
    "decoding": "what it takes to read a picture file rightly",
    "drawing": "garments and textiles drawn by code",
    "cloth": "where the cloth is in a picture",
    "reading": "folders of pictures as numbered rows",
    "networks": "what chapters on networks need: honest critics, large prints, how recogniser and segmenter learn",
    "runs": "a training run: its folder, checkpoints, loop, devices",
    "scoring": "figures of the cloth alone, inside the garment",
    "studio": "recipes, lookbooks and evaluations",
    "panels": "live panels, and the parts they are built of",
    "commands": "what each word of `fashion-style` does",
    "tutorials": "whole stories, with real pictures",
}


def chapter_row(path):
    """The row of one notebook at the top."""
    title, summary = title_and_summary(nbformat.read(path, as_version=4))
    summary = (summary[:1].upper() + summary[1:]).replace("|", "\\|")
    return f"| [{path.stem}]({path.name}) | {summary or title} |"


def wing_row(folder):
    """The row of a folder: its notebooks in the order of the floors, those without a module last."""
    paths = sorted(folder.glob("*.ipynb"))
    paths.sort(key=lambda path: check_house.ORDER.get(f"{folder.name}.{path.stem}", len(check_house.ORDER)))
    links = ", ".join(f"[{path.stem}]({folder.name}/{path.name})" for path in paths)
    return f"| **{folder.name}/** | {WINGS[folder.name]}: {links} |"


def map_table(folder):
    """The rows of the map: the notebooks at the top but the index, chapters by number first; then a row a folder.

    KeyError for a folder without words here.
    """
    paths = sorted(
        (path for path in folder.glob("*.ipynb") if path.stem != "index"),
        key=lambda path: (not path.stem[0].isdigit(), path.name),
    )
    folders = {path.parent.name for path in folder.glob("*/*.ipynb") if not path.parent.name.startswith(".")}
    wings = sorted(folders, key=list(WINGS).index)
    return "\n".join(
        [
            "| notebook | what it is about |",
            "|---|---|",
            *map(chapter_row, paths),
            *(wing_row(folder / name) for name in wings),
        ]
    )


def with_tables(notebook, root=ROOT):
    """Puts map and measured figures into the cells that open with their titles, below those cells' own words."""
    tables = {MAP_TITLE: map_table(root / "nbs"), MEASURED_TITLE: measured.measured_table(root)}
    for cell in notebook.cells:
        for title, table in tables.items():
            if cell.source.startswith(title):
                words = "\n".join(line for line in cell.source.splitlines() if not line.startswith("|"))
                cell.source = f"{words.strip()}\n\n{table}"
    return notebook


PICTURES = (".jpg", ".png", ".svg", ".gif")


def repository_address(path, root=ROOT):
    """Address of a file of the tree, "nbs/08_gram.ipynb#summary", in the repository that settings.ini names; of a
    picture: of its bytes.
    """
    parser = configparser.ConfigParser(delimiters=["="], interpolation=None)
    parser.read(root / "settings.ini", encoding="utf-8")
    settings = parser["DEFAULT"]
    kind = "raw" if path.partition("#")[0].endswith(PICTURES) else "blob"
    return f"{settings['git_url'].rstrip('/')}/{kind}/{settings['branch']}/{path}"


def with_addresses(text, folder="nbs", root=ROOT):
    """Markdown whose relative links and pictures, written for a folder of the tree, are addresses in the repository."""

    def address(found):
        return found[1] + repository_address(posixpath.normpath(posixpath.join(folder, found[2])), root)

    return re.sub(r"(\]\(|src=\")(?![a-z]+:|#|/)([^)\s\"]+)", address, text)


def readme_of(notebook_path):
    """Markdown of a notebook without its hidden cells, and its figures: (text, {path below nbs/: bytes}).

    A code cell's line '#| fig-alt: words' describes its figure for those who cannot see it.
    """
    notebook = nbformat.read(notebook_path, as_version=4)
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.cells = [cell for cell in notebook.cells if not re.match(r"#\|\s*hide", cell.source)]
    texts = re.findall(r"^#\|\s*fig-alt:\s*(.+)", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE)
    for cell in notebook.cells:
        cell.source = re.sub(r"^#\|.*\n", "", cell.source, flags=re.MULTILINE)
    text, resources = MarkdownExporter(config=CONFIG).from_notebook_node(notebook)
    text = re.sub(r"\n\s*(!\[png\]\S+)\s*\n", r"\n\n\1\n\n", text)
    for words in texts:
        text = text.replace("![png]", f"![{words}]", 1)
    return re.sub(r"\n{3,}", "\n\n", with_addresses(text)).strip() + "\n", resources.get("outputs", {})


def main():
    """Refreshes the tables in nbs/index.ipynb and writes README.md beside setup.py."""
    index = ROOT / "nbs" / "index.ipynb"
    notebook = nbformat.read(index, as_version=4)
    before = nbformat.writes(notebook)
    after = nbformat.writes(with_tables(notebook))
    if after != before:
        index.write_text(after + "\n", encoding="utf-8")
    text, figures = readme_of(index)
    for old in index.parent.glob("images/index_*"):
        old.unlink()
    for name, data in figures.items():
        (index.parent / name).parent.mkdir(exist_ok=True)
        (index.parent / name).write_bytes(data)
    (ROOT / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
