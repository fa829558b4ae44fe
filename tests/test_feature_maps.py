"""The feature panel and its parts, without a browser: boxes against gradients, numbers against the network, state,
errors, leaks.
"""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from ipywidgets.widgets.widget import _instances

from fashion_style.errors import FeatureError, PanelError
from fashion_style.features import build_extractor, layer_shapes, load_extractor, rank_channels, recompute_activation
from fashion_style.garments import draw_garment
from fashion_style.images import encode_picture, open_picture
from fashion_style.panels.cells import PictureCells, bars_svg, cell_sheet, colour_map
from fashion_style.panels.feature import feature_panel
from fashion_style.panels.layer_view import (
    arithmetic_html,
    arithmetic_parts,
    compare_order,
    field_of,
    map_over_picture,
    map_sheet,
    see_layer,
    steps_to,
)
from fashion_style.panels.layer_widgets import COLUMNS, PLACES, ROWS
from fashion_style.patterns import draw_pattern

LAYERS = ("block1_conv1", "block1_conv2", "block2_conv1", "block3_conv2", "block5_conv1")


@pytest.fixture(scope="module")
def extractor():
    return load_extractor("embedded", tuple(layer_shapes("embedded")))


@pytest.fixture(scope="module")
def dress():
    return draw_garment("dress", 80, seed=3).picture


@pytest.fixture
def panel():
    panel = feature_panel(size=64)
    yield panel
    panel.close()


def own_network():
    """Two convolutions and a pool of another plan: 5 x 5 kernels, a pool of 3."""
    picture = keras.Input((None, None, 3))
    signal = keras.layers.Conv2D(4, 5, padding="same", activation="relu", name="wide")(picture)
    signal = keras.layers.MaxPooling2D(3)(signal)
    return keras.Model(
        picture, keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="deep")(signal), name="mine"
    )


# One layer
# -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["embedded", "vgg19"])
@pytest.mark.parametrize("layer", LAYERS)
def test_the_field_is_where_the_gradient_is_not_zero(name, layer):
    network = build_extractor(name, layer)
    for convolution in network.layers:
        # all weights positive: no gradient can cancel, ReLU lets all through
        if isinstance(convolution, keras.layers.Conv2D):
            shape = convolution.kernel.shape
            convolution.set_weights(
                [np.full(shape, 1 / np.prod(shape[:3]), "float32"), np.full(shape[-1], 300.0, "float32")]
            )
    picture = tf.random.stateless_uniform((1, 96, 96, 3), (1, 2), -1, 1)
    with tf.GradientTape() as tape:
        tape.watch(picture)
        activation = network(picture)[layer]
        place = (activation.shape[1] // 2, activation.shape[2] // 3)
        value = tf.reduce_sum(activation[0, place[0], place[1]])
    touched = np.any(tape.gradient(value, picture).numpy()[0] != 0, axis=-1)
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    top, left, bottom, right = field_of(steps_to(network, layer), place)
    box = max(top, 0), max(left, 0), min(bottom, 96), min(right, 96)
    found = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    # A maximum passes the gradient to one of its four inputs, so at most the outermost pixels of a pool stay dark.
    pools = sum(kernel == 2 for kernel, _, _ in steps_to(network, layer))
    slack = np.array(found) - np.array(box)
    assert (slack[:2] >= 0).all() and (slack[2:] <= 0).all() and np.abs(slack).max() <= 2**pools - 1


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("place", [(0, 0), (2, 3), (-1, -1)])
def test_the_arithmetic_gives_what_the_network_gives(extractor, dress, layer, place):
    seen = see_layer(extractor, dress, layer)
    place = tuple(position % side for position, side in zip(place, seen.activation.shape))
    np.testing.assert_allclose(seen.activation, np.asarray(extractor(dress[None])[layer])[0], rtol=1e-5, atol=1e-5)
    for channel in (0, seen.activation.shape[-1] - 1):
        hand, oracle = seen.by_hand(place, channel), recompute_activation(extractor, dress, layer, place, channel)
        assert hand.total == pytest.approx(oracle.total) and hand.activation == pytest.approx(hand.network, abs=1e-3)
        parts, rest = arithmetic_parts(hand)
        assert sum(value for _, value in parts) + rest + hand.bias == pytest.approx(hand.total)
        text = arithmetic_html(hand, layer)
        assert f"{hand.total:.3f}" in text and text.count("<table") == 6 and f"{hand.bias:+.3f} (bias)" in text


def test_the_strongest_position_is_the_maximum(extractor, dress):
    seen = see_layer(extractor, dress, "block3_conv1")
    for channel in range(4):
        assert seen.activation[(*seen.strongest(channel), channel)] == seen.activation[..., channel].max()
        top, left, bottom, right = seen.box(seen.strongest(channel))
        np.testing.assert_array_equal(seen.patch(seen.strongest(channel)), dress[top:bottom, left:right])
    assert 0 <= top < bottom <= 80 and 0 <= left < right <= 80


def test_what_cannot_be_followed_is_refused(extractor, dress):
    strided = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(2, 3, strides=2, padding="same", name="stride"),
            keras.layers.Conv2D(2, 3, name="valid"),
        ]
    )
    for network, layer in ((extractor, "block9_conv1"), (strided, "stride"), (strided, "valid")):
        with pytest.raises(FeatureError, match="cannot be followed"):
            see_layer(network, dress, layer)
    with pytest.raises(FeatureError, match="no position left"):
        see_layer(extractor, np.zeros((8, 8, 3)), "block5_conv1")


