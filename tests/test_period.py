"""The repeat of a print: found in a swatch, judged by its seam, noted in a recipe, laid over a canvas."""

import dataclasses
import json

import numpy as np
import pytest

from fashion_style.cloth import laying as laying_room
from fashion_style.cloth.laying import tile_style
from fashion_style.cloth.period import (
    NO_REPEAT,
    Repeat,
    find_repeat,
    is_whole,
    overlap_correlation,
    piece_of,
    uneven_light,
    whole_repeats,
)
from fashion_style.cloth.repeats import IN_0_1, LAYOUTS, REPEATS, Laying, plan_laying, read_laying
from fashion_style.cloth.seams import goes_on, seam_ratio
from fashion_style.errors import DesignError
from fashion_style.images import open_picture, resize_picture, to_uint8
from fashion_style.patterns import PATTERN_FAMILIES, draw_pattern

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (90, 110, 3), np.uint8)


def lines(values, width=60):
    """A picture (n, width, 3) of one value in [-1, 1] a line."""
    return np.repeat(np.float32(values)[:, None, None], width, axis=1) * np.ones(3, np.float32)


def motif(rng, height, width):
    """A tile whose parts are all different: coarse noise that wraps, and a dot."""
    small = rng.uniform(-0.5, 0.5, (4, 4, 3)).astype("float32")
    tile = resize_picture(np.tile(small, (3, 3, 1)), (3 * height, 3 * width), fit="stretch")[
        height:-height, width:-width
    ]
    down, across = np.mgrid[0:height, 0:width]
    tile[np.hypot(down - height / 2, across - width / 2) < min(height, width) / 4] = rng.uniform(0.6, 1, 3)
    return tile


# The finder -----------------------------------------------------------------------------------------------------------
def test_the_correlation_is_that_of_the_definition():
    layers = RNG.normal(size=(7, 9, 2)).astype("float32")
    found = overlap_correlation(layers)
    for down, across in ((0, 0), (1, 0), (0, 3), (4, 5), (6, 8)):
        stays, comes = layers[: 7 - down, : 9 - across], layers[down:, across:]
        wanted = (stays * comes).sum() / np.sqrt((stays**2).sum() * (comes**2).sum())
        assert found[down, across] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("height, width", [(40, 40), (31, 57), (64, 24), (90, 200)])
@pytest.mark.parametrize("kind", ["float", "uint8", "grey", "with opacity"])
def test_the_periods_of_a_tile_are_found_in_a_piece(height, width, kind):
    tile = motif(np.random.default_rng(height), height, width)
    swatch = np.tile(tile, (4, 4, 1))[5 : 5 + int(2.6 * height), 3 : 3 + int(2.4 * width)]
    swatch = swatch[..., :1] if kind == "grey" else to_uint8(swatch) if kind == "uint8" else swatch
    if kind == "with opacity":
        swatch = np.concatenate([np.zeros_like(swatch), swatch[..., :1]], axis=2)
    found = find_repeat(swatch)
    assert found.rows == pytest.approx(height, abs=max(1, 0.02 * height)), found
    assert found.columns == pytest.approx(width, abs=max(1, 0.02 * width)), found
    assert found.layout == "straight" and 0.8 < found.confidence <= 1
    top, left, tall, wide = whole_repeats(swatch, found)
    assert (tall, wide) == (2 * height, 2 * width)
    piece = piece_of(swatch, (top, left, tall, wide))
    assert goes_on(piece) and seam_ratio(piece) <= 1.05


@pytest.mark.parametrize("axis, name", [(1, "half-drop"), (0, "brick")])
def test_dropped_columns_and_moved_rows_are_told_apart(axis, name):
    tile = motif(np.random.default_rng(3), 48, 48)
    both = np.concatenate([tile, np.roll(tile, 24, 1 - axis)], axis=axis)
    found = find_repeat(np.tile(both, (3, 3, 1))[: 48 * 4 + 30, : 48 * 4 + 30])
    wanted = (48, 96) if axis == 1 else (96, 48)
    assert found.layout == name and np.allclose((found.rows, found.columns), wanted, atol=1.5), found


