"""The U-Net: its file, its scenes, its loss, its training, and the choice between two answers."""

import cv2
import numpy as np
import pytest

from fashion_style.cloth import segmenter
from fashion_style.cloth.doubts import mask_confidence, mask_doubts
from fashion_style.cloth.masks import find_garment
from fashion_style.cloth.overlap import mask_iou
from fashion_style.cloth.parts import find_parts
from fashion_style.cloth.refining import band_cut, without_crumbs
from fashion_style.cloth.segmenter import SIDE, build_segmenter, garment_likelihood, load_segmenter, segmenter_input
from fashion_style.drawing.curves import PARTS
from fashion_style.errors import GarmentError, WeightsError
from fashion_style.garments import GARMENT_KINDS, draw_garment
from fashion_style.images import to_uint8
from fashion_style.networks.garment_scenes import lay_ground, make_scene
from fashion_style.networks.segmenter_training import (
    fold_segmenter,
    mask_loss,
    part_loss,
    save_segmenter,
    scene_batches,
    train_segmenter,
)
from fashion_style.networks.wardrobe import GROUNDS, UNKNOWN, draw_wardrobe, is_held_out, read_cut_outs


@pytest.fixture(scope="module")
def wardrobe():
    return draw_wardrobe(1, 1)


def test_the_shipped_network_finds_drawn_garments():
    for kind in ("t-shirt", "trousers"):
        garment = draw_garment(kind, SIDE, 5)
        likely = garment_likelihood(to_uint8(garment.picture))
        assert likely.shape == (SIDE, SIDE) and likely.dtype == np.float32 and 0 <= likely.min() <= likely.max() <= 1
        assert mask_iou(likely[..., None], garment.mask) > 0.85


def test_parts_of_drawn_garments():
    shirt = draw_garment("shirt", 160, 9005)
    found = find_parts(shirt.picture, shirt.mask)
    assert found.shape == (160, 160) and found.dtype == np.uint8 and ((found > 0) == (shirt.mask[..., 0] > 0.5)).all()
    for part, least in (("body", 0.8), ("sleeve", 0.6)):
        drawn, seen = (parts == 1 + PARTS.index(part) for parts in (shirt.parts, found))
        assert (drawn & seen).sum() / (drawn | seen).sum() > least, part
    assert not find_parts(shirt.picture, 0 * shirt.mask).any()
    with pytest.raises(GarmentError, match="Give"):
        find_parts(shirt.picture, shirt.mask[:-1])


def test_every_kind_is_drawn_with_its_parts():
    for kind in GARMENT_KINDS:
        garment = draw_garment(kind, 64, 3)
        assert ((garment.parts > 0) == (garment.mask[..., 0] > 0.5)).all() and garment.parts.max() <= len(PARTS)
    legs, sleeves = (draw_garment(kind, 64, 3).parts for kind in ("trousers", "sweater"))
    assert (legs == 1 + PARTS.index("leg")).mean() > 0.05 < (sleeves == 1 + PARTS.index("sleeve")).mean()


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (128, 128), (400, 200)])
def test_any_picture_goes_in(shape):
    seen = segmenter_input(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert seen.shape == (SIDE, SIDE, 4) and seen.dtype == np.float32 and np.abs(seen).max() <= 1.001


def test_bad_files_of_weights_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("weights")
    with pytest.raises(WeightsError, match="Cannot read"):
        load_segmenter(tmp_path / "text.npz")
    with pytest.raises(WeightsError, match="Cannot read"):
        load_segmenter(tmp_path / "missing.npz")
    arrays = fold_segmenter(build_segmenter(normalised=True))
    for name, array in (("down1/kernel", np.zeros((3, 3, 1, 2))), ("garment/bias", np.full(1, np.nan))):
        save_segmenter(dict(arrays, **{name: array}), tmp_path / "wrong.npz")
        load_segmenter.cache_clear()
        with pytest.raises(WeightsError, match=name.split("/")[0]):
            load_segmenter(tmp_path / "wrong.npz")


def test_a_package_without_its_weights_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(segmenter, "files", lambda package: tmp_path)
    load_segmenter.cache_clear()
    with pytest.raises(WeightsError, match="install fashion_style again"):
        load_segmenter()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "segmenter.npz").write_bytes(b"other")
    with pytest.raises(WeightsError, match="Install fashion_style again"):
        load_segmenter()


def test_folding_changes_nothing(wardrobe):
    network = train_segmenter(wardrobe, 2, batch_size=2, side=64, progress=False)
    plain = build_segmenter()
    for name, array in fold_segmenter(network).items():
        layer, part = name.split("/")
        getattr(plain.get_layer(layer), part).assign(array)
    inputs, masks, parts = next(scene_batches(wardrobe, range(1), batch_size=2, side=64, seed=4))
    assert inputs.shape == (2, 64, 64, 4) and masks.shape == (2, 64, 64, 1) and parts.shape == (2, 32, 32)
    answers = plain(inputs)
    for answer, before in zip(answers, network(inputs, training=False)):
        np.testing.assert_allclose(answer, before, rtol=1e-3, atol=2e-3)
    assert float(mask_loss(answers[0], masks)) > float(mask_loss(40 * masks - 20, masks))
    right = 20.0 * np.eye(len(PARTS), dtype=np.float32)[np.clip(np.int64(parts) - 1, 0, 5)]
    assert float(part_loss(answers[1], parts)) > 0.5 > 0.001 > float(part_loss(right, parts))


