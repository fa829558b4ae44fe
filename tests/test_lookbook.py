"""Recipes and lookbooks: the same pixels again, interrupts, bad files."""

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from fashion_style.cli import main
from fashion_style.cloth.repeats import IN_0_1
from fashion_style.design import Designer, load_designer
from fashion_style.errors import DesignError, PictureError, TrainingError
from fashion_style.garments import draw_garment
from fashion_style.images import open_picture, save_picture
from fashion_style.patterns import draw_pattern
from fashion_style.studio import lookbook
from fashion_style.studio.lookbook import DOUBT, TABLE, choose_pairs, make_lookbook
from fashion_style.studio.recipes import RECIPE_FIELD, Dressed, dress, file_sha256, read_recipe, reproduce, save_dressed
from fashion_style.writing import writer_lock


@pytest.fixture(scope="module")
def designer():
    return load_designer()


@pytest.fixture
def files(tmp_path):
    for place in ("garments", "prints"):
        (tmp_path / place).mkdir()
    for kind in ("dress", "shirt"):
        save_picture(draw_garment(kind, 72, 4).picture, tmp_path / "garments" / f"{kind}.png")
    for family in ("gingham", "asanoha"):
        save_picture(draw_pattern(family, 64, 2), tmp_path / "prints" / f"{family}.png")
    return tmp_path


@pytest.mark.parametrize("garments, styles, count", [(5, 7, 11), (3, 3, 9), (20, 30, 60), (1, 9, 4)])
def test_pairs_are_different_and_fair(garments, styles, count):
    pairs = choose_pairs(range(garments), range(styles), count, seed=3)
    assert len(set(pairs)) == count
    for side, number in ((0, garments), (1, styles)):
        seen = Counter(pair[side] for pair in pairs)
        assert max(seen.values()) - min(seen.get(key, 0) for key in range(number)) <= 1
    assert pairs == choose_pairs(range(garments), range(styles), count, seed=3)


@pytest.mark.parametrize("arguments", [([], [1]), ([1], []), ([1], [1], 0)])
def test_nothing_to_pair(arguments):
    with pytest.raises(DesignError, match="Received"):
        choose_pairs(*arguments)


def test_reproduce_lays_as_it_was_laid_whatever_is_found_today(designer, files, monkeypatch):
    swatch = np.tile(draw_pattern("paisley", 48), (3, 3, 1))[:130, :120]
    save_picture(swatch, files / "prints" / "swatch.png")
    made = dress(designer, files / "garments" / "dress.png", [files / "prints" / "swatch.png"], motif_scale=0.5)
    assert made.recipe["laid"][0]["piece"][2:] == [96, 96] and made.recipe["settings"].get("repeat") is None
    save_dressed(made, files / "out.png")
    monkeypatch.setattr("fashion_style.cloth.repeats.find_repeat", None)  # not asked again
    assert reproduce(files / "out.png", [files]).differences == ()


def test_a_recipe_of_0_1_lays_stripes_as_then(designer, files, monkeypatch):
    stripes = np.repeat(np.float32([[-1], [1]]), 32, axis=0)[:, None] * np.ones((1, 64, 3), "float32")
    save_picture(stripes, files / "prints" / "stripes.png")
    names = files / "garments" / "dress.png", [files / "prints" / "stripes.png"]
    then = dress(designer, *names, motif_scale=0.3, finder="graph cut", repeat=IN_0_1, way=1)
    now = dress(designer, *names, motif_scale=0.3, finder="graph cut", way=1)
    assert not np.array_equal(then.layers.colours, now.layers.colours)
    old = {key: value for key, value in then.recipe.items() if key != "laid"} | dict(version="0.1.0")
    old["settings"] = {key: value for key, value in old["settings"].items() if key not in ("finder", "repeat")}
    save_dressed(Dressed(then.design, old), files / "out.png")
    assert reproduce(files / "out.png", [files]).differences == ()


