"""The live design panel without a browser: it paints what `Designer.stylize` paints, computes only what changed, and
loses nothing.
"""

import io
import json

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from PIL import Image

from fashion_style.decoding.layers import Layers
from fashion_style.design import Designer
from fashion_style.drawing.sheets import contact_sheet
from fashion_style.errors import DesignError, PanelError, PictureError
from fashion_style.garments import draw_garment
from fashion_style.generator import build_generator
from fashion_style.images import encode_picture, open_layers, open_picture, to_float, to_uint8
from fashion_style.panels import design as studio
from fashion_style.panels.design import design_panel, wipe
from fashion_style.panels.live_design import LiveDesigner, Memory
from fashion_style.panels.pictures import GREYS, on_squares
from fashion_style.panels.tray import recipe_text
from fashion_style.patterns import draw_pattern
from fashion_style.style_generator import build_style_generator

GARMENT = draw_garment("coat", 64)
PRINTS = [draw_pattern(family, 48) for family in ("tartan", "ikat", "leopard")]
CUT_OUT = np.dstack([to_uint8(GARMENT.picture), np.rint(GARMENT.mask * 255).astype(np.uint8)])  # the coat on nothing
CUT_OUT[CUT_OUT[..., 3] == 0, :3] = (0, 255, 0)  # green that nobody sees
LACE = np.zeros((48, 48, 4), np.uint8) + np.uint8([250, 250, 240, 0])
LACE[::4, :, 3] = LACE[:, ::4, 3] = 255


@pytest.fixture(scope="module")
def designer():
    return Designer(build_style_generator(width=4, blocks=1), "small")


@pytest.fixture
def panel(designer):
    panel = design_panel(designer=designer, size=64)
    yield panel
    panel.close()


# The engine
# --------------------------------------------------------------------------------------------------------------
WISHES = [
    dict(),
    dict(strength=0.0),
    dict(strength=0.35),
    dict(motif_scale=0.4),
    dict(keep_colours=True),
    dict(keep_colours=True, strength=0.0),
    dict(lock=False),
    dict(weights=(3, 1, 0)),
    dict(weights=(0, 0, 2), strength=0.6, keep_colours=True, lock=False),
]


@pytest.mark.parametrize("wishes", WISHES, ids=str)
def test_live_design_is_what_the_designer_paints(designer, wishes):
    for garment, mask in ((GARMENT.picture, GARMENT.mask), (GARMENT.picture[:50, :61], GARMENT.mask[:50, :61])):
        expected = designer.stylize(garment, PRINTS, mask=mask, **wishes)
        design = LiveDesigner(designer).design(designer.dress_form(garment, mask), PRINTS, **wishes)
        np.testing.assert_allclose(design.picture, expected.picture, atol=2e-5)
        assert design.recipe == expected.recipe
        if wishes.get("lock", True):
            assert (design.picture[mask[..., 0] == 0] == garment[mask[..., 0] == 0]).all()


def test_a_network_without_codes_is_painted_too():
    designer = Designer(build_generator(64), "article")
    wishes = dict(strength=0.5, weights=(1, 2))
    expected = designer.stylize(GARMENT.picture, PRINTS[:2], mask=GARMENT.mask, **wishes)
    np.testing.assert_allclose(
        LiveDesigner(designer).design(designer.dress_form(GARMENT.picture, GARMENT.mask), PRINTS[:2], **wishes).picture,
        expected.picture,
        atol=2e-5,
    )


@pytest.mark.parametrize(
    "wrong",
    [dict(strength=2), dict(strength=float("nan")), dict(motif_scale=0), dict(weights=(1, 2)), dict(weights=(0, 0, 0))],
)
def test_wrong_numbers_are_refused(designer, wrong):
    with pytest.raises(DesignError):
        LiveDesigner(designer).design(designer.dress_form(GARMENT.picture, GARMENT.mask), PRINTS, **wrong)


