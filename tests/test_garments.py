"""Independent checks of the drawn garments, their masks, and the masks of photographs."""

import os
import pathlib
import subprocess
import sys
import time

import composites
import cv2
import judge_masks
import numpy as np
import pytest

from fashion_style.cloth.masks import find_garment, garment_mask
from fashion_style.cloth.overlap import mask_iou
from fashion_style.drawing.curves import Fold, Panel, bend, closed, mirror_panel, panel_figure, path
from fashion_style.drawing.render import AMBIENT, FLAT_LIGHT, fold_height, lambert
from fashion_style.drawing.shapes import qipao
from fashion_style.errors import FashionStyleError, GarmentError
from fashion_style.garments import GARMENT_KINDS, Garment, draw_garment, paste_and_shade
from fashion_style.images import read_picture

SIZE = 64
NOT_SYMMETRIC = {"scarf"}


@pytest.fixture(scope="module")
def wardrobe():
    """All kinds, three seeds, both renders."""
    return {
        (kind, seed, render): draw_garment(kind, SIZE, seed, render=render)
        for kind in GARMENT_KINDS
        for seed in range(3)
        for render in ("shaded", "flat")
    }


def test_there_are_enough_kinds():
    assert len(GARMENT_KINDS) >= 14 and len(set(GARMENT_KINDS)) == len(GARMENT_KINDS)
    assert {"dress", "skirt", "t-shirt", "shirt", "blazer", "coat", "trousers", "shorts", "hoodie", "scarf"} <= set(
        GARMENT_KINDS
    )


def test_shapes_types_and_ranges(wardrobe):
    for (kind, _, _), garment in wardrobe.items():
        assert isinstance(garment, Garment) and garment.kind == kind
        assert garment.picture.shape == (SIZE, SIZE, 3)
        assert garment.mask.shape == garment.shading.shape == (SIZE, SIZE, 1)
        for array, low in ((garment.picture, -1), (garment.mask, 0), (garment.shading, 0)):
            assert array.dtype == np.float32 and np.isfinite(array).all()
            assert array.min() >= low and array.max() <= 1


def test_area_is_plausible_and_the_garment_stays_inside(wardrobe):
    for garment in wardrobe.values():
        assert 0.1 < garment.mask.mean() < 0.75
        border = np.concatenate([garment.mask[0], garment.mask[-1], garment.mask[:, 0], garment.mask[:, -1]])
        assert border.max() == 0


def test_the_same_seed_draws_the_same_and_both_renders_share_the_mask(wardrobe):
    for (kind, seed, render), garment in wardrobe.items():
        if seed == 0:
            again = draw_garment(kind, SIZE, seed, render=render)
            np.testing.assert_array_equal(again.picture, garment.picture)
            np.testing.assert_array_equal(wardrobe[kind, seed, "flat"].mask, wardrobe[kind, seed, "shaded"].mask)


def test_a_fresh_process_draws_the_same():
    code = (
        "from fashion_style.garments import draw_garment; print(repr(float(draw_garment('dress', 32,"
        " 5).picture.sum())))"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        cwd=pathlib.Path(__file__).parents[1],
    )
    assert fresh.stdout == f"{float(draw_garment('dress', 32, 5).picture.sum())!r}\n"


def test_flat_background_is_white_exactly_outside_the_mask(wardrobe):
    for (_, _, render), garment in wardrobe.items():
        if render == "flat":
            outside = garment.mask[..., 0] == 0
            assert (garment.picture[outside] == 1).all()
            assert garment.picture[garment.mask[..., 0] == 1].min() < 0


def test_picture_is_colour_times_shading_over_the_background():
    for kind in GARMENT_KINDS:
        for render in ("shaded", "flat"):
            garment = draw_garment(kind, SIZE, 1, render=render, colour=(0.8, 0.4, 0.2))
            inside = garment.mask[..., 0] > 0.999
            expected = np.array([0.8, 0.4, 0.2]) * garment.shading[inside]
            np.testing.assert_allclose((garment.picture[inside] + 1) / 2, expected, atol=2e-3)


def test_mask_is_exact_where_colours_are_known():
    garment = draw_garment("skirt", SIZE, 2, render="flat", colour="black", background="white")
    np.testing.assert_allclose((1 - garment.picture[..., :1]) / 2, garment.mask, atol=1e-5)


def test_kinds_and_seeds_differ(wardrobe):
    masks = [wardrobe[kind, 0, "flat"].mask for kind in GARMENT_KINDS]
    for first in range(len(masks)):
        for second in range(first):
            assert mask_iou(masks[first], masks[second]) < 0.995, (GARMENT_KINDS[first], GARMENT_KINDS[second])
    for kind in GARMENT_KINDS:
        assert mask_iou(wardrobe[kind, 0, "flat"].mask, wardrobe[kind, 1, "flat"].mask) < 0.999, kind


