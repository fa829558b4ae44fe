"""Parts of a mask, their frames, and the cloth laid out on them: a print turns with its part, and only with it."""

import json
import pathlib
import sys

import numpy as np
import pytest

from fashion_style.cloth.fields import bent_places, field_map, frame_field
from fashion_style.cloth.frames import cross_angle, free_outline, garment_frames, nearest_branch, part_frame
from fashion_style.cloth.layout import garment_width, lay_out, lay_print
from fashion_style.cloth.legs import find_legs, find_skirt
from fashion_style.cloth.limbs import find_limbs, garments_of
from fashion_style.cloth.sleeves import find_sleeves
from fashion_style.cloth.underarms import cut_limbs, underarms
from fashion_style.drawing.curves import PARTS
from fashion_style.errors import GarmentError
from fashion_style.garments import draw_garment

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import directions

STRIPES = np.where(np.arange(64) < 32, 0.8, -0.8)[None, :, None] * np.ones((64, 1, 3), np.float32)


def hanging(angle, size=220):
    """A body of 60 x 100 px with a sleeve of 24 x 70 px on the right, turned by `angle` radians: mask, sleeve."""
    rows, columns = np.mgrid[:size, :size].astype(float)
    body = (np.abs(columns - 109.5) < 30) & (np.abs(rows - 80) < 50)
    across, down = columns - 135.5, rows - 45
    along = across * np.sin(angle) + down * np.cos(angle)
    aside = across * np.cos(angle) - down * np.sin(angle)
    sleeve = (np.abs(aside) < 12) & (along > -5) & (along < 70) & ~body
    return body | sleeve, sleeve


@pytest.fixture(scope="module")
def shirt():
    return draw_garment("shirt", 192, 9001)


# Crosses and frames ---------------------------------------------------------------------------------------------------
def test_the_mean_of_crosses():
    assert np.isclose(np.rad2deg(cross_angle(np.deg2rad([10, 30, 110]), [1, 1, 1])[0]), 20)
    assert np.isclose(cross_angle(np.deg2rad([80, -170]), [1, 1])[0], 0)  # crosses at -10 and 10 degrees
    assert cross_angle([], []) == (0.0, 0.0) and cross_angle([1.0], [0.0]) == (0.0, 0.0)
    assert np.isclose(np.rad2deg(nearest_branch(np.deg2rad(-40), np.deg2rad(60))), 50)


@pytest.mark.parametrize("degrees", [20, 35, 50, 65])
def test_a_sleeve_has_its_own_angle(degrees):
    mask, sleeve = hanging(np.deg2rad(degrees))
    frame = part_frame("right sleeve", sleeve, mask)
    assert abs(np.rad2deg(frame.angle) - degrees) < 3 and frame.sureness > 0.7
    assert part_frame("body", mask & ~sleeve, mask).angle == 0
    mirrored = part_frame("left sleeve", sleeve[:, ::-1], mask[:, ::-1])
    assert np.isclose(mirrored.angle, -frame.angle, atol=0.03)


def test_the_seam_says_nothing():
    mask, sleeve = hanging(np.deg2rad(40))
    places, _, lengths = free_outline(sleeve, mask)
    body = np.argwhere(mask & ~sleeve)[:, ::-1]
    assert min(np.hypot(*(body - place).T).min() for place in places) > 2 and lengths.sum() > 100


def test_a_raised_arm_keeps_the_print_upright_unless_asked():
    mask, sleeve = hanging(np.deg2rad(40))
    mask, sleeve = mask[::-1], sleeve[::-1]  # the arm points up
    upright, along = (part_frame("right sleeve", sleeve, mask, turned=turned).angle for turned in ("upright", "along"))
    assert np.isclose(np.rad2deg(upright), -40, atol=3) and np.isclose(abs(along - upright), np.pi)


def test_a_hand_corrects_one_part(shirt):
    found = find_limbs(shirt.mask, shirt.picture, shirt.parts)
    number = [limb.name for limb in found.limbs].index("left sleeve")
    middle = np.argwhere(found.limbs[number].region).mean(axis=0)[::-1] / 192
    plain = garment_frames(found)
    corrected = garment_frames(found, axes=[(*(middle - (0.1, 0)), *(middle + (0.1, 0)))])
    assert np.isclose(corrected[number].angle, np.pi / 2) and corrected[number].sureness == 1
    assert [one for one in corrected if one.name != "left sleeve"] == [
        one for one in plain if one.name != "left sleeve"
    ]
    laid = lay_out(shirt.mask, labels=shirt.parts, axes=[(*(middle - (0.1, 0)), *(middle + (0.1, 0)))])
    assert np.isclose(laid.angle[found.limbs[number].region], np.pi / 2, atol=1e-5).mean() > 0.95