@pytest.mark.parametrize("laid", [[], [dict(layout="straight", piece=[0, 0, 640, 64], found=None)]])
def test_an_edited_note_is_refused(designer, files, laid):
    made = dress(designer, files / "garments" / "dress.png", [files / "prints" / "gingham.png"])
    save_dressed(Dressed(made.design, made.recipe | dict(laid=laid)), files / "out.png")
    with pytest.raises(DesignError, match="somebody changed it"):
        reproduce(files / "out.png", [files])


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(strength=0.4, motif_scale=0.5, keep_colours=True),
        dict(lock=False, size=48),
        dict(repeat="half-drop", rotate=12.5, offset=[0.1, -0.2]),
        dict(repeat="none", motif_scale=0.4),
    ],
)
def test_reproduce_makes_the_same_pixels(designer, files, settings):
    styles = [files / "prints" / "gingham.png", files / "prints" / "asanoha.png"]
    save_dressed(
        dress(designer, files / "garments" / "dress.png", styles, weights=[1, 3], **settings), files / "out.png"
    )
    again = reproduce(files / "out.png", [files])
    assert again.differences == ()
    np.testing.assert_array_equal(again.picture, open_picture(files / "out.png"))


def test_a_mask_file_is_part_of_the_recipe(designer, files):
    mask = np.zeros((72, 72, 3), np.uint8)
    mask[20:50, 20:50] = 255
    save_picture(mask, files / "mask.png")
    save_dressed(
        dress(designer, files / "garments" / "dress.png", [files / "prints" / "gingham.png"], mask=files / "mask.png"),
        files / "out.png",
    )
    assert not reproduce(files / "out.png", [files]).differences
    (files / "mask.png").unlink()
    with pytest.raises(DesignError, match="mask.png"):
        reproduce(files / "out.png", [files])


def test_other_version_and_weights_are_named(designer, files):
    made = dress(designer, files / "garments" / "dress.png", [files / "prints" / "gingham.png"])
    recipe = dict(made.recipe, version="0.0.0", generator=dict(name="other", sha256="ff" * 32))
    save_picture(made.design.picture, files / "out.png", metadata={RECIPE_FIELD: json.dumps(recipe)})
    differences = reproduce(files / "out.png", [files]).differences
    assert len(differences) == 2 and "version" in differences[0] and "weights" in differences[1]


WHOLE = dict(
    garment=dict(name="a", sha256="b"),
    styles=[dict(name="a", sha256="b")],
    mask=None,
    generator=dict(name="a", sha256="b"),
    settings={},
    pixels="c",
)


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[1]", "3", '{"garment": 3}', "[" * 100_000]
    + [
        json.dumps(dict(WHOLE, **wrong))
        for wrong in (
            dict(garment=3),
            dict(garment=None),
            dict(styles=3),
            dict(styles=[]),
            dict(styles=["a"]),
            dict(mask=3),
            dict(generator="x"),
            dict(settings=[1]),
            dict(pixels=None),
        )
    ],
)
def test_a_picture_without_a_whole_recipe(files, text):
    save_picture(
        np.zeros((8, 8, 3), np.uint8), files / "x.png", metadata=None if text is None else {RECIPE_FIELD: text}
    )
    with pytest.raises(DesignError, match="no recipe"):
        read_recipe(files / "x.png")


def test_bad_files_cost_their_own_pairs_only(designer, files):
    (files / "prints" / "torn.png").write_bytes(b"torn")
    (files / "garments" / "empty.jpg").write_bytes(b"")
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    assert len(book.rows) == 4 and len(book.bad) == 2 and book.finished


def test_a_torn_table_and_a_lost_design_are_made_again(designer, files):
    first = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    table = (files / "out" / TABLE).read_bytes()
    (files / "out" / first.rows[0]["design"]).unlink()
    (files / "out" / TABLE).write_bytes(table[:-40])
    second = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    assert second.kept == 2 and (files / "out" / TABLE).read_bytes() == table


def test_names_of_two_folders_do_not_collide(designer, files):
    (files / "more").mkdir()
    save_picture(draw_garment("dress", 72, 9).picture, files / "more" / "dress.png")
    book = make_lookbook(designer, [files / "garments", files / "more"], files / "prints", files / "out", count=6)
    assert len({row["design"] for row in book.rows}) == 6


def test_a_table_of_somebody_else_is_not_written_over(designer, files):
    (files / "out").mkdir()
    (files / "out" / TABLE).write_text("my,own,table\n1,2,3\n")
    with pytest.raises(DesignError, match="not written over"):
        make_lookbook(designer, files / "garments", files / "prints", files / "out")
    assert (files / "out" / TABLE).read_text() == "my,own,table\n1,2,3\n"