def test_a_training_goes_on_from_a_file_and_repeats(wardrobe):
    start = fold_segmenter(build_segmenter(normalised=True, seed=3))
    losses = [[], []]
    for record in losses:
        train_segmenter(
            wardrobe,
            3,
            batch_size=2,
            side=64,
            start=start,
            progress=False,
            callback=lambda step, loss, network, record=record: record.append(loss),
        )
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_an_error_in_the_thread_of_scenes_is_raised(wardrobe):
    with pytest.raises(Exception, match="."):
        next(scene_batches(wardrobe._replace(cloths=None, masks=wardrobe.masks[:0]), range(2), batch_size=2))


def test_scenes_have_exact_masks_on_every_ground(wardrobe):
    rng = np.random.default_rng(0)
    garment, mask = np.float32(wardrobe.pictures[0]), np.float32(wardrobe.masks[0])
    for kind in GROUNDS:
        ground = lay_ground(kind, rng, garment, mask, wardrobe.cloths)
        assert ground.shape == garment.shape and np.isfinite(ground).all(), kind
    scene = make_scene(wardrobe, np.random.default_rng(7))
    for array, again in zip(scene, make_scene(wardrobe, np.random.default_rng(7))):
        np.testing.assert_array_equal(array, again)
    assert scene.picture.dtype == np.uint8 and scene.mask.shape == scene.parts.shape == scene.picture.shape[:2]
    assert scene.mask.max() <= 1 and ((scene.parts > 0) == (scene.mask > 0.5)).mean() > 0.99


def test_cut_outs_are_read_in_two_parts(tmp_path):
    clear = np.zeros((900, 40, 4), np.uint8)
    clear[10:50, 10:30] = (200, 10, 20, 255)
    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), clear)
    cv2.imwrite(str(tmp_path / "whole.png"), clear[12:40, 12:25])
    (tmp_path / "words.png").write_text("no picture")
    both = [read_cut_outs(tmp_path, held_out=held_out) for held_out in (False, True)]
    assert sorted([*both[0], *both[1]]) == sorted(f"{number}.png" for number in range(12)) and both[1]
    assert both[0].popitem()[1].shape == (640, 28, 4) and not read_cut_outs(tmp_path / "none", held_out=True)


def test_cut_outs_join_the_wardrobe():
    clear = np.zeros((60, 40, 4), np.uint8)
    clear[10:50, 10:30] = (200, 10, 10, 255)
    wardrobe = draw_wardrobe(1, 1, cut_outs=[clear])
    assert wardrobe.photographed.tolist()[:2] == [True, False]
    assert (wardrobe.pictures[0][wardrobe.masks[0] == 255] == (200, 10, 10)).all()
    assert (wardrobe.parts[0] == UNKNOWN).all() and (wardrobe.parts[1] != UNKNOWN).all() and not len(wardrobe.photos)
    assert 0 < np.mean([is_held_out(f"{number}.png") for number in range(500)]) < 0.4


def test_photographs_join_the_wardrobe_with_and_without_their_garment():
    photo, mask = np.full((60, 40, 3), 90, np.uint8), np.zeros((60, 40), np.uint8)
    photo[20:40, 10:30], mask[20:40, 10:30] = (200, 10, 10), 255
    wardrobe = draw_wardrobe(1, 1, photos=[(photo, mask)])
    assert np.abs(np.int16(wardrobe.grounds[0]) - 90).max() <= 10 and wardrobe.photo_masks[0].max() == 255
    scenes = [make_scene(wardrobe, np.random.default_rng(seed)) for seed in range(40)]
    as_they_are = [scene for scene in scenes if (scene.parts == UNKNOWN).all()]
    assert 1 <= len(as_they_are) <= 15 and all(0.02 < scene.mask.mean() < 0.5 for scene in as_they_are)


def test_the_network_s_edge_moves_to_the_picture_s():
    shirt = draw_garment("t-shirt", 128, 2)
    small, right = to_uint8(shirt.picture), shirt.mask[..., 0] > 0.5
    rough = cv2.GaussianBlur(np.float32(right), (0, 0), 3)
    assert mask_iou(np.float32(band_cut(small, rough)), np.float32(right)) > 0.97
    assert (band_cut(small, 0 * rough) == 0).all() and (band_cut(small, 0 * rough + 1) == 1).all()
    spotted = right.copy()
    spotted[2, 2] = True
    assert not without_crumbs(spotted)[2, 2]


def test_a_photograph_is_answered_by_the_network_and_a_picture_of_nothing_is_doubted():
    picture = draw_garment("dress", 200, 3, colour="#2f4a73").picture
    found = find_garment(picture)
    assert found.finder == "network" and found.confidence > 0.9 and not found.doubts
    before = find_garment(picture, finder="graph cut")
    assert before.finder == "graph cut" and before.confidence > 0.9
    rng = np.random.default_rng(0)
    nothing = find_garment(np.float32(rng.uniform(-1, 1, (120, 120, 3))))
    assert nothing.doubts and nothing.confidence < 0.88


def test_a_mask_elsewhere_has_no_confidence():
    shirt = draw_garment("shirt", 192, 4)
    picture, mask = to_uint8(shirt.picture), shirt.mask[..., 0]
    likely = garment_likelihood(picture)
    assert mask_confidence(mask, likely) > 0.9 > 0.7 > mask_confidence(np.roll(mask, 40, 1), likely)
    assert "disagreement" in mask_doubts(np.roll(mask, 40, 1), picture, likely=likely)
    assert not mask_doubts(mask, picture, likely=likely)
