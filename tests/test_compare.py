"""Blind comparison: pairs that betray nothing, a true key, picks that are refused row by row, the interval."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import fashion_style
from fashion_style import cli
from fashion_style.commands.compare import RIVALS, _load_rival
from fashion_style.design import load_designer
from fashion_style.errors import DesignError, FileError
from fashion_style.garments import draw_garment, paste_and_shade
from fashion_style.images import open_picture, save_picture
from fashion_style.patterns import draw_pattern
from fashion_style.studio import pairs as pairs_room
from fashion_style.studio.blind import (
    KEY_FILE,
    PICKS_FILE,
    TIE,
    Key,
    Pair,
    draw_places,
    preference,
    read_key,
    read_picks,
    wilson_interval,
)
from fashion_style.studio.pairs import find_designs, make_pairs, pair_picture
from fashion_style.studio.recipes import RECIPE_FIELD, dress, pixels_sha256, read_recipe, save_dressed
from fashion_style.studio.rivals import Candidates, Rival, make_candidates

PASTE = Rival("paste", paste_and_shade)


@pytest.fixture
def shell(capfd):
    """Runs the command in this process: (exit code, stdout, lines of stderr without progress)."""

    def run(*words):
        code = cli.main(words)
        said = capfd.readouterr()
        return code, said.out, [line for line in said.err.splitlines() if line.startswith("fashion-style")]

    return run


@pytest.fixture(scope="module")
def designer():
    return load_designer()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, designer):
    """Folder with garments/, prints/ and book/, a lookbook of four designs."""
    folder = tmp_path_factory.mktemp("inputs")
    for place in ("garments", "prints"):
        (folder / place).mkdir()
    for kind in ("dress", "shirt"):
        save_picture(draw_garment(kind, 56, 4).picture, folder / "garments" / f"{kind}.png")
    for family in ("gingham", "asanoha"):
        save_picture(draw_pattern(family, 48, 2), folder / "prints" / f"{family}.png")
    words = ["designs", "--garments", folder / "garments", "--styles", folder / "prints", "--out", folder / "book"]
    assert cli.main([*words, "--motif-scale", "0.5"]) == 0
    return folder


def words_of(inputs, out, *more):
    """The first form of the command."""
    words = ("compare", inputs / "book", "--rival", "paste", "--out", out, "--size", "64", *more)
    return (*words, "--look-in", inputs / "garments", inputs / "prints")


@pytest.fixture(scope="module")
def made(inputs):
    """A folder of four pairs; nobody writes into it."""
    assert cli.main(list(map(str, words_of(inputs, inputs / "pairs", "--seed", "7")))) == 0
    return inputs / "pairs"


@pytest.fixture
def pairs(made, tmp_path):
    """A copy of the four pairs, to be damaged."""
    return shutil.copytree(made, tmp_path / "pairs")


def pick(pairs, picks):
    """A table of picks beside the pairs, with LF and without it at the end, as somebody types it."""
    rows = [f"{number},{letter},why not" for number, letter in picks]
    (pairs / PICKS_FILE).write_text("\n".join(["pair,pick,reason", *rows]), encoding="utf-8")
    return pairs / PICKS_FILE


def squares(path, size=64, padding=4):
    """[garment, print, A, B] of a picture of pairs, without the letters above."""
    picture = open_picture(path)
    top = picture.shape[0] - size - padding
    lefts = [padding + place * (size + padding) for place in range(4)]
    return [picture[top : top + size, left : left + size] for left in lefts]


# Order and sides ------------------------------------------------------------------------------------------------------
def test_one_seed_gives_the_same_places_and_two_give_others():
    first = draw_places(40, 3)
    assert first == draw_places(40, 3) and sorted(number for number, _ in first) == list(range(40))
    others = [draw_places(40, seed) for seed in range(4, 10)]
    assert all(
        [side for _, side in first] != [side for _, side in other]
        and [number for number, _ in first] != [number for number, _ in other]
        for other in others
    )
    sides = [side for seed in range(100) for _, side in draw_places(40, seed)]
    assert 1850 < sides.count("A") < 2150 and set(sides) == {"A", "B"}
    at_first = [dict(draw_places(40, seed))[0] for seed in range(400)]
    assert 150 < at_first.count("A") < 250, "the side of a design does not depend on its name"


def test_the_same_seed_makes_the_same_folder_and_another_seed_another(made, inputs, shell, tmp_path):
    assert shell(*words_of(inputs, tmp_path / "again", "--seed", "7"))[0] == 0
    assert shell(*words_of(inputs, tmp_path / "other", "--seed", "11"))[0] == 0
    contents = [{path.name: path.read_bytes() for path in made.iterdir() if path.name != "picks.csv"}]
    contents += [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir() if path.name != "picks.csv"}
        for name in ("again", "other")
    ]
    assert contents[0] == contents[1] != contents[2]
    keys = [read_key(folder) for folder in (made, tmp_path / "other")]
    assert [(p.design, p.side) for p in keys[0].pairs] != [(p.design, p.side) for p in keys[1].pairs]


def test_without_a_seed_every_call_draws_a_fresh_one(inputs, shell, tmp_path):
    for name in ("one", "two"):
        code, out, _ = shell(*words_of(inputs, tmp_path / name, "--count", "1"))
        assert code == 0 and str(read_key(tmp_path / name).seed) not in out
    assert read_key(tmp_path / "one").seed != read_key(tmp_path / "two").seed


# What is written ------------------------------------------------------------------------------------------------------
def test_the_key_is_true(made, inputs):
    key = read_key(made)
    assert key.rival == "paste" and key.seed == 7 and key.rival_sha256 is None
    assert sorted(pair.design for pair in key.pairs) == sorted(path.name for path in find_designs(inputs / "book"))
    folders = [inputs / "garments", inputs / "prints"]
    for pair in key.pairs:
        candidates = make_candidates(inputs / "book" / pair.design, PASTE, folders)
        expected = pair_picture(candidates, pair.side, 64)
        np.testing.assert_array_equal(open_picture(made / pair.picture), expected)
        assert (pair_picture(candidates, "B" if pair.side == "A" else "A", 64) != expected).any()
        np.testing.assert_array_equal(candidates.design, open_picture(inputs / "book" / pair.design))
    assert (made / PICKS_FILE).read_text().split() == ["pair,pick,reason", *(f"0{n},," for n in range(1, 5))]


def test_pictures_betray_nothing_but_what_was_painted(made, inputs):
    assert sorted(path.name for path in made.iterdir()) == [
        "01.png",
        "02.png",
        "03.png",
        "04.png",
        KEY_FILE,
        PICKS_FILE,
    ]
    key, seen = read_key(made), set()
    for pair in key.pairs:
        data = (made / pair.picture).read_bytes()
        words = [pair.design, "paste", "rival", RECIPE_FIELD, *pair.design.removesuffix(".png").split("--")]
        assert not [word for word in words if word.encode() in data]
        with Image.open(made / pair.picture) as image:
            seen.add((image.size, image.mode, tuple(sorted(image.info))))
            assert not image.text
    assert len(seen) == 1, "all of one size, with the same fields"


def test_a_picture_is_the_mirror_of_the_other_side_so_its_letters_and_frame_do_not_depend_on_it():
    random = np.random.default_rng(0)
    garment, style, design, rival = (random.integers(0, 256, (64, 40, 3), dtype=np.uint8) for _ in range(4))
    a = pair_picture(Candidates(garment, [style], design, rival), "A", 64)
    b = pair_picture(Candidates(garment, [style], rival, design), "B", 64)
    np.testing.assert_array_equal(a, b)
    mixed = pair_picture(Candidates(garment, [style] * 3, design, rival), "A", 64)
    assert mixed.shape == a.shape and (mixed != a).any()


def test_the_two_candidates_share_garment_mask_print_and_background(made, inputs, designer):
    folders = [inputs / "garments", inputs / "prints"]
    for path in find_designs(inputs / "book"):
        found = make_candidates(path, PASTE, folders)
        garment = designer.dress_form(open_picture(inputs / "garments" / read_recipe(path)["garment"]["name"]))
        outside = garment.mask[..., 0] == 0
        assert (found.design[outside] == found.rival[outside]).all() and (found.design != found.rival).any()
    for _, _, a, b in (squares(made / f"0{number}.png") for number in range(1, 5)):
        assert (a != b).any()


@pytest.mark.parametrize(
    "wishes",
    [
        dict(size=40, strength=0.5),
        dict(keep_colours=True),
        dict(background="#ff0000", motif_scale=0.3),
        dict(background="transparent"),
        dict(weights=[1, 3]),
    ],
)
def test_a_rival_is_made_with_every_setting_of_the_recipe(inputs, designer, tmp_path, wishes):
    styles = [inputs / "prints" / "gingham.png", inputs / "prints" / "asanoha.png"][: len(wishes.get("weights", [1]))]
    dressed = dress(designer, inputs / "garments" / "dress.png", styles, **wishes)
    save_dressed(dressed, tmp_path / "design.png")
    found = make_candidates(tmp_path / "design.png", PASTE, [inputs / "garments", inputs / "prints"])
    outside = dressed.design.mask[..., 0] == 0
    assert found.design.shape == found.rival.shape and outside.any() and len(found.styles) == len(styles)
    assert (found.design[outside] == found.rival[outside]).all()


def test_the_print_is_pasted_as_it_was_laid(inputs, designer, tmp_path):
    from fashion_style.cloth.laying import tile_style

    style = open_picture(inputs / "prints" / "asanoha.png")
    save_dressed(
        dress(designer, inputs / "garments" / "shirt.png", [inputs / "prints" / "asanoha.png"], motif_scale=0.5),
        tmp_path / "design.png",
    )
    found = make_candidates(tmp_path / "design.png", PASTE, [inputs / "garments", inputs / "prints"])
    form = designer.dress_form(open_picture(inputs / "garments" / "shirt.png"))
    pasted = paste_and_shade(form.garment, form.mask, tile_style(style, 56, 56, motif_scale=0.5))
    np.testing.assert_allclose(found.rival, (pasted + 1) * 127.5, atol=1.01)


def test_a_mask_of_somebody_is_the_rivals_mask_too(inputs, designer, tmp_path):
    mask = np.zeros((56, 56, 3), np.uint8)
    mask[10:30, 10:30] = 255
    save_picture(mask, tmp_path / "mask.png")
    garment, style = inputs / "garments" / "dress.png", inputs / "prints" / "gingham.png"
    save_dressed(dress(designer, garment, [style], mask=tmp_path / "mask.png"), tmp_path / "design.png")
    found = make_candidates(tmp_path / "design.png", PASTE, [tmp_path, inputs / "garments", inputs / "prints"])
    changed = (found.rival != open_picture(garment)).any(axis=2)
    assert changed[10:30, 10:30].any() and not changed[mask[..., 0] == 0].any()


def test_a_design_on_another_mask_than_is_found_now_is_left_out(inputs, designer, tmp_path):
    mask = np.full((56, 56, 3), 255, np.uint8)
    save_picture(mask, tmp_path / "mask.png")
    garment, style = inputs / "garments" / "dress.png", inputs / "prints" / "gingham.png"
    dressed = dress(designer, garment, [style], mask=tmp_path / "mask.png")
    text = json.dumps(dressed.recipe | dict(mask=None))
    save_picture(dressed.layers.whole, tmp_path / "design.png", metadata={RECIPE_FIELD: text})
    with pytest.raises(DesignError, match="outside the mask that is found now"):
        make_candidates(tmp_path / "design.png", PASTE, [inputs])


def test_a_design_of_0_1_is_compared_in_the_way_of_then(tmp_path):
    with zipfile.ZipFile(pathlib.Path(__file__).parent / "data" / "written_by_0_1_0.zip") as archive:
        archive.extractall(tmp_path)
    assert read_recipe(tmp_path / "design.png")["version"] == "0.1.0"
    found = make_candidates(tmp_path / "design.png", PASTE, [tmp_path])
    assert found.design.shape == found.rival.shape and (found.design != found.rival).any()


@pytest.mark.parametrize("word", RIVALS)
def test_every_word_of_the_table_lays_a_print_inside_the_garment_only(inputs, designer, word):
    path = find_designs(inputs / "book")[0]
    found = make_candidates(path, _load_rival(word), [inputs])
    mask = designer.dress_form(open_picture(inputs / "garments" / read_recipe(path)["garment"]["name"])).mask[..., 0]
    assert (found.design[mask == 0] == found.rival[mask == 0]).all() and (found.design != found.rival)[mask > 0].any()


# Other weights --------------------------------------------------------------------------------------------------------
SHIPPED = pathlib.Path(fashion_style.__file__).parent / "weights" / "generator.npz"


@pytest.fixture(scope="module")
def other_weights(tmp_path_factory):
    """Exported weights of another generator: those of the package, slightly shaken."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("weights") / "other.npz"
    with np.load(SHIPPED) as stored:
        arrays = {name: stored[name] for name in stored.files}
    shaken = {
        name: (array * random.uniform(0.9, 1.1, array.shape)).astype(array.dtype)
        for name, array in arrays.items()
        if name != "settings"
    }
    np.savez(path, settings=arrays["settings"], **shaken)
    return path


