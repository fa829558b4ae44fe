"""What all panels share, without a browser: errors are said, nothing is lost, controls have names, nothing is left."""

import base64
import io
import threading

import ipywidgets as widgets
import nbformat
import numpy as np
import pytest
from hostile import png, write_hostile_files
from ipywidgets.widgets.widget import _instances
from nbconvert import HTMLExporter
from PIL import Image

from fashion_style.errors import PanelError
from fashion_style.images import encode_picture, open_picture
from fashion_style.panels.panel import Panel, guarded
from fashion_style.panels.parts import labelled_slider
from fashion_style.panels.picture_choice import PictureChoice
from fashion_style.panels.pictures import picture_widget, small_png
from fashion_style.panels.samples import embedded_garments, embedded_patterns
from fashion_style.panels.worker import Worker

RED = np.broadcast_to(np.array([1, -1, -1], "float32"), (20, 30, 3)).copy()
GREY = np.zeros((20, 20, 3), "float32")


class SmallPanel(Panel):
    """One of each kind of control; `refresh` counts its calls."""

    kind = "small panel"

    def __init__(self):
        super().__init__()
        self.refreshed, self.worker = 0, Worker(self.say_error)
        self.on_close(self.worker.close)
        self.one = PictureChoice(self, "Garment", {"red": RED, "grey": GREY})
        self.many = PictureChoice(self, "Prints", {"red": RED, "grey": GREY, "again": GREY}, most=2)
        self.control("garment", self.one, "name")
        self.control("prints", self.many, "names")
        rows = [
            labelled_slider("strength", 0.5, 0.0, 1.0, 0.1),
            labelled_slider("rate", 1e-3, 1e-5, 1e-1, 0.1, logarithmic=True),
            labelled_slider("steps", 2, 1, 5, 1),
        ]
        self.rows = dict(zip(("strength", "rate", "steps"), rows))
        for name, (_, slider) in self.rows.items():
            self.control(name, slider)
        self.frame, self.show = picture_widget(64, 48, "a picture")
        self.fill(self.one.widget, self.many.widget, *(box for box, _ in rows), self.frame)

    def refresh(self):
        self.refreshed += 1
        if self.state()["steps"] == 5:
            raise RuntimeError("five is too much <b>")


@pytest.fixture
def panel():
    panel = SmallPanel()
    yield panel
    panel.close()


def upload(choice, data, name):
    """As the browser does it: a tuple of one dict, content as memoryview."""
    choice._uploaded({"new": ({"content": memoryview(data), "name": name},)})


# State
# -------------------------------------------------------------------------------------------------------------------
def test_state_goes_out_and_back_with_one_refresh(panel):
    wanted = dict(garment="grey", prints=("again", "red"), strength=0.3, rate=0.01, steps=4)
    panel.set_state(**wanted)
    assert panel.state() == wanted and panel.refreshed == 1
    panel.set_state(**panel.state())
    assert panel.state() == wanted


@pytest.mark.parametrize(
    "wrong",
    [
        dict(strength=1.5),
        dict(rate=1.0),
        dict(steps=0),
        dict(garment="sock"),
        dict(prints=[]),
        dict(prints=["red", "grey", "again"]),
        dict(strength="much"),
        dict(colour=1),
    ],
)
def test_a_wrong_value_changes_nothing(panel, wrong):
    before = panel.state()
    with pytest.raises(PanelError):
        panel.set_state(**dict(dict(strength=0.1, garment="grey"), **wrong))
    assert panel.state() == before


def test_a_moved_slider_moves_its_text_and_the_other_way_round(panel):
    for name, value in (("strength", 0.25), ("rate", 0.02), ("steps", 3)):
        box, slider = panel.rows[name]
        slider.value = value
        assert box.children[0].value == pytest.approx(value)
        box.children[0].value = type(value)(value / 2)
        assert slider.value == pytest.approx(type(value)(value / 2))
    assert panel.refreshed == 6


# Errors
# ------------------------------------------------------------------------------------------------------------------
def test_an_error_in_a_handler_is_said_and_cleared_when_put_right(panel):
    panel.rows["steps"][1].value = 5
    assert (
        panel.said == "RuntimeError: five is too much <b>"
        and "<b>" not in panel.status.value
        and 'role="status"' in panel.status.value
    )
    panel.rows["steps"][1].value = 4
    assert panel.said == "Ready." and "fs-error" not in panel.status.value


def test_guarded_lets_an_interrupt_through(panel):
    class Part:
        @guarded
        def act(self):
            raise KeyboardInterrupt

    part = Part()
    part.panel = panel
    with pytest.raises(KeyboardInterrupt):
        part.act()


def test_hostile_uploads_get_a_message_and_the_old_picture_stays(panel, tmp_path):
    for name, data in (
        ("letter.jpg", b"dear madam"),
        ("nothing.png", b""),
        ("bomb.png", png(10_000, 10_000, b"", bits=1, colour=0)),
    ):
        panel.say("")
        upload(panel.one, data, name)
        assert panel.said.startswith(name + ":") and panel.failed, panel.said
        assert panel.one.name == "red" and list(panel.one._pictures) == ["red", "grey"]
    for file in write_hostile_files(tmp_path):
        panel.say("")
        panel.one._path_entered({"new": str(file.path)})
        assert panel.failed == (file.path.name not in " ".join(panel.one._pictures)), (file, panel.said)
        assert np.isfinite(panel.one.value).all() and panel.one.value.ndim == 3
        assert file.expected == "either" or panel.failed == (file.expected == "error"), (file, panel.said)
        panel.one._pictures = {name: panel.one._pictures[name] for name in ("red", "grey")}
        panel.one._set(["red"])


