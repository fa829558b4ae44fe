"""Terms of the generator's loss against plain NumPy, and batches that serve several steps."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.data import Batch
from fashion_style.errors import TrainingError
from fashion_style.losses import Targets, loss_targets
from fashion_style.networks.fold_losses import _window_mean, motif_loss, shading_loss
from fashion_style.runs.pairings import Pairings
from fashion_style.settings import TrainingSettings
from fashion_style.training import Trainer

SMALL = TrainingSettings(size=32, batch=3, steps=10, width=4, pairings=2)


def random_pictures(count, size, seed, channels=3):
    return tf.random.stateless_uniform((count, size, size, channels), [seed, seed], -1.0, 1.0)


# Motifs ---------------------------------------------------------------------------------------------------------------
def motif_by_loops(generated, style, mask, level=0.02):
    """The formula of the losses chapter, one window after the other; windows are cut at the edges of the picture."""
    size, half = len(mask), len(mask) // 16
    above = below = 0.0
    for row in range(size):
        for column in range(size):
            window = np.s_[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1]
            weight = max(mask[window].mean(), 1e-3)

            def mean(values):
                return (values * mask[window]).mean(axis=(0, 1)) / weight

            def covariance(a, b):
                return float((mean(a[window] * b[window]) - mean(a[window]) * mean(b[window])).sum())

            varied = max(0.0, covariance(style, style))
            correlation = (covariance(generated, style) + level) / np.sqrt(
                (max(0.0, covariance(generated, generated)) + level) * (varied + level)
            )
            counts = mask[row, column, 0] * varied / (varied + level)
            above, below = above + counts * (1 - correlation), below + counts
    return above / (below + 1e-3 * mask.sum())


def test_motif_loss_is_the_formula():
    generated, style = random_pictures(1, 32, 1), random_pictures(1, 32, 2)
    mask = tf.cast(random_pictures(1, 32, 3, 1) > -0.3, tf.float32)
    expected = motif_by_loops(
        generated[0].numpy().astype(float), style[0].numpy().astype(float), mask[0].numpy().astype(float)
    )
    assert float(motif_loss(generated, style, mask)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("shape, reach", [((2, 16, 16, 1), 0), ((1, 9, 21, 5), 3), ((3, 7, 5, 2), 9)])
def test_window_means_are_those_of_pooling(shape, reach):
    values = tf.random.stateless_normal(shape, [1, reach])
    np.testing.assert_allclose(
        _window_mean(values, reach), tf.nn.avg_pool2d(values, 2 * reach + 1, 1, "SAME"), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("loss", [motif_loss, shading_loss])
def test_terms_with_windows_take_any_size(loss):
    specs = [tf.TensorSpec((None, None, None, channels)) for channels in (3, 3, 1)]
    traced = tf.function(loss, input_signature=specs)
    for height, width in ((48, 48), (50, 31)):
        pictures = [
            random_pictures(2, 50, seed, channels)[:, :height, :width] for seed, channels in ((1, 3), (2, 3), (3, 1))
        ]
        pictures[2] = tf.abs(pictures[2])
        assert float(traced(*pictures)) == pytest.approx(float(loss(*pictures)), rel=1e-4)
    assert traced.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("shade", [-1.0, 0.2, 0.9])
def test_a_plain_print_has_no_figure_whatever_its_shade(shade):
    style = tf.fill((1, 64, 64, 3), shade)
    round_mask = tf.constant(np.hypot(*np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64))) < 0.8, tf.float32)[
        None, ..., None
    ]
    for mask in (tf.ones((1, 64, 64, 1)), round_mask):
        assert float(motif_loss(random_pictures(1, 64, 7), style, mask)) < 0.02


def test_motif_loss_asks_for_the_figure_and_lets_folds_be():
    style, whole = random_pictures(2, 64, 4), tf.ones((2, 64, 64, 1))
    fold = tf.reshape(tf.linspace(0.4, 1.0, 64), (1, 64, 1, 1))
    worn, moved, other = fold * (style + 1.0) - 1.0, tf.roll(style, 3, axis=2), random_pictures(2, 64, 5)
    losses = [float(motif_loss(picture, style, whole)) for picture in (style, worn, other, -style)]
    assert losses == sorted(losses) and losses[1] < 0.1 and losses[3] > 1.9
    assert float(motif_loss(moved, style, whole)) > 0.8  # the figure, but at other places


def test_motif_loss_looks_inside_the_mask_only_and_bears_empty_masks():
    style, left = random_pictures(1, 32, 6), tf.concat([tf.ones((1, 32, 16, 1)), tf.zeros((1, 32, 16, 1))], axis=2)
    assert float(motif_loss(left * style - (1 - left) * style, style, left)) == pytest.approx(
        float(motif_loss(style, style, left)), abs=1e-6
    )
    with tf.GradientTape() as tape:
        picture = tf.Variable(random_pictures(1, 32, 7))
        loss = motif_loss(picture, style, tf.zeros_like(left))
    assert float(loss) == 0.0 and np.isfinite(tape.gradient(loss, picture)).all()


# One batch, several steps ---------------------------------------------------------------------------------------------
class Counting:
    """Stands for a trainer: counts how often targets are asked for."""

    def __init__(self, settings):
        self.settings, self.step, self.asked = settings, 0, 0
        self.looks = True

    def targets(self, content, style):
        self.asked += 1
        return Targets(tf.identity(content), (tf.identity(style),))


def test_styles_move_on_and_targets_are_asked_for_once_a_batch():
    trainer = Counting(SMALL)
    pairings, (content, style) = Pairings(trainer), (random_pictures(3, 8, 1), random_pictures(3, 8, 2))
    for trainer.step in range(6):
        moved, targets = pairings(Batch(content, style, None))
        np.testing.assert_array_equal(moved, np.roll(style, trainer.step % 2, axis=0))
        np.testing.assert_array_equal(targets.style[0], moved)
        np.testing.assert_array_equal(targets.content, content)
    assert trainer.asked == 3


def test_one_pairing_leaves_the_targets_to_the_step():
    content, style = random_pictures(3, 8, 1), random_pictures(3, 8, 2)
    moved, targets = Pairings(Counting(replace(SMALL, pairings=1)))(Batch(content, style, None))
    assert targets is None and moved is style


def test_kept_targets_are_those_of_the_new_pairs():
    trainer = Trainer(SMALL)
    trainer.step.assign(1)
    content, style = random_pictures(3, 32, 1), random_pictures(3, 32, 2)
    moved, kept = Pairings(trainer)(Batch(content, style, None))
    fresh = loss_targets(trainer.extractor, SMALL, content, moved)
    for ours, expected in zip(tf.nest.flatten(kept), tf.nest.flatten(fresh)):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)


def test_pictures_are_known_by_their_numbers_and_move_with_them():
    trainer = Counting(replace(SMALL, augment=False))
    pairings = Pairings(trainer)
    batch = Batch(random_pictures(3, 8, 1), random_pictures(3, 8, 2), None, np.array([4, 5, 6]), np.array([7, 8, 9]))
    for trainer.step in range(4):
        moved, targets = pairings(batch)
        np.testing.assert_array_equal(moved, np.roll(batch.style, trainer.step % 2, axis=0))
        np.testing.assert_array_equal(targets.style[0], moved)
        np.testing.assert_array_equal(targets.content, batch.content)
    assert trainer.asked == 1 and len(pairings.cache._kept) == 6
    other = batch._replace(content=random_pictures(3, 8, 3), content_numbers=np.array([1, 2, 3]))
    np.testing.assert_array_equal(pairings(other)[1].content, other.content)
    assert trainer.asked == 2
    unknown = other._replace(content_numbers=None, style_numbers=None)
    assert pairings(unknown)[1] is not None and trainer.asked == 3, "nobody knows the pictures: asked as for a batch"


def test_more_pairings_than_pairs_are_refused():
    with pytest.raises(TrainingError, match="pairings=4, batch=3.*Use pairings=3"):
        replace(SMALL, pairings=4)
