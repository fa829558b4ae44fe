"""What a designer asks of trained weights: strength, mixes, scale, colours, lock, any size."""

import json
from dataclasses import replace

import numpy as np
import pytest
from skimage.color import rgb2lab

from fashion_style import design as design_room
from fashion_style.comparison import ScorecardTable
from fashion_style.design import (
    Designer,
    keep_garment_colours,
    load_designer,
    lock_garment,
)
from fashion_style.errors import DesignError, PictureError, TrainingError
from fashion_style.garments import draw_garment
from fashion_style.generator import build_generator
from fashion_style.images import to_uint8
from fashion_style.patterns import draw_pattern
from fashion_style.runs import networks
from fashion_style.runs.checkpoints import save_checkpoint
from fashion_style.runs.networks import build_networks
from fashion_style.runs.state_shapes import generator_shapes
from fashion_style.runs.weights import export_generator
from fashion_style.settings import TrainingSettings
from fashion_style.studio import evaluation as demo
from fashion_style.studio.evaluation import rival_differences, run_demo, verdict
from fashion_style.studio.proposals import propose
from fashion_style.style_generator import build_style_generator
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
    pictures = [
        designer.stylize(garment.picture, style, strength=strength, lock=False).picture for strength in (0.0, 0.3, 1.0)
    ]
    np.testing.assert_array_equal(pictures[0], garment.picture)
    changes = [np.abs(picture - garment.picture).mean() for picture in pictures]
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (45, 70), (130, 61)])
def test_any_size(designer, shape, style):
    garment = np.random.default_rng(0).uniform(-1, 1, shape + (3,)).astype("float32")
    assert designer.stylize(garment, style).picture.shape == shape + (3,)


@pytest.mark.parametrize("paths", ["both", "spatial", "global"])
def test_a_generator_trained_in_bfloat16_designs_like_the_same_weights_in_float32(paths):
    rng, pictures = np.random.default_rng(0), []
    garment, *styles = rng.uniform(-1, 1, (3, 48, 40, 3)).astype("float32")
    for precision in ("float32", "mixed_bfloat16"):
        designer = Designer(build_networks(TrainingSettings(width=4, paths=paths, precision=precision))[0])
        pictures.append(
            [
                designer.stylize(garment, style, mask=np.ones((48, 40, 1), "float32"), strength=0.8).picture
                for style in (styles[0], styles)
            ]
        )
    for plain, mixed in zip(*pictures):
        assert (
            mixed.dtype == np.float32 and 0 < np.abs(mixed - plain).max() < 0.2 and np.abs(mixed - plain).mean() < 0.02
        )