@pytest.mark.parametrize("axes", [[(0, 0, 0, 0)], [(0, 0, 1)], ["down"], [(0, 0, np.nan, 1)], [(0, 0, 1e9, 1)], [None]])
def test_strokes_that_are_none(shirt, axes):
    with pytest.raises(GarmentError, match="Give"):
        lay_out(shirt.mask, axes=axes)


# Parts ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["t-shirt", "sweater", "blazer", "trousers", "dress", "skirt", "kimono"])
def test_parts_cover_the_mask_once(kind):
    garment = draw_garment(kind, 160, 9002)
    found = find_limbs(garment.mask, garment.picture, garment.parts)
    assert (np.sum([limb.region for limb in found.limbs], axis=0) == (garment.mask[..., 0] > 0.5)).all()
    assert all(0 <= limb.confidence <= 1 for limb in found.limbs)
    assert len({limb.name for limb in found.limbs}) == len(found.limbs)


def test_sleeves_of_the_outline_alone(shirt):
    tee = draw_garment("t-shirt", 192, 9001)
    for labels, whose in ((None, "outline"), (tee.parts, "segmenter")):
        limbs = {limb.name: limb for limb in find_limbs(tee.mask, tee.picture, labels).limbs}
        assert limbs["left sleeve"].found_by == limbs["right sleeve"].found_by == whose
        for side, (drawn, _) in directions.sleeve_truth(tee, 9001).items():
            region = limbs[f"{side} sleeve"].region
            assert (region & drawn).sum() / (region | drawn).sum() > 0.75


def test_one_sure_sleeve_stands_for_the_other(shirt):
    labels = shirt.parts.copy()
    labels[:, 96:][labels[:, 96:] == 1 + PARTS.index("sleeve")] = 1 + PARTS.index("body")
    limbs = {limb.name: limb for limb in find_limbs(shirt.mask, None, labels).limbs}
    assert {"left sleeve", "right sleeve"} <= set(limbs)


def test_what_is_not_sure_is_left_out_and_said():
    mask, sleeve = hanging(np.deg2rad(40))
    found = find_limbs(mask[..., None], labels=np.where(mask, np.where(sleeve, 2, 1), 0))
    names = [limb.name for limb in found.limbs]
    assert "left sleeve" not in names and any(
        "left sleeve" in words or "right sleeve" in words for words in found.words
    )
    assert found.limbs[-1].name == "body" and found.limbs[-1].confidence < 1
    assert lay_out(mask[..., None], labels=np.where(mask, np.where(sleeve, 2, 1), 0)).words == found.words


def test_witnesses_that_contradict_each_other():
    mask = np.ones((40, 60), bool)
    seen, cut = np.zeros((2, 40, 60), bool)
    seen[:20, :10], cut[30:, :10] = True, True
    mask[:, 30:] &= False
    sure, left_out = find_sleeves(mask, {"left": seen}, {"left": cut}, 29.5)
    assert not sure and left_out == ["left"]


def test_shreds_that_agree_with_each_other_do_not_speak():
    mask, sleeve = hanging(np.deg2rad(30))
    sleeves = {"left": sleeve[:, ::-1], "right": sleeve}
    upper = np.arange(220)[:, None] < 75
    shreds = {side: region & upper for side, region in sleeves.items()}
    both = mask | mask[:, ::-1]
    sure, left_out = find_sleeves(both, shreds, sleeves, 109.5)
    assert not left_out and all(whose == "outline" for _, _, whose in sure.values())
    assert find_sleeves(both, shreds, {}, 109.5)[0]["left"][2] == "segmenter"  # nobody says that they are shreds


def test_legs_and_skirts():
    trousers, skirt = (draw_garment(kind, 160, 9003).mask[..., 0] > 0.5 for kind in ("trousers", "skirt"))
    assert set(find_legs(trousers, None, 79.5)) == {"left", "right"} and find_legs(skirt, None, 79.5) == {}
    assert find_skirt(skirt) is not None and find_skirt(np.ones((50, 50), bool)) is None