def test_a_print_too_small_costs_its_own_pairs_only(designer, files):
    save_picture(np.zeros((2, 2, 3), np.uint8), files / "prints" / "tiny.png")
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    assert (
        len(book.rows) == 4 and len(book.bad) == 1 and "tiny.png: a style needs at least 4 pixels" in str(book.bad[0])
    )


def test_nothing_that_can_be_dressed_is_an_error(designer, files):
    for path in (files / "prints").iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(DesignError, match="none of 4 pairs"):
        make_lookbook(designer, files / "garments", files / "prints", files / "out")


def test_what_cannot_be_read_beside_the_inputs_does_not_matter(designer, files):
    save_dressed(
        dress(designer, files / "garments" / "dress.png", [files / "prints" / "gingham.png"]), files / "out.png"
    )
    (files / "prints" / "a link.png").symlink_to("nowhere.png")
    os.mkfifo(files / "prints" / "a pipe.png")
    assert reproduce(files / "out.png", [files]).differences == ()


# A hostile folder of results, and hostile names ----------------------------------------------------------------------
def test_a_retouched_design_is_left_alone(designer, files):
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    paths = [files / "out" / row["design"] for row in book.rows]
    picture = open_picture(paths[0])
    picture[0, 0] = 255 - picture[0, 0]
    # an editor that keeps text fields
    save_picture(picture, paths[0], metadata={RECIPE_FIELD: json.dumps(read_recipe(paths[0]))})
    save_picture(picture, paths[1])  # one that drops them
    before = [path.read_bytes() for path in paths]
    again = make_lookbook(designer, files / "garments", files / "prints", files / "out", strength=0.5)
    assert [path.read_bytes() for path in paths[:2]] == before[:2] and len(again.rows) == 2 and again.kept == 0
    assert len(again.bad) == 2 and all("somebody changed this design" in str(error) for error in again.bad)
    assert paths[2].read_bytes() != before[2], "what is ours and would come out differently is made anew"


def test_a_contact_sheet_of_somebody_else_is_not_written_over(designer, files):
    (files / "out").mkdir()
    (files / "out" / "contact_sheet.png").write_bytes(b"mine")
    with pytest.raises(DesignError, match="not written over"):
        make_lookbook(designer, files / "garments", files / "prints", files / "out")
    assert (files / "out" / "contact_sheet.png").read_bytes() == b"mine"


def test_a_contact_sheet_that_leads_elsewhere_is_not_followed(designer, files):
    make_lookbook(designer, files / "garments", files / "prints", files / "out", count=1, size=16)
    (files / "diary").write_bytes(b"mine")
    (files / "out" / "contact_sheet.png").unlink()
    (files / "out" / "contact_sheet.png").symlink_to(files / "diary")
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out", count=1, size=16)
    assert book.kept == 1 and (files / "diary").read_bytes() == b"mine"
    assert not (files / "out" / "contact_sheet.png").is_symlink()


def test_names_that_a_spreadsheet_would_run(designer, files):
    os.rename(files / "garments" / "dress.png", files / "garments" / "=HYPERLINK(1).png")
    os.rename(files / "prints" / "gingham.png", files / "prints" / "@SUM(A1).png")
    for path in (files / "garments" / "shirt.png", files / "prints" / "asanoha.png"):
        path.unlink()
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out", size=16)
    text = (files / "out" / TABLE).read_text(encoding="utf-8")
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=+@\t\r" and cell]
    assert "'=HYPERLINK(1).png" in cells and "'@SUM(A1).png" in cells
    assert [(row["garment"], row["style"]) for row in book.rows] == [("=HYPERLINK(1).png", "@SUM(A1).png")]
    again = make_lookbook(designer, files / "garments", files / "prints", files / "out", size=16)
    assert again.kept == 1 and again.rows == book.rows


def test_a_second_writer_is_refused(designer, files):
    with writer_lock(files / "out"), pytest.raises(TrainingError, match="another process is writing"):
        make_lookbook(designer, files / "garments", files / "prints", files / "out")


def test_pipes_links_and_vanished_files_cost_their_own_pairs_only(designer, files):
    os.mkfifo(files / "prints" / "a pipe.png")
    (files / "prints" / "a device.png").symlink_to("/dev/zero")
    (files / "garments" / "a link.png").symlink_to("nowhere.png")
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    assert len(book.rows) == 4 and len(book.bad) == 3 and (files / "out" / "contact_sheet.png").is_file()


