"""The ablations: variants change what their name says and nothing else, and the tutorial shows the figures that were
measured.
"""

import csv
import pathlib
import re
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import ablations

from fashion_style.comparison import BASELINES, ScorecardTable

EVIDENCE = ablations.OUT


def changes(name):
    """{setting: value} that a variant's settings have and the plain recipe's, with as many steps, have not."""
    plain, other = (
        dict(settings.to_dict(), steps=0)
        for settings in (ablations.common.plain_recipe(), ablations.variant_settings(name, 5))
    )
    weights = {f"weights.{key}": value for key, value in other.pop("weights").items() if value != plain["weights"][key]}
    return {key: value for key, value in other.items() if value != plain[key]} | weights


@pytest.mark.parametrize("name", ablations.VARIANTS)
def test_a_variant_changes_what_its_name_says(name):
    # a statistic comes with a weight of its own
    allowed = 0 if name == ablations.PLAIN else 2 if name in ("moments", "sliced") else 1
    assert len(changes(name)) == allowed, changes(name)


def test_losses_are_cut_by_weight_zero():
    for name, weight in {
        "no adversarial term": "adversarial",
        "no content loss": "content",
        "no style loss": "style",
    }.items():
        assert changes(name) == {f"weights.{weight}": 0.0}


def test_run_folders_differ_by_settings_and_steps(tmp_path):
    folders = {ablations.run_folder(name, steps, tmp_path) for name in ablations.VARIANTS for steps in (5, 6)}
    assert len(folders) == 2 * len(ablations.VARIANTS)
    assert ablations.run_folder(ablations.PLAIN, 5, tmp_path) in folders


def test_tables_mark_differences_that_show():
    values = np.random.default_rng(0).normal(size=(2, 12, len(ablations.FIGURES)))
    values[1] = values[0] + np.array([3, 0, 0, 0, -3]) + 0.01 * np.random.default_rng(1).normal(size=values[0].shape)
    values[1, :, 1] = values[0, :, 1] + np.tile([1, -1], 6)
    text = ablations.tables(
        ScorecardTable("embedded", (ablations.PLAIN, "other"), ablations.FIGURES, values), {"other": ("1,000", "7")}
    )
    figures, differences = text.split("Minus")
    assert "| 1,000 | 7 |" in figures and "**" not in figures
    content, ssim, *_, palette = differences.strip().splitlines()[-1].strip("| ").split(" | ")[1:]
    assert content.startswith("**+3.0") and palette.startswith("**-3.0") and not ssim.startswith("**")


def saved_means():
    """{row: [mean of every figure]} from the saved figures of every pair."""
    with open(EVIDENCE / "figures_garment.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {
        row: [np.mean([float(line[figure]) for line in lines if line["row"] == row]) for figure in ablations.FIGURES]
        for row in {line["row"] for line in lines}
    }


def test_the_saved_table_is_that_of_the_saved_figures():
    table = (EVIDENCE / "table.md").read_text(encoding="utf-8").split("Minus")[0]
    rows = {
        cells[0]: cells[1:6]
        for line in table.splitlines()
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 8
    }
    means = saved_means()
    assert set(means) == {*BASELINES, *ablations.VARIANTS}
    for row, values in means.items():
        assert [cell.split(" ")[0] for cell in rows[row]] == [f"{value:.3f}" for value in values], row
    with open(EVIDENCE / "costs.csv", encoding="utf-8") as file:
        assert [line["variant"] for line in csv.DictReader(file)] == list(ablations.VARIANTS)


def test_the_sheet_is_small():
    assert (EVIDENCE / "sheet.jpg").stat().st_size <= ablations.SHEET_BYTES


def test_the_tutorial_names_every_variant():
    text = (ROOT / "nbs" / "tutorials" / "ablations.ipynb").read_text(encoding="utf-8")
    missing = [name for name in ablations.VARIANTS if not re.search(re.escape(name), text)]
    assert not missing
