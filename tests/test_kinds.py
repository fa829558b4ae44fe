"""The table of garments labelled by eye (benchmarks/kinds.csv): its rows are sound, its splits the package's."""

import collections
import csv
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import quality

from fashion_style.reading.run_sources import picture_sources
from fashion_style.settings import TrainingSettings

TABLE = ROOT / "benchmarks" / "kinds.csv"
COLUMNS = ["file", "kind", "split", "reason"]
KINDS = ("plain", "white", "black", "printed", "shiny", "sheer", "knit", "pleated", "flat")
FEWEST = 8  # files that a kind needs, so that a mean of it says anything
LONGEST_REASON = 80  # letters: a few words


@pytest.fixture(scope="module")
def rows():
    """Rows of the table as dicts."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        found = list(reader)
    assert reader.fieldnames == COLUMNS
    return found


@pytest.fixture(scope="module")
def held_out(shared_data):
    """Files, relative to the data folder, that the run judged by quality.py kept back; drawings split alike."""
    seed = quality.options_of(["--data", str(shared_data)]).seed
    places = dict(
        garments=[str(shared_data / "garments"), str(shared_data / "flats")],
        styles=[str(shared_data / "patterns")],
        held_out=0.1,
    )
    garments, _ = picture_sources(places, TrainingSettings(seed=seed), part="held_out")
    return {pathlib.Path(name).relative_to(shared_data).as_posix() for name in garments.names}


def test_every_row_has_known_values(rows):
    for row in rows:
        assert row["kind"] in KINDS, row
        assert row["split"] in ("held_out", "training"), row
        assert row["reason"] == row["reason"].strip() and len(row["reason"]) <= LONGEST_REASON, row


def test_files_are_named_once_and_in_order(rows):
    files = [row["file"] for row in rows]
    assert files == sorted(set(files))


def test_flat_is_said_of_all_drawings_and_of_no_photo(rows):
    for row in rows:
        folder, *_, name = row["file"].split("/")
        assert (row["kind"] == "flat") == (folder == "flats"), row
        assert name.endswith(".png" if folder == "flats" else ".jpg") and folder in ("flats", "garments"), row


def test_every_kind_has_files_enough(rows):
    count = collections.Counter(row["kind"] for row in rows)
    assert set(count) == set(KINDS)
    assert min(count.values()) >= FEWEST, count


def test_every_kind_of_photo_is_among_the_held_out_ones(rows):
    held = {row["kind"] for row in rows if row["split"] == "held_out"}
    assert held >= set(KINDS) - {"flat"}


def test_files_exist(rows, shared_data):
    assert [row["file"] for row in rows if not (shared_data / row["file"]).is_file()] == []


def test_splits_are_those_of_the_package(rows, held_out):
    wrong = [row["file"] for row in rows if (row["file"] in held_out) != (row["split"] == "held_out")]
    assert wrong == []


def test_all_held_out_photos_and_all_drawings_are_labelled(rows, held_out, shared_data):
    labelled = {row["file"] for row in rows}
    drawings = {f"flats/{path.name}" for path in (shared_data / "flats").glob("*.png")}
    assert len(held_out) > 0 and len(drawings) > 0
    assert sorted((held_out | drawings) - labelled) == []
