"""Opacity of garments, prints and masks: a cut-out garment keeps it to the bit, lace shows the cloth."""

import json

import numpy as np
import pytest
from PIL import Image

from fashion_style.cli import main
from fashion_style.cloth.forms import FRAMED, HARDLY_SEEN, make_form, opacity_warnings, read_cloth, read_print
from fashion_style.cloth.transparency import fill_holes, read_background, resize_layers
from fashion_style.decoding.layers import Layers
from fashion_style.design import load_designer
from fashion_style.errors import DesignError, PictureError
from fashion_style.garments import draw_garment
from fashion_style.images import open_layers, open_picture, save_picture, to_float, to_uint8
from fashion_style.patterns import draw_pattern
from fashion_style.reading.sources import folder_source
from fashion_style.studio.lookbook import make_lookbook
from fashion_style.studio.proposals import propose
from fashion_style.studio.recipes import RECIPE_FIELD, dress, pixels_sha256, reproduce, save_dressed
from fashion_style.studio.ways import read_mask

SIDE = 64
SHAPE = draw_garment("shirt", SIDE, 3).mask[..., 0]
PRINT = to_uint8(draw_pattern("gingham", SIDE, 2))


@pytest.fixture(scope="module")
def designer():
    return load_designer()


@pytest.fixture(scope="module")
def tee():
    """A white tee, cut out with a soft rim, over green that nobody sees."""
    tee = np.zeros((SIDE, SIDE, 4), np.uint8)
    tee[..., 3] = np.rint(SHAPE * 255)
    tee[tee[..., 3] == 0] = (0, 255, 0, 0)
    tee[tee[..., 3] > 0, :3] = 255
    return tee


@pytest.fixture(scope="module")
def lace():
    """Threads every fourth pixel, holes between, which are green in the file."""
    lace = np.zeros((SIDE, SIDE, 4), np.uint8)
    lace[...] = (0, 255, 0, 0)
    lace[::4] = lace[:, ::4] = (240, 240, 230, 255)
    return lace


# --- garments
# -----------------------------------------------------------------------------------------------------------------


def test_a_cut_out_tee_keeps_its_opacity_and_what_is_hidden(designer, tee):
    design = designer.stylize(tee, PRINT)
    np.testing.assert_array_equal(design.alpha, tee[..., 3])
    np.testing.assert_allclose(design.mask[..., 0], tee[..., 3] / 255, atol=1e-6)
    shown = to_uint8(design.picture)
    assert (shown[tee[..., 3] == 0] == (0, 255, 0)).all()  # its ground, to the bit
    inside = tee[..., 3] > 0
    assert np.abs(shown[inside].astype(int) - 255).max(axis=1).mean() > 20  # all of the cloth is dressed, the rim too
    rim = inside & (tee[..., 3] < 200)
    assert rim.any() and np.abs(shown[rim].astype(int) - 255).max(axis=1).mean() > 20


def test_no_style_gives_the_tee_itself(designer, tee):
    design = designer.stylize(tee, PRINT, strength=0)
    np.testing.assert_array_equal(np.dstack([to_uint8(design.picture), design.alpha]), tee)


def test_the_same_dress_as_on_white(designer):
    """Where it is opaque, a cut-out garment is painted like the same garment photographed on white."""
    garment = draw_garment("dress", SIDE, 3)
    hard = garment.mask[..., 0] > 0.5
    picture = np.where(hard[..., None], to_uint8(garment.picture), 255).astype(np.uint8)
    cut_out = designer.stylize(np.dstack([picture, np.uint8(hard) * 255]), PRINT)
    on_white = designer.stylize(picture, PRINT, mask=np.float32(hard))
    np.testing.assert_array_equal(cut_out.picture[hard], on_white.picture[hard])


def test_another_size_shrinks_opacity_too(designer, tee):
    design = designer.stylize(tee, PRINT, size=40)
    assert design.alpha.shape == (40, 40) and design.picture.shape == (40, 40, 3)
    inside = design.alpha > 128
    assert to_uint8(designer.stylize(tee, PRINT, size=40, strength=0).picture)[inside].min() >= 253  # no green fringe


def test_a_drawn_mask_goes_before_opacity(designer, tee):
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[20:40, 20:40] = 1
    design = designer.stylize(tee, PRINT, mask=mask)
    np.testing.assert_array_equal(design.alpha, tee[..., 3])
    outside = (mask == 0) & (tee[..., 3] > 0)
    assert (to_uint8(design.picture)[outside] == 255).all()


