"""The garment finder: drawings, doubts, mending, and the finder of version 0.1."""

import composites
import cv2
import numpy as np
import pytest

from fashion_style.cloth.doubts import DOUBTS, doubts_in_words, edge_held, mask_doubts, mask_shape, skin_share
from fashion_style.cloth.drawings import (
    drawing_mask,
    look_like_drawing,
    measure_lines,
    paper_colour,
    wet_ground,
)
from fashion_style.cloth.graph_cut import graph_cut_mask
from fashion_style.cloth.masks import FINDERS, find_garment, garment_mask
from fashion_style.cloth.mending import mend_mask
from fashion_style.cloth.overlap import mask_iou
from fashion_style.cloth.parts import find_parts
from fashion_style.cloth.strokes import join_ends, loose_ends
from fashion_style.errors import GarmentError
from fashion_style.garments import GARMENT_KINDS, draw_garment
from fashion_style.images import to_float, to_uint8


# Drawings
# --------------------------------------------------------------------------------------------------------------
def _outline(size=128, gap=0, filling=255):
    """A square of ink, with a gap in its upper side: uint8 (S, S, 3)."""
    picture = np.full((size, size, 3), 255, np.uint8)
    cv2.rectangle(picture, (30, 30), (97, 97), (filling,) * 3, -1)
    cv2.rectangle(picture, (30, 30), (97, 97), (0, 0, 0), 2)
    picture[26:36, 60 : 60 + gap] = 255
    return picture


def test_paint_stops_at_ink_by_hand():
    box = np.zeros((5, 7), bool)
    box[1:4, 1:6], box[2, 2:5] = True, False
    assert wet_ground(box).sum() == 20
    corner = np.zeros((4, 4), bool)
    corner[[0, 1, 2, 3], [0, 1, 2, 3]] = True  # a diagonal line holds, though its pixels touch at corners only
    assert (~wet_ground(np.pad(corner, 0))).sum() == 4


def test_ends_are_joined_that_point_at_each_other():
    row = np.zeros((60, 200), bool)
    row[10, 20:50], row[10, 60:90] = True, True  # ten pixels apart, of at most twelve
    assert join_ends(row, row)[10, 20:90].all()
    cuffs = np.zeros((60, 200), bool)
    cuffs[10:40, 50], cuffs[10:40, 60] = True, True  # side by side
    assert (join_ends(cuffs, cuffs) == cuffs).all()
    far = np.zeros((60, 200), bool)
    far[10, 20:50], far[10, 80:110] = True, True  # thirty
    assert (join_ends(far, far) == far).all()
    nothing = np.zeros((20, 20), bool)
    assert not join_ends(nothing, nothing).any()


def test_a_gap_is_closed_and_a_slit_is_not():
    closed = drawing_mask(_outline())
    gap = drawing_mask(_outline(gap=5))
    assert closed[40:90, 40:90].all() and gap[40:90, 40:90].all() and gap[:20].max() == 0
    comb = np.full((128, 128, 3), 255, np.uint8)
    comb[20:100, 20:100] = 0
    comb[30:100, 56:61] = 255  # a slit of five pixels, open below: ground, however far the walls reach
    assert drawing_mask(comb)[40:95, 58].max() < 0.5


