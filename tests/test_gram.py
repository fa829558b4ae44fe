"""Independent oracles for fashion_style.gram: NumPy sums, einsum, TensorFlow's own area resizing."""

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from fashion_style.gram import (
    STYLE_STATISTICS,
    channel_moments,
    fig_gram,
    gram_matrix,
    relative_style_loss,
    resize_mask,
    sliced_projections,
    style_loss,
)


def random_features(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def gram_by_triple_loop(features):
    """The article's formula read aloud: channels i, channels k, positions."""
    height, width, channels = features.shape
    positions = features.reshape(height * width, channels).astype("float64")
    gram = np.zeros((channels, channels))
    for i in range(channels):
        for k in range(channels):
            for position in positions:
                gram[i, k] += position[i] * position[k]
    return gram / (channels * height * width)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 4, 5), (3, 8, 2, 7)])
def test_gram_equals_triple_loop_and_einsum(shape):
    features = random_features(*shape)
    gram = gram_matrix(features).numpy()
    loops = np.stack([gram_by_triple_loop(sample) for sample in features])
    einsum = np.einsum("bhwi,bhwk->bik", features, features) / np.prod(shape[1:])
    np.testing.assert_allclose(gram, loops, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gram, einsum, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gram, gram.transpose(0, 2, 1), rtol=1e-5, atol=1e-7)


def test_gram_of_the_paper_example():
    features = np.array([[[[1, 2], [0, 0]], [[1, 0], [0, 1]]]], "float32")
    np.testing.assert_allclose(gram_matrix(features)[0], np.array([[2, 2], [2, 5]]) / 8)