def test_a_run_trained_in_bfloat16_is_loaded_in_float32(tmp_path):
    trainer = Trainer(TrainingSettings(size=32, batch=2, width=4, precision="mixed_bfloat16"))
    save_checkpoint(trainer, tmp_path)
    loaded = load_designer(tmp_path).generator
    assert {layer.compute_dtype for layer in loaded.painter.layers} == {"float32"}
    for one, other in zip(loaded.variables, trainer.generator.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_fifty_sizes_are_one_trace(designer, style):
    rng = np.random.default_rng(0)
    for height, width in rng.integers(24, 72, (50, 2)):
        garment = rng.uniform(-1, 1, (height, width, 3)).astype("float32")
        assert designer.stylize(garment, style, mask=np.ones((height, width))).picture.shape == (height, width, 3)
    assert designer._paint.experimental_get_tracing_count() == designer._encode.experimental_get_tracing_count() == 1


def test_a_mix_lies_between_and_weights_count(designer, garment, style):
    other = draw_pattern("leopard", 64, seed=1)
    alone, both, mostly = (
        designer.stylize(garment.picture, [style, other], weights=weights, lock=False).picture
        for weights in ([1, 0], [1, 1], [9, 1])
    )
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


def test_lock_blends_at_soft_edges():
    generated, garment, mask = np.full((1, 3, 3), 1.0), np.full((1, 3, 3), -1.0), np.array([[[0.0], [0.5], [1.0]]])
    np.testing.assert_array_equal(lock_garment(generated, garment, mask)[0, :, 0], [-1, 0, 1])


@pytest.mark.parametrize(
    "wrong",
    [
        dict(strength=1.5),
        dict(strength=float("nan")),
        dict(motif_scale=0.0),
        dict(weights=[1, 2]),
        dict(weights=[-1]),
        dict(weights=[0]),
        dict(weights=[np.nan]),
        dict(weights=[np.inf]),
        dict(weights="a"),
        dict(strength="1"),
        dict(strength=True),
        dict(motif_scale=21),
        dict(motif_scale=np.nan),
        dict(motif_scale=None),
        dict(size=15),
        dict(size=64.5),
        dict(size="64"),
        dict(size=10**400),
        dict(size=4097),
        dict(mask="all"),
        dict(mask=np.zeros((0, 0))),
        dict(mask=np.full((96, 96), np.nan)),
        dict(mask=np.zeros((4, 4, 1))),
        dict(mask=np.full((96, 96, 1), 2.0)),
    ],
)
def test_wrong_numbers_are_refused_with_what_was_received(designer, garment, style, wrong):
    with pytest.raises(DesignError, match="Received"):
        designer.stylize(garment.picture, style, **wrong)


def test_missing_pictures_are_refused(designer, style, tmp_path):
    with pytest.raises(PictureError):
        designer.stylize(tmp_path / "none.png", style)


def test_the_limit_counts_after_size_and_before_any_resizing(designer, style, monkeypatch):
    large = np.zeros((1200, 900, 3), "uint8")
    monkeypatch.setattr(design_room, "MAX_PIXELS", 10_000)
    assert designer.stylize(large, style, size=48).picture.shape == (64, 48, 3)
    with pytest.warns(UserWarning, match="--size") as caught:
        shape = designer.stylize(large, style).picture.shape
    assert len(caught) == 1 and 9_000 < shape[0] * shape[1] <= 10_000
    monkeypatch.setattr("fashion_style.cloth.forms.resize_picture", None)
    with pytest.raises(DesignError, match="smaller size"):
        designer.stylize(large, style, size=90)


def test_a_strip_that_grows_beyond_the_limit_is_refused(designer, style):
    with pytest.raises(DesignError, match="80233 x 4096"):
        designer.stylize(np.zeros((17, 333, 3), "uint8"), style, size=4096)


@pytest.mark.parametrize("paths, allowed", [("global", 1_000), ("spatial", 20_000)])
def test_a_generator_without_a_print_head_works_at_full_size_up_to_its_own_limit(paths, allowed, style, monkeypatch):
    monkeypatch.setattr(design_room, "DIRECT_PIXELS", 1_000)
    monkeypatch.setattr(design_room, "MAX_PIXELS", 20_000)
    monkeypatch.setattr(design_room, "WORKING_PIXELS", 500)  # what prints is painted small above this
    one_path = Designer(build_style_generator(width=4, blocks=1, paths=paths))
    garment = np.zeros((30, 30, 3), "float32")
    picture = one_path.stylize(
        garment, [style, style[::-1]], weights=[1, 2], strength=0.5, mask=np.ones((30, 30)), size=30
    ).picture
    assert picture.shape == (30, 30, 3) and picture.any()
    with pytest.raises(DesignError, match=f"at most {allowed:,} in all"):
        one_path.stylize(garment, style, mask=np.ones((30, 30)), size=200)


def test_a_style_is_never_too_large(designer, garment, style):
    large = np.tile(to_uint8(style), (48, 64, 1))
    assert large.shape[0] * large.shape[1] > design_room.DIRECT_PIXELS
    assert designer.stylize(garment.picture, large, mask=garment.mask).picture.shape == garment.picture.shape


@pytest.mark.parametrize("shape", [(3, 64), (1, 1)])
def test_styles_of_a_few_pixels_are_refused(designer, garment, shape):
    with pytest.raises(DesignError, match="4 pixels"):
        designer.stylize(garment.picture, np.zeros(shape + (3,), "float32"))


def test_masks_may_be_flat_and_follow_the_size(designer, garment, style):
    np.testing.assert_array_equal(
        designer.stylize(garment.picture, style, mask=garment.mask[..., 0]).mask, garment.mask
    )
    assert designer.stylize(garment.picture, style, mask=garment.mask, size=48).mask.shape == (48, 48, 1)
    assert designer.stylize(garment.picture, style, mask=garment.mask[::2, ::2], size=48).mask.shape == (48, 48, 1)


def test_float_pictures_are_converted_and_clipped(designer, style):
    grey = np.linspace(-1.005, 1.005, 32 * 32).reshape(32, 32)
    for picture in (grey, grey[..., None], np.repeat(grey[..., None], 3, axis=2)):
        shown = designer.stylize(picture, style, strength=0, lock=False).picture
        assert (
            shown.shape == (32, 32, 3)
            and np.abs(shown).max() <= 1
            and np.abs(shown[..., 0] - np.clip(grey, -1, 1)).max() < 0.005
        )
    with pytest.raises(PictureError):
        designer.stylize(np.zeros((32, 32, 2)), style)


def test_recipes_are_plain_and_shares_cannot_overflow(designer, garment, style):
    recipe = designer.stylize(
        garment.picture,
        [style, style],
        mask=garment.mask,
        weights=np.array([1e308, 1e308]),
        strength=np.float32(0.5),
        motif_scale=np.int64(1),
    ).recipe
    assert (
        json.loads(json.dumps(recipe)) == recipe
        and recipe["weights"] == [0.5, 0.5]
        and type(recipe["strength"]) is type(recipe["motif_scale"]) is float
    )


@pytest.mark.parametrize(
    "wrong",
    [
        dict(preference={"dots": 1}),
        dict(preference=["gingham"]),
        dict(preference={"gingham": "much"}),
        dict(preference={"gingham": 0}),
        dict(preference={"gingham": np.inf}),
        dict(preference={"gingham": -1}),
        dict(count=0),
        dict(count=1.5),
        dict(count="2"),
        dict(seed=-1),
        dict(seed=None),
        dict(styles={}),
        dict(styles=None),
        dict(styles=["gingham"]),
    ],
)
def test_wrong_wishes_for_proposals_are_refused(designer, garment, style, wrong):
    wishes = dict(styles={"gingham": style}, count=1) | wrong
    with pytest.raises(DesignError, match="Received"):
        propose(designer, garment.picture, wishes.pop("styles"), wishes.pop("count"), mask=garment.mask, **wishes)


def test_proposals_follow_preference_and_seed(designer, garment, style):
    shelf = {"gingham": style, "leopard": draw_pattern("leopard", 64, seed=1)}
    first, again = (
        propose(designer, garment.picture, shelf, 3, preference={"leopard": 1e-310}, seed=3, mask=garment.mask)
        for _ in range(2)
    )
    assert [design.recipe["styles"] for design in first] == [["leopard"]] * 3
    assert all((one.picture == other.picture).all() for one, other in zip(first, again))


def test_weights_go_through_a_run_and_an_export(garment, style, tmp_path):
    trainer = Trainer(TrainingSettings(size=32, batch=2, steps=1, width=4))
    save_checkpoint(trainer, tmp_path / "run")
    sha = export_generator(tmp_path / "run", tmp_path / "small.npz")
    assert len(sha) == 64
    direct, from_run, from_file = (
        d.stylize(garment.picture, style, lock=False).picture
        for d in (Designer(trainer.generator), load_designer(tmp_path / "run"), load_designer(tmp_path / "small.npz"))
    )
    np.testing.assert_allclose(direct, from_run, atol=1e-5)
    np.testing.assert_allclose(direct, from_file, atol=0.02)  # float16 on disk


@pytest.mark.parametrize("content", [b"", b"not weights", None])
def test_weights_that_are_none(tmp_path, content):
    path = tmp_path / "weights.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError):
        load_designer(path)


def test_a_designer_builds_no_critic(monkeypatch):
    def refuse(*given, **options):
        raise AssertionError("a critic is built")

    for name in ("build_discriminator", "build_style_critic"):
        monkeypatch.setattr(networks, name, refuse)
    assert load_designer().sha256
    with pytest.raises(AssertionError, match="a critic is built"):  # training does
        build_networks(TrainingSettings(width=4))


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
    settings = TrainingSettings(size=32, width=4)
    arrays = {name: np.full(array.shape, value) for name, array in generator_shapes(settings).items()}
    np.savez(tmp_path / "broken.npz", settings=np.array(json.dumps(settings.to_dict())), **arrays)
    with pytest.raises(TrainingError, match="broken.npz.*not finite.*generator/000"):
        load_designer(tmp_path / "broken.npz")


def test_an_export_that_cannot_be_written_says_so(tmp_path):
    save_checkpoint(Trainer(TrainingSettings(size=32, batch=2, steps=1, width=4)), tmp_path / "run")
    with pytest.raises(TrainingError, match="cannot write.*Name a file"):
        export_generator(tmp_path / "run", tmp_path / "no folder" / "small.npz")


def test_the_package_ships_a_trained_generator(garment, style):
    design = load_designer().stylize(garment.picture, style, mask=garment.mask)
    inside = garment.mask[..., 0] == 1
    assert np.abs(design.picture - garment.picture)[inside].mean() > 0.1
    named = "weights strength motif_scale keep_colours lock repeat rotate offset laid generator"
    assert set(design.recipe) == set(named.split()) and design.recipe["laid"] == [design.laid[0].to_dict()]


def stop_at_once(*arguments, **more):
    raise TrainingError("enough")


def test_demo_writes_everything_and_never_over_an_old_one(tmp_path, monkeypatch):
    quick = dict(
        width=4, constraint="clip", update="together", content_layer="block1_conv1", style_layers=("block1_conv1",)
    )
    monkeypatch.setattr(demo, "DEMO_SETTINGS", replace(demo.DEMO_SETTINGS, **quick))
    evaluation, first = run_demo(tmp_path / "designs", steps=2, count=2, size=64)
    names = {path.name for path in first.iterdir()}
    assert names == {
        "run",
        "design-01.png",
        "design-02.png",
        "first_look.jpg",
        "contact_sheet.jpg",
        "scorecard.md",
        "scorecard_whole.csv",
        "scorecard_cloth.csv",
        "scorecard_garment.csv",
        "loss_curves.png",
        "settings.json",
    }
    assert evaluation.whole.rows == evaluation.inside.rows and "generator" in evaluation.whole.rows
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    monkeypatch.setattr(demo, "train", stop_at_once)
    with pytest.raises(TrainingError, match="enough"):
        run_demo(tmp_path / "designs", steps=1, count=2, size=64)
    assert (tmp_path / "designs-2" / "first_look.jpg").is_file() and before == {
        path: path.read_bytes() for path in first.rglob("*") if path.is_file()
    }


def test_the_demo_watches_pairs_that_it_does_not_train_on(tmp_path, monkeypatch):
    seen = {}

    def remember(run, settings, contents, styles, *, held_out, watchers):
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
    """The generator is sure to be better on ssim (0.2 up) and swd (0.3 down), worse on content, and no different on
    gram.
    """
    rival = np.random.default_rng(0).uniform(1, 2, (pairs, 4))
    noise = 0.5 * (-1.0) ** np.arange(pairs)
    own = rival + np.stack([np.full(pairs, 0.1), np.full(pairs, 0.2), noise, np.full(pairs, -0.3)], axis=-1)
    rows = ("identity", "style picture", "paste and shade", "generator")
    return ScorecardTable("embedded", rows, ("content", "ssim", "gram", "swd"), np.stack([rival, rival, rival, own]))


def test_differences_name_the_better_row_and_none_where_zero_lies_inside():
    words = dict(
        line[2:].split(" ", 1) for line in rival_differences(made_up_table(10)).splitlines() if line.startswith("* ")
    )
    assert words["content"] == "+0.100 [+0.100, +0.100]: paste and shade is better"
    assert words["ssim"] == "+0.200 [+0.200, +0.200]: generator is better"
    assert words["gram"].startswith("+0.000 [-0.") and words["gram"].endswith("no difference shown")
    assert words["swd"] == "-0.300 [-0.300, -0.300]: generator is better"


def test_one_pair_shows_no_difference():
    text = rival_differences(made_up_table(1))
    assert text.count("one pair shows nothing") == 4 and "nan" not in text and "better" not in text


def test_markdown_and_verdict_compare_with_paste_and_shade():
    table = made_up_table(10)
    evaluation = demo.Evaluation(np.zeros((10, 8, 8, 3)), table, table, table, None)
    assert evaluation.to_markdown().count("generator minus paste and shade, pair by pair:") == 3
    mean = table.per_pair("paste and shade", "gram").mean()
    assert verdict(evaluation).count(f"paste and shade {mean:.3f}; paired difference +0.000 [-0.") == 2
    assert verdict(evaluation).startswith("the cloth alone, in brackets paste and shade: ")


def test_above_the_working_size_maps_are_made_small_and_printed_large(garment, style, monkeypatch):
    designer, called = load_designer(), []
    direct = designer.stylize(garment.picture, style, mask=garment.mask)
    monkeypatch.setattr(design_room, "WORKING_PIXELS", 64 * 64)
    paint = design_room.paint_large
    monkeypatch.setattr(
        design_room, "paint_large", lambda *arguments: called.append(arguments[1].shape) or paint(*arguments)
    )
    large = designer.stylize(garment.picture, style, mask=garment.mask)
    # the room itself still works at full size here
    assert called == [(96, 96, 3)] and np.abs(large.picture - direct.picture).max() < 0.02
    outside = garment.mask[..., 0] == 0
    np.testing.assert_array_equal(large.picture[outside], garment.picture[outside])
