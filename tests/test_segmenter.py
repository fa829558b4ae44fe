"""The U-Net: its file, its scenes, its loss, its training, and the choice between two answers."""

import numpy as np
import pytest

from fashion_style.cloth.masks import find_garment
from fashion_style.cloth.refining import band_cut, rate_mask, without_crumbs
from fashion_style.cloth.segmenter import build_segmenter, garment_likelihood, load_segmenter, segmenter_input
from fashion_style.errors import WeightsError
from fashion_style.garments import draw_garment
from fashion_style.images import to_uint8
from fashion_style.networks.garment_scenes import GROUNDS, draw_wardrobe, is_held_out, lay_ground, make_scene
from fashion_style.networks.segmenter_training import (
    fold_segmenter,
    save_segmenter,
    scene_batches,
    segmenter_loss,
    train_segmenter,
)


@pytest.fixture(scope="module")
def wardrobe():
    return draw_wardrobe(1, 1)


def test_the_shipped_network_finds_drawn_garments():
    for kind in ("t-shirt", "trousers"):
        garment = draw_garment(kind, 128, 5)
        likely = garment_likelihood(to_uint8(garment.picture))
        assert likely.shape == (128, 128) and likely.dtype == np.float32 and 0 <= likely.min() <= likely.max() <= 1
        assert np.minimum(likely, garment.mask[..., 0]).sum() / np.maximum(likely, garment.mask[..., 0]).sum() > 0.75


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (128, 128), (400, 200)])
def test_any_picture_goes_in(shape):
    seen = segmenter_input(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert seen.shape == (128, 128, 4) and seen.dtype == np.float32 and np.abs(seen).max() <= 1.001


def test_bad_files_of_weights_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("weights")
    with pytest.raises(WeightsError, match="Cannot read"):
        load_segmenter(tmp_path / "text.npz")
    with pytest.raises(WeightsError, match="Cannot read"):
        load_segmenter(tmp_path / "missing.npz")
    arrays = fold_segmenter(build_segmenter(normalised=True))
    for name, array in (("down1/kernel", np.zeros((3, 3, 1, 2))), ("quarters/bias", np.full(4, np.nan))):
        save_segmenter(dict(arrays, **{name: array}), tmp_path / "wrong.npz")
        load_segmenter.cache_clear()
        with pytest.raises(WeightsError, match=name.split("/")[0]):
            load_segmenter(tmp_path / "wrong.npz")


def test_folding_changes_nothing(wardrobe):
    network = train_segmenter(wardrobe, 2, batch_size=2, progress=False)
    plain = build_segmenter()
    for name, array in fold_segmenter(network).items():
        layer, part = name.split("/")
        getattr(plain.get_layer(layer), part).assign(array)
    inputs, masks = next(scene_batches(wardrobe, range(1), batch_size=2, seed=4))
    np.testing.assert_allclose(plain(inputs), network(inputs, training=False), rtol=1e-3, atol=2e-3)
    assert float(segmenter_loss(plain(inputs), masks)) > float(segmenter_loss(40 * masks - 20, masks))


def test_a_training_goes_on_from_a_file_and_repeats(wardrobe):
    start = fold_segmenter(build_segmenter(normalised=True, seed=3))
    losses = [[], []]
    for record in losses:
        train_segmenter(
            wardrobe,
            3,
            batch_size=2,
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
    picture, mask = make_scene(wardrobe, np.random.default_rng(7))
    again, _ = make_scene(wardrobe, np.random.default_rng(7))
    np.testing.assert_array_equal(picture, again)
    assert picture.dtype == np.uint8 and mask.shape == picture.shape[:2] and mask.max() <= 1


def test_cut_outs_join_the_wardrobe():
    clear = np.zeros((60, 40, 4), np.uint8)
    clear[10:50, 10:30] = (200, 10, 10, 255)
    wardrobe = draw_wardrobe(1, 1, cut_outs=[clear])
    assert wardrobe.photographed.tolist()[:2] == [True, False]
    assert (wardrobe.pictures[0][wardrobe.masks[0] == 255] == (200, 10, 10)).all()
    assert 0 < np.mean([is_held_out(f"{number}.png") for number in range(500)]) < 0.4


def test_the_better_founded_answer_wins():
    shirt = draw_garment("t-shirt", 128, 2)
    small, right = to_uint8(shirt.picture), shirt.mask[..., 0] > 0.5
    likely = np.float32(right)
    assert rate_mask(right, likely, small) > rate_mask(np.roll(right, 9, 1), likely, small) > 0
    assert rate_mask(right & False, likely, small) == rate_mask(right | True, likely, small) == 0
    assert (band_cut(small, 0 * likely) == 0).all() and (band_cut(small, 0 * likely + 1) == 1).all()
    spotted = right.copy()
    spotted[2, 2] = True
    assert not without_crumbs(spotted)[2, 2]


def test_photographs_are_answered_by_one_of_two():
    picture = draw_garment("dress", 200, 3, colour="#2f4a73").picture
    assert find_garment(picture).finder in ("network", "graph cut")
