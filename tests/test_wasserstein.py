"""Independent oracles for the Wasserstein room: scipy, linear programming, direct NumPy sums, algebra on linear
critics.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.spatial.distance import cdist, jensenshannon

from fashion_style import wasserstein
from fashion_style.networks.choices import CONSTRAINTS
from fashion_style.networks.constraints import (
    clip_weights,
    gradient_penalty,
    lipschitz_estimate,
    normalise_spectra,
    uniform_mix,
)
from fashion_style.wasserstein import (
    adversarial_loss,
    generator_loss,
    jensen_shannon,
    vanilla_critic_loss,
    vanilla_generator_loss,
    wasserstein_distance,
    wasserstein_dual,
    wasserstein_histograms,
    wasserstein_linear_program,
)


def random_histograms(seed, bins=9):
    generator = np.random.default_rng(seed)
    first, second = generator.gamma(0.5, size=(2, bins))
    return first / first.sum(), second / second.sum()


def random_pictures(seed, shape=(3, 8, 6, 3)):
    return tf.random.stateless_uniform(shape, seed=(seed, 0), minval=-1.0, maxval=1.0)


# ---- distances


@pytest.mark.parametrize("seed", range(8))
def test_linear_program_dual_closed_form_and_scipy_agree(seed):
    p, q = random_histograms(seed)
    width = 0.25 + seed
    centres = np.arange(len(p)) * width
    cost = np.abs(np.subtract.outer(centres, centres))
    value, plan = wasserstein_linear_program(p, q, cost)
    dual, critic = wasserstein_dual(p, q, cost)
    expected = stats.wasserstein_distance(centres, centres, p, q)
    np.testing.assert_allclose([value, dual, wasserstein_histograms(p, q, width)], expected, atol=1e-7 * width)
    np.testing.assert_allclose(plan.sum(1), p, atol=1e-7)
    np.testing.assert_allclose(plan.sum(0), q, atol=1e-7)
    assert plan.min() >= 0 and critic[0] == 0
    assert np.all(np.abs(np.subtract.outer(critic, critic)) <= cost + 1e-7)
    np.testing.assert_allclose(critic @ (p - q), dual, atol=1e-7)


def test_linear_program_and_dual_in_the_plane_against_scipy():
    generator = np.random.default_rng(3)
    places = generator.normal(size=(7, 2))
    p, q = random_histograms(5, bins=7)
    cost = cdist(places, places)
    expected = stats.wasserstein_distance_nd(places, places, p, q)
    np.testing.assert_allclose(wasserstein_linear_program(p, q, cost)[0], expected, atol=1e-7)
    np.testing.assert_allclose(wasserstein_dual(p, q, cost)[0], expected, atol=1e-7)


def test_linear_program_with_different_numbers_of_bins():
    value, plan = wasserstein_linear_program([1.0], [0.25, 0.75], [[4.0, 8.0]])
    assert np.isclose(value, 7) and plan.shape == (1, 2)


@pytest.mark.parametrize("count", [1, 50, 173])
def test_wasserstein_of_samples_against_scipy(count):
    generator = np.random.default_rng(count)
    first, second = generator.normal(size=173), generator.gamma(2, size=count).round(1)
    np.testing.assert_allclose(
        wasserstein_distance(first, second), stats.wasserstein_distance(first, second), rtol=1e-12
    )
    if count == 173:
        np.testing.assert_allclose(wasserstein_distance(first, second), np.abs(np.sort(first) - np.sort(second)).mean())


def test_jensen_shannon_against_scipy_and_bounds():
    for seed in range(6):
        p, q = random_histograms(seed)
        value = jensen_shannon(p, q)
        np.testing.assert_allclose(value, jensenshannon(p, q) ** 2, rtol=1e-9)
        assert 0 < value < np.log(2) and np.isclose(value, jensen_shannon(q, p))
    assert jensen_shannon([0.5, 0.5], [0.5, 0.5]) == 0
    np.testing.assert_allclose(jensen_shannon([1, 0, 0], [0, 0.5, 0.5]), np.log(2))


@pytest.mark.parametrize(
    "call",
    [
        lambda: wasserstein_histograms([0.5, 0.6], [0.5, 0.5]),
        lambda: wasserstein_histograms([1.5, -0.5], [0.5, 0.5]),
        lambda: jensen_shannon([1.0], [0.5, 0.5]),
        lambda: jensen_shannon([np.nan, 1.0], [0.5, 0.5]),
        lambda: wasserstein_linear_program([1.0], [1.0], [[1.0, 2.0]]),
        lambda: wasserstein_dual([0.5, 0.5], [0.5, 0.5], [[0, 1], [2, 0]]),
        lambda: wasserstein_distance([], [1.0]),
        lambda: wasserstein_distance([np.inf], [1.0]),
        lambda: clip_weights(keras.layers.Dense(1), 0),
        lambda: gradient_penalty(tf.identity, tf.zeros((2, 3)), tf.zeros((2, 3)), tf.zeros((2, 1, 1, 1))),
        lambda: gradient_penalty(tf.identity, tf.zeros((2, 3)), tf.zeros((2, 3)), tf.zeros((2, 3))),
        lambda: adversarial_loss(tf.zeros((2, 4, 4, 1)), tf.zeros((2, 4, 4, 1)), tf.zeros((2, 4))),
    ],
)
def test_wrong_input_says_what_was_received(call):
    with pytest.raises(ValueError, match="Expected.*Received"):
        call()


# ---- losses


def test_losses_against_numpy_with_and_without_mask():
    generator = np.random.default_rng(0)
    real, fake = generator.normal(size=(2, 3, 4, 5, 1)).astype(np.float32)
    mask, other = generator.uniform(size=(2, 3, 4, 5, 1)).astype(np.float32)
    np.testing.assert_allclose(adversarial_loss(real, fake), fake.mean() - real.mean(), rtol=1e-5)
    np.testing.assert_allclose(generator_loss(fake), -fake.mean(), rtol=1e-5)

    def per_sample(weights, scores):
        return np.mean((weights * scores).sum(axis=(1, 2, 3)) / (weights * np.ones_like(scores)).sum(axis=(1, 2, 3)))

    masked_fake, masked_real = (per_sample(mask, scores) for scores in (fake, real))
    np.testing.assert_allclose(adversarial_loss(real, fake, mask), masked_fake - masked_real, rtol=1e-4)
    np.testing.assert_allclose(generator_loss(fake, mask), -masked_fake, rtol=1e-4)
    np.testing.assert_allclose(
        adversarial_loss(real, fake, mask, real_mask=other), masked_fake - per_sample(other, real), rtol=1e-4
    )
    np.testing.assert_allclose(generator_loss(fake, mask[:1]), -per_sample(mask[:1], fake), rtol=1e-4)
    points = generator.normal(size=(6, 1)).astype(np.float32)
    np.testing.assert_allclose(generator_loss(points, np.eye(6)[:, :1]), -points[0, 0] / 6, rtol=1e-6)
    parts = [generator_loss(fake[part], mask[part]) for part in (slice(0, 1), slice(1, 3))]
    np.testing.assert_allclose(
        generator_loss(fake, mask),
        (parts[0] + 2 * parts[1]) / 3,
        rtol=1e-5,
        err_msg="parts of a batch average to the whole",
    )


def test_adversarial_loss_and_generator_loss_pull_in_opposite_directions():
    scores = tf.Variable(tf.zeros((2, 3, 3, 1)))
    with tf.GradientTape(persistent=True) as tape:
        critic, generator = adversarial_loss(tf.ones((2, 3, 3, 1)), scores), generator_loss(scores)
    np.testing.assert_allclose(tape.gradient(critic, scores), 1 / 18)
    np.testing.assert_allclose(tape.gradient(generator, scores), -1 / 18)


@pytest.mark.parametrize("size", [(32, 48), (37, 53), (5, 7), (3, 2)])
def test_mask_of_any_size_is_area_averaged_to_the_patch_map(size):
    mask = tf.random.stateless_uniform((2, *size, 1), seed=(1, 2))
    scores = tf.random.stateless_normal((2, 3, 2, 1), seed=(3, 4))
    weights = tf.image.resize(mask, (3, 2), method="area").numpy()
    np.testing.assert_allclose(
        generator_loss(scores, mask),
        -np.mean((weights * scores).numpy().sum(axis=(1, 2, 3)) / weights.sum(axis=(1, 2, 3))),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "loss",
    [
        lambda scores, mask: adversarial_loss(scores, scores * 2, mask),
        generator_loss,
        vanilla_generator_loss,
        lambda scores, mask: vanilla_critic_loss(scores, scores, mask),
    ],
)
def test_empty_mask_gives_zero_and_zero_gradient(loss):
    scores = tf.Variable(tf.ones((2, 4, 4, 1)))
    with tf.GradientTape() as tape:
        value = loss(scores, tf.zeros((2, 16, 16, 1)))
    assert value == 0 and not np.any(tape.gradient(value, scores))


def test_vanilla_losses_against_keras():
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    real, fake = tf.random.stateless_normal((2, 5, 4, 4, 1), seed=(5, 6)) * 6
    expected = cross_entropy(tf.ones_like(real), real) + cross_entropy(tf.zeros_like(fake), fake)
    np.testing.assert_allclose(vanilla_critic_loss(real, fake), expected, rtol=1e-5)
    np.testing.assert_allclose(vanilla_generator_loss(fake), cross_entropy(tf.ones_like(fake), fake), rtol=1e-5)
    np.testing.assert_allclose(
        vanilla_generator_loss(fake, saturating=True), -cross_entropy(tf.zeros_like(fake), fake), rtol=1e-5
    )
    huge = tf.constant([[1e4], [-1e4]])
    assert np.isfinite(vanilla_critic_loss(huge, huge)) and np.isfinite(vanilla_generator_loss(huge, saturating=True))


def test_saturating_loss_dies_and_wasserstein_does_not():
    logit = tf.Variable([[-30.0]])
    with tf.GradientTape(persistent=True) as tape:
        losses = [vanilla_generator_loss(logit, saturating=True), vanilla_generator_loss(logit), generator_loss(logit)]
    gradients = [tape.gradient(loss, logit).numpy().item() for loss in losses]
    assert abs(gradients[0]) < 1e-10
    np.testing.assert_allclose(gradients[1:], -1, rtol=1e-6)


def test_losses_are_float32_for_half_precision_scores():
    scores = tf.fill((1, 64, 64, 1), tf.constant(300.0, tf.float16))
    assert generator_loss(scores).dtype == tf.float32 and generator_loss(scores) == -300


# ---- constraints


def test_mix_is_stateless_uniform_and_one_per_sample():
    mix = uniform_mix(5000, 7, 11)
    assert mix.shape == (5000, 1, 1, 1) and mix.dtype == tf.float32
    assert stats.kstest(mix.numpy().ravel(), "uniform").pvalue > 0.01
    across_steps = [float(uniform_mix(1, 0, step)[0, 0, 0, 0]) for step in range(300)]
    assert stats.kstest(across_steps, "uniform").pvalue > 0.01
    tf.random.set_seed(1)
    again = uniform_mix(5000, tf.constant(7), tf.constant(11, tf.int64))
    np.testing.assert_array_equal(mix, again)
    for other in (uniform_mix(5000, 7, 12), uniform_mix(5000, 8, 11), uniform_mix(5000, 11, 7)):
        assert abs(np.corrcoef(mix.numpy().ravel(), other.numpy().ravel())[0, 1]) < 0.06
    assert uniform_mix(4, 0, 0, rank=2).shape == (4, 1)
    counted = tf.function(lambda batch, step: uniform_mix(batch, 7, step))(tf.constant(5000), tf.constant(11))
    np.testing.assert_array_equal(mix, counted)


@pytest.mark.parametrize("length", [0.3, 1.0, 5.0])
def test_penalty_of_a_linear_critic(length):
    dense = keras.layers.Dense(1, use_bias=True)
    dense.build((None, 6))
    direction = np.random.default_rng(1).normal(size=(6, 1))
    dense.kernel.assign(length * direction / np.linalg.norm(direction))
    real, fake = tf.random.stateless_normal((2, 10, 6), seed=(1, 1))
    mix = uniform_mix(10, 0, 0, rank=2)
    np.testing.assert_allclose(gradient_penalty(dense, real, fake, mix), (length - 1) ** 2, atol=1e-5)
    np.testing.assert_allclose(
        gradient_penalty(dense, real, fake, mix, one_sided=True), max(length - 1, 0) ** 2, atol=1e-5
    )
    np.testing.assert_allclose(
        gradient_penalty(dense, real, fake, mix, root_mean_square=True), (length * np.sqrt(6) - 1) ** 2, rtol=1e-4
    )


def test_penalty_of_a_linear_patch_critic_is_that_of_its_mean_score():
    convolution = keras.layers.Conv2D(
        1, 4, strides=2, padding="same", kernel_initializer=keras.initializers.GlorotUniform(1)
    )
    real, fake = random_pictures(1), random_pictures(2)
    basis = tf.reshape(tf.eye(8 * 6 * 3), (-1, 8, 6, 3))
    weights = tf.reduce_mean(convolution(basis) - convolution(tf.zeros_like(basis)), axis=[1, 2, 3])
    expected = (np.linalg.norm(weights) - 1) ** 2
    np.testing.assert_allclose(gradient_penalty(convolution, real, fake, uniform_mix(3, 0, 0)), expected, rtol=1e-5)
    mask = tf.concat([tf.ones((3, 4, 6, 1)), tf.zeros((3, 4, 6, 1))], axis=1)
    upper = tf.reduce_mean((convolution(basis) - convolution(tf.zeros_like(basis)))[:, :2], axis=[1, 2, 3])
    np.testing.assert_allclose(
        gradient_penalty(convolution, real, fake, uniform_mix(3, 0, 0), mask=mask),
        (np.linalg.norm(upper) - 1) ** 2,
        rtol=1e-5,
    )


def test_penalty_looks_at_the_mixture_with_one_share_per_sample():
    seen = []

    def critic(pictures, training=None):
        seen.append((pictures, training))
        return tf.reduce_sum(pictures, axis=[1, 2, 3])[:, None]

    real, fake = random_pictures(1), random_pictures(2)
    gradient_penalty(critic, real, fake, tf.reshape(tf.constant([0.0, 1.0, 0.25]), (3, 1, 1, 1)))
    pictures, training = seen[0]
    np.testing.assert_allclose(pictures, np.stack([fake[0], real[1], 0.25 * real[2] + 0.75 * fake[2]]), rtol=1e-5)
    assert training is True


def test_penalty_differs_per_sample_and_is_the_mean():
    def critic(points):
        return 0.5 * tf.reduce_sum(points**2, axis=1, keepdims=True)

    points = tf.constant([[3.0, 4.0], [0.6, 0.8], [0.0, 2.0]])
    penalty = gradient_penalty(critic, points, points, uniform_mix(3, 0, 0, rank=2))
    np.testing.assert_allclose(penalty, (16 + 0 + 1) / 3, rtol=1e-5)


def test_conditional_penalty_takes_the_slope_of_the_first_input_only():
    def critic(inputs):
        pictures, style = inputs
        return tf.reduce_sum(pictures * style, axis=[1, 2, 3])[:, None]

    style = random_pictures(3)
    expected = np.mean((np.linalg.norm(tf.reshape(style, (3, -1)), axis=1) - 1) ** 2)
    penalty = gradient_penalty(critic, random_pictures(1), random_pictures(2), uniform_mix(3, 0, 0), condition=style)
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)


def test_penalty_and_its_gradient_are_finite_where_the_slope_is_zero():
    weights = tf.Variable(tf.zeros((6, 1)))
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: x @ weights, tf.ones((2, 6)), tf.zeros((2, 6)), uniform_mix(2, 0, 0, rank=2)
        )
    np.testing.assert_allclose(penalty, 1, atol=1e-5)
    assert np.all(np.isfinite(tape.gradient(penalty, weights)))
    np.testing.assert_allclose(
        gradient_penalty(lambda x: tf.zeros((2, 1)), tf.ones((2, 6)), tf.zeros((2, 6)), uniform_mix(2, 0, 0, rank=2)),
        1,
        atol=1e-5,
    )


def test_penalty_trains_the_weights_towards_slope_one():
    weights = tf.Variable([[3.0], [4.0]])
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: x @ weights, tf.ones((2, 2)), tf.zeros((2, 2)), uniform_mix(2, 0, 0, rank=2)
        )
    np.testing.assert_allclose(tape.gradient(penalty, weights), 2 * (5 - 1) * np.array([[0.6], [0.8]]), rtol=1e-5)


def test_clip_weights():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    before = model.get_weights()
    tf.function(lambda: clip_weights(model, tf.constant(0.05)))()
    assert all(np.abs(weight).max() <= np.float32(0.05) for weight in model.trainable_variables)
    np.testing.assert_allclose(model.layers[0].kernel, np.clip(before[0], -0.05, 0.05))
    assert np.all(model.layers[1].moving_variance.numpy() == 1)


def test_lipschitz_estimate():
    def critic(points):
        return tf.abs(points[:, :1]) * 3

    first, second = tf.constant([[0.5, 1.0], [-1.0, 2.0]]), tf.constant([[-0.5, 1.0], [-2.0, 2.0]])
    estimate = lipschitz_estimate(critic, first, second)
    np.testing.assert_allclose(estimate, (3, 3), rtol=1e-5)
    np.testing.assert_allclose(
        lipschitz_estimate(critic, first, second, root_mean_square=True), (3 * np.sqrt(2),) * 2, rtol=1e-5
    )
    assert lipschitz_estimate(critic, first, first).pair_slope == 0
    pictures = random_pictures(1)
    assert (
        lipschitz_estimate(
            lambda inputs: tf.reduce_mean(inputs[0] * inputs[1], axis=3, keepdims=True),
            pictures,
            -pictures,
            condition=tf.ones_like(pictures),
        ).gradient_norm
        > 0
    )


def test_lipschitz_estimate_leaves_a_spectral_critic_alone():
    critic = keras.Sequential([keras.Input((2,)), keras.layers.SpectralNormalization(keras.layers.Dense(1))])
    before = critic.get_weights()
    lipschitz_estimate(critic, tf.zeros((3, 2)), tf.ones((3, 2)))
    for old, new in zip(before, critic.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_spectral_normalisation_bounds_dense_layers_after_a_training_call():
    layer = keras.layers.SpectralNormalization(
        keras.layers.Dense(16, kernel_initializer=keras.initializers.GlorotUniform(2)), power_iterations=200
    )
    layer.build((None, 16))
    layer.vector_u.assign(tf.random.stateless_normal((1, 16), seed=(0, 0)))
    layer(tf.zeros((1, 16)), training=True)
    np.testing.assert_allclose(np.linalg.norm(layer.layer.kernel, 2), 1, atol=1e-3)
    ends = tf.random.stateless_normal((2, 50, 16), seed=(1, 1))
    differences = tf.norm(layer(ends[0]) - layer(ends[1]), axis=1) / tf.norm(ends[0] - ends[1], axis=1)
    assert np.max(differences) <= 1 + 1e-3


def test_kernels_are_normalised_once_and_zeros_stay():
    layers = [
        keras.layers.SpectralNormalization(keras.layers.Dense(8, kernel_initializer=start))
        for start in (keras.initializers.RandomNormal(stddev=3.0, seed=1), "zeros")
    ]
    critic = keras.Sequential([keras.Input((8,)), *layers])
    for _ in range(60):
        normalise_spectra(critic)
    np.testing.assert_allclose(np.linalg.norm(layers[0].layer.kernel, 2), 1, atol=1e-3)
    assert not np.any(layers[1].layer.kernel) and np.all(np.isfinite(layers[1].vector_u))


# ---- everything inside one traced step


def patch_critic(spectral):
    layers = [
        keras.layers.Conv2D(4, 4, 2, padding="same", activation="leaky_relu"),
        keras.layers.Conv2D(1, 3, padding="same"),
    ]
    if spectral:
        layers = [keras.layers.SpectralNormalization(layer) for layer in layers]
    return keras.Sequential([keras.Input((None, None, 3)), *layers])


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_one_trace_serves_every_batch_and_size(constraint):
    critic = patch_critic(constraint == "spectral_norm")
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(critic.trainable_variables)
    unknown = [tf.TensorSpec((None, None, None, channels), tf.float32) for channels in (3, 3, 1)]
    traces = []

    @tf.function(input_signature=unknown)
    def step(real, fake, mask):
        traces.append(1)
        with tf.GradientTape() as tape:
            scores = critic(real, training=True), critic(fake, training=True)
            loss = adversarial_loss(*scores, mask) + vanilla_critic_loss(*scores, mask)
            loss += generator_loss(scores[1], mask) + vanilla_generator_loss(scores[1])
            if constraint == "gradient_penalty":
                mix = uniform_mix(tf.shape(real)[0], 0, optimizer.iterations)
                loss += 10 * gradient_penalty(critic, real, fake, mix, mask=mask, root_mean_square=True)
        optimizer.apply(tape.gradient(loss, critic.trainable_variables), critic.trainable_variables)
        if constraint == "clip":
            clip_weights(critic, 0.01)
        return loss

    for batch, height, width in ((1, 16, 16), (3, 24, 40), (2, 17, 9)):
        for mask in (tf.ones, tf.zeros):
            loss = step(
                random_pictures(1, (batch, height, width, 3)),
                random_pictures(2, (batch, height, width, 3)),
                mask((batch, height, width, 1)),
            )
            assert loss.shape == () and np.isfinite(loss)
    assert len(traces) == 1 and all(np.all(np.isfinite(weight)) for weight in critic.get_weights())


def test_penalised_critic_finds_the_shift_of_a_cloud_and_a_free_one_does_not():
    real = tf.random.stateless_normal((128, 2), seed=(0, 0))
    fake = real + tf.constant([3.0, 4.0])
    estimates = {}
    for weight in (0.0, 50.0):
        critic = keras.Sequential(
            [
                keras.Input((2,)),
                *(
                    keras.layers.Dense(
                        units, activation=activation, kernel_initializer=keras.initializers.GlorotUniform(seed)
                    )
                    for seed, (units, activation) in enumerate([(32, "leaky_relu"), (32, "leaky_relu"), (1, None)])
                ),
            ]
        )
        optimizer = keras.optimizers.Adam(3e-3)
        optimizer.build(critic.trainable_variables)

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = adversarial_loss(critic(real), critic(fake))
                mix = uniform_mix(128, 0, optimizer.iterations, rank=2)
                total = loss + weight * gradient_penalty(critic, real, tf.reverse(fake, [0]), mix)
            optimizer.apply(tape.gradient(total, critic.trainable_variables), critic.trainable_variables)
            return -loss

        for _ in range(400):
            estimates[weight] = float(step())
    assert estimates[0.0] > 500
    # The penalty gives way: the best slope is 1 + |t| / (2 weight).
    np.testing.assert_allclose(estimates[50.0], 5 * (1 + 5 / 100), rtol=0.03)


def test_module_imports_no_other_room():
    from pathlib import Path

    source = Path(wasserstein.__file__).read_text()
    assert "from ." not in source and "fashion_style." not in source.replace("fashion_style/", "")
