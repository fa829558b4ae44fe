"""Tables that no spreadsheet runs, and that come back as they were."""

import csv
import io

import numpy as np
import pytest

from fashion_style.comparison import ScorecardTable
from fashion_style.guards.tables import guarded_cell, table_rows, table_text, true_cell

FORMULAS = (
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\n=x",
    "＝1",
    "'=1",
    "''-x",
    "-",
    "=",
    "-inf",
    "-nan",
)
PLAIN = ("", "dress.png", "it's", "'tis", "a=b", " =x", "0.5", "-0.5", "+3", "-1e-07", "-.5", "12.", "旗袍")


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_guarded_and_comes_back(cell):
    assert guarded_cell(cell) == f"'{cell}" and true_cell(guarded_cell(cell)) == cell


@pytest.mark.parametrize("cell", PLAIN)
def test_numbers_and_names_stay(cell):
    assert guarded_cell(cell) == cell == true_cell(cell)


def test_every_short_text_comes_back():
    letters = ["", *"'=-+@\t\r\nx1.\","]
    texts = {a + b + c for a in letters for b in letters for c in letters}
    assert all(true_cell(guarded_cell(text)) == text for text in texts)
    rows = [[text, "end"] for text in sorted(texts)]
    assert list(table_rows(io.StringIO(table_text(rows), newline=""))) == rows


def test_numbers_are_written_as_numbers():
    text = table_text([["name", "value"], ["=x", -0.25], ["y", np.float32(-1.5)], ["z", -3]])
    assert text == "name,value\r\n'=x,-0.25\r\ny,-1.5\r\nz,-3\r\n"
    assert [row[1] for row in csv.reader(text.splitlines())][1:] == ["-0.25", "-1.5", "-3"]


def test_a_scorecard_with_hostile_names():
    table = ScorecardTable(
        "@extractor", ("=HYPERLINK(1)", "-x"), ("gram", "=figure"), np.array([[[-1.0, 2]], [[3, -4]]]), True
    )
    text = table.to_csv()
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert all(cell[:1] not in "=+@" and (cell[:1] != "-" or float(cell) < 0) for cell in cells if cell)
    again = ScorecardTable.from_csv(text)
    assert (again.extractor, again.rows, again.figures) == (table.extractor, table.rows, table.figures)
    np.testing.assert_array_equal(again.values, table.values)
