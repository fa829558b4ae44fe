"""Content losses against direct NumPy sums, gradients against finite differences, and content inversion."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fashion_style.content import content_loss, invert_features, relative_content_loss, total_variation


def random_features(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def article_sum(base, target):
    "The article's L_content for one picture (H, W, C), term by term in float64."
    height, width, channels = base.shape
    total = 0.0
    for channel in range(channels):
        for row in range(height):
            for column in range(width):
                total += (float(base[row, column, channel]) - float(target[row, column, channel])) ** 2
    return total / (channels * height * width)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 4, 5, 3), (3, 2, 7, 4)])
def test_content_loss_is_the_articles_sum(shape):
    base, target = random_features(2, *shape)
    expected = np.mean([article_sum(one, other) for one, other in zip(base, target)])
    assert float(content_loss(base, target)) == pytest.approx(expected, rel=1e-5)
    assert float(content_loss(base[0], target[0])) == pytest.approx(article_sum(base[0], target[0]), rel=1e-5)


def test_content_loss_is_zero_only_for_equal_features():
    features = random_features(2, 4, 4, 3)
    assert float(content_loss(features, features)) == 0
    changed = features.copy()
    changed[1, 2, 3, 0] += 0.5
    assert float(content_loss(changed, features)) == pytest.approx(0.25 / features.size, rel=1e-3)


def test_gradient_is_two_differences_over_the_count():
    base, target = tf.constant(random_features(2, 3, 3, 4)), random_features(2, 3, 3, 4, seed=1)
    with tf.GradientTape() as tape:
        tape.watch(base)
        loss = content_loss(base, target)
    np.testing.assert_allclose(tape.gradient(loss, base), 2 * (base - target) / target.size, atol=1e-7)


def test_sixteen_bit_features_are_compared_in_thirty_two():
    base, target = 300 * random_features(2, 1, 8, 8, 4)
    loss = content_loss(tf.cast(base, tf.float16), tf.cast(target, tf.float16))
    assert loss.dtype == tf.float32 and float(loss) == pytest.approx(np.mean((base - target) ** 2), rel=1e-2)


@pytest.mark.parametrize("loss", [content_loss, relative_content_loss])
def test_shapes_that_differ_are_refused(loss):
    for other in ((1, 4, 1, 3), (2, 4, 4, 3), (1, 4, 4, 1)):
        with pytest.raises(ValueError, match="Received"):
            loss(np.zeros((1, 4, 4, 3)), np.zeros(other))


def test_relative_loss_against_numpy():
    base, target = random_features(2, 3, 4, 5, 6)
    expected = np.mean([np.mean((one - other) ** 2) / np.mean(other**2) for one, other in zip(base, target)])
    assert float(relative_content_loss(base, target)) == pytest.approx(expected, rel=1e-5)
    assert float(relative_content_loss(1000 * base, 1000 * target)) == pytest.approx(expected, rel=1e-4)
    assert float(relative_content_loss(base[0], target[0])) == pytest.approx(
        np.mean((base[0] - target[0]) ** 2) / np.mean(target[0] ** 2), rel=1e-5
    )
    assert float(relative_content_loss(0 * target, target)) == pytest.approx(1)


def test_mask_weights_the_positions():
    base, target = random_features(2, 2, 4, 4, 6)
    mask = np.random.default_rng(3).uniform(size=(2, 4, 4, 1)).astype("float32")
    expected = np.mean([(m * (b - t) ** 2).sum() / (m * t**2).sum() for b, t, m in zip(base, target, mask)])
    assert float(relative_content_loss(base, target, mask)) == pytest.approx(expected, rel=1e-5)
    assert float(relative_content_loss(base, target, np.ones_like(mask))) == pytest.approx(
        float(relative_content_loss(base, target)), rel=1e-5
    )


def test_large_mask_is_averaged_down_to_the_layer():
    base, target = random_features(2, 1, 2, 2, 3)
    mask = np.zeros((1, 8, 8, 1), "float32")
    mask[:, :4, :4], mask[:, 4:, 4:6] = 1, 1
    weight = np.array([[1, 0], [0, 0.5]])[None, ..., None]
    expected = (weight * (base - target) ** 2).sum() / (weight * target**2).sum()
    assert float(relative_content_loss(base, target, mask)) == pytest.approx(expected, rel=1e-5)


def test_empty_mask_and_silent_target_give_zero_with_finite_gradients():
    base = tf.constant(random_features(1, 4, 4, 3))
    for target, mask in ((random_features(1, 4, 4, 3, seed=2), np.zeros((1, 4, 4, 1))), (np.zeros((1, 4, 4, 3)), None)):
        with tf.GradientTape() as tape:
            tape.watch(base)
            loss = relative_content_loss(base, target, mask)
        assert float(loss) == 0 and np.isfinite(tape.gradient(loss, base)).all()


def test_total_variation_against_numpy():
    pictures = random_features(2, 5, 7, 3)
    expected = (np.abs(np.diff(pictures, axis=1)).sum() + np.abs(np.diff(pictures, axis=2)).sum()) / pictures.size
    assert float(total_variation(pictures)) == pytest.approx(expected, rel=1e-5)
    assert float(total_variation(pictures[0])) == pytest.approx(
        (np.abs(np.diff(pictures[0], axis=0)).sum() + np.abs(np.diff(pictures[0], axis=1)).sum()) / pictures[0].size,
        rel=1e-5,
    )
    assert float(total_variation(np.ones((4, 4, 3)))) == 0


def test_unknown_sizes_in_a_graph():
    anything = tf.TensorSpec((None, None, None, None))
    traced = [
        tf.function(loss, input_signature=signature)
        for loss, signature in (
            (content_loss, [anything] * 2),
            (relative_content_loss, [anything] * 3),
            (total_variation, [anything]),
        )
    ]
    for shape in ((1, 4, 4, 3), (2, 6, 5, 8)):
        base, target = random_features(2, *shape)
        mask = np.abs(random_features(*shape[:3], 1, seed=5))
        np.testing.assert_allclose(traced[0](base, target), content_loss(base, target), rtol=1e-5)
        np.testing.assert_allclose(traced[1](base, target, mask), relative_content_loss(base, target, mask), rtol=1e-5)
        np.testing.assert_allclose(traced[2](base), total_variation(base), rtol=1e-5)
        assert all(
            value.shape == () for value in (traced[0](base, target), traced[1](base, target, mask), traced[2](base))
        )


def test_inversion_finds_the_picture_when_the_features_are_the_pixels():
    picture = np.random.default_rng(0).uniform(-0.9, 0.9, (8, 8, 3)).astype("float32")
    seen = []
    found, losses = invert_features(
        lambda pictures: {"pixels": 2.0 * pictures},
        picture,
        "pixels",
        steps=120,
        learning_rate=0.05,
        callback=lambda step, loss: seen.append((step, loss)),
    )
    assert found.shape == picture.shape and np.abs(found - picture).max() < 0.05
    assert losses[-1] < losses[0] / 100 and [step for step, _ in seen] == list(range(120))
    np.testing.assert_allclose([loss for _, loss in seen], losses)


def test_inversion_is_repeatable_and_stays_in_range():
    convolution = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=keras.initializers.HeNormal(1))
    convolution.build((None, None, None, 3))
    picture = np.random.default_rng(0).uniform(-1, 1, (8, 8, 3)).astype("float32")

    def extractor(pictures):
        return {"layer": tf.nn.relu(convolution(pictures))}

    runs = [
        invert_features(extractor, picture, "layer", steps=5, learning_rate=1.0, seed=seed)[0] for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2]) and np.abs(runs[0]).max() <= 1
