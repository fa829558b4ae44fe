"""Names of a run's files stand in one room, folders are walked once in a run, and `train` is called with few things."""

import ast
import inspect
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_style.cli import main
from fashion_style.runs.folder import MANIFEST_FILE, SETTINGS_FILE, STATE_FILE, RunFolder
from fashion_style.runs.loop import train

PACKAGE = Path(__file__).resolve().parents[1] / "fashion_style"
PLACES = RunFolder("run")
FILES = {SETTINGS_FILE, STATE_FILE, MANIFEST_FILE} | {
    place.name for place in (PLACES.history, PLACES.events, PLACES.pictures, PLACES.fork, PLACES.lock)
}
FOLDERS = {PLACES.grids.name, PLACES.checkpoints.name, PLACES.tensorboard.name}


def written_names(tree):
    """Strings of a module that are a run's file, or one of its folders joined to a path."""
    joined = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            joined.add(node.right)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "Path",
            "join",
            "joinpath",
        ):
            joined.update(node.args)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts = set(node.value.split("/"))
            if " " not in node.value and (parts & FILES or node in joined and parts & FOLDERS):
                yield node.value


@pytest.mark.parametrize("planted", ['run / "history.csv"', 'Path(run, "grids")', 'names = ["a", "writer.lock"]'])
def test_a_planted_name_is_found(planted):
    assert len(list(written_names(ast.parse(planted)))) == 1
    assert not list(written_names(ast.parse('"""Writes history.csv."""\ngroup("checkpoints")')))


def test_only_one_room_writes_the_names_of_a_run_s_files():
    found = {
        str(path.relative_to(PACKAGE)): names
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "runs" / "folder.py"
        and (names := list(written_names(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert not found, found


def test_train_takes_at_most_eight_things():
    assert len(inspect.signature(train).parameters) <= 8


def test_each_folder_is_walked_once_in_a_run(tmp_path, monkeypatch):
    for kind in ("garments", "styles"):
        for number in range(12):
            place = tmp_path / kind / f"part {number % 2}" / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
            pixels[:, [0, 1, -2, -1]] = pixels[[0, 1, -2, -1]] = 255
            Image.fromarray(pixels).save(place)
    walks, walk, scandir = Counter(), os.walk, os.scandir

    def under(path):
        return str(path).startswith(str(tmp_path)) and "run" not in Path(path).relative_to(tmp_path).parts

    def counted_walk(top, *more, **options):
        walks[os.fspath(top)] += 1
        return walk(top, *more, **options)

    def counted_scan(path="."):
        if under(path):
            walks[f"scan {path}"] += 1
        return scandir(path)

    monkeypatch.setattr(os, "walk", counted_walk)
    monkeypatch.setattr(os, "scandir", counted_scan)
    given = ["--garments", str(tmp_path / "garments"), "--styles", str(tmp_path / "styles")]
    small = "--size 32 --batch 2 --steps 1 --width 4 --style-layers block1_conv1 --content-layer block1_conv1".split()
    monkeypatch.setattr(sys, "argv", ["fashion-style"])
    assert main(["train", "--run", str(tmp_path / "run"), *given, *small]) in (0, None)
    counted = {name: times for name, times in walks.items() if str(tmp_path) in name}
    assert counted and set(counted.values()) == {1}, counted