def test_a_garment_that_nobody_sees_is_refused(designer, tee):
    with pytest.raises(DesignError, match="transparent all over.*Received"):
        designer.stylize(np.dstack([tee[..., :3], tee[..., 3] * 0]), PRINT)


@pytest.mark.parametrize("lock", [True, False])
def test_backgrounds(designer, tee, lock):
    kept = designer.stylize(tee, PRINT, lock=lock)
    for background in ("keep", "transparent"):
        design = designer.stylize(tee, PRINT, background=background, lock=lock)
        np.testing.assert_array_equal(design.alpha, tee[..., 3])
        np.testing.assert_array_equal(design.picture, kept.picture)
    red = designer.stylize(tee, PRINT, background="#ff0000", lock=lock)
    assert red.alpha is None and (to_uint8(red.picture)[tee[..., 3] == 0] == (255, 0, 0)).all()
    share = tee[..., 3:] / 255
    expected = share * (kept.picture + 1) * 127.5 + (1 - share) * np.array([255, 0, 0])
    assert np.abs(to_uint8(red.picture) - expected).max() <= 0.6


def test_backgrounds_of_a_photograph(designer):
    garment = draw_garment("dress", SIDE, 3)
    kept = designer.stylize(garment.picture, PRINT, mask=garment.mask)
    assert kept.alpha is None
    cut = designer.stylize(garment.picture, PRINT, mask=garment.mask, background="transparent")
    np.testing.assert_array_equal(cut.picture, kept.picture)
    np.testing.assert_array_equal(cut.alpha, np.rint(garment.mask[..., 0] * 255))
    blue = designer.stylize(garment.picture, PRINT, mask=garment.mask, background="#0000Ff")
    assert (to_uint8(blue.picture)[garment.mask[..., 0] == 0] == (0, 0, 255)).all()


@pytest.mark.parametrize("background", ["", "white", "#fff", "#gggggg", "ffffff", "#ffffff0", None, 3])
def test_other_backgrounds_are_refused(designer, tee, background):
    with pytest.raises(DesignError, match="background must be .*Received.* Write a colour as #"):
        designer.stylize(tee, PRINT, background=background)
    with pytest.raises(DesignError):
        read_background(background)


def test_proposals_keep_opacity_and_say_doubts(designer, tee, lace):
    proposals = propose(designer, tee, {"lace": lace, "gingham": PRINT}, 4, seed=3)
    assert {style for proposal in proposals for style in proposal.recipe["styles"]} == {"lace", "gingham"}
    for proposal in proposals:
        np.testing.assert_array_equal(proposal.alpha, tee[..., 3])
        assert (to_uint8(proposal.picture)[tee[..., 3] == 0] == (0, 255, 0)).all() and proposal.finder == "opacity"
    alone = propose(designer, tee, {"lace": lace}, 1, seed=3)[0]
    wishes = {name: alone.recipe[name] for name in ("strength", "motif_scale")}
    np.testing.assert_array_equal(alone.picture, designer.stylize(tee, lace, **wishes).picture)
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    assert "whole picture is dressed" in propose(designer, grey, {"gingham": PRINT}, 1)[0].warnings[0]


# --- prints
# -------------------------------------------------------------------------------------------------------------------


def test_lace_on_a_black_tee_leaves_the_black(designer, lace):
    black = np.full((SIDE, SIDE, 3), 255, np.uint8)
    black[SHAPE > 0.5] = 12
    mask = np.float32(SHAPE > 0.5)
    design = to_uint8(designer.stylize(black, lace, mask=mask).picture)
    holes = (lace[..., 3] == 0) & (mask == 1)
    threads = (lace[..., 3] == 255) & (mask == 1)
    assert (design[holes] == 12).all()
    assert design[threads].mean() > 40 and (design[threads].astype(int) - 12).max() > 60
    assert (design[mask == 0] == 255).all()


def test_the_colour_of_a_hole_changes_nothing(designer, lace):
    other = lace.copy()
    other[lace[..., 3] == 0, :3] = (255, 0, 255)
    garment = np.full((SIDE, SIDE, 3), 90, np.uint8)
    one, two = (designer.stylize(garment, style, mask=np.ones((SIDE, SIDE))).picture for style in (lace, other))
    np.testing.assert_array_equal(one, two)