def test_the_rival_may_be_another_generator(inputs, shell, tmp_path, other_weights, designer):
    words = ["compare", inputs / "book", "--rival", other_weights, "--out", tmp_path / "pairs", "--size", "64"]
    code, out, errors = shell(*words, "--look-in", inputs, "--count", "2")
    key = read_key(tmp_path / "pairs")
    assert (code, errors) == (0, []) and key.rival == "other.npz" and len(key.pairs) == 2
    assert key.rival_sha256 == load_designer(other_weights).sha256 != designer.sha256
    pick(tmp_path / "pairs", [(pair.number, pair.side) for pair in key.pairs])
    code, out, _ = shell("compare", tmp_path / "pairs", "--picks", "picks.csv")
    assert code == 0 and "designs 2, other.npz 0, neither 0" in out


def test_the_same_weights_leave_nothing_to_choose(inputs, shell, tmp_path):
    words = ["compare", inputs / "book", "--rival", SHIPPED, "--out", tmp_path / "pairs", "--look-in", inputs]
    code, out, errors = shell(*words)
    assert code == 1 and "none of 4 designs could be compared" in errors[0] and "the very same picture" in errors[0]
    assert len(errors) == 1 and out.count("left out: ") == 4 and not (tmp_path / "pairs").exists()


@pytest.mark.parametrize("word", ["nowhere.npz", "empty.npz"])
def test_weights_that_are_none_are_one_line(inputs, shell, tmp_path, word):
    (tmp_path / "empty.npz").touch()
    words = ["compare", inputs / "book", "--rival", tmp_path / word, "--out", tmp_path / "pairs"]
    code, out, errors = shell(*words, "--look-in", inputs)
    assert (code, out, len(errors)) == (1, "", 1) and word in errors[0] and not (tmp_path / "pairs").exists()


