"""The training step: what it changes, what it sums, and that two devices take the step of one."""
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import tensorflow as tf

from fashion_style.settings import LossWeights, TrainingError, TrainingSettings
from fashion_style.training import Trainer, build_networks, critic_gap, generator_losses, train_step

SMALL = TrainingSettings(size=32, batch=2, steps=10, width=4)


def batch(settings=SMALL, seed=0):
    count, size = settings.batch * settings.critic_steps, settings.size
    content, style = (tf.random.stateless_uniform((count, size, size, 3), [seed, i], -1.0, 1.0) for i in range(2))
    mask = tf.concat([tf.zeros((count, size, size // 2, 1)), tf.ones((count, size, size // 2, 1))], axis=2)
    return content, style, mask


@pytest.fixture(scope="module")
def trainer():
    return Trainer(SMALL)


def test_weights_depend_on_the_seed_alone():
    networks = [build_networks(replace(SMALL, seed=seed)) for seed in (3, 3, 4)]
    tf.random.set_seed(99)
    first, second, other = ([v.numpy() for network in pair for v in network.variables] for pair in networks)
    assert all((a == b).all() for a, b in zip(first, second)) and any((a != b).any() for a, b in zip(first, other))


def test_total_is_the_weighted_sum_of_the_terms(trainer):
    content, style, mask = batch()
    parts, _ = generator_losses(trainer, content, style, mask)
    expected = sum(weight * float(parts[name]) for name, weight in asdict(SMALL.weights).items() if name in parts)
    row = Trainer(replace(SMALL, critic_learning_rate=1e-12)).train_step(content, style, mask)
    np.testing.assert_allclose(row["total"], expected, rtol=1e-3)


@pytest.mark.parametrize("critic", ["article", "style"])
@pytest.mark.parametrize("constraint", ["none", "clip", "gradient_penalty", "spectral_norm"])
def test_every_constraint_and_critic_takes_steps(critic, constraint):
    settings = replace(SMALL, critic=critic, constraint=constraint, critic_steps=2)
    trainer = Trainer(settings)
    row = {name: float(value) for name, value in train_step(trainer, *batch(settings)).items()}
    assert all(np.isfinite(value) for value in row.values()), row
    assert (row["penalty"] > 0) == (constraint == "gradient_penalty") or settings.penalty_every > 1
    if constraint == "clip":
        assert max(float(tf.reduce_max(tf.abs(v))) for v in trainer.critic.trainable_variables) <= settings.clip


def test_the_vanilla_loss_of_the_article_s_step_3():
    row = Trainer(replace(SMALL, loss="vanilla", constraint="none")).train_step(*batch())
    assert 0 < row["critic_loss"] < 10 and row["adversarial"] > 0


@pytest.mark.parametrize("generator", ["article", "unet"])
def test_the_other_generators_train(generator):
    row = Trainer(replace(SMALL, generator=generator)).train_step(*batch())
    assert np.isfinite(row["total"])


def test_training_on_one_batch_lowers_the_loss():
    trainer = Trainer(replace(SMALL, steps=60))
    rows = [trainer.train_step(*batch()) for _ in range(25)]
    assert rows[-1]["style"] + rows[-1]["content"] < rows[0]["style"] + rows[0]["content"]


def test_one_trace_serves_all_steps(trainer):
    for seed in range(3):
        trainer.train_step(*batch(seed=seed))
    assert trainer._function.experimental_get_tracing_count() == 1


def test_non_finite_steps_leave_every_weight_finite(trainer):
    content, style, mask = batch()
    row = trainer.train_step(content * float("inf"), style, mask)
    assert not np.isfinite(row["total"])
    assert all(np.isfinite(v.numpy()).all() for v in trainer.variables().values())


def test_mask_share_zero_is_the_whole_picture():
    whole = Trainer(replace(SMALL, mask_share=0.0))
    content, style, mask = batch()
    with_mask, _ = generator_losses(whole, content, style, mask)
    without, _ = generator_losses(whole, content, style, tf.ones_like(mask))
    for name in set(with_mask) - {"shading"}:  # folds are a matter of the garment in any case
        np.testing.assert_allclose(with_mask[name], without[name], rtol=1e-5, atol=1e-7)
    assert float(with_mask["background"]) == 0.0


def test_critic_gap_is_zero_when_the_critic_sees_the_same_pictures(trainer):
    content, style, mask = batch()
    trainer.generator, kept = (lambda inputs, training: inputs[1]), trainer.generator
    assert critic_gap(trainer, content, style, tf.ones_like(mask)) == pytest.approx(0.0, abs=1e-6)
    trainer.generator = kept


@pytest.mark.parametrize("wrong", [dict(size=4), dict(batch=0), dict(steps=1.5), dict(extractor="alexnet"), dict(constraint="maybe"),
                                   dict(mask_share=-0.1), dict(weights=LossWeights(content=float("nan")))])
def test_wrong_settings_say_what_was_received(wrong):
    with pytest.raises(TrainingError, match="Received"):
        replace(SMALL, **wrong)


def test_settings_from_another_version_are_refused():
    assert TrainingSettings.from_dict(SMALL.to_dict()) == SMALL
    with pytest.raises(TrainingError, match="does not know"):
        TrainingSettings.from_dict(dict(SMALL.to_dict(), momentum=0.9))


TWO_DEVICES = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from fashion_style.settings import TrainingSettings
from fashion_style.training import Trainer
settings = TrainingSettings(size=32, batch=4, steps=10, width=4, constraint="none", mask_share=0.0)
content, style = (tf.random.stateless_uniform((4, 32, 32, 3), [5, i], -1.0, 1.0) for i in range(2))
mask = tf.ones((4, 32, 32, 1))
one, two = Trainer(settings), Trainer(settings, strategy=tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
for step in range(2):
    rows = [trainer.train_step(content, style, mask) for trainer in (one, two)]
for name in ("total", "style", "critic_loss"):
    np.testing.assert_allclose(rows[0][name], rows[1][name], rtol=2e-3, err_msg=name)
worst = max(float(np.max(np.abs(a.numpy() - b.numpy()))) for a, b in zip(one.generator.variables, two.generator.variables))
moved = max(float(np.max(np.abs(a.numpy() - b.numpy()))) for a, b in zip(one.generator.variables, Trainer(settings).generator.variables))
assert worst < 0.1 * moved, (worst, moved)
try:
    two.train_step(content[:3], style[:3], mask[:3])
    raise SystemExit("a batch of 3 went onto two devices")
except Exception as error:
    assert "Received: 3 pairs for 2 devices" in str(error), error
print("two devices agree")
"""


def test_two_devices_take_the_step_of_one():
    # Devices must be split before TensorFlow starts, hence a process of its own.
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "two devices agree" in done.stdout, done.stderr[-2000:]