def test_only_what_changed_is_computed(designer, monkeypatch):
    calls = dict(encode=0, paint=0)
    encode, paint = designer._encode, designer._paint

    def counted(name, function):
        def count(*args):
            calls[name] += 1
            return function(*args)

        return count

    monkeypatch.setattr(designer, "_encode", counted("encode", encode))
    monkeypatch.setattr(designer, "_paint", counted("paint", paint))
    live, form = LiveDesigner(designer), designer.dress_form(GARMENT.picture, GARMENT.mask)

    def cost(**wishes):
        calls.update(encode=0, paint=0)
        live.design(form, PRINTS, **wishes)
        return calls["encode"], calls["paint"]

    assert cost() == (3, 1)
    assert cost(strength=0.3) == cost(lock=False) == cost(keep_colours=True) == (0, 0)
    assert cost(weights=(1, 2, 3)) == (0, 1)
    assert cost(motif_scale=0.5) == (3, 1)
    assert cost() == (0, 0), "the way back is free"
    assert cost(motif_scale=0.7, weights=(1, 0, 0)) == (1, 1), "a print without a share is not encoded"


@pytest.mark.parametrize("wishes", WISHES, ids=str)
def test_live_design_treats_opacity_as_the_designer_does(designer, wishes):
    for painter in (designer, Designer(build_generator(64), "article")):
        form = painter.dress_form(CUT_OUT)
        design = LiveDesigner(painter).design(form, [LACE, *PRINTS[1:]], **wishes)
        expected = painter.stylize(CUT_OUT, [LACE, *PRINTS[1:]], **wishes)
        np.testing.assert_allclose(design.picture, expected.picture, atol=2e-5)
        np.testing.assert_array_equal(design.alpha, CUT_OUT[..., 3])
        assert (design.finder, design.recipe) == (expected.finder, expected.recipe)


def test_a_dress_form_is_made_once(designer):
    form = designer.dress_form(CUT_OUT, size=32)
    assert designer.dress_form(form) is form and form.garment.shape == (32, 32, 3)
    np.testing.assert_array_equal(
        designer.stylize(form, PRINTS[0]).picture, designer.stylize(CUT_OUT, PRINTS[0], size=32).picture
    )
    for besides in (dict(mask=form.mask), dict(size=32)):
        with pytest.raises(DesignError, match="a dress form has a mask and a size of its own. Received"):
            designer.stylize(form, PRINTS[0], **besides)


def test_memory_is_bounded_and_never_mixes_up_arrays():
    memory = Memory(3)
    for number in range(50):  # without the references that it holds, ids would come again
        assert memory((np.full(3, number),), (1,), lambda: number) == number
    assert len(memory._kept) == 3


def test_wipe_shows_both_sides():
    before, after = np.zeros((4, 10, 3), "float32"), np.full((4, 10, 3), 0.5, "float32")
    assert (wipe(before, after, 0.0) == after).all() and (wipe(before, after, 1.0) == before).all()
    half = wipe(before, after, 0.5)
    assert (
        (half[:, :4] == 0).all() and (half[:, 4] == -1).all() and (half[:, 5] == 1).all() and (half[:, 6:] == 0.5).all()
    )
    assert (before == 0).all() and (after == 0.5).all()


# The panel
# ---------------------------------------------------------------------------------------------------------------
def shown(panel):
    return to_float(open_picture(panel._frame.value))


def test_the_picture_follows_every_control(panel):
    panel.set_state(styles=["tartan", "leopard"])
    last = panel._frame.value
    for change in (
        dict(strength=0.5),
        dict(motif_scale=0.5),
        dict(weights=(0.2, 1.0)),
        dict(keep_colours=True),
        dict(lock=False),
        dict(garment="kimono"),
        dict(wipe=0.5),
        dict(styles=["paisley"]),
    ):
        panel.set_state(**change)
        assert panel._frame.value != last and not panel.failed, (change, panel.said)
        last = panel._frame.value
    panel.set_state(wipe=1.0)
    assert np.abs(shown(panel) - panel._form().on_white).mean() < 0.05, "wiped away, the garment itself is left"


def test_prints_keep_their_shares_when_others_come_and_go(panel):
    panel.set_state(styles=["tartan", "ikat"], weights=(0.3, 0.7))
    panel.styles.choose("damask")
    assert panel.state()["weights"] == (0.3, 0.7, 1.0)
    panel.styles.choose("tartan")
    assert panel.state()["styles"] == ("ikat", "damask") and panel.state()["weights"] == (0.7, 1.0)
    entries = [box.children[0] for box, _ in panel.mix.rows]
    assert [entry.description for entry in entries] == ["ikat", "damask", "no print", "no print"] and [
        entry.disabled for entry in entries
    ] == [False, False, True, True]