# Designs that cannot be compared --------------------------------------------------------------------------------------
def test_what_cannot_be_compared_is_named_and_the_rest_is_done(inputs, designer, shell, tmp_path):
    book = shutil.copytree(inputs / "book", tmp_path / "book")
    designs = find_designs(book)
    changed = open_picture(designs[0])
    changed[0, 0] ^= 255
    save_picture(changed, designs[0], metadata={RECIPE_FIELD: json.dumps(read_recipe(designs[0]))})
    garment, style = inputs / "garments" / "dress.png", inputs / "prints" / "gingham.png"
    save_dressed(dress(designer, garment, [style], lock=False), book / "unlocked.png")
    save_dressed(dress(designer, garment, [style], strength=0.0), book / "as it was.png")
    save_picture(draw_pattern("gingham", 40, 9), tmp_path / "lost.png")
    save_dressed(dress(designer, garment, [tmp_path / "lost.png"]), book / "orphan.png")
    (book / "torn.png").write_bytes(designs[1].read_bytes()[:3000])
    os.mkfifo(book / "pipe.png")
    (tmp_path / "lost.png").unlink()
    words = ["compare", book, "--rival", "paste", "--out", tmp_path / "pairs", "--size", "64", "--look-in", inputs]
    code, out, errors = shell(*words)
    assert (code, errors) == (1, []) and len(read_key(tmp_path / "pairs").pairs) == 3
    for name, reason in {
        designs[0].name: "somebody changed this design",
        "unlocked.png": "made without the lock",
        "as it was.png": "the very same picture",
        "orphan.png": "lost.png",
        "torn.png": "",
    }.items():
        lines = [line for line in out.splitlines() if line.startswith("left out: ") and name in line]
        assert len(lines) == 1 and reason in lines[0] and lines[0].endswith("."), (name, lines)
    assert out.count("left out: ") == 5


