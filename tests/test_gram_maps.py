"""The Gram panel and its parts, without a browser: cells by hand, shuffles, losses against the losses' own room,
textures, state, threads.
"""

import sys
import threading
import time

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from test_feature_maps import own_network

from fashion_style.errors import PanelError
from fashion_style.features import STYLE_LAYERS, load_extractor
from fashion_style.gram import gram_matrix, relative_style_loss, style_loss
from fashion_style.images import encode_picture, open_picture
from fashion_style.panels.gram import gram_panel
from fashion_style.panels.gram_view import (
    SHUFFLES,
    TextureSynthesis,
    cell_maps,
    compare_styles,
    difference_picture,
    gram_of,
    gram_triple,
    shuffle_positions,
    strongest_channels,
)
from fashion_style.panels.gram_widgets import LAYERS, TOP
from fashion_style.patterns import draw_pattern

MUTED = {f"weight_{number}": 0.0 for number in range(1, 6)}


@pytest.fixture(scope="module")
def extractor():
    return load_extractor("embedded", STYLE_LAYERS)


@pytest.fixture(scope="module")
def styles(extractor):
    return compare_styles(extractor, draw_pattern("tartan", 64), draw_pattern("leopard", 64))


@pytest.fixture
def panel():
    panel = gram_panel(size=48)
    yield panel
    panel.close()


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


# Parts
# -----------------------------------------------------------------------------------------------------------------
def test_a_cell_is_the_mean_of_the_product(styles):
    features, gram = styles["block3_conv1"].features[0], styles["block3_conv1"].grams[0]
    for i, k in ((0, 0), (3, 17), (17, 3)):
        maps = cell_maps(features, i, k)
        slow = sum(float(features[y, x, i]) * float(features[y, x, k]) for y in range(16) for x in range(16)) / 256 / 64
        assert maps.gram == pytest.approx(slow, rel=1e-4) == pytest.approx(gram[i, k], rel=1e-4)
        np.testing.assert_array_equal(maps.product, features[..., i] * features[..., k])


@pytest.mark.parametrize("seed", range(5))
def test_only_a_shuffle_that_keeps_channels_together_keeps_gram(styles, seed):
    features = styles["block2_conv1"].features[1]
    gram = gram_of(features)
    together, apart = (shuffle_positions(features, how, seed) for how in SHUFFLES[1:])
    assert (
        shuffle_positions(features, SHUFFLES[0], seed) is not None
        and (shuffle_positions(features, SHUFFLES[0], seed) == features).all()
    )
    assert not (together == features).all() and together.shape == features.shape
    np.testing.assert_allclose(gram_of(together), gram, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.diag(gram_of(apart)), np.diag(gram), rtol=1e-4, atol=1e-6)
    assert np.abs(gram_of(apart) - gram).max() > 0.02 * gram.max()
    assert sorted(map(tuple, together.reshape(-1, 32)[:, :3].tolist())) == sorted(
        map(tuple, features.reshape(-1, 32)[:, :3].tolist())
    )


def test_losses_are_those_of_the_gram_room(extractor, styles):
    pictures = [draw_pattern(family, 64)[None] for family in ("tartan", "leopard")]
    features = [extractor(picture) for picture in pictures]
    grams = [[gram_matrix(side[layer]) for layer in STYLE_LAYERS] for side in features]
    assert sum(style.article for style in styles.values()) == pytest.approx(float(style_loss(*grams)), rel=1e-5)
    assert np.mean([style.relative for style in styles.values()]) == pytest.approx(
        float(relative_style_loss(*grams)), rel=1e-5
    )
    assert list(styles) == list(STYLE_LAYERS)
    same = compare_styles(extractor, pictures[0][0], pictures[0][0])
    assert all(style.article == style.relative == 0 for style in same.values())


def test_pictures_of_matrices(styles):
    style = styles["block1_conv1"]
    first, second, difference = gram_triple(style)
    assert first.shape == second.shape == difference.shape == (16, 16, 3)
    order = strongest_channels(style, 5)
    diagonal = np.diag(style.grams[0] + style.grams[1])
    assert diagonal[order[0]] == diagonal.max() and (np.diff(diagonal[order]) <= 0).all()
    np.testing.assert_array_equal(gram_triple(style, order)[0], first[np.ix_(order, order)])
    one = np.eye(2)
    red, _, blue = difference_picture(one, 0 * one, 1.0)[0, 0].astype(int)
    assert red > blue, "orange where the first is stronger"
    red, _, blue = difference_picture(0 * one, one, 1.0)[0, 0].astype(int)
    assert blue > red, "violet where the second is"


