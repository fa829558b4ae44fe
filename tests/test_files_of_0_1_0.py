"""Run folders, weights and recipes that version 0.1.0 wrote are still read, and give the same designs.

data/written_by_0_1_0.zip: a run of four steps at 32 px (its critic and its momenta set to one number, so that the file
packs small), the generator exported from it, a garment, a print, a design of the shipped generator with its recipe, and
what run and export made of the pair.
"""

import pathlib
import zipfile

import numpy as np
import pytest

from fashion_style.design import load_designer
from fashion_style.errors import TrainingError
from fashion_style.images import open_picture, to_uint8
from fashion_style.reading.pictures import read_places
from fashion_style.reading.run_sources import picture_sources
from fashion_style.runs import weights as weights_room
from fashion_style.runs.checkpoints import newest_checkpoint
from fashion_style.runs.events import read_events
from fashion_style.runs.history import read_history
from fashion_style.runs.loop import train
from fashion_style.runs.plan import Start
from fashion_style.runs.weights import SHIPPED
from fashion_style.studio.recipes import read_recipe, reproduce
from fashion_style.studio.ways import way_of

ARCHIVE = pathlib.Path(__file__).parent / "data" / "written_by_0_1_0.zip"


@pytest.fixture
def old(tmp_path):
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return tmp_path


@pytest.mark.parametrize("weights, made", [("run", "by_the_run.png"), ("weights.npz", "by_the_weights.png")])
def test_weights_dress_as_they_did(old, weights, made):
    design = load_designer(old / weights).stylize(old / "dress.png", old / "paisley.png", finder="graph cut")
    apart = np.abs(to_uint8(design.picture).astype(int) - open_picture(old / made))
    assert apart.max() <= 2  # another processor rounds a float elsewhere


def test_a_run_goes_on(old):
    run = old / "run"
    settings, arrays = newest_checkpoint(run)
    assert int(arrays["step/000"]) == settings.steps == 4 and len(read_history(run)) == 4 and read_events(run)
    result = train(
        run,
        settings.__class__.from_dict(dict(settings.to_dict(), steps=5)),
        *picture_sources(read_places(run), settings),
        start=Start(resume=True),
    )
    assert int(result.trainer.step) == 5 and [row["step"] for row in result.history] == [1, 2, 3, 4, 5]


def test_a_recipe_is_made_again_without_a_difference_of_version(old):
    assert read_recipe(old / "design.png")["version"] == "0.1.0"
    made = reproduce(old / "design.png")
    assert not [words for words in made.differences if words.startswith(("version", "weights"))], made.differences
    assert np.abs(made.picture.astype(int) - open_picture(old / "design.png")).max() <= 2


@pytest.mark.parametrize(
    "version, way", [("0.1.0", 1), ("0.2.7", 2), ("0.3.0", None), ("nonsense", None), (None, None), ("0", None)]
)
def test_only_known_versions_have_a_way(version, way):
    assert way_of(version) == way


def test_the_generator_of_0_1_0_is_still_at_hand(old, tmp_path, monkeypatch):
    then, now = load_designer("shipped-0.1.0"), load_designer()
    assert then.name == "shipped-0.1.0" and then.sha256 == read_recipe(old / "design.png")["generator"]["sha256"]
    assert now.name == "shipped"
    assert [known.numbers for known in SHIPPED.values()] == [now.sha256, then.sha256]
    monkeypatch.chdir(tmp_path)  # a file or folder of that name comes first
    asked = []
    monkeypatch.setattr(weights_room, "check_paints", lambda generator, name: asked.append(name))
    load_designer()
    (old / "weights.npz").rename(tmp_path / "shipped-0.1.0")
    assert load_designer("shipped-0.1.0").sha256 != then.sha256
    assert asked == ["shipped-0.1.0"]  # a stranger's file is asked whether it paints numbers, whatever its name
    (tmp_path / "shipped-0.1.0").unlink()
    (tmp_path / "shipped-0.1.0").mkdir()
    with pytest.raises(TrainingError, match="checkpoint"):
        load_designer("shipped-0.1.0")