def test_the_order_of_a_comparison_by_hand():
    first, second = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    first[..., 0], second[..., 1], second[..., 2] = 1.0, 3.0, 2.0
    assert compare_order(first, second).tolist() == [1, 2, 0]


# Pictures
# --------------------------------------------------------------------------------------------------------------
def test_colours_and_sheets_by_hand():
    assert colour_map([0.0, 0.5, 1.0, 2.0, np.nan], 0, 1, "gray")[:, 0].tolist() == [0, 128, 255, 255, 0]
    sheet = cell_sheet([np.full((2, 2, 3), 200, np.uint8)] * 5, 2, 3, 10)
    assert sheet.shape == (20, 30, 3) and sheet[15, 15, 0] == 200 and sheet[15, 25, 0] == 40 and sheet[0, 0, 0] == 40
    activation = np.zeros((2, 2, 2))
    activation[0, 0] = 1.0
    tiles = map_sheet(activation, [0, 1], [1.0, 2.0], columns=2, rows=1, side=10)
    assert tiles[2, 2].sum() > tiles[2, 12].sum() > tiles[8, 8].sum(), (
        "the same value is darker where the scale reaches further"
    )


def test_the_view_frames_the_strongest_and_the_chosen_field(extractor, dress):
    seen = see_layer(extractor, dress, "block2_conv1")
    plain, framed = map_over_picture(seen, 0, 1.0), map_over_picture(seen, 0, 1.0, (5, 30))
    changed = np.argwhere(np.any(plain != framed, axis=-1)) * 80 / 288
    top, left, bottom, right = seen.box((5, 30))
    assert changed.min(axis=0) == pytest.approx([top, left], abs=1) and changed.max(axis=0) == pytest.approx(
        [bottom, right], abs=1
    )


def test_bars_escape_their_labels_and_stand_nothing():
    assert "<script" not in bars_svg([("<script>", [1.0])], "<b>") and "&lt;script&gt;" in bars_svg(
        [("<script>", [1.0])], "t"
    )
    assert bars_svg([], "none").endswith("</svg>") and "nan" not in bars_svg([("zero", [0.0, 0.0])], "zero")


def test_named_cells_stay_chosen_and_fine_cells_do_not():
    for fine, calls in ((False, [4]), (True, [4, 4])):
        picked = []
        cells = PictureCells(30, 30, 3, 3, "toy", picked.append, fine=fine)
        cells.pick(4)
        cells.pick(4)
        cells.name([f"cell {number}" for number in range(9)], None if fine else 2)
        assert picked == calls and cells.buttons.index == (None if fine else 2), "naming is no pick"


# The panel
# -------------------------------------------------------------------------------------------------------------
def test_channels_are_sorted_and_a_click_shows_one(panel):
    seen = panel.seen()
    order = rank_channels(seen.activation)
    assert panel.controls.page_channels() == order[: ROWS * COLUMNS].tolist() and panel.state()["channel"] == order[0]
    names = panel.first.cells.buttons.options
    assert [int(name.split(":")[0]) for name in names] == order[
        : len(names)
    ].tolist() and panel.first.cells.buttons.index == 0
    before = panel.first.view.frame.value
    panel.first.cells.pick(3)
    assert panel.state()["channel"] == order[3] and panel.first.view.frame.value != before
    assert (panel.state()["row"], panel.state()["column"]) == seen.strongest(order[3])
    assert f"channel {order[3]}" in panel.said and not panel.failed


