"""Oracles of the scorecard: every figure again, written with loops or another library, and the habits of its tables."""

import csv
import itertools
import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance as scipy_wasserstein

from fashion_style import comparison as scorecard_table
from fashion_style import scorecard
from fashion_style.comparison import ScorecardTable, bootstrap_interval, motif_repeat_error, set_diversity
from fashion_style.errors import FashionStyleError, ScoreError
from fashion_style.features import CONTENT_LAYER, STYLE_LAYERS, load_extractor
from fashion_style.scorecard import score, score_batch, score_rows

SIZE = 48


def smooth_pictures(count, seed, size=SIZE, scale=2.0):
    """Random pictures (count, size, size, 3) in [-1, 1] with some structure."""
    noise = np.random.default_rng(seed).standard_normal((count, size, size, 3))
    smooth = gaussian_filter(noise, (0, scale, scale, 0), mode="wrap")
    return np.tanh(2 * smooth / smooth.std()).astype(np.float32)


def disc(count, size=SIZE, radius=0.35):
    """Soft-edged disc as a mask (count, size, size, 1)."""
    across = (np.arange(size) + 0.5) / size - 0.5
    distance = np.hypot(across[:, None], across[None])
    return np.repeat(np.clip((radius - distance) * size + 0.5, 0, 1)[None, ..., None], count, axis=0).astype(np.float32)


@pytest.fixture(scope="module")
def embedded():
    return load_extractor("embedded")


@pytest.fixture(scope="module")
def pairs():
    """(output, content, style), five pairs."""
    content, style = smooth_pictures(5, 1), smooth_pictures(5, 2, scale=1.0)
    return np.clip(0.6 * content + 0.4 * style, -1, 1), content, style


# The oracles: loops and plain NumPy, nothing of the room
# -------------------------------------------------------------------
def oracle_content(output, content, weight):
    above = below = 0.0
    for row in range(content.shape[0]):
        for column in range(content.shape[1]):
            above += weight[row, column] * sum(
                (float(a) - float(b)) ** 2 for a, b in zip(output[row, column], content[row, column])
            )
            below += weight[row, column] * sum(float(b) ** 2 for b in content[row, column])
    return above / below


def oracle_gram(features, weight):
    rows = features.reshape(-1, features.shape[-1]).astype(np.float64)
    total = np.zeros((features.shape[-1],) * 2)
    for vector, share in zip(rows, weight.reshape(-1)):
        total += share * np.outer(vector, vector)
    return total / (weight.sum() * features.shape[-1])