def test_front_and_back_stay_and_letters_go():
    picture = np.hstack([_outline(), _outline()])
    cv2.putText(picture, "42", (4, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
    cv2.line(picture, (97, 60), (125, 20), (0, 0, 0), 1)  # a leader line
    mask = drawing_mask(picture)
    assert mask[60, 60] == 1 and mask[60, 190] == 1
    assert mask[110:, :30].max() == 0 and mask[20:30, 112:126].max() == 0


def _trousers(filling):
    """Two legs whose hems touch, and a pocket of paper: uint8 (256, 256, 3)."""
    picture = np.full((256, 256, 3), 255, np.uint8)
    for leg in (((50, 20), (125, 20), (125, 100), (110, 150), (124, 220), (60, 236)),):
        for points in (np.int32(leg), np.int32([(250 - x, y) for x, y in leg])):
            cv2.fillPoly(picture, [points], (filling,) * 3)
            cv2.polylines(picture, [points], True, (0, 0, 0), 3)
    cv2.rectangle(picture, (80, 50), (110, 80), (255, 255, 255), -1)
    cv2.rectangle(picture, (80, 50), (110, 80), (0, 0, 0), 1)
    return picture


@pytest.mark.parametrize("filling", [150, 255])
def test_paper_between_legs_is_a_hole_and_a_pocket_is_not(filling):
    mask = drawing_mask(_trousers(filling))
    assert mask[160, 125] == 0 and mask[65, 95] == 1 and mask[170, 80] == 1
    assert drawing_mask(_outline(filling=filling))[60, 60] == 1


@pytest.mark.parametrize("colour", [(255, 255, 255), (250, 240, 220), (20, 30, 60)])
def test_the_paper_may_have_a_colour(colour):
    picture = np.full((60, 50, 3), colour, np.uint8)
    picture[20:40, 20:30] = 128
    found, share = paper_colour(picture)
    assert share == 1 and (found == colour).all()


def test_a_belt_is_no_hole():
    picture = np.full((256, 256, 3), 255, np.uint8)
    cv2.rectangle(picture, (60, 30), (190, 220), (0, 0, 0), 3)
    cv2.rectangle(picture, (60, 110), (190, 125), (0, 0, 0), 3)
    assert drawing_mask(picture)[60:200, 70:180].all()


def test_a_slit_between_sleeve_and_body_stays_open():
    """Its mouth is narrower than its middle, but no stroke ends there."""
    picture = np.full((512, 512, 3), 255, np.uint8)
    body = np.int32([(200, 60), (400, 60), (400, 400), (190, 400), (220, 250), (200, 150)])
    sleeve = np.int32([(200, 60), (140, 80), (120, 430), (176, 430), (192, 150), (200, 140)])
    for points in (body, sleeve):
        cv2.polylines(picture, [points], True, (0, 0, 0), 3)
    mask = drawing_mask(picture)
    assert mask[250, 204] == 0 and mask[250, 300] == 1 and mask[250, 150] == 1


def test_corners_are_no_ends():
    corner = np.zeros((60, 60), np.uint8)
    cv2.line(corner, (10, 10), (30, 50), 1, 4)
    cv2.line(corner, (50, 10), (30, 50), 1, 4)
    assert len(loose_ends(corner > 0)[0]) == 2
    assert loose_ends(np.zeros((9, 9), bool))[0].shape == (0, 2)


@pytest.mark.parametrize("size", [256, 384, 512])
def test_drawn_flats_are_found_exactly(size):
    overlaps = []
    for number, kind in enumerate(GARMENT_KINDS):
        picture, truth = composites.faulty_drawing(kind, number, size)
        found = find_garment(picture)
        overlaps.append(mask_iou(found.mask, truth) if found.finder == "drawing" else 0)
    assert np.median(overlaps) >= 0.98 and min(overlaps) >= 0.93, np.round(overlaps, 3)


def _inked(kind, ink, paper, size=384):
    """A drawn flat with its lines in one colour on paper of another: (uint8 (S, S, 3), mask)."""
    garment = draw_garment(kind, size, 3, render="flat")
    share = np.float32(to_uint8(garment.picture)) / 255
    return np.uint8(np.array(ink) + (np.float32(paper) - np.float32(ink)) * share), garment.mask


@pytest.mark.parametrize(
    "ink, paper",
    [
        ((205, 205, 205), (255, 255, 255)),  # light grey lines
        ((228, 228, 228), (255, 255, 255)),
        ((220, 30, 30), (255, 255, 255)),
        ((240, 220, 0), (255, 255, 255)),
        ((255, 255, 255), (20, 40, 110)),  # a blueprint
        ((255, 255, 255), (0, 0, 0)),
        ((40, 30, 20), (245, 235, 210)),  # cream
    ],
)
def test_lines_and_paper_may_have_any_colour(ink, paper):
    for kind in ("t-shirt", "trousers", "blazer"):
        picture, truth = _inked(kind, ink, paper)
        found = find_garment(to_float(picture))
        assert found.finder == "drawing" and mask_iou(found.mask, truth) > 0.97, kind


def test_a_strongly_compressed_drawing_is_filled():
    picture, truth = _inked("blazer", (0, 0, 0), (255, 255, 255))
    _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 30])
    found = find_garment(to_float(cv2.imdecode(packed, cv2.IMREAD_COLOR)))
    assert found.finder == "drawing" and mask_iou(found.mask, truth) > 0.97