def test_gram_forgets_positions_and_batches_do_not_mix():
    features = random_features(2, 6, 6, 3)
    shuffled = features.reshape(2, 36, 3)[:, np.random.default_rng(1).permutation(36)].reshape(2, 6, 6, 3)
    np.testing.assert_allclose(gram_matrix(shuffled), gram_matrix(features), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gram_matrix(features)[1], gram_matrix(features[1:])[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("masked", [False, True])
def test_gram_with_every_size_unknown(masked):
    specs = [tf.TensorSpec((None, None, None, None), tf.float32)] + [tf.TensorSpec((None, None, None, 1))] * masked
    traced = tf.function(gram_matrix, input_signature=specs)
    for shape in ((1, 4, 4, 3), (3, 5, 9, 2)):
        features = random_features(*shape)
        arguments = [features] + [np.ones((shape[0], 7, 3, 1), "float32")] * masked
        np.testing.assert_allclose(traced(*arguments), gram_matrix(features), rtol=1e-4, atol=1e-6)


def test_gram_keeps_static_shape():
    traced = tf.function(gram_matrix, input_signature=[tf.TensorSpec((2, None, None, 5))])
    assert traced.get_concrete_function().output_shapes.as_list() == [2, 5, 5]


@pytest.mark.parametrize("kind", [tf.float16, tf.bfloat16, tf.float64])
def test_gram_is_float32_and_does_not_overflow(kind):
    gram = gram_matrix(tf.fill((1, 64, 64, 2), tf.constant(128.0, kind)))
    assert gram.dtype == tf.float32
    np.testing.assert_allclose(gram, np.full((1, 2, 2), 128.0**2 / 2))


@pytest.mark.parametrize(
    "sizes", [((8, 8), (4, 2)), ((23, 17), (5, 7)), ((4, 4), (8, 12)), ((7, 5), (7, 5)), ((3, 9), (5, 2))]
)
def test_resize_mask_equals_tensorflow_area_resizing(sizes):
    (mask_height, mask_width), (height, width) = sizes
    mask = np.random.default_rng(3).uniform(size=(2, mask_height, mask_width, 1)).astype("float32")
    resized = resize_mask(mask, np.zeros((2, height, width, 4), "float32"))
    np.testing.assert_allclose(resized, tf.image.resize(mask, (height, width), method="area"), atol=1e-5)
    np.testing.assert_allclose(tf.reduce_mean(resized), mask.mean(), rtol=1e-4)


def test_rectangular_mask_equals_cropped_features():
    features = random_features(2, 9, 11, 4)
    mask = np.zeros((1, 9, 11, 1), "float32")
    mask[:, 2:7, 3:10] = 1.0
    np.testing.assert_allclose(gram_matrix(features, mask), gram_matrix(features[:, 2:7, 3:10]), rtol=1e-4, atol=1e-6)
    fine = mask.repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(gram_matrix(features, fine), gram_matrix(features, mask), rtol=1e-4, atol=1e-6)


def test_soft_mask_is_a_weighted_mean():
    features, mask = random_features(2, 5, 6, 3), np.random.default_rng(4).uniform(size=(2, 5, 6, 1)).astype("float32")
    expected = np.einsum("bhwo,bhwi,bhwk->bik", mask, features, features) / (
        3 * mask.sum(axis=(1, 2, 3))[:, None, None]
    )
    np.testing.assert_allclose(gram_matrix(features, mask), expected, rtol=1e-4, atol=1e-6)


def test_empty_mask_is_zero_with_finite_gradient():
    features, mask = tf.constant(random_features(2, 4, 4, 3)), np.zeros((2, 4, 4, 1), "float32")
    mask[1] = 1.0
    with tf.GradientTape() as tape:
        tape.watch(features)
        gram = gram_matrix(features, mask)
        loss = relative_style_loss([gram], [gram_matrix(features + 1.0, mask)])
    assert np.all(gram[0] == 0.0) and np.any(gram[1] != 0.0) and np.isfinite(loss)
    assert np.all(np.isfinite(tape.gradient(loss, features)))


@pytest.mark.parametrize("masked", [False, True])
def test_gram_has_the_slopes_that_differences_have(masked):
    features, mask = (
        random_features(2, 3, 4, 3, seed=2),
        (np.random.default_rng(3).uniform(size=(2, 3, 4, 1)).astype("float32") if masked else None),
    )
    mix = random_features(2, 3, 3, seed=4)  # not symmetric: both factors' slopes must be there

    def loss(values):
        weighted = values.astype("float64") * (1.0 if mask is None else mask)
        shares = np.full(2, 12.0) if mask is None else mask.astype("float64").sum(axis=(1, 2, 3))
        return np.sum(
            mix * np.einsum("bhwi,bhwk->bik", weighted, values.astype("float64")) / (3 * shares)[:, None, None]
        )

    with tf.GradientTape(persistent=True) as outer:
        variable = tf.Variable(features)
        with tf.GradientTape() as inner:
            value = tf.reduce_sum(mix * gram_matrix(variable, mask))
        slopes = inner.gradient(value, variable)
        bend = tf.reduce_sum(slopes * slopes)
    np.testing.assert_allclose(value, loss(features), rtol=1e-4)
    numbers = np.zeros(features.size)
    for index in range(features.size):
        step = np.zeros(features.size)
        step[index] = 1e-3
        step = step.reshape(features.shape)
        numbers[index] = (loss(features + step) - loss(features - step)) / 2e-3
    np.testing.assert_allclose(np.ravel(slopes), numbers, rtol=1e-3, atol=1e-5)
    # The slope is linear in the features: the second derivative of a sum of its squares along the features themselves
    # is twice that sum.
    np.testing.assert_allclose(tf.reduce_sum(outer.gradient(bend, variable) * variable), 2.0 * bend, rtol=1e-4)


def test_style_loss_equals_the_formula():
    bases = [random_features(2, channels, channels, seed=channels) for channels in (3, 6)]
    targets = [random_features(2, channels, channels, seed=10 + channels) for channels in (3, 6)]
    per_picture = [
        sum(((base[b] - target[b]) ** 2).sum() / base.shape[-1] ** 2 for base, target in zip(bases, targets))
        for b in range(2)
    ]
    np.testing.assert_allclose(style_loss(bases, targets), np.mean(per_picture), rtol=1e-5)
    relative = [
        np.mean([((base[b] - target[b]) ** 2).sum() / (target[b] ** 2).sum() for b in range(2)])
        for base, target in zip(bases, targets)
    ]
    np.testing.assert_allclose(relative_style_loss(bases, targets), np.mean(relative), rtol=1e-5)
    assert style_loss(bases, targets).shape == () and style_loss(bases, bases) == 0.0


def test_relative_style_loss_scale_and_broadcast():
    target = np.abs(random_features(1, 4, 4))
    np.testing.assert_allclose(relative_style_loss([np.zeros_like(target)], [target]), 1.0, rtol=1e-6)
    np.testing.assert_allclose(relative_style_loss([7 * target.repeat(3, 0)], [7 * target]), 0.0, atol=1e-7)
    assert relative_style_loss([target], [np.zeros_like(target)]) == 0.0


def test_style_loss_of_unknown_sizes_has_gradients():
    spec = tf.TensorSpec((None, None, None, 3))

    @tf.function(input_signature=[spec, spec])
    def slope(picture, style):
        with tf.GradientTape() as tape:
            tape.watch(picture)
            loss = style_loss([gram_matrix(picture)], [gram_matrix(style)])
        return loss, tape.gradient(loss, picture)

    loss, gradient = slope(random_features(2, 4, 6, 3), random_features(2, 8, 3, 3, seed=1))
    assert loss > 0 and np.all(np.isfinite(gradient)) and np.any(gradient != 0)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((np.zeros((4, 4, 3)),), ["(4, 4, 3)", "rank 4", "newaxis"]),
        ((np.zeros((1, 4, 4, 3)), np.zeros((4, 4))), ["mask", "(4, 4)", "rank 4"]),
    ],
)
def test_gram_errors_say_what_to_do(arguments, words):
    with pytest.raises(ValueError) as caught:
        gram_matrix(*arguments)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("loss", [style_loss, relative_style_loss])