def test_noise_and_uneven_light_do_not_hide_a_repeat():
    rng, right = np.random.default_rng(0), []
    light = np.linspace(1, 0.5, 230)[None, :, None]
    for family in PATTERN_FAMILIES[::4]:
        swatch = np.tile((draw_pattern(family, 100) + 1) / 2, (3, 3, 1))[:250, :230] * light
        poor = to_uint8(np.clip(2 * (swatch + rng.normal(0, 0.04, swatch.shape)) - 1, -1, 1).astype("float32"))
        found = find_repeat(poor)
        sides = [side for side in (found.rows, found.columns) if side > 1]
        right.append(bool(found.layout) and all(abs(100 / s - round(100 / s)) * s < max(1.5, 0.03 * s) for s in sides))
    assert np.mean(right) > 0.85, right


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1, 3), "uint8"),
        NOISE[:1],
        NOISE[:, :1],
        NOISE[:4, :4],
        NOISE,
        NOISE[..., :1],
        np.full((50, 70, 3), 255, "uint8"),
        np.zeros((64, 64, 4), "uint8"),
        lines(np.linspace(-1, 1, 80)),
        lines(np.linspace(-1, 1, 80)).swapaxes(0, 1),
        np.concatenate([lines(np.linspace(-1, 1, 80)), np.full((80, 60, 1), -1, "float32")], axis=2),
    ],
)
def test_where_nothing_repeats_nothing_is_found(picture):
    found = find_repeat(picture)
    assert found == NO_REPEAT and found.words == "no repeat found" and not is_whole(picture.shape, found)
    assert whole_repeats(picture, found) == (0, 0, *picture.shape[:2])
    assert seam_ratio(picture) >= 0


@pytest.mark.parametrize("shape", [(8, 3000), (3000, 8), (5, 700), (2, 2), (1, 400)])
@pytest.mark.parametrize("kind", ["noise", "stripes", "one colour"])
def test_slim_pictures_give_finite_numbers(shape, kind):
    picture = np.full((*shape, 3), 90, "uint8")
    if kind == "noise":
        picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    elif kind == "stripes":
        picture[np.indices(shape).sum(axis=0) // 5 % 2 == 0] = 200
    found = find_repeat(picture)
    assert np.isfinite([found.rows, found.columns, found.confidence]).all()
    top, left, height, width = whole_repeats(picture, found)
    assert 0 <= top <= top + height <= shape[0] and 0 <= left <= left + width <= shape[1] and min(height, width) >= 1


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), "uint8"),
        np.zeros((0, 4, 3), "uint8"),
        np.zeros((4, 4, 2), "uint8"),
        np.zeros((4, 4, 3), "int64"),
        np.full((4, 4, 3), np.nan),
        np.array([["a"]]),
    ],
)
def test_what_is_no_swatch_is_refused_with_what_was_received(wrong):
    for ask in (find_repeat, seam_ratio, goes_on, plan_laying, lambda picture: whole_repeats(picture, NO_REPEAT)):
        with pytest.raises(DesignError, match="Received"):
            ask(wrong)


def test_stripes_do_not_change_along_themselves():
    for turn in (False, True):
        stripes = np.tile(lines([1, 1, 1, 1, 1, -1, -1, -1, -1, -1, 0, 0], 50), (6, 1, 1))
        found = find_repeat(stripes.swapaxes(0, 1) if turn else stripes)
        across, along = (found.columns, found.rows) if turn else (found.rows, found.columns)
        assert abs(across - 12) < 0.5 and along == 1 and "any px" in found.words


def test_a_large_swatch_is_cut_to_the_pixel():
    tile = to_uint8(motif(np.random.default_rng(2), 301, 423))
    swatch = np.tile(tile, (3, 3, 1))[: 301 * 2 + 111, : 423 * 2 + 200]
    assert whole_repeats(swatch, find_repeat(swatch))[2:] == (602, 846)


