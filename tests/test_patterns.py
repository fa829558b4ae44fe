"""Independent checks of the pattern rooms: palettes, torus, woven cloths and every pattern family."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from fashion_style.drawing import engraved, ornament, woven
from fashion_style.drawing import tile as torus
from fashion_style.drawing.palettes import PALETTES, palette_array, random_palette
from fashion_style.drawing.tile import seam_error, tile_pattern
from fashion_style.drawing.woven import parse_threadcount
from fashion_style.errors import FashionStyleError, PatternError
from fashion_style.patterns import FAMILIES, PATTERN_FAMILIES, draw_pattern

PRIMARIES = ["#000000", "#ff0000", "#00ff00", "#0000ff"]
every_family = pytest.mark.parametrize("family", PATTERN_FAMILIES)


def middle_seam(tile):
    """Oracle: roll by half, so that the seam lies in the middle; mean jump over two pixels there, over the roughest
    other one.
    """
    worst = 0.0
    for axis in (0, 1):
        half = tile.shape[axis] // 2
        rolled = np.moveaxis(np.roll(tile, half, axis), axis, 0)
        jumps = np.abs(rolled[2:] - rolled[:-2]).mean(axis=(1, 2))
        seam = [half - 2, half - 1]
        worst = max(worst, jumps[seam].max() / (np.delete(jumps, seam).max() + 1e-6))
    return worst


def test_enough_families_and_palettes():
    assert len(PATTERN_FAMILIES) >= 26 and len(set(PATTERN_FAMILIES)) == len(PATTERN_FAMILIES)
    assert len(PALETTES) >= 10
    asked = "stripe gingham tartan houndstooth herringbone argyle chevron paisley ditsy damask toile".split()
    asked += (
        "ikat kawung parang seigaiha asanoha shippo leopard zebra camouflage tie-dye shibori terrazzo lace".split()
        + [
            "polka dot",
            "wax print",
            "porcelain scroll",
        ]
    )
    assert set(asked) <= set(PATTERN_FAMILIES)
    assert all(name in PALETTES for _, *names in FAMILIES.values() for name in names)


@every_family
def test_shape_range_and_determinism_at_any_size(family):
    for size in (33, 256):
        tile = draw_pattern(family, size, 3)
        assert tile.shape == (size, size, 3) and tile.dtype == np.float32
        assert np.isfinite(tile).all() and tile.min() >= -1 and tile.max() <= 1
    assert np.array_equal(draw_pattern(family, 33, 3), draw_pattern(family, 33, 3))
    assert tile.std() > 0.02, "an empty cloth"


@every_family
def test_seamless_by_wrap_around(family):
    for seed in (0, 5):
        tile = draw_pattern(family, 32, seed)
        slid = draw_pattern(family, 32, seed, origin=(11 / 32, 20 / 32))
        assert np.abs(np.roll(tile, (-20, -11), (0, 1)) - slid).mean() < 1e-3
        assert seam_error(tile) < 1.5 and middle_seam(tile) < 1.5


@every_family
def test_colours_stay_in_the_hull_of_the_palette(family):
    tile = (draw_pattern(family, 40, 1, palette=PRIMARIES).astype(np.float64) + 1) / 2
    assert tile.min() > -1e-4 and tile.sum(-1).max() < 1 + 1e-3, "outside the tetrahedron of black, red, green and blue"
    two = draw_pattern(family, 40, 1, palette=["#204060", "#e0c0a0"])
    ends = palette_array(["#204060", "#e0c0a0"]).astype(np.float64) * 2 - 1
    share = (two - ends[0]) / (ends[1] - ends[0])
    assert share.std() > 0.05, "two colours must be enough to see the pattern"
    assert np.abs(share - share.mean(-1, keepdims=True)).max() < 2e-3 and share.min() > -1e-3 and share.max() < 1.001


@every_family
def test_seeds_differ(family):
    tiles = [draw_pattern(family, 32, seed, palette="indigo") for seed in range(4)]
    different = sum(np.abs(first - second).mean() > 1e-3 for i, first in enumerate(tiles) for second in tiles[:i])
    assert different >= 4, f"only {different} of 6 pairs of seeds differ"


@every_family
def test_size_changes_the_resolution_only(family):
    large = draw_pattern(family, 192, 2, palette=["#000000", "#ffffff"])
    small = draw_pattern(family, 64, 2, palette=["#000000", "#ffffff"])
    shrunken = large.reshape(32, 6, 32, 6, 3).mean((1, 3))
    coarse = small.reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(shrunken - coarse).mean() < 0.2 * max(shrunken.std(), 0.3)


def test_families_do_not_look_alike():
    tiles = {family: draw_pattern(family, 48, 0, palette="indigo") for family in PATTERN_FAMILIES}
    for first in PATTERN_FAMILIES:
        for second in PATTERN_FAMILIES:
            assert first == second or np.abs(tiles[first] - tiles[second]).mean() > 0.02, (first, second)


def test_negative_controls_fail_the_seam_tests():
    ramp = np.linspace(-1, 1, 64)[None, :, None] * np.ones((64, 1, 3))
    assert seam_error(ramp) > 10 and middle_seam(ramp) > 10
    assert seam_error(ramp.transpose(1, 0, 2)) > 10
    for family in ("argyle", "cloud brocade", "tie-dye"):
        cut = draw_pattern(family, 64, 0)[:51, :53]
        assert seam_error(cut) > 1.5, family

    def wrong_period(origin):
        canvas = torus.Torus(64, "indigo", origin)
        canvas.fill(np.abs(torus.wrap(canvas.x * 2.5)) - 0.2 + 0 * canvas.y, 1)
        return canvas.finish()

    assert np.abs(np.roll(wrong_period((0, 0)), -16, 1) - wrong_period((0.25, 0))).mean() > 0.1


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()
    for family in PATTERN_FAMILIES[:6]:
        draw_pattern(family, 16, 0)
    random_palette(0)
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize(
    "wish",
    [
        dict(family="plaid"),
        dict(size=7),
        dict(size=64.5),
        dict(size=10**6),
        dict(seed=-1),
        dict(seed=0.5),
        dict(palette="mauve"),
        dict(palette=["#ffffff"]),
        dict(palette=np.zeros((7, 3))),
        dict(palette=5),
        dict(palette=[[0, 0, 2], [0, 0, 0]]),
        dict(palette=[[np.nan] * 3] * 2),
        dict(palette=["#zzzzzz", "#000000"]),
        dict(size="64"),
        dict(size=64.0),
        dict(seed=None),
        dict(size=float("nan")),
        dict(family=["stripe"]),
        dict(origin="here"),
        dict(origin=(0, float("nan"))),
    ],
)
def test_errors_name_the_value_and_the_remedy(wish):
    with pytest.raises(PatternError) as caught:
        draw_pattern(**{"family": "stripe", "size": 64, **wish})
    assert isinstance(caught.value, FashionStyleError) and len(str(caught.value)) > 40


def test_named_palettes_are_valid_and_contrast_with_their_ground():
    for name in PALETTES:
        lab = rgb2lab(palette_array(name)[None].astype(np.float64))[0]
        assert np.linalg.norm(lab[1] - lab[0]) > 18, name


def test_random_palettes():
    for count in (2, 4, 6):
        for seed in range(60):
            palette = random_palette(seed, count)
            lightness = rgb2lab(palette[None])[0, :, 0]
            assert palette.shape == (count, 3) and palette.min() >= 0 and palette.max() <= 1
            assert np.abs(lightness[1:] - lightness[0]).min() > 28
    assert np.array_equal(random_palette(7), random_palette(7)) and not np.allclose(
        random_palette(7), random_palette(8)
    )
    for wrong in ((0, 1), (-1, 4), (0.5, 4)):
        with pytest.raises(PatternError):
            random_palette(*wrong)


def test_short_hex_colours_are_named():
    with pytest.raises(PatternError, match="'#fff' is no hex colour.*six digits"):
        palette_array(["#000000", "#fff"])


def test_terrazzo_chips_do_not_lie_on_each_other():
    for seed in range(4):
        chips, canvas = [], torus.Torus(96, "granite")
        canvas.polygon = lambda points, number: chips.append(points)
        FAMILIES["terrazzo"][0](canvas, np.random.default_rng(seed))
        covered = sum(canvas.mask([chip]) for chip in chips)
        sizes = [np.ptp(chip, axis=0).max() for chip in chips]
        assert covered.max() == 1 and len(chips) > 30 and max(sizes) > 4 * min(sizes)


def test_a_toile_peony_is_shaded():
    lines = {}
    for line in (0.004, 0.06):
        strokes, canvas = [], torus.Torus(128, ["#ffffff", "#000000"])
        canvas.polygons = lambda shapes, number: strokes.append(len(shapes))
        engraved.engraved_peony(canvas, (0.5, 0.5), 0.4, np.random.default_rng(0), line)
        lines[line] = strokes
    assert set(lines[0.004]) == {6} and set(lines[0.06]) == {2}
    shaded, bare = (torus.Torus(128, ["#ffffff", "#000000"]) for _ in range(2))
    bare.polygons = lambda shapes, number: None
    for canvas in (shaded, bare):
        engraved.engraved_peony(canvas, (0.5, 0.5), 0.4, np.random.default_rng(0), 0.004)
    hidden = (bare.picture.mean() - shaded.picture.mean()) / (20 * 6 * 0.8 * 0.004 * 0.4 * 0.25)
    assert hidden > 0.3, "the strokes are painted over"


def test_tile_pattern_repeats_and_scales():
    tile = draw_pattern("paisley", 40, 0)
    cloth = tile_pattern(tile, 90, 130)
    rows, columns = np.arange(90) % 40, np.arange(130) % 40
    assert np.array_equal(cloth, tile[rows][:, columns])
    for scale in (0.5, 1.5, 2.0):
        side = round(40 * scale)
        scaled = tile_pattern(tile, 2 * side, 2 * side, scale=scale)
        assert np.array_equal(scaled[:side], scaled[side:]) and seam_error(scaled[:side, :side]) < 1.5
    for wrong in ((np.zeros((4, 4)), 8, 8, 1.0), (tile, 0, 8, 1.0), (tile, 8, 8, 0.0)):
        with pytest.raises(PatternError):
            tile_pattern(*wrong[:3], scale=wrong[3])
    with pytest.raises(PatternError):
        seam_error(np.zeros((3, 3, 3)))


def test_thread_counts():
    assert parse_threadcount("B24 W4 B24 R2 K24") == [("B", 24), ("W", 4), ("B", 24), ("R", 2), ("K", 24)]
    assert parse_threadcount("B/24 K4 R/6") == [("B", 24), ("K", 4), ("R", 6)] == parse_threadcount("/b24, k4, r6/")
    assert "".join(woven.sett_threads("K/2 R3 Y/1")) == "KKRRRYRRR"
    assert "".join(woven.sett_threads("...K2 R3 Y1...")) == "KKRRRY"
    assert woven.sett_threads(woven.SETTS["Royal Stewart"]).count("R") == 72 + 2 * (8 + 4)
    for wrong in ("", "   ", "24B", "B0", "B/24 x", "B-4", None, 7):
        with pytest.raises(PatternError) as caught:
            parse_threadcount(wrong)
        assert "B/24 K4 R/6" in str(caught.value)


def test_mirrored_sett_reads_the_same_backwards():
    for sett in woven.SETTS.values():
        threads = woven.sett_threads(sett)
        first = parse_threadcount(sett)[0][1]
        turned = np.roll(threads[::-1], first)
        assert list(turned) == threads


def test_houndstooth_by_loops():
    order = [1, 1, 1, 1, 0, 0, 0, 0]
    cloth = woven.colour_and_weave(order, order, woven.TWILL)
    for i in range(8):
        for j in range(8):
            over = (j - i) % 4 < 2
            assert cloth[i, j] == (order[j] if over else order[i])
    assert woven.colour_and_weave([1, 0] * 2, [1, 0] * 2, woven.PLAIN).std(axis=1).max() == 0, "lying stripes"
    assert woven.colour_and_weave([1, 0] * 2, [0, 1] * 2, woven.PLAIN).std(axis=0).max() == 0, "upright stripes"


def test_gingham_has_a_quarter_a_half_and_a_quarter():
    canvas = torus.Torus(256, ["#000000", "#ffffff"])
    woven.draw_gingham(canvas, np.random.default_rng(0))
    assert abs(canvas.picture.mean() - 0.5) < 0.01


def test_periodic_noise_against_a_direct_sum():
    canvas, rng = torus.Torus(8, "indigo", origin=(0.125, 0.25)), np.random.default_rng(4)
    field = torus.periodic_noise(canvas, rng, 2.0, spread=0.3)
    rng, highest = np.random.default_rng(4), int(np.ceil(2.0 * (1 + 2.5 * 0.3)))
    across, down = np.arange(highest + 1), np.arange(-highest, highest + 1)
    radius = np.hypot(across[None], down[:, None])
    waves = np.exp(-0.5 * ((radius - 2) / 0.6) ** 2) * (radius > 0)
    waves = waves * (rng.normal(size=waves.shape) + 1j * rng.normal(size=waves.shape))
    waves /= np.sqrt(0.5 * (np.abs(waves) ** 2).sum())
    expected = sum(
        (waves[row, k] * np.exp(2j * np.pi * (k * canvas.x + down[row] * canvas.y))).real
        for k in across
        for row in range(len(down))
    )
    np.testing.assert_allclose(field, expected, atol=2e-5)


def test_scattered_points_and_cells_on_the_torus():
    points = torus.scattered_points(np.random.default_rng(2), 30)
    cells = torus.voronoi_cells(points)
    area = sum(
        0.5 * abs(np.cross(np.c_[cell, 0 * cell[:, :1]], np.c_[np.roll(cell, 1, 0), 0 * cell[:, :1]])[:, 2].sum())
        for cell in cells
    )
    assert abs(area - 1) < 1e-9
    for point, cell in zip(points, cells):
        step = torus.wrap(cell[:, None] - points[None])
        np.testing.assert_allclose(np.hypot(*np.moveaxis(step, -1, 0)).min(1), np.hypot(*(cell - point).T), atol=1e-9)


def test_polygons_reach_over_every_edge_and_may_be_larger_than_the_tile():
    canvas = torus.Torus(16, ["#000000", "#ffffff"])
    canvas.polygon([(-0.25, -0.25), (0.25, -0.25), (0.25, 0.25), (-0.25, 0.25)], 1)
    tile = (canvas.finish() + 1) / 2
    assert tile[0, 0, 0] == tile[15, 15, 0] == tile[0, 15, 0] == tile[15, 0, 0] == 1 and tile[8, 8, 0] == 0
    assert abs(tile.mean() - 0.25) < 0.03
    canvas.polygon([(-2, -2), (2, -2), (2, 2), (-2, 2)], 1)
    assert canvas.finish().min() == 1


def black_and_white(family, size=128, seed=0):
    return draw_pattern(family, size, seed, palette=["#000000", "#ffffff"])[..., 0]


def test_symmetries_that_name_the_pattern():
    damask = black_and_white("damask")
    assert np.abs(damask - damask[:, ::-1]).mean() < 0.02 < 0.1 < np.abs(damask - damask[::-1]).mean()
    for family in ("kawung", "shippo", "polka dot"):
        tile = black_and_white(family)
        assert np.abs(tile - np.rot90(tile)).mean() < 0.03, family
    for family in ("seigaiha", "asanoha", "ogee", "trellis", "chevron"):
        tile = black_and_white(family)
        assert np.abs(tile - tile[:, ::-1]).mean() < 0.03, family
    stripes = black_and_white("stripe", seed=0)
    assert min(np.ptp(stripes, axis=0).max(), np.ptp(stripes, axis=1).max()) < 1e-6
    parang = black_and_white("parang")
    assert np.abs(parang - parang[:, ::-1]).mean() > 0.2


def test_lace_shows_the_ground_and_hangs_together():
    canvas = torus.Torus(128, ["#000000", "#ffffff"])
    FAMILIES["lace"][0](canvas, np.random.default_rng(0))
    assert 0.3 < (canvas.picture[..., 0] < 0.01).mean() < 0.85


def test_damask_motif_stays_in_its_half():
    figure, inner = ornament.damask_motif()
    assert all(shape[:, 0].min() > -0.08 and np.abs(shape[:, 1]).max() < 0.56 for shape in [*figure, inner])
