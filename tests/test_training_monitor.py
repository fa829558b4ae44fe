"""The training session and its panel: steered without losing anything, stopped without leaving anything, with a quick
stand-in for the trainer.
"""

import sys
import threading
import time
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from ipywidgets.widgets.widget import _instances

from fashion_style.data import held_out_pairs
from fashion_style.errors import DataError, PanelError, TrainingError
from fashion_style.garments import draw_garment
from fashion_style.images import encode_picture
from fashion_style.losses import real_pictures
from fashion_style.panels.panel import Panel
from fashion_style.panels.training import training_panel
from fashion_style.patterns import draw_pattern
from fashion_style.reading.sources import garment_source, pattern_source
from fashion_style.runs import checkpoints
from fashion_style.runs import session as sessions
from fashion_style.runs.checkpoints import save_checkpoint, write_checkpoint
from fashion_style.runs.moment import fig_live, look_at, patch_overlay
from fashion_style.runs.session import TrainingSession
from fashion_style.settings import LossWeights, TrainingSettings
from fashion_style.training import Trainer, held_out_check

SMALL = TrainingSettings(size=16, batch=2, width=4, steps=1000, learning_rate=1e-3)
# for real trainers
TINY = replace(
    SMALL,
    steps=10,
    batch=1,
    generator="unet",
    update="together",
    content_layer="block1_conv1",
    style_layers=("block1_conv1",),
)
TERMS = ("adversarial", "content", "style", "variation", "background", "shading", "motif")
HANG_GUARD = 120  # seconds after which a wait is in vain


class QuickTrainer:
    """Looks like a `Trainer`: counts steps, and its one weight grows by the style weight that the session turns."""

    built = 0
    traced = True
    looks = True
    gate = None  # an Event that a step waits for
    waits = threading.Event()  # set by a step that waits
    fail = None  # an exception that a step raises

    def __init__(self, settings, *, steered=False):
        self.steered = steered
        QuickTrainer.built += 1
        self.weights = {name: tf.Variable(float(value)) for name, value in asdict(settings.weights).items()}
        self.settings, self.step, self.rate_scale, self.generator_rate = (
            settings,
            tf.Variable(0, dtype=tf.int64),
            tf.Variable(1.0),
            tf.Variable(settings.learning_rate),
        )
        self.weight, self.critic = (
            tf.Variable(tf.zeros([3 if settings.width == SMALL.width else 1])),
            tf.Variable(tf.zeros([4 if settings.constraint == "spectral_norm" else 2])),
        )
        self.momenta, self.batches, self.generator = [tf.Variable(0.0), tf.Variable(0.0)], [], None

    def variables(self):
        return {
            "generator/000": self.weight,
            "critic/000": self.critic,
            "generator_optimizer/000": self.momenta[0],
            "critic_optimizer/000": self.momenta[1],
            "step/000": self.step,
            "rate_scale/000": self.rate_scale,
        }

    @property
    def generator_optimizer(self):
        return SimpleNamespace(learning_rate=0.25 * self.generator_rate * self.rate_scale)  # as if late on its cosine

    def advance(self, content, style, mask, targets=None):
        if QuickTrainer.gate:
            QuickTrainer.waits.set()
            QuickTrainer.gate.wait(HANG_GUARD)
        if QuickTrainer.fail:
            raise QuickTrainer.fail
        self.batches.append(content.shape)
        self.weight.assign_add(tf.ones_like(self.weight) * (self.weights["style"] * 1.0))
        self.momenta[0].assign_add(1.0)
        self.step.assign_add(1)
        return dict(
            dict.fromkeys(TERMS, 1.0),
            total=1.0,
            critic_loss=-1.0,
            critic_gap=1.0,
            penalty=0.0,
            generator_gradient=1.0,
            critic_gradient=1.0,
            skipped=0.0,
        )

    def generate(self, content, style, training=True):
        return tf.tanh(content + self.weight)

    def judge(self, picture, style, training=True):
        return tf.reduce_mean(picture, axis=-1, keepdims=True)[:, ::4, ::4]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(sessions, "Trainer", QuickTrainer)
    QuickTrainer.built, QuickTrainer.gate, QuickTrainer.fail = 0, None, None
    QuickTrainer.waits.clear()
    yield QuickTrainer
    QuickTrainer.gate = QuickTrainer.fail = None