def test_sizes_that_nobody_paints_are_refused_before_they_are_painted(inputs, tmp_path):
    recipe = read_recipe(find_designs(inputs / "book")[0])
    huge = np.zeros((4104, 4104, 3), np.uint8)
    text = json.dumps(recipe | dict(pixels=pixels_sha256(huge)))
    save_picture(huge, tmp_path / "huge.png", metadata={RECIPE_FIELD: text})
    with pytest.raises(DesignError, match="4104 x 4104 pixels, more than any design"):
        make_candidates(tmp_path / "huge.png", PASTE, [inputs])
    form = SimpleNamespace(garment=np.zeros((3000, 3000, 1), np.uint8))
    article = Rival("article", designer=SimpleNamespace(generator=object()))  # no print head
    with pytest.raises(DesignError, match="9,000,000 pixels are more than article can paint"):
        article.dress(form, [], {})


@pytest.mark.parametrize("content", ["nothing", "no folder", "a file", "pictures without a recipe"])
def test_a_folder_without_designs_is_one_line(inputs, shell, tmp_path, content):
    folder = tmp_path / "designs"
    if content == "a file":
        folder.touch()
    elif content != "no folder":
        folder.mkdir()
        if content == "pictures without a recipe":
            shutil.copy(inputs / "prints" / "gingham.png", folder)
    code, out, errors = shell("compare", folder, "--rival", "paste", "--out", tmp_path / "pairs")
    assert (code, out, len(errors)) == (1, "", 1) and str(folder) in errors[0] and not (tmp_path / "pairs").exists()
    assert errors[0].endswith(".") and ("Name one with designs" in errors[0] or "holds no designs" in errors[0])