def test_a_mix_without_shares_is_said_and_put_right(panel):
    panel.mix.rows[0][1].value = 0.0
    assert panel.failed and "weights" in panel.said
    panel.mix.rows[0][1].value = 0.5
    assert not panel.failed


@pytest.mark.parametrize(
    "wrong",
    [
        dict(weights=(1, 2)),
        dict(strength=1.5),
        dict(motif_scale=0.01),
        dict(styles=["a", "b"]),
        dict(styles=["tartan", "ikat", "ogee", "damask", "leopard"]),
        dict(garment=3),
    ],
)
def test_a_wrong_state_changes_nothing(panel, wrong):
    before = panel.state()
    with pytest.raises(PanelError):
        panel.set_state(**wrong)
    assert panel.state() == before and not panel.failed


def test_kept_designs_have_recipes_that_bring_them_back(panel, tmp_path):
    with pytest.raises(PanelError):
        panel.save(tmp_path)
    panel.set_state(
        garment="qipao",
        styles=["seigaiha", "ogee"],
        weights=(0.75, 0.25),
        strength=0.6,
        motif_scale=0.5,
        keep_colours=True,
    )
    panel.keep()
    first = panel.design()
    panel.set_state(garment="dress", styles=["tartan"], strength=1.0, motif_scale=1.0, keep_colours=False, lock=False)
    panel.keep()
    panel._bring_back(0)
    np.testing.assert_allclose(panel.design().picture, first.picture, atol=1e-6)
    assert (
        not panel.failed
        and recipe_text(first.recipe) == "qipao, seigaiha 75% + ogee 25%, strength 0.60, motif 0.50, garment's colours"
    )
    paths = panel.save(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["design-1.png", "design-2.png", "recipes.json", "contact-sheet.png"]
    saved = json.loads(Image.open(paths[0]).text["recipe"])
    assert (
        saved == json.loads(paths[2].read_text())[0] == json.loads(json.dumps(first.recipe))
        and saved["garment"] == "qipao"
    )
    again = panel.save(tmp_path / "new" / "folder")
    assert [path.parent.name for path in (paths[0], again[0])] == ["folder", "folder-2"], "nothing is written over"
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PanelError, match="cannot write designs here"):
        panel.save(tmp_path / "file" / "below")
    assert (
        panel.tray._sheet.value.count("data:image/png;base64,") == 1
        and 'download="contact-sheet.png"' in panel.tray._sheet.value
    )
    entry = panel.tray._row.children[1].children[1].value
    assert 'download="design-2.png"' in entry and "background painted" in entry


def test_own_pictures_from_path_bytes_and_array(designer, tmp_path):
    path = tmp_path / "mine.png"
    path.write_bytes(encode_picture(draw_garment("coat", 90).picture[:, :70]))
    styles = [encode_picture(PRINTS[0]), PRINTS[1], str(tmp_path / "mine.png"), PRINTS[2]]
    panel = design_panel(str(path), styles, designer=designer, size=64)
    assert panel.garment.name == "mine.png" and len(panel.styles.names) == 4 and "tartan" not in panel.styles.names
    assert panel.design().picture.shape == (64, 50, 3) and 0 < panel.design().mask.mean() < 1
    panel.close()
    for wrong in (dict(garment="no such file.png"), dict(styles=[b"no picture"])):
        with pytest.raises(PictureError):
            design_panel(designer=designer, size=64, **wrong)
    for wrong in (dict(size=8), dict(size="large"), dict(styles=PRINTS + PRINTS)):
        with pytest.raises(DesignError):
            design_panel(designer=designer, **wrong)
    studio.Panel._open["design panel"].close()


def same(one, other):
    """Nothing but rounding lies between two uint8 pictures."""
    assert one.shape == other.shape and np.abs(one.astype(int) - other).max() <= 2


