"""README's table "Measured", made from the files in benchmarks/results/: no figure in it is written by hand.

A figure is named by its place: a file, a row, a column. Measure again, run `make export`, and the table follows.
"""

import pathlib
import re
from dataclasses import dataclass

RESULTS = pathlib.Path("benchmarks/results")
NUMBER = r"\d[\d,]*(?:\.\d+)?"


def table_rows(text):
    """([column names], [cells]) of every row of every Markdown table in a text."""
    names = None
    for line in text.splitlines():
        if not line.startswith("|"):
            names = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if names is None:
            names = cells
        elif not set(line) <= set("|-: "):
            yield names, cells


def figure(text, row, column, heading="", whole=False):
    """The first number in a cell of a Markdown table, or the whole cell, as it is written there.

    Args:
        text: the file, which may hold several tables; the first below the line that begins with `heading` counts.
        row: how the row begins, cells joined by " | ".
        column: name of the column, whole.
        heading: beginning of a line that stands above the table.
        whole: the cell with all that it says, such as an interval.

    Raises:
        LookupError: if there is no such row, column or number.
    """
    below = re.search(rf"^{re.escape(heading)}", text, re.MULTILINE)
    if below:
        for names, cells in table_rows(text[below.start() :]):
            if column in names and " | ".join(cells).startswith(row):
                cell = cells[names.index(column)]
                return cell if whole else re.search(NUMBER, cell)[0]
    raise LookupError(
        f"no row {row!r} with a column {column!r} below {heading!r}: measure again, or mend tools/measured.py"
    )


@dataclass(frozen=True)
class Answer:
    """One row: a question, and an answer whose {0}, {1} ... are figures (row, column, heading) of a file."""

    question: str
    answer: str
    file: str
    command: str
    figures: tuple

    def markdown(self, root):
        """The row of the table, figures read from `root`/benchmarks/results."""
        text = (root / RESULTS / self.file).read_text(encoding="utf-8")
        words = self.answer.format(*(figure(text, *place) for place in self.figures))
        return f"| {self.question} | {words} | [{self.file}](../{RESULTS.as_posix()}/{self.file}) | `{self.command}` |"


DESIGN, RATIO, MILLISECONDS = "ms a design: median (range)", "of the medians", "median (range)"
SHARE_OF_MEMORY = "of the plain step's memory above the start"
PAIRS_OF_PHOTOGRAPHS = "## Whole pictures"
CLOTH = ("palette", "chromaticity", "make", "residue")
ANSWERS = (
    Answer(
        "Is the cloth right, inside the garment? 36 photographs that training never saw; in brackets the print"
        " pasted on and shaded",
        "{0} ({1}) Lab units from the print's palette, tint {2} ({3}), folds that are the garment's {4} ({5}), left of"
        " a cloth worn before {6} ({7}) Lab units",
        "inside.md",
        "python benchmarks/inside.py",
        tuple((row, figure_, "## 36") for figure_ in CLOTH for row in ("generator", "paste and shade")),
    ),
    Answer(
        "How much of a print's texture is missed in the whole picture, background and all? 24 pairs that training"
        " never saw, Gram matrices of VGG19",
        "{0}; the print pasted on and shaded {1}; the plain garment {2}",
        "quality.md",
        "python benchmarks/quality.py",
        tuple((row, "gram", PAIRS_OF_PHOTOGRAPHS) for row in ("generator", "paste and shade", "identity")),
    ),
    Answer(
        "How long does a design take?",
        "{0} ms at 256 px, {1} ms at 512 px",
        "live.md",
        "python benchmarks/live.py",
        (("256", DESIGN), ("512", DESIGN)),
    ),
    Answer(
        "And a picture, from an arrow key on a slider to the screen?",
        "{0} ms (strength), {1} ms (share of a print), {2} ms (motif scale)",
        "panels.md",
        "python benchmarks/panels.py",
        tuple((f"`design_panel()` | {slider}", MILLISECONDS) for slider in ("strength", "tartan", "motif scale")),
    ),
    Answer(
        "How fast is training? Pictures a second against the article's own loop",
        "the same step {0} times, the recipe of stage five {1} times, the demo's of version 0.1 {2} times",
        "speed.md",
        "make bench",
        (
            ("ours / article's loop, loss layers to block3_conv1", RATIO),
            ("recipe real / article's loop, pictures", RATIO),
            ("recipe demo / article's loop, pictures", RATIO),
        ),
    ),
    Answer(
        "How long does a training's first step take, which builds its graph?",
        "{0} s of one core, the second {1} s (the demo's recipe of version 0.1, at 128 px)",
        "first_step.md",
        "python benchmarks/speed.py --first-steps --processor-time",
        tuple(("recipe demo | now", column) for column in ("first step, s: median (range)", "second step, s")),
    ),
    Answer(
        "And against PyTorch, the same step?",
        "{0} times its fastest way",
        "speed.md",
        "make bench",
        (("ours / PyTorch's fastest (PyTorch, channels last) ", RATIO),),
    ),
    Answer(
        "What if memory is short? Memory of a step at 256 px, batch 8",
        "in four parts {0} of it, with activations computed again {1}",
        "memory.md",
        "python benchmarks/memory.py",
        tuple((f"4 | {recompute}", SHARE_OF_MEMORY, "The article's networks") for recompute in ("off", "on")),
    ),
    Answer(
        "What does half the bits cost? Gram missed after training in bfloat16",
        "{0}, in float32 {1}",
        "precision.md",
        "python benchmarks/precision.py",
        (("gram", "mixed_bfloat16", "Whole pictures"), ("gram", "float32", "Whole pictures", True)),
    ),
    Answer(
        "How many style pictures may a folder hold?",
        "100,000 open in {0} s and take {1} MB more memory",
        "style_sets.md",
        "python benchmarks/style_sets.py",
        (("100,000", "open"), ("100,000", "memory then")),
    ),
    Answer(
        "What survives kills, torn files and full disks?",
        "{0} faults: {1} unusable runs, {2} rows of history lost before the last checkpoint",
        "faults.md",
        "make faults",
        tuple(("**all faults**", column) for column in ("times", "unusable runs", "history rows lost")),
    ),
)


def measured_table(root):
    """The whole table in Markdown, links written for a notebook in nbs/."""
    head = ["| question | answer | file | command |", "|---|---|---|---|"]
    return "\n".join(head + [answer.markdown(root) for answer in ANSWERS])
