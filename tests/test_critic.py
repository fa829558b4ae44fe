"""Independent checks of fashion_style.critic: counts by hand, fields by gradient, singular values by NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from fashion_style.critic import (
    build_dense_critic,
    build_discriminator,
    build_style_critic,
    fig_patch_map,
    fig_receptive_fields,
    patchgan_layers,
    receptive_box,
    receptive_field,
    receptive_field_by_gradient,
    receptive_field_table,
)


def random_pictures(*shape, seed=0):
    return tf.random.stateless_uniform((*shape, 3), (seed, 0), -1.0, 1.0)


def plain_critic(pairs):
    """A small "same" convolution stack with the given (kernel, stride) pairs and random weights."""
    picture = tensor = keras.Input((None, None, 3))
    for kernel, stride in pairs:
        tensor = keras.layers.Conv2D(2, kernel, strides=stride, padding="same")(tensor)
    return keras.Model(picture, tensor)


def test_discriminator_is_the_articles():
    model = build_discriminator()
    by_hand = sum(
        16 * incoming * outgoing + outgoing
        for incoming, outgoing in ((3, 64), (64, 128), (128, 256), (256, 512), (512, 1))
    )
    assert model.count_params() == by_hand == 2_764_737
    assert model.output_shape == (None, 32, 32, 1)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.kernel_size[0], layer.strides[0], layer.filters, layer.padding) for layer in convolutions] == [
        (4, 2, 64, "same"),
        (4, 2, 128, "same"),
        (4, 2, 256, "same"),
        (4, 1, 512, "same"),
        (4, 1, 1, "same"),
    ]
    assert convolutions[-1].activation is keras.activations.linear
    slopes = [layer.negative_slope for layer in model.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert np.allclose(slopes, [0.2] * 4)


@pytest.mark.parametrize("batch", [1, 3])
def test_discriminator_scores_any_batch_and_size(batch):
    model = build_discriminator(None, width=4)
    for height, width in ((64, 64), (50, 33), (8, 8)):
        scores = model(random_pictures(batch, height, width))
        assert scores.shape == (batch, -(-height // 8), -(-width // 8), 1) and scores.dtype == tf.float32
    assert build_discriminator(64, width=4)(random_pictures(batch, 64, 64)).shape == (batch, 8, 8, 1)


def test_discriminator_traces_once_for_unknown_sizes():
    model = build_discriminator(None, width=4)
    traced = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for shape in ((2, 32, 32), (1, 24, 40)):
        np.testing.assert_allclose(traced(random_pictures(*shape)), model(random_pictures(*shape)), atol=1e-5)


def test_dense_critic_gives_one_verdict():
    assert build_dense_critic(256).count_params() == 2_764_737 - (16 * 512 + 1) + (32 * 32 * 512 + 1)
    logit = build_dense_critic(32, width=4)
    probability = build_dense_critic(32, width=4, probability=True)
    probability.set_weights(logit.get_weights())
    pictures = random_pictures(3, 32, 32)
    assert logit(pictures).shape == (3, 1)
    np.testing.assert_allclose(probability(pictures), 1.0 / (1.0 + np.exp(-logit(pictures).numpy())), rtol=1e-5)


@pytest.mark.parametrize("downsamplings, field", [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_patchgan_fields(downsamplings, field):
    assert receptive_field(patchgan_layers(downsamplings)) == field


@pytest.mark.parametrize(
    "pairs",
    [
        ((4, 2), (4, 1), (4, 1)),
        patchgan_layers(2),
        ((3, 1), (3, 1)),
        ((3, 2), (5, 2), (3, 1)),
        ((1, 1),),
        ((7, 3), (3, 1)),
    ],
)
def test_field_by_gradient_equals_recurrence(pairs):
    assert receptive_field_by_gradient(plain_critic(pairs), 96) == receptive_field(pairs)


def test_fields_of_our_critics():
    assert receptive_field_by_gradient(build_discriminator(None, width=4), 128) == 70
    assert receptive_field_by_gradient(build_style_critic(4), 128) == 46


def test_field_by_perturbation():
    """A second oracle without gradients: change one pixel, see whether the score moves."""
    model, picture = plain_critic(patchgan_layers(1)), random_pictures(1, 40, 40).numpy()
    before = model(picture).numpy()[0, 10, 10, 0]
    changed = np.repeat(picture, 40, axis=0)
    changed[np.arange(40), np.arange(40), np.arange(40)] += 0.5
    moved = np.flatnonzero(model(changed).numpy()[:, 10, 10, 0] != before)
    top, left, bottom, right = receptive_box(model, 40, row=10, column=10)
    assert (moved[0], moved[-1] + 1) == (top, bottom) == (left, right)


def test_receptive_field_table_and_corner_boxes():
    rows = receptive_field_table(patchgan_layers(3))
    assert [row.field for row in rows] == [4, 10, 22, 46, 70] and [row.jump for row in rows] == [2, 4, 8, 8, 8]
    model = build_discriminator(None, width=4)
    assert receptive_box(model, 128, row=8, column=8) == (41, 41, 111, 111)
    assert receptive_box(model, 128, row=0, column=0)[:2] == (0, 0)


@pytest.mark.parametrize("spectral", [False, True])
def test_style_critic_responds_to_picture_and_style(spectral):
    model = build_style_critic(8, spectral=spectral)
    pictures, style = random_pictures(2, 40, 56), random_pictures(2, 32, 24, seed=1)
    scores = model([pictures, style])
    assert scores.shape == (2, 5, 7, 1) and scores.dtype == tf.float32
    other = model([pictures, 0.3 * style + 0.5]).numpy()
    assert np.abs(other - scores).max() > 1e-4 and np.abs(model([0.5 * pictures, style]) - scores).max() > 1e-4
    only_second = model([pictures, tf.stack([style[0], 0.3 * style[1] + 0.5])]).numpy()
    np.testing.assert_allclose(only_second[0], scores[0], atol=1e-5)
    assert np.abs(only_second[1] - scores[1]).max() > 1e-4


def test_style_critic_forgets_positions_of_the_style():
    """Rolling a seamless style by whole strides leaves only border effects."""
    keras.utils.set_random_seed(0)
    model, pictures = build_style_critic(8), random_pictures(1, 32, 32)
    cloth = tf.tile(random_pictures(1, 16, 16, seed=2), (1, 8, 8, 1))
    base = model([pictures, cloth]).numpy()
    rolled = model([pictures, tf.roll(cloth, (8, 8), axis=(1, 2))]).numpy()
    different = model([pictures, 0.5 * cloth + 0.4]).numpy()
    assert np.abs(rolled - base).max() < 0.2 * np.abs(different - base).max()


def test_style_critic_is_a_projection():
    """Score = w.h + b + e.h, recomputed in NumPy from the model's own h and e."""
    model = build_style_critic(4)
    inner = keras.Model(
        model.inputs, [model.get_layer("picture_activation_4").output, model.get_layer("style_vector").output]
    )
    inputs = [random_pictures(2, 24, 24), random_pictures(2, 16, 16, seed=1)]
    hidden, wanted = (array.numpy() for array in inner(inputs))
    weight, bias = (array.numpy() for array in model.get_layer("score").weights)
    expected = hidden @ weight[0, 0] + bias + np.einsum("bhwc,bc->bhw", hidden, wanted)[..., np.newaxis]
    np.testing.assert_allclose(model(inputs), expected, rtol=1e-4, atol=1e-5)