# Seams ----------------------------------------------------------------------------------------------------------------
def test_the_seam_ratio_by_hand():
    assert seam_ratio(lines([-1] * 30 + [1] * 30)) == 1  # one edge inside, one on the seam
    assert seam_ratio(lines([0] * 20 + [1] * 20 + [0] * 20)) == 0
    assert seam_ratio(lines(np.linspace(-1, 1, 64))) == pytest.approx(63, rel=1e-3)
    assert seam_ratio(np.zeros((8, 8, 3), "uint8")) == seam_ratio(np.zeros((1, 1, 3), "uint8")) == 0
    assert seam_ratio(lines([-1, -1, -1, -0.999, 1])) == pytest.approx(1, rel=1e-2)  # flat lines say nothing
    assert seam_ratio(lines(np.linspace(-1, 1, 600))) == np.inf  # no line changes by a level, the seam does


def test_an_edge_inside_does_not_excuse_another_edge_on_the_seam():
    ramp = lines(np.linspace(-0.8, 0.8, 64))
    assert not goes_on(ramp)
    ramp[30:34] = -1  # a hard dark line across the picture
    assert not goes_on(ramp)


@pytest.mark.parametrize("size", [96, 256, 351])
def test_exact_tiles_are_laid_as_they_are_and_pieces_are_not(size):
    tiles = {family: to_uint8(draw_pattern(family, size)) for family in PATTERN_FAMILIES}
    plans = {family: plan_laying(tile) for family, tile in tiles.items()}
    wrong = [name for name, plan in plans.items() if plan[:2] != ("straight", (0, 0, size, size))]
    assert len(wrong) <= 1, wrong
    pieces = [plan_laying(tile[: size * 61 // 96, : size * 71 // 96]) for tile in tiles.values()]
    uncut = [plan for plan in pieces if plan.layout == "straight" and not plan.found.layout]
    assert len(uncut) < 0.25 * len(pieces)


@pytest.mark.parametrize("size", [66, 128, 256])
@pytest.mark.parametrize("parts", [2, 3, 4, 8])
def test_plain_stripes_and_checks_repeat_and_are_not_mirrored(size, parts):
    colours = np.array([[-1, -1, 1], [1, 1, 1], [1, -1, -1]] if parts == 3 else [[-1, -1, 1], [1, 1, 1]] * 4, "float32")
    stripes = np.repeat(colours[np.arange(size) * parts // size][:, None], size, axis=1)
    check = stripes * stripes.swapaxes(0, 1)
    for tile in (stripes, stripes.swapaxes(0, 1), (stripes + stripes.swapaxes(0, 1)) / 2, check):
        plan = plan_laying(tile)
        assert seam_ratio(tile) <= 1.05 and plan[:2] == ("straight", (0, 0, size, size)), plan
        laid = tile_style(tile, 2 * size, 2 * size, motif_scale=0.5)
        np.testing.assert_array_equal(laid[:size], laid[size:])
        np.testing.assert_array_equal(laid[:, :size], laid[:, size:])


@pytest.mark.parametrize("family", ["greek key", "herringbone", "houndstooth", "stripe", "windowpane"])
def test_motifs_of_few_hard_edges_are_repeated_although_one_lies_on_the_seam(family):
    tile = draw_pattern(family, 256)
    laid = tile_style(tile, 512, 512, motif_scale=0.5)
    np.testing.assert_array_equal(laid[:, :256], laid[:, 256:])
    np.testing.assert_array_equal(laid[:256], laid[256:])


def test_the_given_tiles_repeat(shared_data):
    files = sorted((shared_data.parent / "cases").glob("05_tile_*"))
    assert len(files) == 4
    for file in files:
        tile = open_picture(file)
        assert seam_ratio(tile) <= 1.05 and plan_laying(tile)[:2] == ("straight", (0, 0, *tile.shape[:2]))


def test_the_given_one_way_print_stands_upright(shared_data):
    swatch = open_picture(shared_data.parent / "cases" / "17_one_way_print.png")
    plan = plan_laying(swatch)  # its repeat is 0.7 of its side
    assert plan[:2] == ("straight", (0, 0, 180, 180)) and plan.found.confidence > 0.9


def test_few_photographed_fabrics_are_repeated_as_they_are(shared_data):
    files = sorted((shared_data / "patterns" / "fabric").glob("*"))[::4]
    assert len(files) > 40
    pictures = [open_picture(file) for file in files]
    assert np.mean([goes_on(picture) for picture in pictures]) <= 0.1


def test_real_repeats_that_end_in_mid_repeat_are_found(shared_data):
    files = sorted((shared_data / "patterns" / "repeat").glob("*.png"))[::9]
    right = []
    for file in files:
        tile = open_picture(file)
        found = find_repeat(np.tile(tile, (2, 2, 1))[:430, :410])
        parts = [256 / side for side in (found.rows, found.columns) if side > 1]
        right.append(bool(found.layout) and all(abs(part - round(part)) < 0.03 * part for part in parts))
    assert len(files) > 20 and np.mean(right) >= 0.85, right


# Plans and notes ------------------------------------------------------------------------------------------------------
def test_a_swatch_that_ends_inside_a_stripe_is_cut():
    stripes = np.tile(lines([-1] * 16 + [1] * 16, 100), (5, 1, 1))[:150]
    plan = plan_laying(stripes)
    assert plan.layout == "straight" and plan.piece[2] == 128
    laid = tile_style(stripes, 300, 200, motif_scale=0.5)[:, 0, 0] > 0
    widths = np.diff(np.flatnonzero(np.diff(laid)))
    assert widths.max() - widths.min() <= 1, widths


def test_uneven_light_is_measured_and_evened_out():
    cloth = np.tile(0.8 * motif(np.random.default_rng(4), 50, 60), (3, 3, 1))[:130, :160] + 1
    light = np.exp(np.linspace(0, 0.3, 130)[:, None] - np.linspace(0, 0.6, 160)[None, :])[..., None]
    swatch = (cloth * light / light.max() - 1).astype("float32")
    assert np.allclose(uneven_light(swatch, find_repeat(swatch)), (0.3, -0.6), atol=0.05)
    assert np.allclose(uneven_light(cloth - 1, find_repeat(cloth - 1)), (0, 0), atol=0.02)
    plan = plan_laying(swatch)
    assert plan.piece[2:] == (100, 120) and np.allclose(plan.light, (0.3, -0.6), atol=0.05)
    as_large = dict(motif_scale=130 / 100)
    jumps, goes = (
        seam_ratio(tile_style(swatch, 100, 120, repeat=how, **as_large)) for how in (plan._replace(light=(0, 0)), plan)
    )
    assert goes <= 1.05 < jumps
    assert plan_laying(cloth - 1).light == (0.0, 0.0)  # an even swatch keeps its pixels
    assert uneven_light(swatch, NO_REPEAT) == (0.0, 0.0)


def test_what_was_asked_is_obeyed():
    tile = draw_pattern("paisley", 64)
    for word in LAYOUTS:
        assert plan_laying(tile, word) == Laying(word, (0, 0, 64, 64))
    for word in ("", "half drop", None, 3, ["auto"], {}):
        with pytest.raises(DesignError, match="Received"):
            plan_laying(tile, word)


def test_recipes_of_0_1_mirror_what_was_mirrored_then():
    stripes, ramp = lines([-1] * 32 + [1] * 32, 64), lines(np.linspace(-1, 1, 64), 64)
    assert plan_laying(stripes, IN_0_1).layout == plan_laying(ramp, IN_0_1).layout == "mirror"
    assert plan_laying(draw_pattern("seigaiha", 64), IN_0_1).layout == "straight"
    laid = tile_style(stripes, 128, 128, motif_scale=0.5, repeat=IN_0_1)
    np.testing.assert_allclose(laid[:64], laid[127:63:-1])


def test_a_note_is_read_as_it_was_written():
    plans = [plan_laying(draw_pattern("polka dot", 96)), plan_laying(lines(np.linspace(-1, 1, 64)))]
    for plan in (*plans, Laying("none", (1, 2, 3, 4), Repeat("brick", 3.5, 1.0, 0.5), (0.5, -1.0))):
        assert read_laying(json.loads(json.dumps(plan.to_dict()))) == plan


FOUND = dict(layout="straight", rows=3.0, columns=4.0, confidence=0.5)


@pytest.mark.parametrize(
    "change",
    [
        dict(layout="auto"),
        dict(layout=None),
        dict(piece=None),
        dict(piece=[0, 0, 4]),
        dict(piece=[0, 0, 4, 0]),
        dict(piece=[-1, 0, 4, 4]),
        dict(piece=[0, 0, 4, 4.0]),
        dict(piece=[0, 0, 4, True]),
        dict(piece=[0, 0, 4, 10**9]),
        dict(light=None),
        dict(light=[0.0]),
        dict(light=[0.0, 7]),
        dict(light=[0.0, float("nan")]),
        dict(found=3),
        dict(found=dict(FOUND, rows=float("nan"))),
        dict(found=dict(FOUND, rows="3")),
        dict(found=dict(FOUND, confidence=2)),
        dict(found=dict(FOUND, layout="mirror")),
        dict(found=dict(FOUND, more=1)),
    ],
)
def test_a_strangers_note_is_refused(change):
    note = dict(layout="straight", piece=[0, 0, 8, 8], found=dict(FOUND))
    assert read_laying(note).found == Repeat(**FOUND)
    with pytest.raises(DesignError, match="Received"):
        read_laying(note | change)
    for other in (None, [], "straight", 3):
        with pytest.raises(DesignError, match="Received"):
            read_laying(other)


# Laying ---------------------------------------------------------------------------------------------------------------
def test_tiles_repeat_seamlessly_and_photos_are_mirrored():
    style = draw_pattern("seigaiha", 64, seed=1)
    laid = tile_style(style, 96, 96, motif_scale=0.5)
    np.testing.assert_array_equal(laid[:48], laid[48:])
    ramp = lines(np.linspace(-1, 1, 64), 64)
    laid = tile_style(ramp, 128, 128, motif_scale=0.5)
    np.testing.assert_allclose(laid[:64], laid[127:63:-1])
    assert tile_style(style, 40, 90).shape == (40, 90, 3)
    assert tile_style(style, 32, 32, motif_scale=3.0).shape == (32, 32, 3)


@pytest.mark.parametrize("shape", [(4, 4), (5, 400), (64, 64)])
@pytest.mark.parametrize("more", [{}, dict(rotate=10), dict(repeat="none")])
def test_a_large_scale_enlarges_only_what_is_seen(shape, more, monkeypatch):
    made = [0]
    monkeypatch.setattr(
        laying_room,
        "resize_picture",
        lambda picture, size, **options: made.append(np.prod(size)) or resize_picture(picture, size, **options),
    )
    picture = np.random.default_rng(0).uniform(-1, 1, shape + (3,)).astype("float32")
    assert tile_style(picture, 400, 300, motif_scale=20, **more).shape[:2] == (400, 300)
    assert max(made) <= 4 * 400 * 300


def test_a_cut_out_corner_shows_what_the_whole_would():
    style = draw_pattern("paisley", 96, seed=1)
    whole = resize_picture(style, (240, 240), fit="stretch")
    np.testing.assert_allclose(tile_style(style, 120, 120, motif_scale=2.0)[:112, :112], whole[:112, :112], atol=1e-5)


def test_dropped_columns_and_moved_rows():
    tile = motif(np.random.default_rng(5), 32, 32)
    dropped = tile_style(tile, 64, 64, motif_scale=0.5, repeat="half-drop")
    np.testing.assert_array_equal(dropped[:32, :32], tile)
    np.testing.assert_array_equal(dropped[16:48, 32:], tile)
    moved = tile_style(tile, 64, 64, motif_scale=0.5, repeat="brick")
    np.testing.assert_array_equal(moved[32:, 16:48], tile)


@pytest.mark.parametrize("repeat", [word for word in REPEATS if word != "none"])
def test_a_turn_by_a_quarter_is_exact_and_an_offset_moves(repeat):
    tile = motif(np.random.default_rng(6), 32, 32)
    plain = tile_style(tile, 96, 96, motif_scale=1 / 3, repeat=repeat)
    turned = tile_style(tile, 96, 96, motif_scale=1 / 3, repeat=repeat, rotate=90)
    np.testing.assert_allclose(turned, np.rot90(plain, -1), atol=1e-3)
    for full in (360, -360):
        np.testing.assert_allclose(
            tile_style(tile, 96, 96, motif_scale=1 / 3, repeat=repeat, rotate=full), plain, atol=1e-3
        )
    moved = tile_style(tile, 96, 96, motif_scale=1 / 3, repeat=repeat, offset=(10 / 96, 4 / 96))
    np.testing.assert_allclose(moved[4:, 10:], plain[:-4, :-10], atol=1e-6)


def test_a_small_turn_follows_the_angle():
    waves = lines(np.sin(np.arange(128) * np.pi / 16), 128)
    laid = tile_style(waves, 200, 200, repeat="straight", rotate=20)
    down, across = np.gradient(laid[..., 0])
    angle = np.rad2deg(0.5 * np.angle(np.sum((across + 1j * down) ** 2)))  # of the steepest way
    assert abs((angle - 90 - 20 + 90) % 180 - 90) < 1


def test_laid_once_the_garment_shows_around_it():
    tile = to_uint8(motif(np.random.default_rng(8), 30, 30))
    laid = tile_style(tile, 120, 90, motif_scale=0.5, repeat="none")
    opaque = laid[..., 3] > 0
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    assert laid.shape == (120, 90, 4) and (laid[..., 3] == -1).mean() > 0.75
    assert abs(rows[0] - 37) <= 1 and abs(len(rows) - 45) <= 1
    assert abs(columns[0] - 22) <= 1 and abs(len(columns) - 45) <= 1
    lace = np.dstack([tile, np.full((30, 30), 128, "uint8")])
    assert np.abs(tile_style(lace, 120, 90, motif_scale=0.5, repeat="none")[60, 45, 3]) < 0.02


@pytest.mark.parametrize("kind", ["float32", "uint8"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("more", [{}, dict(rotate=33.3, offset=(0.2, -0.7)), dict(repeat="mirror", rotate=-5)])
def test_every_kind_of_picture_is_laid_in_range(kind, channels, more):
    picture = RNG.uniform(-1, 1, (12, 17, channels)).astype("float32")
    laid = tile_style(to_uint8(picture) if kind == "uint8" else picture, 33, 50, motif_scale=0.3, **more)
    assert laid.shape == (33, 50, channels) and laid.dtype == np.float32 and np.abs(laid).max() <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        dict(rotate=361),
        dict(rotate=np.nan),
        dict(rotate="3"),
        dict(offset=(1,)),
        dict(offset=3),
        dict(offset=(0, 2.1)),
        dict(offset=(0, np.inf)),
        dict(offset="12"),
        dict(repeat="twice"),
        dict(motif_scale=0),
        dict(repeat=Laying("straight", (0, 0, 16, 17))),
    ],
)
def test_wrong_layouts_are_refused_with_what_was_received(wrong):
    with pytest.raises(DesignError, match="Received"):
        tile_style(np.zeros((16, 16, 3), "uint8"), 20, 20, **wrong)


def test_the_fields_of_a_repeat_are_plain_numbers():
    found = find_repeat(np.tile(draw_pattern("paisley", 60), (3, 3, 1)))
    assert [type(value) for value in found] == [str, float, float, float]
    assert not dataclasses.is_dataclass(found)