@pytest.fixture(scope="module")
def sources():
    return garment_source(size=16, count=4), pattern_source(size=16, count=4)


@pytest.fixture(scope="module")
def pairs(sources):
    return held_out_pairs(*sources, 2, size=16)


@pytest.fixture
def session(quick, sources):
    said = []
    session = TrainingSession(SMALL, *sources, say=said.append)
    session.said = said
    return session


@pytest.fixture
def panel(quick, sources, pairs):
    panel = training_panel(SMALL, *sources, held_out=pairs, look_every=1)
    yield panel
    if QuickTrainer.gate:
        QuickTrainer.gate.set()
    panel.close()


# The session
# -------------------------------------------------------------------------------------------------------------
def test_weights_and_rate_change_between_steps_without_a_new_trace(session):
    session.advance()
    session.settings = replace(SMALL, learning_rate=5e-4, weights=LossWeights(style=5.0), constraint="none")
    row = session.advance()
    assert QuickTrainer.built == 1 and session.trainer.weight.numpy()[0] == pytest.approx(LossWeights().style + 5.0)
    assert session.trainer.steered, "every weight can be turned up"
    assert (
        float(session.trainer.generator_rate) == pytest.approx(5e-4)
        and row["learning_rate"] == pytest.approx(0.25 * 5e-4)
        and row["share_style"] == pytest.approx(5.0 / (5.0 + 0.005 + 1 + 0.1 + 6 + 0.15))
    )
    assert (
        session.changes == [(1, "constraint none, learning rate 0.0005, style 5")]
        and "no new trace" in session.said[-1]
    )
    assert [row["step"] for row in session.history] == [1, 2]


def test_a_new_trace_takes_over_the_weights_and_the_way_back_is_free(session):
    for _ in range(3):
        session.advance()
    session.trainer.critic.assign([1.0, 2.0])
    first, weights = session.trainer, session.trainer.weight.numpy()
    session.settings = replace(SMALL, critic_steps=3)
    session.advance()
    assert session.trainer is not first and session.step == 4 and session.trainer.batches == [(6, 16, 16, 3)]
    np.testing.assert_allclose(session.trainer.weight.numpy(), weights + LossWeights().style)
    assert session.trainer.critic.numpy().tolist() == [1.0, 2.0] and "took over all weights" in session.said[-1]
    session.settings = SMALL
    session.advance()
    assert session.trainer is first and session.step == 5 and QuickTrainer.built == 2
    np.testing.assert_allclose(first.weight.numpy(), weights + 2 * LossWeights().style)


@pytest.mark.parametrize(
    "changes, said",
    [
        (dict(critic_steps=3), "took over all weights."),
        (dict(constraint="spectral_norm"), "took over the generator's weights; a critic of this build begins anew."),
        (dict(width=8), "took over the critic's weights; a generator of this build begins anew."),
        (
            dict(width=8, constraint="spectral_norm"),
            "took over no weights; generator and critic of this build begin anew.",
        ),
    ],
)
def test_a_network_of_another_build_begins_anew_and_that_is_said(session, changes, said):
    session.advance()
    session.trainer.critic.assign([1.0, 2.0])
    session.settings = replace(SMALL, **changes)
    session.advance()
    assert session.step == 2 and session.said[-1].endswith(said)
    assert session.trainer.weight.numpy()[0] == pytest.approx((1 if "width" in changes else 2) * LossWeights().style)
    assert session.trainer.critic.numpy().tolist() == ([0.0] * 4 if "constraint" in changes else [1.0, 2.0])


def test_on_the_way_back_too_a_generator_of_another_build_begins_anew(session):
    for number, width in enumerate((SMALL.width, 8, SMALL.width)):
        session.settings = replace(SMALL, width=width)
        session.advance()
        assert (
            session.trainer.weight.numpy()[0] == pytest.approx(LossWeights().style)
            and float(session.trainer.momenta[0]) == 1.0
            and session.step == number + 1
        )
    assert QuickTrainer.built == 2 and session.said[-1].endswith(
        "took over the critic's weights; a generator of this build begins anew."
    )