def test_silhouettes_are_symmetric(wardrobe):
    for (kind, _, _), garment in wardrobe.items():
        if kind not in NOT_SYMMETRIC:
            assert mask_iou(garment.mask, garment.mask[:, ::-1]) > 0.99, kind


def test_shaded_garments_have_folds_and_flats_have_lines(wardrobe):
    for (kind, _, render), garment in wardrobe.items():
        shading = garment.shading[garment.mask > 0.999]
        spread = np.percentile(shading, 95) - np.percentile(shading, 5)
        assert spread > 0.1, (kind, render)
        if render == "shaded":
            assert len(np.unique(shading.round(3))) > 100


@pytest.mark.parametrize("size", [16, 32, 33, 96, 512])
def test_other_sizes(size):
    for kind in ("dress", "scarf", "coat"):
        garment = draw_garment(kind, size, 3)
        assert garment.picture.shape == (size, size, 3)
        reference = draw_garment(kind, 96, 3).mask.mean()
        assert abs(garment.mask.mean() - reference) < 0.05


@pytest.mark.parametrize(
    "arguments",
    [
        dict(kind="toga"),
        dict(kind=None),
        dict(kind=["dress"]),
        dict(kind="dress", size=4),
        dict(kind="dress", size=10**6),
        dict(kind="dress", size=64.0),
        dict(kind="dress", size="64"),
        dict(kind="dress", seed=-1),
        dict(kind="dress", seed=0.5),
        dict(kind="dress", render="photo"),
        dict(kind="dress", colour="no colour"),
        dict(kind="dress", colour=(1, 2, 3)),
        dict(kind="dress", colour=(0.1, 0.2)),
        dict(kind="dress", background=float("nan")),
    ],
)
def test_bad_requests_raise_one_type_with_a_remedy(arguments):
    with pytest.raises(GarmentError, match="(?i)expected|give") as caught:
        draw_garment(**arguments)
    assert isinstance(caught.value, FashionStyleError) and isinstance(caught.value, ValueError)


def test_curves_by_hand():
    np.testing.assert_allclose(bend((0, 0), (2, 0), 0.25, samples=3), [(0, 0), (1, 0.5), (2, 0)])
    np.testing.assert_allclose(path((0, 0), (1, 0), (1, 1)), [(0, 0), (1, 0), (1, 1)])
    outline = closed(path((0, 0), (1, 0), (0, 1)))
    np.testing.assert_allclose(sorted(outline.tolist()), sorted((outline * (-1, 1)).tolist()))


def test_a_qipao_closes_on_the_wearers_right():
    for seed in range(4):
        body = max(qipao(np.random.default_rng(seed)), key=lambda panel: len(panel.seams))
        assert len(body.buttons) == 3 and max(x for x, _, _ in body.buttons) < 0 and body.seams[0][:, 0].max() <= 0


def test_the_line_drawing_shows_buttons():
    square = path((0, 0), (1, 0), (1, 1), (0, 1))
    plain, buttoned = (
        panel_figure([Panel(square, buttons=buttons)]).axes[0] for buttons in ((), ((0.5, 0.5, 0.1), (0.5, 0.8, 0.05)))
    )
    assert len(buttoned.patches) == len(plain.patches) + 2


def test_mirror_twice_is_the_same_panel():
    panel = Panel(
        np.array([(0, 0), (1, 0), (0.5, 1.0)]),
        buttons=((0.2, 0.3, 0.01),),
        folds=(Fold((0, 0), (1, 1), 0.1, 0.5, 0.2),),
    )
    twice = mirror_panel(mirror_panel(panel))
    np.testing.assert_array_equal(twice.outline, panel.outline)
    assert twice.folds == panel.folds and twice.buttons == panel.buttons


def test_fold_and_light_by_hand():
    vertical, horizontal = np.mgrid[-1:1:201j, -1:1:201j]
    height = fold_height([Fold((0, -1), (0, 1), 0.2, 0.5)], horizontal, vertical)
    np.testing.assert_allclose(height[120, 100], 0.5 * 0.2, rtol=1e-6)
    np.testing.assert_allclose(height[120, 120], 0.5 * 0.2 * np.exp(-0.5), rtol=1e-6)
    np.testing.assert_allclose(lambert(np.zeros((4, 4)), 1.0), AMBIENT + (1 - AMBIENT) * FLAT_LIGHT)
    mirrored_height = fold_height([Fold((0, -1), (0, 1), 0.2, 0.5, 0.1)], -horizontal, vertical)
    np.testing.assert_allclose(
        mirrored_height, fold_height([Fold((0, -1), (0, 1), 0.2, 0.5, -0.1)], horizontal, vertical)
    )


def test_iou_by_hand():
    first, second = np.zeros((4, 4, 1)), np.zeros((4, 4, 1))
    first[:2, :3], second[1:3, 1:] = 1, 1
    assert mask_iou(first, second) == pytest.approx(2 / 10)
    assert mask_iou(first, first) == 1 and mask_iou(0 * first, 0 * first) == 1 and mask_iou(first, 0 * first) == 0
    assert mask_iou(0.5 * first, first) == pytest.approx(0.5)
    with pytest.raises(GarmentError):
        mask_iou(first, second[..., 0])


