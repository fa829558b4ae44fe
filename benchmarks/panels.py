"""How long do the panels take in a real browser? JupyterLab on loopback, Chromium without a window, a fresh kernel.

    python benchmarks/panels.py

Seconds until each panel shows its first picture, the first time after the imports and when its cell is run again;
milliseconds from an arrow key on a slider to the new picture decoded in the browser; seconds until a cell is answered
while training runs. Needs chromium and playwright. Writes results/panels.md.
"""

import pathlib
import statistics
import sys

import common
import nbformat

sys.path.insert(0, str(common.HERE.parent / "tests" / "browser"))  # the browser tests' own tools
from laboratory import application, chromium, laboratory, open_notebook
from seen import open_panel

SETUP = "from fashion_style.panels import design_panel, feature_panel, gram_panel, training_panel"
PANELS = ("feature", "gram", "design", "training")
SLIDERS = (
    ("feature", "Channel", "one channel over the picture"),
    ("gram", "Channel i", "channel i, channel k"),
    *(
        ("design", label, "The garment with its print")
        for label in ("strength", "motif scale", "tartan", "wipe to garment")
    ),
)


def spread(values, factor=1, digits=0):
    """Median and range as text, and how many values are None: presses of a key that brought no other picture."""
    silent, values = values.count(None), [value for value in values if value is not None]
    if silent:
        return f"{spread(values, factor, digits)}; no other picture {silent} of {silent + len(values)} times"
    median, low, high = (
        f"{factor * value:.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median} ({low} to {high})"


def measure_openings(tab, repeats):
    """({name: `Seen`}, rows of the table of openings)."""
    panels, rows = {}, []
    for cell, name in enumerate(PANELS, start=1):
        panels[name], first = open_panel(tab, name, cell)
        rows.append(
            (
                f"`{name}_panel()`",
                f"{first:.2f}",
                spread([panels[name].opens_again() for _ in range(repeats)], digits=2),
            )
        )
    return panels, rows


def measure_sliders(panels, repeats):
    """Rows of the table of sliders; the design panel mixes two prints meanwhile."""
    panels["design"].python("panel.set_state(styles=['tartan', 'houndstooth'])")
    return [
        (f"`{name}_panel()`", label, spread(panels[name].latencies(label, picture, repeats), 1000))
        for name, label, picture in SLIDERS
    ]


def measure_training(panel, repeats):
    """Seconds of the first step, and of each answer of a kernel that trains."""

    def step():
        return panel.python("panel.session.step")

    panel.button("Step").click()
    panel.wait(lambda: step() == 1 and panel.python("panel.session.wait(0)"), "the first step")
    first = panel.python("panel.session.history[0]['seconds']")
    panel.button("Start").click()
    panel.wait(lambda: step() >= 5, "some steps")
    answers = []
    for _ in range(repeats):
        answers.append(panel.tab.ask("print(6 * 7)")[1])
        panel.page.wait_for_timeout(150)
    panel.button("Pause").click()
    return first, answers


def measure(openings, repeats):
    """All tables as Markdown text."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in (SETUP, *(f"{name}_panel()" for name in PANELS))]
    )
    with common.scratch() as folder, chromium() as browser, laboratory(pathlib.Path(folder)) as lab:
        tab = open_notebook(application(browser, lab), lab, notebook, "panels.ipynb")
        tab.run(0)
        panels, opened = measure_openings(tab, openings)
        sliders = measure_sliders(panels, repeats)
        first, answers = measure_training(panels["training"], repeats)
        tab.check()
        facts = {"browser": f"Chromium {browser.version}"}
    parts = [
        "## Until a panel shows its first picture, in seconds\n",
        common.markdown_table(["call", "first time after the imports", "cell run again: median (range)"], opened),
        "## From an arrow key on a slider to the new picture in the browser, in milliseconds\n",
        common.markdown_table(["call", "slider", "median (range)"], sliders),
        (
            f"## While `training_panel()` trains\n\nA cell is answered after {spread(answers, digits=2)} s. The first"
            f" step, with networks built and traced, took {first:.1f} s."
        ),
    ]
    return facts, "\n".join(parts)


def main():
    options = common.parser(__doc__)
    options.add_argument(
        "--openings", type=int, default=5, help="times each panel's cell is run again (default: %(default)s)"
    )
    options.add_argument("--repeats", type=int, default=24, help="timed events of each slider (default: %(default)s)")
    options.add_argument(
        "--out",
        type=pathlib.Path,
        default=common.RESULTS / "panels.md",
        help="file to write (default: benchmarks/results/panels.md)",
    )
    chosen = common.parse(options)
    before = common.load_average()
    facts, tables = measure(chosen.openings, chosen.repeats)
    found = common.versions("tensorflow", "ipywidgets", "jupyterlab", "numpy")
    text = "\n".join(
        ["# The panels in a browser\n", common.facts_text(found, **facts, **{"load before": before}), "", tables, ""]
    )
    common.write_text(chosen.out, text)
    print(text)


if __name__ == "__main__":
    main()