def test_a_critic_that_does_not_fit_is_as_freshly_built_and_keeps_no_momentum(sources):
    session = TrainingSession(TINY, *sources)
    session.advance()
    session.trainer.rate_scale.assign(0.25)
    assert int(session.trainer.critic_optimizer.iterations) == 1, "there is a momentum to be left behind"
    for constraint in ("spectral_norm", "gradient_penalty"):  # the second is the trainer of the first step again
        before, said = {name: variable.numpy() for name, variable in session.trainer.variables().items()}, []
        session.say, session.settings = said.append, replace(TINY, constraint=constraint)
        session._follow_wishes()
        fresh = Trainer(session.settings).variables()
        for name, variable in session.trainer.variables().items():
            expected = fresh[name] if name.startswith(("critic/", "critic_optimizer/")) else before[name]
            np.testing.assert_array_equal(variable.numpy(), np.asarray(expected), err_msg=f"{constraint}: {name}")
        assert said[-1].endswith("took over the generator's weights; a critic of this build begins anew.")
    assert session.step == 1 and float(session.trainer.rate_scale) == 0.25
    row = session.advance()
    assert (
        int(session.trainer.critic_optimizer.iterations) == 1
        and int(session.trainer.generator_optimizer.iterations) == 2 == row["step"]
    )


def test_the_dial_turns_the_generator_s_rate_alone_and_rows_have_the_rate_that_was_used(sources):
    session = TrainingSession(replace(TINY, constraint="clip"), *sources, say=lambda text: None)
    session.advance()
    session.trainer.rate_scale.assign(0.5)  # as after a divergence
    session.settings = replace(session.settings, learning_rate=0.2 * TINY.learning_rate)
    before, first = [variable.numpy() for variable in session.trainer.generator.trainable_variables], session.trainer
    session.advance()
    cosine = [0.5 * (1 + np.cos(np.pi * step / 10)) for step in (0, 1)]
    assert [row["learning_rate"] for row in session.history] == pytest.approx(
        [TINY.learning_rate * cosine[0], 0.5 * 0.2 * TINY.learning_rate * cosine[1]], rel=1e-5
    )
    assert session.trainer is first and float(first.rate_scale) == 0.5, "what a divergence halved stays halved"
    assert float(first.critic_optimizer.learning_rate) == pytest.approx(0.5 * TINY.critic_learning_rate)
    moved = max(
        np.abs(variable.numpy() - old).max() for variable, old in zip(first.generator.trainable_variables, before)
    )
    assert 0.5 < moved / session.history[-1]["learning_rate"] < 2.0, "Adam moves a weight by about the rate"


def test_pictures_that_vanish_are_an_error_of_ours(session):
    session.contents = garment_source(size=16, count=1)
    session.contents._bad.add(0)
    with pytest.raises(DataError):
        session.advance()


def test_the_last_step_is_the_last(quick, sources):
    session = TrainingSession(replace(SMALL, steps=3), *sources, say=lambda text: None)
    session.run_here(10, lambda: None)
    assert session.step == 3 and not session.running
    with pytest.raises(TrainingError):
        session.go()


def test_it_goes_on_from_a_checkpoint_and_only_reads_it(quick, sources, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "check_headers", lambda *given: None)  # the quick trainer's shapes are its own
    monkeypatch.setattr(sessions, "check_paints", lambda *given: None)  # and it has no generator
    trainer = QuickTrainer(SMALL)
    trainer.step.assign(7)
    trainer.weight.assign([1.0, 2.0, 3.0])
    trainer.rate_scale.assign(0.5)
    save_checkpoint(trainer, tmp_path)
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    said = []
    session = TrainingSession(SMALL, *sources, run=tmp_path, say=said.append)
    session.advance()
    assert said[-1] == f"Going on from {tmp_path}: a new trace that took over all weights."
    assert session.step == 8 and session.trainer.weight.numpy().tolist() == pytest.approx([3.0, 4.0, 5.0])
    assert float(session.trainer.rate_scale) == 0.5 and session.history[-1]["learning_rate"] == pytest.approx(
        0.5 * 0.25 * SMALL.learning_rate
    )
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*")) == before
    TrainingSession(replace(SMALL, width=8), *sources, run=tmp_path, say=said.append).advance()
    assert said[-1].endswith("took over the critic's weights; a generator of this build begins anew."), (
        "a run of other networks is not taken up in silence"
    )
    old = {
        name: variable.numpy() for name, variable in trainer.variables().items() if not name.startswith("rate_scale")
    }
    write_checkpoint(tmp_path / "old", SMALL, old)
    session = TrainingSession(SMALL, *sources, run=tmp_path / "old", say=said.append)
    session.advance()
    assert session.step == 8 and float(session.trainer.rate_scale) == 1.0, (
        "checkpoints from before the rate could be lowered"
    )


