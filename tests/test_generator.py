"""The generators against the article's figures, and the promises of the one we ship."""

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.generator import ResizeLike, build_generator, build_unet_generator, cost_table, count_gflop
from fashion_style.networks.choices import PATHS
from fashion_style.runs.weights import load_generator
from fashion_style.style_generator import (
    CODE_KEYS,
    GENERATORS,
    AdaptiveInstanceNorm,
    PrintHead,
    StyleGenerator,
    build_style_generator,
    mix_style_codes,
)


def pictures(shape, seed):
    return tf.random.stateless_uniform(shape, [seed, 1], -1.0, 1.0)


@pytest.fixture(scope="module")
def style_generator():
    return build_style_generator(width=8, blocks=2)


def test_the_article_s_generator_has_its_parameters_and_shapes():
    generator = build_generator()
    assert generator.count_params() == 2_292_099
    assert generator.input_shape == [(None, 256, 256, 3), (None, 256, 256, 3)] and generator.output_shape == (
        None,
        256,
        256,
        3,
    )
    strides = [layer.strides[0] for layer in generator.layers if hasattr(layer, "strides")]
    assert sorted(strides) == [1] * 4 + [2] * 6 and generator.layers[-1].activation.__name__ == "tanh"


@pytest.mark.parametrize("batch", [1, 3])
def test_the_article_s_generator_takes_any_batch_and_other_sizes(batch):
    generator = build_generator(64)
    assert generator.count_params() == 2_292_099
    assert generator([pictures((batch, 64, 64, 3), 1), pictures((batch, 64, 64, 3), 2)]).shape == (batch, 64, 64, 3)


@pytest.mark.parametrize("size", [0, 2, 50, -4])
def test_a_size_the_article_s_decoder_cannot_return_to_is_refused(size):
    with pytest.raises(ValueError, match="multiple of 4.*Received"):
        build_generator(size)


@pytest.mark.parametrize("shape", [(2, 48, 48, 3), (1, 33, 70, 3), (1, 17, 16, 3)])
@pytest.mark.parametrize("name", ["unet", "style"])
def test_ours_take_any_size_and_stay_in_range(name, shape):
    generated = GENERATORS[name]()([pictures(shape, 1), pictures(shape, 2)])
    assert generated.shape == shape and float(tf.reduce_max(tf.abs(generated))) <= 1.0


def test_strength_zero_is_the_garment_and_strength_is_linear(style_generator):
    content, style = pictures((2, 32, 32, 3), 1), pictures((2, 32, 32, 3), 2)
    full = style_generator([content, style])
    np.testing.assert_array_equal(style_generator([content, style, tf.zeros((2, 1))]), content)
    half = style_generator([content, style, tf.fill((2, 1), 0.5)])
    np.testing.assert_allclose(half, (content + full) / 2, atol=1e-5)


def test_print_head_against_numpy():
    random = np.random.default_rng(3)
    maps, content, style = (
        random.normal(size=(1, 4, 5, 5)),
        random.uniform(-1, 1, (1, 4, 5, 3)),
        random.uniform(-1, 1, (1, 4, 5, 3)),
    )
    expected = np.empty_like(content)
    for row in range(4):
        for column in range(5):
            raw, c, s = maps[0, row, column], (content[0, row, column] + 1) / 2, (style[0, row, column] + 1) / 2
            gain, cover, correction = 2 / (1 + np.exp(-raw[0])), 1 / (1 + np.exp(-raw[1])), np.tanh(raw[2:])
            mixed = 2 * (cover * np.minimum(s * gain, 1) + (1 - cover) * c) - 1
            expected[0, row, column] = mixed + np.abs(correction) * (np.sign(correction) - mixed)
    inputs = [tf.constant(x, tf.float32) for x in (maps, content, style)] + [tf.ones((1, 1))]
    np.testing.assert_allclose(PrintHead()(inputs), expected, atol=1e-5)