def test_a_place_to_look_in_that_is_none_is_one_line(inputs, shell, tmp_path):
    words = ["compare", inputs / "book", "--rival", "paste", "--out", tmp_path / "pairs", "--look-in", tmp_path / "no"]
    code, out, errors = shell(*words)
    assert (code, out, len(errors)) == (1, "", 1) and "no such folder" in errors[0]
    assert not (tmp_path / "pairs").exists()


def test_more_pairs_than_anybody_looks_at_are_refused(inputs, monkeypatch, tmp_path):
    monkeypatch.setattr(pairs_room, "find_designs", lambda folder: [inputs / "x.png"] * 1000)
    with pytest.raises(DesignError, match="1,000 pairs.*--count"):
        make_pairs(inputs / "book", PASTE, tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()


# The folder of pairs --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("held", ["01.png", "notes.txt", ".hidden", "folder"])
def test_a_folder_that_holds_something_is_refused_and_stays(inputs, shell, tmp_path, held):
    out = tmp_path / "pairs"
    out.mkdir()
    (out / held).mkdir() if held == "folder" else (out / held).write_text("mine")
    code, said, errors = shell(*words_of(inputs, out))
    assert (code, said, len(errors)) == (1, "", 1) and "nothing is written over" in errors[0]
    assert [path.name for path in out.iterdir()] == [held]
    assert held == "folder" or (out / held).read_text() == "mine"


def test_an_empty_folder_is_used_and_a_second_call_is_refused(inputs, shell, tmp_path):
    out = tmp_path / "pairs"
    out.mkdir()
    assert shell(*words_of(inputs, out, "--count", "1"))[0] == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert shell(*words_of(inputs, out, "--count", "1"))[0] == 1
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}


def test_a_file_in_the_place_of_the_folder(inputs, shell, tmp_path):
    (tmp_path / "pairs").write_text("mine")
    code, _, errors = shell(*words_of(inputs, tmp_path / "pairs"))
    assert code == 1 and len(errors) == 1 and "cannot write pairs here" in errors[0]
    assert (tmp_path / "pairs").read_text() == "mine"


def test_a_picture_that_somebody_puts_there_meanwhile_stays(inputs, shell, tmp_path, monkeypatch):
    whole, out = pairs_room.pair_picture, tmp_path / "pairs"

    def with_a_guest(*arguments):
        (out / "02.png").write_text("mine")
        return whole(*arguments)

    monkeypatch.setattr(pairs_room, "pair_picture", with_a_guest)
    code, _, errors = shell(*words_of(inputs, out))
    assert code == 1 and len(errors) == 1 and "02.png is there now" in errors[0]
    assert [path.name for path in out.iterdir()] == ["02.png"] and (out / "02.png").read_text() == "mine"


@pytest.mark.parametrize("at", ["02.png", PICKS_FILE, KEY_FILE])
def test_a_full_disk_leaves_nothing(inputs, shell, tmp_path, monkeypatch, at):
    whole = pairs_room.write_whole

    def full(path, data):
        if path.name == at:
            raise OSError(28, "No space left on device", str(path))
        whole(path, data)

    monkeypatch.setattr(pairs_room, "write_whole", full)
    out = tmp_path / "new" / "pairs"
    code, said, errors = shell(*words_of(inputs, out))
    assert (code, said, len(errors)) == (1, "", 1) and "No space left" in errors[0] and at in errors[0]
    assert "Free some space" in errors[0] and not (tmp_path / "new").exists()


class StopAfter:
    """Asks to stop when it has been asked `count` times."""

    def __init__(self, count):
        self.left = count

    @property
    def asked(self):
        self.left -= 1
        return self.left < 0


def test_a_stopped_comparison_is_a_smaller_one(inputs, tmp_path):
    places = [inputs / "garments", inputs / "prints"]
    made = make_pairs(inputs / "book", PASTE, tmp_path / "pairs", look_in=places, size=64, seed=7, stop=StopAfter(2))
    assert not made.finished and len(made.key.pairs) == 2 and read_key(tmp_path / "pairs") == made.key
    assert sorted(os.listdir(tmp_path / "pairs")) == ["01.png", "02.png", KEY_FILE, PICKS_FILE]
    with pytest.raises(KeyboardInterrupt):
        make_pairs(inputs / "book", PASTE, tmp_path / "none", look_in=places, stop=StopAfter(0))
    assert not (tmp_path / "none").exists()


def test_an_interrupt_at_any_place_leaves_nothing(inputs, shell, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pairs_room, "pair_picture", interrupted)
    code, out, errors = shell(*words_of(inputs, tmp_path / "pairs"))
    assert (code, out, errors) == (130, "", ["fashion-style: interrupted"]) and not (tmp_path / "pairs").exists()