def test_a_mix_of_lace_and_cloth(designer, lace):
    garment = np.full((SIDE, SIDE, 3), 12, np.uint8)
    whole = np.ones((SIDE, SIDE))
    alone = designer.stylize(garment, [lace, PRINT], weights=[1, 0], mask=whole)
    np.testing.assert_allclose(alone.picture, designer.stylize(garment, lace, mask=whole).picture, atol=1e-5)
    cloth = designer.stylize(garment, [lace, PRINT], weights=[0, 1], mask=whole)
    np.testing.assert_allclose(cloth.picture, designer.stylize(garment, PRINT, mask=whole).picture, atol=1e-5)


def test_lace_at_other_scales_and_sizes(designer, lace):
    garment = np.full((37, 51, 3), 12, np.uint8)
    for scale in (0.3, 2.5):
        design = designer.stylize(garment, lace, motif_scale=scale, mask=np.ones((37, 51)))
        assert design.picture.shape == (37, 51, 3) and np.isfinite(design.picture).all()
        assert to_uint8(design.picture).min() >= 5


# --- parts
# --------------------------------------------------------------------------------------------------------------------


def test_weighed_averages():
    layers = Layers(np.uint8([[[10, 20, 30], [250, 0, 250]]]), np.uint8([[255, 0]]))
    small = resize_layers(layers, (1, 1))
    assert small.colours[0, 0].tolist() == [10, 20, 30] and small.alpha[0, 0] in (127, 128)
    assert fill_holes(layers)[0, 1].tolist() == [10, 20, 30]
    assert resize_layers(layers, (1, 2)) is layers
    assert fill_holes(Layers(layers.colours)) is layers.colours


def test_forms_without_opacity_are_as_before():
    garment = draw_garment("dress", SIDE, 3)
    form = make_form(*read_cloth(garment.picture), garment.mask, (SIDE, SIDE))
    np.testing.assert_array_equal(form.garment, garment.picture)
    assert form.alpha is None and form.on_white is form.garment and form.with_hidden(form.garment) is form.garment


# --- files
# --------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, tee, lace):
    Image.fromarray(tee).save(tmp_path / "tee.png")
    Image.fromarray(lace).save(tmp_path / "lace.webp", lossless=True, exact=True)
    save_picture(PRINT, tmp_path / "print.png")
    return tmp_path


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_a_dressed_tee_is_a_file_with_opacity(designer, files, tee, suffix):
    made = dress(designer, files / "tee.png", [files / "print.png"])
    opened = open_layers(save_dressed(made, files / f"out{suffix}"))
    np.testing.assert_array_equal(opened.alpha, tee[..., 3])
    np.testing.assert_array_equal(opened.colours, to_uint8(made.design.picture))


def test_a_jpeg_has_none_and_says_so(designer, files, tee):
    made = dress(designer, files / "tee.png", [files / "print.png"])
    with pytest.warns(UserWarning, match="keeps no opacity"):
        save_dressed(made, files / "out.jpg")
    assert open_picture(files / "out.jpg")[tee[..., 3] == 0].min() > 200


@pytest.mark.parametrize("background", ["keep", "transparent", "#336699"])
def test_it_can_be_made_again(designer, files, background):
    made = dress(designer, files / "tee.png", [files / "lace.webp", files / "print.png"], background=background)
    save_dressed(made, files / "out.png")
    again = reproduce(files / "out.png")
    assert again.differences == () and (again.picture == made.layers.whole).all()


def test_a_recipe_of_0_1_0_is_made_on_white(designer, files, tee):
    """As version 0.1.0 did it: the tee on white, its mask searched for by colour, opaque."""
    white = open_picture(files / "tee.png")
    then = designer.stylize(white, open_picture(files / "lace.webp"))
    recipe = dress(designer, files / "tee.png", [files / "lace.webp"]).recipe
    old = dict(recipe, version="0.1.0", pixels=pixels_sha256(then.picture))
    save_picture(then.picture, files / "old.png", metadata={RECIPE_FIELD: json.dumps(old)})
    again = reproduce(files / "old.png")
    assert again.differences == () and again.picture.shape[2] == 3


