"""What a designer asks of trained weights: strength, mixes, scale, colours, lock, any size."""
import json

import numpy as np
import pytest
from skimage.color import rgb2lab

from fashion_style.checkpoints import save_checkpoint
from fashion_style import demo
from fashion_style.demo import rival_differences, run_demo, verdict
from fashion_style.design import DesignError, Designer, export_generator, keep_garment_colours, load_designer, lock_garment, tile_style
from fashion_style.garments import draw_garment
from fashion_style.generator import build_generator, build_style_generator
from fashion_style.images import PictureError, to_uint8
from fashion_style.scorecard_table import ScorecardTable
from fashion_style.patterns import draw_pattern
from fashion_style.settings import TrainingError, TrainingSettings
from fashion_style.training import Trainer


@pytest.fixture(scope="module")
def designer():
    return Designer(build_style_generator(width=4, blocks=1), "test")


@pytest.fixture(scope="module")
def garment():
    return draw_garment("dress", 96, seed=1)


@pytest.fixture(scope="module")
def style():
    return draw_pattern("gingham", 64, seed=2)


def test_outside_the_mask_every_bit_stays(designer, garment, style):
    design = designer.stylize(garment.picture, style, mask=garment.mask)
    outside = garment.mask[..., 0] == 0
    np.testing.assert_array_equal(design.picture[outside], garment.picture[outside])
    np.testing.assert_array_equal(to_uint8(design.picture)[outside], to_uint8(garment.picture)[outside])
    assert np.abs(design.picture - garment.picture)[garment.mask[..., 0] == 1].mean() > 0.05


def test_strength_goes_from_the_garment_to_the_style(designer, garment, style):
    pictures = [designer.stylize(garment.picture, style, strength=strength, lock=False).picture for strength in (0.0, 0.3, 1.0)]
    np.testing.assert_array_equal(pictures[0], garment.picture)
    changes = [np.abs(picture - garment.picture).mean() for picture in pictures]
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (45, 70), (130, 61)])
def test_any_size(designer, shape, style):
    garment = np.random.default_rng(0).uniform(-1, 1, shape + (3,)).astype("float32")
    assert designer.stylize(garment, style).picture.shape == shape + (3,)


def test_a_mix_lies_between_and_weights_count(designer, garment, style):
    other = draw_pattern("leopard", 64, seed=1)
    alone, both, mostly = (designer.stylize(garment.picture, [style, other], weights=weights, lock=False).picture for weights in ([1, 0], [1, 1], [9, 1]))
    np.testing.assert_allclose(alone, designer.stylize(garment.picture, style, lock=False).picture, atol=1e-5)
    assert np.abs(mostly - alone).mean() < np.abs(both - alone).mean()


def test_the_article_s_generator_serves_too(garment, style):
    design = Designer(build_generator(None)).stylize(garment.picture, [style, style], mask=garment.mask, strength=0.5)
    assert design.picture.shape == garment.picture.shape


def test_kept_colours_are_the_garment_s(garment, style):
    shown = keep_garment_colours(style[:64, :64], garment.picture[16:80, 16:80])
    assert shown.shape == (64, 64, 3) and np.abs(shown).max() <= 1.0
    light = rgb2lab((shown + 1) / 2)[..., 0] - rgb2lab((style[:64, :64] + 1) / 2)[..., 0]
    assert np.median(np.abs(light)) < 2.0  # lightness is the style's, but for colours that no screen can show


def test_tiles_repeat_seamlessly_and_photos_are_mirrored(style):
    laid = tile_style(style, 96, 96, motif_scale=0.5)
    np.testing.assert_array_equal(laid[:48], laid[48:])
    ramp = np.broadcast_to(np.linspace(-1, 1, 64, dtype="float32")[:, None, None], (64, 64, 3))
    laid = tile_style(ramp, 128, 128, motif_scale=0.5)
    np.testing.assert_allclose(laid[:64], laid[127:63:-1])
    assert tile_style(style, 40, 90).shape == (40, 90, 3) and tile_style(style, 32, 32, motif_scale=3.0).shape == (32, 32, 3)


def test_lock_blends_at_soft_edges():
    generated, garment, mask = np.full((1, 3, 3), 1.0), np.full((1, 3, 3), -1.0), np.array([[[0.0], [0.5], [1.0]]])
    np.testing.assert_array_equal(lock_garment(generated, garment, mask)[0, :, 0], [-1, 0, 1])


@pytest.mark.parametrize("wrong", [dict(strength=1.5), dict(strength=float("nan")), dict(motif_scale=0.0), dict(weights=[1, 2]), dict(weights=[-1]),
                                   dict(weights=[0]), dict(mask=np.zeros((4, 4, 1))), dict(mask=np.full((96, 96, 1), 2.0))])
def test_wrong_numbers_are_refused_with_what_was_received(designer, garment, style, wrong):
    with pytest.raises(DesignError, match="Received"):
        designer.stylize(garment.picture, style, **wrong)


def test_pictures_that_are_too_large_or_missing(designer, style, tmp_path):
    with pytest.raises(DesignError, match="smaller size"):
        designer.stylize(np.zeros((3000, 3000, 3), "float32"), style)
    with pytest.raises(PictureError):
        designer.stylize(tmp_path / "none.png", style)