# Fields ---------------------------------------------------------------------------------------------------------------
def test_a_field_of_one_angle_is_a_turn():
    cells = np.ones((30, 20), bool)
    places = field_map(cells, np.full((30, 20), 0.3), (0, 0))
    rows, columns = np.mgrid[:30, :20]
    np.testing.assert_allclose(places[..., 0], columns * np.cos(0.3) - rows * np.sin(0.3), atol=1e-3)
    np.testing.assert_allclose(places[..., 1], columns * np.sin(0.3) + rows * np.cos(0.3), atol=1e-3)


def test_a_field_bends_between_its_edges():
    cells = np.ones((40, 40), bool)
    rows = np.repeat(np.arange(40.0), 2)
    places = np.stack([np.tile([0.0, 39.0], 40), rows], axis=1)
    directions_ = np.tile(np.deg2rad([-20.0, 20.0]), 40)
    # neighbours along an outline that contradict each other are a corner, so one edge is told after the other
    halves = [slice(0, None, 2), slice(1, None, 2)]
    order = np.concatenate([np.arange(80)[half] for half in halves])
    field = np.rad2deg(frame_field(cells, places[order], directions_[order], np.ones(80), 0.0))
    assert field[20, 0] < -12 and field[20, 39] > 12 and abs(field[20, 19:21].mean()) < 1
    assert (np.diff(field[20]) > 0).all()


def test_a_bent_sleeve_is_followed_round_its_elbow():
    rows, columns = np.mgrid[:200, :200].astype(float)
    radius, turn = np.hypot(columns - 20, rows - 20), np.arctan2(rows - 20, columns - 20)
    sleeve = (np.abs(radius - 120) < 18) & (turn > np.deg2rad(10)) & (turn < np.deg2rad(70))
    frame = part_frame("right sleeve", sleeve, sleeve)
    places, angle = bent_places(frame, sleeve, sleeve)
    inside = np.abs(radius - 120) < 10
    way = np.arctan2(-np.sin(turn), np.cos(turn))  # along the arc: down-left
    for low, high in ((20, 30), (50, 60)):
        here = inside & (turn > np.deg2rad(low)) & (turn < np.deg2rad(high))
        off = (angle[here] - way[here] + np.pi / 4) % (np.pi / 2) - np.pi / 4
        assert np.rad2deg(np.abs(off)).mean() < 8
    assert np.isfinite(places).all()


# Layout ---------------------------------------------------------------------------------------------------------------
def test_stripes_turn_with_the_sleeve():
    mask, sleeve = hanging(np.deg2rad(40))
    mask, sleeve = mask | mask[:, ::-1], sleeve  # two sleeves, as on a garment
    labels = np.where(mask, np.where(sleeve | sleeve[:, ::-1], 2, 1), 0)
    for layout, degrees in (("flat", 0), ("follow", 40)):
        laid = lay_print(STRIPES, lay_out(mask[..., None], labels=labels, layout=layout), motif_scale=0.06)
        assert abs(np.rad2deg(directions.stripe_direction(laid, sleeve)) - degrees) < 3


def test_cropping_and_enlarging_change_nothing_on_the_cloth(shirt):
    whole = lay_out(shirt.mask, shirt.picture, shirt.parts)
    window = slice(12, 182), slice(8, 190)
    mask, picture, parts = (np.ascontiguousarray(one[window]) for one in (shirt.mask, shirt.picture, shirt.parts))
    assert (shirt.mask > 0).sum() == (mask > 0).sum()
    cropped = lay_out(mask, picture, parts)
    inside = mask[..., 0] > 0.5
    for name in ("u", "v", "angle"):
        assert np.abs(getattr(whole, name)[window] - getattr(cropped, name))[inside].max() < 0.01
    large = lay_out(*(one.repeat(2, axis=0).repeat(2, axis=1) for one in (shirt.mask, shirt.picture, shirt.parts)))
    assert large.width == 2 * whole.width
    apart = np.abs(large.u[::2, ::2] - whole.u) + np.abs(large.v[::2, ::2] - whole.v)
    assert np.median(apart[shirt.mask[..., 0] > 0.5]) < 0.01


def test_sleeves_are_cut_alike_and_meet_the_body(shirt):
    laid = lay_out(shirt.mask, labels=shirt.parts)
    frames = {frame.name: (number, frame) for number, frame in enumerate(laid.frames)}
    body = frames["body"][1]
    for name in ("left sleeve", "right sleeve"):
        number, frame = frames[name]
        rows, columns = np.nonzero((laid.part == number) & (shirt.mask[..., 0] > 0.5))
        nearest = np.hypot(columns - frame.anchor[0], rows - frame.anchor[1]).argmin()
        assert abs(laid.v[rows[nearest], columns[nearest]] * laid.width - (frame.anchor[1] - body.anchor[1])) < 3
        assert abs(np.median(laid.u[rows, columns])) < 0.02