def test_a_texture_comes_nearer_and_a_muted_layer_stays_away(extractor):
    leopard = draw_pattern("leopard", 48)
    all_layers, shallow = (TextureSynthesis(extractor, leopard, size=48) for _ in range(2))
    assert (all_layers.picture == shallow.picture).all() and all_layers.step([0] * 5) is False and all_layers.steps == 0
    for _ in range(40):
        all_layers.step([1] * 5)
        shallow.step([1, 0, 0, 0, 0])
    assert all_layers.losses.max() < 0.6 and shallow.losses[0] < 0.05 < 0.5 < shallow.losses[3]
    assert all_layers.picture.shape == (48, 48, 3) and np.abs(all_layers.picture).max() <= 1
    before = all_layers.losses.copy()
    all_layers.aim(draw_pattern("houndstooth", 48))
    all_layers.step([1] * 5)
    assert all_layers.losses.mean() > before.mean() and all_layers.steps == 41


# The panel
# -------------------------------------------------------------------------------------------------------------
def test_clicks_lead_from_layer_to_cell_to_channels(panel):
    before = [cells.frame.value for cells in panel.details.cells]
    panel.overview.cells.pick(LAYERS + 2)
    assert panel.state()["layer"] == "block3_conv1" and panel.overview.cells.buttons.index == LAYERS + 2
    assert all(cells.frame.value != old for cells, old in zip(panel.details.cells, before))
    old = panel.cell.maps.value
    panel.details.cells[2].pick(3 * TOP + 5)
    i, k = panel.details.order[3], panel.details.order[5]
    style = next(iter(panel._compared.values()))["block3_conv1"]
    assert panel.cell.chosen == (i, k) and panel.cell.maps.value != old
    assert f"Cell ({i}, {k})" in panel.cell.text.value and f"<b>{style.grams[0][i, k]:.4g}</b>" in panel.cell.text.value
    panel.overview.cells.pick(2 * LAYERS + 2)
    assert panel.overview.cells.buttons.index == 2 * LAYERS + 2 and panel.state()["layer"] == "block3_conv1"


def test_shuffling_changes_the_maps_and_not_the_number(panel):
    def shown():
        return panel.cell.maps.value, panel.cell.text.value.count(
            "Largest change of any Gram cell by the shuffle: 0.0%"
        )

    plain = shown()
    panel.set_state(shuffle=SHUFFLES[1])
    together = shown()
    panel.set_state(seed=1)
    again = shown()
    panel.set_state(shuffle=SHUFFLES[2])
    assert len({plain[0], together[0], again[0]}) == 3 and (plain[1], together[1], again[1], shown()[1]) == (0, 2, 2, 0)


def test_bars_and_words_name_both_styles(panel):
    panel.set_state(first="ogee", second="ogee")
    assert "A is ogee, B is ogee" in panel.overview.bars.value and "0.00 of B's Gram missed" in panel.said
    panel.set_state(second="zebra" if "zebra" in panel.second._pictures else "damask")
    assert "0.00 of B's Gram missed" not in panel.said and panel.overview.bars.value.count("<rect") == 5


def test_state_goes_out_and_back(panel):
    wanted = dict(
        first="damask",
        second="ogee",
        layer="block2_conv1",
        i=3,
        k=30,
        shuffle=SHUFFLES[2],
        seed=7,
        target="first style",
        solo="block3_conv1",
        weight_2=0.5,
    )
    panel.set_state(**wanted)
    assert {name: panel.state()[name] for name in wanted} == wanted
    state = panel.state()
    panel.set_state(first="tartan", layer="block5_conv1", i=90, k=91, solo="all layers")
    panel.set_state(**state)
    assert panel.state() == state
    for wrong in (dict(i=32), dict(layer="block9"), dict(weight_1=3.0), dict(second="sock")):
        with pytest.raises(PanelError):
            panel.set_state(**dict(dict(first="leopard"), **wrong))
        assert panel.state() == state