@pytest.mark.parametrize(
    "base, target, words",
    [
        ([np.eye(2)[None]], [np.eye(2)[None]] * 2, ["1 base and 2 target", "same layers"]),
        ([np.eye(2)[None]], [np.eye(3)[None]], ["(1, 2, 2)", "(1, 3, 3)", "layer 0"]),
        ([np.eye(2)], [np.eye(2)], ["(2, 2)", "(batch, channels, channels)"]),
        ([], [], ["non-empty list"]),
        (np.eye(2)[None], [np.eye(2)[None]], ["base_gram_list", "ndarray", "list"]),
    ],
)
def test_style_loss_errors_say_what_to_do(loss, base, target, words):
    with pytest.raises(ValueError) as caught:
        loss(base, target)
    assert all(word in str(caught.value) for word in words), caught.value


def test_fig_gram_is_pure():
    figure = fig_gram([np.eye(3, dtype="float32"), np.zeros((1, 2, 2), "float32")], ["eye", "zero"])
    assert isinstance(figure, Figure) and [axis.get_title() for axis in figure.axes[:2]] == ["eye", "zero"]
    with pytest.raises(ValueError):
        fig_gram([np.eye(3, dtype="float32")], ["one", "two"])


# Moments and sliced Wasserstein --------------------------------------------------------------------------------------
def test_moments_equal_numpy_with_and_without_a_mask():
    features, mask = random_features(2, 5, 6, 3), np.random.default_rng(4).uniform(size=(2, 5, 6, 1)).astype("float32")
    for weight in (None, mask):
        shares = np.ones_like(mask) if weight is None else mask
        shares = shares / shares.sum(axis=(1, 2), keepdims=True)
        mean = (shares * features).sum(axis=(1, 2))
        spread = np.sqrt((shares * (features - mean[:, None, None]) ** 2).sum(axis=(1, 2)))
        np.testing.assert_allclose(
            channel_moments(features, weight), np.stack([mean, spread], axis=1), rtol=1e-4, atol=1e-5
        )