def test_long_names_of_every_script_and_of_none(designer, files):
    long = "旗袍" * 40 + ".png"  # 244 bytes: as long as a name can be
    os.rename(files / "garments" / "dress.png", files / "garments" / long)
    # no text in any encoding
    os.rename(files / "prints" / "gingham.png", os.fsencode(files / "prints") + b"/" + "格".encode() * 80 + b"\xff.png")
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    assert len(book.rows) == 4 and not book.bad and all(len(os.fsencode(row["design"])) <= 191 for row in book.rows)
    assert (files / "out" / TABLE).read_text(encoding="utf-8").count("\\udcff") >= 2
    assert make_lookbook(designer, files / "garments", files / "prints", files / "out").kept == 4


def test_more_than_a_million_pairs_are_refused_and_a_sample_of_them_is_quick():
    with pytest.raises(DesignError, match="4,000,000 pairs.*--count 1000"):
        choose_pairs(range(2000), range(2000))
    pairs = choose_pairs(range(20_000), range(30_000), 500)
    assert len(set(pairs)) == 500 == len({garment for garment, _ in pairs}) == len({style for _, style in pairs})


def test_inputs_are_found_by_their_name_whatever_its_suffix(designer, files):
    os.rename(files / "garments" / "dress.png", files / "garments" / "dress.photo")
    save_dressed(
        dress(designer, files / "garments" / "dress.photo", [files / "prints" / "gingham.png"]), files / "out.png"
    )
    assert reproduce(files / "out.png", [files / "garments", files / "prints"]).differences == ()


@pytest.mark.parametrize(
    "settings",
    [
        dict(strength="1"),
        dict(size=10**9),
        dict(weights=[1, 2, 3]),
        dict(motif_scale=[1]),
        dict(colour=1),
        dict(mask="x"),
    ],
)
def test_an_edited_recipe_is_one_clear_error_that_names_the_picture(designer, files, settings):
    made = dress(designer, files / "garments" / "dress.png", [files / "prints" / "gingham.png"])
    save_picture(
        made.design.picture,
        files / "edited.png",
        metadata={RECIPE_FIELD: json.dumps(dict(made.recipe, settings=settings))},
    )
    with pytest.raises(DesignError, match="edited.png: its recipe"):
        reproduce(files / "edited.png", [files])


def test_a_recipe_is_refused_before_anything_is_read(designer, files, monkeypatch):
    made = dress(designer, files / "garments" / "dress.png", [files / "prints" / "gingham.png"])
    style = made.recipe["styles"][0]
    for number, change in enumerate(
        (
            dict(styles=[style] * 3000),
            dict(styles=[style] * 9),
            dict(garment=dict(made.recipe["garment"], name="x" * 300)),
            dict(garment=dict(made.recipe["garment"], sha256="0" * 63)),
            dict(pixels="?" * 64),
            dict(version="1" * 50),
            dict(settings=dict(made.recipe["settings"], lock=1)),
            dict(settings=dict(made.recipe["settings"], keep_colours="no")),
            dict(settings=dict(made.recipe["settings"], size=16.5)),
            dict(settings=dict(made.recipe["settings"], strength=float("nan"))),
            dict(settings=dict(made.recipe["settings"], weights=[10**400])),
            dict(settings=dict(made.recipe["settings"], weights=[[1]])),
        )
    ):
        path = files / f"edited-{number}.png"
        save_picture(made.design.picture, path, metadata={RECIPE_FIELD: json.dumps(made.recipe | change)})
        with monkeypatch.context() as patch:
            for name in ("find_inputs", "load_designer", "dress"):
                patch.setattr(f"fashion_style.studio.recipes.{name}", lambda *_, **__: pytest.fail("it was begun"))
            with pytest.raises(DesignError, match=f"edited-{number}.png: its recipe asks.*Received"):
                reproduce(path, [files])


def test_a_mix_has_one_limit_everywhere(designer, files):
    from fashion_style.studio.wishes import MOST_STYLES

    garment, style = files / "garments" / "dress.png", files / "prints" / "gingham.png"
    made = dress(designer, garment, [style] * MOST_STYLES, size=16)
    save_dressed(made, files / "out.png")
    assert reproduce(files / "out.png", [files]).differences == ()
    for paint in (
        lambda count: dress(designer, "none", ["none"] * count),
        lambda count: designer.stylize("none", ["none"] * count),
    ):
        for count in (0, MOST_STYLES + 1, 3000):
            with pytest.raises(DesignError, match="a mix has 1 to 8 styles. Received"):
                paint(count)