def test_style_critic_is_cheap_and_has_no_batch_norm():
    model = build_style_critic()
    operations = 0.0
    for layer in model.layers:
        assert not isinstance(layer, keras.layers.BatchNormalization)
        if isinstance(layer, keras.layers.Conv2D):
            shape = layer.compute_output_shape((1, 128, 128, layer.kernel.shape[2]))
            depth = int(layer.name[-1]) if layer.name[-1].isdigit() else 4
            side = 128 // 2 ** min(depth, 3)
            assert shape[1] in (64, 128)
            operations += 2.0 * np.prod(layer.kernel.shape) * side**2
    assert 1e8 < operations < 1e9


def test_style_critic_survives_flat_style_pictures():
    model, pictures = build_style_critic(4), random_pictures(2, 24, 24)
    style = tf.zeros((2, 16, 16, 3))
    with tf.GradientTape() as tape:
        tape.watch(style)
        loss = tf.reduce_mean(model([pictures, style]))
    gradients = tape.gradient(loss, [style, *model.trainable_variables])
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


@pytest.mark.parametrize(
    "build, conditional",
    [
        (lambda: build_discriminator(None, width=4), False),
        (lambda: build_style_critic(4), True),
        (lambda: build_style_critic(4, spectral=True), True),
    ],
)
def test_gradient_penalty_can_be_differentiated_and_lowered(build, conditional):
    keras.utils.set_random_seed(0)
    model, pictures, style = build(), random_pictures(2, 32, 32), random_pictures(2, 24, 24, seed=1)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(pictures)
                scores = tf.reduce_mean(
                    model([pictures, style] if conditional else pictures, training=True), axis=(1, 2, 3)
                )
            slopes = inner.gradient(scores, pictures)
            norms = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=(1, 2, 3)) + 1e-12)
            penalty = tf.reduce_mean(tf.square(norms - 1.0))
        gradients = [
            tf.zeros_like(variable) if gradient is None else gradient
            for variable, gradient in zip(model.trainable_variables, outer.gradient(penalty, model.trainable_variables))
        ]
        optimizer.apply(gradients)
        return penalty, [tf.reduce_sum(tf.abs(gradient)) for gradient in gradients]

    first, sizes = step()
    for variable, size in zip(model.trainable_variables, sizes):
        assert np.isfinite(size) and ("kernel" not in variable.path or size > 0), variable.path
    penalties = [float(step()[0]) for _ in range(30)]
    if not any(isinstance(layer, keras.layers.SpectralNormalization) for layer in model.layers):
        assert min(penalties) < 0.3 * float(first)
    assert np.all(np.isfinite(penalties))


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_discriminator(None, width=8, spectral=True),
        lambda: build_dense_critic(32, width=4, spectral=True),
        lambda: build_style_critic(8, spectral=True),
    ],
)
def test_spectral_kernels_have_norm_one_after_training_calls(build):
    keras.utils.set_random_seed(1)
    model, pictures = build(), random_pictures(1, 32, 32)
    wrapped = [layer for layer in model.layers if isinstance(layer, keras.layers.SpectralNormalization)]
    weighted = [layer for layer in model.layers if layer.count_params()]
    assert wrapped == weighted

    def norms():
        return np.array(
            [np.linalg.norm(layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1]), 2) for layer in wrapped]
        )

    inputs, before = [pictures, pictures] if len(model.inputs) == 2 else pictures, norms()
    model(inputs, training=False)
    np.testing.assert_array_equal(norms(), before)
    training_call = tf.function(lambda: model(inputs, training=True))
    for _ in range(60):
        training_call()
    np.testing.assert_allclose(norms(), 1.0, atol=0.05)
    assert np.abs(before - 1.0).max() > 0.1