def test_adain_against_numpy():
    random = np.random.default_rng(4)
    features, code = random.normal(size=(2, 6, 5, 3)).astype("float32"), random.normal(size=(2, 4)).astype("float32")
    layer = AdaptiveInstanceNorm()
    answer = layer([features, code]).numpy()
    scale, shift = (code @ dense.kernel.numpy() + dense.bias.numpy() for dense in (layer.scale, layer.shift))
    normal = (features - features.mean((1, 2), keepdims=True)) / np.sqrt(features.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(answer, normal * (1 + scale[:, None, None]) + shift[:, None, None], atol=1e-4)


def test_resize_like_draws_no_checkerboard():
    flat = ResizeLike()([tf.fill((1, 5, 7, 2), 0.25), tf.zeros((1, 11, 13, 1))])
    assert flat.shape == (1, 11, 13, 2) and float(tf.math.reduce_std(flat)) == 0.0


def test_style_codes_are_complete_and_mix(style_generator):
    content, first, second = (pictures((1, 24, 24, 3), seed) for seed in (1, 2, 3))
    codes = [style_generator.encode_style(style) for style in (first, second)]
    assert tuple(codes[0]) == CODE_KEYS
    np.testing.assert_allclose(style_generator.paint(content, codes[0]), style_generator([content, first]), atol=1e-6)
    np.testing.assert_allclose(
        style_generator.paint(content, mix_style_codes(codes, [2, 0])), style_generator([content, first]), atol=1e-5
    )
    np.testing.assert_allclose(
        mix_style_codes(codes, [1, 3])["moments"], 0.25 * codes[0]["moments"] + 0.75 * codes[1]["moments"], rtol=1e-5
    )


@pytest.mark.parametrize("weights", [[1.0], [0, 0], [1, -1], [1, float("nan")]])
def test_a_mix_that_makes_no_sense_is_refused(style_generator, weights):
    code = style_generator.encode_style(pictures((1, 16, 16, 3), 1))
    with pytest.raises(ValueError, match="Received"):
        mix_style_codes([code, code], weights)


def test_codes_of_two_sizes_are_refused(style_generator):
    codes = [style_generator.encode_style(pictures((1, size, 16, 3), 1)) for size in (16, 24)]
    with pytest.raises(ValueError, match="one size.*Received.*Resize"):
        mix_style_codes(codes, [1, 1])


def test_the_article_s_generator_without_a_size_grows_an_odd_picture():
    odd = pictures((1, 50, 50, 3), 1)
    assert build_generator(None)([odd, odd]).shape == (1, 52, 52, 3)


@pytest.mark.parametrize("paths", PATHS)
def test_gradients_reach_every_weight(paths):
    generator, content, style = (
        build_style_generator(width=8, blocks=2, paths=paths),
        pictures((2, 32, 32, 3), 1),
        pictures((2, 32, 32, 3), 2),
    )
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(generator([content, style], training=True) - style))
    dead = [
        v.path
        for v, g in zip(generator.trainable_variables, tape.gradient(loss, generator.trainable_variables))
        if g is None or float(tf.reduce_max(tf.abs(g))) == 0
    ]
    assert not dead


@pytest.mark.parametrize("paths", ["spatial", "global"])
def test_one_path_alone_takes_any_size_fades_and_mixes(paths):
    generator, content, styles = (
        build_style_generator(width=4, blocks=1, paths=paths),
        pictures((2, 33, 18, 3), 1),
        [pictures((2, 33, 18, 3), seed) for seed in (2, 3)],
    )
    full = generator([content, styles[0]])
    assert full.shape == content.shape and float(tf.reduce_max(tf.abs(full))) <= 1.0
    np.testing.assert_array_equal(generator([content, styles[0], tf.zeros((2, 1))]), content)
    np.testing.assert_allclose(generator([content, styles[0], tf.fill((2, 1), 0.5)]), (content + full) / 2, atol=1e-5)
    codes = [generator.encode_style(style) for style in styles]
    np.testing.assert_allclose(generator.paint(content, mix_style_codes(codes, [3, 0])), full, atol=1e-5)