def test_weights_go_through_a_run_and_an_export(garment, style, tmp_path):
    trainer = Trainer(TrainingSettings(size=32, batch=2, steps=1, width=4))
    save_checkpoint(trainer, tmp_path / "run")
    sha = export_generator(tmp_path / "run", tmp_path / "small.npz")
    assert len(sha) == 64
    direct, from_run, from_file = (d.stylize(garment.picture, style, lock=False).picture
                                   for d in (Designer(trainer.generator), load_designer(tmp_path / "run"), load_designer(tmp_path / "small.npz")))
    np.testing.assert_allclose(direct, from_run, atol=1e-5)
    np.testing.assert_allclose(direct, from_file, atol=0.02)  # float16 on disk


@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_weights_that_are_none(tmp_path, content):
    path = tmp_path / "weights.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError):
        load_designer(path)


def test_weights_that_float16_cannot_hold_are_not_exported(tmp_path):
    trainer = Trainer(TrainingSettings(size=32, batch=2, steps=1, width=4))
    kernel = next(weight for weight in trainer.generator.trainable_variables if len(weight.shape) == 4)
    kernel.assign(np.full(kernel.shape, 70_000.0, "float32"))
    save_checkpoint(trainer, tmp_path / "run")
    with pytest.raises(TrainingError, match="not finite.*generator/"):
        export_generator(tmp_path / "run", tmp_path / "small.npz")
    assert not (tmp_path / "small.npz").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    settings = np.array(json.dumps(TrainingSettings(size=32, width=4).to_dict()))
    np.savez(tmp_path / "broken.npz", **{"settings": settings, "generator/000": np.array([0.0, value])})
    with pytest.raises(TrainingError, match="broken.npz.*not finite.*generator/000"):
        load_designer(tmp_path / "broken.npz")


def test_an_export_that_cannot_be_written_says_so(tmp_path):
    save_checkpoint(Trainer(TrainingSettings(size=32, batch=2, steps=1, width=4)), tmp_path / "run")
    with pytest.raises(DesignError, match="cannot write.*Name a file"):
        export_generator(tmp_path / "run", tmp_path / "no folder" / "small.npz")


def test_the_package_ships_a_trained_generator(garment, style):
    design = load_designer().stylize(garment.picture, style, mask=garment.mask)
    inside = garment.mask[..., 0] == 1
    assert np.abs(design.picture - garment.picture)[inside].mean() > 0.1
    assert set(design.recipe) == {"weights", "strength", "motif_scale", "keep_colours", "lock", "generator"}


def test_demo_writes_everything_and_never_over_an_old_one(tmp_path):
    evaluation, first = run_demo(tmp_path / "designs", steps=2, count=2, size=64)
    names = {path.name for path in first.iterdir()}
    assert names == {"run", "design-01.png", "design-02.png", "contact_sheet.jpg", "scorecard.md", "scorecard_whole.csv", "scorecard_garment.csv", "loss_curves.png", "settings.json"}
    assert evaluation.whole.rows == evaluation.inside.rows and "generator" in evaluation.whole.rows
    _, second = run_demo(tmp_path / "designs", steps=1, count=2, size=64)
    assert second.name == "designs-2"


def test_the_demo_watches_pairs_that_it_does_not_train_on(tmp_path, monkeypatch):
    seen = {}

    def remember(run, settings, contents, styles, *, held_out, callback):
        seen.update(contents=contents, styles=styles, held_out=held_out)
        raise TrainingError("enough")

    monkeypatch.setattr(demo, "train", remember)
    with pytest.raises(TrainingError, match="enough"):
        run_demo(tmp_path / "designs", steps=1, count=2, size=64)
    wanted = demo.held_out_pairs(*demo._drawn_sources("held_out", 80, 0), 6, size=64, seed=0)
    np.testing.assert_array_equal(seen["held_out"].content, wanted.content)
    np.testing.assert_array_equal(seen["held_out"].style, wanted.style)
    assert not set(seen["contents"].names) & set(demo._drawn_sources("held_out", 80, 0)[0].names)


def made_up_table(pairs):
    """The generator is sure to be better on ssim (0.2 up) and swd (0.3 down), worse on content, and no different on gram."""
    rival = np.random.default_rng(0).uniform(1, 2, (pairs, 4))
    noise = 0.5 * (-1.0) ** np.arange(pairs)
    own = rival + np.stack([np.full(pairs, 0.1), np.full(pairs, 0.2), noise, np.full(pairs, -0.3)], axis=-1)
    rows = ("identity", "style picture", "paste and shade", "generator")
    return ScorecardTable("embedded", rows, ("content", "ssim", "gram", "swd"), np.stack([rival, rival, rival, own]))


def test_differences_name_the_better_row_and_none_where_zero_lies_inside():
    words = dict(line[2:].split(" ", 1) for line in rival_differences(made_up_table(10)).splitlines() if line.startswith("* "))
    assert words["content"] == "+0.100 [+0.100, +0.100]: paste and shade is better"
    assert words["ssim"] == "+0.200 [+0.200, +0.200]: generator is better"
    assert words["gram"].startswith("+0.000 [-0.") and words["gram"].endswith("no difference shown")
    assert words["swd"] == "-0.300 [-0.300, -0.300]: generator is better"


def test_one_pair_shows_no_difference():
    text = rival_differences(made_up_table(1))
    assert text.count("one pair shows nothing") == 4 and "nan" not in text and "better" not in text


def test_markdown_and_verdict_compare_with_paste_and_shade():
    table = made_up_table(10)
    evaluation = demo.Evaluation(np.zeros((10, 8, 8, 3)), table, table, None)
    assert evaluation.to_markdown().count("generator minus paste and shade, pair by pair:") == 2
    mean = table.per_pair("paste and shade", "gram").mean()
    assert verdict(evaluation).count(f"paste and shade {mean:.3f}; paired difference +0.000 [-0.") == 2