def test_same_layer_names_in_every_build():
    for build in (lambda: build_discriminator(64, width=4), lambda: build_style_critic(4)):
        assert [variable.path for variable in build().weights] == [variable.path for variable in build().weights]


def test_scores_stay_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        models = build_discriminator(None, width=4), build_style_critic(4)
    finally:
        keras.config.set_dtype_policy("float32")
    pictures = random_pictures(1, 16, 16)
    assert models[0](pictures).dtype == tf.float32 and models[1]([pictures, pictures]).dtype == tf.float32


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: build_discriminator("256"), ["'256'", "whole number", "size=256"]),
        (lambda: build_discriminator(4), ["4", "at least 8"]),
        (lambda: build_dense_critic(None), ["None", "whole number"]),
        (lambda: build_style_critic(0), ["width 0", "width=32"]),
        (lambda: receptive_field([]), ["non-empty list", "patchgan_layers(3)"]),
        (lambda: receptive_field([(4, 0)]), ["(4, 0)", "at least 1"]),
        (lambda: receptive_field([(4, 2, 1)]), ["(4, 2, 1)", "(kernel, stride)"]),
        (lambda: receptive_field_by_gradient(plain_critic(patchgan_layers(3)), 64), ["border", "size=128"]),
        (lambda: receptive_box(build_dense_critic(16, width=2), 16), ["(1, 1)", "score map"]),
    ],
)
def test_errors_say_what_to_do(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


def test_figures_are_pure():
    picture = np.zeros((32, 32, 3), "float32")
    boxes = [(0, 0, 8, 8), (4, 4, 20, 20)]
    first = fig_receptive_fields(picture, boxes, ["8 px", "16 px"])
    second = fig_patch_map(picture, np.ones((4, 4, 1)), [(0, 0), (1, 1)], boxes)
    assert isinstance(first, Figure) and len(first.axes[0].patches) == 2
    assert isinstance(second, Figure) and [len(axis.patches) for axis in second.axes[:2]] == [2, 2]
    with pytest.raises(ValueError):
        fig_receptive_fields(picture, boxes, ["one title"])