def test_a_repeat_spans_the_garment():
    mask = np.zeros((120, 200, 1), np.float32)
    mask[20:100, 40:160] = 1
    assert garment_width(mask) == 120
    laid = lay_print(STRIPES, lay_out(mask, layout="flat"), motif_scale=0.5)[60, 40:160, 0]
    assert list(np.diff(np.flatnonzero(np.diff(np.sign(laid))))) == [30, 30]
    both = np.concatenate([mask, mask], axis=1)
    assert garment_width(both) == 120 and len(garments_of(both[..., 0] > 0.5)) == 2


def test_lines_too_fine_to_be_seen_become_their_mean():
    fine = np.where(np.arange(999) % 3, 1.0, -1.0)[None, :, None] * np.ones((999, 1, 3))
    laid = lay_print(fine, lay_out(np.ones((64, 64, 1)), layout="flat"), motif_scale=0.5)
    assert np.abs(laid - 1 / 3).max() < 0.15


def test_folds_move_a_print_and_never_turn_it(shirt):
    still, moved = (lay_out(shirt.mask, shirt.picture, shirt.parts, folds=folds) for folds in (0, 0.01))
    inside = shirt.mask[..., 0] > 0.5
    change = np.hypot(moved.u - still.u, moved.v - still.v)[inside] * still.width
    assert 0.3 < np.percentile(change, 95) < 0.03 * 192 and (moved.angle == still.angle).all()
    number = [frame.name for frame in still.frames].index("left sleeve")
    sleeve = (still.part == number) & inside
    laid = lay_print(STRIPES, moved, motif_scale=0.06)
    off = directions.degrees_between(directions.stripe_direction(laid, sleeve), still.frames[number].angle)
    assert off < 3


def test_a_print_keeps_its_colours_and_its_channels(shirt):
    layout = lay_out(shirt.mask, shirt.picture, shirt.parts)
    tile = np.uint8(np.random.default_rng(0).integers(0, 256, (9, 7, 4)))
    laid = lay_print(tile, layout, motif_scale=3)
    assert laid.shape == (192, 192, 4) and laid.dtype == np.float32 and np.abs(laid).max() <= 1
    plain = lay_print(np.full((5, 3, 3), 0.25), layout)
    np.testing.assert_allclose(plain, 0.25, atol=1e-5)


# What nobody expects --------------------------------------------------------------------------------------------------
def hostile_masks():
    """{name: mask (H, W, 1)} that no garment has."""
    several = np.zeros((90, 200, 1), np.float32)
    for left in (5, 75, 140):
        several[10:80, left : left + 50] = 1
    point, ring, noise = np.zeros((40, 60, 1)), np.zeros((80, 80, 1)), np.random.default_rng(1).random((64, 64, 1))
    point[20, 30], ring[10:70, 10:70], ring[20:60, 20:60] = 1, 1, 0
    line = np.zeros((50, 50, 1))
    line[25] = 1
    return {
        "empty": np.zeros((50, 40, 1)),
        "full": np.ones((50, 40, 1)),
        "one pixel": np.ones((1, 1, 1)),
        "one pixel of many": point,
        "a row": np.ones((1, 300, 1)),
        "a column": np.ones((300, 1, 1)),
        "a line": line,
        "a ring": ring,
        "noise": noise,
        "several": several,
        "not a number": np.full((20, 20, 1), np.nan),
    }


@pytest.mark.parametrize("name", hostile_masks())
def test_any_mask_is_laid_out(name):
    mask = hostile_masks()[name]
    picture = np.random.default_rng(2).uniform(-1, 1, (*mask.shape[:2], 3))
    labels = np.random.default_rng(3).integers(0, 7, mask.shape[:2])
    for more in ((), (picture,), (picture, labels)):
        found = find_limbs(mask, *more)
        assert sum(limb.region.sum() for limb in found.limbs) == (np.nan_to_num(mask) > 0.5).sum()
        for layout in ("flat", "follow"):
            laid = lay_out(mask, *more, layout=layout)
            assert laid.u.shape == laid.v.shape == laid.angle.shape == laid.part.shape == mask.shape[:2]
            assert np.isfinite(laid.u).all() and np.isfinite(laid.v).all() and laid.width >= 1
            printed = lay_print(STRIPES, laid, motif_scale=0.3)
            assert printed.shape == (*mask.shape[:2], 3) and np.isfinite(printed).all()
    assert isinstance(underarms(np.nan_to_num(mask[..., 0]) > 0.5), list)
    assert isinstance(cut_limbs(np.nan_to_num(mask[..., 0]) > 0.5), dict)