# Pictures
# ----------------------------------------------------------------------------------------------------------------
def test_several_uploads_at_once(panel):
    assert panel.many._upload.multiple and not panel.one._upload.multiple
    files = [("a.png", encode_picture(RED)), ("b.png", b"no picture"), ("c.png", encode_picture(GREY))]
    panel.many._uploaded({"new": tuple({"content": memoryview(data), "name": name} for name, data in files)})
    assert panel.failed and panel.said.startswith("b.png:") and list(panel.many._pictures)[3:] == ["a.png", "c.png"], (
        "a bad file keeps no other out"
    )
    assert panel.many.names == ("red", "c.png"), "there was room for two"


def test_a_number_beside_a_slider_is_short_enough_to_be_read(panel):
    box, slider = panel.rows["rate"]
    slider.value = 10**-3.1
    assert box.children[0].value == 0.000794 and slider.value == 10**-3.1, "the slider keeps its own number"


def test_an_upload_is_chosen_and_its_name_is_its_own(panel):
    for expected in ("mine.png", "mine.png 2"):
        upload(panel.one, encode_picture(RED), "mine.png")
        assert panel.one.name == expected and panel.refreshed
        np.testing.assert_allclose(panel.one.value, RED, atol=0.01)
    assert panel.one._upload.value == ()


def test_a_large_upload_is_reduced_and_keeps_its_proportions(panel):
    upload(panel.one, encode_picture(np.zeros((600, 3000, 3), np.uint8)), "wide.png")
    assert panel.one.value.shape == (205, 1024, 3)


def test_clicks_add_and_remove_up_to_the_limit(panel):
    panel.many._clicked("grey")
    assert panel.many.names == ("red", "grey")
    panel.many._clicked("again")
    assert panel.failed and panel.many.names == ("red", "grey")
    panel.many._clicked("red")
    assert panel.many.names == ("grey",) and [button.description for button in panel.many._buttons.values()] == [
        "red",
        "✓ grey",
        "again",
    ]
    panel.many._clicked("grey")
    assert panel.failed and panel.many.names == ("grey",), "the last one cannot be taken away"


def test_embedded_pictures_are_drawn_at_the_size_asked_for(panel):
    for drawings in (embedded_garments(), embedded_patterns()):
        choice = PictureChoice(panel, "x", dict(list(drawings.items())[:2]), size=40)
        assert choice.value.shape == (40, 40, 3) and choice.value is choice.value
        choice.widget.close()


def test_a_live_picture_is_a_jpeg_of_fixed_size(panel):
    for picture in (RED, np.zeros((90, 31, 3), np.uint8)):
        panel.show(picture)
        image = Image.open(io.BytesIO(panel.frame.value))
        assert image.format == "JPEG" and image.size == (64, 48)
    assert panel.frame.tooltip == "a picture" and panel.frame.description == ""


# Names
# -------------------------------------------------------------------------------------------------------------------
def all_widgets(root):
    yield root
    for child in getattr(root, "children", ()):
        yield from all_widgets(child)


def test_every_control_has_a_name_and_no_box_has_a_tooltip(panel):
    for widget in all_widgets(panel.widget):
        if isinstance(widget, (widgets.HBox, widgets.VBox)):
            assert not widget.tooltip, "a tooltip on a box breaks its view"
        elif not isinstance(widget, widgets.HTML):
            assert widget.tooltip, widget
            assert widget.description or isinstance(
                widget, (widgets.FloatSlider, widgets.FloatLogSlider, widgets.IntSlider, widgets.Image)
            ), widget


# Fallback, re-runs, threads
# ----------------------------------------------------------------------------------------------
def test_the_fallback_is_text_and_a_png(panel):
    bundle = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle and "strength 0.5" in bundle["text/plain"]
    assert isinstance(bundle["image/png"], str) and open_picture(base64.b64decode(bundle["image/png"])).shape[2] == 3
    panel.close()
    assert set(panel._repr_mimebundle_()) == {"text/plain", "image/png"}
    assert len(small_png(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))) < 6000


def test_an_exported_page_shows_the_still(panel):
    bundle = panel._repr_mimebundle_()
    cell = nbformat.v4.new_code_cell(
        "panel", outputs=[nbformat.v4.new_output("execute_result", data=bundle, execution_count=1)]
    )
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert bundle["image/png"][:200] in page and "application/vnd.jupyter.widget-view+json" not in page


def test_fifty_runs_leave_what_one_leaves():
    SmallPanel().close()
    empty, threads = len(_instances), threading.active_count()
    first = SmallPanel()
    one = len(_instances)
    for _ in range(50):
        last = SmallPanel()
        last.worker.run(lambda: None)
    last.worker.wait(5)
    assert len(_instances) == one and threading.active_count() == threads
    assert first.widget.comm is None and Panel._open["small panel"] is last
    last.close()
    last.close()
    assert len(_instances) == empty


def test_an_error_in_a_panels_thread_is_said(panel):
    panel.worker.run(lambda: 1 / 0)
    assert panel.worker.wait(5) and panel.said == "ZeroDivisionError: division by zero" and panel.failed