def oracle_ssim(output, content, weight):
    grey = [
        sum(share * (picture[..., k].astype(np.float64) + 1) * 127.5 for k, share in enumerate((0.299, 0.587, 0.114)))
        for picture in (output, content)
    ]
    window = np.array([[math.exp(-(y * y + x * x) / (2 * 1.5**2)) for x in range(-5, 6)] for y in range(-5, 6)])
    window /= window.sum()
    total = weights = 0.0
    for row, column in itertools.product(range(5, grey[0].shape[0] - 5), range(5, grey[0].shape[1] - 5)):
        a, b = (g[row - 5 : row + 6, column - 5 : column + 6] for g in grey)
        mean_a, mean_b = (window * a).sum(), (window * b).sum()
        var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
        both = (window * (a - mean_a) * (b - mean_b)).sum()
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        local = (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
        total, weights = total + weight[row, column] * local, weights + weight[row, column]
    return total / weights


def oracle_swd(output, style, axes):
    above, below = [], []
    for axis in axes.T:
        seen, wanted = (sorted(float(vector @ axis) for vector in f.reshape(-1, f.shape[-1])) for f in (output, style))
        above.append(np.mean([abs(a - b) for a, b in zip(seen, wanted)]))
        below.append(np.mean([abs(b - np.mean(wanted)) for b in wanted]))
    return np.mean(above) / np.mean(below)


# Figures against their oracles
# -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("masked", (False, True))
def test_content_and_gram_of_the_whole_chain_are_the_direct_sums(embedded, pairs, masked):
    output, content, style = (batch[:1] for batch in pairs)
    mask = disc(1) if masked else None
    found = score(output, content, style, embedded, mask)
    features = [
        {layer: np.asarray(value)[0] for layer, value in embedded(batch).items()} for batch in (output, content, style)
    ]

    def weight(values):
        cell = SIZE // values.shape[0]
        mask_here = disc(1)[0, ..., 0] if masked else np.ones((SIZE, SIZE))
        return mask_here.reshape(SIZE // cell, cell, SIZE // cell, cell).mean(axis=(1, 3))

    wanted = oracle_content(features[0][CONTENT_LAYER], features[1][CONTENT_LAYER], weight(features[0][CONTENT_LAYER]))
    np.testing.assert_allclose(found["content"], wanted, rtol=1e-4)
    ratios = []
    for layer in STYLE_LAYERS:
        inside, target = features[0][layer], features[2][layer]
        gram, wanted_gram = oracle_gram(inside, weight(inside)), oracle_gram(target, np.ones(target.shape[:2]))
        ratios.append(((gram - wanted_gram) ** 2).sum() / (wanted_gram**2).sum())
    np.testing.assert_allclose(found["gram"], np.mean(ratios), rtol=1e-4)
    np.testing.assert_allclose(
        found["ssim"],
        oracle_ssim(output[0], content[0], disc(1)[0, ..., 0] if masked else np.ones((SIZE, SIZE))),
        rtol=1e-6,
    )


def test_window_of_ssim_is_11_pixels_wide():
    dark, dot = (np.full((31, 31, 3), -1, np.float32) for _ in range(2))
    dot[15, 15] = 1
    touched = [
        scorecard.luminance_ssim(dot, dark, np.float32(np.arange(961) == 31 * 15 + column).reshape(31, 31, 1))
        < 1 - 1e-9
        for column in range(5, 26)
    ]
    assert touched == [abs(column - 15) <= 5 for column in range(5, 26)]


def test_two_constant_pictures_have_the_ssim_of_the_formula():
    for a, b in ((100, 110), (0, 255), (30, 30)):
        first, second = (np.full((20, 20, 3), value / 127.5 - 1, np.float32) for value in (a, b))
        c1 = (0.01 * 255) ** 2
        np.testing.assert_allclose(
            scorecard.luminance_ssim(first, second), (2 * a * b + c1) / (a * a + b * b + c1), rtol=1e-5
        )


def test_sliced_distance_is_sorted_loops_over_every_direction():
    features = [
        gaussian_filter(np.random.default_rng(k).standard_normal((6, 5, 3)), 0.5).astype(np.float32) for k in (0, 1)
    ]
    axes = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    axes /= np.linalg.norm(axes, axis=0)
    found = scorecard.sliced_distance(*map(scorecard.sorted_projections, features))
    np.testing.assert_allclose(found, oracle_swd(*features, axes), rtol=1e-5)


def test_sliced_distance_of_one_channel_is_the_distance_of_scipy():
    first, second = (np.random.default_rng(k).gamma(2.0, size=(8, 8, 1)).astype(np.float32) for k in (3, 4))
    wanted = scipy_wasserstein(first.ravel(), second.ravel()) / np.mean(np.abs(second - second.mean()))
    np.testing.assert_allclose(
        scorecard.sliced_distance(*map(scorecard.sorted_projections, (first, second))), wanted, rtol=1e-5
    )


def test_weighted_quantiles_are_those_of_the_positions_inside():
    values = np.float32([5, 1, 9, 4, 2, 7]).reshape(2, 3, 1)
    mask = np.float32([1, 0, 1, 1, 0, 0]).reshape(2, 3, 1)
    found = scorecard.sorted_projections(values, mask, directions=1)
    sign = np.sign(found[0, 0])
    np.testing.assert_allclose(sorted(sign * found[0]), [4, 4, 5, 5, 9, 9])
    double = np.float32([2, 0, 1, 1, 0, 0]).reshape(2, 3, 1) / 2
    repeated = np.float32([5, 5, 9, 4]).reshape(2, 2, 1)
    np.testing.assert_allclose(
        scorecard.sorted_projections(values, double, directions=3)[:, [0, 2, 4, 5]].mean(),
        scorecard.sorted_projections(repeated, directions=3).mean(),
        rtol=0.05,
    )


def test_directions_are_fixed_unit_vectors():
    one_hot = np.eye(7, dtype=np.float32)[:, None]
    first, again, other = (scorecard.sorted_projections(one_hot, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (64, 7) and np.array_equal(first, again) and not np.array_equal(first, other)
    np.testing.assert_allclose((first**2).sum(axis=1), 1, rtol=1e-5)


# Palettes
# --------------------------------------------------------------------------------------------------------------------
def test_palette_of_few_colours_is_those_colours():
    picture = np.full((20, 20, 3), -1, np.float32)
    picture[:5] = 1
    colours, shares = scorecard.picture_palette(picture)
    np.testing.assert_allclose(colours, [[0, 0, 0], [100, 0, 0]], atol=1e-2)
    np.testing.assert_allclose(shares, [0.75, 0.25])


def test_palette_finds_five_well_separated_colours_with_their_shares():
    wanted = np.float32([[-0.9, -0.9, -0.9], [0.9, 0.9, 0.9], [0.9, -0.8, -0.8], [-0.8, 0.7, -0.8], [-0.8, -0.8, 0.9]])
    index = np.repeat(np.arange(5), (400, 300, 200, 60, 40))
    noise = 0.02 * np.random.default_rng(0).standard_normal((1000, 3))
    colours, shares = scorecard.picture_palette((wanted[index] + noise).astype(np.float32).reshape(20, 50, 3))
    assert colours.shape == (5, 3)
    np.testing.assert_allclose(sorted(shares), [0.04, 0.06, 0.2, 0.3, 0.4], atol=1e-9)


def test_palette_distance_is_the_loop_over_both_directions():
    random = np.random.default_rng(0)
    first, second = ((random.uniform(-50, 50, (k, 3)), random.dirichlet(np.ones(k))) for k in (5, 3))
    total = 0.0
    for here, there in ((first, second), (second, first)):
        total += sum(share * min(math.dist(colour, other) for other in there[0]) for colour, share in zip(*here)) / 2
    np.testing.assert_allclose(scorecard.palette_distance(first, second), total)
    np.testing.assert_allclose(scorecard.palette_distance(second, first), total)
    assert scorecard.palette_distance(first, first) == 0


def test_palette_looks_inside_the_mask_only():
    picture = np.full((16, 16, 3), -1, np.float32)
    picture[:, 8:] = 1
    inside = np.zeros((16, 16, 1), np.float32)
    inside[:, 8:] = 1
    colours, shares = scorecard.picture_palette(picture, inside)
    np.testing.assert_allclose(colours, [[100, 0, 0]], atol=1e-2)
    np.testing.assert_allclose(shares, [1])


# Directions and ranges
# -------------------------------------------------------------------------------------------------------
def test_identity_and_style_picture_have_their_perfect_figures(embedded, pairs):
    _, content, style = pairs
    same, copied = score(content, content, style, embedded), score(style, content, style, embedded)
    assert (
        same["content"] == 0
        and same["ssim"] == pytest.approx(1)
        and min(same["gram"], same["swd"], same["palette"]) > 0.1
    )
    assert (
        copied["gram"] == copied["swd"] == copied["palette"] == 0 and copied["content"] > 0.1 and copied["ssim"] < 0.5
    )


def test_more_style_moves_every_figure_its_way(embedded, pairs):
    _, content, style = pairs
    style = np.clip(0.5 * style + (0.4, 0.1, -0.4), -1, 1).astype(np.float32)
    # the left part wears the style
    covered = {share: np.arange(SIZE)[:, None] < share * SIZE for share in (0.0, 0.33, 0.67, 1.0)}
    rows = score_rows(
        {share: np.where(part, style, content) for share, part in covered.items()}, content, style, embedded
    )
    for figure, sign in (("content", 1), ("ssim", -1), ("gram", -1), ("swd", -1), ("palette", -1)):
        means = [sign * row[figure].mean() for row in rows.values()]
        assert means[0] < means[-1] and means == sorted(means), (figure, means)


def test_figures_do_not_depend_on_chunk_or_company(embedded, pairs):
    by_one, by_four = (score_batch(*pairs, embedded, chunk=chunk) for chunk in (1, 4))
    last = score(*(batch[-1] for batch in pairs), embedded)
    for figure in by_one:
        np.testing.assert_allclose(by_one[figure], by_four[figure], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(by_one[figure][-1], last[figure], rtol=1e-4, atol=1e-6)
    assert by_one.extractor == last.extractor == "embedded" and "embedded" in repr(last)


def test_callback_counts_the_pairs(embedded, pairs):
    seen = []
    score_rows({"row": pairs[0]}, *pairs[1:], embedded, chunk=2, callback=lambda *counts: seen.append(counts))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_small_and_oblong_pictures_can_be_scored(embedded):
    for shape in ((1, 16, 16, 3), (2, 64, 40, 3), (1, 33, 47, 3)):
        content, style = (np.random.default_rng(k).uniform(-1, 1, shape).astype(np.float32) for k in (0, 1))
        figures = score(0.5 * (content + style), content, style, embedded, np.ones((*shape[:3], 1), np.float32))
        assert all(np.isfinite(value) for value in figures.values())


def test_plain_pictures_give_finite_figures(embedded):
    content, style = np.zeros((32, 32, 3), np.float32), np.ones((32, 32, 3), np.float32)
    assert all(np.isfinite(value) for value in score(content, content, style, embedded).values())


# Masks
# ---------------------------------------------------------------------------------------------------------------------
def test_a_full_mask_is_no_mask(embedded, pairs):
    plain, full = score_batch(*pairs, embedded), score_batch(*pairs, embedded, np.ones((5, SIZE, SIZE, 1), np.float32))
    for figure, values in plain.items():
        np.testing.assert_allclose(full[figure], values, rtol=1e-4, atol=1e-6)
    assert set(full) - set(plain) == {"background_change"} and not full["background_change"].any()


def test_what_happens_far_outside_the_mask_changes_the_background_only(embedded):
    content, style = smooth_pictures(1, 5, size=96), smooth_pictures(1, 6, size=96)
    mask = np.zeros((1, 96, 96, 1), np.float32)
    mask[:, 64:, 64:] = 1
    output = 0.5 * (content + style)
    changed = output.copy()
    changed[:, :8, :8] = -changed[:, :8, :8]
    before, after = (score(picture, content, style, embedded, mask) for picture in (output, changed))
    assert before["palette"] == after["palette"] and before["ssim"] == after["ssim"]
    assert after["background_change"] > before["background_change"]
    for figure in ("content", "gram", "swd"):
        assert abs(after[figure] - before[figure]) < 0.2 * abs(before[figure]), figure


def test_background_change_by_hand():
    content = np.zeros((16, 16, 3), np.float32)
    output, mask = content.copy(), np.zeros((16, 16, 1), np.float32)
    mask[:8] = 1
    output[:8], output[8:12] = 1, 0.2
    assert scorecard.background_change(output, content, mask) == pytest.approx(127.5 * 0.2 / 2)
    assert scorecard.background_change(
        np.stack([output, content]), np.stack([content] * 2), np.stack([mask] * 2)
    ) == pytest.approx(127.5 * 0.05)


# Bootstrap
# -------------------------------------------------------------------------------------------------------------------
def test_interval_agrees_with_all_resamplings_of_three_values():
    values = [1.0, 2.0, 6.0]
    means = [np.mean(chosen) for chosen in itertools.product(values, repeat=3)]
    mean, low, high = bootstrap_interval(values, level=0.8, samples=20000)
    np.testing.assert_allclose((mean, low, high), (3, *np.quantile(means, (0.1, 0.9))), atol=1e-9)


def test_interval_covers_the_true_mean_about_as_often_as_it_says():
    random = np.random.default_rng(7)
    for level in (0.95, 0.8):
        inside = [
            low <= 3 <= high
            for _, low, high in (
                bootstrap_interval(random.normal(3, 2, 40), samples=400, seed=k, level=level) for k in range(300)
            )
        ]
        assert level - 0.07 < np.mean(inside) < level + 0.05


def test_interval_is_the_textbook_one_for_many_normal_values():
    values = np.random.default_rng(0).normal(size=2000)
    mean, low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / np.sqrt(2000)
    np.testing.assert_allclose(
        (mean, low, high), (values.mean(), values.mean() - half, values.mean() + half), atol=0.1 * half
    )


def test_interval_repeats_with_its_seed_and_knows_nothing_from_one_pair():
    values = np.random.default_rng(1).exponential(size=30)
    assert bootstrap_interval(values) == bootstrap_interval(values) != bootstrap_interval(values, seed=1)
    mean, low, high = bootstrap_interval([2.5])
    assert mean == 2.5 and np.isnan([low, high]).all()


# Repeats and sets
# ------------------------------------------------------------------------------------------------------------
def test_a_tiled_picture_repeats_perfectly_at_its_period_and_not_at_others():
    tile = np.random.default_rng(0).uniform(-1, 1, (12, 20, 3)).astype(np.float32)
    cloth = np.tile(tile, (4, 3, 1))
    assert motif_repeat_error(cloth, (12, 20)) == 0 == motif_repeat_error(cloth, (24, 20))
    assert motif_repeat_error(cloth, (12, 9)) == pytest.approx(0.5, abs=0.1)
    assert motif_repeat_error(cloth, (5, 9)) == pytest.approx(1, abs=0.15)


def test_repeat_error_of_noise_is_one_and_grows_with_noise():
    noise = np.random.default_rng(1).uniform(-1, 1, (96, 96, 3)).astype(np.float32)
    assert motif_repeat_error(noise, 24) == pytest.approx(1, abs=0.05)
    cloth = np.tile(noise[:24, :24], (4, 4, 1))
    errors = [motif_repeat_error((1 - share) * cloth + share * noise, 24) for share in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert errors == sorted(errors) and errors[0] == 0


def test_repeat_error_is_its_formula_in_loops():
    picture = smooth_pictures(1, 8, size=16)[0].astype(np.float64)
    mask = disc(1, 16)[0, ..., 0].astype(np.float64)
    mean = (mask[..., None] * picture).sum(axis=(0, 1)) / mask.sum()
    errors = []
    for down, right in ((4, 0), (0, 3)):
        above = below = 0.0
        for row, column in itertools.product(range(16 - down), range(16 - right)):
            here, there = picture[row, column], picture[row + down, column + right]
            weight = mask[row, column] * mask[row + down, column + right]
            above += weight * ((here - there) ** 2).sum()
            below += weight * (((here - mean) ** 2).sum() + ((there - mean) ** 2).sum())
        errors.append(above / below)
    np.testing.assert_allclose(
        motif_repeat_error(picture.astype(np.float32), (4, 3), mask[..., None]), np.mean(errors), rtol=1e-5
    )


def test_plain_cloth_repeats_perfectly():
    assert motif_repeat_error(np.full((32, 32, 3), 0.3, np.float32), 8) == 0


def test_diversity_is_its_formula_in_loops_and_zero_for_copies(embedded, pairs):
    outputs = np.concatenate([pairs[1][:2], pairs[2][:2]])
    features = {layer: np.asarray(value) for layer, value in embedded(outputs).items()}
    distances = []
    for first, second in itertools.combinations(range(4), 2):
        layers = []
        for layer in STYLE_LAYERS:
            a, b = (oracle_gram(features[layer][k], np.ones(features[layer].shape[1:3])) for k in (first, second))
            layers.append(((a - b) ** 2).sum() / (((a**2).sum() + (b**2).sum()) / 2))
        distances.append(np.mean(layers))
    np.testing.assert_allclose(set_diversity(outputs, embedded, chunk=3), np.mean(distances), rtol=1e-4)
    assert set_diversity(np.repeat(outputs[:1], 3, axis=0), embedded) == pytest.approx(0, abs=1e-6)
    assert set_diversity(outputs, embedded) > set_diversity(outputs[:2], embedded)


def test_diversity_inside_a_full_mask_is_that_of_whole_pictures_and_a_background_lowers_it(embedded, pairs):
    full, part = np.ones((5, SIZE, SIZE, 1), np.float32), disc(5)
    np.testing.assert_allclose(set_diversity(pairs[2], embedded, full), set_diversity(pairs[2], embedded), rtol=1e-4)
    on_white = part * 0.3 * pairs[2] + (1 - part)
    assert set_diversity(on_white, embedded) < set_diversity(on_white, embedded, part)


# The table
# -------------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def table(embedded, pairs):
    return scorecard_table.scorecard({"half | half": pairs[0]}, *pairs[1:], embedded, disc(5))


def test_baselines_are_always_there_and_are_what_they_say(table, pairs):
    assert table.rows == ("identity", "style picture", "paste and shade", "half | half")
    assert table.values.shape == (4, 5, 6) and table.extractor == "embedded" and table.inside_mask
    assert table.interval("identity", "content") == (0, 0, 0) and table.interval("identity", "background_change") == (
        0,
        0,
        0,
    )
    assert (
        table.interval("paste and shade", "background_change")[0]
        < table.interval("half | half", "background_change")[0]
    )
    found = scorecard_table.baselines(*pairs[1:], disc(5))
    assert np.array_equal(found["identity"], pairs[1]) and np.array_equal(found["style picture"], pairs[2])
    corner, middle = (slice(None), 0, 0), (slice(None), SIZE // 2, SIZE // 2)
    assert np.array_equal(found["paste and shade"][corner], pairs[1][corner])
    assert not np.allclose(found["paste and shade"][middle], pairs[1][middle])


def test_table_holds_the_figures_of_score_batch(table, embedded, pairs):
    alone = score_batch(*pairs, embedded, disc(5))
    for figure, values in alone.items():
        np.testing.assert_allclose(table.per_pair("half | half", figure), values, rtol=1e-4, atol=1e-6)
        mean, low, high = table.interval("half | half", figure)
        assert low <= mean <= high and mean == pytest.approx(values.mean())


def test_difference_is_taken_pair_by_pair(table):
    gaps = table.per_pair("half | half", "swd") - table.per_pair("identity", "swd")
    assert table.difference("half | half", "identity", "swd") == bootstrap_interval(gaps)
    assert table.difference("identity", "identity", "swd") == (0, 0, 0)


def test_markdown_is_one_well_formed_table(table):
    head, rule, *rows, blank, note = table.to_markdown().rstrip("\n").split("\n")
    cells = [line.replace("\\|", "/").count("|") for line in (head, rule, *rows)]
    assert cells == [len(table.figures) + 2] * (len(table.rows) + 2) and blank == ""
    assert "embedded" in note and "5 pairs" in note and "inside the garment" in note and "95%" in note
    assert f"{table.interval('half | half', 'gram')[0]:.3f} [" in rows[-1]


def test_markdown_of_one_pair_claims_no_interval(embedded, pairs):
    one = scorecard_table.scorecard({}, pairs[1][0], pairs[2][0], embedded, disc(1)[0])
    assert "[0." not in one.to_markdown() and "nan" not in one.to_markdown() and one.values.shape == (3, 1, 6)


def test_csv_gives_back_every_value(table):
    lines = list(csv.DictReader(table.to_csv().splitlines()))
    assert (
        len(lines) == 4 * 5
        and {line["extractor"] for line in lines} == {"embedded"}
        and {line["region"] for line in lines} == {"garment"}
    )
    for line in lines:
        values = [float(line[figure]) for figure in table.figures]
        assert np.array_equal(values, table.values[table.rows.index(line["row"]), int(line["pair"])])


def test_csv_is_read_back(table):
    again = ScorecardTable.from_csv(table.to_csv())
    assert (again.extractor, again.rows, again.figures, again.inside_mask) == (
        table.extractor,
        table.rows,
        table.figures,
        table.inside_mask,
    )
    np.testing.assert_array_equal(again.values, table.values)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "a,b\n1,2\n",
        lambda text: text.splitlines()[0],
        lambda text: text.rsplit("\n", 2)[0],
        lambda text: text[:-20],
        lambda text: text.replace("0.", "x.", 1),
    ],
)
def test_damaged_csv_is_one_clear_error(table, damage):
    with pytest.raises(ScoreError, match="no table of to_csv"):
        ScorecardTable.from_csv(damage(table.to_csv()))


def test_figure_shows_every_row_and_names_the_extractor(table):
    axes = table.fig().axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(table.rows)
    assert "embedded" in axes.get_xlabel() and "embedded" in axes.get_ylabel()
    scattered = np.concatenate([dots.get_offsets() for dots in axes.collections if len(dots.get_offsets()) == 5])
    np.testing.assert_allclose(scattered[:, 1], np.concatenate([table.per_pair(row, "gram") for row in table.rows]))
    assert (
        axes.get_yscale() == "linear" and table.fig("content", "gram", scale="symlog").axes[0].get_yscale() == "symlog"
    )
    logarithmic = table.fig("content", "gram", scale="symlog").axes[0]
    logarithmic.figure.draw_without_rendering()
    labels = [label.get_text() for label in logarithmic.get_yticklabels()]
    assert labels[:3] == ["0", "0.25", "0.5"] and not any("10" in label and "^" in label for label in labels)


# Errors: received, expected, what to do
# --------------------------------------------------------------------------------------
def picture(*shape):
    return np.zeros(shape, np.float32)


BAD_SCORES = {
    "rank": (dict(output=picture(SIZE, SIZE)), "output"),
    "channels": (dict(content=picture(1, SIZE, SIZE, 4)), "content"),
    "size": (dict(style=picture(1, SIZE, SIZE + 1, 3)), "style"),
    "number": (dict(output=picture(2, SIZE, SIZE, 3)), "output"),
    "range": (dict(output=picture(1, SIZE, SIZE, 3) + 200), "output"),
    "not a number": (dict(style=picture(1, SIZE, SIZE, 3) * np.nan), "style"),
    "too small": (dict(content=picture(1, 8, 8, 3)), "content"),
    "nothing": (dict(content=picture(0, SIZE, SIZE, 3)), "content"),
    "mask shape": (dict(mask=picture(1, SIZE, SIZE, 3)), "mask"),
    "mask size": (dict(mask=picture(1, SIZE, SIZE // 2, 1) + 1), "mask"),
    "mask range": (dict(mask=picture(1, SIZE, SIZE, 1) + 255), "mask"),
    "empty mask": (dict(mask=picture(1, SIZE, SIZE, 1)), "mask"),
}


@pytest.mark.parametrize("case", BAD_SCORES)
def test_bad_pictures_are_refused_with_what_came_and_what_to_do(embedded, case):
    wrong, name = BAD_SCORES[case]
    good = dict(
        output=picture(1, SIZE, SIZE, 3), content=picture(1, SIZE, SIZE, 3), style=picture(1, SIZE, SIZE, 3), mask=None
    )
    with pytest.raises(ScoreError, match=r"(?s)received.*expected.*\. [A-Z]") as caught:
        score(**(good | wrong), extractor=embedded)
    assert name in str(caught.value).split(":")[0] and isinstance(caught.value, FashionStyleError)


def test_other_bad_input_is_refused_too(embedded, table):
    flat, whole = load_extractor("embedded", ("block1_conv1",)), picture(1, SIZE, SIZE, 3)
    attempts = (
        lambda: score(whole, whole, whole, flat),
        lambda: scorecard_table.scorecard({"identity": whole}, whole, whole, embedded),
        lambda: bootstrap_interval([]),
        lambda: bootstrap_interval([1.0, np.nan]),
        lambda: bootstrap_interval([[1.0]]),
        lambda: bootstrap_interval([1.0, 2.0], level=95),
        lambda: bootstrap_interval([1.0, 2.0], samples=0),
        lambda: table.per_pair("nobody", "gram"),
        lambda: table.interval("identity", "beauty"),
        lambda: motif_repeat_error(whole, 0),
        lambda: motif_repeat_error(whole, SIZE),
        lambda: motif_repeat_error(whole, 2.5),
        lambda: motif_repeat_error(whole, (1, 2, 3)),
        lambda: set_diversity(whole, embedded),
    )
    for attempt in attempts:
        with pytest.raises(ScoreError, match="(?s)received.*expected.*"):
            attempt()
    with pytest.raises(ScoreError, match="^outputs: "):
        set_diversity(whole + 9, embedded)
    with pytest.raises(ScoreError, match="^picture: "):
        motif_repeat_error(whole + 9, 4)


# Real weights
# ----------------------------------------------------------------------------------------------------------------
def test_vgg19_gives_the_same_perfect_figures(vgg19_weights, pairs):
    extractor = load_extractor("vgg19", weights=vgg19_weights)
    rows = score_rows(
        {"identity": pairs[1][:2], "style": pairs[2][:2], "mixed": pairs[0][:2]}, pairs[1][:2], pairs[2][:2], extractor
    )
    assert not rows["identity"]["content"].any() and not rows["style"]["gram"].any() and not rows["style"]["swd"].any()
    assert (rows["mixed"]["content"] > 0).all() and (rows["mixed"]["swd"] > 0).all()
    assert score(*(batch[0] for batch in pairs), extractor).extractor == "vgg19"