def projections_by_numpy(features, directions=64, seed=1):
    """Heitz et al.'s sort along the same directions, one after the other."""
    axes = tf.random.stateless_normal((features.shape[-1], directions), (seed, 0)).numpy()
    axes = axes / np.linalg.norm(axes, axis=0)
    return np.stack([[np.sort(sample.reshape(-1, sample.shape[-1]) @ axis) for axis in axes.T] for sample in features])


def test_sliced_projections_are_sorted_looks_along_unit_directions():
    features = random_features(2, 4, 6, 5)
    seen = sliced_projections(features, directions=9)
    np.testing.assert_allclose(seen, projections_by_numpy(features, 9), rtol=1e-4, atol=1e-5)
    assert not np.allclose(seen, sliced_projections(features, directions=9, seed=2))
    np.testing.assert_allclose(
        sliced_projections(features, np.ones((1, 4, 6, 1), "float32"), directions=9), seen, rtol=1e-5
    )


def test_a_mask_gives_weighted_quantiles():
    features, mask = random_features(1, 1, 6, 2), np.array([3, 0, 1, 2, 0, 0], "float32").reshape(1, 1, 6, 1) / 3
    repeated = features[:, :, [0, 0, 0, 2, 3, 3]]  # six positions, each as often as its weight asks
    np.testing.assert_allclose(sliced_projections(features, mask), sliced_projections(repeated), rtol=1e-5, atol=1e-6)


def test_sliced_loss_is_the_mean_squared_wasserstein_distance():
    base, target = random_features(2, 4, 4, 3), random_features(2, 4, 4, 3, seed=1)
    expected = np.mean((projections_by_numpy(base) - projections_by_numpy(target)) ** 2)
    np.testing.assert_allclose(
        style_loss([sliced_projections(base)], [sliced_projections(target)]), expected, rtol=1e-4
    )


@pytest.mark.parametrize(
    "pair, blind",
    [
        (([[0, 0], [1, 1]], [[0, 1], [1, 0]]), {"moments"}),
        (([[0], [3], [5], [6]], [[1], [2], [4], [7]]), {"gram", "moments"}),
    ],
)
def test_what_each_statistic_cannot_see(pair, blind):
    bags = [np.array(bag, "float32")[None, None] for bag in pair]
    losses = {
        name: float(style_loss(*([statistic(bag)] for bag in bags))) for name, statistic in STYLE_STATISTICS.items()
    }
    assert {name for name, loss in losses.items() if loss < 1e-9} == blind, losses


@pytest.mark.parametrize("name", STYLE_STATISTICS)
def test_statistics_forget_positions_take_any_size_and_have_gradients(name):
    statistic, features = STYLE_STATISTICS[name], random_features(2, 4, 6, 3)
    shuffled = features.reshape(2, 24, 3)[:, np.random.default_rng(0).permutation(24)].reshape(2, 6, 4, 3)
    np.testing.assert_allclose(statistic(shuffled), statistic(features), rtol=1e-4, atol=1e-5)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, None, None, 1))])
    def slope(picture, mask):
        with tf.GradientTape() as tape:
            tape.watch(picture)
            loss = relative_style_loss([statistic(picture, mask)], [statistic(picture + 1.0)])
        return loss, tape.gradient(loss, picture)

    for inside in (np.ones((2, 8, 8, 1)), np.zeros((1, 2, 2, 1))):
        loss, gradient = slope(features, inside)
        assert np.isfinite(loss) and np.all(np.isfinite(gradient))
    flat = slope(np.zeros((1, 4, 4, 3)), np.ones((1, 4, 4, 1)))[1]
    assert np.all(np.isfinite(flat)), "a flat channel has no slope, not an infinite one"
    with pytest.raises(ValueError, match="rank 3"):
        statistic(np.zeros((4, 4, 3)))