def test_lines_of_one_pixel_hold_in_a_large_drawing():
    truth = draw_garment("hoodie", 2000, 3, render="flat").mask
    contours, _ = cv2.findContours(np.uint8(truth[..., 0] > 0.5), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    picture = cv2.drawContours(np.full((2000, 2000, 3), 255, np.uint8), contours, -1, (0, 0, 0), 1)
    found = find_garment(to_float(picture))
    assert found.finder == "drawing" and mask_iou(found.mask, truth) > 0.97


def test_a_noisy_scan_is_not_filled_in_silence():
    picture, truth = _inked("t-shirt", (0, 0, 0), (255, 255, 255))
    noise = np.random.default_rng(0).normal(0, 6, picture.shape)
    found = find_garment(to_float(np.uint8(np.clip(picture + noise, 0, 255))))
    assert mask_iou(found.mask, truth) > 0.9 or found.doubts


def test_photographs_are_no_drawings():
    for number, ground in enumerate(composites.GROUNDS):
        assert find_garment(composites.composite(ground, 1, number)[0]).finder != "drawing", ground
    for kind in ("t-shirt", "dress"):
        assert not look_like_drawing(measure_lines(to_uint8(draw_garment(kind, 256, 1, colour="white").picture)))


# Doubts
# --------------------------------------------------------------------------------------------------------------
def test_shape_by_hand():
    frame = np.ones((4, 4), bool)
    frame[1:3, 1:3] = False
    assert mask_shape(frame) == (0.75, 1.0, 0.0, 0.25, 4)
    two = np.zeros((4, 8), bool)
    two[1:3, 1:3], two[1, 5] = True, True
    assert mask_shape(two) == (5 / 32, 0.8, 0.2, 0.0, 0)
    assert mask_shape(np.zeros((4, 4), bool)).covered == 0


def _doubts(mask, **how):
    picture = np.where(mask[..., None] > 0.5, np.uint8(60), np.uint8(230)) * np.ones(3, np.uint8)
    return mask_doubts(np.float32(mask), picture, **how)


def test_each_shape_has_its_doubt():
    y, x = np.mgrid[:128, :128]
    shirt = (np.abs(x - 64) < 30) & (np.abs(y - 64) < 40)
    assert _doubts(shirt) == ()
    assert "nothing found" in _doubts(np.ones((128, 128)))
    assert "small" in _doubts(np.hypot(x - 64, y - 64) < 8)
    assert "scattered" in _doubts((x % 16 < 6) & (y % 16 < 6))
    assert "ring" in _doubts(shirt & ~((np.abs(x - 64) < 24) & (np.abs(y - 64) < 34)))
    assert "three sides" in _doubts(~shirt)
    two = shirt & (np.abs(x - 64) > 5)
    assert "several garments" in _doubts(two) and _doubts(two, drawn=True) == ()


def test_an_edge_is_held_by_a_change_of_colour():
    mask = np.zeros((64, 64), bool)
    mask[16:48, 16:48] = True
    plain = np.full((64, 64, 3), 120, np.uint8)
    assert edge_held(mask, plain) == 0
    cloth = plain.copy()
    cloth[mask] = (40, 60, 150)
    assert edge_held(mask, cloth) == 1
    assert edge_held(np.roll(mask, 10, 1), cloth) < 0.6


def test_a_part_in_the_colour_of_skin_is_a_doubt_and_a_beige_coat_is_not():
    mask = np.zeros((128, 128), bool)
    mask[20:110, 30:100] = True
    picture = np.full((128, 128, 3), 240, np.uint8)
    picture[mask] = (30, 60, 140)
    picture[20:40, 50:80] = (224, 172, 138)
    assert 0.06 < skin_share(mask, picture) < 0.2 and "skin" in mask_doubts(np.float32(mask), picture)
    picture[mask] = (224, 172, 138)
    assert "skin" not in mask_doubts(np.float32(mask), picture)


def test_doubts_are_said_with_a_remedy():
    for sentence in doubts_in_words(tuple(DOUBTS)):
        assert "--mask" in sentence and not sentence.endswith(".")


# The door
# --------------------------------------------------------------------------------------------------------------
def test_the_finder_of_0_1_is_kept_bit_for_bit():
    picture = composites.faulty_drawing("t-shirt", 2, 200)[0]
    old = find_garment(picture, finder="graph cut")
    assert old.finder == "graph cut"
    np.testing.assert_array_equal(old.mask[..., 0], graph_cut_mask(to_uint8(picture)))
    assert mask_iou(old.mask, garment_mask(picture)) < 0.99


def test_colours_at_the_border_of_lab_have_masks():
    """b of pure blue is -108; 0.1 counted it with the highest b, and so it stays."""
    picture = np.full((60, 60, 3), 1, np.float32)
    picture[15:45, 15:45] = (-1, -1, 1)
    mask = find_garment(picture, finder="graph cut").mask
    assert mask[20:40, 20:40].min() > 0.9 and mask[:10].max() < 0.1
    noise = np.random.default_rng(0).choice([-1.0, 1.0], (40, 50, 3))
    assert np.isfinite(garment_mask(noise)).all()


def test_an_unknown_finder_is_refused():
    with pytest.raises(GarmentError, match=f"Expected one of: {', '.join(FINDERS)}"):
        find_garment(np.zeros((40, 40, 3)), finder="magic")


def test_warnings_are_the_doubts_in_words():
    found = find_garment(np.zeros((40, 40, 3)))
    assert found.doubts == ("nothing found",) and found.warnings == doubts_in_words(found.doubts)


# Mending
# --------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def sweater():
    garment = draw_garment("sweater", 192, 5, colour="#a3242c")
    torn = garment.mask.copy()
    torn[:, :60] = 0
    torn[150:190, 150:190] = 1
    return garment, torn


def test_a_point_brings_a_sleeve_back_and_a_stroke_takes_the_ground_away(sweater):
    garment, torn = sweater
    back = mend_mask(garment.picture, torn, add=[(40, 90)])
    assert mask_iou(back[:, :60], garment.mask[:, :60]) > 0.9
    np.testing.assert_array_equal(back[:, 80:], torn[:, 80:])
    both = mend_mask(garment.picture, torn, add=[(40, 90)], remove=[[(155, 180), (180, 160)]])
    assert mask_iou(both, garment.mask) > 0.95
    assert both.dtype == np.float32 and both.shape == torn.shape and both.min() >= 0 and both.max() <= 1


def test_no_stroke_changes_nothing_and_a_right_mask_stays(sweater):
    garment, torn = sweater
    np.testing.assert_array_equal(mend_mask(garment.picture, torn), torn)
    y, x = np.argwhere(garment.mask[..., 0] == 1).mean(0)
    assert mask_iou(mend_mask(garment.picture, garment.mask, add=[(x, y)]), garment.mask) > 0.98


def test_mending_is_done_at_the_size_of_the_picture():
    garment = draw_garment("skirt", 700, 1, colour="#1f2a44")
    torn = garment.mask.copy()
    torn[500:] = 0
    assert mask_iou(mend_mask(garment.picture, torn, add=[(350, 540)]), garment.mask) > 0.95


@pytest.mark.parametrize(
    "stroke", [(192, 5), (-1, 5), (5,), "here", [], [(1, 2), (3,)], (np.nan, 3), None, [[[1, 2]]], (1, 2, 3)]
)
def test_strokes_outside_the_picture_are_refused(sweater, stroke):
    with pytest.raises(GarmentError, match="remove takes points"):
        mend_mask(sweater[0].picture, sweater[1], remove=[stroke])


def test_shapes_that_do_not_fit_are_refused(sweater):
    garment, torn = sweater
    for picture, mask in ((garment.picture, torn[..., 0]), (garment.picture[:40], torn), (torn, torn)):
        with pytest.raises(GarmentError, match="cannot be mended"):
            mend_mask(picture, mask, add=[(3, 3)])


def test_the_composites_are_what_they_say():
    for ground in composites.GROUNDS:
        picture, mask = composites.composite(ground, 0, 3)
        again, _ = composites.composite(ground, 0, 3)
        np.testing.assert_array_equal(picture, again)
        assert picture.shape == (composites.SIZE, composites.SIZE, 3) and mask.shape == (*picture.shape[:2], 1)
        assert 0.05 < mask.mean() < 0.8
    clear = np.zeros((60, 40, 4), np.uint8)
    clear[10:50, 10:30] = (200, 10, 10, 255)
    picture, mask = composites.composite("near-white", 0, 0, [clear])
    assert np.abs(to_float(np.uint8([[[200, 10, 10]]])) - picture[mask[..., 0] == 1]).mean() < 0.1


@pytest.mark.parametrize(
    "wrong, reason",
    [
        (dict(add=5), "add takes a list.*Received: 5. Give"),
        (dict(remove=None), "remove takes a list.*Received: None. Give"),
        (dict(picture="photo.jpg"), "cannot be mended. Give"),
        (dict(mask=[[1], [1, 2]]), "cannot be mended. Give"),
        (dict(mask=np.full((20, 20, 1), 255)), r"in \[0, 1\]. Received: from 255.0 to 255.0. Divide"),
    ],
)
def test_mending_refuses_what_is_no_mask_or_stroke(wrong, reason):
    given = dict(picture=np.zeros((20, 20, 3), np.float32), mask=np.zeros((20, 20, 1), np.float32)) | wrong
    with pytest.raises(GarmentError, match=reason):
        mend_mask(given.pop("picture"), given.pop("mask"), **given)


@pytest.mark.parametrize("picture, mask", [("photo.jpg", np.zeros((9, 9, 1))), (np.zeros((9, 9, 3)), [[1], [1, 2]])])
def test_parts_of_what_is_no_picture_or_mask_are_refused(picture, mask):
    with pytest.raises(GarmentError, match="has no parts.*Give"):
        find_parts(picture, mask)