def test_the_number_of_styles_costs_no_memory(designer, files):
    """A recipe of 25 kB once took 8.8 GB."""
    made = dress(designer, files / "garments" / "dress.png", [files / "prints" / "gingham.png"], size=16)
    many = dict(made.recipe, styles=made.recipe["styles"] * 3000)
    save_picture(made.design.picture, files / "many.png", metadata={RECIPE_FIELD: json.dumps(many)})
    script = (
        "import os, resource, sys\n"
        "from fashion_style.studio.recipes import reproduce\n"
        "now = int(open('/proc/self/statm').read().split()[0]) * os.sysconf('SC_PAGE_SIZE')\n"
        "resource.setrlimit(resource.RLIMIT_AS, (now + 2_000_000_000,) * 2)\n"
        "try:\n    reproduce(sys.argv[1], [sys.argv[2]])\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(files / "many.png"), str(files)], capture_output=True, text=True, timeout=300
    )
    assert said.stdout.startswith("DesignError") and "Received: 3,000" in said.stdout, said


# --- a picture file is read once --------------------------------------------------------------------------------------
opened_files = []  # paths of all files opened while the list below is "on"
watching = []


def _watch(event, arguments):
    if event == "open" and watching and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened_files.append(os.path.realpath(os.fsdecode(arguments[0])))


sys.addaudithook(_watch)


@contextlib.contextmanager
def counted_opens():
    """A `Counter` of the files opened meanwhile, by real path; filled at the end."""
    opened_files.clear()
    watching.append(True)
    counts = Counter()
    try:
        yield counts
    finally:
        watching.clear()
        counts.update(opened_files)


@pytest.fixture()
def stylize_words(files):
    save_picture(np.full((72, 72, 3), 255, np.uint8), files / "mask.png")
    inputs = [files / "garments" / "dress.png", files / "prints" / "gingham.png", files / "mask.png"]
    words = ["stylize", *inputs[:2], "--mask", inputs[2], "--size", "48", "--out", files / "out.png"]
    return inputs, [str(word) for word in words]


def test_stylize_opens_each_picture_once(stylize_words, files):
    inputs, words = stylize_words
    with counted_opens() as counts:
        assert main(words) == 0
    assert [counts[os.path.realpath(path)] for path in inputs] == [1, 1, 1]
    assert [item["sha256"] for item in read_recipe(files / "out.png")["styles"]] == [file_sha256(inputs[1])]


def test_a_print_that_is_named_three_times_is_read_once(files):
    garment, style = files / "garments" / "dress.png", files / "prints" / "gingham.png"
    words = ["stylize", garment, style, style, style, "--size", "16", "--out", files / "out.png"]
    with counted_opens() as counts:
        assert main([str(word) for word in words]) == 0
    assert counts[os.path.realpath(style)] == 1
    with counted_opens() as counts:
        assert main(["reproduce", str(files / "out.png"), "--look-in", str(files), str(files / "prints")]) == 0
    assert counts[os.path.realpath(style)] == 1


def test_an_opened_file_is_counted(files):
    with counted_opens() as counts:
        for read in (open_picture, Image.open, file_sha256):
            read(files / "garments" / "dress.png")
    assert counts[os.path.realpath(files / "garments" / "dress.png")] == 3


def test_the_recipe_names_the_bytes_that_were_painted_when_a_file_changes_meanwhile(stylize_words, files, monkeypatch):
    inputs, words = stylize_words
    before = {path: (file_sha256(path), path.read_bytes()) for path in inputs[:2]}
    stylize = Designer.stylize

    def change_files_first(self, *given, **settings):
        for path in before:
            save_picture(np.zeros((64, 64, 3), np.uint8), path)
        return stylize(self, *given, **settings)

    monkeypatch.setattr(Designer, "stylize", change_files_first)
    assert main(words) == 0
    monkeypatch.undo()
    recipe = read_recipe(files / "out.png")
    assert [recipe["garment"]["sha256"], recipe["styles"][0]["sha256"]] == [digest for digest, _ in before.values()]
    assert file_sha256(inputs[0]) != recipe["garment"]["sha256"]
    with pytest.raises(DesignError, match="cannot be made again without dress.png"):
        reproduce(files / "out.png", [files])
    for path, (_, data) in before.items():
        path.write_bytes(data)
    assert reproduce(files / "out.png", [files]).differences == ()


