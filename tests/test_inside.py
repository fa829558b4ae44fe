"""Figures inside the garment against cases worked out by hand; what they do not see, and what they refuse."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from fashion_style.comparison import ScorecardTable
from fashion_style.errors import GarmentError, ScoreError
from fashion_style.garments import displace_and_shade, draw_garment, paste_and_shade
from fashion_style.scoring import inside
from fashion_style.scoring.inside_table import INSIDE_BASELINES, inside_scorecard

SIZE = 48


@pytest.fixture
def mask():
    """Full inside a frame of 6 px, half at its edge, empty outside."""
    mask = np.zeros((SIZE, SIZE, 1), np.float32)
    mask[5:-5, 5:-5], mask[6:-6, 6:-6] = 0.5, 1
    return mask


def noise(seed, low=-0.2, high=0.9):
    """A picture (SIZE, SIZE, 3) of independent pixels."""
    return np.random.default_rng(seed).uniform(low, high, (SIZE, SIZE, 3)).astype(np.float32)


def grey(light):
    """A grey picture of luminances in [0, 1], (H, W) or one number."""
    return np.repeat(np.float32(np.broadcast_to(light, (SIZE, SIZE)))[..., None] * 2 - 1, 3, axis=-1)


def from_linear(colour):
    """A picture of one colour that is given in linear light, 0.004 included."""
    return np.broadcast_to(np.float32(2 * (np.array(colour) - 0.004) ** (1 / 2.2) - 1), (SIZE, SIZE, 3))


def lit(laid, light):
    """A print under a light in [0, 1] at every pixel: its linear light times the light, 0.004 included."""
    linear = (((laid.astype(np.float64) + 1) / 2) ** 2.2 + 0.004) * light[..., None]
    return np.float32(2 * np.maximum(linear - 0.004, 0) ** (1 / 2.2) - 1)


# Each figure by hand
# --------------------------------------------------------------------------------------------------------------------
def test_palette_of_two_plain_cloths_is_the_step_between_them(mask):
    red, blue = (np.broadcast_to(np.float32(colour), (SIZE, SIZE, 3)) for colour in ([1, -1, -1], [-1, -1, 1]))
    step = np.linalg.norm(rgb2lab([[[1.0, 0, 0]]]) - rgb2lab([[[0, 0, 1.0]]]))
    assert inside.inside_palette_distance(red, blue, mask) == pytest.approx(step, rel=1e-4)
    painted_outside = np.where(mask > 0.9, red, blue)
    assert inside.inside_palette_distance(painted_outside, red, mask) == 0


def test_palette_has_six_colours(mask):
    colours = [[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]
    six = np.float32(colours)[np.indices((SIZE, SIZE))[1] % 6]
    assert inside.inside_palette_distance(six, six[:, ::-1], mask) == pytest.approx(0, abs=1e-6)


def test_chromaticity_of_twice_the_red_is_a_ninth(mask):
    laid, redder = from_linear([0.3, 0.15, 0.15]), from_linear([0.6, 0.15, 0.15])
    assert inside.chromaticity_error(redder, laid, mask) == pytest.approx(100 / 9, rel=1e-4)
    left_half = np.where(np.arange(SIZE)[None, :, None] < SIZE // 2, redder, laid)
    assert inside.chromaticity_error(left_half, laid, mask) == pytest.approx(50 / 9, rel=1e-4)


def test_chromaticity_is_blind_to_shading(mask):
    laid = noise(1, 0.2, 1)
    shaded = lit(laid, np.random.default_rng(2).uniform(0.3, 1, (SIZE, SIZE)))
    assert inside.chromaticity_error(shaded, laid, mask) < 1e-4
    assert inside.chromaticity_error(shaded * np.float32([1, 0.9, 1]), laid, mask) > 0.3


def test_make_is_one_where_the_print_is_lit_by_the_garment(mask):
    garment, laid = grey(np.random.default_rng(3).uniform(0.3, 0.9, (SIZE, SIZE))), grey(1)
    assert inside.make_kept(garment, laid, garment, mask) == pytest.approx(1)
    opposite = grey(0.3 + 0.9 - (garment[..., 0] + 1) / 2)
    assert inside.make_kept(opposite, laid, garment, mask) < -0.9
    assert inside.make_kept(laid, laid, garment, mask) == 0


def test_make_does_not_see_the_print_or_the_dye(mask):
    light = np.random.default_rng(4).uniform(0.5, 1, (SIZE, SIZE, 1))
    dyed = np.float32(light * np.array([0.9, 0.4, 0.3]) * 2 - 1)
    laid = noise(5, 0.2, 1)
    dressed = np.float32((laid + 1) * light - 1)
    assert inside.make_kept(dressed, laid, dyed, mask) > 0.99


def test_make_asks_only_fine_light_and_only_inside(mask):
    garment = grey(np.random.default_rng(6).uniform(0.3, 0.9, (SIZE, SIZE)))
    slope = grey(np.tile(np.linspace(0.2, 1, SIZE), (SIZE, 1)))
    assert abs(inside.make_kept(slope, grey(1), garment, mask)) < 0.3
    elsewhere = garment.copy()
    elsewhere[:2] = -1  # two standard deviations of the high-pass away from the pixels that count
    core = inside.make_kept(garment, grey(1), garment, mask)
    assert inside.make_kept(elsewhere, grey(1), garment, mask) == pytest.approx(core, abs=0.05)


def test_residue_of_a_double_exposure_is_that_of_the_formula(mask):
    garment, first, second = grey(0.8), grey(0.2), grey(0.5)

    def a_quarter_shows(picture, laid, mask):
        return 0.75 * laid + 0.25 * picture

    # at once .75 * .5 + .25 * .8 = .575; in two steps .75 * .5 + .25 * (.75 * .2 + .25 * .8) = .4625
    step = rgb2lab(np.full((1, 1, 3), 0.575))[0, 0, 0] - rgb2lab(np.full((1, 1, 3), 0.4625))[0, 0, 0]
    assert inside.residue(a_quarter_shows, garment, first, second, mask) == pytest.approx(step, rel=1e-4)


def test_residue_is_nothing_for_a_method_that_ignores_the_picture(mask):
    assert inside.residue(lambda picture, laid, mask: laid, noise(1), noise(2), noise(3), mask) == 0


def test_residue_dresses_in_the_first_cloth_first(mask):
    worn = []

    def note(picture, laid, mask):
        worn.append((picture[20, 20, 0].item(), laid[20, 20, 0].item()))
        return laid

    inside.residue(note, grey(0.8), grey(0.2), grey(0.5), mask)
    np.testing.assert_allclose(sorted(worn), sorted([(0.6, 0), (0.6, -0.6), (-0.6, 0)]), atol=1e-6)


def test_folds_of_the_true_answer_are_nearly_one_and_of_the_inverse_nearly_minus_one(mask):
    across = np.sin(np.arange(SIZE) / 4) * 0.3 + 0.65
    shading = np.tile(across, (SIZE, 1))[..., None]
    laid = noise(7)
    dressed = np.float32((laid + 1) * shading - 1)
    for blur in (0.03, 0.008):
        assert inside.fold_light(dressed, laid, shading, mask, blur) > 0.98
        assert inside.fold_light(dressed, laid, 1.3 - shading, mask, blur) < -0.98
    assert inside.fold_light(laid, laid, shading, mask) == 0
    brighter_wall = np.where(mask > 0.9, dressed, 1)
    assert inside.fold_light(brighter_wall, laid, shading, mask) == inside.fold_light(dressed, laid, shading, mask)


def test_gradient_energy_of_half_the_contrast_is_a_quarter(mask):
    stripes = grey(np.tile(np.arange(SIZE) % 2, (SIZE, 1)))
    ones, halves = np.ones((SIZE, SIZE, 1)), np.full((SIZE, SIZE, 1), 0.5)
    assert inside.gradient_energy(stripes, stripes, ones, mask) == pytest.approx(1)
    assert inside.gradient_energy(stripes / 2, stripes, ones, mask) == pytest.approx(0.25)
    half_light = np.float32((stripes + 1) / 2 - 1)
    assert inside.gradient_energy(half_light, stripes, halves, mask) == pytest.approx(1)
    wall = np.where(mask > 0.9, stripes, noise(8))
    assert inside.gradient_energy(wall, stripes, ones, mask) == pytest.approx(1)


def test_preview_difference_of_greys_is_their_step_of_lightness(mask):
    small, large = grey(0.5), np.repeat(np.repeat(grey(0.6), 3, 0), 3, 1)
    step = rgb2lab(np.full((1, 1, 3), 0.6))[0, 0, 0] - rgb2lab(np.full((1, 1, 3), 0.5))[0, 0, 0]
    assert inside.preview_difference(large, small) == pytest.approx(step, rel=1e-4)
    assert inside.preview_difference(small, small) == 0
    halves = np.where(mask > 0.9, small, grey(0.6))
    assert inside.preview_difference(large, halves, mask) == pytest.approx(step, rel=1e-3)
    with pytest.raises(ScoreError, match="Exchange them"):
        inside.preview_difference(small, large)


def test_scores_of_a_pair_are_the_four_figures(mask):
    garment, laid, other = noise(1), noise(2), noise(3)

    def paste(picture, laid, mask):
        return paste_and_shade(picture, mask, laid)

    found = inside.inside_scores(paste, garment, laid, other, mask)
    result = paste(garment, laid, mask)
    assert found == {
        "palette": inside.inside_palette_distance(result, laid, mask),
        "chromaticity": inside.chromaticity_error(result, laid, mask),
        "make": inside.make_kept(result, laid, garment, mask),
        "residue": inside.residue(paste, garment, other, laid, mask),
    }
    assert tuple(found) == inside.INSIDE_FIGURES


# What is refused
# --------------------------------------------------------------------------------------------------------------------
def test_wrong_pictures_and_masks_are_refused_in_words(mask):
    picture, shading = noise(1), np.ones((SIZE, SIZE, 1))
    figures = {
        "palette": lambda one, given: inside.inside_palette_distance(one, picture, given),
        "chromaticity": lambda one, given: inside.chromaticity_error(one, picture, given),
        "make": lambda one, given: inside.make_kept(one, picture, picture, given),
        "residue": lambda one, given: inside.residue(lambda p, b, m: p, one, picture, picture, given),
        "folds": lambda one, given: inside.fold_light(one, picture, shading, given),
        "energy": lambda one, given: inside.gradient_energy(one, picture, shading, given),
    }
    for figure in figures.values():
        for wrong in (picture[:40], picture[..., :2], picture * 3, picture * np.nan, np.stack([picture] * 2)):
            with pytest.raises(ScoreError, match="received"):
                figure(wrong, mask)
        for wrong in (mask[:40], mask[..., 0], mask * 0, mask * 0.5, mask * 255, None):
            with pytest.raises(ScoreError, match="received"):
                figure(picture, wrong)


def test_a_thin_mask_has_no_make(mask):
    line = np.zeros_like(mask)
    line[20:23] = 1
    with pytest.raises(ScoreError, match="larger picture"):
        inside.make_kept(noise(1), noise(2), noise(3), line)


@pytest.mark.parametrize("blur", (0, -0.1, 0.6, float("nan")))
def test_a_blur_out_of_range_is_refused(mask, blur):
    with pytest.raises(ScoreError, match="blur"):
        inside.fold_light(noise(1), noise(2), np.ones((SIZE, SIZE, 1)), mask, blur)


@pytest.mark.parametrize(
    "shading", (np.ones((SIZE, SIZE)), np.full((SIZE, SIZE, 1), -1), np.full((SIZE, SIZE, 1), np.inf))
)
def test_a_shading_that_is_none_is_refused(mask, shading):
    for figure in (inside.fold_light, inside.gradient_energy):
        with pytest.raises(ScoreError, match="Garment.shading"):
            figure(noise(1), noise(2), shading, mask)


def test_plain_cloth_has_no_sharpness(mask):
    with pytest.raises(ScoreError, match="motif"):
        inside.gradient_energy(noise(1), grey(0.5), np.ones((SIZE, SIZE, 1)), mask)


def test_a_method_that_returns_another_size_is_named(mask):
    with pytest.raises(ScoreError, match="what dress returned"):
        inside.residue(lambda picture, laid, mask: laid[:40], noise(1), noise(2), noise(3), mask)


# The table
# --------------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def pairs():
    """Garments, prints and masks of three pairs."""
    drawn = [draw_garment(kind, SIZE, 1) for kind in ("dress", "shirt", "skirt")]
    return (
        np.stack([one.picture for one in drawn]),
        np.stack([noise(seed) for seed in range(3)]),
        np.stack([one.mask for one in drawn]),
    )


def wallpaper(picture, laid, mask):
    return picture + mask * (laid - picture)


def test_both_recipes_come_first_and_the_next_print_is_the_old_cloth(pairs):
    garments, laid, masks = pairs
    steps = []
    table = inside_scorecard({"wallpaper": wallpaper}, *pairs, callback=lambda *step: steps.append(step))
    assert table.rows == ("paste and shade", "paste, displaced and shaded", "wallpaper")
    assert table.figures == inside.INSIDE_FIGURES and table.inside_mask and table.extractor is None
    assert steps == [(done, 9) for done in range(1, 10)]
    for row, dress in (INSIDE_BASELINES | {"wallpaper": wallpaper}).items():
        for number, other in ((0, 1), (1, 2), (2, 0)):
            wanted = inside.inside_scores(dress, garments[number], laid[number], laid[other], masks[number])
            assert {figure: table.per_pair(row, figure)[number] for figure in table.figures} == wanted
    given = inside_scorecard({}, *pairs, other_laid=np.roll(laid, 1, axis=0))
    assert not np.array_equal(
        given.per_pair("paste and shade", "residue"), table.per_pair("paste and shade", "residue")
    )


def test_a_table_without_a_network_is_read_back(pairs):
    table = inside_scorecard({"=wallpaper": wallpaper}, *pairs)
    again = ScorecardTable.from_csv(table.to_csv())
    assert again.extractor is None and again.inside_mask and again.rows == table.rows
    np.testing.assert_array_equal(again.values, table.values)
    assert "3 pairs; inside the garment" in table.to_markdown() and "xtractor" not in table.to_markdown()
    assert again.difference("=wallpaper", "=wallpaper", "make") == (0, 0, 0)
    assert table.fig("make", "residue").axes[0].get_xlabel() == "make"


def test_wrong_rows_and_pairs_of_the_table_are_refused(pairs):
    garments, laid, masks = pairs
    with pytest.raises(ScoreError, match="always added"):
        inside_scorecard({"paste and shade": wallpaper}, *pairs)
    with pytest.raises(ScoreError, match="Give the method"):
        inside_scorecard({"pictures": garments}, *pairs)
    with pytest.raises(ScoreError, match="other_laid"):
        inside_scorecard({}, garments[:1], laid[:1], masks[:1])
    with pytest.raises(ScoreError, match="garment_mask"):
        inside_scorecard({}, garments, laid, None)
    with pytest.raises(ScoreError, match="one of each per pair"):
        inside_scorecard({}, garments, laid, masks, laid[:2])
    with pytest.raises(ScoreError, match="row 'paste and shade', pair 1"):
        inside_scorecard({}, garments, laid, masks * np.float32([1, 0.5, 1]).reshape(3, 1, 1, 1))
    assert inside_scorecard({}, garments[:1], laid[:1], masks[:1], laid[1:2]).values.shape == (2, 1, 4)


# The mock-up artist's recipe
# --------------------------------------------------------------------------------------------------------------------
def test_without_folds_nothing_is_displaced():
    garment, whole = grey(0.6), np.ones((SIZE, SIZE, 1), np.float32)
    np.testing.assert_array_equal(
        displace_and_shade(garment, whole, noise(1)), paste_and_shade(garment, whole, noise(1))
    )


def test_an_even_slope_moves_the_print_towards_the_light():
    size = 200  # so that a strong fold moves by whole pixels: 3
    brighter = np.repeat(np.tile(np.linspace(-1, 1, size, dtype=np.float32), (size, 1))[..., None], 3, axis=-1)
    laid = np.random.default_rng(0).uniform(-1, 1, (size, size, 3)).astype(np.float32)
    whole = np.ones((size, size, 1), np.float32)
    wanted = paste_and_shade(brighter, whole, np.roll(laid, 3, axis=1))
    middle = np.s_[:, 50:150]
    np.testing.assert_allclose(displace_and_shade(brighter, whole, laid)[middle], wanted[middle], atol=0.02)


def test_no_print_is_displaced_by_more_than_the_reach_and_the_ground_stays():
    garment = draw_garment("coat", 128, 2)
    down, across = np.indices((128, 128)).astype(np.float32) / 64 - 1
    position = np.dstack([across, down, np.zeros_like(down)])
    moved, pasted = (
        method(np.full_like(garment.picture, 1), np.ones_like(garment.mask), position)
        for method in (displace_and_shade, paste_and_shade)
    )
    np.testing.assert_array_equal(moved, pasted)
    dressed = displace_and_shade(garment.picture, garment.mask, position)
    outside = garment.mask[..., 0] == 0
    np.testing.assert_array_equal(dressed[outside], garment.picture[outside])
    lit_alone = paste_and_shade(garment.picture, garment.mask, position)
    core = garment.mask[..., 0] == 1
    change = np.abs((dressed - lit_alone)[core][:, :2]) * 64
    assert 0.2 < change.max() < 1.2 * 1.2 * 0.015 * 128


def test_displacing_refuses_what_pasting_refuses():
    garment, whole = grey(0.6), np.ones((SIZE, SIZE, 1), np.float32)
    with pytest.raises(GarmentError, match="tile or resize"):
        displace_and_shade(garment, whole, noise(1)[:40])
    np.testing.assert_array_equal(displace_and_shade(garment, whole * 0, noise(1)), garment)