def test_ctrl_c_ends_the_command_with_130_and_keeps_what_is_done(inputs, shell, tmp_path, monkeypatch):
    whole = pairs_room.pair_picture

    def with_ctrl_c(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return whole(*arguments)

    monkeypatch.setattr(pairs_room, "pair_picture", with_ctrl_c)
    code, out, errors = shell(*words_of(inputs, tmp_path / "pairs"))
    assert code == 130 and "stopped" in out and errors == [] and len(read_key(tmp_path / "pairs").pairs) == 1


# The key --------------------------------------------------------------------------------------------------------------
def test_a_key_says_again_what_it_said(pairs):
    key = read_key(pairs)
    assert read_key(pairs) == key and (pairs / KEY_FILE).read_text() == key.text()


@pytest.mark.parametrize("change", ["another picture", "another byte", "gone", "a pipe"])
def test_pictures_that_are_not_those_of_the_key_are_refused(pairs, shell, change):
    pick(pairs, [(1, "A")])
    picture = pairs / "02.png"
    data = picture.read_bytes()
    picture.unlink()
    if change == "a pipe":
        os.mkfifo(picture)
    elif change != "gone":
        picture.write_bytes((pairs / "03.png").read_bytes() if change == "another picture" else data + b"\0")
    code, out, errors = shell("compare", pairs, "--picks", pairs / "picks.csv")
    assert (code, out, len(errors)) == (1, "", 1) and "02.png" in errors[0]


def swapped(key):
    for entry in key["pairs"]:
        entry["A"] = "design"


BAD_KEYS = {
    "both sides": swapped,
    "no pairs": lambda key: key.update(pairs=[]),
    "pairs are none": lambda key: key.update(pairs=3),
    "a pair is none": lambda key: key["pairs"].append("01"),
    "a pair twice": lambda key: key["pairs"].append(key["pairs"][0]),
    "too many": lambda key: key.update(pairs=key["pairs"] * 300),
    "a path": lambda key: key["pairs"][0].update(picture="../01.png"),
    "a path as number": lambda key: key["pairs"][0].update(pair="../01", picture="../01.png"),
    "digits of another script": lambda key: key["pairs"][0].update(pair="٠١", picture="٠١.png"),
    "no digest": lambda key: key["pairs"][0].update(sha256="0"),
    "a digest that is a list": lambda key: key["pairs"][0].update(sha256=[1]),
    "no design": lambda key: key["pairs"][0].pop("design"),
    "no seed": lambda key: key.update(seed="7"),
    "no rival": lambda key: key.update(rival=None),
    "a rival without a name": lambda key: key.update(rival=dict(name=3, sha256=None)),
    "a rival's digest": lambda key: key.update(rival=dict(name="x", sha256="x")),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_of_somebody_else_is_one_line(pairs, shell, name):
    pick(pairs, [(1, "A")])
    content = json.loads((pairs / KEY_FILE).read_text())
    BAD_KEYS[name](content)
    (pairs / KEY_FILE).write_text(json.dumps(content))
    code, out, errors = shell("compare", pairs, "--picks", pairs / "picks.csv")
    assert (code, out, len(errors)) == (1, "", 1) and "no key to pairs" in errors[0] and "--debug" not in errors[0]


@pytest.mark.parametrize("data", [None, b"", b"{", b"[1]", b"3", b"null", b"[" * 100_000, b"\xff", b" " * 5_000_000])
def test_what_is_no_key_at_all_is_one_line(pairs, shell, data):
    pick(pairs, [(1, "A")])
    (pairs / KEY_FILE).unlink() if data is None else (pairs / KEY_FILE).write_bytes(data)
    code, out, errors = shell("compare", pairs, "--picks", pairs / "picks.csv")
    assert (code, out, len(errors)) == (1, "", 1) and "key.json" in errors[0] and "--debug" not in errors[0]


@pytest.mark.parametrize("folder", ["nowhere", "x" * 300])
def test_a_folder_of_pairs_that_is_none(shell, tmp_path, folder):
    code, out, errors = shell("compare", tmp_path / folder, "--picks", "picks.csv")
    assert code == (2 if len(folder) > 255 else 1) and out == "" and len(errors) == 1


# Picks ----------------------------------------------------------------------------------------------------------------
HEAD = "pair,pick,reason\n"
BAD_PICKS = {
    "empty": (b"", "empty"),
    "blank": (b" \r\n\r\n", "empty"),
    "a byte order mark": (b"\xef\xbb\xbf" + HEAD.encode() + b"1,A,\n", "byte order mark"),
    "UTF-16": ((HEAD + "1,A,\n").encode("utf-16"), "byte order mark"),
    "semicolons": (b"pair;pick;reason\n1;A;\n", "semicolons"),
    "tabs": (b"pair\tpick\treason\n1\tA\t\n", "first line"),
    "no heading": (b"1,A,\n", "first line"),
    "other columns": (b"pair,choice,reason\n1,A,\n", "first line"),
    "no column of picks": (b"pair,reason\n1,A\n", "first line"),
    "an unknown pair": (HEAD.encode() + b"9,A,\n", "row 2 names the pair '9'"),
    "a pair that is no number": (HEAD.encode() + b"first,A,\n", "'first'"),
    "a pair without a number": (HEAD.encode() + b",A,\n", "''"),
    "a pair twice": (HEAD.encode() + b"01,A,\n1,A,\n", "row 3 names the pair 01 a second time"),
    "another letter": (HEAD.encode() + b"1,C,\n", "'C'"),
    "a small letter": (HEAD.encode() + b"1,a,\n", "'a'"),
    "two letters": (HEAD.encode() + b"1,AB,\n", "'AB'"),
    "a formula as pick": (HEAD.encode() + b"1,=A1+1,\n", "'=A1+1'"),
    "a guarded formula": (HEAD.encode() + b"1,'=A1+1,\n", "'=A1+1'"),
    "a formula as pair": (HEAD.encode() + b'"=1",A,\n', "'=1'"),
    "no text": (HEAD.encode() + b"1,\xff\xfe,\n", "UTF-8"),
    "NUL": (HEAD.encode() + b"1,\0,\n", ""),
    "a field without end": (HEAD.encode() + b'1,"' + b"x" * 200_000, "CSV"),
    "too large": (HEAD.encode() + b" " * 1_100_000, "bytes"),
    "a huge number": (HEAD.encode() + b"9" * 5000 + b",A,\n", "which there is not"),
}


@pytest.mark.parametrize("name", BAD_PICKS)
def test_bad_picks_are_one_clear_line(pairs, shell, name):
    data, reason = BAD_PICKS[name]
    (pairs / "picks.csv").write_bytes(data)
    code, out, errors = shell("compare", pairs, "--picks", pairs / "picks.csv")
    assert (code, out, len(errors)) == (1, "", 1) and reason in errors[0], errors
    assert "picks.csv" in errors[0] and errors[0].endswith(".") and "--debug" not in errors[0] and len(errors[0]) < 1000
    with pytest.raises(FileError):
        read_picks(pairs / "picks.csv", read_key(pairs))


@pytest.mark.parametrize("kind", ["missing", "a folder", "a pipe"])
def test_picks_that_are_no_file(pairs, shell, kind):
    picks = pairs.parent / "other.csv"
    if kind != "missing":
        picks.mkdir() if kind == "a folder" else os.mkfifo(picks)
    code, out, errors = shell("compare", pairs, "--picks", picks)
    assert (code, out, len(errors)) == (1, "", 1) and "other.csv" in errors[0] and "--debug" not in errors[0]


def test_picks_as_people_and_spreadsheets_write_them(pairs):
    key = read_key(pairs)
    text = 'pair, pick ,reason\r\n1, A ,"nice, warm"\r\n02,=\r\n\r\n,,\r\n3,\'=,- too dark, and long\r\n4,,=1+1\r\n'
    (pairs / "picks.csv").write_bytes(text.encode())
    assert read_picks(pairs / "picks.csv", key) == {"01": "A", "02": TIE, "03": TIE}


def test_the_table_beside_the_pairs_is_found_by_its_name_alone(pairs, shell, monkeypatch, tmp_path):
    key = read_key(pairs)
    pick(pairs, [(pair.number, pair.side) for pair in key.pairs])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, errors = shell("compare", pairs, "--picks", "picks.csv")
    assert (code, errors) == (0, []) and "designs 4, paste 0, neither 0" in out
    pick(tmp_path / "elsewhere", [(1, TIE)])
    assert "neither 1" in shell("compare", pairs, "--picks", "picks.csv")[1], "what was typed comes first"


def test_spoilt_keys_and_tables_are_refused_or_right(pairs):
    """Bytes changed, cut and doubled at random: one error of ours, or what the file says."""
    pick(pairs, [(1, "A"), (2, "B"), (3, "=")])
    random, key, refused = np.random.default_rng(0), read_key(pairs), 0
    for name in (KEY_FILE, PICKS_FILE):
        whole = (pairs / name).read_bytes()
        for _ in range(300):
            data, place = bytearray(whole), random.integers(len(whole))
            data[place : place + random.integers(3)] = random.bytes(random.integers(3)) * random.integers(1, 50)
            (pairs / name).write_bytes(data)
            try:
                preference(key, read_picks(pairs / PICKS_FILE, key)) if name == PICKS_FILE else read_key(pairs)
            except FileError as error:
                assert name in str(error) or ".png" in str(error)
                refused += 1
        (pairs / name).write_bytes(whole)
    assert 200 < refused < 600 and read_key(pairs) == key


# What picks say -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "successes, trials, low, high",
    [
        # by hand, z = 1.959964; see the notebook studio/blind
        (9, 12, 0.4677, 0.9111),
        (10, 12, 0.5520, 0.9530),
        (5, 8, 0.3057, 0.8632),
        (12, 16, 0.5050, 0.8982),
        (0, 4, 0.0, 0.4899),
        (4, 4, 0.5101, 1.0),
        (3, 3, 0.4385, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_wilsons(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=6e-5)
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=6e-5)


def test_an_end_of_the_interval_is_where_the_count_just_becomes_surprising():
    for successes, trials in ((9, 12), (1, 30), (250, 999)):
        for end in wilson_interval(successes, trials, z=1.96):
            assert abs(successes / trials - end) == pytest.approx(1.96 * (end * (1 - end) / trials) ** 0.5)


def key_of(count):
    sides = [side for _, side in draw_places(count, 1)]
    return Key(tuple(Pair(f"{n:02d}", f"{n}.png", side, "0" * 64) for n, side in enumerate(sides, 1)), "paste", 1)


@pytest.mark.parametrize(
    "wins, losses, ties, missing, verdict",
    [
        (10, 2, 0, 0, "excludes one half: the designs are preferred to paste"),
        (2, 10, 3, 1, "excludes one half: paste is preferred to the designs"),
        (9, 3, 0, 0, "does not exclude one half"),
        (5, 3, 2, 0, "does not exclude one half"),
        (0, 0, 4, 0, "No pair is decided"),
        (0, 0, 0, 3, "No pair is decided"),
    ],
)
def test_what_picks_say(wins, losses, ties, missing, verdict):
    key = key_of(wins + losses + ties + missing)
    letters = [pair.side for pair in key.pairs[:wins]]
    letters += ["B" if pair.side == "A" else "A" for pair in key.pairs[wins : wins + losses]] + [TIE] * ties
    picks = {pair.number: letter for pair, letter in zip(key.pairs, letters)}
    found = preference(key, picks)
    assert (found.designs, found.rivals, found.ties, len(found.missing)) == (wins, losses, ties, missing)
    assert found.left == letters.count("A") and found.interval == wilson_interval(wins, wins + losses)
    text = "\n".join(found.lines())
    assert verdict in found.lines()[-1] and f"designs {wins}, paste {losses}, neither {ties}" in text
    assert ("not picked" in text) == bool(missing) and all(number in text for number in found.missing)
    picked = wins + losses + ties
    assert not picked or f"of {picked}: {(wins + ties / 2) / picked:.3f}" in text


def test_missing_pairs_are_said_and_left_out(pairs, shell):
    key = read_key(pairs)
    pick(pairs, [(key.pairs[0].number, key.pairs[0].side), ("03", "=")])
    code, out, errors = shell("compare", pairs, "--picks", pairs / "picks.csv")
    assert (code, errors) == (0, []) and "designs 1, paste 0, neither 1" in out
    assert "not picked, so left out of the count: 02, 04" in out and "of 1 decided: 1.000" in out
    assert "ties counted half, of 2: 0.750" in out and "does not exclude one half" in out


def test_a_table_that_nobody_has_filled_in_says_nothing(pairs, shell):
    code, out, errors = shell("compare", pairs, "--picks", pairs / "picks.csv")
    assert (code, errors) == (0, []) and "01, 02, 03, 04" in out and "No pair is decided" in out


def test_names_in_a_key_steer_no_terminal(pairs, shell):
    content = json.loads((pairs / KEY_FILE).read_text())
    content["rival"]["name"] = "a\x1b[2J\nfashion-style: all is well"
    (pairs / KEY_FILE).write_text(json.dumps(content))
    pick(pairs, [(1, "A"), (2, "B")])
    code, out, _ = shell("compare", pairs, "--picks", pairs / "picks.csv")
    assert code == 0 and "\x1b" not in out and "\nfashion-style" not in out and "\\x1b[2J" in out


def test_picks_are_counted_without_tensorflow(pairs):
    pick(pairs, [(1, "A")])
    script = (
        "import sys; from fashion_style.cli import main; code = main(sys.argv[1:]);"
        "sys.exit(code or bool({'tensorflow', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    words = ["compare", pairs, "--picks", pairs / "picks.csv"]
    done = subprocess.run([sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "paste" in done.stdout and not done.stderr
