"""Features: VGG's scaling, truncation, equality with keras.applications, the embedded weights, and bad files."""

import hashlib
from importlib.resources import files

import h5py
import keras
import matplotlib.pyplot as pyplot
import numpy as np
import pytest
import tensorflow as tf

from fashion_style import features
from fashion_style.errors import FeatureError, WeightsError
from fashion_style.features import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    build_extractor,
    fig_feature_maps,
    find_vgg19_weights,
    layer_shapes,
    load_extractor,
    rank_channels,
    read_embedded_weights,
    recompute_activation,
    vgg_input,
)

EMBEDDED = files("fashion_style") / "weights" / "embedded_extractor.npz"


def random_pictures(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


@pytest.fixture(scope="module")
def embedded():
    return load_extractor()


@pytest.fixture()
def mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def write_vgg19(path, layers, change=lambda name, array: array):
    "A small file in Keras' old h5 layout: group per layer, kernel and bias inside."
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        for name in layers:
            shape = layer_shapes("vgg19")[name]
            group = file.create_group(name)
            group[f"{name}_W_1:0"] = change(name, rng.normal(0, 0.05, shape).astype("float32"))
            group[f"{name}_b_1:0"] = np.zeros(shape[-1], "float32")
    return path


# --- VGG's scaling -------------------------------------------------------------------------------------------------
def test_scaling_golden_values():
    np.testing.assert_allclose(vgg_input(np.array([1.0, 0.0, -1.0])), [-103.939, 10.721, 131.32], atol=1e-4)


def test_scaling_equals_keras_and_leaves_its_input_alone():
    picture = random_pictures(2, 5, 4, 3)
    kept = picture.copy()
    expected = keras.applications.vgg19.preprocess_input((picture + 1) * 127.5)
    np.testing.assert_allclose(vgg_input(picture), expected, atol=1e-4)
    np.testing.assert_array_equal(picture, kept)


# --- architecture --------------------------------------------------------------------------------------------------
def test_layers_and_kernels_of_vgg19_are_those_of_keras():
    reference = keras.applications.VGG19(include_top=False, weights=None)
    expected = {layer.name: tuple(layer.kernel.shape) for layer in reference.layers if "conv" in layer.name}
    assert layer_shapes("vgg19") == expected


@pytest.mark.parametrize("name", ["vgg19", "embedded"])
@pytest.mark.parametrize("deepest", ["block1_conv1", "block2_conv2", "block3_conv1"])
def test_nothing_deeper_than_asked(name, deepest):
    extractor = build_extractor(name, ("block1_conv1", deepest))
    order = list(layer_shapes(name))
    built = [layer.name for layer in extractor.layers if "conv" in layer.name]
    assert built == order[: order.index(deepest) + 1]
    assert extractor.layers[-1].name == deepest
    assert extractor.count_params() == sum(
        np.prod(layer_shapes(name)[layer]) + layer_shapes(name)[layer][-1] for layer in built
    )


def test_dictionary_shapes_and_names(embedded):
    activations = embedded(random_pictures(2, 48, 32, 3))
    assert set(activations) == {*STYLE_LAYERS, CONTENT_LAYER} and embedded.name == "embedded"
    assert tuple(activations["block1_conv1"].shape) == (2, 48, 32, 16)
    assert tuple(activations["block5_conv1"].shape) == (2, 3, 2, 96)
    assert all(values.dtype == tf.float32 and float(tf.reduce_min(values)) >= 0 for values in activations.values())
    assert not embedded.trainable_variables


def test_unknown_batch_height_and_width_in_a_graph(embedded):
    traced = tf.function(lambda pictures: embedded(pictures), input_signature=[tf.TensorSpec((None, None, None, 3))])
    for size in (16, 33):
        picture = random_pictures(1, size, size + 3, 3)
        for layer, values in traced(picture).items():
            np.testing.assert_allclose(values, embedded(picture)[layer], atol=1e-4)


def test_gradient_reaches_the_picture(embedded):
    picture = tf.constant(random_pictures(1, 32, 32, 3))
    with tf.GradientTape() as tape:
        tape.watch(picture)
        total = tf.reduce_sum(embedded(picture)["block5_conv1"])
    assert float(tf.reduce_max(tf.abs(tape.gradient(total, picture)))) > 0


def test_float32_under_mixed_precision(embedded, mixed_precision):
    picture = random_pictures(1, 32, 32, 3)
    for layer, values in load_extractor()(picture).items():
        assert values.dtype == tf.float32
        np.testing.assert_allclose(values, embedded(picture)[layer], atol=1e-5)


# --- against keras.applications on the same weights ------------------------------------------------------------------
def test_features_equal_keras_on_random_weights(tmp_path):
    layers = ("block1_conv2", "block2_conv1", "block3_conv1")
    path = write_vgg19(tmp_path / "vgg.h5", [layer for layer in layer_shapes("vgg19") if layer <= "block3_conv1"])
    ours = load_extractor("vgg19", layers, weights=path)
    reference = keras.applications.VGG19(include_top=False, weights=None)
    for layer in reference.layers:
        if "conv" in layer.name and layer.name <= "block3_conv1":
            layer.set_weights(ours.get_layer(layer.name).get_weights())
    expected = keras.Model(reference.input, {layer: reference.get_layer(layer).output for layer in layers})
    picture = random_pictures(1, 30, 26, 3)
    scaled = keras.applications.vgg19.preprocess_input((picture + 1) * 127.5)
    for layer, values in expected(scaled).items():
        np.testing.assert_allclose(ours(picture)[layer], values, rtol=1e-4, atol=1e-2)


def test_features_equal_keras_on_the_real_weights(vgg19_weights):
    layers = ("block1_conv1", "block1_conv2", "block2_conv1", "block3_conv1", "block4_conv2", "block5_conv1")
    ours = load_extractor("vgg19", layers, weights=vgg19_weights)
    reference = keras.applications.VGG19(include_top=False, weights=vgg19_weights)
    expected = keras.Model(reference.input, {layer: reference.get_layer(layer).output for layer in layers})
    picture = random_pictures(2, 50, 66, 3)
    scaled = keras.applications.vgg19.preprocess_input((picture + 1) * 127.5)
    for layer, values in expected(scaled).items():
        assert float(tf.reduce_max(values)) > 1
        np.testing.assert_allclose(ours(picture)[layer], values, rtol=1e-4, atol=1e-2)


def test_real_weights_by_environment_variable(vgg19_weights, monkeypatch):
    monkeypatch.setenv("FASHION_STYLE_VGG19", str(vgg19_weights))
    assert find_vgg19_weights() == vgg19_weights
    assert load_extractor("vgg19", "block1_conv1").name == "vgg19"


# --- the embedded weights --------------------------------------------------------------------------------------------
def test_embedded_file_is_small_known_and_finite():
    content = EMBEDDED.read_bytes()
    assert len(content) <= 1_500_000
    assert hashlib.sha256(content).hexdigest() == features.EMBEDDED_SHA256
    stored = read_embedded_weights()
    for layer, shape in layer_shapes("embedded").items():
        assert stored[f"{layer}/kernel"].shape == shape and stored[f"{layer}/bias"].shape == shape[-1:]
    assert all(np.isfinite(array).all() for array in stored.values() if array.dtype.kind == "f")


def test_embedded_extractor_is_deterministic(embedded):
    picture = random_pictures(1, 32, 32, 3)
    for layer, values in load_extractor()(picture).items():
        np.testing.assert_array_equal(values, embedded(picture)[layer])


def test_another_file_in_the_package_is_refused(monkeypatch):
    monkeypatch.setattr(features, "EMBEDDED_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="Install fashion_style again"):
        load_extractor()


def test_embedded_files_that_hold_programs_or_are_damaged_are_refused_without_advice_to_run_them(tmp_path):
    file = tmp_path / "weights.npz"
    np.savez(file, kernel=np.array([print], dtype=object))
    whole = file.read_bytes()
    for content in (whole, whole[:-30], b"\x80\x04.", b""):
        file.write_bytes(content)
        with pytest.raises(
            WeightsError, match="(something else wrote it|of object, expected plain numbers). Expected"
        ) as caught:
            read_embedded_weights(file)
        assert "pickle" not in str(caught.value)


# --- errors ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "arguments", [("vgg16",), ("vgg19", "block1_conv3"), ("embedded", "block5_conv2"), ("embedded", ())]
)
def test_unknown_names(arguments):
    with pytest.raises(FeatureError, match="Received.*Expected"):
        load_extractor(*arguments)


def test_too_small_picture(embedded):
    with pytest.raises(FeatureError, match=r"\(1, 8, 64, 3\).*at least 16 pixels"):
        embedded(random_pictures(1, 8, 64, 3))


def test_missing_files(tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match="--vgg-weights"):
        load_extractor("vgg19", weights=tmp_path / "none.h5")
    with pytest.raises(WeightsError, match="none.npz"):
        load_extractor(weights=tmp_path / "none.npz")
    monkeypatch.setenv("FASHION_STYLE_VGG19", str(tmp_path / "gone.h5"))
    with pytest.raises(WeightsError, match="gone.h5"):
        load_extractor("vgg19")


def test_keras_cache_is_searched(tmp_path, monkeypatch):
    monkeypatch.delenv("FASHION_STYLE_VGG19", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert find_vgg19_weights() is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / features.VGG19_FILE).touch()
    assert find_vgg19_weights() == tmp_path / "models" / features.VGG19_FILE


def test_offline_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("FASHION_STYLE_VGG19", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(keras.utils, "get_file", refuse)
    with pytest.raises(WeightsError) as caught:
        load_extractor("vgg19")
    for part in (features.VGG19_FILE, "FASHION_STYLE_VGG19", "--vgg-weights", "no network", "embedded"):
        assert part in str(caught.value)


def bad_vgg_files(folder):
    layers = ["block1_conv1", "block1_conv2"]
    whole = write_vgg19(folder / "whole.h5", layers).read_bytes()
    for share in (0.0, 0.1, 0.5, 0.98):
        (folder / f"cut{share}.h5").write_bytes(whole[: int(share * len(whole))])
    (folder / "text.h5").write_text("not an h5 file")
    write_vgg19(folder / "few.h5", layers[:1])
    write_vgg19(folder / "wide.h5", layers, lambda name, array: array[..., :-1])
    write_vgg19(
        folder / "nan.h5",
        layers,
        lambda name, array: np.where(np.arange(array.size).reshape(array.shape) == 5, np.nan, array),
    )
    return sorted(path for path in folder.glob("*.h5") if path.name != "whole.h5")


def test_bad_vgg_files(tmp_path):
    paths = bad_vgg_files(tmp_path)
    assert len(paths) == 8
    for path in [*paths, tmp_path]:
        with pytest.raises(WeightsError, match=str(path.name)):
            load_extractor("vgg19", "block1_conv2", weights=path)
    load_extractor("vgg19", "block1_conv2", weights=tmp_path / "whole.h5")


def test_bad_embedded_files(tmp_path):
    stored = dict(np.load(EMBEDDED))
    damaged = {
        "missing": {name: array for name, array in stored.items() if name != "block2_conv1/bias"},
        "wide": {**stored, "block1_conv1/kernel": np.zeros((3, 3, 3, 17), "float16")},
        "nan": {**stored, "block3_conv1/bias": np.full(64, np.nan, "float16")},
        "words": {**stored, "block1_conv1/kernel": np.array(["word"])},
    }
    for name, arrays in damaged.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
    np.savez(tmp_path / "pickled.npz", **{"block1_conv1/kernel": np.array([{"a": 1}], object)}, allow_pickle=True)
    (tmp_path / "cut.npz").write_bytes(EMBEDDED.read_bytes()[:5000])
    (tmp_path / "empty.npz").touch()
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(WeightsError, match=path.name):
            load_extractor(weights=path)


# --- looking ---------------------------------------------------------------------------------------------------------
def test_rank_channels():
    activation = np.zeros((2, 3, 3, 4))
    activation[..., 1], activation[0, 0, 0, 3], activation[..., 2] = 2, 9, 0.25  # channel means 0, 2, 0.25, 0.5
    assert rank_channels(activation).tolist() == [1, 3, 2, 0]
    assert rank_channels(activation[1]).tolist() == [1, 2, 0, 3]


@pytest.mark.parametrize(
    "layer,position",
    [("block1_conv1", (0, 0)), ("block1_conv1", (31, 17)), ("block3_conv2", (7, 0)), ("block5_conv1", (1, 1))],
)
def test_recomputed_activation_is_the_networks(embedded, layer, position):
    picture = random_pictures(32, 32, 3)
    activations = np.asarray(load_extractor("embedded", layer)(picture[None])[layer])[0]
    for channel in rank_channels(activations)[:2]:
        by_hand = recompute_activation(embedded, picture, layer, position, channel)
        assert by_hand.network == activations[(*position, channel)]
        assert by_hand.activation == pytest.approx(by_hand.network, abs=1e-3)
        assert by_hand.activation == max(0.0, (by_hand.patch * by_hand.kernel).sum() + by_hand.bias)


def test_figure_shows_the_picture_and_the_ranked_channels(embedded):
    picture = random_pictures(32, 32, 3)
    figure = fig_feature_maps(embedded, picture, "block2_conv1", count=7)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    order = rank_channels(embedded(picture[None])["block2_conv1"])[:7]
    assert titles[0] == "picture" and [int(title.split(":")[0]) for title in titles[1:]] == order.tolist()
    assert pyplot.get_fignums() == []