# Pictures
# ----------------------------------------------------------------------------------------------------------------
def test_the_overlay_colours_what_the_critic_is_sure_of():
    picture, scores = np.zeros((8, 8, 3), "float32"), np.array([[1.0, 0.0], [0.0, -1.0]])
    over = patch_overlay(picture, scores)
    assert over.shape == (8, 8, 3) and over[0, 0, 2] > over[0, 0, 0] + 0.3, "purple: taken for real"
    assert over[7, 7, 0] > over[7, 7, 2] + 0.5, "orange: seen through"
    np.testing.assert_allclose(patch_overlay(picture, np.full((2, 2), 3.0), middle=3.0), 0, atol=1e-6)
    np.testing.assert_allclose(patch_overlay(picture, scores + 5, middle=5.0), over, atol=1e-6)


def test_a_look_shows_every_pair_and_the_gap(quick, pairs):
    trainer = QuickTrainer(SMALL)
    sheet, gap = look_at(trainer, pairs, size=32)
    assert sheet.dtype == np.uint8 and sheet.shape[1] == 4 * 36 + 4
    assert np.isfinite(gap) and gap != 0
    legends = [
        axes.get_legend() for axes in fig_live([dict(step=1, total=1.0, content=1.0, style=1.0, critic_gap=0.5)]).axes
    ]
    assert [legend is None for legend in legends] == [True, False, True], "one curve is named by its title"
    assert len(fig_live([]).axes) == 3 and len(fig_live([dict(step=1, total=1.0)], [(1, "x")]).axes[1].lines) == 1


@pytest.mark.parametrize("critic", ["style", "article"])
def test_a_look_s_gap_is_that_of_the_held_out_check(sources, pairs, critic):
    trainer, gaps = Trainer(replace(TINY, critic=critic)), set()
    for share in (1.0, 0.5, 0.0):
        trainer.settings = replace(trainer.settings, mask_share=share)
        gaps.add(look_at(trainer, pairs, size=16)[1])
        assert (
            held_out_check(trainer, *map(tf.constant, (pairs.content, pairs.style, pairs.mask)))["held_out_gap"] in gaps
        )
    assert len(gaps) == 3


def look_of_a_critic(pairs, shift, scale=1.0):
    """The maps of a look, (2, 16, 16, 3), by a critic that scores at random, but prints higher by `shift` widths of its
    scores.
    """
    trainer, noise = QuickTrainer(SMALL), np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype("float32")
    trainer.judge = lambda picture, style, training: tf.constant(
        scale * (noise + shift * np.array_equal(picture, real_pictures(style)))
    )
    sheet, gap = look_at(trainer, pairs, size=16)
    assert gap == pytest.approx(scale * shift, rel=1e-3, abs=1e-6)
    return np.stack([sheet[-20 * row - 20 :, 64:80][:16] for row in (1, 0)])


def test_a_critic_that_can_tell_nothing_paints_hardly_any_colour(quick, pairs):
    def colour(maps):
        return np.ptp(maps.astype(int), axis=-1)[pairs.mask[..., 0] == 1].mean()

    strengths = [colour(look_of_a_critic(pairs, shift)) for shift in (0.0, 0.02, 0.5, 4.0)]
    assert strengths[0] < 1 and strengths[1] < 4 and strengths == sorted(strengths) and strengths[3] > 60, strengths
    for scale in (1e-3, 1e3):  # a critic's scores have no unit
        assert colour(look_of_a_critic(pairs, 0.5, scale)) == pytest.approx(strengths[2], abs=1)
    assert colour(look_of_a_critic(pairs, -4.0)) > 60, "wrong, but sure of it"
    outside = np.ptp(look_of_a_critic(pairs, 4.0).astype(int), axis=-1)[pairs.mask[..., 0] == 0]
    assert outside.size and outside.max() <= 1, "what does not count is not coloured"