def test_masks_on_nothing(files, tee):
    mask = np.zeros((8, 8, 4), np.uint8)
    mask[2:5] = 255
    Image.fromarray(mask).save(files / "mask.png")
    assert read_mask(files / "mask.png").tolist() == (mask[..., 3] / np.float32(255)).tolist()
    Image.fromarray(np.dstack([mask[..., :3], mask[..., 3] * 0])).save(files / "none.png")
    with pytest.raises(PictureError, match="black all over"):
        read_mask(files / "none.png")


def test_opacity_in_floats_is_read(tee):
    floats = to_float(tee)
    colours, alpha = read_cloth(floats)
    np.testing.assert_array_equal(np.dstack([colours, alpha]), tee)


def test_the_command(files, tee, capsys):
    words = ["stylize", str(files / "tee.png"), str(files / "print.png"), "-o"]
    assert main([*words, str(files / "out.png")]) == 0
    np.testing.assert_array_equal(open_layers(files / "out.png").alpha, tee[..., 3])
    assert main([*words, str(files / "red.jpg"), "--background", "#ff0000"]) == 0
    red = open_picture(files / "red.jpg").astype(int)[tee[..., 3] == 0]
    assert np.abs(red - (255, 0, 0)).mean() < 30
    capsys.readouterr()
    assert main([*words, str(files / "white.jpg")]) == 0
    assert "keeps no opacity" in capsys.readouterr().err
    for more in (["out.jpg", "--background", "transparent"], ["out.png", "--background", "#12"]):
        assert main([*words, str(files / more[0]), *more[1:]]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and ("cannot be transparent" in said or "such as #ffffff" in said)


def test_a_lookbook_of_cut_out_garments(designer, files, tee):
    for place in ("garments", "prints"):
        (files / place).mkdir()
    Image.fromarray(tee).save(files / "garments" / "tee.png")
    save_picture(PRINT, files / "prints" / "print.png")
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    np.testing.assert_array_equal(open_layers(files / "out" / book.rows[0]["design"]).alpha, tee[..., 3])
    sheet = open_picture(files / "out" / "contact_sheet.png").astype(int)
    assert not ((sheet[..., 1] > 200) & (sheet[..., 0] < 60)).any()  # no green that nobody should see
    assert make_lookbook(designer, files / "garments", files / "prints", files / "out").kept == 1


def test_a_folder_of_cut_out_garments(files, tee):
    (files / "cut").mkdir()
    Image.fromarray(tee).save(files / "cut" / "tee.png")
    source = folder_source(files / "cut", part="all", masks=True, working_size=SIDE)
    picture, mask = source.load(0)
    np.testing.assert_array_equal(mask, tee[..., 3])
    assert (picture == 255).all()  # on white, as the network sees it


@pytest.mark.parametrize("filled", [False, True])
def test_a_drawing_with_transparent_cloth_is_doubted(filled):
    garment = draw_garment("trousers", 256, 3, render="flat")
    alpha = np.uint8(255 * garment.mask[..., 0])
    if not filled:
        alpha = np.where(to_uint8(garment.picture).min(axis=-1) < 128, alpha, 0).astype(np.uint8)
    form = make_form(to_uint8(garment.picture), alpha, None, (256, 256))
    assert form.finder == "opacity" and bool(form.warnings) is not filled


def _opacity_of(case):
    alpha = np.full((120, 90), 255, np.uint8)
    if case == "rounded corners":
        alpha[np.indices(alpha.shape).sum(axis=0) < 6] = 0
    elif case == "a window with its shadow":
        alpha[:20], alpha[-20:], alpha[:, :20], alpha[:, -20:] = 30, 30, 30, 30
    elif case == "nearly opaque":
        alpha[:] = 254
    elif case == "faint":
        alpha[:] = 0
        alpha[30:80, 20:60] = 1
    elif case == "one pixel":
        alpha[:] = 0
        alpha[60, 40] = 255
    elif case == "trimmed":
        alpha = np.uint8(255 * draw_garment("skirt", 128, 3).mask[..., 0])
        alpha = alpha[np.ix_(alpha.any(axis=1), alpha.any(axis=0))]
    elif case == "sheer":
        alpha = np.uint8(90 * draw_garment("dress", 128, 3).mask[..., 0])
    return alpha


@pytest.mark.parametrize(
    "case, warnings",
    [
        ("rounded corners", (FRAMED,)),
        ("a window with its shadow", (FRAMED,)),
        ("nearly opaque", (FRAMED,)),
        ("faint", (HARDLY_SEEN,)),
        ("one pixel", (HARDLY_SEEN,)),
        ("trimmed", ()),
        ("sheer", ()),
    ],
)
def test_an_opacity_that_cuts_nothing_out_is_doubted(case, warnings):
    alpha = _opacity_of(case)
    assert opacity_warnings(alpha) == warnings
    colours = np.full((*alpha.shape, 3), 200, np.uint8)
    form = make_form(colours, alpha, None, alpha.shape)
    assert form.warnings == warnings and (form.alpha == alpha).all()
    assert make_form(colours, alpha, np.ones(alpha.shape), alpha.shape).warnings == ()  # somebody drew the mask


def test_a_print_that_nobody_sees_is_refused(designer, tee, files):
    clear = np.zeros((SIDE, SIDE, 4), np.uint8)
    with pytest.raises(DesignError, match="transparent all over, so nothing would be printed.*Received.*Save it"):
        read_print(clear)
    Image.fromarray(clear).save(files / "clear.png")
    with pytest.raises(PictureError, match="clear.png: this picture is transparent all over. Save it with the print"):
        dress(designer, files / "tee.png", [files / "clear.png"])
    with pytest.raises(PictureError, match="clear.png: this picture is transparent all over. Save it with the garment"):
        dress(designer, files / "clear.png", [files / "print.png"])


def test_a_collection_with_pictures_that_nobody_sees_goes_on(designer, files, tee):
    for place in ("garments", "prints"):
        (files / place).mkdir()
    for place, name in (("garments", "a clear.png"), ("prints", "a clear.png")):
        Image.fromarray(np.zeros((SIDE, SIDE, 4), np.uint8)).save(files / place / name)
    speck = np.zeros((600, 400, 4), np.uint8)
    speck[300, 200] = 255
    Image.fromarray(speck).save(files / "garments" / "b speck.png")
    Image.fromarray(tee).save(files / "garments" / "tee.png")
    save_picture(PRINT, files / "prints" / "print.png")
    save_picture(PRINT[::-1], files / "prints" / "turned.png")
    book = make_lookbook(designer, files / "garments", files / "prints", files / "out")
    assert [row["garment"] for row in book.rows] == ["tee.png", "tee.png"] and book.finished
    said = [str(error) for error in book.bad]
    assert len(said) == 3 and sum("transparent all over" in line for line in said) == 2, said  # each is said once
    assert sum("b speck.png: its garment is less than one of 256 x 256 pixels" in line for line in said) == 1, said


def test_masks_of_another_size_are_described_width_first(tee):
    colours = np.full((30, 20, 3), 200, np.uint8)
    with pytest.raises(DesignError, match=r"20 x 30 pixels.*Received: 30 x 20 pixels, from 1.0 to 1.0. Save or resize"):
        make_form(colours, None, np.ones((20, 30)), (30, 20))
    for odd in (np.ones(5), "mask.png", np.empty((0, 3))):
        with pytest.raises(DesignError, match=r"Received: .*shape.*Save or resize"):
            make_form(colours, None, odd, (30, 20))


def test_a_mask_that_is_white_or_grey_all_over_is_said(files, capsys):
    Image.new("L", (SIDE, SIDE), 255).save(files / "white.png")
    words = ["stylize", str(files / "tee.png"), str(files / "print.png"), "-o", str(files / "out.png"), "--mask"]
    assert main([*words, str(files / "white.png")]) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "white.png: this mask is white all over" in said and "paint" in said
    Image.linear_gradient("L").resize((SIDE, SIDE)).save(files / "photo.png")
    assert main([*words, str(files / "photo.png")]) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "photo.png: more than half of this mask is grey" in said
    Image.fromarray(np.uint8(255 * SHAPE)).save(files / "shape.png")
    assert main([*words, str(files / "shape.png")]) == 0 and not capsys.readouterr().err


def test_a_garment_that_was_reduced_is_said(files, capsys, monkeypatch):
    monkeypatch.setattr("fashion_style.reading.picture_file.MAX_PIXELS", SIDE * SIDE // 2)
    words = ["stylize", str(files / "tee.png"), str(files / "print.png"), "-o", str(files / "out.png")]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "64 x 64 pixels are more than can be dressed, so the result has 32 x 32" in said
    assert main([*words, "--size", "24"]) == 0 and not capsys.readouterr().err