@pytest.mark.filterwarnings("error")
def test_pictures_and_parts_that_hold_no_numbers(shirt):
    picture, labels = shirt.picture.copy(), np.float64(shirt.parts)
    picture[60:100, 60:100], picture[:20], labels[80:90] = np.inf, np.nan, np.nan
    labels[90:100], labels[100:110] = -5, 1e30
    laid = lay_out(shirt.mask, picture, labels)
    assert np.isfinite(laid.u).all() and np.isfinite(laid.v).all() and {"body"} <= {frame.name for frame in laid.frames}


def test_several_garments_have_their_names():
    shirt, skirt = draw_garment("t-shirt", 128, 9001), draw_garment("skirt", 128, 9003)
    mask, picture = (
        np.concatenate(pair, axis=1) for pair in ((shirt.mask, skirt.mask), (shirt.picture, skirt.picture))
    )
    names = {limb.name for limb in find_limbs(mask, picture).limbs}
    assert names == {"garment 1: left sleeve", "garment 1: right sleeve", "garment 1: body", "garment 2: skirt"}
    assert max(abs(frame.angle) for frame in lay_out(mask, picture).frames if "sleeve" in frame.name) > 0.3


@pytest.mark.parametrize(
    "arguments",
    [
        dict(mask=np.ones((4, 4))),
        dict(mask=np.ones((4, 4, 3))),
        dict(mask=np.empty((0, 4, 1))),
        dict(mask="a mask"),
        dict(mask=None),
        dict(mask=np.ones((4, 4, 1)), picture=np.zeros((4, 5, 3))),
        dict(mask=np.ones((4, 4, 1)), labels=np.zeros((5, 4))),
        dict(mask=np.ones((4, 4, 1)), labels=["sleeve"]),
        dict(mask=np.ones((4, 4, 1)), layout="wavy"),
        dict(mask=np.ones((4, 4, 1)), layout=None),
        dict(mask=np.ones((4, 4, 1)), turned="down"),
        dict(mask=np.ones((4, 4, 1)), folds=-1),
        dict(mask=np.ones((4, 4, 1)), folds="many"),
        dict(mask=np.ones((4, 4, 1)), folds=np.nan),
    ],
)
def test_what_cannot_be_laid_out_is_said(arguments):
    with pytest.raises(GarmentError, match="Give|Expected"):
        lay_out(**arguments)


@pytest.mark.parametrize(
    "tile", [np.ones((4, 4)), np.ones((4, 4, 5)), np.ones((0, 4, 3)), "tile", np.ones((2, 40_000, 1))]
)
def test_tiles_that_are_none(tile):
    layout = lay_out(np.ones((8, 8, 1)))
    with pytest.raises(GarmentError, match="Give"):
        lay_print(tile, layout)


@pytest.mark.parametrize("scale", [0, -1, 50, np.nan, "large", True, None])
def test_scales_that_are_none(scale):
    with pytest.raises(GarmentError, match="Give"):
        lay_print(STRIPES, lay_out(np.ones((8, 8, 1))), motif_scale=scale)


# The benchmark --------------------------------------------------------------------------------------------------------
def test_the_benchmark_in_short(tmp_path, capsys):
    directions.main(["--quick", "--out", str(tmp_path)])
    text = (tmp_path / "directions.md").read_text(encoding="utf-8")
    assert "| t-shirt | 2 | 1.00 |" in text and "| sweater | 2 | 1.00 |" in text and ", NO" not in text
    assert directions.degrees_between(0.1, 0.1 + np.pi) < 1e-6 and capsys.readouterr().out


def test_figures_of_the_benchmark():
    rows = [(0.9, 2.0, 1.0), (0.7, 12.0, 4.0), (0.2, None, None)]
    figures = directions.summary(rows)
    assert figures["found"] == pytest.approx(2 / 3) and figures["within 10 degrees"] == 0.5
    assert figures["stripes, worst"] == 4 and json.dumps(figures)
    assert [held for _, held, _ in directions.verdicts({"coat": rows})] == [False, False, False, False]