def test_mute_and_solo(panel):
    panel.set_state(weight_2=0.0, weight_3=0.5)
    assert panel.desk.weights.values == [1.0, 0.0, 0.5, 1.0, 1.0]
    panel.set_state(solo="block4_conv1")
    assert panel.desk.weights.values == [0.0, 0.0, 0.0, 1.0, 0.0]
    panel.set_state(solo="all layers", **MUTED)
    panel.step()
    assert panel.failed and "muted" in panel.said and panel.desk.texture.steps == 0
    panel.start()
    wait_for(lambda: not panel.desk.worker.running)
    assert panel.failed and panel.desk.texture.steps == 0, "a muted texture ends its thread and says why"


def test_the_texture_grows_in_a_thread_that_pause_ends(panel):
    threads = threading.active_count()
    panel.step()
    after_one, seen = panel.desk.texture.picture, panel.desk.grown.value
    panel.start()
    wait_for(lambda: panel.desk.texture.steps >= 4)
    assert panel.desk.worker.running and threading.active_count() >= threads + 1
    panel.set_state(solo="block1_conv1", target="first style")
    assert panel.desk.worker.running, "moving a control does not stop it"
    panel.pause()
    wait_for(lambda: not panel.desk.worker.running)  # on a busy machine a step takes longer than `pause` waits
    panel.pause()
    steps = panel.desk.texture.steps
    assert (
        not panel.desk.worker.running
        and f"after step {steps}" in panel.said
        and not (panel.desk.texture.picture == after_one).all()
        and panel.desk.grown.value != seen
    )
    panel.set_state(weight_1=2.0)
    assert panel.desk.texture.steps == steps, "paused is paused"
    panel.restart()
    assert panel.desk.texture.steps == 0 and not panel.desk.worker.running
    panel.start()
    thread = panel.desk.worker._thread
    panel.close()
    wait_for(lambda: not thread.is_alive())  # closing ends the thread


def test_the_foreground_mode_needs_no_thread(panel, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    panel = gram_panel(size=48)
    threads = threading.active_count()
    panel.start()
    assert (
        panel.desk.texture.steps == 40
        and not panel.desk.worker.running
        and threading.active_count() == threads
        and panel.said == "Step 40. Start takes 40 more."
    )
    panel.set_state(**MUTED)
    panel.start()
    assert panel.failed and "muted" in panel.said and panel.desk.texture.steps == 40
    panel.set_state(weight_1=1.0)
    monkeypatch.setattr(panel.desk.texture, "step", interrupted)
    panel.start()
    assert not panel.desk.worker.running and panel.desk.texture.steps == 40, "an interrupt ends it, and it is no error"
    panel.close()


def interrupted(weights):
    raise KeyboardInterrupt


def test_own_styles_and_networks(tmp_path):
    path = tmp_path / "cloth.png"
    path.write_bytes(encode_picture(draw_pattern("tartan", 50, seed=1)))
    panel = gram_panel(path, tmp_path / "none.png", network=own_network(), size=48)
    try:
        assert panel.failed and "no such file" in panel.said and panel.first.name not in ("tartan", "leopard")
        assert panel.layer.options == ("wide", "deep") and len(panel.desk.weights.values) == 2
        panel.set_state(layer="deep", i=5, k=0)
        assert "Cell (5, 0)" in panel.cell.text.value
        panel.details.cells[0].pick(TOP * 11 + 11)
        assert panel.cell.chosen == (5, 0), "a click beside the matrix does nothing"
        panel.set_state(network="embedded", layer="block4_conv1", i=95)
        panel.step()
        assert not panel.failed and panel.desk.texture.losses.shape == (5,)
    finally:
        panel.close()


def test_the_fallback_is_a_picture(panel):
    assert open_picture(panel.still()).shape[0] == 252


def test_fifty_runs_leave_what_one_leaves():
    gram_panel(size=32).close()
    empty, threads = len(_instances), threading.active_count()
    first = gram_panel(size=32)
    one = len(_instances)
    for _ in range(50):
        last = gram_panel(size=32)
    last.start()
    gram_panel(size=32)
    wait_for(lambda: threading.active_count() == threads)
    assert len(_instances) == one and first.widget.comm is None
    gram_panel(size=32).close()
    assert len(_instances) == empty