# The panel
# ---------------------------------------------------------------------------------------------------------------
def test_steps_start_pause_and_stop(panel, quick):
    assert (
        panel.run(3, HANG_GUARD).session.step == 3
        and len(panel.snapshots.kept) >= 1
        and "step 3" in panel.snapshots.caption.value
    )
    panel.start()
    deadline = time.monotonic() + HANG_GUARD
    while panel.session.step < 10 and time.monotonic() < deadline:
        panel.session.wait(0.02)
    panel.pause()
    assert panel.session.wait(HANG_GUARD) and panel.session.step >= 10
    step = panel.session.step
    assert not panel.session.wait(0) or panel.session.step == step
    panel.stop()
    assert panel.worker.wait(HANG_GUARD) and "Stopped at step" in panel.said
    panel.run(1, HANG_GUARD)
    assert panel.session.step == step + 1, "stopping loses nothing"
    panel.start_over()
    assert panel.session.step == 0 and panel.snapshots.kept == []


def test_controls_reach_the_next_step(panel):
    panel.run(1, HANG_GUARD)
    panel.set_state(style=6.0, learning_rate=1e-4)
    assert panel.session.settings.weights.style == 6.0
    panel.run(1, HANG_GUARD)
    assert (
        panel.session.trainer.weight.numpy()[0] == pytest.approx(LossWeights().style + 6.0)
        and "no new trace" in panel.said
    )
    panel.set_state(critic_steps=2, constraint="clip")
    panel.run(1, HANG_GUARD)
    assert "new trace that took over all weights" in panel.said and panel.session.trainer.settings.constraint == "clip"
    for wrong in (
        dict(critic_steps=0),
        dict(constraint="prayer"),
        dict(style=-1),
        dict(learning_rate=5.0),
        dict(dropout=1),
    ):
        before = panel.state()
        with pytest.raises(PanelError):
            panel.set_state(**wrong)
        assert panel.state() == before


def test_the_panel_answers_while_a_step_takes_long(panel, quick):
    quick.gate = threading.Event()
    panel.start()
    assert quick.waits.wait(HANG_GUARD)
    begun = time.monotonic()
    panel.set_state(content=2.0)
    panel.pause()
    panel.stop()
    assert time.monotonic() - begun < HANG_GUARD / 2 and panel.worker.running, "stop does not wait for ever"
    quick.gate.set()
    assert panel.run(1, HANG_GUARD).session.step == 2 and panel.session.settings.weights.content == 2.0


def test_the_wait_for_the_first_step_is_told_below_the_pictures_and_goes(panel, quick, monkeypatch):
    monkeypatch.setattr(quick, "traced", False)
    seen = []
    panel.snapshots.caption.observe(lambda change: seen.append(change["new"]), "value")
    quick.gate = threading.Event()
    panel.step()
    assert quick.waits.wait(HANG_GUARD) and panel.session.step == 0
    assert (
        panel.snapshots.caption.value.startswith("building the training step: ")
        and "From step 1 on: 1 step," in panel.said
    )
    quick.gate.set()
    assert panel.session.wait(HANG_GUARD) and panel.snapshots.caption.value.startswith("step 1, ")
    assert seen[0] == "building the networks: 0 s" and not [words for words in seen[-1:] if "building" in words]


def test_the_wait_of_a_training_that_was_given_up_is_not_told(panel, quick, monkeypatch):
    monkeypatch.setattr(quick, "traced", False)
    quick.gate = threading.Event()
    panel.start()
    assert quick.waits.wait(HANG_GUARD)
    worker = panel.worker
    panel.start_over()  # a step that is being built takes longer than it waits
    panel.snapshots.caption.value = "of the new one"
    quick.gate.set()
    assert worker.wait(HANG_GUARD) and panel.snapshots.caption.value == "of the new one"