def test_a_lookbook_opens_each_garment_once_and_a_print_once_a_design(designer, files):
    with counted_opens() as counts:
        book = make_lookbook(designer, files / "garments", files / "prints", files / "out", size=32)
    garments, prints = sorted((files / "garments").iterdir()), sorted((files / "prints").iterdir())
    assert len(book.rows) == len(garments) * len(prints)
    assert {counts[os.path.realpath(path)] for path in garments} == {1}
    assert {counts[os.path.realpath(path)] for path in prints} == {len(garments)}


def test_a_design_that_cannot_be_written_ends_the_work(designer, files, monkeypatch):
    """Not one line among the bad pictures: the disk would refuse the other pairs too."""
    written = []

    def write(dressed, path, **options):
        written.append(path)
        if len(written) == 2:
            raise PictureError(str(path), "it cannot be written (no space left)", "Free some space")
        save_dressed(dressed, path, **options)

    monkeypatch.setattr(lookbook, "save_dressed", write)
    with pytest.raises(PictureError, match="cannot be written"):
        make_lookbook(designer, files / "garments", files / "prints", files / "out", size=48)
    assert len(written) == 2


def test_a_table_of_0_1_without_the_column_of_warnings_is_taken_up(designer, files, tmp_path):
    out = tmp_path / "out"
    make_lookbook(designer, files / "garments", files / "prints", out, count=2)
    rows = list(csv.DictReader((out / "designs.csv").open(encoding="utf-8", newline="")))
    with (out / "designs.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "warnings"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    book = make_lookbook(designer, files / "garments", files / "prints", out, count=2)
    assert book.kept == 2 and all(row["warnings"] == "" for row in book.rows)


def test_a_doubtful_mask_is_written_into_the_table(designer, files, tmp_path):
    (tmp_path / "plain").mkdir()
    save_picture(np.full((72, 72, 3), 200, np.uint8), tmp_path / "plain" / "nothing.png")
    book = make_lookbook(designer, tmp_path / "plain", files / "prints", tmp_path / "out", count=1)
    assert "no garment could be told" in book.rows[0]["warnings"] and "--mask" in book.rows[0]["warnings"]
    sheet = open_picture(tmp_path / "out" / "contact_sheet.png")
    framed = (sheet == DOUBT).all(axis=2)
    assert 3 * 4 * 120 < framed.sum() < 3 * 4 * 128 + 18 * 50, "a frame of three pixels, and a word"
    whole = make_lookbook(designer, files / "garments", files / "prints", tmp_path / "whole", count=1)
    assert whole.rows[0]["warnings"] == ""
    assert not (open_picture(tmp_path / "whole" / "contact_sheet.png") == DOUBT).all(axis=2).any()


def test_the_command_names_each_doubtful_garment_once(files, tmp_path, capfd):
    (tmp_path / "plain").mkdir()
    save_picture(np.full((72, 72, 3), 200, np.uint8), tmp_path / "plain" / "nothing.png")
    words = ["--garments", tmp_path / "plain", "--styles", files / "prints", "--out", tmp_path / "out", "--size", "32"]
    for _ in range(2):  # made, then kept
        main(["designs", *map(str, words), "--count", "2"])
        said = capfd.readouterr().out
        assert (
            said.count("doubtful mask: nothing.png: no garment could be told") == 1 and "2 designs with a doubt" in said
        )


def test_the_recipe_names_the_finder_and_an_old_one_takes_that_of_then(designer, files):
    save_picture(draw_garment("t-shirt", 72, 1, render="flat").picture, files / "flat.png")
    made = dress(designer, files / "flat.png", [files / "prints" / "gingham.png"])
    assert made.recipe["finder"] == made.design.finder == "drawing" and made.design.warnings == ()
    old = dress(designer, files / "flat.png", [files / "prints" / "gingham.png"], finder="graph cut")
    recipe = dict(old.recipe, version="0.1.0")
    del recipe["settings"]["finder"], recipe["finder"]  # as version 0.1 wrote it
    assert (old.design.mask != made.design.mask).any()
    save_dressed(old._replace(recipe=recipe), files / "old.png")
    save_dressed(made, files / "new.png")
    assert reproduce(files / "old.png", [files]).differences == ()
    assert reproduce(files / "new.png", [files]).differences == ()