def test_a_click_into_the_view_moves_the_arithmetic(panel):
    panel.first.view.pick(PLACES * 8 + 2)
    assert (panel.state()["row"], panel.state()["column"]) == (34, 10) and "Row 34, column 10" in panel.place.sum.value
    hand = panel.seen().by_hand((34, 10), panel.state()["channel"])
    assert f"{hand.total:.3f}" in panel.place.sum.value
    panel.go_to_strongest()
    assert (panel.state()["row"], panel.state()["column"]) == panel.seen().strongest(panel.state()["channel"])


def test_pages_reach_every_channel(panel):
    panel.set_state(layer="block3_conv1", order="number")
    found = []
    for page in range(1, panel.controls.page.max + 1):
        panel.set_state(page=page)
        found += panel.controls.page_channels()
    assert found == list(range(64))


def test_two_pictures_share_channels_and_scale(panel):
    assert panel._other_part.layout.display == "none"
    panel.set_state(compare=True, order="difference", other="leopard")
    first, second = panel.seen(), panel.seen(1)
    assert (
        panel._other_part.layout.display == "flex"
        and panel.controls.page_channels()[:5] == compare_order(first.activation, second.activation)[:5].tolist()
    )
    assert [side.cells.buttons.options[0].split(":")[0] for side in (panel.first, panel.second)] == [
        str(panel.controls.page_channels()[0])
    ] * 2
    assert (
        panel._bars.value.count("<rect") == 2 * len(panel.controls.page_channels()) and "leopard" in panel._bars.value
    )
    before = panel.second.cells.frame.value
    panel.set_state(other="ogee")
    assert panel.second.cells.frame.value != before


def test_state_goes_out_and_back(panel):
    wanted = dict(
        picture="ogee", compare=True, layer="block2_conv2", order="number", page=2, channel=30, row=3, column=4
    )
    panel.set_state(**wanted)
    assert {name: panel.state()[name] for name in wanted} == wanted
    state = panel.state()
    panel.set_state(picture="coat", layer="block1_conv1")
    panel.set_state(**state)
    assert panel.state() == state
    for wrong in (dict(channel=999), dict(layer="block9"), dict(picture="sock"), dict(colour=1)):
        with pytest.raises(PanelError):
            panel.set_state(**dict(dict(picture="coat"), **wrong))
        assert panel.state() == state


def test_a_network_that_cannot_be_used_leaves_the_old_one(panel, tmp_path):
    broken = tmp_path / "weights.npz"
    broken.write_bytes(b"no weights")
    for path in ("nowhere.npz", str(broken)):
        panel.network.weights.value = path
        assert (
            panel.failed
            and path in panel.said
            and panel.state()["network"] == "embedded"
            and panel.state()["weights"] == ""
        )
    panel.set_state(channel=1)
    assert not panel.failed and "channel 1" in panel.said


def test_own_pictures_and_networks(tmp_path):
    path = tmp_path / "mine.png"
    path.write_bytes(encode_picture(draw_pattern("tartan", 50, seed=1)))
    panel = feature_panel(path, draw_pattern("ogee", 40, seed=1), network=own_network(), size=48)
    try:
        assert (
            not panel.failed
            and panel.network.layers == ["wide", "deep"]
            and panel.state()["picture"] not in ("dress", "tartan")
        )
        panel.set_state(layer="deep", channel=5, compare=True)
        seen = panel.seen()
        assert seen.activation.shape == (16, 16, 6) and field_of(seen.steps, (8, 8)) == (19, 19, 32, 32)
        panel.set_state(network="embedded", layer="block4_conv2")
        assert panel.seen().activation.shape[-1] == 96
    finally:
        panel.close()
    panel = feature_panel(tmp_path / "none.png")
    assert panel.failed and "no such file" in panel.said and panel.state()["picture"] == "dress"
    panel.close()


def test_vgg19_with_its_real_weights(panel, vgg19_weights):
    panel.set_state(network="vgg19", weights=str(vgg19_weights), layer="block3_conv4")
    assert not panel.failed, panel.said
    assert (
        panel.network.extractor.name == "vgg19"
        and panel.seen().activation.shape == (16, 16, 256)
        and panel.controls.page.max == 11
    )
    hand = panel.seen().by_hand((3, 3), 7)
    assert hand.activation == pytest.approx(hand.network, rel=1e-3, abs=0.1)


def test_the_fallback_is_a_picture(panel):
    assert open_picture(panel.still()).shape == (288, 720, 3)


def test_fifty_runs_leave_what_one_leaves():
    feature_panel(size=32).close()
    empty, threads = len(_instances), threading.active_count()
    first = feature_panel(size=32)
    one = len(_instances)
    for _ in range(50):
        last = feature_panel(size=32)
    assert len(_instances) == one and threading.active_count() == threads and first.widget.comm is None
    last.close()
    assert len(_instances) == empty