def test_snapshots_can_be_looked_at_again(panel):
    for _ in range(3):
        panel.run(1, HANG_GUARD)
    assert [step for step, *_ in panel.snapshots.kept] == [
        1,
        2,
        3,
    ] and panel.snapshots.scrub.max == 2 == panel.snapshots.scrub.value
    newest = panel.snapshots.frame.value
    panel.snapshots.scrub.value = 0
    oldest = panel.snapshots.frame.value
    assert oldest != newest and "snapshot of step 1" in panel.snapshots.caption.value
    panel.run(1, HANG_GUARD)
    assert panel.snapshots.frame.value == oldest and panel.snapshots.scrub.value == 0, "who looks back is not torn away"
    panel.snapshots.scrub.value = 3
    panel.run(1, HANG_GUARD)
    assert panel.snapshots.scrub.value == 4 and panel.snapshots.frame.value != oldest
    panel.snapshots.kept = [(step, b"", 0.0) for step in range(200)]
    panel._look(True)
    assert len(panel.snapshots.kept) == 151 and panel.snapshots.kept[-1][0] == 5


def test_an_error_in_the_thread_is_said_and_nothing_is_lost(panel, quick):
    panel.run(2, HANG_GUARD)
    quick.fail = TrainingError("the disk <sda> is full")
    with pytest.raises(PanelError, match="sda"):
        panel.run(1, HANG_GUARD)
    assert panel.failed and "<sda>" not in panel.status.value and panel.session.step == 2
    quick.fail = None
    assert panel.run(1, HANG_GUARD).session.step == 3


def test_the_verdict_is_in_words(panel):
    panel.run(1, HANG_GUARD)
    assert "Too early to tell" in panel.curves.words.value
    panel.session.history *= 50
    panel._look(True)
    assert "Too early" not in panel.curves.words.value and "<b>" in panel.curves.words.value


def test_foreground_mode_needs_no_thread_and_bears_an_interrupt(quick, sources, pairs):
    threads = threading.active_count()
    panel = training_panel(SMALL, *sources, held_out=pairs, look_every=1, foreground=True)
    panel.run(3)
    assert panel.session.step == 3 and threading.active_count() == threads and len(panel.snapshots.kept) >= 1
    panel.start()
    assert panel.session.step == 23
    quick.fail = KeyboardInterrupt()
    panel.start()
    assert "Interrupted at step 23" in panel.said and not panel.session.running
    panel.close()


def test_in_colab_the_foreground_mode_is_found_out(quick, sources, pairs, monkeypatch):
    assert not training_panel(SMALL, *sources, held_out=pairs).foreground
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    panel = training_panel(SMALL, *sources, held_out=pairs)
    assert panel.foreground and panel.run(1, HANG_GUARD).session.step == 1 and panel.worker._thread is None
    assert not training_panel(SMALL, *sources, held_out=pairs, foreground=False).foreground
    Panel._open["training panel"].close()


def test_folders_of_your_own_pictures(quick, tmp_path):
    for name, pictures in (
        ("garments", [draw_garment("dress", 48, seed).picture for seed in range(12)]),
        ("prints", [draw_pattern("tartan", 48, seed) for seed in range(3)]),
    ):
        (tmp_path / name).mkdir()
        for number, picture in enumerate(pictures):
            (tmp_path / name / f"{number}.png").write_bytes(encode_picture(picture))
    panel = training_panel(SMALL, str(tmp_path / "garments"), tmp_path / "prints")
    assert panel.run(1, HANG_GUARD).session.step == 1 and len(panel.pairs.content) == 4
    known = set(map(str, panel.session.contents.names))
    assert known and known <= {str(path) for path in (tmp_path / "garments").iterdir()}
    panel.close()
    with pytest.raises(DataError, match="nowhere"):
        training_panel(SMALL, tmp_path / "nowhere")


def test_fifty_runs_leave_what_one_leaves(quick, sources, pairs):
    training_panel(SMALL, *sources, held_out=pairs).close()
    empty, threads = len(_instances), threading.active_count()
    panel = training_panel(SMALL, *sources, held_out=pairs)
    one = len(_instances)
    for number in range(50):
        panel = training_panel(SMALL, *sources, held_out=pairs)
        if number % 10 == 0:
            panel.start()
    assert len(_instances) == one and threading.active_count() <= threads + 1 and Panel._open["training panel"] is panel
    panel.close()
    assert len(_instances) == empty and threading.active_count() == threads


def test_wrong_wishes_are_refused(sources):
    for wrong in (dict(look_every=0), dict(look_every=1.5)):
        with pytest.raises(PanelError):
            training_panel(SMALL, *sources, **wrong)
    with pytest.raises(TrainingError):
        training_panel(run="no such folder")
