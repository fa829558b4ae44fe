"""Folders of results: taken by one process alone, written whole, never over older ones."""

import json
import os
import threading

import numpy as np
import pytest

from fashion_style.errors import DesignError
from fashion_style.studio import evaluation as demo
from fashion_style.studio.evaluation import DEMO_SETTINGS, claimed_folder, run_demo, write_evaluation
from fashion_style.writing import free_folder


def test_the_next_free_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(free_folder("designs")) == "designs"
    (tmp_path / "designs").mkdir()
    assert str(free_folder("designs")) == "designs", "an empty folder is free"
    (tmp_path / "designs" / "x").touch()
    (tmp_path / "designs-2").touch()
    (tmp_path / "designs-3").symlink_to("nowhere")
    assert str(free_folder("designs")) == "designs-4"


@pytest.mark.parametrize("wanted", [".", "..", "./", "deep/.."])
def test_folders_without_a_name_get_a_number_too(tmp_path, monkeypatch, wanted):
    place = tmp_path / "here" / "now"
    (place / "deep").mkdir(parents=True)
    monkeypatch.chdir(place)
    folder = free_folder(wanted)
    assert folder.name.endswith("-2") and not folder.exists() and folder.parent.exists(), folder


def test_the_top_of_the_disk(monkeypatch):
    assert str(free_folder("/")) == "/designs-2"


def test_ten_at_the_same_time_get_ten_folders(tmp_path):
    got, start, together = [], threading.Barrier(10), threading.Barrier(10)

    def take():
        start.wait()
        with claimed_folder(tmp_path / "designs", DEMO_SETTINGS) as folder:
            got.append(folder.name)
            together.wait()

    threads = [threading.Thread(target=take) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(["designs", *(f"designs-{number}" for number in range(2, 11))])


def test_an_error_leaves_no_empty_folder_and_never_takes_results_away(tmp_path):
    for made in (False, True):
        with pytest.raises(KeyboardInterrupt), claimed_folder(tmp_path / "designs", DEMO_SETTINGS) as folder:
            assert json.loads((folder / "settings.json").read_text()) == json.loads(json.dumps(DEMO_SETTINGS.to_dict()))
            if made:
                (folder / "design-01.png").write_bytes(b"hours of work")
            raise KeyboardInterrupt
        assert folder.exists() == made


@pytest.mark.parametrize("where", ["file/designs", "link/designs"])
def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path, where):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    with (
        pytest.raises(DesignError, match="cannot write results here.*Name a folder"),
        claimed_folder(tmp_path / where, DEMO_SETTINGS),
    ):
        pass


def test_every_file_of_an_evaluation_is_whole_or_not_there(tmp_path, monkeypatch):
    class Table:
        to_csv = staticmethod(lambda: "a,b\n" * 1000)

    class Invented:
        designs, sheet = np.zeros((2, 8, 8, 3), "float32"), np.zeros((8, 8, 3), "uint8")
        cloth = whole = inside = Table
        to_markdown = staticmethod(lambda: "words")

    paths = write_evaluation(Invented, [], tmp_path / "whole", DEMO_SETTINGS)
    names = sorted(os.listdir(tmp_path / "whole"))
    assert names == [
        "contact_sheet.jpg",
        "design-01.png",
        "design-02.png",
        "loss_curves.png",
        "scorecard.md",
        "scorecard_cloth.csv",
        "scorecard_garment.csv",
        "scorecard_whole.csv",
        "settings.json",
    ]
    assert paths["curves"].read_bytes().startswith(b"\x89PNG") and paths["scorecard"].read_text() == "words"
    sizes = {name: (tmp_path / "whole" / name).stat().st_size for name in names}

    sync, left = os.fsync, []

    def full(handle):
        left.append(1)
        if len(left) > limit:
            raise OSError(28, "No space left on device")
        return sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    for limit in range(len(names)):
        left.clear()
        with pytest.raises(Exception, match="No space left on device"):
            write_evaluation(Invented, [], tmp_path / f"full-{limit}", DEMO_SETTINGS)
        assert all(
            (tmp_path / f"full-{limit}" / name).stat().st_size == sizes[name]
            for name in os.listdir(tmp_path / f"full-{limit}")
        )


def test_a_stopped_demo_says_how_to_go_on_and_is_an_interrupt(tmp_path, monkeypatch, capsys):
    class Result:
        reason = "stopped"

        class trainer:
            step = 7

    def train(run, settings, *sources, watchers, **more):
        watchers.opened(None)
        return Result

    noted = []
    monkeypatch.setattr(demo, "train", train)
    monkeypatch.setattr(demo, "save_first_look", lambda out, pairs: (out / "first_look.jpg").touch())
    monkeypatch.setattr(demo, "held_out_pairs", lambda *_, **__: None)
    monkeypatch.setattr(demo, "_drawn_sources", lambda *_: [None, None])
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path / "designs", opened=noted.append)
    said = capsys.readouterr().out
    assert (
        noted == [tmp_path / "designs" / "run"]
        and f"stopped after step 7; go on with: fashion-style train --resume {noted[0]}" in said
    )
    assert sorted(os.listdir(tmp_path / "designs")) == ["first_look.jpg", "settings.json"]
