"""The live design panel without a browser: it paints what `Designer.stylize` paints, computes only what changed, and
loses nothing.
"""

import io
import json

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from PIL import Image

from fashion_style.design import Designer
from fashion_style.errors import DesignError, PanelError, PictureError
from fashion_style.garments import draw_garment
from fashion_style.generator import build_generator
from fashion_style.images import encode_picture, open_picture, to_float
from fashion_style.panels import design as studio
from fashion_style.panels.design import design_panel, wipe
from fashion_style.panels.live_design import LiveDesigner, Memory
from fashion_style.panels.tray import recipe_text
from fashion_style.patterns import draw_pattern
from fashion_style.style_generator import build_style_generator

GARMENT = draw_garment("coat", 64)
PRINTS = [draw_pattern(family, 48) for family in ("tartan", "ikat", "leopard")]


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
        design = LiveDesigner(designer).design(garment, mask, PRINTS, **wishes)
        np.testing.assert_allclose(design.picture, expected.picture, atol=2e-5)
        assert design.recipe == expected.recipe
        if wishes.get("lock", True):
            assert (design.picture[mask[..., 0] == 0] == garment[mask[..., 0] == 0]).all()


def test_a_network_without_codes_is_painted_too():
    designer = Designer(build_generator(64), "article")
    wishes = dict(strength=0.5, weights=(1, 2))
    expected = designer.stylize(GARMENT.picture, PRINTS[:2], mask=GARMENT.mask, **wishes)
    np.testing.assert_allclose(
        LiveDesigner(designer).design(GARMENT.picture, GARMENT.mask, PRINTS[:2], **wishes).picture,
        expected.picture,
        atol=2e-5,
    )


@pytest.mark.parametrize(
    "wrong",
    [dict(strength=2), dict(strength=float("nan")), dict(motif_scale=0), dict(weights=(1, 2)), dict(weights=(0, 0, 0))],
)
def test_wrong_numbers_are_refused(designer, wrong):
    with pytest.raises(DesignError):
        LiveDesigner(designer).design(GARMENT.picture, GARMENT.mask, PRINTS, **wrong)


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
    live = LiveDesigner(designer)

    def cost(**wishes):
        calls.update(encode=0, paint=0)
        live.design(GARMENT.picture, GARMENT.mask, PRINTS, **wishes)
        return calls["encode"], calls["paint"]

    assert cost() == (3, 1)
    assert cost(strength=0.3) == cost(lock=False) == cost(keep_colours=True) == (0, 0)
    assert cost(weights=(1, 2, 3)) == (0, 1)
    assert cost(motif_scale=0.5) == (3, 1)
    assert cost() == (0, 0), "the way back is free"
    assert cost(motif_scale=0.7, weights=(1, 0, 0)) == (1, 1), "a print without a share is not encoded"


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
    assert np.abs(shown(panel) - panel._form()[0]).mean() < 0.05, "wiped away, the garment itself is left"


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