def test_a_cut_out_garment_keeps_its_opacity_in_what_is_saved(panel, designer, tmp_path):
    panel.garment.open(encode_picture(CUT_OUT[..., :3], alpha=CUT_OUT[..., 3]), "coat.png")
    panel.set_state(styles=["leopard"])
    assert panel.doubts == () and panel._doubts.value == "", "its opacity is its mask"
    expected = designer.stylize(CUT_OUT, panel.styles.values)
    np.testing.assert_allclose(panel.design().picture, expected.picture, atol=2e-5)
    nothing = CUT_OUT[..., 3] == 0
    assert (shown(panel)[nothing] > 0.8).mean() > 0.95, "on white, and not green"
    on_white = [open_picture(CUT_OUT), Layers(to_uint8(expected.picture), expected.alpha).on_white]
    before, after, style = *on_white, panel.styles.value
    titles = ["coat.png", "leopard", "strength 1.00"]
    same(panel.picture(), contact_sheet([[before, style, after]], column_titles=titles, size=112))
    panel.keep()
    same(panel.tray.sheet(64)[-68:, -3 * 68 :], contact_sheet([[before, after, style]], size=64)[-68:, -3 * 68 :])
    opened = open_layers(panel.save(tmp_path / "kept")[0])
    for layers in (opened, open_layers(panel.tray.png(0))):
        np.testing.assert_array_equal(layers.alpha, CUT_OUT[..., 3])
        np.testing.assert_array_equal(layers.colours, to_uint8(expected.picture))


def test_lace_shows_the_garment(panel, tmp_path):
    Image.fromarray(LACE).save(tmp_path / "lace.webp", lossless=True, exact=True)
    panel.styles.open(str(tmp_path / "lace.webp"))
    panel.set_state(garment="coat", styles=["lace.webp"])
    before, design = panel._form().garment, panel.design()
    untouched = (np.abs(design.picture - before) < 1e-6).all(axis=2)[design.mask[..., 0] > 0.99]
    assert panel.styles.value.shape == (48, 48, 4) and 0.2 < untouched.mean() < 0.6
    assert panel.design().alpha is None and not panel.failed
    cell = on_squares(LACE)
    assert set(np.unique(cell[LACE[..., 3] == 0])) == set(GREYS) and (cell[0] == LACE[0, :, :3]).all()
    same(panel.picture()[-116:, 120:232], contact_sheet([[None, cell]], size=112)[-116:, 120:232])
    panel.keep()
    same(panel.tray.sheet(64)[-68:, -68:], contact_sheet([[cell]], size=64)[-68:, -68:])


def test_doubts_about_a_mask_are_said_until_another_garment_is_chosen(panel):
    grey = np.full((64, 64, 3), 128, np.uint8)
    name = panel.garment.open(encode_picture(grey), "grey.png")
    assert len(panel.doubts) == 1 and "the whole picture is dressed" in panel.doubts[0]
    assert "--mask" not in panel.doubts[0], "the command's remedy is not the panel's"
    assert "whole picture is dressed" in panel._doubts.value and panel.design().warnings
    panel.set_state(lock=False)
    assert panel.doubts == () and panel._doubts.value == ""
    panel.set_state(lock=True)
    assert panel._doubts.value
    panel.set_state(garment="dress")
    assert panel.doubts == () and panel._doubts.value == "" and not panel.design().warnings
    panel.set_state(garment=name)
    assert panel._doubts.value, "and they come back with it"


def test_a_garment_that_nobody_sees_leaves_the_old_choice(panel):
    before = panel.garment.name
    nothing = encode_picture(CUT_OUT[..., :3], alpha=CUT_OUT[..., 3] * 0)
    panel.garment._uploaded({"new": ({"content": nothing, "name": "none.png"},)})
    assert panel.failed and "none.png: it is transparent all over" in panel.said and panel.garment.name == before


def test_fifty_runs_leave_what_one_leaves(designer):
    design_panel(designer=designer, size=64).close()
    empty = len(_instances)
    panel = design_panel(designer=designer, size=64)
    panel.keep()
    one = len(_instances)
    for _ in range(50):
        panel = design_panel(designer=designer, size=64)
    panel.keep()
    assert len(_instances) == one
    panel.close()
    assert len(_instances) == empty


def test_the_still_is_a_small_png_with_garment_print_and_design(panel):
    still = Image.open(io.BytesIO(panel.still()))
    assert still.format == "PNG" and still.size[0] > 3 * 112 and len(panel.still()) < 40_000
