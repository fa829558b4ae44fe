"""Recogniser: lessons are repeatable, folding and equalising change no answer, held-out accuracy is high."""

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.errors import FeatureError, WeightsError
from fashion_style.features import layer_shapes, load_extractor
from fashion_style.garments import GARMENT_KINDS, draw_garment
from fashion_style.networks.recogniser_training import (
    DrawnSet,
    build_training_network,
    draw_set,
    equalise_activations,
    fold_normalisation,
    measure_accuracy,
    save_embedded_extractor,
    train_embedded_extractor,
    training_batch,
)
from fashion_style.patterns import PATTERN_FAMILIES, draw_pattern
from fashion_style.recogniser import load_recogniser, recognise_family, recognise_kind


@pytest.fixture(scope="module")
def held_out():
    return draw_set(2, 3, seed=3_000_000)


@pytest.fixture(scope="module")
def untrained():
    "A training network whose normalisation holds random numbers, as after a training."
    network, rng = build_training_network(seed=5), np.random.default_rng(5)
    for layer in layer_shapes("embedded"):
        normalisation = network.get_layer(f"{layer}_normalisation")
        normalisation.set_weights([rng.uniform(0.5, 1.5, array.shape) for array in normalisation.get_weights()])
    return network


def write_and_ask(arrays, path, pictures):
    "Store the arrays, load them as a recogniser, and return its probabilities."
    save_embedded_extractor(arrays, path)
    return {head: np.asarray(values) for head, values in load_recogniser(path).network(pictures).items()}


def test_lessons_are_a_pure_function_of_seed_and_step(held_out):
    first, again = (training_batch(held_out, 24, seed=1, step=2) for _ in range(2))
    other = training_batch(held_out, 24, seed=1, step=3)
    for one, two in zip(first, again):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], other[0])


def test_lessons_have_three_equal_parts(held_out):
    pictures, families, kinds = (np.asarray(part) for part in training_batch(held_out, 24, seed=0, step=0))
    assert pictures.shape == (24, 64, 64, 3) and pictures.min() >= -1 and pictures.max() <= 1
    assert (families[:8] >= 0).all() and (families[8:16] == -1).all() and (families[16:] >= 0).all()
    assert (kinds[:8] == -1).all() and (kinds[8:] >= 0).all()


def test_the_label_of_a_lesson_is_that_of_its_picture():
    count = 4

    def grey(value, channels=3):
        return np.full((1, 16, 16, channels), value, "uint8")

    stock = DrawnSet(
        np.concatenate([grey(60 * number) for number in range(count)]),
        np.arange(count),
        np.concatenate([grey(200)] * count),
        np.concatenate([grey(255, 1)] * count),
        np.concatenate([grey(255, 1)] * count),
        np.arange(count),
    )
    pictures, families, _ = (np.asarray(part) for part in training_batch(stock, 300, seed=0, step=0, size=8))
    asked = families >= 0
    means = [pictures[asked & (families == number)].mean() for number in range(count)]
    assert np.all(np.diff(means) > 0.2)


def test_folding_and_equalising_change_no_answer(untrained, held_out, tmp_path):
    pictures = training_batch(held_out, 24, seed=9)[0]
    logits = untrained(pictures, training=False)
    folded = fold_normalisation(untrained)
    for name, arrays in (("folded", folded), ("equal", equalise_activations(folded, pictures))):
        answers = write_and_ask(arrays, tmp_path / f"{name}.npz", pictures)
        for head, values in answers.items():
            np.testing.assert_allclose(values, tf.nn.softmax(logits[head]), atol=5e-3)


def test_equalised_filters_have_mean_activation_one(untrained, held_out, tmp_path):
    pictures = training_batch(held_out, 24, seed=9)[0]
    save_embedded_extractor(equalise_activations(fold_normalisation(untrained), pictures), tmp_path / "equal.npz")
    for layer, values in load_extractor("embedded", tuple(layer_shapes("embedded")), weights=tmp_path / "equal.npz")(
        pictures
    ).items():
        means = np.asarray(values).mean((0, 1, 2))
        assert means.max() < 1.05 and np.median(means) == pytest.approx(1, abs=0.05), layer


def test_shipped_filters_are_equalised(held_out):
    pictures = training_batch(held_out, 96, seed=9)[0]
    for layer, values in load_extractor("embedded", tuple(layer_shapes("embedded")))(pictures).items():
        assert 0.5 < float(tf.reduce_mean(values)) < 1.5, layer


def test_short_training_learns_and_repeats(held_out):
    losses = {run: [] for run in ("first", "again")}
    arrays = {
        run: train_embedded_extractor(
            2, drawn=held_out, batch_size=6, seed=3, callback=lambda step, loss: losses[run].append(loss)
        )
        for run in losses
    }
    np.testing.assert_allclose(losses["first"], losses["again"], rtol=1e-3)
    assert len(losses["first"]) == 2 and set(arrays["first"]) >= {"block5_conv1/kernel", "family/kernel", "kind/bias"}
    assert all(np.isfinite(array).all() for array in arrays["first"].values())


def test_same_arrays_make_the_same_file(untrained, tmp_path):
    arrays = fold_normalisation(untrained)
    digests = [save_embedded_extractor(arrays, tmp_path / name) for name in ("one.npz", "two.npz")]
    assert digests[0] == digests[1] and len(digests[0]) == 64


def test_the_shipped_recogniser_knows_todays_classes():
    recogniser = load_recogniser()
    assert recogniser.families == PATTERN_FAMILIES and recogniser.kinds == GARMENT_KINDS


def test_held_out_accuracy_is_far_above_chance(held_out):
    accuracy = measure_accuracy(load_recogniser(), held_out, batches=4, seed=3_000_000)
    assert accuracy.family_of_cloth > 0.85 and accuracy.family_when_worn > 0.55
    assert accuracy.kind_when_plain > 0.85 and accuracy.kind_when_worn > 0.75
    assert accuracy.pictures == 384


def test_recognition_is_sorted_and_sums_to_one():
    for answer, names in (
        (recognise_family(draw_pattern("houndstooth", 128, seed=5)), PATTERN_FAMILIES),
        (recognise_kind(draw_garment("trousers", 96, seed=5).picture), GARMENT_KINDS),
    ):
        assert sorted(answer.names) == sorted(names) and np.all(np.diff(answer.probabilities) <= 0)
        assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_recognition_of_clear_cases():
    families = ("gingham", "leopard", "polka dot", "paisley", "lace", "asanoha", "houndstooth")
    named = [recognise_family(draw_pattern(family, 128, seed=5)).names[0] for family in families]
    assert sum(name == family for name, family in zip(named, families)) >= 6, dict(zip(families, named))
    assert recognise_kind(draw_garment("trousers", 96, seed=5).picture).names[0] == "trousers"


def test_wrong_pictures_and_files(tmp_path, untrained):
    for shape in ((1, 64, 64, 3), (64, 64), (64, 64, 4)):
        with pytest.raises(FeatureError, match="Received"):
            recognise_family(np.zeros(shape, "float32"))
    arrays = fold_normalisation(untrained)
    save_embedded_extractor(
        {name: array for name, array in arrays.items() if name != "kind/bias"}, tmp_path / "headless.npz"
    )
    with pytest.raises(WeightsError, match="headless.npz"):
        load_recogniser(tmp_path / "headless.npz")


def test_other_classes_are_not_measured(held_out):
    recogniser = load_recogniser()._replace(families=("one", "two"))
    with pytest.raises(FeatureError, match="other classes"):
        measure_accuracy(recogniser, held_out)