def test_masks_of_composites_overlap_the_truth():
    for ground, least in (("near-white", 0.95), ("floors and walls", 0.9), ("patterned cloth", 0.85)):
        pairs = [composites.composite(ground, 3, number) for number in range(8)]
        overlaps = [mask_iou(truth, garment_mask(picture)) for picture, truth in pairs]
        assert np.median(overlaps) > least, (ground, overlaps)


def test_masks_of_real_photographs_stay_as_judged(shared_data):
    rows = judge_masks.read_judgements()
    assert len(rows) == 60 and all(row["verdict"] in judge_masks.VERDICTS and row["words"] for row in rows)
    moved = []
    for row in rows[::4]:
        found = find_garment(read_picture(shared_data / "garments" / row["file"]))
        moved.append(abs(found.mask.mean() - float(row["covered"])) > judge_masks.MOVED)
        assert row["verdict"] != "wrong" or found.doubts, row
    assert np.mean(moved) <= 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 300), (8, 8), (64, 64), (90, 333), (700, 20), (600, 450)])
def test_mask_of_any_size(shape):
    rng = np.random.default_rng(1)
    for picture in (np.zeros((*shape, 3)), np.ones((*shape, 3)), rng.uniform(-1, 1, (*shape, 3))):
        mask = garment_mask(picture.astype(np.float32))
        assert mask.shape == (*shape, 1) and mask.dtype == np.float32
        assert np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1


def test_plain_or_broken_pictures_fall_back_to_a_full_mask():
    assert (garment_mask(np.full((40, 40, 3), 0.3)) == 1).all()
    assert (garment_mask(np.full((40, 40, 3), np.nan)) == 1).all()
    with pytest.raises(GarmentError, match="iterations=0"):
        garment_mask(np.zeros((40, 40, 3)), iterations=0)
    for wrong in ("x", 1.5, True):
        with pytest.raises(GarmentError, match="Give a whole number"):
            garment_mask(np.zeros((40, 40, 3)), iterations=wrong)
    for wrong in ("shirt.jpg", np.full((40, 40, 3), 200, np.uint8), [[1], [2, 3]]):
        with pytest.raises(GarmentError, match="-1, 1"):
            garment_mask(wrong)
    for bad in (np.zeros((40, 40)), np.zeros((40, 40, 1)), np.zeros((2, 40, 40, 3)), np.zeros((0, 4, 3))):
        with pytest.raises(GarmentError, match="Give one picture"):
            garment_mask(bad)


def test_mask_repeats_exactly_whatever_opencv_drew_before():
    picture = draw_garment("hoodie", 96, 4).picture
    first = garment_mask(picture)
    cv2.setRNGSeed(99)
    cv2.randu(np.zeros((5, 5)), 0, 1)
    np.testing.assert_array_equal(garment_mask(picture), first)
    np.testing.assert_array_equal(garment_mask(picture.copy()), first)


def test_mask_of_a_drawn_garment_at_photo_size():
    garment = draw_garment("dress", 512, 6, colour="#7393b8")
    assert mask_iou(garment_mask(garment.picture), garment.mask) > 0.93


def test_paste_and_shade_keeps_background_and_folds():
    garment = draw_garment("sweater", 96, 2, colour="#c9c9c7")
    cloth = np.broadcast_to(np.float32([0.6, -0.2, 0.4]), (96, 96, 3))
    pasted = paste_and_shade(garment.picture, garment.mask, cloth)
    assert pasted.shape == (96, 96, 3) and pasted.dtype == np.float32 and np.abs(pasted).max() <= 1
    outside, inside = garment.mask[..., 0] == 0, garment.mask[..., 0] == 1
    np.testing.assert_array_equal(pasted[outside], garment.picture[outside])
    brightness = (pasted[inside] @ np.float32([0.3, 0.6, 0.1]), garment.shading[inside][:, 0])
    assert np.corrcoef(brightness)[0, 1] > 0.8
    np.testing.assert_array_equal(paste_and_shade(garment.picture, 0 * garment.mask, cloth), garment.picture)
    for bad in ((garment.picture, garment.mask[..., 0], cloth), (garment.picture, garment.mask, cloth[:40])):
        with pytest.raises(GarmentError, match="Give"):
            paste_and_shade(*bad)


def test_drawing_is_quick():
    draw_garment("dress", 96)
    start = time.process_time()
    for kind in GARMENT_KINDS:
        draw_garment(kind, 96, 1)
    assert (time.process_time() - start) / len(GARMENT_KINDS) < 0.06


def test_reads_a_real_photo(shared_data):
    photo = read_picture(sorted((shared_data / "garments" / "tshirt").glob("*.jpg"))[0])
    assert 0.1 < garment_mask(photo).mean() < 0.9