def test_the_global_path_holds_no_place():
    generator = build_style_generator(width=8, blocks=2, paths="global")
    content, style = pictures((1, 32, 32, 3), 1), pictures((1, 48, 48, 3), 2)
    code = generator.encode_style(style)
    assert tuple(code) == ("moments",) and code["moments"].shape == (1, 48) and not generator.prints
    moved, other = (generator([content, changed]) for changed in (tf.roll(style, 16, axis=1), 0.3 * style))
    painted = generator([content, style])
    # not 0: other edges meet
    assert float(tf.reduce_max(tf.abs(moved - painted))) < 0.2 * float(tf.reduce_max(tf.abs(other - painted)))
    with pytest.raises(ValueError, match="paths='global'.*Use paint"):
        generator.print_maps(content, code)


def test_the_spatial_path_reads_no_moments():
    generator = build_style_generator(width=8, blocks=2, paths="spatial")
    assert tuple(generator.encode_style(pictures((1, 16, 16, 3), 1))) == CODE_KEYS[:-1] and generator.prints
    assert not [layer for layer in generator.painter.layers if isinstance(layer, AdaptiveInstanceNorm)]
    # Its first maps depend on the garment alone: every normalisation is the same for all styles.
    assert generator.print_maps(
        pictures((1, 16, 16, 3), 2), generator.encode_style(pictures((1, 16, 16, 3), 1))
    ).shape == (1, 16, 16, 5)


def test_paths_are_checked_and_both_is_the_shipped_network():
    with pytest.raises(ValueError, match="both, spatial, global. Received: 'none'"):
        StyleGenerator(paths="none")
    shipped = load_generator().generator
    assert shipped.prints and tuple(shipped.encode_style(pictures((1, 16, 16, 3), 1))) == CODE_KEYS
    assert [tuple(v.shape) for v in StyleGenerator(4, 1).variables] == [
        tuple(v.shape) for v in build_style_generator(width=4, blocks=1, paths="both").variables
    ]


def test_flops_against_the_sum_by_hand():
    size, flops = 32, 0
    layers = [(2, 3, 64, 1), (2, 64, 128, 2), (2, 128, 256, 4)]
    flops += sum(
        copies * 2 * 9 * inputs * outputs * (size // shrink) ** 2 for copies, inputs, outputs, shrink in layers
    )
    # A transposed convolution multiplies once for every input position.
    flops += sum(
        2 * 9 * inputs * outputs * (size // shrink) ** 2
        for inputs, outputs, shrink in [(512, 256, 4), (256, 128, 4), (128, 64, 2), (64, 3, 1)]
    )
    counted = count_gflop(build_generator(None), size) * 1e9
    assert flops <= counted <= 1.02 * flops  # biases and activations come on top
    assert count_gflop(build_style_generator(), 256) < 8 < count_gflop(build_unet_generator(), 256)


@pytest.mark.parametrize("small, large", [((3, 5), (6, 10)), ((4, 4), (4, 4)), ((2, 3), (6, 3)), ((3, 5), (5, 9))])
def test_resize_like_is_the_nearest_resize_on_every_path(small, large):
    maps, like = (
        np.random.default_rng(0).normal(size=(2, *small, 3)).astype("float32"),
        np.zeros((2, *large, 1), "float32"),
    )
    wanted = tf.image.resize(maps, large, method="nearest")
    np.testing.assert_array_equal(ResizeLike()([maps, like]), wanted)
    unknown = tf.function(
        lambda *pair: ResizeLike()(list(pair)),
        input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, None, None, 1))],
    )
    np.testing.assert_array_equal(unknown(maps, like), wanted)


def test_the_cost_table_lists_each_generator():
    models = dict(
        both=build_style_generator(width=4, blocks=1), spatial=build_style_generator(width=4, blocks=1, paths="spatial")
    )
    (_, *both), (name, *spatial) = cost_table(models, 32)
    assert name == "spatial" and spatial[0] < both[0] and spatial[1] < 1.1 * both[1] and min(both[2], spatial[2]) > 0
